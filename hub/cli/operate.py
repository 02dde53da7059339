"""The commands of those who run the hub: its state, its failures, one message's way, and the store's upkeep."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.opened import CONFIG, HUB_TOML, JSON, many, opened, put, say
from hub.cli.running import run
from hub.errors import DeclarationError

_AGES = {"d": 86_400, "w": 7 * 86_400, "h": 3600}

failures_app = typer.Typer(help="What is parked or waiting, by cause.", invoke_without_command=True)
db = typer.Typer(help="The store's tables.", no_args_is_help=True)
links = typer.Typer(help="Links as the store knows them.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Put the commands into the command line."""
    from hub.cli import aside, audit, edit, keys, prefill, replay

    for watch in (run, status, doctor, trace):
        app.command()(watch)
    for act in (aside.set_aside, aside.restore):
        app.command()(act)
    app.command()(edit.edit)
    app.command()(prefill.prefill)
    for upkeep in (purge, backup):
        app.command()(upkeep)
    app.add_typer(failures_app, name="failures")
    app.add_typer(replay.app, name="replay")
    app.add_typer(db, name="db")
    app.add_typer(links, name="link")
    app.add_typer(keys.app, name="keys")
    app.add_typer(audit.app, name="audit")


def status(config: CONFIG = HUB_TOML, as_json: JSON = False) -> None:
    """Show what waits where, who works, and what is paused. Exit code 1 while something is parked."""
    from hub.cli import overview

    with opened(config) as (settings, store):
        queue, junk = overview.queue_line(settings), store.junk_count()
        if junk:
            queue += f"; {junk:,} that were no messages of ours were moved to the dead queue"
        told = overview.status_facts(store.status(), queue)
    if as_json:
        put(told)
    else:
        overview.show_status(told)
    raise typer.Exit(1 if any(one["parked"] for one in told["targets"]) else 0)


def doctor(config: CONFIG = HUB_TOML, as_json: JSON = False) -> None:
    """Check everything that the hub needs and say what to do. Exit code 1 when a check fails."""
    from dataclasses import asdict

    from hub.cli import overview
    from hub.config import load
    from hub.doctor import FAIL, examine

    found = list(examine(load(config)))
    if as_json:
        put([asdict(one) for one in found])
    else:
        overview.show_checks(found)
    raise typer.Exit(1 if any(one.state == FAIL for one in found) else 0)


