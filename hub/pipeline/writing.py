"""From claimed messages to parcels: each record mapped outward and written in the target's words, alone or together."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn, TypeVar

import msgspec

from hub.adapter import Theirs, Token, Tree
from hub.errors import RecordError, fault
from hub.mapping import AnyMapping, Created, Finding
from hub.message import Cause, Message, Parcel, Told
from hub.model import ChildRecord, Person, decode_all
from hub.pipeline.link import Link
from hub.pipeline.reading import child_name, meeting
from hub.pipeline.telling import lay
from hub.seal import KeyMissing, Keyring, SealError
from hub.store import Known, Outcome, Store

T = TypeVar("T")
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
    theirs: list[Theirs]
    account: str
    told: list[Told]


class Knowing(NamedTuple):
    """How to learn what a target knows. children: by the number of a message, its child's key and what it carries;
    child: the key of the child of one record of a form, None where it has none; read: `hub.store.Store.known`;
    shielded: `hub.store.Store.shielded`."""

    children: Mapping[int, tuple[int, str]]
    child: Callable[[str, ChildRecord], int | None]
    read: Callable[[str, list[tuple[int, list[bytes]]]], list[Known]]
    shielded: Callable[[Mapping[int, tuple[list[int], list[bytes]]]], set[int]]


def knowing_of(store: Store, ring: Keyring, children: Mapping[int, tuple[int, str]]) -> Knowing:
    """What a store's targets know. children: as in `Knowing`."""

    def child(source: str, record: ChildRecord) -> int | None:
        own = record.source.id if record.source else ""
        name = child_name(ring, store.identity(source), str(own))
        return store.children([name]).get(name)

    return Knowing(children, child, store.known, store.shielded)


class _Opened(NamedTuple):
    message: Message
    records: list[ChildRecord]
    mappings: list[AnyMapping]


_Asked = dict[tuple[int, int], tuple[int, list[bytes]]]
"""By message and the number of its record: the key of the child, and the names of the numbers in it."""
_Knows = dict[tuple[int, int], Callable[..., tuple[ChildRecord, Told]]]


def write(
    target: Link,
    sources: dict[str, Link],
    ring: Keyring,
    messages: Iterable[Message],
    mapping: str,
    known: Knowing | None = None,
) -> Made:
    """Messages, in line order, as parcels of at most the target's number of records. mapping: digest of the set. known:
    tells what the target knows of the child of each message, for those that would else take something back there.

    KeyMissing when a record is sealed under a key that this process does not have.
    """
    made = Made()
    opened = _each(made, ((message, partial(_open, target, sources, ring, message)) for message in messages))
    knows = _knows(target, ring, opened, known)
    hidden = _hidden(ring, opened, known)
    pieces = []
    for piece in _each(made, ((one.message, partial(_piece, target, one, knows, hidden)) for one in opened)):
        if piece.theirs:
            pieces.append(piece)
        else:
            made.outcomes.append(Outcome(piece.message.number, "withheld", cause=NOTHING, told=piece.told))
    for together in _runs(pieces, min(target.records, target.adapter.limit or target.records)):
        _pack(target, ring, together, mapping, made)
    return made


def _each(made: Made, steps: Iterable[tuple[Message, Callable[[], T]]]) -> list[T]:
    """What each step gives; the message of one that fails is parked."""
    found = []
    for message, step in steps:
        try:
            found.append(step())
        except KeyMissing:  # not the message's fault: whoever has the key can send it
            raise
        except (RecordError, SealError) as error:
            made.outcomes.append(_parked(message, error))
        except MemoryError:
            raise
        except Exception as error:
            made.outcomes.append(_parked(message, fault(error)))
    return found


def _parked(message: Message, error: RecordError | SealError) -> Outcome:
    cause = Cause.of("outward", error) if isinstance(error, RecordError) else Cause("outward", str(error))
    return Outcome(message.number, "parked", cause=cause)


def _open(target: Link, sources: dict[str, Link], ring: Keyring, message: Message) -> _Opened:
    kept = decode_all(message.body(ring), Token)
    return _Opened(message, kept, [target.writer(sources.get(message.source), message.kind, one) for one in kept])


def _knows(target: Link, ring: Keyring, opened: list[_Opened], known: Knowing | None) -> _Knows:
    """How each record of a message is laid onto what the target knows of its child, for those for which that counts."""
    if known is None:
        return {}
    found: _Knows = {}
    asked: _Asked = {}
    shared = target.adapter.shared
    for one in opened:
        number = one.message.number
        child, carries = known.children.get(number, (0, "event"))
        for n, (record, mapping) in enumerate(zip(one.records, one.mappings, strict=True)):
            changes = carries == "change" and (bool(shared) or mapping.carries == "state")
            if changes or (shared and carries == "state"):
                own = child if len(one.records) == 1 else known.child(one.message.source, record)
                if own is None:  # whose it is cannot be known again: it goes as it is
                    continue
                asked[number, n] = own, list(meeting(ring, record)) if shared else []
                found[number, n] = partial(
                    lay, source=one.message.source, names=partial(meeting, ring), changes=changes, shared=shared
                )
    if asked:
        for at, knows in _read(known, target.name, asked).items():
            found[at] = partial(_fail, knows) if isinstance(knows, SealError) else partial(found[at], known=knows)
    return found


