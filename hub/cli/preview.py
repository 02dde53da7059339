"""What a replay would do, told before it is done: counts by target, what else goes free, what cannot go and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.text import Text

from hub.cli.following import cause, words
from hub.cli.opened import console, many, span
from hub.cli.show import grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.pipeline.foresee import Coming, Foreseen

GOING = ("sent", "withheld", "superseded")
"""What becomes of a message that is let go and does not come back."""
SHOWN = 10
"""Most reasons shown."""


def count(found: Foreseen) -> int:
    """How many a run is to hold."""
    return sum(one.after != "held" for one in found.items)


def going(found: Foreseen) -> list[int]:
    """The messages that a run is to hold: all but those that stand behind others which stay where they are."""
    return [one.number for one in found.items if one.number is not None and one.after != "held"]


def facts(found: Foreseen, rate: float | None) -> dict[str, Any]:
    """A preview for a program."""
    after = Counter(one.after for one in found.items)
    return {
        "messages": len(found.items), "children": found.children, "after": dict(after),
        "also": dict(Counter(one.after for one in found.also)), "others": dict(found.others),
        "targets": {name: dict(counts) for name, counts in _targets(found.items).items()},
        "stays": [{"cause": cause(why), "after": after, "messages": n} for (after, why), n in _stays(found.items)],
        "may_have_arrived": sum(one.arrived for one in found.items), "seconds": seconds(count(found), rate),
        "items": [
            {"number": one.number, "target": one.target, "after": one.after, "before": cause(one.cause),
             "cause": cause(one.then)}
            for one in found.items
        ],
    }  # fmt: skip


def seconds(count: int, rate: float | None) -> float | None:
    """How long letting go of so many takes; None: as long as the targets take."""
    return count / rate if rate else None


def pace(rate: float) -> str:
    """Messages a second as they are typed: `50/s`, `6/min`."""
    return f"{rate:g}/s" if rate >= 1 else f"{rate * 60:g}/min"


def show(found: Foreseen, rate: float | None, title: str = "Replay of ") -> None:
    """A preview as text."""
    out = console()
    out.print(Text(f"{title}{many(len(found.items), 'message')}, {many(found.children, 'child')}", style="bold"))
    heads = ("sent", "withheld", "superseded", "parked", "held")
    rows = [(name, *(f"{counts[one]:,}" for one in heads)) for name, counts in sorted(_targets(found.items).items())]
    if rows:
        out.print(grid(rows, ("TARGET", "SENT", "WITHHELD", "SUPERSEDED", "PARKED AGAIN", "HELD")))
    for line in lines(found, rate):
        out.print(Text(line))


def lines(found: Foreseen, rate: float | None) -> Iterator[str]:
    """What a preview says below its table."""
    for (after, why), n in _stays(found.items)[:SHOWN]:
        said = f": {words(cause(why))}" if why else ""
        yield f"{many(n, 'message')} would be {'parked again' if after == 'parked' else 'held behind others'}{said}"
    free = Counter(one.after for one in found.also)
    if goes := sum(free[one] for one in GOING):
        yield f"also released, held behind them until now: {many(goes, 'message')}"
    if stays := sum(free.values()) - goes:
        yield f"behind them, and still not going: {many(stays, 'message')}"
    if arrived := sum(one.arrived for one in found.items):
        yield f"{many(arrived, 'message')} may have arrived: the same bytes go again, under the same key"
    for why, n in sorted(found.others.items()):
        yield f"{n:,} left as {'it is' if n == 1 else 'they are'}: {why}"
    took = seconds(count(found), rate)
    if rate and took is not None:
        yield f"at {pace(rate)}: about {span(max(took, 1))}"


def _targets(items: Sequence[Coming]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for one in items:
        found.setdefault(one.target, Counter())[one.after] += 1
    return found


def _stays(items: Sequence[Coming]) -> list[tuple[tuple[str, Any], int]]:
    """What does not go, by why, most first."""
    found = Counter((one.after, one.then) for one in items if one.after not in GOING)
    return found.most_common()


__all__ = ["GOING", "count", "facts", "going", "lines", "seconds", "show"]
