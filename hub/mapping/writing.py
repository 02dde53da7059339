"""Writing the record as theirs: what the compiled functions call for everything that is not the common case.

Whatever of the record does not reach the target is counted in the account, by what became of it and by its path.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from hub.errors import RecordError
from hub.mapping.bind import Plan, Row, Scope, Way
from hub.mapping.extras import grow, unpack
from hub.mapping.ours import Ours, OurStep, reach
from hub.mapping.reading import ABSENT, BAD, MINTED, Finding, cells_of, expected_of, fires, flags_of
from hub.mapping.theirs import MISS
from hub.model import ChildRecord, Item, fields

WITHHELD, NARROWED, UNSAYABLE = "withheld", "narrowed", "unsayable"


class Writing:
    """One record being written. account: (what, path of the leaf) -> how many values."""

    __slots__ = (
        "above",
        "account",
        "at",
        "claimed",
        "done",
        "findings",
        "link",
        "places",
        "plan",
        "record",
        "strict",
        "taken",
        "tree",
    )

    def __init__(self, plan: Plan, link: str, record: ChildRecord, strict: bool) -> None:
        self.plan, self.link, self.record, self.strict = plan, link, record, strict
        self.tree: dict[str, Any] = {}
        self.account: dict[tuple[str, str], int] = {}
        self.findings: list[Finding] = []
        self.taken: dict[int, str] = {}
        self.claimed: set[int] = set()
        self.places: dict[int, tuple[list[Any], list[int | None]]] = {}
        self.done: set[tuple[int, str]] = set()
        self.above: list[Any] = []
        self.at: dict[str, Any] = {}

    def uncount(self, path: str) -> None:
        """One value of this leaf got there after all, in its kept spelling."""
        for what in (UNSAYABLE, NARROWED):
            if self.account.get((what, path)):
                self.account[what, path] -= 1
                if not self.account[what, path]:
                    del self.account[what, path]
                return

    def count(self, what: str, path: str) -> None:
        """One more value of this leaf of which that became."""
        key = (what, path)
        self.account[key] = self.account.get(key, 0) + 1


def start(c: Writing, extras: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The tree to write into, with this link's rest in it, and the kept spellings."""
    found = extras.get(c.link)
    if found is None:
        return {}, None
    return (grow(found.rest, c.places) if found.rest else {}), found.spell


def box(t: dict[str, Any], name: str) -> dict[str, Any]:
    """The object at a name, made when missing; what else the rest holds there gives way."""
    found = t.get(name)
    if found.__class__ is not dict:
        found = t[name] = {}
    return found  # type: ignore[no-any-return]


def unusual(c: Writing, way: Way, value: Any, path: str) -> Any:
    """The text of a value that is not among the known canonical pairs, or MISS when nothing is written."""
    if value is None:
        if way.none:
            return way.said(way.none[0])
        if way.nulls:
            return None
        c.count(NARROWED, path)
        return MISS
    try:
        text = way.encode(value)
        narrowed = (way.bound is not None and value in way.bound.narrowing) or (
            way.codec.narrows and way.decode(text) != value
        )
    except BAD:
        return _unsayable(c, way, path)
    if text.__class__ is not str or text in way.special or (way.length and len(text) > way.length):
        return _unsayable(c, way, path)
    said = way.said(text)
    if narrowed:
        c.count(NARROWED, path)
    elif way.codec.memo and len(way.unmemo) < 100_000 and way.fast == "memo":
        way.unmemo[value] = said
    return said


def _unsayable(c: Writing, way: Way, path: str) -> Any:
    cell = None
    if c.plan.schema is not None:
        cell = c.plan.schema.by_path.get(way.row.scope.cell_path(way.theirs[0]))
    if cell is not None and cell.required and c.strict:
        raise RecordError(
            "the value cannot be said in this format, which requires the field", row=way.row.place, table=way.table
        )
    c.count(UNSAYABLE, path)
    return MISS


def lost(c: Writing, value: Any, path: str, what: str = WITHHELD) -> None:
    """Count every leaf below a value that nothing carries."""
    if value.__class__ is list:
        if value and isinstance(value[0], msgspec.Struct):
            for one in value:
                lost(c, one, path + "[]", what)
        else:
            c.count(what, path)
    elif isinstance(value, msgspec.Struct):
        for one in fields(type(value)):
            inner = getattr(value, one.name)
            if inner is not UNSET and not (one.name in _OWN and isinstance(value, Item)):
                lost(c, inner, f"{path}.{one.name}", what)
    elif value is not UNSET and path not in ENGINE:
        c.count(what, path)


_OWN = {"id", "removed", "stub"}
ENGINE = {
    "source.link": "the hub names the link itself",
    "source.edition": "the edition is the shape of what is written",
    "source.partial": "says which lists are partial; travels with the record only",
}
"""Leaves that the hub itself answers for, and how."""


