"""What a condition erases is not left in the rest either: a text that no row read, or that stood behind another one.

An item from which something is erased loses all that was left over of it; of the record itself, which is never erased
whole, the cells go of which every leaf is withheld.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hub.mapping import when
from hub.mapping.bind import Plan
from hub.mapping.theirs import Theirs
from hub.mapping.withhold import Rule
from hub.model import ChildRecord, Extra


def forget(record: ChildRecord, left: Extra, plan: Plan, rules: Iterable[Rule]) -> None:
    """Take out of what is left over of a record, in place, the cells of all that is withheld of it as a whole."""
    paths = {path for one in rules if when.hold(one.conditions, record, (), record) for path in one.paths}
    if left.rest and paths:
        for cell in _cells(plan, paths):
            _drop(left.rest, cell.steps)


def _cells(plan: Plan, paths: set[str]) -> Iterator[Theirs]:
    """The cells of the record's own rows and lists of which every leaf is withheld."""
    for row in plan.root.rows:
        if all(_is_gone(ours.full, paths) for ours in row.ours):
            yield from (cell for way in row.reading for cell in way.theirs if cell.root != "@")
    for group in plan.root.groups:
        if group.cell.path.steps and all(_is_gone(ours.full, paths) for row in group.rows for ours in row.ours):
            yield group.cell


def _is_gone(path: str, paths: set[str]) -> bool:
    """Whether a leaf is withheld, or an item around it."""
    return path in paths or any(f"{path[:at]}[]" in paths for at in range(len(path)) if path.startswith("[].", at))


def _drop(rest: Any, steps: Sequence[Any]) -> None:
    """Take a cell out of a packed rest, in each item that its filters let pass."""
    if rest.__class__ is dict and rest.keys() == {"="}:
        rest = rest["="]
    (step, match, _), *below = steps
    if rest.__class__ is not dict or step.name not in rest:
        return
    value = rest[step.name]
    if not below and match is None:
        del rest[step.name]
        return
    held = value["[]"] if value.__class__ is dict and value.keys() == {"[]"} else value
    if match is None:
        _drop(value, below)
        return
    found = list(held.items() if held.__class__ is dict else enumerate(held) if held.__class__ is list else ())
    for at, one in reversed(found):
        if not step.tests or match(one):
            if below:
                _drop(one, below)
            else:
                del held[at]
    if not held:
        del rest[step.name]
