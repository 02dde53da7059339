"""The Standard Safeguarding Dataset: the made-up council whole, and every trap of its tables."""

from __future__ import annotations

import copy
import csv
import io
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._ssd import SPECS
from adapters.ssd import adapter
from hub.adapter import Theirs
from hub.errors import RecordError
from hub.mapping import Mapping, account, laws, load
from hub.model import from_tree, to_tree
from hub.wire import Document, save

Parts = dict[str, bytes]
MAPPING = load("ssd")["person"]
assert isinstance(MAPPING, Mapping)


def read(document: Document) -> tuple[list[Theirs], list[str]]:
    """The records and the errors of a document."""
    records, errors = [], []
    for one in adapter.read(document):
        if isinstance(one, RecordError):
            errors.append(str(one))
        else:
            records.append(one)
    return records, errors


def write(records: list[Theirs], head: dict[str, Any] | None = None) -> Parts:
    """The parts that records are written to."""
    parts: Parts = {}
    for part, data in adapter.write(records, records[0].head if head is None else head):
        parts[part] = parts.get(part, b"") + data
    return parts


@pytest.fixture
def council(samples: Path) -> Parts:
    return {path.name: path.read_bytes() for path in (samples / "ssd" / "council").iterdir()}


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def edited(parts: Parts, table: str, old: str, new: str) -> Parts:
    """The council with a text of one table changed."""
    text = parts[f"{table}.csv"].decode()
    assert old in text
    return {**parts, f"{table}.csv": text.replace(old, new).encode()}


def test_every_table_of_the_sample_has_a_row(council: Parts) -> None:
    for name in SPECS:
        assert rows(council[f"{name}.csv"]), name


def test_children_come_with_all_that_is_theirs(council: Parts) -> None:
    records, errors = read(Document.of("council", council))
    assert errors == []
    assert [record.id for record in records] == [
        "NS1001",
        "NS1002",
        "NS1003",
        "NS1004",
        "NS1005",
        "NS1006",
        "NS1007",
        "SM2001",
    ]
    assert {record.edition for record in records} == {"1.4"}
    assert records[0].head["ignored"].keys() == {"ssd_department"}
    assert [row["prof_professional_id"] for row in records[0].head["ssd_professionals"]] == ["SW103"]
    amara, tomasz, ivy, _, noor, _, _, grace = [record.tree for record in records]
    assert [row["cine_referral_id"] for row in amara["ssd_cin_episodes"]] == ["R1", "R2"]
    assert "cine_person_id" not in amara["ssd_cin_episodes"][0]
    assert amara["ssd_cin_assessments"][1]["factors"] == {
        "cinf_table_id": "CF2",
        "cinf_assessment_factors_json": ["16A", "1B"],
    }
    assert amara["ssd_involvements"][0]["professional"]["prof_professional_name"] == "Rosa Quill"
    assert [row["senn_table_id"] for row in tomasz["ssd_sen_need"]] == ["SN1", "SN2"]
    assert ivy["ssd_mother"] == [
        {"moth_table_id": "M1", "moth_person_id": "P3001", "moth_childs_dob": "2025-06-09 00:00:00"}
    ]
    assert noor["ssd_cla_episodes"][1]["placement"]["clap_cla_placement_id"] == "PL2"
    assert noor["ssd_cla_placement"] == []
    assert [row["clar_cla_review_id"] for row in noor["ssd_cla_reviews"]] == ["LR1", "LR2"]
    assert noor["ssd_cla_immunisations"] == {
        "clai_immunisations_status": "N",
        "clai_immunisations_status_date": "2024-04-02 00:00:00",
    }
    assert grace["ssd_mother_of"] == [
        {"moth_table_id": "M3", "moth_childs_person_id": "P3010", "moth_childs_dob": "2024-01-15 00:00:00"}
    ]
    assert [row["clap_cla_placement_id"] for row in grace["ssd_cla_placement"]] == ["PL3"]
    assert grace["ssd_cla_episodes"][0]["clae_cla_placement_id"] == "PL9"


