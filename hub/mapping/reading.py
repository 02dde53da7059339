"""Reading theirs into the record: what the compiled functions call for everything that is not the common case.

The tree is consumed: a row takes its cell out, a group its items, and what is left is the rest, kept as extras.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import UNSET

from hub.adapter import Token
from hub.errors import RecordError
from hub.mapping.bind import Plan, Row, Way
from hub.mapping.extras import pack
from hub.mapping.theirs import MISS
from hub.model import ChildRecord, Extra


class Finding(msgspec.Struct, frozen=True):
    """Something about a record that a person may want to mend; the record flows all the same.

    kind: bad value, unknown code, conflict, repeated key, no parent, second item, check, shape, drift, required.
    row: the mapping's row (or path); table: the code table; place: where in the document. Never a value.
    """

    kind: str
    row: str
    table: str = ""
    place: str = ""


BAD = (ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What a codec may raise for a text it does not read or a value it cannot say; a council's own may raise any of these."""


ABSENT = {"-": 1}
"""Stands for a copy that was not there."""
MINTED = "-id"
"""Under this name the spellings of an item remember that its id was minted: its own link never sees it."""


class Reading:
    """One record being read."""

    __slots__ = (
        "at",
        "base",
        "claims",
        "findings",
        "fk",
        "fresh",
        "head",
        "index",
        "known",
        "later",
        "link",
        "made",
        "park",
        "place",
        "plan",
        "record",
        "seen",
        "taken",
        "tree",
    )  # fmt: skip

    def __init__(self, plan: Plan, link: str, tree: Any, head: Any, place: str, park: bool) -> None:
        self.plan, self.link, self.tree, self.head, self.place, self.park = plan, link, tree, head, place, park
        self.record: ChildRecord = None  # type: ignore[assignment]
        self.base = ""
        self.findings: list[Finding] = []
        self.taken: dict[int, str] = {}
        self.made: dict[Any, Any] = {}
        self.fresh: list[tuple[Any, Any, str]] = []
        self.at: dict[str, Any] = {}
        self.fk: dict[str, Any] = {}
        self.index: dict[str, dict[Any, list[tuple[int, Any]]]] = {}
        self.seen: dict[Any, dict[Any, int]] = {}
        self.later: list[tuple[Row, Any, Way, Any]] = []
        self.claims: dict[int, Any] = {}
        self.known: dict[Any, str] | None = None

    def note(self, kind: str, row: str, table: str = "") -> None:
        """Record a finding."""
        self.findings.append(Finding(kind, row, table, self.place))

    def mint(self, text: str) -> str:
        """An id for an item that has none: the same for the same link, record, group, parent and identity."""
        return "hub-" + blake2b((self.base + text).encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()

    def bad(self, way: Way, kind: str, reason: str) -> None:
        """A cell that its row cannot read: park the record, or note it and let the text stay in the rest."""
        if self.park or way.row.parks(way):
            raise RecordError(reason, place=self.place, row=f"{way.row.file} {way.row.place}", table=way.table)
        self.note(kind, way.row.place, way.table)


def slow(c: Reading, way: Way, holder: Any, name: str, text: Any, spell: dict[str, Any]) -> Any:
    """A cell just taken out that is not in canonical spelling; its value, or MISS with the cell put back."""
    if text.__class__ is dict or text.__class__ is list:
        holder[name] = text
        c.bad(way, "shape", "a text is expected, the field holds other fields")
        return MISS
    value = value_of(c, way, text)
    if value is MISS:
        holder[name] = text
        return MISS
    return keep(way, text, value, spell)


def value_of(c: Reading, way: Way, text: Any) -> Any:
    """The value of one text, None, or MISS when nothing is said or it is bad (which is noted)."""
    if text is None:
        return None if way.nulls else MISS
    if text in way.none:
        return None
    if text in way.absent:
        return MISS
    try:
        value = way.decode(str(text))
    except BAD:
        unknown = way.bound is not None
        c.bad(
            way,
            "unknown code" if unknown else "bad value",
            "the code table has no such code" if unknown else f"is not readable as {way.codec.name}",
        )
        return MISS
    if way.codec.flag is not None and (fault := way.codec.flag(value)):
        c.note("check", f"{way.row.place} {way.codec.name}: {fault}")
    return value


def keep(way: Way, text: Any, value: Any, spell: dict[str, Any]) -> Any:
    """Keep the text by its row where writing the value would not give it again; the value."""
    fits = not way.length or text is None or len(text) <= way.length
    if (fits and way.first and _written(way, value) == text and isinstance(text, Token) == way.tokens[0]) or (
        text is None and way.nulls
    ):
        if value is not None and not way.spec.since:
            way.remember(text, value)
    elif way.writes or not way.shadowed:
        spell[way.key] = pack(text)
    return value


def _written(way: Way, value: Any) -> Any:
    if value is None:
        return way.none[0] if way.none else None
    try:
        return way.encode(value)
    except BAD:
        return MISS


def read_row(c: Reading, row: Row, o: Any, t: Any, spell: dict[str, Any]) -> None:
    """A row the general way: the first alternative that has cells wins."""
    for way in row.reading:
        trees = [c.head if cell.root == "@" else c.tree if cell.root == "/" else t for cell in way.theirs]
        texts = [cell.look(tree, c.taken) for cell, tree in zip(way.theirs, trees, strict=True)]
        if all(text is MISS for text in texts):
            continue
        value = _SHAPES[way.shape](c, way, texts, trees, spell)
        if value is not MISS:
            _set(c, row, o, value)
        return


def _set(c: Reading, row: Row, o: Any, value: Any) -> None:
    values = value if len(row.ours) > 1 else (value,)
    for ours, one in zip(row.ours, values, strict=True):
        if one is not MISS:
            setattr(ours.make(o, c), ours.steps[-1].name, one)


def _drop(c: Reading, way: Way, trees: list[Any], texts: list[Any]) -> None:
    if way.shadowed:
        return
    for cell, tree, text in zip(way.theirs, trees, texts, strict=True):
        if text is not MISS and cell.root == "":
            cell.drop(tree, c.taken)


def _cell(c: Reading, way: Way, texts: list[Any], trees: list[Any], spell: dict[str, Any]) -> Any:
    text = texts[0]
    if text.__class__ is dict or text.__class__ is list:
        c.bad(way, "shape", "a text is expected, the field holds other fields")
        return MISS
    value = value_of(c, way, text)
    if value is not MISS:
        _drop(c, way, trees, texts)
        if way.theirs[0].root == "":
            keep(way, text, value, spell)
    return value


def _cells(c: Reading, way: Way, texts: list[Any], trees: list[Any], spell: dict[str, Any]) -> Any:
    if any(text.__class__ is dict or text.__class__ is list for text in texts):
        c.bad(way, "shape", "a text is expected, the field holds other fields")
        return MISS
    said = [None if text is MISS or text in way.absent else text for text in texts]
    if all(text is None for text in said):
        return MISS
    try:
        value = way.decode(
            tuple("" if text is None else text for text in said) if way.bound is not None else tuple(said)
        )
    except BAD:
        c.bad(way, "unknown code" if way.bound else "bad value", "the cells together are not readable")
        return MISS
    values = value if len(way.row.ours) > 1 else (value,)
    values = tuple(MISS if one is None or one == "" else one for one in values)
    _drop(c, way, trees, texts)
    back = cells_of(way, [UNSET if one is MISS else one for one in values])
    read = {
        cell.path.text: pack(text)
        for cell, text in zip(way.theirs, texts, strict=True)
        if text is not MISS and cell.root == ""
    }
    if (not way.first or back != read) and not way.shadowed:
        spell[way.key] = read
    return values if len(way.row.ours) > 1 else values[0]


def cells_of(way: Way, values: list[Any]) -> dict[str, Any] | None:
    """What a way of several cells or values writes, by their paths; None when it cannot say them."""
    given = [None if one is UNSET else one for one in values]
    try:
        if way.bound is not None:
            texts = way.encode(tuple(one or "" for one in given) if len(given) > 1 else given[0])
        else:
            texts = way.encode(tuple(given) if len(given) > 1 else given[0])
    except BAD:
        return None
    texts = texts if isinstance(texts, tuple) else (texts,)
    return {
        cell.path.text: Token(text) if token else text
        for cell, text, token in zip(way.theirs, texts, way.tokens, strict=True)
        if text not in (None, "") and cell.root == ""
    }


def _list(c: Reading, way: Way, texts: list[Any], trees: list[Any], spell: dict[str, Any]) -> Any:
    items = texts[0]
    if items.__class__ is not list:
        if items is None and way.nulls:
            _drop(c, way, trees, texts)
            return None
        c.bad(way, "shape", "a list is expected")
        return MISS
    if tuple(items) == way.none and items:
        _drop(c, way, trees, texts)
        return None
    if not items:
        return MISS
    good, left = [], {}
    for n, text in enumerate(items):
        value = value_of(c, way, text) if isinstance(text, str) else MISS
        if value is MISS or value is None:
            left[str(n)] = text
        else:
            good.append((text, value))
            if _written(way, value) == text and way.first and isinstance(text, Token) == way.tokens[0]:
                way.remember(text, value)
    if left:
        for ours in way.row.ours:
            partial(c, ours.full)
        if not good:
            return MISS
        way.theirs[0].holder(trees[0], c.taken)[way.theirs[0].name] = {"[]": left}
    else:
        _drop(c, way, trees, texts)
    read = [pack(text) for text, _ in good]
    if not way.first or [_written(way, value) for _, value in good] != read:
        spell[way.key] = read
    return [value for _, value in good]


def partial(c: Reading, path: str) -> None:
    """The record knows this list only in part."""
    source = c.record.source
    if source.partial is UNSET or source.partial is None:
        source.partial = []
    if path not in source.partial:
        source.partial.append(path)


def _flags(c: Reading, way: Way, texts: list[Any], trees: list[Any], spell: dict[str, Any]) -> Any:
    flags = texts[0]
    assert way.bound is not None
    if flags.__class__ is not dict:
        if flags in way.absent or flags is None:
            return MISS
        c.bad(way, "shape", "an object of flags is expected")
        return MISS
    yes, no = way.spec.words
    read = {name: flags[name] for name in list(flags) if name in way.bound.read and flags[name] in (yes, no)}
    for name in flags:
        if name in way.bound.read and name not in read and flags[name] not in way.absent:
            c.bad(way, "bad value", "a flag holds neither of the row's words")
    if not read:
        return MISS
    for name in read:
        del flags[name]
    if not flags:
        _drop(c, way, trees, texts)
    value = [way.bound.read[name] for name, text in read.items() if text == yes]
    value.sort(key=list(way.bound.write).index)
    if not way.first or flags_of(way, value) != read or any(isinstance(text, Token) for text in read.values()):
        spell[way.key] = {name: pack(text) for name, text in read.items()}
    return value


def flags_of(way: Way, value: list[str]) -> dict[str, str]:
    """Every flag of the table with its word for this list of codes."""
    assert way.bound is not None
    yes, no = way.spec.words
    return {name: yes if code in value else no for code, name in way.bound.write.items()}


_SHAPES = {"cell": _cell, "cells": _cells, "list": _list, "flags": _flags}


def extra(c: Reading, item: Any) -> Extra:
    """The extras of an item for this link, made when missing."""
    if item.extras is UNSET:
        item.extras = {}
    found = item.extras.get(c.link)
    if found is None:
        found = item.extras[c.link] = Extra()
    return found


def set_later(c: Reading, row: Row, o: Any, t: Any) -> None:
    """A copy of what stands elsewhere: take it out, compare when the record is whole."""
    for way in row.ways:
        cell = way.theirs[0]
        if len(way.theirs) != 1 or cell.root:
            return
        text = cell.look(t, c.taken)
        if text.__class__ is not dict and text.__class__ is not list:
            if text is not MISS:
                cell.drop(t, c.taken)
            c.later.append((row, o, way, text))
            return


def compare(c: Reading) -> None:
    """The record is read: are its copies what the record says? One that differs is kept beside what it stood for."""
    for row, o, way, text in c.later:
        expected = expected_of(row, o, c.record)
        if expected != text:
            found = extra(c, o)
            found.spell = found.spell or {}
            found.spell["!" + row.key] = [
                ABSENT if text is MISS else pack(text),
                None if expected is MISS else pack(expected),
            ]
            if (
                expected is not MISS
                and text is not MISS
                and text not in way.absent
                and not _means_same(way, text, expected)
            ):
                c.note("conflict", row.place)


def _means_same(way: Way, text: Any, expected: Any) -> bool:
    """Whether a copy is the same value in another spelling."""
    try:
        return not way.codec.one_way and text is not None and bool(way.decode(str(text)) == way.decode(str(expected)))
    except BAD:
        return False


def expected_of(row: Row, o: Any, record: ChildRecord) -> Any:
    """The text that a row of one cell writes for the record as it is, or MISS."""
    for way in row.writing:
        if not all(fires(condition, o, (), record) != negated for condition, negated in way.conditions):
            continue
        values = [ours.get(o, record) for ours in row.ours]
        if all(value is UNSET for value in values):
            continue
        if values[0] is None and len(values) == 1:
            return way.none[0] if way.none else None if way.nulls else MISS
        try:
            text = way.encode(values[0] if len(values) == 1 else values)
        except BAD:
            continue
        if isinstance(text, str) and text not in way.special and not (way.length and len(text) > way.length):
            return way.said(text)
    return MISS


def fires(condition: Any, o: Any, above: Any, record: Any) -> bool:
    """Whether a condition holds for an item, those around it or the record: true if true at any."""
    return any(condition(one) is True for one in (o, *above, record))


__all__ = [
    "Finding", "Reading", "cells_of", "compare", "expected_of", "extra", "fires", "flags_of", "partial", "read_row", "set_later", "slow",
]  # fmt: skip
