"""A declaration bound to the model, to the format's schema and to one edition: its groups and rows as scopes.

What is refused here is refused at load, naming file and place, before any record is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub.adapter import Schema, in_edition
from hub.errors import DeclarationError
from hub.mapping import path
from hub.mapping.codes import Table
from hub.mapping.declare import Declaration, GroupSpec, RowSpec, WaySpec
from hub.mapping.ours import Bounds, Ours, OurStep, our_tests, resolve
from hub.mapping.theirs import Theirs
from hub.mapping.way import Row, Way
from hub.model import ChildRecord


@dataclass(eq=False)
class Scope:
    """The rows and groups of one item: the root, or one `[each]`.

    struct: the class of its items; ours_prefix and theirs_prefix: generic paths of an item on each side. For a group:
    list_steps lead from the parent's item (or the record when ours_rooted) to the list or part; their_steps likewise.
    """

    plan: Plan
    name: str = ""
    spec: GroupSpec | None = None
    parent: Scope | None = None
    struct: type = ChildRecord
    ours_prefix: str = ""
    theirs_prefix: str = ""
    rows: list[Row] = field(default_factory=list)
    groups: list[Scope] = field(default_factory=list)
    ours: Any = None
    ours_rooted: bool = False
    our_steps: list[OurStep] = field(default_factory=list)
    match: Callable[[Any], bool] | None = None
    made: tuple[tuple[tuple[str, ...], Any], ...] = ()
    theirs: Theirs | None = None
    their_match: Callable[[Any], bool] | None = None
    their_tests: list[path.Test] = field(default_factory=list)
    theirs_rooted: bool = False
    many: bool = True
    plain: bool = False
    keys: list[Ours] = field(default_factory=list)
    maps_removed: bool = False
    maps_id: bool = False
    shared: bool = False
    nested: bool = False
    own_cells: tuple[str, ...] = ()
    on: dict[str, str] = field(default_factory=dict)
    on_ours: list[tuple[tuple[str, ...], str, Ours]] = field(default_factory=list)
    read: Any = None
    make: Any = None
    write: Any = None

    def cell_path(self, cell: Theirs) -> str:
        """The path of a row's cell in the schema."""
        if cell.root == "/" or cell.root == "@":
            return cell.path.generic.lstrip("/@")
        generic = cell.path.generic
        if not generic:
            return self.theirs_prefix
        return f"{self.theirs_prefix}.{generic}" if self.theirs_prefix else generic

    def walk(self) -> list[Scope]:
        """This scope and all below, parents first."""
        return [self, *(below for group in self.groups for below in group.walk())]


