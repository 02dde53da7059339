"""`ics-hub mapping`: check declared files, show what systems carry, explain rows, try a file."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.opened import CONFIG, HUB_TOML
from hub.errors import DeclarationError

if TYPE_CHECKING:
    from hub.check import Fault
    from hub.coverage import System

app = typer.Typer(help="Check, compare and explain mappings.", no_args_is_help=True)

Overlay = Annotated[list[Path] | None, typer.Option("--overlay", help="A council's own mappings; may be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


class Form(StrEnum):
    """How the coverage is shown."""

    table = "table"
    json = "json"
    html = "html"


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


@app.command()
def check(
    adapters: Annotated[list[str] | None, typer.Argument(metavar="[ADAPTER]...", help="Default: all shipped.")] = None,
    samples: Annotated[list[Path] | None, typer.Option(help="A document of the adapter; may be repeated.")] = None,
    overlay: Overlay = None,
    records: Annotated[int, typer.Option(min=0, help="How many records are made up for the laws.")] = 1000,
    update: Annotated[bool, typer.Option("--update", help="Write accounts and golden files anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find everything that is wrong with mappings: declarations, code tables, accounts, examples, samples, laws."""
    from hub import check as checks
    from hub.adapter import shipped

    names = adapters or ([] if samples else shipped())
    found: list[Fault] = []
    if samples and len(names) != 1:
        raise DeclarationError("samples belong to one adapter: name it")
    if not adapters and not samples:
        found += checks.strays()
    for name in names:
        faults = checks.check([name], overlay or (), samples or (), records, update=update)
        found += faults
        if not as_json:
            typer.echo(f"{name}: {_verdict(len(faults), records)}")
            for fault in faults:
                typer.echo(f"  {fault.kind}: {fault}")
    if as_json:
        typer.echo(_json([fault._asdict() for fault in found]))
    if any(fault.kind == "declaration" for fault in found):
        raise typer.Exit(2)
    raise typer.Exit(1 if found else 0)


def _verdict(n: int, records: int) -> str:
    if not n:
        return f"all well (accounts, samples, examples, laws on {records:,} made-up records)"
    return "1 fault" if n == 1 else f"{n:,} faults"


@app.command()
def coverage(
    from_: Annotated[str, typer.Option("--from", metavar="A", help="With --to: what becomes of A's fields in B.")] = "",
    to: Annotated[str, typer.Option("--to", metavar="B")] = "",
    overlay: Overlay = None,
    form: Annotated[Form, typer.Option("--format", help="table, json, or html: one page for a meeting.")] = Form.table,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file; default stdout.")] = None,
) -> None:
    """Show what each system carries of the record, or what A to B carries, narrows and loses, and why."""
    from hub.coverage import table

    if bool(from_) != bool(to):
        raise DeclarationError("--from and --to belong together")
    systems, left_out = _systems(from_, to, overlay or [], form)
    found = table(systems)
    for reason in left_out:
        sys.stderr.write(f"ics-hub: left out: {reason}\n")
    if form is Form.html:
        from hub.coverage.page import page

        _put(page(found, from_, to), output)
    elif form is Form.json:
        _put(_json(found | ({"from": from_, "to": to} if from_ else {})) + "\n", output)
    else:
        from hub.cli import tables

        _put(tables.pair(found, from_, to) if from_ else tables.matrix(found), output)
    raise typer.Exit(2 if left_out else 0)


def _systems(a: str, b: str, overlays: list[Path], form: Form) -> tuple[list[System], list[str]]:
    """The systems asked for, or all shipped; those whose mapping does not load are named and left out."""
    from hub.adapter import shipped
    from hub.coverage import system

    if a and form is not Form.html:
        return [system(name, overlays) for name in dict.fromkeys((a, b))], []
    found, left_out = [], []
    for name in dict.fromkeys([*shipped(), *filter(None, (a, b))]):
        try:
            found.append(system(name, overlays))
        except DeclarationError as error:
            if name in (a, b):
                raise
            left_out.append(f"{name}: {error}")
    return found, left_out


def _put(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be written").lower(), file=str(output)) from None


@app.command()
def explain(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER")],
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="A field of the record, such as person.gender.")] = "",
    overlay: Overlay = None,
    code: Annotated[bool, typer.Option("--code", help="Print the Python that is made from the mapping.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the merged mapping with the file each row comes from; with PATH, all about one field."""
    from hub.cli import explaining

    overlays = overlay or []
    if code:
        typer.echo(explaining.source(adapter, overlays))
    elif as_json:
        typer.echo(_json(explaining.leaf(adapter, path, overlays) if path else explaining.rows(adapter, overlays)))
    elif path:
        explaining.print_leaf(explaining.leaf(adapter, path, overlays))
    else:
        explaining.print_rows(explaining.rows(adapter, overlays))


@app.command()
def diff(
    folders: Annotated[list[str], typer.Argument(metavar="[OLD] NEW", help="Overlay folders; 'shipped' for none.")],
    link: Annotated[str, typer.Option("--link", metavar="LINK", help="Only this link; OLD may be left out.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Most records named.")] = 20,
    config: CONFIG = HUB_TOML,
    as_json: AsJson = False,
) -> None:
    """Say which kept records would come out differently with NEW in OLD's place, where and in which fields.

    Nothing is changed and nothing is sent. Exit code 1 when something would differ.
    """
    from hub.cli import differing
    from hub.cli.opened import opened, put

    with opened(config) as (settings, store):
        old, new = differing.sides(settings, store, folders, link)
        told = differing.collect(settings, store, old, new, limit)
    if as_json:
        put(told)
    else:
        differing.show(told)
    raise typer.Exit(1 if told["differences"] else 0)


@app.command(name="try")
def try_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A document; its first record is read.")],
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="Only rows of this field, ours or theirs.")] = "",
    adapter: Annotated[str, typer.Option("--adapter", metavar="ADAPTER")] = "",
    overlay: Overlay = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the values as well.")] = False,
) -> None:
    """Read the first record of a document and say, row by row, what was there and what became of it."""
    from hub.check import trial
    from hub.cli import show
    from hub.wire import Document

    if not adapter:
        raise DeclarationError("--adapter says whose document it is")
    found = trial.trial(Document.at(file), adapter, overlay or ())
    wanted = path.replace("[]", "")
    lines = [
        one
        for one in found.lines
        if not wanted or wanted in one.row.replace("[]", "") or wanted in one.cell.replace("[]", "")
    ]
    heads = ("ROW", "THEIR FIELD", "TEXT", "VALUE", "OUTCOME")
    rows = [
        (one.row, one.cell, *((one.said, one.means) if reveal else (one.text, one.value)), one.outcome) for one in lines
    ]
    out = show.console()
    out.print(f"{adapter}, {found.place}, edition {found.edition or 'the only one'}")
    out.print(show.grid(rows, heads) if rows else "no row of that name")
    for line in found.notes:
        out.print(line, markup=False)
    raise typer.Exit(1 if found.refused else 0)
