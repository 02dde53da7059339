"""The form in which extras are kept: plain JSON, so that a record with them can be stored and sent.

A Token (a bare JSON number or boolean) is kept as `{"=": "20"}`. A list with items taken out is `{"[]": {"3": …}}`:
what is left, by index. An object of theirs that looks like either, or like a token of the record's own JSON, stands
within another: `{"=": {"=": "20"}}`.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from hub.adapter import Token
from hub.errors import RecordError
from hub.model import BARE

_PLAIN = frozenset([str, type(None)])
_MARKS = frozenset(["=", "[]", BARE])


class Holes(dict[str, Any]):
    """What is left of a list of theirs from which items were taken: by index, as text."""


def pack(value: Any) -> Any:
    """A tree as plain JSON."""
    kind = value.__class__
    if kind is dict:
        packed = {**value}
        if not _PLAIN.issuperset(map(type, value.values())):
            for name, one in value.items():
                if one.__class__ is not str and one is not None:
                    packed[name] = pack(one)
        return {"=": packed} if len(packed) == 1 and not _MARKS.isdisjoint(packed) else packed
    if kind is list:
        return [pack(one) for one in value]
    if kind is Token:
        return {"=": str(value)}
    return {"[]": {name: pack(one) for name, one in value.items()}} if kind is Holes else value


def unpack(value: Any) -> Any:
    """A packed text as it was read."""
    if value.__class__ is dict and len(value) == 1 and "=" in value:
        return Token(value["="])
    return value


def grow(value: Any, places: dict[int, tuple[list[Any], list[int | None]]]) -> Any:
    """A fresh tree from the rest; lists with holes are registered in `places` with the index of each item."""
    if value.__class__ is dict:
        if len(value) == 1:
            if "=" in value:
                inner = value["="]
                return {k: grow(v, places) for k, v in inner.items()} if inner.__class__ is dict else Token(inner)
            if "[]" in value:
                held = _held(value["[]"])
                items = [grow(one, places) for _, one in held]
                places[id(items)] = (items, [n for n, _ in held])
                return items
        return {name: grow(one, places) for name, one in value.items()}
    if value.__class__ is list:
        return [grow(one, places) for one in value]
    return value


def _held(holes: Any) -> list[tuple[int, Any]]:
    """What is left of a list, with the place of each; RecordError for anything that is no such thing."""
    if holes.__class__ is not dict or not all(n.isdecimal() for n in holes):
        raise RecordError("a list with places that are none, which the hub never writes", row="extras")
    return sorted(((int(n), one) for n, one in holes.items()), key=itemgetter(0))


def arrange(items: list[Any], places: list[int | None]) -> None:
    """Put items at their places, in the list itself; those without one fill the gaps in their order."""
    placed = sorted((place, n) for n, place in enumerate(places) if place is not None)
    free = [n for n, place in enumerate(places) if place is None]
    order: list[int] = []
    while placed or free:
        if placed and (placed[0][0] <= len(order) or not free):
            order.append(placed.pop(0)[1])
        else:
            order.append(free.pop(0))
    items[:] = [items[n] for n in order]


def leaves(value: Any, prefix: str = "") -> list[str]:
    """The generic paths of every cell in a rest, lists as `[]`; empty objects and lists are no cells."""
    if value.__class__ is dict:
        if "[]" in value and len(value) == 1:
            return [path for one in value["[]"].values() for path in leaves(one, prefix + "[]")]
        if "=" in value and len(value) == 1:
            if value["="].__class__ is not dict:
                return [prefix]
            value = value["="]
        return [path for name, one in value.items() for path in leaves(one, f"{prefix}.{name}" if prefix else name)]
    if value.__class__ is list:
        return [path for one in value for path in leaves(one, prefix + "[]")]
    return [prefix]
