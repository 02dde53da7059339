"""What goes out takes nothing back: changes are laid onto what was told, and sources that share a thing keep theirs."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from hub.message import Told
from hub.model import ChildRecord, decode, from_tree, to_tree
from hub.pipeline.telling import lay, written
from hub.store import Known, Outcome, Store
from hub.store.told import Held
from tests.stores import NEWER, REFUSED, Council

NUMBER = [b"n" * 16]
LEAVES = ("sex", "religion", "nationality")


def record(source: str = "a", partial: list[str] | None = None, **person: Any) -> ChildRecord:
    about = {"link": source, "id": "1", **({"partial": partial} if partial else {})}
    return from_tree({"source": about, "person": person, "episodes": [{"id": f"{source}-e"}]})


def phones(source: str, *values: str) -> list[dict[str, str]]:
    return [{"id": f"{source}-{value}", "system": "phone", "value": value} for value in values]


class Target:
    """What one target was told by several sources of a child whom they know by one number."""

    def __init__(self, names: list[bytes] = NUMBER) -> None:
        self.names = names
        self.said: dict[str, bytes] = {}
        self.order: list[str] = []
        self.held, self.of, self.message = b"", [0][:0], 0
        self.children = {"a": 1, "b": 2, "c": 3}

    def send(
        self, source: str, one: ChildRecord, *, changes: bool = False, shared: tuple[str, ...] = ("person",)
    ) -> Any:
        """The person that goes out."""
        child = self.children[source]
        held = (Held(NUMBER[0], self.message, self.held, tuple(self.of)),) if self.held else ()
        others = tuple(
            (self.children[other], self.said[other]) for other in reversed(self.order) if other != source and self.held
        )
        known = Known(child, self.said.get(source, b""), held, others)
        out, told = lay(one, source=source, known=known, names=lambda _: self.names, changes=changes, shared=shared)
        self.keep(source, child, told)
        assert to_tree(written(one, told)) == to_tree(out), "what is said of it later is what went out"
        return to_tree(out).get("person", {})

    def keep(self, source: str, child: int, told: Told) -> None:
        self.message += 1
        self.said[source] = told.said
        self.order = [*(one for one in self.order if one != source), source]
        if told.held:
            self.held, self.of = told.held, sorted({*told.of, child})


def test_a_change_goes_with_all_that_its_source_said_before() -> None:
    target = Target()
    target.send("a", record(sex="F", religion="none"), changes=True, shared=())
    assert target.send("a", record(religion="Sikh"), changes=True, shared=()) == {"sex": "F", "religion": "Sikh"}
    assert target.send("a", record(sex=None), changes=True, shared=()) == {"sex": None, "religion": "Sikh"}


def test_what_another_source_told_stays_and_the_later_change_counts() -> None:
    target = Target()
    target.send("a", record(sex="F", religion="none", telecoms=phones("a", "1")))
    out = target.send("b", record("b", religion="Sikh", telecoms=phones("b", "2")), changes=True)
    assert (out["sex"], out["religion"]) == ("F", "Sikh")
    assert sorted(one["value"] for one in out["telecoms"]) == ["1", "2"]
    # the first source says again what it said, and one thing more: what it did not change stays as the other told it
    out = target.send("a", record(sex="F", religion="none", nationality="GB", telecoms=phones("a", "1")))
    assert (out["sex"], out["religion"], out["nationality"]) == ("F", "Sikh", "GB")


def test_a_source_takes_back_what_it_told_itself_and_nothing_of_others() -> None:
    target = Target()
    target.send("a", record(sex="F", religion="none", telecoms=phones("a", "1", "2")))
    target.send("b", record("b", religion="Sikh", telecoms=phones("b", "3")))
    out = target.send("a", record(telecoms=phones("a", "2")))
    assert "sex" not in out or out["sex"] is None
    assert out["religion"] == "Sikh"
    assert sorted(one["value"] for one in out["telecoms"]) == ["2", "3"]
    out = target.send("b", record("b", religion=None, telecoms=None), changes=True)
    assert [one["value"] for one in out["telecoms"]] == ["2"]
    assert out.get("religion") is None


def test_that_there_is_none_takes_away_nothing_that_another_told() -> None:
    target = Target()
    target.send("a", record(religion="none", birth={"date": "2015-03-27"}, telecoms=phones("a", "1")))
    out = target.send("b", record("b", religion=None, birth=None, telecoms=None), changes=True)
    assert (out["religion"], out["birth"]) == ("none", {"date": "2015-03-27"})
    assert [one["value"] for one in out["telecoms"]] == ["1"]


def test_a_shield_of_one_source_shields_what_another_sends() -> None:
    target = Target()
    target.send("a", record(shielded=True))
    assert target.send("b", record("b", telecoms=phones("b", "1")))["shielded"] is True


def test_a_shield_that_one_of_two_takes_back_stays() -> None:
    target = Target()
    target.send("a", record(shielded=True))
    target.send("b", record("b", shielded=True))
    assert target.send("b", record("b", sex="F")) == {"shielded": True, "sex": "F"}


def test_a_number_that_two_sources_give_stands_once() -> None:
    target = Target()
    number = {"system": "nhs", "value": "9999001009"}
    target.send("a", record(identifiers=[{"id": "a1", **number}], telecoms=phones("a", "1")))
    said = [{"id": "b1", **number, "status": "01"}, {"id": "b2", "system": "local", "value": "N1"}]
    out = target.send("b", record("b", identifiers=said, telecoms=phones("b", "1")))
    assert [(one["system"], one["value"], one.get("status")) for one in out["identifiers"]] == [
        ("nhs", "9999001009", "01"),
        ("local", "N1", None),
    ]
    assert len(out["telecoms"]) == 1


def test_other_parts_go_as_their_source_has_them() -> None:
    target = Target()
    target.send("a", record(sex="F"))
    out, _ = lay(
        record("b", religion="Sikh"),
        source="b",
        known=Known(2, b"", (Held(NUMBER[0], 1, target.held, (1,)),)),
        names=lambda _: NUMBER,
        changes=False,
        shared=("person",),
    )
    assert [one.id for one in out.episodes or ()] == ["b-e"]
    assert "episodes" not in to_tree(decode(target.held))


def test_without_a_number_by_which_sources_meet_nothing_is_shared() -> None:
    target = Target([])
    target.send("a", record(sex="F"))
    assert target.held == b""
    assert target.send("b", record("b", religion="Sikh")) == {"religion": "Sikh"}


_persons = st.fixed_dictionaries(
    {},
    optional={
        **{leaf: st.sampled_from(["x", "y", None]) for leaf in LEAVES},
        "telecoms": st.one_of(st.none(), st.lists(st.sampled_from("123"), unique=True)),
    },
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), _persons), max_size=12))
def test_each_field_is_as_the_last_source_that_changed_it_says(steps: list[tuple[str, bool, dict[str, Any]]]) -> None:
    """Sources in turn, each telling full states or changes throughout: told beside a model that keeps fields apart."""
    target = Target()
    ways = {source: changes for source, changes, _ in reversed(steps)}
    mine: dict[str, dict[str, Any]] = {source: {} for source in "abc"}
    shown: dict[str, Any] = {}
    order: list[str] = []
    lists: dict[str, list[str]] = {}
    for source, _, said in steps:
        before, changes = mine[source], ways[source]
        now = {**before, **said} if changes else dict(said)
        for leaf in LEAVES:
            was, new = before.get(leaf), now.get(leaf)
            if new is not None and new != was:
                shown[leaf] = new
            elif new is None and was is not None and shown.get(leaf) == was:
                shown.pop(leaf)
            others = [mine[one].get(leaf) for one in reversed(order) if one != source]
            left = next((one for one in others if one is not None), None)
            if leaf not in shown and left is not None:
                shown[leaf] = left
        mine[source] = now
        order = [*(one for one in order if one != source), source]
        lists[source] = now.get("telecoms") or []
        told = {**said}
        if "telecoms" in told and told["telecoms"] is not None:
            told["telecoms"] = phones(source, *told["telecoms"])
        out = target.send(source, record(source, **told), changes=changes)
        assert {leaf: out[leaf] for leaf in LEAVES if out.get(leaf) is not None} == shown
        assert {one["value"] for one in out.get("telecoms") or ()} == {one for held in lists.values() for one in held}


def test_a_list_known_in_part_takes_away_nothing() -> None:
    target = Target()
    whole = phones("a", "1", "2")
    target.send("a", record(telecoms=whole))
    out = target.send("a", record(partial=["person.telecoms"], telecoms=phones("a", "3")), changes=True)
    assert sorted(one["value"] for one in out["telecoms"]) == ["1", "2", "3"]
    assert UNSET is record().person.sex  # type: ignore[union-attr]


# In the store


NHS, OTHER = b"N" * 16, b"O" * 16


def told(child: int, said: bytes, held: bytes = b"", *names: bytes, known: Known | None = None) -> Told:
    """What a message told, laid onto what was known."""
    found = [one for one in (known or Known()).held if one.name in names]
    of = sorted({key for one in found for key in one.of})
    left = [one for one in (known or Known()).held if one.name not in names and child in one.of]
    seen = [(one.name, one.message) for one in (*found, *left)]
    rest = [(one.name, b"rest" if len(one.of) > 1 else b"") for one in left]
    return Told(child, said, held, list(names), of, seen, rest)


def send(
    council: Council,
    child: str,
    body: str,
    told_of: tuple[bytes, ...],
    *names: bytes,
    state: str = "sent",
    known: Known | None = None,
) -> int:
    """Keep a record of a child, claim its message and end it; the child's key."""
    council.take(council.record(child, body, places=names, carries="change"))
    number = max(council.known)
    (claim,) = council.claim(number).claims
    assert claim.carries == "change"
    cause = REFUSED if state == "parked" else None
    council.finish(Outcome(number, state, cause=cause, told=[told(claim.child, *told_of, known=known)]))
    return claim.child


