"""Groups of a mapping while theirs is read: which items of a list are whose, in which place, and what to do with orphans.

The compiled functions do plain lists of plain items by themselves; everything else about groups is here.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from hub.mapping.bind import Scope
from hub.mapping.ours import put
from hub.mapping.reading import Reading, compare, extra, partial
from hub.mapping.theirs import MISS, tree_take


class Claim:
    """A list of theirs while groups take items out of it."""

    def __init__(self, holder: Any, name: str, items: list[Any]) -> None:
        self.holder, self.name, self.total = holder, name, len(items)
        self.free: dict[int, Any] = dict(enumerate(items))
        self.taken: list[tuple[int, Any]] = []


def repeated(c: Reading, scope: Scope, key: Any) -> None:
    """A key that was there before in its list: told apart by its occurrence, and noted."""
    if any(one is not UNSET for one in key) if key.__class__ is tuple else key is not UNSET:
        c.note("repeated key", f"[each.{scope.name}]")


def known_id(c: Reading, name: str, above: Any, key: Any, n: int) -> str:
    """The id of an item in an echo: that of the item it echoes, if there was one."""
    known = (c.known or {}).get((name, above, key, n))
    return known if known is not None else c.mint(f"{name}\x1f{above}\x1f{key!r}\x1f{n}")


def claim(c: Reading, scope: Scope, o: Any, t: Any) -> None:
    """The items of one group for one parent: taken out of the tree, read, put into the record's list."""
    cell = scope.theirs
    assert cell is not None
    if not cell.path.steps:
        item = scope.read(t, c, {}, getattr(o, "id", ""))
        if item is not None:
            extend(c, scope, o, [item])
        return
    if scope.theirs_rooted and scope.on:
        key = c.fk.get(scope.parent.name) if scope.parent is not None else None
        if key is not None:
            for n, one in _index(c, scope).pop(key, ()):
                _take(c, scope, o, n, one)
        return
    holder = cell.holder(c.tree if scope.theirs_rooted else t, c.taken)
    if holder is None:
        return
    value = holder.get(cell.name, MISS)
    if value.__class__ is dict and not scope.many:
        cell.drop(t, c.taken)
        extend(c, scope, o, [scope.read(value, c, {}, getattr(o, "id", ""))])
    elif value.__class__ is list and value and scope.many:
        _claim_list(c, scope, o, t, holder, value)
    elif value is not MISS and value is not None and value != [] and value not in ("", {}):
        c.note("shape", f"[each.{scope.name}]")


def _claim_list(c: Reading, scope: Scope, o: Any, t: Any, holder: Any, items: list[Any]) -> None:
    cell = scope.theirs
    assert cell is not None
    seen, up = _seen(c, scope, o), getattr(o, "id", "")
    held = c.claims.get(id(items))
    if held is None:
        held = c.claims[id(items)] = Claim(holder, cell.name, items)
    for n, one in list(held.free.items()):
        if _fits(scope, one):
            for test in scope.their_tests:
                tree_take(one, test)
            item = scope.read({".": one} if scope.plain else one, c, seen, up)
            if item is None:
                partial(c, scope.ours_prefix.removesuffix("[]"))
                continue
            del held.free[n]
            held.taken.append((n, item))
            extend(c, scope, o, [item])
    if not scope.shared:
        settle(c, held, None if scope.theirs_rooted else (cell, t))


def _fits(scope: Scope, one: Any) -> bool:
    if not isinstance(one, str if scope.plain else dict):
        return False
    return scope.their_match is None or scope.their_match(one)


def settle(c: Reading, held: Claim, prune: Any = None) -> None:
    """Groups are done with a list: what nobody took stays as the rest, and places are kept where order needs them."""
    if held.free:
        if held.taken:
            held.holder[held.name] = {"[]": {str(n): one for n, one in held.free.items()}}
    elif prune is not None:
        _prune(prune[0], prune[1])
    else:
        held.holder.pop(held.name, None)
    unordered = c.plan.schema is not None and c.plan.schema.unordered
    if not unordered and held.taken and (held.free or [n for n, _ in held.taken] != list(range(held.total))):
        for n, item in held.taken:
            extra(c, item).place = n


def settle_shared(c: Reading, t: Any, cells: list[Any]) -> None:
    """At the end of a scope: the lists that several of its groups shared."""
    for cell in cells:
        holder = cell.holder(t, c.taken)
        value = holder.get(cell.name) if holder is not None else None
        held = c.claims.pop(id(value), None) if value.__class__ is list else None
        if held is not None:
            settle(c, held, (cell, t))


def _prune(cell: Any, t: Any) -> None:
    chain = []
    at = t
    for step, _ in cell.steps[:-1]:
        chain.append((at, step.name))
        at = at[step.name]
        if at.__class__ is not dict:
            return
    at.pop(cell.name, None)
    for holder, name in reversed(chain):
        if holder[name]:
            return
        del holder[name]


