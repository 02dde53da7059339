"""Failures by cause: how many messages, children, and messages behind them, and whether it goes on."""

from __future__ import annotations

from collections import defaultdict

from hub.store.database import Work
from hub.store.facts import CauseRow, CutRow
from hub.store.shelf import Shelf
from hub.store.statements import Sql

_SINCE = """sum(CASE WHEN {0} >= {{now}} - 3600 THEN {1} ELSE 0 END) AS hour,
    sum(CASE WHEN {0} >= {{now}} - 86400 THEN {1} ELSE 0 END) AS day, max({0}) AS last"""
# All of this goes by the index `message_cause`, which has open messages with a cause only, and all that is asked here;
# `|| ''` keeps planners from another.
_OPEN = "m.ended IS NULL AND m.cause > 0 AND m.state || '' IN ('waiting', 'parked')"
_FAILED = Sql(f"""SELECT m.cause, count(*) AS n, count(DISTINCT m.key) AS children,
    sum(CASE m.state WHEN 'waiting' THEN 1 ELSE 0 END) AS waiting, {_SINCE.format("m.changed", 1)}
    FROM message m WHERE {_OPEN} GROUP BY m.cause""")
_BEHIND = Sql(f"""SELECT x.cause, count(*) FROM (SELECT DISTINCT m.cause, q.number FROM message m
    JOIN place p ON p.number = m.number
    JOIN place q ON q.target = p.target AND q.key = p.key AND q.number > p.number
    WHERE {_OPEN}) AS x GROUP BY x.cause""")
MANY = 5000
"""Parked messages from which on all places are gone through at once to count what is behind them."""
_AT_ONCE = [Sql(f"SET LOCAL enable_{way}") for way in ("nestloop=off", "hashjoin=on", "seqscan=on")]
_FINDINGS = Sql(f"""SELECT x.cause, sum(x.n) AS n, {_SINCE.format("d.kept", "x.n")}
    FROM (SELECT cause, document, count(*) AS n FROM finding GROUP BY cause, document) AS x
    JOIN document d ON d.id = x.document GROUP BY x.cause""")
_DOCUMENTS = Sql(f"""SELECT d.cause, count(*) AS n, {_SINCE.format("d.kept", 1)}
    FROM document d WHERE d.cause IS NOT NULL GROUP BY d.cause""")
_BY_CAUSE = Sql(f"""SELECT m.number FROM message m WHERE m.cause = :cause AND {_OPEN}
    ORDER BY m.number LIMIT :limit""")

_CUT = Sql("""SELECT d.id, d.link, d.kept, d.position FROM document d WHERE d.cause = :cause
    ORDER BY d.id DESC LIMIT :limit""")


class Failing(Shelf):
    """What a person mends."""

    def failures(self) -> list[CauseRow]:
        """What keeps messages, most of them first; with what only went on with a finding, and unreadable documents."""
        return self.database.read(self._failures)

    def _failures(self, work: Work) -> list[CauseRow]:
        failed, findings, documents = (
            {row.cause: row for row in work.rows(sql)} for sql in (_FAILED, _FINDINGS, _DOCUMENTS)
        )
        if sum(row.n for row in failed.values()) > MANY and not work.sqlite:
            for way in _AT_ONCE:
                work.run(way)
        held = dict(map(tuple, work.rows(_BEHIND)))
        seen = defaultdict(list)
        for part in (failed, findings, documents):
            for number, row in part.items():
                seen[number].append(row)
        found = []
        for number, (cause, first) in self.causes(work, seen).items():
            row, rows = failed.get(number), seen[number]
            waiting = int(row.waiting) if row else 0
            states = {"parked": row.n - waiting if row else 0, "waiting": waiting}
            found.append(
                CauseRow(
                    id=number,
                    cause=cause,
                    count=row.n if row else 0,
                    children=row.children if row else 0,
                    held=held.get(number, 0),
                    first=first,
                    last=max(first, *(one.last for one in rows)),
                    hour=sum(int(one.hour) for one in rows),
                    day=sum(int(one.day) for one in rows),
                    states={state: count for state, count in states.items() if count},
                    findings=int(findings[number].n) if number in findings else 0,
                    documents=documents[number].n if number in documents else 0,
                )
            )
        return sorted(found, key=lambda row: (-row.count, -row.documents, -row.findings, row.id))

    def messages_of_cause(self, cause: int, limit: int = 100) -> list[int]:
        """The numbers of messages that wait or are parked for a cause, the first in line first."""
        return self.database.read(lambda work: [row[0] for row in work.rows(_BY_CAUSE, cause=cause, limit=limit)])

    def documents_of_cause(self, cause: int, limit: int = 100) -> list[CutRow]:
        """Documents that could not be read to their end for a cause, the last first."""

        def act(work: Work) -> list[CutRow]:
            rows = work.rows(_CUT, cause=cause, limit=limit)
            return [CutRow(row.id, self.link_name(work, row.link), row.kept, row.position) for row in rows]

        return self.database.read(act)
