"""Writing the record as theirs: one value at a time, and the account of what does not get there.

Whatever of the record does not reach the target is counted by what became of it and by its path. The compiled functions
(`hub.mapping.create`) call what is here for everything that is not the common case.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from hub.errors import RecordError
from hub.mapping import when
from hub.mapping.bind import Plan, Way
from hub.mapping.extras import grow
from hub.mapping.ours import Ours, OurStep, reach
from hub.mapping.reading import Finding
from hub.mapping.theirs import MISS
from hub.mapping.way import BAD
from hub.model import ChildRecord, Item, fields

WITHHELD, NARROWED, UNSAYABLE = "withheld", "narrowed", "unsayable"
OWN = {"id", "removed", "stub"}
"""Fields of every item that the hub itself answers for where no row does."""
ENGINE = {
    "source.link": "the hub names the link itself",
    "source.edition": "the edition is the shape of what is written",
    "source.partial": "says which lists are partial; travels with the record only",
}
"""Leaves that the hub itself answers for, and how."""


class Writing:
    """One record being written. account: (what, path of the leaf) -> how many values.

    above: the items around the one at hand; at: the item of each group around it. taken: by id of an item of theirs,
    the filter that took it. claimed: ids of the items of ours that a row or group wrote. places: by id of a list of
    theirs, the list and the place of each item, None for a new one. done: cells written, by id of their tree
    and path, with the tree, so that no other gets that id.
    """

    __slots__ = (
        *("plan", "link", "record", "strict", "tree"),
        *("account", "findings", "taken", "claimed", "places", "done", "above", "at"),
    )

    def __init__(self, plan: Plan, link: str, record: ChildRecord, strict: bool) -> None:
        self.plan, self.link, self.record, self.strict = plan, link, record, strict
        self.tree: dict[str, Any] = {}
        self.account: dict[tuple[str, str], int] = {}
        self.findings: list[Finding] = []
        self.taken: dict[int, str] = {}
        self.claimed: set[int] = set()
        self.places: dict[int, tuple[list[Any], list[int | None]]] = {}
        self.done: dict[tuple[int, str], Any] = {}
        self.above: list[Any] = []
        self.at: dict[str, Any] = {}

    def count(self, what: str, path: str) -> None:
        """One more value of this leaf of which that became."""
        key = (what, path)
        self.account[key] = self.account.get(key, 0) + 1

    def uncount(self, path: str) -> None:
        """One value of this leaf got there after all, in its kept spelling."""
        for key in ((UNSAYABLE, path), (NARROWED, path)):
            if key in self.account:
                self.account[key] -= 1
                if not self.account[key]:
                    del self.account[key]
                return

    def allows(self, way: Way, o: Any) -> bool:
        """Whether the conditions of an alternative let it write for this item."""
        return not way.conditions or when.hold(way.conditions, o, self.above, self.record)

    def free(self, way: Way, t: dict[str, Any]) -> bool:
        """Whether no earlier row wrote the cell; it is taken now."""
        key = (id(t), way.theirs[0].path.text)
        if key in self.done:
            return False
        self.done[key] = t
        return True


def start(c: Writing, extras: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The tree to write into, with this link's rest in it, and the kept spellings."""
    found = extras.get(c.link)
    if found is None:
        return {}, None
    return (grow(found.rest, c.places) if found.rest else {}), found.spell


def box(t: dict[str, Any], name: str) -> dict[str, Any]:
    """The object at a name, made when missing; what else the rest holds there gives way."""
    found: Any = t.get(name)
    if found.__class__ is not dict:
        found = t[name] = {}
    made: dict[str, Any] = found
    return made


