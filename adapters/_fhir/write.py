"""From a tree to the entries of a Bundle: resources, how they refer to each other, and what a server is asked to do.

Entities with an id, and all that hangs on the patient, are entries; entities without an id are contained. In a
transaction every entry is conditional, so that sending it twice does what sending it once does: the patient by the NHS
number with its system where that can be trusted, all else by an identifier of the hub's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha1
from typing import Any
from urllib.parse import quote
from uuid import UUID

from adapters._fhir.bundle import HUB
from adapters._fhir.form import unshape
from adapters._fhir.links import MERGE
from adapters._fhir.numbers import NHS_NUMBER, is_over, trusted_number
from adapters._fhir.request import ERASED, deletion, patch, request, token
from adapters._fhir.shape import ENTITIES, FOLLOWS, SUBJECTS, Tree, shape
from adapters._fhir.tree import EPISODE, FLAG_DETAIL, INTERPRETER, NHS_COMMUNICATION, NHS_LANGUAGE
from hub.adapter import Theirs
from hub.errors import RecordError
from hub.wire.jsontext import FALSE

NATIONAL = ("https://fhir.nhs.uk/Id/", "https://fhir.hl7.org.uk/Id/")
"""Systems of numbers that bodies of the NHS give: what bears one is made where it is missing, never overwritten."""

_SPACE = UUID("6f0c1c3e-6a0b-5d0e-9d7c-2f1f6a1b7c55").bytes
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_ERASED = {name: shape(said, name) for name, said in ERASED.items()}
_WRONG = "entered-in-error"
_NESTED = (*ENTITIES, "CareTeam")


class Entries:
    """The entries of one record. kind: of the Bundle; shared: entities of records before it in the same Bundle."""

    def __init__(self, record: Theirs, kind: str, shared: dict[tuple[str, str], Tree]) -> None:
        self.tree, self.kind, self.shared, self.at = record.tree, kind, shared, record.at
        own = self.tree.get("id")
        self.id = own if isinstance(own, str) else record.id if record.kind == MERGE else ""
        self.system = f"{HUB}{record.source or 'hub'}"
        self.key = f"{self.system}|{record.id or self.id}"
        self.made: list[Tree] = []
        self.contained: list[Tree] = []
        self.known: dict[str, str] = {}
        self.patient = ""

    def run(self) -> list[Tree]:
        """All entries, the patient first. RecordError for a patient by whom a server could not know the child again."""
        patient = {key: value for key, value in self.tree.items() if key not in SUBJECTS and key != "id"}
        below = {name: [one for one in self.tree.get(name) or () if type(one) is dict] for name in SUBJECTS}
        contacts = [one for one in below["RelatedPerson"] if one.get("contact") == "true"]
        if contacts:
            patient["contact"] = [_contact_out(one) for one in contacts if one.get("active") != FALSE]
            below["RelatedPerson"] = [one for one in below["RelatedPerson"] if one.get("contact") != "true"]
        for name, item in _listed(below):
            self.known.setdefault(f"{name}/{item['id']}", self._url(name, _mark(name, item) + item["id"]))
        self.patient = self._url("Patient", "") if patient else f"Patient/{self.id}"
        if patient:
            self._put_patient(patient)
        below["CareTeam"] = _teams(below["CareTeam"])
        for name, items in below.items():
            for item in items:
                self.resource(name, item)
        return self.made

    def replacing(self) -> list[Tree]:
        """The entries of a merge. RecordError where it does not say which record stays and which one goes.

        In a transaction each Patient is patched, found by the id under which the hub sent it, and by nothing else: a
        PUT would leave nothing of it but the link. Other Bundles tell of both, the one that goes first.
        """
        goes, said = self.tree.get("superseded"), self.tree.get("Patient")
        if not (self.id and isinstance(goes, str) and goes) or goes == self.id:
            raise RecordError("a merge says which record stays and which other one goes")
        self.patient = f"urn:uuid:{uuid_of(f'{self.system}|{self.id}|Patient|')}"
        if self.kind == "transaction":
            return [
                patch(self.system, goes, [("active", FALSE), ("link", [self._link(self.id, "replaced-by")])]),
                patch(self.system, self.id, [("link", [self._link(goes, "replaces")])]),
            ]
        gone = said if type(said) is dict else {}
        links = [*gone.get("link", ()), {"other": {"reference": self.patient}, "type": "replaced-by"}]
        url = f"urn:uuid:{uuid_of(f'{self.system}|{goes}|Patient|')}"
        back = {"link": [{"other": {"reference": url}, "type": "replaces"}]}
        body = unshape({"active": FALSE, **gone, "link": links}, "Patient", self.refer)
        self._entry("Patient", goes, body, url, goes)
        self._entry("Patient", self.id, back, self.patient, self.id)
        return self.made

    def _link(self, other: str, said: str) -> Tree:
        """A link by identifier: no server follows references within a patch alike."""
        number = {"system": self.system, "value": other}
        return {"other": {"type": "Patient", "identifier": number}, "type": said}

    def header(self, said: Tree, key: str) -> Tree:
        """The entry of a MessageHeader about this record. key: of the message; the same message has the same id."""
        own = {name: value for name, value in said.items() if name != "id"}
        body = unshape({**own, "focus": [{"reference": self.patient}]}, "MessageHeader", self.refer)
        name = said["id"] if isinstance(said.get("id"), str) else uuid_of(f"message|{key}")
        return {"fullUrl": f"urn:uuid:{name}", "resource": {"resourceType": "MessageHeader", "id": name, **body}}

    def _url(self, name: str, own: str) -> str:
        return f"urn:uuid:{uuid_of(f'{self.key}|{name}|{own}')}"

    def _put_patient(self, patient: Tree) -> None:
        _languages_out(patient)
        links = patient.pop("replaces", None)
        if type(links) is list and self.kind == "transaction":  # a PUT would take them away; elsewhere merges say so
            patient["link"] = [*patient.get("link", ()), *links]
        only = patient.keys() <= {"identifier"}  # all that is known of the patient
        body = unshape(patient, "Patient", self.refer)
        if type(listed := body.get("identifier")) is list:
            body["identifier"] = [{**one, "use": "old"} if is_over(one, self.at) else one for one in listed]
        number = trusted_number(body.get("identifier"))
        self._entry("Patient", self.id, body, self.patient, self.id)
        if self.kind != "transaction":
            return
        if not number and not self.id:
            raise RecordError(
                "nothing by which a server could know this patient again: no trusted NHS number and no id"
            )
        condition = token(NHS_NUMBER, number) if number else token(self.system, self.id)
        self.made[-1]["request"] = request("Patient", condition, create=only)

    def resource(self, name: str, item: Tree, within: str = "") -> str:
        """What hangs on the patient, with what stands within it, as entries; its url. within: the id of what it stands
        in, by which it is known where it has none of its own."""
        outer, self.contained = self.contained, []
        mark = _mark(name, item)
        item = dict(item)
        own = item.pop("id", "")
        url = self._url(name, mark + (own or f"#{within or len(self.made)}"))
        if own and self.kind == "transaction" and item == _ERASED.get(name):
            self.made.append(deletion(name, token(self.system, self._inner(mark, own))))
            return url
        subject = item.get(SUBJECTS[name])
        item[SUBJECTS[name]] = {**(subject if type(subject) is dict else {}), "reference": self.patient}
        if name == "Flag":
            self._put_plan(item, own)
        task = item.pop("Task", None) if name == "ServiceRequest" else None
        body = unshape(item, name, self.refer)
        if self.contained:
            body["contained"] = [*self.contained, *body.get("contained", ())]
        self.contained = outer
        inner = self._inner(mark, own or uuid_of(url))
        self._entry(name, own, body, url, inner)
        if self.kind == "transaction":
            self.made[-1]["request"] = request(name, token(self.system, inner))
        if type(task) is dict:
            self.resource("Task", {**task, "focus": {**(task.get("focus") or {}), "reference": url}}, own)
        return url

    def _inner(self, mark: str, own: str) -> str:
        """The value of the hub's identifier of what hangs on the patient."""
        return f"{quote(self.id, safe='')}/{mark}{quote(own, safe='')}"

    def _put_plan(self, flag: Tree, own: str) -> None:
        plan, episode = flag.get("CarePlan"), flag.pop("episode", None)
        if type(plan) is not dict:
            return
        follows = FOLLOWS["Flag"](flag)
        flag |= {**follows, **flag}
        del flag["CarePlan"]
        if flag["status"] == _WRONG:
            plan = {**plan, "status": _WRONG}
        elif follows["status"] == "inactive":  # the plan has ended, or the flag that tells of it
            plan = {"status": "completed", **plan}
        if isinstance(episode, str):
            said = {"url": EPISODE, "valueReference": {"reference": f"EpisodeOfCare/{episode}"}}
            plan = {**plan, "extension": [*(plan.get("extension") or ()), said]}
        detail = {"url": FLAG_DETAIL, "valueReference": {"reference": self.resource("CarePlan", plan, own)}}
        flag["extension"] = [detail, *(flag.get("extension") or ())]

    def _entry(self, name: str, own: str, body: Tree, url: str, inner: str) -> None:
        """An entry; its id is the resource's where one may be, else an identifier of the hub's: `inner`."""
        held: Tree = {"resourceType": name}
        taken = (name, own) in self.shared
        if own and self.kind != "transaction" and _ID.fullmatch(own) and not taken:
            held["id"] = own
            self.shared[(name, own)] = held
        elif own or (self.kind == "transaction" and name != "Patient"):
            said = {"system": self.system, "value": inner}
            body = _after(body, "identifier", [*body.get("identifier", ()), said])
        self.made.append({"fullUrl": url, "resource": {**held, **body}})

    # --------------------------------------------------------------------------------------------------- the references

    def refer(self, said: Tree) -> Tree:
        """A Reference as the Bundle has it."""
        text = said.get("reference")
        if text == "Patient":
            return {**said, "reference": self.patient}
        if isinstance(text, str):
            return {**said, "reference": self.known[text]} if text in self.known else said
        for name in _NESTED:
            inner = said.get(name)
            if type(inner) is dict:
                made = {key: value for key, value in said.items() if key != name}
                return {**made, "reference": self._within(name, inner)}
        return said

    def _within(self, name: str, inner: Tree) -> str:
        if name in SUBJECTS:
            return self.resource(name, inner)
        own = inner.get("id")
        if not (isinstance(own, str) and own):
            return self._contain(name, inner)
        url = f"urn:uuid:{uuid_of(f'{self.system}|{name}|{own}')}"
        before = self.shared.get((name, own))
        if before is not None:
            return url if before == inner else self._contain(name, inner)
        self.shared[(name, own)] = inner
        body = unshape({key: value for key, value in inner.items() if key != "id"}, name, self.refer)
        held: Tree = {"resourceType": name}
        number = next((one for one in body.get("identifier", ()) if _is_national(one)), None)
        if self.kind != "transaction" and _ID.fullmatch(own):
            held["id"] = own
        else:
            body = _after(body, "identifier", [*body.get("identifier", ()), {"system": self.system, "value": own}])
        self.made.append({"fullUrl": url, "resource": {**held, **body}})
        if self.kind == "transaction":
            condition = token(number["system"], number["value"]) if number else token(self.system, own)
            self.made[-1]["request"] = request(name, condition, create=number is not None)
        return url

    def _contain(self, name: str, inner: Tree) -> str:
        """An entity within the resource that refers to it."""
        body = unshape({key: value for key, value in inner.items() if key != "id"}, name, self.refer)
        if isinstance(inner.get("id"), str):
            said = {"system": self.system, "value": inner["id"]}
            body = _after(body, "identifier", [*body.get("identifier", ()), said])
        own = f"{name[0].lower()}{len(self.contained) + 1}"
        self.contained.append({"resourceType": name, "id": own, **body})
        return f"#{own}"


