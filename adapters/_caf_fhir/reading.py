"""The forms of a Bundle: which Patient, Consent and DocumentReference are whose, and that they agree."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapters._caf_fhir import beside, items
from adapters._fhir.bundle import HUB, outcome
from adapters._fhir.names import restricting
from adapters._fhir.types import RESOURCES
from hub.adapter import Theirs, Tree
from hub.errors import RecordError

FORM = "QuestionnaireResponse"
_LINKED = {"Consent": ("patient", ("sourceReference",)), "DocumentReference": ("subject", ("context", "related"))}
"""By type: the element that names the child, and the one that names the form."""
_MADE = {
    FORM: frozenset(["resourceType", "questionnaire", "item", "subject"]),
    "Patient": frozenset(["resourceType"]),
    "Consent": frozenset(["resourceType", "patient", "sourceReference"]),
    "DocumentReference": frozenset(["resourceType", "subject"]),
}
"""The elements that the hub makes by itself."""


def status(tree: Tree) -> str:
    """The status of a response: a form without a number is not begun."""
    return "completed" if tree.get("Reference") else "in-progress"


@dataclass(eq=False)
class _Entry:
    type: str
    resource: Tree
    place: str
    used: bool = False


class Forms:
    """The forms of a Bundle, or of a response by itself. entries: resource, fullUrl and place; is_restricted: a label
    restricts who may see the Bundle."""

    def __init__(
        self, entries: list[tuple[Tree, str, str]], file: str, head: Tree, is_restricted: bool = False
    ) -> None:
        self.file, self.head, self.is_restricted = file, head, is_restricted
        self.refused: list[RecordError] = []
        self.by_url: dict[str, _Entry] = {}
        self.entries: list[_Entry] = []
        for resource, url, place in entries:
            self._take(resource, url, place)

    def _refuse(self, reason: str, entry: _Entry) -> None:
        self.refused.append(RecordError(reason, file=self.file, place=f"{entry.place} ({entry.type})"))

    def _take(self, resource: Tree, url: str, place: str) -> None:
        name = resource.get("resourceType")
        entry = _Entry(name if isinstance(name, str) and name in RESOURCES else "?", resource, place)
        if entry.type == "OperationOutcome":
            self._refuse(f"an answer that says what went wrong, and no form: {outcome(resource)}", entry)
        elif entry.type == "Questionnaire" and resource.get("url") == items.CANONICAL:
            return  # the questions themselves, which are known
        elif entry.type not in _MADE:
            self._refuse("beside forms the hub does not read this kind of resource", entry)
        else:
            own = resource.get("id")
            names = {one for one in (url, f"{name}/{own}" if isinstance(own, str) else "") if one}
            if names & self.by_url.keys():
                self._refuse("a resource of the same id came before", entry)
                return
            self.by_url |= dict.fromkeys(names, entry)
            self.entries.append(entry)

    def run(self) -> Iterator[Theirs | RecordError]:
        """Each form's record, those of one Reference together; one of them that cannot be read takes the others along,
        for they would go on as a form that never knew this child."""
        forms: dict[object, list[Theirs | RecordError]] = {}
        for entry in self.entries:
            if entry.type == FORM:
                forms.setdefault(_reference(entry.resource) or entry, []).append(self._tried(entry))
        for reference, found in forms.items():
            yield from _together(reference if isinstance(reference, str) else "", found, self.file)
        for entry in self.entries:
            if not entry.used and entry.type != FORM:
                self._refuse("no form of this Bundle is about it", entry)
        yield from self.refused

    def _tried(self, entry: _Entry) -> Theirs | RecordError:
        try:
            return self._form(entry)
        except RecordError as error:
            place = error.place if error.place.startswith(("record", "line")) else f"{entry.place}, {error.place}"
            ids = (_child_id(entry.resource),)
            return RecordError(error.reason, file=self.file, place=place.removesuffix(", "), ids=ids)

    def _form(self, entry: _Entry) -> Theirs:
        response = entry.resource
        others = self._beside(entry)  # even where the answers cannot be read: nobody else's
        canonical, _, version = beside.texts(response, "questionnaire").partition("|")
        if canonical != items.CANONICAL or version not in ("", items.VERSION):
            raise RecordError("answers another questionnaire, or another version of it", place="questionnaire")
        if beside.texts(response, "status") in ("entered-in-error", ""):
            raise RecordError("a response that was entered in error, or that has no status, is no form", place="status")
        for one in (entry, *others.values()):
            if "modifierExtension" in one.resource:
                raise RecordError("an extension changes what this means, and nobody knows how", place=one.place)
            if "implicitRules" in one.resource:
                raise RecordError("it is to be read by rules (implicitRules) that nobody knows", place=one.place)
            if self.is_restricted or restricting(one.resource):
                raise RecordError("a label restricts who may see it, which a form cannot say", place=one.place)
        tree = items.read(response)
        known = beside.texts(tree, "Child", "Id")
        if not known:
            raise RecordError("the child's Id is missing", place="Child.Id")
        kept = self._kept(entry, others, tree)
        if kept:
            tree[beside.KEPT] = kept
        return Theirs("Form", known, tree, self.head, self.head["edition"], entry.place)

    def _kept(self, entry: _Entry, others: dict[str, _Entry], tree: Tree) -> Tree:
        """What the resources say besides the answers. RecordError where one contradicts them."""
        as_of = self.head.get("as_of", "")
        kept = {}
        for name, one in others.items():
            fault = next(beside.contradictions(name, one.resource, tree), "")
            if fault:
                raise RecordError(f"{name} says other than the answers: {fault}", place=one.place)
            try:
                kept[name] = beside.left(name, one.resource, tree, as_of, _MADE[name])
            except RecordError as error:
                raise RecordError(error.reason, place=f"{one.place}, {error.place}") from None
            if name == "DocumentReference":
                _related(kept[name])
        held = entry.resource
        left = {key: value for key, value in held.items() if key not in _MADE[FORM] and beside.says(value)}
        if left.get("status") == status(tree):
            del left["status"]
        if "identifier" in left and not beside.strange(left["identifier"]):
            del left["identifier"]
        subject = self._subject(held.get("subject"), "Patient" in others, tree)
        if subject:
            left["subject"] = subject
        return copy.deepcopy({name: one for name, one in {FORM: left, **kept}.items() if one})

    def _subject(self, said: Any, is_here: bool, tree: Tree) -> Tree:
        """What a reference to the child says besides. RecordError where it means another, or no child."""
        if said is None:
            return {}
        if type(said) is not dict:
            raise RecordError("the subject is no reference", place="subject")
        found = self._find(said)
        if (found is not None and found.type != "Patient") or said.get("type", "Patient") != "Patient":
            raise RecordError("the subject of a form is one child; each child of a form has its own", place="subject")
        number = said.get("identifier")
        if number is not None and next(beside.contradictions("Patient", {"identifier": [number]}, tree), ""):
            raise RecordError("the subject is another than Child.Identifiers says", place="subject")
        is_ours = is_here or beside.texts(number, "system").startswith(HUB)
        told = {key: one for key, one in said.items() if beside.says(one)}
        return {key: one for key, one in told.items() if not is_ours or key not in ("reference", "type", "identifier")}

    # ------------------------------------------------------------------------------------------------- whose is what

    def _find(self, said: Any) -> _Entry | None:
        return self.by_url.get(beside.texts(said, "reference").partition("/_history/")[0])

    def _beside(self, entry: _Entry) -> dict[str, _Entry]:
        """The resources that stand beside a response, by type."""
        found: dict[str, _Entry] = {}
        child = self._find(entry.resource.get("subject"))
        if child is not None and child.type == "Patient":
            found["Patient"] = child
        for other in self.entries:
            if other.type in _LINKED and self._is_about(other, entry, child):
                other.used = True
                if other.type in found:
                    self._refuse("a second one about the same form", other)
                found.setdefault(other.type, other)
        if child is not None:
            child.used = True
        return found

    def _is_about(self, other: _Entry, entry: _Entry, child: _Entry | None) -> bool:
        subject, path = _LINKED[other.type]
        told = beside.said(other.resource, *path)
        if told is not None:
            return any(self._find(one) is entry for one in (told if type(told) is list else [told]))
        forms = [one for one in self.entries if one.type == FORM and self._find(one.resource.get("subject")) is child]
        return child is not None and self._find(other.resource.get(subject)) is child and forms == [entry]


def _related(kept: Tree) -> None:
    """Take away that a DocumentReference is about the form."""
    context = kept.get("context")
    if type(context) is dict:
        left = {key: one for key, one in context.items() if key != "related" and beside.says(one)}
        kept["context"] = left
        if not left:
            del kept["context"]


def _reference(response: Tree) -> str:
    """The Reference of a response, as far as it can be read at all."""
    return _answered(response, "Reference")


def _child_id(response: Tree) -> str:
    """The child's Id, as far as it can be read at all."""
    children = [one for one in beside.listed(response, "item") if one.get("linkId") == "Child"]
    return _answered(children[0], "Child.Id") if children else ""


def _answered(holder: Tree, link: str) -> str:
    for item in beside.listed(holder, "item"):
        if item.get("linkId") == link:
            return next((beside.texts(one, "valueString") for one in beside.listed(item, "answer")), "")
    return ""


def _together(reference: str, found: list[Theirs | RecordError], file: str) -> Iterator[Theirs | RecordError]:
    good = [one for one in found if isinstance(one, Theirs)]
    bad = [one for one in found if isinstance(one, RecordError)]
    seen: set[str] = set()
    for one in good:
        if one.id in seen:
            told = "the child's Id stands in this form before"
            bad.append(RecordError(told, file=file, place=one.place, ids=(one.id,)))
        seen.add(one.id)
    ids = list(dict.fromkeys(one.id for one in good))
    for error in bad:
        others = (one for one in ids if one not in error.ids)
        yield RecordError(error.reason, file=error.file, place=error.place, ids=(*error.ids, *others))
    for one in [] if bad else good:
        if len(good) > 1:
            one.group = reference
        yield one


__all__ = ["FORM", "Forms", "status"]
