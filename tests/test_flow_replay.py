"""Replays through the whole flow: what was parked goes again in order, and a preview says exactly what will happen.

The parts of a hub are stepped one after another here, without threads, so that a test decides what happens when.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.adapter import Adapter, Theirs, find
from hub.connect import Arrival
from hub.errors import RecordError, Refused, Unanswered
from hub.mapping import Created, Identity, Inward
from hub.message import Answer, Parcel, Sent
from hub.model import ChildRecord
from hub.pipeline import Hub, Link
from hub.pipeline.deliver import Deliverer
from hub.pipeline.foresee import Coming, Foreseen, foresee, foresee_latest
from hub.pipeline.receive import Receiver
from hub.pipeline.replay import Replayer
from hub.queue import LocalQueue
from hub.store import Choice, Store
from hub.store.statements import Sql
from hub.wire import Document
from tests.faults.sources import nhs_number
from tests.stores import RING, Places

CANONICAL = find("canonical")
TARGETS = ("one", "two")


class Sieve(Identity):
    """A mapping that cannot read some given names, cannot write some, and leaves nothing of some."""

    def __init__(self, unread: set[str], unwritten: set[str], empty: set[str], carries: str = "state") -> None:
        super().__init__(CANONICAL)
        self.unread, self.unwritten, self.empty = unread, unwritten, empty
        self.carries = carries  # type: ignore[misc]

    def inward(self, theirs: Theirs, link: str = "", *, park: bool = False, known: ChildRecord | None = None) -> Inward:
        found = super().inward(theirs, link)
        if (said := given_of(found.record)) in self.unread:
            raise RecordError(f"no code for {len(said)} letters", row="person.names", table="names")
        return found

    def create(self, record: ChildRecord, link: str = "", *, edition: str = "", strict: bool = False) -> Created:
        said = given_of(record)
        if said in self.unwritten:
            raise RecordError("it cannot be said", row="person.names")
        return Created({}, {}, []) if said in self.empty else super().create(record, link)


def given_of(record: ChildRecord) -> str:
    assert record.person
    assert record.person.names
    return str(record.person.names[0].given)


def nameless(document: Document) -> Iterator[Theirs | RecordError]:
    """Records whose own id only the mapping finds."""
    for one in CANONICAL.read(document):
        yield Theirs(one.kind, "", one.tree, place=one.place) if isinstance(one, Theirs) else one


class Post:
    """Where documents come from."""

    def __init__(self) -> None:
        self.waiting: list[Arrival] = []

    def fetch(self) -> Iterator[Arrival]:
        yield from list(self.waiting)

    def settle(self, arrival: Arrival) -> None:
        self.waiting.remove(arrival)

    def pending(self) -> bool:
        return bool(self.waiting)

    def ready(self) -> None: ...
    def close(self) -> None: ...


class Shelf:
    """A target that keeps what it was sent, in order, and refuses some children."""

    records, parcels, limit, at_once, keeps_aside, promise = 1, 100, 5.0, None, False, "once"

    def __init__(self) -> None:
        self.got: list[dict[str, str]] = []
        self.refused: set[str] = set()
        self.silent = False

    def stage(self, parcel: Parcel) -> str:
        return ""

    def send(self, parcels: Sequence[Parcel]) -> list[Answer]:
        return [self._take(parcel) for parcel in parcels]

    def _take(self, parcel: Parcel) -> Answer:
        tree = json.loads(parcel.data)
        if self.silent:
            return Unanswered("no answer came")
        if tree["source"]["id"] in self.refused:
            return Refused("it will not have it")
        self.got.append({"child": tree["source"]["id"], "given": tree["person"]["names"][0]["given"]})
        return Sent()

    def discard(self, parcel: Parcel) -> None: ...
    def tidy(self, live: Callable[[str], bool]) -> int:
        return 0

    def ready(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class Rules:
    """What the mappings cannot do."""

    unread: set[str] = field(default_factory=set)
    unwritten: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=lambda: {"Nil"})


class Works:
    """Two sources, two targets, a store; the parts of one process, stepped."""

    def __init__(self, url: str, rules: Rules, *, named: bool = False) -> None:
        """named: the records of both sources say their own ids, whatever the mapping can read."""
        self.store = Store.open(url, RING, run=True)
        self.health = CANONICAL if named else replace(CANONICAL, read=nameless)
        self.posts = {"ics": Post(), "health": Post()}
        self.shelves = {name: Shelf() for name in TARGETS}
        self.names = count(1)
        self.numbers = count(1)
        self.hub = self._hub(rules, "first")

    def _hub(self, rules: Rules, mapping: str) -> Hub:
        def link(name: str, adapter: Adapter, carries: str) -> Link:
            mappings = {"record": Sieve(rules.unread, rules.unwritten, rules.empty, carries)}
            if name in TARGETS:
                return Link(name, adapter, mappings, outlet=self.shelves[name])  # type: ignore[arg-type]
            return Link(name, adapter, mappings, inlet=self.posts[name], targets=TARGETS, park=True)  # type: ignore[arg-type]

        links = [
            link("ics", CANONICAL, "state"),
            link("health", self.health, "change"),
            *(link(name, CANONICAL, "state") for name in TARGETS),
        ]
        hub = Hub(links, self.store, LocalQueue(TARGETS), RING, mapping=mapping)
        hub.flow.store.register(["ics", "health"], TARGETS)
        hub.flow.worker.enlist()
        assert self.store.agree(mapping, hub.flow.worker.id)
        hub.flow.gate.open(hub.flow.worker.id)
        self.receivers = [Receiver(hub.flow, one) for one in hub.sources]
        self.deliverers = [Deliverer(hub.flow, one) for one in hub.targets]
        self.replayer = Replayer(hub.flow)
        return hub

    @property
    def links(self) -> dict[str, Link]:
        return self.hub.flow.links

    def mend(self, rules: Rules) -> None:
        """The same store under another mapping set."""
        for one in self.deliverers:
            one.close()
        self.store.dismiss(self.hub.flow.worker.id)
        self.hub = self._hub(rules, f"mended {next(self.numbers)}")

    def close(self) -> None:
        self.store.close()

    def bring(self, source: str, records: Sequence[tuple[str, str, int]]) -> None:
        """A document of (child, given name, number of an NHS number or 0)."""
        lines = []
        for child, name, nhs in records:
            identifiers = [{"id": "i", "system": "nhs", "value": nhs_number(nhs)}] if nhs else []
            person = {"names": [{"id": "n", "given": name, "family": "Example"}], "identifiers": identifiers}
            lines.append(json.dumps({"source": {"link": source, "id": child}, "person": person}))
        name = f"{next(self.names)}.jsonl"
        self.posts[source].waiting.append(Arrival(name, Document.of(name, "\n".join(lines).encode())))

    def step(self) -> None:
        """Do what can be done now."""
        while self._take_in() or self._send():
            pass

    def _take_in(self) -> bool:
        worked = [one.step() for one in self.receivers]
        return any(worked)

    def _send(self) -> bool:
        busy = False
        for one in self.deliverers:
            while self._has_some(one.link.name):
                busy = one.step() or busy
        return busy

    def _has_some(self, target: str) -> bool:
        """Whether anything lies on a target's queue, with what a sweep would put there."""
        if not self.hub.flow.queue.depth(target):
            self.hub.flow.publish(self.store.republish(target, 100, 0.0))
        return bool(self.hub.flow.queue.depth(target))

    def replay(self, numbers: Sequence[int], *, rate: float | None = None, canary: int | None = None) -> int:
        """Replay messages to the end; the run."""
        run, new = self.store.start_run(
            f"run {next(self.numbers)}", numbers, "tester", "", mapping=self.hub.flow.mapping, rate=rate, canary=canary
        )
        assert new
        return self.finish(run.id)

    def finish(self, run: int) -> int:
        end = time.monotonic() + 20
        while (found := self.store.run(run)).ended is None:
            assert time.monotonic() < end, found
            self.replayer.step()
            self.step()
            if found.state == "proven":
                self.store.change_run(run, "proceed", "tester")
            elif "frozen" not in found.items:  # what is let go and held waits for what is parked
                break
            if found.rate is not None:
                time.sleep(0.01)
        return run

    def foresee(self, choice: Choice) -> Foreseen:
        return foresee(self.links, self.store, RING, choice, self.hub.flow.mapping)

    def states(self) -> dict[int, str]:
        """Every message's state."""
        last = self.store.highest_number()
        return {number: self.store.trace(number).state for number in range(1, last + 1)}


