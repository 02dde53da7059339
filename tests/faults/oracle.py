"""Judges whether what was written reached every target once and in order. It knows nothing of the hub.

It is given what the sources wrote, what the targets logged before they answered, what the hub's store says became of
each message, and when which process was disturbed. Values are of one child: either all different (a counter), or few
that come again and again (A, B, A).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

KINDS = ("dedup", "match", "plain", "folder")
"""Of targets: drops repeats of a key; honours If-Match; does neither; a folder that is emptied."""
OPEN = ("ready", "sending", "waiting", "parked")

Child = tuple[str, str]
"""A source and the child's id there."""


@dataclass(frozen=True)
class Written:
    """One version of a child at a source. state: it is a full state, so a newer one may take its place."""

    child: Child
    value: str
    state: bool = True


@dataclass(frozen=True)
class Arrival:
    """What a target logged. answered: it answered that it has it. worker: the process that sent it.

    proven: the bytes are those that belong to this child and value.
    """

    target: str
    key: str
    child: Child
    value: str
    data: bytes
    at: float
    answered: bool = True
    worker: int = 0
    proven: bool = True


@dataclass(frozen=True)
class Row:
    """What the store says of a message. value: None where its record could not be read."""

    number: int
    target: str
    child: Child
    value: str | None
    state: str
    superseded_by: int | None = None


@dataclass(frozen=True)
class Trouble:
    """A disturbance, from when to when. worker: the process it hit; 0: the database, which hits all of them."""

    since: float
    until: float
    worker: int = 0


@dataclass(frozen=True)
class Fault:
    """kind: lost, overtaken, doubled, wrong (bytes), stuck (open and held by nothing), account (the store is wrong)."""

    kind: str
    target: str
    child: Child
    value: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.value} of {'/'.join(self.child)} at {self.target}: {self.detail}"


@dataclass
class Verdict:
    """repeats: counted ones, at targets that drop none. held: open behind a record that could not be read."""

    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, target: str, child: Child, value: str, detail: str) -> None:
        self.faults.append(Fault(kind, target, child, value, detail))

    def kinds(self) -> Counter[str]:
        return Counter(fault.kind for fault in self.faults)


@dataclass(frozen=True)
class Case:
    """Everything to judge. targets: kind by name. unknown: keys of which a sender saw no answer.

    lease: seconds by which a trouble of the database may make itself felt later. meets: children of several sources
    that share a number; their values all differ.
    """

    written: Sequence[Written]
    arrivals: Sequence[Arrival]
    rows: Sequence[Row]
    targets: Mapping[str, str]
    troubles: Sequence[Trouble] = ()
    unknown: frozenset[str] = frozenset()
    lease: float = 30.0
    meets: Mapping[str, Sequence[Child]] = field(default_factory=dict)


def judge(case: Case) -> Verdict:
    """Every fault, and what was counted."""
    verdict = Verdict()
    written: dict[Child, list[Written]] = defaultdict(list)
    for one in case.written:
        written[one.child].append(one)
    arrivals: dict[str, dict[Child, list[Arrival]]] = {target: defaultdict(list) for target in case.targets}
    for arrival in sorted(case.arrivals, key=lambda one: one.at):
        arrivals[arrival.target][arrival.child].append(arrival)
    rows: dict[str, dict[Child, list[Row]]] = {target: defaultdict(list) for target in case.targets}
    for row in sorted(case.rows, key=lambda one: one.number):
        rows[row.target][row.child].append(row)
    for target, kind in case.targets.items():
        effects: dict[Child, list[Arrival]] = {}
        for child in {*written, *arrivals[target], *rows[target]}:
            found = arrivals[target].get(child, [])
            effects[child] = _once(case, kind, found, verdict)
            line = _Line(target, child, written.get(child, []), effects[child], rows[target].get(child, []))
            _judge_child(line, verdict)
        _judge_meetings(case, target, effects, rows[target], verdict)
    verdict.counts["written"] = len(case.written)
    return verdict


