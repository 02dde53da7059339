"""What the oracle is given to judge, and what it finds. It knows nothing of the hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.acts import Child, Edited, Moved

KINDS = ("dedup", "match", "plain", "folder")
"""Of targets: drops repeats of a key; honours If-Match; does neither; a folder that is emptied."""
OPEN = ("ready", "sending", "waiting", "parked")


@dataclass(frozen=True)
class Written:
    """One version of a child at a source. state: it is a full state, so a newer one may take its place. readable: False
    when only an edit can make it so."""

    child: Child
    value: str
    state: bool = True
    readable: bool = True


@dataclass(frozen=True)
class Arrival:
    """What a target logged. answered: it answered that it has it. worker: the process that sent it.

    proven: the bytes are those that belong to this child and value.
    """

    target: str
    key: str
    child: Child
    value: str
    data: bytes
    at: float
    answered: bool = True
    worker: int = 0
    proven: bool = True


@dataclass(frozen=True)
class Row:
    """What the store says of a message. value: None where its record could not be read."""

    number: int
    target: str
    child: Child
    value: str | None
    state: str
    superseded_by: int | None = None


@dataclass(frozen=True)
class Trouble:
    """A disturbance, from when to when. worker: the process it hit; 0: the database, which hits all of them."""

    since: float
    until: float
    worker: int = 0


@dataclass(frozen=True)
class Fault:
    """kind: lost, overtaken, doubled, wrong (bytes), stuck (open and held by nothing), account (the store is wrong)."""

    kind: str
    target: str
    child: Child
    value: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.value} of {'/'.join(self.child)} at {self.target}: {self.detail}"


@dataclass
class Verdict:
    """repeats: counted ones, at targets that drop none. held: open behind a record that could not be read."""

    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, target: str, child: Child, value: str, detail: str) -> None:
        self.faults.append(Fault(kind, target, child, value, detail))

    def kinds(self) -> Counter[str]:
        return Counter(fault.kind for fault in self.faults)


@dataclass(frozen=True)
class Case:
    """Everything to judge. targets: kind by name. unknown: keys of which a sender saw no answer.

    lease: seconds by which a trouble of the database may make itself felt later. meets: children of several sources
    that share a number; their values all differ. acts: of persons, as they were begun.
    """

    written: Sequence[Written]
    arrivals: Sequence[Arrival]
    rows: Sequence[Row]
    targets: Mapping[str, str]
    troubles: Sequence[Trouble] = ()
    unknown: frozenset[str] = frozenset()
    lease: float = 30.0
    meets: Mapping[str, Sequence[Child]] = field(default_factory=dict)
    acts: Sequence[Moved | Edited] = ()
