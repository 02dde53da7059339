"""A list of theirs while groups take items out of it, and what becomes of it once they are done."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from msgspec import UNSET

from hub.mapping.extras import Holes
from hub.mapping.reading import Reading, extra
from hub.mapping.theirs import Theirs
from hub.model import Extra

_PLACE = itemgetter(0)


class Claim:
    """A list of theirs, in its holder at `name`, while groups take items out of it. free: what nobody took yet, taken:
    what was taken as the item of ours made of it, in the order of taking; both with the index in the list.

    placed: every item keeps its place, for another group may write it.
    """

    __slots__ = ("free", "holder", "name", "placed", "taken")

    def __init__(self, holder: Any, name: str, free: dict[int, Any], placed: bool) -> None:
        self.holder, self.name, self.free, self.placed = holder, name, free, placed
        self.taken: list[tuple[int, Any]] = []


WHOLE = Claim(None, "", {}, False)
"""The claim on a list that its first group took whole; the places of its items are kept already."""
WHOLE.taken = ()  # type: ignore[assignment]  # it stands for lists of every record, and holds no item of any


def settle(c: Reading, held: Claim) -> bool:
    """Groups are done with a list: what nobody took stays as the rest, and places are kept where order needs them.
    True for one that was taken whole: it is to be taken away."""
    free, taken = held.free, held.taken
    if free and taken:
        held.holder[held.name] = Holes({str(n): one for n, one in free.items()})
    if free or (held.placed and len(taken) > 1) or [*map(_PLACE, taken)] != [*range(len(taken))]:
        schema = c.plan.schema
        if schema is None or not schema.unordered:
            keep_places(c, taken)
    return not free


def keep_places(c: Reading, placed: Iterable[tuple[int, Any]]) -> None:
    """Keep of items of ours the index in their list."""
    for n, item in placed:
        if item.extras is UNSET:
            item.extras = {c.link: Extra(None, None, n)}
        else:
            extra(c, item).place = n


def settle_shared(c: Reading, value: Any) -> bool:
    """The same at the end of a scope, of what stands where several of its groups share a list."""
    held = c.claims.pop(id(value), None)
    return held is WHOLE or (held is not None and settle(c, held))


def prune(cell: Theirs, t: Any) -> None:
    """Take away a list that was taken whole, and the containers that it alone kept filled."""
    chain = []
    at = t
    for step, _, _ in cell.above:
        chain.append((at, step.name))
        at = at[step.name]
        if at.__class__ is not dict:
            return
    at.pop(cell.name, None)
    for holder, name in reversed(chain):
        if holder[name]:
            return
        del holder[name]


__all__ = ["WHOLE", "Claim", "keep_places", "prune", "settle", "settle_shared"]