def test_what_arrived_is_known_and_what_was_parked_is_not(store: Store, council: Council) -> None:
    ann = send(council, "ann", "A", (b"one", b"shared", NHS), NHS)
    bob = send(council, "bob", "A", (b"two", b"", NHS), state="parked")
    found, other = store.known("ssd", [(ann, [NHS]), (bob, [NHS])])
    assert found.said == b"one"
    assert [(one.record, one.of) for one in found.held] == [(b"shared", (ann,))]
    assert (other.said, other.others) == (b"", ((ann, b"one"),))
    assert store.known("index", [(ann, [NHS])]) == [Known(ann)]


def test_a_number_that_a_child_no_longer_bears_is_forgotten(store: Store, council: Council) -> None:
    ann = send(council, "ann", "A", (b"one", b"shared", NHS), NHS)
    (known,) = store.known("ssd", [(ann, [OTHER])])
    assert [one.name for one in known.held] == [NHS], "what it told before is looked up too"
    send(council, "ann", "B", (b"two", b"new", OTHER), OTHER, known=known)
    bob = send(council, "bob", "A", (b"three",))
    (known,) = store.known("ssd", [(bob, [NHS, OTHER])])
    assert [(one.name, one.record) for one in known.held] == [(OTHER, b"new")]


def test_what_others_told_under_a_number_stays_when_a_child_no_longer_bears_it(store: Store, council: Council) -> None:
    ann = send(council, "ann", "A", (b"one", b"first", NHS), NHS)
    (known,) = store.known("ssd", [(ann, [NHS])])
    bob = send(council, "bob", "A", (b"two", b"both", NHS), NHS, known=known)
    (known,) = store.known("ssd", [(ann, [OTHER])])
    send(council, "ann", "B", (b"three", b"new", OTHER), OTHER, known=known)
    (known,) = store.known("ssd", [(bob, [NHS, OTHER])])
    assert [(one.name, one.record, one.of) for one in known.held] == [
        (NHS, b"rest", (bob,)),
        (OTHER, b"new", (ann,)),
    ]