@pytest.fixture(params=["sqlite", "postgresql"])
def works(request: pytest.FixtureRequest, places: Places) -> Iterator[Works]:
    made = Works(places.new(request.param), Rules(unread={"Wren"}))
    try:
        yield made
    finally:
        made.close()


def told(foreseen: Sequence[Coming]) -> list[tuple[int | None, str]]:
    return [(one.number, one.after) for one in foreseen]


def test_what_a_mended_mapping_reads_goes_and_what_it_held_follows_in_order(works: Works) -> None:
    works.bring("ics", [("a", "Wren", 1), ("b", "Ada", 2), ("c", "Wren", 0)])
    works.bring("health", [("h", "Ben", 0)])
    works.shelves["one"].refused = {"b"}
    works.step()
    works.shelves["one"].refused = set()
    works.bring("health", [("h2", "Wren", 2)])
    works.step()
    assert works.shelves["one"].got == [{"child": "h", "given": "Ben"}]
    works.mend(Rules())
    foreseen = works.foresee(Choice())
    works.replay(works.store.choose(Choice()).items)
    assert [one["child"] for one in works.shelves["one"].got] == ["h", "a", "b", "c", "h2"]
    assert [one["child"] for one in works.shelves["two"].got] == ["b", "h", "a", "c", "h2"]
    assert {one.after for one in foreseen.items} == {"sent"}
    assert not works.store.failures()


