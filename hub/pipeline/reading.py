"""From a kept document to what the store takes: each record read, mapped inward, named; a bad one keeps its place."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from msgspec.structs import replace

from hub.adapter import Theirs
from hub.errors import DeclarationError, HubError, RecordError, fault
from hub.mapping import AnyMapping, Finding
from hub.mapping.numbers import upn_fault
from hub.message import Cause
from hub.model import ChildRecord, Identifier, digest, encode
from hub.pipeline.link import Link
from hub.seal import Keyring
from hub.store import Bears, Incoming
from hub.wire import Document
from hub.wire.numbers import is_trusted

Unit = Theirs | RecordError | tuple[Theirs, ...]
"""What is kept as one: a record of theirs, one that cannot be read, or those of a form about several children."""


class Source(NamedTuple):
    """A link that is read, and what its names are made with. identity: the name it was first known by."""

    link: Link
    identity: str
    ring: Keyring


def read(source: Source, document: Document, number: int, position: int) -> Iterator[Incoming]:
    """Every record of a document from a position on, in order; one that fails comes as failed, in its place.

    number: of the document in the store. RecordError when nothing more of the document can be read.
    """
    for ordinal, theirs in records(source.link, document):
        if ordinal >= position:
            yield incoming(source, number, ordinal, theirs)


def records(link: Link, document: Document) -> Generator[tuple[int, Unit], None, None]:
    """Every record of a document as it came, those of one form together, with its ordinal. RecordError: nothing more of
    it can be read."""
    ordinal, held = 0, list[Theirs]()
    try:
        for one in link.adapter.read(document):
            group = one.group if isinstance(one, Theirs) else ""
            if held and group != held[0].group:
                yield ordinal, _unit(held)
                ordinal, held = ordinal + 1, []
            if group and isinstance(one, Theirs):
                held.append(one)
            else:
                yield ordinal, one
                ordinal += 1
    except DeclarationError as error:  # about the document, such as one file where a folder is needed
        raise RecordError(error.reason) from None
    except RecordError:  # what came before it is whole
        if held:
            yield ordinal, _unit(held)
        raise
    except (HubError, MemoryError):  # where it is kept, the store cannot be asked now: that is not the document's fault
        raise
    except Exception as error:
        raise fault(error) from None
    if held:
        yield ordinal, _unit(held)


def _unit(held: list[Theirs]) -> Unit:
    return held[0] if len(held) == 1 else tuple(held)


def picked(link: Link, document: Document, ordinals: Collection[int]) -> Iterator[tuple[int, Unit]]:
    """Some records of a document as they came, read again, in order. RecordError: nothing more of it can be read."""
    wanted = set(ordinals)
    for ordinal, theirs in records(link, document):
        if ordinal in wanted:
            yield ordinal, theirs
            wanted.discard(ordinal)
        if not wanted:
            return


def from_records(source: Source, at: tuple[int, int], kind: str, kept: Sequence[ChildRecord], form: bytes) -> Incoming:
    """A record of ours, or those of a form, as the store takes them: edited, or to be sent anew. at: document and
    ordinal; kind: of theirs; form: the key of a form. RecordError when no mapping of the source reads that kind."""
    made = []
    for record in kept:
        own = record.source.id if record.source else ""
        theirs = Theirs(kind, own if isinstance(own, str) else "", {}, {}, "", "")
        made.append(_mapped(source, at, source.link.reader(theirs), theirs, record, []))
    return _joined(made, form)


def incoming(source: Source, number: int, ordinal: int, unit: Unit) -> Incoming:
    """One record of a document, or those of a form, mapped inward under today's mapping; failed when it cannot be."""
    if not isinstance(unit, tuple):
        return _incoming(source, number, ordinal, unit)
    made = [_incoming(source, number, ordinal, one) for one in unit]
    return _joined(made, source.ring.name("form", source.identity, unit[0].group))


def _joined(made: Sequence[Incoming], form: bytes) -> Incoming:
    """The records of a form as one: it stands in line for each of its children. It failed if one of them did."""
    if len(made) == 1:
        return made[0]
    children = tuple(dict.fromkeys(one.child for one in made))
    failed = next((one for one in made if one.failed is not None), None)
    return replace(
        failed or made[0],
        child=form,
        places=tuple(dict.fromkeys([*children, *(place for one in made for place in one.places)])),
        members=children,
        bears=tuple(about for one in made for about in one.bears),
        digest="" if failed else blake2b("".join(one.digest for one in made).encode(), digest_size=32).hexdigest(),
        body=b"" if failed else b"[" + b",".join(one.body for one in made) + b"]",
        findings=() if failed else tuple(dict.fromkeys(cause for one in made for cause in one.findings)),
    )