def test_what_was_told_meanwhile_under_a_number_stays(store: Store, council: Council) -> None:
    ann = send(council, "ann", "A", (b"one", b"first", NHS), NHS)
    (known,) = store.known("ssd", [(ann, [NHS])])
    send(council, "bob", "A", (b"two", b"second", NHS), NHS, known=known)
    send(council, "ann", "B", (b"three", b"late", NHS), NHS, known=known)
    (known,) = store.known("ssd", [(ann, [NHS])])
    assert (known.said, [one.record for one in known.held]) == (b"three", [b"second"])


def test_bytes_that_are_sent_again_tell_the_same(store: Store, council: Council) -> None:
    council.take(council.record("ann", "A", carries="change"))
    number = max(council.known)
    council.claim(number)
    assert None not in store.prepare(council.worker, [replace(council.parcel(number), told=[[told(1, b"one")]])])
    council.die(council.worker)
    council.worker = store.enlist("there", 2)
    store.sweep(council.worker)
    (claim,) = council.claim(number, alone=True).claims
    assert claim.parcel is not None
    assert claim.parcel.told == [[told(1, b"one")]]


def test_what_was_told_is_sealed_anew_with_all_else(store: Store, council: Council) -> None:
    ann = send(council, "ann", "A", (b"Zanzibarcanary", b"Zanzibarcanary", NHS), NHS)
    rows = council.run("SELECT sealed FROM told")
    assert len(rows) == 2
    assert not [row for row in rows if b"Zanzibarcanary" in bytes(row[0])]  # type: ignore[call-overload]
    while not store.reseal(NEWER):
        pass
    assert store.keys_in_use() == {"two"}
    store.ring = NEWER
    assert store.known("ssd", [(ann, [])])[0].said == b"Zanzibarcanary"
