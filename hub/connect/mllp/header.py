"""MSH, as far as a connection looks into a message, and what is answered: ACK with MSA and ERR.

Bytes stay bytes: the rest of a message, and its character set, are the adapter's. Field numbers are HL7's own.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from time import time
from typing import NamedTuple

_LONGEST = 199
"""Most bytes of a control id that are given back; HL7 v2.8 allows as many."""
_USUAL = (b"|", b"^~\\&")
_WORDS = {
    100: "Segment sequence error",
    101: "Required field missing",
    200: "Unsupported message type",
    202: "Unsupported processing id",
    205: "Duplicate key identifier",
    207: "Application internal error",
}
"""HL7 table 0357, as far as it is used here."""


class Unreadable(Exception):
    """There is no MSH that can be read."""


class Header(NamedTuple):
    """fields: of MSH by their number, the first at 1 (the separator itself)."""

    separator: bytes
    fields: tuple[bytes, ...]

    def field(self, number: int) -> bytes:
        """A field's bytes, `b""` when there is none."""
        fields = self.fields
        return fields[number - 1].strip() if number <= len(fields) else b""

    def part(self, number: int, component: int) -> bytes:
        """A component of a field, the first is 1."""
        parts = self.field(number).split(self.signs[:1])
        return parts[component - 1].strip() if component <= len(parts) else b""

    @property
    def signs(self) -> bytes:
        """The encoding characters; the usual ones where a stranger spelled them for HTML or left some out."""
        return self.fields[1] if len(self.fields[1]) in (4, 5) else _USUAL[1]


class Complaint(NamedTuple):
    """What is said in an ERR. code: of HL7 table 0357. at: segment, its number, field. severity: E, W or I."""

    code: int
    text: str
    at: str = ""
    severity: str = "E"


def read(message: bytes) -> Header:
    """The header of a message. Unreadable: it does not begin with one."""
    start = message
    if not message.startswith(b"MSH"):
        start = message.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\t ")
    separator = start[3:4]
    if not start.startswith(b"MSH") or len(start) < 9 or separator.isalnum() or separator in b"\r\n":
        raise Unreadable
    line = start.partition(b"\r")[0].partition(b"\n")[0]
    found = (separator, *line[4:].split(separator))
    if len(found) < 9:
        raise Unreadable
    return Header(separator, found)


def answer(asked: Header | None, code: str, own: str, complaint: Complaint | None = None) -> bytes:
    """An ACK. asked: the header of what is answered, None when it had none. own: our control id."""
    bar, signs = (asked.separator, asked.signs) if asked else _USUAL
    field = asked.field if asked else (lambda number: b"")
    event = asked.part(9, 2) if asked else b""
    kind = signs[:1].join([b"ACK", event]) if event else b"ACK"
    head = [b"MSH", signs, field(5), field(6), field(3), field(4), stamp(), b"", kind, own.encode()]
    head += [field(11) or b"P", field(12) or b"2.4"]
    told = [b"MSA", code.encode(), field(10)[:_LONGEST]]
    lines = [bar.join(head), bar.join(told)]
    if complaint is not None:
        lines.append(_complaint(complaint, bar, signs, newer(field(12))))
    return b"\r".join(lines) + b"\r"


def newer(version: bytes) -> bool:
    """Whether a version (MSH-12) has the ERR of 2.5 and later."""
    match = re.match(rb"(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= (2, 5)


def _complaint(said: Complaint, bar: bytes, signs: bytes, fields: bool) -> bytes:
    hat, amp = signs[:1], signs[3:4]
    at, words = said.at.encode().replace(b"^", hat), _WORDS[said.code].encode()
    code = str(said.code).encode()
    if not fields:  # 2.4 and before: all in ERR-1
        place = [*at.split(hat), b"", b"", b""][:3]
        return bar.join([b"ERR", hat.join([*place, amp.join([code, words, b"HL70357"])])])
    known = hat.join([code, words, b"HL70357"])
    return bar.join([b"ERR", b"", at, known, said.severity.encode(), b"", b"", b"", said.text.encode()])


def stamp() -> bytes:
    """Now, as HL7 spells a time, with the machine's own offset."""
    return _stamp(int(time()))


@lru_cache(4)
def _stamp(second: int) -> bytes:
    return datetime.fromtimestamp(second).astimezone().strftime("%Y%m%d%H%M%S%z").encode()


__all__ = ["Complaint", "Header", "Unreadable", "answer", "newer", "read", "stamp"]
