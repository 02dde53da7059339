"""Made-up records and trees for the laws: random within what the model, the code tables and the format allow, and a bit beyond.

Everything comes from a seeded random.Random, so that a failure can be made again.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

from msgspec import UNSET

from hub.adapter import Cell, Schema, Token
from hub.mapping.bind import Plan, Scope, leaf_rows
from hub.mapping.ours import put, reach
from hub.model import ChildRecord, Field, code_list, fields

_WORDS = (
    "Ash",
    "Bó",
    "née O'Hara",
    "Żółć",
    'a "b" & <c>',
    "x, y",
    "  edged ",
    "0101",
    "No",
    "NULL",
    "N/A",
    "ᚱune",
    "é",
    "long " * 30,
)


class Records:
    """Random records for one plan: every leaf of the model may be set, mapped ones mostly with values their rows can say."""

    def __init__(self, plan: Plan, rng: Random) -> None:
        self.rng, self.plan = rng, plan
        self.values: dict[str, list[Any]] = {}
        for row, ours in leaf_rows(plan):
            for way in row.ways:
                if way.bound is not None and len(row.ours) == 1:
                    self.values.setdefault(ours.full, []).extend(way.bound.write)
                self.values.setdefault(ours.full, []).extend(way.codec.samples)
        self.slices: dict[str, list[Any]] = {}
        for scope in plan.root.walk():
            if scope.made:
                self.slices.setdefault(scope.ours_prefix, []).append(scope.made)
            prefix = scope.ours_prefix + "." if scope.ours_prefix else ""
            for row in scope.rows:
                for ours in row.ours:
                    names: list[str] = []
                    for step in ours.steps:
                        names.append(step.name + ("[]" if step.field.shape == "list" else ""))
                        if step.made:
                            self.slices.setdefault(("" if ours.rooted else prefix) + ".".join(names), []).append(
                                step.made
                            )
        self.ids: dict[str, list[str]] = {}
        self.refers: list[tuple[Any, Field]] = []

    def one(self, link: str) -> ChildRecord:
        """One record, said to come from `link`."""
        self.ids, self.refers = {}, []
        record: ChildRecord = self._part(ChildRecord, "", 0.6)
        put(record, ("source", "id"), f"C{self.rng.randrange(10**6)}")
        put(record, ("source", "link"), link)
        record.source.partial = UNSET  # type: ignore[union-attr]
        record.source.edition = UNSET  # type: ignore[union-attr]
        record.source.as_of = "2025-03-31"  # type: ignore[union-attr]
        self._refer()
        return record

    def _part(self, cls: type, prefix: str, chance: float) -> Any:
        made = cls()
        for field in fields(cls):
            path = f"{prefix}.{field.name}" if prefix else field.name
            if field.name in ("stub",) or self.rng.random() > (0.04 if field.name == "removed" else chance):
                continue
            if field.shape == "part":
                setattr(made, field.name, self._part(field.part, path, chance))  # type: ignore[arg-type]
            elif field.shape == "list":
                setattr(made, field.name, self._items(field, path, chance))
            elif field.shape == "values":
                many = [self._value(field, path) for _ in range(self.rng.randrange(1, 4))]
                setattr(made, field.name, None if self.rng.random() < 0.05 else many)
            elif field.leaf.refers:
                self.refers.append((made, field))
            else:
                none = self.rng.random() < 0.04 and not field.leaf.critical
                setattr(made, field.name, None if none else self._value(field, path))
        return made

    def _items(self, field: Field, path: str, chance: float) -> list[Any]:
        items = []
        for n in range(self.rng.choice((1, 1, 2, 3))):
            item = self._part(field.part, path + "[]", chance)  # type: ignore[arg-type]
            item.id = f"{field.name[:3]}-{self.rng.randrange(10**6)}-{n}"
            self.ids.setdefault(path, []).append(item.id)
            made = self.slices.get(path + "[]")
            if made and self.rng.random() < 0.9:
                for names, value in self.rng.choice(made):
                    put(item, names, value)
            items.append(item)
        return items

    def _refer(self) -> None:
        for item, field in self.refers:
            known = self.ids.get(field.leaf.refers)
            if known and self.rng.random() < 0.9:
                setattr(item, field.name, self.rng.choice(known))

    def _value(self, field: Field, path: str) -> Any:
        rng = self.rng
        known = self.values.get(path)
        if known and rng.random() < 0.85:
            return rng.choice(known)
        kind = field.value
        if kind == "code":
            return rng.choice(list(code_list(field.leaf.codes)))
        if kind == "date":
            return day(rng)
        if kind == "partial_date":
            return rng.choice((day(rng), day(rng), day(rng)[:7], day(rng)[:4]))
        if kind == "datetime":
            return rng.choice((day(rng), day(rng) + "T09:30:00", day(rng) + "T23:59:59Z"))
        if kind == "integer":
            return rng.randrange(0, 40)
        if kind == "decimal":
            return rng.choice(("0", "3.5", "12.25", "-1.0"))
        if kind == "boolean":
            return rng.random() < 0.5
        return rng.choice(_WORDS) if rng.random() < 0.5 else f"{field.name} {rng.randrange(1000)}"


def day(rng: Random) -> str:
    """A day between 1990 and 2030."""
    return (date(1990, 1, 1) + timedelta(days=rng.randrange(14600))).isoformat()


class Trees:
    """Random trees of a format from its schema, with words its rows read and some that they do not."""

    def __init__(self, plan: Plan, schema: Schema, rng: Random) -> None:
        self.rng, self.schema, self.plan = rng, schema, plan
        self.words: dict[str, list[str]] = {}
        self.joins: dict[str, tuple[str, str]] = {}
        for scope in plan.root.walk():
            self._scope(scope)

    def _scope(self, scope: Scope) -> None:
        for foreign, name in scope.on.items():
            parent = scope.parent
            self.joins[f"{scope.theirs_prefix}.{foreign}"] = (
                f"{parent.theirs_prefix}.{name}" if parent and parent.theirs_prefix else name,
                scope.name,
            )
        for row in scope.rows:
            for way in row.ways:
                for cell in way.theirs:
                    path = scope.cell_path(cell)
                    words = self.words.setdefault(path, [])
                    if way.shape == "flags" and way.bound is not None:
                        for name in way.bound.read:
                            self.words.setdefault(f"{path}.{name}", []).extend(way.spec.words)
                    elif way.bound is not None:
                        words += [word for word in way.bound.read if isinstance(word, str)]
                    words += list(way.codec.words) + list(way.none)

    def one(self) -> dict[str, Any]:
        """One tree."""
        pools: dict[str, list[str]] = {}
        tree = self._group("", self._children(), pools)
        self._join(tree, pools)
        return tree

    def _children(self) -> dict[str, Any]:
        """The schema's leaves as nested dicts of names; lists end in `[]`."""
        if not hasattr(self, "_shape"):
            shape: dict[str, Any] = {}
            for cell in self.schema.leaves(self.plan.edition):
                at = shape
                *above, last = cell.path.split(".")
                for name in above:
                    at = at.setdefault(name, {})
                at[last] = cell
            self._shape = shape
        return self._shape

    def _group(self, prefix: str, shape: dict[str, Any], pools: dict[str, list[str]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, below in shape.items():
            path = f"{prefix}.{name}" if prefix else name
            bare = name.removesuffix("[]")
            required = isinstance(below, Cell) and below.required
            if not required and self.rng.random() > 0.6:
                continue
            if isinstance(below, dict):
                many = self.rng.choice((1, 1, 2)) if name.endswith("[]") else 0
                made[bare] = (
                    [self._group(path, below, pools) for _ in range(many)] if many else self._group(path, below, pools)
                )
            elif name.endswith("[]"):
                made[bare] = [self._text(below, path, pools) for _ in range(self.rng.choice((1, 2, 3)))]
            else:
                made[bare] = self._text(below, path, pools)
        return made

    def _text(self, cell: Cell, path: str, pools: dict[str, list[str]]) -> Any:
        rng, words = self.rng, self.words.get(path)
        text = rng.choice(words) if words and rng.random() < 0.9 else self._kind(cell)
        if self.schema.bare and cell.type in ("integer", "decimal", "boolean"):
            return Token(text)
        if self.schema.nulls and rng.random() < 0.03:
            return None
        return text

    def _kind(self, cell: Cell) -> str:
        rng = self.rng
        if rng.random() < 0.04:
            return rng.choice(("", "??", "1900-13-45", "NULL"))
        if cell.type in ("date", "datetime"):
            return rng.choice((day(rng), day(rng) + " 00:00:00", day(rng))) if cell.type == "datetime" else day(rng)
        if cell.type in ("integer", "decimal"):
            return str(rng.randrange(30))
        if cell.type == "boolean":
            return rng.choice(("true", "false"))
        return f"t{rng.randrange(10**5)}"

    def _join(self, tree: dict[str, Any], pools: dict[str, list[str]]) -> None:
        for foreign, (home, _) in self.joins.items():
            keys = [one for one in _all(tree, home.split(".")) if isinstance(one, str) and one]
            *above, name = foreign.split(".")
            for holder in _all(tree, above):
                if isinstance(holder, dict):
                    if keys and self.rng.random() < 0.9:
                        holder[name] = self.rng.choice(keys)
                    elif self.rng.random() < 0.5:
                        holder.pop(name, None)


def _all(tree: Any, names: list[str]) -> list[Any]:
    found = [tree]
    for name in names:
        below = [one.get(name.removesuffix("[]"), UNSET) for one in found if isinstance(one, dict)]
        found = [item for one in below if one is not UNSET for item in (one if isinstance(one, list) else [one])]
    return found


__all__ = ["Records", "Trees", "day", "reach"]
