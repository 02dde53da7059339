"""A row's path on their side: cells of a tree of dict, list and text, looked up, put and taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.mapping.ours import Bounds, Match, every
from hub.mapping.path import Path, Step, Test, step_text

MISS: Any = type("Missing", (), {"__repr__": lambda self: "MISS", "__bool__": lambda self: False, "__slots__": ()})()
"""There is no such cell (as against a cell that holds nothing)."""


class Theirs:
    """A row's path on their side: names, and filters that pick the first item that passes."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self.path = path
        self.root = path.root
        self.name = path.steps[-1].name if path.steps else "."
        self.whole = bool(path.steps) and path.steps[-1].many and not path.steps[-1].tests
        self.steps = [(s, their_match(s, bounds) if s.many else None, step_text(s)) for s in path.steps]
        last = self.steps[-1] if self.steps else None
        self.last_match = last[1] if last and last[0].tests else None
        self.above = self.steps[:-1]

    def holder(self, t: Any, taken: dict[int, str], make: bool = False) -> Any:
        """The dict that holds the last name, or None. `taken` remembers which step took which item of a list."""
        at = t
        for step, match, text in self.above:
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
            at = self._item(below, step, match, text, taken, make)
        return at if at.__class__ is dict else None

    def _item(self, items: list[Any], step: Step, match: Match, text: str, taken: dict[int, str], make: bool) -> Any:
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
        """The cell, or MISS; for a last step with tests (`PID.32[. in table]`) the first text that passes."""
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
        for step, match, text in self.above:
            if match is None:
                chain.append((at, step.name))
                at = at[step.name]
            else:
                chain.clear()
                at = self._item(at[step.name], step, match, text, taken, False)
        if self.last_match is not None and len(at[self.name]) > 1:
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
    return every([_test(test, bounds) for test in step.tests])


def _test(test: Test, bounds: Bounds) -> Match:
    """One test on their side; over a list it means some of its items."""
    value, found_in = test.value, values_at(test.path, bounds)
    some = frozenset(bounds[test.table].read) if test.table else frozenset({value})
    if value == "":
        return lambda item: not any(found_in(item))

    def among(item: Any) -> bool:
        return any(one in some for one in found_in(item) if isinstance(one, str))

    if len(test.path.steps) != 1 or test.path.steps[0].tests:
        return among
    name = test.path.steps[0].name

    def match(item: Any) -> bool:
        found = item.get(name) if item.__class__ is dict else None
        return found in some if found.__class__ is str else found is not None and among(item)

    return match


def values_at(path: Path, bounds: Bounds) -> Callable[[Any], list[Any]]:
    """A function that gives every value at a path below a tree; a list on the way means some of its items."""
    steps = [(step.name, their_match(step, bounds) if step.tests else None) for step in path.steps]
    alone = steps[0][0] if len(steps) == 1 and steps[0][1] is None else None

    def values(tree: Any) -> list[Any]:
        if alone is not None and tree.__class__ is dict:
            only = tree.get(alone, MISS)
            if only.__class__ is str:
                return [only]
            if only is MISS:
                return []
        found = [tree]
        for name, match in steps:
            following: list[Any] = []
            for one in found:
                value = one.get(name, MISS) if one.__class__ is dict else MISS
                if value is MISS:
                    continue
                below = value if value.__class__ is list else [value]
                following += below if match is None else [v for v in below if match(v)]
            found = following
        return [v for one in found for v in (one if one.__class__ is list else [one])]

    return values


def tree_take(tree: Any, test: Test) -> None:
    """Take away the text that a `=` test settles, where it stands alone: writing the item sets it again."""
    chain: list[tuple[Any, Any]] = []
    settled: list[tuple[Any, str]] = []
    at = tree
    *above, last = test.path.steps
    if not above:
        if tree.__class__ is dict and tree.get(last.name) == test.value:
            del tree[last.name]
        return
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
            inner = [(one.path.names, one.value) for one in step.tests if one.value is not None]
            settled += [(at, names[0]) for names, value in inner if len(names) == 1 and at.get(names[0]) == value]
    if at.__class__ is not dict or at.get(last.name) != test.value:
        return
    for holder, name in [*settled, (at, last.name)]:
        holder.pop(name, None)
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
