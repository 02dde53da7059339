"""A row's path on the record's side: resolved against the model, read, found and made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from hub.errors import DeclarationError
from hub.mapping.codes import Bound
from hub.mapping.path import Path, Step, Test, step_text
from hub.model import Field, fields

Match = Callable[[Any], bool]
Bounds = dict[str, Bound]


def field_of(cls: type, name: str) -> Field | None:
    """The field of a part by its name."""
    for found in fields(cls):
        if found.name == name:
            return found
    return None


@dataclass(frozen=True)
class OurStep:
    """One step on the record's side. match and made are set for a step that picks one item of a list."""

    name: str
    field: Field
    text: str
    match: Match | None = None
    made: tuple[tuple[tuple[str, ...], Any], ...] = ()
    tests: int = 0


class Ours:
    """A row's path on the record's side, resolved against the model.

    steps lead to `field`; `full` is the path from the record's root with lists as `[]`, `rooted` says that it starts
    there rather than at the group's item, `gathers` that it passes through whole lists (computed columns only).
    """

    def __init__(self, path: Path, cls: type, prefix: str, root: type, bounds: Bounds, where: tuple[str, str]) -> None:
        self.path, self.rooted = path, path.root == "/"
        self.steps = resolve(path, root if self.rooted else cls, bounds, where)
        self.field = self.steps[-1].field
        self.gathers = any(step.many and not step.tests for step in path.steps[:-1])
        generic = ".".join(s.name + ("[]" if s.field.shape == "list" else "") for s in self.steps)
        self.full = generic if self.rooted or not prefix else f"{prefix}.{generic}"
        self.rivals: list[Ours] = []

    def get(self, o: Any, record: Any = None) -> Any:
        """The value, or UNSET. `record` is needed by rooted paths."""
        at = record if self.rooted else o
        if self.gathers:
            return self._gather(at, 0)
        for step in self.steps[:-1]:
            at = getattr(at, step.name)
            if at is UNSET or at is None:
                return UNSET
            if step.match is not None:
                at = self.pick(at, step)
                if at is None:
                    return UNSET
        return getattr(at, self.steps[-1].name)

    def _gather(self, at: Any, n: int) -> list[Any]:
        value = getattr(at, self.steps[n].name)
        if value is UNSET or value is None:
            return []
        if n == len(self.steps) - 1:
            return [value]
        step = self.steps[n]
        if step.field.shape != "list":
            return self._gather(value, n + 1)
        chosen = [one for one in value if one.removed is not True and (step.match is None or step.match(one))]
        return [found for one in chosen for found in self._gather(one, n + 1)]

    def pick(self, items: list[Any], step: OurStep) -> Any:
        """The first item that passes and that no row with more tests takes."""
        taken = [other for rival in self.rivals if (other := _first(items, rival, step)) is not None]
        for one in items:
            if one.removed is not True and step.match(one) and not any(one is other for other in taken):  # type: ignore[misc]
                return one
        return None

    def make(self, o: Any, c: Any = None) -> Any:
        """The part that holds the leaf, made on the way where it is missing.

        `c` (a reading) remembers the items that its rows made; without it an item that passes is used.
        """
        at = o
        for step in self.steps[:-1]:
            at = self.below(at, step, o, c)
        return at

    def below(self, at: Any, step: OurStep, o: Any, c: Any) -> Any:
        """One step down from `at`, made where it is missing; `o` is the item whose row it is."""
        value = getattr(at, step.name)
        if step.match is None:
            if value is UNSET or value is None:
                value = step.field.part()  # type: ignore[misc]
                setattr(at, step.name, value)
            return value
        if value is UNSET or value is None:
            value = []
            setattr(at, step.name, value)
        key = (id(at), step.text)
        item = self.pick(value, step) if c is None else c.made.get(key)
        if item is None:
            item = step.field.part()  # type: ignore[misc]
            for names, wanted in step.made:
                put(item, names, wanted)
            value.append(item)
            if c is not None:
                c.made[key] = item
                c.fresh.append((item, o, step.text))
        return item


def _first(items: list[Any], rival: Ours, step: OurStep) -> Any:
    for other in rival.steps:
        if other.name == step.name and other.match is not None:
            return rival.pick(items, other)
    return None


def resolve(path: Path, cls: type, bounds: Bounds, where: tuple[str, str]) -> list[OurStep]:
    """The steps of a path against a struct of the model; DeclarationError (file, place) when it leads nowhere."""
    found: list[OurStep] = []
    for n, step in enumerate(path.steps):
        field = field_of(cls, step.name)
        if field is None:
            known = ", ".join(f.name for f in fields(cls))
            raise DeclarationError(
                f"the record has no {step.name!r} here; {cls.__name__} has: {known}", file=where[0], place=where[1]
            )
        last = n == len(path.steps) - 1
        if step.many and field.shape not in ("list", "values"):
            raise DeclarationError(f"{step.name!r} is no list in the record", file=where[0], place=where[1])
        match, made = our_tests(step, field, bounds, where) if step.tests else (None, ())
        found.append(
            OurStep(
                step.name, field, ".".join(s.text for s in found) + "." + step_text(step), match, made, len(step.tests)
            )
        )
        if field.part is not None:
            cls = field.part
        elif not last:
            raise DeclarationError(
                f"{step.name!r} is a leaf of the record, nothing is below it", file=where[0], place=where[1]
            )
    return found


def our_tests(
    step: Step, field: Field, bounds: Bounds, where: tuple[str, str]
) -> tuple[Match, tuple[tuple[tuple[str, ...], Any], ...]]:
    """A filter on the record's side: the match, and what `=` tests set on an item that is made."""
    checks: list[tuple[tuple[str, ...], Any]] = []
    silent: list[tuple[str, ...]] = []
    tables: list[tuple[tuple[str, ...], frozenset[str]]] = []
    for test in step.tests:
        leaf = resolve(test.path, field.part or object, bounds, where)[-1].field
        if test.value is None:
            tables.append((test.path.names, frozenset(bounds[test.table].write)))
        elif not test.value:
            silent.append(test.path.names)
        else:
            checks.append((test.path.names, _typed(test, leaf, where)))

    def match(item: Any) -> bool:
        if silent and not all(reach(item, names) in (UNSET, None) for names in silent):
            return False
        return all(reach(item, names) == wanted for names, wanted in checks) and all(
            reach(item, names) in some for names, some in tables
        )

    return match, tuple(checks)


def _typed(test: Test, leaf: Field, where: tuple[str, str]) -> Any:
    if leaf.value == "boolean":
        if test.value not in ("true", "false"):
            raise DeclarationError(f"{test.path.text!r} is true or false", file=where[0], place=where[1])
        return test.value == "true"
    return int(test.value or 0) if leaf.value == "integer" else test.value


def reach(item: Any, names: tuple[str, ...]) -> Any:
    """The value at plain names below a part, UNSET when anything on the way is not there."""
    for name in names:
        if item is UNSET or item is None:
            return UNSET
        item = getattr(item, name)
    return item


def put(item: Any, names: tuple[str, ...], value: Any) -> None:
    """Set the value at plain names below a part, making the parts on the way."""
    for name in names[:-1]:
        below = getattr(item, name)
        if below is UNSET or below is None:
            below = field_of(type(item), name).part()  # type: ignore[union-attr,misc]
            setattr(item, name, below)
        item = below
    setattr(item, names[-1], value)
