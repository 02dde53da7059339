"""From claimed messages to parcels: each record mapped outward and written in the target's words, alone or together."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from hub.adapter import Theirs, Token, Tree
from hub.errors import RecordError, fault
from hub.message import Cause, Message, Parcel
from hub.model import decode
from hub.pipeline.link import Link
from hub.seal import KeyMissing, Keyring, SealError
from hub.store import Outcome

NOTHING = Cause("outward", "the mapping leaves nothing of this record to send")
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_json = msgspec.json.Encoder()


@dataclass
class Made:
    """Parcels ready to go, and what became of messages that have none: parked, or nothing left to send."""

    parcels: list[Parcel] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass
class _Piece:
    message: Message
    theirs: Theirs
    account: str


def write(target: Link, sources: dict[str, Link], ring: Keyring, messages: Iterable[Message], mapping: str) -> Made:
    """Messages, in line order, as parcels of at most the target's number of records. mapping: digest of the set.

    KeyMissing when a record is sealed under a key that this process does not have.
    """
    made = Made()
    pieces = []
    for message in messages:
        try:
            piece = _piece(target, sources.get(message.source), ring, message)
        except KeyMissing:  # not the message's fault: whoever has the key can send it
            raise
        except (RecordError, SealError) as error:
            made.outcomes.append(_parked(message, error))
        except MemoryError:
            raise
        except Exception as error:
            made.outcomes.append(_parked(message, fault(error)))
        else:
            if piece.theirs.tree:
                pieces.append(piece)
            else:
                made.outcomes.append(Outcome(message.number, "withheld", cause=NOTHING))
    for together in _runs(pieces, min(target.records, target.adapter.limit or target.records)):
        _pack(target, ring, together, mapping, made)
    return made


def _parked(message: Message, error: RecordError | SealError) -> Outcome:
    cause = Cause.of("outward", error) if isinstance(error, RecordError) else Cause("outward", str(error))
    return Outcome(message.number, "parked", cause=cause)


def _piece(target: Link, source: Link | None, ring: Keyring, message: Message) -> _Piece:
    record = decode(message.body(ring), Token)
    mapping = target.writer(source, message.kind, record)
    edition = target.edition(record)
    created = mapping.create(record, target.name, edition=edition, strict=target.strict)
    as_of = record.source.as_of if record.source else ""
    head: Tree = target.adapter.head(as_of if isinstance(as_of, str) else "", edition)
    own = record.source.id if record.source else ""
    account = _json.encode(
        {
            "account": [[what, path, n] for (what, path), n in sorted(created.account.items())],
            "findings": [[one.kind, one.row, one.table] for one in created.findings],
        }
    )
    name = own if isinstance(own, str) else ""
    key, at = message.id.hex(), datetime.now(UTC).isoformat(timespec="seconds")
    theirs = Theirs(mapping.kind, name, created.tree, head, edition, key=key, at=at, source=message.source)
    return _Piece(message, theirs, account.decode())


def _runs(pieces: list[_Piece], most: int) -> Iterable[list[_Piece]]:
    """Pieces that may share a parcel: of one edition and kind, in line order, at most so many."""
    run: list[_Piece] = []
    for piece in pieces:
        last = run[-1].theirs if run else None
        same = last is not None and (last.edition, last.kind) == (piece.theirs.edition, piece.theirs.kind)
        if run and (not same or len(run) >= most):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _pack(target: Link, ring: Keyring, pieces: list[_Piece], mapping: str, made: Made) -> None:
    """Write pieces as one parcel. When one of them cannot be written they are tried apart, and the rest again."""
    try:
        made.parcels.append(_parcel(target, ring, pieces, mapping))
        return
    except MemoryError:
        raise
    except Exception as error:
        if len(pieces) == 1:
            known = error if isinstance(error, RecordError) else fault(error)
            made.outcomes.append(_parked(pieces[0].message, known))
            return
    good = []
    for piece in pieces:
        alone = Made()
        _pack(target, ring, [piece], mapping, alone)
        made.outcomes += alone.outcomes
        if alone.parcels:
            good.append(piece)
    if len(good) < len(pieces):
        _pack(target, ring, good, mapping, made) if good else None
    else:  # each can be written, but not together
        for piece in good:
            _pack(target, ring, [piece], mapping, made)


def _parcel(target: Link, ring: Keyring, pieces: list[_Piece], mapping: str) -> Parcel:
    head = pieces[0].theirs.head
    parts: dict[str, list[bytes]] = {}
    for part, data in target.adapter.write([piece.theirs for piece in pieces], head):
        parts.setdefault(part, []).append(data)
    ids = [piece.message.id for piece in pieces]
    whole = list(parts) in ([""], [])
    return Parcel(
        key=ids[0] if len(ids) == 1 else ring.name("parcel", *ids),
        target=target.name,
        numbers=[piece.message.number for piece in pieces],
        data=b"".join(parts.get("", ())) if whole else _zip(parts),
        suffix=target.adapter.suffix if whole else ".zip",
        head=_json.encode(_plain(head)),
        accounts=[piece.account for piece in pieces],
        mapping=mapping,
    )


def _plain(value: Any) -> Any:
    """A head as JSON can say it: tokens are their text."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


def _zip(parts: dict[str, list[bytes]]) -> bytes:
    """A zip whose bytes depend on its parts alone."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, chunks in parts.items():
            info = zipfile.ZipInfo(name, _ZIP_DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(info, b"".join(chunks))
    return out.getvalue()


__all__ = ["Made", "write"]
