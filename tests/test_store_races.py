"""Several workers at once, and workers that end anywhere: nothing is lost, nothing is doubled, nothing overtakes."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import count, pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from hub.message import Message, Parcel, Told
from hub.store import Incoming, LeaseLost, Outcome, Store, StoreDown
from hub.store.database import no_hook
from hub.store.statements import Sql
from tests.nodes import Postgres
from tests.stores import AWAY, RING, Council, Places, numbered, opened

STEPS = [f"T{step}.{side}" for step in range(1, 7) for side in ("before-commit", "after-commit")]


class Crash(BaseException):
    """The process ends here; a BaseException, so that nothing on the way can make good of it."""


class Log:
    """What targets saw: (when it began, when it was over, number), and the places of each. Apart from the store."""

    def __init__(self) -> None:
        self._lock, self._clock = threading.Lock(), count()
        self.sent: list[tuple[int, int, int]] = []
        self.places: dict[int, set[bytes]] = {}

    def tick(self) -> int:
        with self._lock:
            return next(self._clock)

    def add(self, began: int, number: int) -> None:
        with self._lock:
            self.sent.append((began, next(self._clock), number))

    def faults(self) -> list[tuple[int, int]]:
        """Pairs of messages that share a place and went out in the wrong order, or at the same time."""
        by_place: defaultdict[bytes, list[tuple[int, int, int]]] = defaultdict(list)
        for one in self.sent:
            for place in self.places[one[2]]:
                by_place[place].append(one)
        found = []
        for line in by_place.values():
            line.sort()
            found += [(a[2], b[2]) for a, b in pairwise(line) if a[1] > b[0] or a[2] > b[2]]
        return found


class Mill:
    """Sources that keep and workers that send, each with a store of its own as if it were a process, over a queue that
    loses, doubles and shuffles."""

    def __init__(self, url: str, seed: int) -> None:
        self.url, self.random = url, random.Random(seed)
        self.queue: list[tuple[int, bytes]] = []
        self.lock, self.log, self.taking = threading.Lock(), Log(), 0
        self.places: dict[tuple[int, int], set[bytes]] = {}
        self.errors: list[BaseException] = []

    def publish(self, messages: list[Message]) -> None:
        with self.lock:
            for one in messages:
                for _ in range(self.random.choice((0, 1, 1, 2))):
                    self.queue.insert(self.random.randrange(len(self.queue) + 1), (one.number, one.id))

    def consume(self, most: int) -> list[tuple[int, bytes]]:
        with self.lock:
            found, self.queue = self.queue[:most], self.queue[most:]
            return found

    def take(self, source: str, batches: int) -> None:
        """Keep records of few children, who share NHS numbers between the sources in the opposite order."""
        for store in opened(self.url):
            worker = store.enlist(source, 1, 3600)
            assert store.lease_source(source, worker)
            mine = random.Random(source)
            for batch in range(batches):
                document = store.keep(source, f"{batch}", [("", b"x")]).document
                records = []
                for ordinal in range(8):
                    child = mine.randrange(12)
                    shared = RING.name("nhs", child if source == "ics" else 11 - child)
                    key = RING.name("child", source, child)
                    carries = mine.choice(("state", "state", "event"))
                    self.places[document, ordinal] = {key, shared}
                    records.append(
                        Incoming(ordinal, key, "Child", b"x", f"{batch} {ordinal}", ("ssd",), (shared,), carries)
                    )
                self.publish(store.take(worker, source, document, 0, records, done=True).messages)
            with self.lock:
                self.taking -= 1

    def work(self, name: int) -> None:
        """Claim, prepare, send, finish; now and then die, or give back."""
        mine = random.Random(name)
        for store in opened(self.url):
            worker = store.enlist("worker", name, 3600)
            while True:
                hints = self.consume(mine.randrange(1, 9))
                if not hints:
                    store.sweep(worker)
                    self.publish(store.republish("ssd", 20, 0.02))
                    if not self.taking and not self.queue and not store.open_count("ssd"):
                        return
                    continue
                claimed = store.claim(worker, "ssd", hints, alone=mine.random() < 0.3)
                if mine.random() < 0.05 and not any(one.crashes for one in claimed.claims):
                    store.database.write(lambda work, worker=worker: work.run(_EXPIRE, worker=worker))  # type: ignore[misc]
                    worker = store.enlist("worker", name, 3600)
                    continue
                self.send(store, worker, [one.number for one in claimed.claims], mine)
                for number in claimed.crashed:
                    mark = dict(hints)[number]
                    alone = store.claim(worker, "ssd", [(number, mark)], alone=True)
                    self.send(store, worker, [one.number for one in alone.claims], mine)

    def send(self, store: Store, worker: int, numbers: list[int], mine: random.Random) -> None:
        parcels = [Parcel(RING.name("p", n, mine.random()), "ssd", [n], b"x") for n in numbers]
        kept = store.prepare(worker, parcels)
        outcomes = []
        for parcel in kept:
            assert parcel is not None, "nobody was given up"
            number = parcel.numbers[0]
            choice = mine.random()
            if choice < 0.1:
                outcomes.append(Outcome(number, "waiting", cause=AWAY, due=mine.random() * 0.05))
            elif choice < 0.15:
                outcomes.append(Outcome(number, "ready"))
            else:
                self.log.add(self.log.tick(), number)
                outcomes.append(Outcome(number, "sent"))
        self.publish(store.finish(worker, "ssd", outcomes))

    def guarded(self, act: Callable[..., None], *arguments: object) -> None:
        try:
            act(*arguments)
        except BaseException as error:
            self.errors.append(error)
            self.taking = 0
            raise


_EXPIRE = Sql("UPDATE worker SET until = 0 WHERE id = :worker")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_workers_beside_each_other_lose_nothing_and_overtake_nothing(places: Places, kind: str) -> None:
    url, batches = places.new(kind), 20
    for store in opened(url):
        store.register(["ics", "health"], ["ssd"])
    mill = Mill(url, seed=7)
    mill.taking = 2
    jobs = [(mill.take, "ics", batches), (mill.take, "health", batches), *((mill.work, n) for n in range(4))]
    threads = [threading.Thread(target=mill.guarded, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert mill.errors == []
    assert not any(thread.is_alive() for thread in threads)
    for store in opened(url):
        council = Council(store)
        rows = council.run("SELECT number, state FROM message ORDER BY number")
        assert len(rows) == 2 * batches * 8
        states = Counter(state for _, state in rows)
        assert set(states) == {"sent", "superseded"}
        assert council.run("SELECT count(*) FROM place") == [(0,)]
        sent = Counter(number for _, _, number in mill.log.sent)
        assert set(sent) == {number for number, state in rows if state == "sent"}
        assert set(sent.values()) == {1}
        for number, *record in council.run("SELECT number, document, ordinal FROM message"):
            mill.log.places[number] = mill.places[tuple(record)]  # type: ignore[index]
        assert mill.log.faults() == []
        # A message that was superseded gave way to one of the same child that was kept later.
        given_way = "SELECT count(*) FROM message m JOIN message n ON n.number = m.superseded_by "
        assert council.run(given_way + "WHERE n.key <> m.key OR n.number < m.number") == [(0,)]
        stale = council.run("SELECT count(*) FROM message m WHERE state = 'superseded' AND NOT whole")
        assert stale == [(0,)]


@pytest.fixture
def url(places: Places) -> str:
    return places.new("postgresql")


@pytest.fixture
def pair(url: str) -> Iterator[tuple[Council, Council]]:
    """Two processes' stores on PostgreSQL, each with a worker."""
    for one in opened(url):
        for other in opened(url):
            yield Council(one), Council(other)


