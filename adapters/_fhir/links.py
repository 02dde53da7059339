"""What `Patient.link` says: that one record takes the place of another.

FHIR R4, Patient.link.type: `replaced-by` stands at the Patient that must no longer be used, `replaces` at the one to be
used instead; `refer` and `seealso` merge nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapters._fhir.bundle import HUB, UUID, Bundle, Entry, Record
from adapters._fhir.shape import Tree

MERGE = "Merge"
"""The kind of a record that says that another one is superseded."""

_TYPES = ("replaced-by", "replaces")
_BARE = {"resourceType", "id", "meta", "text", "identifier", "active", "link"}


@dataclass(eq=False)
class Replacing:
    """The record `stays` takes the place of `goes`, by their ids. record: of the Patient that says so, if it can be of
    the one that goes."""

    stays: str
    goes: str
    record: Record


def replacings(bundle: Bundle) -> list[Replacing]:
    """Who takes whose place, in order; each record knows it. A link that cannot be followed joins `bundle.refused`."""
    told = list(_told(bundle))
    heirs: dict[str, set[str]] = {}
    for one, _ in told:
        heirs.setdefault(one.goes, set()).add(one.stays)
    found: dict[str, Replacing] = {}
    for one, n in told:
        record, mine = one.record, one.record.patient
        if len(heirs[one.goes]) > 1 and mine is not None:
            bundle.refuse("link says that two records take the place of one", mine)
            continue
        is_gone = mine is not None and own_id(mine) == one.goes
        record.followed.add(n)
        record.gone = record.gone or is_gone
        if is_gone or one.goes not in found:
            found[one.goes] = one
    return list(found.values())


def _told(bundle: Bundle) -> Iterator[tuple[Replacing, int]]:
    """Every link that names two records, with its place in the Patient's list."""
    for record in bundle.records.values():
        entry = record.patient
        listed = entry.resource.get("link") if entry else None
        for n, one in enumerate(listed if entry and isinstance(listed, list) else ()):
            said = one.get("type") if isinstance(one, dict) else None
            if entry is None or said not in _TYPES:
                continue
            mine, other = own_id(entry), _other(bundle, one.get("other"))
            if not mine or not other:
                bundle.refuse("link names no patient that could be told apart", entry)
            elif mine == other:
                bundle.refuse("link says that a record takes its own place", entry)
            else:
                yield Replacing(*((mine, other) if said == "replaces" else (other, mine)), record), n


def is_bare(record: Record) -> bool:
    """Whether a Patient says nothing but who it is to the hub and whose place it takes."""
    if record.patient is None or not record.followed or record.entries:
        return False
    resource = record.patient.resource
    meta, numbers = resource.get("meta"), resource.get("identifier", [])
    return (
        resource.keys() <= _BARE
        and not (isinstance(meta, dict) and "security" in meta)
        and isinstance(numbers, list)
        and all(isinstance(one, dict) and str(one.get("system", "")).startswith(HUB) for one in numbers)
    )


def own_id(entry: Entry) -> str:
    """The id of the record that a Patient is, "" when nothing tells it."""
    return named({"id": entry.id or None, "identifier": entry.resource.get("identifier")})


def named(tree: Tree) -> str:
    """The id of a Patient's tree, else its first number with its system, else ""."""
    own, listed = tree.get("id"), tree.get("identifier")
    if isinstance(own, str):
        return own
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("value"), str):
            return f"{one.get('system', '')}|{one['value']}"
    return ""


def _other(bundle: Bundle, said: Any) -> str:
    """The id of the record that a link points at, "" when nobody can say."""
    if not isinstance(said, dict) or said.get("type", "Patient") != "Patient":
        return ""
    found = bundle.find(said)
    if found is not None:
        return own_id(found) if found.type == "Patient" else ""
    text, number = said.get("reference"), said.get("identifier")
    parts = text.partition("/_history/")[0].split("/") if isinstance(text, str) and text[:1] != "#" else [""]
    if parts[-1] and (len(parts) == 1 or parts[-2] == "Patient"):
        return parts[-1].removeprefix(UUID)
    if len(parts) > 1 or not isinstance(number, dict) or not isinstance(number.get("value"), str):
        return ""
    holder = bundle.holder(number)
    if holder is not None:
        return own_id(holder)
    is_ours = str(number.get("system", "")).startswith(HUB)
    return number["value"] if is_ours else f"{number.get('system', '')}|{number['value']}"


__all__ = ["MERGE", "Replacing", "is_bare", "named", "own_id", "replacings"]
