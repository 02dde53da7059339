"""The end of the demo: a record kept back by an unknown code, found, mended and sent, and then what waited behind it.

The hub runs meanwhile, in a process of its own. What it is shown to have done is read from its store.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hub.errors import DeclarationError

if TYPE_CHECKING:
    from carry import Council

RUN = [sys.executable, "-c", "from hub.cli import main; main()", "run"]
LONGEST = 60
"""Seconds that the hub may take for any of it."""
OVERLAY = """extends = "cin_census/child"
version = "2025.1-demo"
carries = "change"
"""
CHILD = re.compile(rb"<Child>.*?</Child>\s*", re.DOTALL)


def mend(council: Council, census: bytes) -> bool:
    """Show it; whether all of it was delivered, in its order."""
    say = council.console.print
    say(
        "[bold]4. One child's referral comes with a code that the census has not, and a day later a change to it[/bold]"
    )
    say("  So far a record was all that is known of a child, and a later one takes the place of one that waits.")
    say('  From now on the overlay local/ says that this source sends changes (carries = "change"): they wait in turn.')
    (council.home / "local" / "cin_census" / "child-changes.toml").write_text(OVERLAY, encoding="utf-8")
    first, second = _two(census)
    with _running(council):
        council.drop("1-referral.xml", first)
        council.drop("2-change.xml", second)
        documents = council.seen().documents + 2
        _until(lambda: council.seen().documents == documents and _count(council, "ready") == 4)
        cause = str(_ask(council, "SELECT max(cause) FROM message WHERE state = 'parked'")[0][0])
        council.call("failures")
        council.call("failures", "show", cause)
        say(
            "\n[bold]5. The council's own copy of the code table is mended, and the hub, which runs, takes it up[/bold]"
        )
        council.call("codes", "add", "cin/referral_source", "3H", "3F", "--reason", "the new housing desk")
        say("\n[bold]6. One message goes first; then the others, and what waited behind each[/bold]")
        well = council.call("replay", "--cause", cause, "--canary") == 0
        well &= council.call("replay", "--cause", cause) == 0
        _until(lambda: not _count(council, "ready") + _count(council, "sending"))
    return well and _shown(council)


def _two(census: bytes) -> tuple[bytes, bytes]:
    """A census of one child with a code that nobody knows, and one in which the child's need was corrected as well."""
    children = CHILD.findall(census)
    if len(children) < 3 or b">3F<" not in children[2] or b">N3<" not in children[2]:
        raise DeclarationError("the sample census is not the one that this was written for")
    begin, end = census.partition(children[0])[0], census.rpartition(children[-1])[2]
    first = children[2].replace(b">3F<", b">3H<")
    return begin + first + end, begin + children[2].replace(b">N3<", b">N4<") + end


@contextmanager
def _running(council: Council) -> Iterator[None]:
    """`ics-hub run`, as it runs day and night."""
    council.console.print("[cyan]$ ics-hub run &[/cyan]")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with (council.home / "run.log").open("wb") as log:
        hub = subprocess.Popen(RUN, cwd=council.home, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            hub.send_signal(signal.SIGTERM)
            hub.wait()


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST
    while not true():
        if time.monotonic() > end:
            raise DeclarationError("the hub did not come to an end with it; run.log in its folder may say why")
        time.sleep(0.1)


def _ask(council: Council, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{council.home / 'hub.db'}?mode=ro", uri=True)) as kept:
        return kept.execute(query).fetchall()


def _count(council: Council, state: str) -> int:
    return int(_ask(council, f"SELECT count(*) FROM message WHERE state = '{state}'")[0][0])


def _shown(council: Council) -> bool:
    """When each target got the first and when the second; whether in this order."""
    last = _ask(council, "SELECT max(id) FROM document")[0][0]
    rows = _ask(
        council,
        "SELECT l.name, a.number, a.ended, b.number, b.ended, a.receipt, b.receipt FROM message a JOIN message b "
        "ON b.target = a.target AND b.state = 'sent' JOIN link l ON l.id = a.target "
        f"WHERE a.document = {last - 1} AND b.document = {last} AND a.state = 'sent' ORDER BY a.number",
    )
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="none")
    for name in ("  To", "The mended one", "What it had held"):
        table.add_column(name)
    for target, one, at, other, later, file, next_file in rows:
        table.add_row(f"  {target}", f"{one} at {_clock(at)}, {file}", f"{other} at {_clock(later)}, {next_file}")
    council.console.print(table)
    well = len(rows) == 4 and all(at <= later and file < after for _, _, at, _, later, file, after in rows)
    told = (
        "every target got both, the mended one first"
        if well
        else "a target did NOT get both in order, which is a fault"
    )
    council.console.print(f"  {told}\n", style="bold green" if well else "bold red")
    return well


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) + f"{at % 1:.2f}"[1:]


__all__ = ["mend"]
