"""The laws every mapping is held to, and what breaks them, by path.

GetPut: reading a tree and writing it gives the tree again. PutGet, announced: writing a record and reading it gives the
record, but for leaves that the account names. Locality: a change to one leaf changes only the cells of its rows.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, NamedTuple

from msgspec import UNSET

from hub.adapter import Theirs
from hub.errors import RecordError
from hub.mapping import Mapping
from hub.mapping.bind import Plan, Row, Scope, leaf_rows
from hub.mapping.generate import Records, Trees
from hub.mapping.ours import Ours
from hub.mapping.theirs import MISS
from hub.mapping.withhold import redact
from hub.model import CONDITIONS, ChildRecord, Field, Item, fields


class Breach(NamedTuple):
    """A law broken: which, where (a path; never a value), for which sample or made-up record."""

    law: str
    path: str
    sample: str


def same(a: Any, b: Any, unordered: bool = False) -> bool:
    """Whether two trees are equal: dict order never matters, list order does unless the format has none, a bare token is no text."""
    return not differences(a, b, unordered=unordered)


def differences(a: Any, b: Any, prefix: str = "", unordered: bool = False) -> set[str]:
    """The generic paths (lists as `[]`) of the cells in which two trees differ."""
    if a.__class__ is dict and b.__class__ is dict:
        found: set[str] = set()
        for name in a.keys() | b.keys():
            path = f"{prefix}.{name}" if prefix else str(name)
            found |= differences(a.get(name, MISS), b.get(name, MISS), path, unordered)
        return found
    if a.__class__ is list and b.__class__ is list:
        if unordered:
            a, b = sorted(a, key=_order), sorted(b, key=_order)
        if len(a) == len(b):
            return {path for x, y in zip(a, b, strict=True) for path in differences(x, y, prefix + "[]", unordered)}
        return {path for one in [*a, *b] for path in _cells(one, prefix + "[]")} or {prefix}
    if a.__class__ is b.__class__ and a == b:
        return set()
    return {path for one in (a, b) if one is not MISS for path in _cells(one, prefix)} or {prefix}


def _order(tree: Any) -> str:
    """A text that is the same for trees that differ in dict order only."""
    if tree.__class__ is dict:
        return "{" + ",".join(f"{name!r}:{_order(tree[name])}" for name in sorted(tree)) + "}"
    return "[" + ",".join(map(_order, tree)) + "]" if tree.__class__ is list else repr(tree)


def _cells(tree: Any, prefix: str) -> set[str]:
    if tree.__class__ is dict:
        return {path for name, one in tree.items() for path in _cells(one, f"{prefix}.{name}")} or {prefix}
    if tree.__class__ is list:
        return {path for one in tree for path in _cells(one, prefix + "[]")} or {prefix}
    return {prefix}


def get_put(mapping: Mapping, theirs: Theirs, name: str) -> Iterator[Breach]:
    """Law 1 on one tree, without an original and onto itself. A record that parks, or from which a condition erases, breaks nothing."""
    normal = mapping.adapter.normal
    unordered = bool(mapping.schema and mapping.schema.unordered)
    kept = copy.deepcopy(theirs.tree)
    try:
        record = mapping.inward(_again(theirs)).record
    except RecordError:
        return
    created = mapping.create(record, edition=theirs.edition)
    made = created.tree
    if any(what == rule.what for what, _ in created.account for rule in mapping.rules):
        return
    for path in sorted(differences(normal(kept), normal(made), unordered=unordered)):
        yield Breach("GetPut: reading and writing changes", path, name)
    onto = mapping.outward(record, _again(theirs)).tree
    for path in sorted(differences(normal(kept), normal(onto), unordered=unordered)):
        yield Breach("GetPut: writing a record onto the tree it was read from changes", path, name)


def _again(theirs: Theirs) -> Theirs:
    return Theirs(theirs.kind, theirs.id, copy.deepcopy(theirs.tree), theirs.head, theirs.edition, theirs.place)


def put_get(mapping: Mapping, record: ChildRecord, edition: str, name: str) -> Iterator[Breach]:
    """Law 2 on one record: what comes back differs only in leaves that the account names, and is stable."""
    link = "law"
    first = mapping.create(record, link, edition=edition)
    record = redact(record, mapping.rules, {})
    announced = {path for _, path in first.account}
    try:
        back = _through(mapping, record, first.tree, edition)
    except RecordError as error:
        yield Breach("PutGet: what is written is refused when read:", error.row or error.reason, name)
        return
    if any(extras for extras in _extras(back)):
        yield Breach("PutGet: what is written is not read whole:", sorted(_extras(back))[0], name)
    for path in sorted(record_differences(mapping.plan(edition), record, back)):
        if path not in announced:
            yield Breach("PutGet: comes back changed, and no account says so:", path, name)
    again = _through(mapping, back, mapping.create(back, link, edition=edition).tree, edition)
    if again != back:
        for path in sorted(record_differences(mapping.plan(edition), back, again)) or ["(order or ids)"]:
            yield Breach("PutGet: going round twice changes", path, name)


def _through(mapping: Mapping, record: ChildRecord, tree: Any, edition: str) -> ChildRecord:
    moment = record.source.as_of if record.source else ""
    head = mapping.adapter.head(moment if isinstance(moment, str) else "", edition)
    return mapping.inward(Theirs(mapping.kind, "", copy.deepcopy(tree), head, edition, ""), "law").record


def _extras(part: Any) -> Iterator[str]:
    if getattr(part, "extras", UNSET) is not UNSET:
        for extra in part.extras.values():
            if extra.rest or extra.spell:
                yield (
                    type(part).__name__
                    + ": "
                    + ", ".join(
                        sorted([*(extra.spell or {}), *((extra.rest or {}) if isinstance(extra.rest, dict) else ())])
                    )
                )
    for field in fields(type(part)):
        value = getattr(part, field.name)
        if field.part is not None and value is not UNSET and value is not None:
            for one in value if field.shape == "list" else (value,):
                yield from _extras(one)


_OWN = {"id", "removed", "stub"}
_SOURCE = {"source.link", "source.edition", "source.partial"}


def record_differences(plan: Plan, a: ChildRecord, b: ChildRecord) -> set[str]:
    """The leaf paths in which two records differ, items aligned by key within what each group takes."""
    return _Diff(plan).parts(ChildRecord, a, b, "") - _SOURCE


class _Diff:
    def __init__(self, plan: Plan) -> None:
        self.slices: dict[str, list[tuple[Any, Scope | None]]] = {}
        self.mapped_ids: set[str] = set()
        self.sets = {ours.full for row, ours in leaf_rows(plan) if any(way.shape == "flags" for way in row.ways)}
        for scope in plan.root.walk():
            if scope.spec is not None:
                self.slices.setdefault(scope.ours_prefix, []).append((scope.match, scope))
                if scope.maps_id:
                    self.mapped_ids.add(scope.ours_prefix.removesuffix("[]"))
            for row in scope.rows:
                for ours in row.ours:
                    self._row(scope, ours)

    def _row(self, scope: Scope, ours: Ours) -> None:
        names = [scope.ours_prefix] if scope.ours_prefix and not ours.rooted else []
        for step in ours.steps:
            names.append(step.name + ("[]" if step.field.shape == "list" else ""))
            if step.match is not None:
                self.slices.setdefault(".".join(names), []).append((step.match, None))

    def parts(self, cls: type, a: Any, b: Any, prefix: str) -> set[str]:
        found: set[str] = set()
        for field in fields(cls):
            path = f"{prefix}.{field.name}" if prefix else field.name
            x = getattr(a, field.name) if a is not None else UNSET
            y = getattr(b, field.name) if b is not None else UNSET
            if (
                x is y
                or (field.name in _OWN and issubclass(cls, Item))
                or (field.leaf.refers and field.leaf.refers not in self.mapped_ids)
            ):
                continue
            if field.shape == "part":
                found |= self.parts(field.part, x or None, y or None, path)  # type: ignore[arg-type]
            elif field.shape == "list":
                found |= self._lists(field, x or [], y or [], path + "[]")
            elif x != y and not (
                field.shape == "values" and ((not x and not y) or (path in self.sets and _set(x) == _set(y)))
            ):
                found.add(path)
        return found

    def _lists(self, field: Field, a: list[Any], b: list[Any], path: str) -> set[str]:
        found: set[str] = set()
        left, right = list(a), list(b)
        for match, scope in self.slices.get(path, []):
            xs = [one for one in left if match is None or match(one)]
            ys = [one for one in right if match is None or match(one)]
            if scope is None:
                xs, ys = [one for one in xs if one.removed is not True][:1], ys[:1]
            left = [one for one in left if not any(one is other for other in xs)]
            right = [one for one in right if not any(one is other for other in ys)]
            for x, y in self._aligned(xs, ys, scope):
                found |= self.parts(field.part, x, y, path)  # type: ignore[arg-type]
        for x, y in [(one, None) for one in left] + [(None, one) for one in right]:
            found |= self.parts(field.part, x, y, path)  # type: ignore[arg-type]
        return found

    def _aligned(self, xs: list[Any], ys: list[Any], scope: Scope | None) -> list[tuple[Any, Any]]:
        """Pairs of items: in their order where none is missing, else those of the same key; then what is left over."""
        gone = [x for x in xs if x.removed is True and (scope is None or not scope.maps_removed)]
        here = [x for x in xs if not any(x is one for one in gone)]
        if len(here) == len(ys) and (scope is None or not scope.on_ours):
            return [*zip(here, ys, strict=True), *((x, None) for x in gone)]
        pairs: list[tuple[Any, Any]] = []
        lone = []
        rest = list(ys)
        for x in here:
            keyed = scope is not None and not scope.on_ours
            y = next((one for one in rest if keyed and self._key(scope, one) == self._key(scope, x)), None)  # type: ignore[arg-type]
            if y is None:
                lone.append(x)
            else:
                del rest[next(n for n, one in enumerate(rest) if one is y)]
                pairs.append((x, y))
        while lone and rest:
            x, y = max(((x, y) for x in lone for y in rest), key=lambda pair: _alike(*pair))
            lone = [one for one in lone if one is not x]
            rest = [one for one in rest if one is not y]
            pairs.append((x, y))
        return pairs + [(x, None) for x in [*lone, *gone]] + [(None, y) for y in rest]

    def _key(self, scope: Scope, item: Any) -> list[Any]:
        return [None if value is UNSET else value for value in (ours.get(item) for ours in scope.keys)]


def _alike(a: Any, b: Any) -> int:
    """How many leaves two parts have in common."""
    found = 0
    for field in fields(type(a)):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if x is not UNSET and x is not None and y is not UNSET and y is not None:
            found += _alike(x, y) if field.shape == "part" else int(field.shape != "list" and x == y)
    return found


def _set(values: Any) -> Any:
    return set(values) if values else values


def locality(mapping: Mapping, theirs: Theirs, name: str, rng: Random, most: int = 60) -> Iterator[Breach]:
    """Law 3 on one sample: set, change or clear leaves one at a time; only their rows' cells may change."""
    try:
        record = mapping.inward(_again(theirs)).record
    except RecordError:
        return
    plan = mapping.plan(theirs.edition)
    before = mapping.create(record, edition=theirs.edition).tree
    records = Records(plan, rng)
    inputs = {path for condition in CONDITIONS.values() for path in condition.inputs} | _tested(plan)
    chosen = [
        (row, ours)
        for row, ours in leaf_rows(plan)
        if row.writing and not row.only_out and not ours.rooted and ours.full not in inputs
    ]
    rng.shuffle(chosen)
    for row, ours in chosen[:most]:
        yield from _one_leaf(mapping, record, before, row, ours, records, theirs.edition, name)