def _incoming(source: Source, number: int, ordinal: int, theirs: Theirs | RecordError) -> Incoming:
    """One record of a document, mapped inward under today's mapping; failed when it cannot be."""
    link = source.link
    try:
        if isinstance(theirs, RecordError):
            raise theirs
        mapping = link.reader(theirs)
        found = mapping.inward(theirs, source.identity, park=link.park)
        return _mapped(source, (number, ordinal), mapping, theirs, found.record, found.findings)
    except RecordError as error:
        cause = Cause.of("inward", error)
    except MemoryError:
        raise
    except Exception as error:
        cause = Cause.of("inward", fault(error))
    return _failed(source, (number, ordinal), theirs, cause)


def _failed(source: Source, at: tuple[int, int], theirs: Theirs | RecordError, cause: Cause) -> Incoming:
    """One that failed stands in line for every id that it is about, both sides of a merge, as far as they can be read;
    a newer state of one side says nothing of the other, and supersedes none of them."""
    own, *others = (theirs.id, theirs.superseded) if isinstance(theirs, Theirs) else theirs.ids or ("",)
    kind = theirs.kind if isinstance(theirs, Theirs) else ""
    return Incoming(
        ordinal=at[1],
        child=child_key(source, own, *at),
        places=tuple(child_name(source.ring, source.identity, one) for one in others if one),
        kind=kind,
        carries=_carries(source.link, kind, any(others)),
        body=b"",
        digest="",
        failed=cause,
        targets=source.link.targets,
    )


def _carries(link: Link, kind: str, merges: bool) -> str:
    """What a record that could not be read would have carried; a change, which nothing supersedes, if nobody knows,
    and of a merge."""
    mapping = link.mappings.get(kind) if kind else next(iter(link.mappings.values()), None)
    carries = mapping.carries or "state" if mapping is not None else "change"
    return "change" if merges and carries == "state" else carries


def _mapped(
    source: Source,
    at: tuple[int, int],
    mapping: AnyMapping,
    theirs: Theirs,
    record: ChildRecord,
    findings: list[Finding],
) -> Incoming:
    said = record.source.id if record.source else ""
    child = child_key(source, theirs.id or (said if isinstance(said, str) else ""), *at)
    gone = record.merge.superseded if record.merge else None
    places, meets = keys(source.ring, record, ("nhs", "upn"))
    shielded = record.person.shielded if record.person else None
    bears = Bears(
        child,
        tuple(meets.values()) if len(meets) == 1 else (),
        len(meets) > 1,
        shielded if isinstance(shielded, bool) else None,
    )
    return Incoming(
        ordinal=at[1],
        child=child,
        places=tuple(places),
        carries=mapping.carries or "state",
        digest=digest(record),
        kind=theirs.kind,
        body=encode(record),
        findings=tuple([Cause("inward", one.kind, one.row, one.table) for one in findings]),
        targets=source.link.targets,
        merge=child_name(source.ring, source.identity, gone) if isinstance(gone, str) and gone else None,
        bears=(bears,),
    )


def child_key(source: Source, own: str, document: int, ordinal: int) -> bytes:
    """The key of a child at a source; a record without an id of its own is a child of its own."""
    if own:
        return child_name(source.ring, source.identity, own)
    return source.ring.name("child", source.identity, "document", document, ordinal)


def child_name(ring: Keyring, identity: str, own: str) -> bytes:
    """The key of a child by the id that its source gives it. identity: the name the source was first known by."""
    return ring.name("child", identity, own)


def keys(ring: Keyring, record: ChildRecord, systems: tuple[str, ...]) -> tuple[list[bytes], dict[str, bytes]]:
    """The keys under which records of any source about this child meet: its trusted NHS numbers and right UPNs, as far
    as they are of these systems. With them, by number, those of its NHS numbers that are in force.

    A number that is out of range, wrong, not verified or no longer in force stays in the record; nobody meets by it.
    """
    found, current = list[bytes](), dict[str, bytes]()
    person = record.person
    for one in (person.identifiers or ()) if person else ():
        if one.system in systems and one.removed is not True and _says_who(one):
            key = ring.name(str(one.system), str(one.value))
            found.append(key)
            if one.system == "nhs" and not _is_over(one):
                current[str(one.value)] = key
    return found, current


def meeting(ring: Keyring, record: ChildRecord) -> list[bytes]:
    """The name under which what sources say of one child is put together: that of its one trusted NHS number. A record
    with several different ones may be about two children: it meets nobody."""
    _, found = keys(ring, record, ("nhs",))
    return list(found.values()) if len(found) == 1 else []


def _is_over(number: Identifier) -> bool:
    return bool(number.period and isinstance(number.period.end, str))


def _says_who(number: Identifier) -> bool:
    is_old = number.use == "former"
    if number.system == "nhs":
        return is_trusted(number.value, status=number.status, is_old=is_old)
    return isinstance(number.value, str) and not is_old and not upn_fault(number.value)


__all__ = [
    "Source",
    "child_key",
    "child_name",
    "from_records",
    "incoming",
    "keys",
    "meeting",
    "picked",
    "read",
    "records",
]
