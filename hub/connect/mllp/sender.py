"""One sender: what it sends is cut into messages, looked at one at a time, and answered once its fate is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from hub.connect.mllp.frame import Cutter, TooLarge, framed
from hub.connect.mllp.line import Waiting

if TYPE_CHECKING:
    from hub.connect.mllp.senders import Senders

WAIT = 0.5
"""Seconds that somebody who is sent away is given to hear it."""
HALF = 30.0
"""Seconds in which a message that has begun must go on, and an answer be taken."""
KEEPING = 30.0
"""Seconds that a message which is being kept is waited for beyond its patience."""
_AHEAD = 1 << 16
"""Bytes beyond which nothing more is read from a sender that has no answer yet."""
_TURN = 16
"""Most messages of one sender that are answered in a row, before others have their turn."""


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


__all__ = ["HALF", "WAIT", "Sender"]
