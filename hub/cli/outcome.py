"""What became of a replay: waited for while somebody looks, and told with what came back and why."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from msgspec.structs import asdict
from rich.text import Text

from hub.cli.following import cause, words
from hub.cli.opened import console, many, moment, say
from hub.cli.show import grid

if TYPE_CHECKING:
    from hub.message import Cause
    from hub.store import Run, RunItem, Store

LOOK = 0.25
"""Seconds between two looks at a replay."""
WENT = ("sent", "withheld", "superseded", "set aside")
LEFT = ("frozen", "released")
STATES = {"frozen": "to go", "released": "on its way", "parked": "parked again"}
SHOWN = 10
"""Most reasons shown."""
REASONS = 1000
"""Most messages looked at for them."""


def wait(store: Store, run: Run, seconds: float, *, canary: bool = False) -> Run:
    """A replay once it is over, or after so many seconds. canary: once the outcome of its canary is known."""
    until = time.monotonic() + seconds
    try:
        with _progress(run) as tick:
            while not _stands(run, canary) and time.monotonic() < until:
                time.sleep(LOOK)
                run = store.run(run.id)
                tick(run)
    except KeyboardInterrupt:
        say(f"the replay goes on: ics-hub replay show {run.id}")
        raise
    return run


def _stands(run: Run, canary: bool) -> bool:
    """Whether nothing more happens to a run that is waited for."""
    if run.ended is not None or run.state in ("paused", "proven"):
        return True
    return canary and run.state != "canary"


@contextmanager
def _progress(run: Run) -> Iterator[Callable[[Run], None]]:
    if not sys.stderr.isatty():
        yield lambda run: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(f"replay {run.id}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("messages", total=sum(run.items.values()))
        yield lambda run: bar.update(task, completed=sum(n for state, n in run.items.items() if state not in LEFT))


def is_alive(store: Store) -> bool:
    """Whether any process carries messages."""
    return any(one.left > 0 for one in store.status().workers)


def hindered(store: Store, run: Run) -> str:
    """Why a replay does not go on though nobody keeps it, "" if nothing is known."""
    status = store.status()
    if not any(one.left > 0 for one in status.workers):
        return "nothing runs now: it goes as soon as 'ics-hub run' does"
    if not run.goes_by(status.mapping_set):
        return "whoever runs has not these mapping files yet: bring the same to every machine"
    paused = [one.name for one in status.targets if one.paused]
    if "released" in run.items and paused:
        return f"paused now: {', '.join(paused)}; 'ics-hub status' says why"
    return ""


def told(store: Store, run: Run) -> dict[str, Any]:
    """A replay for a program, with why something of it came back."""
    parked, skipped = reasons(store, run)
    again = [{"cause": cause(why), "messages": n} for why, n in parked.most_common()]
    return asdict(run) | {"parked_for": again, "skipped_for": dict(skipped), "well": code(run) == 0}


def show(store: Store, run: Run) -> None:
    """How a replay stands, as text: its counts, and why something of it came back."""
    out = console()
    counts = [f"{n:,} {STATES.get(state, state)}" for state, n in run.items.items()]
    end = f" since {moment(run.ended)}" if run.ended is not None else ""
    out.print(Text(f"Replay {run.id}: {run.state}{end}; {', '.join(counts) or 'nothing'}", style="bold"))
    if run.note:
        out.print(Text(f"  {run.note}"))
    parked, skipped = reasons(store, run)
    for why, count in parked.most_common(SHOWN):
        out.print(Text(f"  {many(count, 'message')} parked again: {words(cause(why))}"))
    for note, count in skipped.most_common(SHOWN):
        out.print(Text(f"  {many(count, 'message')} skipped: {note}"))


def reasons(store: Store, run: Run) -> tuple[Counter[Cause | None], Counter[str]]:
    """Why messages of a replay are parked again, and why others were skipped, of up to REASONS each."""
    parked: Counter[Cause | None] = Counter()
    skipped: Counter[str] = Counter()
    for one in store.run_items(run.id, REASONS, ("parked",)) if run.items.get("parked") else ():
        if one.number is not None:
            parked[store.trace(one.number).cause] += 1
    for one in store.run_items(run.id, REASONS, ("skipped",)) if run.items.get("skipped") else ():
        skipped[one.note] += 1
    return parked, skipped


def code(run: Run) -> int:
    """0: all of it went, or its canary did and a person decides; 1: something came back, was skipped, or is open."""
    if run.state == "proven":
        return 0
    return int(any(n for state, n in run.items.items() if state not in WENT))


def canary(store: Store, run: Run) -> RunItem | None:
    """The item that goes alone first."""
    return store.run_items(run.id, run.canary + 1)[-1] if run.canary is not None else None


def show_canary(store: Store, run: Run, words_again: str) -> None:
    """What became of the first one, and what to type next. words_again: the same choice, as it was typed."""
    out = console()
    one = canary(store, run)
    if one is None:
        return
    left = run.items.get("frozen", 0)
    number = one.number
    if number is None:
        out.print(Text(f"The canary, the first child's record: {STATES.get(one.state, one.state)}"))
    else:
        trace = store.trace(number)
        why = f", for {words(cause(trace.cause))}" if trace.cause is not None else ""
        receipt = f", receipt {trace.receipt}" if trace.receipt else ""
        out.print(Text(f"The canary, message {number} to {trace.target}: {trace.state}{receipt}{why}"))
    if run.state == "proven":
        go = f"ics-hub replay {words_again} lets the other {left:,} go"
        out.print(Text(f"Next: {go}, ics-hub replay cancel {run.id} leaves them"))
    elif run.state == "cancelled":
        out.print(Text("Nothing else was touched. 'ics-hub failures' says what keeps it now"))
    elif run.ended is None:
        out.print(Text(f"Next: ics-hub replay show {run.id}"))


def items_facts(items: list[RunItem]) -> list[dict[str, Any]]:
    """What became of each message of a replay, for a program."""
    names = ("n", "number", "state", "note")
    return [{**{name: getattr(one, name) for name in names}, "before": cause(one.before)} for one in items]


def show_items(run: Run, items: list[RunItem]) -> None:
    """What became of each message of a replay, as a table."""
    out = console()
    out.print(Text(f"  begun {moment(run.created)} by {run.who}{f': {run.why}' if run.why else ''}"))
    for before, count in Counter(one.before for one in items if one.before is not None).most_common(SHOWN):
        out.print(Text(f"  {many(count, 'message')} had been parked for {words(cause(before))}"))
    rows = [(str(one.number or ""), STATES.get(one.state, one.state), one.note) for one in items]
    if rows:
        out.print(grid(rows, ("NUMBER", "STATE", "WHY")))
    if (more := sum(run.items.values()) - len(rows)) > 0:
        out.print(f"and {more:,} more")


def listing(runs: list[Run]) -> None:
    """Replays as a table."""
    rows = [
        (
            str(run.id),
            run.state,
            moment(run.created),
            run.who,
            ", ".join(f"{n:,} {STATES.get(state, state)}" for state, n in run.items.items()),
            run.why,
        )
        for run in runs
    ]
    console().print(grid(rows, ("REPLAY", "STATE", "SINCE", "WHO", "MESSAGES", "WHY")) if rows else "no replays")


def end(run: Run) -> None:
    """Leave with the exit code that a replay's outcome has."""
    raise typer.Exit(code(run))


__all__ = [
    "canary",
    "code",
    "end",
    "hindered",
    "is_alive",
    "items_facts",
    "listing",
    "show",
    "show_canary",
    "show_items",
    "told",
    "wait",
]
