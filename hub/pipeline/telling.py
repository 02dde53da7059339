"""What goes to a target so that it takes nothing back: a record laid onto what the target knows of the child.

A source that tells changes leaves out what stayed as it was, and a system that reads full states would take that for
gone: it gets all that the source has said. Where sources share a thing at a target (one Patient for one NHS number),
it gets that thing as all of them have told it: what a source has changed since it last spoke goes in, what others said
stays (`merge3`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

import msgspec
from msgspec import UNSET

from hub.adapter import Token
from hub.message import Told
from hub.model import ChildRecord, Item, Part, Source, decode, encode, fields, merge, merge3
from hub.store import Held, Known


def lay(
    record: ChildRecord,
    *,
    source: str,
    known: Known,
    names: Callable[[ChildRecord], Iterable[bytes]],
    changes: bool,
    shared: tuple[str, ...],
) -> tuple[ChildRecord, Told]:
    """The record to write, and what the target knows once it has that.

    source: the link that the record came by. changes: the record leaves out what stayed as it was. shared: parts of the
    record that sources share there; the rest then goes as the record has it. names: of the number in a record by which
    sources meet.
    """
    had = decode(known.said, Token) if known.said else ChildRecord()
    own = _named(record, shared, source)
    said = merge(had, own) if changes else own
    old = _renumber(said, own) if changes else set()
    if not shared:
        return said, Told(known.key, encode(_bare(said)), b"", [], [], [])
    part = _only(said, shared)
    meet = sorted(set(names(said)))
    found = [one for one in known.held if one.name in meet]
    newest = max(found, key=lambda one: one.message, default=None)
    held = part
    if newest is not None:
        base = _only(had, shared) if known.key in newest.of else ChildRecord()
        mine = _only(decode(newest.record, Token), shared)
        # Who was merged into another says nothing any more, and all that this child says is new beside it.
        for gone in known.gone:
            mine, base = merge3(_only(decode(gone, Token), shared), mine, ChildRecord()), ChildRecord()
        held = merge3(base, mine, _softened(base, mine, part))
        _drop(held, old)
        for child, other in known.others:
            if child in newest.of:
                _fill(held, _only(decode(other, Token), shared))
    listed = b"" if changes else encode(_bones(record, shared))
    out, once = copy(record) if changes or not known.listed else _with_gone(known.listed, record, shared), _once(held)
    for name in shared:
        setattr(out, name, getattr(once, name))
    of = list(newest.of) if newest is not None else []
    left = [_without(known, one, shared) for one in known.held if one.name not in meet and known.key in one.of]
    seen = [(one.name, one.message) for one in known.held if one in found or known.key in one.of]
    return out, Told(known.key, encode(part), encode(_bare(held)) if meet else b"", meet, of, seen, left, listed)


def _renumber(said: ChildRecord, own: ChildRecord) -> set[tuple[Any, Any]]:
    """Take out of `said` the numbers in whose place its source now tells another, or that it calls former: a child has
    one NHS number and one UPN at a time. What they are."""
    told = own.person.identifiers or () if own.person else ()
    over = {(one.system, one.value) for one in told if one.use == "former"}
    now = {(one.system, one.value) for one in _current(own)}
    systems = {system for system, _ in now}
    had = {(one.system, one.value) for one in _current(said)}
    old = {one for one in had if one[0] in systems or one in over} - now
    _drop(said, old)
    return old


def _current(record: ChildRecord) -> list[Any]:
    """The numbers in force of the kinds of which a child has one."""
    found = record.person.identifiers or () if record.person else ()
    return [
        one
        for one in found
        if one.system in ("nhs", "upn")
        and one.value
        and one.use != "former"
        and one.removed is not True
        and not (one.period and one.period.end)
    ]


def _drop(record: ChildRecord, numbers: set[tuple[Any, Any]]) -> None:
    """Take numbers out of a record, which is no longer anybody else's; their former ones stay."""
    if numbers and record.person and record.person.identifiers:
        person = copy(record.person)
        current = {id(one) for one in _current(record)}
        person.identifiers = [
            one for one in record.person.identifiers if (one.system, one.value) not in numbers or id(one) not in current
        ]
        record.person = person


def _without(known: Known, held: Held, shared: tuple[str, ...]) -> tuple[bytes, bytes]:
    """What is held under a number that this child no longer bears, as the others told it: its name, and that; b"" for
    nobody's."""
    rest = ChildRecord()
    others = [other for child, other in known.others if child in held.of]
    for other in reversed(others):  # the last told last
        rest = merge3(ChildRecord(), rest, _only(decode(other, Token), shared))
    return held.name, encode(_bare(rest)) if others else b""


def written(record: ChildRecord, told: Told) -> ChildRecord:
    """What went out of a record, from what the target knew with it: `lay`'s record again, for who asks later."""
    laid = decode(told.held or told.said, Token)
    laid = _once(laid) if told.held else laid
    out = copy(record)
    for name in laid.__struct_fields__:
        value = getattr(laid, name)
        if name != "source" and value is not UNSET:
            setattr(out, name, value)
    return out


def _named(record: ChildRecord, shared: tuple[str, ...], source: str) -> ChildRecord:
    """The record with the ids of items in its shared parts as its source's: another's with the same id is another."""
    out = copy(record)
    for name in shared:
        part = copy(getattr(record, name))
        if isinstance(part, Part):
            for field, items in _lists(part):
                setattr(part, field, [_renamed(item, source) for item in items])
            setattr(out, name, part)
    return out


