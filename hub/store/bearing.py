"""Who a child is to other sources: the number that it bears and they meet it in, and whether it is shielded.

It stands apart from records, for a change leaves out what stayed as it was. A source that shields a child shields it at
every target and in the records of all sources that meet it in an NHS number, until that source itself says otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hub.store.database import Work
from hub.store.facts import Bears, Incoming
from hub.store.freezing import Freezing
from hub.store.line import Line
from hub.store.statements import Rows, Sql

_OF = Sql("SELECT b.child, b.key, b.shielded FROM bearing b WHERE b.child {in children}")
_DROP = Sql("DELETE FROM bearing WHERE child {in children}")
_KEEP = Rows("bearing", "child key shielded:bool")
_SHIELDED = Sql("""SELECT b.child, NULL AS name FROM bearing b WHERE b.child {in children}
    AND EXISTS (SELECT 1 FROM bearing s WHERE s.key = b.key AND s.shielded)
    UNION ALL SELECT NULL, k.name FROM key k WHERE k.name {in names bytes}
    AND EXISTS (SELECT 1 FROM bearing s WHERE s.key = k.id AND s.shielded)""")


class _Child(NamedTuple):
    """keys: of the numbers that it bears."""

    keys: frozenset[int] = frozenset()
    shielded: bool = False


_NOBODY = _Child()


class Bearing(Freezing, Line):
    """Keeping and asking who children are."""

    def shielded(self, about: Mapping[int, tuple[Sequence[int], Sequence[bytes]]]) -> set[int]:
        """The messages whose child is shielded. about: by message, the keys of its children, and the names of the
        numbers in it."""
        children = sorted({child for keys, _ in about.values() for child in keys})
        names = sorted({name for _, mine in about.values() for name in mine})

        def act(work: Work) -> set[Any]:
            # A child that is shielded has a row of its own, under its own key.
            return {row.child or bytes(row.name) for row in work.rows(_SHIELDED, children=children, names=names)}

        found = self.database.read(act, alone=True) if children or names else set()
        return {number for number, (keys, said) in about.items() if not found.isdisjoint((*keys, *said))}

    def borne(self, work: Work, children: Iterable[int]) -> set[int]:
        """The keys of the numbers that children bear, by the keys of the children."""
        return {row.key for row in work.rows(_OF, children=sorted(children)) if row.key != row.child}

    def bear(
        self, work: Work, said: Sequence[tuple[Incoming, bool]], ids: Mapping[bytes, int], fresh: Collection[int] = ()
    ) -> list[set[int]]:
        """Keep what records say of who their children are, in their order, in a transaction that has locked the keys of
        the children. Of each record the keys of the numbers that its children bear without its saying so.

        With each record whether it is its child's newest: an older one that is read late changes little: it sets a
        shield, unless it is a full state. ids: of the keys that the records name; fresh: of those that were made in
        this transaction.
        """
        names = {name for one, _ in said for name in (*(about.child for about in one.bears), one.merge) if name}
        mine = sorted({ids[name] for name in names}.difference(fresh))
        before: dict[int, _Child] = {}
        for child, key, shielded in work.rows(_OF, children=mine) if mine else ():
            had = before.get(child, _NOBODY)
            before[child] = _Child(had.keys | {key} - {child}, had.shielded or bool(shielded))
        after = dict(before)
        found = []
        for one, newest in said:
            unsaid: set[int] = set()
            for about in one.bears:
                child = ids[about.child]
                numbers = frozenset(ids[name] for name in about.names)
                had = after.get(child, _NOBODY)
                if one.merge is not None and ids[one.merge] != child:
                    gone = after.pop(ids[one.merge], _NOBODY)  # who is merged into another hides it as well
                    had = _Child(had.keys, had.shielded or gone.shielded)
                after[child] = _after(had, one, about, numbers, newest)
                unsaid |= after[child].keys - numbers
            found.append(unsaid)
        changed = sorted(child for child in {*before, *after} if before.get(child) != after.get(child))
        if dropped := [child for child in changed if child in before]:
            work.run(_DROP, children=dropped)
        rows = [
            (child, key, now.shielded)
            for child in changed
            if (now := after.get(child, _NOBODY)) != _NOBODY
            for key in sorted({*now.keys, *([child] if now.shielded else [])})
        ]
        work.many(_KEEP, rows)
        risen = {key for child in changed for key in _risen(before.get(child, _NOBODY), after.get(child, _NOBODY))}
        if risen:
            self.cover(work, risen, [child for child in changed if after.get(child, _NOBODY).shielded])
        return found


def _risen(had: _Child, now: _Child) -> frozenset[int]:
    """The numbers over which a child's shield has risen."""
    return now.keys - (had.keys if had.shielded else frozenset()) if now.shielded else frozenset()


def _after(had: _Child, one: Incoming, about: Bears, numbers: frozenset[int], newest: bool) -> _Child:
    """What is known of a child once a record has spoken of it."""
    is_state = one.carries == "state" and one.merge is None
    if one.removal or (is_state and not newest):
        return had
    if not newest:
        return had._replace(shielded=had.shielded or about.shielded is True)
    keys = numbers if numbers or is_state or about.several else had.keys
    shielded = about.shielded is True if is_state or about.shielded is not None else had.shielded
    return _Child(keys, shielded)


__all__ = ["Bearing"]