def _once(case: Case, kind: str, arrivals: list[Arrival], verdict: Verdict) -> list[Arrival]:
    """The first arrival of each key; what comes again is judged here."""
    first: dict[str, Arrival] = {}
    effects: list[Arrival] = []
    last: dict[str, Arrival] = {}
    for one in arrivals:
        say = (one.target, one.child, one.value)
        if not one.proven:
            verdict.add("wrong", *say, "the bytes are not those that were written")
        earlier = last.get(one.key)
        last[one.key] = one
        if earlier is None:
            first[one.key] = one
            effects.append(one)
            continue
        if one.data != earlier.data:
            verdict.add("wrong", *say, f"the key {one.key} came again with other bytes")
        if kind == "dedup":
            verdict.counts["repeats dropped by the target"] += 1
        elif kind != "plain":
            verdict.add("doubled", *say, f"the key {one.key} had its effect twice")
        elif not _excused(case, earlier, one):
            verdict.add("doubled", *say, f"the key {one.key} came again though its answer was known")
        else:
            verdict.counts["repeats after an unknown outcome"] += 1
            if effects[-1].key != one.key:
                verdict.add("overtaken", *say, f"came again after {effects[-1].value}")
    return effects


def _excused(case: Case, earlier: Arrival, later: Arrival) -> bool:
    """Whether the sender of the earlier arrival could not know what became of it."""
    if not earlier.answered or earlier.key in case.unknown:
        return True
    for trouble in case.troubles:
        if trouble.worker in (0, earlier.worker):
            grace = case.lease if trouble.worker == 0 else 1.0
            if trouble.since <= later.at and trouble.until >= earlier.at - grace:
                return True
    return False


@dataclass
class _Line:
    """One child at one target: written, and what had an effect, in order; rows by number."""

    target: str
    child: Child
    written: list[Written]
    effects: list[Arrival]
    rows: list[Row]

    @property
    def blocked(self) -> bool:
        """Whether a record of the child could not be read and holds up what came later."""
        return any(row.value is None and row.state in OPEN for row in self.rows)

    def say(self, value: str) -> tuple[str, Child, str]:
        return self.target, self.child, value


def _judge_child(line: _Line, verdict: Verdict) -> None:
    values = [one.value for one in line.written]
    rows = [row for row in line.rows if row.value is not None]
    kept = [row.value for row in rows]
    if kept != values:
        _judge_kept(line, values, [str(value) for value in kept], verdict)
    verdict.counts["applied"] += len(line.effects)
    for value in {one.value for one in line.effects} - set(values):
        verdict.add("wrong", *line.say(value), "was never written")
    if len(set(values)) == len(values):
        _judge_counter(line, values, verdict)
    else:
        _judge_swing(line, values, verdict)
    _judge_rows(line, rows, verdict)


def _judge_kept(line: _Line, values: list[str], kept: list[str], verdict: Verdict) -> None:
    """The store's messages of a child are what was written, in that order."""
    at = next(
        (n for n, (one, two) in enumerate(zip(values, kept, strict=False)) if one != two), min(len(values), len(kept))
    )
    if len(kept) < len(values):
        verdict.add("lost", *line.say(values[at]), f"{len(values)} were written and {len(kept)} kept")
    elif len(kept) > len(values):
        verdict.add("doubled", *line.say(kept[at]), f"{len(values)} were written and {len(kept)} kept")
    else:
        verdict.add("overtaken", *line.say(values[at]), f"{kept[at]} was kept in its place")


