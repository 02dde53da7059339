"""From claimed messages to parcels: each record mapped outward and written in the target's words, alone or together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple, NoReturn, Protocol, TypeVar

import msgspec

from hub.adapter import Theirs, Token, Tree
from hub.errors import RecordError, fault
from hub.mapping import AnyMapping, Created, Finding
from hub.message import Cause, Message, Told
from hub.model import ChildRecord, Person, decode_all
from hub.pipeline.link import Link
from hub.pipeline.packing import JSON, Made, Piece, pack, parked, runs
from hub.pipeline.reading import child_name, meeting
from hub.pipeline.telling import lay
from hub.seal import KeyMissing, Keyring, SealError
from hub.store import Known, Outcome, Store


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


S = TypeVar("S", bound=_Numbered)
T = TypeVar("T")
NOTHING = Cause("outward", "the mapping leaves nothing of this record to send")


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


class _Opened(msgspec.Struct):
    """number: of the message. source: what others call the link that it came by. names: of the number in each record
    by which sources meet, where what the target knows is asked for."""

    number: int
    message: Message
    source: str
    records: list[ChildRecord]
    mappings: list[AnyMapping]
    names: list[list[bytes]]


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
    opened = _each(made, partial(_open, target, sources, ring, known is not None), messages)
    knows = _knows(target, ring, opened, known)
    hidden = _hidden(opened, known)
    pieces = []
    for piece in _each(made, partial(_piece, _Batch.of(target), knows, hidden), opened):
        if piece.theirs:
            pieces.append(piece)
        else:
            made.outcomes.append(Outcome(piece.message.number, "withheld", cause=NOTHING, told=piece.told))
    for together in runs(pieces, min(target.records, target.adapter.limit or target.records)):
        pack(target, ring, together, mapping, made)
    return made


def _each(made: Made, act: Callable[[S], T], given: Iterable[S]) -> list[T]:
    """What comes of each; the message of one that fails is parked."""
    found = []
    for one in given:
        try:
            found.append(act(one))
        except KeyMissing:  # not the message's fault: whoever has the key can send it
            raise
        except (RecordError, SealError) as error:
            made.outcomes.append(parked(one.number, error))
        except MemoryError:
            raise
        except Exception as error:
            made.outcomes.append(parked(one.number, fault(error)))
    return found


def _open(target: Link, sources: dict[str, Link], ring: Keyring, names: bool, message: Message) -> _Opened:
    kept = decode_all(message.body(ring), Token)
    source = sources.get(message.source)
    mappings = [target.writer(source, message.kind, one) for one in kept]
    own = source.own if source is not None else message.source
    return _Opened(message.number, message, own, kept, mappings, [meeting(ring, one) for one in kept] if names else [])


def _knows(target: Link, ring: Keyring, opened: list[_Opened], known: Knowing | None) -> _Knows:
    """How each record of a message is laid onto what the target knows of its child, for those for which that counts."""
    if known is None:
        return {}
    found: _Knows = {}
    asked: _Asked = {}
    shared = target.adapter.shared
    for one in opened:
        number = one.number
        child, carries = known.children.get(number, (0, "event"))
        for n, (record, mapping) in enumerate(zip(one.records, one.mappings, strict=True)):
            changes = carries == "change" and (bool(shared) or mapping.carries == "state")
            if changes or (shared and carries == "state"):
                own = child if len(one.records) == 1 else known.child(one.message.source, record)
                if own is None:  # whose it is cannot be known again: it goes as it is
                    continue
                asked[number, n] = own, one.names[n] if shared else []
                found[number, n] = partial(
                    lay, source=one.source, names=partial(meeting, ring), changes=changes, shared=shared
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


def _hidden(opened: list[_Opened], known: Knowing | None) -> set[int]:
    """The numbers of the messages about children whom a source has shielded, whatever else their records say: a form
    about several children if one of them is, for they are found in one place."""
    if known is None:
        return set()
    about = {}
    for one in opened:
        children = {known.children.get(one.number, (None, ""))[0]}
        if len(one.records) > 1:
            children.update(known.child(one.message.source, record) for record in one.records)
        about[one.number] = [key for key in children if key is not None], list(chain.from_iterable(one.names))
    return known.shielded(about)


def _shield(record: ChildRecord) -> ChildRecord:
    """The record with its child's shield up."""
    person = copy(record.person) if record.person else Person()
    person.shielded = True
    out = copy(record)
    out.person = person
    return out


class _Batch(NamedTuple):
    """What is the same for the records of a batch. head: of a document, by its moment and edition; at: the moment."""

    target: Link
    head: Callable[[str, str], Tree]
    at: str

    @classmethod
    def of(cls, target: Link) -> _Batch:
        def head(as_of: str, edition: str) -> Tree:
            return _over(target.adapter.head(as_of, edition), target.head)

        return cls(target, cache(head), datetime.now(UTC).isoformat(timespec="seconds"))


def _piece(batch: _Batch, knows: _Knows, hidden: set[int], opened: _Opened) -> Piece:
    message = opened.message
    made, told = list[Theirs](), list[Told]()
    accounts: dict[tuple[str, str], int] = {}
    findings: list[Finding] = []
    for n, (record, mapping) in enumerate(zip(opened.records, opened.mappings, strict=True)):
        if (message.number, n) in knows:
            record, kept = knows[message.number, n](record)
            told.append(kept)
        if message.number in hidden:
            record = _shield(record)
        theirs, created = _theirs(batch, opened, n, record, mapping)
        if len(theirs.tree) > ("id" in theirs.tree):  # more than whom it is about
            made.append(theirs)
        for what, count in created.account.items():
            accounts[what] = accounts.get(what, 0) + count
        findings += created.findings
    account = JSON.encode(
        {
            "account": [(what, path, n) for (what, path), n in sorted(accounts.items())],
            "findings": [(one.kind, one.row, one.table) for one in findings],
        }
    )
    return Piece(message, made, account.decode(), told)


def _theirs(batch: _Batch, opened: _Opened, n: int, record: ChildRecord, mapping: AnyMapping) -> tuple[Theirs, Created]:
    """The n-th record of a message in the target's words. Each has a key of its own, or a receiver that knows keys
    would drop the second child of a form."""
    target, source, message = batch.target, record.source, opened.message
    edition = target.edition(record)
    created = mapping.create(record, target.own, edition=edition, strict=target.strict)
    as_of, own = (source.as_of, source.id) if source else ("", "")
    head = batch.head(as_of if isinstance(as_of, str) else "", edition)
    name = own if isinstance(own, str) else ""
    key = (blake2b(b"%d" % n, key=message.id, digest_size=16).digest() if n else message.id).hex()
    return Theirs(mapping.kind, name, created.tree, head, edition, key=key, at=batch.at, source=opened.source), created


def _over(head: Tree, more: Tree) -> Tree:
    """A head with what a link says besides."""
    if not more:
        return head
    both = {name: (head.get(name), value) for name, value in more.items()}
    return head | {
        name: _over(had, value) if isinstance(had, dict) and isinstance(value, dict) else value
        for name, (had, value) in both.items()
    }


__all__ = ["Knowing", "Made", "knowing_of", "write"]