class Plan:
    """A whole mapping in one edition."""

    def __init__(self, declaration: Declaration, tables: dict[str, Table], schema: Schema | None, edition: str) -> None:
        self.declaration, self.tables, self.schema, self.edition = declaration, tables, schema, edition
        self.bounds: Bounds = {name: table.at(edition) for name, table in tables.items()}
        self.root = Scope(self)
        self.scopes: dict[str, Scope] = {"": self.root}
        lifted = _lifted(declaration)
        for spec in lifted.groups.values():
            if in_edition(edition, spec.since, spec.until):
                self._group(spec)
        for scope in self.root.walk():
            rows = lifted.rows if scope.spec is None else scope.spec.rows
            scope.rows = [row for row in (Row(spec, scope, schema) for spec in rows.values()) if row.ways]
            self._finish(scope)
        written = {
            s.cell_path(t) for s in self.root.walk() for row in s.rows for way in row.writing for t in way.theirs
        }
        for scope in self.root.walk():
            for way in (way for row in scope.rows for way in row.ways):
                way.shadowed = not way.writes and all(scope.cell_path(t) in written for t in way.theirs)
        self._copies()

    def _copies(self) -> None:
        """Rows that only write: which share a cell with a row that reads it, and which leaves nothing reads back."""
        read = {ours.full for row, ours in leaf_rows(self) if row.reading}
        for scope in self.root.walk():
            cells = {t.path.text for row in scope.rows for way in row.reading for t in way.theirs}
            for row in scope.rows:
                if row.only_out:
                    row.fallback = any(t.path.text in cells for way in row.ways for t in way.theirs)
                    row.unread = [ours for ours in row.ours if ours.full not in read]

    def _group(self, spec: GroupSpec) -> None:
        place, file, names = f"[each.{spec.name}]", spec.file, self.declaration.names
        parent = self.scopes.get(spec.parent)
        if parent is None:
            raise DeclarationError(f"in = {spec.parent!r}: there is no such group before it", file=file, place=place)
        scope = Scope(self, spec.name, spec, parent)
        ours, theirs = (
            path.parse(spec.ours, names, file=file, place=place),
            path.parse(spec.theirs, names, file=file, place=place),
        )
        scope.ours, scope.ours_rooted = ours, ours.root == "/"
        scope.our_steps = resolve(ours, ChildRecord if scope.ours_rooted else parent.struct, self.bounds, (file, place))
        last = scope.our_steps[-1]
        if last.field.shape != "list" or last.field.part is None:
            raise DeclarationError(f"{spec.ours!r} is no list of items in the record", file=file, place=place)
        scope.struct = last.field.part
        prefix = "" if scope.ours_rooted or not parent.ours_prefix else parent.ours_prefix + "."
        scope.ours_prefix = prefix + ".".join(
            s.name + ("[]" if s.field.shape == "list" else "") for s in scope.our_steps
        )
        if ours.steps[-1].tests:
            scope.match, scope.made = our_tests(ours.steps[-1], last.field, self.bounds, (file, place))
        scope.theirs = Theirs(theirs, self.bounds)
        scope.theirs_rooted = theirs.root == "/"
        scope.many = bool(theirs.steps) and theirs.steps[-1].many
        scope.their_match = scope.theirs.steps[-1][1] if scope.many and theirs.steps[-1].tests else None
        scope.theirs_prefix = parent.cell_path(scope.theirs)
        if (scope.ours_rooted or scope.theirs_rooted) and parent is not self.root and not spec.on:
            raise DeclarationError(
                "a side that starts with '/' needs on = { … } to say whose its items are", file=file, place=place
            )
        if not spec.key:
            raise DeclarationError(
                "has no key: items would be aligned by position, and one gone missing would give its data to another. Name key = [ours paths]",
                file=file, place=place,
            )  # fmt: skip
        scope.nested = parent.spec is not None
        self.scopes[spec.name] = scope
        parent.groups.append(scope)

    def _finish(self, scope: Scope) -> None:
        for row in scope.rows:
            for ours in row.ours:
                ours.rivals = [
                    other for rival in scope.rows for other in rival.ours
                    if other is not ours and _more_tests(other, ours)
                ]  # fmt: skip
        for row in scope.rows:
            for way in row.ways:
                if scope.spec is not None and way.writes and any(t.root == "/" for t in way.theirs):
                    row.fail('a row to the root of their tree, from a group, only reads: way = "in"')
        for group in scope.groups:
            group.shared = sum(_same_list(group, other) for other in self.root.walk() if other.spec is not None) > 1
        if scope.spec is None:
            return
        self._join(scope)
        mapped = {scope.cell_path(t) for row in scope.rows for way in row.ways for t in way.theirs}
        tests = scope.theirs.path.steps[-1].tests if scope.theirs is not None and scope.theirs.path.steps else ()
        scope.their_tests = [
            t for t in tests if t.value and f"{scope.theirs_prefix}.{t.path.generic}" not in mapped and t.path.steps
        ]
        by_key = {ours.path.text: row for row in scope.rows for ours in row.ours if row.reading}
        scope.plain = any(t.path.text == "." for row in scope.rows for way in row.ways for t in way.theirs)
        scope.maps_removed = any(o.path.text == "removed" and row.writing for row in scope.rows for o in row.ours)
        scope.maps_id = "id" in by_key
        for text in scope.spec.key:
            row = by_key.get(text)
            if row is None or (not any(way.writes for way in row.reading) and text not in scope.spec.on):
                if text in scope.spec.on:
                    continue
                raise DeclarationError(
                    f"key {text!r} has no two-way row in the group", file=scope.spec.file, place=f"[each.{scope.name}]"
                )
            row.keyed = not scope.plain
            scope.keys.append(next(o for o in row.ours if o.path.text == text))

    def _join(self, scope: Scope) -> None:
        """`on`: which cells of the flat side name the parent."""
        assert scope.spec is not None and scope.parent is not None
        scope.own_cells = tuple(
            {t.path.steps[0].name for row in scope.rows for way in row.ways for t in way.theirs if t.path.plain}
        )
        if scope.theirs_rooted:
            scope.on = scope.spec.on
            return
        file, place = scope.spec.file, f"[each.{scope.name}] on"
        for cell, value in scope.spec.on.items():
            group, _, rest = value.partition(".")
            home = self.scopes.get(group) if rest and group in self.scopes else scope.parent
            mine = Ours(
                path.parse(cell, file=file, place=place), scope.struct, "", ChildRecord, self.bounds, (file, place)
            )
            text = rest if home is not scope.parent or (rest and group in self.scopes) else value
            assert home is not None
            other = Ours(
                path.parse(text, file=file, place=place), home.struct, "", ChildRecord, self.bounds, (file, place)
            )
            scope.on_ours.append((mine.path.names, home.name, other))


