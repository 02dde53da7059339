"""One record read row by row: what stood in each field of theirs, what it means, and what became of it.

Kinds of text and value are named; the values themselves are there for those who ask for them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from hub.adapter import Theirs, Token
from hub.errors import DeclarationError, RecordError
from hub.mapping import Mapping, account, adapted, load
from hub.mapping.bind import Row, Way
from hub.mapping.looking import look, trees
from hub.mapping.theirs import MISS
from hub.wire import Document

ITEMS = 3
"""Most items of one group that are shown."""


class Line(NamedTuple):
    """One cell read by one row. text and value: their kinds; said and means: themselves."""

    row: str
    cell: str
    text: str
    value: str
    outcome: str
    said: str
    means: str


@dataclass
class Trial:
    """A record tried. notes: findings, fields no row reads, or why it is refused."""

    place: str
    edition: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: bool = False


def trial(document: Document, adapter: str, overlays: Iterable[Path] = ()) -> Trial:
    """Try the first record of a document that can be read; RecordError where there is none."""
    overlays = tuple(overlays)
    mappings = load(adapter, overlays)
    earlier = []
    for one in adapted(adapter, overlays).read(document):
        if isinstance(one, RecordError):
            earlier.append(f"refused: {one}")
            continue
        mapping = mappings.get(one.kind)
        if not isinstance(mapping, Mapping):
            raise DeclarationError(f"{adapter} has no mapping: its records are the record itself")
        found = _tried(mapping, one)
        found.notes[:0] = earlier
        return found
    raise RecordError("there is no record that can be read", file=document.name)


def _tried(mapping: Mapping, theirs: Theirs) -> Trial:
    found = Trial(theirs.place, theirs.edition)
    plan = mapping.plan(theirs.edition)
    for scope in plan.root.walk():
        for tree in list(islice(trees(scope, theirs.tree), ITEMS)):
            for row in scope.rows:
                found.lines += _row(row, tree, theirs)
    again = Theirs(theirs.kind, theirs.id, copy.deepcopy(theirs.tree), theirs.head, theirs.edition, theirs.place)
    try:
        read = mapping.inward(again)
    except RecordError as error:
        found.refused = True
        found.notes.append(f"refused: {error}")
        return found
    found.notes += [f"noticed: {one.kind}, {one.row} {one.table}".rstrip() for one in read.findings]
    for path in account.drift(mapping, read.record, mapping.adapter.name):
        found.notes.append(f"no row reads {path}; it is kept for the way back")
    return found


def _row(row: Row, tree: Any, theirs: Theirs) -> Iterator[Line]:
    label = f"{row.scope.name}: {row.key}" if row.scope.name else row.key
    for way in row.ways:
        if row.only_out or not way.reads:
            continue
        texts = look(way, tree, theirs)
        cells = ", ".join(row.scope.cell_path(cell) for cell in way.theirs)
        if all(text is MISS for text in texts):
            if len(row.ways) == 1:
                yield Line(label, cells, "", "", "is not there", "", "")
            continue
        value, outcome = _decoded(way, texts)
        said = ", ".join("" if text is MISS else str(text) for text in texts)
        means = "" if value is MISS else str(value)
        yield Line(label, cells, ", ".join(map(_kind, texts)), _means(way, value), outcome, said, means)


def _decoded(way: Way, texts: list[Any]) -> tuple[Any, str]:
    text = texts[0]
    if way.shape == "flags":
        return (MISS, "read as flags") if isinstance(text, dict) else (MISS, "an object of flags is expected")
    if way.shape == "list":
        held = [_one(way, one) for one in text] if isinstance(text, list) else []
        bad = sum(outcome != "read" for _, outcome in held)
        return [value for value, _ in held if value is not MISS], f"{bad} of {len(held)} not read" if bad else "read"
    if way.shape == "cells":
        said = [None if one is MISS or one in way.absent else one for one in texts]
        return _one(way, tuple(one or "" for one in said) if way.bound is not None else tuple(said))
    return _one(way, text)


def _one(way: Way, text: Any) -> tuple[Any, str]:
    if isinstance(text, dict | list):
        return MISS, "a text is expected, the field holds other fields"
    if text is None or text in way.none:
        return None, "says that there is none"
    if text in way.absent:
        return MISS, "says nothing"
    try:
        value = way.decode(text)
    except ValueError:
        wrong = f"no code of {way.table}" if way.bound is not None else f"not readable as {way.codec.name}"
        return MISS, f"{wrong}; " + ("the record is refused" if way.row.parks(way) else "kept for the way back")
    fault = way.codec.flag(value) if way.codec.flag is not None else ""
    return value, f"read, {fault} is wrong" if fault else "read"


def _kind(text: Any) -> str:
    """What kind of text it is, without saying it."""
    if text is MISS:
        return "is not there"
    if isinstance(text, dict | list):
        return "a list" if isinstance(text, list) else "an object"
    if text is None:
        return "null"
    if isinstance(text, Token):
        return "bare word or number"
    if not text:
        return "empty"
    shapes = {r"\d{4}-\d\d-\d\d": "day", r"\d{4}-\d\d-\d\d[T ].*": "moment", r"\d+": "digits", r"[^\W\d_]+": "letters"}
    return next((kind for shape, kind in shapes.items() if re.fullmatch(shape, text)), "text")


def _means(way: Way, value: Any) -> str:
    if value is MISS:
        return ""
    if value is None:
        return "none"
    if way.bound is not None:
        return f"code of {way.row.ours[0].field.leaf.codes or way.table}"
    return ", ".join(ours.field.value.replace("_", " ") for ours in way.row.ours)


__all__ = ["Line", "Trial", "trial"]