def _listed(below: dict[str, list[Tree]]) -> Iterator[tuple[str, Tree]]:
    """Everything that hangs on the patient and has an id, with its type, also what stands within another."""
    for name, items in below.items():
        for item in items:
            inner = [(name, item), ("CarePlan", item.get("CarePlan")), ("Task", item.get("Task"))]
            yield from ((kind, one) for kind, one in inner if type(one) is dict and isinstance(one.get("id"), str))


def _mark(name: str, item: Tree) -> str:
    """What tells two lists of ours apart that become the same type: the first code of a plan's category, or of its
    flag's; else nothing."""
    plan = item.get("CarePlan") if name == "Flag" else item if name == "CarePlan" else None
    category = plan.get("category") if type(plan) is dict else None
    coding = category["codes"].get("sct") if type(category) is dict and "codes" in category else None
    code = coding.get("code") if type(coding) is dict else None
    return f"{code}/" if isinstance(code, str) else ""


def _teams(items: list[Tree]) -> list[Tree]:
    """Teams whose members stand as items of their own, joined again."""
    made: dict[str, Tree] = {}
    for n, item in enumerate(items):
        if "#" in str(item.get("id")) and item.get("status") == _WRONG:
            continue  # one of several who take part, and was noted by mistake
        own = str(item.get("id") or f"#{n}").partition("#")
        first = made.get(own[0]) if own[0] and own[2] else None
        if first is not None and first.get("status") == _WRONG:  # the team goes on without its first
            made[own[0]] = {**item, "id": own[0]}
        elif first is None:
            made[own[0] or f"#{n}"] = dict(item)
        elif type(item.get("participant")) is dict:
            first["participant-more"] = [*first.get("participant-more", ()), item["participant"]]
    return list(made.values())


