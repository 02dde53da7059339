"""What stands beside a form's answers: the child as a Patient, the consent as a Consent, that there is a form as a
DocumentReference.

All that they say is made from the answers, and the answers alone are read. What one of them says besides is kept as it
is (`Fhir` in the tree), and goes back; what contradicts the answers is a fault, for nobody can tell which is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters._caf_fhir.items import is_day
from adapters._fhir.bundle import HUB
from adapters._fhir.numbers import NHS_NUMBER
from hub.adapter import Tree
from hub.errors import RecordError

KEPT = "Fhir"
"""The key of the tree under which stands what the resources say and the answers do not, by the resource's type."""
ASSESSMENT = {"system": "urn:ics-hub:codes:document", "code": "common-assessment"}
_SCOPE = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
_CATEGORY = {"system": "http://loinc.org", "code": "59284-0"}
_GENDERS = {"male": "male", "m": "male", "female": "female", "f": "female", "unknown": "unknown"}
_USES = ("", "current")


def said(tree: Any, *path: str) -> Any:
    """What stands at a path of objects, else None."""
    for name in path:
        tree = tree.get(name) if type(tree) is dict else None
    return tree


def texts(tree: Any, *path: str) -> str:
    """The text at a path, else ""."""
    found = said(tree, *path)
    return found if isinstance(found, str) else ""


def listed(tree: Any, *path: str) -> list[Tree]:
    """The objects of the list at a path; none where there is none."""
    found = said(tree, *path)
    return [one for one in found if type(one) is dict] if type(found) is list else []


def is_unborn(tree: Tree) -> bool:
    """Whether the form is about a child who is not born: FHIR has no Patient for it."""
    child = tree.get("Child")
    return not texts(child, "BirthDate") and bool(texts(child, "ExpectedBirthDate") or texts(child, "UnbornOf"))


# ------------------------------------------------------------------------------------------------ made from the answers


def patient(tree: Tree) -> Tree:
    """The least by which a child is known: NHS number, name, gender, birth."""
    child = tree.get("Child")
    made: Tree = {}
    numbers = _numbers(child)
    if numbers:
        made["identifier"] = [{"system": NHS_NUMBER, "value": value} for value in numbers]
    name = _name(said(child, "Name"))
    if name:
        made["name"] = [name]
    gender = _GENDERS.get(texts(child, "Gender").strip().lower())
    if gender:
        made["gender"] = gender
    if is_day(texts(child, "BirthDate")):
        made["birthDate"] = texts(child, "BirthDate")
    return made


def _numbers(child: Any) -> list[str]:
    found = [
        texts(one, "Value")
        for one in listed(child, "Identifiers", "Identifier")
        if texts(one, "System").strip().lower() == "nhs" and texts(one, "Use").strip().lower() in _USES
    ]
    return [value for value in dict.fromkeys(found) if value]


def _name(name: Any) -> Tree:
    given = [one for one in (texts(name, "Given"), texts(name, "Middle")) if one]
    parts = {
        "text": texts(name, "Full"),
        "family": texts(name, "Family"),
        "given": given,
        "prefix": [texts(name, "Title")] if texts(name, "Title") else [],
    }
    return {key: value for key, value in parts.items() if value}


def consent(tree: Tree) -> Tree:
    """Whether the form may be shared; not in force where it does not say."""
    share = texts(tree, "Consent", "Share")
    given = {"true": "permit", "false": "deny"}.get(share, "")
    made: Tree = {
        "status": "active" if given else "inactive",
        "scope": {"coding": [_SCOPE]},
        "category": [{"coding": [_CATEGORY]}],
        "policyRule": {"text": "Consent statement of the common assessment"},
    }
    signed = [texts(one, "Date") for one in listed(tree, "Consent", "Signatures", "Signature")]
    days = sorted(day for day in signed if is_day(day))
    if days:
        made["dateTime"] = days[-1]
    if given:
        made["provision"] = {"type": given}
    return made


def document(tree: Tree, as_of: str) -> Tree:
    """That there is a form, and since when. as_of: an instant, or ""."""
    attachment: Tree = {"title": texts(tree, "Form") or "Common assessment"}
    if is_day(texts(tree, "Started")):
        attachment["creation"] = texts(tree, "Started")
    made: Tree = {"status": "current", "type": {"coding": [ASSESSMENT]}, "content": [{"attachment": attachment}]}
    if as_of:
        made["date"] = as_of
    return made


def made(name: str, tree: Tree, as_of: str) -> Tree:
    """The resource of that type that the answers say."""
    return patient(tree) if name == "Patient" else consent(tree) if name == "Consent" else document(tree, as_of)


