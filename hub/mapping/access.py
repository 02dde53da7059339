"""Reaching into the record and into their trees along a path: find, make, put, take away.

These are the general ways, one interpreted walk a path; the compiled functions do the common rows without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from hub.errors import DeclarationError
from hub.mapping.codes import Bound
from hub.mapping.path import Path, Step, Test
from hub.model import Field, fields

MISS: Any = type("Missing", (), {"__repr__": lambda self: "MISS", "__bool__": lambda self: False, "__slots__": ()})()
"""There is no such cell (as against a cell that holds nothing)."""

Match = Callable[[Any], bool]
Bounds = dict[str, Bound]


def field_of(cls: type, name: str) -> Field | None:
    """The field of a part by its name."""
    for found in fields(cls):
        if found.name == name:
            return found
    return None


# ------------------------------------------------------------------------------------------------ the record's side


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
            raise DeclarationError(f"the record has no {step.name!r} here; {cls.__name__} has: {known}", file=where[0], place=where[1])
        last = n == len(path.steps) - 1
        if step.many and field.shape not in ("list", "values"):
            raise DeclarationError(f"{step.name!r} is no list in the record", file=where[0], place=where[1])
        match, made = our_tests(step, field, bounds, where) if step.tests else (None, ())
        found.append(OurStep(step.name, field, ".".join(s.text for s in found) + "." + _step_text(step), match, made, len(step.tests)))
        if field.part is not None:
            cls = field.part
        elif not last:
            raise DeclarationError(f"{step.name!r} is a leaf of the record, nothing is below it", file=where[0], place=where[1])
    return found


def _step_text(step: Step) -> str:
    tests = ",".join(f"{t.path.text}={t.value}" if t.value is not None else f"{t.path.text} in {t.table}" for t in step.tests)
    return step.name + (f"[{tests}]" if step.many else "")


def our_tests(step: Step, field: Field, bounds: Bounds, where: tuple[str, str]) -> tuple[Match, tuple[tuple[tuple[str, ...], Any], ...]]:
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
        return all(reach(item, names) == wanted for names, wanted in checks) and all(reach(item, names) in some for names, some in tables)

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


# ------------------------------------------------------------------------------------------------------ their side


class Theirs:
    """A row's path on their side: names, and filters that pick the first item that passes."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self.path = path
        self.root = path.root
        self.name = path.steps[-1].name if path.steps else "."
        self.whole = bool(path.steps) and path.steps[-1].many and not path.steps[-1].tests
        self.steps = [(s, their_match(s, bounds) if s.many else None) for s in path.steps]
        last = self.steps[-1] if self.steps else None
        self.last_match = last[1] if last and last[0].tests else None

    def holder(self, t: Any, taken: dict[int, str], make: bool = False) -> Any:
        """The dict that holds the last name, or None. `taken` remembers which step took which item of a list."""
        at = t
        for step, match in self.steps[:-1]:
            if at.__class__ is not dict:
                return None
            below = at.get(step.name)
            if match is None:
                if below.__class__ is not dict:
                    if not make:
                        return None
                    below = at[step.name] = {}
                at = below
                continue
            if below.__class__ is not list:
                if not make:
                    return None
                below = at[step.name] = []
            at = self._item(below, step, match, taken, make)
        return at if at.__class__ is dict else None

    def _item(self, items: list[Any], step: Step, match: Match, taken: dict[int, str], make: bool) -> Any:
        text = _step_text(step)
        for one in items:
            if taken.get(id(one), text) == text and match(one):
                taken[id(one)] = text
                return one
        if not make:
            return None
        made: dict[str, Any] = {}
        for test in step.tests:
            if test.value:
                tree_put(made, test.path, test.value)
        items.append(made)
        taken[id(made)] = text
        return made

    def look(self, t: Any, taken: dict[int, str]) -> Any:
        """The cell, or MISS. For a last step with tests (`PID.32[. in table]`): the first text of the list that passes."""
        holder = self.holder(t, taken)
        if holder is None:
            return MISS
        value = holder.get(self.name, MISS)
        if self.last_match is not None and value is not MISS:
            if value.__class__ is not list:
                return MISS
            return next((one for one in value if self.last_match(one)), MISS)
        return value

    def drop(self, t: Any, taken: dict[int, str]) -> None:
        """Take the cell away, and the containers that it alone kept filled."""
        chain: list[tuple[Any, str]] = []
        at = t
        for step, match in self.steps[:-1]:
            if match is None:
                chain.append((at, step.name))
                at = at[step.name]
            else:
                chain.clear()
                at = self._item(at[step.name], step, match, taken, False)
        if self.last_match is not None:
            if len(at[self.name]) > 1:
                return  # stays to keep its place among the others; writing replaces it, or clears it
        del at[self.name]
        for holder, name in reversed(chain):
            if holder[name]:
                break
            del holder[name]

    def clear(self, t: Any) -> None:
        """For a last step with tests: take out the text that passes, which reading left to keep its place."""
        holder = self.holder(t, {})
        items = holder.get(self.name) if holder is not None else None
        if self.last_match is not None and items.__class__ is list:
            items[:] = [one for one in items if not self.last_match(one)]

    def put(self, t: Any, taken: dict[int, str], text: Any) -> None:
        """Write the cell, making what leads to it."""
        holder = self.holder(t, taken, make=True)
        if self.last_match is None:
            holder[self.name] = text
            return
        items = holder.setdefault(self.name, [])
        for n, one in enumerate(items):
            if self.last_match(one):
                items[n] = text
                return
        items.append(text)


