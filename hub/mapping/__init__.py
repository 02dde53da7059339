"""The mapping language: one file that says what a system's fields mean, compiled to read and to write.

`load(adapter)` gives its mappings. `Mapping.inward` reads theirs into the record, `Mapping.create` writes the record as
theirs with an account of everything that does not get there. The language is described in docs/write-a-mapping.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UNSET

from hub import adapter as adapters
from hub.adapter import Adapter, Schema, Theirs
from hub.errors import DeclarationError, RecordError
from hub.mapping import account, create, declare, echo, forget, inward, reading, withhold, writing
from hub.mapping.bind import Plan
from hub.mapping.reading import Finding
from hub.model import ChildRecord, code_list, from_tree, merge, merge3, to_tree


class Inward(NamedTuple):
    """A record read, and what was noticed. kept: a rest of theirs, in its extras."""

    record: ChildRecord
    findings: list[Finding]
    kept: bool = False


class Created(NamedTuple):
    """A tree of theirs; account: (what, path of the leaf) -> how many values did not get there; what was noticed."""

    tree: dict[str, Any]
    account: dict[tuple[str, str], int]
    findings: list[Finding]


class Mapping:
    """What one kind of a system's records means, both ways. Compiled for each edition when it is first needed.

    kind: theirs (`Child`). carries: state, change or event. file: where it stands. rules: its conditions that erase.
    """

    def __init__(self, adapter: Adapter, declaration: declare.Declaration, overlays: Iterable[Path] = ()) -> None:
        self.adapter, self.declaration = adapter, declaration
        self.kind, self.version = declaration.theirs, declaration.version
        self.carries, self.file = declaration.carries, declaration.file
        if self.kind not in adapter.schemas:
            raise DeclarationError(f"the adapter {adapter.name} has no records of kind {self.kind!r}", file=self.file)
        self.schema: Schema | None = adapter.schemas[self.kind]
        self.tables = declare.tables(declaration, overlays, code_list)
        self.rules = [withhold.rule(spec, declaration.groups) for spec in declaration.conditions]
        self._plans: dict[str, Plan] = {}

    @property
    def edition(self) -> str:
        """The edition written when nobody says otherwise: the newest."""
        return self.adapter.editions[-1]

    def plan(self, edition: str = "") -> Plan:
        """The mapping bound and compiled for an edition."""
        found = self._plans.get(edition)
        if found is None:
            edition = edition if edition in self.adapter.editions else self.edition
            found = self._plans.get(edition)
        if found is None:
            found = Plan(self.declaration, self.tables, self.schema, edition)
            found.source = inward.compile_reading(found), create.compile_writing(found)
            self._plans[edition] = found
        return found

    def inward(self, theirs: Theirs, link: str = "", *, park: bool = False, known: ChildRecord | None = None) -> Inward:
        """Read one record; its tree is consumed. RecordError (row, table, place) when a critical leaf is bad.

        park: every bad value parks. known: the record as it was last sent to that system; what comes back unchanged
        keeps the value it had, though the system could not say it exactly.
        """
        ids = echo.identities(self.plan(theirs.edition), known) if known is not None else None
        said = self._read(theirs, theirs.tree, link, park, ids)
        if known is None:
            return Inward(said.record, said.findings, said.kept)
        sent = self.create(known, link, edition=theirs.edition).tree
        base = self._read(theirs, sent, link, False, ids).record
        return Inward(merge3(base, known, said.record), said.findings, said.kept)

    def _read(
        self, theirs: Theirs, tree: dict[str, Any], link: str, park: bool, ids: echo.Identities | None
    ) -> reading.Reading:
        """Read a tree that stands where theirs does; it is consumed. ids: of the items that it may echo."""
        plan = self.plan(theirs.edition)
        c = reading.Reading(plan, link or self.adapter.name, tree, theirs.head, theirs.place, park)
        c.known = ids
        plan.root.read(tree, c, {}, "")
        return c

    def create(self, record: ChildRecord, link: str = "", *, edition: str = "", strict: bool = False) -> Created:
        """Write a record; RecordError when strict and a field that the format requires cannot be filled."""
        own = link or self.adapter.name
        source = record.source
        if not edition and source and source.link == own and isinstance(source.edition, str):
            edition = source.edition
        plan = self.plan(edition)
        c = writing.Writing(plan, own, record, strict)
        if self.rules:
            met: set[str] = set()
            found = withhold.redact(record, self.rules, c.account, met)
            if any(f"{path}.".startswith(plan.own) for path in met):
                found.extras = UNSET  # what is left over of an item that is the record's own object is kept there
            elif found is not record and found.extras is not UNSET and own in found.extras:
                forget.forget(found, found.extras[own], plan, self.rules)
            c.record = record = found
        return Created(plan.root.write(record, c), c.account, c.findings)

    def outward(self, record: ChildRecord, onto: Theirs, link: str = "", *, strict: bool = False) -> Created:
        """Write a record onto what the target has: what the record does not mention stays there."""
        there = self.inward(onto, link).record
        return self.create(merge(there, record), link, edition=onto.edition, strict=strict)

    @property
    def merges(self) -> bool:
        """Whether it can write that one record takes the place of another."""
        rows = (row for scope in self.plan().root.walk() for row in scope.rows)
        return any(row.writing and ours.full == MERGED for row in rows for ours in row.ours)

    def reason(self, what: str, path: str) -> str:
        """Why values of a leaf became that, in words, for an account."""
        return account.reason(self, what, path)


class Identity:
    """The mapping of records that are already ours: the tree is the record."""

    kind, version, carries, file = "record", "", "state", ""
    rules: tuple[withhold.Rule, ...] = ()

    merges = True

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter

    def inward(self, theirs: Theirs, link: str = "", *, park: bool = False, known: ChildRecord | None = None) -> Inward:
        """The record of a tree; RecordError names the field that does not fit."""
        try:
            return Inward(from_tree(theirs.tree), [])
        except RecordError as error:
            why = "" if self.adapter.ours else "; there is no mapping of its format, so it must be a record of ours"
            raise RecordError(error.reason + why, place=theirs.place, row=error.row or error.place) from None

    def create(self, record: ChildRecord, link: str = "", *, edition: str = "", strict: bool = False) -> Created:
        """The tree of a record: nothing of it is lost or withheld.

        link: of a system, which gets back what it alone understands and nothing that only others do. Without one, for a
        file: all of that as well.
        """
        tree = to_tree(record)
        if link:
            self._own(tree, link)
        return Created(tree, {}, [])

    def _own(self, tree: Any, link: str) -> None:
        """Take what other links left over out of a tree and all below."""
        if isinstance(tree, dict):
            left = tree.pop("extras", {})
            for inner in tree.values():
                self._own(inner, link)
            if link in left:
                tree["extras"] = {link: left[link]}
        elif isinstance(tree, list):
            for inner in tree:
                self._own(inner, link)

    def reason(self, what: str, path: str) -> str:
        """Nothing is ever withheld."""
        return ""


AnyMapping = Mapping | Identity
MERGED = "merge.superseded"


def writer(mappings: dict[str, AnyMapping], record: ChildRecord, kind: str = "") -> AnyMapping:
    """The mapping that writes a record: that of its kind if there is one, else for a merge one that can say it, else
    the first. mappings: by kind, not empty."""
    found = mappings.get(kind)
    if found is None and record.merge:
        found = next((one for one in mappings.values() if one.merges), None)
    return found or next(iter(mappings.values()))


def adapted(name: str, overlays: Iterable[Path] = ()) -> Adapter:
    """The adapter of that name; where a council has a form of its own, that of the tables in its overlays.

    The tables are the CSV files beside an overlay's mappings for the adapter, but for its account.
    """
    found = adapters.find(name)
    if found.local is None:
        return found
    short = found.name.rpartition(".")[2]
    files = [file for overlay in overlays for file in sorted((overlay / short).glob("*.csv"))]
    tables = [(declare.label(file), file.read_bytes()) for file in files if file.name != "account.csv"]
    return found.local(tables) if tables else found


def load(adapter: str | Adapter, overlays: Iterable[Path] = ()) -> dict[str, AnyMapping]:
    """An adapter's mappings by the kind they read, overlays merged, every declaration checked.

    What a council adds is compiled at once, for every edition, so that its faults are said now; what is shipped when it
    is first needed. An adapter without mapping files reads and writes the record itself.
    """
    folders = tuple(overlays)
    found = adapted(adapter, folders) if isinstance(adapter, str) else adapter
    declared = declare.declarations(found.name, folders)
    if folders:
        declare.refuse_unused(folders, (*adapters.shipped(), found.name.rpartition(".")[2]))
    if not declared:
        return {kind: Identity(found) for kind in found.schemas} or {"record": Identity(found)}
    made: dict[str, AnyMapping] = {}
    is_own = bool(folders) or found.name not in adapters.shipped()
    for one in declared:
        if one.theirs in made:
            raise DeclarationError(f"two mappings read the kind {one.theirs!r}", file=one.file)
        mapping = Mapping(found, one, folders)
        for edition in found.editions if is_own else ():
            mapping.plan(edition)
        made[one.theirs] = mapping
    return made


__all__ = ["AnyMapping", "Created", "Finding", "Identity", "Inward", "Mapping", "adapted", "load", "writer"]
