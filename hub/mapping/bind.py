"""A declaration bound to the model, to the format's schema and to one edition: its groups and rows as scopes.

What is refused here is refused at load, naming file and place, before any record is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hub.adapter import Schema, in_edition
from hub.errors import DeclarationError
from hub.mapping import path
from hub.mapping.codes import Table
from hub.mapping.lift import lifted
from hub.mapping.ours import Bounds, Made, Match, Ours, OurStep, Where, our_tests, resolve
from hub.mapping.path import Path
from hub.mapping.spec import Declaration, GroupSpec
from hub.mapping.theirs import Theirs, values_at
from hub.mapping.way import Row, Way
from hub.model import ChildRecord, Part


@dataclass(eq=False)
class Scope:
    """The rows and groups of one item: the root, or one `[each]`.

    struct: the class of its items; ours_prefix and theirs_prefix: generic paths of an item on each side. For a group:
    our_steps lead from the parent's item (or the record when ours_rooted) to the list; theirs likewise. match and
    their_match: what its tests ask of an item; made: what they set on one. their_tests: the `=` tests whose cell no row
    reads; settled: all of them, with what finds the texts of each. many: theirs is a list; plain: of texts; shared:
    other groups or rows take from the same list; picked: the steps by which rows do.

    on: cell -> cell of the parent that it names (theirs is the flat side, at its root). on_ours: names of a leaf, group
    around it, path in that group's item (ours is the flat side). own_cells: first names of the cells its rows read.
    read, make and write are compiled, by `hub.mapping.inward` and `hub.mapping.create`.
    """

    plan: Plan
    name: str = ""
    spec: GroupSpec | None = None
    parent: Scope | None = None
    struct: type[Part] = ChildRecord
    ours_prefix: str = ""
    theirs_prefix: str = ""
    rows: list[Row] = field(default_factory=list)
    groups: list[Scope] = field(default_factory=list)
    ours: Path | None = None
    ours_rooted: bool = False
    our_steps: list[OurStep] = field(default_factory=list)
    match: Match | None = None
    made: Made = ()
    theirs: Theirs | None = None
    their_match: Match | None = None
    their_tests: list[path.Test] = field(default_factory=list)
    theirs_rooted: bool = False
    many: bool = True
    plain: bool = False
    keys: list[Ours] = field(default_factory=list)
    settled: list[tuple[path.Test, Callable[[Any], list[Any]]]] = field(default_factory=list)
    maps_removed: bool = False
    maps_id: bool = False
    shared: bool = False
    picked: frozenset[str] = frozenset()
    mixed: bool = False
    own_cells: tuple[str, ...] = ()
    on: dict[str, str] = field(default_factory=dict)
    on_ours: list[tuple[tuple[str, ...], str, Ours]] = field(default_factory=list)
    read: Any = None
    make: Any = None
    write: Any = None

    @property
    def cell(self) -> Theirs:
        """A group's path of theirs."""
        assert self.theirs is not None, "the root has none"
        return self.theirs

    @property
    def where(self) -> Where:
        """File and place of a group, for errors."""
        return (self.spec.file, f"[each.{self.name}]") if self.spec is not None else (self.plan.declaration.file, "")

    def cell_path(self, cell: Theirs) -> str:
        """The path of a row's cell in the schema."""
        generic = cell.path.generic
        if cell.root or not self.theirs_prefix:
            return generic
        return f"{self.theirs_prefix}.{generic}" if generic else self.theirs_prefix

    def cells(self) -> set[str]:
        """The paths in the schema of every cell that its rows read or write."""
        return {self.cell_path(cell) for row in self.rows for way in row.ways for cell in way.theirs}

    def walk(self) -> list[Scope]:
        """This scope and all below, parents first."""
        return [self, *(below for group in self.groups for below in group.walk())]


