"""The record as JSON Schema: `python -m hub.model.schema` writes `schemas/child-record.schema.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hub.model.leaf import Leaf
from hub.model.record import ChildRecord
from hub.model.shape import fields, structs

FILE = Path(__file__).resolve().parents[2] / "schemas" / "child-record.schema.json"
EXTRAS = "By link, what that link said and no row of its mapping took; it is given back to that link only."


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12) as a tree: one definition for each struct, a description for each field.

    A property that is absent is UNSET, null is None. `x-codes` names the code list of a leaf, `x-refers` the list whose
    item's id it is, `x-source` where the fact is defined; `x-critical` marks leaves whose bad value parks the record.
    """
    (root,), definitions = msgspec.json.schema_components([ChildRecord], ref_template="#/$defs/{name}")
    for struct in structs():
        properties = definitions[struct.__name__]["properties"]
        for field in fields(struct):
            properties[field.name].update(_facts(field.leaf))
        if "extras" in properties:
            properties["extras"]["description"] = EXTRAS
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ChildRecord",
        "description": "The canonical record of ICS Hub: all that one source says of one child.",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _facts(leaf: Leaf) -> dict[str, Any]:
    meaning = f"{leaf.meaning} Codes: {leaf.codes}." if leaf.codes else leaf.meaning
    facts = {
        "description": meaning,
        "x-source": leaf.source,
        "x-codes": leaf.codes,
        "x-refers": leaf.refers,
        "x-critical": leaf.critical,
        "x-guards": list(leaf.guards),
    }
    return {name: fact for name, fact in facts.items() if fact}


def text() -> str:
    """The schema as the file holds it."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
