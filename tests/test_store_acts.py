"""A person's acts on the store: choosing, replays, edits, setting aside and restoring; the same on both databases."""

from __future__ import annotations

import threading
import time

import pytest
from msgspec.structs import replace

from hub.errors import DeclarationError
from hub.message import Cause
from hub.store import Choice, Due, Incoming, Outcome, Store
from hub.store.aside import listing
from tests.stores import AWAY, BROKEN, REFUSED, Council, numbered

BOTH = ("ssd", "index")
WHO = "ann"


def start(store: Store, *numbers: int, **more: object) -> int:
    run, new = store.start_run(f"numbers {numbers}", numbers, WHO, "mended", mapping="m", **more)  # type: ignore[arg-type]
    assert new
    return run.id


def release(council: Council, read: dict[tuple[int, int], Incoming] | None = None) -> Due | None:
    """One batch let go, as a worker does; failed records as they are read again."""
    due = council.store.due(council.worker, "m")
    if due is not None:
        council.store.release(council.worker, due, read or {})
    return due


def items(store: Store, run: int) -> list[str]:
    return [one.state for one in store.run_items(run)]


def refuse(council: Council, number: int) -> None:
    """Sent, and the target would not have it: parked with the bytes it was sent."""
    assert council.claim(number).claims
    assert None not in council.prepare([number])
    council.finish(Outcome(number, "parked", cause=REFUSED))


def event(council: Council, name: str, digest: str, **more: object) -> Incoming:
    return council.record(name, digest, carries="event", **more)


# Choosing


