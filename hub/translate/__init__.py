"""Translating a document from one system's format into another's, record by record, with a report.

read -> inward -> the record -> create -> write. Nothing is held but the report, whose size does not grow with the
document (of each record's id a number is kept, to see a second record of the same id).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from hub.adapter import Adapter, Theirs, Tree
from hub.errors import DeclarationError, RecordError, fault
from hub.mapping import AnyMapping, Created, Inward, Mapping, account, adapted, load, writer
from hub.mapping.bind import leaf_rows
from hub.model import ChildRecord
from hub.translate.report import Cause, Report, group
from hub.wire import Document, save

Progress = Callable[[int], None]

UNWRITABLE = 20
"""Most records of one document that may be refused by the target's adapter; each costs a new pass over it."""


class _Run:
    """One translation under way. head: for the writer, known with the first record that can be written."""

    def __init__(self, source: Adapter, target: Adapter, overlays: Iterable[Path], strict: bool, edition: str) -> None:
        self.source, self.target, self.strict, self.edition = source, target, strict, edition
        folders = tuple(overlays)
        self.inward = load(source, folders)
        self.outward = self.inward if target is source else load(target, folders)
        self.head: Tree = target.head("", edition or target.editions[-1])
        self.seen: set[int] = set()
        self.unwritable: dict[int, RecordError] = {}
        self.last: int | None = None

    def describe(self) -> dict[str, list[dict[str, Any]]]:
        """The mappings at work, by adapter."""
        return {
            adapter.name: [
                {"kind": one.kind, "version": one.version, "files": list(one.declaration.files)}
                for one in held.values()
                if isinstance(one, Mapping)
            ]
            for adapter, held in ((self.source, self.inward), (self.target, self.outward))
        }

    def records(self, document: Document, report: Report, progress: Progress | None) -> Iterator[Theirs]:
        """Every record as the target's tree; refused ones are counted in the report, what stops the reading ends it."""
        found = self.source.read(document)
        self.seen.clear()
        while True:
            try:
                one = next(found, None)
            except RecordError as error:
                report.stopped = error
                return
            except (DeclarationError, MemoryError):
                raise
            except Exception as error:
                report.stopped = fault(error, file=document.name)
                return
            if one is None:
                self.last = None
                return
            report.read += 1
            if progress is not None:
                progress(report.read)
            made = self._one(self.unwritable.get(report.read, one), report, getattr(one, "place", ""))
            if made is not None:
                self.last = report.read
                yield made

    def _one(self, one: Theirs | RecordError, report: Report, place: str) -> Theirs | None:
        if isinstance(one, RecordError):
            report.refuse(one, place)
            return None
        name = one.id
        try:
            mapping = self._reader(one)
            read = mapping.inward(one, self.source.name)
            self._once(read.record, mapping)
            target, made = self._write(one.kind, read.record)
        except RecordError as error:
            report.refuse(error, place)
            return None
        except Exception as error:
            report.refuse(fault(error, place=place))
            return None
        self._say(report, mapping, read, made, place)
        if report.written == 1:
            self.head = self._head(one.head, read.record)
        edition = self._edition(read.record)
        return Theirs(target.kind, name, made.tree, self.head, edition, place, source=self.source.name)

    def _reader(self, one: Theirs) -> AnyMapping:
        found = self.inward.get(one.kind)
        if found is None:
            raise RecordError("no mapping reads this kind of record", place=one.place)
        return found

    def _write(self, kind: str, record: ChildRecord) -> tuple[AnyMapping, Created]:
        target = writer(self.outward, record, kind if self.target is self.source else "")
        return target, target.create(record, self.target.name, edition=self.edition, strict=self.strict)

    def _once(self, record: ChildRecord, mapping: AnyMapping) -> None:
        """Refuse a second record of one id: nobody could choose between the two."""
        source = record.source
        if mapping.carries != "state" or not source or not isinstance(source.id, str):
            return
        name = f"{source.link}\x1f{source.id}".encode("utf-8", "surrogatepass")
        number = int.from_bytes(blake2b(name, digest_size=8).digest())
        if number in self.seen:
            raise RecordError("a record of the same id came before in this document", row="source.id")
        self.seen.add(number)

    def _say(self, report: Report, mapping: AnyMapping, read: Inward, made: Created, place: str) -> None:
        report.note("reading", read.findings, place)
        report.note("writing", made.findings, place)
        report.count(read.record, made.account)
        if isinstance(mapping, Mapping):
            for path in account.drift(mapping, read.record, self.source.name):
                report.drift[path] = report.drift.get(path, 0) + 1

    def _edition(self, record: ChildRecord) -> str:
        source = record.source
        own = source.edition if source and source.link == self.target.name else ""
        return self.edition or (own if isinstance(own, str) else "") or self.target.editions[-1]

    def _head(self, head: Tree, record: ChildRecord) -> Tree:
        if self.source is self.target:
            return {**head, "edition": self.edition} if self.edition else head
        source = record.source
        as_of = source.as_of if source else ""
        return self.target.head(as_of if isinstance(as_of, str) else "", self._edition(record))

    def reason(self, what: str, path: str) -> str:
        """Why values of a leaf became that, in words; of a code, what its table says beside it."""
        mapping = next(iter(self.outward.values()))
        said = mapping.reason(what, path)
        notes = _notes(mapping, path) if what == "narrowed" and isinstance(mapping, Mapping) else []
        return f"{said}: {'; '.join(notes)}" if notes else said


def _notes(mapping: Mapping, path: str) -> list[str]:
    """The notes of the code rows that narrow a leaf."""
    plan = mapping.plan()
    tables = {way.table for row, ours in leaf_rows(plan) if ours.full == path for way in row.writing if way.bound}
    narrowing = [
        row for name in sorted(tables) for row in plan.tables[name].rows if row.ours in plan.bounds[name].narrowing
    ]
    return list(dict.fromkeys(row.note for row in narrowing if row.way == "out" and row.note))


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
) -> Report:
    """Translate a document into a file, a folder or a zip (see `hub.wire.save`), or a stream for a format of one file.

    strict: refuse the whole document if it breaks its published schema, and each record that lacks what the target
    requires. edition: of the target's format; default the record's own, else the newest. progress: called with the
    number of records read. Nothing is written when no record is good but some were refused. DeclarationError when the
    call is wrong.
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
    run = _Run(reading, writing, overlays, strict, edition)
    while True:
        report = Report(reading.name, writing.name, source.name, run.describe(), reasons=run.reason)
        error = _through(run, source, out, report, progress)
        if error is None:
            return report
        if run.last is None or len(run.unwritable) >= UNWRITABLE or not isinstance(out, Path | str):
            report.stopped, report.written = error, 0
            return report
        run.unwritable[run.last] = error


def _through(
    run: _Run, source: Document, out: Path | str | BinaryIO, report: Report, progress: Progress | None
) -> RecordError | None:
    """One pass over the document; the error of a record that the target's adapter cannot write, `run.last`."""
    if run.strict and run.source.check is not None:
        _check(run.source.check(source), report)
        if report.problems:
            return None
    records = run.records(source, report, progress)
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


def _stream(chunks: Iterator[tuple[str, bytes]], out: BinaryIO) -> None:
    for part, data in chunks:
        if part:
            raise DeclarationError("this becomes several files: name a folder or a .zip with -o")
        out.write(data)
    out.flush()


__all__ = ["Cause", "Report", "translate"]
