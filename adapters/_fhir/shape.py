"""The shape of FHIR resources in a tree, and back: what a mapping should not have to know of FHIR's spelling.

Read: the first of a list that is one thing for us stands as an object, the others in `name-more`; a HumanName's `given`
is the first given name and `middle` the others; address lines whose parts are said by the ISO 21090 extensions become
`number`, `street` and so on; a required element that only repeats what follows from the others (`status`, `intent`), or
says that it is unknown, is left out; `unverified` is what an NHS number says of not being verified in words or a code
system that none knows; `hl7` are the authority and type of which the hub made a system; `pending` is a visit that is
planned, or a request that is a draft. `_fhir.form` puts all of it back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapters._fhir.names import SYSTEM_OF, name_in
from adapters._fhir.numbers import NHS_NUMBER, authority_in, unverified
from adapters._fhir.types import Element, is_resource, of
from hub.adapter import Token
from hub.wire.numbers import VERIFIED

Tree = dict[str, Any]

SUBJECTS = {
    "RelatedPerson": "patient",
    "EpisodeOfCare": "patient",
    "CareTeam": "subject",
    "Flag": "subject",
    "CarePlan": "subject",
    "ServiceRequest": "subject",
    "Task": "for",
    "Encounter": "subject",
    "Observation": "subject",
    "Immunization": "patient",
    "Consent": "patient",
    "DocumentReference": "subject",
}
"""The resources that hang on a patient, in the order they are written, with the element that names the patient."""
ENTITIES = ("Practitioner", "PractitionerRole", "Organization", "HealthcareService", "Location")
"""The resources that stand within the reference to them."""
UNKNOWN = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
"""How FHIR says that a required element has no value (data-absent-reason)."""

FIRST = {
    "RelatedPerson": ("name", "relationship"),
    "Patient.contact": ("relationship",),
    "Practitioner": ("name", "telecom"),
    "PractitionerRole": ("code", "telecom"),
    "Organization": ("type", "telecom"),
    "CareTeam": ("category", "participant"),
    "CareTeam.participant": ("role",),
    "CarePlan": ("category", "careTeam"),
    "EpisodeOfCare": ("type",),
    "Encounter": ("type", "reasonCode", "location"),
    "ServiceRequest": ("reasonCode",),
    "Consent": ("performer",),
    "DocumentReference": ("author", "content"),
}
"""By type: lists whose first item stands as an object."""
MORE = "-more"
CODED = {
    "Observation": "code",
    "Immunization": "vaccineCode",
    "RelatedPerson": "relationship",
    "Patient.contact": "relationship",
}
"""By type: the concept of which the first coding stands as an object, whatever its system."""
_KINSHIPS = ("v3-RoleCode", "PersonRelationshipRole", "RelatedPersonRole")
"""How the code systems of kinship end: HL7's and UK Core's."""
_PLAIN = "(as it is)"
NUMBER = re.compile(r"(?P<comparator>[<>]=?)?(?P<value>-?(0|[1-9][0-9]*)(\.[0-9]+)?)").fullmatch
"""A number, or what it is more or less than."""


def _ended(resource: Tree) -> bool:
    """Whether a resource, who takes part in it, or the plan that a flag is about, has come to its end."""
    parts = (resource, _of(resource, "participant"), _of(resource, "CarePlan"))
    return any(_of(one, "period").get("end") for one in parts)


def _of(holder: Tree, name: str) -> Tree:
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


_CONSENT: Tree = {
    "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "INFA"}]}],
}
FOLLOWS: dict[str, Callable[[Tree], Tree]] = {
    "Flag": lambda one: {"status": "inactive" if _ended(one) else "active"},
    "CareTeam": lambda one: {"status": "inactive" if _ended(one) else "active"},
    "CarePlan": lambda one: {"status": "completed" if _ended(one) else "active", "intent": "plan"},
    "EpisodeOfCare": lambda one: {"status": "finished" if _ended(one) else "active"},
    "Encounter": lambda one: {"status": "finished" if _ended(one) else "unknown"},
    "ServiceRequest": lambda one: {"status": "unknown", "intent": "order"},
    "Task": lambda one: {"status": "requested", "intent": "order"},
    "Observation": lambda one: {"status": "unknown"},
    "Consent": lambda one: {"status": "active", **_CONSENT},
    "DocumentReference": lambda one: {"status": "current"},
}
"""By type: the required elements that follow from the others, with what they are; read, they are left out."""

PENDING = {"Encounter": "planned", "ServiceRequest": "draft"}
"""By type, the status of what did not happen, or was not asked, so far (FHIR R4, EncounterStatus and RequestStatus)."""

_PART = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-"
LINES = (
    (("room", "additionalLocator"),),
    (("floor", "unitType"),),
    (("flat", "unitID"),),
    (("building", "streetAddressLine"),),
    (("number", "houseNumber"), ("street", "streetName")),
)
"""The lines that address parts make, in order, each part with the extension that says it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type as it is walked. elements: by name; first: the lists of which one stands as an object; needed: what is
    required. steps: by name, the place in FHIR's order (`_name` behind its name), and of what is written the kind of a
    part, or Token for what is bare, or None for a text."""

    elements: dict[str, Element]
    first: tuple[str, ...]
    needed: tuple[Element, ...]
    steps: dict[str, tuple[int, Any]]


@cache
def kind(name: str) -> Kind:
    """The kind of a type's name; one without elements where the table has no such type."""
    elements = of(name)
    steps: dict[str, tuple[int, Any]] = {"resourceType": (0, None)}
    for one in elements.values():
        steps[one.name] = len(steps), (Token if one.bare else None) if one.primitive else one.kind
        steps[f"_{one.name}"] = len(steps), "Element"
    needed = tuple(one for one in elements.values() if one.required and name != "Extension")
    return Kind(elements, FIRST.get(name, ()), needed, steps)