def _contact_out(contact: Tree) -> Tree:
    made = {key: value for key, value in contact.items() if key != "contact"}
    if type(made.get("address")) is list and made["address"]:
        made["address"] = made["address"][0]
    return made


def _languages_out(patient: Tree) -> None:
    """The languages as FHIR says them: those that PDS says as an extension, and whether an interpreter is needed."""
    held = patient.get("communication")
    if type(held) is not list:
        return
    spoken, said, needed = [], [], []
    for one in held:
        if type(one) is dict and one.get("nhs") == "true":
            inner = {url: {key: one[name]} for url, key, name in NHS_LANGUAGE if name in one}
            said.append({"url": NHS_COMMUNICATION, "ext": inner})
            continue
        left = {key: value for key, value in one.items() if key != "interpreter"} if type(one) is dict else one
        needed += [one["interpreter"]] if type(one) is dict and "interpreter" in one else []
        spoken += [left] if left else []
    if needed:
        said.insert(0, {"url": INTERPRETER, "valueBoolean": next((one for one in needed if one == "true"), needed[0])})
    patient.pop("communication")
    if spoken:
        patient["communication"] = spoken
    if said:
        patient["extension"] = [*(patient.get("extension") or ()), *said]


def _is_national(one: Any) -> bool:
    return type(one) is dict and str(one.get("system", "")).startswith(NATIONAL) and isinstance(one.get("value"), str)


def uuid_of(name: str) -> str:
    """The name's UUID of version 5 (RFC 4122, 4.3) in our name space; uuid.uuid5 takes five times as long."""
    made = sha1(_SPACE + name.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return f"{made[:8]}-{made[8:12]}-5{made[13:16]}-{'89ab'[int(made[16], 16) & 3]}{made[17:20]}-{made[20:32]}"


def _after(body: Tree, name: str, value: Any) -> Tree:
    """The resource with an element that may be new, before all but its head."""
    first = ("meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension")
    return {
        **{key: body[key] for key in first if key in body},
        name: value,
        **{key: held for key, held in body.items() if key not in first and key != name},
    }


__all__ = ["Entries", "uuid_of"]