def pick(c: Writing, ours: Ours, step: OurStep, items: Any) -> Any:
    """The item that a filtered row speaks of, claimed by it; None when there is none."""
    if items is UNSET or items is None:
        return None
    found = ours.pick(items, step)
    if found is not None:
        c.claimed.add(id(found))
    return found


def hollow(
    c: Writing, item: Any, leaves: tuple[tuple[tuple[str, ...], Way], ...], tests: tuple[str, ...], path: str
) -> None:
    """An item that a filtered row speaks of without a value to write: its tests do not reach the target either."""
    for names, way in leaves:
        value = reach(item, names)
        if (
            value is not UNSET
            and not (value is not None and way.shape == "cell" and _mute(way, value))
            and not (value is None and _mute(way, value))
        ):
            return
    for name in tests:
        c.count(WITHHELD, f"{path}.{name}")


def write_row(c: Writing, row: Row, o: Any, t: dict[str, Any], spell: dict[str, Any] | None) -> None:
    """A row the general way: the alternative that read the value if it is unchanged, else the first that can say it."""
    if row.only_out:
        _copy(c, row, o, t, spell)
        return
    values = [ours.get(o, c.record) for ours in row.ours]
    if spell and spell.get(MINTED) == values[0] and row.ours[0].path.text == "id":
        return
    if all(value is UNSET for value in values):
        for cell in (cell for way in row.writing for cell in way.theirs if cell.last_match is not None):
            cell.clear(t)
        return
    if spell and any(_again(c, way, values, t, spell) for way in row.ways if way.key in spell and _allowed(c, way, o)):
        return
    allowed = [way for way in row.writing if _allowed(c, way, o)]
    for way in allowed:
        if _write(c, way, values, t, last=way is allowed[-1]):
            return
    if not allowed:
        for ours, value in zip(row.ours, values, strict=True):
            if value is not UNSET:
                c.count(WITHHELD, ours.full)


def _allowed(c: Writing, way: Way, o: Any) -> bool:
    return all(fires(condition, o, c.above, c.record) != negated for condition, negated in way.conditions)


def _free(c: Writing, way: Way, t: dict[str, Any]) -> bool:
    """Whether no earlier row wrote the cell; it is taken now."""
    key = (id(t), way.theirs[0].path.text)
    if key in c.done:
        return False
    c.done.add(key)
    return True


def _write(c: Writing, way: Way, values: list[Any], t: dict[str, Any], last: bool) -> bool:
    """Write the values by one way; False when it cannot say them. Only the last way accounts for that."""
    if way.shape == "cells":
        texts = cells_of(way, values)
        if texts is None or not texts:
            if last:
                for ours, value in zip(way.row.ours, values, strict=True):
                    if value is not UNSET:
                        c.count(UNSAYABLE, ours.full)
            return False
        if _free(c, way, t):
            for cell in way.theirs:
                if cell.path.text in texts:
                    cell.put(t, c.taken, texts[cell.path.text])
        for ours, value, back in zip(way.row.ours, values, means(way, texts), strict=True):
            if value is not UNSET and value != back:
                c.count(NARROWED, ours.full)
        return True
    value, path = values[0], way.row.ours[0].full
    if way.shape == "flags":
        return _write_flags(c, way, value, path, t)
    if way.shape == "list":
        return _write_list(c, way, value, path, t)
    if not last and _mute(way, value):
        return False
    text = unusual(c, way, value, path)
    if text is not MISS and _free(c, way, t):
        way.theirs[0].put(t, c.taken, text)
    return text is not MISS


def _mute(way: Way, value: Any) -> bool:
    if value is None:
        return not way.none and not way.nulls
    try:
        text = way.encode(value)
        return text in way.special or bool(way.length and len(text) > way.length)
    except BAD:
        return True


def _write_flags(c: Writing, way: Way, value: Any, path: str, t: dict[str, Any]) -> bool:
    assert way.bound is not None
    if value is None:
        c.count(NARROWED, path)
        return True
    if any(code not in way.bound.write for code in value):
        c.count(UNSAYABLE, path)
    if _free(c, way, t):
        cell = way.theirs[0]
        flags = box(cell.holder(t, c.taken, make=True), cell.name)
        flags.update(flags_of(way, value))
    return True


def _write_list(c: Writing, way: Way, value: Any, path: str, t: dict[str, Any]) -> bool:
    cell = way.theirs[0]
    if value is None:
        if way.none:
            cell.put(t, c.taken, list(way.none))
        elif way.nulls:
            cell.put(t, c.taken, None)
        else:
            c.count(NARROWED, path)
        return True
    texts = [text for one in value if (text := unusual(c, way, one, path)) is not MISS]
    if texts and tuple(texts) == way.none:
        c.count(UNSAYABLE, path)
        return True
    if not texts or not _free(c, way, t):
        return True
    holder = cell.holder(t, c.taken, make=True)
    kept = holder.get(cell.name)
    if kept.__class__ is list and id(kept) in c.places:
        for text in texts:
            append(c, kept, text, None)
    else:
        holder[cell.name] = texts
    return True


