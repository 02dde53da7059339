"""NHS numbers in FHIR: which one finds a patient, and which is no longer in force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub.wire.numbers import VERIFIED, is_trusted

Tree = dict[str, Any]

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
_UNKNOWN = "unknown"


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


__all__ = ["NHS_NUMBER", "is_over", "trusted_number", "unverified"]
