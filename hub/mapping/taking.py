"""Rows that take cells out of theirs the general way: alternatives, filters, several cells, plain lists, flags."""

from __future__ import annotations

from typing import Any

from hub.adapter import Token
from hub.mapping.bind import Row, Way
from hub.mapping.extras import Holes, pack
from hub.mapping.reading import Reading, is_canonical, is_container, keep, partial, value_of
from hub.mapping.shapes import decode_cells, decode_flags, encode_flags, encode_texts
from hub.mapping.theirs import MISS
from hub.mapping.way import BAD

_CONTAINERS = {dict, list}


def read_row(c: Reading, row: Row, o: Any, t: Any, spell: dict[str, Any]) -> None:
    """A row the general way: the first alternative that has cells wins."""
    for way in row.reading:
        trees = [c.head if cell.root == "@" else c.tree if cell.root == "/" else t for cell in way.theirs]
        texts = [cell.look(tree, c.taken) for cell, tree in zip(way.theirs, trees, strict=True)]
        if all(text is MISS for text in texts):
            continue
        taking = _Taking(c, way, trees, texts, spell)
        value = _SHAPES[way.shape](taking)
        if value is not MISS:
            for ours, one in zip(row.ours, value if len(row.ours) > 1 else (value,), strict=True):
                if one is not MISS:
                    setattr(ours.make(o, c), ours.steps[-1].name, one)
        return


def values_of(c: Reading, way: Way, texts: tuple[Any, ...], spell: dict[str, Any]) -> Any:
    """The values of a way of several cells or values, for each path of ours one or MISS; MISS when nothing is said, or
    they are bad (which is noted)."""
    kinds = {*map(type, texts)}
    if not kinds.isdisjoint(_CONTAINERS):
        is_container(c, way, *texts)
        return MISS
    absent = way.absent
    said = [None if text is MISS or text in absent else text for text in texts]
    if said.count(None) == len(said):
        return MISS
    try:
        values = decode_cells(way, said)
    except BAD:
        c.bad(way, "unknown code" if way.bound else "bad value", "the cells together are not readable")
        return MISS
    found = tuple([MISS if one is None else one for one in values]) if None in values else tuple(values)
    own = texts
    if not way.near:
        own = tuple([MISS if cell.root else text for cell, text in zip(way.theirs, texts, strict=True)])
        kinds = {*map(type, own)}
    if way.first and Token not in kinds and encode_texts(way, values) == own:
        if way.fast_cells == "memo":
            way.remember(texts, found)
    elif not way.shadowed:
        pairs = zip(way.theirs, own, strict=True)
        spell[way.key] = {cell.path.text: pack(text) for cell, text in pairs if text is not MISS}
    return found


class _Taking:
    """The cells of one alternative that are being read. Each shape gives a value, several, or MISS."""

    __slots__ = ("c", "spell", "texts", "trees", "way")

    def __init__(self, c: Reading, way: Way, trees: list[Any], texts: list[Any], spell: dict[str, Any]) -> None:
        self.c, self.way, self.trees, self.texts, self.spell = c, way, trees, texts, spell

    def drop(self) -> None:
        """Take the cells out of the tree."""
        if not self.way.shadowed:
            for cell, tree, text in zip(self.way.theirs, self.trees, self.texts, strict=True):
                if text is not MISS and cell.root == "":
                    cell.drop(tree, self.c.taken)

    def one(self) -> Any:
        """One text, one value."""
        way, text = self.way, self.texts[0]
        value = MISS if is_container(self.c, way, text) else value_of(self.c, way, text)
        if value is not MISS:
            self.drop()
            if way.theirs[0].root == "":
                keep(way, text, value, self.spell)
        return value

    def several(self) -> Any:
        """Several cells or several values."""
        values = values_of(self.c, self.way, tuple(self.texts), self.spell)
        if values is MISS:
            return MISS
        self.drop()
        return values if len(self.way.row.ours) > 1 else values[0]

    def plain(self) -> Any:
        """A list of plain texts: what cannot be read of it stays, and makes the list partial."""
        c, way, items = self.c, self.way, self.texts[0]
        if (items is None and way.nulls) or (items.__class__ is list and items and tuple(items) == way.none):
            self.drop()
            if items is None and (way.none or not way.first):
                self.spell[way.key] = None
            return None
        if items.__class__ is not list:
            c.bad(way, "shape", "a list is expected")
            return MISS
        good: list[tuple[Any, Any]] = []
        left = {}
        for n, text in enumerate(items):
            value = value_of(c, way, text) if isinstance(text, str) else MISS
            if value is MISS or value is None:
                left[str(n)] = text
            else:
                good.append((text, value))
        for ours in way.row.ours if left else ():
            partial(c, ours.full)
        if not good:
            return MISS
        if left:
            way.theirs[0].holder(self.trees[0], c.taken)[way.theirs[0].name] = Holes(left)
        else:
            self.drop()
        canonical = [pair for pair in good if is_canonical(way, *pair)]
        for text, value in canonical:
            way.remember(text, value)
        if len(canonical) < len(good):
            self.spell[way.key] = [pack(text) for text, _ in good]
        return [value for _, value in good]

    def flags(self) -> Any:
        """Codes as words in an object; names outside the table stay."""
        c, way, flags = self.c, self.way, self.texts[0]
        assert way.bound is not None, "flags have a table"
        if flags.__class__ is not dict:
            if flags is not None and not _is_absent(way, flags):
                c.bad(way, "shape", "an object of flags is expected")
            return MISS
        known = [name for name in flags if name in way.bound.read]
        read = {name: flags[name] for name in known if flags[name] in way.spec.words}
        bad = [name for name in known if name not in read and not _is_absent(way, flags[name])]
        for _ in bad:
            c.bad(way, "bad value", "a flag holds neither of the row's words")
        for ours in way.row.ours if bad else ():
            partial(c, ours.full)
        if not read:
            return MISS
        for name in read:
            del flags[name]
        if not flags:
            self.drop()
        codes = decode_flags(way, read)
        kept = {name: pack(text) for name, text in read.items()}
        if not way.first or encode_flags(way, codes) != kept:
            self.spell[way.key] = kept
        return codes


def _is_absent(way: Way, found: Any) -> bool:
    return isinstance(found, str) and found in way.absent


_SHAPES = {"cell": _Taking.one, "cells": _Taking.several, "list": _Taking.plain, "flags": _Taking.flags}

__all__ = ["read_row", "values_of"]
