"""`ics-hub audit`: who did and who saw what, and where a child's data went. No value of a record is shown."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import asdict

from hub.cli import asking
from hub.cli.opened import CONFIG, HUB_TOML, JSON, console, many, moment, opened, put, say
from hub.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hub.config import Settings
    from hub.store import Store
    from hub.store.audit import Entry
    from hub.store.lineage import Kin

app = typer.Typer(help="Who did what, who saw which child, and where a child's data went.", no_args_is_help=True)

CHILD = Annotated[
    str, typer.Argument(metavar="[CHILD]", help="A child's key as 'trace' shows it, a message, or a record, as 12:0.")
]
LINK = Annotated[
    str, typer.Option(metavar="NAME", help="Instead of CHILD: read the id this link gives the child from stdin.")
]


@app.command()
def verify(
    config: CONFIG = HUB_TOML,
    since: Annotated[str, typer.Option(metavar="DIGEST", help="Also prove that this digest is in the chain.")] = "",
    as_json: JSON = False,
) -> None:
    """Check that no entry was changed or taken away, and print the last digest. Exit code 1 when one was."""
    mark = since.strip().lower()
    if mark and not re.fullmatch(r"[0-9a-f]{16,64}", mark):
        raise DeclarationError("--since is a digest, or its first 16 digits or more, as 'audit verify' printed it")
    with opened(config) as (_, store):
        found = store.verify_audit(mark)
    well = found.broken is None and (not mark or found.since is not None)
    if as_json:
        put(asdict(found) | {"well": well})
        raise typer.Exit(0 if well else 1)
    if found.broken is not None:
        say(f"entry {found.broken} does not follow from those before it: it or one before was changed or taken away")
    elif not well:
        say("the chain holds, but no entry in it has that digest: it was written anew, or cut off and continued")
    else:
        typer.echo(found.last) if found.last else None
        say(f"{many(found.entries, 'entry')}, each follows from those before it")
        say(f"entry {found.since} has the digest asked for" if mark else _NOTE)
    raise typer.Exit(0 if well else 1)


_NOTE = (
    "Note the digest down where nobody who can write to the database can: 'audit verify --since DIGEST' then proves it."
)


@app.command(name="list")
def listing(
    config: CONFIG = HUB_TOML,
    since: Annotated[str, typer.Option(metavar="WHEN", help="As 90d, 36h, or 2026-03-31.")] = "",
    act: Annotated[str, typer.Option(help="Only this act, as reveal.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most entries shown.")] = 50,
    as_json: JSON = False,
) -> None:
    """Show what was entered, the newest first."""
    start = asking.moment_of(since) if since else 0.0
    with opened(config) as (_, store):
        found = store.audit_entries(since=start, act=act, limit=limit)
    if as_json:
        put([asdict(one) for one in found])
    else:
        _show(found, "nothing was entered")


@app.command(name="who-saw")
def who_saw(child: CHILD = "", config: CONFIG = HUB_TOML, link: LINK = "", as_json: JSON = False) -> None:
    """Show who was shown a child's values, or acted on its messages, when and why; the newest first."""
    with _asked(config, child, link) as (_, store, kin):
        found = store.audit_of(kin.keys)
    if as_json:
        put({"child": _names(kin), "entries": [asdict(one) for one in found]})
    else:
        _show(found, "nobody was shown this child's values, and nobody acted on its messages")


@app.command(name="where-sent")
def where_sent(child: CHILD = "", config: CONFIG = HUB_TOML, link: LINK = "", as_json: JSON = False) -> None:
    """Show what of a child went to which target and when, what did not and why, and what is still on its way."""
    from hub.cli import disclosing

    with _asked(config, child, link) as (settings, store, kin):
        told = {"child": _names(kin)} | disclosing.collect(settings, store, kin)
    if as_json:
        put(told)
    else:
        disclosing.show(told)


@contextmanager
def _asked(config: Path, child: str, link: str) -> Iterator[tuple[Settings, Store, Kin]]:
    """The child meant. Its id at a link comes on stdin: on the command line it would stay in the shell's history."""
    if bool(child) == bool(link):
        raise DeclarationError("name a child by its key, message or record; or --link, with its id there on stdin")
    own = ""
    if link:
        if sys.stdin.isatty():
            say(f"The id that {link} gives the child:")
        own = sys.stdin.readline().strip()
        if not own:
            raise DeclarationError("--link reads the child's id from standard input, and there was none")
    with opened(config) as (settings, store):
        yield settings, store, asking.child(settings, store, child, link, own)


def _names(kin: Kin) -> list[str]:
    return sorted(name.hex() for name in kin.keys.values())


def _show(found: list[Entry], none: str) -> None:
    from hub.cli.show import grid

    rows: list[Any] = [
        (str(one.id), moment(one.at), one.who, one.act, f"{one.children:,}" if one.children else "", one.detail)
        for one in found
    ]
    console().print(grid(rows, ("ENTRY", "WHEN", "WHO", "ACT", "CHILDREN", "WHAT AND WHY")) if rows else none)


__all__ = ["app"]
