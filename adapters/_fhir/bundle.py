"""The resources of a Bundle: which are read, by what names they are known, and which hang on which patient."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from adapters._fhir.names import restricting
from adapters._fhir.shape import ENTITIES, SUBJECTS, Tree, shape
from adapters._fhir.types import RESOURCES
from hub.errors import RecordError
from hub.wire.jsontext import TRUE

HUB = "urn:ics-hub:id:"
"""Identifiers with a system that begins so are the hub's own: by them a server knows what it had from us before."""
_CODE = re.compile(r"[A-Za-z][A-Za-z_-]{2,60}")
UUID = "urn:uuid:"


@dataclass(eq=False)
class Entry:
    """One resource of a Bundle. url: its fullUrl; patient: the key of the patient it hangs on; nested: it stands
    within another resource of its tree; used: something refers to it."""

    resource: Tree
    url: str
    place: str
    type: str = ""
    id: str = ""
    patient: str = ""
    nested: bool = False
    used: bool = False


@dataclass
class Record:
    """A patient with all that hangs on it. said: the reference by which a patient outside the Bundle is known.
    followed: those of its links that say whose place it takes, or who takes its; gone: another takes its place."""

    patient: Entry | None = None
    said: Tree = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    followed: set[int] = field(default_factory=set)
    gone: bool = False


class Bundle:
    """The resources of one Bundle, or a single one. Nothing here raises for what a resource holds.

    labels: those that restrict the Bundle; they are of every patient in it, as are those of its MessageHeader.
    """

    def __init__(self, entries: list[Entry], file: str, labels: list[Tree] | None = None) -> None:
        self.file = file
        self.labels = list(labels or ())
        self.refused: list[RecordError] = []
        self.by_url: dict[str, Entry] = {}
        self.header: Entry | None = None
        self.entries = [one for one in entries if self._take(one)]
        self.records: dict[str, Record] = {}
        for entry in self.entries:
            if entry.type == "Patient":
                self.records[entry.url] = Record(entry)
        for entry in self.entries:
            if entry.type in SUBJECTS:
                self._attach(entry)

    def refuse(self, reason: str, entry: Entry) -> None:
        """Note that a resource, or what it says, is not read."""
        place = f"{entry.place} ({entry.type})" if entry.type else entry.place
        self.refused.append(RecordError(reason, file=self.file, place=place))

    def _take(self, entry: Entry) -> bool:
        """Whether a resource is one that can be read; it is known by its url and its name from now on."""
        said = entry.resource.get("resourceType")
        if not isinstance(said, str) or said not in RESOURCES:
            self.refuse("no resourceType says what this is, or one that FHIR does not have", entry)
            return False
        entry.type = said
        if said == "OperationOutcome":
            self.refuse(f"an answer that says what went wrong, and no record: {outcome(entry.resource)}", entry)
            return False
        if said not in SUBJECTS and said not in ENTITIES and said not in ("Patient", "MessageHeader"):
            self.refuse("the hub does not read this kind of resource", entry)
            return False
        if _is_modified(entry.resource):
            self.refuse("a modifierExtension, which the hub does not know, may change what all else means", entry)
            return False
        if _is_under_rules(entry.resource):
            self.refuse("implicitRules, which the hub does not know, may change what all else means", entry)
            return False
        if _is_restricted(entry.resource, said):
            self.refuse(
                "a label of its own restricts who may see it, which the record says of a whole child alone", entry
            )
            return False
        if entry.resource.get("doNotPerform") == TRUE:
            self.refuse("doNotPerform: it asks that something not be done, which the record cannot say", entry)
            return False
        own = entry.resource.get("id")
        entry.id = own if isinstance(own, str) else hub_id(entry.resource, entry.type)
        if not entry.id and (entry.type != "Patient" or not entry.resource.get("identifier")):
            entry.id = entry.url.removeprefix(UUID) if entry.url.startswith(UUID) else ""
        if said == "MessageHeader":
            self.header = entry
            self.labels += restricting(entry.resource)
        entry.url = entry.url or f"{said}/{entry.id or entry.place}"
        names = {entry.url, f"{said}/{own}" if isinstance(own, str) else entry.url}
        if names & self.by_url.keys():
            self.refuse("a resource of the same id came before", entry)
            return False
        self.by_url |= dict.fromkeys(names, entry)
        return True

    def _attach(self, entry: Entry) -> None:
        said = entry.resource.get(SUBJECTS[entry.type])
        if not isinstance(said, dict):
            self.refuse(f"{SUBJECTS[entry.type]} names no patient", entry)
            return
        target = self.find(said)
        key = target.url if target is not None else self._outside(said)
        if not key:
            self.refuse(f"{SUBJECTS[entry.type]} names no patient that could be told apart", entry)
        elif (target is not None and target.type != "Patient") or not _may_be_patient(said):
            self.refuse(f"{SUBJECTS[entry.type]} is not a patient", entry)
        else:
            entry.patient = key
            self.records.setdefault(key, Record(None, said)).entries.append(entry)

    def _outside(self, said: Tree) -> str:
        """The key of a patient who is not in the Bundle; or of one who is, when the reference is by identifier."""
        number = said.get("identifier")
        if isinstance(number, dict) and isinstance(number.get("value"), str):
            held = self.holder(number)
            if held is not None or not is_sent(said):
                return held.url if held is not None else f"{number.get('system')}|{number['value']}"
        text = said.get("reference")
        return text if isinstance(text, str) and not text.startswith("#") else ""

    def holder(self, number: Tree) -> Entry | None:
        """The Patient that carries an identifier, if it is here."""
        for record in self.records.values():
            held = record.patient.resource.get("identifier") if record.patient else None
            if isinstance(held, list) and any(_is_same(one, number) for one in held):
                return record.patient
        return None

    def shielded(self, record: Record, patient: Tree) -> Tree:
        """The tree of a Patient with the labels that restrict its whole Bundle."""
        if not self.labels:
            return patient
        own = record.patient.resource.get("meta") if record.patient and not record.gone else None
        meta = own if isinstance(own, dict) else {}
        held = meta.get("security")
        labels = [*(held if isinstance(held, list) else ()), *self.labels]
        return {**patient, "meta": shape({**meta, "security": labels}, "Meta")}

    def find(self, said: Tree) -> Entry | None:
        """The resource that a Reference points at, if it is here."""
        text = said.get("reference")
        return self.by_url.get(text.partition("/_history/")[0]) if isinstance(text, str) else None


