"""What may have arrived goes again as the same bytes or not at all, whatever persons do to a part of it."""

from __future__ import annotations

import pytest

from hub.errors import DeclarationError
from hub.store import Outcome, Store
from tests.stores import AWAY, REFUSED, Council

WHO = "ann"


@pytest.fixture
def council(store: Store) -> Council:
    """Three messages in one parcel, which a worker was about to send when it died."""
    made = Council(store)
    made.take(*(made.record(name, "A") for name in ("ann", "bob", "cat")))
    made.claim(1, 2, 3)
    assert None not in made.prepare([1, 2, 3])
    made.die(made.worker)
    made.worker = store.enlist("there", 2)
    store.sweep(made.worker)
    return made


def test_a_part_of_what_may_have_arrived_is_not_set_aside(store: Store, council: Council) -> None:
    found = store.set_aside([2], WHO, "not ours")
    assert found.done == []
    assert found.refused == {2: "it may have arrived in one parcel with 1, 3: all of them or none"}
    (claim, *_) = council.claim(1, alone=True).claims
    assert claim.parcel is not None, "the same bytes go again"
    assert store.audit_entries(act="set aside") == []


def test_all_that_may_have_arrived_together_is_set_aside_and_restored_together(store: Store, council: Council) -> None:
    council.take(council.record("dan", "A"))
    assert store.set_aside([1, 2, 3, 4], WHO, "not ours").done == [1, 2, 3, 4]
    found = store.restore([1, 4], WHO, "ours")
    assert found.done == [4]
    assert found.refused == {1: "it may have arrived in one parcel with 2-3: all of them or none"}
    assert store.restore([1, 2, 3], WHO, "ours").done == [1, 2, 3]
    claims = council.claim(1, alone=True).claims
    assert [one.number for one in claims] == [1, 2, 3]
    assert None not in [one.parcel for one in claims]


def test_where_a_later_one_was_sent_nothing_of_the_parcel_is_restored(store: Store, council: Council) -> None:
    store.set_aside([1, 2, 3], WHO, "not ours")
    council.take(council.record("bob", "B"))
    council.send(4)
    found = store.restore([1, 2, 3], WHO, "ours")
    assert found.done == []
    assert "a later record of the child was sent" in found.refused[2]


def test_what_was_kept_and_never_sent_is_set_aside_alone(store: Store) -> None:
    council = Council(store)
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.claim(1, 2)
    assert None not in council.prepare([1, 2])
    council.finish(*(Outcome(number, "ready", counted=False) for number in (1, 2)))
    assert store.set_aside([1], WHO, "not ours").done == [1]


@pytest.mark.parametrize("how", ["dismissed", "given back"])
def test_what_a_worker_had_prepared_and_gave_back_may_have_arrived(store: Store, how: str) -> None:
    council = Council(store)
    council.take(council.record("ann", "A", targets=("ssd", "index")))
    council.claim(1)
    assert None not in council.prepare([1])
    if how == "dismissed":
        store.dismiss(council.worker)
        council.worker = store.enlist("there", 2)
    else:
        assert store.give_back(council.worker, "ssd") == 1
    council.claim(2, target="index")
    council.finish(Outcome(2, "parked", cause=REFUSED), target="index")
    assert (council.state(1), store.trace(1).may_arrived) == ("ready", True)
    with pytest.raises(DeclarationError, match="may have arrived"):
        store.edit(1, 0, council.record("ann", "B", targets=("ssd", "index")), WHO, "a wrong name")


@pytest.mark.parametrize("probe", [False, True])
def test_a_parcel_that_is_damaged_stops_its_own_messages_alone(store: Store, probe: bool) -> None:
    council = Council(store)
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    council.claim(1, 2)
    assert None not in council.prepare([1], [2])
    council.finish(Outcome(1, "ready", counted=False), Outcome(2, "ready", counted=False))
    council.run("UPDATE parcel SET sealed = about WHERE number = 1")
    if probe:
        store.pause("ssd", 0, AWAY)
    claimed = council.claim(1, 2)
    assert [one.number for one in claimed.claims] == ([] if probe else [2])
    assert (council.state(1), council.state(2)) == ("parked", "ready" if probe else "sending")
    assert "it was changed" in store.failures()[0].cause.reason
    if probe:
        assert [one.number for one in council.claim(2).claims] == [2], "the probe is another's"
    store.start_run("one", [1], WHO, "", mapping="m")
    due = store.due(council.worker, "m")
    assert due is not None
    store.release(council.worker, due, {})
    store.resume("ssd")
    assert [one.parcel for one in council.claim(1).claims] == [None], "it did not arrive: it is written anew"


