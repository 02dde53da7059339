"""Where the elements of a JSON array begin and end, found without holding more than one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from hub.errors import RecordError

MAX_RECORD = 10 << 20
"""Most bytes of one record (one element of the array, or one line)."""
CHUNK = 1 << 18
BOM = b"\xef\xbb\xbf"
SPACE = b" \t\r\n"

_SOLID = re.compile(rb"[^ \t\r\n]")
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BETWEEN = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+', re.DOTALL)
_BRACKET = re.compile(_BETWEEN.pattern + rb"[\[\]{}]", re.DOTALL)
_SCALAR = re.compile(rb'[^",\]}]*+(?:' + _STRING + rb'[^",\]}]*+)*+(?=[,\]}])', re.DOTALL)
_MARK, _STRING_MARK = re.compile(rb'["\[\]{},]'), re.compile(rb'["\\]')


class Element(NamedTuple):
    """One element: its bytes, None when it is larger than a record may be; its first byte and where it stands."""

    text: bytes | None
    start: int
    place: str


def depth(text: bytes, enough: int) -> int:
    """How deep a JSON text goes; not counted, and 0, if it has no more brackets than `enough`."""
    now = deepest = at = 0
    if text.count(b"{") + text.count(b"[") > enough:
        while found := _BRACKET.match(text, at):
            at = found.end()
            now += 1 if text[at - 1] in b"{[" else -1
            deepest = max(deepest, now)
    return deepest


def elements(stream: BinaryIO, name: str) -> Iterator[Element]:
    """The elements of the array that a stream holds, BOM and blanks around it allowed.

    RecordError, naming the file and the record, where the text is cut off or its brackets do not match.
    """
    text = _Text(stream)
    text.next_byte()
    text.drop(text.at + 1)
    ordinal = 0
    if text.next_byte() == b"]":
        text.drop(text.at + 1)
        _refuse_rest(text, name)
        return
    while True:
        ordinal += 1
        if text.next_byte() in (b"", b",", b"]"):
            raise _failed("a record is expected here, or the file is cut off", name, f"record {ordinal}")
        place = f"record {ordinal}, line {text.line}"
        if text.at > CHUNK:
            text.forget()
        start = text.gone + text.at
        yield Element(_element(text, name, place), start, place)
        mark = text.next_byte()
        text.drop(text.at + len(mark))
        if mark == b"]":
            _refuse_rest(text, name)
            return
        if mark != b",":
            raise _failed("the file is cut off" if not mark else "',' or ']' is expected behind it", name, place)


def _failed(reason: str, name: str, place: str) -> RecordError:
    return RecordError(reason, file=name, place=place)


def _refuse_rest(text: _Text, name: str) -> None:
    if text.next_byte():
        raise _failed("something stands behind the end of the array", name, f"line {text.line}")


class _Text:
    """The bytes of a file of which `at` have been dealt with."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.data = stream.read(CHUNK)
        self.at = 3 if self.data.startswith(BOM) else 0
        self.gone, self.line = 0, 1

    def more(self) -> bool:
        """Read on, the more the longer the record is already; False at the end of the file."""
        chunk = self.stream.read(max(CHUNK, len(self.data) - self.at))
        self.data += chunk
        return bool(chunk)

    def drop(self, end: int) -> None:
        """All before `end` has been dealt with."""
        self.line += self.data.count(b"\n", self.at, end)
        self.at = end

    def forget(self) -> None:
        """Free what has been dealt with; positions begin at 0 again."""
        self.gone += self.at
        self.data, self.at = self.data[self.at :], 0

    def next_byte(self) -> bytes:
        """The next byte that is no blank, b"" at the end; what stood before it is dropped."""
        while not (found := _SOLID.search(self.data, self.at)):
            self.drop(len(self.data))
            self.forget()
            if not self.more():
                return b""
        self.drop(found.start())
        return found.group()


def _element(text: _Text, name: str, place: str) -> bytes | None:
    """The element that begins the text, which is moved behind it."""
    start = text.at
    end = _scan(text, name, place)
    if end < 0 or end - start > MAX_RECORD:
        text.drop(max(end, text.at))
        return None
    found = text.data[start:end].rstrip(SPACE)
    text.drop(end)
    return found


def _scan(text: _Text, name: str, place: str) -> int:
    """Where the element ends; -1 if it is too large, and has been passed over."""
    opened, at = bytearray(), text.at
    pattern = _BRACKET if text.data[at] in b"[{" else _SCALAR
    while True:
        if found := pattern.match(text.data, at):
            at = found.end()
            if pattern is _SCALAR:
                return at
            byte = text.data[at - 1]
            if byte in b"[{":
                opened.append(byte + 2)  # the codes of the brackets that close stand two behind
            elif opened.pop() != byte:
                raise _failed("brackets do not match; nothing behind it can be read", name, place)
            if not opened:
                return at
        elif len(text.data) - text.at > MAX_RECORD:
            text.drop(at)
            _pass_over(text, len(opened), name, place)
            return -1
        elif not text.more():
            raise _failed("the file is cut off inside this record", name, place)


def _pass_over(text: _Text, depth: int, name: str, place: str) -> None:
    """Drop the rest of an element too large to keep, which is `depth` brackets deep here and outside a string."""
    inside = False
    while True:
        if depth and not inside and (quick := _BETWEEN.match(text.data, text.at)):
            text.drop(quick.end())
        pattern = _STRING_MARK if inside else _MARK
        found = pattern.search(text.data, text.at)
        if not found or (found.group() == b"\\" and found.end() == len(text.data)):
            text.drop(found.start() if found else len(text.data))
            text.forget()
            if not text.more():
                raise _failed("the file is cut off inside this record", name, place)
            continue
        mark = found.group()
        if not depth and not inside and mark in (b",", b"]", b"}"):
            text.drop(found.start())
            return
        text.drop(found.end() + (mark == b"\\"))
        inside = inside != (mark == b'"')
        depth += 0 if inside else (mark in (b"[", b"{")) - (mark in (b"]", b"}"))
        if not depth and mark in (b"]", b"}"):
            return
