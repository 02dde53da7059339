"""The shapes of a row that is more than one text and one value: between the texts of its cells and the row's values.

"cells": several cells or several values; "list": a list of plain texts; "flags": codes as words in an object. In a kept
spelling each is as JSON: texts by the paths of their cells, a list, words by the names of the flags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from hub.adapter import Token
from hub.mapping.extras import unpack
from hub.mapping.theirs import MISS
from hub.mapping.way import BAD, Way
from hub.wire.jsontext import is_bare


def decode_cells(way: Way, texts: list[Any]) -> list[Any]:
    """The values of a way of several cells, one for each path of ours; None where nothing is said. May raise `BAD`."""
    if way.bound is not None:
        texts = ["" if text is None else text for text in texts]
    found = way.decode(tuple(texts))
    if len(way.row.ours) == 1:
        return [None if found == "" else found]
    return [None if one == "" else one for one in found]


def encode_cells(way: Way, values: list[Any]) -> dict[str, Any] | None:
    """What a way of several cells or values writes, by their paths; None when it cannot say them."""
    texts = encode_texts(way, values)
    if texts is None:
        return None
    return {cell.path.text: text for cell, text in zip(way.theirs, texts, strict=True) if text is not MISS}


def encode_texts(way: Way, values: list[Any]) -> tuple[Any, ...] | None:
    """The same by place: for each cell its text, or MISS."""
    if len(values) == 1:
        given = None if values[0] is UNSET else values[0]
    elif way.bound is not None:
        given = tuple([one or "" for one in values])
    else:
        given = tuple([None if one is UNSET else one for one in values])
    try:
        texts = way.encode(given)
    except BAD:
        return None
    texts = texts if isinstance(texts, tuple) else (texts,)
    if way.near:
        return tuple([MISS if text is None or text == "" else text for text in texts])
    if any(token and text and not is_bare(text) for text, token in zip(texts, way.tokens, strict=False)):
        return None
    return tuple(
        [
            MISS if text is None or text == "" or cell.root else Token(text) if token else text
            for cell, text, token in zip(way.theirs, texts, way.tokens, strict=True)
        ]
    )


def decode_flags(way: Way, flags: Mapping[str, Any]) -> list[str]:
    """The codes of the flags that are up, in the table's order."""
    assert way.bound is not None, "flags have a table"
    found = {way.bound.read[name] for name, word in flags.items() if word == way.spec.words[0]}
    order = {code: n for n, code in enumerate(way.bound.write)}
    return sorted(found, key=lambda code: (order.get(code, len(order)), code))


def encode_flags(way: Way, codes: list[str]) -> dict[str, str]:
    """Every flag of the table with its word for this list of codes."""
    assert way.bound is not None, "flags have a table"
    yes, no = way.spec.words
    return {name: yes if code in codes else no for code, name in way.bound.write.items()}


def means(way: Way, saved: Any) -> list[Any]:
    """The values of a kept spelling, in the order of the row's paths. May raise `BAD`: tables and codecs change."""
    if way.shape == "flags":
        return [decode_flags(way, {name: unpack(text) for name, text in saved.items()})]
    if way.shape == "list":
        return [None if saved is None else [way.decode(unpack(text)) for text in saved]]
    if way.shape == "cells":
        texts = [saved.get(cell.path.text) for cell in way.theirs]
        return decode_cells(way, [None if text in way.absent else text for text in texts])
    text = unpack(saved)
    return [None if text is None or text in way.none else way.decode(text)]


__all__ = ["decode_cells", "decode_flags", "encode_cells", "encode_flags", "encode_texts", "means"]
