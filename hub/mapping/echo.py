"""Echoes: what comes back from a system that was sent a record is recognised, so that its items keep their ids."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from hub.mapping.bind import Plan, Scope
from hub.mapping.ours import items_of, reach
from hub.model import ChildRecord

Identities = dict[tuple[str, str, Any, int], str]
"""Group (or step of a filtered row), id of the item above, key, occurrence -> id."""


def identities(plan: Plan, record: ChildRecord) -> Identities:
    """The ids of a record's items by (group, id above, key, occurrence): what an echo of them is recognised by."""
    found: Identities = {}
    _row_items(plan.root, record, "", found)
    for scope in plan.root.groups:
        _group_items(scope, record, record, "", found)
    return found


def _row_items(scope: Scope, o: Any, above: str, found: Identities) -> None:
    """The items that filtered rows speak of."""
    for row in scope.rows:
        for ours in row.ours:
            at: Any = UNSET if ours.rooted or ours.gathers else o
            for step in ours.steps[:-1]:
                at = getattr(at, step.name) if at is not UNSET and at is not None else UNSET
                if step.match is not None and at is not UNSET and at is not None:
                    at = ours.pick(at, step)
                    if at is not None and isinstance(at.id, str):
                        found[step.text, above, None, 0] = at.id


def _group_items(scope: Scope, o: Any, record: ChildRecord, above: str, found: Identities) -> None:
    """The items of a group and of those below it; o: the item around them, above: its id."""
    is_flat = bool(scope.on_ours) and scope.parent is not None and scope.parent.spec is not None
    counts: dict[Any, int] = {}
    for item in items_of(record if scope.ours_rooted else o, scope.our_steps):
        if scope.match is not None and not scope.match(item):
            continue
        parent = reach(item, scope.on_ours[0][0]) if scope.on_ours else above
        if is_flat and parent != above:
            continue
        keys = [ours.get(item) for ours in scope.keys]
        key = keys[0] if len(keys) == 1 else tuple(keys)
        n = counts[key] = counts.get(key, -1) + 1
        own = item.id if isinstance(item.id, str) else ""
        if own:
            found[scope.name, above, key, n] = own
        _row_items(scope, item, own, found)
        for below in scope.groups:
            _group_items(below, item, record, own, found)


__all__ = ["Identities", "identities"]