def append(c: Writing, items: list[Any], one: Any, place: int | None) -> None:
    """One more item of a list of theirs, with its place when it had one."""
    known = c.places.get(id(items))
    if known is None and place is not None:
        known = c.places[id(items)] = (items, [None] * len(items))
    items.append(one)
    if known is not None:
        known[1].append(place)


def _again(c: Writing, way: Way, values: list[Any], t: dict[str, Any], spell: dict[str, Any]) -> bool:
    """Write the kept spelling of a row if it still means the value at hand."""
    saved = spell[way.key]
    try:
        said = means(way, saved)
    except BAD:
        return False
    if said != [None if value is UNSET else value for value in values]:
        return False
    if way.shape == "cells":
        for cell in way.theirs:
            if cell.path.text in saved:
                cell.put(t, c.taken, unpack(saved[cell.path.text]))
    elif way.shape == "flags":
        cell = way.theirs[0]
        box(cell.holder(t, c.taken, make=True), cell.name).update({name: unpack(text) for name, text in saved.items()})
    elif way.shape == "list":
        cell = way.theirs[0]
        kept = cell.holder(t, c.taken, make=True).get(cell.name)
        if kept.__class__ is list and id(kept) in c.places:
            places = c.places[id(kept)][1]
            fresh = [n for n, place in enumerate(places) if place is None]
            for n in reversed(fresh):
                del kept[n], places[n]
            for text in saved:
                append(c, kept, unpack(text), None)
        else:
            cell.put(t, c.taken, [unpack(text) for text in saved])
    else:
        way.theirs[0].put(t, c.taken, unpack(saved))
    c.done.add((id(t), way.theirs[0].path.text))
    return True


def means(way: Way, saved: Any) -> list[Any]:
    """The values of a kept spelling, in the order of the row's paths."""
    if way.shape == "flags":
        assert way.bound is not None
        value = [way.bound.read[name] for name, text in saved.items() if unpack(text) == way.spec.words[0]]
        return [sorted(value, key=list(way.bound.write).index)]
    if way.shape == "list":
        return [[way.decode(unpack(text)) for text in saved]]
    if way.shape == "cells":
        texts = [None if text in way.absent else text for text in (saved.get(cell.path.text) for cell in way.theirs)]
        found = way.decode(
            tuple("" if text is None else text for text in texts) if way.bound is not None else tuple(texts)
        )
        values = found if len(way.row.ours) > 1 else (found,)
        return [None if one == "" else one for one in values]
    text = unpack(saved)
    return [None if text is None or text in way.none else way.decode(text)]


def respell(c: Writing, scope: Scope, o: Any, t: dict[str, Any], spell: dict[str, Any]) -> None:
    """After the rows: give back the spellings that were kept and still mean the value at hand."""
    for row in scope.rows:
        for way in row.ways:
            if way.key in spell and not row.only_out and (way.writes or not way.shadowed) and _allowed(c, way, o):
                values = [ours.get(o, c.record) for ours in row.ours]
                if not all(value is UNSET for value in values) and _again(c, way, values, t, spell):
                    for ours in row.ours:
                        c.uncount(ours.full)


def _copy(c: Writing, row: Row, o: Any, t: dict[str, Any], spell: dict[str, Any] | None) -> None:
    """A row that only writes: what the record says now, unless a conflicting copy stood beside just that."""
    way = row.ways[0]
    text = expected_of(row, o, c.record)
    saved = (spell or {}).get("!" + row.key)
    if saved is not None and unpack(saved[1]) == (None if text is MISS else text):
        text = MISS if saved[0] == ABSENT else unpack(saved[0])
    if text is MISS:
        for ours in row.unread if saved is None else ():
            if ours.get(o, c.record) not in (UNSET, []):
                c.count(UNSAYABLE, ours.full)
        return
    free = _free(c, way, t) and not (row.fallback and way.theirs[0].look(t, c.taken) is not MISS)
    if free:
        way.theirs[0].put(t, c.taken, text)
        for other in row.scope.rows if row.fallback else ():
            if any(cell.path.text == way.theirs[0].path.text for one in other.reading for cell in one.theirs):
                c.count("defaulted", other.ours[0].full)
    for ours in row.unread:
        if ours.get(o, c.record) not in (UNSET, []):
            c.count(NARROWED if free else WITHHELD, ours.full)


def need(c: Writing, t: Any, names: tuple[str, ...], prefix: str) -> None:
    """Fields that the format requires and that the record says nothing of."""
    for name in names:
        if name not in t:
            if c.strict:
                raise RecordError(
                    "the format requires this field and the record does not say it", row=f"{prefix}{name}"
                )
            c.findings.append(Finding("required", f"{prefix}{name}"))


__all__ = [
    "append", "box", "hollow", "lost", "need", "pick", "respell", "start", "unusual", "write_row",
]  # fmt: skip
