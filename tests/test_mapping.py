"""The mapping language, construct by construct: what is read, written and kept, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from hub.adapter import Token, find
from hub.errors import RecordError
from hub.mapping import Identity, Mapping, laws
from hub.model import ChildRecord, Involvement, Person, Source, decode, encode, from_tree, to_tree
from tests.engine import build, theirs


def go_round(mapping: Mapping, tree: Any, edition: str = "1") -> tuple[dict[str, Any], dict[str, Any]]:
    """The record's tree and what is written back to the same link; stored and loaded in between."""
    read = mapping.inward(theirs(tree, edition))
    record = decode(encode(read.record))
    return to_tree(record), mapping.create(record, edition=edition).tree


def test_three_values_and_absent_words_stay_apart(tmp_path: Path) -> None:
    toml = """
    [defaults]
    absent = ["", "-"]
    [fields]
    "person.religion" = { theirs = "religion", none = ["none", "nil"] }
    "person.nationality" = "country"
    """
    mapping = build(toml, "religion text\ncountry text", tmp_path)
    for text, value in (("nil", None), ("none", None), ("Quaker", "Quaker")):
        record, back = go_round(mapping, {"religion": text})
        assert record["person"] == {"religion": value}
        assert back == {"religion": text}
    for text in ("", "-"):
        record, back = go_round(mapping, {"religion": text})
        assert "person" not in record
        assert back == {"religion": text}, "a text that says nothing stays where it was"
    assert go_round(mapping, {}) == ({"source": {"link": "toy", "edition": "1"}}, {})


def test_empty_object_empty_list_and_absent_stay_apart(tmp_path: Path) -> None:
    toml = """
    [each.e]
    ours = "episodes[]"
    theirs = "list[]"
    key = ["referral.date"]
    [each.e.fields]
    "referral.date" = { theirs = "d", as = "date" }
    """
    mapping = build(toml, "list[].d date", tmp_path)
    for tree in ({}, {"list": []}, {"list": [{}]}, {"other": {}}, {"list": [{"x": {}}]}):
        assert go_round(mapping, tree)[1] == tree


def test_a_kept_spelling_returns_to_its_link_only_while_it_means_the_value(tmp_path: Path) -> None:
    toml = '[fields]\n"person.mother" = { theirs = "m", as = \'boolean("Y|yes|true", "N|no")\' }'
    mapping = build(toml, "m text", tmp_path)
    record = mapping.inward(theirs({"m": "true"})).record
    assert mapping.create(record).tree == {"m": "true"}
    assert mapping.create(record, "other").tree == {"m": "Y"}
    record.person.mother = False  # type: ignore[union-attr]
    assert mapping.create(record).tree == {"m": "N"}


