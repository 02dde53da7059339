"""The hub's own ways, each whole and in parts, as the command line goes them; extras are on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from hub import adapter, mapping
from hub.adapter import Theirs
from hub.errors import RecordError
from hub.model import ChildRecord, encode
from hub.wire import Document

CENSUS = adapter.find("cin_census")
CHILD = mapping.load(CENSUS)["Child"]


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
