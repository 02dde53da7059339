"""The record as bytes and as plain JSON values; and what the types alone cannot check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import UNSET

from hub.errors import RecordError
from hub.model.codelist import is_code
from hub.model.leaf import Part
from hub.model.record import ChildRecord
from hub.model.shape import Field, compounds, fields

MINTED = "hub-"
"""How an id begins that the hub minted because the source has none."""


BARE = "#bare"
"""A token in extras (a str subclass, such as the text of a JSON number) stands in JSON as `{"#bare": "20"}`."""

_BARE = f'"{BARE}"'.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return {BARE: str(value)}
    raise RecordError("the record holds a kind of value that JSON has not, which only extras can")


_encoder = msgspec.json.Encoder(enc_hook=_plain)
_decoder = msgspec.json.Decoder(ChildRecord)


def encode(record: ChildRecord) -> bytes:
    """The record as JSON, extras included. What is UNSET is left out, None is null."""
    return _encoder.encode(record)


def decode(data: bytes, bare: type[str] = str) -> ChildRecord:
    """What `encode` wrote. RecordError naming the field for anything else; days are trusted to exist.

    bare: the class of the tokens in extras.
    """
    try:
        record = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise _error(error) from None
    if _BARE in data:
        _retoken(record, bare)
    return record


def decode_all(data: bytes, bare: type[str] = str) -> list[ChildRecord]:
    """The records of one message: one as `encode` gives it, or a JSON list of those of a form. Errors as `decode`."""
    if not data.startswith(b"["):
        return [decode(data, bare)]
    try:
        found = msgspec.json.decode(data, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise _error(error) from None
    return [decode(bytes(one), bare) for one in found]


def to_tree(record: ChildRecord) -> dict[str, Any]:
    """The record as dict, list, str, int, bool and None, as JSON would read it."""
    tree: dict[str, Any] = msgspec.to_builtins(record, enc_hook=_plain)
    return tree


def from_tree(tree: Any, bare: type[str] = str) -> ChildRecord:
    """The record a tree holds; bare as in `decode`. RecordError naming the field, never its value, for a wrong kind of
    value, an unknown field, or a day that is in no calendar; codes are `check_codes`'s business.
    """
    try:
        record = msgspec.convert(tree, ChildRecord)
    except msgspec.ValidationError as error:
        raise _error(error) from None
    for path, field, value in _values(record, ""):
        if not _exists(field, value):
            raise RecordError("there is no such day or time", place=path)
    _retoken(record, bare)
    return record


def _retoken(part: Part, bare: type[str]) -> None:
    """Make tokens in the extras of a part and of all below; it is new and nobody else's, so it is changed in place."""
    for extra in (getattr(part, "extras", UNSET) or {}).values():
        extra.rest = _token(extra.rest, bare)
        extra.spell = _token(extra.spell, bare)
    for name, _ in compounds(type(part)):
        below = getattr(part, name)
        for inner in below if isinstance(below, list) else [below] if isinstance(below, Part) else []:
            _retoken(inner, bare)


def _token(value: Any, bare: type[str]) -> Any:
    if isinstance(value, list):
        return [_token(inner, bare) for inner in value]
    if isinstance(value, dict):
        if value.keys() == {BARE} and isinstance(value[BARE], str):
            return bare(value[BARE])
        if value.keys() == {"="} and isinstance(value["="], dict):  # an object of theirs that may look like a token
            return {"=": {name: _token(inner, bare) for name, inner in value["="].items()}}
        return {name: _token(inner, bare) for name, inner in value.items()}
    return value


def _error(error: msgspec.DecodeError) -> RecordError:
    """msgspec's own words with the field as the place; they name kinds and patterns, and a field we do not know only
    if it looks like a field's name.
    """
    reason, _, place = str(error).partition(" - at ")
    if "unknown field" in reason and not re.search(r"`[a-z][a-z0-9_]{0,40}`$", reason):
        reason = "Object contains an unknown field"
    path = place.strip("`").removeprefix("$").removeprefix(".").replace("[...]", "[]")
    return RecordError(reason, place=path)


def check_codes(record: ChildRecord) -> Iterator[tuple[str, str]]:
    """Path, as `leaves()` writes it, and list of every leaf whose code is in no list; once for each bad code."""
    for path, field, value in _values(record, ""):
        if field.value == "code":
            for code in value if isinstance(value, list) else [value]:
                if not is_code(field.leaf.codes, code):
                    yield re.sub(r"\[\d+\]", "[]", path), field.leaf.codes


def _values(part: Part, prefix: str) -> Iterator[tuple[str, Field, Any]]:
    """Path with positions, field and value of every leaf and plain list of a part that has a value."""
    for field in fields(type(part)):
        value = getattr(part, field.name)
        if value is UNSET or value is None:
            continue
        path = prefix + field.name
        if field.shape == "part":
            yield from _values(value, path + ".")
        elif field.shape == "list":
            for place, item in enumerate(value):
                yield from _values(item, f"{path}[{place}].")
        else:
            yield path, field, value


def _exists(field: Field, value: str) -> bool:
    try:
        if field.value == "date":
            return date.fromisoformat(value).isoformat() == value
        if field.value == "partial_date":
            return date.fromisoformat(value + "0001-01-01"[len(value) :]).isoformat()[: len(value)] == value
        if field.value == "datetime":
            datetime.fromisoformat(value)
    except ValueError:
        return False
    return not (field.value in ("datetime", "decimal") and value.endswith("\n"))
