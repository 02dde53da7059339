"""An adapter that writes the little of a FHIR Patient that the tests of connections look at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from adapters.canonical import adapter as plain
from hub.adapter import Theirs, Tree

SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"


def _write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    for one in records:
        person = one.tree.get("person") or {}
        patient = {
            "resourceType": "Patient",
            "identifier": [{"system": SYSTEM, "value": str(each["value"])} for each in person.get("identifiers") or []],
            "name": [{"given": [str(each["given"])]} for each in person.get("names") or []],
        }
        yield "", json.dumps(patient).encode()


adapter = replace(plain, name="tests.patients", write=_write, suffix=".json")
