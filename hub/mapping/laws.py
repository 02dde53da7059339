"""The laws every mapping is held to, and what breaks them, by path.

GetPut: reading a tree and writing it gives the tree again. PutGet, announced: writing a record and reading it gives the
record, but for leaves that the account names. Locality: a change to one leaf changes only the cells of its rows.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from msgspec import UNSET, structs

from hub.adapter import Theirs
from hub.errors import RecordError
from hub.mapping import Created, Mapping
from hub.mapping.bind import Plan, Row, Scope, leaf_rows
from hub.mapping.compare import differences, record_differences, same
from hub.mapping.generate import Records, Trees
from hub.mapping.ours import Ours, items_of
from hub.mapping.withhold import redact
from hub.model import CONDITIONS, ChildRecord, fields


class Breach(NamedTuple):
    """A law broken: which, where (a path; never a value), for which sample or made-up record."""

    law: str
    path: str
    sample: str


def get_put(mapping: Mapping, theirs: Theirs, name: str) -> Iterator[Breach]:
    """Law 1 on one tree, without an original and onto itself.

    A record that parks breaks nothing. What a condition would erase is held to this law as well: it is written here as
    if no condition were met.
    """
    mapping = copy.copy(mapping)
    mapping.rules = []
    kept = mapping.adapter.normal(copy.deepcopy(theirs.tree))
    try:
        record = mapping.inward(_again(theirs)).record
    except RecordError:
        return
    created = mapping.create(record, edition=theirs.edition)
    for path in _tree_differences(mapping, kept, mapping.adapter.normal(created.tree)):
        yield Breach("GetPut: reading and writing changes", path, name)
    onto = mapping.adapter.normal(mapping.outward(record, _again(theirs)).tree)
    for path in _tree_differences(mapping, kept, onto):
        yield Breach("GetPut: writing a record onto the tree it was read from changes", path, name)


def _again(theirs: Theirs) -> Theirs:
    """The same record of theirs, its tree a copy."""
    return Theirs(theirs.kind, theirs.id, copy.deepcopy(theirs.tree), theirs.head, theirs.edition, theirs.place)


def _tree_differences(mapping: Mapping, a: Any, b: Any) -> list[str]:
    return sorted(differences(a, b, unordered=bool(mapping.schema and mapping.schema.unordered)))


def put_get(mapping: Mapping, record: ChildRecord, edition: str, name: str) -> Iterator[Breach]:
    """Law 2 on one record: what comes back differs only in leaves that the account names, and is stable.

    What a condition erases the second time, because what it asks for did not come back (a consent), is named then.
    """
    plan = mapping.plan(edition)
    first = mapping.create(record, "law", edition=edition)
    record = redact(record, mapping.rules, {})
    announced = {path for _, path in first.account}
    try:
        back = _through(mapping, record, first.tree, edition)
    except RecordError as error:
        yield Breach("PutGet: what is written is refused when read:", error.row or error.reason, name)
        return
    kept = sorted(_kept(back))
    if kept:
        yield Breach("PutGet: what is written is not read whole:", kept[0], name)
    for path in sorted(record_differences(plan, record, back)):
        if path not in announced:
            yield Breach("PutGet: comes back changed, and no account says so:", path, name)
    again = _through(mapping, back, mapping.create(back, "law", edition=edition).tree, edition)
    stays = redact(back, mapping.rules, {})
    changed = sorted(record_differences(plan, stays, again))
    if not changed and stays is back and again != back:
        changed = ["(order or ids)"]
    for path in changed:
        yield Breach("PutGet: going round twice changes", path, name)


def _through(mapping: Mapping, record: ChildRecord, tree: Any, edition: str) -> ChildRecord:
    """A record as it is read from what was written of it."""
    moment = record.source.as_of if record.source else ""
    head = mapping.adapter.head(moment if isinstance(moment, str) else "", edition)
    return mapping.inward(Theirs(mapping.kind, "", copy.deepcopy(tree), head, edition, ""), "law").record


def _kept(part: Any) -> Iterator[str]:
    """The parts whose extras hold a rest or spellings, with the names of what they hold."""
    for extra in part.extras.values() if getattr(part, "extras", UNSET) is not UNSET else ():
        if extra.rest or extra.spell:
            names = [*(extra.spell or {}), *(extra.rest if isinstance(extra.rest, dict) else ())]
            yield f"{type(part).__name__}: {', '.join(sorted(names))}"
    for field in fields(part.__class__):
        value = getattr(part, field.name)
        if field.part is not None and value is not UNSET and value is not None:
            for one in value if field.shape == "list" else (value,):
                yield from _kept(one)


def locality(mapping: Mapping, theirs: Theirs, name: str, rng: Random, most: int = 60) -> Iterator[Breach]:
    """Law 3 on one sample: set, change or clear leaves one at a time.

    Only their rows' cells may change, and reading what was written gives the change, or the account names the leaf.
    """
    try:
        record = mapping.inward(_again(theirs)).record
    except RecordError:
        return
    plan = mapping.plan(theirs.edition)
    before = mapping.create(record, edition=theirs.edition).tree
    one = _Locality(mapping, plan, Records(plan, rng), record, before, theirs, name)
    inputs = {path for condition in CONDITIONS.values() for path in condition.inputs} | _tested(plan)
    chosen = [
        (row, ours)
        for row, ours in leaf_rows(plan)
        if row.writing and not row.only_out and not ours.rooted and ours.full not in inputs
    ]
    rng.shuffle(chosen)
    for row, ours in chosen[:most]:
        yield from one.leaf(row, ours)


def _tested(plan: Plan) -> set[str]:
    """The leaves by whose value groups and rows choose their items: to change one is to change another item."""
    scopes = plan.root.walk()
    tested = [(scope.ours_prefix, scope.ours.steps[-1].tests) for scope in scopes if scope.ours is not None]
    tested += [(path, step.tests) for _, ours in leaf_rows(plan) for path, step in ours.picks]
    return {f"{path}.{test.path.generic}" for path, tests in tested for test in tests}


@dataclass
class _Locality:
    """One sample whose leaves are changed. before: what is written of it unchanged."""

    mapping: Mapping
    plan: Plan
    records: Records
    record: ChildRecord
    before: Any
    theirs: Theirs
    name: str

    def leaf(self, row: Row, ours: Ours) -> Iterator[Breach]:
        """Change the leaf of a row in one of its items."""
        rng = self.records.rng
        changed = copy.deepcopy(self.record)
        items = list(_items(row.scope, changed))
        if not items:
            return
        item = rng.choice(items)
        old = ours.get(item, changed)
        new = UNSET if old is not UNSET and rng.random() < 0.3 else self.records.value(ours.field, ours.full)
        if ours.field.shape == "values" and new is not UNSET:
            new = [new]
        is_named = ours.path.text == "id" and any(group.on_ours for group in row.scope.walk())
        if (new is UNSET and old is UNSET) or ours.field.leaf.refers or is_named:
            return
        setattr(ours.make(item), ours.steps[-1].name, new)
        made = self.mapping.create(changed, edition=self.plan.edition)
        allowed = _cells_of_leaf(self.plan, ours.full)
        for path in _tree_differences(self.mapping, self.before, made.tree):
            if not any(_touch(path, cell) for cell in allowed):
                yield Breach(f"Locality: changing {ours.full} changes", path, self.name)
        if not self._arrives(made, changed, ours.full):
            yield Breach(
                "Locality: a change does not reach the other side, and no account says so:", ours.full, self.name
            )

    def _arrives(self, made: Created, changed: ChildRecord, path: str) -> bool:
        """Whether reading what was written gives the changed leaf, or the account names it."""
        if any(path == told for _, told in made.account):
            return True
        written = structs.replace(self.theirs, tree=copy.deepcopy(made.tree))
        try:
            back = self.mapping.inward(written).record
        except RecordError:
            return False
        return path not in record_differences(self.plan, redact(changed, self.mapping.rules, {}), back)


def _touch(path: str, other: str) -> bool:
    """Whether two paths are the same or one lies below the other."""
    return path == other or path.startswith((other + ".", other + "[]")) or other.startswith((path + ".", path + "[]"))


def _items(scope: Scope, record: ChildRecord) -> Iterator[Any]:
    """The items of a scope that are written."""
    if scope.spec is None:
        yield record
        return
    parents = [record] if scope.ours_rooted or scope.parent is None else _items(scope.parent, record)
    for parent in parents:
        for item in items_of(parent, scope.our_steps):
            if (scope.match is None or scope.match(item)) and item.removed is not True and item.stub is not True:
                yield item


def _cells_of_leaf(plan: Plan, full: str) -> set[str]:
    """The cells of the rows of one leaf, with copies and the cells by which children name their parent."""
    found: set[str] = set()
    for row, ours in leaf_rows(plan):
        if ours.full != full and not ours.full.startswith(full + "."):
            continue
        cells = [cell for way in row.ways for cell in way.theirs]
        paths = [(row.scope.cell_path(cell), cell) for cell in cells]
        found |= {path for path, _ in paths}
        found |= {path.rpartition("[")[0] for path, cell in paths if cell.last_match is not None}
        names = {cell.path.text for cell in cells}
        for group in row.scope.groups:
            found |= {f"{group.theirs_prefix}.{foreign}" for foreign, name in group.on.items() if name in names}
    return found


def check(mapping: Mapping, samples: list[Theirs], *, records: int = 1000, seed: int = 1) -> Iterator[Breach]:
    """Every law on the samples and on made-up records and trees, over all editions."""
    rng = Random(seed)
    for n, theirs in enumerate(samples):
        name = theirs.place or f"sample {n + 1}"
        yield from get_put(mapping, theirs, name)
        yield from locality(mapping, theirs, name, rng)
    plans = [mapping.plan(edition) for edition in mapping.adapter.editions]
    makers = [Records(plan, rng) for plan in plans]
    growing = [Trees(plan, mapping.schema, rng) for plan in plans] if mapping.schema is not None else []
    for n in range(records):
        edition, maker = plans[n % len(plans)].edition, makers[n % len(plans)]
        name = f"made-up record {n + 1} of seed {seed}, edition {edition}"
        yield from put_get(mapping, maker.one("elsewhere"), edition, name)
    for n in range(records // 2 if growing else 0):
        edition, grown = plans[n % len(plans)].edition, growing[n % len(plans)].one()
        name = f"made-up tree {n + 1} of seed {seed}, edition {edition}"
        theirs = Theirs(mapping.kind, "", grown, mapping.adapter.head("2025-03-31", edition), edition, "")
        yield from get_put(mapping, theirs, name)


__all__ = ["Breach", "check", "differences", "get_put", "locality", "put_get", "same"]
