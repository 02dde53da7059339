"""Conditions that erase: what a `[[withhold_when]]` takes out of a record before it is written for a target.

The leaf is made UNSET and the extras of its item go with it, so that nothing stays at a target that held it before.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from hub.errors import DeclarationError
from hub.mapping.declare import Condition
from hub.mapping.reading import fires
from hub.mapping.writing import lost
from hub.model import CONDITIONS, ChildRecord, fields, leaves, lists


@dataclass
class _Node:
    """The paths of one rule as a tree of names; `here` on what is erased whole."""

    below: dict[str, _Node] = field(default_factory=dict)
    here: bool = False


@dataclass(frozen=True)
class Rule:
    """One `[[withhold_when]]`, its patterns expanded to leaves and whole items."""

    conditions: tuple[tuple[Any, bool], ...]
    paths: frozenset[str]
    tree: _Node
    reason: str
    what: str


def expand(pattern: str, known: list[str]) -> list[str]:
    """The paths a pattern means: itself, or with a trailing `**` everything below a named part."""
    pattern = pattern.strip()
    if pattern.endswith("**"):
        stem = pattern[:-2].rstrip(".")
        if not stem:
            return []
        return [path for path in known if path.startswith((stem + ".", stem + "[]."))]
    return [path for path in known if path == pattern]


def rule(spec: Condition) -> Rule:
    """Bind one declaration; DeclarationError for an unknown condition or a pattern that matches nothing."""
    place = "[[withhold_when]]"
    for name in spec.when:
        if name.lstrip("!") not in CONDITIONS:
            raise DeclarationError(
                f"there is no condition {name!r}; known are: {', '.join(sorted(CONDITIONS))}",
                file=spec.file,
                place=place,
            )
    if not spec.when or len(spec.reason.strip()) < 8:
        raise DeclarationError("needs when = and a reason in words", file=spec.file, place=place)
    known = [leaf.path for leaf in leaves()] + [path + "[]" for path in lists()]
    chosen: set[str] = set()
    for pattern in spec.ours:
        found = expand(pattern, known)
        if not found:
            raise DeclarationError(f"{pattern!r} matches nothing in the record", file=spec.file, place=place)
        chosen.update(found)
    for pattern in spec.unless:
        found = expand(pattern, known)
        if not found:
            raise DeclarationError(f"except {pattern!r} matches nothing in the record", file=spec.file, place=place)
        chosen.difference_update(found)
    chosen = {path for path in chosen if not path.endswith("[]") or path in spec.ours}
    tree = _Node()
    for path in chosen:
        node = tree
        for name in path.split("."):
            node = node.below.setdefault(name, _Node())
        node.here = True
    conditions = tuple((CONDITIONS[name.lstrip("!")], name.startswith("!")) for name in spec.when)
    return Rule(conditions, frozenset(chosen), tree, spec.reason, " and ".join(spec.when))


def redact(record: ChildRecord, rules: list[Rule], account: dict[tuple[str, str], int]) -> ChildRecord:
    """The record less what its conditions withhold: the same object when nothing is, else a copy."""
    found = record
    for one in rules:
        if _holds(one, found, (), found) or _any(one, one.tree, found, found):
            if found is record:
                found = copy.deepcopy(record)
            _erase(_Erasing(one, found, account), one.tree, found, "", ())
    return found


def _holds(one: Rule, item: Any, above: tuple[Any, ...], record: Any) -> bool:
    return all(fires(condition, item, above, record) != negated for condition, negated in one.conditions)


def _any(one: Rule, node: _Node, at: Any, record: Any) -> bool:
    """Whether the rule holds for some item on its paths."""
    for name, below in node.below.items():
        value = getattr(at, name.removesuffix("[]"))
        if value is UNSET or value is None:
            continue
        for item in value if name.endswith("[]") else (value,):
            if hasattr(item, "__struct_fields__") and (_holds(one, item, (), record) or _any(one, below, item, record)):
                return True
    return False


@dataclass
class _Erasing:
    rule: Rule
    record: ChildRecord
    account: dict[tuple[str, str], int]

    def count(self, what: str, path: str) -> None:
        self.account[what, path] = self.account.get((what, path), 0) + 1


def _erase(c: _Erasing, node: _Node, at: Any, prefix: str, above: tuple[Any, ...]) -> bool:
    """Erase below one part; whether anything went."""
    gone = False
    holds = _holds(c.rule, at, above, c.record)
    for name, below in node.below.items():
        field_name = name.removesuffix("[]")
        value = getattr(at, field_name)
        if value is UNSET:
            continue
        path = f"{prefix}.{name}" if prefix else name
        if name.endswith("[]"):
            kept = [item for item in value or () if not _item(c, below, item, path, (at, *above))]
            if value is not None and len(kept) != len(value):
                gone = True
                setattr(at, field_name, kept or UNSET)
        elif below.below:
            if value is not None and _erase(c, below, value, path, (at, *above)):
                gone = True
                if not _says(value):
                    setattr(at, field_name, UNSET)
        elif holds:
            lost(c, value, path, c.rule.what)  # type: ignore[arg-type]
            setattr(at, field_name, UNSET)
            gone = True
    return gone


def _item(c: _Erasing, node: _Node, item: Any, path: str, above: tuple[Any, ...]) -> bool:
    """Erase in one item of a list; whether the item itself goes."""
    if node.here and _holds(c.rule, item, above, c.record):
        lost(c, item, path, c.rule.what)  # type: ignore[arg-type]
        return True
    if _erase(c, node, item, path, above):
        item.extras = UNSET
        return not _says(item)
    return False


def _says(part: Any) -> bool:
    """Whether anything is left in a part but the engine's own fields."""
    for one in fields(type(part)):
        value = getattr(part, one.name)
        if one.name not in ("id", "removed", "stub") and value is not UNSET:
            if one.part is None or value is None or (_says(value) if one.shape == "part" else bool(value)):
                return True
    return False
