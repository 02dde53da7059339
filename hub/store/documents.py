"""T1: documents kept as they came, before anything else happens; sealed in chunks, so that memory stays flat."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, cast

import msgspec

from hub.errors import DeclarationError
from hub.seal import Keyring
from hub.store.database import Work
from hub.store.facts import Kept, LeaseLost, Unread
from hub.store.line import new_numbers
from hub.store.shelf import Shelf
from hub.store.statements import Rows, Sql
from hub.wire import Document

CHUNK = 1 << 20
"""Bytes of a document sealed in one piece."""

_NAMED = Sql("SELECT d.name, d.id FROM document d WHERE d.name {in names bytes}")
_NUMBERS = {
    False: Sql("SELECT nextval('document_id_seq') FROM generate_series(1, :count)"),
    True: Sql("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'document'), 0) + :count"),
}
_KEEP = Rows("document", "id name:bytes sealed:bytes", "link=:link, kept={now}", once="name")
_READER = Sql("SELECT s.link FROM source s WHERE s.link = :link AND s.reader = :worker {lock s}")
_CHUNKS = Rows("chunk", "document part ordinal sealed:bytes")
_DROP = Sql("DELETE FROM chunk WHERE document {in documents}")
_SEALED = Sql("SELECT sealed FROM document WHERE id = :id")
_READ = Sql("SELECT sealed FROM chunk WHERE document = :document AND part = :part AND ordinal = :ordinal")
_UNREAD = Sql("""SELECT id, position, sealed FROM document WHERE link = :link AND NOT done
    ORDER BY id LIMIT :limit""")


LYING = "lying "
"""Before the number of a link: the fact that holds the names, in hex, of documents that still lie at it."""
_LYING = Sql("SELECT value FROM fact WHERE name = :name")
_LIE = Sql("""INSERT INTO fact (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value""")


class _Part(msgspec.Struct, array_like=True):
    """name: of the part; sizes: of its chunks, in bytes."""

    name: str
    sizes: list[int]


class About(msgspec.Struct, array_like=True):
    """What is sealed in a document's row. name: as it was kept under; label: its own name."""

    name: str
    label: str
    parts: list[_Part] = msgspec.field(default_factory=list)


_decoder = msgspec.msgpack.Decoder(About)


class _Chunks:
    """Chunks on their way into the store, several in one statement while they are small."""

    def __init__(self, work: Work, ring: Keyring) -> None:
        self.work, self.ring = work, ring
        self._rows: list[tuple[int, int, int, bytes]] = []
        self._size = 0

    def fill(
        self, document: int, name: str, stream: Document | Iterable[tuple[str, bytes]], label: str | None
    ) -> bytes:
        """Seal and keep what a document consists of; what stands in its row, sealed."""
        if isinstance(stream, Document):
            about, stream = About(name, label or stream.name), _chunks(stream)
        else:
            about = About(name, label or name)
        places: dict[str, int] = {}
        for part, data in _pieces(stream):
            if part not in places:
                places[part] = len(places)
                about.parts.append(_Part(part, []))
            place = places[part]
            sizes = about.parts[place].sizes
            sealed = self.ring.seal(data, chunk_bound(document, place, len(sizes)))
            self._rows.append((document, place, len(sizes), sealed))
            sizes.append(len(data))
            self._size += len(data)
            if self._size >= CHUNK:
                self.write()
        return self.ring.seal(msgspec.msgpack.encode(about), about_bound(document))

    def write(self) -> None:
        """Keep those that are not yet."""
        self.work.many(_CHUNKS, self._rows)
        self._rows, self._size = [], 0


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

        asked = dict(zip(reversed(marks), reversed(documents), strict=True))  # of one name the first

        def act(work: Work) -> list[Kept]:
            held = _held(work, marks)
            fresh = [mark for mark in dict.fromkeys(marks) if mark not in held]
            made = dict(zip(fresh, new_numbers(work, len(fresh), _NUMBERS), strict=True))
            chunks = _Chunks(work, self.ring)
            rows = [(number, mark, chunks.fill(number, *asked[mark])) for mark, number in made.items()]
            chunks.write()
            if work.many(_KEEP, rows, link=source) < len(rows):  # another kept some of these at the same time
                held = _held(work, fresh)
                work.run(_DROP, documents=[number for mark, number in made.items() if held[mark] != number])
                made = {mark: number for mark, number in made.items() if held[mark] == number}
            work.count = len(made)
            if worker is not None and work.row(_READER, link=source, worker=worker) is None:
                raise LeaseLost("the source is read by another worker")
            held |= made
            return [Kept(held[mark], new=made.pop(mark, None) is not None) for mark in marks]

        # What is a stream can be read but once; what is a document as often as it takes.
        once = not all(isinstance(chunks, Document) for _, chunks, _ in documents)
        return self.database.write(act, "T1", once=once, often=True)

    def remember(self, link: str, names: Iterable[str]) -> None:
        """Of a link: these documents, as the transport calls them, still lie there. However old, a purge leaves it
        known that they were kept, or they would be read anew."""
        fact, identity = f"{LYING}{self.link_id(link)}", self.identity(link)
        said = " ".join(sorted(self.ring.name("document", identity, name).hex() for name in names))
        if (self.database.read(lambda work: work.value(_LYING, name=fact)) or "") != said:
            self.database.write(lambda work: work.run(_LIE, name=fact, value=said))

    def document(self, document: int) -> Document:
        """A kept document, read and opened a chunk at a time. DeclarationError when there is none of that number."""
        sealed = self.database.read(lambda work: work.value(_SEALED, id=document), alone=True)
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
        return _decoder.decode(self.ring.open(sealed, about_bound(document)))

    def _opener(self, document: int, part: int, sizes: list[int]) -> Any:
        def chunk(ordinal: int) -> bytes:
            asked = {"document": document, "part": part, "ordinal": ordinal}
            sealed = self.database.read(lambda work: work.value(_READ, **asked), alone=True)
            if sealed is None:
                raise DeclarationError(f"document {document} was purged while it was read")
            return self.ring.open(sealed, chunk_bound(document, part, ordinal))

        return lambda: cast(BinaryIO, io.BufferedReader(_Stored(chunk, sizes), 1 << 16))

    def unread(self, link: str, limit: int = 1000) -> list[Unread]:
        """Documents of a link with records left to take, in the order they were kept."""
        source = self.link_id(link)
        rows = self.database.read(lambda work: work.rows(_UNREAD, link=source, limit=limit), alone=True)
        return [Unread(row.id, row.position, self._about(row.id, row.sealed).name) for row in rows]


def _held(work: Work, marks: list[bytes]) -> dict[bytes, int]:
    """The numbers of documents that are kept under these names."""
    return {bytes(row[0]): row[1] for row in work.rows(_NAMED, names=marks)}


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
