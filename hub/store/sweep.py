"""T6: what time and death leave to do, done by every process each second; nothing here waits for a lock."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

from hub.message import Cause, Message
from hub.seal import Keyring
from hub.store.database import Database, Work
from hub.store.facts import LONE_CRASHES, Swept
from hub.store.line import Line, firsts, mark_published
from hub.store.links import LIVE
from hub.store.statements import Rows, Sql

MOST = 1000
"""Messages touched in one transaction."""
_SCAN = 4
"""Messages looked at for each that may be published: some are held."""

_ALIVE = Sql("SELECT w.id, w.until, w.until - {now} AS left FROM worker w WHERE w.gone IS NULL")
_OVER = Sql("SELECT w.id, w.until FROM worker w WHERE w.id {in workers} AND w.gone IS NULL {skip w}")
_GIVE_UP = Sql("UPDATE worker SET gone = {now} WHERE id {in workers}")
_FREE = [
    (
        Sql(f"SELECT s.link FROM source s WHERE s.reader IS NOT NULL AND NOT {LIVE.format('s.reader')} {{skip s}}"),
        Sql("UPDATE source SET reader = NULL WHERE link {in found}"),
    ),
    (
        Sql(f"SELECT t.link FROM target t WHERE t.probe IS NOT NULL AND NOT {LIVE.format('t.probe')} {{skip t}}"),
        Sql("UPDATE target SET probe = NULL WHERE link {in found}"),
    ),
    (
        Sql(f"SELECT DISTINCT s.worker FROM slot s WHERE NOT {LIVE.format('s.worker')}"),
        Sql("DELETE FROM slot WHERE worker {in found}"),
    ),
]
_DEAD = Sql(f"""SELECT m.number, m.target, m.owner, m.tried, m.crashes, m.lone, m.alone, m.parcel, m.arrived, m.changed,
    {{now}} AS now FROM message m WHERE m.state = 'sending' AND NOT {LIVE.format("m.owner")}
    ORDER BY m.owner LIMIT {MOST} {{skip m}}""")
_DEAD_AT = Sql(f"""SELECT DISTINCT m.target FROM message m WHERE m.state = 'sending'
    AND NOT {LIVE.format("m.owner")}""")
_GIVE_BACK = Rows(
    "message",
    "number state:text cause crashes lone arrived:bool",
    "owner=NULL, alone=false, published=0, changed={now}",
    update=True,
)
_CRASHED = Rows("attempt", "number tried worker started:float ended:float cause", "outcome='crash'")
_DUE = Sql(f"""SELECT m.number FROM message m WHERE m.state = 'waiting' AND m.due <= {{now}} ORDER BY m.due
    LIMIT {MOST} {{skip m}}""")
_READY = Sql("UPDATE message SET state = 'ready', due = NULL, published = 0, changed = {now} WHERE number {in numbers}")
_TARGET = Sql("SELECT t.paused, t.probe, t.resumed, {now} AS now FROM target t WHERE t.link = :target")
_STALE = Sql("""SELECT m.number FROM message m WHERE m.target = :target AND m.ended IS NULL AND m.state = 'ready'
    AND m.published < :before ORDER BY m.published LIMIT :limit {skip m}""")
# The clock was set back since.
_AHEAD = Sql("""SELECT m.number FROM message m WHERE m.target = :target AND m.ended IS NULL AND m.state = 'ready'
    AND m.published > {now} ORDER BY m.published DESC LIMIT :limit {skip m}""")


class Sweeping(Line):
    """What has come due, what dead workers left, and what no queue seems to have."""

    def __init__(self, database: Database, ring: Keyring) -> None:
        super().__init__(database, ring)
        self._seen: dict[int, tuple[float, float]] = {}

    def sweep(self, worker: int, grace: float = 0.0) -> Swept:
        """Give up workers whose lease is over, with all they own, and wake what is due.

        A lease is over when it was not renewed for as long as it had left when this process saw it first, by a clock
        that is never set: when the database's jumps forward, all leases look over, and their workers are still sending.
        grace: seconds for which one that looks over already at first sight is waited for.
        A message of a dead worker is ready again with a crash more, to be claimed alone; after LONE_CRASHES of them
        alone, one after another, it is parked.
        """
        workers = self.database.write(lambda work: self._give_up(work, grace), "T6")
        dead = parked = due = 0
        while True:
            given, stopped = self._give_back()
            dead, parked = dead + given, parked + stopped
            if given + stopped < MOST:
                break
        while True:
            woken = self.database.write(self._wake, "T6")
            due += woken
            if woken < MOST:
                return Swept(due, dead, parked, workers)

    def _give_up(self, work: Work, grace: float) -> int:
        now, seen = monotonic(), dict[int, tuple[float, float]]()
        for row in work.rows(_ALIVE):
            until, end = self._seen.get(row.id, (None, 0.0))
            if until != row.until:
                end = now + (row.left if row.left > 0 else grace if row.until else 0.0)
            seen[row.id] = row.until, end
        self._seen = seen
        over = [one for one, (_, end) in seen.items() if end <= now]
        found = work.rows(_OVER, workers=over) if over else []
        workers = [row.id for row in found if row.until == seen[row.id][0]]  # else it was renewed just now
        work.count = len(workers)
        if workers:
            work.run(_GIVE_UP, workers=workers)
        for find, let_go in _FREE:
            if found := [row[0] for row in work.rows(find)]:
                work.run(let_go, found=found)
        return len(workers)

    def _give_back(self) -> tuple[int, int]:
        """Messages made ready, and parked."""
        waiting = self.database.read(lambda work: {row.target for row in work.rows(_DEAD_AT)})
        if not waiting:
            return 0, 0
        names = self.database.read(lambda work: {one: self.link_name(work, one) for one in waiting})
        causes = {one: _crash(name) for one, name in names.items()}
        ids = self.cause_ids(causes.values())
        numbers = {one: ids[cause] for one, cause in causes.items()}
        return self.database.write(lambda work: self._return(work, numbers), "T6")

    def _return(self, work: Work, causes: dict[int, int | None]) -> tuple[int, int]:
        dead = [row for row in work.rows(_DEAD) if row.target in causes]
        ended = [_given_back(row, causes[row.target]) for row in dead]
        work.count = len(ended)
        work.many(_GIVE_BACK, ended)
        tries = [(row.number, row.tried, row.owner, row.changed, row.now, causes[row.target]) for row in dead]
        work.many(_CRASHED, tries)
        parked = sum(row[1] == "parked" for row in ended)
        return len(ended) - parked, parked

    def _wake(self, work: Work) -> int:
        numbers = [row[0] for row in work.rows(_DUE)]
        work.count = len(numbers)
        if numbers:
            work.run(_READY, numbers=numbers)
        return len(numbers)

    def republish(self, target: str, limit: int, older: float) -> list[Message]:
        """Messages to be published again: first in line, ready, and not published for `older` seconds (or, as the clock
        was set back, later than now).

        Nothing while the target is paused; one when its pause is over and nobody probes it.
        """
        link = self.link_id(target)

        def act(work: Work) -> list[Message]:
            facts = work.row(_TARGET, target=link)
            if facts is None or (facts.paused is not None and (facts.paused > facts.now or facts.probe is not None)):
                return []
            most = limit if facts.paused is None else 1
            before = max(facts.now - older, facts.resumed)
            looked = [row[0] for row in work.rows(_STALE, target=link, before=before, limit=most * _SCAN)]
            if len(looked) < most * _SCAN:
                looked += [row[0] for row in work.rows(_AHEAD, target=link, limit=most * _SCAN - len(looked))]
            ready = firsts(work, looked)
            chosen = sorted(ready)[:most]
            # Those held are marked too, or the same ones would be looked at each time and later ones never.
            work.count = len(chosen)
            mark_published(work, sorted((set(looked) - ready).union(chosen)))
            return self.messages(work, chosen)

        return self.database.write(act, "T6")


def _crash(target: str) -> Cause:
    reason = f"the process that had it ended before an answer, {LONE_CRASHES} times in a row with nothing else in hand"
    return Cause("send", reason, target=target, answer="crash")


def _given_back(row: Any, cause: int | None) -> Sequence[Any]:
    """The new values of a dead worker's message, as `_GIVE_BACK` orders them."""
    lone = row.lone + bool(row.alone)
    state = "parked" if lone >= LONE_CRASHES else "ready"
    arrived = bool(row.arrived or row.parcel is not None)
    return row.number, state, cause if state == "parked" else None, row.crashes + 1, lone, arrived
