"""What passes between the parts of the flow: a record addressed to a target, what is sent, and what became of it.

A message on the queue carries only ids of ours and the sealed record: no value of a record stands outside the seal.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hub.errors import RecordError, Refused, Unavailable
from hub.seal import Keyring

CONTENT_TYPE = "application/vnd.ics-hub.message+msgpack"


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One record addressed to one target, as it travels.

    number: its place in line, higher is later. id: 16 bytes, the idempotency key. target, source: links. kind:
    of theirs at the source. sealed: the record as `hub.model.encode` gives it, sealed; bound: what the seal is bound
    to (`hub.seal`).
    """

    number: int
    id: bytes
    target: str
    source: str
    kind: str
    bound: bytes
    sealed: bytes

    def __repr__(self) -> str:
        return f"Message(number={self.number}, target={self.target!r})"

    def body(self, ring: Keyring) -> bytes:
        """The record's bytes. SealError when they cannot be opened."""
        return ring.open(self.sealed, self.bound)


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What a target knows of a child once a message has arrived (`hub.store.told`).

    child: number of the child's key; said: all that its source has said; held: the parts that several sources share, as
    all of them have told them, b"" where none are; both as `hub.model.encode` gives them. names: of the numbers by
    which sources meet; of: the children whose parts were in `held` before; seen: for each name it was read under, the
    message that had told it; left: for each name that the child no longer bears, what the others told under it; listed:
    of a full state, the items of the lists in its other parts, by their ids alone.
    """

    child: int
    said: bytes
    held: bytes
    names: list[bytes]
    of: list[int]
    seen: list[tuple[bytes, int]]
    left: list[tuple[bytes, bytes]] = []
    listed: bytes = b""

    def __repr__(self) -> str:
        return f"Told(of={len(self.of)})"


class Parcel(msgspec.Struct):
    """What is sent in one piece: one message's bytes, or those of several in one file.

    key: 16 bytes, the idempotency key of the piece: the message's id, or made of all of theirs. numbers: its messages,
    in line order. data: the bytes as they go out (several parts: a zip). suffix: `.xml`. head: what the bytes were
    written with (as-of, edition), for the trace. token: under which a connection keeps the bytes aside, or "".
    number: of the parcel, given when the store keeps it; later parcels of a child have a higher one.
    accounts: of each message, in order: JSON of what did not get there. mapping: digest of the mapping set. told: of
    each message, what the target knows with it of each child it is about, where that is kept.
    """

    key: bytes
    target: str
    numbers: list[int]
    data: bytes
    suffix: str = ""
    head: bytes = b"{}"
    token: str = ""
    number: int = 0
    accounts: list[str] = []
    mapping: str = ""
    told: list[list[Told]] = []

    def __repr__(self) -> str:
        return f"Parcel(number={self.number}, target={self.target!r}, messages={len(self.numbers)})"

    def piece(self, n: int, key: bytes, data: bytes) -> Parcel:
        """Its n-th message as it is sent alone, under a key of its own that follows from the parcel's."""
        beside = self.accounts[n : n + 1], self.mapping, self.told[n : n + 1]
        return Parcel(key, self.target, [self.numbers[n]], data, self.suffix, self.head, "", 0, *beside)


class Sent(msgspec.Struct, frozen=True):
    """The target has it. receipt: what it answered that proves it (a version, an id), never a value of a record."""

    receipt: str = ""


class NotTried(msgspec.Struct, frozen=True):
    """The connection did not come to this one: nothing left, nothing is counted."""


One = Sent | NotTried | Refused | Unavailable
"""What became of a message, or of all of a parcel; `hub.errors.Unanswered` is a kind of Unavailable."""


class Each(msgspec.Struct, frozen=True):
    """The target answered for every message of a parcel by itself. answers: one for each of its numbers, in order.

    pieces: where the connection took the parcel apart: what each goes as alone, in order (`Parcel.piece`). One that is
    still to be sent goes again as that, with the same key and bytes. Without them it is mapped again, under its own id.
    """

    answers: list[One]
    pieces: list[Parcel] = []


Answer = One | Each
"""What became of a parcel."""


class Cause(msgspec.Struct, frozen=True):
    """Why messages are parked or waiting, as far as a person can mend it. No value of a record.

    stage: inward, outward or send. row, table: of the mapping. reason: in words. target: of a send. answer: the class
    of the target's answer (`refused`, `unavailable`, `unanswered`, `crash`).
    """

    stage: str
    reason: str
    row: str = ""
    table: str = ""
    target: str = ""
    answer: str = ""

    @classmethod
    def of(cls, stage: str, error: RecordError) -> Cause:
        """The cause that a record's error names."""
        return cls(stage, error.reason, error.row, error.table)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


def pack(message: Message) -> bytes:
    """A message as it lies on the queue."""
    return _encoder.encode(message)


def unpack(data: bytes) -> Message:
    """What `pack` made. RecordError for anything else."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError:
        raise RecordError("this is no message of ours") from None


def headers(message: Message, at: str) -> dict[str, Any]:
    """The headers of a queue message: ids of ours only. at: the moment, RFC 3339."""
    return {
        "hub-number": message.number,
        "hub-target": message.target,
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": message.id.hex(),
        "cloudEvents:source": message.source,
        "cloudEvents:type": "hub.message",
        "cloudEvents:time": at,
        "traceparent": f"00-{message.id.hex()}-{message.number & 0xFFFFFFFFFFFFFFFF:016x}-01",
    }


__all__ = [
    "CONTENT_TYPE",
    "Answer",
    "Cause",
    "Each",
    "Message",
    "NotTried",
    "One",
    "Parcel",
    "Sent",
    "headers",
    "pack",
    "unpack",
]