def _renamed(item: Any, source: str) -> Any:
    if not isinstance(item.id, str):
        return item
    out = copy(item)
    out.id = f"{source}:{item.id}"
    return out


def _bones(part: Any, apart: tuple[str, ...] = ()) -> Any:
    """Of a part the lists in it and below, with the ids of their items and the codes by which a mapping knows what they
    are, but for items that are gone or only stubs."""
    out = type(part)()
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if name in (*apart, "source") or not value:
            continue
        if isinstance(value, Part):
            below = _bones(value)
            if below != type(value)():
                setattr(out, name, below)
        elif isinstance(value, list) and isinstance(value[0], Item):
            there = [one for one in value if isinstance(one.id, str) and True not in (one.removed, one.stub)]
            items = [_bones(item) for item in there]
            setattr(out, name, items or UNSET)
    if isinstance(part, Item):
        out.id = part.id
        for code in (one.name for one in fields(type(part)) if one.value == "code" and one.shape == "leaf"):
            setattr(out, code, getattr(part, code))
    return out


def _with_gone(listed: bytes, record: ChildRecord, shared: tuple[str, ...]) -> ChildRecord:
    """A full state with the items that its source told before and that are in it no more, as gone: a system that takes
    what it is not told for unchanged would keep them. Not of lists that the record knows in part."""
    source = record.source
    partial = source.partial if isinstance(source, Source) and isinstance(source.partial, list) else []
    out: ChildRecord = _and_gone(decode(listed), record, "", frozenset(partial), (*shared, "source", "extras"))
    return out


def _and_gone(had: Any, now: Any, path: str, partial: frozenset[str], apart: tuple[str, ...] = ()) -> Any:
    out = copy(now)
    for name in had.__struct_fields__:
        old, new, where = getattr(had, name), getattr(now, name), f"{path}{name}"
        if name in apart or where in partial or not old:
            continue
        if isinstance(old, Part):
            below = _and_gone(old, new if isinstance(new, Part) else type(old)(), f"{where}.", partial)
            if isinstance(new, Part) or below != type(old)():
                setattr(out, name, below)
        elif isinstance(old, list) and isinstance(old[0], Item):
            before = {item.id: item for item in old}
            items = [
                _and_gone(before.pop(item.id), item, f"{where}[].", partial) if item.id in before else item
                for item in new or ()
            ]
            if before or items:
                setattr(out, name, [*items, *map(_removed, before.values())])
    return out


def _removed(bones: Any) -> Any:
    """An item that is gone, with all in it."""
    out = copy(bones)
    for name, items in _lists(out):
        setattr(out, name, [_removed(item) for item in items])
    out.removed = True
    return out


def _lists(part: Part) -> list[tuple[str, list[Any]]]:
    """The lists of items directly in a part that have some, by name."""
    found = [(name, getattr(part, name)) for name in part.__struct_fields__]
    return [(name, value) for name, value in found if isinstance(value, list) and value and isinstance(value[0], Item)]


def _only(record: ChildRecord, shared: tuple[str, ...]) -> ChildRecord:
    """The shared parts, with what the source says of their lists."""
    return ChildRecord(source=record.source, **{name: getattr(record, name) for name in shared})


def _bare(record: ChildRecord) -> ChildRecord:
    """Without what only its own system understands."""
    out = copy(record)
    out.extras = UNSET
    return out


def _softened(base: Any, mine: Any, said: Any) -> Any:
    """What is said. That there is none, or no longer any, is so of what this source told before, not of what others
    told."""
    out = copy(said)
    for name in said.__struct_fields__:
        was, own, new = (getattr(one, name, UNSET) for one in (base, mine, said))
        if name == "source" or own is UNSET or (new is UNSET and was is UNSET):
            continue
        if isinstance(own, Part) and (isinstance(new, Part) or not new):
            said_of = new if isinstance(new, Part) else type(own)()
            setattr(out, name, _softened(was if isinstance(was, Part) else None, own, said_of))
        elif isinstance(own, list) and not new:
            setattr(out, name, [])
        elif (new is None or new is UNSET) and own != was:
            setattr(out, name, was)
    return out


def _fill(held: Any, other: Any) -> None:
    """Where nothing is said any more, what another source says; into `held` itself."""
    for name in held.__struct_fields__:
        own, new = getattr(held, name), getattr(other, name)
        if name == "source" or new is None or new is UNSET or isinstance(new, list):
            continue
        if isinstance(new, Part) and isinstance(own, Part):
            filled = copy(own)
            _fill(filled, new)
            setattr(held, name, filled)
        elif own is None or own is UNSET:
            setattr(held, name, new)


def _once(record: ChildRecord) -> ChildRecord:
    """With what two sources say alike said once: an item that says the same, a number of the same body."""
    out = copy(record)
    for name in record.__struct_fields__:
        part = getattr(record, name)
        if isinstance(part, Part) and name != "source":
            setattr(out, name, _each_once(part))
    return out


def _each_once(part: Part) -> Part:
    out = copy(part)
    for name, items in _lists(part):
        found: dict[Any, Any] = {}
        for item in items:
            found.setdefault(_alike(item), item)
        setattr(out, name, list(found.values()))
    return out


def _alike(item: Any) -> Any:
    """Equal for items that say the same; of numbers, body and number alone count."""
    if hasattr(item, "system") and hasattr(item, "owner"):
        return item.system, item.value, item.missing
    bare = copy(item)
    bare.id = bare.extras = UNSET
    return msgspec.json.encode(bare)


__all__ = ["lay", "written"]
