"""Hubs broken on purpose, one way each. Each must turn the oracle red, or it would not see that fault in the hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hub.message import Message, Parcel
from hub.seal import Keyring
from hub.store import Outcome, Store, aside, statements
from hub.store.database import Work
from hub.store.line import free
from hub.store.statements import Sql

OVERTAKES, DROPPED = "restore of what a later one passed", "cancel that dropped what can be read"
BROKE: list[str] = []
"""What a twin broke in this process that the oracle cannot miss, where only some acts break anything."""


def mark_before_send() -> None:
    """What is sent is recorded as sent before it goes: a worker that dies in between loses it."""
    prepare, finish = Store.prepare, Store.finish
    following: list[Message] = []

    def early(self: Store, worker: int, parcels: Sequence[Parcel]) -> list[Parcel | None]:
        kept = prepare(self, worker, parcels)
        for parcel in kept:
            if parcel is not None:
                said = [Outcome(number, "sent") for number in parcel.numbers]
                following.extend(finish(self, worker, parcel.target, said))
        return kept

    def late(self: Store, worker: int, target: str, outcomes: Sequence[Outcome]) -> list[Message]:
        """What comes next in line is still published at once, or the twin would only be slow."""
        found = finish(self, worker, target, outcomes)
        while following:
            found.append(following.pop())
        return found

    Store.prepare, Store.finish = early, late  # type: ignore[method-assign]


def no_head_check() -> None:
    """A message may be claimed though an earlier one of the same child is open: the later overtakes."""
    for words in statements._PLAIN.values():
        words["first"] = "(1 = 1)"


def content_only_id() -> None:
    """The id of a message is made from its content without the version: A, B, A is two messages, and ends at B."""
    name = Keyring.name

    def broken(self: Keyring, *parts: Any) -> bytes:
        if parts[0] == "message":
            parts = (*parts[:3], *parts[4:])
        return name(self, *parts)

    Keyring.name = broken  # type: ignore[method-assign]


def blind_restore() -> None:
    """What was set aside comes back into line though a later one was sent, or is being sent: it overtakes."""
    passed, why_not = aside._PASSED, Store._why_not
    aside._PASSED = Sql(f"{passed.text} AND 1 = 0")

    def blind(self: Store, work: Work, row: Any, places: Sequence[tuple[int, int]]) -> str:
        said = why_not(self, work, row, ())
        if not said and work.rows(passed, numbers=[row.number]):
            BROKE.append(OVERTAKES)
        return said

    Store._why_not = blind  # type: ignore[method-assign]


def cancel_drops() -> None:
    """A cancelled replay takes what it did not let go for done: it leaves the line, and is lost."""
    cancel = Store._cancel

    def broken(self: Store, work: Work, run: int, latest: bool) -> None:
        frozen = [row.number for row in work.rows(_FROZEN, run=run)]
        cancel(self, work, run, latest)
        if frozen:
            if any(not row.failed for row in work.rows(_READ, numbers=frozen)):
                BROKE.append(DROPPED)
            work.run(_DROP, numbers=frozen)
            free(work, frozen)

    Store._cancel = broken  # type: ignore[method-assign]


_FROZEN = Sql("""SELECT i.number FROM run_item i JOIN message m ON m.number = i.number
    WHERE i.run = :run AND i.state = 'frozen' AND m.state = 'parked'""")
_READ = Sql("""SELECT r.failed FROM message m JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    WHERE m.number {in numbers}""")
_DROP = Sql("UPDATE message SET state = 'sent', ended = {now} WHERE number {in numbers}")

TWINS: dict[str, Callable[[], None]] = {
    "mark-before-send": mark_before_send,
    "no-head-check": no_head_check,
    "content-only-id": content_only_id,
    "blind-restore": blind_restore,
    "cancel-drops": cancel_drops,
}
