"""What a replay would do, before it is done: every message that would go, and what stays where it is.

Letting go is tried out by the store itself and undone; what would then be sent is mapped and written as a worker does
it, and dropped. Then the line is walked in its order: what stays open holds what is behind it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import replace

from hub.errors import RecordError
from hub.message import Cause, Message
from hub.pipeline.again import Again, At
from hub.pipeline.link import Link
from hub.pipeline.writing import knowing_of, write
from hub.seal import Keyring
from hub.store import Choice, Incoming, Newest, Store
from hub.store.acts import Standing
from hub.store.line import record_bound
from hub.store.preview import Place, Trial

BATCH = 100
"""Records in memory at once."""
_HELD: tuple[str, Cause | None] = ("held", None)
_NEW = 1 << 40
"""Added to the numbers of messages that a trial made, once for each trial: they are given again by the next."""

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with how many were looked at, and of how many."""


@dataclass(frozen=True, slots=True)
class Coming:
    """What would become of one message. number: None for one that does not exist yet (of `--latest`). state, cause: as
    it is now. after: sent (handed to the target, which may still refuse it), withheld, superseded, parked (again, then:
    why) or held (behind one that stays open). arrived: the target may have it already."""

    number: int | None
    target: str
    child: int
    state: str
    cause: Cause | None
    after: str
    then: Cause | None = None
    arrived: bool = False


@dataclass(frozen=True, slots=True)
class Foreseen:
    """items: what was asked for, in line order. also: what is behind these and goes with them, or is superseded by
    them. others: what the choice matches besides, counted by why it does not go. children: of items."""

    items: list[Coming] = field(default_factory=list)
    also: list[Coming] = field(default_factory=list)
    others: Mapping[str, int] = field(default_factory=dict)
    children: int = 0


@dataclass(slots=True)
class _Found:
    """All that the trials told. fates: of items by number, "" when it depends on the line. own, near: how items and the
    messages around them stand afterwards. made: what would become of an item if it were first in line."""

    fates: dict[int, str] = field(default_factory=dict)
    own: dict[int, Place] = field(default_factory=dict)
    near: dict[int, Place] = field(default_factory=dict)
    made: dict[int, tuple[str, Cause | None]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)

    def add(self, place: Place, *, own: bool) -> None:
        number = place.standing.number
        if own:
            self.own[number] = place
        else:
            self.near.setdefault(number, place)


def foresee(
    links: Mapping[str, Link],
    store: Store,
    ring: Keyring,
    choice: Choice,
    mapping: str,
    progress: Progress | None = None,
) -> Foreseen:
    """What a replay of a choice would do. mapping: digest of the links' files. KeyMissing: a record cannot be opened.

    Nothing is changed. What arrives, is sent or is done by others meanwhile is not foreseen; nor that a record of which
    nobody knows the child before it is read is passed by a later one of that child, while a run lets go of few at once.
    """
    look = _Look(links, store, ring, mapping)
    chosen = store.choose(choice)
    before: dict[int, Standing] = {}
    for some in _parts(chosen.items, progress):
        before.update(look.release(some))
    look.close()
    look.found.others.update(chosen.others)
    after = look.walk()
    items, also = [], []
    for number, one in sorted(before.items()):
        if number in look.found.fates:
            if number in after:
                items.append(_coming(one, *after[number]))
        elif one.state != "parked" and after.get(number, _HELD) != _HELD:
            also.append(_coming(one, *after[number]))
    return Foreseen(items, also, dict(sorted(look.found.others.items())), len({one.child for one in items}))


def foresee_latest(
    links: Mapping[str, Link],
    store: Store,
    ring: Keyring,
    target: str,
    mapping: str,
    since: float | None = None,
    progress: Progress | None = None,
) -> Foreseen:
    """What `--target X --latest [--since T]` would do. Else as `foresee`."""
    look = _Look(links, store, ring, mapping)
    sources = [link.name for link in links.values() if target in link.targets]
    newest = store.newest(target, since, sources)
    look.found.others.update(one.why for one in newest if one.why)
    keys: dict[int, int] = {}
    before: dict[int, Standing] = {}
    for some in _parts([one for one in newest if not one.why], progress):
        made, standing = look.anew(target, some)
        keys.update(made)
        before.update(standing)
    look.close()
    after = look.walk()
    items = [Coming(None, target, keys[number], "", None, *after[number]) for number in sorted(keys) if number in after]
    also = []
    for number, one in sorted(before.items()):
        if number in look.found.gone:
            also.append(_coming(one, "superseded", None))
        elif one.ahead and one.state != "parked" and after.get(number, _HELD) != _HELD:
            also.append(_coming(one, *after[number]))
    return Foreseen(items, also, dict(sorted(look.found.others.items())), len(set(keys.values())))


def _coming(one: Standing, after: str, then: Cause | None) -> Coming:
    return Coming(one.number, one.target, one.child, one.state, one.cause, after, then, one.arrived)


def _parts(items: Sequence[T], progress: Progress | None) -> Iterator[Sequence[T]]:
    """The same, BATCH at a time."""
    for at in range(0, len(items), BATCH):
        if progress is not None:
            progress(at, len(items))
        yield items[at : at + BATCH]


