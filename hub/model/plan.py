"""The record as a tree of nodes with their paths, and when two items or parts are the same: what merging goes by.

Items of a list are the same item if their ids are equal (the k-th of equal ids with the k-th); items without an id if
all they say is equal. A part with an id of its own (a placement, a worker) that bears another id is another thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from hub.model.leaf import Item, Part
from hub.model.record import ChildRecord, Source
from hub.model.shape import Shape, fields


@dataclass(frozen=True, slots=True)
class Slot:
    """A field in its place in the record. path: as `lists()` writes it. below: what a part or an item holds."""

    name: str
    shape: Shape
    path: str
    below: Node | None


@dataclass(frozen=True, slots=True)
class Node:
    """A struct in its place in the record. slots leave out what merging treats apart: source, removed, stub, extras.

    owned: a part that bears an id of its own.
    """

    slots: tuple[Slot, ...]
    extras: bool
    item: bool
    owned: bool


@cache
def plan() -> Node:
    """The record as a tree of nodes, worked out once."""
    return _node(ChildRecord, "")


def _node(cls: type[Part], prefix: str) -> Node:
    item = issubclass(cls, Item)
    apart = {"removed", "stub"} if item else {"source"} if cls is ChildRecord else set()
    slots = []
    for found in fields(cls):
        if found.name not in apart:
            path = prefix + found.name
            below = None if found.part is None else _node(found.part, path + ("[]." if found.shape == "list" else "."))
            slots.append(Slot(found.name, found.shape, path, below))
    owned = not item and any(slot.name == "id" for slot in slots)
    return Node(tuple(slots), "extras" in cls.__struct_fields__, item, owned)


def pairs(base: list[Any], new: list[Any]) -> Iterator[tuple[int, Any]]:
    """Each item of new with the index of the same item in base, or -1."""
    known: dict[Any, list[int]] = {}
    for at, item in enumerate(base):
        known.setdefault(item.id if isinstance(item.id, str) else None, []).append(at)
    for item in new:
        if isinstance(item.id, str):
            left = known.get(item.id)
            yield (left.pop(0) if left else -1), item
        else:
            alike = known.get(None, [])
            found = next((at for at in alike if base[at] == item), -1)
            if found >= 0:
                alike.remove(found)
            yield found, item


def other(had: Any, said: Any) -> bool:
    """Whether both bear an id and the ids differ."""
    return isinstance(had.id, str) and isinstance(said.id, str) and had.id != said.id


def lacking(had: list[str], said: list[str]) -> list[str]:
    """The values said that are not among those had, each once."""
    return [value for value in dict.fromkeys(said) if value not in had]


def listed(value: Any) -> list[Any]:
    """The list, or an empty one for UNSET and None."""
    return value if isinstance(value, list) else []


def named(record: ChildRecord) -> list[str]:
    """The lists that a record says it knows only in part."""
    return listed(record.source.partial) if isinstance(record.source, Source) else []