def test_only_the_latest_goes_when_it_turns_out_that_a_later_record_of_the_child_was_sent(works: Works) -> None:
    works.bring("health", [("a", "Wren", 0)])
    works.bring("health", [("a", "Ben", 0)])
    works.step()
    assert works.shelves["one"].got == [{"child": "a", "given": "Ben"}], "nobody knew whose the first is"
    works.mend(Rules())
    foreseen = works.foresee(Choice())
    run = works.replay(works.store.choose(Choice()).items)
    assert works.shelves["one"].got == [{"child": "a", "given": "Ben"}]
    [note] = {item.note for item in works.store.run_items(run)}
    assert foreseen.items == []
    assert foreseen.others == {note: 2, "sent": 2}


def test_a_replay_that_waits_for_a_person_does_not_keep_the_hub_from_ending(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.pipeline.STILL", 0.3)
    works.bring("health", [("a", "Wren", 0)])
    works.bring("health", [("a", "Ben", 0)])
    for one in works.shelves.values():
        one.silent = True
    works.step()
    for number in works.store.standing(range(1, 5)):
        if works.states()[number] == "waiting":  # its attempts are over, and nobody knows whether it arrived
            works.store.database.write(
                lambda work, number=number: work.run(
                    Sql("UPDATE message SET state = 'parked' WHERE number = :n"), n=number
                )
            )
    works.mend(Rules())
    numbers = [number for number, one in works.store.standing(range(1, 5)).items() if one.failed]
    run, _ = works.store.start_run("x", numbers, "tester", "", mapping=works.hub.flow.mapping)
    works.replayer.step()
    assert works.store.run(run.id).items == {"frozen": 2}, "the first cannot come after what may have arrived"
    assert not works.hub._is_idle()
    time.sleep(0.4)
    works.replayer.step()
    assert works.hub._is_idle()
    assert works.store.run(run.id).state == "running"


def test_a_record_that_still_cannot_be_read_stays_with_its_new_cause(works: Works) -> None:
    works.bring("ics", [("a", "Wren", 0), ("b", "Robin", 0)])
    works.mend(Rules(unread={"Wren", "Robin"}))
    works.step()
    works.mend(Rules(unread={"Robin"}))
    foreseen = works.foresee(Choice(target="two"))
    assert [(one.after, one.then.reason if one.then else "") for one in foreseen.items] == [
        ("sent", ""),
        ("parked", "no code for 5 letters"),
    ]
    works.replay(works.store.choose(Choice(target="two")).items)
    assert [one["child"] for one in works.shelves["two"].got] == ["a"]
    assert works.shelves["one"].got == []


def test_a_document_that_can_be_read_no_more_says_so(works: Works) -> None:
    works.bring("ics", [("a", "Wren", 0)])
    works.step()
    works.store.database.write(lambda work: work.run(Sql("DELETE FROM chunk")))
    works.mend(Rules())
    works.replay(works.store.choose(Choice()).items)
    assert {one.cause.reason for one in works.store.failures()} == {"document 1 was purged while it was read"}


def test_a_replay_is_bound_to_its_mapping_set(works: Works) -> None:
    works.bring("ics", [("a", "Wren", 0)])
    works.step()
    numbers = works.store.choose(Choice()).items
    run, _ = works.store.start_run("x", numbers, "tester", "", mapping=works.hub.flow.mapping)
    works.mend(Rules())
    works.replayer.step()
    assert works.store.run(run.id).items == {"frozen": 2}
    works.store.change_run(run.id, "resume", "tester", mapping=works.hub.flow.mapping)
    works.finish(run.id)
    assert len(works.shelves["one"].got) == 1


def test_a_long_document_is_read_again_once_however_many_batches_a_run_takes(works: Works) -> None:
    works.bring("ics", [(f"c{n}", "Wren", 0) for n in range(450)])
    works.step()
    works.mend(Rules())
    opened = []
    source = works.links["ics"]

    def read(document: Document) -> Iterator[Theirs | RecordError]:
        opened.append(1)
        yield from CANONICAL.read(document)

    works.links["ics"] = replace(source, adapter=replace(source.adapter, read=read))
    works.replayer = Replayer(works.hub.flow)
    works.replay(works.store.choose(Choice(target="one")).items)
    assert len(works.shelves["one"].got) == 450
    assert len(opened) == 1


def test_latest_sends_every_childs_newest_record_anew(works: Works) -> None:
    works.bring("ics", [("a", "Ada", 0), ("b", "Ben", 0), ("c", "Nil", 0)])
    works.bring("ics", [("a", "Ann", 0)])
    works.bring("health", [("h", "Hal", 0)])
    works.step()
    shelf = works.shelves["one"]
    shelf.got.clear()
    foreseen = foresee_latest(works.links, works.store, RING, "one", works.hub.flow.mapping)
    sources = [link.name for link in works.links.values() if "one" in link.targets]
    run, _ = works.store.start_latest("one", None, "tester", "", mapping=works.hub.flow.mapping, sources=sources)
    works.finish(run.id)
    assert sorted(one["given"] for one in shelf.got) == ["Ann", "Ben"]
    assert Counter(one.after for one in foreseen.items) == {"sent": 2, "withheld": 1}
    assert foreseen.children == 3
    assert sum(foreseen.others.values()) == 1


NAMES = ("Ada", "Ben", "Wren", "Robin", "Nil", "Grim", "Glum")
RECORD = st.tuples(st.sampled_from("abc"), st.sampled_from(NAMES), st.integers(0, 2))
BRINGING = st.tuples(st.sampled_from(["ics", "health"]), st.lists(RECORD, min_size=1, max_size=4))
REFUSING = st.sets(st.sampled_from("abc"), max_size=2)
PICKS = st.lists(st.integers(0, 30), max_size=4)


@dataclass
class Case:
    """bringing: documents in two parts; refusing: whom each target refuses meanwhile; aside, back: which open messages
    are set aside, and which of these restored; mended: what the mappings can do later. choice: of what is replayed."""

    bringing: list[tuple[str, list[tuple[str, str, int]]]]
    more: list[tuple[str, list[tuple[str, str, int]]]]
    refusing: tuple[set[str], set[str]]
    aside: list[int]
    back: list[int]
    mended: tuple[bool, bool, bool]
    choice: tuple[str, list[int]]
    pace: str


CASES = st.builds(
    Case,
    bringing=st.lists(BRINGING, min_size=1, max_size=4),
    more=st.lists(BRINGING, max_size=2),
    refusing=st.tuples(REFUSING, REFUSING),
    aside=PICKS,
    back=PICKS,
    mended=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    choice=st.tuples(st.sampled_from(["all", "target", "source", "numbers", "cause"]), PICKS),
    pace=st.sampled_from(["at once", "slowly", "canary"]),
)


def prepare(works: Works, case: Case) -> None:
    """Everything that happens before the replay."""
    for name, refused in zip(TARGETS, case.refusing, strict=True):
        works.shelves[name].refused = set(refused)
    for source, records in case.bringing:
        works.bring(source, records)
        works.step()
    opened = [n for n, state in works.states().items() if state in ("parked", "ready")]
    aside = sorted({opened[pick % len(opened)] for pick in case.aside}) if opened else []
    works.store.set_aside(aside, "tester", "a test")
    works.step()
    for source, records in case.more:
        works.bring(source, records)
        works.step()
    if aside:
        works.store.restore(sorted({aside[pick % len(aside)] for pick in case.back}), "tester", "a test")
    works.step()
    again, writes, reads = case.mended
    unread = {"Robin"} if reads else {"Wren", "Robin"}
    works.mend(Rules(unread, set() if writes else {"Grim"}, {"Nil", "Glum"} if again else {"Nil"}))
    for shelf in works.shelves.values():
        shelf.refused = set()


def chosen(works: Works, case: Case) -> Choice:
    kind, picks = case.choice
    numbers = sorted(works.states())
    causes = works.store.failures()
    first = picks[0] if picks else 0
    if kind == "numbers":
        return Choice(numbers=tuple(sorted({numbers[pick % len(numbers)] for pick in [*picks, 0]})))
    if kind == "cause" and causes:
        return Choice(cause=causes[first % len(causes)].id)
    if kind == "target":
        return Choice(target=TARGETS[first % 2])
    return Choice(source=("ics", "health")[first % 2]) if kind == "source" else Choice()


@given(CASES)
@settings(max_examples=30)
def test_a_preview_says_what_then_happens_message_for_message(places: Places, case: Case) -> None:
    # Let go one after another, a record whose child nobody knew may be passed by a later one, which was free before.
    named = case.pace != "at once"
    works = Works(places.new("sqlite"), Rules({"Wren", "Robin"}, {"Grim", "Glum"}), named=named)
    try:
        prepare(works, case)
        before = works.states()
        choice = chosen(works, case)
        foreseen = works.foresee(choice)
        assert works.states() == before, "looking changes nothing"
        assert foreseen.children == len({works.store.trace(one.number or 0).child for one in foreseen.items})
        items = works.store.choose(choice).items
        going = [one.number for one in foreseen.items if one.after == "sent"]
        first = [n for n, one in works.store.standing(going).items() if n in going and not one.ahead]
        if items:
            canary = first[0] if case.pace == "canary" and first else None
            works.replay(items, canary=canary, rate=40.0 if case.pace == "slowly" else None)
        works.step()
        after = works.states()
        wanted = dict(before)
        wanted.update((one.number, one.after) for one in (*foreseen.items, *foreseen.also) if one.number)
        wanted = {n: before[n] if state == "held" and before[n] != "parked" else state for n, state in wanted.items()}
        found = {n: "held" if wanted[n] == "held" and state == "ready" else state for n, state in after.items()}
        assert found == wanted
        assert len(foreseen.items) + sum(foreseen.others.values()) >= len(items)
    finally:
        works.close()


@given(CASES)
@settings(max_examples=15)
def test_a_preview_of_latest_says_what_then_happens_child_for_child(places: Places, case: Case) -> None:
    works = Works(places.new("sqlite"), Rules({"Wren", "Robin"}, {"Grim", "Glum"}))
    try:
        prepare(works, case)
        before = works.states()
        mapping = works.hub.flow.mapping
        foreseen = foresee_latest(works.links, works.store, RING, "one", mapping)
        assert works.states() == before, "looking changes nothing"
        if not foreseen.items:
            return
        run, _ = works.store.start_latest("one", None, "tester", "", mapping=mapping, sources=["ics", "health"])
        works.finish(run.id)
        works.step()
        after = works.states()
        found = {one.key: after[one.number] if one.number else "none" for one in works.store.run_items(run.id)}
        assert {one.child: one.after for one in foreseen.items} == {
            key: "held" if state == "ready" else state for key, state in found.items()
        }
        changed = {n: state for n, state in after.items() if n in before and state != before[n]}
        assert changed == {one.number: one.after for one in foreseen.also}
    finally:
        works.close()
