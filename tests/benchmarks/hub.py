"""The hub's own ways, each whole and in parts; extras are on."""

from __future__ import annotations

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
