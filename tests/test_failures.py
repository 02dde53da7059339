"""What `failures` counts, on both databases, against a count made apart from the store."""

from __future__ import annotations

from hub.store import Outcome, Store
from tests.backlog import fill
from tests.stores import AWAY, BROKEN, REFUSED, Council


def test_a_hundred_thousand_parked_messages_are_counted_right(store: Store) -> None:
    expected = fill(store)
    found = {row.id: row for row in store.failures()}
    assert set(found) == set(expected)
    assert len(found) == 40
    assert sum(row.count for row in found.values()) == 100_000
    for number, one in expected.items():
        row = found[number]
        assert row.states == {"parked": row.count}
        assert row.count == one.messages
        assert (row.children, row.held) == (len(one.children), len(one.held))
        assert (row.hour, row.day) == (one.hour + one.findings, one.day + one.findings)
        assert row.findings == one.findings
    counts = [row.count for row in store.failures()]
    assert counts == sorted(counts, reverse=True)
    (largest, *_) = store.failures()
    assert len(store.messages_of_cause(largest.id, 50)) == 50
    status = {one.name: one for one in store.status().targets}
    assert sum(one.states["parked"] for one in status.values()) == 100_000
    assert status["index"].held == 60_000 - 20_000 + 2_500
    assert status["ssd"].held == 40_000 - 20_000


def test_a_cause_keeps_its_number_as_long_as_the_store_lives(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A", failed=BROKEN))
    first = store.failures()[0].id
    council.take(council.record("ann", "B"))
    assert store.failures() == [], "a newer record of the child took its place"
    council.take(council.record("bob", "A", failed=BROKEN))
    assert store.failures()[0].id == first


def test_what_waits_and_what_is_parked_are_told_apart(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cyd")))
    council.take(*(council.record("ann", "E", carries="event") for _ in range(2)))
    council.park(1, AWAY)
    council.claim(2, 3)
    council.finish(Outcome(2, "waiting", cause=AWAY, due=100), Outcome(3, "waiting", cause=REFUSED, due=100))
    away, refused = store.failures()
    assert (away.states, away.count, away.children, away.held) == ({"parked": 1, "waiting": 1}, 2, 2, 2)
    assert (refused.states, refused.count, refused.held) == ({"waiting": 1}, 1, 0)
    store.sweep(council.worker)
    council.run("UPDATE message SET state = 'ready', due = NULL WHERE number = 3")
    assert [row.cause for row in store.failures()] == [AWAY], "what may go again is no failure now"


def test_a_message_that_stands_in_several_places_is_held_once(store: Store, council: Council) -> None:
    shared = tuple(council.child(name) for name in ("nhs 1", "upn 1"))
    council.take(council.record("ann", "A", places=shared, carries="change"))
    council.take(council.record("ann", "B", places=shared, carries="change"))
    council.park(1)
    assert [row.held for row in store.failures()] == [1]


def test_the_trend_counts_messages_findings_and_documents(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A", failed=BROKEN) for name in ("ann", "bob", "cyd", "dan")))
    council.take(council.record("eve", "A", findings=(BROKEN,)))
    document = store.keep("ics", "broken off", [("", b"x")]).document
    store.take(council.worker, "ics", document, 0, [], done=True, stopped=BROKEN)
    council.run("UPDATE message SET changed = changed - 7200 WHERE number IN (1, 2)")
    council.run("UPDATE message SET changed = changed - 100000 WHERE number = 3")
    (row,) = store.failures()
    assert (row.count, row.findings, row.documents) == (4, 1, 1)
    assert (row.hour, row.day) == (1 + 1 + 1, 3 + 1 + 1)
    council.run("UPDATE document SET kept = kept - 7200")
    (row,) = store.failures()
    assert (row.hour, row.day) == (1, 5)
