"""FHIR R4 with UK Core: Bundles of a Patient and what hangs on it, from JSON or XML, written as JSON.

Read: Bundles of every kind, single resources, JSON lines, and folders or zips of them; a record is one patient, or says
that one takes another's place (`Merge`), and its edition is the kind of Bundle (`transaction`, `message`, else
`collection`). Written: Bundles of up to 100 patients, or of one where the hub sends them, so that each is
done or refused by itself, and always of one in a message or a merge; several Bundles are parts `bundle-0001.json` and
so on. Shape: `_fhir.shape`, `_fhir.tree`, `_fhir.links`, `_fhir.write`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256

from adapters._fhir.bundle import Bundle, Entry
from adapters._fhir.check import faults
from adapters._fhir.links import MERGE
from adapters._fhir.names import restricting
from adapters._fhir.request import deleted, is_deletion, is_patch, patched
from adapters._fhir.schema import MERGE as MERGE_SCHEMA
from adapters._fhir.schema import SCHEMA
from adapters._fhir.source import records, resources
from adapters._fhir.tree import theirs
from adapters._fhir.write import Entries
from hub.adapter import Adapter, Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document
from hub.wire.jsontext import dumps

EDITIONS = ("collection", "message", "transaction")
"""Kinds of Bundle, as editions: which to write is a matter of the receiver, not of the record."""
LIMIT = 100
"""Most patients in one Bundle of a file."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_EVENTS = {"Patient": "child-record", MERGE: "child-merge"}
"""By kind, what a message of it is about."""


def read(document: Document) -> Iterator[Theirs | RecordError]:
    """A record a patient, of kind Patient; a RecordError for each resource that is not read, naming its place."""
    return records(document, _records)


def _records(resource: Tree, place: str, file: str) -> Iterator[Theirs | RecordError]:
    """The records of one Bundle, or of a resource by itself."""
    if resource.get("resourceType") != "Bundle":
        yield from theirs(Bundle([Entry(resource, "", place)], file), {"edition": EDITIONS[0]}, EDITIONS[0])
        return
    kind = {"transaction": "transaction", "batch": "transaction", "message": "message"}
    said = resource.get("type")
    edition = kind.get(said, EDITIONS[0]) if isinstance(said, str) else EDITIONS[0]
    head: Tree = {"edition": edition}
    if isinstance(resource.get("timestamp"), str):
        head["as_of"] = resource["timestamp"]
    if "implicitRules" in resource:
        told = "implicitRules, which the hub does not know, may change what all else means"
        yield RecordError(told, file=file, place=f"{place} (Bundle)")
        return
    listed = resource.get("entry", [])
    if not isinstance(listed, list):
        yield RecordError("entry is no list", file=file, place=place)
        return
    if not listed:
        yield RecordError("a Bundle without entries: it tells of no patient", file=file, place=place)
    entries = []
    for n, one in enumerate(listed, 1):
        inner = one.get("resource") if isinstance(one, dict) else None
        if isinstance(one, dict) and (is_patch(one) or is_deletion(one)):
            try:
                inner = patched(one) if is_patch(one) else deleted(one)
            except RecordError as error:
                yield RecordError(error.reason, file=file, place=f"{place}, entry {n}")
                continue
        if isinstance(inner, dict):
            url = one.get("fullUrl")
            entries.append(Entry(inner, url if isinstance(url, str) else "", f"{place}, entry {n}"))
        else:
            yield RecordError(
                "an entry without a resource: there is nothing to read", file=file, place=f"{place}, entry {n}"
            )
    yield from theirs(Bundle(entries, file, restricting(resource)), head, edition)


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """Bundles, an entry a line. RecordError for a patient who could not be found again, and what JSON cannot hold."""
    kind = head.get("edition") or EDITIONS[-1]
    most = 1 if kind == "message" else LIMIT
    held: list[Theirs] = []
    number = 0
    for record in records:
        if len(held) == most or (held and MERGE in (held[0].kind, record.kind)):
            number += 1
            yield f"bundle-{number:04d}.json", _bundle(held, kind, head)
            held = []
        held.append(record)
    yield f"bundle-{number + 1:04d}.json" if number else "", _bundle(held, kind, head)


def _bundle(records: list[Theirs], kind: str, head: Tree) -> bytes:
    shared: dict[tuple[str, str], Tree] = {}
    entries: list[Tree] = []
    for record in records:
        made = Entries(record, kind, shared)
        found = made.replacing() if record.kind == MERGE else made.run()
        if kind == "message":
            said = record.head.get("MessageHeader") or head.get("MessageHeader") or _header(record.kind)
            key = record.key or sha256(b"".join(map(dumps, found))).hexdigest()
            made.made = []
            found = [made.header(said, key), *made.made, *found]
        entries += found
    start: Tree = {"resourceType": "Bundle", "type": kind if records else EDITIONS[0]}
    as_of = (records[0].at if len(records) == 1 else "") or head.get("as_of")
    if isinstance(as_of, str) and _INSTANT.fullmatch(as_of):
        start["timestamp"] = as_of
    opened = dumps(start)
    if not entries:
        return opened + b"\n"
    return opened[:-1] + b',"entry":[' + b",\n".join(map(dumps, entries)) + b"]}\n"


def _header(kind: str) -> Tree:
    return {
        "eventCoding": {"system": "urn:ics-hub:events", "code": _EVENTS[kind]},
        "source": {"name": "ICS Hub", "endpoint": "urn:ics-hub"},
    }


def normal(tree: Tree) -> Tree:
    """A tree without what merges say again. What FHIR cannot tell apart is made the same by reading."""
    return {key: value for key, value in tree.items() if key != "replaces"} if "replaces" in tree else tree


def make_head(as_of: str, edition: str) -> Tree:
    """The head of a document made from another format."""
    return {"as_of": as_of, "edition": edition or EDITIONS[-1]}


def check(document: Document) -> Iterator[RecordError]:
    """What breaks FHIR R4, by path: structure, types, required bindings, references, invariants, and fhir.resources."""
    for part in document.parts():
        label = document.label(part)
        for place, resource in resources(document, part):
            if isinstance(resource, RecordError):
                yield resource
                continue
            for path, reason in faults(resource):
                yield RecordError(reason, file=label, place=f"{place}, {path}")


adapter = Adapter(
    name="fhir_r4",
    read=read,
    write=write,
    schemas={"Patient": SCHEMA, MERGE: MERGE_SCHEMA},
    editions=EDITIONS,
    suffix=".json",
    limit=1,
    shared=("person",),
    normal=normal,
    head=make_head,
    check=check,
)
