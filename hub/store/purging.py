"""Purge: what is closed and old goes, but never an open message, nor a head, nor of a child at a target what it was
sent last and all after that: by it the hub knows that an older one, mended, must not follow."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from hub.store.database import Work
from hub.store.documents import LYING
from hub.store.facts import CLOSED, Purged
from hub.store.shelf import Shelf
from hub.store.statements import Sql

_STEP = 2000
"""Rows looked at in one transaction."""

_NOW = Sql("SELECT {now}")
_WALK = Sql("SELECT m.number FROM message m WHERE m.number > :last ORDER BY m.number LIMIT :limit")
_GOES = """m.ended IS NOT NULL AND m.ended < :before AND m.state {in states text} AND EXISTS (SELECT 1 FROM message n
    WHERE n.key = m.key AND n.target = m.target AND n.number > m.number AND n.state IN ('sent', 'withheld'))"""
_GOING = Sql(f"SELECT m.number FROM message m WHERE m.number {{in numbers}} AND {_GOES}")
_ATTEMPTS = Sql("DELETE FROM attempt WHERE number {in numbers}")
_ASIDE = Sql("DELETE FROM aside WHERE number {in numbers}")
_MESSAGES = Sql("DELETE FROM message WHERE number {in numbers} AND ended IS NOT NULL")
_OLD_PARCELS = Sql("""SELECT p.number, p.numbers FROM parcel p WHERE p.number > :last AND p.created < :before
    ORDER BY p.number LIMIT :limit""")
_HOLDERS = Sql("SELECT m.parcel FROM message m WHERE m.number {in numbers} AND m.parcel IS NOT NULL")
_PARCELS = Sql("DELETE FROM parcel WHERE number {in numbers}")
_DOCUMENTS = Sql("""SELECT d.id, d.name FROM document d WHERE d.id > :last AND d.done AND d.kept < :before
    ORDER BY d.id LIMIT :limit""")
_LYING = Sql("SELECT value FROM fact WHERE substr(name, 1, :length) = :mark")
_HAVE = Sql("SELECT d.id FROM document d WHERE d.id = :document {lock d}")
_OPEN = Sql("SELECT DISTINCT document FROM message WHERE ended IS NULL")
# For a trial what goes is still there.
_UNUSED, _UNUSED_THEN = (
    Sql(f"""SELECT r.ordinal FROM record r WHERE r.document = :document AND r.ordinal > :last
    AND NOT EXISTS (SELECT 1 FROM message m WHERE m.key = r.key AND m.document = r.document AND m.ordinal = r.ordinal
        {but})
    AND NOT EXISTS (SELECT 1 FROM key k WHERE k.id = r.key AND k.document = r.document AND k.ordinal = r.ordinal)
    ORDER BY r.ordinal LIMIT :limit""")
    for but in ("", f"AND NOT ({_GOES})")
)
_FINDINGS = Sql("DELETE FROM finding WHERE document = :document AND ordinal {in ordinals}")
_FORMER = Sql("DELETE FROM former WHERE document = :document AND ordinal {in ordinals}")
_RECORDS = Sql("DELETE FROM record WHERE document = :document AND ordinal {in ordinals}")
_CHUNK = Sql("SELECT 1 FROM chunk WHERE document = :document LIMIT 1")
_CHUNKS = Sql("DELETE FROM chunk WHERE document = :document")
_DOCUMENT = Sql("""DELETE FROM document WHERE id = :document
    AND NOT EXISTS (SELECT 1 FROM record r WHERE r.document = document.id)""")
_RUN = Sql("SELECT r.id FROM run r WHERE r.id > :last AND r.ended < :before ORDER BY r.id LIMIT 1")
_RUN_ITEMS = Sql("DELETE FROM run_item WHERE run = :run")
_RUN_ROW = Sql("DELETE FROM run WHERE id = :run")
_OVERDUE = Sql("SELECT count(*) FROM message WHERE ended IS NULL AND created < :before")


class _Age(NamedTuple):
    """What is old: closed before that time, in one of these states. trial: it is counted only."""

    before: float
    states: list[str]
    trial: bool

    @property
    def goes(self) -> dict[str, Any]:
        """The values of `_GOES`."""
        return {"before": self.before, "states": self.states}


class Purging(Shelf):
    """Taking away what is old."""

    def purge(self, older: float, states: Collection[str] = CLOSED, *, dry_run: bool = False) -> Purged:
        """Take away messages closed for `older` seconds in one of `states`, and records and documents as old that
        nothing needs any more. Open messages, what was sent last of each child to each target and all after that, and
        heads of children stay.

        dry_run: count only, without keeping anybody from writing.
        """
        if not set(states) <= set(CLOSED):
            raise ValueError("only closed messages are purged: " + ", ".join(CLOSED))
        before = float(self.database.read(lambda work: work.value(_NOW))) - older
        counts: dict[str, int] = {"messages": 0, "records": 0, "documents": 0}
        do = self.database.read if dry_run else self.database.write
        for step in _steps(_Age(before, sorted(states), dry_run)):
            for name, count in do(step).items():
                counts[name] += count
        overdue = int(self.database.read(lambda work: work.value(_OVERDUE, before=before)))
        return Purged(counts["messages"], counts["records"], counts["documents"], overdue)


def _steps(age: _Age) -> Iterator[Callable[[Work], dict[str, int]]]:
    """The steps of a purge; each may be run again, and the next is made when it was."""
    for take in (_messages, _documents) if age.trial else (_messages, _parcels, _documents, _runs):
        last: list[int] = [0]
        while last:
            at, last = last[0], []

            def step(work: Work, take: Any = take, at: int = at, last: list[int] = last) -> dict[str, int]:
                last.clear()
                seen, counts = take(work, at, age)
                last.extend(seen)
                return dict(counts)

            yield step


def _messages(work: Work, last: int, age: _Age) -> tuple[list[int], dict[str, int]]:
    rows = work.rows(_WALK, last=last, limit=_STEP)
    gone = [row[0] for row in work.rows(_GOING, numbers=[row.number for row in rows], **age.goes)] if rows else []
    if gone and not age.trial:
        work.run(_ATTEMPTS, numbers=gone)
        work.run(_ASIDE, numbers=gone)
        work.run(_MESSAGES, numbers=gone)
    return [rows[-1].number] if rows else [], {"messages": len(gone)}


def _parcels(work: Work, last: int, age: _Age) -> tuple[list[int], dict[str, int]]:
    """Those that no message has, or has any more."""
    rows = work.rows(_OLD_PARCELS, last=last, before=age.before, limit=_STEP)
    members = sorted({number for row in rows for number in json.loads(row.numbers)})
    held = {row[0] for row in work.rows(_HOLDERS, numbers=members)} if members else set()
    gone = [row.number for row in rows if row.number not in held]
    if gone:
        work.run(_PARCELS, numbers=gone)
    return [rows[-1].number] if rows else [], {}


def _documents(work: Work, last: int, age: _Age) -> tuple[list[int], dict[str, int]]:
    """One document a step: its unused records; its bytes, unless one of its messages is open; its row, when empty."""
    row = work.row(_DOCUMENTS, last=last, before=age.before, limit=1)
    if row is None:
        return [], {}
    document, counts, at = row.id, {"records": 0, "documents": 0}, -1
    unused, old = (_UNUSED_THEN, age.goes) if age.trial else (_UNUSED, {})
    while ordinals := [found[0] for found in work.rows(unused, document=document, last=at, limit=_STEP, **old)]:
        for sql in () if age.trial else (_FINDINGS, _FORMER, _RECORDS):
            work.run(sql, document=document, ordinals=ordinals)
        counts["records"] += len(ordinals)
        at = ordinals[-1]
    if not age.trial:
        work.row(_HAVE, document=document)
    if document not in {found[0] for found in work.rows(_OPEN)}:
        if age.trial:
            counts["documents"] += work.row(_CHUNK, document=document) is not None
        else:
            counts["documents"] += bool(work.run(_CHUNKS, document=document))
            lying = {name for fact in work.rows(_LYING, mark=LYING, length=len(LYING)) for name in fact[0].split()}
            if row.name.hex() not in lying:
                work.run(_DOCUMENT, document=document)
    return [document], counts


def _runs(work: Work, last: int, age: _Age) -> tuple[list[int], dict[str, int]]:
    """One replay a step, that ended so long ago."""
    row = work.row(_RUN, last=last, before=age.before)
    if row is None:
        return [], {}
    work.run(_RUN_ITEMS, run=row.id)
    work.run(_RUN_ROW, run=row.id)
    return [row.id], {}
