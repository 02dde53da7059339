"""What a record says as a digest, to see that a source says nothing new."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cache
from hashlib import blake2b
from typing import Any

from msgspec import UNSET

from hub.code import Code, Lines
from hub.model.leaf import Part
from hub.model.record import ChildRecord, Source
from hub.model.shape import fields, references
from hub.model.tree import MINTED, encode

_Bare = Callable[[Any, str, dict[tuple[str, str], str], list[tuple[Part, str, str]]], Any]
"""A copy of a part and of all below, without what a digest leaves out. Of the part; where it stands in the record;
minted, which gets where every item with a minted id stands; found, which gets every reference to an item."""


def digest(record: ChildRecord) -> str:
    """A blake2b digest, in hex, of what the record says: equal records have equal digests.

    Left out: extras, the moment the source speaks of, ids the hub minted (a reference to such an item counts as its
    position) and the order of `source.partial`. Link and id count.
    """
    minted: dict[tuple[str, str], str] = {}
    found: list[tuple[Part, str, str]] = []
    bare: ChildRecord = _bare_of()(record, "", minted, found)
    for holder, name, target in found if minted else ():
        named = getattr(holder, name)
        setattr(holder, name, minted.get((target, named), named))
    if isinstance(bare.source, Source):
        source = bare.source = copy(bare.source)
        source.as_of = UNSET
        if source.partial:
            source.partial = sorted(source.partial)
    return blake2b(encode(bare), digest_size=32).hexdigest()


@cache
def _bare_of() -> _Bare:
    """The copying of a record; generated, since every record that comes in goes through it."""
    return _compile(ChildRecord, "", Code({"U": UNSET}))[0]


def _compile(cls: type[Part], prefix: str, code: Code) -> tuple[_Bare, bool, bool]:
    """The copying of one struct, whether it leaves anything out, and whether it asks where the struct stands."""
    out = Lines()
    places = False
    if "extras" in cls.__struct_fields__:
        out.add("o.extras = U")
    for name, target in references(cls):
        out.add(f"if o.{name} is not U: found.append((o, {name!r}, {target!r}))")
    for field in fields(cls):
        if field.part is None:
            continue
        path = prefix + field.name
        below, leaves_out, asks = _compile(field.part, path + ("[]." if field.shape == "list" else "."), code)
        call = code.name(below, "f")
        places = places or asks or field.shape == "list"
        if field.shape == "list":
            at = "f'{at}{n}.'" if asks else "''"
            with out.block(f"if L := o.{field.name}:"):
                out.add(f"r = o.{field.name} = []")
                with out.block("for n, v in enumerate(L):"):
                    out.add(f"v = {call}(v, {at}, minted, found)", "r.append(v)", "d = v.id")
                    with out.block(f"if d.__class__ is str and d[:{len(MINTED)}] == {MINTED!r}:"):
                        out.add(f"minted[{path!r}, d] = f'{MINTED}{{at}}{{n}}'", "v.id = U")
        elif leaves_out:
            out.add(f"if v := o.{field.name}: o.{field.name} = {call}(v, at, minted, found)")
    lines = ["    o = o.__copy__()", *out.lines, "    return o"]
    return code.build("copy(o, at, minted, found)", lines, f"<bare {cls.__name__}>")[1], bool(out.lines), places


__all__ = ["digest"]
