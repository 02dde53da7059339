"""One translation shared by several processes, from which the same comes as from one.

A large document that can be cut is read by all of them, a stretch each; of any other, this process reads the records
and the others translate runs of them. Whatever is out of the way is left to this process, which knows all that came
before: a second record of one id, a record that cannot be read.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import islice
from typing import NamedTuple

from hub.adapter import Theirs
from hub.errors import DeclarationError, RecordError
from hub.translate.report import Report
from hub.translate.run import Progress, Run
from hub.translate.several import spread
from hub.wire import Document
from hub.wire.stretch import Stretch

LARGE = 1 << 19
"""Bytes of a document that is worth cutting."""
_RUN = 1 << 16
"""Bytes that a run of records is to have on its way: what a pipe takes at once."""
_MOST = 200
"""Most records of a run; a document that has no more is not shared."""


class _Done(NamedTuple):
    """What became of some records. ids: numbers of all ids they said; seen: as `Run.seen`; last: none come after."""

    made: list[Theirs]
    report: Report
    ids: set[int]
    seen: set[int]
    last: bool = False


_Work = Callable[[bytes], _Done | None]


class Sharing:
    """A translation and how many processes share it."""

    def __init__(self, run: Run, processes: int) -> None:
        self.run, self.processes = run, processes

    def records(self, document: Document, report: Report, progress: Progress | None) -> Generator[Theirs, None, None]:
        """As `Run.records`, but that nobody knows which record was given last."""
        self.run.start()
        cut = self.run.source.stretches
        whole = False
        if cut is not None and document.size >= LARGE:
            whole = yield from self._stretches(cut(document), report, progress)
        if not whole:  # what is translated already is read once more, and passed over
            found = self.run.found(document, report)
            yield from self._runs(islice(found, report.read, None), report, progress)

    def _stretches(
        self, stretches: Iterator[Stretch], report: Report, progress: Progress | None
    ) -> Generator[Theirs, None, bool]:
        """The records of a document in stretches, as long as nothing is out of the way; whether it never was."""
        ids: set[int] = set()
        with closing(self._share(map(pickle.dumps, stretches), partial(self._stretch, report.document))) as shared:
            for done, _ in shared:
                if done is None or not (ids.isdisjoint(done.ids) and self.run.seen.isdisjoint(done.seen)):
                    self.run.begun = report.written > 0
                    return False
                ids |= done.ids
                yield from self._take(done, report, progress)
                if done.last:
                    return True
        return False

    def _runs(
        self, found: Iterator[Theirs | RecordError], report: Report, progress: Progress | None
    ) -> Generator[Theirs, None, None]:
        """The records that this process reads. A run that says an id again is done here, where all ids are known."""
        with closing(self._share(_packed(found), partial(self._run, report.document))) as shared:
            for done, piece in shared:
                if done is not None and self.run.seen.isdisjoint(done.seen):
                    yield from self._take(done, report, progress)
                else:
                    yield from filter(None, (self.run.next(one, report) for one in pickle.loads(piece)))

    def _share(self, pieces: Iterator[bytes], work: _Work) -> Generator[tuple[_Done | None, bytes], None, None]:
        """What becomes of each piece. The first are done here, until a record has said what the head is."""
        for piece in pieces:
            yield work(piece), piece
            if self.run.begun:
                break
        yield from spread(pieces, work, self.processes)

    def _take(self, done: _Done, report: Report, progress: Progress | None) -> list[Theirs]:
        self.run.seen |= done.seen
        report.include(done.report)
        if progress is not None:
            progress(report.read)
        return done.made

    def _stretch(self, document: str, piece: bytes) -> _Done | None:
        """What becomes of a stretch; None if there is in it what only shows in the whole document."""
        stretch: Stretch = pickle.loads(piece)
        ids: set[int] = set()
        try:
            done = self._apart(document, _plain(self.run.source.read(stretch.document()), ids))
        except (DeclarationError, MemoryError):
            raise
        except Exception:
            return None
        return done._replace(ids=ids, last=stretch.last) if done.report.read == stretch.records else None

    def _run(self, document: str, piece: bytes) -> _Done:
        return self._apart(document, pickle.loads(piece))

    def _apart(self, document: str, found: Iterable[Theirs | RecordError]) -> _Done:
        """What becomes of records by themselves, with the lines of all where each is written by itself."""
        run, report = self.run, Report(self.run.source.name, self.run.target.name, document)
        before, run.seen = run.seen, set()
        try:
            made = [self._lined(one) for one in (run.next(one, report) for one in found) if one is not None]
        finally:
            seen, run.seen = run.seen, before
        if made and all(one.line for one in made):
            made = [Theirs(made[0].kind, "", {}, line=b"".join([one.line for one in made]))]
        return _Done(made, report, set(), seen)

    def _lined(self, one: Theirs) -> Theirs:
        """A record to be written, with its line instead of its tree if the format has such."""
        if self.run.target.line is not None and not one.line:
            with suppress(RecordError):  # whoever writes the document meets it again, and sees which record it was
                one.line, one.tree = self.run.target.line(one), {}
        return one


def _plain(found: Iterator[Theirs | RecordError], ids: set[int]) -> Iterator[Theirs]:
    """Records and, added to `ids`, numbers of their ids; raises what cannot be read."""
    for one in found:
        if isinstance(one, RecordError):
            raise one
        if one.id:
            ids.add(hash(one.id))
        yield one


def _packed(found: Iterator[Theirs | RecordError]) -> Iterator[bytes]:
    """Runs of records, of about the same size on their way however large a record is."""
    most = _MOST
    while run := list(islice(found, most)):
        piece = pickle.dumps(run)
        yield piece
        most = max(1, min(_MOST, most * _RUN // len(piece)))


__all__ = ["LARGE", "Sharing"]
