"""JSON and JSON lines: one record at a time, however large the file; numbers keep their text.

Leaves are str, Token (a number, `true` or `false`, with the text as it stood) and None. What a stranger can send is
bounded: depth, bytes of one record, keys said twice, characters that are none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import msgspec

from hub.errors import RecordError
from hub.wire.document import Document
from hub.wire.jsonscan import BOM, CHUNK, MAX_RECORD, SPACE, depth, elements

MAX_DEPTH = 100
"""Deepest nesting of one record."""

_BARE = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false", re.ASCII)
_NO_CHARACTER = re.compile("[\x00\ud800-\udfff]")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


class Token(str):
    """A leaf that stands bare in its format: a JSON number or boolean (`20`, `true`), kept as its text.

    Equal to the same text as a str for comparison of values; `type(leaf) is Token` tells the two apart.
    """

    __slots__ = ()


TRUE, FALSE = Token("true"), Token("false")


def is_bare(text: str) -> bool:
    """Whether JSON can hold a text bare: a number or a boolean, without zeros before it."""
    return _BARE.fullmatch(text) is not None


class Found(NamedTuple):
    """One record of a file. place: `record 12, line 340`; value: what was there, or why it cannot be read."""

    place: str
    value: dict[str, Any] | RecordError


def decode(text: bytes, *, start: int = 0) -> Any:
    """The value of one JSON text; `start` is its byte position. ValueError, without any value in it, if it is none."""
    try:
        said = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {start + error.start} is not UTF-8") from None
    try:
        value = _DECODER.decode(said)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON, character {error.pos + 1}: {error.msg}") from None
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    if type(value) is not dict:
        value = _leaf(value)
    if b"\\u" in text:
        _refuse_characters(value)
    return value


def dumps(tree: Any) -> bytes:
    """The tree as compact JSON in UTF-8, Tokens bare. RecordError for what JSON cannot hold."""
    try:
        return msgspec.json.encode(tree, enc_hook=_bare)
    except UnicodeEncodeError:
        raise RecordError("a text holds half a character (a lone surrogate), which no JSON may") from None
    except RecursionError:
        raise RecordError("the record is nested too deep to be written") from None
    except TypeError as error:
        raise RecordError(f"the record holds something that is no text: {error}") from None


def write_line(tree: Any) -> bytes:
    """One line of JSON lines, its end included."""
    return dumps(tree) + b"\n"


def read_lines(document: Document) -> Iterator[tuple[int, dict[str, Any] | RecordError]]:
    """Each line of a document of JSON lines with its number, part after part; blank lines are passed over.

    A line that is no object comes as RecordError naming file and line; the next ones are read.
    """
    for part in document.parts():
        with document.open(part) as stream:
            for number, _, value in _lines(stream, document.label(part)):
                yield number, value


def read_records(document: Document, part: str = "") -> Iterator[Found]:
    """The objects of one file, which is an array of them, one object, or JSON lines; memory stays flat.

    A record that cannot be read is a RecordError with file, place and reason, and the next ones follow. Where the text
    itself is broken (cut off, brackets that do not match), RecordError is raised after all that stood before.
    """
    name = document.label(part)
    with document.open(part) as stream:
        head = _skip_space(stream, name)
    if head == b"[":
        with document.open(part) as stream:
            for text, start, place in elements(stream, name):
                yield Found(
                    place, _failed(_TOO_LARGE, name, place) if text is None else _record(text, start, name, place)
                )
    elif _has_lines(document, part):
        with document.open(part) as stream:
            for number, ordinal, value in _lines(stream, name):
                yield Found(f"record {ordinal}, line {number}", value)
    else:
        with document.open(part) as stream:
            yield from _single(stream, name)


def _skip_space(stream: BinaryIO, name: str) -> bytes:
    """The first byte that is no blank; RecordError for an empty file and for text that is not UTF-8."""
    start = stream.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start:
        raise RecordError("byte 0 is not UTF-8 (it looks like UTF-16 or UTF-32)", file=name)
    data = start.removeprefix(BOM)
    while not data.strip(SPACE):
        data = stream.read(CHUNK)
        if not data:
            raise RecordError("the file is empty", file=name)
    return data.lstrip(SPACE)[:1]


def _has_lines(document: Document, part: str) -> bool:
    """Whether there are several lines and one of the first two that are not blank is a whole object."""
    whole = seen = 0
    with document.open(part) as stream:
        while seen < 2 and (line := stream.readline(MAX_RECORD + 1)):
            text = line.removeprefix(BOM).strip(SPACE)
            if text:
                seen += 1
                whole += not isinstance(_record(text, 0, "", ""), RecordError)
    return seen > 1 and whole > 0


def _lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, int, dict[str, Any] | RecordError]]:
    number = ordinal = start = 0
    while line := stream.readline(MAX_RECORD + 1):
        number += 1
        size = len(line)
        text = line.removeprefix(BOM).strip(SPACE) if number == 1 else line.strip(SPACE)
        if size > MAX_RECORD and not line.endswith(b"\n"):
            while (more := stream.readline(CHUNK)) and not more.endswith(b"\n"):
                size += len(more)
            size += len(more)
            ordinal += 1
            yield number, ordinal, _failed(_TOO_LARGE, name, f"line {number}")
        elif text:
            ordinal += 1
            yield number, ordinal, _record(text, start, name, f"line {number}")
        start += size


def _single(stream: BinaryIO, name: str) -> Iterator[Found]:
    data = stream.read(MAX_RECORD + 1)
    if len(data) > MAX_RECORD:
        raise RecordError(f"one record is larger than {MAX_RECORD} bytes", file=name)
    value = _record(data.removeprefix(BOM).strip(SPACE), 0, name, "record 1")
    if isinstance(value, RecordError):
        raise value
    yield Found("record 1", value)


_TOO_LARGE = f"one record is larger than {MAX_RECORD} bytes"
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


def _failed(reason: str, name: str, place: str) -> RecordError:
    return RecordError(reason, file=name, place=place)


def _record(text: bytes, start: int, name: str, place: str) -> dict[str, Any] | RecordError:
    if depth(text, MAX_DEPTH) > MAX_DEPTH:
        return _failed(_TOO_DEEP, name, place)
    try:
        value = decode(text, start=start)
    except ValueError as error:
        return _failed(str(error), name, place)
    if type(value) is not dict:
        return _failed("an object is expected here", name, place)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} is said twice" if _FIELD.fullmatch(twice) else "a key is said twice")
    for key, value in pairs:
        if value is True or value is False or type(value) is list:
            found[key] = _leaf(value)
    return found


def _leaf(value: Any) -> Any:
    if value is True:
        return TRUE
    if value is False:
        return FALSE
    if type(value) is list:
        for index, item in enumerate(value):
            if item is True or item is False or type(item) is list:
                value[index] = _leaf(item)
    return value


def _refuse_constant(_: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


def _refuse_characters(value: Any) -> None:
    if isinstance(value, str):
        if _NO_CHARACTER.search(value):
            raise ValueError("a text holds NUL or half a character (a lone surrogate)")
    elif isinstance(value, dict):
        for key, held in value.items():
            _refuse_characters(key)
            _refuse_characters(held)
    elif isinstance(value, list):
        for held in value:
            _refuse_characters(held)


def _bare(value: Any) -> Any:
    if isinstance(value, str):
        if not is_bare(value):
            raise RecordError("a bare token is neither a JSON number nor a boolean")
        return msgspec.Raw(str.encode(value))
    raise TypeError(type(value).__name__)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=Token, parse_int=Token, parse_constant=_refuse_constant, strict=True
)