class Plan:
    """A whole mapping in one edition. DeclarationError (file, place) for what cannot be bound."""

    def __init__(self, declaration: Declaration, tables: dict[str, Table], schema: Schema | None, edition: str) -> None:
        self.declaration, self.tables, self.schema, self.edition = declaration, tables, schema, edition
        self.bounds: Bounds = {name: table.at(edition) for name, table in tables.items()}
        self.source = ("", "")
        """The Python that reads and the Python that writes, once it is compiled."""
        self.root = Scope(self)
        self.scopes: dict[str, Scope] = {"": self.root}
        flat = lifted(declaration)
        for spec in flat.groups.values():
            if in_edition(edition, spec.since, spec.until):
                self._group(spec)
        for scope in self.root.walk():
            rows = flat.rows if scope.spec is None else scope.spec.rows
            scope.rows = [row for row in (Row(spec, scope) for spec in rows.values()) if row.ways]
            self._finish(scope)
        self.own = tuple(f"{scope.ours_prefix}." for scope in self.root.groups if not scope.cell.path.steps)
        self.flat = [scope for scope in self.root.walk() if scope.ours_rooted and scope.on_ours]
        self._shadows()
        self._copies()
        self._share()

    def _share(self) -> None:
        """Rows of one codec without own words share the pairs they learn: a day read once is known everywhere."""
        pairs: dict[Any, tuple[dict[str, Any], dict[Any, Any]]] = {}
        for way in (way for scope in self.root.walk() for row in scope.rows for way in row.ways):
            usual = way.bound is None and way.first and way.reads and not way.spec.since
            if usual and way.fast == "memo" and not (way.codec.words or way.length or any(way.tokens)):
                way.memo, way.unmemo = pairs.setdefault((id(way.codec), way.special), (way.memo, way.unmemo))

    def _shadows(self) -> None:
        """Ways that only read cells which other rows write."""
        scopes = self.root.walk()
        written = {s.cell_path(cell) for s in scopes for row in s.rows for way in row.writing for cell in way.theirs}
        for scope in scopes:
            for way in (way for row in scope.rows for way in row.ways):
                way.shadowed = not way.writes and all(scope.cell_path(cell) in written for cell in way.theirs)

    def _copies(self) -> None:
        """Rows that only write: which share a cell with a row that reads it, and which leaves nothing reads back."""
        read = {ours.full for row, ours in leaf_rows(self) if row.reading}
        for scope in self.root.walk():
            cells = {cell.path.text for row in scope.rows for way in row.reading for cell in way.theirs}
            for row in scope.rows:
                if row.only_out:
                    row.fallback = any(cell.path.text in cells for way in row.ways for cell in way.theirs)
                    row.unread = [ours for ours in row.ours if ours.full not in read]

    def _group(self, spec: GroupSpec) -> None:
        """One group as a scope below its parent, its rows not yet."""
        file, place = spec.file, f"[each.{spec.name}]"
        parent = self.scopes.get(spec.parent)
        if parent is None:
            raise DeclarationError(f"in = {spec.parent!r}: there is no such group before it", file=file, place=place)
        scope = Scope(self, spec.name, spec, parent)
        self._group_ours(scope, spec, parent)
        self._group_theirs(scope, spec, parent)
        if spec.none and (not scope.many or (self.schema is not None and not self.schema.nulls)):
            told = "none = true: the format cannot say None in the place of this list"
            raise DeclarationError(told, file=file, place=place)
        if (scope.ours_rooted or scope.theirs_rooted) and parent is not self.root and not spec.on:
            told = "a side that starts with '/' needs on = { … } to say whose its items are"
            raise DeclarationError(told, file=file, place=place)
        if scope.theirs_rooted and len(spec.on) > 1:
            told = "a list at their root names its parent by one cell: on = { cell = parent's cell }"
            raise DeclarationError(told, file=file, place=place)
        if not spec.key:
            told = (
                "has no key: items would be aligned by position, and one gone missing would give its data to another. "
                "Name key = [ours paths]"
            )
            raise DeclarationError(told, file=file, place=place)
        self.scopes[spec.name] = scope
        parent.groups.append(scope)

    def _group_ours(self, scope: Scope, spec: GroupSpec, parent: Scope) -> None:
        file, place = where = scope.where
        ours = path.parse(spec.ours, self.declaration.names, file=file, place=place)
        scope.ours, scope.ours_rooted = ours, ours.root == "/"
        scope.our_steps = resolve(ours, ChildRecord if scope.ours_rooted else parent.struct, self.bounds, where)
        if not scope.our_steps:
            raise DeclarationError("ours names no list of the record", file=file, place=place)
        last = scope.our_steps[-1].field
        if last.shape != "list" or last.part is None:
            raise DeclarationError(f"{spec.ours!r} is no list of items in the record", file=file, place=place)
        scope.struct = last.part
        prefix = "" if scope.ours_rooted or not parent.ours_prefix else parent.ours_prefix + "."
        scope.ours_prefix = prefix + ".".join(step.generic for step in scope.our_steps)
        if ours.steps[-1].tests:
            scope.match, scope.made = our_tests(ours.steps[-1], last, self.bounds, where)

    def _group_theirs(self, scope: Scope, spec: GroupSpec, parent: Scope) -> None:
        file, place = scope.where
        theirs = path.parse(spec.theirs, self.declaration.names, file=file, place=place)
        scope.theirs = Theirs(theirs, self.bounds)
        scope.theirs_rooted = theirs.root == "/"
        scope.many = bool(theirs.steps) and theirs.steps[-1].many
        scope.their_match = scope.theirs.steps[-1][1] if scope.many and theirs.steps[-1].tests else None
        tests = theirs.steps[-1].tests if theirs.steps else ()
        scope.settled = [(test, values_at(test.path, self.bounds)) for test in tests if test.value]
        scope.theirs_prefix = parent.cell_path(scope.theirs)

    def _finish(self, scope: Scope) -> None:
        """What a scope's rows say of it, once they are there."""
        self._once(scope)
        paths = [ours for row in scope.rows for ours in row.ours]
        for ours in paths:
            ours.rivals = [other for other in paths if other is not ours and _more_tests(other, ours)]
        for group in scope.groups:
            same = [one for one in self.root.walk() if one.spec is not None and _same_list(group, one)]
            group.picked = frozenset(_picks(group, scope.rows))
            group.shared = len(same) > 1 or bool(group.picked)
            group.mixed = group.shared and any(one.spec is not None and one.spec.way == "out" for one in same)
        self._apart(scope)
        if scope.spec is None:
            return
        ways = [way for row in scope.rows for way in row.ways]
        for way in ways:
            if way.writes and any(cell.root == "/" for cell in way.theirs):
                way.row.fail('a row to the root of their tree, from a group, only reads: way = "in"')
        self._join(scope, scope.spec)
        cells = [cell.path for way in ways for cell in way.theirs]
        scope.own_cells = tuple({cell.steps[0].name for cell in cells if cell.plain})
        scope.plain = any(cell.text == "." for cell in cells)
        mapped, steps = scope.cells(), scope.cell.path.steps
        scope.their_tests = [
            test
            for test in (steps[-1].tests if steps else ())
            if test.value and test.path.steps and f"{scope.theirs_prefix}.{test.path.generic}" not in mapped
        ]
        scope.maps_removed = any(ours.path.text == "removed" and row.writing for row in scope.rows for ours in row.ours)
        self._keys(scope, scope.spec)

    def _once(self, scope: Scope) -> None:
        """Refuse a leaf that two rows read from different cells: one text would take the place of the other."""
        seen: dict[str, Row] = {}
        for row in scope.rows:
            for ours in row.ours if row.reading else ():
                other = seen.setdefault(ours.path.text, row)
                if other.cells.isdisjoint(row.cells):
                    row.fail(
                        f'{ours.path.text!r} is read by the row "{other.key}" too, from another field: keep one, write '
                        "them as alternatives in one row, or let one of them only write"
                    )

    def _apart(self, scope: Scope) -> None:
        """Refuse two groups that write the same items of ours: the first would write those of the other as its own."""
        seen: dict[tuple[str, bool], Scope] = {}
        for group in scope.groups:
            if group.spec is not None and group.spec.way != "in":
                other = seen.setdefault((group.our_steps[-1].text, group.ours_rooted), group)
                if other is not group:
                    told = (
                        f"writes the same items as [each.{other.name}], which would take them all: tell them apart by "
                        'a test (ours = "…[kind=cp]"), or let one of them only read'
                    )
                    raise DeclarationError(told, file=group.where[0], place=group.where[1])

    def _keys(self, scope: Scope, spec: GroupSpec) -> None:
        """The paths of a group's key: each has a row both ways, or is settled by `on`."""
        by_path = {ours.path.text: (row, ours) for row in scope.rows for ours in row.ours if row.reading}
        scope.maps_id = "id" in by_path
        for text in spec.key:
            row, ours = by_path.get(text, (None, None))
            two_way = row is not None and any(way.writes for way in row.reading)
            if ours is not None and ours.field.shape == "values":
                file, place = scope.where
                raise DeclarationError(
                    f"key {text!r} is a list of values, which tells no items apart", file=file, place=place
                )
            if row is not None and ours is not None and (two_way or text in spec.on):
                row.keyed = not scope.plain
                scope.keys.append(ours)
            elif text not in spec.on:
                file, place = scope.where
                raise DeclarationError(f"key {text!r} has no two-way row in the group", file=file, place=place)

    def _join(self, scope: Scope, spec: GroupSpec) -> None:
        """`on`: which cells of the flat side name the parent."""
        assert scope.parent is not None, "a group has one"
        if scope.theirs_rooted:
            scope.on = spec.on
            return
        file, place = where = spec.file, f"[each.{scope.name}] on"
        for leaf, value in spec.on.items():
            group, _, rest = value.partition(".")
            home, text = (self.scopes[group], rest) if rest and group in self.scopes else (scope.parent, value)
            mine = Ours(path.parse(leaf, file=file, place=place), scope.struct, "", self.bounds, where)
            named = Ours(path.parse(text, file=file, place=place), home.struct, "", self.bounds, where)
            scope.on_ours.append((mine.path.names, home.name, named))


