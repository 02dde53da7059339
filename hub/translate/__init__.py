"""Translating a document from one system's format into another's, record by record, with a report.

read -> inward -> the record -> create -> write. Nothing is held but the report, whose size does not grow with the
document (of each record's id a number is kept, to see a second record of the same id).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from hub.adapter import Theirs
from hub.errors import DeclarationError, RecordError
from hub.mapping import adapted
from hub.translate.report import Cause, Report, group
from hub.translate.run import Progress, Run
from hub.translate.several import available
from hub.translate.sharing import Sharing
from hub.wire import Document, save

UNWRITABLE = 20
"""Most records of one document that may be refused by the target's adapter; each costs a new pass over it."""


def translate(
    source: Document,
    from_: str,
    to: str,
    out: Path | str | BinaryIO,
    *,
    overlays: Iterable[Path] = (),
    strict: bool = False,
    edition: str = "",
    progress: Progress | None = None,
    processes: int = 1,
) -> Report:
    """Translate a document into a file, a folder or a zip (see `hub.wire.save`), or a stream for a format of one file.

    strict: refuse the whole document if it breaks its published schema, and each record that lacks what the target
    requires. edition: of the target's format; default the record's own, else the newest. progress: called with the
    number of records read, now and then. processes: how many share the work on a large document; the same comes of it
    whatever their number. Nothing is written when no record is good but some were refused. DeclarationError when the
    call is wrong, HubError when one of several processes was killed.
    """
    overlays = tuple(overlays)
    reading, writing = adapted(from_, overlays), adapted(to, overlays)
    writing = reading if writing.name == reading.name else writing
    if edition and edition not in writing.editions:
        raise DeclarationError(
            f"{to} has no edition {edition!r}; known are: {', '.join(filter(None, writing.editions)) or 'none'}"
        )
    if not isinstance(out, Path | str) and not writing.suffix:
        raise DeclarationError(f"{to} writes several files: name a folder or a .zip with -o")
    run = Run(reading, writing, overlays, strict, edition)
    shared = Sharing(run, processes) if processes > 1 else None
    while True:
        report = Report(reading.name, writing.name, source.name, run.describe(), reasons=run.reason)
        if run.strict and reading.check is not None:
            _check(reading.check(source), report)
            if report.problems:
                return report
        error = _through(run, (shared or run).records(source, report, progress), out, report)
        if error is None:
            return report
        if shared is not None:  # one process sees which record it was; what a stream has of it, it has already
            shared, out = None, out if isinstance(out, Path | str) else _Nowhere()
            continue
        if run.last is None or len(run.unwritable) >= UNWRITABLE or not isinstance(out, Path | str):
            report.stopped, report.written = error, 0
            return report
        run.unwritable[run.last] = error


def _through(
    run: Run, records: Generator[Theirs, None, None], out: Path | str | BinaryIO, report: Report
) -> RecordError | None:
    """Write the records; the error of the one that the target's adapter cannot write, `run.last`."""
    with closing(records):
        first = next(records, None)
        if first is None and not report.well:
            return None
        chunks = run.target.write(chain([first] if first else [], records), run.head)
        try:
            if isinstance(out, Path | str):
                save(chunks, out)
            else:
                _stream(chunks, out)
        except RecordError as error:
            return error
    return None


def _check(found: Iterator[RecordError], report: Report) -> None:
    try:
        for error in found:
            group(report.problems, error, document=report.document)
    except RecordError as error:
        report.stopped = error
        group(report.problems, error, document=report.document)


class _Nowhere(BytesIO):
    """A stream that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


def _stream(chunks: Iterator[tuple[str, bytes]], out: BinaryIO) -> None:
    for part, data in chunks:
        if part:
            raise DeclarationError("this becomes several files: name a folder or a .zip with -o")
        out.write(data)
    out.flush()


__all__ = ["Cause", "Report", "available", "translate"]
