"""One translation: what becomes of each record, in the order of the document, and of the document as a whole."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from hub.adapter import Adapter, Theirs, Tree
from hub.errors import DeclarationError, RecordError, fault
from hub.mapping import AnyMapping, Created, Inward, Mapping, account, load, writer
from hub.mapping.bind import leaf_rows
from hub.model import ChildRecord, encode
from hub.translate.report import Report
from hub.wire import Document

Progress = Callable[[int], None]


class Run:
    """One translation under way. head: for the writer, known with the first record that can be written (begun)."""

    def __init__(self, source: Adapter, target: Adapter, overlays: Iterable[Path], strict: bool, edition: str) -> None:
        self.source, self.target, self.strict, self.edition = source, target, strict, edition
        self.begun = False
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

    def records(self, document: Document, report: Report, progress: Progress | None) -> Generator[Theirs, None, None]:
        """Every record as the target's tree; refused ones are counted in the report, what stops the reading ends it."""
        self.start()
        for one in self.found(document, report):
            made = self.next(one, report)
            if progress is not None:
                progress(report.read)
            if made is not None:
                self.last = report.read
                yield made
        if report.stopped is None:
            self.last = None

    def start(self) -> None:
        """Begin a pass over the document."""
        self.seen, self.begun = set(), False

    def found(self, document: Document, report: Report) -> Iterator[Theirs | RecordError]:
        """What the document holds, as far as it can be read."""
        try:
            yield from self.source.read(document)
        except RecordError as error:
            report.stopped = error
        except (DeclarationError, MemoryError):
            raise
        except Exception as error:
            report.stopped = fault(error, file=document.name)

    def next(self, one: Theirs | RecordError, report: Report) -> Theirs | None:
        """What is written for a record; None if it is refused."""
        report.read += 1
        return self._one(self.unwritable.get(report.read, one), report, getattr(one, "place", ""))

    def _one(self, one: Theirs | RecordError, report: Report, place: str) -> Theirs | None:
        if isinstance(one, RecordError):
            report.refuse(one, place)
            return None
        name = one.id
        try:
            mapping = self._reader(one)
            read = mapping.inward(one, self.source.name)
            self._once(read.record, mapping)
            target, made, line = self._write(one.kind, read.record)
        except RecordError as error:
            report.refuse(error, place)
            return None
        except Exception as error:
            report.refuse(fault(error, place=place))
            return None
        self._say(report, mapping, read, made, place)
        if not self.begun:
            self.head, self.begun = self._head(one.head, read.record), True
            report.missing = one.head.get("missing", {})
        edition = self._edition(read.record)
        return Theirs(target.kind, name, made.tree, self.head, edition, place, source=self.source.name, line=line)

    def _reader(self, one: Theirs) -> AnyMapping:
        found = self.inward.get(one.kind)
        if found is None:
            raise RecordError("no mapping reads this kind of record", place=one.place)
        return found

    def _write(self, kind: str, record: ChildRecord) -> tuple[AnyMapping, Created, bytes]:
        target = writer(self.outward, record, kind if self.target is self.source else "")
        if self.target.ours:
            try:
                return target, Created({}, {}, []), encode(record) + b"\n"
            except Exception:  # what no JSON may hold is found again below, and named
                pass
        return target, target.create(record, edition=self.edition, strict=self.strict), b""

    def _once(self, record: ChildRecord, mapping: AnyMapping) -> None:
        """Refuse a second record of one id: nobody could choose between the two."""
        source = record.source
        if mapping.carries != "state" or not source or not isinstance(source.id, str):
            return
        number = hash(f"{source.link}\x1f{source.id}")
        if number in self.seen:
            raise RecordError("a record of the same id came before in this document", row="source.id")
        self.seen.add(number)

    def _say(self, report: Report, mapping: AnyMapping, read: Inward, made: Created, place: str) -> None:
        if read.findings or made.findings:
            report.note("reading", read.findings, place)
            report.note("writing", made.findings, place)
        report.count(read.record, made.account)
        if read.kept and isinstance(mapping, Mapping):
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


__all__ = ["Progress", "Run"]