def _judge_counter(line: _Line, values: list[str], verdict: Verdict) -> None:
    """All values differ: applied ones rise, and each that is missing has a reason."""
    at = {value: n for n, value in enumerate(values)}
    newest, seen = -1, set()
    for one in line.effects:
        place = at.get(one.value)
        if place is None:
            continue
        if one.value in seen:
            verdict.add("doubled", *line.say(one.value), f"came under another key, {one.key}")
        elif place < newest:
            verdict.add("overtaken", *line.say(one.value), f"came after {values[newest]}")
        seen.add(one.value)
        newest = max(newest, place)
    by_value = {row.value: row for row in line.rows}
    for value in values:
        if value not in seen:
            _judge_missing(line, value, by_value.get(value), verdict)
        elif value in by_value and by_value[value].state == "superseded":
            verdict.add("account", *line.say(value), "recorded as superseded, and it was sent")
    last = by_value.get(values[-1]) if values else None
    if last is not None and last.state == "superseded":
        verdict.add("lost", *line.say(values[-1]), "the last one was superseded")


def _judge_missing(line: _Line, value: str, row: Row | None, verdict: Verdict) -> None:
    if row is None:
        return  # said already: it was never kept
    if row.state in OPEN:
        if line.blocked:
            verdict.counts["held behind a record that cannot be read"] += 1
        else:
            verdict.add("stuck", *line.say(value), f"still {row.state}, number {row.number}")
    elif row.state != "superseded":
        verdict.add("lost", *line.say(value), f"recorded as {row.state}, number {row.number}, and never came")


def _judge_swing(line: _Line, values: list[str], verdict: Verdict) -> None:
    """Values come again: those applied are some of the written ones in order, and the last of them is the last."""
    applied = [one.value for one in line.effects]
    states = Counter(row.state for row in line.rows if row.value is not None)
    left = sum(states[state] for state in OPEN)
    rest = iter(values)
    for value in applied:
        if not any(value == one for one in rest):
            verdict.add("overtaken", *line.say(value), f"{_short(applied)} came, {_short(values)} were written")
            break
    if left and line.blocked:
        verdict.counts["held behind a record that cannot be read"] += left
    elif left:
        verdict.add("stuck", *line.say(values[-1]), f"{left} are still open")
    elif not applied or applied[-1] != values[-1]:
        verdict.add("lost", *line.say(values[-1]), f"the last one was written and not applied: {_short(applied)} came")
    told = len(applied) + states["superseded"] + left
    if told < len(values):
        verdict.add("lost", *line.say(values[-1]), f"{len(values)} written, {told} applied, superseded or open")
    elif told > len(values):
        verdict.add("doubled", *line.say(values[-1]), f"{len(values)} written, {told} applied, superseded or open")


def _short(values: Iterable[str]) -> str:
    told = " ".join(values)
    return told if len(told) <= 80 else f"… {told[-78:]}"


def _judge_rows(line: _Line, rows: list[Row], verdict: Verdict) -> None:
    """A superseded message names a later one of the same child at the same target, and was a full state."""
    later = {row.number for row in line.rows}
    states = {one.value: one.state for one in line.written}
    for row in rows:
        if row.state == "superseded":
            verdict.counts["superseded"] += 1
            value = str(row.value)
            if row.superseded_by is None or row.superseded_by <= row.number or row.superseded_by not in later:
                verdict.add("account", *line.say(value), f"superseded by {row.superseded_by}, itself {row.number}")
            if not states.get(value, True):
                verdict.add("lost", *line.say(value), "superseded, though it is no full state")


def _judge_meetings(
    case: Case,
    target: str,
    effects: Mapping[Child, Sequence[Arrival]],
    rows: Mapping[Child, Sequence[Row]],
    verdict: Verdict,
) -> None:
    """Sources that meet in a number have no order but that of keeping: the store's own numbers."""
    for children in case.meets.values():
        numbers = {(child, row.value): row.number for child in children for row in rows.get(child, ())}
        together = sorted((one for child in children for one in effects.get(child, ())), key=lambda one: one.at)
        came: list[int] = []
        for one in together:
            number = numbers.get((one.child, one.value))
            if number is not None:
                if came and number < came[-1]:
                    verdict.add("overtaken", target, one.child, one.value, "came after what another source said later")
                came.insert(bisect_right(came, number), number)


__all__ = ["KINDS", "Arrival", "Case", "Child", "Fault", "Row", "Trouble", "Verdict", "Written", "judge"]
