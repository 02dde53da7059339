"""Conditions that erase: what a `[[withhold_when]]` takes out of a record before it is written for a target.

The leaf is made UNSET and the extras of its item go with it, so that nothing stays at a target that held it before. Of
an item that goes whole its id is left, as gone, where the mapping can say so: what the target holds of it goes too.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from hub.errors import DeclarationError
from hub.mapping import when
from hub.mapping.spec import Condition as Spec
from hub.mapping.spec import GroupSpec, is_reason
from hub.mapping.writing import OWN, lost
from hub.model import ChildRecord, Condition, Part, fields, leaves, lists


@dataclass
class _Node:
    """The paths of one rule as a tree of names; `here` on what is erased whole."""

    below: dict[str, _Node] = field(default_factory=dict)
    here: bool = False


@dataclass(frozen=True)
class Rule:
    """One `[[withhold_when]]`, its patterns expanded to leaves and whole items (`paths`). what: its account's word.

    watched: one of its conditions, with the names of the parts on its paths that it has a say on: if it is true of none
    of these the rule is not met. None: all its conditions are of the kind that must not hold. tells: the
    lists of whose items the mapping can say that they are gone; clears: those of which it can say that there is none.
    """

    conditions: when.Conditions
    paths: frozenset[str]
    tree: _Node
    reason: str
    what: str
    watched: tuple[Condition, tuple[tuple[str, ...], ...]] | None
    tells: frozenset[str] = frozenset()
    clears: frozenset[str] = frozenset()


def expand(pattern: str, known: list[str]) -> list[str]:
    """The paths a pattern means: itself, or with a trailing `**` everything below a named part."""
    pattern = pattern.strip()
    if pattern.endswith("**"):
        stem = pattern[:-2].rstrip(".")
        if not stem:
            return []
        return [path for path in known if path.startswith((stem + ".", stem + "[]."))]
    return [path for path in known if path == pattern]


def _telling(groups: Mapping[str, GroupSpec]) -> frozenset[str]:
    """The lists of the record itself of whose items some group writes that they are gone."""
    rows = [(one, one.rows["removed"]) for one in groups.values() if not one.parent and "removed" in one.rows]
    return frozenset(one.ours for one, row in rows if any(way.way != "in" for way in row.ways))


def _clearing(groups: Mapping[str, GroupSpec]) -> frozenset[str]:
    """The lists of which some group can write that there is none."""
    found = set()
    for one in groups.values():
        path, parent = one.ours, groups.get(one.parent)
        while parent is not None:
            path, parent = f"{parent.ours}.{path}", groups.get(parent.parent)
        if one.none:
            found.add(re.sub(r"\[[^\]]*\]", "[]", path))
    return frozenset(found)


def rule(spec: Spec, groups: Mapping[str, GroupSpec]) -> Rule:
    """Bind one declaration; DeclarationError for an unknown condition or a pattern that matches nothing."""
    place = "[[withhold_when]]"
    conditions = when.bind(spec.when, spec.file, place)
    if not spec.when or not is_reason(spec.reason):
        raise DeclarationError("needs when = and a reason in words", file=spec.file, place=place)
    known = [leaf.path for leaf in leaves()] + [path + "[]" for path in lists()]
    chosen: set[str] = set()
    for is_except, pattern in [*((False, one) for one in spec.ours), *((True, one) for one in spec.unless)]:
        found = set(expand(pattern, known))
        if not found:
            what = f"except {pattern!r}" if is_except else repr(pattern)
            raise DeclarationError(f"{what} matches nothing in the record", file=spec.file, place=place)
        chosen = chosen - found if is_except else chosen | found
    paths = frozenset(path for path in chosen if not path.endswith("[]") or path in spec.ours)
    tree = _Node()
    for path in sorted(paths):
        node = tree
        for name in path.split("."):
            node = node.below.setdefault(name, _Node())
        node.here = True
    first = next((condition for condition, negated in conditions if not negated), None)
    watched = None if first is None else (first, tuple(_judged(first, tree, ChildRecord)))
    what = " and ".join(spec.when)
    return Rule(conditions, paths, tree, spec.reason, what, watched, _telling(groups), _clearing(groups))


def _judged(condition: Condition, node: _Node, cls: type[Part]) -> Iterator[tuple[str, ...]]:
    """The names of the parts on a rule's paths that a condition has a say on."""
    if issubclass(cls, condition.applies):
        yield ()
    for one in fields(cls):
        below = node.below.get(one.name + ("[]" if one.shape == "list" else ""))
        if one.part is not None and below is not None:
            yield from ((one.name, *names) for names in _judged(condition, below, one.part))