def test_a_choice_finds_what_is_parked_and_says_why_the_rest_does_not_go(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cat", "dan", "eve")))
    council.park(1)
    council.claim(2)
    council.finish(Outcome(2, "waiting", cause=AWAY, due=100))
    council.send(3)
    store.set_aside([4], WHO, "not ours")
    found = store.choose(Choice())
    assert found.items == [1, 2]
    assert found.others == {"sent": 1, "set aside": 1, "on its way": 1}
    cause = next(row.id for row in store.failures() if row.cause == REFUSED)
    assert store.choose(Choice(cause=cause)).items == [1]
    assert store.choose(Choice(target="index")).items == []
    assert store.choose(Choice(source="ics", numbers=(2, 3))).items == [2]
    assert store.choose(Choice(since=time.time() + 60)).items == []
    assert store.choose(Choice(until=time.time() + 60)).items == [1, 2]


def test_what_stands_behind_a_message_is_told_with_what_it_waits_for(store: Store, council: Council) -> None:
    council.take(event(council, "ann", "A"), event(council, "ann", "B"), event(council, "bob", "A"))
    council.take(event(council, "ann", "C", targets=BOTH))
    council.park(1)
    standing = store.standing([1])
    assert list(standing) == [1, 2, 4]
    assert standing[4].ahead == (1, 2)
    assert standing[1].cause == REFUSED
    assert standing[1].keys == standing[2].keys
    assert (standing[1].state, standing[2].state, standing[1].whole) == ("parked", "ready", False)


# Replay


def test_a_replay_lets_a_frozen_set_go_in_line_order_and_ends_with_an_outcome_each(
    store: Store, council: Council
) -> None:
    council.take(event(council, "ann", "A"), event(council, "ann", "B"), event(council, "bob", "A"))
    council.park(1)
    council.park(3)
    run = start(store, 1, 3)
    due = release(council)
    assert due is not None
    assert due.items == [0, 1]
    assert items(store, run) == ["released", "released"]
    assert [council.state(number) for number in (1, 2, 3)] == ["ready", "ready", "ready"]
    following = council.send(1, 3)
    assert [one.number for one in following] == [2]
    store.settle()
    assert items(store, run) == ["sent", "sent"]
    assert store.run(run).state == "done"
    assert store.runs() == []


def test_the_same_asked_for_twice_is_one_run_and_another_leaves_its_messages_alone(
    store: Store, council: Council
) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.park(1)
    council.park(2)
    first, new = store.start_run("cause 1", [1], WHO, "", mapping="m")
    assert new
    again, new = store.start_run("cause 1", [1], WHO, "", mapping="m")
    assert (again.id, new) == (first.id, False)
    other, new = store.start_run("everything", [1, 2], WHO, "", mapping="m")
    assert new
    assert [(one.state, one.note) for one in store.run_items(other.id)] == [
        ("skipped", f"replay {first.id} has it"),
        ("frozen", ""),
    ]
    with pytest.raises(DeclarationError, match="nothing to replay"):
        store.start_run("nothing", [], WHO, "", mapping="m")


def test_a_canary_goes_alone_and_the_rest_waits_for_a_person(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cat")))
    for number in (1, 2, 3):
        council.park(number)
    run = start(store, 1, 2, 3, canary=2)
    release(council)
    assert items(store, run) == ["frozen", "released", "frozen"]
    assert release(council) is None
    council.send(2)
    store.settle()
    assert store.run(run).state == "proven"
    assert release(council) is None
    assert store.change_run(run, "proceed", WHO).state == "running"
    release(council)
    assert items(store, run) == ["released", "sent", "released"]


def test_a_canary_that_is_parked_again_ends_the_run_and_touches_nothing_else(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.park(1)
    council.park(2)
    run = start(store, 1, 2, canary=1)
    release(council)
    council.park(1)
    store.settle()
    found = store.run(run)
    assert (found.state, found.ended is not None) == ("cancelled", True)
    assert "parked" in found.note
    assert items(store, run) == ["parked", "cancelled"]
    assert council.state(2) == "parked"


def test_a_rate_is_kept_over_all_workers(store: Store, council: Council) -> None:
    council.take(*(council.record(f"child {n}", "A") for n in range(30)))
    for number in range(1, 31):
        council.park(number)
    run = start(store, *range(1, 31), rate=10.0)
    began = time.monotonic()
    other = store.enlist("there", 2)
    while time.monotonic() - began < 1.5:
        for worker in (council.worker, other):
            if (due := store.due(worker, "m")) is not None:
                store.release(worker, due, {})
        time.sleep(0.02)
    gone = store.run(run).items.get("released", 0)
    took = time.monotonic() - began
    assert 5 <= gone <= 10 * took + 2


def test_a_run_is_paused_resumed_and_bound_to_one_mapping_set(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.park(1)
    run = start(store, 1)
    assert store.change_run(run, "pause", WHO).state == "paused"
    assert store.change_run(run, "pause", WHO).state == "paused"
    assert release(council) is None
    assert store.change_run(run, "resume", WHO, mapping="other").mapping == "other"
    assert release(council) is None
    assert store.due(council.worker, "other") is not None


def test_a_run_is_one_workers_until_it_dies(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.park(1)
    start(store, 1)
    other = store.enlist("there", 2)
    due = store.due(council.worker, "m")
    assert due is not None
    assert store.due(other, "m") is None
    council.die(council.worker)
    store.sweep(other)
    taken = store.due(other, "m")
    assert taken == due
    assert store.release(council.worker, due, {}) == []
    assert [one.number for one in store.release(other, due, {})] == [1]


def test_a_cancelled_run_parks_again_what_nobody_began_and_loses_nothing(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cat", "dan")))
    for number in (1, 2, 3):
        council.park(number)
    council.claim(4)
    council.finish(Outcome(4, "waiting", cause=AWAY, due=100))
    run = start(store, 1, 2, 3, 4)
    release(council)
    council.claim(1)
    found = store.change_run(run, "cancel", WHO, "wrong week")
    assert found.state == "cancelled"
    assert [council.state(number) for number in (1, 2, 3, 4)] == ["sending", "parked", "parked", "ready"]
    assert [row.cause for row in store.failures()] == [REFUSED]
    assert store.run(run).ended is None
    assert None not in council.prepare([1])
    council.finish(Outcome(1, "sent"))
    council.send(4)
    store.settle()
    assert store.run(run).ended is not None
    assert items(store, run) == ["sent", "cancelled", "cancelled", "sent"]
    assert store.change_run(run, "cancel", WHO).state == "cancelled"
    with pytest.raises(DeclarationError, match="is cancelled"):
        store.change_run(run, "resume", WHO)


def test_what_is_no_longer_parked_is_skipped(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.park(1)
    council.park(2)
    run = start(store, 1, 2)
    store.set_aside([1], WHO, "gone")
    council.take(council.record("bob", "B"))
    release(council)
    assert [(one.state, one.note) for one in store.run_items(run)] == [
        ("skipped", "it is set aside"),
        ("skipped", "it is superseded"),
    ]
    store.settle()
    assert store.run(run).state == "done"


def test_bytes_that_may_have_arrived_go_again_and_refused_ones_are_mapped_anew(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    refuse(council, 1)
    assert council.claim(2).claims
    assert None not in council.prepare([2])
    council.finish(Outcome(2, "parked", cause=AWAY, may_arrived=True))
    start(store, 1, 2)
    release(council)
    claims = council.claim(1, 2).claims
    assert [one.parcel is not None for one in claims] == [False, True]
    assert [one.attempts for one in claims] == [0, 0]


def test_a_refused_full_state_gives_way_to_a_later_one(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    refuse(council, 1)
    council.take(council.record("ann", "B"))
    assert council.state(1) == "superseded"
    council.take(council.record("bob", "A"))
    assert council.claim(3).claims
    assert None not in council.prepare([3])
    council.finish(Outcome(3, "parked", cause=AWAY, may_arrived=True))
    council.take(council.record("bob", "B"))
    assert council.state(3) == "parked", "what may have arrived is sent again first"
    start(store, 3)
    release(council)
    assert council.state(3) == "ready"


def test_a_full_state_behind_a_released_one_takes_its_place(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    assert council.claim(1).claims
    council.take(council.record("ann", "B"))  # what is being sent is not superseded
    council.finish(Outcome(1, "parked", cause=REFUSED))
    run = start(store, 1)
    release(council)
    store.settle()
    assert items(store, run) == ["superseded"]
    assert [council.state(number) for number in (1, 2)] == ["superseded", "ready"]
    council.send(2)


# Records that could not be read


def failed(council: Council, name: str = "ann", **more: object) -> Incoming:
    return replace(event(council, name, "", **more), failed=BROKEN, body=b"")


def test_a_record_that_can_be_read_now_keeps_its_place_and_gets_its_own_id(store: Store, council: Council) -> None:
    council.take(failed(council, targets=BOTH))
    council.take(event(council, "ann", "B"))
    before = store.trace(1)
    run = start(store, 1)
    due = store.due(council.worker, "m")
    assert due is not None
    assert due.failed == [(1, 0)]
    assert due.sources == {1: "ics"}
    store.release(council.worker, due, {(1, 0): event(council, "ann", "A", body=b"mended")})
    after = store.trace(1)
    assert (after.state, after.number) == ("ready", 1)
    assert after.id != before.id
    assert store.record(1, 0) == b"mended"
    assert store.trace(2).state == "parked", "the other target was not asked for"
    assert store.trace(2).id != before.id
    assert council.claim(3).claims == []
    assert [one.body(store.ring) for one in store.body([1])] == [b"mended"]
    council.send(1)
    council.send(3)
    store.settle()
    assert items(store, run) == ["sent"]


def test_a_record_that_still_cannot_be_read_stays_parked_with_its_new_cause(store: Store, council: Council) -> None:
    council.take(failed(council))
    run = start(store, 1)
    other = Cause("inward", "no code", row="person.gender", table="cin/sex")
    release(council, {(1, 0): replace(failed(council), failed=other)})
    assert items(store, run) == ["parked"]
    assert [row.cause for row in store.failures()] == [other]
    assert council.state(1) == "parked"


def test_a_mended_full_state_is_what_the_next_one_is_compared_with(store: Store, council: Council) -> None:
    council.take(replace(council.record("ann", ""), failed=BROKEN, body=b""))
    start(store, 1)
    release(council, {(1, 0): council.record("ann", "A")})
    council.send(1)
    assert council.take(council.record("ann", "A")).unchanged == 1


def test_a_mended_record_meets_others_in_its_identifiers(store: Store, council: Council) -> None:
    nhs = store.ring.name("nhs", "9990000018")
    council.take(failed(council))
    council.take(event(council, "bob", "A", source="health", places=(nhs,)), source="health")
    start(store, 1)
    assert council.claim(2).claims
    mended = {(1, 0): event(council, "ann", "A", places=(nhs,))}
    release(council, mended)
    assert council.state(1) == "parked", "a later message of the number is being sent"
    assert store.record(1, 0) == b""
    council.finish(Outcome(2, "ready"))
    time.sleep(1.1)
    release(council, mended)
    assert council.state(1) == "ready"
    assert council.claim(2).claims == []
    council.send(1)
    council.send(2)


def test_a_merge_that_is_put_off_has_changed_nothing(store: Store, council: Council) -> None:
    council.take(failed(council), failed(council))
    council.take(event(council, "bob", "A"))
    assert council.claim(3).claims
    start(store, 1, 2)
    merge = event(council, "ann", "A", merge=council.child("bob"))
    later = event(council, "ann", "B", body=b"mended")
    release(council, {(1, 0): merge, (1, 1): later})
    assert [council.state(number) for number in (1, 2)] == ["parked", "ready"], "bob's is being sent"
    assert council.run("SELECT alias FROM key WHERE alias IS NOT NULL") == []
    assert store.record(1, 1) == b"mended", "the other is let go"
    council.finish(Outcome(3, "ready"))
    time.sleep(1.1)
    release(council, {(1, 0): merge})
    assert council.state(1) == "ready"
    assert len(council.run("SELECT alias FROM key WHERE alias IS NOT NULL")) == 1


def test_a_record_whose_child_was_not_known_does_not_overtake_what_was_sent_of_it(
    store: Store, council: Council
) -> None:
    nobody = replace(failed(council), child=store.ring.name("child", "ics", "document", 1, 0))
    council.take(nobody)
    council.take(event(council, "ann", "B"))
    council.send(2)
    run = start(store, 1)
    release(council, {(1, 0): event(council, "ann", "A")})
    assert council.state(1) == "parked"
    assert [(one.state, "latest" in one.note) for one in store.run_items(run)] == [("skipped", True)]
    council.take(replace(nobody, child=store.ring.name("child", "ics", "document", 3, 0)))
    council.take(event(council, "cat", "B"))
    start(store, 3)
    release(council, {(3, 0): event(council, "cat", "A")})
    assert council.claim(4).claims == []
    council.send(3)
    council.send(4)


def nobodys(store: Store, council: Council, *names: str) -> Incoming:
    """A record of which nobody knows whose it is, the first of the first document."""
    return replace(failed(council, targets=names or BOTH), child=store.ring.name("child", "ics", "document", 1, 0))


def mend(council: Council, number: int, one: Incoming) -> None:
    start(council.store, number)
    release(council, {(1, 0): one})


def test_what_was_set_aside_goes_with_its_record_to_its_child_and_overtakes_nothing(
    store: Store, council: Council
) -> None:
    council.take(nobodys(store, council))
    store.set_aside([2], WHO, "not now")
    council.take(council.record("ann", "B", ("index",)))
    council.send(3, target="index")
    mend(council, 1, council.record("ann", "A", BOTH))
    assert "latest" in store.restore([2], WHO, "").refused[2], "a later record of the child was sent there"
    assert council.state(2) == "set aside"
    assert council.claim(1).claims, "not at the other target"


@pytest.mark.parametrize("sent", ["the merge", "what came after it"])
def test_what_was_nobodys_does_not_come_after_the_merge_of_its_child_into_another(
    store: Store, council: Council, sent: str
) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.send(1, 2)
    council.take(replace(nobodys(store, council, "ssd"), child=store.ring.name("child", "ics", "document", 2, 0)))
    council.take(council.record("bob", "B", carries="event", merge=council.child("ann")))
    council.send(4)
    if sent != "the merge":
        council.take(council.record("bob", "C"))
        council.send(5)
    start(store, 3)
    release(council, {(2, 0): council.record("ann", "0")})
    assert council.state(3) == "parked"
    assert council.claim(3).claims == []


def test_what_was_nobodys_does_not_come_after_a_chain_of_merges(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cat")))
    council.take(council.record("bob", "B", carries="event", merge=council.child("ann")))
    council.take(council.record("cat", "B", carries="event", merge=council.child("bob")))
    council.send(1, 2, 3)
    council.send(4)
    council.send(5)
    store.settle()
    store.purge(-10)  # of the merges nothing is left but the newest of each child
    council.take(replace(nobodys(store, council, "ssd"), child=store.ring.name("child", "ics", "document", 4, 0)))
    council.take(council.record("cat", "C"))
    council.send(7)
    start(store, 6)
    release(council, {(4, 0): council.record("ann", "0")})
    assert council.state(6) == "parked", "cat, whom bob became, whom ann became, was told of since"
    assert council.claim(6).claims == []


def test_what_was_nobodys_goes_before_the_merge_that_is_still_in_line(store: Store, council: Council) -> None:
    council.take(nobodys(store, council, "ssd"))
    council.take(council.record("bob", "A"))
    council.send(2)
    council.take(council.record("bob", "B", carries="event", merge=council.child("ann")))
    council.park(3)
    start(store, 1)
    release(council, {(1, 0): council.record("ann", "0")})
    assert council.state(1) == "ready", "to the target ann is still a child of her own"
    start(store, 3)
    release(council, {})
    assert council.claim(3).claims == []
    council.send(1)
    council.send(3)


def test_a_replay_that_read_a_record_again_does_not_undo_an_edit_made_meanwhile(store: Store, council: Council) -> None:
    council.take(replace(council.record("ann", "", ("ssd",)), failed=BROKEN, body=b""))
    start(store, 1)
    due = store.due(council.worker, "m")
    assert due is not None
    assert store.edit(1, 0, council.record("ann", "A", body=b"as ann wants it"), WHO, "a date").done == [1]
    store.release(council.worker, due, {(1, 0): council.record("ann", "B", body=b"as it was read")})
    assert store.record(1, 0) == b"as ann wants it"
    assert council.claim(1).claims


def test_a_purge_leaves_the_record_of_what_was_set_aside_before_it_was_mended(store: Store, council: Council) -> None:
    council.take(nobodys(store, council))
    store.set_aside([2], WHO, "not now")
    mend(council, 1, council.record("ann", "A", BOTH))
    council.send(1)
    council.take(council.record("ann", "B"))
    council.send(3)
    store.settle()
    assert store.purge(-10).records == 0
    assert store.restore([2], WHO, "after all").done == [2]
    assert store.record(store.trace(2).document, 0) == b"ann A"
    council.send(2, target="index")
    assert store.is_idle(["ics"], BOTH)


def test_what_was_superseded_goes_with_its_record_to_its_child(store: Store, council: Council) -> None:
    council.take(replace(council.record("ann", "", BOTH), failed=BROKEN, body=b""))
    council.take(council.record("ann", "B"))
    assert council.state(1) == "superseded"
    mend(council, 2, council.record("bob", "A", BOTH))
    council.send(2, target="index")
    council.take(council.record("bob", "B", ("index",)))
    council.send(4, target="index")
    council.take(council.record("bob", "C", ("index",)))
    store.settle()
    store.purge(-10)
    assert store.trace(1).child == council.child("bob"), "who it was about can still be told"


def test_what_was_set_aside_and_mended_is_passed_by_what_is_sent_after(store: Store, council: Council) -> None:
    nhs = store.ring.name("nhs", "9990000018")
    council.take(nobodys(store, council))
    store.set_aside([2], WHO, "not now")
    before = store.trace(2).id
    council.take(event(council, "bob", "A", targets=("index",), source="health", places=(nhs,)), source="health")
    mend(council, 1, event(council, "ann", "A", targets=BOTH, places=(nhs,)))
    assert store.claim(council.worker, "index", [(2, before)]).claims == []
    assert store.trace(2).id != before, "what lies on a queue is void"
    assert store.trace(2).child == council.child("ann")
    assert store.restore([2], WHO, "").done == [2]
    assert council.claim(3, target="index").claims == [], "it stands before those who share its number"
    store.set_aside([2], WHO, "again")
    council.send(3, target="index")
    assert "latest" in store.restore([2], WHO, "").refused[2]


def test_an_edit_changes_what_was_set_aside_too_but_not_what_may_have_arrived(store: Store, council: Council) -> None:
    council.take(event(council, "ann", "A", targets=BOTH), event(council, "bob", "A", targets=BOTH))
    for number, arrived in ((2, False), (4, True)):
        assert council.claim(number, target="index").claims
        assert None not in council.prepare([number], target="index")
        council.finish(Outcome(number, "parked", cause=AWAY, may_arrived=arrived), target="index")
    store.set_aside([2, 4], WHO, "")
    before = store.trace(4)
    for ordinal, name in ((0, "ann"), (1, "bob")):
        council.park(2 * ordinal + 1)
        store.edit(1, ordinal, event(council, name, "A2", targets=BOTH, body=b"edited"), WHO, "")
    assert sorted(store.restore([2, 4], WHO, "").done) == [2, 4]
    [edited, old] = council.claim(2, 4, target="index").claims
    assert edited.parcel is None, "the bytes before the edit are not sent"
    assert (old.parcel.number if old.parcel else None, old.id) == (before.parcel, before.id)


# Edits


def test_an_edit_keeps_the_number_and_the_original_and_makes_the_message_ready(store: Store, council: Council) -> None:
    council.take(event(council, "ann", "A", targets=BOTH), event(council, "ann", "B"))
    before = store.trace(1)
    council.park(1)
    done = store.edit(1, 0, event(council, "ann", "A2", body=b"edited"), WHO, "a typing error", ["person.birth.date"])
    assert done.done == [1, 2]
    after = store.trace(1)
    assert (after.state, after.revision, after.number) == ("ready", 1, 1)
    assert after.id != before.id
    assert store.record(1, 0) == b"edited"
    assert store.record(1, 0, 0) == b"ann A"
    assert store.claim(council.worker, "ssd", [(1, before.id)]).claims == [], "what lies on a queue is void"
    assert [one.body(store.ring) for one in store.body([1])] == [b"edited"]
    council.send(1)
    council.send(3)


def test_what_a_source_says_again_is_compared_with_what_it_said_not_with_the_edit(
    store: Store, council: Council
) -> None:
    council.take(council.record("ann", "A"))
    council.park(1)
    store.edit(1, 0, council.record("ann", "A2"), WHO, "mended")
    council.send(1)
    assert council.take(council.record("ann", "A")).unchanged == 1
    assert council.take(council.record("ann", "A2")).new == 1


def test_a_record_is_edited_only_where_that_cannot_do_harm(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A", BOTH))
    edited = council.record("ann", "A2")
    with pytest.raises(DeclarationError, match="none of its messages is parked"):
        store.edit(1, 0, edited, WHO, "")
    council.park(1)
    with pytest.raises(DeclarationError, match="whose record"):
        store.edit(1, 0, council.record("bob", "A2"), WHO, "")
    council.park(2)
    council.claim(3, target="index")
    with pytest.raises(DeclarationError, match="being sent"):
        store.edit(1, 1, council.record("bob", "A2", BOTH), WHO, "")
    council.finish(Outcome(3, "parked", cause=AWAY, may_arrived=True), target="index")
    with pytest.raises(DeclarationError, match="may have arrived"):
        store.edit(1, 1, council.record("bob", "A2", BOTH), WHO, "")
    with pytest.raises(DeclarationError, match="no record 7:0"):
        store.edit(7, 0, edited, WHO, "")
    assert store.record(1, 1) == b"bob A"
    assert store.trace(1).revision == 0


# Setting aside and restoring


def test_what_is_set_aside_lets_others_go_and_comes_back_to_its_place(store: Store, council: Council) -> None:
    council.take(event(council, "ann", "A"), event(council, "ann", "B"))
    council.park(1)
    assert store.set_aside([1, 99], WHO, "not for them").refused == {99: "the store knows no such message"}
    assert council.state(1) == "set aside"
    assert council.claim(2).claims
    council.finish(Outcome(2, "ready"))
    assert store.restore([1], WHO, "it was for them").done == [1]
    assert council.claim(2).claims == []
    council.send(1)
    council.send(2)


def test_the_bytes_of_what_is_set_aside_are_left_where_they_lie(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.claim(1)
    council.prepare([1])
    council.finish(Outcome(1, "ready", counted=False))
    store.set_aside([1, 2], WHO, "not now")
    assert store.tokens("ssd") == {"token"}, "a folder that lacks them would take them for given"
    store.restore([1], WHO, "now")
    assert store.tokens("ssd") == {"token"}
    assert council.claim(1).claims[0].parcel is not None
    council.finish(Outcome(1, "sent"))
    assert store.tokens("ssd") == set()


def test_what_is_being_sent_or_closed_is_not_set_aside(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.claim(1)
    council.send(2)
    refused = store.set_aside([1, 2], WHO, "")
    assert refused.done == []
    assert "being sent" in refused.refused[1]
    assert "sent" in refused.refused[2]
    assert store.restore([2], WHO, "").refused == {2: "it is not set aside, but sent"}


@pytest.mark.parametrize("outcome", ["sent", "withheld"])
def test_nothing_is_restored_once_a_later_one_was_sent(store: Store, council: Council, outcome: str) -> None:
    council.take(event(council, "ann", "A"), event(council, "ann", "B"))
    council.park(1)
    store.set_aside([1], WHO, "")
    council.claim(2)
    council.finish(Outcome(2, outcome))
    assert "latest" in store.restore([1], WHO, "").refused[1]
    assert council.state(1) == "set aside"


def test_a_later_one_of_another_source_counts_too(store: Store, council: Council) -> None:
    nhs = store.ring.name("nhs", "9990000018")
    council.take(event(council, "ann", "A", places=(nhs,)))
    council.take(event(council, "bob", "B", source="health", places=(nhs,)), source="health")
    council.park(1)
    store.set_aside([1], WHO, "")
    council.send(2)
    assert "latest" in store.restore([1], WHO, "").refused[1]


def test_an_earlier_one_sent_meanwhile_does_not_keep_a_later_one_away(store: Store, council: Council) -> None:
    council.take(event(council, "ann", "A"), event(council, "ann", "B"))
    store.set_aside([2], WHO, "")
    council.send(1)
    assert store.restore([2], WHO, "").done == [2]
    council.send(2)


def test_nothing_is_restored_while_a_later_one_is_being_sent(store: Store, council: Council) -> None:
    council.take(event(council, "ann", "A"), event(council, "ann", "B"))
    council.park(1)
    store.set_aside([1], WHO, "")
    council.claim(2)
    assert "being sent" in store.restore([1], WHO, "").refused[1]
    council.finish(Outcome(2, "ready"))
    assert store.restore([1], WHO, "").done == [1]


def test_a_record_that_could_not_be_read_is_restored_as_parked(store: Store, council: Council) -> None:
    council.take(failed(council))
    store.set_aside([1], WHO, "")
    assert store.restore([1], WHO, "").done == [1]
    assert council.state(1) == "parked"


def test_a_record_that_could_not_be_read_is_not_restored_once_its_document_was_purged(
    store: Store, council: Council
) -> None:
    council.take(failed(council), council.record("bob", "A"))
    store.set_aside([1, 2], WHO, "")
    assert store.purge(-10).documents == 1
    found = store.restore([1, 2], WHO, "")
    assert found.done == [2], "of that the record is kept"
    assert "its document was purged" in found.refused[1]
    assert council.state(1) == "set aside"


def test_a_restored_full_state_gives_way_to_a_later_one(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    store.set_aside([1], WHO, "")
    council.take(council.record("ann", "B"))
    assert store.restore([1], WHO, "").done == [1]
    assert [council.state(number) for number in (1, 2)] == ["superseded", "ready"]


def claim_into(council: Council, number: int, claimed: list[bool]) -> None:
    claimed.append(bool(council.claim(number).claims))


def test_a_claim_and_a_restore_at_once_never_let_both_go(store: Store, council: Council) -> None:
    """Whoever comes first has it: claimed, and the restore is refused; or restored, and the claim finds it held."""
    for turn in range(30):
        taken = council.take(event(council, f"child {turn}", "A"), event(council, f"child {turn}", "B"))
        first, second = taken.messages[0].number, taken.messages[0].number + 1
        store.set_aside([first], WHO, "")
        claimed: list[bool] = []
        thread = threading.Thread(target=claim_into, args=(council, second, claimed))
        thread.start()
        time.sleep(0.001 * (turn % 4))
        restored = bool(store.restore([first], WHO, "").done)
        thread.join()
        assert not (claimed[0] and restored)
        if restored:
            council.send(first)
        council.send(second) if not claimed[0] else council.finish(Outcome(second, "sent"))


def test_a_mend_waits_for_a_later_message_that_is_just_being_sent(store: Store, council: Council) -> None:
    council.take(nobodys(store, council))
    store.set_aside([2], WHO, "")
    council.take(event(council, "ann", "B", targets=("index",)))
    assert council.claim(3, target="index").claims
    start(store, 1)
    mending = threading.Thread(target=release, args=(council, {(1, 0): event(council, "ann", "A", targets=BOTH)}))

    def meanwhile(step: str, count: int) -> None:
        if step == "T5.before-commit":
            mending.start()
            mending.join(0.5)

    store.database.hook = meanwhile
    council.finish(Outcome(3, "sent"), target="index")
    mending.join()
    assert council.state(1) == "ready"
    assert "latest" in store.restore([2], WHO, "").refused[2]


# The newest record of each child


def send_all(council: Council, target: str = "ssd") -> None:
    while found := [one.number for one in council.store.republish(target, 100, -1)]:
        council.send(*found, target=target)


def latest(council: Council, target: str = "ssd", **more: object) -> list[tuple[str, str]]:
    """Kind and id of what the target is sent anew, in order."""
    store = council.store
    run, _ = store.start_latest(target, None, WHO, "restored", mapping="m", **more)  # type: ignore[arg-type]
    while (due := store.due(council.worker, "m")) is not None:
        read = {}
        for one in due.kept:
            body = store.record(one.document, one.ordinal)
            name = body.decode().split()[0]
            read[one.document, one.ordinal] = council.record(name, body.decode().split()[1], (target,), one.source)
        store.release(council.worker, due, read)
    sent = [one.number for one in store.run_items(run.id) if one.number is not None]
    bodies = [one.body(store.ring).decode() for one in store.body(sent)]
    return [(body.split()[0], body.split()[1]) for body in bodies]


def test_a_new_target_gets_each_childs_newest_record_in_order(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.take(council.record("ann", "B"), council.record("cat", "A"))
    council.take(event(council, "dan", "A"))
    send_all(council)
    found = store.newest("index", sources=["ics"])
    assert [(one.document, one.ordinal, bool(one.why)) for one in found] == [
        (1, 1, False),
        (2, 0, False),
        (2, 1, False),
        (3, 0, True),
    ]
    assert store.newest("index") == []
    assert latest(council, "index", sources=["ics"]) == [("bob", "A"), ("ann", "B"), ("cat", "A")]
    send_all(council, "index")
    store.settle()
    assert store.runs() == []


def test_a_record_that_was_mended_is_the_newest_of_its_child_alone(store: Store, council: Council) -> None:
    council.take(nobodys(store, council, "ssd"))
    mend(council, 1, council.record("ann", "A", body=b"ann A"))
    council.send(1)
    assert latest(council, sources=["ics"]) == [("ann", "A")]
    send_all(council)
    council.take(council.record("ann", "B"))
    send_all(council)
    store.settle()
    assert latest(council, sources=["ics"]) == [("ann", "B")], "and not the older one again"
    assert [one.document for one in store.newest("index", sources=["ics"])] == [2]


def test_an_emptied_target_gets_new_messages_and_twice_asked_is_once(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    send_all(council)
    before = store.trace(1)
    assert latest(council, sources=["ics"]) == [("ann", "A")]
    run, new = store.start_latest("ssd", None, WHO, "", mapping="m")
    assert not new
    assert run.target == "ssd"
    again = store.trace(2)
    assert again.generation == before.generation + 1
    assert again.id != before.id
    send_all(council)


def test_what_is_in_line_set_aside_merged_or_unread_is_left_and_told(store: Store, council: Council) -> None:
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cat", "dan")))
    council.park(1)
    store.set_aside([2], WHO, "")
    send_all(council)
    council.take(replace(council.record("cat", ""), failed=BROKEN, body=b""))
    council.take(council.record("dan", "B", merge=council.child("cat")))
    told = {one.document * 10 + one.ordinal: one.why for one in store.newest("ssd")}
    assert "in line" in told[10]
    assert "set aside" in told[11]
    assert "merged" in told[20]
    assert "in line" in told[30]


def test_only_what_the_target_got_since_goes_again(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    send_all(council)
    council.run("UPDATE message SET ended = ended - 1000 WHERE number = 1")
    found = store.newest("ssd", time.time() - 500)
    assert [bool(one.why) for one in found] == [True, False]


def test_a_newer_record_kept_meanwhile_goes_instead(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A"))
    send_all(council)
    run, _ = store.start_latest("ssd", None, WHO, "", mapping="m")
    due = store.due(council.worker, "m")
    assert due is not None
    council.take(council.record("ann", "B"))
    store.release(council.worker, due, {(1, 0): council.record("ann", "A")})
    store.settle()
    assert items(store, run.id) == ["skipped"]
    send_all(council)
    assert council.state(2) == "sent"


# The audit


def test_every_act_is_entered_with_who_and_why_and_the_chain_holds(store: Store, council: Council) -> None:
    council.take(event(council, "ann", "A"), event(council, "bob", "A"), event(council, "cat", "A"))
    for number in (1, 2, 3):
        council.park(number)
    run = start(store, 1)
    store.change_run(run, "pause", WHO, "too many")
    store.change_run(run, "cancel", WHO, "wrong")
    store.set_aside([2], WHO, "not theirs")
    store.restore([2], WHO, "theirs after all")
    store.edit(1, 2, event(council, "cat", "B"), WHO, "typing", ["person.birth.date"])
    acts = [row[0] for row in council.run("SELECT act FROM audit ORDER BY id")]
    assert acts == ["replay", "replay pause", "replay cancel", "set aside", "restore", "edit"]
    assert store.verify_audit().broken is None


def test_numbers_are_listed_short() -> None:
    assert listing([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert listing([]) == ""


def test_closed_acts_are_purged_with_their_messages(store: Store, council: Council) -> None:
    council.take(event(council, "ann", "A"), event(council, "ann", "B"))
    council.park(1)
    run = start(store, 1)
    store.set_aside([1], WHO, "")
    release(council)
    store.settle()
    council.send(2)
    council.run("UPDATE message SET ended = ended - 1000")
    council.run("UPDATE run SET ended = ended - 1000")
    assert store.purge(500).messages == 1
    assert council.run("SELECT count(*) FROM aside") == [(0,)]
    with pytest.raises(DeclarationError):
        store.run(run)


def test_numbered_records_keep_their_order(council: Council) -> None:
    assert [one.ordinal for one in numbered([council.record("ann", "A"), council.record("bob", "B")])] == [0, 1]
