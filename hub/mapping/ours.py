"""A row's path on the record's side: resolved against the model, read, found and made."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from hub.errors import DeclarationError
from hub.mapping.codes import Bound
from hub.mapping.path import Path, Step, Test, step_text
from hub.model import ChildRecord, Field, Part, fields

Match = Callable[[Any], bool]
"""A filter as a function of one item."""
Bounds = dict[str, Bound]
"""Code tables by name, as one edition has them."""
Made = tuple[tuple[tuple[str, ...], Any], ...]
"""What the `=` tests of a filter set on an item that is made: names below it, and the value."""
Where = tuple[str, str]
"""File and place, for errors."""


def field_of(cls: type[Part], name: str) -> Field | None:
    """The field of a part by its name."""
    for found in fields(cls):
        if found.name == name:
            return found
    return None


@dataclass(frozen=True)
class OurStep:
    """One step on the record's side. text: it and those before it, in one spelling.

    match, made and tests are set for a step that picks one item of a list.
    """

    name: str
    field: Field
    text: str
    match: Match | None = None
    made: Made = ()
    tests: tuple[Test, ...] = ()

    @property
    def generic(self) -> str:
        """Its name, with `[]` for a list."""
        return self.name + ("[]" if self.field.shape == "list" else "")


class Ours:
    """A row's path on the record's side, resolved against the model.

    steps lead to `field`; `full` is the path from the record's root with lists as `[]`, `rooted` says that it starts
    there rather than at the group's item, `gathers` that it passes through whole lists (computed columns only).
    `picks`: the steps that pick one item, with the path of their list. `rivals`: other rows' paths that pick first.
    """

    def __init__(self, path: Path, cls: type[Part], prefix: str, bounds: Bounds, where: Where) -> None:
        self.path, self.rooted = path, path.root == "/"
        self.steps = resolve(path, ChildRecord if self.rooted else cls, bounds, where)
        self.field = self.steps[-1].field
        self.gathers = any(step.many and not step.tests for step in path.steps[:-1])
        self.picks: list[tuple[str, OurStep]] = []
        at = "" if self.rooted else prefix
        for step in self.steps:
            at = f"{at}.{step.generic}" if at else step.generic
            if step.match is not None:
                self.picks.append((at, step))
        self.full = at
        self.rivals: list[Ours] = []
        self.above, self.name = self.steps[:-1], self.steps[-1].name

    def get(self, o: Any, record: Any = None) -> Any:
        """The value, or UNSET. `record` is needed by rooted paths."""
        at = record if self.rooted else o
        if self.gathers:
            return self._gather(at, 0)
        for step in self.above:
            at = getattr(at, step.name)
            if at is UNSET or at is None:
                return UNSET
            if step.match is not None:
                at = self.pick(at, step)
                if at is None:
                    return UNSET
        return getattr(at, self.name)

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
    """The item that another path picks from the same list."""
    for other in rival.steps:
        if other.name == step.name and other.match is not None:
            return rival.pick(items, other)
    return None


def resolve(path: Path, cls: type[Part], bounds: Bounds, where: Where) -> list[OurStep]:
    """The steps of a path against a struct of the model; DeclarationError (file, place) when it leads nowhere."""
    found: list[OurStep] = []
    text = ""
    for n, step in enumerate(path.steps):
        field = field_of(cls, step.name)
        if field is None:
            told = f"the record has no {step.name!r} here; {cls.__name__} has: {', '.join(f.name for f in fields(cls))}"
            raise DeclarationError(told, file=where[0], place=where[1])
        if step.many and field.shape not in ("list", "values"):
            raise DeclarationError(f"{step.name!r} is no list in the record", file=where[0], place=where[1])
        match, made = our_tests(step, field, bounds, where) if step.tests else (None, ())
        text += "." + step_text(step)
        found.append(OurStep(step.name, field, text, match, made, step.tests))
        if field.part is not None:
            cls = field.part
        elif n < len(path.steps) - 1:
            told = f"{step.name!r} is a leaf of the record, nothing is below it"
            raise DeclarationError(told, file=where[0], place=where[1])
    return found


def our_tests(step: Step, field: Field, bounds: Bounds, where: Where) -> tuple[Match, Made]:
    """A filter on the record's side: the match, and what `=` tests set on an item that is made."""
    checks: list[tuple[tuple[str, ...], Any]] = []
    tests: list[Match] = []
    for test in step.tests:
        names = test.path.names
        leaf = resolve(test.path, field.part or Part, bounds, where)[-1].field
        if test.value is None:
            tests.append(_among(names, frozenset(bounds[test.table].write)))
        elif not test.value:
            tests.append(_among(names, (UNSET, None)))
        else:
            checks.append((names, _typed(test, leaf, where)))
            tests.append(_is(*checks[-1]))
    return every(tests), tuple(checks)


def every(tests: Sequence[Match]) -> Match:
    """A filter that asks for all of these."""
    if not tests:
        return lambda item: True
    first, *others = tests
    if not others:
        return first
    second = every(others)
    return lambda item: first(item) and second(item)


def _is(names: tuple[str, ...], wanted: Any) -> Match:
    if len(names) > 1:
        return lambda item: bool(reach(item, names) == wanted)
    name = names[0]
    return lambda item: bool(getattr(item, name) == wanted)


def _among(names: tuple[str, ...], some: Container[Any]) -> Match:
    if len(names) > 1:
        return lambda item: reach(item, names) in some
    name = names[0]
    return lambda item: getattr(item, name) in some


def _typed(test: Test, leaf: Field, where: Where) -> Any:
    """The value of a `=` test in the kind of its leaf."""
    text = test.value or ""
    if leaf.value == "boolean":
        if text not in ("true", "false"):
            raise DeclarationError(f"{test.path.text!r} is true or false", file=where[0], place=where[1])
        return text == "true"
    if leaf.value == "integer":
        if not text.isdecimal():
            raise DeclarationError(f"{test.path.text!r} is a whole number", file=where[0], place=where[1])
        return int(text)
    return text


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


def items_of(part: Any, steps: list[OurStep]) -> list[Any]:
    """The items of the list that the steps of a group lead to, from a part; none when it is not there."""
    for step in steps:
        if part is UNSET or part is None:
            return []
        part = getattr(part, step.name)
    return part if part.__class__ is list else []
