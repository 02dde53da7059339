"""What the engine does with trees and records that are out of the ordinary: odd shapes, shared lists, odd edits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.errors import RecordError
from hub.model import ChildRecord, from_tree, to_tree
from hub.wire.jsontext import dumps
from tests.engine import back, build, theirs

IDS = """
[fields]
"person.shielded" = { theirs = "hidden", as = 'boolean("Y", "N")' }
[each.ids]
ours = "person.identifiers[use=current]"
theirs = "ids[]"
key = ["value"]
[each.ids.fields]
"value" = { theirs = ".", when = "!shielded" }
"""


def test_every_text_of_a_list_is_written_by_a_row_under_a_condition(tmp_path: Path) -> None:
    tree = {"hidden": "N", "ids": [str(number) for number in range(50)]}
    assert back(build(IDS, None, tmp_path), tree) == tree


@pytest.mark.parametrize("name", ["#bare", "=", "[]"])
def test_an_object_that_looks_like_one_of_our_marks_comes_back(name: str, tmp_path: Path) -> None:
    mapping = build('[fields]\n"person.religion" = "faith"', None, tmp_path)
    for held in ({name: "20"}, {name: {name: "20"}}, {name: {"0": "20"}}):
        for tree in (held, {"faith": "x", **held}, {"other": held}, {"other": [held, {"more": held}]}):
            assert back(mapping, tree) == tree


JOINED = """
[each.e]
ours = "episodes[]"
theirs = "e[]"
key = ["closure.date"]
[each.e.fields]
"closure.date" = { theirs = "d", as = "date" }
[each.a]
in = "e"
ours = "assessments[]"
theirs = "/a[]"
on = { of = "id" }
key = ["id"]
[each.a.fields]
"id" = "id"
"""


@pytest.mark.parametrize("cell", [{"x": "1"}, ["1"]])
def test_a_cell_that_should_name_a_parent_and_holds_other_fields_parks_its_record(cell: Any, tmp_path: Path) -> None:
    mapping = build(JOINED, None, tmp_path)
    with pytest.raises(RecordError) as caught:
        mapping.inward(theirs({"e": [{"id": "1"}], "a": [{"id": "7", "of": cell}]}))
    assert str(caught.value).endswith("[each.a] on: a text is expected, the field holds other fields")
    tree = {"e": [{"id": cell}], "a": [{"id": "7", "of": "1"}]}
    assert [one.kind for one in mapping.inward(theirs(tree)).findings] == ["no parent"]
    assert back(mapping, tree) == tree


PICKED = """
[fields]
"person.identifiers[system=nhs].value" = "id[sys=N].v"
"person.identifiers[system=nhs].status" = "id[sys=N].s"
[each.ids]
ours = "person.identifiers[]"
theirs = "id[]"
key = ["system", "value"]
[each.ids.fields]
"system" = { theirs = "sys", codes = "sys", bad = "keep" }
"value" = "v"
"""


@pytest.mark.parametrize(
    "items",
    [
        [{"sys": "U", "v": "3"}, {"sys": "N", "v": "1", "s": "x", "z": "z"}, {"sys": "N", "v": "2"}],
        [{"sys": "N", "v": "1"}],
        [{"sys": "N"}, {"sys": "U", "v": "1"}],
        ["text", {"sys": "U", "v": "3"}, {"sys": "N", "v": "1"}],
    ],
)
def test_a_group_leaves_the_items_that_rows_pick_from_its_list(items: list[Any], tmp_path: Path) -> None:
    mapping = build(PICKED, None, tmp_path, {"sys": "theirs,ours\nN,nhs\nU,upn\n"})
    assert back(mapping, {"id": items}) == {"id": items}
    read = mapping.inward(theirs({"id": items})).record
    held = read.person.identifiers if read.person else []  # type: ignore[union-attr]
    assert sorted(str(one.value) for one in held or ()) == sorted(
        one["v"] for one in items if isinstance(one, dict) and "v" in one
    )


ECHO = """
[fields]
"source.id" = "id"
[each.r]
ours = "relationships[role=mother]"
theirs = "m[]"
key = ["id"]
[each.r.fields]
"id" = "id"
"""


@pytest.mark.parametrize("gone", [{"id": "1"}, {"id": "1", "m": []}])
def test_an_echo_without_a_list_removes_what_was_sent_of_it_and_nothing_else(gone: Any, tmp_path: Path) -> None:
    mapping = build(ECHO, None, tmp_path)
    people = [{"id": "1", "role": "mother"}, {"id": "2", "role": "father"}]
    known = from_tree({"source": {"link": "ics", "id": "1"}, "relationships": people})
    assert mapping.create(known).tree == {"id": "1", "m": [{"id": "1"}]}
    read: ChildRecord = mapping.inward(theirs(gone), known=known).record
    assert to_tree(read)["relationships"] == people[1:]


COPY = """
[fields]
"person.birth.date" = { theirs = "dob", as = "date" }
"/person.birth.date" = { theirs = "copy", as = "date", way = "out" }
"""


@pytest.mark.parametrize("copy", [{"x": "1"}, ["2020-01-01"], [], {}])
def test_what_stands_in_the_place_of_a_copy_stays_until_the_record_says_another_value(
    copy: Any, tmp_path: Path
) -> None:
    mapping, tree = build(COPY, None, tmp_path), {"dob": "2020-01-01", "copy": copy}
    read = mapping.inward(theirs(tree))
    assert [(one.kind, one.row) for one in read.findings] == [("shape", '[fields] "/person.birth.date"')]
    assert mapping.create(read.record).tree == tree
    assert mapping.create(read.record, "other").tree == {"dob": "2020-01-01", "copy": "2020-01-01"}
    read.record.person.birth.date = "2020-01-02"  # type: ignore[union-attr]
    assert mapping.create(read.record).tree == {"dob": "2020-01-02", "copy": "2020-01-02"}


NONE = """
[fields]
"person.religion" = { theirs = "faith", none = ["none"] }
[each.e]
ours = "episodes[]"
theirs = "e[]"
key = ["id"]
[each.e.fields]
"id" = "id"
"referral.outcomes" = { theirs = "flags", flags = "outcome", words = ["Y", "N"] }
[each.a]
in = "e"
ours = "assessments[]"
theirs = "a[]"
key = ["id"]
[each.a.fields]
"id" = "id"
"factors" = { theirs = "f[]", codes = "assessment_factor", none = ["0"] }
"""
OUTCOMES = {"outcome": "theirs,ours,way\na,nfa,\nb,strategy_discussion,\nold,nfa,in\n"}


def test_there_is_none_comes_back_as_it_was_said(tmp_path: Path) -> None:
    mapping = build(NONE, None, tmp_path, OUTCOMES)
    for said in (None, "none"):
        assert back(mapping, {"faith": said}) == {"faith": said}
    for listed in (None, ["0"]):
        tree = {"e": [{"id": "1", "a": [{"id": "2", "f": listed}]}]}
        assert back(mapping, tree) == tree
    read = mapping.inward(theirs(tree)).record
    read.episodes[0].assessments[0].factors = ["1A"]  # type: ignore[union-attr,index]
    assert mapping.create(read).tree == {"e": [{"id": "1", "a": [{"id": "2", "f": ["1A"]}]}]}


def test_a_flag_that_cannot_be_read_makes_its_list_partial(tmp_path: Path) -> None:
    mapping = build(NONE, None, tmp_path, OUTCOMES)
    tree = {"e": [{"id": "1", "flags": {"a": "Y", "b": "perhaps", "old": "Y"}}]}
    read = mapping.inward(theirs(tree)).record
    assert read.episodes[0].referral.outcomes == ["nfa"]  # type: ignore[union-attr,index]
    assert read.source.partial == ["episodes[].referral.outcomes"]  # type: ignore[union-attr]
    assert mapping.create(read).tree == tree


def test_an_element_that_is_no_text_makes_a_list_of_texts_partial(tmp_path: Path) -> None:
    mapping = build(IDS, None, tmp_path)
    for tree in ({"ids": ["1", {"x": "2"}]}, {"ids": [["1"], "2"]}, {"ids": [None]}):
        assert mapping.inward(theirs(tree)).record.source.partial == ["person.identifiers"]  # type: ignore[union-attr]
        assert back(mapping, tree) == tree


CODED = """
[each.e]
ours = "episodes[]"
theirs = "e[]"
key = ["id"]
[each.e.fields]
"id" = "id"
[each.cp]
in = "e"
ours = "plans[kind=cp]"
theirs = "o[code.coding[sys=S].code=CP]"
key = ["period.start"]
[each.cp.fields]
"period.start" = { theirs = "d", as = "date" }
"""


@pytest.mark.parametrize(
    "coding",
    [
        [{"sys": "S", "code": "CP"}],
        [{"sys": "S", "code": ["CP", "x"]}],
        {"sys": "S", "code": "CP"},
        [{"sys": "T", "code": "CP"}, {"sys": "S", "code": "CP", "more": "x"}],
    ],
)
def test_what_stands_beside_the_code_that_a_group_asks_for_comes_back(coding: Any, tmp_path: Path) -> None:
    tree = {"e": [{"id": "1", "o": [{"code": {"coding": coding}, "d": "2020-01-01"}]}]}
    assert back(build(CODED, None, tmp_path), tree) == tree


SHIELDED = """
[fields]
"source.id" = "id"
"person.shielded" = { theirs = "hidden", as = 'boolean("Y", "N")' }
"person.death.date" = { theirs = "died.on", as = "date" }
"person.religion" = [{ theirs = "faith" }, { theirs = "old_faith" }]
"person.identifiers[system=nhs].value" = { theirs = "ids[sys=N].v", bad = "keep" }
"person.nationality" = "nation"
[each.telecoms]
ours = "person.telecoms[]"
theirs = "phones[]"
key = ["value"]
[each.telecoms.fields]
"value" = "number"
[[withhold_when]]
when = "shielded"
ours = ["person.death.**", "person.religion", "person.identifiers[].value", "person.telecoms[]"]
reason = "a shielded child is not to be found there"
"""


def test_what_no_row_could_read_of_what_is_withheld_is_not_left_either(tmp_path: Path) -> None:
    mapping = build(SHIELDED, None, tmp_path)
    tree = {
        "id": "1",
        "hidden": "N",
        "died": {"on": "yesterday", "where": "x"},
        "faith": "a",
        "old_faith": "b",
        "nation": {"x": "y"},
        "ids": [{"sys": "N", "v": ["1"]}, {"sys": "M", "v": "2"}, "z"],
        "phones": [{"number": "1"}, "2"],
        "more": "m",
    }
    assert back(mapping, tree) == tree
    record = mapping.inward(theirs(tree)).record
    record.person.shielded = True  # type: ignore[union-attr]
    assert mapping.create(record).tree == {
        "id": "1",
        "hidden": "Y",
        "died": {"where": "x"},
        "nation": {"x": "y"},
        "ids": [{"sys": "N"}, {"sys": "M", "v": "2"}, "z"],
        "more": "m",
    }
    assert back(mapping, tree) == tree, "the record and what was left of it stay as they were"


BARE = """
[fields]
"source.id" = "id"
[each.i]
ours = "involvements[]"
theirs = "i[]"
key = ["id"]
[each.i.fields]
"id" = "id"
"professional.full_time" = { theirs = "share", as = "decimal" }
"""


def test_a_number_that_json_cannot_hold_bare_is_unsayable_and_its_record_flows(tmp_path: Path) -> None:
    mapping = build(BARE, "id text\ni[].id text\ni[].share decimal", tmp_path, bare=True)
    told = [{"id": "1", "professional": {"full_time": "00.50"}}, {"id": "2", "professional": {"full_time": "-0.5"}}]
    made = mapping.create(from_tree({"source": {"link": "ics", "id": "1"}, "involvements": told}))
    assert dumps(made.tree) == b'{"id":"1","i":[{"id":"1"},{"id":"2","share":-0.5}]}'
    assert made.account == {("unsayable", "involvements[].professional.full_time"): 1}
    tree = {"id": "1", "i": [{"id": "1", "share": "00.50"}]}
    assert back(mapping, tree) == tree, "a text in the place of a number comes back to who sent it"


TESTED = """
[fields]
"source.id" = "id"
"person.identifiers[system=nhs].value" = "ids[sys=N].v"
[each.home]
ours = "person.addresses[use=home]"
theirs = "homes[kind=H]"
key = ["uprn"]
[each.home.fields]
"uprn" = "uprn"
"postcode" = "code"
"""


@pytest.mark.parametrize(
    "overlay",
    [
        '[withhold]\n"person.addresses[].postcode" = "not shared by this council"',
        '[withhold]\n"person.addresses[use=home].postcode" = "not shared by this council"',
        '[ignore]\n"homes[].code" = "not kept by this council"',
    ],
)
def test_a_leaf_that_an_overlay_withholds_is_withheld_of_items_under_a_test_too(overlay: str, tmp_path: Path) -> None:
    tree = {"id": "1", "ids": [{"sys": "N", "v": "1"}], "homes": [{"kind": "H", "uprn": "7", "code": "N1"}]}
    plain, laid = tmp_path / "plain", tmp_path / "laid"
    plain.mkdir()
    laid.mkdir()
    record = build(TESTED, None, plain).inward(theirs(tree)).record
    made = build(TESTED, None, laid, overlays={"toy/k.toml": overlay}).create(record, "other")
    assert made.tree == {**tree, "homes": [{"kind": "H", "uprn": "7"}]}
    assert made.account == {("withheld", "person.addresses[].postcode"): 1}


DAYS = """
[fields]
"person.death.date" = { theirs = "died", as = "date", absent = ["1900-01-01"] }
"""


def test_a_day_says_nothing_of_words_that_look_like_one_or_of_days_that_are_none(tmp_path: Path) -> None:
    """A day that is read makes the others of its year known: not what the row calls absent, nor what does not exist."""
    mapping = build(DAYS, None, tmp_path)
    kinds = {}
    for day in ("1900-05-05", "1900-12-31", "1900-01-01", "1900-02-29", "2000-01-02", "2000-02-29", "2000-02-30"):
        read = mapping.inward(theirs({"died": day}))
        kinds[day] = [one.kind for one in read.findings]
        said = day not in ("1900-01-01", "1900-02-29", "2000-02-30")
        assert to_tree(read.record).get("person", {}).get("death") == ({"date": day} if said else None)
        assert mapping.create(read.record).tree == {"died": day}
    assert {day for day, found in kinds.items() if found} == {"1900-02-29", "2000-02-30"}
    absent = from_tree({"person": {"death": {"date": "1900-01-01"}}})
    assert mapping.create(absent).tree == {}
