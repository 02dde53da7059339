"""pika's connection with the frames of its busy path written and read in one go.

pika builds three objects and makes three system calls for a message, and decodes headers nobody reads: measured, most
of the time of a relay. Here publishes are joined into one write, and of what comes in only deliveries and confirms are
looked at; everything else (heartbeats, replies, returned messages, closing) goes on to pika as it came. AMQP 0-9-1,
sections 2.3.5 (frames) and 1.8 (basic).
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Protocol

from pika import SelectConnection, exceptions  # type: ignore[import-untyped]

METHOD, HEADER, BODY, END = 1, 2, 3, b"\xce"
DELIVER, ACK, NACK = b"\0\x3c\0\x3c", b"\0\x3c\0\x50", b"\0\x3c\0\x78"
_frame = Struct(">BHI")
_content = Struct(">BHIHHQ")
_size = Struct(">Q")
_table = Struct(">I")
_integer = Struct(">cq")
_text = Struct(">cI")
READ = 1 << 16
"""Bytes read at once."""
FLAGS = b"\xb0\x00"
"""Content type, headers and delivery mode follow, in this order."""
PERSISTENT = b"\x02"


def short(text: str) -> bytes:
    """A short string. ValueError when it is longer than 255 bytes."""
    data = text.encode()
    return bytes((len(data),)) + data


def properties(content_type: str, headers: dict[str, str | int]) -> bytes:
    """The property list of a persistent message."""
    pieces = []
    for name, value in headers.items():
        pieces.append(short(name))
        if isinstance(value, str):
            data = value.encode()
            pieces += (_text.pack(b"S", len(data)), data)
        else:
            pieces.append(_integer.pack(b"l", value))
    table = b"".join(pieces)
    return b"".join((FLAGS, short(content_type), _table.pack(len(table)), table, PERSISTENT))


def head(channel: int, exchange: str, key: str) -> bytes:
    """The frame that publishes to an exchange, mandatory."""
    payload = b"\0\x3c\0\x28\0\0" + short(exchange) + short(key) + b"\x01"
    return _frame.pack(METHOD, channel, len(payload)) + payload + END


def content(channel: int, listed: bytes, body: bytes, most: int) -> list[bytes]:
    """The frames of a message's properties and bytes, at most `most` bytes a frame."""
    pieces = [_content.pack(HEADER, channel, 12 + len(listed), 60, 0, len(body)), listed, END]
    for start in range(0, len(body), most):
        part = body if len(body) <= most else body[start : start + most]
        pieces += (_frame.pack(BODY, channel, len(part)), part, END)
    return pieces


class Reader(Protocol):
    """Who reads what comes in on a channel. deliver and confirm are called for each, rouse after the last of a read."""

    def deliver(self, tag: int, body: bytes) -> None:
        """A message came."""

    def confirm(self, tag: int, multiple: bool, taken: bool) -> None:
        """The broker took (or refused) what was published under a tag, or under all up to it."""

    def rouse(self) -> None:
        """No more came for now."""


class _Arriving:
    """A delivery whose frames have not all come."""

    __slots__ = ("missing", "parts", "tag")

    def __init__(self, tag: int) -> None:
        self.tag, self.missing, self.parts = tag, -1, list[bytes]()


class Connection(SelectConnection):  # type: ignore[misc]
    """A connection that hands deliveries and confirms of the channels in `readers` to them."""

    def __init__(self, parameters: Any, *args: Any, **options: Any) -> None:
        self.readers: dict[int, Reader] = {}
        self._arriving: dict[int, _Arriving] = {}
        self._rest = b""
        super().__init__(parameters, *args, **options)

    @property
    def most(self) -> int:
        """Bytes of a message that go in one frame."""
        return int(self._body_max_length)

    def _proto_connection_made(self, transport: Any) -> None:
        """pika calls this when there is a stream. It reads 4 KiB at a time, which doubles what a delivery costs."""
        transport._MAX_RECV_BYTES = READ
        super()._proto_connection_made(transport)

    def drop(self) -> None:
        """Ends it at once and without the broker, as pika does when no heartbeat comes."""
        self._terminate_stream(exceptions.AMQPHeartbeatTimeout("no answer"))

    def forget(self, channel: int) -> None:
        """A channel is gone; its number may be given again."""
        self.readers.pop(channel, None)
        self._arriving.pop(channel, None)

    def emit(self, data: bytes) -> None:
        """Sends frames."""
        self._output_marshaled_frames([data])

    def _on_data_available(self, data_in: bytes) -> None:
        """pika calls this with what was read. Whole frames that are not ours are handed on."""
        if data_in[:4] == b"AMQP" and not self.readers:  # it speaks another version, and hangs up
            super()._on_data_available(data_in)
            return
        data = self._rest + data_in if self._rest else data_in
        at, end, roused = 0, len(data), set[Reader]()
        self._rest = b""
        while end - at >= 7:
            kind, channel, size = _frame.unpack_from(data, at)
            after = at + 8 + size
            if after > end:
                break
            reader = self.readers.get(channel)
            if (
                reader is not None
                and data[after - 1] == 206
                and self._read(reader, kind, channel, data[at + 7 : after - 1])
            ):
                roused.add(reader)
                self.bytes_received += after - at
            else:
                super()._on_data_available(data[at:after])
            at = after
        self._rest = data[at:]
        for reader in roused:
            reader.rouse()

    def _read(self, reader: Reader, kind: int, channel: int, payload: bytes) -> bool:
        """Whether a frame was one of the busy path's, and has been read."""
        if kind == METHOD:
            method = payload[:4]
            if method == DELIVER:
                self._arriving[channel] = _Arriving(_size.unpack_from(payload, 5 + payload[4])[0])
                return True
            if method in (ACK, NACK):
                reader.confirm(_size.unpack_from(payload, 4)[0], bool(payload[12] & 1), method == ACK)
                return True
            return False
        arriving = self._arriving.get(channel)
        if arriving is None:
            return False
        if kind == HEADER:
            arriving.missing = _size.unpack_from(payload, 4)[0]
        else:
            arriving.parts.append(payload)
            arriving.missing -= len(payload)
        if not arriving.missing:
            del self._arriving[channel]
            parts = arriving.parts
            reader.deliver(arriving.tag, parts[0] if len(parts) == 1 else b"".join(parts))
        return True


__all__ = ["Connection", "Reader", "content", "head", "properties", "short"]
