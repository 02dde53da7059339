"""Runs being done: what is due to be let go at a run's pace, letting it go, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from hub.message import Message
from hub.store.acts import Due, Newest
from hub.store.database import Work
from hub.store.facts import Incoming
from hub.store.links import LIVE
from hub.store.places import Addressed, Where, places_of
from hub.store.renewing import PASSED, READY, Deferred, overtaken
from hub.store.runs import Runs
from hub.store.statements import Rows, Sql

MOST = 100
"""Items let go in one transaction."""
AGAIN = 1.0
"""Seconds until a run is looked at again whose next items could not be let go just now."""

_DUE = Sql(f"""SELECT r.id, r.state, r.canary, r.rate, r.target, r.tokens, r.paced, {{now}} AS now FROM run r
    WHERE r.ended IS NULL AND r.state IN ('canary', 'running') AND r.mapping IN (:mapping, '') AND r.paced <= {{now}}
    AND (r.worker IS NULL OR r.worker = :worker OR NOT {LIVE.format("r.worker")}) ORDER BY r.paced, r.id {{skip r}}""")
_LEASE = Sql("UPDATE run SET worker = :worker, tokens = :tokens, paced = {now} WHERE id = :id")
_LATER = Sql("UPDATE run SET paced = {now} + :seconds WHERE id = :id")
_FROZEN = Sql("""SELECT n, number, key FROM run_item WHERE run = :run AND state = 'frozen' ORDER BY n LIMIT :limit""")
_CANARY = Sql("SELECT n, number, key FROM run_item WHERE run = :run AND state = 'frozen' AND n = :n")
_FAILED = Sql("""SELECT m.document, m.ordinal, m.source FROM message m
    JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    WHERE m.number {in numbers} AND r.failed AND m.state IN ('parked', 'waiting') ORDER BY m.document, m.ordinal""")
_HEADS = Sql("""SELECT k.id, k.document, k.ordinal, r.kind, d.link FROM key k
    JOIN record r ON r.document = k.document AND r.ordinal = k.ordinal AND r.key = k.id
    JOIN document d ON d.id = k.document WHERE k.id {in keys} ORDER BY k.id""")
_MINE = Sql("""SELECT r.target, r.tokens FROM run r WHERE r.id = :run AND r.worker = :worker AND r.ended IS NULL
    AND r.state IN ('canary', 'running') {lock r}""")
# CROSS JOIN: SQLite takes the few asked for first, and not the whole run.
_ITEMS = Sql("""SELECT i.n, i.number, i.key, i.state FROM {each items}
    CROSS JOIN run_item i WHERE i.run = :run AND i.n = items.value ORDER BY i.n""")
_TRY, _UNDO, _DONE = Sql("SAVEPOINT one"), Sql("ROLLBACK TO SAVEPOINT one"), Sql("RELEASE SAVEPOINT one")
_MESSAGES = Sql("""SELECT m.number, m.state, m.arrived, m.document, m.ordinal, m.whole, r.failed FROM message m
    JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    WHERE m.number {in numbers} ORDER BY m.number {lock m}""")
_UNPACK = Sql("UPDATE message SET parcel = NULL WHERE number {in numbers} AND NOT arrived")
_MATES = Sql("""SELECT DISTINCT o.number, o.cause FROM {each numbers} JOIN message m ON m.number = numbers.value
    JOIN message o ON o.parcel = m.parcel AND o.ended IS NULL AND o.parcel IS NOT NULL
    WHERE m.arrived AND o.arrived AND o.state IN ('parked', 'waiting') ORDER BY o.number""")
_FROZEN_OF = Sql("""SELECT i.n, i.number FROM {each numbers} JOIN run_item i ON i.number = numbers.value
    WHERE i.run = :run AND i.state = 'frozen'""")
_LAST_ITEM = Sql("SELECT max(n) FROM run_item WHERE run = :run")
_ADD = Rows("run_item", "n number state:text before note:text", "run=:run")
_STILL = Rows("message", "number cause", "changed={now}", update=True)
_BEHIND = Sql("""SELECT DISTINCT q.number FROM {each numbers} JOIN place p ON p.number = numbers.value
    JOIN place q ON q.target = p.target AND q.key = p.key AND q.number > p.number""")
_ITEM = Sql("UPDATE run_item SET state = :state, note = :note WHERE run = :run AND n {in items}")
_KEEP_NOTE = Sql("UPDATE run_item SET state = :state WHERE run = :run AND n {in items}")
_GIVEN = Sql("UPDATE run_item SET state = 'released', number = :number WHERE run = :run AND n = :n")
_SPEND = Sql("UPDATE run SET tokens = tokens - :count WHERE id = :run")
_HEAD = Sql("""SELECT k.name, k.document, k.ordinal, k.content, r.kind, r.version, r.carries, r.removal, r.failed,
    r.content AS said, r.sealed, r.revision, d.link FROM key k
    JOIN record r ON r.document = k.document AND r.ordinal = k.ordinal AND r.key = k.id
    JOIN document d ON d.id = k.document WHERE k.id = :key AND k.alias IS NULL""")
_LAST = Sql("""SELECT m.number, m.state, m.ended, m.document, m.ordinal FROM message m
    WHERE m.key = :key AND m.target = :target ORDER BY m.number DESC LIMIT 1""")
_OPEN = Sql("SELECT r.id, r.state, r.canary FROM run r WHERE r.ended IS NULL ORDER BY r.id {skip r}")
_ANY_OPEN = Sql("SELECT 1 FROM run WHERE ended IS NULL LIMIT 1")
_OUT = Sql("""SELECT i.n, m.state FROM run_item i JOIN message m ON m.number = i.number WHERE i.run = :run
    AND i.state = 'released' AND (m.ended IS NOT NULL OR m.state = 'parked')""")
_GONE = Sql("""SELECT i.n FROM run_item i WHERE i.run = :run AND i.state = 'released'
    AND NOT EXISTS (SELECT 1 FROM message m WHERE m.number = i.number)""")
_LEFT = Sql("SELECT 1 FROM run_item i WHERE i.run = :run AND i.state = :state LIMIT 1")
_CANARY_STATE = Sql("SELECT state FROM run_item WHERE run = :run AND n = :n")
_RUN_STATE = Sql("UPDATE run SET state = :state, note = :note, worker = NULL WHERE id = :run")
_END = Sql("UPDATE run SET state = :state, note = :note, ended = {now}, worker = NULL WHERE id = :run")
_CANCEL = Sql("UPDATE run_item SET state = 'cancelled' WHERE run = :run AND state = 'frozen'")

NEWER = "a newer record of the child was kept since"
GONE = "its message was purged"
ALONG = "it may have arrived in one parcel with one that was asked for"


class _Sorted(NamedTuple):
    """Items of a release by what becomes of them. waits: cannot be decided now."""

    ready: list[tuple[int, int]]
    still: list[tuple[int, int, int | None]]
    skipped: dict[str, list[int]]
    waits: list[int]


class Replay(Runs):
    """What workers do of runs."""

    def due(self, worker: int, mapping: str) -> Due | None:
        """What this worker is to let go of a run now, if anything: one that no other worker does, that is bound to this
        mapping set, and as much as its rate gives."""
        if self.database.read(lambda work: work.row(_ANY_OPEN)) is None:
            return None
        return self.database.write(lambda work: self._due(work, worker, mapping))

    def _due(self, work: Work, worker: int, mapping: str) -> Due | None:
        for row in work.rows(_DUE, worker=worker, mapping=mapping):
            tokens = row.tokens
            if row.rate is not None:
                tokens = min(max(row.rate, 1.0), row.tokens + row.rate * (row.now - row.paced))
            most = MOST if row.rate is None else int(tokens)
            if row.state == "canary":
                items = work.rows(_CANARY, run=row.id, n=row.canary)
            else:
                items = work.rows(_FROZEN, run=row.id, limit=min(most, MOST)) if most > 0 else []
            if not items:
                continue
            work.run(_LEASE, id=row.id, worker=worker, tokens=tokens)
            return self._told(work, row.id, items, row.target is not None)
        return None

    def _told(self, work: Work, run: int, items: Sequence[Any], latest: bool) -> Due:
        failed: list[tuple[int, int]] = []
        kept: list[Newest] = []
        sources: dict[int, str] = {}
        if latest:
            for row in work.rows(_HEADS, keys=[item.key for item in items]):
                sources[row.document] = self.link_name(work, row.link)
                kept.append(Newest(row.id, row.document, row.ordinal, sources[row.document], row.kind))
        else:
            for document, ordinal, link in work.rows(_FAILED, numbers=[item.number for item in items]):
                sources[document] = self.link_name(work, link)
                if (document, ordinal) not in failed:
                    failed.append((document, ordinal))
        return Due(run, [item.n for item in items], failed, kept, sources)

    def release(self, worker: int, due: Due, read: Mapping[tuple[int, int], Incoming]) -> list[Message]:
        """Let go what was due, with records as they were read again; what is to be published now.

        Nothing when the run was paused, cancelled or given to another worker meanwhile. What cannot be decided now
        (a later message of the child is being sent) stays, to be tried again a moment later.
        """
        causes = self.cause_ids(c for one in read.values() for c in (one.failed, *one.findings))

        def act(work: Work) -> list[Message]:
            run = work.row(_MINE, run=due.run, worker=worker)
            found = work.rows(_ITEMS, run=due.run, items=due.items) if run is not None else []
            items = [item for item in found if item.state == "frozen"]
            if not items:
                return []
            if run.target is not None:
                return self._send_anew(work, due.run, run.target, items, read)
            return self._let_go(work, due.run, items, read, causes)

        return self.database.write(act, "T7")

    def _let_go(
        self, work: Work, run: int, items: Sequence[Any], read: Mapping[tuple[int, int], Incoming], causes: Any
    ) -> list[Message]:
        # Keys, then targets, then messages: in the order in which everybody locks them.
        good = [one for one in read.values() if one.failed is None]
        heads = self.lock_keys(work, good, self.key_names(work, read)) if good else {}
        deferred: set[tuple[int, int]] = set()
        for at, one in sorted(read.items()):
            if one.failed is None:
                work.run(_TRY)
                changed = dict(heads)
                try:
                    self.rewrite(work, at, one, changed, causes)
                except Deferred:
                    work.run(_UNDO)
                    deferred.add(at)
                else:
                    heads = changed
                work.run(_DONE)
        found = self._sort(work, items, read, deferred, causes)
        released = [number for _, number in found.ready]
        work.count = len(released)
        if released:
            work.run(_UNPACK, numbers=released)
            work.run(READY, numbers=released)
            work.run(_KEEP_NOTE, run=run, state="released", items=[n for n, _ in found.ready])
            released += self._take_along(work, run, released)
        work.many(_STILL, [(number, cause) for _, number, cause in found.still])
        if found.still:
            work.run(_KEEP_NOTE, run=run, state="parked", items=[n for n, _, _ in found.still])
        for note, some in found.skipped.items():
            work.run(_ITEM, run=run, state="skipped", note=note, items=some)
        work.run(_SPEND, run=run, count=len(items) - len(found.waits))
        if found.waits:
            work.run(_LATER, id=run, seconds=AGAIN)
        # Only what was not let go here: or it would hang on where batches part whether an older one goes too.
        newer = {row[0] for row in work.rows(_BEHIND, numbers=released)} if released else set()
        behind = sorted(newer.difference(released))
        _, after = self.supersede(work, behind, set(released)) if behind else (set(), [])
        return self.publish(work, sorted({*released, *after}))

    def _take_along(self, work: Work, run: int, released: list[int]) -> list[int]:
        """Let go as well what may have arrived in one parcel with these: the same bytes go again, or none of them."""
        mates = [row for row in work.rows(_MATES, numbers=released) if row.number not in released]
        if not mates:
            return []
        numbers = [row.number for row in mates]
        work.run(READY, numbers=numbers)
        frozen = {row.number: row.n for row in work.rows(_FROZEN_OF, run=run, numbers=numbers)}
        if frozen:
            work.run(_KEEP_NOTE, run=run, state="released", items=sorted(frozen.values()))
        after = int(work.value(_LAST_ITEM, run=run)) + 1
        added = [row for row in mates if row.number not in frozen]
        work.many(_ADD, [(after + n, row.number, "released", row.cause, ALONG) for n, row in enumerate(added)], run=run)
        return numbers

    def _sort(
        self,
        work: Work,
        items: Sequence[Any],
        read: Mapping[tuple[int, int], Incoming],
        deferred: set[tuple[int, int]],
        causes: Any,
    ) -> _Sorted:
        found = _Sorted([], [], {}, [])
        numbers = [item.number for item in items]
        rows = {row.number: row for row in work.rows(_MESSAGES, numbers=numbers)}
        passed = overtaken(work, numbers)
        for item in items:
            row = rows.get(item.number)
            if row is None or row.state not in ("parked", "waiting"):
                found.skipped.setdefault(GONE if row is None else f"it is {row.state}", []).append(item.n)
                continue
            at = (row.document, row.ordinal)
            if row.failed and at in read and read[at].failed is not None:
                found.still.append((item.n, item.number, causes[read[at].failed]))
            elif row.failed or at in deferred:
                found.waits.append(item.n)
            elif item.number in passed:
                found.skipped.setdefault(PASSED, []).append(item.n)
            else:
                found.ready.append((item.n, item.number))
        return found

    def _send_anew(
        self, work: Work, run: int, target: int, items: Sequence[Any], read: Mapping[tuple[int, int], Incoming]
    ) -> list[Message]:
        """New messages of children's newest records."""
        names = [row.name for row in (work.row(_HEAD, key=item.key) for item in items) if row is not None]
        heads = self.lock_keys(work, [*read.values()], [bytes(name) for name in names])
        name = self.link_name(work, target)
        out: list[Message] = []
        for item in items:
            row = work.row(_HEAD, key=item.key)  # again: now nobody keeps another one
            at = (row.document, row.ordinal) if row is not None else (-1, -1)
            note = (
                NEWER if row is None or at not in read else _not_anew(row, work.row(_LAST, key=item.key, target=target))
            )
            if note:
                work.run(_ITEM, run=run, state="skipped", note=note, items=[item.n])
                continue
            one = replace(
                read[at], child=bytes(row.name), kind=row.kind, carries=row.carries, removal=bool(row.removal),
                targets=(name,), ordinal=row.ordinal,
            )  # fmt: skip
            head = heads[one.child]._replace(version=row.version)
            made = Addressed(one, head, row.said, row.sealed, row.document, row.revision)
            where = Where(row.link, self.identity(self.link_name(work, row.link)))
            unsaid = self.borne(work, {heads[name].id for name in (one.child, *one.members)})
            keys = places_of(work, [made], heads, [unsaid])[0]
            out += self.address(work, where, [(made, keys)], {None: None}, {name: target})
            work.run(_GIVEN, run=run, n=item.n, number=work.row(_LAST, key=item.key, target=target).number)
        work.count = len(items)
        work.run(_SPEND, run=run, count=len(items))
        return out

    def settle(self) -> None:
        """Note what became of what runs let go, and end runs of which nothing is left to wait for."""
        if self.database.read(lambda work: work.row(_ANY_OPEN)) is None:
            return
        self.database.write(self._settle)

    def _settle(self, work: Work) -> None:
        for run in work.rows(_OPEN):
            ended: dict[str, list[int]] = {}
            for n, state in work.rows(_OUT, run=run.id):
                ended.setdefault(state, []).append(n)
            for state, some in ended.items():
                work.run(_KEEP_NOTE, run=run.id, state=state, items=some)
            if gone := [row[0] for row in work.rows(_GONE, run=run.id)]:
                work.run(_ITEM, run=run.id, state="skipped", note=GONE, items=gone)
            self._conclude(work, run)

    def _conclude(self, work: Work, run: Any) -> None:
        """The next state of a run, if it follows from its items."""
        left = {state for state in ("frozen", "released") if work.row(_LEFT, run=run.id, state=state) is not None}
        if run.state == "cancelled":
            if "released" not in left:
                work.run(_END, run=run.id, state="cancelled", note="")
        elif run.state in ("canary", "paused") and run.canary is not None:
            became = work.value(_CANARY_STATE, run=run.id, n=run.canary)
            if became in ("parked", "skipped", "set aside"):
                work.run(_CANCEL, run=run.id)
                work.run(_END, run=run.id, state="cancelled", note=f"the canary did not arrive: it is {became}")
            elif became not in ("frozen", "released") and not left:
                work.run(_END, run=run.id, state="done", note="")
            elif became not in ("frozen", "released") and run.state == "canary":
                work.run(_RUN_STATE, run=run.id, state="proven", note=f"the canary is {became}")
        elif not left and run.state != "proven":
            work.run(_END, run=run.id, state="done", note="")


def _not_anew(row: Any, last: Any) -> str:
    """Why a child's newest record is not sent anew after all. last: the child's last message to the target."""
    if row.failed:
        return NEWER
    if last is not None and last.ended is None and (last.document, last.ordinal) == (row.document, row.ordinal):
        return "it is in line already"
    return ""


__all__ = ["Replay"]
