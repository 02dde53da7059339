"""The fault test's oracle sees each kind of fault in logs made by hand, and a short part of the fault test itself."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.faults import acts, case, oracle, sources
from tests.faults.driver import Driver
from tests.faults.oracle import Arrival, Case, Child, Edited, Moved, Row, Trouble, Verdict, Written, judge
from tests.faults.plan import Plan, Report, small
from tests.faults.record import seen
from tests.faults.scene import acts as told_acts
from tests.faults.twins import TWINS
from tests.nodes import Postgres, Rabbit

CHILD: Child = ("north", "north-1")
SWING: Child = ("north", "north-s1")
COUNTER = ("k1", "k2", "k3")


def arrived(target: str, value: str, at: float, child: Child = CHILD, **more: object) -> Arrival:
    arrival = Arrival(target, f"{child[1]}-{value}", child, value, f"{child[1]} {value}".encode(), at)
    return dataclasses.replace(arrival, **more)  # type: ignore[arg-type]


def kept(target: str, values: Sequence[str], child: Child = CHILD, first: int = 1) -> list[Row]:
    return [Row(first + n, target, child, value, "sent") for n, value in enumerate(values)]


def given(kind: str = "dedup", **more: object) -> Case:
    """One child whose three versions reached one target."""
    clean = Case(
        written=[Written(CHILD, value) for value in COUNTER],
        arrivals=[arrived("there", value, at) for at, value in enumerate(COUNTER)],
        rows=kept("there", COUNTER),
        targets={"there": kind},
    )
    return dataclasses.replace(clean, **more)  # type: ignore[arg-type]


def swing(applied: str, superseded: str = "") -> Case:
    """A child that was written A, B, A, B."""
    values = "ABAB"
    rows = [
        Row(n, "there", SWING, value, "superseded", n + 1)
        if str(n) in superseded
        else Row(n, "there", SWING, value, "sent")
        for n, value in enumerate(values)
    ]
    arrivals = [arrived("there", value, at, SWING, key=f"key {at}") for at, value in enumerate(applied)]
    return Case([Written(SWING, value) for value in values], arrivals, rows, {"there": "dedup"})


def changed(rows: Sequence[Row], number: int, **more: object) -> list[Row]:
    return [dataclasses.replace(row, **more) if row.number == number else row for row in rows]  # type: ignore[arg-type]


def kinds(found: Verdict) -> set[str]:
    return {fault.kind for fault in found.faults}


# The oracle


def test_the_oracle_knows_nothing_of_the_hub() -> None:
    for module in (oracle, acts, case, sources):
        tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
        for node in ast.walk(tree):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in ("hub", "adapters")]


@pytest.mark.parametrize("kind", oracle.KINDS)
def test_a_clean_log_passes(kind: str) -> None:
    assert judge(given(kind)).faults == []


@pytest.mark.parametrize("kind", oracle.KINDS)
def test_a_message_recorded_as_sent_that_never_came_is_lost(kind: str) -> None:
    found = judge(given(kind, arrivals=[arrived("there", "k1", 0), arrived("there", "k3", 2)]))
    assert [(fault.kind, fault.value) for fault in found.faults] == [("lost", "k2")]


def test_a_record_that_the_hub_never_kept_is_lost() -> None:
    found = judge(
        given(rows=kept("there", ("k1", "k2")), arrivals=[arrived("there", "k1", 0), arrived("there", "k2", 1)])
    )
    assert [(fault.kind, fault.value) for fault in found.faults] == [("lost", "k3")]


def test_a_superseded_message_is_not_missed() -> None:
    rows = changed(kept("there", COUNTER), 2, state="superseded", superseded_by=3)
    found = judge(given(rows=rows, arrivals=[arrived("there", "k1", 0), arrived("there", "k3", 2)]))
    assert found.faults == []
    assert found.counts["superseded"] == 1


@pytest.mark.parametrize("by", [None, 1, 99])
def test_a_message_superseded_by_nothing_later_is_a_fault_of_the_account(by: int | None) -> None:
    rows = changed(kept("there", COUNTER), 2, state="superseded", superseded_by=by)
    assert kinds(judge(given(rows=rows, arrivals=[arrived("there", "k1", 0), arrived("there", "k3", 2)]))) == {
        "account"
    }


def test_the_last_version_may_not_be_superseded() -> None:
    rows = changed(kept("there", COUNTER), 3, state="superseded", superseded_by=4)
    found = judge(given(rows=rows, arrivals=[arrived("there", "k1", 0), arrived("there", "k2", 1)]))
    assert "lost" in kinds(found)


def test_an_event_may_not_be_superseded() -> None:
    rows = changed(kept("there", COUNTER), 2, state="superseded", superseded_by=3)
    written = [Written(CHILD, value, state=False) for value in COUNTER]
    found = judge(given(written=written, rows=rows, arrivals=[arrived("there", "k1", 0), arrived("there", "k3", 2)]))
    assert kinds(found) == {"lost"}


def test_a_message_that_was_superseded_and_sent_is_a_fault_of_the_account() -> None:
    assert kinds(judge(given(rows=changed(kept("there", COUNTER), 2, state="superseded", superseded_by=3)))) == {
        "account"
    }


@pytest.mark.parametrize("kind", oracle.KINDS)
def test_an_older_one_after_a_newer_is_an_overtake(kind: str) -> None:
    found = judge(given(kind, arrivals=[arrived("there", value, at) for at, value in enumerate(("k2", "k1", "k3"))]))
    assert [(fault.kind, fault.value) for fault in found.faults] == [("overtaken", "k1")]


def test_records_kept_in_another_order_than_written_are_an_overtake() -> None:
    assert "overtaken" in kinds(judge(given(rows=kept("there", ("k2", "k1", "k3")))))


@pytest.mark.parametrize("kind", ["match", "folder"])
def test_an_effect_twice_is_doubled(kind: str) -> None:
    again = arrived("there", "k2", 1.5)
    assert kinds(judge(given(kind, arrivals=[*given().arrivals, again]))) == {"doubled"}


def test_the_same_version_under_another_key_is_doubled_everywhere() -> None:
    for kind in oracle.KINDS:
        assert "doubled" in kinds(
            judge(given(kind, arrivals=[*given().arrivals, arrived("there", "k3", 9, key="other")]))
        )


def test_a_repeat_at_a_target_that_drops_repeats_has_no_effect() -> None:
    assert judge(given("dedup", arrivals=[*given().arrivals, arrived("there", "k1", 9)])).faults == []


REASONS: list[Callable[[Case], Case]] = [
    lambda one: dataclasses.replace(one, unknown=frozenset({"north-1-k3"})),
    lambda one: dataclasses.replace(one, troubles=[Trouble(2.1, 2.1, 7)]),
    lambda one: dataclasses.replace(one, troubles=[Trouble(0.0, 2.0, 0)]),
    lambda one: dataclasses.replace(one, arrivals=[dataclasses.replace(a, answered=False) for a in one.arrivals]),
]


@pytest.mark.parametrize("reason", REASONS)
def test_a_repeat_after_an_unknown_outcome_is_counted(reason: Callable[[Case], Case]) -> None:
    arrivals = [dataclasses.replace(one, worker=7) for one in (*given().arrivals, arrived("there", "k3", 2.5))]
    found = judge(reason(given("plain", arrivals=arrivals)))
    assert found.faults == []
    assert found.counts["repeats after an unknown outcome"] == 1


def test_a_repeat_though_the_answer_was_known_is_doubled() -> None:
    arrivals = [dataclasses.replace(one, worker=7) for one in (*given().arrivals, arrived("there", "k3", 2.5))]
    other = [Trouble(2.1, 2.1, 8), Trouble(90, 90, 7)]
    assert kinds(judge(given("plain", arrivals=arrivals, troubles=other))) == {"doubled"}


def test_a_repeat_after_a_newer_one_is_an_overtake_even_if_excused() -> None:
    late = dataclasses.replace(arrived("there", "k2", 9))
    assert kinds(judge(given("plain", arrivals=[*given().arrivals, late], unknown=frozenset({late.key})))) == {
        "overtaken"
    }


def test_the_same_key_with_other_bytes_is_wrong() -> None:
    for kind in ("dedup", "plain"):
        again = arrived("there", "k3", 9, data=b"other")
        assert "wrong" in kinds(judge(given(kind, arrivals=[*given().arrivals, again], unknown=frozenset({again.key}))))


def test_bytes_that_were_not_written_are_wrong() -> None:
    assert "wrong" in kinds(judge(given(arrivals=[*given().arrivals[:2], arrived("there", "k3", 2, proven=False)])))
    assert "wrong" in kinds(judge(given(arrivals=[*given().arrivals, arrived("there", "k9", 9)])))


def test_what_is_open_and_held_by_nothing_is_stuck() -> None:
    rows = changed(kept("there", COUNTER), 3, state="waiting")
    found = judge(given(rows=rows, arrivals=given().arrivals[:2]))
    assert kinds(found) == {"stuck"}


def unread(**more: object) -> Case:
    """One child whose second version cannot be read, so that the third is held."""
    written = [Written(CHILD, value, readable=value != "k2") for value in COUNTER]
    rows = [*kept("there", ("k1",)), Row(2, "there", CHILD, None, "parked"), Row(3, "there", CHILD, "k3", "ready")]
    found = Case(written, given().arrivals[:1], rows, {"there": "dedup"})
    return dataclasses.replace(found, **more)  # type: ignore[arg-type]


def test_what_is_held_behind_a_record_that_cannot_be_read_is_counted() -> None:
    found = judge(unread())
    assert found.faults == []
    assert found.counts["cannot be read"] == 1
    assert found.counts["held behind a record that cannot be read"] == 1


def test_what_a_mended_mapping_could_read_and_nobody_replayed_is_stuck() -> None:
    found = judge(unread(written=[Written(CHILD, value) for value in COUNTER]))
    assert [(fault.kind, fault.value) for fault in found.faults] == [("stuck", "k2"), ("stuck", "k3")]


def test_values_that_come_again_are_some_of_those_written_in_order() -> None:
    assert judge(swing("ABAB")).faults == []
    assert judge(swing("AB", superseded="12")).faults == []
    assert judge(swing("BAB", superseded="0")).faults == []


def test_a_swing_that_ends_elsewhere_or_lacks_a_version_is_lost() -> None:
    assert "lost" in kinds(judge(swing("ABA", superseded="")))
    assert "lost" in kinds(judge(swing("AB")))


def test_a_swing_out_of_order_is_an_overtake_and_a_version_too_many_doubled() -> None:
    assert "overtaken" in kinds(judge(swing("BBAB")))
    assert "doubled" in kinds(judge(swing("ABAB", superseded="1")))


def test_two_sources_about_one_child_keep_the_order_in_which_they_were_kept() -> None:
    other: Child = ("south", "south-1")
    both = given(
        written=[*given().written, Written(other, "k1")],
        rows=[*given().rows, Row(4, "there", other, "k1", "sent")],
        meets={"9990000000": [CHILD, other]},
    )
    good = dataclasses.replace(both, arrivals=[*given().arrivals, arrived("there", "k1", 9, other)])
    early = dataclasses.replace(both, arrivals=[*given().arrivals, arrived("there", "k1", 1.5, other)])
    assert judge(good).faults == []
    assert kinds(judge(early)) == {"overtaken"}


def test_a_target_sees_in_the_bytes_whose_they_are(tmp_path: Path) -> None:
    import random

    for source in sources.cast(tmp_path, 4, events=False, poison=False):
        source.drop(random.Random(3), 5)
        data = b"".join(path.read_bytes() for path in sorted(source.folder.iterdir()))
        found = [one for one in seen(data) if one.proven]
        assert [(one.child, one.value) for one in found][:5] == [(one.child, one.value) for one in source.written]
        assert not any(one.proven for one in seen(data.replace(b'"family": "c', b'"family": "d')))


# What persons did

ASIDE = Moved("set aside", (2,), frozenset([2]))
BACK = Moved("restore", (2,), frozenset([2]))


def aside(*acts: Moved, state: str = "set aside", came: Sequence[str] = ("k1", "k3"), **more: object) -> Verdict:
    """The second of three messages is in that state after these acts."""
    arrivals = [arrived("there", value, at, worker=7) for at, value in enumerate(came)]
    rows = changed(kept("there", COUNTER), 2, state=state)
    return judge(given(rows=rows, arrivals=arrivals, acts=acts, **more))


def test_what_a_person_set_aside_is_not_missed() -> None:
    found = aside(ASIDE)
    assert found.faults == []
    assert found.counts["set aside by a person"] == 1


@pytest.mark.parametrize("acts", [(), (ASIDE, BACK), (Moved("set aside", (2,), frozenset()),)])
def test_what_nobody_set_aside_or_somebody_restored_may_not_be_set_aside(acts: tuple[Moved, ...]) -> None:
    assert kinds(aside(*acts)) == {"account"}


def test_an_act_whose_answer_was_lost_may_have_been_done_or_not() -> None:
    lost = Moved("set aside", (2,), None)
    assert aside(lost).faults == []
    assert aside(lost, state="sent", came=COUNTER).faults == []
    assert aside(ASIDE, Moved("restore", (2,), None)).faults == []


def test_what_was_restored_must_come_and_in_its_place() -> None:
    assert aside(ASIDE, BACK, state="sent", came=COUNTER).faults == []
    assert kinds(aside(ASIDE, BACK, state="sent")) == {"lost"}
    assert kinds(aside(ASIDE, BACK, state="sent", came=("k1", "k3", "k2"))) == {"overtaken"}


def test_what_nobody_restored_may_not_come_back() -> None:
    assert kinds(aside(ASIDE, state="sent", came=COUNTER)) == {"account"}


def test_what_was_set_aside_may_have_come_only_if_its_outcome_was_not_known() -> None:
    assert kinds(aside(ASIDE, came=COUNTER)) == {"account"}
    assert aside(ASIDE, came=COUNTER, troubles=[Trouble(1.1, 1.1, 7)]).faults == []
    assert aside(ASIDE, came=COUNTER, unknown=frozenset({"north-1-k2"})).faults == []


def swing_aside(applied: str, acts: Sequence[Moved], **more: object) -> Verdict:
    """A child that was written A, B, A, B, and the last message of which is recorded as set aside."""
    found = swing(applied)
    rows = changed(found.rows, 3, state="set aside")
    return judge(dataclasses.replace(found, rows=rows, acts=acts, **more))  # type: ignore[arg-type]


def test_a_swing_may_end_before_what_was_set_aside() -> None:
    acts = [Moved("set aside", (3,), frozenset([3]))]
    assert swing_aside("ABA", acts).faults == []
    assert kinds(swing_aside("ABA", [])) == {"account"}
    assert kinds(swing_aside("AB", acts)) == {"lost"}
    assert kinds(swing_aside("ABAB", acts)) == {"account"}
    assert swing_aside("ABAB", acts, unknown=frozenset({"key 3"})).faults == []


def edited(came: Sequence[str], done: bool | None = True, at: float = 0.5, value: str = "k2e1") -> Verdict:
    """The second of three messages was edited, and is kept as that."""
    arrivals = [arrived("there", one, n) for n, one in enumerate(came)]
    rows = changed(kept("there", COUNTER), 2, value=value)
    return judge(given(rows=rows, arrivals=arrivals, acts=[Edited(CHILD, "k2", "k2e1", done, at)]))


def test_an_edited_value_counts_as_its_version() -> None:
    found = edited(("k1", "k2e1", "k3"))
    assert found.faults == []
    assert found.counts["applied as a person edited it"] == 1


def test_an_edited_record_must_come_once_and_in_its_place() -> None:
    assert kinds(edited(("k1", "k3"))) == {"lost"}
    assert kinds(edited(("k1", "k3", "k2e1"))) == {"overtaken"}
    assert kinds(edited(("k1", "k2", "k2e1", "k3"), at=1.5)) == {"doubled"}


def test_what_was_sent_before_an_edit_of_the_record_stays_as_it_was() -> None:
    assert edited(COUNTER, at=1.5).faults == []
    assert kinds(edited(COUNTER, at=0.5)) == {"wrong"}


def test_an_edit_whose_answer_was_lost_may_have_been_done_or_not() -> None:
    assert edited(COUNTER, None, value="k2").faults == []
    assert edited(("k1", "k2e1", "k3"), None).faults == []


def test_what_nobody_edited_is_wrong_and_what_is_kept_is_the_last_edit() -> None:
    assert kinds(edited(("k1", "k2e1", "k3"), done=False)) == {"wrong", "account"}
    assert kinds(edited(("k1", "k2e2", "k3"), value="k2e2")) == {"wrong", "account"}
    assert kinds(edited(("k1", "k2e1", "k3"), value="k2")) == {"account"}


def test_a_record_that_could_not_be_read_and_was_edited_comes_in_its_place() -> None:
    rows = [dataclasses.replace(row, state="sent") for row in changed(unread().rows, 2, value="k2e1")]
    acts = [Edited(CHILD, "k2", "k2e1", True, 0.5)]

    def came(*values: str) -> Verdict:
        return judge(unread(rows=rows, acts=acts, arrivals=[arrived("there", one, n) for n, one in enumerate(values)]))

    assert came("k1", "k2e1", "k3").faults == []
    assert kinds(came("k1", "k3")) == {"lost"}
    assert kinds(came("k1", "k3", "k2e1")) == {"overtaken"}


def test_what_persons_did_is_read_from_their_log() -> None:
    edit = {"what": "edit", "source": "north", "child": "north-1", "value": "k2", "becomes": "k2e1"}
    told = told_acts(
        [
            {"id": "1", "what": "set aside", "numbers": [1, 2]},
            {"id": "2", "what": "restore", "numbers": [1]},
            {"id": "1", "done": [2], "at": 1.0},
            {"id": "3", **edit},
            {"id": "4", "what": "replay", "numbers": [3]},
            {"id": "3", "done": [], "made": True, "at": 2.0},
            {"id": "5", **edit},
        ]
    )
    assert told == [
        Moved("set aside", (1, 2), frozenset([2])),
        Moved("restore", (1,), None),
        Edited(CHILD, "k2", "k2e1", True, 2.0),
        Edited(CHILD, "k2", "k2e1", None),
    ]


# A short part of the fault test


def test_nothing_is_lost_doubled_or_overtaken_on_postgresql_and_rabbitmq(postgres: Postgres, rabbit: Rabbit) -> None:
    for seed in range(20, 25):  # where the machine is busy, a run may be over before all of it came to pass
        plan = Plan(seed, 15, longest=25, each=1, pauses=1, brokers=1, databases=1, cuts=2, workers=2)
        report = Driver(plan, rabbit=rabbit, postgres=postgres).run()
        assert not report.verdict.faults, str(report)
        assert not report.notes, str(report)
        came = min(report.hits["broker killed"], report.hits["database killed"], acted(report))
        if came:
            break
    assert came > 0, str(report)


@pytest.mark.parametrize("pair", [False, True])
def test_nothing_is_lost_doubled_or_overtaken_on_sqlite_in_one_process_or_two(pair: bool) -> None:
    report = Driver(dataclasses.replace(small(21, 8, longest=15), pair=pair)).run()
    assert not report.verdict.faults, str(report)
    assert not report.notes, str(report)
    assert acted(report) > 0, str(report)


def acted(report: Report) -> int:
    """Acts of persons while something was on its way."""
    return sum(count for name, count in report.hits.items() if name.startswith("person: "))


@pytest.mark.parametrize("twin", sorted(TWINS))
def test_a_hub_broken_on_purpose_turns_it_red(twin: str) -> None:
    report = Driver(small(22, 6, twin)).run()
    assert FOUND[twin] & {fault.kind for fault in report.verdict.faults}, str(report)
    assert not report.notes, str(report)


FOUND = {
    "mark-before-send": {"lost"},
    "no-head-check": {"overtaken"},
    "content-only-id": {"lost"},
    "blind-restore": {"overtaken"},
    "cancel-drops": {"lost"},
}
"""What each twin does, at the least."""
