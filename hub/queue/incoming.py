"""What is consumed: deliveries of one target that pile up until they are taken, and their acknowledgements."""

from __future__ import annotations

import hashlib
import math
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from hub.errors import RecordError
from hub.message import unpack
from hub.queue.contract import Delivery, OnDead
from hub.queue.frames import Connection
from hub.queue.line import Bell
from hub.queue.outgoing import AGAIN, Junk
from hub.queue.topology import PATIENCE, Names, declare, silence

log = structlog.get_logger()
_ACK = struct.Struct(">BHIHHQBB")


class Session:
    """One channel's life: deliveries that belong to an earlier one cannot be acknowledged any more."""

    def __init__(self, connection: Connection, channel: Any) -> None:
        self.connection, self.channel = connection, channel
        self.open: dict[int, None] = {}

    def ack(self, tags: Sequence[int]) -> None:
        """Acknowledges those that still are open: one frame for all below the lowest that is not done."""
        done = sorted(tag for tag in set(tags) if tag in self.open)
        for tag in done:
            del self.open[tag]
        lowest = next(iter(self.open), None)
        below = sum(1 for tag in done if lowest is None or tag < lowest)
        frames = [self._frame(tag, False) for tag in done[below:]]
        if below:
            frames.append(self._frame(done[below - 1], True))
        if frames and self.channel.is_open:
            self.connection.emit(b"".join(frames))

    def _frame(self, tag: int, multiple: bool) -> bytes:
        return _ACK.pack(1, self.channel.channel_number, 13, 60, 80, tag, multiple, 206)


class RabbitConsumer:
    """A consumer of a RabbitQueue (see `hub.queue.contract.Consumer`): reader of a channel of its own.

    trouble: "" or why it gets nothing. closed: by its owner. asked: since when the broker owes an answer. bury: where
    bytes go that are no message.
    """

    def __init__(self, loop: Any, names: Names, target: str, prefetch: int, bury: Callable[[Junk], None]) -> None:
        self._loop, self._names, self._target, self._prefetch = loop, names, target, prefetch
        self._bury = bury
        self._bell = Bell(loop, self._send_acks)
        self._acks: deque[Sequence[Delivery]] = deque()
        self._ready: deque[Delivery] = deque()
        self._arrived = threading.Condition()
        self._waiting = 0
        self.closed = False
        self._session: Session | None = None
        self.on_dead: OnDead | None = None
        self.trouble = ""
        self.asked = math.inf

    # From any thread

    def take(self, limit: int, timeout: float) -> list[Delivery]:
        """See `Consumer.take`."""
        if not self._ready and timeout > 0:
            with self._arrived:
                self._waiting += 1
                self._arrived.wait_for(lambda: self._ready or self.closed, timeout)
                self._waiting -= 1
        taken: list[Delivery] = []
        while len(taken) < limit and not self.closed:
            try:
                taken.append(self._ready.popleft())
            except IndexError:  # another thread took it, or the session ended
                break
        return taken

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See `Consumer.ack`."""
        if deliveries:
            self._acks.append(tuple(deliveries))
            self._bell.ring()

    def close(self) -> None:
        """See `Consumer.close`."""
        self.closed = True
        with self._arrived:
            self._arrived.notify_all()
        self._loop.add_callback_threadsafe(self.end)

    # In the I/O thread

    def up(self, connection: Connection) -> None:
        """Opens a channel and consumes on it."""
        if not self.closed and connection.is_open:
            self.asked = time.monotonic()
            declare(
                connection,
                self._names,
                self._target,
                lambda channel: self._begin(connection, channel),
                lambda reason: self._lost(connection, reason),
            )

    def _begin(self, connection: Connection, channel: Any) -> None:
        self.trouble = ""
        self._session = Session(connection, channel)
        connection.readers[channel.channel_number] = self
        # The broker cancels a consumer whose queue is deleted.
        channel.add_on_cancel_callback(lambda _: channel.close())
        channel.basic_qos(prefetch_count=self._prefetch)
        channel.basic_consume(self._names.queue(self._target), lambda *_: None, callback=self._started)

    def _started(self, _: Any) -> None:
        self.trouble, self.asked = "", math.inf

    def look(self) -> None:
        """Called each second: whether the broker lets it wait for its start."""
        if time.monotonic() - self.asked > PATIENCE:
            self.trouble = silence(self._names.queue(self._target))

    def _lost(self, connection: Connection, reason: str) -> None:
        """The channel closed; when its connection did not, another is opened."""
        session = self._session
        self.trouble = reason
        self.down()
        if session is not None:
            connection.forget(session.channel.channel_number)
        if connection.is_open and not self.closed:
            self._loop.call_later(AGAIN, lambda: self.up(connection))

    def down(self) -> None:
        """What was delivered comes again."""
        self._session = None
        self.asked = math.inf
        self._ready.clear()

    def deliver(self, tag: int, body: bytes) -> None:
        """See `Reader`."""
        session = self._session
        if session is None:
            return
        session.open[tag] = None
        try:
            message = unpack(body)
        except RecordError as error:
            self._die(session, tag, body, error.reason)
        else:
            self._ready.append(Delivery(message, tag, session))

    def confirm(self, tag: int, multiple: bool, taken: bool) -> None:
        """See `Reader`: nothing is published on this channel."""

    def rouse(self) -> None:
        """See `Reader`."""
        if self._waiting and self._ready:
            with self._arrived:
                self._arrived.notify_all()

    def end(self) -> None:
        """Sends what was acknowledged and closes the channel."""
        self._send_acks()
        if self._session is not None and self._session.channel.is_open:
            self._session.channel.close()

    def _send_acks(self) -> None:
        session, tags = self._session, list[int]()
        while self._acks:
            tags += [delivery.tag for delivery in self._acks.popleft() if delivery.session is session]
        if session is not None and tags:
            session.ack(tags)

    def _die(self, session: Session, tag: int, body: bytes, reason: str) -> None:
        """Moves it to the dead queue; it is acknowledged here only when it is there."""

        def moved(there: bool) -> None:
            if there:
                session.ack([tag])
                self._report(reason, hashlib.sha256(body).hexdigest())
            else:
                self._loop.call_later(AGAIN, lambda: self._bury(Junk(body, moved)))

        self._bury(Junk(body, moved))

    def _report(self, reason: str, digest: str) -> None:
        try:
            if self.on_dead is not None:
                self.on_dead(reason, self._target, digest)
        except Exception as error:  # of whoever listens: it must not end the connection
            log.error("queue.report", kind=type(error).__name__, digest=digest)


__all__ = ["RabbitConsumer"]