def test_the_same_rows_are_written(council: Parts) -> None:
    records, _ = read(Document.of("council", council))
    written = write(records)
    assert written.keys() == council.keys() - {"ssd_department.csv"}
    for name in written:
        ours, theirs = ([_parsed(row) for row in rows(data[name])] for data in (written, council))
        assert sorted(ours, key=str) == sorted(theirs, key=str), name


def _parsed(row: dict[str, str]) -> dict[str, str]:
    return {
        column: cell.replace(": ", ":").replace(", ", ",") if cell[:1] in "{[" else cell for column, cell in row.items()
    }


def test_reading_what_was_written_gives_the_same(council: Parts) -> None:
    records, _ = read(Document.of("council", council))
    kept = copy.deepcopy([record.tree for record in records])
    again, errors = read(Document.of("council", write(records)))
    assert errors == []
    assert [record.tree for record in records] == kept
    assert [record.tree for record in again] == kept
    assert write(again) == write(records)


def test_a_zip_is_the_same(council: Parts, tmp_path: Path) -> None:
    save(council.items(), tmp_path / "council.zip")
    records, errors = read(Document.at(tmp_path / "council.zip"))
    assert (len(records), errors) == (8, [])


def test_no_records_give_every_table_with_its_columns() -> None:
    parts = dict(adapter.write([], adapter.head("2026-01-01", "")))
    assert list(parts) == [f"{name}.csv" for name in SPECS]
    assert parts["ssd_family.csv"] == b"fami_table_id,fami_family_id,fami_person_id\r\n"
    assert b"pers_upn," in parts["ssd_person.csv"]
    assert b"pers_common_child_id" not in parts["ssd_person.csv"]
    parts = dict(adapter.write([], adapter.head("", "1")))
    assert b"pers_common_child_id" in parts["ssd_person.csv"]
    assert b"pers_upn," not in parts["ssd_person.csv"]


def test_the_edition_is_seen_in_the_columns_of_the_first_table() -> None:
    for columns, edition in (
        ("pers_common_child_id", "1"),
        ("pers_single_unique_id", "1.4"),
        ("pers_upn", "1.4"),
        ("x", "1.4"),
    ):
        (record,), _ = read(Document.of("c", {"ssd_person.csv": f"pers_person_id,{columns}\n1,2\n".encode()}))
        assert record.edition == record.head["edition"] == edition


def test_unknown_columns_and_missing_tables_come_back_as_they_were() -> None:
    data = {
        "ssd_person.csv": b"pers_person_id,local_flag\r\n1,x\r\n2,\r\n",
        "ssd_family.csv": b"fami_person_id,fami_family_id\r\n2,F\r\n",
    }
    records, errors = read(Document.of("c", data))
    assert errors == []
    assert records[0].tree == {"pers_person_id": "1", "local_flag": "x", "ssd_family": []}
    assert records[0].head["missing"]["ssd_family"] == ["fami_table_id"]
    assert write(records) == data


def test_a_placement_without_its_child_is_found_by_its_episode() -> None:
    data = {
        "ssd_person.csv": b"pers_person_id\r\n1\r\n2\r\n",
        "ssd_cla_episodes.csv": b"clae_cla_episode_id,clae_person_id,clae_cla_placement_id\r\nE,2,P\r\nF,2,P\r\n",
        "ssd_cla_placement.csv": b"clap_cla_placement_id,clap_cla_id\r\nP,C\r\n",
    }
    records, errors = read(Document.of("c", data))
    assert errors == []
    placement = {"clap_cla_placement_id": "P", "clap_cla_id": "C"}
    assert [row["placement"] for row in records[1].tree["ssd_cla_episodes"]] == [placement] * 2
    assert records[1].tree["ssd_cla_placement"] == []
    assert write(records) == data


