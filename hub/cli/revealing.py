"""The texts behind a cause: read again from what was kept, counted, with codes that they may mean. These are values.

Whoever calls this has recorded who asks and why.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hub.cli.opened import console, many
from hub.cli.show import grid

if TYPE_CHECKING:
    from hub.config import Settings
    from hub.mapping.looking import Said
    from hub.pipeline import Link
    from hub.store import CauseRow, Store
    from hub.store.kept import Held

SHOWN = 50
"""Most texts shown."""
LOOKED = 1000
"""Most records looked at."""


def behind(store: Store, row: CauseRow) -> list[Held]:
    """The records of a cause whose texts are looked at."""
    return store.behind_cause(row.id, LOOKED)


def collect(settings: Settings, store: Store, row: CauseRow, held: list[Held]) -> dict[str, Any]:
    """Every text that a cause's row could not read, or code that it could not write, with its counts, most first.

    looked: how many records were looked at; gone: of which nothing can be said, for their document is purged or today's
    mapping has no such row; well: that today's mapping takes as they are, so that a replay will do.
    """
    from hub.config.build import mapped

    links = mapped(settings, store)
    messages: Counter[Said] = Counter()
    children: defaultdict[Said, set[int]] = defaultdict(set)
    counts = Counter(looked=len(held))
    for one, texts in _texts(links, store, row, held):
        counts["gone"] += texts is None
        counts["well"] += texts is not None and not texts
        for text in texts or ():
            messages[text] += one.messages or 1
            children[text].add(one.child)
    propose = _proposing(settings, row, held)
    ordered = sorted(messages, key=lambda text: (-messages[text], text))
    return {
        "looked": counts["looked"], "gone": counts["gone"], "well": counts["well"], "texts": len(ordered),
        "values": [
            {"text": _joined(text), "messages": messages[text], "children": len(children[text]),
             **propose(_joined(text))}
            for text in ordered[:SHOWN]
        ],
    }  # fmt: skip


def _texts(
    links: dict[str, Link], store: Store, row: CauseRow, held: list[Held]
) -> Iterator[tuple[Held, set[Said] | None]]:
    """Of each record what its row could not take; None where that can no longer be said."""
    from hub.errors import DeclarationError, RecordError

    if row.cause.stage == "outward":
        for one in held:
            try:
                yield one, _unsaid(links, store, row, one)
            except (RecordError, DeclarationError):
                yield one, None
        return
    for number, group in groupby(held, key=lambda one: one.document):
        ours = {one.ordinal: one for one in group}
        try:
            for ordinal, texts in _unread(links, store, row, number, ours):
                yield ours.pop(ordinal), texts
        except (RecordError, DeclarationError):
            pass
        yield from ((one, None) for one in ours.values())


def _unread(
    links: dict[str, Link], store: Store, row: CauseRow, number: int, ours: dict[int, Held]
) -> Iterator[tuple[int, set[Said] | None]]:
    from hub.adapter import Theirs
    from hub.mapping import Mapping
    from hub.mapping.looking import named, unread
    from hub.pipeline.reading import picked

    link = links.get(next(iter(ours.values())).source)
    for ordinal, unit in picked(link, store.document(number), list(ours)) if link is not None else ():
        found: set[Said] | None = None
        for theirs in unit if isinstance(unit, tuple) else (unit,):
            mapping = link.reader(theirs) if link is not None and isinstance(theirs, Theirs) else None
            if isinstance(mapping, Mapping) and isinstance(theirs, Theirs):
                plan, place, table = mapping.plan(theirs.edition), row.cause.row, row.cause.table
                if named(plan, place, table):
                    found = (found or set()) | set(unread(plan, theirs, place, table))
        yield ordinal, found


def _unsaid(links: dict[str, Link], store: Store, row: CauseRow, one: Held) -> set[Said] | None:
    from hub.adapter import Token
    from hub.mapping import Mapping
    from hub.mapping.looking import unsaid
    from hub.model import decode_all

    target = links.get(one.target)
    found: set[Said] | None = None
    for record in decode_all(store.record(one.document, one.ordinal), Token):
        mapping = target.writer(links.get(one.source), one.kind, record) if target is not None else None
        if target is not None and isinstance(mapping, Mapping):
            plan = mapping.plan(target.edition(record))
            found = (found or set()) | set(unsaid(plan, record, row.cause.row, row.cause.table))
    return found


def _joined(cells: Said) -> str:
    """A text, or several as a line of CSV, as `codes add` takes them."""
    import csv
    import io

    if len(cells) == 1:
        return cells[0]
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def _proposing(settings: Settings, row: CauseRow, held: list[Held]) -> Callable[[str], dict[str, Any]]:
    """For a text that a code table lacks: codes that it may mean, and the line that adds it."""
    from hub.check import coding
    from hub.cli.codes import command

    outward, table = row.cause.stage == "outward", row.cause.table
    link = settings.links.get(next((one.target if outward else one.source for one in held), ""))
    if link is None or not table:
        return lambda text: {}
    used = next(iter(coding.tables(coding.Use(link.name, link.adapter, link.overlays)).get(table, ())), None)
    options = ["--link", link.name] if _several(settings) else []

    def outwards(text: str) -> dict[str, Any]:
        near = coding.nearest(text, {one: [] for one in used.bounds[-1].write.values()}) if used else []
        more = [*options, "--way", "out", "--note", "WHY"]
        return {"near": near, "add": command(table, near[0] if near else "THEIRS", text, *more)}

    def inwards(text: str) -> dict[str, Any]:
        near = coding.proposals(used, text) if used else []
        name = min(used.lists[0], default="") if used else ""
        said = [coding.told(name, one) for one in near]
        return {"near": said, "add": command(table, text, near[0] if near else "OURS", *options)}

    return outwards if outward else inwards


def _several(settings: Settings) -> bool:
    """Whether links have different overlays of their own, so that one must be named."""
    return len({link.overlays[-1].resolve() for link in settings.links.values() if link.overlays}) > 1


def show(row: CauseRow, told: dict[str, Any]) -> None:
    """The texts, as a table and the lines to call."""
    out, table = console(), row.cause.table
    verb = "be written" if row.cause.stage == "outward" else "be read"
    title = f"What cannot {verb}: {many(told['texts'], 'text')} in {many(told['looked'], 'record')}"
    bound = f" (the first {LOOKED:,})" if told["looked"] == LOOKED else ""
    out.print(f"\n{title}{bound}", markup=False)
    heads: Iterable[str] = ("TEXT", "MESSAGES", "CHILDREN", *(["MAY MEAN"] if table else []))
    rows = [
        (
            one["text"],
            f"{one['messages']:,}",
            f"{one['children']:,}",
            *([", ".join(one.get("near", ()))] if table else []),
        )
        for one in told["values"]
    ]
    if rows:
        out.print(grid(rows, tuple(heads)))
    if told["texts"] > len(rows):
        out.print(f"and {told['texts'] - len(rows):,} more")
    if told["well"]:
        out.print(
            f"{many(told['well'], 'record')} today's mapping takes: ics-hub replay --cause {row.id}", markup=False
        )
    if told["gone"]:
        out.print(
            f"{many(told['gone'], 'record')}: nothing to show; purged, or no row of today's mapping is meant",
            markup=False,
        )
    for line in [one["add"] for one in told["values"] if "add" in one][:10]:
        out.print(f"  {line}", markup=False, soft_wrap=True)
    if table:
        out.print(f"  ics-hub codes show {table}   shows what is there; where no code fits, have the source mended")


__all__ = ["behind", "collect", "show"]
