"""Groups of a mapping while theirs is read: which items of a list are whose, and what about orphans.

The compiled functions do plain lists of plain items by themselves; everything else about groups is here.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from hub.errors import RecordError
from hub.mapping.bind import Scope
from hub.mapping.copies import compare
from hub.mapping.extras import unpack
from hub.mapping.ours import put
from hub.mapping.reading import Reading, partial
from hub.mapping.settle import Claim, prune, settle
from hub.mapping.theirs import tree_take

LONE = "\0lone"
"""Marks the tree of a stub that holds the items which name no parent at all."""


def repeated(c: Reading, scope: Scope, key: Any) -> None:
    """A key that was there before in its list: told apart by its occurrence, and noted."""
    if any(one is not UNSET for one in key) if key.__class__ is tuple else key is not UNSET:
        c.note("repeated key", f"[each.{scope.name}]")


def repeated_id(c: Reading, scope: Scope, o: Any, t: Any, spell: dict[str, Any]) -> None:
    """An id that another item of the list has already: what refers to it would not know which is meant.

    The item gets an id of our own, which its own link never sees; the cell stays in the rest as it was.
    """
    repeated(c, scope, o.id)
    if o.id is UNSET:
        return
    row = next(row for row in scope.rows if row.ours[0].path.text == "id" and row.reading)
    way = next((way for way in row.reading if way.key in spell), row.reading[0])
    text = unpack(spell.pop(way.key)) if way.key in spell else way.said(way.encode(o.id))
    way.theirs[0].put(t, c.taken, text)
    o.id = UNSET


def known_id(c: Reading, name: str, above: Any, key: Any, n: int) -> str:
    """The id of an item in an echo: that of the item it echoes, if there was one."""
    known = (c.known or {}).get((name, above, key, n))
    return known if known is not None else c.mint(f"{name}\x1f{above}\x1f{key!r}\x1f{n}")


def claim(c: Reading, scope: Scope, o: Any, t: Any, holder: Any, value: Any) -> None:
    """The items of one group for one parent, of what stands at its path: taken out of the tree, read, put into the
    record's list. holder: the object that has the value."""
    items = claimed(c, scope, o, t, holder, value)
    if items:
        extend(c, scope, o, items)


def claimed(c: Reading, scope: Scope, o: Any, t: Any, holder: Any, value: Any) -> list[Any]:
    """The same, but they are not put into the record's list yet."""
    if value.__class__ is list and value and scope.many:
        held = c.claims.get(id(value))
        free = dict(enumerate(value)) if held is None else held.free
        own = _own(c, scope, free)
        if not own:
            return []
        if held is None:
            held = _held(c, scope, holder, value, free)
        items = _taken(c, scope, o, held, own)
        if not scope.shared and settle(c, held):
            if scope.theirs_rooted:
                holder.pop(held.name, None)
            else:
                prune(scope.cell, t)
        return items
    if value.__class__ is dict and not scope.many:
        scope.cell.drop(t, c.taken)
        return [scope.read(value, c, {}, getattr(o, "id", ""))]
    if value is None and scope.spec is not None and scope.spec.none:
        scope.cell.drop(t, c.taken)
        nothing(c, scope, o)
    elif value is not None and value not in ([], "", {}):
        c.note("shape", f"[each.{scope.name}]")
    return []


def claim_rooted(c: Reading, scope: Scope, o: Any) -> None:
    """The same of a group whose list stands at the root of their tree."""
    if scope.on:
        _claim_named(c, scope, o)
        return
    holder = scope.cell.holder(c.tree, c.taken)
    if holder is not None and scope.cell.name in holder:
        claim(c, scope, o, c.tree, holder, holder[scope.cell.name])


def _held(c: Reading, scope: Scope, holder: Any, items: list[Any], free: dict[int, Any]) -> Claim:
    """A new claim on a list, kept where others take from it as well."""
    found = Claim(holder, scope.cell.name, free, scope.mixed)
    if scope.shared or scope.theirs_rooted:
        c.claims[id(items)] = found
    return found


def _own(c: Reading, scope: Scope, free: dict[int, Any]) -> dict[int, Any]:
    """The items of a list that a group takes, by index: those of its kind that are no row's and no other group's."""
    match, picked = scope.their_match, scope.picked
    kind = str if scope.plain else dict
    own = free
    if picked or {*map(type, free.values())} != {kind}:
        own = {n: one for n, one in free.items() if isinstance(one, kind) and c.taken.get(id(one)) not in picked}
        if scope.plain and len(own) < len(free):
            partial(c, scope.ours_prefix.removesuffix("[]"))
    return own if match is None else {n: one for n, one in own.items() if match(one)}


def _taken(c: Reading, scope: Scope, o: Any, held: Claim, own: dict[int, Any]) -> list[Any]:
    """A group's own items, read; their places are kept in the claim."""
    free, taken, tests = held.free, held.taken, scope.their_tests
    seen: dict[Any, int] = {}
    up = getattr(o, "id", "")
    items = []
    for n, one in [*own.items()]:
        for test in tests:
            tree_take(one, test)
        item = scope.read({".": one} if scope.plain else one, c, seen, up)
        if item is None:
            partial(c, scope.ours_prefix.removesuffix("[]"))
            continue
        del free[n]
        taken.append((n, item))
        items.append(item)
    return items


