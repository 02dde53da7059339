"""From a source to messages: fetch, keep (T1), read and take (T2), publish. One reader a source, documents in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from time import monotonic

from hub.errors import RecordError
from hub.message import Cause
from hub.pipeline.link import Link
from hub.pipeline.reading import Source, read
from hub.pipeline.worker import Flow
from hub.store import Batch, Incoming, Unread
from hub.wire import Document

BATCH = 100
"""Records taken in one transaction."""
LOOK = 1.0
"""Seconds between two looks at a source that had nothing."""
SMALL = 1 << 16
"""Bytes of a document that is read at once with others, and their records taken in one transaction."""
ROOM = 1.0
"""Seconds for which an answer to "is there room?" is believed."""


class Receiver:
    """What one source has, taken in. `step` is called again and again; it may be killed anywhere."""

    def __init__(self, flow: Flow, link: Link) -> None:
        self.flow, self.link = flow, link
        self.name = f"source {link.name}"
        self._asked, self._room = -ROOM, True
        self._worker = 0

    def step(self) -> bool:
        """Take in what there is now; whether there was anything. Unavailable when the source cannot be reached."""
        with self.flow.gate.through() as worker:
            if not worker:
                self._let_go()
                return False
            self._worker = worker
            if self._leased():
                return self._take_in()
        self._rest()
        return False

    def _take_in(self) -> bool:
        """Read what was kept and not read to its end, then fetch."""
        unread = self.flow.store.unread(self.link.name)
        worked = self._read_all((one, self.flow.store.document(one.document)) for one in unread)
        if self.flow.breaking:
            return worked
        if self._is_room():
            worked = self._fetch() or worked
        return worked

    def _let_go(self) -> None:
        """Leave the source to others: this process may not read it now."""
        self._rest()
        worker, self._worker = self._worker, 0
        if worker:
            self.flow.store.release_source(self.link.name, worker)

    def _rest(self) -> None:
        """An inlet that holds something which one process alone can have (an address) lets go of it."""
        getattr(self.link.inlet, "rest", lambda: None)()

    def _fetch(self) -> bool:
        inlet, store = self.link.inlet, self.flow.store
        assert inlet is not None
        worked = bool(getattr(inlet, "waits", False))  # it waited itself: it is asked again at once
        more = getattr(inlet, "more", None)
        for arrival in inlet.fetch():
            together = [arrival, *(more() if more else ())]
            documents = [(one.name, one.document) for one in together]
            kept = store.keep_all(self.link.name, documents, worker=self._worker)
            for one in together:
                inlet.settle(one)
            worked = True
            if not all(one.new for one in kept):  # it may not have been read yet, and nothing may be read before it
                break
            self._read_all(
                (Unread(new.document, 0, one.name), one.document if more else store.document(new.document))
                for new, one in zip(kept, together, strict=True)
            )
            if self.flow.breaking or not self._is_room():
                break
        return worked

    def _read_all(self, found: Iterable[tuple[Unread, Document]]) -> bool:
        """Read kept documents in order, small ones together; whether anything was taken."""
        worked, batches = False, list[Batch]()
        source = Source(self.link, self.flow.store.identity(self.link.name), self.flow.ring)
        for unread, document in found:
            if self.flow.breaking:
                return worked
            if document.size <= SMALL:
                at = unread.position
                records, error = next(_batches(read(source, document, unread.document, at)))
                if error or len(records) < BATCH:
                    batches.append(Batch(unread.document, at, records, True, _stopped(error)))
                    if sum(len(one.records) for one in batches) >= BATCH or len(batches) >= BATCH:
                        worked = self._take(batches) or worked
                        batches = []
                    continue
            if batches:
                worked = self._take(batches) or worked
                batches = []
            worked = self._read(source, unread, document) or worked
        return (self._take(batches) if batches else False) or worked

    def _read(self, source: Source, unread: Unread, document: Document) -> bool:
        """Read one document from where its reading stands, the next batch while one is kept; whether anything was."""
        at, worked = unread.position, False
        found = read(source, document, unread.document, at)
        with ThreadPoolExecutor(1, f"reads {self.link.name}") as ahead:
            batches = _batches(found)
            coming = ahead.submit(next, batches, None)
            while (got := coming.result()) is not None:
                coming = ahead.submit(next, batches, None)
                records, error = got
                done = error is not None or len(records) < BATCH
                if not self._take([Batch(unread.document, at, records, done, _stopped(error))]):
                    return worked
                at += len(records)
                worked = True
        return worked

    def _take(self, batches: list[Batch]) -> bool:
        """Keep batches once there is room, and send their messages along; False: they are to be left for later."""
        while not self._is_room():
            if self.flow.wait(LOOK) or self.flow.breaking or not self._leased():
                return False
        if self.flow.breaking:
            return False
        taken = self.flow.store.take_all(self._worker, self.link.name, batches)
        self.flow.publish(taken.messages)
        return True

    def _leased(self) -> bool:
        return self.flow.store.lease_source(self.link.name, self._worker)

    def _is_room(self) -> bool:
        """Whether every target and the disk can take more."""
        now = monotonic()
        if now - self._asked >= ROOM:
            limits = self.flow.limits
            self._room = limits.disk_free() and all(
                self.flow.store.open_count(target) < limits.open for target in self.link.targets
            )
            self._asked = now
        return self._room


def _stopped(error: RecordError | None) -> Cause | None:
    return Cause.of("inward", error) if error else None


def _batches(found: Iterable[Incoming]) -> Iterator[tuple[list[Incoming], RecordError | None]]:
    """Batches in order; the last is short (perhaps empty), or comes with what ended the reading."""
    stream = iter(found)
    while True:
        batch: list[Incoming] = []
        try:
            batch.extend(islice(stream, BATCH))
        except RecordError as error:
            yield batch, error
            return
        yield batch, None
        if len(batch) < BATCH:
            return


__all__ = ["Receiver"]
