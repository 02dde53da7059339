"""`ics-hub codes`: the code tables of the links, and one more code in a council's own, checked and recorded."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hub.cli.opened import CONFIG, HUB_TOML, JSON, console, many, opened, put, say
from hub.cli.operate import operator
from hub.errors import DeclarationError

if TYPE_CHECKING:
    from hub.check.adding import Change
    from hub.check.coding import Use, Used
    from hub.config import Settings
    from hub.store import CauseRow, Store

app = typer.Typer(help="Code tables: what they say, and one more code in your council's own.", no_args_is_help=True)

ADAPTER = Annotated[str, typer.Option("--adapter", metavar="ADAPTER", help="As shipped, without any hub.toml.")]
LINK = Annotated[str, typer.Option("--link", metavar="LINK", help="Only as this link of hub.toml has it.")]
TABLE = Annotated[str, typer.Argument(metavar="TABLE", help="Its name, as cin/sex.")]
_WAYS = {"": "both", "in": "only read", "out": "only written"}


@app.command(name="list")
def list_(adapter: ADAPTER = "", link: LINK = "", config: CONFIG = HUB_TOML, as_json: JSON = False) -> None:
    """List the code tables, who uses each, and the national lists of the fields they fill."""
    from hub.cli.show import grid

    found = _found(_uses(adapter, link, config))
    if as_json:
        put([_about(name, used) for name, used in found.items()])
        return
    rows = [
        (one["table"], ", ".join(one["lists"]), f"{one['rows']:,}", ", ".join(one["used_by"]), ", ".join(one["files"]))
        for one in (_about(name, used) for name, used in found.items())
    ]
    console().print(grid(rows, ("TABLE", "NATIONAL LIST", "ROWS", "USED BY", "FILES")) if rows else "no code tables")


@app.command()
def show(
    table: TABLE, adapter: ADAPTER = "", link: LINK = "", config: CONFIG = HUB_TOML, as_json: JSON = False
) -> None:
    """Show the rows of a code table, and where each stands."""
    from hub.check import coding
    from hub.cli.show import grid

    groups = _alike(_named(_found(_uses(adapter, link, config)), table))
    if as_json:
        put([{"used_by": names, "rows": [coding.line(row) for row in used.table.rows]} for used, names in groups])
        return
    out = console()
    for n, (used, names) in enumerate(groups):
        out.print("\n" if n else "", end="")
        out.print(f"{table}, as {', '.join(names)} has it", markup=False)
        rows = [(coding.line(row), coding.means(used, row.ours)) for row in used.table.rows]
        lines = [
            (one["theirs"], one["ours"], means, _WAYS[one["way"]], _editions(one), one["note"],
             f"{one['file']}:{one['line']}")
            for one, means in rows
        ]  # fmt: skip
        out.print(grid(lines, ("THEIRS", "OURS", "MEANS", "WAY", "EDITIONS", "NOTE", "FILE")))


@app.command()
def add(
    table: TABLE,
    theirs: Annotated[str, typer.Argument(metavar="THEIRS", help="The text as the system writes it.")],
    ours: Annotated[str, typer.Argument(metavar="OURS", help="The code of the national list that it means.")],
    link: Annotated[str, typer.Option("--link", metavar="LINK", help="Into the last overlay of this link.")] = "",
    overlay: Annotated[Path | None, typer.Option(help="Into this overlay: one of a link, or a copy to try.")] = None,
    way: Annotated[Literal["in", "out", "both"] | None, typer.Option(help="Default: what fits.")] = None,
    note: Annotated[str, typer.Option(help="Stands beside the code in the file.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Also when the table says otherwise now.")] = False,
    config: CONFIG = HUB_TOML,
    as_json: JSON = False,
) -> None:
    """Put a code into your council's overlay, checked by every mapping that will use it; running hubs take it up."""
    from hub.check.adding import Wanted

    wanted = Wanted(table, theirs, ours, way or "", note.strip(), replace)
    with opened(config) as (settings, store):
        folder, uses = place(settings, table, link, overlay)
        change = _put(settings, store, folder, uses, wanted, reason.strip())
        is_held = any(_holds(use, folder) for use in _links(settings))
        causes = mended(store, table) if is_held else []
    if as_json:
        put(_told(settings, change, uses, causes))
        return
    if change.data is None:
        say(f"{table} has this code already: nothing was changed")
    else:
        what = {"in": "is read", "out": "is written", "both": "is read and written"}[change.way]
        say(f"{_near(settings, change.file)}: the code {what}; used by {', '.join(use.name for use in uses)}")
        for line in change.said:
            say(f"  {line}")
    if not is_held:
        say("no link has this folder among its overlays: 'ics-hub mapping diff OLD NEW' says what it would change")
    for row in causes:
        said = f"cause {row.id}, {many(row.count, 'message')}"
        say(f"may now be mended: {said}: ics-hub replay --cause {row.id} --canary")


def _put(settings: Settings, store: Store, folder: Path, uses: list[Use], wanted: Any, reason: str) -> Change:
    """Check, record and write, while nobody else writes there."""
    from hub.check import adding
    from hub.mapping import sheet

    with sheet.locked(folder):
        change = adding.prepare(uses, folder, wanted)
        if change.data is not None:
            detail = f"table {wanted.table}, file {_near(settings, change.file)}, way {change.way}"
            detail += ", replaced" if wanted.replace else ""
            store.audit(operator(), "codes add", f"{detail}: {reason}" if reason else detail)
            sheet.put(change.file, change.data)
    return change


