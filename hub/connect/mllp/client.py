"""The outlet: one connection, one message at a time, and the next only after the ACK that names it.

A message gets its control id (MSH-10) from its parcel before the store keeps it, so that it goes out with the same
bytes however often: a receiver that knows control ids takes it once.
"""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Iterator
from time import monotonic

import structlog

from hub.connect.mllp import header
from hub.connect.mllp.frame import Frames, TooLarge
from hub.connect.mllp.header import Header, Unreadable
from hub.connect.mllp.told import read
from hub.connect.port import Connection, Hook, OneByOne, no_hook
from hub.connect.settings import client_context, untrusted
from hub.connect.silence import Silence
from hub.errors import DeclarationError, Refused, Unavailable
from hub.message import Answer, NotTried, Parcel, Sent

CONNECTING = 5.0
"""Most seconds to wait for a connection."""
_ACK = 1 << 20
"""Most bytes of an answer."""
_AROUND = (b"FHS", b"BHS", b"BTS", b"FTS")
"""Segments of files and batches, which do not travel over MLLP here."""
_SEVERAL = re.compile(rb"\r(?:\s|MSH|[FB]HS|[FB]TS)")
"""What is in no file that is one message, each of its segments ended by a CR."""
_GOOD, _REFUSED = ("AA", "CA"), ("AR", "CR")
_FINAL = {*range(100, 104), *range(200, 206)}
"""Codes of table 0357 that say something of the message; the others say that it may pass later."""


class MllpOutlet(OneByOne):
    """Messages to one system."""

    records = 1
    parcels = 20
    at_once: int | None = 1

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        told = read(connection)
        if told.to is None:
            raise DeclarationError("this connection does not say where to", place=f"links.{connection.link}")
        self._told, self._to, self._hook = told, told.to, hook
        self.seconds = told.timeout
        self.limit = 2 * told.timeout + CONNECTING
        self._context = client_context(connection) if told.secure else None
        self._place = f"links.{connection.link}: the system at 'to'"
        self._log = structlog.get_logger().bind(link=connection.link)
        named = (2, told.sender), (4, told.receiver), (10, [told.processing] if told.processing else [])
        self._own = [(place + n, one.encode()) for place, names in named for n, one in enumerate(names)]
        self._wire: Frames | None = None
        self._strange = False
        self._silence = Silence()

    def __repr__(self) -> str:
        return f"MllpOutlet({self._place!r})"

    @property
    def promise(self) -> str:
        """What one effect means here."""
        return (
            "at least once: what has no answer is sent again with the same control id and bytes; one effect if the "
            "receiver knows the control id, or the message is a full state"
        )

    def ready(self) -> None:
        """Unavailable when there is no connection to be had."""
        self._connected(monotonic() + CONNECTING)

    def stage(self, parcel: Parcel) -> str:
        """Give the messages their control ids, their time where they have none, and the names of both sides."""
        own = base64.b32encode(parcel.key[:11]).decode().rstrip("=")
        found = _headed(parcel.data)
        if found:
            made = [self._stamped(*one, own if n == 0 else f"{own}-{n + 1}") for n, one in enumerate(found)]
            parcel.data = b"".join(made)
        return ""

    def close(self) -> None:
        """End the connection."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _stamped(self, message: bytes, asked: Header, own: str) -> bytes:
        fields = [*asked.fields, *[b""] * (12 - len(asked.fields))]
        fields[9] = own.encode()
        fields[6] = fields[6] or header.stamp()
        for place, one in self._own:
            fields[place] = one
        rest = message.partition(b"\r")[2]
        return b"MSH" + fields[0] + fields[0].join(fields[1:]) + b"\r" + rest

    def give(self, parcel: Parcel) -> Answer:
        """Send the messages of a parcel; the first answer that is not good is the parcel's."""
        found = _headed(parcel.data)
        if not found:
            return Refused(f"{self._place}: what is to be sent is no HL7 message: look at the link's adapter")
        answer: Answer = NotTried()
        end = monotonic() + self._told.timeout
        for one, asked in found:
            try:
                answer = self._message(one, asked, parcel.key, end)
            except (Unavailable, Refused) as error:
                return error
        return answer

    def _message(self, message: bytes, asked: Header, key: bytes, end: float) -> Sent:
        """One message and its ACK. asked: its header. Unavailable, Refused."""
        wire = self._connected(min(end, monotonic() + CONNECTING))
        end = max(end, monotonic() + 0.1)
        try:
            self._hook("send.before-bytes")
            wire.send(message, end - monotonic())
            self._hook("send.after-bytes")
            return self._acknowledged(wire, asked, end)
        except (OSError, TooLarge) as error:
            self.close()  # a late answer must not be taken for that of another message
            said = "no answer came in time" if isinstance(error, TimeoutError) else "the connection broke"
            raise self._silence.unanswered(key, f"{self._place}: {said} after the message was sent") from None

    def _acknowledged(self, wire: Frames, asked: Header, end: float) -> Sent:
        """Read until the answer that names this message. OSError, TooLarge: there is none. Unavailable, Refused."""
        own = asked.field(10)
        while True:
            reply = wire.next(end - monotonic())
            if reply is None:
                raise ConnectionResetError
            self._hook("answer.read")
            said = _acknowledgement(reply)
            if said is not None and said[1] == own:
                self._silence.broken()
                return self._meaning(said[0], reply, own.decode())
            if not self._strange:
                self._strange = True
                self._log.warning("an answer that names another message was passed over")

    def _meaning(self, code: str, reply: bytes, own: str) -> Sent:
        """What an answer means. Unavailable, Refused."""
        if code in _GOOD:
            return Sent(f"{code} {own}")
        number, at = _complaint(reply)
        what = " ".join(word for word in (code, str(number or ""), f"at {at}" if at else "") if word)
        if number in _FINAL or (code in _REFUSED and not number):
            raise Refused(f"{self._place} will not have it ({what})")
        raise Unavailable(f"{self._place} could not take it ({what})")

    def _connected(self, end: float) -> Frames:
        """The connection, a new one where there is none, it was ended, or says something unasked. Unavailable."""
        if self._wire is not None and not self._wire.silent():
            self.close()
        if self._wire is None:
            wait = max(end - monotonic(), 0.1)
            try:
                made = socket.create_connection(self._to, wait)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    made = self._context.wrap_socket(made, server_hostname=self._to[0])
            except OSError as error:
                raise Unavailable(f"{self._place}: {_reason(error)}", whole=True) from None
            self._wire = Frames(made, _ACK)
        return self._wire


