"""A connection to the broker that is opened again whenever it is lost, and the thread that serves all of them."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import structlog
import tenacity
from pika.adapters.select_connection import IOLoop  # type: ignore[import-untyped]

from hub.queue.frames import Connection
from hub.queue.topology import explain

# pika's log may quote frames, and with them records where nothing is sealed; what there is to say, state() says.
logging.getLogger("pika").setLevel(logging.CRITICAL + 1)

STEADY = 5.0
"""Seconds a connection must have lasted for the next one to be tried at once."""
SETTLE = 1.0
"""Seconds that a broker is given which was away: its queues elect their leaders after its port opened."""
log = structlog.get_logger()


class Bell:
    """Has something done in the I/O thread, once for many calls that came before it was done."""

    def __init__(self, loop: Any, answer: Callable[[], None]) -> None:
        self._loop, self._answer, self._rung = loop, answer, False

    def ring(self) -> None:
        """From any thread."""
        if not self._rung:
            self._rung = True
            self._loop.add_callback_threadsafe(self._do)

    def _do(self) -> None:
        self._rung = False  # first: what comes while it is done rings again
        self._answer()


class Rider(Protocol):
    """Who uses a connection. All is called in the I/O thread."""

    def up(self, connection: Connection) -> None:
        """There is a new one."""

    def down(self) -> None:
        """It is lost, and all that was under way on it."""

    def look(self, blocked: bool) -> None:
        """Called each second: whether an answer of the broker is overdue. None is due while an alarm blocks it."""


class Line:
    """One connection, kept open. trouble: "" or why there is none; blocked: "" or the alarm that blocks it."""

    def __init__(self, loop: Any, parameters: Any, rider: Rider, longest: float) -> None:
        self._loop, self._parameters, self._rider = loop, parameters, rider
        self._wait = tenacity.wait_exponential(0.1, max=longest) + tenacity.wait_random(0, 0.1)
        self._tries, self._since = 0, 0.0
        self._closing = False
        self._connection: Connection | None = None
        self.closed = threading.Event()
        self.closed.set()
        self.trouble = f"connecting to the broker at {parameters.host}:{parameters.port}"
        self.blocked = ""

    def open(self) -> None:
        """In the I/O thread."""
        if self._closing or not self.closed.is_set():
            return
        connection = Connection(
            self._parameters,
            on_open_callback=self._up,
            on_open_error_callback=self._lost,
            on_close_callback=self._lost,
            custom_ioloop=self._loop,
        )
        connection.add_on_connection_blocked_callback(self._block)
        connection.add_on_connection_unblocked_callback(self._unblock)
        self._connection = connection
        self.closed.clear()

    def close(self) -> None:
        """In the I/O thread; `closed` is set when it is."""
        self._closing = True
        if self._connection is not None and not self.closed.is_set():
            with contextlib.suppress(Exception):  # it may be closing of itself
                self._connection.close()

    def _up(self, connection: Connection) -> None:
        self._loop.call_later(SETTLE if self._tries > 1 else 0, lambda: self._use(connection))

    def _use(self, connection: Connection) -> None:
        if connection is self._connection and connection.is_open:
            self.trouble, self._since = "", time.monotonic()
            self._rider.up(connection)
            self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        if connection is self._connection and connection.is_open:
            self._rider.look(bool(self.blocked))
            self._loop.call_later(1.0, lambda: self._watch(connection))

    def _lost(self, _: Any, error: BaseException) -> None:
        was = self.trouble
        self.trouble, self.blocked = explain(error, self._parameters), ""
        if self._since and time.monotonic() - self._since > STEADY:
            self._tries = 0
        if self._since:
            self._rider.down()
        self._since = 0.0
        self._connection = None
        self.closed.set()
        if self._closing:
            return
        self._tries += 1
        self._loop.call_later(self._pause(), self.open)
        if was != self.trouble:
            log.warning("queue.down", line=type(self._rider).__name__.strip("_").lower(), reason=self.trouble)

    def _pause(self) -> float:
        """Seconds to the next try: a tenth at first, growing to the longest."""
        state = tenacity.RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # asked for its number alone
        state.attempt_number = self._tries
        return self._wait(state)

    def _block(self, _: Any, frame: Any) -> None:
        self.blocked = str(frame.method.reason) or "no reason given"
        log.warning("queue.blocked", reason=self.blocked)

    def _unblock(self, *_: Any) -> None:
        self.blocked = ""


def start(loop: Any, mend: Callable[[], None]) -> threading.Thread:
    """Starts the thread that runs a loop until it is stopped. `mend` is called after an error nobody caught."""

    def run() -> None:
        while True:
            try:
                loop.start()
            except Exception as error:
                loop.call_later(1.0, mend)
                with contextlib.suppress(Exception):  # it may be the log that failed
                    log.error("queue.fault", kind=type(error).__name__)
            else:
                return

    thread = threading.Thread(target=run, name="hub-queue", daemon=True)
    thread.start()
    return thread


__all__ = ["Bell", "IOLoop", "Line", "Rider", "start"]
