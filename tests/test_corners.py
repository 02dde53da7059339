"""Corners of the engine: conditions, copies, joins, echoes, strictness, and cells of an unexpected shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from hub.errors import RecordError
from hub.mapping import account, laws
from hub.mapping.withhold import redact
from hub.model import Caf, CafAction, CafConsent, ChildRecord, Identifier, Person, Source, to_tree
from tests.engine import back, build, theirs


def person(record: ChildRecord) -> Any:
    """The record's person, whatever it holds."""
    return record.person


# Conditions


def test_a_row_under_a_condition_writes_only_when_it_holds(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.shielded" = { theirs = "hidden", as = 'boolean("Y", "N")' }
    "person.religion" = { theirs = "faith", when = "!shielded" }
    "person.nationality" = [
        { theirs = "nation", when = "!shielded" },
        { theirs = "secret", when = "shielded" },
    ]
    """
    mapping = build(toml, None, tmp_path)
    open_record = ChildRecord(person=Person(religion="Jain", nationality="GB", shielded=False))
    assert mapping.create(open_record).tree == {"hidden": "N", "faith": "Jain", "nation": "GB"}
    hidden = mapping.create(ChildRecord(person=Person(religion="Jain", nationality="GB", shielded=True)))
    assert hidden.tree == {"hidden": "Y", "secret": "GB"}
    assert hidden.account == {("withheld", "person.religion"): 1}
    for tree in ({"hidden": "N", "nation": "GB"}, {"hidden": "Y", "secret": "GB"}):
        assert back(mapping, tree) == tree


def test_a_copy_asks_the_items_around_it_whether_it_may_be_written(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.religion" = "faith"
    [each.caf]
    ours = "caf[]"
    theirs = "caf[]"
    key = ["id"]
    [each.caf.fields]
    "id" = "id"
    "consent.share" = { theirs = "share", as = 'boolean("Y", "N")' }
    [each.act]
    in = "caf"
    ours = "actions[]"
    theirs = "acts[]"
    key = ["id"]
    [each.act.fields]
    "id" = "id"
    "/person.religion" = { theirs = "childs_faith", way = "out", when = "!no_consent_to_share" }
    """
    mapping = build(toml, None, tmp_path)
    cafs = [Caf(id=word, consent=CafConsent(share=word == "Y"), actions=[CafAction(id="1")]) for word in ("Y", "N")]
    made = mapping.create(ChildRecord(person=Person(religion="Jain"), caf=cafs))
    assert [one["acts"][0].get("childs_faith") for one in made.tree["caf"]] == ["Jain", None]


def test_a_copy_with_alternatives_fills_the_cell_of_the_one_that_applies(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.religion" = "faith"
    "person.shielded" = { theirs = "hidden", as = 'boolean("Y", "N")' }
    [each.inv]
    ours = "involvements[]"
    theirs = "inv[]"
    key = ["id"]
    [each.inv.fields]
    "id" = "id"
    "/person.religion" = [ { theirs = "a", way = "out", when = "!shielded" }, { theirs = "b", way = "out" } ]
    """
    mapping = build(toml, None, tmp_path)
    for word, cell in (("N", "a"), ("Y", "b")):
        tree = {"faith": "Jain", "hidden": word, "inv": [{"id": "1", cell: "Jain"}]}
        read = mapping.inward(theirs(tree))
        assert read.findings == []
        assert read.record.involvements[0].extras is UNSET  # type: ignore[union-attr,index]
        assert mapping.create(read.record, "other").tree == tree


def test_two_conditions_of_a_rule_may_hold_at_different_heights(tmp_path: Path) -> None:
    toml = """
    [[withhold_when]]
    when = ["no_consent_to_share", "stub"]
    ours = ["caf[].actions[].**"]
    except = ["caf[].actions[].when"]
    reason = "nobody agreed, and it is known by reference only"
    """
    mapping = build(toml, None, tmp_path)
    actions = [CafAction(id="1", stub=True, action="x", when="May"), CafAction(id="2", action="y")]
    record = ChildRecord(source=Source(link="l"), caf=[Caf(id="c", actions=actions)])
    told: dict[tuple[str, str], int] = {}
    left = to_tree(redact(record, mapping.rules, told))["caf"][0]["actions"]
    assert left == [{"when": "May"}, {"id": "2", "action": "y"}]
    assert told[("no_consent_to_share and stub", "caf[].actions[].action")] == 1
    assert to_tree(record)["caf"][0]["actions"][0]["action"] == "x", "the record itself stays"
    assert redact(left_alone := ChildRecord(source=Source(link="l")), mapping.rules, {}) is left_alone


# Copies


def test_the_same_value_in_another_spelling_is_no_conflict_and_comes_back(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.birth.date" = { theirs = "dob", as = "day" }
    [each.r]
    ours = "relationships[role=mother]"
    theirs = "m[]"
    key = ["id"]
    [each.r.fields]
    "id" = "id"
    "/person.birth.date" = { theirs = "childs_dob", as = "day", way = "out" }
    """
    mapping = build(toml, None, tmp_path)
    tree = {"dob": "2020-01-01", "m": [{"id": "7", "childs_dob": "2020-01-01 00:00:00"}, {"id": "8"}]}
    read = mapping.inward(theirs(tree))
    assert read.findings == []
    assert mapping.create(read.record).tree == tree
    other = {"dob": "2020-01-01", "m": [{"id": "7", "childs_dob": "2020-01-02"}, {"id": "8", "childs_dob": ""}]}
    assert [one.kind for one in mapping.inward(theirs(other)).findings] == ["conflict"]
    assert back(mapping, other) == other


# Shapes


def test_a_list_of_values_in_one_cell(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.addresses[use=home].lines" = { theirs = "address", as = 'lines(", ")' }
    """
    mapping = build(toml, "address text <=30", tmp_path)
    one, other = (mapping.inward(theirs({"address": "1 High St, Northby"})).record for _ in range(2))
    assert person(one).addresses[0].lines == ["1 High St", "Northby"]
    person(one).addresses[0].lines.append("Upper Flat")
    assert person(other).addresses[0].lines == ["1 High St", "Northby"], "records share nothing"
    assert mapping.create(one, "other").tree == {"address": "1 High St, Northby, Upper Flat"}
    person(one).addresses[0].lines.append("far too long")
    assert mapping.create(one, "other").account[("unsayable", "person.addresses[].lines")] == 1
    for tree in ({"address": "1 High St,Northby"}, {"address": "a, , b"}, {"address": ", "}):
        assert back(mapping, tree) == tree


FLAGS = """
[each.c]
ours = "contacts[]"
theirs = "c[]"
key = ["id"]
[each.c.fields]
"id" = "id"
"outcomes" = { theirs = "out", flags = "f", words = ["Y", "N"] }
"""


@pytest.mark.parametrize(
    ("held", "codes", "kinds"),
    [
        ({"NFA": "Y", "NEW": "N"}, ["nfa"], []),
        ({"OLD": "Y"}, ["nfa"], []),
        ({"NFA": "maybe"}, None, ["bad value"]),
        ({"NFA": ["Y"], "NEW": "Y"}, ["new_referral"], ["bad value"]),
        ({"NFA": ""}, None, []),
        (["NFA"], None, ["shape"]),
        ("NFA", None, ["shape"]),
        ("", None, []),
        ({}, None, []),
    ],
)
def test_flags_of_any_shape(held: Any, codes: list[str] | None, kinds: list[str], tmp_path: Path) -> None:
    table = "theirs,ours,way\nNEW,new_referral,\nNFA,nfa,\nOLD,nfa,in\n"
    mapping = build(FLAGS, None, tmp_path, {"f": table})
    tree = {"c": [{"id": "1", "out": held}]}
    read = mapping.inward(theirs(tree))
    assert to_tree(read.record)["contacts"][0].get("outcomes") == codes
    assert [one.kind for one in read.findings] == kinds
    assert back(mapping, tree) == tree


def test_a_flag_that_is_only_read_may_mean_a_code_that_is_never_written(tmp_path: Path) -> None:
    mapping = build(FLAGS, None, tmp_path, {"f": "theirs,ours,way\nNEW,new_referral,\nNFA,nfa,in\n"})
    tree = {"c": [{"id": "1", "out": {"NFA": "Y", "NEW": "Y"}}]}
    assert to_tree(mapping.inward(theirs(tree)).record)["contacts"][0]["outcomes"] == ["new_referral", "nfa"]
    assert back(mapping, tree) == tree


@pytest.mark.parametrize("held", [{"x": "1"}, ["M"], [], {}, None, [None], "M"])
def test_a_cell_of_an_unexpected_shape_stays(held: Any, tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.sex" = { theirs = "sex", codes = "sex" }
    "person.religion" = "faith"
    "person.birth.accuracy, person.nationality" = { theirs = ["a", "b"], codes = "pair" }
    [each.d]
    ours = "person.disabilities[]"
    theirs = "d[]"
    key = ["code"]
    [each.d.fields]
    "code" = { theirs = ".", codes = "disability" }
    """
    codes = {"pair": "theirs.a,theirs.b,ours.a,ours.b\nA,1,AAA,GB\n"}
    mapping = build(toml, None, tmp_path, codes)
    for name in ("sex", "faith", "a", "d"):
        assert back(mapping, {name: held, "b": "1"}) == {name: held, "b": "1"}


SILENT = """
[each.now]
ours = "person.addresses[period.end=]"
theirs = "a[to=]"
key = ["postcode"]
[each.now.fields]
"postcode" = "pc"
[each.then]
ours = "person.addresses[]"
theirs = "b[]"
key = ["postcode"]
[each.then.fields]
"postcode" = "pc"
"period.end" = { theirs = "to", as = "date" }
"""


def test_a_filter_by_silence_picks_the_item_that_says_nothing_there(tmp_path: Path) -> None:
    mapping = build(SILENT, None, tmp_path)
    tree = {
        "a": [{"pc": "1", "to": "2020-01-01"}, {"pc": "2", "to": ""}, {"pc": "3"}],
        "b": [{"pc": "4", "to": "2021-01-01"}],
    }
    record = mapping.inward(theirs(tree)).record
    assert [one.postcode for one in person(record).addresses] == ["2", "3", "4"]
    assert mapping.create(record).tree == tree
    made = mapping.create(record, "other").tree
    assert made == {"a": [{"pc": "2"}, {"pc": "3"}], "b": [{"pc": "4", "to": "2021-01-01"}]}


def test_a_second_item_has_no_place_in_a_single_object(tmp_path: Path) -> None:
    toml = """
    [each.school]
    ours = "education.schools[]"
    theirs = "school"
    key = ["provider.id"]
    [each.school.fields]
    "provider.id" = "urn"
    """
    mapping = build(toml, "school.urn text", tmp_path)
    record = mapping.inward(theirs({"school": {"urn": "1", "x": "y"}})).record
    assert mapping.create(record).tree == {"school": {"urn": "1", "x": "y"}}
    record.education.schools += mapping.inward(theirs({"school": {"urn": "2"}})).record.education.schools  # type: ignore
    made = mapping.create(record)
    assert made.tree["school"]["urn"] == "1"
    assert [(one.kind, one.row) for one in made.findings] == [("second item", "[each.school]")]
    assert made.account == {("second", "education.schools[].provider.id"): 1}
    for tree in ({"school": [{"urn": "1"}]}, {"school": "1"}, {"school": {}}, {"school": ""}):
        assert back(mapping, tree) == tree


# Joins


JOINS = """
[each.ep]
ours = "episodes[]"
theirs = "eps[]"
key = ["id"]
[each.ep.fields]
"id" = "id"
"referral.team" = "ref"
[each.ass]
in = "ep"
ours = "assessments[]"
theirs = "/asss[]"
on = { ep = "id" }
key = ["id"]
[each.ass.fields]
"id" = "id"
[each.enq]
in = "ep"
ours = "enquiries[]"
theirs = "/enqs[]"
on = { team = "ref" }
key = ["id"]
[each.enq.fields]
"id" = "id"
"""


def test_two_tables_may_name_their_parent_by_different_cells(tmp_path: Path) -> None:
    mapping = build(JOINS, None, tmp_path)
    tree = {
        "eps": [{"id": "E1", "ref": "T1"}, {"id": "E2", "ref": "T2"}],
        "asss": [{"id": "A1", "ep": "E2"}, {"id": "A2", "ep": "E1"}],
        "enqs": [{"id": "Q1", "team": "T1"}, {"id": "Q2"}],
    }
    record = to_tree(mapping.inward(theirs(tree)).record)
    shape = [
        ([one["id"] for one in ep.get("assessments", [])], [one["id"] for one in ep.get("enquiries", [])])
        for ep in record["episodes"]
    ]
    assert shape == [(["A2"], ["Q1"]), (["A1"], []), ([], ["Q2"])]
    assert back(mapping, tree) == tree


# Echoes, strictness, drift


def test_the_items_of_filtered_rows_keep_their_ids_in_an_echo(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.identifiers[system=upn].value" = "upn"
    [each.rel]
    ours = "relationships[]"
    theirs = "rel[]"
    key = ["role_text"]
    [each.rel.fields]
    "role_text" = "role"
    "person.telecoms[system=phone].value" = "phone"
    """
    mapping = build(toml, None, tmp_path)
    known = ChildRecord(source=Source(link="origin", id="7"))
    known.person = Person(identifiers=[Identifier(id="mine", system="upn", value="A1", status="checked")])
    sent = mapping.create(known, "toy").tree
    assert sent == {"upn": "A1"}
    echo = mapping.inward(theirs({"upn": "A2", "rel": [{"role": "aunt", "phone": "1"}]}), known=known).record
    (upn,) = person(echo).identifiers
    assert (upn.id, upn.value, upn.status) == ("mine", "A2", "checked")
    again = mapping.inward(theirs({"upn": "A2", "rel": [{"role": "aunt", "phone": "2"}]}), known=echo).record
    (first,), (second,) = echo.relationships, again.relationships  # type: ignore[misc]
    assert second.id == first.id
    assert [one.id for one in second.person.telecoms] == [one.id for one in first.person.telecoms]  # type: ignore


STRICT = """
[fields]
"person.sex" = { theirs = "sex", codes = "sex" }
"person.death.date" = { theirs = "died", as = "day" }
[each.ep]
ours = "episodes[]"
theirs = "eps[]"
key = ["id"]
[each.ep.fields]
"id" = "id"
"referral.date" = { theirs = "when.day", as = "date" }
"""
NEEDED = "sex text ! <=1\ndied date\neps[].id text !\neps[].when.day date !"


def test_a_required_field_is_noticed_and_refused_when_strict(tmp_path: Path) -> None:
    mapping = build(STRICT, NEEDED, tmp_path)
    record = mapping.inward(theirs({"eps": [{"id": "1"}]})).record
    found = {(one.kind, one.row) for one in mapping.create(record).findings}
    assert found == {("required", "sex"), ("required", "eps[].when.day")}
    with pytest.raises(RecordError) as caught:
        mapping.create(record, strict=True)
    assert "the format requires this field" in str(caught.value)
    whole = {"sex": "M", "eps": [{"id": "1", "when": {"day": "2024-01-01"}}]}
    read = mapping.inward(theirs(whole)).record
    assert mapping.create(read, strict=True).tree == whole
    assert mapping.create(read, strict=True).findings == []


def test_a_required_value_that_cannot_be_said_is_refused_when_strict_without_the_value(tmp_path: Path) -> None:
    codes = {"s": "theirs,ours\nMale,M\nF,F\n"}
    mapping = build('[fields]\n"person.sex" = { theirs = "sex", codes = "s" }', "sex text ! <=1", tmp_path, codes)
    record = ChildRecord(person=Person(sex="U"))
    assert mapping.create(record).account == {("unsayable", "person.sex"): 1}
    with pytest.raises(RecordError) as caught:
        mapping.create(record, strict=True)
    assert (caught.value.row, caught.value.table) == ('[fields] "person.sex"', "s")
    assert "'U'" not in str(caught.value)


def test_drift_names_what_no_row_reads_wherever_it_stands(tmp_path: Path) -> None:
    toml = """
    [each.ep]
    ours = "episodes[]"
    theirs = "eps[]"
    key = ["id"]
    [each.ep.fields]
    "id" = "id"
    [each.pl]
    in = "ep"
    ours = "/care.episodes[]"
    theirs = "pls[]"
    on = { referral = "id" }
    key = ["id"]
    [each.pl.fields]
    "id" = "id"
    [ignore]
    "eps[].old.**" = "a thing of the past"
    """
    mapping = build(toml, "eps[].id text\neps[].pls[].id text\neps[].old.x text", tmp_path)
    tree = {
        "new": {"a": "1"},
        "eps": [{"id": "1", "old": {"x": "1"}, "b": "2", "pls": [{"id": "2", "c": [{"d": "3"}]}]}],
    }
    record = mapping.inward(theirs(tree)).record
    assert sorted(account.drift(mapping, record, "toy")) == ["eps[].b", "eps[].pls[].c[].d", "new.a"]
    assert account.drift(mapping, record, "other") == []


def test_the_laws_hold_on_the_corners(tmp_path: Path) -> None:
    assert list(laws.check(build(STRICT, NEEDED, tmp_path), [], records=60)) == []
    assert list(laws.check(build(SILENT, None, tmp_path), [], records=60)) == []


def test_a_group_that_is_its_parents_own_object_shares_containers_and_lists_with_it(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.religion" = "child.faith"
    [each.caf]
    ours = "caf[]"
    theirs = "."
    key = ["id"]
    [each.caf.fields]
    "id" = "number"
    "unborn_of" = "child.of"
    "consent.share_with" = "consent.with[]"
    """
    mapping = build(toml, "number text !\nchild.faith text\nchild.of text\nconsent.with[] text", tmp_path)
    tree = {"number": "7", "child": {"faith": "Jain", "of": "her"}, "consent": {"with": ["a", "", "b"]}}
    assert back(mapping, tree) == tree
    made = mapping.create(ChildRecord(caf=[Caf(id="7", unborn_of="her")]))
    assert made.findings == []
    assert [found.row for found in mapping.create(ChildRecord(person=Person(religion="Jain"))).findings] == ["number"]
