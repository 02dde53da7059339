"""Numbers in FHIR: which NHS number finds a patient, which is over, and HL7 v2's authorities as systems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

from hub.wire.numbers import VERIFIED, is_trusted

Tree = dict[str, Any]

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
_UNKNOWN = "unknown"
_HL7 = "urn:ics-hub:identifier:hl7:"
"""Begins the systems of numbers whose authority and type HL7 v2 alone has words for (CX-4 and CX-5)."""


def trusted_number(identifiers: Any) -> str:
    """The NHS number by which a patient may be found, else "": the one that can be trusted (`hub.wire.numbers`)."""
    found = set()
    for one in identifiers if type(identifiers) is list else ():
        if type(one) is dict and one.get("system") == NHS_NUMBER:
            status = unverified(one)
            period = one.get("period")
            is_old = one.get("use") == "old" or (type(period) is dict and bool(period.get("end")))
            if is_trusted(one.get("value"), status=status, is_old=is_old):
                found.add(one["value"])
    return found.pop() if len(found) == 1 else ""


def unverified(number: Tree) -> str:
    """What an NHS number says of itself that means that it is not verified: the first such code of any system, "" where
    it says nothing of the kind."""
    listed = number.get("extension")
    said = [code for held in (listed if type(listed) is list else ()) for code in _statuses(held)]
    return next((code for code in said if code not in VERIFIED), "")


def is_over(identifier: Any, at: str) -> bool:
    """Whether this is an NHS number that was no longer in force when the message was made. at: that moment, "" where
    nothing is sent."""
    if type(identifier) is not dict or identifier.get("system") != NHS_NUMBER:
        return False
    period = identifier.get("period")
    end = period.get("end") if type(period) is dict else None
    return bool(at) and isinstance(end, str) and end < at[: len(end)]


def _statuses(held: Any) -> Iterator[str]:
    """How far a number was verified, by every code of an extension that says so, of UK Core or the profiles before it;
    where it has none its words, else `unknown`."""
    if type(held) is dict and "NHSNumberVerificationStatus" in str(held.get("url", "")):
        concept = held.get("valueCodeableConcept")
        listed = concept.get("coding") if type(concept) is dict else None
        every = listed if type(listed) is list else ()
        found = [str(one.get("code") or _UNKNOWN) for one in every if type(one) is dict]
        text = concept.get("text") if type(concept) is dict else None
        yield from found or [text if type(text) is str and text else _UNKNOWN]


def authority_in(number: Tree) -> None:
    """Of a system that the hub made of an authority and type of HL7 v2, these stand in its place (`hl7`)."""
    system = number.get("system")
    parts = system.removeprefix(_HL7).split(":") if type(system) is str and system.startswith(_HL7) else []
    if len(parts) == 2 and "_system" not in number and "hl7" not in number:
        found = {name: unquote(part) for name, part in zip(("authority", "type"), parts, strict=True) if part}
        if _system(found) == system:
            number["hl7"] = found
            del number["system"]


def authority_out(number: Tree) -> Tree:
    """A number with the system that its authority and type of HL7 v2 make."""
    if "hl7" not in number:
        return number
    made = {name: value for name, value in number.items() if name != "hl7"}
    held = number["hl7"]
    return {**made, "system": _system(held)} if "system" not in made and type(held) is dict and held else made


def _system(parts: Tree) -> str:
    return _HL7 + ":".join(quote(str(parts.get(name, "")), safe="") for name in ("authority", "type"))


__all__ = ["NHS_NUMBER", "authority_in", "authority_out", "is_over", "trusted_number", "unverified"]
