"""HL7 v2 on the wire: a document cut into messages, a message into segments, their characters and escapes.

A document holds one message or many, bare or in a batch file (FHS, BHS, BTS, FTS), its segments ended by CR, LF or
both, with or without the frame of MLLP. Facts: HL7 v2.4 chapter 2; what real senders do beside it was counted on 1,189
messages.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress, count
from typing import BinaryIO

from hub.errors import RecordError
from hub.wire import Document

LONGEST = 16 << 20
"""Most bytes of a segment."""
LARGEST = 64 << 20
"""Most bytes of a message."""
MOST = 20_000
"""Most segments of a message."""

_ENDS = bytes.maketrans(b"\n\x0b\x1c", b"\r\r\r")
"""What ends a segment, or frames a message, as the one byte that should."""
_OPENS = re.compile(rb"[ \t]*(MSH|FHS|BHS|BTS|FTS)")
"""What begins a message, or stands around messages."""
_CHARSETS = {
    **dict.fromkeys(("", "ASCII", "UNICODE", "UNICODE UTF-8", "UTF-8", "UTF8"), "utf-8"),
    **{f"8859/{n}": f"iso8859-{n}" for n in (*range(1, 12), 13, 14, 15, 16)},
}
"""By MSH-18. ASCII is what most senders declare whatever they send, and ASCII is within UTF-8; `UNICODE` is sent for
UTF-8, as a file of 16-bit characters could not be cut at its segment ends."""


@dataclass(frozen=True)
class Marks:
    """The separators of a message, as MSH-1 and MSH-2 declare them. cut: the truncation mark of v2.7, or ""."""

    field: str = "|"
    component: str = "^"
    repeat: str = "~"
    escape: str = "\\"
    part: str = "&"
    cut: str = ""

    @property
    def declared(self) -> str:
        """MSH-2."""
        return self.component + self.repeat + self.escape + self.part + self.cut

    @cached_property
    def codes(self) -> dict[str, str]:
        """What each separator, and the end of a line, is written as between two escape characters."""
        return {getattr(self, name): code for code, name in _KNOWN.items() if name and getattr(self, name)} | {
            "\n": ".br"
        }

    @cached_property
    def special(self) -> re.Pattern[str]:
        """What stands in no text: separators and control characters."""
        return re.compile("[" + re.escape("".join(self.codes)) + "\0-\x1f]")

    @cached_property
    def segment(self) -> re.Pattern[str]:
        """How a segment begins."""
        return re.compile(rf"[A-Z][A-Z0-9]{{2}}(?:{re.escape(self.field)}|\Z)")

    @cached_property
    def breaking(self) -> re.Pattern[str]:
        """What stands in no field: the field separator and control characters."""
        return re.compile("[" + re.escape(self.field) + "\0-\x1f]")


class Message:
    """One message. place: for errors. segments: name and text, separators and escapes as they came; MSH is the first.

    header: the fields of MSH as they came, by number, at least the first ten.
    """

    def __init__(self, place: str, marks: Marks, segments: list[tuple[str, str]]) -> None:
        self.place, self.marks, self.segments = place, marks, segments
        self.header = ["MSH", marks.field, *segments[0][1].split(marks.field)[1:], *[""] * 9]


def messages(document: Document) -> Iterator[Message | RecordError]:
    """Every message of a document in order, and the errors of those that cannot be taken apart. RecordError raised:
    nothing more of it can be read."""
    number = 0
    for part in document.parts():
        file = document.label(part)
        with document.open(part) as stream:
            for found in _cut(_lines(stream, file), file):
                if isinstance(found, RecordError):
                    yield found
                    continue
                number += 1
                yield _message(found, file, f"message {number}")
    if not number:
        raise RecordError("it holds no message", file=document.name)


def _lines(stream: BinaryIO, file: str) -> Iterator[list[bytes]]:
    """Segments as bytes, empty ones left out, as many at a time as were read."""
    rest: list[bytes] = []
    size, is_first = 0, True
    while chunk := stream.read(1 << 16):
        if is_first:
            is_first = False
            if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise RecordError("it is in 16-bit characters (UTF-16), which HL7 v2 over bytes is not", file=file)
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        first, *others = chunk.translate(_ENDS).split(b"\r")
        rest.append(first)
        size += len(first)
        if others:
            last = others.pop()
            yield [*filter(None, (b"".join(rest), *others))]
            rest, size = [last], len(last)
        if size > LONGEST:
            raise RecordError(f"a segment is longer than {LONGEST >> 20} MB", file=file)
    if size:
        yield [b"".join(rest)]


def _cut(stretches: Iterable[list[bytes]], file: str) -> Iterator[list[bytes] | RecordError]:
    """The segments of each message; one that is too large is an error in its place."""
    held: list[bytes] = []
    size, said, is_open = 0, 0, False
    for lines in stretches:
        done = 0
        for n in (*compress(count(), map(_OPENS.match, lines)), len(lines)):
            if n > done:  # up to here they go on with the message before
                if not held:
                    raise RecordError("it does not begin with a message header (MSH)", file=file)
                size += sum(map(len, lines[done:n]))
                if len(held) <= MOST and size <= LARGEST:
                    held += lines[done:n]
            if n == len(lines):
                break
            if held:
                yield _whole(held, size, file)
                said += 1
            line, done = lines[n].lstrip(b" \t"), n + 1
            held, size = [], len(lines[n])
            if line.startswith(b"MSH"):
                held = [line]
            elif line.startswith(b"BHS"):
                is_open, said = True, 0
            elif line.startswith(b"BTS"):
                if is_open and not _agrees(lines[n], said):
                    yield RecordError("the batch says another number of messages", file=file, place="BTS-1")
                is_open = False
    if held:
        yield _whole(held, size, file)
    if is_open:
        raise RecordError("the batch has no end: the file was cut off", file=file, place="BTS")


def _agrees(trailer: bytes, count: int) -> bool:
    """Whether BTS-1, if it holds a number, is that of the messages."""
    said = trailer[4:].split(trailer[3:4])[0].strip() if len(trailer) > 4 else b""
    return not said.isdigit() or int(said[:18]) == count


def _whole(held: list[bytes], size: int, file: str) -> list[bytes] | RecordError:
    if size > LARGEST or len(held) > MOST:
        return RecordError(f"a message is larger than {LARGEST >> 20} MB or {MOST} segments", file=file)
    return held


def _message(lines: list[bytes], file: str, place: str) -> Message | RecordError:
    try:
        marks, text = _decode(lines)
        return Message(place, marks, _segments(text, marks))
    except RecordError as error:
        return RecordError(error.reason, file=file, place=f"{place}, {error.place}")


def _decode(lines: list[bytes]) -> tuple[Marks, list[str]]:
    """The segments as text, by the character set that MSH-18 declares; RecordError names the field."""
    header = lines[0].decode("latin-1")
    marks = marks_of(header)
    cells = header.split(marks.field)
    declared = cells[17].split(marks.repeat)[0] if len(cells) > 17 else ""
    charset = _CHARSETS.get(declared.strip().upper())
    if charset is None:
        raise RecordError("a character set that is not known here", place="MSH-18")
    whole = b"\r".join(lines)
    try:
        texts = whole.decode("ascii").split("\r") if whole.isascii() else [_text(line, charset) for line in lines]
    except UnicodeDecodeError:
        what = "it does not declare its character set, and is not in UTF-8"
        raise RecordError(
            what if not declared else "it is not in the character set it declares", place="MSH-18"
        ) from None
    if lines[0].startswith(b"MSH|^~\\&amp;"):  # the whole message was escaped for HTML on its way
        texts = [html.unescape(text) for text in texts]
    return marks, texts


def _text(line: bytes, charset: str) -> str:
    """Bytes as text; senders of Windows call their set 8859/1, whose characters 80 to 9F no text has."""
    if line.isascii():
        return line.decode("ascii")
    return line.decode("cp1252" if charset == "iso8859-1" and re.search(rb"[\x80-\x9f]", line) else charset)


def charset_of(declared: str) -> str:
    """Python's name for a set of MSH-18, UTF-8 where it is not known."""
    return _CHARSETS.get(declared.strip().upper(), "utf-8")


