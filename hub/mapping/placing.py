"""Groups of a mapping while theirs is written: which items go where, in which order, and which have no place.

Whatever does not reach the target is counted in the account of `hub.mapping.writing`.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from hub.mapping.bind import Scope
from hub.mapping.extras import arrange
from hub.mapping.ours import items_of, reach
from hub.mapping.reading import Finding
from hub.mapping.theirs import tree_put
from hub.mapping.writing import WITHHELD, Writing, append, lost


def put_group(c: Writing, scope: Scope, items: list[Any], t: dict[str, Any]) -> None:
    """The items of one group for one parent, of its list, written and put into their place in the tree."""
    written = 0
    claimed, match = c.claimed, scope.match
    for item in items:
        if id(item) in claimed or (match is not None and not match(item)):
            continue
        if scope.on_ours and not _belongs(c, scope, item):
            continue
        if written and not scope.many and not _is_gone(scope, item):
            claimed.add(id(item))
            c.findings.append(Finding("second item", f"[each.{scope.name}]"))
            lost(c, item, scope.ours_prefix, "second")
        elif put_item(c, scope, item, t):
            written += 1


def put_item(c: Writing, scope: Scope, item: Any, t: dict[str, Any]) -> bool:
    """One item of a group, written, with what tests and `on` settle, and put into its place in the tree of its parent;
    whether it is there now."""
    c.claimed.add(id(item))
    if _is_gone(scope, item):
        lost(c, item, scope.ours_prefix, "removed")
        return False
    c.above.append(item)
    c.at[scope.name] = item
    made = scope.write(item, c)
    c.above.pop()
    if item.stub is True:
        return False
    cell = scope.cell
    if not cell.path.steps:
        if not made:
            _count_hollow(c, scope, item)
            return False
        _blend(c, t, made)
        return True
    if scope.plain:
        if "." not in made:
            return True
        made = made["."]
    else:
        for test, found_in in scope.settled:
            if test.value not in found_in(made):
                tree_put(made, test.path, test.value or "")
        for foreign, name in scope.on.items():
            if t.get(name) is not None:
                made[foreign] = t[name]
    holder = c.tree if scope.theirs_rooted else t
    if cell.above:
        holder = cell.holder(holder, c.taken, make=True)
    if not scope.many:
        holder[cell.name] = made
        return True
    found = holder.get(cell.name)
    if found.__class__ is not list:
        found = holder[cell.name] = []
    extras = item.extras.get(c.link) if item.extras is not UNSET else None
    append(c, found, made, extras.place if extras is not None else None)
    return True


def _is_gone(scope: Scope, item: Any) -> bool:
    """Whether an item is gone, and the mapping cannot say so."""
    return item.removed is True and not scope.maps_removed


def put_none(c: Writing, scope: Scope, t: dict[str, Any]) -> None:
    """That there is none of the list, which ours says, if nothing was written there."""
    holder = scope.cell.holder(c.tree if scope.theirs_rooted else t, c.taken, make=True)
    holder.setdefault(scope.cell.name, None)


def _belongs(c: Writing, scope: Scope, item: Any) -> bool:
    """Whether an item of a flat list names the parent at hand; what it does not say of those around it is defaulted."""
    silent = []
    for n, (names, group, path) in enumerate(scope.on_ours):
        said, wanted = reach(item, names), path.get(c.at[group])
        if said is UNSET and n:
            silent.append(f"{scope.ours_prefix}.{'.'.join(names)}")
        elif wanted is UNSET or said != wanted:
            return False
    for name in silent:
        c.count("defaulted", name)
    return True


def _blend(c: Writing, t: dict[str, Any], made: dict[str, Any]) -> None:
    """Lay what an item wrote into the object that it shares with its parent; containers that both fill stay one."""
    for name, value in made.items():
        held = t.get(name)
        if held.__class__ is dict and value.__class__ is dict:
            _blend(c, held, value)
        elif held.__class__ is list and value.__class__ is list:
            _, places = c.places.get(id(value), (value, [None] * len(value)))
            for one, place in zip(value, places, strict=True):
                append(c, held, one, place)
        else:
            t[name] = value


def _count_hollow(c: Writing, scope: Scope, item: Any) -> None:
    """An item that is the parent's own object and fills none of its cells: what settles whose it is is lost."""
    for names in [*(names for names, _, _ in scope.on_ours), *(names for names, _ in scope.made)]:
        if reach(item, names) is not UNSET:
            c.count(WITHHELD, f"{scope.ours_prefix}.{'.'.join(names)}")


def unclaimed(c: Writing, scope: Scope) -> None:
    """At the very end: items of flat lists whose parent is not there (ours rooted)."""
    for group in scope.plan.flat:
        for item in items_of(c.record, group.our_steps):
            if id(item) not in c.claimed and (group.match is None or group.match(item)):
                c.claimed.add(id(item))
                if item.removed is not True:
                    c.findings.append(Finding("no parent", f"[each.{group.name}]"))
                lost(c, item, group.ours_prefix, "removed" if item.removed is True else "no parent")


def left(c: Writing, items: list[Any], path: str) -> None:
    """At the end of a scope: items of a list that no row and no group claimed."""
    for one in items:
        if id(one) not in c.claimed:
            lost(c, one, path + "[]", "removed" if one.removed is True else WITHHELD)


def finish_writing(c: Writing) -> None:
    """Put every list of theirs in its order."""
    for items, places in c.places.values():
        arrange(items, places)


__all__ = ["finish_writing", "left", "put_group", "put_item", "put_none", "unclaimed"]