def _fits(scope: Scope, one: Any) -> bool:
    if not isinstance(one, str if scope.plain else dict):
        return False
    return scope.their_match is None or scope.their_match(one)


def _index(c: Reading, scope: Scope) -> dict[Any, list[tuple[int, Any]]]:
    """The items of a rooted list, with their index there, by the parent's cell that they name."""
    found = c.index.get(scope.name)
    if found is None:
        found = c.index[scope.name] = {}
        held = _rooted(c, scope)
        (foreign,) = scope.on
        for n, one in held.free.items() if held is not None else ():
            if _fits(scope, one):
                found.setdefault(_named(c, scope, one.get(foreign)), []).append((n, one))
    return found


def _named(c: Reading, scope: Scope, cell: Any) -> Any:
    """What a cell says that names a parent, None for nothing; RecordError where it holds other fields."""
    if cell and (cell.__class__ is dict or cell.__class__ is list):
        file, place = scope.where
        told = "a text is expected, the field holds other fields"
        raise RecordError(told, place=c.place, row=f"{file} {place} on")
    return cell or None


def _rooted(c: Reading, scope: Scope) -> Claim | None:
    """The claim on a rooted list, if it is there."""
    holder = scope.cell.holder(c.tree, c.taken)
    items = holder.get(scope.cell.name) if holder is not None else None
    if items.__class__ is not list or not items:
        return None
    return c.claims.get(id(items)) or _held(c, scope, holder, items, dict(enumerate(items)))


def _claim_named(c: Reading, scope: Scope, o: Any) -> None:
    """The items of a rooted list that name the parent at hand; an index below 0 is a stub's."""
    (foreign, named), parent = *scope.on.items(), scope.parent
    key = c.parents.get((parent.name, named)) if parent is not None else None
    for n, one in _index(c, scope).pop(key, ()) if key is not None else ():
        if one.get(foreign):
            del one[foreign]
        if n < 0:
            _stub(c, scope, o, one)
            continue
        for test in scope.their_tests:
            tree_take(one, test)
        item = scope.read(one, c, _seen(c, scope, o), getattr(o, "id", ""))
        held = _rooted(c, scope)
        if held is not None:
            held.free.pop(n, None)
            held.taken.append((n, item))
        extend(c, scope, o, [item])


def _stub(c: Reading, scope: Scope, o: Any, tree: Any) -> None:
    """A parent that is known only because items name it, or that stands for all who name none."""
    is_lone = LONE in tree
    item = scope.read(tree, c, _seen(c, scope, o), getattr(o, "id", ""))
    item.stub = True
    item.id = UNSET if is_lone else item.id
    extend(c, scope, o, [item])


def _seen(c: Reading, scope: Scope, o: Any) -> dict[Any, int]:
    """How often each key occurred below one parent."""
    return c.seen.setdefault((scope.name, id(o)), {})


def _holder(c: Reading, scope: Scope, o: Any) -> Any:
    """The part of ours that has a group's list, made where it is missing."""
    at = c.record if scope.ours_rooted else o
    for step in scope.our_steps[:-1]:
        value = getattr(at, step.name)
        if value is UNSET or value is None:
            value = step.field.part()  # type: ignore[misc]
            setattr(at, step.name, value)
        at = value
    return at


def extend(c: Reading, scope: Scope, o: Any, items: list[Any]) -> None:
    """Items of a group into their list of ours."""
    at = o if len(scope.our_steps) == 1 and not scope.ours_rooted else _holder(c, scope, o)
    name = scope.our_steps[-1].name
    known = getattr(at, name)
    if known is UNSET or known is None:
        setattr(at, name, items)
        if scope.spec is not None and scope.spec.partial:
            partial(c, scope.ours_prefix.removesuffix("[]"))
    else:
        known.extend(items)


def nothing(c: Reading, scope: Scope, o: Any) -> None:
    """Theirs says that there is none of the list: so does ours, where no other group found some."""
    at = _holder(c, scope, o)
    if getattr(at, scope.our_steps[-1].name) is UNSET:
        setattr(at, scope.our_steps[-1].name, None)


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
        assert parent is not None, "a joined group has one"
        index = _index(c, below)
        for key, items in list(index.items()):
            if not items:
                continue
            c.note("no parent", f"[each.{below.name}]")
            index[LONE if key is None else key] = index.pop(key)
            (named,) = below.on.values()
            tree = {LONE: True} if key is None else {named: key}
            if parent.theirs_rooted and parent.on:
                _index(c, parent).setdefault(None, []).append((-1, tree))
            else:
                _stub(c, parent, c.record, tree)


def parent_cell(t: Any, name: str) -> Any:
    """The cell of a parent that its rooted children name; a stub without one answers for all that name none."""
    cell = LONE if LONE in t else t.get(name) or None
    return None if cell.__class__ is dict or cell.__class__ is list else cell


def finish(c: Reading) -> None:
    """The record is read: settle rooted lists, name the items that rows made, compare the copies."""
    for held in c.claims.values():
        if settle(c, held):
            held.holder.pop(held.name, None)
    for item, owner, text in c.fresh:
        if item.id is UNSET:
            item.id = known_id(c, text, getattr(owner, "id", ""), None, 0)
    if c.later:
        compare(c)


__all__ = [
    "LONE",
    "claim",
    "claim_rooted",
    "claimed",
    "extend",
    "finish",
    "known_id",
    "link_up",
    "orphans",
    "parent_cell",
    "repeated",
    "repeated_id",
]