def _tested(plan: Plan) -> set[str]:
    """The leaves by whose value groups and rows choose their items: to change one is to change another item."""
    found = set()
    for scope in plan.root.walk():
        paths = [(scope.ours_prefix, scope.ours.steps[-1])] if scope.ours is not None else []
        for row in scope.rows:
            for ours in row.ours:
                names = [scope.ours_prefix] if scope.ours_prefix and not ours.rooted else []
                for step, said in zip(ours.steps, ours.path.steps, strict=True):
                    names.append(step.name + ("[]" if step.field.shape == "list" else ""))
                    paths.append((".".join(names), said))
        found |= {f"{prefix}.{test.path.generic}" for prefix, step in paths for test in step.tests}
    return found


def _one_leaf(
    mapping: Mapping, record: ChildRecord, before: Any, row: Row, ours: Ours, records: Records, edition: str, name: str
) -> Iterator[Breach]:
    changed = copy.deepcopy(record)
    items = list(_items(row.scope, changed))
    if not items:
        return
    item = records.rng.choice(items)
    old = ours.get(item, changed)
    new = UNSET if old is not UNSET and records.rng.random() < 0.3 else records._value(ours.field, ours.full)
    if ours.field.shape == "values" and new is not UNSET:
        new = [new]
    named = ours.path.text == "id" and any(group.on_ours for group in row.scope.walk())
    if (new is UNSET and old is UNSET) or ours.field.leaf.refers or named:
        return
    setattr(ours.make(item), ours.steps[-1].name, new)
    made = mapping.create(changed, edition=edition)
    allowed = _cells_of_leaf(mapping.plan(edition), ours.full)
    unordered = bool(mapping.schema and mapping.schema.unordered)
    for path in sorted(differences(before, made.tree, unordered=unordered)):
        if not any(
            path == cell or path.startswith((cell + ".", cell + "[]")) or cell.startswith((path + ".", path + "[]"))
            for cell in allowed
        ):
            yield Breach(f"Locality: changing {ours.full} changes", path, name)


