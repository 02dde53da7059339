"""From what a person asked for to a replay: looked at first, frozen, gone on with, waited for."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from hub.cli.aside import confirm
from hub.cli.opened import many, say
from hub.cli.operate import operator
from hub.errors import DeclarationError

if TYPE_CHECKING:
    from hub.config import Settings
    from hub.pipeline.foresee import Foreseen
    from hub.store import Choice, Run, Store


@dataclass
class Asked:
    """What was asked for. choice: as its words stand; the same words are the same run."""

    choice: dict[str, Any]
    rate: float | None
    reason: str
    canary: bool = False
    yes: bool = False
    wait: float = 60.0

    @property
    def words(self) -> str:
        """The choice as it is typed."""
        said: list[str] = []
        for name, value in self.choice.items():
            if name == "ids":
                said += [str(number) for number in value]
            else:
                said += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        return shlex.join(said)

    @property
    def text(self) -> str:
        """The choice in a text that is always the same."""
        return json.dumps(self.choice, sort_keys=True)


def rate_of(text: str) -> float | None:
    """Messages a second."""
    from hub.config.values import rate

    try:
        return rate(float(text) if text.replace(".", "", 1).isdecimal() else text) if text else None
    except ValueError:
        raise DeclarationError("--rate is messages a second above 0, as 50/s, or as 600/min") from None


def open_run(store: Store, asked: Asked) -> Run | None:
    """The run of this choice, while it is open."""
    from hub.store import HUB

    for run in store.runs():
        if run.state == "cancelled":
            continue
        if "latest" in asked.choice:
            is_same = run.target == asked.choice["target"] and run.who != HUB
        else:
            is_same = run.asked == asked.text
        if is_same:
            return run
    return None


def predict(settings: Settings, store: Store, asked: Asked, run: int | None = None) -> tuple[Foreseen, str]:
    """What would happen, under the mapping files as they are now, and their digest. run: what is left of that one."""
    from hub.cli.show import progress
    from hub.config.build import mapped
    from hub.pipeline.foresee import foresee, foresee_latest
    from hub.pipeline.link import mapping_digest
    from hub.store import Choice

    digest = mapping_digest(settings.links.values())
    links, ring = mapped(settings, store), settings.ring
    with progress("messages") as tick:
        count = (lambda done, of: tick(done)) if tick is not None else None
        if "latest" in asked.choice:
            target, since = asked.choice["target"], choice_of(asked).since
            return foresee_latest(links, store, ring, target, digest, since, count), digest
        choice = choice_of(asked) if run is None else Choice(run=run)
        return foresee(links, store, ring, choice, digest, count), digest


def choice_of(asked: Asked) -> Choice:
    """The choice as the store takes it."""
    from hub.cli.asking import moment_of
    from hub.store import Choice

    said = asked.choice
    since, until = (moment_of(said[name]) if name in said else None for name in ("since", "until"))
    numbers = tuple(said.get("ids", ()))
    return Choice(said.get("cause"), said.get("target", ""), said.get("source", ""), numbers, since, until)


def say_nothing(found: Foreseen) -> int:
    """Say that there is nothing to let go. Exit code 1 while something of the choice is open all the same."""
    say("there is nothing to replay")
    waits = [why for why in found.others if why.startswith("in run ") or why == "on its way"]
    return int(bool(found.items or waits))


def begin(settings: Settings, store: Store, asked: Asked, found: Foreseen, digest: str) -> Run:
    """Freeze what was chosen, once a person at a terminal said how many it is."""
    from hub.cli import preview

    confirm(1 if asked.canary else preview.count(found), "replayed", asked.yes)
    who = operator()
    told: dict[str, Any] = {"mapping": digest, "rate": asked.rate}
    if "latest" in asked.choice:
        target = asked.choice["target"]
        sources = [route.source for route in settings.routes if target in route.targets]
        since = choice_of(asked).since
        run, _ = store.start_latest(target, since, who, asked.reason, canary=asked.canary, sources=sources, **told)
    else:
        first = alone(store, found) if asked.canary else None
        if asked.canary and first is None:
            say("none of them would go: no canary was sent")
            raise typer.Exit(1)
        run, _ = store.start_run(asked.text, preview.going(found), who, asked.reason, canary=first, **told)
    say(f"replay {run.id} started: {many(sum(run.items.values()), 'message')}")
    return run


def alone(store: Store, found: Foreseen) -> int | None:
    """The first message that is to go and that nothing stands before; None: all would stay."""
    fates = {one.number: one.after for one in found.items if one.number is not None}
    standing = store.standing(fates)
    for after in ("sent", "withheld", "superseded"):
        for number, fate in fates.items():
            if fate == after and number in standing and not standing[number].ahead:
                return number
    return None


def go_on(settings: Settings, store: Store, asked: Asked, run: Run) -> Run:
    """Let the rest of a run go whose canary arrived, unless only that was asked for."""
    from hub.cli import outcome
    from hub.pipeline.link import mapping_digest

    if not run.goes_by(mapping_digest(settings.links.values())):
        say(f"the mapping files changed since: 'ics-hub replay resume {run.id}' looks again under those of today")
        raise typer.Exit(1)
    if run.state == "paused":
        say(f"'ics-hub replay resume {run.id}' lets it go on")
        raise typer.Exit(1)
    if run.state == "canary" and not asked.canary:
        run = outcome.wait(store, run, asked.wait, canary=True)
    if run.state == "proven" and not asked.canary:
        confirm(run.items.get("frozen", 0), "replayed", asked.yes)
        run = store.change_run(run.id, "proceed", operator(), asked.reason)
    return run


def await_outcome(store: Store, run: Run, asked: Asked, as_json: bool) -> Run:
    """Wait for a run's outcome, or for that of its canary, and say it."""
    from hub.cli import outcome

    first = run.state in ("canary", "proven")
    if asked.wait and outcome.is_alive(store):
        run = outcome.wait(store, run, asked.wait, canary=first)
    if not as_json:
        outcome.show_canary(store, run, asked.words) if first else outcome.show(store, run)
    if run.ended is None and run.state in ("canary", "running"):
        say(outcome.hindered(store, run) or f"it goes on: ics-hub replay show {run.id}")
    return run


__all__ = ["Asked", "await_outcome", "begin", "go_on", "open_run", "predict", "rate_of", "say_nothing"]
