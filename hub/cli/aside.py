"""`ics-hub set-aside` and `restore`: taken out of line by a person, and put back where nothing later went meanwhile."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.opened import CONFIG, HUB_TOML, JSON, console, many, opened, put, say
from hub.cli.operate import operator
from hub.errors import DeclarationError

if TYPE_CHECKING:
    from hub.store import Acted, Store

SHOWN = 20
"""Most refusals shown."""
ASIDE, STANDS = "it is set aside already", "it is in line already"

IDS = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Messages by number or id, or records as 12:0.")
]
REASON = Annotated[str, typer.Option(metavar="WHY", help="Why, in words; it is recorded.")]
YES = Annotated[bool, typer.Option("--yes", help="Do not ask, however many there are.")]


def set_aside(
    ids: IDS = None,
    reason: REASON = "",
    cause: Annotated[int | None, typer.Option(metavar="CAUSE", help="All that a cause of 'failures' keeps.")] = None,
    yes: YES = False,
    config: CONFIG = HUB_TOML,
    as_json: JSON = False,
) -> None:
    """Close open messages without sending them. What stands behind them goes on; 'restore' brings them back."""
    from hub.store import Choice

    why = _why(reason)
    if bool(ids) == (cause is not None):
        raise DeclarationError("name messages by number, id or record, or --cause with its number in 'failures'")
    with opened(config) as (_, store):
        numbers = store.choose(Choice(cause=cause)).items if cause is not None else named(store, ids or [])
        if not numbers:
            say(f"cause {cause} keeps nothing: nothing was set aside")
            return
        confirm(len(numbers), "set aside", yes)
        behind = len(store.standing(numbers).keys() - set(numbers))
        done = store.set_aside(numbers, operator(), why)
        already = {number for number in done.refused if _state(store, number) == "set aside"}
    held = f"; {many(behind, 'message')} behind them" if behind and done.done else ""
    _tell(done, dict.fromkeys(already, ASIDE), "set aside", held, as_json)


def restore(ids: IDS = None, reason: REASON = "", config: CONFIG = HUB_TOML, as_json: JSON = False) -> None:
    """Put messages that were set aside back into their places, unless a later one of the child was sent there since."""
    from hub.store.facts import OPEN

    why = _why(reason)
    if not ids:
        raise DeclarationError("name messages by number, id or record")
    with opened(config) as (_, store):
        done = store.restore(named(store, ids), operator(), why)
        already = {number for number in done.refused if _state(store, number) in OPEN}
    _tell(done, dict.fromkeys(already, STANDS), "restored", "", as_json)


def named(store: Store, ids: Iterable[str]) -> list[int]:
    """The numbers of the messages that are meant, each once. DeclarationError for one that the store does not know."""
    from hub.cli import asking

    found: set[int] = set()
    for name in ids:
        numbers = asking.numbers(store, name)
        if not numbers:
            raise DeclarationError(f"the store knows no message {asking.shown(name)}: nothing was done")
        found.update(numbers)
    return sorted(found)


def confirm(count: int, verb: str, yes: bool, most: int = 100) -> None:
    """Of more than `most` messages have a person at a terminal type the number; a program is not asked."""
    if yes or count <= most or not sys.stdin.isatty():
        return
    asked = f"{count:,} messages: type the number to have them {verb}"
    typed = typer.prompt(asked, default="", show_default=False, err=True)
    if typed.replace(",", "").strip() != str(count):
        raise DeclarationError("that is not their number: nothing was done")


def _why(reason: str) -> str:
    if not reason.strip():
        raise DeclarationError("say why with --reason, in words: it is recorded")
    return reason.strip()


def _state(store: Store, number: int) -> str:
    return store.trace(number).state if store.find(str(number)) is not None else ""


def _tell(done: Acted, already: dict[int, str], verb: str, more: str, as_json: bool) -> None:
    """What was done, what was so already, and what could not be done and why. Exit code 1 with the last."""
    from hub.cli.show import grid

    refused = {number: why for number, why in done.refused.items() if number not in already}
    if as_json:
        put({"done": done.done, "already": sorted(already), "refused": {str(n): why for n, why in refused.items()}})
        raise typer.Exit(1 if refused else 0)
    if done.done:
        say(f"{verb}: {many(len(done.done), 'message')}{more}")
    for why, count in Counter(already.values()).items():
        say(f"{many(count, 'message')}: {why}")
    if refused:
        rows = [(str(number), why) for number, why in sorted(refused.items())[:SHOWN]]
        console().print(grid(rows, ("NUMBER", "NOT DONE, FOR")))
        if len(refused) > len(rows):
            say(f"and {len(refused) - len(rows):,} more")
    raise typer.Exit(1 if refused else 0)


__all__ = ["confirm", "named", "restore", "set_aside"]
