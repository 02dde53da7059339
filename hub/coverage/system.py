"""What one system says of the record: the rows that read and write each leaf, and which items they are about."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub import adapter as adapters
from hub.adapter import Adapter
from hub.mapping import Identity, Mapping, account, load
from hub.mapping.bind import Plan, Row, Scope, Way, leaf_rows
from hub.mapping.ours import Ours
from hub.model import leaves

Slice = dict[str, frozenset[str]]


@dataclass
class Use:
    """A row, or a test of one, that reads or writes a leaf. items: which it is about, by path of the tested field."""

    label: str
    cells: tuple[str, ...]
    items: Slice
    way: Way | None = None
    value: frozenset[str] | None = None


@dataclass
class System:
    """One adapter with what its mapping reads and writes. reads: of any edition; writes: of the newest."""

    name: str
    title: str
    edition: str
    whole: bool = False
    reads: dict[str, list[Use]] = field(default_factory=dict)
    writes: dict[str, list[Use]] = field(default_factory=dict)
    older: dict[str, str] = field(default_factory=dict)
    lines: dict[str, account.Line] = field(default_factory=dict)
    rests: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def system(name: str, overlays: Iterable[Path] = ()) -> System:
    """Read one adapter's mappings."""
    found = adapters.find(name)
    mappings = load(found, overlays)
    made = System(found.name, _title(found), found.editions[-1])
    for mapping in mappings.values():
        if isinstance(mapping, Identity):
            made.whole = True
        else:
            _learn(made, mapping)
    return made


def _title(found: Adapter) -> str:
    """The first sentence of what the adapter says of itself."""
    said = (sys.modules[found.read.__module__].__doc__ or found.name).strip().split("\n\n")[0]
    return " ".join(said.split()).split(". ")[0].split(": ")[0].split(" (`")[0].rstrip(".")


def _learn(made: System, mapping: Mapping) -> None:
    newest = mapping.adapter.editions[-1]
    for edition in mapping.adapter.editions:
        plan = mapping.plan(edition)
        for row, ours in leaf_rows(plan):
            _row(made, row, ours, edition, edition == newest)
        for scope in plan.root.walk():
            _tests(made, scope, edition == newest)
    for line in account.lines(mapping):
        known = made.lines.get(line.path)
        if line.side == "ours" and (known is None or (known.how == "withheld" and line.how != "withheld")):
            made.lines[line.path] = line
    for path, (reason, _) in mapping.declaration.withhold.items():
        if path.endswith("[rest]"):
            made.rests.setdefault(path.removesuffix("[rest]"), reason)
    for rule in mapping.rules:
        for path in rule.paths:
            for leaf in leaves():
                if leaf.path == path or (path.endswith("[]") and leaf.path.startswith(path + ".")):
                    made.conditions.setdefault(leaf.path, []).append((rule.what, rule.reason))


def _row(made: System, row: Row, ours: Ours, edition: str, newest: bool) -> None:
    label = f"{row.scope.name}: {row.key}" if row.scope.name else row.key
    items = _items(row.scope, ours)
    for way in row.ways:
        use = Use(label, tuple(dict.fromkeys(_cell(row.scope, way))), items, way)
        if way.reads and not row.only_out:
            _add(made.reads, ours.full, use)
        if way.writes and newest:
            _add(made.writes, ours.full, use)
        elif way.writes:
            made.older[ours.full] = edition
        elif way.head and newest:
            _add(made.writes, ours.full, use)
    for names, value, about in _made(row.scope, ours):
        use = Use(label, (), about, None, frozenset([str(value)]))
        _add(made.reads, names, use)
        if newest and row.writing:
            _add(made.writes, names, use)


def _add(held: dict[str, list[Use]], path: str, use: Use) -> None:
    uses = held.setdefault(path, [])
    if not any(
        (one.label, one.cells, one.items, one.value) == (use.label, use.cells, use.items, use.value) for one in uses
    ):
        uses.append(use)


def _cell(scope: Scope, way: Way) -> Iterator[str]:
    for cell in way.theirs:
        yield scope.cell_path(cell)


def _tests(made: System, scope: Scope, newest: bool) -> None:
    """What the tests of a group say of its items: theirs are about such items only."""
    if scope.spec is None:
        return
    items = _items(scope, None)
    for names, value in scope.made:
        path = f"{scope.ours_prefix}.{'.'.join(names)}"
        use = Use(f"[each.{scope.name}]", (scope.theirs_prefix,), items, None, frozenset([str(value)]))
        if scope.spec.way != "out":
            _add(made.reads, path, use)
        if scope.spec.way != "in" and newest:
            _add(made.writes, path, use)


def _items(scope: Scope, ours: Ours | None) -> Slice:
    """Which items a row of a scope is about: the tests on the way to its leaf, by path of the tested field."""
    found: Slice = {}
    at: Scope | None = None if ours is not None and ours.rooted else scope
    while at is not None and at.spec is not None:
        if at.ours is not None:
            _gather(found, at.ours.steps[-1].tests, at.ours_prefix, at.plan)
        at = None if at.ours_rooted else at.parent
    if ours is not None:
        for prefix, step in _walk(scope, ours):
            _gather(found, step.tests, prefix, scope.plan)
    return found


def _walk(scope: Scope, ours: Ours) -> Iterator[tuple[str, Any]]:
    """The steps of a row's path with the generic path up to each."""
    at = "" if ours.rooted else scope.ours_prefix
    for step, bound in zip(ours.path.steps, ours.steps, strict=True):
        name = step.name + ("[]" if bound.field.shape == "list" else "")
        at = f"{at}.{name}" if at else name
        yield at, step


def _gather(found: Slice, tests: Any, prefix: str, plan: Plan) -> None:
    for test in tests:
        some = frozenset([test.value]) if test.value is not None else frozenset(map(str, plan.bounds[test.table].write))
        found[f"{prefix}.{test.path.generic}"] = some


def _made(scope: Scope, ours: Ours) -> Iterator[tuple[str, Any, Slice]]:
    """The leaves that tests within a row's path set on the items it makes."""
    items = _items(scope, ours)
    for prefix, step in _walk(scope, ours):
        for test in step.tests:
            if test.value is not None:
                yield f"{prefix}.{test.path.generic}", test.value, items


__all__ = ["Slice", "System", "Use", "system"]
