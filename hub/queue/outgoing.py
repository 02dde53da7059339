"""What is published: a bounded buffer, a window of messages not yet confirmed, and what the broker said of them."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub.message import CONTENT_TYPE, Message, headers, pack
from hub.queue.contract import Counts
from hub.queue.frames import Connection, content, head, properties
from hub.queue.line import Bell
from hub.queue.topology import DEAD, MENDED, PATIENCE, Names, declare, silence

WINDOW = 500
"""Messages that wait for their confirm."""
MOST, MOST_BYTES = 2_000, 64 << 20
"""Messages and bytes taken and not yet sent."""
AGAIN = 2.0
"""Seconds until a queue that could not be declared, or was deleted, is declared again. A deleted one must not be made
again before the broker has told its consumers (measured on 3.10: 0.04 s), or they wait on it for ever and hold what it
delivers."""


UNKNOWN = properties("application/octet-stream", {})


@dataclass(slots=True, eq=False)
class Junk:
    """Bytes that are no message of ours, on their way to the dead queue. moved: told whether they got there."""

    body: bytes
    moved: Callable[[bool], None]


class Outgoing:
    """The publishing side of a RabbitQueue: rider of its line, and reader of its channel."""

    def __init__(self, loop: Any, names: Names, targets: Iterable[str]) -> None:
        self._loop, self._names = loop, names
        self._bell = Bell(loop, self._pump)
        self._targets = (*targets, DEAD)
        self._buffer: deque[Message | Junk] = deque()
        self._size = 0
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._connection: Connection | None = None
        self._channel: Any = None
        self._heads: dict[str, bytes] = {}
        self._tag = 0
        self._sent: deque[tuple[int, float]] = deque()
        self._asked: dict[str, float] = {}
        self._trial: set[str] = set()
        self._unconfirmed: dict[int, Message | Junk] = {}
        self._returned: set[bytes] = set()
        self.counts = Counts()
        self.troubles: dict[str, str] = {}

    # From any thread

    def take(self, messages: Sequence[Message]) -> int:
        """Puts aside for the I/O thread what there is room for."""
        taken: list[Message] = []
        with self._lock:
            if self._channel is None:
                return 0
            room = MOST - len(self._buffer)
            for message in messages:
                if len(taken) >= room or self._size > MOST_BYTES:
                    break
                if message.target in self._heads:
                    self._size += len(message.sealed)
                    taken.append(message)
            self._buffer.extend(taken)
            self.counts.taken += len(taken)
        if taken:
            self._bell.ring()
        return len(taken)

    def bury(self, junk: Junk) -> None:
        """Sends bytes to the dead queue, as soon as it can."""
        self._buffer.append(junk)
        self._bell.ring()

    def flush(self, timeout: float) -> bool:
        """Waits until nothing is without its answer."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._buffer and not self._unconfirmed, timeout)

    def wait(self, timeout: float) -> bool:
        """Waits until every queue is declared."""
        with self._idle:
            return self._idle.wait_for(lambda: len(self._heads) == len(self._targets), timeout)

    # In the I/O thread: the line

    def up(self, connection: Connection) -> None:
        """See `Rider`."""
        self._connection = connection
        connection.channel(on_open_callback=self._opened)

    def look(self, blocked: bool) -> None:
        """See `Rider`: gives up what a queue does not confirm, before it fills the window of all."""
        now = time.monotonic()
        oldest = next(iter(self._unconfirmed), 0)
        while self._sent and (blocked or self._sent[0][0] < oldest or not oldest):
            self._sent.popleft()
        if oldest and not self._sent:
            self._sent.append((self._tag, now))
        for target in [one for one, since in self._asked.items() if now - since > PATIENCE]:
            self.troubles[target] = silence(self._names.queue(target))
        if oldest and now - self._sent[0][1] > PATIENCE:
            self._give_up(_target(self._unconfirmed[oldest]))

    def _give_up(self, target: str) -> None:
        """A broker stops reading from a channel whose message a queue does not take: another connection is needed.

        The target is on trial until its queue has answered.
        """
        connection = self._connection
        self._trial.add(target)
        self.troubles[target] = silence(self._names.queue(target))
        given = [tag for tag, item in self._unconfirmed.items() if _target(item) == target]
        items = [self._unconfirmed.pop(tag) for tag in given]
        with self._lock:
            left = [item for item in self._buffer if _target(item) == target]
            self._buffer = deque(item for item in self._buffer if _target(item) != target)
            self._size -= sum(len(item.sealed) for item in left if isinstance(item, Message))
        for item in items + left:
            if isinstance(item, Junk):
                item.moved(False)
            else:
                self.counts.refused += 1
        if connection is not None:
            connection.drop()
        self._rest()

    def down(self) -> None:
        """See `Rider`. What was not confirmed is sent again first: nobody knows whether it got there."""
        with self._lock:
            self._connection = self._channel = None
            self._heads.clear()
            again = list(self._unconfirmed.values())
            self._size += sum(len(item.sealed) for item in again if isinstance(item, Message))
            self._buffer.extendleft(reversed(again))
        self._unconfirmed.clear()
        self._returned.clear()
        self._asked.clear()
        self._sent.clear()

    def _opened(self, channel: Any) -> None:
        channel.add_on_close_callback(self._closed)
        channel.add_on_return_callback(self._back)
        channel.confirm_delivery(lambda _: None, callback=lambda _: self._begin(channel))

    def _begin(self, channel: Any) -> None:
        assert self._connection is not None
        self._tag = 0
        self._connection.readers[channel.channel_number] = self
        self._channel = channel
        for target in self._targets:
            self._declare(target)

    def _closed(self, channel: Any, _: BaseException) -> None:
        """The publishing channel closed; when its connection did not, with it is begun again."""
        if self._connection is not None and self._connection.is_open:
            connection = self._connection
            connection.forget(channel.channel_number)
            self.down()
            self._loop.call_later(AGAIN, lambda: self.up(connection) if connection.is_open else None)

    # In the I/O thread: queues

    def _declare(self, target: str) -> None:
        connection = self._connection
        if connection is None or not connection.is_open:
            return
        self._asked[target] = time.monotonic()

        def done(declared: Any) -> None:
            if target in self._trial:  # declaring asks the broker alone; to consume, the queue itself must answer
                declared.basic_qos(prefetch_count=1)
                declared.basic_consume(self._names.queue(target), lambda *_: None, callback=lambda _: ready(declared))
            else:
                ready(declared)

        def ready(declared: Any) -> None:
            declared.close()
            self._asked.pop(target, None)
            self._trial.discard(target)
            self.troubles.pop(target, None)
            if self._channel is not None and connection is self._connection:
                key = self._names.key(target)
                self._heads[target] = head(self._channel.channel_number, self._names.exchange, key)
                self._pump()
                with self._idle:
                    self._idle.notify_all()

        def closed(reason: str) -> None:
            self._asked.pop(target, None)
            if reason:
                self.troubles[target] = reason
                self._heads.pop(target, None)
                self._loop.call_later(AGAIN, lambda: self._declare(target))

        declare(connection, self._names, target, done, closed)

    # In the I/O thread: messages

    def _pump(self) -> None:
        """Sends as much of the buffer as the window lets through, in one write."""
        room = WINDOW - len(self._unconfirmed)
        if self._channel is None or self._connection is None or room < min(len(self._buffer), WINDOW // 5):
            return
        number, most = self._channel.channel_number, self._connection.most
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        pieces: list[bytes] = []
        kept: list[Message | Junk] = []
        size = 0
        while self._buffer and room > 0:
            item = self._buffer.popleft()
            start = self._heads.get(_target(item))
            if start is None:  # not declared yet: it waits; if it cannot be, a message is left to the sweep
                if isinstance(item, Junk) or item.target not in self.troubles:
                    kept.append(item)
                else:
                    size += len(item.sealed)
                    self.counts.refused += 1
                continue
            if isinstance(item, Message):
                size += len(item.sealed)
                listed, body = properties(CONTENT_TYPE, headers(item, at)), pack(item)
            else:
                listed, body = UNKNOWN, item.body
            self._tag += 1
            self._unconfirmed[self._tag] = item
            pieces.append(start)
            pieces += content(number, listed, body, most)
            room -= 1
        self._buffer.extendleft(reversed(kept))
        with self._lock:
            self._size -= size
        if pieces:
            self._sent.append((self._tag, time.monotonic()))
            self._connection.emit(b"".join(pieces))
        self._rest()

    def deliver(self, tag: int, body: bytes) -> None:
        """See `Reader`: nothing is consumed on this channel."""

    def confirm(self, tag: int, multiple: bool, taken: bool) -> None:
        """See `Reader`."""
        waiting = self._unconfirmed
        tags = list(itertools.takewhile(lambda one: one <= tag, waiting)) if multiple else [tag]
        for one in tags:
            item = waiting.pop(one, None)
            if isinstance(item, Junk):
                item.moved(taken and item.body not in self._returned)
                self._returned.discard(item.body)
            elif item is not None:
                self.counts.confirmed += taken
                self.counts.refused += not taken

    def rouse(self) -> None:
        """See `Reader`."""
        if self._buffer:
            if WINDOW - len(self._unconfirmed) >= min(len(self._buffer), WINDOW // 5):
                self._bell.ring()
        else:
            self._rest()

    def _rest(self) -> None:
        """Wakes those who wait for the end of all that is under way."""
        if not self._buffer and not self._unconfirmed:
            with self._idle:
                self._idle.notify_all()

    def _back(self, _: Any, method: Any, __: Any, body: bytes) -> None:
        """No queue had it; its confirm follows all the same. The queue is declared again."""
        if method.routing_key == self._names.dead:
            self._returned.add(body)
            target = DEAD
        else:
            target = str(method.routing_key)
            self.counts.returned += 1
            self.counts.confirmed -= 1
        if self._heads.pop(target, None) is not None:
            self.troubles[target] = f"queue {self._names.queue(target)} was not there; {MENDED}"
            self._loop.call_later(AGAIN, lambda: self._declare(target))


def _target(item: Message | Junk) -> str:
    return DEAD if isinstance(item, Junk) else item.target


__all__ = ["Junk", "Outgoing"]
