"""The line: who is first in all its places, what comes next when places are freed, and messages as they travel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hub.message import Message
from hub.store.database import Work
from hub.store.shelf import Shelf
from hub.store.statements import Sql

_FIRSTS = Sql("""SELECT m.number FROM message m WHERE m.number {in numbers} AND m.state = 'ready' AND {first}
    ORDER BY m.number {skip m}""")
# With each who stands first there now, and whether an earlier message was set aside there, which this one passes if
# it was sent.
_FREE = Sql("""DELETE FROM place WHERE number {in numbers} RETURNING target, key, number,
    (SELECT min(q.number) FROM place q WHERE q.target = place.target AND q.key = place.key
    AND NOT q.number {in numbers}) AS next,
    EXISTS (SELECT 1 FROM aside a WHERE a.target = place.target AND a.key = place.key AND a.number < place.number
    AND NOT a.passed) AS passes""")
_PASS = Sql("""UPDATE aside SET passed = true WHERE target = :target AND key = :key AND number < :number
    AND NOT passed""")
_HEADS = Sql("""SELECT keys.value, (SELECT min(q.number) FROM place q WHERE q.target = :target AND q.key = keys.value)
    FROM {each keys}""")
_COUNT = {
    False: Sql("SELECT nextval('message_number') FROM generate_series(1, :count)"),
    True: Sql("UPDATE fact SET value = CAST(value AS INTEGER) + :count WHERE name = 'number' RETURNING value"),
}
_PUBLISHED = Sql("UPDATE message SET published = {now} WHERE number {in numbers}")
_MESSAGES = Sql("""SELECT m.number, m.id, m.target, m.source, r.kind, m.document, m.ordinal, r.sealed
    FROM message m JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    WHERE m.number {in numbers} ORDER BY m.number""")


def record_bound(document: int, ordinal: int) -> bytes:
    """What the seal of a record is bound to."""
    return b"record:%d:%d" % (document, ordinal)


class Line(Shelf):
    """Reading and publishing messages in their order."""

    def body(self, numbers: Iterable[int]) -> list[Message]:
        """Whole messages by their numbers, in line order."""
        wanted = list(numbers)
        return self.database.read(lambda work: self.messages(work, wanted), often=True)

    def messages(self, work: Work, numbers: list[int]) -> list[Message]:
        """Whole messages, in line order."""
        if not numbers:
            return []
        return [
            Message(
                row[0],
                row[1],
                self.link_name(work, row[2]),
                self.link_name(work, row[3]),
                row[4],
                record_bound(row[5], row[6]),
                row[7],
            )
            for row in work.rows(_MESSAGES, numbers=numbers)
        ]

    def publish(self, work: Work, numbers: list[int]) -> list[Message]:
        """Those of the numbers that are ready and first in all their places, marked as published now.

        What another transaction has locked is left out: it is being published or claimed there.
        """
        firsts = [row[0] for row in work.rows(_FIRSTS, numbers=numbers)] if numbers else []
        if firsts:
            work.run(_PUBLISHED, numbers=firsts)
        return self.messages(work, firsts)


def firsts(work: Work, numbers: list[int]) -> set[int]:
    """Which of these are ready and first in all their places."""
    return {row[0] for row in work.rows(_FIRSTS, numbers=numbers)} if numbers else set()


def mark_published(work: Work, numbers: list[int]) -> None:
    """These are on their way to the queue, or were looked at and found held."""
    if numbers:
        work.run(_PUBLISHED, numbers=numbers)


def free(work: Work, numbers: list[int], *, sent: bool = False) -> list[int]:
    """Give up the places of messages that are no longer open; the numbers that stand first there now.

    sent: to their target, so that what was set aside before them there was passed.
    """
    heads: set[int] = set()
    for row in work.rows(_FREE, numbers=numbers) if numbers else []:
        if row.next is not None:
            heads.add(row.next)
        if sent and row.passes:
            work.run(_PASS, target=row.target, key=row.key, number=row.number)
    return sorted(heads)


def heads_of(work: Work, target: int, keys: Iterable[int]) -> dict[int, int | None]:
    """The number that stands first in each of these places of a target, None where none does."""
    return {row[0]: row[1] for row in work.rows(_HEADS, target=target, keys=sorted(keys))}


def new_numbers(work: Work, count: int, counting: Mapping[bool, Sql] = _COUNT) -> list[int]:
    """New places in line, rising; or other numbers, counted as `counting` says for SQLite and not. Drawn after the keys
    are locked, so they rise in commit order within a key."""
    if not count:
        return []
    if work.sqlite:
        last = int(work.value(counting[True], count=count))
        return list(range(last - count + 1, last + 1))
    return sorted(row[0] for row in work.rows(counting[False], count=count))
