"""Kept spellings while theirs is written: a text that was read comes back while it still means the value at hand."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from hub.mapping.bind import Row, Scope, Way
from hub.mapping.extras import unpack
from hub.mapping.ours import Ours
from hub.mapping.shapes import encode_cells, means
from hub.mapping.theirs import MISS
from hub.mapping.way import BAD
from hub.mapping.writing import Writing, append, box, narrows


def respell(c: Writing, scope: Scope, o: Any, t: dict[str, Any], spell: dict[str, Any]) -> None:
    """After the rows: give back the spellings that were kept and still mean the value at hand."""
    for row in scope.rows:
        for way in row.ways:
            if way.key in spell and not row.only_out and (way.writes or not way.shadowed) and c.allows(way, o):
                values = [ours.get(o, c.record) for ours in row.ours]
                if not all(value is UNSET for value in values) and again(c, way, values, t, spell[way.key]):
                    for ours in _counted(row, values):
                        c.uncount(ours.full)


def _counted(row: Row, values: list[Any]) -> list[Ours]:
    """The leaves of a row of which its writing counted these values as narrowed or unsayable."""
    way = row.writing[-1] if row.writing else None
    if way is None or way.shape not in ("cell", "cells"):
        return row.ours
    try:
        if way.shape == "cell":
            text = way.say(values[0])
            is_whole = text is not MISS and (values[0] is None or not narrows(way, values[0], text))
            return [] if is_whole else row.ours
        texts = encode_cells(way, values)
        back = means(way, texts) if texts else None
    except BAD:
        return row.ours
    if back is None:
        return row.ours
    pairs = zip(row.ours, values, back, strict=True)
    return [ours for ours, value, one in pairs if value is None or (value is not UNSET and value != one)]


def again(c: Writing, way: Way, values: list[Any], t: dict[str, Any], saved: Any) -> bool:
    """Write the kept spelling of a row if it still means the values at hand; whether it was written."""
    try:
        said = means(way, saved)
    except BAD:
        return False
    if said != [None if value is UNSET else value for value in values]:
        return False
    first = way.theirs[0]
    if way.shape == "cells":
        for cell in way.theirs:
            if cell.path.text in saved:
                cell.put(t, c.taken, unpack(saved[cell.path.text]))
    elif way.shape == "flags":
        flags = box(first.holder(t, c.taken, make=True), first.name)
        flags.update({name: unpack(text) for name, text in saved.items()})
    elif way.shape == "list" and saved is not None:
        _again_list(c, way, t, [unpack(text) for text in saved])
    else:
        first.put(t, c.taken, unpack(saved))
    c.done[id(t), first.path.text] = t
    return True


def _again_list(c: Writing, way: Way, t: dict[str, Any], texts: list[Any]) -> None:
    """A list of plain texts, in place of what the rows wrote of it; texts that were left in the rest stay."""
    cell = way.theirs[0]
    kept = cell.holder(t, c.taken, make=True).get(cell.name)
    if kept.__class__ is not list or id(kept) not in c.places:
        cell.put(t, c.taken, texts)
        return
    places = c.places[id(kept)][1]
    for n in range(len(kept) - 1, -1, -1):
        if places[n] is None:
            del kept[n], places[n]
    for text in texts:
        append(c, kept, text, None)


__all__ = ["again", "respell"]
