"""Rows that only write: copies of what stands elsewhere in the record.

Read, a copy is compared with what the row would write; one that differs is kept beside that. Written, a copy follows
the record, unless it stands beside just that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from hub.mapping import when
from hub.mapping.bind import Row, Way
from hub.mapping.extras import pack, unpack
from hub.mapping.reading import Reading, extra
from hub.mapping.theirs import MISS
from hub.mapping.way import BAD
from hub.mapping.writing import NARROWED, UNSAYABLE, WITHHELD, Writing

ABSENT = {"-": 1}
"""Stands for a copy that was not there."""


def set_later(c: Reading, row: Row, o: Any, t: Any) -> None:
    """Take a row's copies out of the tree, to be compared when the record is whole."""
    for way in row.copies:
        cell = way.theirs[0]
        if cell.root:
            continue
        text = cell.look(t, c.taken)
        if text.__class__ is dict or text.__class__ is list:  # it stays until the record says another value
            c.note("shape", row.place)
            text = MISS
        elif text is not MISS:
            cell.drop(t, c.taken)
        c.later.append((row, o, way, text))


def set_absent(c: Reading, row: Row, o: Any, way: Way) -> None:
    """Before a tree is read: the cell of a way of a fallback is not there."""
    c.later.append((row, o, way, MISS))


def look_absent(c: Reading, row: Row, o: Any, way: Way, t: Any) -> None:
    """The same if it is not there, behind a filter."""
    if way.theirs[0].look(t, c.taken) is MISS:
        set_absent(c, row, o, way)


def compare(c: Reading) -> None:
    """The record is read: are its copies what the record says? One that differs is kept beside what it stood for."""
    for row, o, way, text in c.later:
        expected = _expected(row, o, (), c.record).get(way.theirs[0].path.text, MISS)
        if expected != text:
            found = extra(c, o)
            found.spell = found.spell or {}
            beside = None if expected is MISS else pack(expected)
            found.spell["!" + way.key] = [ABSENT if text is MISS else pack(text), beside]
            is_said = expected is not MISS and text is not MISS and text not in way.absent
            if is_said and not _means_same(way, text, expected):
                c.note("conflict", row.place)


def _means_same(way: Way, text: Any, expected: Any) -> bool:
    """Whether a copy is the same value in another spelling."""
    if way.codec.one_way or text is None:
        return False
    try:
        return bool(way.decode(str(text)) == way.decode(str(expected)))
    except BAD:
        return False


def _expected(row: Row, o: Any, above: Iterable[Any], record: Any) -> dict[str, Any]:
    """The cell that a row fills for the record as it is, and with what; none when it says nothing.

    above: the items around `o`, for conditions.
    """
    for way in row.writing:
        if not when.hold(way.conditions, o, above, record):
            continue
        values = [ours.get(o, record) for ours in row.ours]
        if all(value is UNSET for value in values):
            continue
        text = way.say(values[0] if len(values) == 1 else values)
        if text is not MISS:
            return {way.theirs[0].path.text: way.said(text)}
        if values == [None]:
            break
    return {}


def write_copy(c: Writing, row: Row, o: Any, t: dict[str, Any], spell: dict[str, Any] | None) -> None:
    """What the record says now, unless a conflicting copy stood beside just that."""
    expected = _expected(row, o, c.above, c.record)
    outcome = UNSAYABLE
    for way in row.copies:
        text = expected.get(way.theirs[0].path.text, MISS)
        saved = (spell or {}).get("!" + way.key)
        if saved is not None:
            outcome = "" if outcome == UNSAYABLE else outcome
            if unpack(saved[1]) == (None if text is MISS else text):
                text = MISS if saved[0] == ABSENT else unpack(saved[0])
        if text is not MISS:
            outcome = NARROWED if _put(c, way, t, text) else WITHHELD
    for ours in row.unread if outcome else ():
        if ours.get(o, c.record) not in (UNSET, []):
            c.count(outcome, ours.full)


def _put(c: Writing, way: Way, t: dict[str, Any], text: Any) -> bool:
    """Write a copy unless another row wrote its cell; whether it was written."""
    cell, row = way.theirs[0], way.row
    if not c.free(way, t) or (row.fallback and cell.look(t, c.taken) is not MISS):
        return False
    cell.put(t, c.taken, text)
    if row.fallback:
        _count_defaulted(c, row, cell.path.text)
    return True


def _count_defaulted(c: Writing, row: Row, text: str) -> None:
    """The leaves that are read from the cell which this row filled."""
    for other in row.scope.rows:
        if any(cell.path.text == text for way in other.reading for cell in way.theirs):
            c.count("defaulted", other.ours[0].full)


__all__ = ["compare", "look_absent", "set_absent", "set_later", "write_copy"]