def _same_list(a: Scope, b: Scope) -> bool:
    assert a.theirs is not None and b.theirs is not None
    return bool(a.theirs.path.steps) and a.theirs_prefix == b.theirs_prefix and a.many and b.many


def _more_tests(other: Ours, ours: Ours) -> bool:
    """Whether `other` picks from one of the lists of `ours` with more tests there."""
    for a in other.steps:
        for b in ours.steps:
            if (
                a.match is not None
                and b.match is not None
                and a.name == b.name
                and a.text != b.text
                and a.tests > b.tests
            ):
                return True
    return False


def _lifted(found: Declaration) -> Declaration:
    """Groups that pair one part with one object become rows of their parent, with longer paths."""
    groups: dict[str, GroupSpec] = {}
    lifts: dict[str, tuple[str, str, str]] = {}
    rows = dict(found.rows)
    for spec in found.groups.values():
        parent, ours, theirs = lifts.get(spec.parent, (spec.parent, "", ""))
        spec = GroupSpec(
            spec.name, spec.file, parent, _below(ours, spec.ours), _below(theirs, spec.theirs), spec.on, spec.key, spec.partial,
            spec.way, spec.since, spec.until, dict(spec.rows),
        )  # fmt: skip
        if spec.ours.endswith("]") or spec.theirs.endswith("]"):
            groups[spec.name] = spec
            continue
        lifts[spec.name] = (parent, spec.ours, spec.theirs)
        home = groups[parent].rows if parent else rows
        for row in spec.rows.values():
            ways = tuple(_way_below(way, spec) for way in row.ways)
            key = ", ".join(_below(spec.ours, one) for one in row.ours)
            home[key] = RowSpec(key, tuple(_below(spec.ours, one) for one in row.ours), ways, row.file)
    return Declaration(
        found.adapter, found.name, found.file, found.files, found.theirs, found.version, found.carries, found.names,
        found.absent, rows, groups, found.ignore, found.withhold, found.conditions, found.code_options, found.examples,
    )  # fmt: skip


def _below(prefix: str, text: str) -> str:
    return text if not prefix or text[:1] in "/@" else prefix if text == "." else f"{prefix}.{text}"


def _way_below(way: WaySpec, spec: GroupSpec) -> WaySpec:
    theirs = tuple(_below(spec.theirs, text) for text in way.theirs)
    return WaySpec(theirs, way.codec, way.codes, way.flags, way.words, way.none, way.absent, way.way or spec.way,
                   way.since or spec.since, way.until or spec.until, way.when, way.bad)  # fmt: skip


def leaf_rows(plan: Plan) -> list[tuple[Row, Ours]]:
    """Every row with each of its paths, parents first."""
    return [(row, ours) for scope in plan.root.walk() for row in scope.rows for ours in row.ours]


__all__ = ["Plan", "Row", "Scope", "Way", "leaf_rows"]
