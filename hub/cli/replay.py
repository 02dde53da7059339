"""`ics-hub replay`: messages that were parked, or a target's newest records, sent again by the hub that runs.

What is chosen is looked at first, then frozen as a run, and let go at the pace asked for: one alone, if that is wished,
and the rest once it arrived. The same choice, as long as its run is open, is that run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from hub.cli.aside import YES, confirm, named
from hub.cli.asked import Asked, await_outcome, begin, go_on, open_run, predict, rate_of, say_nothing
from hub.cli.opened import CONFIG, HUB_TOML, JSON, opened, put, say
from hub.cli.operate import operator
from hub.errors import DeclarationError

if TYPE_CHECKING:
    from hub.config import Settings
    from hub.store import Store

START = "start"


class Words(TyperGroup):
    """Its first command's name may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words after `replay`, with `start` before them where no other command is named."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named or not args else [START, *args])


app = typer.Typer(cls=Words, no_args_is_help=True, help="Send again what was parked, or a target's newest records.")

RUN = Annotated[int, typer.Argument(metavar="REPLAY", help="Its number in 'replay list'.")]
REASON = Annotated[str, typer.Option(metavar="WHY", help="Why, for the audit.")]
WAIT = Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for its outcome; 0: not at all.")]


@app.command(name=START)
def start(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Messages by number or id, or records as 12:0.")
    ] = None,
    cause: Annotated[int | None, typer.Option(metavar="CAUSE", help="All that a cause of 'failures' keeps.")] = None,
    target: Annotated[str, typer.Option(metavar="LINK", help="Only those for this link.")] = "",
    source: Annotated[str, typer.Option(metavar="LINK", help="Only those from this link.")] = "",
    since: Annotated[str, typer.Option(metavar="WHEN", help="Only those kept since, as 36h, 90d or 2026-03-31.")] = "",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Only those kept before that.")] = "",
    latest: Annotated[
        bool, typer.Option("--latest", help="With --target: every child's newest record, to a new or restored target.")
    ] = False,
    canary: Annotated[bool, typer.Option("--canary", help="Let one go alone, and wait for its outcome.")] = False,
    rate: Annotated[str, typer.Option(metavar="RATE", help="At most so many, as 50/s or 600/min.")] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Only say what would happen.")] = False,
    reason: REASON = "",
    yes: YES = False,
    wait: WAIT = 60.0,
    config: CONFIG = HUB_TOML,
    as_json: JSON = False,
) -> None:
    """Replay what was parked, by cause, link, age or number. (The word 'start' may be left out.)

    The same choice again, while its replay is open, is that replay: after --canary it lets the rest go.
    """
    words: dict[str, Any] = {"cause": cause, "target": target, "source": source, "since": since, "until": until}
    choice = {name: value for name, value in words.items() if value not in ("", None)}
    if latest:
        choice["latest"] = True
        if not target or ids or choice.keys() - {"target", "since", "latest"}:
            raise DeclarationError("--latest goes with --target and, if wished, --since, and with nothing else")
    elif not choice and not ids:
        raise DeclarationError(
            "say what to replay: --cause, --target, --source, --since, --until, or messages by number"
        )
    with opened(config) as (settings, store):
        if ids:
            choice["ids"] = named(store, ids)
        asked = Asked(choice, rate_of(rate), reason.strip(), canary, yes, wait)
        _replay(settings, store, asked, preview, as_json)


