"""The command line. Data and machine output on stdout, prose and progress on stderr.

Exit codes: 0 all went well, 1 something was refused or differs, 2 our files or the call are wrong.
"""

from __future__ import annotations

import copy
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn

import typer

from hub.cli import codes, mapping, operate
from hub.errors import DeclarationError, HubError, fault

if TYPE_CHECKING:
    from hub.wire import Document

app = typer.Typer(
    name="ics-hub",
    help="Carries a child's record between the systems of a council's children's services, losing nothing unannounced.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(mapping.app, name="mapping")
app.add_typer(codes.app, name="codes")


@app.callback()
def _root() -> None:
    """ICS Hub."""


@app.command()
def translate(
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A file, a folder of tables, a .zip, or - for stdin.")],
    from_: Annotated[str, typer.Option("--from", metavar="ADAPTER", help="The system that INPUT comes from.")],
    to: Annotated[str, typer.Option("--to", metavar="ADAPTER", help="The system to write for, or canonical.")],
    overlay: Annotated[list[Path] | None, typer.Option(help="A council's own mappings; may be repeated.")] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="A file, a folder or a .zip; default stdout.")] = "-",
    report: Annotated[Path | None, typer.Option(help="Write the whole report there, as JSON.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse what breaks the published schemas.")] = False,
    edition: Annotated[str, typer.Option(help="Edition of the format to write; default the newest.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout (with -o).")] = False,
    processes: Annotated[
        int, typer.Option(min=0, help="Processes that share a large INPUT; 0: one for each core, at most 4.")
    ] = 0,
) -> None:
    """Translate a document from one system's format into another's, and say what was lost and why."""
    if as_json and output == "-":
        raise DeclarationError("--json needs -o: the records go to stdout already")
    if report is not None and (report.is_dir() or not report.resolve().parent.is_dir()):
        raise DeclarationError("the report cannot be written there", file=str(report))
    from hub import translate as engine
    from hub.cli import show

    document = _document(source)
    out: str | BinaryIO = output if output != "-" else sys.stdout.buffer
    with show.progress() as tick:
        found = engine.translate(
            document,
            from_,
            to,
            out,
            overlays=overlay or (),
            strict=strict,
            edition=edition,
            progress=tick,
            processes=processes or engine.available(),
        )
    told = found.as_dict()
    if report is not None:
        _write(report, told)
    if as_json:
        typer.echo(_json(told))
    else:
        show.summary(told, report is not None)
    raise typer.Exit(0 if found.well else 1)


def _document(source: str) -> Document:
    from hub.wire import Document

    if source != "-":
        return Document.at(source)
    stream = sys.stdin.buffer
    peek: Callable[[int], bytes] = getattr(stream, "peek", lambda n: b"")
    return Document.from_stdin("stdin.zip" if peek(4)[:4] == b"PK\x03\x04" else "stdin", stream)


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _write(path: Path, value: Any) -> None:
    try:
        path.write_text(_json(value) + "\n", encoding="utf-8")
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be written").lower(), file=str(path)) from None


operate.add(app)


def main() -> None:
    """Run the command line; every error is one sentence on stderr, never a traceback and never a value."""
    gc.set_threshold(20_000)  # what is imported stays: to look through it again and again takes longer than to run
    _open_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # what is half written goes, as it does by Ctrl-C
            signal.signal(number, _end)
    try:
        try:
            _called(sys.argv[1:2])()
        finally:
            sys.stdout.flush()
    except DeclarationError as error:
        _stop(error, 2)
    except HubError as error:
        _stop(error, 1)
    except BrokenPipeError:  # whoever reads our output has had enough
        _let_go()
        sys.exit(1)
    except OSError as error:
        _let_go()
        if error.errno is None or not (error.filename or error.errno in _UNWRITABLE):
            _stop(fault(error), 2)
        where = error.filename or "standard output, or the folder for temporary files"
        _stop(f"{where}: {os.strerror(error.errno).lower()}", 2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        _stop(fault(error), 2)


_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EBADF)


def _open_streams() -> None:
    """Open what of the standard streams is closed, or a file of ours has its number; writing to stdout then fails."""
    for number, name, mode in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            made = os.open(os.devnull, mode)
            if made != number:
                os.dup2(made, number)
                os.close(made)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _let_go() -> None:
    """What could not be written to stdout is not tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def _called(first: list[str]) -> typer.Typer:
    """The command line with no more than what the first word names: typer makes every command that it has."""
    one = copy.copy(app)
    one.registered_commands = [made for made in app.registered_commands if [_word(made)] == first]
    one.registered_groups = [group for group in app.registered_groups if [group.name] == first]
    return one if one.registered_commands or one.registered_groups else app


def _word(made: typer.models.CommandInfo) -> str:
    return made.name or str(getattr(made.callback, "__name__", "")).replace("_", "-")


def _stop(error: object, code: int) -> NoReturn:
    sys.stderr.write(f"ics-hub: {error}\n")
    sys.exit(code)


__all__ = ["app", "main"]
