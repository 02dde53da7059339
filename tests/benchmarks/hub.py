"""The hub's own ways, each whole and in parts; extras are on.

`python -m tests.benchmarks.hub FILE PROCESSES` translates the file once for each line it reads and says the seconds.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from hub import adapter, mapping
from hub.adapter import Theirs
from hub.errors import RecordError
from hub.model import ChildRecord, encode
from hub.translate import Report
from hub.translate.run import Run
from hub.translate.sharing import Sharing
from hub.wire import Document

CENSUS = adapter.find("cin_census")
CANONICAL = adapter.find("canonical")
CHILD = mapping.load(CENSUS)["Child"]
RUN = Run(CENSUS, CANONICAL, (), False, "")


def read(path: Path) -> Iterator[Theirs]:
    """The trees of a file. The made-up files have no bad record; one would end the run."""
    for found in CENSUS.read(Document.at(path)):
        if isinstance(found, RecordError):
            raise found
        yield found


def to_json(path: Path) -> Iterator[bytes]:
    """File to canonical JSON."""
    for theirs in read(path):
        yield encode(CHILD.inward(theirs).record)


def translate(path: Path, processes: int = 1) -> Iterator[bytes]:
    """File to canonical JSON as `ics-hub translate` does it: its account is kept, an id said twice is refused. In one
    piece or several, as they are to be written."""
    document, report = Document.at(path), Report(CENSUS.name, CANONICAL.name, path.name)
    records = (Sharing(RUN, processes) if processes > 1 else RUN).records(document, report, None)
    for _, data in CANONICAL.write(records, {}):
        yield data
    if not report.well:
        raise RuntimeError("a made-up child was refused")


def to_xml(path: Path) -> Iterator[bytes]:
    """File to file of the same format."""
    trees = read(path)
    first = next(trees)

    def written() -> Iterator[Theirs]:
        for theirs in chain([first], trees):
            tree = CHILD.create(CHILD.inward(theirs).record).tree
            yield Theirs(theirs.kind, theirs.id, tree, theirs.head, theirs.edition)

    for _, data in CENSUS.write(written(), first.head):
        yield data


def inward(trees: list[Theirs]) -> list[ChildRecord]:
    """Trees to records; the trees are consumed."""
    return [CHILD.inward(theirs).record for theirs in trees]


def create(records: list[ChildRecord]) -> int:
    """Records to trees; how many."""
    return sum(bool(CHILD.create(record).tree) for record in records)


class Apart:
    """`translate` in a process that stays up as long as this one and holds nothing else, as the command does: one that
    is full of other things takes far longer to start copies of itself."""

    def __init__(self, path: Path, processes: int) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.hub", str(path), str(processes)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self) -> float:
        """Translate the file once; seconds on the clock on the wall."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())


def _main(path: Path, processes: int) -> None:
    for _ in sys.stdin:
        begun = time.perf_counter()
        for _ in translate(path, processes):
            pass
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