def _replay(settings: Settings, store: Store, asked: Asked, only_preview: bool, as_json: bool) -> None:
    """Go on with the run of this choice, or look at what it would do and start one."""
    from hub.cli import outcome, preview

    run = open_run(store, asked)
    found, digest = None, ""
    if run is None:
        found, digest = predict(settings, store, asked)
        if not as_json and (found.items or found.others):
            preview.show(found, asked.rate)
        if only_preview or not preview.count(found):
            if as_json:
                put({"preview": preview.facts(found, asked.rate)})
            raise typer.Exit(0 if only_preview else say_nothing(found))
        run = begin(settings, store, asked, found, digest)
    elif only_preview:
        raise DeclarationError(f"replay {run.id} has this choice already: ics-hub replay show {run.id}")
    else:
        say(f"replay {run.id} of this choice is open: {run.state}")
        run = go_on(settings, store, asked, run)
    run = await_outcome(store, run, asked, as_json)
    if as_json:
        shown = {} if found is None else {"preview": preview.facts(found, asked.rate)}
        put({"run": outcome.told(store, run), **shown})
    outcome.end(run)


@app.command(name="list")
def list_(
    config: CONFIG = HUB_TOML,
    limit: Annotated[int, typer.Option(min=1, help="Most replays shown.")] = 20,
    as_json: JSON = False,
) -> None:
    """List replays, the newest first."""
    from msgspec.structs import asdict

    from hub.cli import outcome

    with opened(config) as (_, store):
        found = store.runs(open_only=False, limit=limit)
    if as_json:
        put([asdict(run) for run in found])
    else:
        outcome.listing(found)


@app.command()
def show(
    run: RUN,
    config: CONFIG = HUB_TOML,
    limit: Annotated[int, typer.Option(min=1, help="Most messages shown.")] = 50,
    as_json: JSON = False,
) -> None:
    """Show a replay: who and why, and what became of each message. Exit code 1 while not all of it went."""
    from hub.cli import outcome

    with opened(config) as (_, store):
        found = store.run(run)
        items = store.run_items(run, limit)
        if as_json:
            put(outcome.told(store, found) | {"messages": outcome.items_facts(items)})
        else:
            outcome.show(store, found)
            outcome.show_items(found, items)
            if found.ended is None and (why := outcome.hindered(store, found)):
                say(why)
    outcome.end(found)


@app.command()
def pause(run: RUN, reason: REASON = "", config: CONFIG = HUB_TOML, as_json: JSON = False) -> None:
    """Let nothing more of a replay go until it is resumed."""
    _change(config, run, "pause", reason, as_json)


@app.command()
def cancel(run: RUN, reason: REASON = "", config: CONFIG = HUB_TOML, as_json: JSON = False) -> None:
    """End a replay: what was not sent yet is parked again as it was; nothing is lost."""
    _change(config, run, "cancel", reason, as_json)


@app.command()
def resume(
    run: RUN,
    reason: REASON = "",
    yes: YES = False,
    wait: WAIT = 60.0,
    config: CONFIG = HUB_TOML,
    as_json: JSON = False,
) -> None:
    """Let a paused replay go on, or one whose canary arrived, or one begun under other mapping files: under today's."""
    from hub.cli import outcome, preview

    with opened(config) as (settings, store):
        found = store.run(run)
        choice = {"target": found.target, "latest": True} if found.target else {}
        asked = Asked(choice, found.rate, reason.strip(), yes=yes, wait=wait)
        digest = ""
        if found.ended is None and found.items.get("frozen"):
            foreseen, digest = predict(settings, store, asked, run)
            if not as_json:
                preview.show(foreseen, found.rate, f"Left of replay {run}: ")
            confirm(found.items["frozen"], "replayed", yes)
        if found.ended is None:
            found = store.change_run(run, "resume", operator(), asked.reason, digest)
        found = await_outcome(store, found, asked, as_json)
        if as_json:
            put({"run": outcome.told(store, found)})
    outcome.end(found)


def _change(config: Any, run: int, act: str, reason: str, as_json: bool) -> None:
    from hub.cli import outcome

    with opened(config) as (_, store):
        before = store.run(run)
        found = store.change_run(run, act, operator(), reason.strip())
        if as_json:
            put(outcome.told(store, found))
            return
        if before.state in ("done", "cancelled"):
            say(f"replay {run} was {before.state} before")
        outcome.show(store, found)


__all__ = ["Words", "app"]
