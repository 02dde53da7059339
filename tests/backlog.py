"""A store in which very much is parked, written in bulk, and what `failures` should say of it, counted here apart."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from hub.message import Cause
from hub.store import Store
from hub.store.database import Work
from hub.store.line import record_bound
from hub.store.statements import Rows, Sql

TARGETS = ("index", "ssd")
AGES = [*range(0, 3000, 600), *range(5000, 80_000, 3000), *range(90_000, 700_000, 10_000)]
"""Seconds since a message was parked, none near an hour or a day: the counting takes a while."""
A_DOCUMENT = 1000
"""Records in each."""
_STEP = 20_000

_KEYS = Rows("key", "id name:bytes version document ordinal")
_DOCUMENTS = Rows("document", "id name:bytes link sealed:bytes kept:float position done:bool")
_RECORDS = Rows("record", "document ordinal key version kind:text carries:text content:bytes sealed:bytes")
_MESSAGES = Rows(
    "message",
    "number id:bytes document ordinal key source target generation state:text cause created:float changed:float "
    "ended:float",
)
_PLACES = Rows("place", "target key number")
_FINDINGS = Rows("finding", "document ordinal cause")


@dataclass
class Expected:
    """Of one cause: messages, children, and numbers of messages behind them."""

    messages: int = 0
    children: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    hour: int = 0
    day: int = 0
    findings: int = 0


def causes(number: int) -> list[Cause]:
    """So many causes of the kinds there are."""
    return [
        Cause("inward", "is no code of the table", row=f"person.field_{n}", table=f"table_{n}")
        if n % 2
        else Cause("send", f"answer {n}", target=TARGETS[n % 4 // 2], answer="refused")
        for n in range(number)
    ]


def fill(
    store: Store, *, parked: int = 100_000, children: int = 20_000, kinds: int = 40, closed: int = 0, seed: int = 1
) -> dict[int, Expected]:
    """Park so many messages of so many children to two targets for so many causes, an eighth of the children with one
    more behind that could go; what `failures` should say, by cause. closed: messages that were sent before."""
    dice = random.Random(seed)
    store.register(["ics"], TARGETS)
    ids = list(store.cause_ids(causes(kinds)).values())
    assert None in ids
    known = sorted(one for one in ids if one is not None)
    now = float(store.database.read(lambda work: work.value(Sql("SELECT {now}"))))
    links = [store.link_id(name) for name in TARGETS]
    expected: defaultdict[int, Expected] = defaultdict(Expected)
    numbers, rows, places = count(1), [], []
    source = store.link_id("ics")

    def message(child: int, target: int, state: str, cause: int | None, age: float) -> int:
        number = next(numbers)
        place = (number // A_DOCUMENT + 1, number % A_DOCUMENT)
        at, ended = now - age, now - age if state == "sent" else None
        mark = number.to_bytes(16, "big")
        rows.append((number, mark, *place, child, source, target, 0, state, cause, at, at, ended))
        if state != "sent":
            places.append((target, child, number))
        return number

    for place in range(closed):
        message(place % children + 1, links[place % 2], "sent", None, 1e6)
    ahead: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for place in range(parked):
        child, target, age = place % children + 1, links[place // children % 2], dice.choice(AGES)
        cause = known[min(int(dice.expovariate(5 / kinds)), kinds - 1)]
        number = message(child, target, "parked", cause, age)
        for earlier in ahead[child, target]:
            expected[earlier].held.add(number)
        ahead[child, target].add(cause)
        one = expected[cause]
        one.messages += 1
        one.children.add(child)
        one.hour += age < 3600
        one.day += age < 86_400
    for child in range(1, children + 1, 8):
        number = message(child, links[0], "ready", None, 60)
        for earlier in ahead[child, links[0]]:
            expected[earlier].held.add(number)
    findings = [(1, ordinal, known[0]) for ordinal in range(5)]
    expected[known[0]].findings = 5
    _write(store, rows, places, findings, children, now)
    return dict(expected)


def _write(store: Store, rows: list, places: list, findings: list, children: int, now: float) -> None:  # type: ignore[type-arg]
    source = store.link_id("ics")
    documents = range(1, len(rows) // A_DOCUMENT + 2)
    sealed = store.ring.seal(b"bytes", b"of nothing")

    def act(work: Work) -> None:
        _many(work, _KEYS, ((n, n.to_bytes(16, "big"), 1, 1, 0) for n in range(1, children + 1)))
        _many(work, _DOCUMENTS, ((n, n.to_bytes(16, "big"), source, sealed, now, 0, True) for n in documents))
        _many(
            work,
            _RECORDS,
            (
                (row[2], row[3], row[4], 1, "Child", "change", row[1], store.ring.seal(b"{}", record_bound(*row[2:4])))
                for row in rows
            ),
        )
        _many(work, _MESSAGES, rows)
        _many(work, _PLACES, places)
        _many(work, _FINDINGS, findings)

    store.database.write(act)


def _many(work: Work, how: Rows, rows: Iterable[tuple[object, ...]]) -> None:
    held = list(rows)
    for start in range(0, len(held), _STEP):
        work.many(how, held[start : start + _STEP])