def test_json_that_is_none_stays_text() -> None:
    cells = ['{"a": 1}', '{"a": 1', '{"a":1,"a":2}', "14 Larch Row", "", "7", ' [1, true, null, "x"] ']
    out = io.StringIO()
    csv.writer(out).writerows(
        [["addr_table_id", "addr_person_id", "addr_address_json"], *([n, 1, cell] for n, cell in enumerate(cells))]
    )
    data = {"ssd_person.csv": b"pers_person_id\n1\n", "ssd_address.csv": out.getvalue().encode()}
    (record,), errors = read(Document.of("c", data))
    assert errors == []
    found = [row["addr_address_json"] for row in record.tree["ssd_address"]]
    assert found == [{"a": "1"}, '{"a": 1', '{"a":1,"a":2}', "14 Larch Row", "", "7", ["1", "true", None, "x"]]
    written = [row["addr_address_json"] for row in rows(write([record])["ssd_address.csv"])]
    assert written == ['{"a":1}', '{"a": 1', '{"a":1,"a":2}', "14 Larch Row", "", "7", '[1,true,null,"x"]']


@pytest.mark.parametrize(
    ("table", "nested", "column"),
    [
        ("ssd_involvements", "professional", "prof_professional_name"),
        ("ssd_cla_episodes", "placement", "clap_cla_placement_type"),
    ],
)
def test_copies_that_contradict_each_other_are_refused(council: Parts, table: str, nested: str, column: str) -> None:
    records, _ = read(Document.of("council", council))
    key = {"professional": "prof_professional_id", "placement": "clap_cla_placement_id"}[nested]
    for number, record in enumerate(records):
        for row in record.tree[table]:
            if nested in row:
                row[nested] = {key: "X", column: f"secret {number} {id(row)}"}
    with pytest.raises(RecordError) as caught:
        write(records)
    assert column in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_professional_without_an_id_gets_a_lasting_one() -> None:
    tree = {"pers_person_id": "1", "ssd_involvements": [{"professional": {"prof_professional_name": "Rosa Quill"}}]}
    parts = write([Theirs("person", "1", tree)], {})
    (worker,), (held,) = rows(parts["ssd_professionals.csv"]), rows(parts["ssd_involvements.csv"])
    assert worker["prof_professional_id"] == held["invo_professional_id"]
    assert worker["prof_professional_id"].startswith("hub-")
    assert write([Theirs("person", "1", tree)], {}) == parts


def test_rows_of_nobody_are_named(council: Parts) -> None:
    parts = edited(council, "ssd_address", ",NS1001,", ",NS9999,")
    records, errors = read(Document.of("council", parts))
    assert errors == ["council/ssd_address.csv: line 2: 1 row of ssd_address refers to a person that ssd_person lacks"]
    assert len(records) == 8


def test_a_row_in_another_code_page_is_named_and_the_child_is_read(council: Parts) -> None:
    parts = {**council, "ssd_contacts.csv": council["ssd_contacts.csv"].replace(b"Head teacher", b"Head t\xe9acher")}
    records, errors = read(Document.of("council", parts))
    assert len(errors) == 1
    assert errors[0].startswith("council/ssd_contacts.csv: line 2: byte")
    assert (len(records), records[0].tree["ssd_contacts"]) == (8, [])