def _is_modified(value: Any) -> bool:
    """Whether a modifierExtension stands in a resource or in what it holds: who does not know it may not go on."""
    if type(value) is list:
        return any(map(_is_modified, value))
    return type(value) is dict and bool(value.get("modifierExtension") or any(map(_is_modified, value.values())))


def _is_under_rules(resource: Tree) -> bool:
    """Whether a resource, or one contained in it, is to be read by rules of the sender's."""
    return any("implicitRules" in one for one in _each(resource))


def _is_restricted(resource: Tree, name: str) -> bool:
    """Whether a label restricts who may see a resource, or one contained in it. name: its type; the label of a Patient
    shields the child, and that of a MessageHeader all whom the message is about."""
    return any(map(restricting, _each(resource)[name in ("Patient", "MessageHeader") :]))


def _each(resource: Tree) -> list[Tree]:
    held = resource.get("contained")
    return [resource, *(one for one in (held if type(held) is list else ()) if type(one) is dict)]


def is_sent(said: Tree) -> bool:
    """Whether a Reference to a patient has both the hub's identifier and the id in it: that of a deletion."""
    number, text = said.get("identifier"), said.get("reference")
    if not isinstance(number, dict) or not str(number.get("system", "")).startswith(HUB):
        return False
    return isinstance(text, str) and text == f"Patient/{number.get('value')}"


def outcome(resource: Tree) -> str:
    """The codes of an OperationOutcome: words of FHIR and of the service, never its texts."""
    found = []
    for issue in resource.get("issue") or []:
        details = issue.get("details") if isinstance(issue, dict) else None
        codings = details.get("coding") if isinstance(details, dict) else None
        listed = codings if isinstance(codings, list) else []
        for code in (issue.get("code"), *(one.get("code") for one in listed if isinstance(one, dict))):
            if isinstance(code, str) and _CODE.fullmatch(code):
                found.append(code)
    return ", ".join(dict.fromkeys(found)) or "it does not say what"


def hub_id(resource: Tree, name: str) -> str:
    """The id under which the hub sent a resource, else ""; that of what hangs on a patient stands behind a slash."""
    for one in resource.get("identifier") or ():
        if isinstance(one, dict) and str(one.get("system", "")).startswith(HUB) and isinstance(one.get("value"), str):
            value: str = one["value"]
            return unquote(value.rpartition("/")[2]) if name in SUBJECTS else value
    return ""


def _may_be_patient(said: Tree) -> bool:
    text, kind = said.get("reference"), said.get("type", "Patient")
    parts = text.split("/") if isinstance(text, str) else []
    other = len(parts) > 1 and parts[-2] in RESOURCES and parts[-2] != "Patient"
    return kind == "Patient" and not other


def _is_same(one: Any, number: Tree) -> bool:
    return isinstance(one, dict) and (one.get("system"), one.get("value")) == (number.get("system"), number["value"])


__all__ = ["HUB", "UUID", "Bundle", "Entry", "Record", "hub_id", "is_sent", "outcome"]
