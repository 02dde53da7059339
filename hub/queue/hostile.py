"""A queue that does to messages what queues may do, for tests of the flow: by chance of a seed, so that it repeats."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hub.message import Message
from hub.queue.contract import Consumer, Counts, Delivery, Queue

T = TypeVar("T")
LATEST = 0.5
"""Seconds that what is late is late, at most."""


@dataclass(frozen=True)
class Spite:
    """How likely each is, of a message published and of one delivered; shuffle: of a whole batch."""

    drop: float = 0.05
    double: float = 0.05
    shuffle: float = 0.5
    late: float = 0.05


class _Fate(Generic[T]):
    """Drops, doubles, shuffles and holds back things of a kind. Guarded by a lock: a draw is of one thread."""

    def __init__(self, seed: int, spite: Spite) -> None:
        self._random, self._spite = random.Random(seed), spite
        self._lock = threading.Lock()
        self._late: list[tuple[float, T]] = []

    def meet(self, things: Sequence[T]) -> tuple[list[T], list[T]]:
        """What comes through now, among it what was held back long enough; and what was dropped."""
        now, chance = time.monotonic(), self._random.random
        through, dropped = [], []
        with self._lock:
            for thing in things:
                if chance() < self._spite.drop:
                    dropped.append(thing)
                    continue
                for _ in range(2 if chance() < self._spite.double else 1):
                    if chance() < self._spite.late:
                        self._late.append((now + chance() * LATEST, thing))
                    else:
                        through.append(thing)
            through += [thing for due, thing in self._late if due <= now]
            self._late = [(due, thing) for due, thing in self._late if due > now]
            if chance() < self._spite.shuffle:
                self._random.shuffle(through)
        return through, dropped


class HostileConsumer:
    """A consumer of a HostileQueue."""

    def __init__(self, inner: Consumer, seed: int, spite: Spite) -> None:
        self._inner, self._fate = inner, _Fate[Delivery](seed, spite)
        self._over: list[Delivery] = []
        self.closed = False

    def take(self, limit: int, timeout: float) -> list[Delivery]:
        """See `Consumer.take`. What is dropped counts as acknowledged: it is lost."""
        until = time.monotonic() + timeout
        while True:
            taken = self._inner.take(limit, min(0.05, max(0.0, until - time.monotonic())))
            through, dropped = self._fate.meet(taken)
            if dropped:
                self._inner.ack(dropped)
            self._over += through
            if self._over or self.closed or time.monotonic() >= until:
                given, self._over = self._over[:limit], self._over[limit:]
                return given

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See `Consumer.ack`."""
        self._inner.ack(deliveries)

    def close(self) -> None:
        """See `Consumer.close`."""
        self.closed = True
        self._inner.close()


class HostileQueue:
    """Any queue, with messages dropped, doubled, shuffled and held back on their way in and on their way out."""

    def __init__(self, inner: Queue, seed: int, spite: Spite | None = None) -> None:
        self._inner, self._seed, self._spite = inner, seed, spite or Spite()
        self._fate = _Fate[Message](seed, self._spite)
        self._consumers: list[HostileConsumer] = []

    @property
    def counts(self) -> Counts:
        """Those of the queue within."""
        return self._inner.counts

    def publish(self, messages: Sequence[Message]) -> int:
        """See `Queue.publish`; says that it took all, also what it dropped."""
        through, _ = self._fate.meet(messages)
        self._inner.publish(through)
        return len(messages)

    def flush(self, timeout: float) -> bool:
        """See `Queue.flush`."""
        return self._inner.flush(timeout)

    def consume(self, target: str, prefetch: int) -> HostileConsumer:
        """See `Queue.consume`."""
        seed = self._seed + 1 + len(self._consumers)
        self._consumers.append(HostileConsumer(self._inner.consume(target, prefetch), seed, self._spite))
        return self._consumers[-1]

    def depth(self, target: str) -> int | None:
        """See `Queue.depth`."""
        return self._inner.depth(target)

    def state(self) -> str:
        """See `Queue.state`."""
        return self._inner.state()

    def close(self) -> None:
        """See `Queue.close`."""
        for consumer in self._consumers:
            consumer.closed = True
        self._inner.close()


__all__ = ["HostileConsumer", "HostileQueue", "Spite"]
