"""Setting messages aside, and bringing them back where nothing later was sent to their places meanwhile.

What is set aside leaves its places, which are remembered: when a later message is sent there (T5), that is noted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from hub.store.acts import Acted
from hub.store.database import Work
from hub.store.line import free
from hub.store.renewing import BUSY, PASSED, SENDING, Renewing, busy, lock_targets
from hub.store.statements import Rows, Sql

MOST = 200
"""Messages of one transaction."""

_STATES = Sql("SELECT m.number, m.state, m.key FROM message m WHERE m.number {in numbers} ORDER BY m.number {lock m}")
# What may have arrived goes again as the bytes it was in, or not at all.
_PACKED = Sql("""SELECT m.number, m.parcel, p.numbers FROM {each numbers} JOIN message m ON m.number = numbers.value
    JOIN parcel p ON p.number = m.parcel WHERE m.arrived""")
_MATES = Sql("""SELECT m.number, m.parcel FROM message m WHERE m.number {in numbers}
    AND (m.ended IS NULL OR m.state = 'set aside')""")
_REMEMBER = Sql("""INSERT INTO aside (target, key, number) SELECT p.target, p.key, p.number FROM place p
    WHERE p.number {in numbers}""")
# What may have arrived and is set aside counts as sent for those that were set aside before it.
_PASS = Sql("""UPDATE aside SET passed = true FROM place p, message m WHERE p.number {in numbers}
    AND m.number = p.number AND m.arrived AND aside.target = p.target AND aside.key = p.key AND aside.number < p.number
    AND NOT aside.passed""")
_SET_ASIDE = Sql("""UPDATE message SET state = 'set aside', due = NULL, ended = {now}, changed = {now}
    WHERE number {in numbers}""")
_NAMES = Sql("SELECT DISTINCT k.name FROM aside a JOIN key k ON k.id = a.key WHERE a.number {in numbers}")
_PLACES = Sql("""SELECT a.number, a.target, a.key FROM aside a WHERE a.number {in numbers}""")
_PASSED = Sql("SELECT DISTINCT a.number FROM aside a WHERE a.number {in numbers} AND a.passed")
_FORGET = Sql("DELETE FROM aside WHERE number {in numbers}")
_FAILED = Sql("""SELECT m.number FROM message m JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    WHERE m.number {in numbers} AND r.failed""")
# A purge that is just taking a document's bytes is waited for, or waits.
_DOCUMENTS = Sql("""SELECT d.id FROM document d WHERE d.id IN (SELECT m.document FROM message m
    WHERE m.number {in numbers}) ORDER BY d.id {share d}""")
_BYTELESS = Sql("""SELECT m.number FROM message m JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    WHERE m.number {in numbers} AND r.failed
    AND NOT EXISTS (SELECT 1 FROM chunk c WHERE c.document = m.document)""")
_BACK = Sql("""UPDATE message SET state = 'ready', ended = NULL, cause = NULL, attempts = 0, crashes = 0, lone = 0,
    published = 0, changed = {now} WHERE number {in numbers}""")
_PARKED = Sql("UPDATE message SET state = 'parked', ended = NULL, changed = {now} WHERE number {in numbers}")
_STAND = Rows("place", "target key number")
_BEHIND = Sql("""SELECT DISTINCT q.number FROM {each numbers} JOIN place p ON p.number = numbers.value
    JOIN place q ON q.target = p.target AND q.key = p.key AND q.number > p.number""")

TOGETHER = "it may have arrived in one parcel with {}: all of them or none"
PURGED = "its record could not be read, and its document was purged: only its source can send that again"
UNKNOWN = "the store knows no such message"
NOT_ASIDE = "it is not set aside, but {}"
NOT_OPEN = "it is not open, but {}"


class Aside(Renewing):
    """What a person takes out of line."""

    def set_aside(self, numbers: Iterable[int], who: str, why: str) -> Acted:
        """Close open messages without sending them; what they held goes on. Not those that are being sent now."""
        return self._each(numbers, lambda work, some: self._set_aside(work, some, who, why))

    def _set_aside(self, work: Work, numbers: list[int], who: str, why: str) -> Acted:
        refused: dict[int, str] = dict.fromkeys(numbers, UNKNOWN)
        done, children = [], {}
        for row in work.rows(_STATES, numbers=numbers):
            if row.state in ("ready", "waiting", "parked"):
                del refused[row.number]
                done.append(row.number)
                children[row.number] = row.key
            else:
                refused[row.number] = SENDING if row.state == "sending" else NOT_OPEN.format(row.state)
        parted = _parted(work, done)
        refused |= parted
        done = [number for number in done if number not in parted]
        work.count = len(done)
        if done:
            work.run(_REMEMBER, numbers=done)
            work.run(_PASS, numbers=done)
            work.run(_SET_ASIDE, numbers=done)
            free(work, done)
            self.enter(work, who, "set aside", f"messages {listing(done)}: {why}", {children[one] for one in done})
        return Acted(done, refused)

    def restore(self, numbers: Iterable[int], who: str, why: str) -> Acted:
        """Put messages that were set aside back into their places, unless a later one was sent there since, or nothing
        is left of which their records could be read."""
        return self._each(numbers, lambda work, some: self._restore(work, some, who, why))

    def _restore(self, work: Work, numbers: list[int], who: str, why: str) -> Acted:
        # Keys, targets, messages: in the order in which everybody locks them.
        self.lock_keys(work, [], [bytes(row[0]) for row in work.rows(_NAMES, numbers=numbers)])
        places: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, target, key in work.rows(_PLACES, numbers=numbers):
            places[number].append((target, key))
        lock_targets(work, {target for found in places.values() for target, _ in found})
        refused: dict[int, str] = dict.fromkeys(numbers, UNKNOWN)
        rows = {row.number: row for row in work.rows(_STATES, numbers=numbers)}
        for number, row in rows.items():
            refused[number] = self._why_not(work, row, places[number])
        for (number,) in work.rows(_PASSED, numbers=numbers):
            refused[number] = refused[number] or PASSED
        work.rows(_DOCUMENTS, numbers=numbers)
        for (number,) in work.rows(_BYTELESS, numbers=numbers):
            refused[number] = refused[number] or PURGED
        refused |= _parted(work, [number for number in numbers if not refused[number]])
        done = [number for number in numbers if not refused[number]]
        work.count = len(done)
        if done:
            self._put_back(work, done, [(*place, number) for number in done for place in places[number]])
            self.enter(work, who, "restore", f"messages {listing(done)}: {why}", {rows[one].key for one in done})
        return Acted(done, {number: why for number, why in refused.items() if why})

    def _why_not(self, work: Work, row: Any, places: Sequence[tuple[int, int]]) -> str:
        """Why a message cannot be restored, as far as its own row and those behind it tell."""
        if row.state != "set aside":
            return NOT_ASIDE.format(row.state)
        return BUSY if places and busy(work, places[0][0], {key for _, key in places}, row.number) else ""

    def _put_back(self, work: Work, numbers: list[int], places: list[tuple[int, int, int]]) -> None:
        work.many(_STAND, places)
        work.run(_FORGET, numbers=numbers)
        failed = {row[0] for row in work.rows(_FAILED, numbers=numbers)}
        ready = [number for number in numbers if number not in failed]
        if failed:
            work.run(_PARKED, numbers=sorted(failed))
        if ready:
            work.run(_BACK, numbers=ready)
            behind = [row[0] for row in work.rows(_BEHIND, numbers=ready)]
            self.supersede(work, behind, set(ready)) if behind else None

    def _each(self, numbers: Iterable[int], act: Any) -> Acted:
        """An act on many messages, some at a time; what one transaction did is done."""
        wanted, done, refused = sorted(set(numbers)), [], {}
        for at in range(0, len(wanted), MOST):
            some = wanted[at : at + MOST]
            found = self.database.write(lambda work: act(work, some), "T7")  # noqa: B023 - run at once
            done += found.done
            refused.update(found.refused)
        return Acted(done, refused)


def _parted(work: Work, numbers: Sequence[int]) -> dict[int, str]:
    """Those of the numbers that may have arrived in one parcel with others that are not among them, with the reason."""
    packed = work.rows(_PACKED, numbers=list(numbers)) if numbers else []
    others = {other for row in packed for other in json.loads(row.numbers)}.difference(numbers)
    mates: defaultdict[int, list[int]] = defaultdict(list)
    for number, parcel in work.rows(_MATES, numbers=sorted(others)) if others else []:
        mates[parcel].append(number)
    return {row.number: TOGETHER.format(listing(mates[row.parcel])) for row in packed if row.parcel in mates}


def listing(numbers: Sequence[int]) -> str:
    """Numbers in a line, runs of them short: `1-4, 9`."""
    told: list[str] = []
    start = before = None
    for number in [*sorted(numbers), None]:
        if start is not None and before is not None and number == before + 1:
            before = number
            continue
        if start is not None:
            told.append(str(start) if start == before else f"{start}-{before}")
        start = before = number
    return ", ".join(told)


__all__ = ["Aside", "listing"]
