"""From a source to messages: fetch, keep (T1), read and take (T2), publish. One reader a source, documents in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from time import monotonic

import structlog

from hub.errors import RecordError
from hub.message import Cause
from hub.pipeline.link import Link
from hub.pipeline.reading import Source, read
from hub.pipeline.worker import Flow
from hub.store import Batch, Incoming, LeaseLost, Unread
from hub.wire import Document

log = structlog.get_logger("hub.receive")

BATCH = 100
"""Records taken in one transaction."""
LOOK = 1.0
"""Seconds between two looks at a source that had nothing."""
SMALL = 1 << 16
"""Bytes of a document that is read at once with others, and their records taken in one transaction."""
TOGETHER = 0.02
"""Seconds that small documents wait to be read for others that come: their senders have had their answers."""
ROOM = 1.0
"""Seconds for which an answer to "is there room?" is believed."""


class Receiver:
    """What one source has, taken in. `step` is called again and again; it may be killed anywhere."""

    def __init__(self, flow: Flow, link: Link) -> None:
        self.flow, self.link = flow, link
        self.name = f"source {link.name}"
        self._asked, self._room = -ROOM, True
        self._worker = 0
        self._lay: list[str] | None = None

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
        more, settle_all = getattr(inlet, "more", None), getattr(inlet, "settle_all", None)
        with Behind(self._read_all, f"reads {self.link.name}") as behind:
            for arrival in inlet.fetch():
                together = [arrival, *(more() if more else ())]
                documents = [(one.name, one.document) for one in together]
                kept = store.keep_all(self.link.name, documents, worker=self._worker)
                if settle_all:
                    settle_all(together)
                else:
                    for one in together:
                        inlet.settle(one)
                worked = True
                if not all(one.new for one in kept):  # it may not have been read yet, and nothing may be read before it
                    break
                if more:  # whoever waits for an answer to the next need not wait until these are read
                    behind.read(
                        [
                            (Unread(new.document, 0, one.name), one.document)
                            for new, one in zip(kept, together, strict=True)
                        ]
                    )
                else:
                    self._read_all([(Unread(kept[0].document, 0, arrival.name), store.document(kept[0].document))])
                if self.flow.breaking or not self._is_room():
                    break
        self._remember(getattr(inlet, "lying", list)())
        return worked

    def _remember(self, lying: list[str]) -> None:
        """See to it that a purge leaves known what the inlet would give again after a restart."""
        if lying != self._lay:
            self.flow.store.remember(self.link.name, lying)
            self._lay = lying

    def _read_all(self, found: Iterable[tuple[Unread, Document]]) -> bool:
        """Read kept documents in order, small ones together; whether anything was taken."""
        worked, batches, count = False, list[Batch](), 0
        source = Source(self.link, self.flow.store.identity(self.link.name), self.flow.ring)
        for unread, document in found:
            if self.flow.breaking:
                raise LeaseLost("the hub ends, or its mappings change")
            if document.size <= SMALL:
                at = unread.position
                records, error = next(_batches(read(source, document, unread.document, at)))
                if error or len(records) < BATCH:
                    batches.append(Batch(unread.document, at, records, True, _stopped(error)))
                    count += len(records)
                    if count >= BATCH or len(batches) >= BATCH:
                        self._take(batches)
                        worked, batches, count = True, [], 0
                    continue
            if batches:
                self._take(batches)
                batches, count = [], 0
            self._read(source, unread, document)
            worked = True
        if batches:
            self._take(batches)
        return worked or bool(batches)

    def _read(self, source: Source, unread: Unread, document: Document) -> None:
        """Read one document from where its reading stands, the next batch while one is kept."""
        at = unread.position
        found = read(source, document, unread.document, at)
        with ThreadPoolExecutor(1, f"reads {self.link.name}") as ahead:
            batches = _batches(found)
            coming = ahead.submit(next, batches, None)
            while (got := coming.result()) is not None:
                coming = ahead.submit(next, batches, None)
                records, error = got
                done = error is not None or len(records) < BATCH
                self._take([Batch(unread.document, at, records, done, _stopped(error))])
                at += len(records)

    def _take(self, batches: list[Batch]) -> None:
        """Keep batches once there is room, and send their messages along. LeaseLost: they are to be left for later, and
        so is all that comes after them."""
        while not self._is_room():
            if self.flow.wait(LOOK) or self.flow.breaking or not self._leased():
                raise LeaseLost("there is no room")
        if self.flow.breaking:
            raise LeaseLost("the hub ends, or its mappings change")
        taken = self.flow.store.take_all(self._worker, self.link.name, batches)
        self.flow.publish(taken.messages)
        for batch in batches:
            if batch.stopped is not None:
                self.flow.cut += 1
                about = {"source": self.link.name, "document": batch.document, "reason": batch.stopped.reason}
                log.error("a document cannot be read to its end; the records before are taken", **about)

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


class Behind:
    """Reads documents in their order in a thread of its own, those together that came while it read others.

    After a failure it reads nothing more: what comes later must not be read before what failed.
    """

    def __init__(self, act: Callable[[list[tuple[Unread, Document]]], object], name: str) -> None:
        self._act, self._changed = act, threading.Condition()
        self._waiting: list[tuple[Unread, Document]] = []
        self._pool = ThreadPoolExecutor(1, name)
        self._reading: Future[None] | None = None
        self._busy = self._ended = False

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._pool.shutdown()
        if kind is None and self._reading is not None:
            self._reading.result()

    def read(self, documents: list[tuple[Unread, Document]]) -> None:
        """Have some read after all before them; waits where too many are. What failed before is raised."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < BATCH or not self._busy)
            if not self._busy:
                if self._reading is not None:
                    self._reading.result()
                self._busy, self._reading = True, None
            self._waiting += documents
            if len(self._waiting) >= BATCH:
                self._changed.notify_all()
            if self._reading is None:
                self._reading = self._pool.submit(self._go)

    def _go(self) -> None:
        try:
            while documents := self._next():
                self._act(documents)
        except BaseException:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
            raise

    def _next(self) -> list[tuple[Unread, Document]]:
        """What is to be read now; none: nothing has come for a moment."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) >= BATCH or self._ended, TOGETHER)
            documents, self._waiting = self._waiting, []
            self._busy = bool(documents)
            self._changed.notify_all()
            return documents


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
