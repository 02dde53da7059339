"""The inlet: what the flow fetches and settles of the messages that senders wait with (`Senders`)."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator, Sequence

import structlog

from hub.connect.mllp.answers import Answers
from hub.connect.mllp.line import Line
from hub.connect.mllp.sender import Sender
from hub.connect.mllp.senders import Senders
from hub.connect.mllp.told import read
from hub.connect.port import Arrival, Connection, Hook, no_hook
from hub.connect.settings import server_context
from hub.errors import DeclarationError, Unavailable

WAIT = 0.5
"""Seconds that a fetch waits for another message before it ends."""
TOGETHER = 100, 4 << 20
"""Most messages, and about as many bytes, that are given beside the first to be kept in one transaction."""


class MllpInlet:
    """Messages as documents of one file. It listens from the first fetch until `rest` or `close`."""

    waits = True

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        told = read(connection)
        if told.listen is None:
            raise DeclarationError("this connection does not listen", place=f"links.{connection.link}")
        self._told, self._at, self._hook = told, told.listen, hook
        self._context = server_context(connection) if "cert" in connection.settings else None
        self._place = f"links.{connection.link}: the address 'listen'"
        self._log = structlog.get_logger().bind(link=connection.link)
        self._line = Line[Sender]()
        self._answers = Answers(told, self._log)
        self._lock = threading.Lock()
        self._senders: Senders | None = None

    def __repr__(self) -> str:
        return f"MllpInlet({self._place!r})"

    def ready(self) -> None:
        """Unavailable when it cannot be listened there. That somebody listens already is well: it may be this hub."""
        try:
            self._bound().close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise self._unavailable(error) from None

    def fetch(self) -> Iterator[Arrival]:
        """The messages that come, until none has come for a moment."""
        senders = self._listen()
        self._line.take_back()
        while (arrival := senders.take(WAIT)) is not None:
            yield arrival

    def more(self) -> list[Arrival]:
        """What else waits now, to be kept together with the message that was given last."""
        return self._line.give(*TOGETHER)

    def settle(self, arrival: Arrival) -> None:
        """The store has it: its sender is told."""
        self.settle_all([arrival])

    def settle_all(self, arrivals: Sequence[Arrival]) -> None:
        """The store has them: their senders are told."""
        self._hook("settle.before")
        settled, senders = self._line.settle(arrivals), self._senders
        if settled and senders is not None:
            senders.tell(settled)
        self._hook("settle.after")

    def pending(self) -> bool:
        """Whether a message waits to be taken."""
        return self._line.waits()

    def rest(self) -> None:
        """Another process reads this source: let the address go, and tell who waits to send again."""
        with self._lock:
            senders, self._senders = self._senders, None
        if senders is not None:
            senders.end()

    def close(self) -> None:
        """The same."""
        self.rest()

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._at[0] else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(self._at)
        except OSError:
            made.close()
            raise
        return made

    def _listen(self) -> Senders:
        """Begin to listen. Unavailable: it cannot be."""
        if self._senders is not None:
            return self._senders
        try:
            server = self._bound()
            server.listen(128)
        except OSError as error:
            raise self._unavailable(error) from None
        self._line.reopen()
        made = Senders(server, self._told, self._line, self._answers, self._context, self._hook, self._log)
        self._senders = made
        return made

    def _unavailable(self, error: OSError) -> Unavailable:
        if error.errno == errno.EADDRINUSE:
            reason = "another program listens there, or another process of this hub that is about to end"
        elif error.errno == errno.EADDRNOTAVAIL:
            reason = "this machine has no such address"
        elif error.errno in (errno.EACCES, errno.EPERM):
            reason = "the hub's user may not listen there: ports below 1024 need a right of their own"
        else:
            reason = (os.strerror(error.errno) if error.errno else type(error).__name__).lower()
        return Unavailable(f"{self._place}: {reason}", whole=True)


__all__ = ["MllpInlet"]
