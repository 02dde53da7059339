"""What the sources write: documents of made-up children, dropped into folders one after another.

Every child has a value that says which version it is: a counter that rises (`k000017`) or A, B, A, B. A check beside it
is made from child and value, so that a target can see that the bytes belong together.
"""

from __future__ import annotations

import json
import os
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.acts import Child
from tests.faults.case import Written

SWING = ("A", "B")
UNREAD = "31/13/2020"
"""A birth date that nothing can read."""
UNKNOWN = "W"
"""A code of a gender that only some of the mapping sets know."""


def check_of(child: str, value: str) -> str:
    """What stands beside a value."""
    return f"c{zlib.crc32(f'{child} {value}'.encode()):08x}"


def nhs_number(n: int) -> str:
    """A number of the range that is never given to anybody (999), with its check digit."""
    while True:
        digits = f"999{n % 1_000_000:06d}"
        check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            return f"{digits}{check % 11}"
        n += 500_009


@dataclass
class Person:
    """A child as one source knows it. swing: its values come again. fails: the version that cannot be read. mends: each
    so many versions one can be read under some mapping sets only."""

    id: str
    nhs: str
    swing: bool = False
    fails: int = 0
    mends: int = 0
    version: int = 0

    def step(self) -> str:
        self.version += 1
        return SWING[self.version % 2] if self.swing else f"k{self.version:06d}"


@dataclass
class Source:
    """A system that drops documents. events: its records are no full states, and stand in an index's XML."""

    name: str
    folder: Path
    people: list[Person]
    events: bool = False
    written: list[Written] = field(default_factory=list)
    documents: int = 0

    def child(self, person: Person) -> Child:
        return self.name, person.id

    def drop(self, chance: random.Random, size: int) -> None:
        """One document of so many records; some come twice as two files, and some hold a line that is no record."""
        chosen = [chance.choice(self.people) for _ in range(size)]
        lines = [self._record(person) for person in chosen]
        if chance.random() < 0.1:
            lines.insert(chance.randrange(len(lines) + 1), self._broken())
        data = self._document(lines)
        self._put(data)
        # Twice in a row: of a full state the second changes nothing. With a child twice in it it would say A, B, A; and
        # what cannot be read cannot be compared.
        once = len({person.id for person in chosen}) == len(chosen) and UNREAD.encode() not in data
        if not self.events and once and chance.random() < 0.2:
            self._put(data)

    def _record(self, person: Person) -> str:
        value = person.step()
        readable = person.version != person.fails
        self.written.append(Written(self.child(person), value, state=not self.events, readable=readable))
        gender = UNKNOWN if person.mends and not person.version % person.mends else "F"
        return self._line(person, value, "2015-02-03" if readable else UNREAD, gender)

    def _line(self, person: Person, value: str, birth: str, gender: str) -> str:
        check = check_of(person.id, value)
        if self.events:
            return (
                f"<Child><IndexNumber>{person.id}</IndexNumber><Shielded>false</Shielded><Names><Name><Kind>current</Kind>"
                f"<Given>{value}</Given><Family>{check}</Family></Name></Names><Gender>{gender}</Gender>"
                f"<BirthDate>{birth}</BirthDate>"
                "<Identifiers><Identifier><System>nhs</System>"
                f"<Value>{person.nhs}</Value><Use>current</Use><VisibleTo>owner</VisibleTo></Identifier></Identifiers></Child>"
            )
        record = {
            "source": {"id": person.id},
            "person": {
                "identifiers": [{"id": "i1", "system": "nhs", "value": person.nhs, "use": "current"}],
                "birth": {"date": birth},
                "names": [{"id": "n1", "use": "current", "given": value, "family": check}],
            },
        }
        return json.dumps(record)

    def _broken(self) -> str:
        return "<Child><Shielded>false</Shielded></Child>" if self.events else '{"source": {"id": '

    def _document(self, lines: Sequence[str]) -> bytes:
        if not self.events:
            return "".join(f"{line}\n" for line in lines).encode()
        head = "<Head><Authority>999</Authority><AsOf>2026-03-31</AsOf></Head>"
        return f'<Index xmlns="urn:ics-hub:contactpoint:1">{head}{"".join(lines)}</Index>\n'.encode()

    def _put(self, data: bytes) -> None:
        """Under a name that is left alone until the file is whole."""
        self.documents += 1
        name = f"{self.documents:06d}{'.xml' if self.events else '.jsonl'}"
        part = self.folder / f"{name}.part"
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.folder / name)


def cast(folder: Path, people: int, *, events: bool = True, poison: bool = True) -> list[Source]:
    """Two sources of full states that share half of their children's numbers, and one of events.

    Each has so many counters, half as many that swing, and one child whose third version cannot be read. That of events
    has some of which every third version can be read under some mapping sets only.
    """
    sources = []
    for at, name in enumerate(("north", "south", "index")[: 3 if events else 2]):
        place = folder / name
        place.mkdir(parents=True)
        counters = [
            Person(f"{name}-{n}", nhs_number(n if n < people // 2 else 1000 * (at + 1) + n)) for n in range(people)
        ]
        swings = [Person(f"{name}-s{n}", nhs_number(5000 * (at + 1) + n), swing=True) for n in range(people // 2)]
        failing = [Person(f"{name}-p", nhs_number(90_000 * (at + 1)), fails=3)] if poison else []
        mended = [Person(f"{name}-m{n}", nhs_number(7000 * (at + 1) + n), mends=3) for n in range(people // 2)]
        people_of = counters + swings + failing + (mended if name == "index" and poison else [])
        sources.append(Source(name, place, people_of, events=name == "index"))
    return sources


def meetings(sources: Sequence[Source]) -> dict[str, list[Child]]:
    """The children that share a number, by it; counters only."""
    found: dict[str, list[Child]] = {}
    for source in sources:
        for person in source.people:
            if not person.swing and not person.id.endswith("-p"):
                found.setdefault(person.nhs, []).append(source.child(person))
    return {nhs: children for nhs, children in found.items() if len(children) > 1}


def written(sources: Sequence[Source]) -> Iterator[Written]:
    """Everything written so far."""
    for source in sources:
        yield from list(source.written)
