"""Forms of the common assessment (CAF) as FHIR R4: a QuestionnaireResponse a child, and beside it who the child is.

Read: Bundles (JSON, XML, JSON lines, folders and zips), single responses. Each response is a record; those of one
Reference in a Bundle are one form. Its tree is that of `caf`, and so is its mapping. Written: Bundles of a Patient,
QuestionnaireResponse, Consent and DocumentReference for each child, up to 100 forms each, or one where the hub sends
them; in a transaction every entry is conditional. Shape: `_caf_fhir.items`, `_caf_fhir.beside`, `_caf_fhir.reading`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from adapters._caf_fhir import beside, items
from adapters._caf_fhir.reading import FORM, Forms, status
from adapters._caf_schema import SCHEMA
from adapters._fhir.bundle import HUB
from adapters._fhir.check import faults
from adapters._fhir.names import restricting
from adapters._fhir.numbers import NHS_NUMBER, trusted_number
from adapters._fhir.request import request, token
from adapters._fhir.source import records, resources
from adapters._fhir.types import of
from adapters._fhir.write import uuid_of
from hub.adapter import Adapter, Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document, xmlout
from hub.wire.jsontext import dumps

EDITIONS = ("transaction", "collection")
"""Kinds of Bundle, as editions: which to write is a matter of the receiver, not of the form."""
LIMIT = 100
"""Most forms in one Bundle of a file."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


def read(document: Document) -> Iterator[Theirs | RecordError]:
    """Each response as a record of kind Form; a RecordError for what cannot be read, naming its place."""
    return records(document, _forms)


def _forms(resource: Tree, place: str, file: str) -> Iterator[Theirs | RecordError]:
    """The forms of one Bundle, or of a resource by itself."""
    if resource.get("resourceType") != "Bundle":
        yield from Forms([(resource, "", place)], file, {"edition": "collection"}).run()
        return
    is_sent = resource.get("type") in ("transaction", "batch")
    head: Tree = {"edition": "transaction" if is_sent else "collection"}
    if isinstance(resource.get("timestamp"), str):
        head["as_of"] = resource["timestamp"]
    listed = resource.get("entry", [])
    if not isinstance(listed, list) or not listed:
        told = "entry is no list" if not isinstance(listed, list) else "a Bundle without entries: it tells of no form"
        yield RecordError(told, file=file, place=place)
        return
    entries = []
    for n, one in enumerate(listed, 1):
        inner = beside.said(one, "resource")
        if type(inner) is not dict or beside.texts(one, "request", "method") in ("DELETE", "PATCH", "GET", "HEAD"):
            told = "an entry without a resource, or one that asks for something else than to keep it"
            yield RecordError(told, file=file, place=f"{place}, entry {n}")
        else:
            entries.append((inner, beside.texts(one, "fullUrl"), f"{place}, entry {n}"))
    yield from Forms(entries, file, head, bool(restricting(resource))).run()


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """Bundles, an entry a line. The children of one form that follow each other are in one Bundle; a child is in each
    Bundle once."""
    held: list[Theirs] = []
    children: set[str] = set()
    number = forms = 0
    last: Any = None
    for record in records:
        reference = record.tree.get("Reference") or None
        is_new = reference is None or reference != last
        if held and ((is_new and forms == LIMIT) or record.id in children):
            number += 1
            yield f"bundle-{number:04d}.json", _bundle(held, head)
            held, children, forms = [], set(), 0
        held.append(record)
        children.add(record.id)
        forms += is_new or not forms
        last = reference
    yield f"bundle-{number + 1:04d}.json" if number else "", _bundle(held, head)


def _bundle(records: list[Theirs], head: Tree) -> bytes:
    kind = str(head.get("edition") or EDITIONS[-1]) if records else "collection"
    as_of = (records[0].at if len(records) == 1 else "") or head.get("as_of")
    as_of = as_of if isinstance(as_of, str) and _INSTANT.fullmatch(as_of) else ""
    start: Tree = {"resourceType": "Bundle", "type": kind, **({"timestamp": as_of} if as_of else {})}
    entries = [entry for record in records for entry in _Entries(record, kind, as_of).run()]
    opened = dumps(start)
    if not entries:
        return opened + b"\n"
    return opened[:-1] + b',"entry":[\n' + b",\n".join(map(dumps, entries)) + b"\n]}\n"


