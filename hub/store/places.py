"""Where a record stands in line: under which keys, and behind whom."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from hub.store.database import Work
from hub.store.facts import Incoming
from hub.store.line import heads_of
from hub.store.statements import Sql

_ALIASES = Sql("""SELECT k.id, k.alias FROM key k WHERE k.id {in ids} ORDER BY k.name {lock k}""")
_ALIAS = Sql("UPDATE key SET alias = :alias WHERE id = :id")


class Head(NamedTuple):
    """A key's row. content: of the last record kept for it, None when it cannot be compared with. fresh: made in this
    transaction, so that nothing else is known of it."""

    id: int
    version: int = 0
    content: bytes | None = None
    alias: int | None = None
    fresh: bool = False


class Addressed(NamedTuple):
    """A record that is to have messages: new, changed, or sent anew. document: that it came in; revision: of a record
    kept earlier."""

    incoming: Incoming
    head: Head
    content: bytes
    sealed: bytes
    document: int
    revision: int = 0


class Where(NamedTuple):
    """Whose records are kept."""

    link: int
    identity: str


def is_whole(one: Incoming) -> bool:
    """Whether a record is a full state of a child: a newer one makes it pointless."""
    return one.carries == "state" and not one.removal and one.merge is None


def behind(work: Work, places: list[tuple[int, int, int]], fresh: Collection[int]) -> set[int]:
    """The numbers that are not first in all of these places, which rise. Under a fresh key nobody else stands."""
    found: set[int] = set()
    for target in {place[0] for place in places}:
        mine = [(key, number) for at, key, number in places if at == target]
        heads: dict[int, int | None] = {key: number for key, number in reversed(mine) if key in fresh}
        if asked := {key for key, _ in mine if key not in fresh}:
            heads |= heads_of(work, target, asked)
        found.update(number for key, number in mine if heads[key] != number)
    return found


def places_of(
    work: Work, kept: list[Addressed], heads: dict[bytes, Head], unsaid: Sequence[set[int]] = ()
) -> list[set[int]]:
    """The keys of each record's places: its child's, its identifiers', both sides of a merge, what they merged into.

    unsaid: of each record, the keys of numbers that its child bears though it does not say so.
    """
    merged: dict[int, int] = {head.id: head.alias for head in heads.values() if head.alias is not None}
    unseen = set(merged.values()).union(*unsaid) - {head.id for head in heads.values()}
    while unseen:
        rows = work.rows(_ALIASES, ids=sorted(unseen))
        merged.update({row[0]: row[1] for row in rows if row[1] is not None})
        unseen = {row[1] for row in rows if row[1] is not None} - set(merged)
    places = []
    for n, k in enumerate(kept):
        one = k.incoming
        mine = {heads[name].id for name in (one.child, *one.places, one.merge) if name is not None}
        mine |= unsaid[n] if unsaid else set()
        if one.merge is not None and heads[one.merge].id != k.head.id and one.failed is None:
            merged[heads[one.merge].id] = k.head.id
            merged.pop(k.head.id, None)
            work.run(_ALIAS, id=heads[one.merge].id, alias=k.head.id)
            work.run(_ALIAS, id=k.head.id, alias=None)
        for start in list(mine):
            seen = {start}
            while (start := merged.get(start, 0)) and start not in seen:
                seen.add(start)
            mine |= seen
        places.append(mine)
    return places


__all__ = ["Addressed", "Head", "Where", "behind", "is_whole", "places_of"]