def place(settings: Settings, table: str, link: str = "", overlay: Path | None = None) -> tuple[Path, list[Use]]:
    """The overlay that a code of a table goes into, and the links that will read it there. DeclarationError says what
    to put into hub.toml, or which option to give, when there is none or more than one."""
    from hub.check.coding import tables

    _links(settings, link)
    everybody = [use for use in _links(settings) if table in tables(use)]
    users = [use for use in everybody if link in ("", use.name)]
    if not users:
        _named(_found(_links(settings, link)), table)
    if overlay is not None:
        if not overlay.is_dir():
            raise DeclarationError("there is no such folder", file=str(overlay))
        held = [use for use in everybody if _holds(use, overlay)]
        return overlay, held or [use._replace(overlays=(*use.overlays[:-1], overlay)) for use in users]
    last = {use.overlays[-1].resolve(): use.overlays[-1] for use in users if use.overlays}
    if not last:
        names = " or ".join(f"[links.{use.name}]" for use in users)
        raise DeclarationError(
            f'no link that uses {table} has an overlay: make a folder, and write overlays = ["FOLDER"] below '
            f"{names} in {settings.file.name}"
        )
    if len(last) > 1:
        several = ", ".join(f"{use.name} ({use.overlays[-1].name})" for use in users if use.overlays)
        raise DeclarationError(f"links with different overlays use {table}: say with --link which: {several}")
    ((_, folder),) = last.items()
    return folder, [use for use in everybody if _holds(use, folder)]


def mended(store: Store, table: str) -> list[CauseRow]:
    """The causes that name a code table and keep messages."""
    return [row for row in store.failures() if row.cause.table == table and row.count]


def _holds(use: Use, folder: Path) -> bool:
    return any(one.resolve() == folder.resolve() for one in use.overlays)


def _links(settings: Settings, link: str = "") -> list[Use]:
    """The links of hub.toml, or one of them."""
    from hub.check.coding import Use

    if link and link not in settings.links:
        raise DeclarationError(f"{settings.file.name} has no link {link!r}; it has: {', '.join(settings.links)}")
    return [Use(one.name, one.adapter, one.overlays) for one in settings.links.values() if link in ("", one.name)]


def _uses(adapter: str, link: str, config: Path) -> list[Use]:
    """Whose tables were asked for: an adapter's, those of the links of hub.toml, without that file all shipped ones."""
    from hub.adapter import shipped
    from hub.check.coding import Use
    from hub.config import load

    if adapter and link:
        raise DeclarationError("--adapter or --link: one of them")
    if adapter:
        return [Use(adapter, adapter)]
    if not link and config == HUB_TOML and not config.exists() and not os.environ.get("ICS_HUB_CONFIG"):
        return [Use(name, name) for name in shipped()]
    return _links(load(config), link)


def _found(uses: Iterable[Use]) -> dict[str, list[Used]]:
    """Every code table of these, by name."""
    from hub.check.coding import tables

    found: dict[str, list[Used]] = {}
    for use in uses:
        for name, used in tables(use).items():
            found.setdefault(name, []).extend(used)
    return dict(sorted(found.items()))


def _named(found: dict[str, list[Used]], table: str) -> list[Used]:
    """One of the tables. DeclarationError names those like it."""
    from hub.check.coding import nearest

    if table not in found:
        close = nearest(table, {name: [name.rpartition("/")[2]] for name in found})
        more = f"; there are: {', '.join(close)}" if close else "; 'ics-hub codes list' shows them"
        raise DeclarationError(f"no mapping here uses a code table {table!r}{more}")
    return found[table]


def _alike(found: list[Used]) -> list[tuple[Used, list[str]]]:
    """Those with the same rows together, with the names of who has them."""
    groups: list[tuple[Used, list[str]]] = []
    for used in found:
        for other, names in groups:
            if other.table.rows == used.table.rows:
                names.append(used.use.name)
                break
        else:
            groups.append((used, [used.use.name]))
    return groups


def _about(name: str, found: list[Used]) -> dict[str, Any]:
    return {
        "table": name,
        "lists": sorted({one for used in found for lists in used.lists for one in lists}),
        "rows": max(len(used.table.rows) for used in found),
        "used_by": list(dict.fromkeys(used.use.name for used in found)),
        "files": list(dict.fromkeys(row.file for used in found for row in used.table.rows)),
    }


def _editions(one: dict[str, str]) -> str:
    parts = [f"since {one['since']}"] if one["since"] else []
    parts += [f"until {one['until']}"] if one["until"] else []
    return ", ".join(parts)


def _told(settings: Settings, change: Change, uses: list[Use], causes: list[CauseRow]) -> dict[str, Any]:
    return {
        "file": _near(settings, change.file), "changed": change.data is not None, "way": change.way,
        "notes": change.said, "links": [use.name for use in uses],
        "causes": [{"id": row.id, "count": row.count} for row in causes],
    }  # fmt: skip


def _near(settings: Settings, file: Path) -> str:
    """A file as hub.toml would name it."""
    home = settings.file.parent.resolve()
    whole = file.resolve()
    return str(whole.relative_to(home)) if whole.is_relative_to(home) else os.path.relpath(whole, home)


def command(table: str, theirs: str, ours: str = "OURS", *options: str) -> str:
    """The line that adds a code, ready for a shell."""
    words = ["ics-hub", "codes", "add", *options, *(["--"] if theirs.startswith("-") else []), table, theirs, ours]
    return shlex.join(words)


__all__ = ["app", "command", "mended", "place"]
