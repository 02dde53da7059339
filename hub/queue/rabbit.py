"""The queue over RabbitMQ: one I/O thread, a connection to publish on and one to consume on.

Two connections, because a broker short of disk or memory stops reading from those that publish: what is consumed could
not be acknowledged on the same one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from hub.errors import DeclarationError
from hub.message import Message
from hub.queue.contract import Counts, OnDead
from hub.queue.frames import Connection
from hub.queue.incoming import RabbitConsumer
from hub.queue.line import IOLoop, Line, start
from hub.queue.outgoing import Outgoing
from hub.queue.topology import DEAD, Names, read_address

LONGEST = 30.0
"""Seconds between two tries to connect, at most."""
DRAIN = 5.0
"""Seconds that closing waits for confirms, and again for the broker's farewell."""


class _Incoming:
    """All consumers, as riders of one connection."""

    def __init__(self) -> None:
        self.consumers: list[RabbitConsumer] = []
        self.connection: Connection | None = None

    def up(self, connection: Connection) -> None:
        """See `Rider`."""
        self.connection = connection
        for consumer in self.consumers:
            consumer.up(connection)

    def down(self) -> None:
        """See `Rider`."""
        self.connection = None
        for consumer in self.consumers:
            consumer.down()

    def look(self, blocked: bool) -> None:
        """See `Rider`: here nothing is blocked."""
        for consumer in self.consumers:
            consumer.look()

    def add(self, consumer: RabbitConsumer) -> None:
        """In the I/O thread."""
        self.consumers = [one for one in self.consumers if not one.closed] + [consumer]
        if self.connection is not None:
            consumer.up(self.connection)


class RabbitQueue:
    """Messages over RabbitMQ (see `hub.queue.contract.Queue`). Connects by itself, now and whenever it lost it.

    url: as `hub.queue.topology` says. on_dead: called in the I/O thread, must be quick. longest: seconds between two
    tries to connect, at most. DeclarationError for an address that is none.
    """

    def __init__(
        self,
        url: str,
        targets: Iterable[str],
        *,
        prefix: str = "hub",
        on_dead: OnDead | None = None,
        longest: float = LONGEST,
    ) -> None:
        self._targets, self._names, self._on_dead = list(targets), Names(prefix), on_dead
        if DEAD in self._targets:
            raise DeclarationError(f"no link may be called {DEAD!r}: the queue {self._names.dead} is the hub's own")
        self._loop: Any = IOLoop()
        self._outgoing, self._incoming = Outgoing(self._loop, self._names, self._targets), _Incoming()
        self._sending = Line(self._loop, read_address(url, "publishes"), self._outgoing, longest)
        self._receiving = Line(self._loop, read_address(url, "consumes"), self._incoming, longest)
        self._thread = start(self._loop, self._open)
        self._closed = False
        self._loop.add_callback_threadsafe(self._open)

    def _open(self) -> None:
        self._sending.open()
        self._receiving.open()

    @property
    def counts(self) -> Counts:
        """See `Queue.counts`."""
        return self._outgoing.counts

    def publish(self, messages: Sequence[Message]) -> int:
        """See `Queue.publish`: takes nothing while there is no connection or an alarm blocks it."""
        return 0 if self._sending.blocked or self._closed else self._outgoing.take(messages)

    def flush(self, timeout: float) -> bool:
        """See `Queue.flush`."""
        return self._outgoing.flush(timeout)

    def consume(self, target: str, prefetch: int) -> RabbitConsumer:
        """See `Queue.consume`."""
        if target not in self._targets:
            raise DeclarationError(f"no target of this queue: {target}")
        consumer = RabbitConsumer(self._loop, self._names, target, prefetch, self._outgoing.bury)
        consumer.on_dead = self._on_dead
        self._loop.add_callback_threadsafe(lambda: self._incoming.add(consumer))
        return consumer

    def depth(self, target: str) -> int | None:
        """See `Queue.depth`. Asks the broker, and waits two seconds at most."""
        found: list[int] = []
        asked = threading.Event()

        def opened(channel: Any) -> None:
            def told(frame: Any) -> None:
                found.append(int(frame.method.message_count))
                channel.close()

            channel.add_on_close_callback(lambda *_: asked.set())
            channel.queue_declare(self._names.queue(target), passive=True, callback=told)

        def ask() -> None:
            connection = self._incoming.connection
            if connection is None or not connection.is_open:
                asked.set()
            else:
                connection.channel(on_open_callback=opened)

        if not self._closed:
            self._loop.add_callback_threadsafe(ask)
            asked.wait(2.0)
        return found[0] if found else None

    def state(self) -> str:
        """See `Queue.state`: of the connection, else of the queues."""
        if self._closed:
            return "the queue is closed"
        down = self._sending.trouble or self._receiving.trouble
        if down:
            return down
        told = [*self._outgoing.troubles.values(), *(one.trouble for one in self._incoming.consumers if not one.closed)]
        if self._sending.blocked:
            told.insert(
                0, f"the broker takes nothing because of an alarm: {self._sending.blocked}; it goes on by itself"
            )
        return "; ".join(dict.fromkeys(one for one in told if one))

    def wait(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds until every queue is there; whether they are."""
        return self._outgoing.wait(timeout)

    def close(self) -> None:
        """See `Queue.close`."""
        if self._closed:
            return
        if not self._sending.trouble and not self._sending.blocked:
            self.flush(DRAIN)
        self._closed = True
        for consumer in self._incoming.consumers:
            consumer.close()
        self._loop.add_callback_threadsafe(self._end)
        self._sending.closed.wait(DRAIN)
        self._receiving.closed.wait(DRAIN)
        self._loop.add_callback_threadsafe(self._loop.stop)
        self._thread.join(DRAIN)
        if not self._thread.is_alive():
            with contextlib.suppress(Exception):
                self._loop.close()

    def _end(self) -> None:
        self._sending.close()
        self._receiving.close()


__all__ = ["RabbitQueue"]