def encode(text: str, declared: str) -> bytes:
    """A message as bytes. RecordError when the set that it declares has no such character."""
    charset = charset_of(declared)
    for one in (charset, "cp1252") if charset == "iso8859-1" else (charset,):
        try:
            return text.encode(one)
        except UnicodeEncodeError:
            continue
    raise RecordError("the character set it declares lacks a character", place="MSH-18")


def marks_of(header: str) -> Marks:
    """The separators of a message from its MSH; RecordError names the field."""
    sign = header[3:4]
    if not sign or sign.isalnum() or sign.isspace():
        raise RecordError("no field separator", place="MSH-1")
    return _marks(sign, header[4:].partition(sign)[0].removesuffix("amp;"))


@lru_cache(maxsize=64)
def _marks(sign: str, said: str) -> Marks:
    """The same from MSH-1 and MSH-2: senders agree on them, and what is made of them is made once."""
    whole = said + "^~\\&"[len(said) :]
    if len(whole) > 5 or len({sign, *whole}) <= len(whole) or any(one.isalnum() or one.isspace() for one in whole):
        raise RecordError("these cannot be separators", place="MSH-2")
    return Marks(sign, *whole)


def _segments(texts: list[str], marks: Marks) -> list[tuple[str, str]]:
    header, *others = texts
    are = [*map(marks.segment.match, others)]
    if None in are:
        raise RecordError("a line that is no segment", place=f"segment {are.index(None) + 2}")
    return [("MSH", header[3:]), *[(text[:3], text[4:]) for text in others]]


_KNOWN = {"F": "field", "S": "component", "T": "part", "R": "repeat", "E": "escape", "P": "cut", ".br": ""}


def unescape(text: str, marks: Marks) -> str:
    """A text without escapes; those that highlight it (`\\H\\`, `\\N\\`) go, those that nobody knows stay."""
    sign = marks.escape
    if sign not in text:
        return text

    def plain(found: re.Match[str]) -> str:
        code = found[1]
        if code in ("H", "N"):
            return ""
        if code in _KNOWN:
            return "\n" if code == ".br" else getattr(marks, _KNOWN[code]) or "#"
        if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", code):
            try:
                return bytes.fromhex(code[1:]).decode("utf-8")
            except UnicodeDecodeError:
                return bytes.fromhex(code[1:]).decode("latin-1")
        return found[0]

    mark = re.escape(sign)
    return re.sub(f"{mark}([^{mark}]*){mark}", plain, text)


def escape(text: str, marks: Marks) -> str:
    """A text with what would be taken for a separator, and control characters, escaped."""

    def coded(found: re.Match[str]) -> str:
        one = found[0]
        code = marks.codes.get(one) or ("" if one == "\t" else f"X{ord(one):02X}")
        return f"{marks.escape}{code}{marks.escape}" if code else one

    return marks.special.sub(coded, text)


__all__ = ["Marks", "Message", "charset_of", "encode", "escape", "marks_of", "messages", "unescape"]