def _same_list(one: Scope, other: Scope) -> bool:
    """Whether two groups take from the same list of theirs."""
    return bool(one.cell.path.steps) and one.theirs_prefix == other.theirs_prefix and one.many and other.many


def _picks(group: Scope, rows: list[Row]) -> Iterator[str]:
    """The steps by which the parent's rows pick items, to read and to write, from the list that a group takes from."""
    for cell in (cell for row in rows if row.writing for way in row.reading for cell in way.theirs):
        for n, (step, _, text) in enumerate(cell.steps if cell.root == group.cell.root else ()):
            if step.tests and Path("", "", cell.path.steps[: n + 1]).generic == group.cell.path.generic:
                yield text


def _more_tests(other: Ours, ours: Ours) -> bool:
    """Whether `other` picks from one of the lists of `ours` with more tests there."""
    pairs = [(a, b) for a in other.steps for b in ours.steps if a.match is not None and b.match is not None]
    return any(a.name == b.name and a.text != b.text and len(a.tests) > len(b.tests) for a, b in pairs)


def leaf_rows(plan: Plan) -> list[tuple[Row, Ours]]:
    """Every row with each of its paths, parents first."""
    return [(row, ours) for scope in plan.root.walk() for row in scope.rows for ours in row.ours]


__all__ = ["Plan", "Row", "Scope", "Way", "leaf_rows"]
