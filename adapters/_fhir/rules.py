"""FHIR's invariants that matter here, by the kind of object they hold for, each with the name FHIR gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Tree = dict[str, Any]

MAY_BE_EMPTY = frozenset(["Consent.provision"])
"""Kinds of which FHIR's own examples have objects that hold nothing."""


def types(bundle: Tree) -> dict[str, str]:
    """By fullUrl, the type of each resource of a Bundle."""
    found = {}
    for entry in bundle.get("entry") or () if isinstance(bundle.get("entry"), list) else ():
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(inner, dict) and isinstance(entry.get("fullUrl"), str):
            found[entry["fullUrl"]] = str(inner.get("resourceType"))
    return found


def broken(value: Tree, kind: str) -> Iterator[tuple[str, str]]:
    """The element and the reason of every rule of its kind that an object breaks."""
    rule = _RULES.get(kind)
    if rule is not None:
        yield from rule(value)


def _extension(one: Tree) -> Iterator[tuple[str, str]]:
    if ("extension" in one) == any(name.lstrip("_").startswith("value") for name in one):
        yield "", "an extension has either a value or extensions (ext-1)"


def _period(one: Tree) -> Iterator[tuple[str, str]]:
    start, end = one.get("start"), one.get("end")
    if isinstance(start, str) and isinstance(end, str):
        length = min(len(start), len(end), 10)
        if start[:length] > end[:length]:
            yield "end", "a period ends before it starts (per-1)"


def _telecom(one: Tree) -> Iterator[tuple[str, str]]:
    if "value" in one and not {"system", "_system"} & one.keys():
        yield "system", "a contact point with a value says its system (cpt-2)"


def _quantity(one: Tree) -> Iterator[tuple[str, str]]:
    if "code" in one and "system" not in one:
        yield "system", "a unit with a code says its system (qty-3)"


def _contact(one: Tree) -> Iterator[tuple[str, str]]:
    if not {"name", "telecom", "address", "organization"} & one.keys():
        yield "", "a contact has a name, telecom, address or organisation (pat-1)"


def _organization(one: Tree) -> Iterator[tuple[str, str]]:
    if not {"name", "identifier"} & one.keys():
        yield "", "an organisation has a name or an identifier (org-1)"


def _participant(one: Tree) -> Iterator[tuple[str, str]]:
    member = one.get("member")
    text = member.get("reference") if isinstance(member, dict) else None
    is_other = isinstance(text, str) and "/" in text and "Practitioner/" not in text
    if "onBehalfOf" in one and (member is None or is_other):
        yield "onBehalfOf", "only a practitioner takes part on behalf of an organisation (ctm-1)"


def _consent(one: Tree) -> Iterator[tuple[str, str]]:
    if not {"policy", "policyRule"} & one.keys():
        yield "policyRule", "a consent names a policy or a rule (ppc-1)"


def _observation(one: Tree) -> Iterator[tuple[str, str]]:
    if "dataAbsentReason" in one and any(name.startswith("value") for name in one):
        yield "dataAbsentReason", "stands only where there is no value (obs-6)"


def _contained(one: Tree) -> Iterator[tuple[str, str]]:
    held = one.get("contained")
    for inner in held if isinstance(held, list) else ():
        if isinstance(inner, dict) and "contained" in inner:
            yield "contained", "a contained resource contains none itself (dom-2)"


def _bundle(one: Tree) -> Iterator[tuple[str, str]]:
    kind, entries = one.get("type"), one.get("entry")
    asks = kind in ("batch", "transaction", "history")
    seen: set[str] = set()
    for n, entry in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(entry, dict):
            continue
        place = f"entry[{n}]"
        if asks != ("request" in entry):
            told = "needs a request" if asks else "may have no request"
            yield f"{place}.request", f"an entry of a Bundle of this type {told} (bdl-3)"
        if "search" in entry and kind != "searchset":
            yield f"{place}.search", "only a searchset says how an entry was found (bdl-2)"
        if not {"resource", "request", "response"} & entry.keys():
            yield place, "an entry has a resource, a request or a response (bdl-5)"
        url = entry.get("fullUrl")
        if isinstance(url, str) and kind != "history":
            if url in seen:
                yield f"{place}.fullUrl", "two entries have the same fullUrl (bdl-7)"
            seen.add(url)
    if kind == "message" and not _starts_with(entries, "MessageHeader"):
        yield "entry", "the first resource of a message is its MessageHeader (bdl-12)"


def _starts_with(entries: Any, name: str) -> bool:
    first = entries[0] if isinstance(entries, list) and entries else None
    inner = first.get("resource") if isinstance(first, dict) else None
    return isinstance(inner, dict) and inner.get("resourceType") == name


def _both(*rules: Callable[[Tree], Iterator[tuple[str, str]]]) -> Callable[[Tree], Iterator[tuple[str, str]]]:
    def rule(one: Tree) -> Iterator[tuple[str, str]]:
        for each in rules:
            yield from each(one)

    return rule


_HOLDERS = (
    *("Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "CareTeam", "EpisodeOfCare", "Encounter", "Flag"),
    *("CarePlan", "ServiceRequest", "Task", "Immunization", "DocumentReference", "Location"),
)
"""Resources of which nothing more is asked than of all."""
_RULES: dict[str, Callable[[Tree], Iterator[tuple[str, str]]]] = {
    "Extension": _extension,
    "Period": _period,
    "ContactPoint": _telecom,
    "Quantity": _quantity,
    "Patient.contact": _contact,
    "Organization": _both(_contained, _organization),
    "CareTeam.participant": _participant,
    "Consent": _both(_contained, _consent),
    "Observation": _both(_contained, _observation),
    "Bundle": _bundle,
    **dict.fromkeys(_HOLDERS, _contained),
}

__all__ = ["MAY_BE_EMPTY", "broken", "types"]