def _index(c: Reading, scope: Scope) -> dict[Any, list[tuple[int, Any]]]:
    """The items of a rooted list by the parent's cell that they name."""
    found = c.index.get(scope.name)
    if found is None:
        found = c.index[scope.name] = {}
        cell = scope.theirs
        assert cell is not None
        holder = cell.holder(c.tree, c.taken)
        items = holder.get(cell.name) if holder is not None else None
        if items.__class__ is list and items:
            held = c.claims.get(id(items))
            if held is None:
                held = c.claims[id(items)] = Claim(holder, cell.name, items)
            foreign = next(iter(scope.on))
            for n, one in held.free.items():
                if _fits(scope, one):
                    found.setdefault(one.get(foreign) or None, []).append((n, one))
    return found


def _take(c: Reading, scope: Scope, o: Any, n: int, one: Any) -> None:
    for foreign in scope.on:
        if one.get(foreign):
            del one[foreign]
    stub = n < 0
    for test in scope.their_tests:
        tree_take(one, test)
    lone = _LONE in one
    item = scope.read(one, c, _seen(c, scope, o), getattr(o, "id", ""))
    if stub:
        item.stub = True
        item.id = UNSET if lone else item.id
    else:
        assert scope.theirs is not None
        held = _held(c, scope)
        if held is not None:
            held.free.pop(n, None)
            held.taken.append((n, item))
    extend(c, scope, o, [item])


def _held(c: Reading, scope: Scope) -> Claim | None:
    cell = scope.theirs
    assert cell is not None
    holder = cell.holder(c.tree, c.taken)
    return c.claims.get(id(holder.get(cell.name))) if holder is not None else None


def _seen(c: Reading, scope: Scope, o: Any) -> dict[Any, int]:
    """How often each key occurred below one parent."""
    return c.seen.setdefault((scope.name, id(o)), {})


def extend(c: Reading, scope: Scope, o: Any, items: list[Any]) -> None:
    """Items of a group into their list of ours."""
    at = c.record if scope.ours_rooted else o
    for step in scope.our_steps[:-1]:
        value = getattr(at, step.name)
        if value is UNSET or value is None:
            value = step.field.part()  # type: ignore[misc]
            setattr(at, step.name, value)
        at = value
    name = scope.our_steps[-1].name
    known = getattr(at, name)
    if known is UNSET or known is None:
        setattr(at, name, items)
        if scope.spec is not None and scope.spec.partial:
            partial(c, scope.ours_prefix.removesuffix("[]"))
    else:
        known.extend(items)


def link_up(c: Reading, on: list[Any], o: Any) -> None:
    """Set the cells of ours that say whose item this is (`on`, when ours is the flat side)."""
    for names, group, path in on:
        value = path.get(c.at[group]) if group in c.at else UNSET
        if value is not UNSET:
            put(o, names, value)


def orphans(c: Reading, joined: list[Scope]) -> None:
    """Items that name a parent nobody has: a stub parent holds them. Children first, so that stubs find their own."""
    for below in joined:
        parent = below.parent
        assert parent is not None
        for key, items in list(_index(c, below).items()):
            if not items:
                continue
            c.note("no parent", f"[each.{below.name}]")
            tree = {} if key is None else {next(iter(below.on.values())): key}
            _index(c, below)[key if key is not None else _LONE] = _index(c, below).pop(key)
            if parent.theirs_rooted and parent.on:
                _index(c, parent).setdefault(None, []).append((-1, {**tree, **({_LONE: True} if key is None else {})}))
            else:
                _stub(c, parent, tree, key)


_LONE = "\0lone"


def _stub(c: Reading, scope: Scope, tree: Any, key: Any) -> None:
    if key is None:
        tree[_LONE] = True
    item = scope.read(tree, c, _seen(c, scope, c.record), "")
    item.stub = True
    item.id = UNSET if key is None else item.id
    extend(c, scope, c.record, [item])


def parent_cell(t: Any, name: str) -> Any:
    """The cell of a parent that its rooted children name; a stub without one answers for all that name none."""
    if _LONE in t:
        del t[_LONE]
        return _LONE
    return t.get(name) or None


def finish(c: Reading) -> None:
    """The record is read: settle rooted lists, name the items that rows made, compare the copies."""
    for held in c.claims.values():
        settle(c, held)
    for item, owner, text in c.fresh:
        if item.id is UNSET:
            item.id = known_id(c, text, getattr(owner, "id", ""), None, 0)
    if c.later:
        compare(c)


__all__ = ["claim", "extend", "finish", "known_id", "link_up", "orphans", "parent_cell", "repeated", "settle_shared"]
