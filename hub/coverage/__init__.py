"""What each system carries of the record, and what becomes of each field on the way from one system to another.

Worked out from the mappings alone, without a record: which rows read a field, which write it in the newest edition,
which items they speak of, which codes each side has, and the reason given where there is no row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.coverage.outcome import CARRIES, LOSES, NARROWS, SILENT, Outcome, about, covered, outcome
from hub.coverage.system import System, Use, system
from hub.model import LeafPath, leaves

_OWN = ("[].removed", "[].stub", "[].id")
_ENGINE = ("source.link", "source.edition", "source.partial")


def shown(systems: Iterable[System]) -> list[LeafPath]:
    """The leaves worth showing: all but what the hub itself keeps of its items, unless a row speaks of it."""
    used = {path for one in systems for path in (*one.reads, *one.writes)}
    return [one for one in leaves() if one.path not in _ENGINE and (one.path in used or not one.path.endswith(_OWN))]


def state(one: System, leaf: LeafPath) -> dict[str, Any]:
    """How one system stands to a leaf.

    how: both, part, reads, writes, older, withheld or nothing. cells: its own fields. detail: which items, or why not.
    """
    path = leaf.path
    if one.whole:
        return _state("both")
    reads, writes = one.reads.get(path), one.writes.get(path)
    cells = list(dict.fromkeys(cell for use in (*(writes or ()), *(reads or ())) for cell in use.cells))
    if reads and writes:
        return _state("both", cells) if covered({}, writes) else _state("part", cells, f"only {about(writes)}")
    if writes:
        return _state("writes", cells)
    if reads and path in one.older:
        return _state("older", cells, f"in editions up to {one.older[path]}")
    line = one.lines.get(path)
    why = line.detail if line is not None and line.how in ("withheld", "hub") else ""
    return _state("reads", cells, why) if reads else _state("withheld" if why else "nothing", [], why)


def _state(how: str, cells: Iterable[str] = (), detail: str = "") -> dict[str, Any]:
    return {"how": how, "cells": list(cells), "detail": detail}


def table(systems: list[System]) -> dict[str, Any]:
    """Everything as JSON: the systems, how each stands to each field, and what becomes of a field between any two."""
    fields = []
    for leaf in shown(systems):
        facts = leaf.field.leaf
        own = {one.name: state(one, leaf) for one in systems}
        fields.append(
            {
                "path": leaf.path,
                "meaning": facts.meaning,
                "codes": facts.codes,
                "critical": facts.critical,
                "systems": own,
            }
        )
    pairs = {a.name: {b.name: between(a, b, systems) for b in systems if b is not a} for a in systems}
    names = [{"name": one.name, "title": one.title, "edition": one.edition, "whole": one.whole} for one in systems]
    return {"systems": names, "fields": fields, "pairs": pairs}


def between(a: System, b: System, systems: Iterable[System] = ()) -> dict[str, dict[str, Any]]:
    """By path: what becomes of each field from A to B, where A says it, and the notes."""
    found = {}
    for leaf in shown(systems or (a, b)):
        one = outcome(a, b, leaf)
        found[leaf.path] = {"what": one.what, "notes": list(one.notes)}
    return found


__all__ = [
    "CARRIES",
    "LOSES",
    "NARROWS",
    "SILENT",
    "Outcome",
    "System",
    "Use",
    "between",
    "outcome",
    "shown",
    "state",
    "system",
    "table",
]
