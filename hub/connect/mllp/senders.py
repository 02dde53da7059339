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
from hub.connect.mllp.frame import Cutter, TooLarge, framed
from hub.connect.mllp.line import Line, Waiting
from hub.connect.mllp.told import Mllp
from hub.connect.port import Arrival, Hook

AWAY = 0.1
"""Seconds without the flow after which somebody stands in for it."""
WAIT = 0.5
"""Seconds that somebody who is sent away is given to hear it."""
HALF = 30.0
"""Seconds in which a message that has begun must go on, and an answer be taken."""
KEEPING = 30.0
"""Seconds that a message which is being kept is waited for beyond its patience."""
PEERS = 200
"""Most senders connected at the same time."""
_ROOM = 1 << 20
"""Most bytes read at once."""
_AHEAD = 1 << 16
"""Bytes beyond which nothing more is read from a sender that has no answer yet."""
_TURN = 16
"""Most messages of one sender that are answered in a row, before others have their turn."""


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


class Sender(asyncio.BufferedProtocol):
    """One sender. waiting: its message that is in the line."""

    def __init__(self, senders: Senders) -> None:
        self._all, self._loop = senders, senders.loop
        self._cutter = Cutter(senders.told.largest)
        self._wire: asyncio.Transport | None = None
        self._waiting: Waiting[Sender] | None = None
        self._stuck = self._turned = self._paused = self._ended = False
        self._leaves_by: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due, self._act = 0.0, self.cut

    # What the connection does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(1, 0)
        self._wire = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._all.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._leaves_by is not None:
            self._hear_out(self._leaves_by)
            return
        got = bytes(self._all.buffer[:nbytes])
        if not self._busy:
            self._go(got)
            return
        self._cutter.add(got)
        if self._cutter.held > _AHEAD and not self._paused and self._wire is not None:
            self._paused = True
            self._wire.pause_reading()

    def eof_received(self) -> bool:
        self._ended = True
        return self._busy and self._all.context is None  # a TLS connection cannot be half open

    def pause_writing(self) -> None:
        self._stuck = True

    def resume_writing(self) -> None:
        self._stuck = False
        if self._leaves_by is None and self._waiting is None:
            self._within(None)
            self._go()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire = None
        self._all.failed_at_tls(exc)
        if self._waiting is None:  # else it is among the senders until it is known what became of its message
            self._gone()

    # What becomes of its messages

    def answered(self, one: Waiting[Sender], kept: bool) -> None:
        """Its message was kept, or cannot be."""
        self._waiting = None
        if self._wire is None:
            self._gone()
            return
        self._within(None)
        answers = self._all.answers
        self._answer(answers.kept(one.about) if kept else answers.full(one.about))
        self._go()

    def leave(self) -> None:
        """End the connection once what was answered is on its way."""
        if self._wire is not None:
            self._wire.close()

    def cut(self) -> None:
        """End the connection at once."""
        if self._wire is not None:
            self._wire.abort()

    def _gone(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._all.left(self)

    @property
    def _busy(self) -> bool:
        """Whether what comes now must wait."""
        return self._waiting is not None or self._stuck or self._turned

    def _go(self, got: bytes = b"") -> None:
        """Look at one message after the other, until one must be waited for."""
        self._turned = False
        for _ in range(_TURN):
            if self._busy or self._wire is None or self._wire.is_closing():
                return
            try:
                message = self._cutter.next(got)
            except TooLarge as error:
                self._answer(self._all.answers.large(error.head))
                self._send_away()
                return
            if message is None:
                self._await()
                return
            got = b""
            self._all.hook("message.read")
            self._take(message)
        if not self._busy:
            self._turned = True
            self._loop.call_soon(self._go)

    def _take(self, message: bytes) -> None:
        """Put a message into the line, or answer it now."""
        said = self._all.answers.ask(message)
        if isinstance(said, bytes):
            self._answer(said)
            return
        arrival, about = said
        one = Waiting(arrival, self, about)
        if self._all.came(one):
            self._waiting = one
            self._within(self._all.told.patience, self._be_impatient)
        else:
            self._answer(self._all.answers.full(about))

    def _await(self) -> None:
        """Nothing whole has come: wait for more."""
        if self._ended:
            self.leave()
            return
        self._within(HALF if self._cutter.held else None)
        if self._paused and self._wire is not None:
            self._paused = False
            self._wire.resume_reading()

    def _answer(self, reply: bytes) -> None:
        assert self._wire is not None
        self._all.hook("answer.before")
        self._wire.write(framed(reply))
        self._all.hook("answer.after")
        if self._stuck:
            self._within(HALF)

    def _be_impatient(self) -> None:
        """Nobody took its message in time; one that was taken is waited for longer."""
        one = self._waiting
        if one is not None:
            if self._all.line.drop(one, given=False):
                self.answered(one, False)
            else:
                self._within(KEEPING, self._give_up)

    def _give_up(self) -> None:
        """What was taken long ago is not kept yet."""
        one = self._waiting
        if one is not None and self._all.line.drop(one, given=True):
            self.answered(one, False)

    def _send_away(self) -> None:
        """Read on for a moment: closed with bytes unread, the connection would take our answer down with it."""
        assert self._wire is not None
        if self._wire.can_write_eof():
            self._wire.write_eof()
        self._hear_out(self._loop.time() + HALF)

    def _hear_out(self, until: float) -> None:
        self._leaves_by = until
        self._within(max(0.0, min(WAIT, until - self._loop.time())))

    def _within(self, seconds: float | None, act: Callable[[], None] | None = None) -> None:
        """What is to be done then, unless something else is asked for before: by default, to cut the connection.

        One timer serves, which is set anew only when it rings: what is asked for nearly never comes to pass.
        """
        if seconds is None:
            self._due = 0.0
            return
        self._due, self._act = self._loop.time() + seconds, act or self.cut
        if self._timer is not None and self._timer.when() > self._due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._due > self._loop.time():
            self._timer = self._loop.call_at(self._due, self._ring)
        elif self._due:
            self._due = 0.0
            self._act()


__all__ = ["Sender", "Senders"]