class _Entries:
    """The entries of one record."""

    def __init__(self, record: Theirs, kind: str, as_of: str) -> None:
        tree = {"Child": {}, **xmlout.normal(record.tree)}
        self.kept = tree.pop(beside.KEPT, {})
        self.tree, self.kind, self.as_of = tree, kind, as_of
        self.child = beside.texts(tree, "Child", "Id") or record.id
        self.system = f"{HUB}{record.source or 'hub'}"
        form = beside.texts(tree, "Reference")
        self.own = f"form/{quote(self.child, safe='')}" + (f"/{quote(form, safe='')}" if form else "")
        self.made: list[Tree] = []

    def run(self) -> list[Tree]:
        """The Patient first, then the answers and what is said about them; nothing more of a form without a number."""
        subject = self._subject()
        form = {"reference": self._url(FORM)}
        kept = beside.said(self.kept, FORM) or {}
        self._put(
            FORM,
            {
                "identifier": {"system": self.system, "value": self.own},
                "status": status(self.tree),
                **(kept if self.kind == "collection" else {k: v for k, v in kept.items() if k != "identifier"}),
                "questionnaire": f"{items.CANONICAL}|{items.VERSION}",
                "subject": subject,
                "item": items.written(self.tree),
            },
        )
        if self.tree.get("Reference"):
            said = self._whole("Consent")
            self._put("Consent", self._named({**said, "patient": subject, "sourceReference": form}))
            said = self._whole("DocumentReference")
            said["context"] = {**(said.get("context") or {}), "related": [form]}
            self._put("DocumentReference", self._named({**said, "subject": subject}))
        return self.made

    def _whole(self, name: str) -> Tree:
        return beside.whole(name, {**self.tree, beside.KEPT: self.kept}, self.as_of)

    def _url(self, name: str) -> str:
        return f"urn:uuid:{uuid_of(f'{self.system}|{self.own}|{name}')}"

    def _named(self, body: Tree) -> Tree:
        """The resource with an identifier of the hub's behind its own ones."""
        return {**body, "identifier": [*body.get("identifier", ()), {"system": self.system, "value": self.own}]}

    def _subject(self) -> Tree:
        """The reference to the child; its Patient is an entry, but not where the sender's own stands elsewhere, nor
        before birth."""
        kept = beside.said(self.kept, FORM, "subject") or {}
        number = {"system": self.system, "value": self.child}
        if "reference" in kept or "identifier" in kept:
            other = {"identifier": [kept["identifier"]] if "identifier" in kept else []}
            if not next(beside.contradictions("Patient", other, self.tree), ""):
                return dict(kept)
            kept = {}
        if beside.is_unborn(self.tree):
            return {"type": "Patient", "identifier": number, **kept}
        body = self._whole("Patient")
        self._put("Patient", {**body, "identifier": [*body.get("identifier", ()), number]}, number)
        return {"reference": self._url("Patient"), **kept}

    def _put(self, name: str, body: Tree, number: Tree | None = None) -> None:
        """An entry. number: of the hub's for a Patient, who is made where there is none and never overwritten."""
        own = body.pop("id", None)
        held: Tree = {"resourceType": name}
        if self.kind == "collection" and isinstance(own, str) and _ID.fullmatch(own):
            held["id"] = own
        places = {element: n for n, element in enumerate(of(name))}
        held |= dict(sorted(body.items(), key=lambda one: places.get(one[0].removeprefix("_"), -1)))
        entry: Tree = {"fullUrl": self._url(name), "resource": held}
        if self.kind == "transaction":
            if not self.child:
                raise RecordError("nothing by which a server could know this form again: the child's Id is missing")
            condition = token(self.system, self.own)
            if number is not None:
                trusted = trusted_number(held.get("identifier"))
                condition = token(NHS_NUMBER, trusted) if trusted else token(number["system"], number["value"])
            entry["request"] = request(name, condition, create=number is not None)
        self.made.append(entry)


def normal(tree: Tree) -> Tree:
    """A tree as the format can hold it: without what it cannot tell from nothing, and always with a Child."""
    return {"Child": {}, **xmlout.normal(tree)}


def make_head(as_of: str, edition: str) -> Tree:
    """The head of a document made from another format."""
    return {"as_of": as_of, "edition": edition or EDITIONS[-1]}


def check(document: Document) -> Iterator[RecordError]:
    """What breaks FHIR R4, by path, as `fhir_r4` has it; and what breaks the questionnaire."""
    for part in document.parts():
        label = document.label(part)
        for place, resource in resources(document, part):
            if isinstance(resource, RecordError):
                yield resource
                continue
            for path, reason in (*faults(resource), *_breaches(resource)):
                yield RecordError(reason, file=label, place=f"{place}, {path}")


def _breaches(resource: Tree) -> Iterator[tuple[str, str]]:
    name = beside.texts(resource, "resourceType")
    if name == "Bundle":
        for n, entry in enumerate(beside.listed(resource, "entry")):
            inner = beside.said(entry, "resource")
            if beside.texts(inner, "resourceType") == FORM:
                yield from _broken(inner, f"Bundle.entry[{n}].resource")
    elif name == FORM:
        yield from _broken(resource, FORM)
    else:
        yield "resourceType", "neither a Bundle nor a QuestionnaireResponse"


def _broken(response: Tree, path: str) -> Iterator[tuple[str, str]]:
    if response.get("questionnaire") != f"{items.CANONICAL}|{items.VERSION}":
        yield f"{path}.questionnaire", f"{items.CANONICAL}|{items.VERSION} is expected"
    if "subject" not in response:
        yield f"{path}.subject", "a required element is missing"
    yield from items.breaches(response.get("item"), path)


adapter = Adapter(
    name="caf_fhir",
    read=read,
    write=write,
    schemas={"Form": SCHEMA},
    editions=EDITIONS,
    suffix=".json",
    limit=1,
    head=make_head,
    normal=normal,
    check=check,
)
