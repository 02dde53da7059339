"""What is kept, looked through: every child's newest record, and the records behind a cause. No values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from hub.store.database import Work
from hub.store.shelf import Shelf
from hub.store.statements import Sql

STEP = 1000
"""Records asked for at once."""

# Walked along the records' own order, so that each document is opened once however many children it holds.
_HEADS = Sql("""SELECT r.document, r.ordinal, r.key, r.kind, r.failed, r.revision, d.link FROM record r
    JOIN key k ON k.id = r.key AND k.document = r.document AND k.ordinal = r.ordinal
    JOIN document d ON d.id = r.document
    WHERE (r.document, r.ordinal) > (:document, :ordinal) AND d.link {in links} AND k.alias IS NULL
    ORDER BY r.document, r.ordinal LIMIT :limit""")
_BEHIND = Sql("""SELECT m.document, m.ordinal, min(m.key) AS key, min(m.source) AS link, min(m.target) AS target,
    count(*) AS messages FROM message m
    WHERE m.ended IS NULL AND m.cause = :cause AND m.state IN ('waiting', 'parked')
    GROUP BY m.document, m.ordinal ORDER BY m.document, m.ordinal LIMIT :limit""")
_FOUND = Sql("""SELECT f.document, f.ordinal, r.key, d.link, NULL AS target, 0 AS messages FROM finding f
    JOIN record r ON r.document = f.document AND r.ordinal = f.ordinal JOIN document d ON d.id = f.document
    WHERE f.cause = :cause ORDER BY f.document, f.ordinal LIMIT :limit""")
_KIND = Sql("SELECT r.kind, r.failed, r.revision FROM record r WHERE r.document = :document AND r.ordinal = :ordinal")


class Held(msgspec.Struct, frozen=True):
    """A record that is kept. child: number of its key. source: the link it came by. failed: it could not be read.
    edited: by a person, so that its document says something else.

    Behind a cause: messages of it that wait or are parked, target of one of them; 0 and "": it went on with a finding.
    """

    document: int
    ordinal: int
    child: int
    source: str
    kind: str
    failed: bool
    edited: bool
    messages: int = 0
    target: str = ""


class Kept(Shelf):
    """Looking through what is kept."""

    def heads(self, sources: Iterable[str]) -> Iterator[Held]:
        """The newest record of every child of these links, in the order of their documents."""
        links = sorted(self.link_id(name) for name in sources)
        at = (-1, -1)
        while links:
            found = self.database.read(lambda work, at=at: self._heads(work, links, at))  # type: ignore[misc]
            yield from found
            if len(found) < STEP:
                return
            at = (found[-1].document, found[-1].ordinal)

    def _heads(self, work: Work, links: list[int], at: tuple[int, int]) -> list[Held]:
        rows = work.rows(_HEADS, links=links, document=at[0], ordinal=at[1], limit=STEP)
        return [
            Held(row[0], row[1], row[2], self.link_name(work, row[6]), row[3], bool(row[4]), bool(row[5]))
            for row in rows
        ]

    def behind_cause(self, cause: int, limit: int = STEP) -> list[Held]:
        """Up to `limit` records that a cause keeps, in the order they came; with room left, those that went on with it
        as a finding."""

        def act(work: Work) -> list[Held]:
            rows = work.rows(_BEHIND, cause=cause, limit=limit)
            if len(rows) < limit:
                kept = {(row[0], row[1]) for row in rows}
                found = work.rows(_FOUND, cause=cause, limit=limit - len(rows) + len(kept))
                rows = [*rows, *(row for row in found if (row[0], row[1]) not in kept)][:limit]
            return [self._held(work, row) for row in rows]

        return self.database.read(act)

    def _held(self, work: Work, row: Any) -> Held:
        kind, failed, revision = work.row(_KIND, document=row.document, ordinal=row.ordinal)
        target = self.link_name(work, row.target) if row.target is not None else ""
        link = self.link_name(work, row.link)
        return Held(row.document, row.ordinal, row.key, link, kind, bool(failed), bool(revision), row.messages, target)
