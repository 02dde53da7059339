"""Rows that fill cells of theirs the general way: alternatives, conditions, filters, several cells, lists, flags."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from hub.mapping.bind import Row, Way
from hub.mapping.reading import MINTED
from hub.mapping.shapes import decode_cells, encode_flags, encode_texts
from hub.mapping.spelling import again
from hub.mapping.theirs import MISS
from hub.mapping.writing import NARROWED, UNSAYABLE, WITHHELD, Writing, append, box, unusual


def write_row(c: Writing, row: Row, o: Any, t: dict[str, Any], spell: dict[str, Any] | None) -> None:
    """A row the general way: the alternative that read the value if it is unchanged, else the first that can say it."""
    values = [ours.get(o, c.record) for ours in row.ours]
    if spell and spell.get(MINTED) == values[0] and row.ours[0].path.text == "id":
        return
    if values.count(UNSET) == len(values):
        for cell in (cell for way in row.writing for cell in way.theirs if cell.last_match is not None):
            cell.clear(t)
        return
    for way in row.ways:
        if spell and way.key in spell and c.allows(way, o) and again(c, way, values, t, spell[way.key]):
            return
    allowed = [way for way in row.writing if c.allows(way, o)]
    for way in allowed:
        if _write(c, way, values, t, last=way is allowed[-1]):
            return
    if not allowed:
        _count(c, row, values, WITHHELD)


def _count(c: Writing, row: Row, values: list[Any], what: str) -> None:
    for ours, value in zip(row.ours, values, strict=True):
        if value is not UNSET:
            c.count(what, ours.full)


def _write(c: Writing, way: Way, values: list[Any], t: dict[str, Any], last: bool) -> bool:
    """Write the values by one way; False when it cannot say them. Only the last way accounts for that."""
    if way.shape == "cells":
        return _write_cells(c, way, values, t, last)
    value, path = values[0], way.row.ours[0].full
    if way.shape == "flags":
        _write_flags(c, way, value, path, t)
        return True
    if way.shape == "list":
        _write_list(c, way, value, path, t)
        return True
    if not last and way.say(value) is MISS:
        return False
    text = unusual(c, way, value, path)
    if text is not MISS and c.free(way, t):
        way.theirs[0].put(t, c.taken, text)
    return text is not MISS


def _write_cells(c: Writing, way: Way, values: list[Any], t: dict[str, Any], last: bool) -> bool:
    texts = encode_texts(way, values)
    if texts is None or texts.count(MISS) == len(texts):
        if last:
            _count(c, way.row, values, UNSAYABLE)
        return False
    if c.free(way, t):
        for cell, text in zip(way.theirs, texts, strict=True):
            if text is not MISS:
                cell.put(t, c.taken, text)
            elif (id(t), cell.path.text) not in c.done and cell.look(t, c.taken) is not MISS:
                cell.drop(t, c.taken)  # what could not be read stood there, and would be read with the new text
    is_whole = True
    for ours, value, back in zip(way.row.ours, values, _back(way, texts), strict=True):
        if value is None or (value is not UNSET and value != back):
            c.count(NARROWED, ours.full)
            is_whole = False
    if is_whole and way.fast_cells == "memo":
        way.remember_said(tuple(values), texts)
    return True


def _back(way: Way, texts: tuple[Any, ...]) -> list[Any]:
    """What would be read from the cells that a way writes."""
    absent = way.absent
    return decode_cells(way, [None if text is MISS or text in absent else text for text in texts])


def texts_of(way: Way, values: list[Any]) -> Any:
    """What the cells of a way hold for values that would be read from them again, a tuple; MISS where one is lost."""
    texts = encode_texts(way, values)
    if texts is None or texts.count(MISS) == len(texts) or None in values:
        return MISS
    return texts if _back(way, texts) == values else MISS


def _write_flags(c: Writing, way: Way, value: Any, path: str, t: dict[str, Any]) -> None:
    assert way.bound is not None, "flags have a table"
    if value is None:
        c.count(NARROWED, path)
        return
    if any(code not in way.bound.write for code in value):
        c.count(UNSAYABLE, path)
    if c.free(way, t):
        cell = way.theirs[0]
        box(cell.holder(t, c.taken, make=True), cell.name).update(encode_flags(way, value))


def _write_list(c: Writing, way: Way, value: Any, path: str, t: dict[str, Any]) -> None:
    cell = way.theirs[0]
    if value is None:
        if way.none:
            cell.put(t, c.taken, list(way.none))
        elif way.nulls:
            cell.put(t, c.taken, None)
        else:
            c.count(NARROWED, path)
        return
    texts = [text for one in value if (text := unusual(c, way, one, path)) is not MISS]
    if texts and tuple(texts) == way.none:
        c.count(UNSAYABLE, path)
        return
    if not texts or not c.free(way, t):
        return
    holder = cell.holder(t, c.taken, make=True)
    kept = holder.get(cell.name)
    if kept.__class__ is list and id(kept) in c.places:
        for text in texts:
            append(c, kept, text, None)
    else:
        holder[cell.name] = texts


__all__ = ["texts_of", "write_row"]
