"""Messages in a target's words are put together into parcels; those that cannot be written are found out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hub.adapter import Theirs
from hub.errors import RecordError, fault
from hub.message import Cause, Message, Parcel, Told
from hub.pipeline.link import Link
from hub.seal import Keyring, SealError
from hub.store import Outcome

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def _text(value: Any) -> str:
    """A token of a head is its text."""
    if isinstance(value, str):
        return str(value)
    raise TypeError("a head holds a kind of value that JSON has not")


JSON = msgspec.json.Encoder(enc_hook=_text)


@dataclass
class Made:
    """Parcels ready to go, and what became of messages that have none: parked, or nothing left to send."""

    parcels: list[Parcel] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


class Piece(msgspec.Struct):
    """A message in the target's words, its records in order. account: JSON of what did not get there."""

    message: Message
    theirs: list[Theirs]
    account: str
    told: list[Told]


def parked(number: int, error: RecordError | SealError) -> Outcome:
    """The message cannot be written, and why."""
    cause = Cause.of("outward", error) if isinstance(error, RecordError) else Cause("outward", str(error))
    return Outcome(number, "parked", cause=cause)


def runs(pieces: list[Piece], most: int) -> Iterable[list[Piece]]:
    """Pieces that may share a parcel: of one edition and kind, in line order, at most so many records."""
    run: list[Piece] = []
    count, last = 0, None
    for piece in pieces:
        first, more = piece.theirs[0], len(piece.theirs)
        if last is not None and (count + more > most or (last.edition, last.kind) != (first.edition, first.kind)):
            yield run
            run, count = [], 0
        run.append(piece)
        count, last = count + more, piece.theirs[-1]
    if run:
        yield run


def pack(target: Link, ring: Keyring, pieces: list[Piece], mapping: str, made: Made) -> None:
    """Write pieces as one parcel. When one of them cannot be written they are tried apart, and the rest again."""
    try:
        made.parcels.append(_parcel(target, ring, pieces, mapping))
        return
    except MemoryError:
        raise
    except Exception as error:
        if len(pieces) == 1:
            known = error if isinstance(error, RecordError) else fault(error)
            made.outcomes.append(parked(pieces[0].message.number, known))
            return
    good = []
    for piece in pieces:
        alone = Made()
        pack(target, ring, [piece], mapping, alone)
        made.outcomes += alone.outcomes
        if alone.parcels:
            good.append(piece)
    if len(good) < len(pieces):
        pack(target, ring, good, mapping, made) if good else None
    else:  # each can be written, but not together
        for piece in good:
            pack(target, ring, [piece], mapping, made)


def _parcel(target: Link, ring: Keyring, pieces: list[Piece], mapping: str) -> Parcel:
    head = pieces[0].theirs[0].head
    parts: dict[str, list[bytes]] = {}
    for part, data in target.adapter.write([one for piece in pieces for one in piece.theirs], head):
        parts.setdefault(part, []).append(data)
    ids = [piece.message.id for piece in pieces]
    whole = parts.keys() <= {""}
    return Parcel(
        key=ids[0] if len(ids) == 1 else ring.name("parcel", *ids),
        target=target.name,
        numbers=[piece.message.number for piece in pieces],
        data=b"".join(parts.get("", ())) if whole else _zip(parts),
        suffix=target.adapter.suffix if whole else ".zip",
        head=JSON.encode(head),
        accounts=[piece.account for piece in pieces],
        mapping=mapping,
        told=[piece.told for piece in pieces],
    )


def _zip(parts: dict[str, list[bytes]]) -> bytes:
    """A zip whose bytes depend on its parts alone."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, chunks in parts.items():
            info = zipfile.ZipInfo(name, _ZIP_DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(info, b"".join(chunks))
    return out.getvalue()


__all__ = ["JSON", "Made", "Piece", "pack", "parked", "runs"]
