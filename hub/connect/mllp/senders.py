"""Who is connected: what all senders send is read into the line, and they are told what became of it.

Of one sender one message at a time is looked at; the next when it was answered. Senders are served by the thread of the
flow while it waits for what comes, and by one that stands in for it when it is away: nothing has to be handed from
thread to thread, which costs far more than to read a message.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from hub.connect.mllp.answers import Answers
from hub.connect.mllp.line import Line, Waiting
from hub.connect.mllp.sender import HALF, WAIT, Sender
from hub.connect.mllp.told import Mllp
from hub.connect.port import Arrival, Hook

AWAY = 0.1
"""Seconds without the flow after which somebody stands in for it."""
PEERS = 200
"""Most senders connected at the same time."""
_ROOM = 1 << 20
"""Most bytes read at once."""


class Senders:
    """Whoever connects to one address, from when it is made until `end`."""

    def __init__(
        self,
        server: socket.socket,
        told: Mllp,
        line: Line[Sender],
        answers: Answers,
        context: ssl.SSLContext | None,
        hook: Hook,
        log: Any,
    ) -> None:
        """server: listening. context: of TLS."""
        self.told, self.line, self.answers, self.hook, self.log = told, line, answers, hook, log
        self.context = context
        self.buffer = memoryview(bytearray(_ROOM))
        self.loop = asyncio.SelectorEventLoop()
        self.loop.set_exception_handler(self._trouble)
        self._server = server
        self._peers: set[Sender] = set()
        self._greeting: set[asyncio.Task[None]] = set()
        server.setblocking(False)
        self._listen()
        self._turn, self._ended = threading.Lock(), threading.Event()
        self._wanted: Callable[[], bool] | None = None
        self._served = monotonic()
        threading.Thread(target=self._stand_in, name="mllp senders", daemon=True).start()

    def take(self, seconds: float) -> Arrival | None:
        """The first message that was not given, waited for; None when there is none."""
        line = self.line
        if lacking := line.lacks():
            self._serve(lambda: line.waits() and not line.lacks(), lacking)
        if not (lacking and line.waits()):
            self._serve(line.waits, seconds)
        return next(iter(line.give(1, 0)), None)

    def tell(self, settled: list[Waiting[Sender]]) -> None:
        """The store has these: their senders are told."""
        if not self._turn.acquire(blocking=False):
            with suppress(RuntimeError):  # it has ended, and they were told to send again
                self.loop.call_soon_threadsafe(self._tell, settled, True)
            return
        try:
            self._tell(settled, True)
        finally:
            self._served = monotonic()
            self._turn.release()

    def end(self) -> None:
        """Let the address go and send everybody away; who waits is told to send again."""
        self._have_turn()
        self._ended.set()
        try:
            self._send_all_away()
        finally:
            self._turn.release()

    def _send_all_away(self) -> None:
        self.loop.remove_reader(self._server)
        self._server.close()
        self._tell(self.line.shut(), False)
        for peer in list(self._peers):
            peer.leave()
        self.loop.call_later(WAIT if self._peers else 0, self.loop.stop)
        self.loop.run_forever()
        for task in self._greeting:
            task.cancel()
        for peer in self._peers:
            peer.cut()
        for _ in range(3):  # what was cancelled and cut comes to its end
            self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def came(self, one: Waiting[Sender]) -> bool:
        """Put a message into the line; False when it is closed."""
        put = self.line.put(one)
        if self._wanted is not None and self._wanted():
            self.loop.stop()  # after what else has come by now
        return put

    def left(self, peer: Sender) -> None:
        """A sender is gone, and nothing of it waits."""
        self._peers.discard(peer)
        if not self._peers and self._ended.is_set():
            self.loop.stop()

    def _serve(self, wanted: Callable[[], bool], seconds: float) -> None:
        """Serve all senders until it is so, or so many seconds; what has come by now is read in any case."""
        self._have_turn()
        try:
            if not self._ended.is_set():
                self._wanted = wanted
                if wanted():
                    self.loop.stop()
                    self.loop.run_forever()
                else:
                    timer = self.loop.call_later(seconds, self.loop.stop)
                    self.loop.run_forever()
                    timer.cancel()
        finally:
            self._wanted, self._served = None, monotonic()
            self._turn.release()

    def _have_turn(self) -> None:
        """Be the one that serves."""
        if not self._turn.acquire(blocking=False):
            if not self._ended.is_set():
                with suppress(RuntimeError):  # it has ended meanwhile
                    self.loop.call_soon_threadsafe(self.loop.stop)
            self._turn.acquire()

    def _stand_in(self) -> None:
        """Serve while the flow is away."""
        while not self._ended.wait(AWAY):
            if monotonic() - self._served > AWAY and self._turn.acquire(blocking=False):
                try:
                    if not self._ended.is_set():
                        self.loop.run_forever()
                finally:
                    self._turn.release()

    def _tell(self, found: list[Waiting[Sender]], kept: bool) -> None:
        for one in found:
            try:
                one.sender.answered(one, kept)
            except Exception as error:
                self._failed(error)
                one.sender.cut()

    def _listen(self) -> None:
        if self._server.fileno() >= 0:
            self.loop.add_reader(self._server, self._accept)

    def _accept(self) -> None:
        try:
            wire, found = self._server.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:  # too many files are open, most likely
            self.loop.remove_reader(self._server)
            self.loop.call_later(WAIT, self._listen)
            return
        if not self._may(found[0]):
            self.log.warning("a machine that is not among 'peers' was turned away")
            wire.close()
            return
        if len(self._peers) >= PEERS:
            self.log.warning("too many senders at once: one was turned away", most=PEERS)
            wire.close()
            return
        try:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError:  # it went away
            wire.close()
            return
        peer = Sender(self)
        self._peers.add(peer)
        task = self.loop.create_task(self._greet(wire, peer))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)

    def _may(self, address: str) -> bool:
        machine = ipaddress.ip_address(address.partition("%")[0])
        return not self.told.peers or any(machine in network for network in self.told.peers)

    async def _greet(self, wire: socket.socket, peer: Sender) -> None:
        tls = {"ssl_handshake_timeout": HALF, "ssl_shutdown_timeout": WAIT} if self.context else {}
        try:
            await self.loop.connect_accepted_socket(lambda: peer, wire, ssl=self.context, **tls)
        except OSError as error:
            self.failed_at_tls(error)
            self.left(peer)

    def failed_at_tls(self, error: BaseException | None) -> None:
        """Say so where it is what ended a connection."""
        if isinstance(error, ssl.SSLError):
            self.log.warning("a sender failed at TLS", reason=(error.reason or "no reason given").lower())

    def _trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._failed(context.get("exception"))

    def _failed(self, error: BaseException | None) -> None:
        self.log.error("a sender could not be served", error=type(error).__name__)


__all__ = ["Senders"]