def their_match(step: Step, bounds: Bounds) -> Match:
    """A filter on their side as a function of one item of the list."""
    tests = [(t.path, t.value, frozenset(bounds[t.table].read) if t.table else frozenset()) for t in step.tests]

    def match(item: Any) -> bool:
        for path, value, some in tests:
            found = tree_values(item, path)
            if value == "":
                if any(found):
                    return False
            elif not any((one == value) if value is not None else (one in some) for one in found if isinstance(one, str)):
                return False
        return True

    return match


def tree_values(tree: Any, path: Path) -> list[Any]:
    """Every value at a path below a tree; a list on the way means some of its items."""
    found = [tree]
    for step in path.steps:
        inner = step if step.tests else None
        following: list[Any] = []
        for one in found:
            value = one.get(step.name, MISS) if one.__class__ is dict else MISS
            if value is MISS:
                continue
            values = value if value.__class__ is list else [value]
            following += [v for v in values if inner is None or their_match(inner, {})(v)]
        found = following
    return [v for one in found for v in (one if one.__class__ is list else [one])]


def tree_take(tree: Any, test: Test) -> None:
    """Take away the text that a `=` test settles, where it stands alone: writing the item sets it again."""
    chain: list[tuple[Any, Any]] = []
    at = tree
    *above, last = test.path.steps
    for step in above:
        if at.__class__ is not dict or step.name not in at:
            return
        chain.append((at, step.name))
        at = at[step.name]
        if step.many:
            if at.__class__ is not list or len(at) != 1 or at[0].__class__ is not dict:
                return
            chain.append((at, 0))
            at = at[0]
            for inner in step.tests:
                if inner.value is not None and len(inner.path.steps) == 1 and at.get(inner.path.names[0]) == inner.value:
                    del at[inner.path.names[0]]
    if at.__class__ is dict and at.get(last.name) == test.value:
        del at[last.name]
    for holder, key in reversed(chain):
        if holder[key]:
            return
        del holder[key]


def tree_put(tree: dict[str, Any], path: Path, text: str) -> None:
    """Set a text at a path below a tree, making dicts and, for filtered steps, one item that passes."""
    at = tree
    for step in path.steps[:-1]:
        if not step.many:
            at = at.setdefault(step.name, {})
            continue
        items = at.setdefault(step.name, [])
        if not items:
            items.append({})
        at = items[0]
        for test in step.tests:
            if test.value:
                tree_put(at, test.path, test.value)
    at[path.steps[-1].name] = text