def messages(data: bytes) -> Iterator[bytes]:
    """The messages of a file, each from its MSH; segments of batches are left out. Segments end in CR."""
    if data.startswith(b"MSH") and data.endswith(b"\r") and b"\n" not in data and not _SEVERAL.search(data):
        yield data
        return
    lines = [line for line in re.split(rb"\r\n|\r|\n", data.removeprefix(b"\xef\xbb\xbf")) if line.strip()]
    lines = [line for line in lines if line[:3] not in _AROUND]
    starts = [n for n, line in enumerate(lines) if line.startswith(b"MSH")]
    if not lines:
        return
    if not starts or starts[0]:  # what stands before the first is a message without a header
        starts = [0, *starts]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield b"".join(line + b"\r" for line in lines[start:end])


def _headed(data: bytes) -> list[tuple[bytes, Header]]:
    """The messages of a file with their headers; none at all where one of them has none that can be read."""
    found = []
    for one in messages(data):
        asked = _header(one)
        if asked is None:
            return []
        found.append((one, asked))
    return found


def _header(message: bytes) -> Header | None:
    try:
        return header.read(message)
    except Unreadable:
        return None


def _acknowledgement(reply: bytes) -> tuple[str, bytes] | None:
    """The code and the control id that an ACK names; None for what is none."""
    fields = _segment(reply, b"MSA")
    if len(fields) < 2:
        return None
    return fields[1].decode("ascii", "replace").strip(), fields[2].strip() if len(fields) > 2 else b""


def _segment(reply: bytes, name: bytes) -> list[bytes]:
    """The fields of the first segment of a name, which is at 0; none where it is not there."""
    asked = _header(reply)
    found = re.search(rb"[\r\n](%b%b[^\r\n]*)" % (name, re.escape(asked.separator)), reply) if asked else None
    return found[1].split(asked.separator) if asked and found else []


def _complaint(reply: bytes) -> tuple[int, str]:
    """The code (table 0357) and the place of the first ERR, 0 and "" where it does not say. Never a value."""
    asked = _header(reply)
    told = _segment(reply, b"ERR")
    if asked is None or not told:
        return 0, ""
    fields, hat = [*told, b"", b"", b""], asked.signs[:1]
    parts = [one.split(b"&") for one in fields[1].split(hat)]
    old = len(parts) > 3 and parts[3] != [b""]
    code = parts[3][0] if old else fields[3].split(hat)[0]
    at = fields[1] if old else fields[2]
    found = re.match(rb"[A-Z][A-Z0-9]{2}(\^\d{1,3}){0,2}", at.replace(hat, b"^"))
    return int(code) if re.fullmatch(rb"\d{1,3}", code) else 0, found[0].decode() if found else ""


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, socket.gaierror):
        return "there is no machine of that name"
    return untrusted(error) or (os.strerror(error.errno) if error.errno else type(error).__name__).lower()


__all__ = ["MllpOutlet", "messages"]