def both(first: Callable[[], object], second: Callable[[], object]) -> list[object]:
    """What two acts give that begin together."""
    gate = threading.Barrier(2)

    def run(act: Callable[[], object]) -> object:
        gate.wait()
        return act()

    with ThreadPoolExecutor(2) as pool:
        return [one.result() for one in [pool.submit(run, act) for act in (first, second)]]


def test_two_workers_never_claim_the_same(pair: tuple[Council, Council]) -> None:
    one, other = pair
    one.take(*(one.record(str(n), "A") for n in range(200)))
    hints = one.hints(*range(1, 201))
    for start in range(0, 200, 20):
        part = hints[start : start + 20]
        found = both(
            lambda part=part: one.store.claim(one.worker, "ssd", part),  # type: ignore[misc]
            lambda part=part: other.store.claim(other.worker, "ssd", part[::-1]),  # type: ignore[misc]
        )
        claimed = [claim.number for each in found for claim in each.claims]  # type: ignore[attr-defined]
        assert len(claimed) == len(set(claimed))
    owners = one.run("SELECT count(*) FROM message WHERE state = 'sending'")
    assert owners[0][0] == 200, "what one left out because it was locked, the other has"


def test_a_new_state_and_the_claim_of_the_old_one_never_both_win(pair: tuple[Council, Council]) -> None:
    one, other = pair
    seen = Counter()
    for turn in range(40):
        number = one.take(one.record(f"child {turn}", "A")).messages[0].number
        hints = one.hints(number)
        taken, claimed = both(
            lambda turn=turn: one.take(one.record(f"child {turn}", "B")),  # type: ignore[misc]
            lambda hints=hints: other.store.claim(other.worker, "ssd", hints),  # type: ignore[misc]
        )
        state = one.state(number)
        seen[state] += 1
        assert state == ("sending" if claimed.claims else "superseded"), "one of them had it"  # type: ignore[attr-defined]
        assert bool(taken.messages) == (state == "superseded")  # type: ignore[attr-defined]
        other.finish(Outcome(number, "sent"))
        assert one.claim(number + 1).claims
    assert sum(seen.values()) == 40


