"""What a message of MESH holds: its parts one after another, unpacked where they were packed for the way, none missing.

Its library reads messages too, but takes a packed part that breaks off for a whole one, and of what was packed in
several pieces only the first.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple

import requests

_READ = 1 << 16


class TooLarge(Exception):
    """It is longer than is taken."""


class Unreadable(Exception):
    """What is in it is not what it says; it will not be so another time either."""


class Gone(Exception):
    """It is not there any more: somebody else took it."""


class Content(NamedTuple):
    """headers: of its first part. data: b"" for a report."""

    headers: Mapping[str, str]
    data: bytes


def kind(headers: Mapping[str, str]) -> str:
    """What a message is by its headers: DATA, or REPORT of MESH itself."""
    return headers.get("Mex-MessageType", "DATA").upper()


def first(client: Any, name: str) -> Any:
    """The answer with the first part of a message, not read; to be closed. Gone; errors of the library."""
    try:
        return client.retrieve_message_chunk(name, 1)
    except requests.HTTPError as error:
        if error.response is not None and error.response.status_code in (404, 410):
            raise Gone from None
        raise


def content(client: Any, name: str, most: int) -> Content:
    """A message with all its parts. ValueError: an answer is none; Gone, Unreadable, TooLarge; the library's errors."""
    held = Unpacking(most)
    with closing(first(client, name)) as part:
        headers = part.headers
        if kind(headers) != "DATA":
            return Content(headers, b"")
        count = _count(part, 1)
        _read(part, held)
    for number in range(2, count + 1):
        with closing(client.retrieve_message_chunk(name, number)) as part:
            if _count(part, number) != count:
                raise ValueError("the parts of a message do not agree")
            _read(part, held)
    held.end()
    return Content(headers, bytes(held.data))


def _read(part: Any, held: Unpacking) -> None:
    """Add the bytes of a part. Errors of the library below; Unreadable, TooLarge."""
    add = held.unpack if part.headers.get("Content-Encoding", "").lower() == "gzip" else held.add
    for piece in part.raw.stream(_READ, decode_content=False):
        add(piece)


def _count(part: Any, number: int) -> int:
    """How many parts a message has, as the answer with one of them says. ValueError: it is not the one asked for."""
    told = part.headers.get("Mex-Chunk-Range", "")
    if not told and part.status_code != 206:  # no part of something longer
        return number
    at, _, count = told.partition(":")
    if int(at) != number or int(count) < number or (part.status_code == 206 and int(count) == number):
        raise ValueError("another part of the message was asked for")
    return int(count)


class Unpacking:
    """Bytes as they come, packed by gzip or not: in one piece or several, each over as many parts as it likes."""

    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self._most = most
        self._opened: Any = None

    def add(self, piece: bytes) -> None:
        """Bytes that are not packed. TooLarge, Unreadable."""
        self.end()
        self.data += piece
        self._bounded()

    def unpack(self, piece: bytes) -> None:
        """Packed bytes. TooLarge, Unreadable."""
        while piece:
            if self._opened is None:
                piece = piece.lstrip(b"\0")  # zeros may fill up what is after a piece
                if not piece:
                    return
                self._opened = zlib.decompressobj(31)
            try:
                self.data += self._opened.decompress(piece, self._most + 1 - len(self.data))
            except zlib.error:
                raise Unreadable from None
            self._bounded()
            if not self._opened.eof:
                return
            piece, self._opened = self._opened.unused_data, None

    def end(self) -> None:
        """Nothing more of it comes packed. Unreadable: something would have to."""
        if self._opened is not None:
            raise Unreadable

    def _bounded(self) -> None:
        if len(self.data) > self._most:
            raise TooLarge


__all__ = ["Content", "Gone", "TooLarge", "Unpacking", "Unreadable", "content", "first", "kind"]
