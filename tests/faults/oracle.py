"""Judges whether what was written reached every target once and in order. It knows nothing of the hub.

It is given what the sources wrote, what the targets logged before they answered, what the hub's store says became of
each message, when which process was disturbed, and what persons did. Values are of one child: either all different (a
counter), or few that come again and again (A, B, A). A value that a person edited counts as the version it belongs to.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.faults.acts import Acts, Child, Edited, Moved, version_of
from tests.faults.case import KINDS, OPEN, Arrival, Case, Fault, Row, Trouble, Verdict, Written


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
    acts = Acts(case.acts)
    for target, kind in case.targets.items():
        effects: dict[Child, list[Arrival]] = {}
        for child in {*written, *arrivals[target], *rows[target]}:
            found = arrivals[target].get(child, [])
            effects[child] = _once(case, kind, found, verdict)
            line = _Line(target, child, written.get(child, []), effects[child], rows[target].get(child, []), acts)
            _judge_child(case, line, verdict)
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


def _unsure(case: Case, one: Arrival) -> bool:
    """Whether the hub may not know that this arrived. Who put a file into the folder is not told: any worker."""
    if _excused(case, one, replace(one, at=one.at + case.lease)):
        return True
    since, until = one.at - case.lease, one.at + case.lease
    return not one.worker and any(trouble.since <= until and trouble.until >= since for trouble in case.troubles)


@dataclass
class _Line:
    """One child at one target: written, and what had an effect, in order; rows by number, as many as were written."""

    target: str
    child: Child
    written: list[Written]
    effects: list[Arrival]
    rows: list[Row]
    acts: Acts

    @property
    def blocked(self) -> bool:
        """Whether a record of the child could not be read and holds up what came later."""
        return any(
            row.value is None and row.state in OPEN and not one.readable
            for one, row in zip(self.written, self.rows, strict=False)
        )

    def say(self, value: str) -> tuple[str, Child, str]:
        return self.target, self.child, value


def _judge_child(case: Case, line: _Line, verdict: Verdict) -> None:
    values = [one.value for one in line.written]
    counter = len(set(values)) == len(values)
    # Of a record that was never read the store does not know what it says: any would do in its place.
    kept = [
        value if row.value is None else version_of(row.value) for row, value in zip(line.rows, values, strict=False)
    ]
    kept += [version_of(row.value or "?") for row in line.rows[len(values) :]]
    if kept != values:
        _judge_kept(line, values, kept, verdict)
    verdict.counts["applied"] += len(line.effects)
    _judge_forms(line, set(values), counter, verdict)
    if counter:
        _judge_counter(case, line, values, dict(zip(kept, line.rows, strict=True)), verdict)
    else:
        _judge_swing(case, line, values, verdict)
    _judge_rows(line, kept, verdict)


def _judge_forms(line: _Line, values: set[str], counter: bool, verdict: Verdict) -> None:
    """What came, and what is kept, was written, or is what a person made of it at that time."""
    for one in line.effects:
        version = version_of(one.value)
        if version not in values or one.value not in line.acts.all_forms(line.child, version):
            verdict.add("wrong", *line.say(one.value), "was never written")
        elif one.value != version:
            verdict.counts["applied as a person edited it"] += 1
        if counter and version in values and one.value not in line.acts.forms(line.child, version, one.at):
            verdict.add("wrong", *line.say(one.value), "came as it was before it was edited")
    for row in line.rows if counter else ():
        if row.value is not None and row.value not in line.acts.forms(line.child, version_of(row.value)):
            verdict.add("account", *line.say(row.value), f"is kept, and a person made something else of it: {row}")


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


def _judge_counter(case: Case, line: _Line, values: list[str], rows: Mapping[str, Row], verdict: Verdict) -> None:
    """All values differ: applied ones rise, and each that is missing has a reason. rows: by version."""
    at = {value: n for n, value in enumerate(values)}
    newest, seen = -1, dict[str, Arrival]()
    for one in line.effects:
        version = version_of(one.value)
        place = at.get(version)
        if place is None:
            continue
        if version in seen:
            verdict.add("doubled", *line.say(one.value), f"came as {seen[version].value} before, under another key")
        elif place < newest:
            verdict.add("overtaken", *line.say(one.value), f"came after {values[newest]}")
        seen[version] = one
        newest = max(newest, place)
    for written in line.written:
        row, came = rows.get(written.value), seen.get(written.value)
        if came is None:
            _judge_missing(line, written, row, verdict)
        elif row is not None and row.state == "superseded":
            verdict.add("account", *line.say(written.value), "recorded as superseded, and it was sent")
        elif row is not None and row.state == "set aside" and not _unsure(case, came):
            verdict.add("account", *line.say(written.value), "recorded as set aside, and it was sent")
    last = rows.get(values[-1]) if values else None
    if last is not None and last.state == "superseded":
        verdict.add("lost", *line.say(values[-1]), "the last one was superseded")


def _judge_missing(line: _Line, written: Written, row: Row | None, verdict: Verdict) -> None:
    if row is None:
        return  # said already: it was never kept
    if row.state in OPEN:
        if not written.readable and row.value is None:
            verdict.counts["cannot be read"] += 1
        elif line.blocked:
            verdict.counts["held behind a record that cannot be read"] += 1
        else:
            verdict.add("stuck", *line.say(written.value), f"still {row.state}, number {row.number}")
    elif row.state == "set aside":
        verdict.counts["set aside by a person"] += 1  # whether one did is judged with the rows
    elif row.state != "superseded":
        verdict.add("lost", *line.say(written.value), f"recorded as {row.state}, number {row.number}, and never came")


def _judge_swing(case: Case, line: _Line, values: list[str], verdict: Verdict) -> None:
    """Values come again: those applied are some of the written ones in order, and the last of them is the last that
    was not set aside."""
    applied = [version_of(one.value) for one in line.effects]
    states = Counter(row.state for row in line.rows)
    left, aside = sum(states[state] for state in OPEN), states["set aside"]
    place = -1
    for value in applied:
        place = next((n for n in range(place + 1, len(values)) if values[n] == value), len(values))
    if place == len(values):
        verdict.add("overtaken", *line.say(applied[-1]), f"{_short(applied)} came, {_short(values)} were written")
    due = [value for value, row in zip(values, line.rows, strict=False) if row.state in ("sent", "withheld")]
    if left and line.blocked:
        verdict.counts["held behind a record that cannot be read"] += left
    elif left:
        verdict.add("stuck", *line.say(values[-1]), f"{left} are still open")
    elif due or not aside:
        late = aside and len(applied) > len(due)  # what was set aside may have arrived, and as the last
        if not late and applied[-1:] != [(due if aside else values)[-1]]:
            said = f"the last one was written and not applied: {_short(applied)} came"
            verdict.add("lost", *line.say(values[-1]), said)
    told = len(applied) + states["superseded"] + left
    verdict.counts["set aside by a person"] += aside
    if told + aside < len(values):
        verdict.add("lost", *line.say(values[-1]), f"{len(values)} written, {told} applied, superseded or open")
    elif told > len(values):
        verdict.add("doubled", *line.say(values[-1]), f"{len(values)} written, {told} applied, superseded or open")
    elif told + aside - len(values) > sum(_unsure(case, one) for one in line.effects):
        verdict.add("account", *line.say(values[-1]), f"{aside} are recorded as set aside, and some of them were sent")


def _short(values: Iterable[str]) -> str:
    told = " ".join(values)
    return told if len(told) <= 80 else f"… {told[-78:]}"


def _judge_rows(line: _Line, kept: list[str], verdict: Verdict) -> None:
    """A superseded message names a later one of the same child at the same target, and was a full state. What was set
    aside is what persons set aside and did not bring back."""
    later = {row.number for row in line.rows}
    states = {one.value: one.state for one in line.written}
    for row, value in zip(line.rows, kept, strict=True):
        if (row.state == "set aside") not in line.acts.aside(row.number):
            did = "set aside by nobody" if row.state == "set aside" else "set aside, and brought back by nobody"
            verdict.add("account", *line.say(value), f"{did}: it is {row.state}, number {row.number}")
        if row.state == "superseded":
            verdict.counts["superseded"] += 1
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
        numbers = {
            (child, version_of(row.value)): row.number
            for child in children
            for row in rows.get(child, ())
            if row.value is not None
        }
        together = sorted((one for child in children for one in effects.get(child, ())), key=lambda one: one.at)
        came: list[int] = []
        for one in together:
            number = numbers.get((one.child, version_of(one.value)))
            if number is not None:
                if came and number < came[-1]:
                    verdict.add("overtaken", target, one.child, one.value, "came after what another source said later")
                came.insert(bisect_right(came, number), number)


__all__ = [
    "KINDS",
    "Arrival",
    "Case",
    "Child",
    "Edited",
    "Fault",
    "Moved",
    "Row",
    "Trouble",
    "Verdict",
    "Written",
    "judge",
]
