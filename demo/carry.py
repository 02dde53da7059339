"""The sample council through a running hub: from a folder, over a queue, to the folders of four systems.

The hub's own commands are called as an operator calls them. What became of the messages is read from its store.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from mend import mend
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hub.cli import app
from hub.errors import DeclarationError
from hub.queue import inspect

ROOT = Path(__file__).resolve().parent.parent
CENSUS = ROOT / "tests" / "samples" / "cin_census" / "northshire-2025.xml"
TARGETS = ("ssd", "dfe", "index", "ours")
STATES = ("sent", "parked", "withheld")
NEITHER = "BROKER is 'rabbitmq' for a node of the demo's own, or the address of one that runs: amqp://USER@HOST/VHOST"
MISSING = (
    "RabbitMQ is not installed; on Debian or Ubuntu, as root: apt-get install --no-install-recommends rabbitmq-server "
    "(or name one that runs: make demo BROKER=amqp://USER:PASSWORD@HOST/VHOST)"
)


class Seen(NamedTuple):
    """What the store has seen so far. messages: by target and state."""

    documents: int
    records: int
    unchanged: int
    messages: Counter[tuple[str, str]]


@contextmanager
def broker(asked: str) -> Iterator[str]:
    """The address of the queue that BROKER asks for, "local" where it asks for none. A node of ours ends with this.

    DeclarationError: it is not installed, does not answer, or is no broker.
    """
    if not asked:
        yield "local"
    elif asked == "rabbitmq":
        try:
            from tests.nodes import NodeError, Rabbit  # the demo runs from the source tree, where the tests are
        except ModuleNotFoundError:
            raise DeclarationError("a RabbitMQ of the demo's own needs the folder 'tests' beside it") from None
        try:
            node = Rabbit()
        except NodeError:
            raise DeclarationError(MISSING) from None
        sys.stderr.write("demo: starting a RabbitMQ of its own, which takes some seconds\n")
        try:
            with node:
                yield node.url
        except NodeError as error:
            raise DeclarationError(str(error)) from None
    elif asked.partition("://")[0] in ("amqp", "amqps"):
        if problem := inspect(asked, ()).problem:
            raise DeclarationError(problem.partition(";")[0])
        yield asked
    else:
        raise DeclarationError(NEITHER)


class Council:
    """A hub in a folder of its own. address: of its queue; toml: its file in this folder; folders: what it needs."""

    def __init__(self, home: Path, address: str, console: Console, toml: str, folders: Iterable[str]) -> None:
        self.home, self.console = home, console
        os.environ["BROKER"] = address  # so that no file holds its password
        told = (ROOT / "demo" / toml).read_text("utf-8")
        if address != "local":
            told = told.replace('queue = "local"', 'queue = "${BROKER}"')
        for folder in folders:
            (home / folder).mkdir(parents=True)
        (home / "hub.toml").write_text(told, encoding="utf-8")

    def call(self, *words: str) -> int:
        """Call one of the hub's commands in its folder, showing it and what it prints. Its exit code."""
        self.console.print(Text(f"$ ics-hub {' '.join(words)}", style="cyan"))
        printed = io.StringIO()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            # In this process: each start of another would take a second.
            with contextlib.chdir(self.home), redirect_stdout(printed), redirect_stderr(printed):
                code = int(app(list(words), standalone_mode=False) or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for line in printed.getvalue().splitlines():
                self.console.print(Text(f"  {line.rstrip()}", style="dim"), overflow="ellipsis", no_wrap=True)
        return code

    def drop(self, name: str, data: bytes) -> None:
        """Give the hub a document as another system does: written under a name that is left alone, then renamed."""
        part = self.home / "in" / "ics" / f"{name}.part"
        part.write_bytes(data)
        part.rename(part.with_suffix(""))

    def seen(self) -> Seen:
        """What the store has seen."""
        kept = sqlite3.connect(f"file:{self.home / 'hub.db'}?mode=ro", uri=True)
        try:
            documents, unchanged = kept.execute("SELECT count(*), coalesce(sum(unchanged), 0) FROM document").fetchone()
            records = kept.execute("SELECT count(*) FROM record").fetchone()[0]
            rows = kept.execute(
                "SELECT l.name, m.state, count(*) FROM message m JOIN link l ON l.id = m.target GROUP BY 1, 2"
            )
            return Seen(documents, records, unchanged, Counter({(target, state): n for target, state, n in rows}))
        finally:
            kept.close()

    def files(self) -> dict[str, str]:
        """Every file given to a target, with a digest of its bytes."""
        given = [path for path in (self.home / "out").glob("*/*") if path.is_file()]
        return {str(path.relative_to(self.home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in given}


def carry(out: Path, address: str, console: Console) -> bool:
    """Carry the council through a hub in `out` and show it; whether all went as it should."""
    over = "inside one process" if address == "local" else "over RabbitMQ"
    console.print(f"[bold]The same council through a running hub, {over}[/bold]\n")
    folders = ("local/cin_census", "in/ics", *(f"out/{target}" for target in TARGETS))
    council = Council(out, address, console, "hub.toml", folders)
    council.call("keys", "new")
    council.call("db", "upgrade")
    census = CENSUS.read_bytes()
    council.drop("census.xml", census)
    well = _turn(council, "1. The census comes into in/ics", 0)
    before = council.files()
    council.drop("census.xml", census)
    council.drop("the-same-census.xml", census)
    well &= _turn(council, "2. The same census comes in twice more", 0)
    same = council.files() == before
    told = "no target has another file or another byte" if same else "a target's files CHANGED, which is a fault"
    console.print(f"  {told}\n", style="bold green" if same else "bold red")
    council.drop("next.xml", _edited(census))
    well &= _turn(council, "3. The next one: one child's sex is corrected, another's birth date is no date", 1)
    council.call("failures")
    council.call("status")
    console.print()
    return mend(council, census) and well and same


def _turn(council: Council, title: str, code: int) -> bool:
    """Run the hub until nothing more can be done, and show what that changed; whether it ended as it should."""
    council.console.print(f"\n[bold]{title}[/bold]")
    before, files = council.seen(), council.files()
    well = council.call("run", "--once") == code
    after, given = council.seen(), council.files()
    council.console.print(
        f"  documents: {after.documents - before.documents}; records: {after.records - before.records} new, "
        f"{after.unchanged - before.unchanged} unchanged"
    )
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="none")
    for name in ("  Messages to", *(state.capitalize() for state in STATES), "Files written"):
        table.add_column(name, justify="left" if name in ("  Messages to", "Files written") else "right")
    for target in TARGETS:
        counts = [after.messages[target, state] - before.messages[target, state] for state in STATES]
        new = sorted(name for name in given.keys() - files.keys() if name.startswith(f"out/{target}/"))
        table.add_row(f"  {target}", *(str(n or "-") for n in counts), ", ".join(new) or "-")
    council.console.print(table)
    return well


def _edited(census: bytes) -> bytes:
    """The census as it might come the next day."""
    changed = census.replace(b"<Sex>U</Sex>", b"<Sex>F</Sex>", 1)
    spoilt = changed.replace(b"<PersonBirthDate>2018-09-30<", b"<PersonBirthDate>2018-09-31<", 1)
    if len({census, changed, spoilt}) < 3:
        raise DeclarationError("the sample census is not the one that this was written for", file=CENSUS.name)
    return spoilt


__all__ = ["Council", "broker", "carry"]
