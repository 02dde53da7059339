"""Why a mapping does not load: every reason, not the first only.

Each time it fails, the row, group or code table at fault is left out and it is tried again.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path

from hub.adapter import Adapter
from hub.errors import DeclarationError
from hub.mapping import Mapping, declare

MOST = 200
"""Most errors looked for in one mapping."""


def errors(found: Adapter, declared: declare.Declaration, overlays: tuple[Path, ...]) -> list[DeclarationError]:
    """What is wrong with a mapping as it is declared; empty when it loads in every edition."""
    spec = copy.deepcopy(declared)
    held: list[DeclarationError] = []
    while len(held) < MOST:
        try:
            mapping = Mapping(found, spec, overlays)
            for edition in found.editions:
                mapping.plan(edition)
            break
        except DeclarationError as error:
            held.append(error)
            if not _without(spec, error):
                break
    return held


def _without(spec: declare.Declaration, error: DeclarationError) -> bool:
    """Leave out what an error speaks of; whether there was such a thing."""
    row = re.match(r'\[(?:fields|each\.([^\]]+))\] "(.*)"$', error.place)
    if row is not None:
        return _drop_row(spec, row[1] or "", row[2])
    group = re.match(r"\[each\.([^\]]+)\]", error.place)
    if group is not None:
        return _drop_group(spec, group[1])
    table = re.match(r"code table (.*)$", error.place) or re.match(r"there is no code table '(.*)':", error.reason)
    return table is not None and _drop_table(spec, table[1])


def _drop_table(spec: declare.Declaration, name: str) -> bool:
    options = spec.code_options.pop(name, None)
    uses = [one.name for one in spec.groups.values() if f" in {name}" in one.ours + one.theirs]
    gone = [_drop_group(spec, one) for one in uses]
    for at in ["", *spec.groups]:
        rows = spec.groups[at].rows if at in spec.groups else spec.rows if not at else {}
        gone += [_drop_row(spec, at, key) for key, one in list(rows.items()) if _names(one, name)]
    return any(gone) or options is not None


def _names(row: declare.RowSpec, table: str) -> bool:
    in_ways = any(table in (way.codes, way.flags) for way in row.ways)
    return in_ways or any(
        f" in {table}" in text for text in (row.key, *(one for way in row.ways for one in way.theirs))
    )


def _drop_row(spec: declare.Declaration, group: str, key: str) -> bool:
    """Leave out a row, and its group when it holds the key of that."""
    rows = spec.groups[group].rows if group in spec.groups else {} if group else spec.rows
    found = rows.pop(key, None)
    if found is not None and group and set(found.ours) & set(spec.groups[group].key):
        _drop_group(spec, group)
    return found is not None


def _drop_group(spec: declare.Declaration, name: str) -> bool:
    found = spec.groups.pop(name, None)
    for below in [one.name for one in spec.groups.values() if one.parent == name]:
        _drop_group(spec, below)
    return found is not None


__all__ = ["errors"]