def test_a_batch_waits_for_one_under_way_that_shares_a_place_so_that_numbers_rise_as_they_are_committed(
    pair: tuple[Council, Council],
) -> None:
    one, other = pair
    nhs = RING.name("nhs", "9999999999")
    one.take(one.record("ann", "A", places=(nhs,)))
    other.take(other.record("x1", "A", source="health", places=(nhs,)), source="health")
    ended: list[str] = []
    later = threading.Thread(
        target=lambda: (
            other.take(other.record("x1", "B", source="health", places=(nhs,)), source="health"),
            ended.append("other"),
        )
    )

    def meanwhile(step: str, at_hand: int) -> None:
        if step == "T2.before-commit":
            later.start()
            later.join(0.7)
            ended.append("one")

    one.store.database.hook = meanwhile
    one.take(one.record("ann", "B", places=(nhs,)))
    later.join(30)
    assert ended == ["one", "other"]
    assert (one.store.trace(3).source, one.store.trace(4).source) == ("ics", "health")
    assert one.store.trace(4).behind == [3]


def test_a_worker_that_finishes_and_a_sweep_that_gives_it_up_never_both_win(pair: tuple[Council, Council]) -> None:
    one, other = pair
    for turn in range(30):
        worker = other.store.enlist("there", turn)
        number = one.take(one.record(f"child {turn}", "A")).messages[0].number
        other.claim(number, worker=worker)
        one.die(worker)
        both(
            lambda: one.store.sweep(one.worker),
            lambda number=number, worker=worker: other.finish(Outcome(number, "sent"), worker=worker),  # type: ignore[misc]
        )
        trace = one.store.trace(number)
        assert (trace.state, [a.outcome for a in trace.history]) in (("sent", ["sent"]), ("ready", ["crash"]))
        one.store.sweep(one.worker)
        if trace.state == "ready":
            assert one.claim(number, alone=True).claims


def test_one_of_two_gets_the_probe_the_slot_and_the_source(pair: tuple[Council, Council]) -> None:
    one, other = pair
    one.take(one.record("ann", "A"), one.record("bob", "A"))
    one.store.release_source("ics", one.worker)
    for turn in range(10):
        one.store.pause("ssd", 0, AWAY)
        hints = one.hints(1, 2)
        found = both(
            lambda hints=hints: one.store.claim(one.worker, "ssd", hints),  # type: ignore[misc]
            lambda hints=hints: other.store.claim(other.worker, "ssd", hints),  # type: ignore[misc]
        )
        assert sorted(each.probe for each in found) == [False, True], turn  # type: ignore[attr-defined]
        assert sum(len(each.claims) for each in found) == 1  # type: ignore[attr-defined]
        for each, council in zip(found, pair, strict=True):
            council.finish(*(Outcome(claim.number, "ready") for claim in each.claims))  # type: ignore[attr-defined]
        slots = both(*(lambda c=c: c.store.lease_slot("index", c.worker, 1) for c in pair))  # type: ignore[misc]
        assert sorted(slots, key=str) == [0, None]
        leased = both(*(lambda c=c: c.store.lease_source("ics", c.worker) for c in pair))  # type: ignore[misc]
        assert sorted(leased) == [False, True]  # type: ignore[type-var]
        for council in pair:
            council.store.release_slot("index", council.worker, 0)
            council.store.release_source("ics", council.worker)