def _read(known: Knowing, target: str, asked: _Asked) -> dict[tuple[int, int], Known | SealError]:
    """What a target knows of each child, or why that cannot be opened: then its message alone is parked."""
    try:
        return dict(zip(asked, known.read(target, list(asked.values())), strict=True))
    except KeyMissing:
        raise
    except SealError as error:
        if len(asked) == 1:
            return dict.fromkeys(asked, error)
        return {at: _read(known, target, {at: one})[at] for at, one in asked.items()}


def _fail(error: SealError, record: ChildRecord) -> NoReturn:
    raise error


def _hidden(ring: Keyring, opened: list[_Opened], known: Knowing | None) -> set[int]:
    """The numbers of the messages about children whom a source has shielded, whatever else their records say: a form
    about several children if one of them is, for they are found in one place."""
    if known is None:
        return set()
    about = {}
    for one in opened:
        number, records = one.message.number, one.records
        found = [known.child(one.message.source, record) for record in records] if len(records) > 1 else []
        found.append(known.children.get(number, (None, ""))[0])
        names = {name for record in records for name in meeting(ring, record)}
        about[number] = sorted({key for key in found if key is not None}), sorted(names)
    return known.shielded(about)


def _shield(record: ChildRecord) -> ChildRecord:
    """The record with its child's shield up."""
    person = copy(record.person) if record.person else Person()
    person.shielded = True
    out = copy(record)
    out.person = person
    return out


def _piece(target: Link, opened: _Opened, knows: _Knows, hidden: set[int]) -> _Piece:
    message = opened.message
    made, accounts, told = [], Counter[tuple[str, str]](), []
    findings: list[Finding] = []
    for n, (record, mapping) in enumerate(zip(opened.records, opened.mappings, strict=True)):
        if (message.number, n) in knows:
            record, kept = knows[message.number, n](record)
            told.append(kept)
        if message.number in hidden:
            record = _shield(record)
        theirs, created = _theirs(target, message, n, record, mapping)
        if theirs.tree.keys() - {"id"}:  # more than whom it is about
            made.append(theirs)
        accounts.update(created.account)
        findings += created.findings
    account = _json.encode(
        {
            "account": [[what, path, n] for (what, path), n in sorted(accounts.items())],
            "findings": [[one.kind, one.row, one.table] for one in findings],
        }
    )
    return _Piece(message, made, account.decode(), told)


def _theirs(target: Link, message: Message, n: int, record: ChildRecord, mapping: AnyMapping) -> tuple[Theirs, Created]:
    """The n-th record of a message in the target's words. Each has a key of its own, or a receiver that knows keys
    would drop the second child of a form."""
    edition = target.edition(record)
    created = mapping.create(record, target.name, edition=edition, strict=target.strict)
    as_of = record.source.as_of if record.source else ""
    head = _over(target.adapter.head(as_of if isinstance(as_of, str) else "", edition), target.head)
    own = record.source.id if record.source else ""
    name = own if isinstance(own, str) else ""
    key = (blake2b(b"%d" % n, key=message.id, digest_size=16).digest() if n else message.id).hex()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Theirs(mapping.kind, name, created.tree, head, edition, key=key, at=at, source=message.source), created


def _over(head: Tree, more: Tree) -> Tree:
    """A head with what a link says besides."""
    both = {name: (head.get(name), value) for name, value in more.items()}
    return head | {
        name: _over(had, value) if isinstance(had, dict) and isinstance(value, dict) else value
        for name, (had, value) in both.items()
    }


def _runs(pieces: list[_Piece], most: int) -> Iterable[list[_Piece]]:
    """Pieces that may share a parcel: of one edition and kind, in line order, at most so many records."""
    run: list[_Piece] = []
    for piece in pieces:
        last, first = run[-1].theirs[-1] if run else None, piece.theirs[0]
        same = last is not None and (last.edition, last.kind) == (first.edition, first.kind)
        if run and (not same or sum(len(one.theirs) for one in (*run, piece)) > most):
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
    head = pieces[0].theirs[0].head
    parts: dict[str, list[bytes]] = {}
    for part, data in target.adapter.write([one for piece in pieces for one in piece.theirs], head):
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
        told=[piece.told for piece in pieces],
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


__all__ = ["Knowing", "Made", "knowing_of", "write"]