def shape(tree: Tree, name: str) -> Tree:
    """A resource or a part of one as it stands in a tree; what is not of its type's shape is left as it is."""
    known = kind(name)
    made: Tree = {}
    if CODED.get(name) == "relationship":
        tree = _kin_first(tree)
    for key, value in tree.items():
        if value == UNKNOWN:
            continue
        found = known.elements.get(key)
        if found is not None and not found.primitive:
            said, value = value, _shaped(value, _PLAIN if CODED.get(name) == key else found.kind)
            if value in ({}, [{}]) and value != said:  # nothing is known of it
                continue
        elif key[:1] == "_" and type(value) is dict:
            value = shape(value, "Element")
        elif found is None and type(value) is dict and is_resource(key):
            value = shape(value, key)
        made[key] = value
    name_in(made, name)
    _own_in(made, tree, name)
    for key in known.first:
        if type(made.get(key)) is list and made[key]:
            one, *more = made[key]
            made[key] = one
            if more:
                made[key + MORE] = more
    for key, value in FOLLOWS[name](made).items() if name in FOLLOWS else ():
        if made.get(key) == value:
            del made[key]
    if made.get("status") == PENDING.get(name, MORE):
        made["pending"] = "true"
    if name == "Observation":
        _value_in(made)
    concept = made.get(CODED[name]) if name in CODED else None
    if type(concept) is dict and type(concept.get("coding")) is list and concept["coding"]:
        first, *more = concept["coding"]
        made[CODED[name]] = {**concept, "coding": first, **({"coding-more": more} if more else {})}
    return made


def _own_in(made: Tree, tree: Tree, name: str) -> None:
    """The shape of a type of its own. tree: as it came."""
    if name == "HumanName":
        _name_in(made)
    elif name == "Address":
        _address_in(made)
    elif name == "Identifier" and tree.get("system") == NHS_NUMBER:
        _status_in(made, unverified(tree))
    elif name == "Identifier":
        authority_in(made)


def uses_in(patient: Tree) -> Tree:
    """A number of which nothing is said is in force (`use` is ""); so is the first such name, if no other name is."""
    for one in patient.get("identifier") or () if isinstance(patient.get("identifier"), list) else ():
        if isinstance(one, dict):
            one.setdefault("use", "")
    listed = patient.get("name")
    names = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    if not any(one.get("use") in ("usual", "official") for one in names):
        for one in [one for one in names if "use" not in one][:1]:
            one["use"] = ""
    return patient


def _kin_first(person: Tree) -> Tree:
    """A related person, the concept and coding that say the kinship before those of a contact's part (next of kin)."""
    held = person.get("relationship")
    if type(held) is not list or not all(type(one) is dict and type(one.get("coding")) is list for one in held):
        return person
    made = [{**one, "coding": sorted(one["coding"], key=_is_no_kinship)} for one in held]
    return {**person, "relationship": sorted(made, key=lambda one: all(map(_is_no_kinship, one["coding"])))}