def test_one_document_kept_by_two_is_one(pair: tuple[Council, Council]) -> None:
    for turn in range(10):
        found = both(*(lambda c=c, turn=turn: c.store.keep("ics", str(turn), [("", b"x")]) for c in pair))  # type: ignore[misc]
        assert sorted(one.new for one in found) == [False, True]  # type: ignore[attr-defined]
        assert len({one.document for one in found}) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("leaves_first", [True, False])
def test_a_child_tells_under_a_number_that_another_leaves_at_that_moment(
    pair: tuple[Council, Council], leaves_first: bool
) -> None:
    one, other = pair
    old, new = RING.name("nhs", "1"), RING.name("nhs", "2")
    one.take(*(one.record(name, "A", places=(old,)) for name in ("ann", "cat")))
    ann, cat = (one.store.children([one.child(name)])[one.child(name)] for name in ("ann", "cat"))
    for number, told in enumerate((Told(ann, b"a", b"a", [old], [], []), Told(cat, b"c", b"ac", [old], [ann], [])), 1):
        assert one.claim(number).claims
        one.finish(Outcome(number, "sent", told=[replace(told, seen=[(old, 1)] if told.of else [])]))
    other.take(other.record("x1", "A", source="health", places=(old,)), source="health")
    one.take(one.record("ann", "B", places=(new,)))
    assert other.claim(3).claims
    assert one.claim(4).claims
    x1 = one.store.children([one.child("x1", "health")])[one.child("x1", "health")]
    comes = partial(other.finish, Outcome(3, "sent", told=[Told(x1, b"x", b"acx", [old], [ann, cat], [(old, 2)])]))
    goes = partial(one.finish, Outcome(4, "sent", told=[Told(ann, b"b", b"b", [new], [], [(old, 2)], [(old, b"c")])]))
    first, second = ((one, goes), comes) if leaves_first else ((other, comes), goes)
    with ThreadPoolExecutor(1) as pool:

        def meanwhile(step: str, at_hand: int) -> None:
            if step == "T5.before-commit":
                first[0].store.database.hook = no_hook
                later.append(pool.submit(second))
                wait(later, 0.7)

        later: list[Future[object]] = []
        first[0].store.database.hook = meanwhile
        first[1]()
        later[0].result()
    assert (one.state(3), one.state(4)) == ("sent", "sent")
    told = one.store.known("ssd", [(x1, [old])])[0].held
    assert [held.record for held in told] == [b"c" if leaves_first else b"acx"], "the second saw what the first did"


# Ends anywhere


class Bomb:
    """A hook that ends its process at the n-th time that a step is reached."""

    def __init__(self) -> None:
        self.step, self.left = "", 0

    def __call__(self, step: str, at_hand: int) -> None:
        if step == self.step and at_hand:
            self.left -= 1
            if not self.left:
                raise Crash