def whole(name: str, tree: Tree, as_of: str) -> Tree:
    """The resource with what it said besides the answers, unless that contradicts them by now."""
    own, kept = made(name, tree, as_of), said(tree, KEPT, name)
    kept = kept if type(kept) is dict else {}
    if "identifier" in kept:
        kept = {**kept, "identifier": [*own.get("identifier", ()), *listed(kept, "identifier")]}
    found = {**own, **kept}
    return {**kept, **own} if next(contradictions(name, found, tree), "") else found


def left(name: str, resource: Tree, tree: Tree, as_of: str, written: frozenset[str]) -> Tree:
    """What a resource says besides the answers. written: elements that the hub makes itself, such as references.

    RecordError where an element that both say is not one at all.
    """
    own = made(name, tree, as_of)
    kept = {
        key: value for key, value in resource.items() if key not in written and value != own.get(key) and says(value)
    }
    for key, kind in (("identifier", list), ("context", dict)):
        if type(kept.get(key, kind())) is not kind or any(type(one) is not dict for one in kept.get("identifier", ())):
            raise RecordError(f"{name} has something else than FHIR has here", place=key)
    if "identifier" in kept:
        others = [one for one in strange(kept.pop("identifier")) if one not in own.get("identifier", ())]
        kept |= {"identifier": others} if others else {}
    return kept


def says(value: Any) -> bool:
    """Whether an element says anything: null, and what holds nothing else, does not."""
    if type(value) is dict:
        return any(says(one) for one in value.values())
    return any(says(one) for one in value) if type(value) is list else value is not None


def strange(identifiers: Any) -> list[Any]:
    """Identifiers that are not the hub's own."""
    held = identifiers if type(identifiers) is list else [identifiers]
    return [one for one in held if not texts(one, "system").startswith(HUB)]


# ------------------------------------------------------------------------------------------------------- contradictions


def contradictions(name: str, resource: Tree, tree: Tree) -> Iterator[str]:
    """The elements of a resource that say other than the answers."""
    if name == "Patient":
        yield from _other_child(resource, tree.get("Child"))
    elif name == "Consent":
        permits = texts(resource, "status") == "active" and texts(resource, "provision", "type") == "permit"
        if permits != (texts(tree, "Consent", "Share") == "true"):
            yield "provision.type, or status, (Consent.Share)"
    else:
        started = texts(tree, "Started")
        days = [texts(one, "attachment", "creation")[:10] for one in listed(resource, "content")]
        if started and any(day and not _agree(day, started) for day in days):
            yield "content.attachment.creation (Started)"
        if texts(resource, "status") != "current":
            yield "status: a form that is not current has no answers"


def _other_child(resource: Tree, child: Any) -> Iterator[str]:
    numbers = _numbers(child)
    held = [
        texts(one, "value")
        for one in listed(resource, "identifier")
        if texts(one, "system") == NHS_NUMBER and texts(one, "use") != "old"
    ]
    if numbers and held and not set(numbers) & set(held):
        yield "identifier (Child.Identifiers)"
    born, day = texts(child, "BirthDate"), texts(resource, "birthDate")
    if born and day and not _agree(born, day):
        yield "birthDate (Child.BirthDate)"
    genders = {_GENDERS.get(texts(child, "Gender").strip().lower(), "unknown"), texts(resource, "gender") or "unknown"}
    if len(genders - {"unknown"}) > 1:
        yield "gender (Child.Gender)"
    own = [_name(one) for one in (said(child, "Name"), *listed(child, "OtherNames", "Name"))]
    names = [one for one in listed(resource, "name") if _words(one)]
    if any(own) and names and not any(_is_name(one, other) for one in own for other in names if one):
        yield "name (Child.Name)"


def _is_name(own: Tree, other: Tree) -> bool:
    """Whether two names agree in what both say; they must both say something."""
    pairs = []
    for key in ("text", "family"):
        pairs.append((texts(own, key), texts(other, key)))
    first = [one["given"][0] if type(one.get("given")) is list and one["given"] else "" for one in (own, other)]
    pairs.append((first[0], first[1] if isinstance(first[1], str) else ""))
    both = [(one.casefold().strip(), two.casefold().strip()) for one, two in pairs if one and two]
    if not both:  # one says it in one text, the other in parts
        words = [set(_words(one)) for one in (own, other)]
        return bool(words[0] & words[1])
    return all(one == two for one, two in both)


def _words(name: Tree) -> list[str]:
    given = name.get("given")
    parts = [texts(name, "text"), texts(name, "family"), *(given if type(given) is list else ())]
    return [word for part in parts if isinstance(part, str) for word in part.casefold().split()]


def _agree(one: str, two: str) -> bool:
    """Whether two dates, the one perhaps less exact, can be of one day."""
    length = min(len(one), len(two))
    return one[:length] == two[:length]


__all__ = ["KEPT", "contradictions", "is_unborn", "left", "listed", "said", "says", "strange", "texts", "whole"]
