"""NHS numbers in FHIR: which one finds a patient, and which is no longer in force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub.wire.numbers import VERIFIED, is_trusted

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"


def trusted_number(identifiers: Any) -> str:
    """The NHS number by which a patient may be found, else "": the one that can be trusted (`hub.wire.numbers`)."""
    found = set()
    for one in identifiers if type(identifiers) is list else ():
        if type(one) is dict and one.get("system") == NHS_NUMBER:
            said = [code for held in one.get("extension") or () for code in _statuses(held)]
            status = "" if VERIFIED.issuperset(said) else "?"
            period = one.get("period")
            is_old = one.get("use") == "old" or (type(period) is dict and bool(period.get("end")))
            if is_trusted(one.get("value"), status=status, is_old=is_old):
                found.add(one["value"])
    return found.pop() if len(found) == 1 else ""


def is_over(identifier: Any, at: str) -> bool:
    """Whether this is an NHS number that was no longer in force when the message was made. at: that moment, "" where
    nothing is sent."""
    if type(identifier) is not dict or identifier.get("system") != NHS_NUMBER:
        return False
    period = identifier.get("period")
    end = period.get("end") if type(period) is dict else None
    return bool(at) and isinstance(end, str) and end < at[: len(end)]


def _statuses(held: Any) -> Iterator[str]:
    """How far a number was verified, by every code of an extension that says so; `?` where it has none."""
    if type(held) is dict and str(held.get("url", "")).endswith("NHSNumberVerificationStatus"):
        concept = held.get("valueCodeableConcept")
        listed = concept.get("coding") if type(concept) is dict else None
        found = [str(one.get("code", "?")) for one in listed or () if type(one) is dict]
        yield from found or ["?"]


__all__ = ["NHS_NUMBER", "is_over", "trusted_number"]
