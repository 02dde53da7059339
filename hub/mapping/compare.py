"""What differs: between two trees of theirs, and between two records whose items are aligned as a mapping's groups do.

Differences are named by generic path, lists as `[]`; values never are.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import UNSET

from hub.mapping.bind import Plan, Scope, leaf_rows
from hub.mapping.ours import Match
from hub.mapping.theirs import MISS
from hub.mapping.writing import ENGINE, OWN
from hub.model import ChildRecord, Field, Item, Part, fields


def same(a: Any, b: Any, unordered: bool = False) -> bool:
    """Whether two trees are equal: dict order never matters, list order does unless the format has none.

    A bare token is no text.
    """
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
            a, b = _unlike(a, b), _unlike(b, a)
        if len(a) == len(b):
            return {path for x, y in zip(a, b, strict=True) for path in differences(x, y, prefix + "[]", unordered)}
        return {path for one in [*a, *b] for path in _cells(one, prefix + "[]")} or {prefix}
    if a.__class__ is b.__class__ and a == b:
        return set()
    return {path for one in (a, b) if one is not MISS for path in _cells(one, prefix)} or {prefix}


def _unlike(items: list[Any], others: list[Any]) -> list[Any]:
    """The items that have no equal among the others, in an order of their own: what is alike need not be compared."""
    there = Counter(map(_order, others))
    found = []
    for item in sorted(items, key=_order):
        if there[_order(item)]:
            there[_order(item)] -= 1
        else:
            found.append(item)
    return found


def _order(tree: Any) -> str:
    """A text that is the same for trees that differ in dict order only."""
    if tree.__class__ is dict:
        return "{" + ",".join(f"{name!r}:{_order(tree[name])}" for name in sorted(tree)) + "}"
    return "[" + ",".join(map(_order, tree)) + "]" if tree.__class__ is list else repr(tree)


def _cells(tree: Any, prefix: str) -> set[str]:
    """The paths of the cells of a tree; those of what is empty itself."""
    if tree.__class__ is dict:
        return {path for name, one in tree.items() for path in _cells(one, f"{prefix}.{name}")} or {prefix}
    if tree.__class__ is list:
        return {path for one in tree for path in _cells(one, prefix + "[]")} or {prefix}
    return {prefix}


def record_differences(plan: Plan, a: ChildRecord, b: ChildRecord) -> set[str]:
    """The leaf paths in which two records differ, items aligned by key within what each group takes."""
    return _Diff(plan).parts(ChildRecord, a, b, "") - set(ENGINE)


class _Diff:
    """How a plan cuts lists into what its groups and rows take. slices: by path of a list, the match and its group."""

    def __init__(self, plan: Plan) -> None:
        self.slices: dict[str, list[tuple[Match | None, Scope | None]]] = {}
        self.mapped_ids: set[str] = set()
        self.sets = {ours.full for row, ours in leaf_rows(plan) if any(way.shape == "flags" for way in row.ways)}
        for scope in plan.root.walk():
            if scope.spec is not None:
                self.slices.setdefault(scope.ours_prefix, []).append((scope.match, scope))
                if scope.maps_id:
                    self.mapped_ids.add(scope.ours_prefix.removesuffix("[]"))
            for path, step in (pick for row in scope.rows for ours in row.ours for pick in ours.picks):
                self.slices.setdefault(path, []).append((step.match, None))

    def parts(self, cls: type[Part], a: Any, b: Any, prefix: str) -> set[str]:
        """The leaf paths in which two parts of a class differ; None is a part that is not there."""
        found: set[str] = set()
        for field in fields(cls):
            path = f"{prefix}.{field.name}" if prefix else field.name
            x = getattr(a, field.name) if a is not None else UNSET
            y = getattr(b, field.name) if b is not None else UNSET
            is_own = field.name in OWN and issubclass(cls, Item)
            if x is y or is_own or (field.leaf.refers and field.leaf.refers not in self.mapped_ids):
                continue
            if field.part is None:
                if not self._same(field, path, x, y):
                    found.add(path)
            elif field.shape == "list":
                found |= self._lists(field.part, x or [], y or [], path + "[]")
            else:
                found |= self.parts(field.part, x or None, y or None, path)
        return found

    def _same(self, field: Field, path: str, x: Any, y: Any) -> bool:
        """Whether two leaves are the same; an empty list says no more than none, and flags have no order."""
        if field.shape == "values" and ((not x and not y) or (path in self.sets and x and y and set(x) == set(y))):
            return True
        return bool(x == y)

    def _lists(self, cls: type[Part], a: list[Any], b: list[Any], path: str) -> set[str]:
        pairs: list[tuple[Any, Any]] = []
        left, right = list(a), list(b)
        for match, scope in self.slices.get(path, []):
            xs = [one for one in left if match is None or match(one)]
            ys = [one for one in right if match is None or match(one)]
            if scope is None:
                xs, ys = [one for one in xs if one.removed is not True][:1], ys[:1]
            left, right = _without(left, xs), _without(right, ys)
            pairs += self._aligned(xs, ys, scope)
        pairs += [*((one, None) for one in left), *((None, one) for one in right)]
        return {found for x, y in pairs for found in self.parts(cls, x, y, path)}

    def _aligned(self, xs: list[Any], ys: list[Any], scope: Scope | None) -> list[tuple[Any, Any]]:
        """Pairs of items: in their order where none is missing, else those of the same key; then what is left over."""
        gone = [x for x in xs if x.removed is True and (scope is None or not scope.maps_removed)]
        here = _without(xs, gone)
        if len(here) == len(ys) and (scope is None or not scope.on_ours):
            return [*zip(here, ys, strict=True), *((x, None) for x in gone)]
        pairs: list[tuple[Any, Any]] = []
        lone, rest = [], list(ys)
        for x in here:
            same_key = [] if scope is None or scope.on_ours else [y for y in rest if _same_key(scope, x, y)]
            if same_key:
                pairs.append((x, same_key[0]))
                rest = _without(rest, same_key[:1])
            else:
                lone.append(x)
        while lone and rest:
            x, y = max(((x, y) for x in lone for y in rest), key=lambda pair: (_alike(*pair), _same_key(scope, *pair)))
            lone, rest = _without(lone, [x]), _without(rest, [y])
            pairs.append((x, y))
        return pairs + [(x, None) for x in [*lone, *gone]] + [(None, y) for y in rest]


def _without(items: list[Any], gone: list[Any]) -> list[Any]:
    """The items that are not among those others, by identity."""
    ids = {id(one) for one in gone}
    return [one for one in items if id(one) not in ids]


def _key(scope: Scope, item: Any) -> list[Any]:
    return [None if value is UNSET else value for value in (ours.get(item) for ours in scope.keys)]


def _same_key(scope: Scope | None, a: Any, b: Any) -> bool:
    return scope is not None and _key(scope, a) == _key(scope, b)


def _alike(a: Any, b: Any) -> int:
    """How many leaves two parts have in common."""
    found = 0
    for field in fields(a.__class__):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if x is not UNSET and x is not None and y is not UNSET and y is not None:
            found += _alike(x, y) if field.shape == "part" else int(field.shape != "list" and x == y)
    return found


__all__ = ["differences", "record_differences", "same"]
