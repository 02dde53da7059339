"""A shielded child cannot be found through any system: what the model guards is withheld where a mapping writes it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hub.adapter import shipped
from hub.mapping import Mapping, account, load
from hub.model import ChildRecord, from_tree, leaves

SHOWN = {
    "ssd": (
        "involvements[].professional.",  # the council's own workers, who stand in a table of their own for all children
        "involvements[].role",
        "visits[].",  # that and when the child was seen, not where
    ),
    "dfe_csc_api": ("involvements[].professional.",),  # the worker's registration
}
"""By adapter: what is guarded and goes out all the same, since it says who works with the child and not where."""
GUARDED = {leaf.path for leaf in leaves() if "shielded" in leaf.guards}
CANARY = "Zanzibarcanary"
"""A text that would lead to the child."""


def mappings() -> list[tuple[str, Mapping]]:
    found = [(name, one) for name in sorted(shipped()) for one in load(name).values()]
    return [(name, one) for name, one in found if isinstance(one, Mapping)]


@pytest.mark.parametrize(("name", "mapping"), mappings(), ids=lambda one: getattr(one, "kind", one))
def test_every_guarded_leaf_that_a_mapping_writes_is_withheld(name: str, mapping: Mapping) -> None:
    rules = [rule for rule in mapping.rules if rule.what == "shielded"]
    single = {path for rule in rules for path in rule.paths}
    whole = tuple(f"{path}." for path in single if path.endswith("[]"))
    written = {line.path for line in account.lines(mapping) if line.side == "ours" and line.how in ("row", "slice")}
    told = written & GUARDED - single
    assert [path for path in sorted(told) if not path.startswith((*whole, *SHOWN.get(name, ())))] == []
    assert all(any(path.startswith(one) for path in told) for one in SHOWN.get(name, ())), "and no exception is idle"


def place(**more: Any) -> dict[str, Any]:
    return {"urn": CANARY, "distance": "12.75", "postcode": "LS1 9ZZ", "kind": "U1", **more}


CHILD = {
    "source": {"link": "other", "id": "C1"},
    "person": {
        "gender": "2",
        "names": [{"id": "n", "use": "current", "given": "Ada", "family": "Vale"}],
        "identifiers": [
            {"id": "u", "system": "upn", "value": "A801200001001", "use": "current", "owner": CANARY},
            {"id": "h", "system": f"hl7:{CANARY}^MR", "value": f"{CANARY}7", "use": "current"},
            {"id": "g", "system": f"hl7:{CANARY}^MR", "value": f"{CANARY}8", "use": "former"},
            {"id": "i", "system": f"fhir:https://{CANARY}.example/Id", "value": f"{CANARY}9", "use": "secondary"},
        ],
    },
    "families": [{"id": "f", "family": CANARY}],
    "contacts": [{"id": "c", "date": "2025-01-07", "source_text": CANARY, "comments": CANARY}],
    "episodes": [
        {
            "id": "e",
            "referral": {"date": "2025-01-07", "source_text": CANARY, "comments": CANARY, "team": CANARY},
            "assessments": [{"id": "a", "start": "2025-01-07", "comments": CANARY, "team": CANARY}],
            "enquiries": [{"id": "q", "start": "2025-01-07", "comments": CANARY, "team": CANARY}],
            "plans": [{"id": "p", "kind": "cp", "team": CANARY, "period": {"start": "2025-01-07"}}],
        }
    ],
    "conferences": [{"id": "k", "date": "2025-01-07", "episode": "e", "comments": CANARY, "team": CANARY}],
    "care": {
        "episodes": [{"id": "l", "start": "2025-01-07", "referral": "e", "placement": place(id="1")}],
        "placements": [{"id": "m", "placement": place(id="2")}],
        "permanence": [{"id": "o", "provider_urn": CANARY}],
        "leaving": [{"id": "r", "team": CANARY}],
    },
    "early_help": [{"id": "h", "organisation": CANARY}],
    "events": [{"id": "v", "kind": "ae-attendance", "date": "2025-01-07", "place": CANARY, "note": CANARY}],
    "education": {"schools": [{"id": "s", "provider": {"id": "1", "name": CANARY, "telecom": CANARY}}]},
    "health": {"practices": [{"id": "g", "kind": "gp", "provider": {"id": "2", "name": CANARY, "telecom": CANARY}}]},
    "caf": [{"id": "w", "started": "2025-01-07", "contact": CANARY, "reason": CANARY, "consent": {"share": True}}],
}


@pytest.mark.parametrize(("name", "mapping"), mappings(), ids=lambda one: getattr(one, "kind", one))
def test_no_text_that_leads_to_a_shielded_child_goes_out(name: str, mapping: Mapping) -> None:
    record = from_tree(copy.deepcopy(CHILD))
    assert isinstance(record, ChildRecord)
    assert record.person
    record.person.shielded = True
    for edition in mapping.adapter.editions:
        told = str(mapping.create(record, "target", edition=edition).tree)
        assert [text for text in (CANARY, "12.75", "LS1 9ZZ") if text in told] == []
    open_record = str(mapping.create(from_tree(copy.deepcopy(CHILD)), "target").tree)
    if name in ("caf", "contactpoint", "hl7v2", "ssd") or (name, mapping.kind) == ("fhir_r4", "Patient"):
        assert CANARY in open_record, "which an open record does tell"


@pytest.mark.parametrize("name", ["fhir_r4", "hl7v2"])
def test_of_a_shielded_child_a_health_system_is_told_the_nhs_number_and_no_other(name: str) -> None:
    child = copy.deepcopy(CHILD)
    child["person"]["identifiers"].append({"id": "n", "system": "nhs", "value": "9434765919", "use": "current"})
    for mapping in (one for found, one in mappings() if found == name and "Merge" not in one.kind):
        record = from_tree(copy.deepcopy(child))
        assert isinstance(record, ChildRecord)
        assert record.person
        assert "A801200001001" in str(mapping.create(record, "target").tree)
        record.person.shielded = True
        made = mapping.create(record, "target")
        told = str(made.tree)
        assert "9434765919" in told
        assert "A801200001001" not in told
        assert ("shielded and local", "person.identifiers[].value") in made.account


@pytest.mark.parametrize(
    ("name", "system"),
    [
        *((name, system) for name in ("caf", "contactpoint", "ssd") for system in ("hl7:RZZ99^MR", "fhir:urn:x")),
        ("hl7v2", "fhir:urn:x"),
    ],
)
def test_a_number_goes_nowhere_that_cannot_say_whose_it_is(name: str, system: str) -> None:
    """Without its system it would be taken for any other number."""
    for mapping in (one for found, one in mappings() if found == name):
        for use in ("current", "former", "secondary"):
            number = {"id": "h", "system": system, "value": CANARY, "use": use}
            child = from_tree({"source": {"link": "other", "id": "C1"}, "person": {"identifiers": [number]}})
            made = mapping.create(child, "target")
            assert CANARY not in str(made.tree)
            assert [what for what, path in made.account if path == "person.identifiers[].value"]
