"""Kept records read again under today's mapping: those that could not be read, and those that are sent anew."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, suppress

from hub.adapter import Token
from hub.errors import DeclarationError, RecordError
from hub.message import Cause
from hub.model import decode_all
from hub.pipeline.link import Link
from hub.pipeline.reading import Source, Unit, from_records, incoming, records
from hub.seal import Keyring
from hub.store import Due, Incoming, Newest, Store

At = tuple[int, int]
"""A document and the ordinal of a record in it."""
Records = Generator[tuple[int, Unit], None, None]


class Again:
    """Reads records of kept documents again. As long as it is asked in their order it goes through a document once,
    however many times it is asked: a run lets go a hundred at a time."""

    def __init__(self, links: Mapping[str, Link], store: Store, ring: Keyring) -> None:
        self.links, self.store, self.ring = links, store, ring
        self._document, self._next = 0, 0
        self._stream: Records | None = None
        self._over: RecordError | None = None

    def due(self, due: Due) -> dict[At, Incoming]:
        """What a worker must read again before it lets go of what is due."""
        found = self.failed(due.failed, due.sources)
        for one in due.kept:
            with suppress(RecordError):
                found[one.document, one.ordinal] = self.newest(one)
        return found

    def failed(self, wanted: Iterable[At], sources: Mapping[int, str]) -> dict[At, Incoming]:
        """Records that could not be read, as they are read today; failed again where they still cannot be.

        sources: the link of each document.
        """
        found: dict[At, Incoming] = {}
        for document, ordinal in sorted(wanted):
            source = self._source(sources[document])
            if source is None:
                cause = Cause("inward", "hub.toml has no link of this name any more", row=sources[document])
                found[document, ordinal] = Incoming(ordinal, b"", "", b"", "", (), failed=cause)
                continue
            theirs = self._theirs(source.link, document, ordinal)
            found[document, ordinal] = incoming(source, document, ordinal, theirs)
        return found

    def newest(self, one: Newest) -> Incoming:
        """A record as it is kept, to be sent anew. RecordError when its link, or a mapping of its kind, is gone."""
        source = self._source(one.source)
        if source is None:
            raise RecordError("hub.toml has no link of this name any more", row=one.source)
        kept = decode_all(self.store.record(one.document, one.ordinal), Token)
        child = self.store.child_of(one.document, one.ordinal) or b""
        return from_records(source, (one.document, one.ordinal), one.kind, kept, child)

    def close(self) -> None:
        """Let go of the document that is open."""
        stream, self._stream, self._document = self._stream, None, 0
        if stream is not None:
            stream.close()

    def _source(self, name: str) -> Source | None:
        link = self.links.get(name)
        return Source(link, self.store.identity(name), self.ring) if link is not None else None

    def _theirs(self, link: Link, document: int, ordinal: int) -> Unit:
        """A record as it came. What keeps its document from being read on is what keeps it."""
        if self._stream is None or document != self._document or ordinal < self._next:
            self.close()
            self._document, self._next, self._over = document, 0, None
            self._stream = self._open(link, document)
        while self._over is None:
            try:
                at, theirs = next(self._stream)
            except StopIteration:
                self._over = RecordError("its document has no such record any more")
            except RecordError as error:
                self._over = error
            except BaseException:
                self.close()
                raise
            else:
                self._next = at + 1
                if at == ordinal:
                    return theirs
        return self._over

    def _open(self, link: Link, document: int) -> Records:
        try:
            kept = self.store.document(document)
        except DeclarationError as error:
            raise RecordError(error.reason) from None
        with closing(records(link, kept)) as stream:
            yield from stream


__all__ = ["Again", "At"]