def redact(
    record: ChildRecord, rules: Iterable[Rule], account: dict[tuple[str, str], int], met: set[str] | None = None
) -> ChildRecord:
    """The record less what its conditions withhold: the same object when no condition is met, else a copy.

    account: (what, path) -> how many values; what is erased is added to it. met: gets the paths of the items from which
    something is erased, or which a condition is about, whether or not they say anything that it erases.
    """
    found = record
    for one in rules:
        if _may_be_met(one, found) and _is_met(one, one.tree, found, (), found):
            if found is record:
                found = copy.deepcopy(record)
            _erase(_Erasing(one, found, account, set() if met is None else met), one.tree, found, "", ())
    return found


def _may_be_met(one: Rule, record: ChildRecord) -> bool:
    """Whether the condition that it watches is true of any part; most records are not protected, and done with here."""
    return one.watched is None or any(_holds_at(one.watched[0], record, names) for names in one.watched[1])


def _holds_at(condition: Condition, at: Any, names: tuple[str, ...]) -> bool:
    """Whether a condition is true of a part, or of one of those at names below it."""
    if not names:
        return condition.judge(at) is True
    value = getattr(at, names[0])
    if not value:
        return False
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, Part) and _holds_at(condition, item, names[1:]):
            return True
    return False


def _is_met(one: Rule, node: _Node, at: Any, above: tuple[Any, ...], record: ChildRecord) -> bool:
    """Whether the rule holds for a part or for some item on its paths below. above: the parts around it."""
    if when.hold(one.conditions, at, above, record):
        return True
    for name, below in node.below.items():
        value = getattr(at, name.removesuffix("[]"))
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, Part) and _is_met(one, below, item, (at, *above), record):
                return True
    return False


@dataclass
class _Erasing:
    """One rule at work on a copy of the record."""

    rule: Rule
    record: ChildRecord
    account: dict[tuple[str, str], int]
    met: set[str]

    def count(self, what: str, path: str) -> None:
        """One more value of this leaf that was erased."""
        self.account[what, path] = self.account.get((what, path), 0) + 1


def _erase(c: _Erasing, node: _Node, at: Any, prefix: str, above: tuple[Any, ...]) -> bool:
    """Erase below one part; whether anything went."""
    gone = False
    holds = when.hold(c.rule.conditions, at, above, c.record)
    for name, below in node.below.items():
        field_name = name.removesuffix("[]")
        value = getattr(at, field_name)
        if value is UNSET:
            continue
        path = f"{prefix}.{name}" if prefix else name
        if name.endswith("[]"):
            kept = [_item(c, below, item, path, (at, *above)) for item in value or ()]
            if any(one is not item for one, item in zip(kept, value or (), strict=True)):
                gone = True
                none = None if path in c.rule.clears else UNSET
                setattr(at, field_name, [one for one in kept if one is not None] or none)
        elif below.below:
            if value is not None and _erase(c, below, value, path, (at, *above)):
                gone = True
                if not _says(value):
                    setattr(at, field_name, UNSET)
        elif holds:
            lost(c, value, path, c.rule.what)
            setattr(at, field_name, UNSET)
            gone = True
    return gone


def _item(c: _Erasing, node: _Node, item: Any, path: str, above: tuple[Any, ...]) -> Any:
    """Erase in one item of a list; what stays of it: the item, that it is gone, or None."""
    if node.here and when.hold(c.rule.conditions, item, above, c.record):
        c.met.add(path)
        lost(c, item, path, c.rule.what)
        return _gone(item) if path in c.rule.tells else None
    erased = _erase(c, node, item, path, above)
    if erased or when.hold(c.rule.conditions, item, (), item):
        c.met.add(path)
    if not erased:
        return item
    item.extras = UNSET
    return item if _says(item) else None


def _gone(item: Any) -> Any:
    """That an item is gone and nothing else of it; None where there is no id by which a target could know it."""
    if not isinstance(item.id, str) or item.stub is True:
        return None
    return item.__class__(id=item.id, removed=True)


def _says(part: Part) -> bool:
    """Whether anything is left in a part but the engine's own fields."""
    for one in fields(part.__class__):
        value = getattr(part, one.name)
        if one.name in OWN or value is UNSET:
            continue
        if one.part is None or value is None or (_says(value) if one.shape == "part" else value):
            return True
    return False


__all__ = ["Rule", "expand", "redact", "rule"]
