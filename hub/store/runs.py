"""Replay runs: a frozen set of messages, or of children's newest records, that workers let go one after another."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from hub.errors import DeclarationError
from hub.store.acts import Run, RunItem
from hub.store.aside import Aside
from hub.store.choosing import STEP, parts
from hub.store.database import Work
from hub.store.statements import Rows, Sql

_ONE_AT_A_TIME = Sql("SELECT f.value FROM fact f WHERE f.name = 'audit' {lock f}")
_COLUMNS = "r.id, r.asked, r.target, r.who, r.why, r.mapping, r.state, r.note, r.rate, r.canary, r.created, r.ended"
_SAME = Sql("SELECT r.id FROM run r WHERE r.ended IS NULL AND r.state <> 'cancelled' AND r.asked = :asked")
_RUN = Sql(f"SELECT {_COLUMNS} FROM run r WHERE r.id = :id")
_LOCKED = Sql(f"SELECT {_COLUMNS} FROM run r WHERE r.id = :id {{lock r}}")
_RUNS = Sql(f"SELECT {_COLUMNS} FROM run r ORDER BY r.id DESC LIMIT :limit")
_OPEN = Sql(f"SELECT {_COLUMNS} FROM run r WHERE r.ended IS NULL ORDER BY r.id DESC LIMIT :limit")
_COUNTS = Sql("SELECT run, state, count(*) FROM run_item WHERE run {in runs} GROUP BY run, state")
_ITEMS = Sql("SELECT n, number, key, state, before, note FROM run_item WHERE run = :run ORDER BY n LIMIT :limit")
_ITEMS_IN = Sql("""SELECT n, number, key, state, before, note FROM run_item WHERE run = :run
    AND (state = :a OR state = :b OR state = :c OR state = :d) ORDER BY n LIMIT :limit""")
_TAKEN = Sql("""SELECT m.number, m.state, m.cause, m.key, (SELECT i.run FROM run_item i WHERE i.number = m.number
    AND i.state IN ('frozen', 'released') LIMIT 1) AS run FROM message m WHERE m.number {in numbers}""")
_STATE = Sql("UPDATE run SET state = :state, note = :note, mapping = :mapping, worker = NULL WHERE id = :id")
_GO_ON = Sql("UPDATE run SET tokens = 1, paced = {now} WHERE id = :id")
_ITEM_STATE = Sql("SELECT state FROM run_item WHERE run = :run AND n = :n")
_CANCELLED = Sql("UPDATE run_item SET state = 'cancelled' WHERE run = :run AND state = 'frozen'")
_LET_GO = Sql("""SELECT m.number, m.state, i.n, i.before FROM run_item i JOIN message m ON m.number = i.number
    WHERE i.run = :run AND i.state = 'released' AND i.note <> :waited AND m.state IN ('ready', 'waiting')
    ORDER BY m.number {lock m}""")
_BACK = Rows("message", "number cause", "state='parked', due=NULL, changed={now}", update=True)
_BACK_AGAIN = Sql("UPDATE message SET state = 'parked', due = NULL, changed = {now} WHERE number {in numbers}")
_TAKEN_BACK = Sql("UPDATE run_item SET state = 'cancelled' WHERE run = :run AND n {in items}")

CLOSED = ("done", "cancelled")
WAITED = "it was to be tried again by itself"
"""Of items that were not parked: cancelled or not, they go on."""
ACTS = ("pause", "resume", "proceed", "cancel")


class Runs(Aside):
    """Starting, steering and showing replays. Workers do them (`hub.store.replay`)."""

    def start_run(
        self,
        asked: str,
        numbers: Iterable[int],
        who: str,
        why: str,
        *,
        mapping: str,
        rate: float | None = None,
        canary: int | None = None,
    ) -> tuple[Run, bool]:
        """Freeze messages as a run; or, while one that was asked for alike is open, that one, with False.

        asked: what was chosen, in words that are always the same. mapping: the digest that it is bound to. rate:
        messages a second. canary: the number that goes alone first. DeclarationError when there are none.
        """
        wanted = sorted(set(numbers))
        if canary is not None and canary not in wanted:
            raise ValueError("the canary is one of the messages")

        def act(work: Work) -> tuple[int, bool]:
            work.row(_ONE_AT_A_TIME)
            same = work.value(_SAME, asked=asked)
            if same is not None:
                return int(same), False
            if not wanted:
                raise DeclarationError("there is nothing to replay")
            place = wanted.index(canary) if canary is not None else None
            run = self.new_run(work, asked, None, who, why, mapping, rate, place)
            children: set[int] = set()
            for at, part in enumerate(parts(wanted)):
                known = {row.number: row for row in work.rows(_TAKEN, numbers=part)}
                children |= {row.key for row in known.values()}
                self.freeze(work, run, (_item(n, one, known.get(one)) for n, one in enumerate(part, at * STEP)))
            self.enter(work, who, "replay", _told(f"run {run}, {len(wanted)} messages, {asked}", why), children)
            work.count = len(wanted)
            return run, True

        number, new = self.database.write(act, "T7")
        return self.run(number), new

    def start_latest(
        self,
        target: str,
        since: float | None,
        who: str,
        why: str,
        *,
        mapping: str,
        rate: float | None = None,
        canary: bool = False,
        sources: Iterable[str] = (),
    ) -> tuple[Run, bool]:
        """Freeze each child's newest record for a target that is new, was restored or mended. Else as `start_run`.

        The target's generation goes up: what it gets are new messages to it. since, sources: as in `newest`.
        """
        link, asked = self.link_id(target), json.dumps({"latest": target, "since": since})
        named = {self.link_id(name) for name in sources}

        def act(work: Work) -> tuple[int, bool]:
            work.row(_ONE_AT_A_TIME)
            same = work.value(_SAME, asked=asked)
            if same is not None:
                return int(same), False
            keys = [one.key for one in self._newest(work, link, since, named) if not one.why]
            if not keys:
                raise DeclarationError("there is nothing to send")
            run = self.new_run(work, asked, link, who, why, mapping, rate, 0 if canary else None)
            for at, part in enumerate(parts(keys)):
                self.freeze_newest(work, run, link, part, at * STEP)
            said = f"run {run}, the newest record of {len(keys)} children to {target}"
            self.enter(work, who, "replay latest", _told(said, why), keys)
            work.count = len(keys)
            return run, True

        number, new = self.database.write(act, "T7")
        return self.run(number), new

    def run(self, number: int) -> Run:
        """A run. DeclarationError when there is none of that number."""
        found = self.database.read(lambda work: self._runs(work, [work.row(_RUN, id=number)]))
        if not found:
            raise DeclarationError(f"there is no replay {number}")
        return found[0]

    def runs(self, open_only: bool = True, limit: int = 100) -> list[Run]:
        """Runs, the newest first; with `open_only` those that are not ended."""
        return self.database.read(lambda work: self._runs(work, work.rows(_OPEN if open_only else _RUNS, limit=limit)))

    def _runs(self, work: Work, rows: Iterable[Any]) -> list[Run]:
        held = [row for row in rows if row is not None]
        counts: defaultdict[int, dict[str, int]] = defaultdict(dict)
        for run, state, n in work.rows(_COUNTS, runs=[row.id for row in held]) if held else []:
            counts[run][state] = n
        return [
            Run(
                row.id,
                row.asked,
                row.who,
                row.why,
                row.mapping,
                row.state,
                row.note,
                row.rate,
                row.canary,
                self.link_name(work, row.target) if row.target is not None else "",
                row.created,
                row.ended,
                dict(sorted(counts[row.id].items())),
            )
            for row in held
        ]

    def run_items(self, run: int, limit: int = 1000, states: Sequence[str] = ()) -> list[RunItem]:
        """Items of a run in their order; states: up to four that are meant, all without any."""

        def act(work: Work) -> list[RunItem]:
            if states:
                named = dict(zip("abcd", [*states, *["" for _ in range(4)]], strict=False))
                rows = work.rows(_ITEMS_IN, run=run, limit=limit, **named)
            else:
                rows = work.rows(_ITEMS, run=run, limit=limit)
            causes = self.causes(work, [row.before for row in rows])
            return [
                RunItem(
                    row.n,
                    row.number,
                    row.key,
                    row.state,
                    causes[row.before][0] if row.before is not None else None,
                    row.note,
                )
                for row in rows
            ]

        return self.database.read(act)

    def change_run(self, number: int, act: str, who: str, why: str = "", mapping: str = "") -> Run:
        """Pause, resume, proceed with (after its canary) or cancel a run; what it is already, it stays.

        Resumed it is bound to `mapping`, if one is given. What a cancelled run let go and nobody has begun to send is
        parked again as it was. DeclarationError when it is over.
        """
        if act not in ACTS:
            raise ValueError("an act is one of " + ", ".join(ACTS))

        def change(work: Work) -> None:
            work.row(_ONE_AT_A_TIME)
            row = work.row(_LOCKED, id=number)
            if row is None:
                raise DeclarationError(f"there is no replay {number}")
            if row.state in CLOSED:
                if act == "cancel":
                    return
                raise DeclarationError(f"replay {number} is {row.state}: start a new one")
            state = self._next(work, row, act)
            if state == row.state and mapping in ("", row.mapping):
                return
            if act == "cancel":
                self._cancel(work, number, row.target is not None)
            note = row.note if state == row.state else ""
            work.run(_STATE, id=number, state=state, note=note, mapping=mapping or row.mapping)
            work.run(_GO_ON, id=number)
            self.enter(work, who, f"replay {act}", _told(f"run {number}", why))
            work.count = 1

        self.database.write(change, "T7")
        return self.run(number)

    def _next(self, work: Work, row: Any, act: str) -> str:
        """The state of a run after an act."""
        if act == "cancel":
            return "cancelled"
        if act == "pause":
            return "paused"
        if row.state == "proven":
            return "running"
        if row.state == "paused" and row.canary is not None:
            waits = work.value(_ITEM_STATE, run=row.id, n=row.canary) in ("frozen", "released")
            return "canary" if waits else "running"
        return "canary" if row.state == "canary" else "running"

    def _cancel(self, work: Work, run: int, latest: bool) -> None:
        """Nothing more is let go, and what nobody has begun is parked again; new messages of `--latest` go on: they are
        like any others in line."""
        work.run(_CANCELLED, run=run)
        if latest:
            return
        rows = work.rows(_LET_GO, run=run, waited=WAITED)
        work.many(_BACK, [(row.number, row.before) for row in rows if row.state == "ready"])
        if waiting := [row.number for row in rows if row.state == "waiting"]:
            work.run(_BACK_AGAIN, numbers=waiting)
        if rows:
            work.run(_TAKEN_BACK, run=run, items=[row.n for row in rows])


def _item(n: int, number: int, known: Any) -> tuple[Any, ...]:
    """A new item of a run (`Freezing.freeze`)."""
    if known is None:
        return n, number, None, "skipped", None, "the store knows no such message"
    if known.run is not None:
        return n, number, None, "skipped", known.cause, f"replay {known.run} has it"
    return n, number, None, "frozen", known.cause, WAITED if known.state == "waiting" else ""


def _told(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


__all__ = ["Runs"]
