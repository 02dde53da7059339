"""T1: documents kept as they came, before anything else happens; sealed in chunks, so that memory stays flat."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, cast

import msgspec

from hub.errors import DeclarationError
from hub.store.database import Work
from hub.store.facts import Kept, LeaseLost, Unread
from hub.store.shelf import Shelf
from hub.store.statements import Sql
from hub.wire import Document

CHUNK = 1 << 20
"""Bytes of a document sealed in one piece."""

_NEW = Sql("""INSERT INTO document (name, link, sealed, kept) VALUES (:name, :link, :sealed, {now})
    ON CONFLICT (name) DO NOTHING RETURNING id""")
_READER = Sql("SELECT s.link FROM source s WHERE s.link = :link AND s.reader = :worker {lock s}")
_OLD = Sql("SELECT id FROM document WHERE name = :name")
_CHUNK = Sql("INSERT INTO chunk (document, part, ordinal, sealed) VALUES (:document, :part, :ordinal, :sealed)")
_ABOUT = Sql("UPDATE document SET sealed = :sealed WHERE id = :id")
_SEALED = Sql("SELECT sealed FROM document WHERE id = :id")
_READ = Sql("SELECT sealed FROM chunk WHERE document = :document AND part = :part AND ordinal = :ordinal")
_UNREAD = Sql("""SELECT id, position, sealed FROM document WHERE link = :link AND NOT done
    ORDER BY id LIMIT :limit""")


class _Part(msgspec.Struct, array_like=True):
    """name: of the part; sizes: of its chunks, in bytes."""

    name: str
    sizes: list[int]


class About(msgspec.Struct, array_like=True):
    """What is sealed in a document's row. name: as it was kept under; label: its own name."""

    name: str
    label: str
    parts: list[_Part] = msgspec.field(default_factory=list)


class Documents(Shelf):
    """Keeping and reading documents."""

    def keep(
        self,
        link: str,
        name: str,
        chunks: Document | Iterable[tuple[str, bytes]],
        *,
        label: str | None = None,
        worker: int | None = None,
    ) -> Kept:
        """Keep a document that came over a link, whole or not at all.

        name: what the transport identifies it by; the same name again is the same document. chunks: the document, or
        (part, bytes) in any sizes, the part "" for a document of one file. label: the document's own name, when
        `chunks` does not tell. worker: who must be the source's reader when it is kept, else LeaseLost: documents are
        kept in the order they came, which two readers could not agree on.
        """
        return self._keep(link, [(name, chunks, label)], worker)[0]

    def keep_all(
        self, link: str, documents: Sequence[tuple[str, Document]], *, worker: int | None = None
    ) -> list[Kept]:
        """Keep several, all or none, in their order, in one transaction: whoever waits for one waits as long for all.
        Each with its name; see `keep`."""
        return self._keep(link, [(name, document, None) for name, document in documents], worker)

    def _keep(
        self,
        link: str,
        documents: Sequence[tuple[str, Document | Iterable[tuple[str, bytes]], str | None]],
        worker: int | None,
    ) -> list[Kept]:
        source, identity = self.link_id(link), self.identity(link)
        marks = [self.ring.name("document", identity, name) for name, _, _ in documents]

        def act(work: Work) -> list[Kept]:
            kept = []
            for mark, (name, chunks, label) in zip(marks, documents, strict=True):
                made = work.value(_NEW, name=mark, link=source, sealed=b"")
                if made is not None:
                    title = label or (chunks.name if isinstance(chunks, Document) else name)
                    self._fill(
                        work, made, About(name, title), _chunks(chunks) if isinstance(chunks, Document) else chunks
                    )
                    work.count += 1
                kept.append(Kept(made or work.value(_OLD, name=mark), new=made is not None))
            if worker is not None and work.row(_READER, link=source, worker=worker) is None:
                raise LeaseLost("the source is read by another worker")
            return kept

        # What is a stream can be read but once; what is a document as often as it takes.
        once = not all(isinstance(chunks, Document) for _, chunks, _ in documents)
        return self.database.write(act, "T1", once=once)

    def _fill(self, work: Work, document: int, about: About, stream: Iterable[tuple[str, bytes]]) -> None:
        places: dict[str, int] = {}
        for name, data in _pieces(stream):
            if name not in places:
                places[name] = len(places)
                about.parts.append(_Part(name, []))
            part = about.parts[places[name]]
            ordinal = len(part.sizes)
            sealed = self.ring.seal(data, chunk_bound(document, places[name], ordinal))
            work.run(_CHUNK, document=document, part=places[name], ordinal=ordinal, sealed=sealed)
            part.sizes.append(len(data))
        sealed = self.ring.seal(msgspec.msgpack.encode(about), about_bound(document))
        work.run(_ABOUT, id=document, sealed=sealed)

    def document(self, document: int) -> Document:
        """A kept document, read and opened a chunk at a time. DeclarationError when there is none of that number."""
        sealed = self.database.read(lambda work: work.value(_SEALED, id=document))
        if sealed is None:
            raise DeclarationError(f"there is no document {document}")
        about = self._about(document, sealed)
        parts = {
            part.name or about.label: (sum(part.sizes), self._opener(document, place, part.sizes))
            for place, part in enumerate(about.parts)
        }
        whole = Document(about.label, parts)
        if list(parts) == [about.label] and about.label.lower().endswith(".zip"):
            return whole.unpack(about.label)
        return whole

    def _about(self, document: int, sealed: bytes) -> About:
        return msgspec.msgpack.decode(self.ring.open(sealed, about_bound(document)), type=About)

    def _opener(self, document: int, part: int, sizes: list[int]) -> Any:
        def chunk(ordinal: int) -> bytes:
            sealed = self.database.read(lambda work: work.value(_READ, document=document, part=part, ordinal=ordinal))
            if sealed is None:
                raise DeclarationError(f"document {document} was purged while it was read")
            return self.ring.open(sealed, chunk_bound(document, part, ordinal))

        return lambda: cast(BinaryIO, io.BufferedReader(_Stored(chunk, sizes), 1 << 16))

    def unread(self, link: str, limit: int = 1000) -> list[Unread]:
        """Documents of a link with records left to take, in the order they were kept."""
        source = self.link_id(link)
        rows = self.database.read(lambda work: work.rows(_UNREAD, link=source, limit=limit))
        return [Unread(row.id, row.position, self._about(row.id, row.sealed).name) for row in rows]


