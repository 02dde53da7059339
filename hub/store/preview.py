"""What a replay would do, found out by doing it in a transaction that is undone: what decides is what will decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hub.store.acts import Standing
from hub.store.choosing import parts
from hub.store.database import Work
from hub.store.facts import Incoming
from hub.store.replay import Replay
from hub.store.statements import Rows, Sql

_RUN = Sql("""INSERT INTO run (asked, target, mapping, state, created) VALUES ('preview', :target, '', 'running', {now})
    RETURNING id""")
_ITEMS = Rows("run_item", "n number key state:text before note:text", "run=:run")
_FOUND = Sql("""SELECT i.n, i.number, i.key, i.state, i.note, m.state AS became FROM run_item i
    LEFT JOIN message m ON m.number = i.number WHERE i.run = :run ORDER BY i.n""")
_CLOSED = Sql("""SELECT m.number FROM message m WHERE m.key {in keys} AND m.target = :target
    AND m.state = 'superseded' AND m.superseded_by {in numbers} ORDER BY m.number""")
_IN_LINE = Sql("""SELECT m.number FROM message m WHERE m.key {in keys} AND m.target = :target AND m.ended IS NULL""")
_NAMES = Sql("SELECT k.id, k.name FROM key k WHERE k.id {in ids}")


class Tried(msgspec.Struct, frozen=True):
    """What became of one item. number: of its message, None when it got none; key: of the child whose newest record it
    is, else None. state: released, parked (its record still cannot be read), skipped, frozen (it cannot be decided now)
    or superseded. note: why it was skipped."""

    number: int | None
    key: int | None
    state: str
    note: str


class Place(msgspec.Struct, frozen=True):
    """A message in line afterwards. places: the names of its keys, which outlive the undone transaction."""

    standing: Standing
    places: frozenset[bytes]


class Trial(msgspec.Struct, frozen=True):
    """What became of each item, in order. before: messages of these children that were in line, and all behind them.
    line: it afterwards, with all that is before any of them. closed: what the items superseded.
    """

    items: list[Tried]
    before: dict[int, Standing]
    line: dict[int, Place]
    closed: list[int] = []


class _Undo(Exception):
    """Nothing of the transaction is to stay."""


class Preview(Replay):
    """Acts that are tried out."""

    def try_release(self, numbers: Sequence[int], read: Mapping[tuple[int, int], Incoming]) -> Trial:
        """What letting go of these messages, at most some hundreds, would do to them and around them.

        read: records that could not be read before, as they are read today.
        """
        causes = dict.fromkeys([None, *(c for one in read.values() for c in (one.failed, *one.findings))])
        given = [(n, number, None, "frozen", None, "") for n, number in enumerate(numbers)]

        def act(work: Work) -> Trial:
            before = self._standing(work, numbers)
            run = self._freeze(work, given, None)
            self._let_go(work, run, work.rows(_FOUND, run=run), read, causes)
            return self._told_of(work, run, before)

        return self._undone(act)

    def try_latest(self, target: str, keys: Sequence[int], read: Mapping[tuple[int, int], Incoming]) -> Trial:
        """What sending these children's newest records anew would do; numbers that are new are never given again."""
        link = self.link_id(target)
        given = [(n, None, key, "frozen", None, "") for n, key in enumerate(keys)]

        def act(work: Work) -> Trial:
            in_line = [row[0] for row in work.rows(_IN_LINE, keys=list(keys), target=link)]
            before = self._standing(work, in_line)
            run = self._freeze(work, given, link)
            self._send_anew(work, run, link, work.rows(_FOUND, run=run), read)
            found = self._told_of(work, run, before)
            made = [one.number for one in found.items if one.number is not None]
            closed = work.rows(_CLOSED, keys=list(keys), target=link, numbers=made) if made else []
            return msgspec.structs.replace(found, closed=[row[0] for row in closed])

        return self._undone(act)

    def line(self, numbers: Iterable[int]) -> dict[int, Place]:
        """Open messages among these with all that are behind them, and all that are before any of those."""
        wanted = sorted(numbers)
        return self.database.read(lambda work: self._line(work, wanted))

    def _freeze(self, work: Work, items: Sequence[Sequence[Any]], target: int | None) -> int:
        run = int(work.value(_RUN, target=target))
        work.many(_ITEMS, items, run=run)
        return run

    def _told_of(self, work: Work, run: int, before: dict[int, Standing]) -> Trial:
        rows = work.rows(_FOUND, run=run)
        found = [
            Tried(row.number, row.key, "superseded" if row.became == "superseded" else row.state, row.note)
            for row in rows
        ]
        after = sorted({*before, *(one.number for one in found if one.number is not None)})
        return Trial(found, before, self._line(work, after))

    def _line(self, work: Work, numbers: Sequence[int]) -> dict[int, Place]:
        found = self._standing(work, numbers)
        while missing := {ahead for one in found.values() for ahead in one.ahead} - set(found):
            found |= self._standing(work, sorted(missing))
        ids = sorted({key for one in found.values() for key in one.keys})
        names = {row.id: bytes(row.name) for part in parts(ids) for row in work.rows(_NAMES, ids=part)}
        return {n: Place(one, frozenset(names[key] for key in one.keys)) for n, one in sorted(found.items())}

    def _undone(self, act: Callable[[Work], Trial]) -> Trial:
        found: list[Trial] = []

        def tried(work: Work) -> None:
            found[:] = [act(work)]
            raise _Undo

        try:
            self.database.write(tried)
        except _Undo:
            return found[0]
        raise AssertionError("unreachable")


__all__ = ["Place", "Preview", "Trial", "Tried"]