def test_a_bad_value_stays_beside_and_does_not_block_its_own_correction(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.death.date" = { theirs = "died", as = "date" }
    "person.sex" = { theirs = "sex", codes = "sex" }
    """
    mapping = build(toml, "died date\nsex text", tmp_path)
    read = mapping.inward(theirs({"died": "2023-02-31", "sex": "Q"}))
    assert [(f.kind, f.table) for f in read.findings] == [("bad value", ""), ("unknown code", "sex")]
    assert "2023" not in repr(read.findings)
    assert "Q" not in repr(read.findings)
    assert mapping.create(read.record).tree == {"died": "2023-02-31", "sex": "Q"}
    assert mapping.create(read.record, "other").tree == {}
    read.record.person = Person(sex="F")
    assert mapping.create(read.record).tree == {"died": "2023-02-31", "sex": "F"}


def test_a_bad_critical_value_parks_and_names_row_and_place_but_no_value(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.birth.date" = { theirs = "dob", as = "date" }
    "person.sex" = { theirs = "sex", codes = "sex" }
    """
    mapping = build(toml, "dob date\nsex text", tmp_path)
    with pytest.raises(RecordError) as caught:
        mapping.inward(theirs({"dob": "31/12/2019"}))
    assert "person.birth.date" in str(caught.value)
    assert "record 1" in str(caught.value)
    assert "31/12" not in str(caught.value)
    with pytest.raises(RecordError):
        mapping.inward(theirs({"sex": "Q"}), park=True)


def test_a_bad_element_leaves_its_list_partial(tmp_path: Path) -> None:
    toml = """
    [each.a]
    ours = "episodes[]"
    theirs = "e[]"
    key = ["referral.date"]
    [each.a.fields]
    "referral.date" = { theirs = "d", as = "date" }
    [each.b]
    in = "a"
    ours = "assessments[]"
    theirs = "a[]"
    key = ["start"]
    [each.b.fields]
    "start" = { theirs = "s", as = "date" }
    "factors" = { theirs = "f[]", codes = "assessment_factor" }
    """
    mapping = build(toml, "e[].d date\ne[].a[].s date\ne[].a[].f[] text", tmp_path)
    tree = {"e": [{"d": "2024-01-02", "a": [{"s": "2024-01-03", "f": ["1A", "??", "2B"]}]}]}
    record, back = go_round(mapping, tree)
    assert record["episodes"][0]["assessments"][0]["factors"] == ["1A", "2B"]
    assert record["source"]["partial"] == ["episodes[].assessments[].factors"]
    assert back == tree, "the unknown one is still between the two"


def test_alternatives_write_the_one_that_read_while_the_value_is_unchanged(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.death.date" = [ { theirs = "iso", as = "date" }, { theirs = "uk", as = 'date("%d/%m/%Y")' } ]
    """
    mapping = build(toml, "iso text\nuk text", tmp_path)
    record = mapping.inward(theirs({"uk": "31/01/2024"})).record
    assert record.person.death.date == "2024-01-31"  # type: ignore[union-attr]
    assert mapping.create(record).tree == {"uk": "31/01/2024"}
    assert mapping.create(record, "other").tree == {"iso": "2024-01-31"}
    record.person.death.date = "2024-02-01"  # type: ignore[union-attr]
    assert mapping.create(record).tree == {"iso": "2024-02-01"}


def test_editions_choose_their_rows(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.gender" = { theirs = "G", codes = "gender", until = "2024" }
    "person.sex" = { theirs = "S", codes = "sex", since = "2025" }
    """
    mapping = build(toml, "G text until=2024\nS text since=2025", tmp_path, editions=("2024", "2025"))
    old = mapping.inward(theirs({"G": "1"}, "2024")).record
    assert mapping.create(old).tree == {"G": "1"}, "written in the edition it was read in"
    new = mapping.create(old, edition="2025")
    assert new.tree == {}
    assert new.account == {("withheld", "person.gender"): 1}


def test_filtered_rows_take_an_item_each_and_say_what_is_left_over(tmp_path: Path) -> None:
    toml = """
    [names]
    nhs = "urn:nhs"
    [fields]
    "person.identifiers[system=nhs].value" = "id[sys=$nhs].value"
    "person.identifiers[system=nhs].status" = "id[sys=$nhs].status"
    "person.identifiers[system=upn,use=former].value" = "old"
    """
    mapping = build(toml, None, tmp_path)
    tree = {
        "id": [{"sys": "x", "value": "1"}, {"sys": "urn:nhs", "value": "2", "status": "ok", "more": "m"}],
        "old": "3",
    }
    record, back = go_round(mapping, tree)
    assert [(i["system"], i["value"]) for i in record["person"]["identifiers"]] == [("upn", "3"), ("nhs", "2")]
    assert back == tree
    read = mapping.inward(theirs(tree)).record
    first = read.person.identifiers[0]  # type: ignore[union-attr,index]
    first.system = "uln"
    made = mapping.create(read, "other")
    assert made.tree == {"id": [{"sys": "urn:nhs", "value": "2", "status": "ok"}]}
    assert made.account == {("withheld", f"person.identifiers[].{name}"): 1 for name in ("system", "value", "use")}


def test_our_own_record_goes_to_a_system_without_what_only_others_understand() -> None:
    def with_extras(*links: str) -> dict[str, Any]:
        left = {"extras": {name: {"rest": {"extras": {name: "x"}}} for name in links}} if links else {}
        place = {"id": "8", **left}
        return {"person": {"names": [{"id": "n1", "given": "Ann", **left}]}, "care": {"episodes": [place]}, **left}

    own = Identity(find("canonical"))
    record = from_tree(with_extras("ics", "ours"))
    assert own.create(record, "ours").tree == with_extras("ours")
    assert own.create(record, "another").tree == with_extras()
    assert own.create(record).tree == with_extras("ics", "ours")
    assert to_tree(record) == with_extras("ics", "ours"), "the record stays as it is"


def test_copies_are_compared_and_follow_the_original(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.birth.date" = { theirs = "dob", as = "date" }
    [each.r]
    ours = "relationships[role=mother]"
    theirs = "m[]"
    key = ["id"]
    [each.r.fields]
    "id" = "id"
    "/person.birth.date" = { theirs = "childs_dob", as = "date", way = "out" }
    """
    mapping = build(toml, "dob date\nm[].id text\nm[].childs_dob date", tmp_path)
    same = {"dob": "2020-01-01", "m": [{"id": "7", "childs_dob": "2020-01-01"}]}
    assert go_round(mapping, same)[1] == same
    other = {"dob": "2020-01-01", "m": [{"id": "7", "childs_dob": "2020-01-02"}]}
    read = mapping.inward(theirs(other))
    assert [f.kind for f in read.findings] == ["conflict"]
    assert mapping.create(read.record).tree == other, "a conflicting copy stays as long as what it stood beside"
    read.record.person.birth.date = "2020-05-05"  # type: ignore[union-attr]
    assert mapping.create(read.record).tree == {"dob": "2020-05-05", "m": [{"id": "7", "childs_dob": "2020-05-05"}]}


JOINED = """
[each.ref]
ours = "episodes[]"
theirs = "refs[]"
key = ["id"]
[each.ref.fields]
"id" = "rid"
"referral.date" = { theirs = "d", as = "date" }
[each.ass]
in = "ref"
ours = "assessments[]"
theirs = "/asss[]"
on = { ref = "rid" }
key = ["id"]
[each.ass.fields]
"id" = "aid"
"start" = { theirs = "s", as = "date" }
"""


def test_rows_of_a_flat_table_find_their_parent_and_orphans_a_stub(tmp_path: Path) -> None:
    mapping = build(JOINED, "refs[].rid text\nrefs[].d date\nasss[].aid text\nasss[].ref text\nasss[].s date", tmp_path)
    tree = {
        "refs": [{"rid": "R1", "d": "2024-01-01"}, {"rid": "R2"}],
        "asss": [
            {"aid": "1", "ref": "R2", "s": "2024-02-01"},
            {"aid": "2", "ref": "R1"},
            {"aid": "3", "ref": "R9"},
            {"aid": "4"},
            {"aid": "5", "ref": ""},
        ],
    }
    read = mapping.inward(theirs(tree))
    record = to_tree(read.record)
    shape = [
        (one.get("id", "")[:3], one.get("stub", False), [a["id"] for a in one.get("assessments", [])])
        for one in record["episodes"]
    ]
    assert shape == [("R1", False, ["2"]), ("R2", False, ["1"]), ("R9", True, ["3"]), ("", True, ["4", "5"])]
    assert [f.kind for f in read.findings] == ["no parent", "no parent"]
    assert mapping.create(decode(encode(read.record))).tree == tree


def test_what_theirs_nests_and_ours_holds_flat(tmp_path: Path) -> None:
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
    theirs = "placements[]"
    on = { referral = "id" }
    key = ["id"]
    [each.pl.fields]
    "id" = "pid"
    "start" = { theirs = "s", as = "date" }
    """
    mapping = build(toml, "eps[].id text\neps[].placements[].pid text\neps[].placements[].s date", tmp_path)
    tree = {
        "eps": [
            {"id": "E1", "placements": [{"pid": "P1", "s": "2024-01-01"}]},
            {"id": "E2", "placements": []},
            {"id": "E3"},
        ]
    }
    record, back = go_round(mapping, tree)
    assert record["care"]["episodes"] == [{"id": "P1", "referral": "E1", "start": "2024-01-01"}]
    assert back == tree
    loose = mapping.inward(theirs(tree)).record
    loose.care.episodes[0].referral = "E7"  # type: ignore[union-attr,index]
    made = mapping.create(loose, "other")
    assert [f.kind for f in made.findings] == ["no parent"]
    assert ("no parent", "care.episodes[].start") in made.account


def test_groups_that_share_a_list_claim_in_turn_and_keep_places(tmp_path: Path) -> None:
    toml = """
    [each.ep]
    ours = "episodes[]"
    theirs = "eps[]"
    key = ["id"]
    [each.ep.fields]
    "id" = "id"
    [each.cp]
    in = "ep"
    ours = "plans[kind=cp]"
    theirs = "plans[t=CP]"
    key = ["id"]
    [each.cp.fields]
    "id" = "n"
    [each.cin]
    in = "ep"
    ours = "plans[kind=cin]"
    theirs = "plans[t=CIN]"
    key = ["id"]
    [each.cin.fields]
    "id" = "n"
    """
    mapping = build(toml, "eps[].id text\neps[].plans[].t text\neps[].plans[].n text", tmp_path)
    tree = {
        "eps": [
            {
                "id": "E",
                "plans": [{"t": "CIN", "n": "1"}, {"t": "??", "n": "2"}, {"t": "CP", "n": "3"}, {"t": "CIN", "n": "4"}],
            }
        ]
    }
    record, back = go_round(mapping, tree)
    assert [(p["kind"], p["id"]) for p in record["episodes"][0]["plans"]] == [("cp", "3"), ("cin", "1"), ("cin", "4")]
    assert back == tree
    made = mapping.create(mapping.inward(theirs(tree)).record, "other").tree
    assert made["eps"][0]["plans"] == [{"t": "CP", "n": "3"}, {"t": "CIN", "n": "1"}, {"t": "CIN", "n": "4"}]


def test_repeated_keys_are_told_apart_by_occurrence_and_found(tmp_path: Path) -> None:
    toml = """
    [each.d]
    ours = "person.disabilities[]"
    theirs = "d[]"
    key = ["code"]
    [each.d.fields]
    "code" = { theirs = ".", codes = "disability" }
    """
    mapping = build(toml, "d[] text", tmp_path)
    read = mapping.inward(theirs({"d": ["MOB", "HEAR", "MOB", "??"]}))
    items = read.record.person.disabilities  # type: ignore[union-attr]
    assert len({one.id for one in items}) == 3  # type: ignore[union-attr]
    assert [f.kind for f in read.findings] == ["repeated key", "unknown code"]
    assert read.record.source.partial == ["person.disabilities"]  # type: ignore[union-attr]
    assert mapping.create(read.record).tree == {"d": ["MOB", "HEAR", "MOB", "??"]}


def test_flags_name_codes_and_keep_words_that_were_not_there(tmp_path: Path) -> None:
    toml = """
    [each.c]
    ours = "contacts[]"
    theirs = "c[]"
    key = ["id"]
    [each.c.fields]
    "id" = "id"
    "outcomes" = { theirs = "out", flags = "f", words = ["Y", "N"] }
    "comments" = "out.COMMENTS"
    """
    codes = {"f": "theirs,ours\nNEW_REFERRAL_FLAG,new_referral\nNFA_FLAG,nfa\n"}
    mapping = build(toml, None, tmp_path, codes)
    tree = {"c": [{"id": "1", "out": {"NFA_FLAG": "Y", "COMMENTS": "seen", "OTHER": "7"}}]}
    record, back = go_round(mapping, tree)
    assert record["contacts"][0]["outcomes"] == ["nfa"]
    assert back == tree
    made = mapping.create(mapping.inward(theirs(tree)).record, "other").tree
    assert made == {"c": [{"id": "1", "out": {"NEW_REFERRAL_FLAG": "N", "NFA_FLAG": "Y", "COMMENTS": "seen"}}]}


def test_bare_numbers_and_booleans_stay_bare_and_quoted_ones_quoted(tmp_path: Path) -> None:
    toml = '[fields]\n"person.mother" = { theirs = "m", as = \'boolean("true", "false")\' }'
    mapping = build(toml, "m boolean", tmp_path, bare=True, nulls=True)
    for tree in ({"m": Token("true")}, {"m": "true"}, {"m": None}, {"x": [Token("1.50"), "1.50", None]}):
        assert laws.same(go_round(mapping, tree)[1], tree)
    record = mapping.inward(theirs({"m": "true"})).record
    assert mapping.create(record, "other").tree["m"].__class__ is Token


SENSITIVE = """
[fields]
"person.religion" = "religion"
"person.shielded" = { theirs = "shielded", as = 'boolean("Y", "N")' }
[each.s]
ours = "involvements[]"
theirs = "s[]"
key = ["id"]
[each.s.fields]
"id" = "id"
"service.kind" = "kind"
"service.name" = "name"
"sensitive" = { theirs = "sensitive", as = 'boolean("Y", "N")' }
[[withhold_when]]
when = "sensitive"
ours = ["involvements[].service.**"]
except = ["involvements[].service.kind"]
reason = "the provider of a sensitive service is not shown"
[[withhold_when]]
when = "shielded"
ours = ["person.religion", "involvements[]"]
reason = "a shielded child shows neither"
"""


def test_conditions_erase_what_the_target_had(tmp_path: Path) -> None:
    mapping = build(SENSITIVE, None, tmp_path)
    there = theirs(
        {
            "religion": "x",
            "own": "stays",
            "s": [{"id": "1", "kind": "k", "name": "Clinic", "sensitive": "N", "note": "n"}],
        }
    )
    now = ChildRecord(source=Source(link="elsewhere"), involvements=[Involvement(id="1", sensitive=True)])
    made = mapping.outward(now, there, "toy")
    assert made.tree == {"religion": "x", "own": "stays", "s": [{"id": "1", "kind": "k", "sensitive": "Y"}]}
    assert made.account == {("sensitive", "involvements[].service.name"): 1}
    assert mapping.reason("sensitive", "involvements[].service.name").startswith("the provider")
    shielded = ChildRecord(source=Source(link="elsewhere"), person=Person(shielded=True))
    assert mapping.outward(shielded, there, "toy").tree == {"own": "stays", "shielded": "Y"}


def test_an_echo_keeps_what_the_system_could_not_say(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.ethnicity" = { theirs = "e", codes = "e" }
    "person.religion" = "r"
    [each.d]
    ours = "person.disabilities[]"
    theirs = "d[]"
    key = ["code"]
    [each.d.fields]
    "code" = { theirs = ".", codes = "disability" }
    """
    codes = {"e": "theirs,ours,way,note\nC,WOTH,,\nC,WROM,out,the other system has one group for both\nA,WBRI,,\n"}
    mapping = build(toml, "e text\nr text\nd[] text", tmp_path, codes)
    known = mapping.inward(theirs({"r": "old", "d": ["MOB"]}), "origin").record
    known.person.ethnicity = "WROM"  # type: ignore[union-attr]
    known.person.nationality = "GB"  # type: ignore[union-attr]
    sent = mapping.create(known, "toy")
    assert sent.tree["e"] == "C"
    assert ("narrowed", "person.ethnicity") in sent.account
    back = mapping.inward(theirs({"e": "C", "r": "new", "d": ["MOB", "HEAR"]}), "toy", known=known).record
    person = back.person
    assert isinstance(person, Person)
    assert (person.ethnicity, person.religion, person.nationality) == ("WROM", "new", "GB")
    assert [one.code for one in person.disabilities] == ["MOB", "HEAR"]  # type: ignore[union-attr]
    assert person.disabilities[0].id == known.person.disabilities[0].id  # type: ignore[union-attr,index]
    changed = mapping.inward(theirs({"e": "A"}), "toy", known=known).record
    assert changed.person.ethnicity == "WBRI"  # type: ignore[union-attr]


def test_partial_records_do_not_wipe_what_they_do_not_mention(tmp_path: Path) -> None:
    mapping = build(
        '[fields]\n"person.religion" = "r"\n"person.nationality" = "n"', "r text\nn text", tmp_path, nulls=True
    )
    made = mapping.outward(ChildRecord(person=Person(religion=None)), theirs({"r": "x", "n": "y", "z": "kept"}))
    assert made.tree == {"r": None, "n": "y", "z": "kept"}
    assert UNSET is ChildRecord().person


def test_an_overlay_changes_a_code_and_adds_a_field_without_python(tmp_path: Path) -> None:
    toml = '[fields]\n"person.sex" = { theirs = "sex", codes = "s" }\n[ignore]\n"faith" = "not asked for nationally"'
    codes = {"s": "theirs,ours,way\nM,M,\nF,F,\nU,U,\n"}
    overlays = {
        "toy/k.toml": 'extends = "toy/k"\n[fields]\n"person.religion" = "faith"\n',
        "codes/s.csv": "theirs,ours,way\nZ,U,\n",
    }
    mapping = build(toml, "sex text\nfaith text", tmp_path, codes, overlays=overlays)
    record, back = go_round(mapping, {"sex": "Z", "faith": "Jain"})
    assert record["person"] == {"sex": "U", "religion": "Jain"}
    assert back == {"sex": "Z", "faith": "Jain"}
    assert mapping.inward(theirs({"sex": "U"})).record.person.sex == "U", "the old word is still read"  # type: ignore[union-attr]
    assert mapping.create(mapping.inward(theirs({"sex": "U"})).record, "other").tree == {"sex": "Z"}
