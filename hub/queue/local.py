"""The queue inside one process: the same messages, in bounded memory, for a hub without a broker."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence

from hub.errors import DeclarationError
from hub.message import Message
from hub.queue.contract import Counts, Delivery

BOUND, BOUND_BYTES = 10_000, 256 << 20
"""Messages and bytes of a target that wait in memory; more are left to the sweep."""


class _Line:
    """The messages of one target that wait, in order, and the condition that guards them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: deque[Message] = deque()
        self.size = 0
        self.closed = False


class LocalConsumer:
    """A consumer of a LocalQueue (see `hub.queue.contract.Consumer`)."""

    def __init__(self, line: _Line, prefetch: int) -> None:
        self._line, self._prefetch = line, prefetch
        self._held: dict[int, Message] = {}
        self._tag = 0
        self._closed = False

    def take(self, limit: int, timeout: float) -> list[Delivery]:
        """See `Consumer.take`."""
        line, until = self._line, time.monotonic() + timeout
        with line.changed:
            while not self._closed and not line.closed:
                room = min(limit, self._prefetch - len(self._held), len(line.waiting))
                if room > 0:
                    return [self._deliver() for _ in range(room)]
                left = until - time.monotonic()
                if left <= 0 or not line.changed.wait(left):
                    break
        return []

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See `Consumer.ack`."""
        with self._line.changed:
            for delivery in deliveries:
                if delivery.session is self and (done := self._held.pop(delivery.tag, None)) is not None:
                    self._line.size -= len(done.sealed)
            self._line.changed.notify_all()

    def close(self) -> None:
        """See `Consumer.close`."""
        with self._line.changed:
            self._closed = True
            self._line.waiting.extendleft(reversed(self._held.values()))
            self._held.clear()
            self._line.changed.notify_all()

    def _deliver(self) -> Delivery:
        self._tag += 1
        message = self._held[self._tag] = self._line.waiting.popleft()
        return Delivery(message, self._tag, self)


class LocalQueue:
    """Messages in memory, `bound` and `bound_bytes` a target; lost with the process, as the sweep knows."""

    def __init__(self, targets: Iterable[str], bound: int = BOUND, bound_bytes: int = BOUND_BYTES) -> None:
        self._lines = {target: _Line() for target in targets}
        self._bound, self._bytes = bound, bound_bytes
        self._counts, self._counting = Counts(), threading.Lock()

    @property
    def counts(self) -> Counts:
        """See `Queue.counts`."""
        return self._counts

    def publish(self, messages: Sequence[Message]) -> int:
        """See `Queue.publish`."""
        taken = returned = 0
        for message in messages:
            line = self._lines.get(message.target)
            if line is None:
                returned += 1
                continue
            with line.changed:
                if line.closed or len(line.waiting) >= self._bound or line.size >= self._bytes:
                    continue
                line.waiting.append(message)
                line.size += len(message.sealed)
                line.changed.notify()
            taken += 1
        with self._counting:
            self._counts.taken += taken + returned
            self._counts.confirmed += taken
            self._counts.returned += returned
        return taken + returned

    def flush(self, timeout: float) -> bool:
        """See `Queue.flush`: always, what was taken is there."""
        return True

    def consume(self, target: str, prefetch: int) -> LocalConsumer:
        """See `Queue.consume`."""
        if target not in self._lines:
            raise DeclarationError(f"no target of this queue: {target}")
        return LocalConsumer(self._lines[target], prefetch)

    def depth(self, target: str) -> int | None:
        """See `Queue.depth`."""
        return len(self._lines[target].waiting) if target in self._lines else None

    def state(self) -> str:
        """See `Queue.state`: nothing of it can be down."""
        return ""

    def close(self) -> None:
        """See `Queue.close`."""
        for line in self._lines.values():
            with line.changed:
                line.closed = True
                line.changed.notify_all()


__all__ = ["LocalConsumer", "LocalQueue"]
