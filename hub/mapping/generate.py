"""Made-up records and trees for the laws: random within what the model, the code tables and the format allow.

A few go a bit beyond. Everything comes from a seeded random.Random, so that a failure can be made again.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

from msgspec import UNSET

from hub.adapter import Cell, Schema, Token
from hub.mapping.bind import Plan, Scope, leaf_rows
from hub.mapping.ours import Made, put
from hub.model import ChildRecord, Field, Part, Source, code_list, fields

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
    """Random records for one plan: every leaf of the model may be set, mapped ones mostly with what their rows can say.

    values: by path of a leaf, what its rows can say; slices: by path of a list, what the tests of groups and rows set.
    """

    def __init__(self, plan: Plan, rng: Random) -> None:
        self.rng, self.plan = rng, plan
        self.values: dict[str, list[Any]] = {}
        self.slices: dict[str, list[Made]] = {}
        for scope in plan.root.walk():
            if scope.made:
                self.slices.setdefault(scope.ours_prefix, []).append(scope.made)
        for row, ours in leaf_rows(plan):
            for path, step in ours.picks:
                if step.made:
                    self.slices.setdefault(path, []).append(step.made)
            for way in row.ways:
                if way.bound is not None and len(row.ours) == 1:
                    self.values.setdefault(ours.full, []).extend(way.bound.write)
                self.values.setdefault(ours.full, []).extend(way.codec.samples)
        self.ids: dict[str, list[str]] = {}
        self.refers: list[tuple[Any, Field]] = []

    def one(self, link: str) -> ChildRecord:
        """One record, said to come from `link`."""
        self.ids, self.refers = {}, []
        record: ChildRecord = self._part(ChildRecord, "", 0.6)
        source = record.source if isinstance(record.source, Source) else Source()
        record.source = source
        source.id, source.link, source.as_of = f"C{self.rng.randrange(10**6)}", link, "2025-03-31"
        source.partial = source.edition = UNSET
        self._refer()
        return record

    def _part(self, cls: type[Part], prefix: str, chance: float) -> Any:
        made: Any = cls()
        for field in fields(cls):
            path = f"{prefix}.{field.name}" if prefix else field.name
            if field.name == "stub" or self.rng.random() > (0.04 if field.name == "removed" else chance):
                continue
            if field.shape == "part":
                setattr(made, field.name, self._part(field.part, path, chance))  # type: ignore[arg-type]
            elif field.shape == "list":
                setattr(made, field.name, self._items(field, path, chance))
            elif field.shape == "values":
                many = [self.value(field, path) for _ in range(self.rng.randrange(1, 4))]
                setattr(made, field.name, None if self.rng.random() < 0.05 else many)
            elif field.leaf.refers:
                self.refers.append((made, field))
            else:
                none = self.rng.random() < 0.04 and not field.leaf.critical
                setattr(made, field.name, None if none else self.value(field, path))
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

    def value(self, field: Field, path: str) -> Any:
        """A random value of a leaf, or of one element of a plain list."""
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
    """Random trees of a format from its schema, with words its rows read and some that they do not.

    words: by path of a cell; joins: by path of a cell that names a parent, the path of the parent's cell.
    """

    def __init__(self, plan: Plan, schema: Schema, rng: Random) -> None:
        self.rng, self.schema = rng, schema
        self.words: dict[str, list[str]] = {}
        self.joins: dict[str, str] = {}
        self.shape: dict[str, Any] = {}
        """The schema's leaves as nested dicts of names; lists end in `[]`."""
        for cell in schema.leaves(plan.edition):
            at = self.shape
            *above, last = cell.path.split(".")
            for name in above:
                at = at.setdefault(name, {})
            at[last] = cell
        for scope in plan.root.walk():
            self._scope(scope)

    def _scope(self, scope: Scope) -> None:
        above = scope.parent.theirs_prefix if scope.parent is not None else ""
        for foreign, name in scope.on.items():
            self.joins[f"{scope.theirs_prefix}.{foreign}"] = f"{above}.{name}" if above else name
        for way in (way for row in scope.rows for way in row.ways):
            for path in map(scope.cell_path, way.theirs):
                words = self.words.setdefault(path, [])
                if way.shape == "flags" and way.bound is not None:
                    for name in way.bound.read:
                        self.words.setdefault(f"{path}.{name}", []).extend(way.spec.words)
                elif way.bound is not None:
                    words += [word for word in way.bound.read if isinstance(word, str)]
                words += [*way.codec.words, *way.none]

    def one(self) -> dict[str, Any]:
        """One tree."""
        tree = self._group("", self.shape)
        self._join(tree)
        return tree

    def _group(self, prefix: str, shape: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, below in shape.items():
            path = f"{prefix}.{name}" if prefix else name
            bare, is_list = name.removesuffix("[]"), name.endswith("[]")
            is_required = isinstance(below, Cell) and below.required
            if not is_required and self.rng.random() > 0.6:
                continue
            many = self.rng.choice((1, 1, 2, 3)) if is_list else 1
            if isinstance(below, dict):
                found: list[Any] = [self._group(path, below) for _ in range(many)]
            else:
                found = [self._text(below, path) for _ in range(many)]
            made[bare] = found if is_list else found[0]
        return made

    def _text(self, cell: Cell, path: str) -> Any:
        rng, words = self.rng, self.words.get(path)
        text = rng.choice(words) if words and rng.random() < 0.9 else self._kind(cell)
        if self.schema.bare and cell.type in ("integer", "decimal", "boolean"):
            return Token(text)
        if self.schema.nulls and rng.random() < 0.03:
            return None
        return text

    def _kind(self, cell: Cell) -> str:
        """A text of the cell's type, now and then of none."""
        rng = self.rng
        if rng.random() < 0.04:
            return rng.choice(("", "??", "1900-13-45", "NULL"))
        if cell.type == "datetime":
            return rng.choice((day(rng), day(rng) + " 00:00:00"))
        if cell.type == "date":
            return day(rng)
        if cell.type in ("integer", "decimal"):
            return str(rng.randrange(30))
        if cell.type == "boolean":
            return rng.choice(("true", "false"))
        return f"t{rng.randrange(10**5)}"

    def _join(self, tree: dict[str, Any]) -> None:
        """Most children name a parent that is there; of the others some name none."""
        for foreign, home in self.joins.items():
            keys = [one for one in _all(tree, home.split(".")) if isinstance(one, str) and one]
            *above, name = foreign.split(".")
            for holder in _all(tree, above):
                if isinstance(holder, dict):
                    if keys and self.rng.random() < 0.9:
                        holder[name] = self.rng.choice(keys)
                    elif self.rng.random() < 0.5:
                        holder.pop(name, None)


def _all(tree: Any, names: list[str]) -> list[Any]:
    """Everything at a generic path."""
    found = [tree]
    for name in names:
        below = [one.get(name.removesuffix("[]"), UNSET) for one in found if isinstance(one, dict)]
        found = [item for one in below if one is not UNSET for item in (one if isinstance(one, list) else [one])]
    return found


__all__ = ["Records", "Trees"]