@pytest.mark.parametrize("arrived", [False, True])
def test_who_shares_a_parcel_with_one_that_is_held_waits_only_if_it_may_have_arrived(
    store: Store, arrived: bool
) -> None:
    council = Council(store)
    council.take(council.record("ann", "A"))
    store.set_aside([1], WHO, "not now")
    council.take(council.record("ann", "B", carries="event"), council.record("bob", "A"))
    council.claim(2, 3)
    assert None not in council.prepare([2, 3])
    council.finish(*(Outcome(number, "ready", counted=False) for number in (2, 3)))
    store.restore([1], WHO, "now")
    if arrived:
        council.run("UPDATE message SET arrived = true WHERE number > 1")
    council.park(1)
    assert [(one.number, one.parcel) for one in council.claim(3).claims] == ([] if arrived else [(3, None)])


def test_nothing_is_restored_before_what_may_have_arrived(store: Store) -> None:
    council = Council(store)
    council.take(council.record("ann", "A"))
    store.set_aside([1], WHO, "not ours")
    council.take(council.record("ann", "B"))
    council.claim(2)
    assert None not in council.prepare([2])
    council.die(council.worker)
    council.worker = store.enlist("there", 2)
    store.sweep(council.worker)
    assert council.state(2) == "ready"
    found = store.restore([1], WHO, "ours")
    assert found.done == []
    assert "may have arrived" in found.refused[1]
    council.claim(2, alone=True)
    council.finish(Outcome(2, "sent"))
    assert "was sent" in store.restore([1], WHO, "ours").refused[1]


def test_nothing_is_restored_before_what_may_have_arrived_and_was_set_aside_too(store: Store) -> None:
    council = Council(store)
    council.take(council.record("ann", "A"))
    store.set_aside([1], WHO, "not ours")
    council.take(council.record("ann", "B"))
    council.claim(2)
    assert None not in council.prepare([2])
    council.finish(Outcome(2, "parked", may_arrived=True))
    assert store.set_aside([2], WHO, "not ours").done == [2]
    found = store.restore([1, 2], WHO, "ours")
    assert found.done == [2]
    assert "was sent" in found.refused[1]


def test_an_edit_does_not_go_before_what_may_have_arrived_in_its_new_place(store: Store) -> None:
    council = Council(store)
    number = council.child("a number")
    council.take(council.record("ann", "A"))
    council.park(1)
    council.take(council.record("bob", "A", places=(number,)))
    council.claim(2)
    assert None not in council.prepare([2])
    council.finish(Outcome(2, "waiting", due=100, may_arrived=True))
    with pytest.raises(DeclarationError, match="may have arrived"):
        store.edit(1, 0, council.record("ann", "B", places=(number,)), WHO, "a number")


def test_what_may_have_arrived_in_one_parcel_is_replayed_together(store: Store, council: Council) -> None:
    claims = council.claim(1, 2, 3, alone=True).claims
    assert [one.number for one in claims] == [1, 2, 3]
    council.finish(*(Outcome(number, "parked", cause=REFUSED, may_arrived=True) for number in (1, 2, 3)))
    run, _ = store.start_run("two", [2], WHO, "", mapping="m")
    due = store.due(council.worker, "m")
    assert due is not None
    store.release(council.worker, due, {})
    assert [council.state(number) for number in (1, 2, 3)] == ["ready", "ready", "ready"]
    assert [(one.number, one.state) for one in store.run_items(run.id)] == [
        (2, "released"),
        (1, "released"),
        (3, "released"),
    ]
    again = council.claim(2).claims
    assert len({one.parcel.number for one in again if one.parcel is not None}) == 1
    assert [one.number for one in again] == [1, 2, 3], "the same bytes go again"
    council.finish(*(Outcome(number, "ready") for number in (1, 2, 3)))
    store.change_run(run.id, "cancel", WHO)
    assert [council.state(number) for number in (1, 2, 3)] == ["parked", "parked", "parked"]


def test_one_of_a_parcel_that_was_taken_apart_goes_again_as_it_went(store: Store) -> None:
    council = Council(store)
    council.take(*(council.record(name, "A") for name in ("ann", "bob", "cat")))
    council.claim(1, 2, 3)
    [whole] = council.prepare([1, 2, 3])
    assert whole is not None
    piece = whole.piece(1, b"k" * 16, b"[2]")
    lost = Outcome(2, "waiting", cause=AWAY, due=0.0, may_arrived=True, piece=piece)
    council.finish(Outcome(1, "sent"), lost, Outcome(3, "sent"))
    store.sweep(council.worker)
    (again,) = council.claim(2).claims
    assert again.parcel is not None
    assert (again.parcel.key, again.parcel.data, again.parcel.numbers) == (b"k" * 16, b"[2]", [2])
    assert again.parcel.accounts == whole.accounts[1:2]
    assert again.parcel.number > whole.number
    council.finish(Outcome(2, "sent"))
    assert store.trace(1).parcel == whole.number
    assert store.trace(2).parcel == again.parcel.number
