"""The coverage as text: all systems side by side, or one pair with the reasons."""

from __future__ import annotations

from collections import Counter
from io import StringIO
from typing import Any

from rich.console import Console

from hub.cli.show import WIDE, console, grid

_HOW = {
    "both": "both ways",
    "part": "some items",
    "reads": "only read",
    "writes": "only written",
    "older": "older editions",
    "withheld": "-",
    "nothing": "-",
}
_WHAT = {"carries": "carries", "narrows": "narrows", "loses": "loses", "silent": "not said"}


def _printed(*parts: Any) -> str:
    out = StringIO()
    shown = console()
    writer = Console(
        file=out, width=shown.width if shown.is_terminal else WIDE, highlight=False, no_color=not shown.is_terminal
    )
    for part in parts:
        writer.print(part, markup=False)
    return out.getvalue()


def matrix(found: dict[str, Any]) -> str:
    """Fields down, systems across."""
    names = [one["name"] for one in found["systems"] if not one["whole"]]
    rows = [(one["path"], *(_HOW[one["systems"][name]["how"]] for name in names)) for one in found["fields"]]
    counts = {
        name: sum(one["systems"][name]["how"] not in ("withheld", "nothing") for one in found["fields"])
        for name in names
    }
    total = ", ".join(f"{name} {n}" for name, n in counts.items())
    return _printed(
        grid(rows, ("FIELD OF THE RECORD", *(name.upper() for name in names))),
        f"\n{len(rows)} fields; carried by: {total}",
    )


def pair(found: dict[str, Any], a: str, b: str) -> str:
    """What becomes of each field that A says in B, and why; what A does not say is counted only."""
    outcomes = found["pairs"].get(a, {}).get(b)
    if outcomes is None:
        return f"{a} to {b}: every field that {a} carries comes back as it is.\n"
    rows = [
        (_WHAT[said["what"]], path, "; ".join(said["notes"]))
        for path, said in outcomes.items()
        if said["what"] != "silent"
    ]
    counts = Counter(_WHAT[said["what"]] for said in outcomes.values())
    total = ", ".join(f"{counts[word]} {word}" for word in _WHAT.values())
    return _printed(
        grid(rows, ("OUTCOME", "FIELD OF THE RECORD", "WHY")), f"\n{a} to {b}, {len(outcomes)} fields: {total}"
    )


__all__ = ["matrix", "pair"]