class _Look:
    """Trials of some at a time, and what they tell together."""

    def __init__(self, links: Mapping[str, Link], store: Store, ring: Keyring, mapping: str) -> None:
        self.links, self.store, self.ring, self.mapping = dict(links), store, ring, mapping
        self.again = Again(links, store, ring)
        self.found = _Found()
        self._trials = 0

    def close(self) -> None:
        """Let go of what is open."""
        self.again.close()

    def release(self, asked: Sequence[int]) -> dict[int, Standing]:
        """Try to let go of some messages; how they and those behind them stand now."""
        standing = self.store.standing(asked)
        numbers = [number for number in asked if number in standing]
        failed = {(one.document, one.ordinal) for one in (standing[n] for n in numbers) if one.failed}
        sources = {standing[n].document: standing[n].source for n in numbers}
        read = self.again.failed(failed, sources)
        trial = self.store.try_release(numbers, read)
        for number, tried in zip(numbers, trial.items, strict=True):
            self._note(number, tried.state, tried.note)
            if tried.state == "parked":
                at = standing[number]
                self.found.made[number] = "parked", read[at.document, at.ordinal].failed
        for number, place in trial.line.items():
            self.found.add(place, own=number in numbers)
        going = [standing[n] for n in numbers if self.found.fates[n] == "released"]
        kept = {one.number: one for one in self.store.body(one.number for one in going if not one.failed)}
        for one in going:
            if one.parcel and one.arrived:  # the same bytes go again
                self.found.made[one.number] = "sent", None
                continue
            message = self._message(one, read.get((one.document, one.ordinal))) if one.failed else kept[one.number]
            self.found.made[one.number] = self._would(message, one.child)
        return standing

    def anew(self, target: str, newest: Sequence[Newest]) -> tuple[dict[int, int], dict[int, Standing]]:
        """Try to send some newest records anew; the keys of the children by the numbers that stand for the messages,
        and what is in line of theirs, or behind that."""
        read: dict[At, Incoming] = {}
        for one in newest:
            try:
                read[one.document, one.ordinal] = self.again.newest(one)
            except RecordError as error:
                self.found.others[error.reason] += 1
        sent = [one for one in newest if (one.document, one.ordinal) in read]
        trial = self.store.try_latest(target, [one.key for one in sent], read)
        self._trials += 1
        new = {one.number: one.number + _NEW * self._trials for one in trial.items if one.number is not None}
        keys: dict[int, int] = {}
        for one, tried in zip(sent, trial.items, strict=True):
            if tried.number is None:
                self.found.others[tried.note] += 1
                continue
            number = new[tried.number]
            keys[number] = one.key
            self._note(number, tried.state, tried.note)
            standing = replace(trial.line[tried.number].standing, number=number)
            self.found.add(replace(trial.line[tried.number], standing=standing), own=True)
            message = self._message(standing, read[one.document, one.ordinal])
            self.found.made[number] = self._would(message, one.key)
        self._around(trial, set(new))
        return keys, trial.before

    def _around(self, trial: Trial, new: set[int]) -> None:
        self.found.gone.update(trial.closed)
        for number, place in trial.line.items():
            if number not in new:
                self.found.add(place, own=False)

    def _note(self, number: int, state: str, note: str) -> None:
        self.found.fates[number] = state
        if state == "skipped":
            self.found.others[note] += 1
        if state == "superseded":
            self.found.gone.add(number)

    def _message(self, one: Standing, read: Incoming | None) -> Message:
        """A message as it would travel, with its record as it is read today."""
        bound = record_bound(one.document, one.ordinal)
        body = read.body if read is not None else b""
        kind = read.kind if read is not None else one.kind
        return Message(one.number, b"", one.target, one.source, kind, bound, self.ring.seal(body, bound))

    def _would(self, message: Message, child: int) -> tuple[str, Cause | None]:
        """What would become of a message that is first in line: sent, withheld or parked."""
        target, source = self.links.get(message.target), self.links.get(message.source)
        if target is None:
            return _HELD
        mapping = source.mappings.get(message.kind) if source is not None else None
        children = {message.number: (child, mapping.carries or "state")} if mapping is not None else {}
        knowing = knowing_of(self.store, self.ring, children)
        made = write(target, self.links, self.ring, [message], self.mapping, knowing)
        return ("sent", None) if made.parcels else (made.outcomes[0].state, made.outcomes[0].cause)

    def walk(self) -> dict[int, tuple[str, Cause | None]]:
        """What would become of every message, in line order; not of items that are skipped."""
        found = self.found
        line = {**found.near, **found.own}
        after: dict[int, tuple[str, Cause | None]] = {n: ("superseded", None) for n in found.gone if n in found.fates}
        stuck: defaultdict[str, set[bytes]] = defaultdict(set)
        for number in sorted(line):
            place = line[number]
            if number in found.gone:
                continue
            fate = self._fate(number, place, not stuck[place.standing.target].isdisjoint(place.places))
            if fate[0] not in ("sent", "withheld"):
                stuck[place.standing.target] |= place.places
            if found.fates.get(number) != "skipped":
                after[number] = fate
        return after

    def _fate(self, number: int, place: Place, held: bool) -> tuple[str, Cause | None]:
        state = self.found.fates.get(number)
        if state is None:
            if place.standing.state == "parked":
                return "parked", place.standing.cause
            return _HELD if held else self._later(place.standing)
        if state == "parked":
            return self.found.made[number]
        return _HELD if held or state != "released" else self.found.made[number]

    def _later(self, one: Standing) -> tuple[str, Cause | None]:
        """What would become of a message that nobody chose, once it is first in line."""
        if one.parcel:
            return "sent", None
        messages = self.store.body([one.number])
        return self._would(messages[0], one.child) if messages else _HELD


__all__ = ["Coming", "Foreseen", "foresee", "foresee_latest"]
