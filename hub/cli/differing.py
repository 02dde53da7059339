"""`mapping diff`: whose overlays are meant, what would come out differently counted up, and as text. No values."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.following import cause, words
from hub.cli.opened import console, many
from hub.cli.show import grid, progress
from hub.errors import DeclarationError

if TYPE_CHECKING:
    from hub.config import LinkSettings, Settings
    from hub.pipeline.differ import Difference
    from hub.pipeline.link import Link
    from hub.store import Store

SHIPPED = "shipped"
_SAID = {
    "differs": "would differ",
    "refused": "would be refused",
    "readable": "would go, now refused",
    "withheld": "would have nothing left to send",
    "sent": "would go, now nothing is left",
}
_FIELDS = 30
"""Most fields of a target shown as text."""


def sides(settings: Settings, store: Store, folders: list[str], link: str) -> tuple[dict[str, Link], dict[str, Link]]:
    """The links as they are, and with another overlay. folders: old and new, or new alone for the last of `link`.

    DeclarationError when no link has the old one, or the new one does not load.
    """
    from hub.config.build import mapped
    from hub.mapping import load

    if not 1 <= len(folders) <= 2 or (len(folders) == 1 and not link):
        raise DeclarationError("name two folders, OLD and NEW; or NEW alone with --link LINK")
    if link and link not in settings.links:
        raise DeclarationError(f"{settings.file.name} has no link {link!r}; it has: {', '.join(settings.links)}")
    for folder in folders:
        if folder != SHIPPED and not Path(folder).is_dir():
            raise DeclarationError(f"there is no such folder; {SHIPPED!r} stands for none", file=folder)
    chosen = [one for one in settings.links.values() if link in ("", one.name)]
    others = {one.name: overlays for one in chosen if (overlays := _overlays(one, folders)) is not None}
    if not others:
        has = "without overlays" if folders[0] == SHIPPED else f"with the overlay {folders[0]}"
        raise DeclarationError(f"{settings.file.name} has no link {has}")
    old = mapped(settings, store)
    new = {
        name: replace(one, overlays=others[name], mappings=load(one.adapter, others[name])) if name in others else one
        for name, one in old.items()
    }
    return old, new


def _overlays(one: LinkSettings, folders: list[str]) -> tuple[Path, ...] | None:
    """A link's overlays with the new folder in the old one's place; None when it has not the old one."""
    new = () if folders[-1] == SHIPPED else (Path(folders[-1]),)
    if len(folders) == 1:
        return (*one.overlays[:-1], *new)
    if folders[0] == SHIPPED:
        return None if one.overlays else new
    places = [n for n, held in enumerate(one.overlays) if held.resolve() == Path(folders[0]).resolve()]
    return (*one.overlays[: places[0]], *new, *one.overlays[places[0] + 1 :]) if places else None


def collect(settings: Settings, store: Store, old: dict[str, Link], new: dict[str, Link], limit: int) -> dict[str, Any]:
    """All differences counted by target, and up to `limit` of them with their messages."""
    from hub.pipeline.differ import Differ

    differ = Differ(old, new, store, settings.ring)
    counts: dict[str, _Count] = {}
    shown: list[dict[str, Any]] = []
    with progress() as tick:
        for one in differ.run(tick):
            counts.setdefault(one.target, _Count()).add(one)
            if len(shown) < limit:
                shown.append(_record(store, one))
    return {
        "links": sorted(differ.changed), "looked": differ.looked, "gone": differ.gone,
        "refused_by_both": differ.refused, "differences": sum(sum(one.what.values()) for one in counts.values()),
        "targets": [{"target": name, **one.told()} for name, one in sorted(counts.items())], "records": shown,
    }  # fmt: skip


class _Count:
    """What would come out differently at one target."""

    def __init__(self) -> None:
        self.what: Counter[str] = Counter()
        self.fields: Counter[str] = Counter()
        self.causes: Counter[tuple[str, Any]] = Counter()
        self.children: set[int] = set()

    def add(self, one: Difference) -> None:
        self.what[one.what] += 1
        self.fields.update(one.fields)
        self.children.add(one.held.child)
        if one.cause is not None:
            self.causes[one.what, one.cause] += 1

    def told(self) -> dict[str, Any]:
        """As plain values, the most first."""
        return {
            "children": len(self.children), **{what: self.what[what] for what in _SAID},
            "fields": dict(sorted(self.fields.items(), key=lambda pair: (-pair[1], pair[0]))),
            "causes": [{"what": what, "cause": cause(one), "count": n} for (what, one), n in self.causes.most_common()],
        }  # fmt: skip


def _record(store: Store, one: Difference) -> dict[str, Any]:
    held = one.held
    numbers = [n for n in store.messages_of_record(held.document, held.ordinal) if store.trace(n).target == one.target]
    return {
        "record": f"{held.document}:{held.ordinal}", "source": held.source, "target": one.target, "messages": numbers,
        "what": one.what, "fields": list(one.fields), "cause": cause(one.cause),
    }  # fmt: skip


def show(told: dict[str, Any]) -> None:
    """What would come out differently, as text."""
    out = console()
    looked = f"{many(told['looked'], 'record')} looked at, the newest of every child"
    named = ", ".join(told["links"])
    out.print(f"other mappings for {named}: {looked}; {many(told['differences'], 'difference')}", markup=False)
    for one in told["targets"]:
        parts = [f"{one[what]:,} {said}" for what, said in _SAID.items() if one[what]]
        out.print(f"\n{one['target']}: {', '.join(parts)}; {many(one['children'], 'child')}", markup=False)
        rows = [(f"  {path}", f"{n:,}") for path, n in list(one["fields"].items())[:_FIELDS]]
        if rows:
            out.print(grid(rows, ("  FIELD", "RECORDS")))
        if len(one["fields"]) > len(rows):
            out.print(f"  and {len(one['fields']) - len(rows):,} more fields")
        for why in one["causes"]:
            out.print(f"  {many(why['count'], 'record')} {_SAID[why['what']]}: {words(why['cause'])}", markup=False)
    lines = [
        (
            one["record"],
            ", ".join(map(str, one["messages"])),
            one["target"],
            _SAID[one["what"]],
            ", ".join(one["fields"]),
        )
        for one in told["records"]
    ]
    if lines:
        out.print()
        out.print(grid(lines, ("RECORD", "MESSAGES", "TO", "WHAT", "FIELDS")))
        if told["differences"] > len(lines):
            out.print(f"and {told['differences'] - len(lines):,} more")
    if told["gone"]:
        out.print(f"{many(told['gone'], 'record')} could not be read again: purged, or no longer readable")


__all__ = ["SHIPPED", "collect", "show", "sides"]