def test_two_rows_of_one_person_are_named_and_the_first_is_read(council: Parts) -> None:
    parts = edited(council, "ssd_person", "NS1002,Tomasz", "NS1001,Tomasz")
    records, errors = read(Document.of("council", parts))
    assert len(records) == 7
    assert errors[0].startswith("council/ssd_person.csv: line 3: pers_person_id stands in an earlier row")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "the table ssd_person is missing"),
        ({"ssd_family.csv": b"fami_person_id\n1\n"}, "the table ssd_person is missing"),
        ({"ssd_person.csv": b""}, "the table is empty"),
        ({"ssd_person.csv": b"pers_forename\nAmara\n"}, "the column pers_person_id is missing"),
        ({"ssd_person.csv": b"pers_person_id,PERS_PERSON_ID\n1,1\n"}, "stands twice"),
    ],
)
def test_without_the_first_table_nothing_is_read(data: Parts, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        list(adapter.read(Document.of("c", data)))


@given(st.sampled_from(sorted(SPECS)), st.binary(max_size=300))
def test_junk_is_refused_and_never_crashes(table: str, junk: bytes) -> None:
    data = {"ssd_person.csv": b"pers_person_id\n1\n", f"{table}.csv": junk}
    try:
        records, _ = read(Document.of("c", data))
    except RecordError:
        return
    for record in records:
        adapter.normal(record.tree)


def test_no_error_holds_a_value() -> None:
    data = {
        "ssd_person.csv": b'pers_person_id,pers_surname\nSecret1,x\nSecret1,x\nSecret2\nSecret3,"Secret"x\n,Secret\n',
        "ssd_family.csv": b"fami_table_id,fami_person_id\nSecret,Secret\nSecret,Secret1\nSecret,Secret1\n",
        "ssd_address.csv": b"Secret\nSecret\n",
    }
    _, errors = read(Document.of("c", data))
    assert len(errors) == 8
    assert not [error for error in errors if "Secret" in error]


def test_every_field_is_accounted_for() -> None:
    assert list(account.faults(MAPPING)) == []


def test_the_council_is_read_without_a_finding_and_nothing_drifts(council: Parts) -> None:
    records, _ = read(Document.of("council", council))
    amara = MAPPING.inward(records[0]).record
    assert [episode.referral.source for episode in amara.episodes] == ["1A", "2A"]  # type: ignore[union-attr]
    assert amara.episodes[1].assessments[0].factors == ["16A", "1B"]  # type: ignore[union-attr,index]
    assert amara.episodes[1].plans[0].initial_category == "NEG"  # type: ignore[union-attr,index]
    for record in records[1:]:
        assert {finding.kind for finding in MAPPING.inward(record).findings} <= {"conflict"}


def _with_forms(council: Parts) -> Parts:
    """The council with two children of one form, a product's own id that looks like a form's, and another child's."""
    more = (
        "caf-a80711-F-7,NS1003,2025-09-10,,Asked for help,,Northshire Early Help,\n"
        "caf-7d4b85-F-7,NS1004,2025-09-10,2025-10-01,,Moved away,,\n"
        "caf-2025-17,NS1003,2024-02-01,,,,,SW101\n"
        "caf-7d4b85-F-8,NS1003,2024-03-01,,,,,\n"
        "caf-a80711-,NS1003,2024-04-01,,,,,\n"
    )
    name = "ssd_early_help_episodes.csv"
    return {**council, name: council[name] + more.encode()}


def test_an_assessment_is_known_by_the_id_of_its_row(council: Parts) -> None:
    parts = _with_forms(council)
    records, errors = read(Document.of("council", parts))
    assert errors == []
    trees = {record.id: record.tree for record in records}
    assert "ssd_early_help_caf" not in trees["NS1001"], "an episode of the product's own is none"
    assert [row["earl_episode_id"] for row in trees["NS1003"]["ssd_early_help_caf"]] == ["F-7"]
    own = [row["earl_episode_id"] for row in trees["NS1003"]["ssd_early_help_episodes"]]
    assert own == ["caf-2025-17", "caf-7d4b85-F-8", "caf-a80711-"]
    written = rows(write(records)["ssd_early_help_episodes.csv"])
    assert sorted(map(str, written)) == sorted(map(str, rows(parts["ssd_early_help_episodes.csv"])))
    ivy, callum = (record_of(parts, child) for child in ("NS1003", "NS1004"))
    assert [(one["id"], one["started"], one["reason"]) for one in ivy["caf"]] == [
        ("F-7", "2025-09-10", "Asked for help")
    ]
    assert [one["id"] for one in ivy["early_help"]] == own
    assert [(one["id"], one["closed"], one["closure_reason"]) for one in callum["caf"]] == [
        ("F-7", "2025-10-01", "Moved away")
    ]
    assert "early_help" not in callum


def record_of(parts: Parts, child: str) -> dict[str, Any]:
    """A child of the tables as it is read into the record."""
    (one,) = (one for one in read(Document.of("council", parts))[0] if one.id == child)
    return to_tree(MAPPING.inward(one).record)


def test_a_child_with_an_assessment_is_held_to_the_laws(council: Parts) -> None:
    for one in (one for one in read(Document.of("council", _with_forms(council)))[0] if one.id in ("NS1003", "NS1004")):
        assert not list(laws.get_put(MAPPING, one, one.id))
        assert not list(laws.locality(MAPPING, one, one.id, Random(1), most=300))


def test_a_row_that_was_read_is_laid_onto_its_assessment_and_never_doubled(council: Parts) -> None:
    there = next(one for one in read(Document.of("council", _with_forms(council)))[0] if one.id == "NS1003")
    form = {"id": "F-7", "started": "2025-09-10", "closed": "2025-11-02", "consent": {"share": True}}
    tree = {"source": {"id": "NS1003", "link": "ehm", "partial": ["caf"]}, "caf": [form]}
    onto = MAPPING.outward(from_tree(tree), copy.deepcopy(there)).tree
    assert [(row["earl_episode_id"], row["earl_episode_end_date"]) for row in onto["ssd_early_help_caf"]] == [
        ("F-7", "2025-11-02")
    ]
    assert [row["earl_episode_id"] for row in onto["ssd_early_help_episodes"]] == [
        "caf-2025-17",
        "caf-7d4b85-F-8",
        "caf-a80711-",
    ]
    form["consent"] = {"share": False}
    withdrawn = MAPPING.outward(from_tree(tree), there)
    assert "ssd_early_help_caf" not in withdrawn.tree
    ((what, path),) = {one for one in withdrawn.account if one[1] == "caf[].started"}
    assert MAPPING.reason(what, path).startswith("without consent to share")


def test_a_row_that_was_read_goes_on_to_nobody_whom_the_form_did_not_consent_to(council: Parts) -> None:
    """The tables do not say whether a form may be shared: who only read them never tells what it says."""
    (ivy,) = (one for one in read(Document.of("council", _with_forms(council)))[0] if one.id == "NS1003")
    record = MAPPING.inward(ivy).record
    for name, forms in (("ssd", 0), ("fhir_r4", 0), ("caf", 1), ("contactpoint", 1)):
        mapping = next(iter(load(name).values()))
        made = mapping.create(record, "elsewhere")
        assert "Asked for help" not in json.dumps(made.tree)
        assert ("2025-09-10" in json.dumps(made.tree)) == bool(forms), name


def test_of_a_shielded_child_an_assessment_tells_no_more_than_its_dates() -> None:
    form = {
        "id": "F-7",
        "started": "2025-09-10",
        "reason": "Moved to Harbour View",
        "assessors": [{"id": "1", "organisation": "Harbour School"}],
        "consent": {"share": True},
    }
    for shielded in (False, True):
        tree = {"source": {"id": "NS1003"}, "person": {"shielded": shielded}, "caf": [form]}
        (row,) = MAPPING.create(from_tree(tree)).tree["ssd_early_help_caf"]
        assert row["earl_episode_start_date"] == "2025-09-10"
        assert ("Harbour" in json.dumps(row)) == (not shielded)


def test_the_number_of_a_form_that_is_too_long_for_an_id_is_in_the_account() -> None:
    """48 places, of which eleven say that it is a form and whose."""
    for length, what in ((37, set()), (38, {"unsayable"})):
        form = {"id": "F" * length, "started": "2025-09-10", "consent": {"share": True}}
        made = MAPPING.create(from_tree({"source": {"id": "NS1003"}, "caf": [form]}))
        assert {one for one, path in made.account if path == "caf[].id"} == what


def test_an_address_that_another_system_has_in_lines_keeps_its_street() -> None:
    said = {"use": "home", "lines": ["14 Larch Row", "Flat 3"], "town": "Leeds", "postcode": "ZZ99 1AA"}
    parts = {**said, "id": "2", "street": "Larch Row", "number": "14"}
    tree = {"source": {"id": "NS1"}, "person": {"addresses": [{"id": "1", **said}, parts]}}
    first, second = MAPPING.create(from_tree(tree)).tree["ssd_address"]
    assert first["addr_address_json"] == {"STREET": "14 Larch Row, Flat 3", "TOWN": "Leeds"}
    assert second["addr_address_json"] == {"HOUSE": "14", "STREET": "Larch Row", "TOWN": "Leeds"}