def unusual(c: Writing, way: Way, value: Any, path: str) -> Any:
    """The text of a value that is not among the known canonical pairs, or MISS when nothing is written."""
    text = way.say(value)
    if text is MISS and value is None:
        c.count(NARROWED, path)
        return MISS
    if text is MISS:
        return _unsayable(c, way, path)
    if value is None:
        return way.said(text)
    try:
        narrowed = narrows(way, value, text)
    except BAD:
        return _unsayable(c, way, path)
    said = way.said(text)
    if narrowed:
        c.count(NARROWED, path)
    else:
        way.remember_said(value, said)
    return said


def narrows(way: Way, value: Any, text: str) -> bool:
    """Whether the text that is written for a value would be read as another one."""
    if way.bound is not None:
        return value in way.bound.narrowing
    return way.codec.narrows and bool(way.decode(text) != value)


def _unsayable(c: Writing, way: Way, path: str) -> Any:
    schema = c.plan.schema
    cell = schema.by_path.get(way.row.scope.cell_path(way.theirs[0])) if schema is not None else None
    if cell is not None and cell.required and c.strict:
        told = "the value cannot be said in this format, which requires the field"
        raise RecordError(told, row=way.row.place, table=way.table)
    c.count(UNSAYABLE, path)
    return MISS


class Counting(Protocol):
    """Something that counts values that do not get there."""

    def count(self, what: str, path: str) -> None:
        """One more value of this leaf of which that became."""


def lost(c: Counting, value: Any, path: str, what: str = WITHHELD) -> None:
    """Count every leaf below a value that nothing carries."""
    if value.__class__ is list:
        if value and isinstance(value[0], msgspec.Struct):
            for one in value:
                lost(c, one, path + "[]", what)
        else:
            c.count(what, path)
    elif isinstance(value, msgspec.Struct):
        for name, below in _below(value.__class__, path):
            inner = getattr(value, name)
            if inner.__class__ is str and below not in ENGINE:
                c.count(what, below)
            elif inner is not UNSET:
                lost(c, inner, below, what)
    elif value is not UNSET and path not in ENGINE:
        c.count(what, path)


@cache
def _below(kind: type[msgspec.Struct], path: str) -> list[tuple[str, str]]:
    """The fields of what stands at a path, each with its own; without those that the hub itself answers for."""
    own = OWN if issubclass(kind, Item) else ()
    return [(one.name, f"{path}.{one.name}") for one in fields(kind) if one.name not in own]


def pick(c: Writing, ours: Ours, step: OurStep, items: Any) -> Any:
    """The item that a filtered row speaks of, claimed by it; None when there is none."""
    if items is UNSET or items is None:
        return None
    found = ours.pick(items, step)
    if found is not None:
        c.claimed.add(id(found))
    return found


Leaves = tuple[tuple[tuple[str, ...], Way], ...]
"""Names of a leaf below an item, and a way in which it is written."""


def hollow(c: Writing, item: Any, leaves: Leaves, tests: tuple[str, ...], path: str) -> None:
    """An item that a filtered row speaks of without a value to write: its tests do not reach the target either."""
    for names, way in leaves:
        value = reach(item, names)
        is_mute = (value is None or way.shape == "cell") and value is not UNSET and way.say(value) is MISS
        if value is not UNSET and not is_mute:
            return
    for name in tests:
        c.count(WITHHELD, f"{path}.{name}")


def append(c: Writing, items: list[Any], one: Any, place: int | None) -> None:
    """One more item of a list of theirs, with its place when it had one."""
    known = c.places.get(id(items))
    if known is None and place is not None:
        known = c.places[id(items)] = (items, [None] * len(items))
    items.append(one)
    if known is not None:
        known[1].append(place)


def need(c: Writing, t: Any, names: Sequence[str], prefix: str) -> None:
    """Fields that the format requires and that the record says nothing of."""
    for name in names:
        if name not in t:
            if c.strict:
                told = "the format requires this field and the record does not say it"
                raise RecordError(told, row=f"{prefix}{name}")
            c.findings.append(Finding("required", f"{prefix}{name}"))


__all__ = ["append", "box", "hollow", "lost", "narrows", "need", "pick", "start", "unusual"]
