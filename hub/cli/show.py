"""What a person reads: summaries on stderr, tables on stdout. Nothing here decides anything."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

TOP = 8
"""Most lines of one kind in a summary."""
WIDE = 160
"""Columns where the output is no terminal."""
REDRAWN = 0.1
"""Seconds between two looks of a counter."""


def console(error: bool = False) -> Console:
    """A console for stdout or stderr; wide where nobody looks at it directly."""
    stream = sys.stderr if error else sys.stdout
    return Console(stderr=error, width=None if stream.isatty() else WIDE, highlight=False, soft_wrap=False)


def grid(rows: Iterable[Sequence[str]], heads: Sequence[str] = (), title: str = "") -> Table:
    """Rows in columns without lines around them; the last column takes what is left."""
    table = Table(box=None, pad_edge=False, show_header=bool(heads), header_style="bold", title=title or None)
    held = [list(row) for row in rows]
    for n in range(len(heads) or max(map(len, held), default=0)):
        table.add_column(heads[n] if heads else "", overflow="fold")
    for row in held:
        table.add_row(*(Text(cell) for cell in row))
    return table


@contextmanager
def progress(what: str = "records") -> Iterator[Callable[[int], None] | None]:
    """A counter on stderr while it is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(f"{{task.completed:,.0f}} {what}"), TimeElapsedColumn())
    # without a thread that draws: translating may make copies of this process
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(what, total=None)
        drawn = time.monotonic()

        def tick(n: int) -> None:
            nonlocal drawn
            if time.monotonic() - drawn > REDRAWN:
                bar.update(task, completed=n, refresh=True)
                drawn = time.monotonic()

        yield tick


def summary(report: dict[str, Any], whole: bool) -> None:
    """A translation in short: counts, refusals by place, what was lost and why. whole: a file has the rest."""
    out = console(error=True)
    counts = report["counts"]
    line = f"{report['from']} to {report['to']}: {counts['read']:,} records read, {counts['written']:,} written"
    out.print(Text(line + (f", {counts['refused']:,} refused" if counts["refused"] else ""), style="bold"))
    totals = [f"{n:,} {_list(path)}" for path, n in sorted(report["totals"].items(), key=lambda one: -one[1])]
    if totals:
        out.print(
            Text(
                "  with " + ", ".join(totals[:10]) + (f" and {len(totals) - 10} more lists" if len(totals) > 10 else "")
            )
        )
    _causes(out, "Refused", report["refusals"], "red")
    _causes(out, "Breaks the published schema, and nothing was written", report["problems"], "red")
    _account(out, report["account"])
    _lines(out, "Noticed", [(f"{one['count']:,}", one["kind"], _row(one), one["place"]) for one in report["findings"]])
    _lines(out, "Not known to the mapping", [(f"{one['count']:,}", one["path"]) for one in report["drift"]])
    _lines(out, "Columns that are not there", [(table, ", ".join(lacks)) for table, lacks in report["missing"].items()])
    if report["stopped"]:
        said = report["stopped"]
        words = ": ".join(said[name] for name in ("file", "place", "row", "reason") if said.get(name))
        out.print(Text(f"Stopped: {words}", style="bold red"))
    if not counts["written"] and (counts["refused"] or report["stopped"] or report["problems"]):
        out.print(Text("Nothing was written.", style="bold red"))
    if not whole and (len(report["account"]) > TOP or len(report["refusals"]) > TOP):
        out.print(Text("--report FILE names them all.", style="dim"))


def _list(path: str) -> str:
    parts = path.replace("[]", "").split(".")
    return parts[-1].replace("_", " ") if len(parts) < 3 else " ".join(parts[-2:]).replace("_", " ")


def _row(one: dict[str, Any]) -> str:
    return " ".join(part for part in (one["row"], one["table"]) if part)


def _causes(out: Console, title: str, causes: list[dict[str, Any]], style: str) -> None:
    if not causes:
        return
    out.print(Text(title, style=f"bold {style}"))
    for one in causes[:TOP]:
        what = ": ".join(part for part in (one["row"], one["table"], one["reason"]) if part)
        places = one["places"]
        named = "; ".join(places[:5]) + (f"; and {one['count'] - 5} more" if one["count"] > 5 else "")
        out.print(Text(f"  {named}: {what}" if named else f"  {what}"))
    if len(causes) > TOP:
        out.print(Text(f"  and {len(causes) - TOP} more causes", style="dim"))


def _account(out: Console, account: list[dict[str, Any]]) -> None:
    """What did not get there as it is, a block for each kind."""
    for what in dict.fromkeys(one["what"] for one in account):
        held = [one for one in account if one["what"] == what]
        title = f"{what[:1].upper()}{what[1:].replace('_', ' ')}"
        _lines(out, title, [(f"{one['count']:,}", one["path"], one["reason"]) for one in held])


def _lines(out: Console, title: str, rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    out.print(Text(title, style="bold"))
    table = Table(box=None, show_header=False, pad_edge=True)
    table.add_column(justify="right")
    for _ in rows[0][1:]:
        table.add_column(overflow="fold")
    for row in rows[:TOP]:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table)
    if len(rows) > TOP:
        out.print(Text(f"  and {len(rows) - TOP} more", style="dim"))


__all__ = ["console", "grid", "progress", "summary"]
