"""The record's shape as data: fields of a struct, paths of all leaves and lists. Everything is worked out once.

A path names lists with `[]` where it goes on below them: `episodes[].referral.date`, `person.disabilities[].code`. A
list itself, of items or of plain values, ends without: `episodes[].plans`, `episodes[].assessments[].factors`.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UnsetType

from hub.model.leaf import Leaf, Part
from hub.model.record import ChildRecord

Shape = Literal["leaf", "values", "part", "list"]
Kind = Literal["text", "code", "date", "partial_date", "datetime", "decimal", "integer", "boolean", ""]

_PLAIN: dict[type, Kind] = {str: "text", int: "integer", bool: "boolean"}


@dataclass(frozen=True)
class Field:
    """A field of a struct. value: the kind of a leaf or of a plain list's values, else "".

    part: the struct of a part, or of a list's items; None for leaves and plain lists.
    """

    name: str
    shape: Shape
    value: Kind
    part: type[Part] | None
    leaf: Leaf


@dataclass(frozen=True)
class LeafPath:
    """A leaf of the record by its path. guards: the conditions that may withhold it, those of its parents included."""

    path: str
    field: Field
    guards: tuple[str, ...] = ()


@cache
def fields(cls: type[Part]) -> tuple[Field, ...]:
    """The fields of a struct in their order, id, removed and stub of items included; extras is not one."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(_field(name, hints[name]) for name in cls.__struct_fields__ if name != "extras")


@cache
def compounds(cls: type[Part]) -> tuple[tuple[str, type[Part]], ...]:
    """The fields of a struct that hold parts or items, with their struct."""
    return tuple((field.name, field.part) for field in fields(cls) if field.part is not None)


@cache
def references(cls: type[Part]) -> tuple[tuple[str, str], ...]:
    """The fields of a struct that hold the id of an item, with the list it is in."""
    return tuple((field.name, field.leaf.refers) for field in fields(cls) if field.leaf.refers)


def _field(name: str, hint: Any) -> Field:
    union, *facts = typing.get_args(hint)
    leaf = next(fact for fact in facts if isinstance(fact, Leaf))
    (said,) = [kind for kind in typing.get_args(union) if kind not in (types.NoneType, UnsetType)]
    if typing.get_origin(said) is list:
        (item,) = typing.get_args(said)
        return _compound(name, "list", item, leaf) or Field(name, "values", _kind(item, leaf), None, leaf)
    return _compound(name, "part", said, leaf) or Field(name, "leaf", _kind(said, leaf), None, leaf)


def _compound(name: str, shape: Shape, kind: Any, leaf: Leaf) -> Field | None:
    if isinstance(kind, type) and issubclass(kind, Part):
        return Field(name, shape, "", kind, leaf)
    return None


def _kind(said: Any, leaf: Leaf) -> Kind:
    if leaf.codes:
        return "code"
    if typing.get_origin(said) is Annotated:
        meta = next(fact for fact in typing.get_args(said) if isinstance(fact, msgspec.Meta))
        kind: Kind = (meta.extra or {})["kind"]
        return kind
    return _PLAIN[said]


def _walk(cls: type[Part], prefix: str, guards: tuple[str, ...]) -> typing.Iterator[LeafPath]:
    """Every field of the record below a struct, parts and lists of items before what they hold."""
    for field in fields(cls):
        path = prefix + field.name
        held = guards + tuple(guard for guard in field.leaf.guards if guard not in guards)
        yield LeafPath(path, field, held)
        if field.part is not None:
            yield from _walk(field.part, path + ("[]." if field.shape == "list" else "."), held)


@cache
def _all() -> tuple[LeafPath, ...]:
    return tuple(_walk(ChildRecord, "", ()))


@cache
def leaves() -> tuple[LeafPath, ...]:
    """Every leaf and plain list of a ChildRecord in the record's order."""
    return tuple(found for found in _all() if found.field.part is None)


@cache
def lists() -> tuple[str, ...]:
    """The paths of all lists of items, written as in `source.partial` and `Leaf.refers`."""
    return tuple(found.path for found in _all() if found.field.shape == "list")


@cache
def structs() -> tuple[type[Part], ...]:
    """Every struct of a ChildRecord once, the record first."""
    below = [found.field.part for found in _all() if found.field.part is not None]
    return tuple(dict.fromkeys([ChildRecord, *below]))
