"""What a person's choice means now: its messages, who stands where in line, and each child's newest record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from hub.store.acts import Choice, Chosen, Newest, Standing
from hub.store.database import Work
from hub.store.reading import Reading
from hub.store.statements import Sql

STEP = 5000
"""Numbers looked up in one statement."""

_PARTS = {
    "numbers": "m.number {in numbers}",
    "cause": "m.cause = :cause AND m.ended IS NULL AND m.state IN ('waiting', 'parked')",
    "target": "m.target = :target",
    "source": "m.source = :source",
    "since": "m.created >= :since",
    "until": "m.created < :until",
    "run": "m.number IN (SELECT i.number FROM run_item i WHERE i.run = :run AND i.state = 'frozen')",
}
_RUN = """(SELECT i.run FROM run_item i WHERE i.number = m.number AND i.state IN ('frozen', 'released') LIMIT 1)"""
_STANDING = Sql(f"""SELECT m.number, m.source, m.target, m.document, m.ordinal, r.kind, r.failed, m.key, m.state,
    m.whole, m.parcel, m.arrived, m.cause, {_RUN} AS run FROM message m
    JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    WHERE m.number {{in numbers}} AND m.ended IS NULL ORDER BY m.number""")
_BEHIND = Sql("""SELECT DISTINCT q.number FROM {each numbers} JOIN place p ON p.number = numbers.value
    JOIN place q ON q.target = p.target AND q.key = p.key AND q.number > p.number""")
_AHEAD = Sql("""SELECT DISTINCT p.number, q.number FROM {each numbers} JOIN place p ON p.number = numbers.value
    JOIN place q ON q.target = p.target AND q.key = p.key AND q.number < p.number ORDER BY p.number, q.number""")
_KEYS = Sql("SELECT p.number, p.key FROM {each numbers} JOIN place p ON p.number = numbers.value")
# A child is owed to a target when that target ever got a message of it, or its source's records go there now. Once it
# is known whose a record is that could not be read, it is no longer the newest of the key that it had till then.
_NEWEST = Sql("""SELECT k.id, k.document, k.ordinal, k.alias, d.link, d.kept, r.kind, r.carries, r.failed,
    (SELECT max(m.number) FROM message m WHERE m.key = k.id AND m.target = :target) AS last,
    (SELECT max(m.number) FROM message m WHERE m.key = k.id AND m.document = k.document
        AND m.ordinal = k.ordinal) AS place
    FROM key k JOIN record r ON r.document = k.document AND r.ordinal = k.ordinal AND r.key = k.id
    JOIN document d ON d.id = k.document WHERE k.id > :last AND k.document IS NOT NULL ORDER BY k.id LIMIT :limit""")
_LAST_ONES = Sql("""SELECT m.number, m.state, m.ended, m.document, m.ordinal, m.key FROM message m
    WHERE m.number {in numbers}""")

MERGED = "it was merged into another child"
EVENTS = "its source sends changes or events: its newest record alone is not the whole of it"
UNREAD = "its newest record could not be read: replay that by its cause first"
IN_LINE = "its newest record is in line already"
EARLIER = "the target had it before that time"
ASIDE = "its newest record was set aside: restore that"


class Choosing(Reading):
    """Questions before an act."""

    def choose(self, choice: Choice) -> Chosen:
        """What a choice means now. Nothing chosen at all means everything."""
        return self.database.read(lambda work: self._choose(work, choice))

    def _choose(self, work: Work, choice: Choice) -> Chosen:
        told: dict[str, Any] = {}
        for name in ("cause", "since", "until", "run"):
            if (value := getattr(choice, name)) is not None:
                told[name] = value
        for name in ("target", "source"):
            if value := getattr(choice, name):
                told[name] = self.link_id(value)
        if choice.numbers:
            told["numbers"] = sorted(choice.numbers)
        where = " AND ".join(_PARTS[name] for name in told) or "1 = 1"
        text = f"SELECT m.number, m.state, {_RUN} AS run FROM message m WHERE {where} ORDER BY m.number"
        items: list[int] = []
        others: defaultdict[str, int] = defaultdict(int)
        for number, state, run in work.rows(Sql(text), **told):
            if run is not None and run != choice.run:
                others[f"in run {run}"] += 1
            elif state in ("parked", "waiting"):
                items.append(number)
            else:
                others["on its way" if state in ("ready", "sending") else state] += 1
        return Chosen(items, dict(sorted(others.items())))

    def standing(self, numbers: Iterable[int]) -> dict[int, Standing]:
        """Open messages among these, and all open ones behind them, by number, in line order."""
        wanted = sorted(set(numbers))
        return self.database.read(lambda work: self._standing(work, wanted))

    def _standing(self, work: Work, wanted: Sequence[int]) -> dict[int, Standing]:
        seen, edge = set(wanted), list(wanted)
        while edge:
            found = {row[0] for part in parts(edge) for row in work.rows(_BEHIND, numbers=part)}
            edge = sorted(found - seen)
            seen.update(found)
        everything = sorted(seen)
        ahead: defaultdict[int, list[int]] = defaultdict(list)
        keys: defaultdict[int, set[int]] = defaultdict(set)
        rows = []
        for part in parts(everything):
            for number, other in work.rows(_AHEAD, numbers=part):
                ahead[number].append(other)
            for number, key in work.rows(_KEYS, numbers=part):
                keys[number].add(key)
            rows += work.rows(_STANDING, numbers=part)
        causes = self.causes(work, [row.cause for row in rows])
        return {
            row.number: Standing(
                row.number,
                self.link_name(work, row.source),
                self.link_name(work, row.target),
                row.document,
                row.ordinal,
                row.kind,
                row.key,
                row.state,
                frozenset(keys[row.number]),
                tuple(ahead[row.number]),
                causes[row.cause][0] if row.cause is not None else None,
                bool(row.failed),
                bool(row.whole),
                row.parcel is not None,
                bool(row.arrived),
                row.run,
            )
            for row in rows
        }

    def newest(self, target: str, since: float | None = None, sources: Iterable[str] = ()) -> list[Newest]:
        """Each child's newest record that a target is owed, in the order they were kept; why: it cannot go.

        since: only what the target was sent, or what was kept, from that time on. sources: whose records go there now.
        """
        link, named = self.link_id(target), {self.link_id(name) for name in sources}
        return self.database.read(lambda work: self._newest(work, link, since, named))

    def _newest(self, work: Work, target: int, since: float | None, sources: set[int]) -> list[Newest]:
        found: list[tuple[tuple[int, int, int], Newest]] = []
        last = 0
        while rows := work.rows(_NEWEST, target=target, last=last, limit=STEP):
            last = rows[-1].id
            numbers = sorted({row.last for row in rows if row.last is not None})
            theirs = {row.number: row for row in work.rows(_LAST_ONES, numbers=numbers)} if numbers else {}
            for row in rows:
                if row.last is None and row.link not in sources:
                    continue
                why = _why_not(row, theirs.get(row.last), since)
                one = Newest(row.id, row.document, row.ordinal, self.link_name(work, row.link), row.kind, why)
                found.append(((row.last or row.place or 0, row.document, row.ordinal), one))
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _why_not(row: Any, last: Any, since: float | None) -> str:
    """Why a child's newest record is not sent anew. last: the child's last message to the target."""
    if row.alias is not None:
        return MERGED
    if row.carries != "state":
        return EVENTS
    if row.failed:
        return UNREAD
    if last is not None and last.ended is None and (last.document, last.ordinal) == (row.document, row.ordinal):
        return IN_LINE
    if last is not None and last.state == "set aside":
        return ASIDE
    if since is not None and (last.ended if last is not None and last.ended is not None else row.kept) < since:
        return EARLIER
    return ""


def parts(numbers: Sequence[int]) -> Iterable[list[int]]:
    """The same in pieces of STEP."""
    return (list(numbers[at : at + STEP]) for at in range(0, len(numbers), STEP))
