"""Looking at records without reading them whole: what stands in the cells of a row, and what no table or codec takes.

What is found here holds values: it is for those who asked for them, with a reason that was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from hub.adapter import Theirs
from hub.mapping.bind import Plan, Row, Scope, Way
from hub.mapping.ours import items_of
from hub.mapping.shapes import decode_cells, encode_cells
from hub.mapping.theirs import MISS
from hub.mapping.way import BAD
from hub.model import ChildRecord

Said = tuple[str, ...]
"""The texts of a row's cells, or the codes of its fields: one of each, but for rows of several."""


def trees(scope: Scope, root: Any) -> Iterator[Any]:
    """The objects of theirs that a scope's rows start from."""
    if scope.spec is None or scope.theirs is None:
        yield root
        return
    above = [root] if scope.theirs_rooted or scope.parent is None else trees(scope.parent, root)
    for tree in above:
        if not scope.theirs.path.steps:
            yield tree
            continue
        holder = scope.theirs.holder(tree, {}) if isinstance(tree, dict) else None
        value = holder.get(scope.theirs.name) if holder is not None else None
        for one in value if isinstance(value, list) else [value] if isinstance(value, dict) else []:
            if scope.their_match is None or scope.their_match(one):
                yield {".": one} if scope.plain else one


def look(way: Way, tree: Any, theirs: Theirs) -> list[Any]:
    """What stands in each cell of a way, in one object; MISS where it is not there."""
    roots = {"@": theirs.head, "/": theirs.tree}
    held = [(cell, roots.get(cell.root, tree)) for cell in way.theirs]
    return [cell.look(at, {}) if isinstance(at, dict) else MISS for cell, at in held]


def unread(plan: Plan, theirs: Theirs, place: str, table: str) -> Iterator[Said]:
    """The texts of a record that a row cannot read. place: of the row, as a cause names it; table: its code table."""
    for row in named(plan, place, table):
        for tree in trees(row.scope, theirs.tree):
            for way in row.reading:
                texts = look(way, tree, theirs)
                if any(text is not MISS for text in texts):
                    yield from _bad(way, texts)
                    break  # the first alternative that has cells is the one that is read


def named(plan: Plan, place: str, table: str) -> list[Row]:
    """The rows that a cause may mean: it names the file in front of the place, or the place alone."""
    rows = [row for scope in plan.root.walk() for row in scope.rows]
    named = [row for row in rows if place == row.place or place.endswith(f" {row.place}")]
    return [row for row in named if not table or any(way.table == table for way in row.ways)]


def _bad(way: Way, texts: list[Any]) -> Iterator[Said]:
    if way.shape == "cells":
        if any(isinstance(text, dict | list) for text in texts):
            return
        said = [None if text is MISS or text in way.absent else text for text in texts]
        if any(text is not None for text in said) and not _is_read(lambda: decode_cells(way, said)):
            yield tuple(str(text or "") for text in said)
        return
    text = texts[0]
    if way.shape == "flags":
        known = way.bound.read if way.bound is not None else {}
        held = [one for name, one in text.items() if name in known] if isinstance(text, dict) else []
        yield from ((str(one),) for one in held if isinstance(one, str) and one not in (*way.spec.words, *way.absent))
        return
    for one in text if way.shape == "list" and isinstance(text, list) else [text]:
        if isinstance(one, str) and one not in way.special and not _is_read(lambda one=one: way.decode(str(one))):
            yield (str(one),)


def _is_read(read: Any) -> bool:
    try:
        read()
    except BAD:
        return False
    return True


def unsaid(plan: Plan, record: ChildRecord, place: str, table: str) -> Iterator[Said]:
    """The codes of a record that a row cannot write. place and table as of `unread`."""
    for row in named(plan, place, table):
        for item in _items(row.scope, record):
            values = [ours.get(item, record) for ours in row.ours]
            if all(value is UNSET or value is None for value in values) or not row.writing:
                continue
            if len(values) == 1:
                held = values[0] if isinstance(values[0], list) else values
                yield from ((str(one),) for one in held if all(way.say(one) is MISS for way in row.writing))
            elif all(encode_cells(way, values) is None for way in row.writing):
                yield tuple("" if one is UNSET or one is None else str(one) for one in values)


def _items(scope: Scope, record: ChildRecord) -> Iterator[Any]:
    """The parts of ours that a scope's rows start from."""
    if scope.spec is None or scope.parent is None:
        yield record
        return
    for above in [record] if scope.ours_rooted else _items(scope.parent, record):
        for item in items_of(above, scope.our_steps):
            if scope.match is None or scope.match(item):
                yield item


__all__ = ["Said", "look", "named", "trees", "unread", "unsaid"]
