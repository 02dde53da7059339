"""A large XML document as stretches, each a small document of its own: some of the records, between the same tags.

This is for whoever wants to read them at the same time. It looks at bytes and parses nothing but the start, so it only
goes as far as a document is plain: at the first thing that may mean more than it seems (a comment, CDATA, a record
within a record, text or a stranger between two, bytes that cannot be decoded) there are no more stretches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from lxml import etree

from hub.errors import RecordError
from hub.wire.document import Document
from hub.wire.prolog import LAYOUT, MARK, utf8

_SIZE = 1 << 18
"""Bytes of records in a stretch, more or less."""
_MOST = 1 << 20
"""Most bytes without the end of a record."""
_MARGIN = 4096
"""Most bytes between two records."""
_HIGHEST = 4096
"""Most lines above the first record."""

_DECLARATION = re.compile(rb"<\?xml\s[^>]*\?>")
_LAYOUT = LAYOUT.encode()
_MARK = MARK.encode()


class Stretch(NamedTuple):
    """A stretch: the bytes above its records, those of the records themselves, and those that close the document.

    line: of its first record in the whole document; before: how many records stand there before it; records: its own.
    last: whether the whole document ends with it.
    """

    name: str
    above: bytes
    data: bytes
    below: bytes
    line: int
    before: int
    records: int
    last: bool

    @property
    def lines(self) -> int:
        """How many lines further its records stand in the whole document than in the stretch."""
        return self.line - 1 - self.above.count(b"\n")

    def document(self) -> Document:
        """The stretch as a document of its own, which knows where in the whole one it stands."""
        found = Document.of(self.name, {"": self.above + self.data + self.below})
        found.before, found.lines = self.before, self.lines
        return found


def stretches(document: Document, wanted: Iterable[str]) -> Iterator[Stretch]:
    """The stretches of a document, as far as it is plain; whoever finds none marked as the last reads on as usual.

    wanted: as for `records`; the records are the deepest of them, at one depth, and their tags hold no attributes.
    """
    paths = [path.split("/") for path in wanted]
    depth = max(map(len, paths))
    names = [steps[-1].encode() for steps in paths if len(steps) == depth]
    others = [b"<" + steps[-1].encode() for steps in paths if len(steps) < depth]
    if document.parts() != [document.name]:
        return
    try:
        with document.open() as stream:
            yield from _Cutter(document.name, paths, names, others).cut(utf8(stream, paths[0][0], document.name))
    except RecordError:
        return  # whoever reads the document as usual meets it too


class _Cutter:
    def __init__(self, name: str, paths: list[list[str]], names: list[bytes], others: list[bytes]) -> None:
        self._name, self._above, self._others = name, max(paths, key=len)[:-1], others
        self._starts = tuple(b"<" + one + b">" for one in names)
        self._ends = tuple(b"</" + one + b">" for one in names)
        self._line, self._before = 1, 0

    def cut(self, chunks: Iterator[bytes]) -> Iterator[Stretch]:
        held = next(chunks, b"")
        above = held[: min((at for at in map(held.find, self._starts) if at >= 0), default=0)]
        below = self._below(above) if above else None
        if below is None:
            return
        self._line += above.count(b"\n")
        held = held[len(above) :]
        above = _DECLARATION.sub(b"", above, count=1)
        for chunk in chunks:
            held += chunk
            if len(held) < _SIZE:
                continue
            last = max(0, *map(held.rfind, self._ends))  # this one stays, so that the last stretch has a record too
            found = [(held.rfind(tag, 0, last), tag) for tag in self._ends]
            end = max(at + len(tag) if at >= 0 else 0 for at, tag in found)
            data, held = held[:end], held[end:]
            records = self._count(data)
            if records is None or (not end and len(held) > _MOST):
                return
            if end:
                yield self._stretch(above, data, below, records, False)
        records = self._count(held)
        if records is not None:
            yield self._stretch(above, held, b"", records, True)

    def _stretch(self, above: bytes, data: bytes, below: bytes, records: int, last: bool) -> Stretch:
        made = Stretch(self._name, above, data, below, self._line, self._before, records, last)
        self._before += records
        self._line += data.count(b"\n")
        return made

    def _count(self, data: bytes) -> int | None:
        """How many records end in the data; None unless it begins with one and no more than its form is to be seen.

        One that holds another, or ends in a tag of another form, shows when the stretch is read: the count is wrong.
        """
        counts = [data.count(tag) for tag in self._ends]
        is_plain = not (
            (b"!" in data and b"<!" in data)
            or (b"?" in data and b"<?" in data)
            or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n"))
            or (not data.isascii() and _MARK in data)
            or any(tag in data for tag in self._others)
            or (data and not data[:_MARGIN].lstrip(_LAYOUT).startswith(self._starts))
        )
        return sum(counts) if is_plain else None

    def _below(self, above: bytes) -> bytes | None:
        """The tags that close what stands open at the end of the first bytes; None if that is not what it should be."""
        if b"<!" in above or above.count(b"<?") > 1 or _MARK in above or above.count(b"\n") > _HIGHEST:
            return None
        parser: Any = etree.XMLPullParser(("start", "end"), encoding="utf-8", resolve_entities=False, no_network=True)
        opened: list[Any] = []
        try:
            parser.feed(above)
            for event, element in parser.read_events():
                if event == "start":
                    opened.append(element)
                else:
                    opened.pop()
        except etree.XMLSyntaxError:
            return None
        if len(parser.feed_error_log) or [etree.QName(one).localname for one in opened] != self._above:
            return None
        names = (f"{one.prefix}:{etree.QName(one).localname}" if one.prefix else one.tag for one in opened)
        return b"".join(f"</{name.rpartition('}')[2]}>".encode() for name in [*names][::-1])


__all__ = ["Stretch", "stretches"]
