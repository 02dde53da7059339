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
from hub.store import Incoming, Unread

BATCH = 100
"""Records taken in one transaction."""
LOOK = 1.0
"""Seconds between two looks at a source that had nothing."""
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
        worked = False
        for unread in self.flow.store.unread(self.link.name):
            worked = self._read(unread) or worked
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
        inlet = self.link.inlet
        assert inlet is not None
        worked = bool(getattr(inlet, "waits", False))  # it waited itself: it is asked again at once
        for arrival in inlet.fetch():
            kept = self.flow.store.keep(self.link.name, arrival.name, arrival.document, worker=self._worker)
            inlet.settle(arrival)
            worked = True
            if not kept.new:  # it may not have been read yet, and nothing may be read before it
                break
            self._read(Unread(kept.document, 0, arrival.name))
            if self.flow.breaking or not self._is_room():
                break
        return worked

    def _read(self, unread: Unread) -> bool:
        """Read one kept document from where its reading stands; whether anything was taken."""
        store, at = self.flow.store, unread.position
        source = Source(self.link, store.identity(self.link.name), self.flow.ring)
        found = read(source, store.document(unread.document), unread.document, at)
        worked = False
        with ThreadPoolExecutor(1, f"reads {self.link.name}") as ahead:  # the next batch is read while one is kept
            batches = _batches(found)
            coming = ahead.submit(next, batches, None)
            while (got := coming.result()) is not None:
                coming = ahead.submit(next, batches, None)
                while not self._is_room():
                    if self.flow.wait(LOOK) or self.flow.breaking or not self._leased():
                        return worked
                if self.flow.breaking:
                    return worked
                at = self._take(unread.document, at, *got)
                worked = True
        return worked

    def _take(self, document: int, at: int, batch: list[Incoming], error: RecordError | None) -> int:
        """Keep one batch and send its messages along; the position of the next."""
        done = error is not None or len(batch) < BATCH
        stopped = Cause.of("inward", error) if error else None
        worker, source = self._worker, self.link.name
        taken = self.flow.store.take(worker, source, document, at, batch, done=done, stopped=stopped)
        self.flow.publish(taken.messages)
        return at + len(batch)

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