def about_bound(document: int) -> bytes:
    """What the seal of a document's name and parts is bound to."""
    return b"document:%d" % document


def chunk_bound(document: int, part: int, ordinal: int) -> bytes:
    """What the seal of a chunk is bound to."""
    return b"chunk:%d:%d:%d" % (document, part, ordinal)


def _chunks(document: Document) -> Iterator[tuple[str, bytes]]:
    names = document.parts()
    alone = names == [document.name]
    for name in names:
        empty = True
        with document.open(name) as stream:
            while data := stream.read(CHUNK):
                empty = False
                yield "" if alone else name, data
        if empty:
            yield "" if alone else name, b""


def _pieces(stream: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """The same bytes in pieces of at most CHUNK, few of them shorter: only where one part follows another."""
    part, kept, seen = None, bytearray(), set()
    for name, data in stream:
        if name != part:
            if part is not None and kept:
                yield part, bytes(kept)
            part, kept = name, bytearray()
            if name not in seen and not data:
                yield name, b""
            seen.add(name)
        for start in range(0, len(data), CHUNK):
            kept += data[start : start + CHUNK]
            if len(kept) >= CHUNK:
                yield name, bytes(kept[:CHUNK])
                del kept[:CHUNK]
    if part is not None and kept:
        yield part, bytes(kept)


class _Stored(io.RawIOBase):
    """The bytes of a part, one chunk in memory."""

    def __init__(self, chunk: Any, sizes: list[int]) -> None:
        super().__init__()
        self._chunk, self._sizes, self._size = chunk, sizes, sum(sizes)
        self._at = 0
        self._start, self._held, self._next = 0, b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._size:
            return 0
        if not self._start <= self._at < self._start + len(self._held):
            self._load()
        data = self._held[self._at - self._start :][: len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _load(self) -> None:
        start = 0
        for ordinal, size in enumerate(self._sizes):
            if start <= self._at < start + size:
                self._start, self._held = start, self._chunk(ordinal)
                return
            start += size
