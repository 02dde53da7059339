"""`ics-hub prefill`: a form about a child with what is known already, for a practitioner to go on with.

It shows values, in its file alone. From the hub's store it is a reveal: who asks, and why, is recorded first.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.opened import CONFIG, HUB_TOML, many, opened, say
from hub.cli.operate import operator
from hub.errors import DeclarationError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.config import Settings
    from hub.model import ChildRecord
    from hub.store import Store
    from hub.translate.prefill import Known, Prefilled, Said


def prefill(
    form: Annotated[str, typer.Option(metavar="NAME", help="The form to fill in, by its adapter.")],
    sources: Annotated[
        list[str],
        typer.Option("--from", metavar="FROM", help="ADAPTER:FILE, or a link of the hub; may be repeated."),
    ],
    child: Annotated[
        list[str],
        typer.Option(metavar="ID", help="The child's id there, or one for each --from; - for stdin, a line each."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="A new file for the form.")],
    overlay: Annotated[list[Path] | None, typer.Option(help="A council's own forms and mappings.")] = None,
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, in words; needed for a link.")] = "",
    config: CONFIG = HUB_TOML,
) -> None:
    """Fill in what is known of a child, each answer with its source and date; what a person must say stays blank."""
    from hub.translate import prefill as engine

    if child == ["-"]:
        child = sys.stdin.read().split("\n")
        child = [one.strip() for one in child if one.strip()]
    if len(child) not in (1, len(sources)):
        raise DeclarationError("give one --child for all, or one for each --from, in the same order")
    if output.exists() or output.is_symlink():
        raise DeclarationError("this file is there already: name another", file=str(output))
    overlays = overlay or []
    ids = child if len(child) == len(sources) else child * len(sources)
    known = [
        _of_file(source, own, overlays) if ":" in source else _of_link(source, own, reason.strip(), config)
        for source, own in zip(sources, ids, strict=True)
    ]
    made = engine.prefill(form, known, overlays)
    _write(output, made)
    _say(made, output)


def _of_file(source: str, own: str, overlays: list[Path]) -> Known:
    """What a file says of the child; what else is in it is passed over."""
    from hub.adapter import Theirs
    from hub.mapping import adapted, load
    from hub.translate.prefill import Known, Said, laid
    from hub.wire import Document

    name, _, path = source.partition(":")
    adapter = adapted(name, overlays)
    document = Document.at(path)
    try:
        found = [one for one in adapter.read(document) if isinstance(one, Theirs) and one.id == own]
    except RecordError:
        found = []
    if not found:
        raise DeclarationError("there is no readable record of this child in it", file=path)
    mappings, said = load(adapter, overlays), []
    for one in found:
        mapping = mappings.get(one.kind)
        if mapping is None:
            raise RecordError("no mapping reads this kind of record", place=one.place)
        said.append(Said(mapping.carries or "state", mapping.inward(one, name).record))
    record = laid(said)
    return Known(name, _day(record, Path(path).stat().st_mtime), record, said)


def _of_link(link: str, own: str, reason: str, config: Path) -> Known:
    """What a link said of the child, as far as it is kept, after it was recorded that it is shown."""
    from hub.pipeline.reading import child_name
    from hub.translate.prefill import Known, laid

    if not reason:
        raise DeclarationError("say why with --reason, in words: it is recorded, for the form shows what is known")
    with opened(config) as (settings, store):
        if link not in settings.links:
            raise DeclarationError(f"{settings.file.name} has no link of that name; a file is ADAPTER:FILE")
        kept = list(_kept(settings, store, link, own))
        if not kept:
            raise DeclarationError(
                f"nothing that {link} said of this child is kept any more, or none of it can be read"
            )
        record, (place, at, _) = laid([said for *_, said in kept]), kept[-1]
        before = f" and {len(kept) - 1} before it" if len(kept) > 1 else ""
        child = child_name(settings.ring, store.identity(link), own)
        store.audit(operator(), "reveal", f"record {place}{before}, filled into a form: {reason}", [child])
    return Known(link, _day(record, at), record, [said for *_, said in kept])


def _kept(settings: Settings, store: Store, link: str, own: str) -> Iterator[tuple[str, float, Said]]:
    """The records of the child that came from a link and can be read, in the order they came: where each is kept, and
    since when. Of a form about several children, the child's own."""
    from hub.adapter import Token
    from hub.cli import asking
    from hub.model import decode_all
    from hub.pipeline.reading import child_name
    from hub.translate.prefill import Said

    kin, identity = asking.child(settings, store, "", link, own), store.identity(link)
    names = set(kin.keys.values())
    traces = [trace for trace in map(store.trace, kin.numbers) if trace.source == link and not trace.removal]
    for (document, ordinal), trace in sorted({(one.document, one.ordinal): one for one in traces}.items()):
        body = store.record(document, ordinal)
        records = decode_all(body, Token) if body else []
        for record in records:
            said = record.source.id if record.source else ""
            if len(records) == 1 or child_name(settings.ring, identity, str(said)) in names:
                yield f"{document}:{ordinal}", trace.created, Said(trace.carries, record)


def _day(record: ChildRecord, otherwise: float) -> str:
    """The day of which a record tells, as it is printed: else when its document came."""
    as_of = record.source.as_of if record.source else ""
    day = as_of[:10] if isinstance(as_of, str) and as_of else time.strftime("%Y-%m-%d", time.localtime(otherwise))
    return "/".join(reversed(day.split("-")))


def _write(file: Path, made: Prefilled) -> None:
    """The form into a new file that only its owner can read."""
    try:
        opened_file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(opened_file, "wb") as out:
            out.writelines(data for _, data in made.parts)
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be written").lower(), file=str(file)) from None


def _say(made: Prefilled, file: Path) -> None:
    """How much was filled in, from where, and what was kept out of the form; never a value."""
    for source, count in made.answers.items():
        typer.echo(f"{source}: {many(count, 'answer')}")
    kept = sorted({path for what, path in made.left if what in _KEPT})
    if kept:
        more = f" and {len(kept) - 10} more" if len(kept) > 10 else ""
        say(f"kept out, as the mapping says: {', '.join(kept[:10])}{more}")
    say(f"{file}: mode 600; what is shaded in it is to be checked with the child and the family")


_KEPT = {"shielded", "sensitive", "no_consent_to_share", "removed"}

__all__ = ["prefill"]
