"""MLLP: a message between VT and FS CR, many on one connection (HL7 v2, Minimal Lower Layer Protocol release 1)."""

from __future__ import annotations

import socket
from contextlib import suppress
from time import monotonic

START, END, CR = b"\x0b", b"\x1c", b"\r"
_READ = 1 << 16
HALF = 30.0
"""Seconds in which a message that has begun must go on."""
_LAST = 0.5
"""Seconds to wait for the CR after an FS: some senders leave it out."""


class TooLarge(Exception):
    """A message is longer than is taken. head: how it begins."""

    def __init__(self, head: bytes) -> None:
        super().__init__("too large")
        self.head = head


def framed(message: bytes) -> bytes:
    """A message as it goes over the wire."""
    return START + message + END + CR


class Frames:
    """The messages that come over a socket. junk: bytes that lay between them and were passed over."""

    def __init__(self, wire: socket.socket, largest: int) -> None:
        self._wire, self._largest = wire, largest
        self._held = bytearray()
        self.junk = 0

    def next(self, wait: float | None = None) -> bytes | None:
        """The next message; None when the other side has ended. OSError (TimeoutError when it is not whole in `wait`
        seconds, or without them does not go on); TooLarge."""
        end_at = None if wait is None else monotonic() + wait
        while not self._begun():
            if not self._more(_left(end_at, None)):
                return None
        looked = 1
        while (end := self._held.find(END, looked)) < 0:
            looked = len(self._held)
            if looked > self._largest:
                raise TooLarge(bytes(self._held[1:2000]))
            if not self._more(_left(end_at, HALF)):
                return None
        message = bytes(self._held[1:end])
        if end + 1 == len(self._held):
            with suppress(TimeoutError):
                self._more(_LAST)
        del self._held[: end + 2 if self._held[end + 1 : end + 2] == CR else end + 1]
        return message

    def waiting(self) -> bool:
        """Whether a message, or a part of one, was read already."""
        return self._begun()

    def _begun(self) -> bool:
        """Pass over what is before a message; whether one begins."""
        start = self._held.find(START)
        gone = len(self._held) if start < 0 else start
        self.junk += sum(byte not in b"\r\n" for byte in self._held[:gone])
        del self._held[:gone]
        return start >= 0

    def _more(self, wait: float | None) -> bool:
        self._wire.settimeout(wait)
        got = self._wire.recv(_READ)
        self._held += got
        return bool(got)


def _left(end: float | None, usual: float | None) -> float | None:
    """Seconds until a moment; the usual ones where there is none. TimeoutError: it is past."""
    if end is None:
        return usual
    left = end - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


__all__ = ["Frames", "TooLarge", "framed"]