def _items(scope: Scope, record: ChildRecord) -> Iterator[Any]:
    if scope.spec is None:
        yield record
        return
    parents: Iterable[Any] = [record] if scope.ours_rooted or scope.parent is None else _items(scope.parent, record)
    for parent in parents:
        at: Any = parent
        for step in scope.our_steps:
            at = getattr(at, step.name) if at is not UNSET and at is not None else UNSET
        for item in at if at is not UNSET and at is not None else ():
            if (scope.match is None or scope.match(item)) and item.removed is not True and item.stub is not True:
                yield item


def _cells_of_leaf(plan: Plan, full: str) -> set[str]:
    """The cells of the rows of one leaf, with copies and the cells by which children name their parent."""
    found: set[str] = set()
    for row, ours in leaf_rows(plan):
        if ours.full == full or ours.full.startswith(full + "."):
            for way in row.ways:
                found |= {row.scope.cell_path(cell) for cell in way.theirs}
                found |= {
                    row.scope.cell_path(cell).rpartition("[")[0] for cell in way.theirs if cell.last_match is not None
                }
            if ours.path.text == "id" or row.scope.groups:
                names = {cell.path.text for way in row.ways for cell in way.theirs}
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
    editions = mapping.adapter.editions
    makers = [(edition, Records(mapping.plan(edition), rng)) for edition in editions]
    trees = (
        [(edition, Trees(mapping.plan(edition), mapping.schema, rng)) for edition in editions]
        if mapping.schema is not None
        else []
    )
    for n in range(records):
        edition, maker = makers[n % len(makers)]
        yield from put_get(
            mapping, maker.one("elsewhere"), edition, f"made-up record {n + 1} of seed {seed}, edition {edition}"
        )
    for n in range(records // 2 if trees else 0):
        edition, growing = trees[n % len(trees)]
        theirs = Theirs(mapping.kind, "", growing.one(), mapping.adapter.head("2025-03-31", edition), edition, "")
        yield from get_put(mapping, theirs, f"made-up tree {n + 1} of seed {seed}, edition {edition}")
