"""The state of the hub and its failures as tables: counts and ids of ours, never a value or a name of a person."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.text import Text

from hub.cli.following import cause, words
from hub.cli.opened import console, many, moment, span
from hub.cli.show import grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.config import Settings
    from hub.doctor import Result
    from hub.store import CauseRow, CutRow, Status, Trace

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def queue_line(settings: Settings) -> str:
    """How the queue is, in one line."""
    if settings.queue == "local":
        return "local, inside the process that runs"
    from hub.queue import inspect

    facts = inspect(settings.queue, settings.targets)
    if facts.problem:
        return facts.problem
    ready = sum(one.ready for one in facts.queues.values())
    said = f"{facts.product} {facts.version}, {ready:,} messages lie there"
    return f"{said}; it takes no more: {facts.blocked}" if facts.blocked else said


def status_facts(status: Status, queue: str) -> dict[str, Any]:
    """The state of the hub for a program."""
    from hub.store.facts import OPEN

    return {
        "targets": [
            {
                "name": one.name, **{state: one.states.get(state, 0) for state in OPEN},
                "held": one.held, "oldest": one.oldest, "paused": one.paused, "cause": cause(one.cause),
                "generation": one.generation,
            }
            for one in status.targets
        ],
        "sources": [
            {"name": one.name, "unread": one.unread, "failed": one.failed, "unchanged": one.unchanged,
             "reader": one.reader}
            for one in status.sources
        ],
        "workers": [
            {"id": one.id, "host": one.host, "pid": one.pid, "left": one.left, "mapping": one.mapping}
            for one in status.workers
        ],
        "queue": queue, "mapping_set": status.mapping_set, "audit": status.audit, "now": status.now,
    }  # fmt: skip


def show_status(told: dict[str, Any]) -> None:
    """The state of the hub as text."""
    out = console()
    names = ("ready", "sending", "waiting", "parked", "held")
    rows = [
        (one["name"], *(f"{one[name]:,}" for name in names), span(one["oldest"]), _paused(one, told["now"]))
        for one in told["targets"]
    ]
    out.print(
        grid(rows, ("TARGET", *(name.upper() for name in names), "OLDEST", "PAUSED")) if rows else "no targets yet"
    )
    if told["sources"]:
        out.print()
        lines = [
            (one["name"], f"{one['unread']:,}", f"{one['failed']:,}", f"{one['unchanged']:,}", str(one["reader"] or ""))
            for one in told["sources"]
        ]
        out.print(grid(lines, ("SOURCE", "UNREAD", "FAILED", "UNCHANGED", "READER")))
    if told["workers"]:
        out.print()
        alive = [
            (str(one["id"]), f"{one['host']}:{one['pid']}", f"{one['left']:.0f} s" if one["left"] >= 0 else "over",
             one["mapping"][:12] or "waits: its mapping files are not those in force, or do not load")
            for one in told["workers"]
        ]  # fmt: skip
        out.print(grid(alive, ("WORKER", "WHERE", "LEASE", "MAPPINGS")))
    out.print()
    facts = [("workers", str(len(told["workers"])) if told["workers"] else "none runs")]
    facts += [("queue", told["queue"]), ("mappings", told["mapping_set"][:12] or "none in force yet")]
    facts += [("last audit entry", told["audit"][:16] or "none")]
    out.print(grid(facts))


def _paused(one: dict[str, Any], now: float) -> str:
    """Until when a target is paused, and why. paused: seconds left."""
    if not one["paused"]:
        return ""
    return f"until {moment(now + one['paused'])}: {words(one['cause'])}"


def failure_facts(row: CauseRow) -> dict[str, Any]:
    """A line of `failures` for a program."""
    return {
        "id": row.id, "cause": cause(row.cause), "count": row.count, "children": row.children, "held": row.held,
        "first": row.first, "last": row.last, "states": dict(row.states), "findings": row.findings,
        "documents": row.documents, "hour": row.hour, "day": row.day,
    }  # fmt: skip


def show_failures(rows: Sequence[CauseRow]) -> None:
    """The causes, most messages first."""
    out = console()
    now = time.time()
    lines = [
        (str(row.id), what(row), counted(row), f"{row.children:,}", f"{row.held:,}", span(max(now - row.first, 0)),
         span(max(now - row.last, 0)), f"{row.hour:,}/{row.day:,}")
        for row in rows
    ]  # fmt: skip
    heads = ("CAUSE", "WHAT", "MESSAGES", "CHILDREN", "HELD", "FIRST", "LAST", "HOUR/DAY")
    out.print(grid(lines, heads) if lines else "nothing is parked or waiting")


def what(row: CauseRow) -> str:
    """A cause in one line."""
    return words(cause(row.cause))


def counted(row: CauseRow) -> str:
    """How many messages by state, and what else went wrong for the same cause."""
    parts = [f"{n:,} {state}" for state, n in sorted(row.states.items()) if n]
    parts += [many(n, name) for n, name in ((row.documents, "document"), (row.findings, "finding")) if n]
    return ", ".join(parts) or f"{row.count:,}"


def message_facts(one: Trace) -> dict[str, Any]:
    """A message of a cause for a program."""
    names = ("number", "source", "target", "state", "attempts", "changed", "due", "document", "ordinal", "kind")
    return {"id": one.id.hex(), **{name: getattr(one, name) for name in names}}


def document_facts(one: CutRow) -> dict[str, Any]:
    """A document that could not be read to its end, for a program."""
    return {"document": one.number, "source": one.source, "kept": one.kept, "records": one.position}


def show_messages(row: CauseRow, found: Sequence[Trace], cut: Sequence[CutRow], *, brief: bool = False) -> None:
    """The messages of a cause, and the documents. brief: what to do next is said elsewhere."""
    out = console()
    out.print(Text(f"Cause {row.id}: {what(row)}", style="bold"))
    out.print(f"{counted(row)}; {many(row.children, 'child')}, {row.held:,} held behind", markup=False)
    lines = [
        (str(one.number), one.id.hex(), one.target, one.state, str(one.attempts), moment(one.changed),
         f"{one.document}:{one.ordinal}")
        for one in found
    ]  # fmt: skip
    if lines:
        out.print(grid(lines, ("NUMBER", "ID", "TO", "STATE", "TRIED", "SINCE", "RECORD")))
    if row.count > len(lines):
        out.print(f"and {row.count - len(lines):,} more")
    if cut:
        rows = [(str(one.number), one.source, moment(one.kept), f"{one.position:,}") for one in cut]
        out.print(grid(rows, ("DOCUMENT", "FROM", "KEPT", "RECORDS BEFORE")))
    if row.documents > len(cut):
        out.print(f"and {row.documents - len(cut):,} documents more")
    if not brief:
        out.print(Text(f"Next: {next_step(row)}"))


def next_step(row: CauseRow) -> str:
    """What a person does about a cause."""
    one = row.cause
    if row.documents and not row.count:
        return "have the source send a whole document; the records before the fault went through"
    again = f"'ics-hub replay --cause {row.id} --canary'"
    if one.answer == "crash":
        return (
            "it ended its worker each time it was tried alone: report it, with 'ics-hub trace'; 'ics-hub set-aside' "
            "lets go what it holds"
        )
    if one.stage in ("inward", "outward"):
        texts = f"'ics-hub failures show {row.id} --reveal REASON'"
        if one.table:
            mend = f"{texts} shows the codes that the table {one.table} lacks; 'ics-hub codes add' adds one"
        else:
            mend = f"mend the mapping, or have the source mended; {texts} shows the texts"
        return mend + (f"; then {again}" if row.count else "; nothing waits for it")
    if row.states.get("parked") and one.answer == "unanswered":
        return (
            f"no answer came, it may have arrived: look whether {one.target} has it; "
            f"if so 'ics-hub set-aside --cause {row.id} --reason WHY', if not {again}"
        )
    if row.states.get("parked"):
        return f"ask who runs {one.target} why it was not taken; then {again}, or 'ics-hub edit' for one record"
    return f"nothing: it is tried again by itself; see that {one.target or 'the target'} answers"


def show_checks(found: Sequence[Result]) -> None:
    """What the doctor found, a line each and what to do below."""
    out = console()
    rows: list[tuple[str, str, str]] = []
    for one in found:
        rows.append((one.state, one.check, one.said))
        if one.todo:
            rows.append(("", "", f"→ {one.todo}"))
    table = grid(rows, ("", "CHECK", "FOUND"))
    for place, style in enumerate([_STYLES.get(row[0], "dim") for row in rows]):
        table.rows[place].style = style
    out.print(table)


__all__ = [
    "failure_facts",
    "message_facts",
    "next_step",
    "queue_line",
    "show_checks",
    "show_failures",
    "show_messages",
    "show_status",
    "status_facts",
]
