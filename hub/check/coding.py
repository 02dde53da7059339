"""Code tables as the links that use them have them: their rows, the lists they lead to, and codes for unknown texts."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hub.mapping import Mapping, load
from hub.mapping.codes import Bound, CodeRow, Key, Table, folded
from hub.model import code_list

NEAR = 3
"""Most codes that are proposed for one text."""
_ALIKE = 0.6


class Use(NamedTuple):
    """A link, or an adapter by itself, with the overlays its mappings have."""

    name: str
    adapter: str
    overlays: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Used:
    """A table as one mapping of one use has it.

    bounds: of every edition. lists: for each column of ours, the national lists of the fields it fills. rows: of the
    mapping. unasked: texts that no row asks the table about, because they say nothing or none.
    """

    use: Use
    table: Table
    bounds: tuple[Bound, ...]
    lists: tuple[frozenset[str], ...]
    rows: tuple[str, ...]
    unasked: frozenset[str]


def tables(use: Use) -> dict[str, list[Used]]:
    """The code tables of an adapter's mappings, by name. DeclarationError when they do not load."""
    found: dict[str, list[Used]] = {}
    for mapping in load(use.adapter, use.overlays).values():
        if isinstance(mapping, Mapping):
            for name, table in mapping.tables.items():
                found.setdefault(name, []).append(_used(use, mapping, table))
    return found


def _used(use: Use, mapping: Mapping, table: Table) -> Used:
    editions = mapping.adapter.editions
    bounds = tuple(mapping.plan(edition).bounds[table.name] for edition in editions)
    lists: list[set[str]] = [set() for _ in range(table.width[1])]
    rows: dict[str, None] = {}
    unasked: frozenset[str] | None = None
    for edition in editions:
        for row in (row for scope in mapping.plan(edition).root.walk() for row in scope.rows):
            for way in (way for way in row.ways if way.table == table.name):
                rows[row.place] = None
                unasked = way.special if unasked is None else unasked & way.special
                for codes, ours in zip(lists, row.ours, strict=False):
                    codes.update([ours.field.leaf.codes] if ours.field.leaf.codes else [])
    return Used(use, table, bounds, tuple(map(frozenset, lists)), tuple(rows), unasked or frozenset())


def nearest(text: str, choices: Dict[str, Collection[str]], lists: Iterable[str] = ()) -> list[str]:
    """Up to NEAR codes that a text may mean, the likeliest first. choices: by code, other texts that stand for it.

    Compared are the codes, their labels in the national lists, and those texts.
    """
    labels = {code: label for name in lists for code, label in code_list(name).items()}
    wanted = folded(text)
    scores = {
        code: max(_alike(wanted, folded(word)) for word in (code, labels.get(code, ""), *words))
        for code, words in choices.items()
    }
    likely = sorted((code for code, score in scores.items() if score >= _ALIKE), key=lambda code: -scores[code])
    return likely[:NEAR]


def _alike(a: str, b: str) -> float:
    """How alike two folded texts are, from 0 to 1; a whole word of a longer one counts for much."""
    if not a or not b:
        return 0.0
    if len(a) > 2 and len(b) > 2 and (a in b.split() or b in a.split() or b.startswith(a) or a.startswith(b)):
        return 0.9
    return difflib.SequenceMatcher(None, a, b).ratio()


def proposals(used: Used, text: str) -> list[str]:
    """Codes of ours for a text of theirs that a table of one column does not read."""
    if used.table.width != (1, 1):
        return []
    choices: dict[str, list[str]] = {code: [] for name in used.lists[0] for code in code_list(name)}
    for row in used.table.rows:
        choices.setdefault(row.ours, []).append(row.theirs)
    return nearest(text, choices, used.lists[0])


def told(name: str, code: str) -> str:
    """A code with its label in a national list, if it says more."""
    label = code_list(name).get(code, "") if name else ""
    return f"{code} ({label})" if label and label != code else code


def cells(key: Key) -> tuple[str, ...]:
    """The columns of one side of a row."""
    return key if isinstance(key, tuple) else (key,)


def means(used: Used, code: Key) -> str:
    """What a code of ours is called, where a national list says it."""
    named = [
        next((code_list(name)[one] for name in sorted(lists) if one in code_list(name)), "")
        for one, lists in zip(cells(code), used.lists, strict=True)
    ]
    return ", ".join(label for label in named if label)


def line(row: CodeRow) -> dict[str, str]:
    """A row of a table, as texts."""
    said = {"theirs": ", ".join(cells(row.theirs)), "ours": ", ".join(cells(row.ours))}
    said |= {name: getattr(row, name) for name in ("way", "since", "until", "note", "file")}
    return said | {"line": str(row.line)}


__all__ = ["Use", "Used", "cells", "line", "means", "nearest", "proposals", "tables", "told"]
