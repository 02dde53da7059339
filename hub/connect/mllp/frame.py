"""MLLP: a message between VT and FS CR, many on one connection (HL7 v2, Minimal Lower Layer Protocol release 1)."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TypeVar

START, END, CR = b"\x0b", b"\x1c", b"\r"
_READ = 1 << 16
"""Most bytes read at once."""
_LAST = 0.5
"""Seconds to wait for the CR after an FS: some senders leave it out."""
_NEARLY = 0.05
"""Seconds by which a wait may be longer than asked for."""
T = TypeVar("T")
R = TypeVar("R")


class TooLarge(Exception):
    """A message is longer than is taken. head: how it begins."""

    def __init__(self, head: bytes) -> None:
        super().__init__("too large")
        self.head = head


def framed(message: bytes) -> bytes:
    """A message as it goes over the wire."""
    return b"\x0b%b\x1c\r" % message


class Cutter:
    """Cuts messages out of the bytes of one connection. What lies between them is passed over.

    bare: the CR after the last message has not come yet.
    """

    def __init__(self, largest: int) -> None:
        self._largest, self.bare = largest, False
        self._held = bytearray()
        self._looked = 1

    def add(self, got: bytes) -> None:
        """What came, to be cut later."""
        self._held += got

    def next(self, got: bytes = b"") -> bytes | None:
        """The next message, after what came; None: it is not whole yet. TooLarge."""
        held = self._held
        if not held and got[:1] == START:  # one message and nothing else, nearly always
            end = got.find(END)
            if end == len(got) - 2 and got[-1:] == CR and end - 1 <= self._largest:
                self.bare = False
                return got[1:end]
        held += got
        if not self.begun:
            return None
        end = held.find(END, self._looked)
        if (end if end >= 0 else len(held)) - 1 > self._largest:
            raise TooLarge(bytes(held[1:2000]))
        if end < 0:
            self._looked = len(held)
            return None
        message = bytes(held[1:end])
        self.bare = end + 1 == len(held)
        del held[: end + 2 if held[end + 1 : end + 2] == CR else end + 1]
        self._looked = 1
        return message

    @property
    def held(self) -> int:
        """Bytes that came and are not cut."""
        return len(self._held)

    @property
    def begun(self) -> bool:
        """Whether a message, or a part of one, is there."""
        if self._held and not self._held.startswith(START):
            start = self._held.find(START)
            del self._held[: start if start >= 0 else len(self._held)]
        return bool(self._held)


class Frames:
    """The messages that go and come over a socket that waits; the socket is this object's own."""

    def __init__(self, wire: socket.socket, largest: int) -> None:
        self._wire, self._cutter = wire, Cutter(largest)
        self._waits = 0.0
        self._secure = isinstance(wire, ssl.SSLSocket)
        if not self._secure:
            wire.settimeout(None)
        self._poll = select.poll()
        self._poll.register(wire, select.POLLIN)

    def send(self, message: bytes, wait: float) -> None:
        """Send a message. OSError (TimeoutError when it is not taken in `wait` seconds)."""
        end = monotonic() + wait
        data = framed(message)
        sent = self._done(self._wire.send, data, wait)
        while sent < len(data):
            sent += self._done(self._wire.send, data[sent : sent + _READ], end - monotonic())

    def next(self, wait: float) -> bytes | None:
        """The next message; None when the other side has ended. OSError (TimeoutError when it is not whole in `wait`
        seconds); TooLarge."""
        end = monotonic() + wait
        message = self._cutter.next() if self._cutter.held else None
        while message is None:
            got = self._done(self._wire.recv, _READ, wait)
            if not got:
                return None
            message = self._cutter.next(got)
            wait = end - monotonic()
        if self._cutter.bare:
            with suppress(TimeoutError):
                self._cutter.add(self._done(self._wire.recv, _READ, _LAST))
        return message

    def silent(self) -> bool:
        """Whether the connection is open and nothing has come that was not asked for."""
        return not self._cutter.begun and not self._poll.poll(0)

    def close(self) -> None:
        """End the connection."""
        self._wire.close()

    def _done(self, act: Callable[[T], R], what: T, wait: float) -> R:
        """Send or receive within so many seconds. The system watches the clock, which costs a call less than to ask
        it first whether anything is there; under TLS the library has to ask."""
        if wait <= 0:
            raise TimeoutError
        if not 0 <= self._waits - wait < _NEARLY:
            self._waits = wait
            if self._secure:
                self._wire.settimeout(wait)
            else:
                told = struct.pack("ll", int(wait), int(wait % 1 * 1e6) or 1)
                self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, told)
                self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, told)
        try:
            return act(what)
        except BlockingIOError:
            raise TimeoutError from None


__all__ = ["Cutter", "Frames", "TooLarge", "framed"]