def trace(
    message: Annotated[str, typer.Argument(metavar="ID", help="A message's number or id, or a record, as 12:0.")],
    config: CONFIG = HUB_TOML,
    reveal: Annotated[
        str | None, typer.Option(metavar="REASON", help="Show values as well; who and why is recorded first.")
    ] = None,
    parcel: Annotated[
        bool, typer.Option("--parcel", help="With --reveal: the whole file it went in, others' records with it.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Show one message's whole way: received, record, written, attempts, and what did not get there."""
    from hub.cli import asking, following

    if reveal is not None and not reveal.strip():
        raise DeclarationError("--reveal needs a reason in words")
    if parcel and reveal is None:
        raise DeclarationError("--parcel belongs to --reveal REASON")
    with opened(config) as (settings, store):
        found = asking.find(store, message)
        if not found:
            raise DeclarationError(
                f"the store knows no message {asking.shown(message)}: it never had it, or it was purged"
            )
        if reveal is not None:
            seen = sorted({number for one in found for number in following.seen(store, one, whole=parcel)})
            said = f"messages {', '.join(map(str, seen))}: {reveal.strip()}"
            store.audit(operator(), "reveal", said, store.children_of(seen))
        shown = following.Reveal.nothing if reveal is None else following.Reveal(parcel)
        told = [following.collect(settings, store, one, shown) for one in found]
    if as_json:
        put(told)
        return
    for way in told:
        following.show(way)


def operator() -> str:
    """Who calls, by the operating system: the environment is asked only for who became root."""
    user = pwd.getpwuid(os.getuid()).pw_name
    return f"{os.environ['SUDO_USER']} as {user}" if os.getuid() == 0 and os.environ.get("SUDO_USER") else user


@failures_app.callback()
def failures(context: typer.Context, config: CONFIG = HUB_TOML, as_json: JSON = False) -> None:
    """Show why messages are parked or waiting, most first: count, children, held behind them, first and last seen."""
    if context.invoked_subcommand is not None:
        context.obj = config
        return
    from hub.cli import overview

    with opened(config) as (_, store):
        found = store.failures()
    if as_json:
        put([overview.failure_facts(row) for row in found])
    else:
        overview.show_failures(found)
    raise typer.Exit(1 if any(row.states.get("parked") for row in found) else 0)


@failures_app.command(name="show")
def show_failure(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="CAUSE", help="Its number in 'failures'.")],
    config: CONFIG = HUB_TOML,
    limit: Annotated[int, typer.Option(min=1, help="Most messages and documents shown.")] = 50,
    reveal: Annotated[
        str | None, typer.Option(metavar="REASON", help="Show the texts behind it; who and why is recorded first.")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Show the messages of one cause, the documents that it cut short, and what to do next."""
    from hub.cli import asking, overview, revealing

    if reveal is not None and not reveal.strip():
        raise DeclarationError("--reveal needs a reason in words")
    with opened(context.obj if config == HUB_TOML and context.obj else config) as (settings, store):
        row = next((row for row in store.failures() if row.id == number), None)
        if row is None:
            raise DeclarationError(f"no cause {number} has anything open: 'ics-hub failures' lists those that do")
        found, cut = asking.of_cause(store, number, limit), store.documents_of_cause(number, limit)
        texts = None
        if reveal is not None:
            held = revealing.behind(store, row)
            said = f"cause {number}, {many(len(held), 'record')}: {reveal.strip()}"
            store.audit(operator(), "reveal", said, sorted({one.child for one in held}))
            texts = revealing.collect(settings, store, row, held)
    if as_json:
        told = {
            "messages": [overview.message_facts(one) for one in found],
            "unread": [overview.document_facts(one) for one in cut],
            "next": overview.next_step(row),
        }
        put(overview.failure_facts(row) | told | ({} if texts is None else {"revealed": texts}))
    else:
        overview.show_messages(row, found, cut, brief=texts is not None)
        if texts is not None:
            revealing.show(row, texts)


@db.command()
def upgrade(config: CONFIG = HUB_TOML, as_json: JSON = False) -> None:
    """Make the store's tables, or bring them to the newest form. Stop every 'run' first."""
    from hub import store
    from hub.config import load

    settings = load(config)
    now = store.upgrade(settings.store)
    if as_json:
        put({"schema": now})
    else:
        say(f"the store has the newest form: {now}")


@links.command()
def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its name until now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name in hub.toml now.")],
    config: CONFIG = HUB_TOML,
    as_json: JSON = False,
) -> None:
    """Tell the store that a link of hub.toml is called otherwise now. Stop every 'run' first."""
    with opened(config) as (settings, store):
        if new not in settings.links:
            raise DeclarationError(f"{config.name} has no link {new!r}: give it its new name there first")
        if old in settings.links:
            raise DeclarationError(f"{config.name} has a link {old!r} still: give it its new name there first")
        store.rename_link(old, new, operator())
        left = _leave_queue(settings.queue, old)
    if as_json:
        put({"old": old, "new": new, "queue": left})
    else:
        say(f"the store calls {old} {new} now" + (f"; {left}" if left else ""))


def _leave_queue(url: str, target: str) -> str:
    """Remove a broker's queue under the name that a target had; what became of it, "" without one. What lay on it goes
    by the store under the new name."""
    from hub.queue import LOCAL, QueueDown, remove

    if url == LOCAL:
        return ""
    try:
        found = remove(url, target)
    except QueueDown as error:
        return f"its queue hub.{target} is left, and 'ics-hub doctor' names it as long as it is there: {error}"
    return "" if found is None else f"its queue hub.{target} is removed"


def purge(
    config: CONFIG = HUB_TOML,
    older: Annotated[str, typer.Option(metavar="AGE", help="As 90d, 12w or 36h.")] = "90d",
    state: Annotated[list[str] | None, typer.Option(help="Only messages in this state; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: JSON = False,
) -> None:
    """Remove closed messages, and records and documents that nothing needs, past an age.

    What is open is never removed, nor the newest record that a target got of a child.
    """
    from msgspec.structs import asdict

    from hub.store.facts import CLOSED

    match = re.fullmatch(r"(\d+)([dwh])", older)
    if match is None:
        raise DeclarationError("--older is an age, as 90d, 12w or 36h")
    wrong = [one for one in state or () if one not in CLOSED]
    if wrong:
        raise DeclarationError(f"--state is one of: {', '.join(CLOSED)}; what is open is never removed")
    with opened(config) as (_, store):
        gone = store.purge(int(match[1]) * _AGES[match[2]], tuple(state or CLOSED), dry_run=dry_run)
        if not dry_run:
            store.audit(operator(), "purge", f"older than {older}: {gone.messages} messages")
    if as_json:
        put(asdict(gone) | {"dry_run": dry_run})
        return
    parts = [many(gone.messages, "message"), many(gone.records, "record"), many(gone.documents, "document")]
    say(f"{'would be removed' if dry_run else 'removed'}: {', '.join(parts)}")
    if gone.overdue:
        say(f"as old and still open: {many(gone.overdue, 'message')}; 'ics-hub failures' says why")


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    config: CONFIG = HUB_TOML,
    as_json: JSON = False,
) -> None:
    """Copy the store, consistent while the hub runs. The keys are not in it: keep them elsewhere."""
    if file.exists():
        raise DeclarationError("this file is there already: name another", file=str(file))
    with opened(config) as (_, store):
        store.backup(str(file))
        store.audit(operator(), "backup")
    if as_json:
        put({"file": str(file), "bytes": file.stat().st_size})
    else:
        say(f"the store is in {file}, {file.stat().st_size:,} bytes; without the keys it cannot be read")


__all__ = ["add", "operator"]