def flow(store: Store, council: Council, sent: list[int], document: int) -> None:
    """The whole way, once round; it may be run again from the start whatever happened."""
    records = numbered([council.record(name, digest) for name in ("ann", "bob") for digest in ("A", "B", "A")])
    store.keep("ics", "the document", [("", b"x")])
    if store.lease_source("ics", council.worker):
        for unread in store.unread("ics"):
            position = unread.position
            while position < len(records):
                part = records[position : position + 2]
                position = store.take(
                    council.worker, "ics", unread.document, position, part, done=position + 2 >= len(records)
                ).position
    store.sweep(council.worker)
    for message in store.republish("ssd", 10, -1):
        claimed = store.claim(council.worker, "ssd", [(message.number, message.id)], alone=True)
        for claim in claimed.claims:
            parcel = claim.parcel or store.prepare(council.worker, [council.parcel(claim.number)])[0]
            assert parcel is not None
            sent.append(claim.number)
            first = claim.attempts == 0
            state = Outcome(claim.number, "waiting", cause=AWAY, due=0) if first else Outcome(claim.number, "sent")
            store.finish(council.worker, "ssd", [state])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_process_that_ends_at_any_step_leaves_all_that_is_needed(places: Places, kind: str, step: str) -> None:
    for nth in (1, 2):
        bomb, sent = Bomb(), list[int]()
        for store in opened(places.new(kind), hook=bomb):
            council = Council(store)
            bomb.step, bomb.left = step, nth
            crashes = 0
            for _ in range(30):
                try:
                    flow(store, council, sent, 1)
                except Crash:
                    crashes += 1
                    council.die(council.worker)
                    council.worker = store.enlist("again", 1)
                    store.sweep(council.worker)
                    continue
                if not store.open_count("ssd"):
                    break
            assert crashes == 1 or (step.startswith("T1") and nth == 2)
            states = Counter(council.run("SELECT key, state FROM message"))
            assert sum(states.values()) == 6, "two children, three versions each"
            assert {state for _, state in states} <= {"sent", "superseded"}
            newest = "SELECT state FROM message WHERE number IN (SELECT max(number) FROM message GROUP BY key)"
            assert council.run(newest) == [("sent",), ("sent",)]
            assert council.run("SELECT count(*) FROM place") == [(0,)]
            assert {council.state(number) for number in sent} == {"sent"}


def test_a_connection_cut_before_the_commit_loses_nothing(places: Places, postgres: Postgres) -> None:
    url, cuts = places.new("postgresql"), Counter[str]()

    def cut(step: str, at_hand: int) -> None:
        if step.endswith("before-commit") and at_hand and cuts[step] < 2:
            cuts[step] += 1
            postgres.cut(url.rpartition("/")[2])

    for store in opened(url):
        council = Council(store)
        store.database.hook = cut
        sent: list[int] = []
        for _ in range(60):
            try:
                flow(store, council, sent, 1)
            except StoreDown:
                store.give_back(council.worker, "ssd")
            except LeaseLost:
                council.worker = store.enlist("again", 1)
            else:
                if not store.open_count("ssd"):
                    break
        assert set(cuts.values()) == {2}
        assert len(cuts) == 6
        assert council.run("SELECT count(*) FROM message") == [(6,)]
        assert council.run("SELECT count(*) FROM message WHERE ended IS NULL") == [(0,)]


SLOW = """CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON message DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.state = 'sending') EXECUTE FUNCTION slow()"""


def test_a_claim_is_given_back_whose_commit_goes_on_after_its_connection_was_lost(
    places: Places, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = places.new("postgresql")
    name = url.rpartition("/")[2]
    for store in opened(url):
        council = Council(store)
        council.take(council.record("ann", "A"))
        hints = council.hints(1)
        postgres.sql(SLOW, name)
        commit = store.database.driver.commit

        def lose(connection: Any, at_hand: int) -> None:
            monkeypatch.setattr(store.database.driver, "commit", commit)  # noqa: B023 - called in this turn
            connection.pgconn.send_query(b"COMMIT")
            connection.pgconn.flush()
            connection.close()
            raise StoreDown("the connection broke")

        monkeypatch.setattr(store.database.driver, "commit", lose)
        try:
            with pytest.raises(StoreDown):
                store.claim(council.worker, "ssd", hints)
            assert store.give_back(council.worker, "ssd") == 1
            assert council.state(1) == "ready"
        finally:
            postgres.sql("DROP TRIGGER slow ON message", name)
            postgres.sql("DROP FUNCTION slow", name)


def test_a_worker_stopped_in_a_transaction_holds_up_nobody_for_longer_than_its_lease(
    pair: tuple[Council, Council],
) -> None:
    one, other = pair
    names = ("idle_in_transaction_session_timeout", "lock_timeout")
    assert [one.run(f"SHOW {name}") for name in names] == [[("15s",)], [("20s",)]]
    one.take(one.record("ann", "A"), one.record("bob", "A"))
    one.claim(1, 2)
    swept = []

    def sweep_meanwhile(step: str, at_hand: int) -> None:
        if step == "T5.before-commit":
            other.die(one.worker)
            swept.append(other.store.sweep(other.worker).dead)

    one.store.database.hook = sweep_meanwhile
    one.finish(Outcome(1, "sent"))
    assert swept == [1], "all but the one whose row is locked"
    assert (one.state(1), one.state(2)) == ("sent", "ready")