def _is_no_kinship(coding: Any) -> bool:
    return type(coding) is not dict or not str(coding.get("system")).endswith(_KINSHIPS)


def _status_in(number: Tree, said: str) -> None:
    """Of an NHS number that some code says is not verified, no code that says it is stands where a mapping looks."""
    if not said:
        return
    concept = _of(_of(_of(number, "ext"), "NHSNumberVerificationStatus"), "valueCodeableConcept")
    known, listed = _of(concept, "codes"), concept.get("coding", [])
    every = [{"system": SYSTEM_OF[key], **one} for key, one in known.items()]
    every += listed if type(listed) is list else []
    if every:
        good = [one for one in every if type(one) is dict and str(one.get("code")) in VERIFIED]
        concept.pop("codes", None)
        concept["coding"] = [one for one in every if one not in good]
        name_in(concept, "CodeableConcept")
        left = [*concept.pop("coding", ()), *good]
        concept |= {"coding": left} if left else {}
    if not any("code" in one for one in _of(concept, "codes").values()):
        number["unverified"] = said


def _value_in(made: Tree) -> None:
    """A Quantity or a text as one value with its unit."""
    held = made.get("valueQuantity")
    if type(held) is dict:
        text = held.get("value")
        made["value"] = {key: value for key, value in held.items() if key != "value"}
        if text is not None:
            if NUMBER(f"{made['value'].get('comparator', '')}{text}"):
                text = f"{made['value'].pop('comparator', '')}{text}"
            made["value"] = {"text": str(text), **made["value"]}
        del made["valueQuantity"]
    elif type(made.get("valueString")) is str and "_valueString" not in made:
        text = made.pop("valueString")
        made["value"] = {"text": text, "string": "true"} if NUMBER(text) else {"text": text}


def _shaped(value: Any, name: str) -> Any:
    if type(value) is dict:
        return shape(value, value["resourceType"] if type(value.get("resourceType")) is str else name)
    if type(value) is list:
        return [_shaped(one, name) for one in value]
    return value


def _name_in(name: Tree) -> None:
    for key in ("prefix", "suffix"):
        if _texts(name.get(key)) and f"_{key}" not in name:
            name[key] = " ".join(name[key])
    if _texts(name.get("given")) and "_given" not in name:
        first, *more = name["given"]
        name["given"] = first
        if more:
            name["middle"] = " ".join(more)


def _texts(value: Any) -> bool:
    return type(value) is list and bool(value) and all(type(one) is str and one for one in value)


def _address_in(address: Tree) -> None:
    """Lines that say their parts, when they say them as we write them, become parts."""
    lines, said = address.get("line"), address.get("_line")
    if not (type(lines) is list and type(said) is list and len(lines) == len(said)):
        return
    parts: Tree = {}
    for line, one in zip(lines, said, strict=True):
        found = {each.get("url"): each.get("valueString") for each in _extensions(one)}
        named = {name: found[_PART + tail] for line in LINES for name, tail in line if _PART + tail in found}
        if len(named) != len(found) or not named or " ".join(map(str, named.values())) != line:
            return
        parts |= named
    spelled = {"line": lines, "_line": said}
    if address_lines(parts) == spelled:
        del address["line"], address["_line"]
        address |= parts


def _extensions(one: Any) -> list[Tree]:
    held = one.get("extension") if type(one) is dict and len(one) == 1 else None
    return [each for each in held if type(each) is dict] if type(held) is list else []


def address_lines(parts: Tree) -> Tree:
    """Parts of an address as lines, each with the extensions that say its parts."""
    lines, said = [], []
    for line in LINES:
        here = [(parts[name], tail) for name, tail in line if name in parts]
        if here:
            lines.append(" ".join(value for value, _ in here))
            said.append({"extension": [{"url": _PART + tail, "valueString": value} for value, tail in here]})
    return {"line": lines, "_line": said}


__all__ = [
    "CODED",
    "ENTITIES",
    "FOLLOWS",
    "LINES",
    "MORE",
    "NUMBER",
    "PENDING",
    "SUBJECTS",
    "UNKNOWN",
    "Kind",
    "Tree",
    "address_lines",
    "kind",
    "shape",
    "uses_in",
]
