"""What people ask: what failed and why, what became of a message, how things stand."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hub.errors import DeclarationError
from hub.message import Cause, Parcel
from hub.store.database import Work
from hub.store.facts import (
    Attempt,
    SourceStatus,
    Status,
    TargetStatus,
    Trace,
    WorkerStatus,
)
from hub.store.failing import Failing
from hub.store.line import record_bound
from hub.store.statements import Sql
from hub.store.work import Working

_LAST = Sql("SELECT max(number) FROM message")
_TRACE = Sql("""SELECT m.*, r.kind, r.version, r.carries, r.removal, d.kept AS document_kept, k.name AS child
    FROM message m JOIN key k ON k.id = m.key
    JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    JOIN document d ON d.id = m.document WHERE m.number = :number""")
_BY_ID = Sql("SELECT number FROM message WHERE id = :id")
_BY_KEY = Sql("""SELECT m.number FROM message m JOIN key k ON k.id = m.key WHERE k.name = :name
    ORDER BY m.number DESC LIMIT :limit""")
_AHEAD = Sql("""SELECT DISTINCT q.number FROM place p JOIN place q ON q.target = p.target AND q.key = p.key
    AND q.number < p.number WHERE p.number = :number ORDER BY q.number""")
_ATTEMPTS = Sql("""SELECT a.tried, w.host, w.pid, a.started, a.ended, a.outcome, a.cause FROM attempt a
    LEFT JOIN worker w ON w.id = a.worker WHERE a.number = :number ORDER BY a.tried""")
_RECORD_FINDINGS = Sql("SELECT cause FROM finding WHERE document = :document AND ordinal = :ordinal ORDER BY cause")
_BODY = Sql("SELECT sealed, revision FROM record WHERE document = :document AND ordinal = :ordinal")
_FORMER = Sql("""SELECT sealed FROM former WHERE document = :document AND ordinal = :ordinal AND revision = :revision
    ORDER BY n DESC LIMIT 1""")
_PARCEL = Sql("""SELECT p.number, p.key, p.numbers, p.suffix, p.token, p.mapping, p.sealed, p.about, l.name
    FROM parcel p JOIN link l ON l.id = p.target WHERE p.number = :number""")
_STATES = Sql("SELECT target, state, count(*), min(created) FROM message WHERE ended IS NULL GROUP BY target, state")
_HELD = Sql("""SELECT p.target, count(DISTINCT p.number) FROM place p WHERE EXISTS (SELECT 1 FROM place q
    WHERE q.target = p.target AND q.key = p.key AND q.number < p.number) GROUP BY p.target""")
_TARGETS = Sql(
    "SELECT t.link, l.name, t.generation, t.paused, t.cause FROM target t JOIN link l ON l.id = t.link ORDER BY l.name"
)
_SOURCES = Sql("""SELECT s.link, l.name, s.reader, s.unchanged FROM source s JOIN link l ON l.id = s.link
    ORDER BY l.name""")
_UNREAD = Sql("SELECT link, count(*) FROM document WHERE NOT done GROUP BY link")
_UNREADABLE = Sql("SELECT link, count(*) FROM document WHERE cause IS NOT NULL GROUP BY link")
_WORKERS = Sql("SELECT id, host, pid, until - {now} AS remaining, mapping FROM worker WHERE gone IS NULL ORDER BY id")
_FACT = Sql("SELECT value FROM fact WHERE name = :name")
_SET = Sql("SELECT digest FROM mapping_set ORDER BY id DESC LIMIT 1")
_NOW = Sql("SELECT {now}")
_BY_RECORD = Sql("""SELECT m.number FROM record r JOIN message m ON m.key = r.key AND m.document = r.document
    AND m.ordinal = r.ordinal WHERE r.document = :document AND r.ordinal = :ordinal ORDER BY m.number""")
_OPEN = Sql("SELECT count(*) FROM message WHERE target = :target AND ended IS NULL")


class Reading(Working, Failing):
    """Listings. None of them holds a value of a record but `record`, `parcel` and `document`."""

    def open_count(self, target: str) -> int:
        """Open messages of a target."""
        link = self.link_id(target)
        return int(self.database.read(lambda work: work.value(_OPEN, target=link), alone=True))

    def highest_number(self) -> int:
        """The last place in line given, 0 before the first: a queue that knows a higher one outlived a restore."""
        return int(self.database.read(lambda work: work.value(_LAST)) or 0)

    def find(self, name: str) -> int | None:
        """The number of a message by its number or its id in hex, None when there is none."""
        if name.isdecimal() and len(name) < 19:
            number = int(name)
            return number if self.database.read(lambda work: work.row(_TRACE, number=number)) else None
        try:
            mark = bytes.fromhex(name)
        except ValueError:
            return None
        found: int | None = self.database.read(lambda work: work.value(_BY_ID, id=mark))
        return found

    def messages_of(self, key: bytes, limit: int = 100) -> list[int]:
        """The numbers of a child key's messages, newest first."""
        return self.database.read(lambda work: [row[0] for row in work.rows(_BY_KEY, name=key, limit=limit)])

    def messages_of_record(self, document: int, ordinal: int) -> list[int]:
        """The numbers of a record's messages."""
        return self.database.read(
            lambda work: [row[0] for row in work.rows(_BY_RECORD, document=document, ordinal=ordinal)]
        )

    def trace(self, number: int) -> Trace:
        """All that is known of a message. DeclarationError when there is none of that number."""
        return self.database.read(lambda work: self._trace(work, number))

    def _trace(self, work: Work, number: int) -> Trace:
        row = work.row(_TRACE, number=number)
        if row is None:
            raise DeclarationError(f"there is no message {number}")
        tries = work.rows(_ATTEMPTS, number=number)
        found = [one[0] for one in work.rows(_RECORD_FINDINGS, document=row.document, ordinal=row.ordinal)]
        causes = self.causes(work, [row.cause, *found, *(one.cause for one in tries)])
        history = [
            Attempt(one.tried, _worker(one), one.started, one.ended, one.outcome, _cause(causes, one.cause))
            for one in tries
        ]
        plain = "number id child kind state document ordinal version carries generation revision attempts crashes"
        more = "created changed due receipt superseded_by parcel document_kept"
        return Trace(
            source=self.link_name(work, row.source),
            target=self.link_name(work, row.target),
            removal=bool(row.removal),
            may_arrived=bool(row.arrived),
            cause=_cause(causes, row.cause),
            behind=[one[0] for one in work.rows(_AHEAD, number=number)],
            history=history,
            findings=[causes[one][0] for one in found],
            **{name: getattr(row, name) for name in f"{plain} {more}".split()},
        )

    def record(self, document: int, ordinal: int, revision: int | None = None) -> bytes:
        """The record as it is kept; empty when it could not be read. DeclarationError without any.

        revision: as it was before a later edit.
        """

        def act(work: Work) -> bytes | None:
            row = work.row(_BODY, document=document, ordinal=ordinal)
            if row is None or revision is None or revision >= row.revision:
                return row.sealed if row is not None else None
            found: bytes | None = work.value(_FORMER, document=document, ordinal=ordinal, revision=revision)
            return found

        sealed = self.database.read(act)
        if sealed is None:
            raise DeclarationError(f"there is no record {ordinal} of document {document}")
        return self.ring.open(sealed, record_bound(document, ordinal))

    def parcel(self, number: int) -> Parcel:
        """What was sent, or is about to be. DeclarationError without any."""
        row = self.database.read(lambda work: work.row(_PARCEL, number=number))
        if row is None:
            raise DeclarationError(f"there is no parcel {number}")
        return self._open(row.name, row)

    def status(self) -> Status:
        """How things stand."""
        return self.database.read(self._status)

    def _status(self, work: Work) -> Status:
        now = float(work.value(_NOW))
        states: defaultdict[int, dict[str, int]] = defaultdict(dict)
        oldest: dict[int, float] = {}
        for target, state, count, first in work.rows(_STATES):
            states[target][state] = count
            oldest[target] = min(first, oldest.get(target, first))
        held, unread, failed = (dict(map(tuple, work.rows(sql))) for sql in (_HELD, _UNREAD, _UNREADABLE))
        rows = work.rows(_TARGETS)
        causes = self.causes(work, [row.cause for row in rows])
        targets = [
            TargetStatus(
                row.name,
                states[row.link],
                held.get(row.link, 0),
                now - oldest[row.link] if row.link in oldest else None,
                max(0.0, (row.paused or 0.0) - now),
                _cause(causes, row.cause),
                row.generation,
            )
            for row in rows
        ]
        sources = [
            SourceStatus(row.name, unread.get(row.link, 0), failed.get(row.link, 0), row.unchanged, row.reader)
            for row in work.rows(_SOURCES)
        ]
        workers = [WorkerStatus(*row) for row in work.rows(_WORKERS)]
        return Status(targets, sources, workers, work.value(_SET) or "", work.value(_FACT, name="audit") or "", now)

    def mapping_set(self) -> str:
        """The digest of the mapping set in force, "" before the first."""
        return self.database.read(lambda work: work.value(_SET)) or ""


def _worker(row: Any) -> str:
    return f"{row.host}:{row.pid}" if row.host is not None else ""


def _cause(causes: dict[int, tuple[Cause, float]], number: int | None) -> Cause | None:
    return causes[number][0] if number is not None else None
