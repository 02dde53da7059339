"""The store keeps its contract on both databases: one set of tests, run on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from hub.errors import DeclarationError
from hub.message import Message
from hub.store import Batch, LeaseLost, Outcome, Store, StoreDown
from hub.store.audit import Verified
from hub.store.database import Database, Work
from hub.store.statements import Sql
from hub.wire import Document
from tests.nodes import Postgres
from tests.stores import AWAY, BROKEN, REFUSED, RING, Council, Places, numbered, opened


def numbers(messages: list[Message]) -> list[int]:
    return [one.number for one in messages]


# T1: documents


def test_a_document_is_kept_once_and_read_back_in_order(store: Store, council: Council) -> None:
    data = bytes(range(256)) * 9000
    first = store.keep("ics", "a", [("", data[:100]), ("", data[100:])])
    again = store.keep("ics", "a", [("", b"something else")])
    other = store.keep("health", "a", [("", b"the same name over another link")])
    assert first.new
    assert not again.new
    assert again.document == first.document != other.document
    assert store.document(first.document).open().read() == data
    assert [(one.document, one.position, one.name) for one in store.unread("ics")] == [(first.document, 0, "a")]


def test_a_document_of_parts_keeps_their_names_and_can_be_read_from_anywhere(store: Store, council: Council) -> None:
    parts = {"person.csv": b"p" * (3 << 20), "empty.csv": b"", "deep/more.csv": b"m" * 10}
    kept = store.keep("ics", "2025", Document.of("tables", parts))
    found = store.document(kept.document)
    assert (found.name, found.parts()) == ("tables", sorted(parts))
    assert {part: found.open(part).read() for part in parts} == parts
    stream = found.open("person.csv")
    stream.seek(-5, io.SEEK_END)
    assert stream.read() == b"p" * 5
    stream.seek((1 << 20) - 2)
    assert stream.read(4) == b"pppp"
    assert stream.tell() == (1 << 20) + 2


def test_alternating_parts_come_back_whole(store: Store, council: Council) -> None:
    kept = store.keep("ics", "x", [("a", b"1"), ("b", b"2"), ("a", b"3"), ("b", b"4" * (1 << 21))])
    found = store.document(kept.document)
    assert (found.open("a").read(), found.open("b").read()) == (b"13", b"2" + b"4" * (1 << 21))


def test_a_zip_is_its_parts(store: Store, council: Council) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("a.csv", "id\n1\n")
    kept = store.keep("ics", "x", [("", packed.getvalue())], label="tables.zip")
    assert store.document(kept.document).open("a.csv").read() == b"id\n1\n"


def test_a_document_whose_source_fails_on_the_way_is_not_kept(store: Store, council: Council) -> None:
    def broken() -> Iterator[tuple[str, bytes]]:
        yield "", b"x" * (2 << 20)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        store.keep("ics", "a", broken())
    assert store.unread("ics") == []
    assert council.run("SELECT count(*) FROM chunk") == [(0,)]
    with pytest.raises(DeclarationError, match="no document 99"):
        store.document(99)


def test_several_documents_are_kept_together_or_not_at_all(store: Store, council: Council) -> None:
    named = [(name, Document.of("x.hl7", name.encode())) for name in ("a", "b", "a", "c")]
    found = store.keep_all("ics", named)
    assert [one.new for one in found] == [True, True, False, True]
    assert found[0].document == found[2].document
    assert [one.document for one in store.unread("ics")] == [found[n].document for n in (0, 1, 3)]
    assert [store.document(one.document).open().read() for one in found] == [b"a", b"b", b"a", b"c"]

    def broken() -> BinaryIO:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        store.keep_all("ics", [("d", Document.of("x", b"d")), ("e", Document("e", {"e": (1, broken)}))])
    with pytest.raises(LeaseLost):
        store.keep_all("ics", [("d", Document.of("x", b"d"))], worker=council.worker + 1)
    assert len(store.unread("ics")) == 3


# T2: records, versions, messages


def test_records_of_several_documents_are_taken_in_the_order_of_these(store: Store, council: Council) -> None:
    one, two, three = (store.keep("ics", name, [("", b"x")]).document for name in ("one", "two", "three"))
    assert store.lease_source("ics", council.worker)
    batches = [
        Batch(one, 0, numbered([council.record("ann", "A"), council.record("bob", "A")]), True),
        Batch(two, 0, numbered([council.record("ann", "B")]), False),
        Batch(three, 0, [], True, BROKEN),
    ]
    taken = store.take_all(council.worker, "ics", batches)
    assert (taken.new, taken.unchanged) == (3, 0)
    assert [council.state(number) for number in (1, 2, 3)] == ["superseded", "ready", "ready"]
    assert [store.trace(number).version for number in (1, 2, 3)] == [1, 1, 2]
    assert [(one.document, one.position) for one in store.unread("ics")] == [(two, 1)]
    more = [Batch(two, 1, [], True), Batch(one, 0, [], True)]
    with pytest.raises(LeaseLost):  # one of them stands elsewhere: none is taken
        store.take_all(council.worker, "ics", more)
    assert [one.document for one in store.unread("ics")] == [two]


def test_a_merge_in_one_document_holds_for_the_next_in_the_same_transaction(store: Store, council: Council) -> None:
    first, second = (store.keep("ics", name, [("", b"x")]).document for name in ("one", "two"))
    assert store.lease_source("ics", council.worker)
    merge = council.record("ann", "M", carries="event", merge=council.child("anna"))
    taken = store.take_all(
        council.worker,
        "ics",
        [
            Batch(first, 0, numbered([merge]), True),
            Batch(second, 0, numbered([council.record("anna", "A", carries="change")]), True),
        ],
    )
    assert numbers(taken.messages) == [1], "the later record of the one that went is behind the merge"


def test_a_to_b_to_a_is_three_versions_and_three_messages(store: Store, council: Council) -> None:
    found = [council.take(council.record("ann", digest)) for digest in ("A", "B", "A")]
    assert [one.new for one in found] == [1, 1, 1]
    # Nothing was sent, so each newer full state closes the one before.
    assert [council.state(number) for number in (1, 2, 3)] == ["superseded", "superseded", "ready"]
    assert [store.trace(number).version for number in (1, 2, 3)] == [1, 2, 3]
    assert len({store.trace(number).id for number in (1, 2, 3)}) == 3
    assert store.trace(1).superseded_by == 2


def test_an_unchanged_state_is_counted_and_not_kept(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    again = council.take(council.record("ann", "A"), council.record("bob", "B"))
    assert (again.new, again.unchanged, numbers(again.messages)) == (1, 1, [3])
    assert next(one for one in store.status().sources if one.name == "ics").unchanged == 1


@pytest.mark.parametrize("step", ["T2.before-commit", "T2.after-commit"])
def test_what_is_unchanged_is_counted_once_though_its_reading_was_broken_off(
    store: Store, council: Council, step: str
) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    document = store.keep("ics", "again", [("", b"bytes")]).document
    batch = numbered([council.record("ann", "A"), council.record("bob", "A")])

    def broken(at: str, count: int) -> None:
        if at == step:
            raise InterruptedError

    store.database.hook = broken
    with pytest.raises(InterruptedError):
        store.take(council.worker, "ics", document, 0, batch, done=True)
    store.database.hook = lambda at, count: None
    if step == "T2.before-commit":
        assert store.take(council.worker, "ics", document, 0, batch, done=True).unchanged == 2
    with pytest.raises(LeaseLost):
        store.take(council.worker, "ics", document, 0, batch, done=True)
    assert next(one for one in store.status().sources if one.name == "ics").unchanged == 2


@pytest.mark.parametrize("carries", ["event", "change"])
def test_events_and_changes_are_never_unchanged(store: Store, council: Council, carries: str) -> None:
    for _ in range(2):
        assert council.take(council.record("ann", "A", carries=carries)).new == 1
    assert council.take(council.record("ann", "A")).new == 1, "nor is a state after them"


def test_the_same_ids_come_again_from_the_same_documents(places: Places) -> None:
    ids = []
    for _ in range(2):
        for store in opened(places.new("sqlite")):
            council = Council(store)
            ids.append([one.id for one in council.take(council.record("ann", "A", ["ssd", "index"])).messages])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_what_take_gives_to_the_queue_is_what_the_store_keeps(store: Store, council: Council) -> None:
    taken = council.take(council.record("ann", "A", ["ssd", "index"], body=b"the record"))
    assert taken.messages == store.body(numbers(taken.messages))
    assert {one.body(RING) for one in taken.messages} == {b"the record"}
    assert [(one.target, one.source, one.kind) for one in taken.messages] == [
        ("ssd", "ics", "Child"),
        ("index", "ics", "Child"),
    ]


def test_only_the_first_of_a_place_is_to_be_published(store: Store, council: Council) -> None:
    records = [council.record("ann", str(n), carries="change") for n in range(3)]
    assert numbers(council.take(*records).messages) == [1]
    assert council.take(council.record("ann", "later", carries="change")).messages == []


def test_a_source_is_read_by_one_worker_from_where_it_stands(store: Store, council: Council) -> None:
    other = store.enlist("there", 2)
    document = store.keep("ics", "a", [("", b"x")]).document
    records = numbered([council.record(str(n), "A") for n in range(4)])
    assert store.lease_source("ics", council.worker)
    assert not store.lease_source("ics", other)
    with pytest.raises(LeaseLost):
        store.take(other, "ics", document, 0, records, done=True)
    assert store.take(council.worker, "ics", document, 0, records[:2], done=False).position == 2
    with pytest.raises(LeaseLost):
        store.take(council.worker, "ics", document, 0, records[:2], done=False)
    store.release_source("ics", council.worker)
    assert store.lease_source("ics", other)
    with pytest.raises(LeaseLost):
        store.keep("ics", "b", [("", b"x")], worker=council.worker)
    store.take(other, "ics", document, 2, records[2:], done=True)
    assert store.keep("ics", "b", [("", b"x")], worker=other).new, "what the former reader tried left nothing behind"
    store.take(other, "ics", store.unread("ics")[0].document, 0, [], done=True)
    with pytest.raises(LeaseLost):
        store.take(other, "ics", document, 4, [], done=True)
    assert store.unread("ics") == []


def test_a_document_that_breaks_off_is_done_and_says_why(store: Store, council: Council) -> None:
    document = store.keep("ics", "a", [("", b"x")]).document
    store.lease_source("ics", council.worker)
    store.take(council.worker, "ics", document, 0, [], done=True, stopped=BROKEN)
    assert [(row.cause, row.documents) for row in store.failures()] == [(BROKEN, 1)]
    assert next(one for one in store.status().sources if one.name == "ics").failed == 1


def test_a_record_that_failed_inward_takes_its_place(store: Store, council: Council) -> None:
    broken = council.record("ann", "?", ["ssd", "index"], failed=BROKEN, carries="change", body=b"theirs")
    assert council.take(broken).messages == []
    assert council.take(council.record("ann", "B", carries="change")).messages == [], "held behind it"
    assert (council.state(1), council.state(2), council.state(3)) == ("parked", "parked", "ready")
    assert council.claim(3).claims == []
    row = store.failures()[0]
    assert (row.cause, row.count, row.children, row.held, row.states) == (BROKEN, 2, 1, 1, {"parked": 2})
    assert store.record(1, 0) == b"theirs"


def test_a_state_that_failed_inward_is_not_what_the_next_is_compared_with(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.take(council.record("ann", "A", failed=BROKEN))
    assert council.take(council.record("ann", "A")).new == 1


def test_findings_are_counted_by_cause(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A", findings=(BROKEN, BROKEN, AWAY)))
    assert {row.cause: (row.findings, row.count) for row in store.failures()} == {BROKEN: (1, 0), AWAY: (1, 0)}
    assert set(store.trace(1).findings) == {BROKEN, AWAY}


def test_records_of_a_batch_come_in_order(store: Store, council: Council) -> None:
    document = store.keep("ics", "a", [("", b"x")]).document
    store.lease_source("ics", council.worker)
    records = numbered([council.record("ann", "A"), council.record("bob", "A")])
    for wrong in (records[::-1], [records[0], records[0]]):
        with pytest.raises(ValueError, match="in their order"):
            store.take(council.worker, "ics", document, 0, wrong, done=True)


def test_a_target_must_be_registered(store: Store, council: Council) -> None:
    with pytest.raises(DeclarationError, match="no link 'nowhere'"):
        council.take(council.record("ann", "A", ["nowhere"]))
    with pytest.raises(DeclarationError, match="'health' is not registered as a target"):
        council.take(council.record("ann", "A", ["health"]))
    assert council.run("SELECT count(*) FROM record") == [(0,)]


# Superseding


def test_a_newer_state_closes_older_ones_that_wait_or_are_parked(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.park(1)
    council.claim(2)
    council.finish(Outcome(2, "waiting", cause=AWAY, due=100))
    taken = council.take(council.record("ann", "B"), council.record("bob", "B"))
    assert numbers(taken.messages) == [3, 4]
    assert [council.state(number) for number in (1, 2)] == ["superseded"] * 2


def test_the_states_of_one_batch_supersede_each_other(store: Store, council: Council) -> None:
    taken = council.take(*(council.record("ann", digest) for digest in "ABC"))
    assert numbers(taken.messages) == [3]
    assert [store.trace(number).superseded_by for number in (1, 2)] == [3, 3]


def test_what_is_being_sent_is_never_superseded(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.claim(1)
    assert council.take(council.record("ann", "B")).messages == []
    assert (council.state(1), council.state(2)) == ("sending", "ready")
    assert numbers(council.finish(Outcome(1, "sent"))) == [2]


def test_what_may_have_left_is_never_superseded(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.claim(1)
    council.prepare([1])
    council.finish(Outcome(1, "waiting", cause=AWAY, due=0))
    assert council.take(council.record("ann", "B")).messages == []
    assert (council.state(1), council.state(2)) == ("waiting", "ready")


@pytest.mark.parametrize("between", [{"carries": "event"}, {"carries": "change"}, {"removal": True}, {"merge": True}])
def test_superseding_never_jumps_what_is_no_full_state(
    store: Store, council: Council, between: dict[str, object]
) -> None:
    if "merge" in between:
        between = {"merge": council.child("old"), "carries": "event"}
    council.take(council.record("ann", "A"))
    council.take(council.record("ann", "?", **between))
    assert council.take(council.record("ann", "B")).messages == []
    assert [council.state(number) for number in (1, 2, 3)] == ["ready"] * 3
    council.take(council.record("ann", "C"))
    assert [council.state(number) for number in (1, 2, 3, 4)] == ["ready", "ready", "superseded", "ready"]


def test_superseding_does_not_jump_an_event_of_another_source_about_the_same_child(
    store: Store, council: Council
) -> None:
    nhs = RING.name("nhs", "9999999999")
    council.take(council.record("ann", "A", places=(nhs,)))
    council.take(council.record("x1", "E", source="health", places=(nhs,), carries="event"), source="health")
    council.take(council.record("ann", "B", places=(nhs,)))
    assert [council.state(number) for number in (1, 2, 3)] == ["ready"] * 3


def test_a_state_supersedes_only_its_own_child_at_its_own_target(store: Store, council: Council) -> None:
    nhs = RING.name("nhs", "9999999999")
    council.take(council.record("ann", "A", ["ssd", "index"], places=(nhs,)))
    council.take(council.record("x1", "A", source="health", places=(nhs,)), source="health")
    taken = council.take(council.record("ann", "B", ["ssd"], places=(nhs,)))
    assert [council.state(number) for number in (1, 2, 3, 4)] == ["superseded", "ready", "ready", "ready"]
    # Message 3, of the other source, is next where the first stood.
    assert numbers(taken.messages) == [3]


# T3: claims


def test_only_the_first_in_all_its_places_can_be_claimed(store: Store, council: Council) -> None:
    nhs, upn = RING.name("nhs", "9999999999"), RING.name("upn", "A1")
    council.take(council.record("ann", "A", places=(nhs,)))
    council.take(council.record("x1", "A", source="health", places=(upn,)), source="health")
    assert council.take(council.record("x2", "A", source="health", places=(nhs, upn)), source="health").messages == []
    assert [one.number for one in council.claim(1, 2, 3).claims] == [1, 2]
    assert council.finish(Outcome(1, "sent")) == [], "still behind the other"
    assert council.claim(3).claims == []
    assert store.trace(3).behind == [2]
    assert numbers(council.finish(Outcome(2, "withheld"))) == [3]
    assert [one.number for one in council.claim(3).claims] == [3]


def test_two_targets_do_not_hold_each_other(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A", ["ssd", "index"], carries="change"))
    council.take(council.record("ann", "B", ["ssd", "index"], carries="change"))
    council.send(1)
    assert [one.number for one in council.claim(3).claims] == [3]
    assert council.claim(4, target="index").claims == []


def test_a_claim_asks_for_the_right_target_id_and_state(store: Store, council: Council) -> None:
    taken = council.take(council.record("ann", "A", ["ssd", "index"]))
    number, mark = taken.messages[0].number, taken.messages[0].id
    assert store.claim(council.worker, "ssd", [(number, b"x" * 16)]).claims == []
    assert store.claim(council.worker, "index", [(number, mark)]).claims == []
    assert store.claim(council.worker, "ssd", [(999, mark)]).claims == []
    assert store.claim(council.worker, "ssd", []).claims == []
    claim = store.claim(council.worker, "ssd", [(number, mark)]).claims[0]
    assert (claim.number, claim.id, claim.source, claim.kind) == (number, mark, "ics", "Child")
    assert (claim.attempts, claim.crashes, claim.generation, claim.parcel) == (0, 0, 0, None)
    assert store.claim(council.worker, "ssd", [(number, mark)]).claims == [], "it is claimed"


def test_a_merge_stands_in_both_lines_and_later_records_of_the_old_key_in_both(store: Store, council: Council) -> None:
    council.take(council.record("old", "A", carries="change"), council.record("new", "A", carries="change"))
    council.take(council.record("new", "M", carries="event", merge=council.child("old")))
    assert store.trace(3).behind == [1, 2]
    council.take(council.record("old", "B", carries="change"))
    council.send(1, 2)
    council.send(3)
    council.take(council.record("new", "C", carries="change"))
    assert store.trace(5).behind == [4], "what is said of the old key concerns the child it merged into"


# T4 and T5: bytes and outcomes


def test_bytes_are_kept_and_come_again_with_the_next_claim(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.claim(1)
    kept = council.prepare([1])[0]
    assert kept is not None
    assert kept.number == 1
    council.finish(Outcome(1, "waiting", cause=AWAY, due=0, may_arrived=True))
    assert store.sweep(council.worker).due == 1
    claim = council.claim(1).claims[0]
    assert claim.parcel == kept
    assert claim.attempts == 1
    assert store.parcel(1) == kept
    assert store.trace(1).may_arrived


def test_a_parcel_of_several_is_claimed_together_again(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cyd")))
    council.claim(1, 2, 3)
    council.prepare([1, 2], [3])
    council.finish(*(Outcome(number, "waiting", cause=AWAY, due=0) for number in (1, 2, 3)))
    store.sweep(council.worker)
    claims = council.claim(2).claims
    assert [one.number for one in claims] == [1, 2]
    assert claims[0].parcel is not None
    assert claims[0].parcel.numbers == [1, 2]
    assert claims[1].parcel == claims[0].parcel


def test_a_parcel_waits_while_another_of_it_waits(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.claim(1, 2)
    council.prepare([1, 2])
    council.finish(Outcome(1, "waiting", cause=AWAY, due=0), Outcome(2, "waiting", cause=AWAY, due=100))
    store.sweep(council.worker)
    assert council.claim(1).claims == []


def test_a_parcel_of_which_one_was_parked_is_made_anew(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.claim(1, 2)
    council.prepare([1, 2])
    council.finish(Outcome(1, "ready"), Outcome(2, "parked", cause=REFUSED))
    claims = council.claim(1).claims
    assert [(one.number, one.parcel) for one in claims] == [(1, None)]
    assert council.prepare([1])[0] is not None


def test_later_parcels_have_higher_numbers(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cyd")))
    council.claim(1, 2, 3)
    kept = council.prepare([3], [1]) + council.prepare([2])
    assert [one.number for one in kept if one] == [1, 2, 3]


def test_outcomes_count_attempts_or_not(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    for outcome in (
        Outcome(1, "waiting", cause=AWAY, due=0),
        Outcome(1, "ready"),
        Outcome(1, "waiting", cause=AWAY, due=0, counted=False),
    ):
        assert council.claim(1).claims
        council.finish(outcome)
        store.sweep(council.worker)
    assert council.claim(1).claims[0].attempts == 1
    council.finish(Outcome(1, "sent", receipt="v1"))
    trace = store.trace(1)
    assert (trace.state, trace.receipt, trace.attempts, trace.cause) == ("sent", "v1", 2, None)
    assert [one.outcome for one in trace.history] == ["waiting", "waiting", "sent"]
    assert trace.history[0].cause == AWAY
    assert trace.history[0].worker == "here:1"


def test_a_waiting_message_comes_back_when_it_is_due(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.claim(1)
    council.finish(Outcome(1, "waiting", cause=AWAY, due=0.15))
    assert store.sweep(council.worker).due == 0
    assert council.claim(1).claims == []
    assert store.republish("ssd", 10, 0) == []
    council.run("UPDATE message SET due = due - 1")
    assert store.sweep(council.worker).due == 1
    assert numbers(store.republish("ssd", 10, 60)) == [1], "at once, however lately it was published"


def test_nobody_acts_on_what_is_not_theirs(store: Store, council: Council) -> None:
    other = store.enlist("there", 2)
    council.take(council.record("ann", "A"))
    council.claim(1)
    assert council.prepare([1], worker=other) == [None]
    assert council.finish(Outcome(1, "sent"), worker=other) == []
    assert council.state(1) == "sending"
    assert council.finish(Outcome(1, "sent"), target="index") == []
    council.finish(Outcome(1, "sent"))
    council.finish(Outcome(1, "parked", cause=REFUSED))
    assert council.state(1) == "sent"
    with pytest.raises(ValueError, match="an outcome is one of"):
        council.finish(Outcome(1, "superseded"))


def test_a_parcel_is_kept_whole_or_not_at_all(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.claim(1)
    assert [one is None for one in council.prepare([1, 2], [1])] == [True, False]


def test_what_an_answer_of_the_store_left_unsaid_is_given_back(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A", ["ssd", "index"]))
    council.claim(1)
    council.claim(2, target="index")
    assert store.give_back(council.worker, "ssd") == 1
    assert (council.state(1), council.state(2)) == ("ready", "sending")
    assert council.claim(1).claims[0].crashes == 0


# T6: dead workers, publishing again


def test_what_a_dead_worker_had_is_tried_alone_and_parked_after_three_lone_crashes(
    store: Store, council: Council
) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cyd")))
    worker = store.enlist("there", 2)
    assert len(council.claim(1, 2, 3, worker=worker).claims) == 3
    council.die(worker)
    swept = store.sweep(council.worker)
    assert (swept.workers, swept.dead, swept.parked) == (1, 3, 0)
    claimed = council.claim(1, 2, 3)
    assert (claimed.claims, claimed.crashed) == ([], [1, 2, 3])
    for _ in range(3):
        worker = store.enlist("there", 2)
        claims = council.claim(2, 3, worker=worker, alone=True).claims
        assert [one.number for one in claims] == [2], "one at a time"
        council.die(worker)
        store.sweep(council.worker)
    assert [council.state(number) for number in (1, 2, 3)] == ["ready", "parked", "ready"]
    trace = store.trace(2)
    assert trace.cause is not None
    assert trace.cause.answer == "crash"
    assert trace.attempts == 0
    assert [one.outcome for one in trace.history] == ["crash"] * 4
    assert not trace.may_arrived
    for number in (1, 3):
        assert council.claim(number, alone=True).claims[0].crashes == 1


def test_a_message_that_was_answered_is_no_longer_suspected(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    for _ in range(4):
        worker = store.enlist("there", 2)
        council.claim(1, worker=worker, alone=True)
        council.die(worker)
        store.sweep(council.worker)
        assert council.claim(1, alone=True).claims[0].crashes == 1
        council.finish(Outcome(1, "waiting", cause=AWAY, due=0))
        store.sweep(council.worker)
    assert council.claim(1).claims[0].crashes == 0


def test_a_crashed_parcel_is_claimed_whole_and_alone(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cyd")))
    worker = store.enlist("there", 2)
    council.claim(1, 2, worker=worker)
    council.prepare([1, 2], worker=worker)
    council.die(worker)
    store.sweep(council.worker)
    claimed = council.claim(1, 3)
    assert ([one.number for one in claimed.claims], claimed.crashed) == ([3], [1])
    claims = council.claim(2, 3, alone=True).claims
    assert [one.number for one in claims] == [1, 2]
    assert claims[0].parcel is not None
    assert store.trace(1).may_arrived


def test_a_worker_that_was_given_up_is_told_so_by_everything_it_does(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    worker = store.enlist("there", 2)
    council.claim(1, worker=worker)
    assert store.renew(worker)
    council.die(worker)
    assert store.renew(worker), "nobody noticed"
    council.die(worker)
    assert council.prepare([1], worker=worker) == [None], "its lease is over, though nobody noticed"
    with pytest.raises(LeaseLost):
        council.claim(2, worker=worker)
    store.sweep(council.worker)
    assert not store.renew(worker)
    assert council.prepare([1], worker=worker) == [None]
    assert council.finish(Outcome(1, "sent"), worker=worker) == []
    assert council.state(1) == "ready"
    assert not store.lease_source("ics", worker)
    assert store.lease_slot("ssd", worker, 5) is None
    with pytest.raises(LeaseLost):
        council.claim(2, worker=worker)


def test_a_dead_worker_loses_sources_slots_and_probes(store: Store, council: Council) -> None:
    worker = store.enlist("there", 2)
    council.take(council.record("ann", "A"))
    store.release_source("ics", council.worker)
    assert store.lease_source("ics", worker)
    assert store.lease_slot("ssd", worker, 1) == 0
    store.pause("ssd", 0, AWAY)
    assert council.claim(1, worker=worker).probe
    document = store.keep("ics", "more", [("", b"x")]).document
    council.die(worker)
    store.sweep(council.worker)
    with pytest.raises(LeaseLost):
        store.take(worker, "ics", document, 0, [], done=True)
    assert store.lease_source("ics", council.worker)
    assert store.lease_slot("ssd", council.worker, 1) == 0
    assert council.claim(1, alone=True).probe


def test_a_worker_that_ends_well_leaves_no_crash(store: Store, council: Council) -> None:
    worker = store.enlist("there", 2)
    council.take(council.record("ann", "A"))
    store.release_source("ics", council.worker)
    store.lease_source("ics", worker)
    store.lease_slot("ssd", worker, 1)
    council.claim(1, worker=worker)
    store.dismiss(worker)
    assert [one.id for one in store.status().workers] == [council.worker]
    assert store.lease_source("ics", council.worker)
    assert store.lease_slot("ssd", council.worker, 1) == 0
    assert council.claim(1).claims[0].crashes == 0


def test_only_what_was_not_published_lately_is_published_again(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cyd")))
    council.take(council.record("ann", "E", carries="event"))
    assert store.republish("ssd", 10, 60) == []
    council.run("UPDATE message SET published = published - 100")
    assert numbers(store.republish("ssd", 2, 60)) == [1, 2]
    assert numbers(store.republish("ssd", 2, 60)) == [3], "not the one that is held"
    assert store.republish("ssd", 2, 60) == []
    assert store.republish("index", 2, 0) == []


def test_what_was_published_before_the_clock_was_set_back_is_published_again(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob")))
    council.run("UPDATE message SET published = published + 3600 WHERE number = 2")
    assert numbers(store.republish("ssd", 10, 60)) == [2], "not in an hour: no queue may have it any more"
    assert store.republish("ssd", 10, 60) == []


def test_a_clock_that_jumps_ahead_takes_nothing_from_a_worker_that_renews(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.claim(1)
    dead = store.enlist("there", 2)
    store.sweep(council.worker, 0.5)
    council.run("UPDATE worker SET until = until - 3600")
    assert store.sweep(council.worker, 0.5).workers == 0
    assert council.prepare([1]) == [None], "it is not sure that it has it"
    assert store.renew(council.worker)
    time.sleep(0.6)
    assert store.sweep(council.worker, 0.5).workers == 1
    assert not store.renew(dead)
    assert council.state(1) == "sending"
    council.finish(Outcome(1, "ready", counted=False))
    council.send(1)


def test_a_worker_that_was_seen_alive_is_given_up_when_its_lease_ends(store: Store, council: Council) -> None:
    store.enlist("there", 2, 0.5)
    assert store.sweep(council.worker, 60).workers == 0
    time.sleep(0.6)
    assert store.sweep(council.worker, 60).workers == 1


def test_held_messages_do_not_hide_those_behind_them_from_the_sweep(store: Store, council: Council) -> None:
    council.take(*(council.record("ann", str(n), carries="event") for n in range(50)), council.record("bob", "A"))
    council.claim(1)
    council.run("UPDATE message SET published = 1")
    found: list[int] = []
    for _ in range(14):
        found += numbers(store.republish("ssd", 1, 60))
    assert found == [51]


# Targets: pauses, probes, slots


def test_a_paused_target_takes_nothing_and_then_one(store: Store, council: Council) -> None:
    other = store.enlist("there", 2)
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cyd")))
    store.pause("ssd", 100, AWAY)
    assert 99 < store.paused("ssd") <= 100
    assert store.paused("index") == 0
    claimed = council.claim(1, 2)
    assert claimed.paused
    assert claimed.claims == []
    assert council.take(council.record("dan", "A")).messages == []
    assert store.republish("ssd", 10, 0) == []
    assert store.status().targets[1].cause == AWAY

    store.pause("ssd", 0, AWAY)
    assert store.paused("ssd") == 0
    assert len(store.republish("ssd", 10, -1)) == 1, "one to try with"
    claimed = council.claim(1, 2)
    assert claimed.probe
    assert [one.number for one in claimed.claims] == [1]
    assert council.claim(2, worker=other).paused, "one probe at a time"
    assert store.republish("ssd", 10, -1) == []
    council.finish(Outcome(1, "ready"))
    assert council.claim(2, worker=other).probe, "the probe is over when its message is finished"
    store.pause("ssd", 100, AWAY)
    assert council.claim(1).paused
    assert store.resume("ssd")
    assert not store.resume("ssd")
    assert [one.number for one in council.claim(1, 3).claims] == [1, 3]
    assert numbers(store.republish("ssd", 10, 100)) == [4], "what was consumed in vain meanwhile comes again"


def test_a_probe_that_finds_nothing_leaves_it_to_others(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    store.pause("ssd", 0, AWAY)
    claimed = store.claim(council.worker, "ssd", [(1, b"?" * 16)])
    assert (claimed.claims, claimed.probe) == ([], False)
    assert council.claim(1, worker=store.enlist("there", 2)).probe


def test_a_probe_takes_a_whole_parcel(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cyd")))
    council.claim(1, 2, 3)
    council.prepare([1, 2])
    council.finish(*(Outcome(number, "ready") for number in (1, 2, 3)))
    store.pause("ssd", 0, AWAY)
    assert [one.number for one in council.claim(1, 2, 3).claims] == [1, 2]
    council.finish(*(Outcome(number, "ready", last=True) for number in (1, 2)))
    assert [one.number for one in council.claim(1, 2, 3).claims] == [3], "another, the trouble may be with those alone"


def test_a_target_has_as_many_slots_as_it_takes(store: Store, council: Council) -> None:
    other, third = store.enlist("there", 2), store.enlist("elsewhere", 3)
    assert [store.lease_slot("ssd", worker, 2) for worker in (council.worker, third)] == [0, 1]
    assert store.lease_slot("ssd", council.worker, 2) == 0, "it has one, whether or not it was told so"
    assert store.lease_slot("ssd", other, 2) is None
    assert store.lease_slot("index", other, 2) == 0
    store.release_slot("ssd", other, 0)
    assert store.lease_slot("ssd", other, 2) is None, "not its own"
    store.release_slot("ssd", council.worker, 0)
    assert store.lease_slot("ssd", other, 2) == 0


def test_a_slot_that_was_given_in_an_answer_that_got_lost_is_not_lost(
    store: Store, council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.link_id("ssd")
    commit = store.database.driver.commit

    def lose(connection: object, at_hand: int) -> None:
        commit(connection, at_hand)
        raise StoreDown("the connection broke")

    with monkeypatch.context() as patched:
        patched.setattr(store.database.driver, "commit", lose)
        with pytest.raises(StoreDown):
            store.lease_slot("ssd", council.worker, 1)
    assert store.lease_slot("ssd", council.worker, 1) == 0
    store.release_slot("ssd", council.worker, 0)
    assert store.lease_slot("ssd", store.enlist("there", 2), 1) == 0


# Links


def test_a_link_with_open_work_that_the_file_lacks_is_named(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    store.keep("health", "x", [("", b"x")])
    assert store.orphans(["index"]) == ["health", "ics", "ssd"]
    council.send(1)
    assert store.orphans(["index"]) == ["health"]
    assert store.orphans(["health"]) == []


def test_a_renamed_link_keeps_all_it_had(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    store.rename_link("ssd", "warehouse", "ann")
    store.rename_link("ics", "casework", "ann")
    assert store.former_names() == ["ics", "ssd"]
    assert store.body([1])[0].target == "warehouse"
    assert store.identity("casework") == "ics"
    assert [one.number for one in council.claim(1, target="warehouse").claims] == [1]
    for old, new, reason in (("ssd", "x", "no link 'ssd'"), ("warehouse", "index", "'index' already")):
        with pytest.raises(DeclarationError, match=reason):
            store.rename_link(old, new, "ann")
    store.register(["ics"], [])
    assert store.identity("ics") != "ics", "a new link of the old name is another"
    assert store.identity("casework") == "ics"


def test_a_link_is_renamed_and_that_is_in_the_audit_or_neither(store: Store) -> None:
    store.register([], ["ssd"])

    def killed(step: str, count: int) -> None:
        raise InterruptedError(step)

    store.database.hook = killed
    with pytest.raises(InterruptedError, match=r"T7\.before-commit"):
        store.rename_link("ssd", "warehouse", "ann")
    store.database.hook = lambda step, count: None
    assert (list(store.identities()), store.audit_entries()) == (["ssd"], [])
    store.rename_link("ssd", "warehouse", "ann")
    assert list(store.identities()) == ["warehouse"]
    assert [(one.who, one.act, one.detail) for one in store.audit_entries()] == [
        ("ann", "link rename", "ssd warehouse")
    ]


# What people ask


def test_status_counts_by_state_and_target(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A", ["ssd", "index"]) for name in ("ann", "bob", "cyd")))
    council.take(council.record("ann", "E", carries="event"))
    council.park(1)
    status = store.status()
    ssd = next(one for one in status.targets if one.name == "ssd")
    assert ssd.states == {"parked": 1, "ready": 3}
    assert (ssd.open, ssd.held) == (4, 1)
    assert ssd.oldest is not None
    assert 0 <= ssd.oldest < 60
    assert (store.open_count("ssd"), store.open_count("index"), store.highest_number()) == (4, 3, 7)
    assert not store.is_idle(["ics", "health"], ["ssd", "index"])
    assert status.mapping_set == ""
    assert [one.name for one in status.sources] == ["health", "ics"]


def test_a_hub_is_idle_when_nothing_can_move(store: Store, council: Council) -> None:
    assert store.is_idle(["ics"], ["ssd", "index"])
    council.take(council.record("ann", "A"))
    assert not store.is_idle(["ics"], ["ssd", "index"])
    store.pause("ssd", 100, AWAY)
    assert store.is_idle(["ics"], ["ssd", "index"])
    store.resume("ssd")
    council.claim(1)
    assert not store.is_idle(["ics"], ["ssd", "index"])
    council.finish(Outcome(1, "parked", cause=REFUSED))
    council.take(council.record("ann", "E", carries="event"))
    assert store.is_idle(["ics"], ["ssd", "index"])
    store.keep("ics", "unread", [("", b"x")])
    assert not store.is_idle(["ics"], ["ssd", "index"])


def test_messages_are_found_by_what_people_have(store: Store, council: Council) -> None:
    taken = council.take(council.record("ann", "A", ["ssd", "index"]))
    mark = taken.messages[1].id
    assert [store.find(name) for name in ("2", mark.hex(), "99", "xyz", "00" * 16, "9" * 30)] == [
        2,
        2,
        None,
        None,
        None,
        None,
    ]
    assert store.messages_of(council.child("ann")) == [2, 1]
    assert store.messages_of_record(1, 0) == [1, 2]
    council.park(1)
    assert store.messages_of_cause(store.failures()[0].id) == [1]
    with pytest.raises(DeclarationError, match="no message 99"):
        store.trace(99)
    with pytest.raises(DeclarationError, match="no record 9"):
        store.record(1, 9)
    with pytest.raises(DeclarationError, match="no parcel 9"):
        store.parcel(9)


def test_a_new_cause_is_told_once(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A", failed=BROKEN))
    assert [(one["stage"], one["reason"], one["row"]) for one in store.new_causes()] == [
        ("inward", "not a date", "person.birth.date")
    ]
    council.take(council.record("bob", "A", failed=BROKEN))
    assert store.new_causes() == []


def test_text_that_a_database_refuses_is_cleaned(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.claim(1)
    council.finish(Outcome(1, "sent", receipt='a\0b\ud800 "c" \\ {d}, NULL'))
    assert store.trace(1).receipt == 'ab? "c" \\ {d}, NULL'


def test_one_mapping_set_is_in_force(store: Store, council: Council) -> None:
    other = store.enlist("there", 2)
    assert store.agree("one", council.worker)
    assert store.mapping_set() == "one"
    assert not store.agree("two", other), "the first works with the other"
    assert store.agree("two", council.worker)
    assert store.agree("two", other)
    assert not store.agree("three", other)
    assert store.mapping_set() == "two"
    store.dismiss(council.worker)
    assert store.agree("three", other)
    assert store.status().audit != ""
    assert store.verify_audit().broken is None


def test_undecodable_messages_are_counted(store: Store) -> None:
    store.junk("ssd", "no message of ours", "ab" * 32)
    assert store.junk_count() == 1


# Opening


def test_a_store_without_tables_or_of_another_form_is_refused(tmp_path: Path, postgres: Postgres) -> None:
    for url in (f"sqlite:///{tmp_path}/hub.db", postgres.database()):
        with pytest.raises(DeclarationError, match="run 'ics-hub db upgrade'"):
            Store.open(url, RING)
        assert (Store.version(url) if "postgres" in url else "") == ""
        assert Store.upgrade(url) == Store.version(url) == Store.upgrade(url)
        for store in opened(url):
            Council(store).run("UPDATE alembic_version SET version_num = '0000'")
        with pytest.raises(
            DeclarationError, match="are of version 0000, this hub wants 0004: run 'ics-hub db upgrade'"
        ):
            Store.open(url, RING)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_store_of_the_first_form_keeps_its_rows_when_it_is_upgraded(
    kind: str, tmp_path: Path, postgres: Postgres
) -> None:
    url = f"sqlite:///{tmp_path}/hub.db" if kind == "sqlite" else postgres.database()
    Store.upgrade(url, "0001")
    fill_first_form(url)
    with pytest.raises(DeclarationError, match="are of version 0001, this hub wants 0004: run 'ics-hub db upgrade'"):
        Store.open(url, RING)
    Store.upgrade(url)
    for store in opened(url):
        assert store.record(1, 0) == b"the record"
        trace = store.trace(1)
        assert (trace.state, trace.cause, trace.revision, trace.version) == ("parked", REFUSED, 0, 1)
        assert [(row.cause, row.count, row.held) for row in store.failures()] == [(REFUSED, 1, 1)]
        assert store.verify_audit().entries == 1
        store.audit("me", "reveal", "message 1", store.children_of([1]))
        assert store.verify_audit() == Verified(2, None, store.status().audit, None)
        council = Council(store)
        taken = council.take(council.record("bob", "A"))
        assert [one.number for one in taken.messages] == [3]
        council.send(3)
        with pytest.raises(store.database.driver.error, match="the audit only grows"):
            council.run("DELETE FROM audit")


def fill_first_form(url: str) -> None:
    """A child with a message that is parked and one that is held behind it, as the first release kept them."""
    database = Database(url)

    def act(work: Work) -> None:
        child = RING.name("child", "ics", "ann")
        work.run(Sql("INSERT INTO link (name, identity) VALUES ('ics', 'ics'), ('ssd', 'ssd')"))
        work.run(Sql("INSERT INTO source (link) VALUES (1)"))
        work.run(Sql("INSERT INTO target (link) VALUES (2)"))
        work.run(Sql("INSERT INTO key (name, version, document, ordinal) VALUES (:n, 2, 1, 1)"), n=child)
        work.run(Sql("INSERT INTO document (name, link, sealed, done) VALUES (:n, 1, :n, true)"), n=child)
        for place in (0, 1):
            values = {"sealed": RING.seal(b"the record", b"record:1:%d" % place), "ordinal": place}
            work.run(Sql("""INSERT INTO record (document, ordinal, key, version, kind, carries, content, sealed)
                VALUES (1, :ordinal, 1, :ordinal + 1, 'Child', 'event', :sealed, :sealed)"""), **values)  # fmt: skip
            state = ("parked", "ready")[place]
            values = {"number": place + 1, "id": RING.name(place), "ordinal": place, "state": state}
            work.run(Sql("""INSERT INTO message (number, id, document, ordinal, key, source, target, generation, state,
                cause) VALUES (:number, :id, 1, :ordinal, 1, 1, 2, 0, :state,
                CASE WHEN :state = 'parked' THEN 1 END)"""), **values)  # fmt: skip
            work.run(Sql("INSERT INTO place (target, key, number) VALUES (2, 1, :number)"), number=place + 1)
        parts = ("stage", "reason", "row", "table", "target", "answer")
        told = {part: getattr(REFUSED, part) for part in parts}
        work.run(Sql("""INSERT INTO cause (name, stage, reason, row_name, table_name, target, answer)
            VALUES (:name, :stage, :reason, :row, :table, :target, :answer)"""),
            name=RING.name("cause", *told.values()), **told)  # fmt: skip
        if work.sqlite:
            work.run(Sql("UPDATE fact SET value = '2' WHERE name = 'number'"))
        else:
            work.run(Sql("SELECT setval('message_number', 2)"))
        digest = hashlib.sha256(json.dumps(["", 1.5, "me", "purge", "90d"]).encode()).hexdigest()
        work.run(
            Sql("INSERT INTO audit (at, who, act, detail, digest) VALUES (1.5, 'me', 'purge', '90d', :d)"), d=digest
        )
        work.run(Sql("UPDATE fact SET value = :d WHERE name = 'audit'"), d=digest)

    database.write(act)
    database.close()


def test_a_store_filled_under_another_naming_key_is_refused(store: Store) -> None:
    from hub.seal import Keyring

    with pytest.raises(DeclarationError, match="another naming key"):
        Store.open(store.database.url.text, Keyring(b"m" * 32))


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:", ""])
def test_only_two_databases_are_known(url: str) -> None:
    with pytest.raises(DeclarationError, match=r"use sqlite:///hub\.db|the store is not a database URL"):
        Store.open(url, RING)
