"""`mapping check`: everything wrong at once, accounts, examples, golden files, samples and laws."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hub import adapter as adapters
from hub.check import Fault, check, own_samples, trial
from hub.errors import DeclarationError, RecordError
from hub.wire import Document

CANARY = "Zanzibarcanary"
OTHER = 'at = "schools"\ntheirs = { Id = "1" }\nours = { provider = { id = "2" } }'


def overlay(folder: Path, text: str, name: str = "contactpoint", **codes: str) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "local.toml").write_text(f'extends = "{name}/child"\n{text}', "utf-8")
    for table, rows in codes.items():
        file = folder / "codes" / name / f"{table}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rows, "utf-8")
    return folder


def faults(folder: Path, text: str, name: str = "contactpoint", records: int = 0, **codes: str) -> list[Fault]:
    return check([name], [overlay(folder, text, name, **codes)], records=records)


# What is shipped


@pytest.mark.parametrize("name", adapters.shipped())
def test_a_shipped_adapter_passes_every_check(name: str) -> None:
    assert [str(fault) for fault in check([name], records=200)] == []


@pytest.mark.parametrize("name", [name for name in adapters.shipped() if name != "canonical"])
def test_a_shipped_adapter_has_samples(name: str) -> None:
    assert own_samples(name)


def test_an_overlay_that_is_right_passes(tmp_path: Path) -> None:
    text = (
        '[fields]\n"person.ethnicity_text" = "Gender"\n[withhold]\n"person.gender" = "our index has no gender in it"\n'
    )
    assert faults(tmp_path, '[names]\nx = "y"\n') == []
    assert faults(tmp_path / "two", text, records=20)


# Everything at once


def test_every_row_that_is_wrong_is_named_not_the_first_only(tmp_path: Path) -> None:
    text = """
[fields]
"person.birth.date" = "BirthDate"
"person.nonsense" = "Gender"
"person.sex" = { theirs = "Gender", codes = "nosuch" }
[each.schools.fields]
"period.start" = { theirs = "Start", as = "dat" }
[each.made]
ours = "visits[]"
theirs = "Services.Service[]"
"""
    found = faults(tmp_path, text)
    said = "\n".join(map(str, found))
    assert {fault.kind for fault in found} == {"declaration"}
    assert sum(fault.file.endswith("local.toml") for fault in found) == len(found) - 1
    for words in ("type mismatch", "no 'nonsense'", "no code table 'nosuch'", "no codec 'dat'", "has no key"):
        assert words in said, said


def test_a_bad_code_table_is_named_with_both_lines_and_the_rest_is_heard(tmp_path: Path) -> None:
    table = "theirs,ours,way,since,until,note\nF,2,,,,\nG,2,,,,\n"
    found = faults(tmp_path, '[fields]\n"person.nonsense" = "Gender"\n', gender=table)
    said = "\n".join(map(str, found))
    assert "lines 2 and 3" in said
    assert "nonsense" in said


def test_one_adapter_that_is_wrong_does_not_silence_another(tmp_path: Path) -> None:
    overlay(tmp_path, "this is not TOML")
    found = check(["contactpoint", "canonical", "nosuch"], [tmp_path], records=0)
    assert [(fault.adapter, fault.kind) for fault in found] == [
        ("contactpoint", "declaration"),
        ("nosuch", "declaration"),
    ]


def test_samples_belong_to_one_adapter(samples: Path) -> None:
    with pytest.raises(DeclarationError, match="one adapter"):
        check([], samples=[samples / "contactpoint" / "index.xml"])


def test_a_sample_of_a_council_is_held_to_the_laws(samples: Path) -> None:
    assert check(["contactpoint"], samples=[samples / "contactpoint" / "index.xml"], records=0) == []
    (fault,) = check(["contactpoint"], samples=[samples / "nosuch.xml"], records=0)
    assert fault.kind == "sample"


# Examples beside the rows


def test_an_example_that_holds_says_nothing(tmp_path: Path) -> None:
    text = """
[[example]]
at = "schools"
theirs = { Id = "Z1", Name = "A school", Start = "2024-09-01" }
ours = { provider = { id = "Z1", name = "A school" }, period = { start = "2024-09-01" } }
[[example]]
theirs = { IndexNumber = "X1", Gender = "M", BirthDate = "2015" }
ours = { source = { id = "X1" }, person = { gender = "1", birth = { date = "2015" } } }
way = "out"
[[example]]
at = "addresses"
theirs = { Postcode = "zz991aa" }
ours = { postcode = "ZZ99 1AA" }
way = "in"
"""
    assert faults(tmp_path, text) == []


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (OTHER, "reading it gives something else at provider.id"),
        (OTHER, "writing it gives something else at Id"),
        ('at = "schools"\ntheirs = { Start = "soon" }\nours = { }\nway = "in"', "is refused"),
        ('at = "schools"\ntheirs = { Odd = "1" }\nours = { }\nway = "in"', "no row reads Odd"),
        ('at = "nowhere"\ntheirs = { }\nours = { }', "no group of that name"),
        ('at = "schools"\ntheirs = { Id = "1" }', "an example has"),
        ('at = "schools"\ntheirs = { Id = "1" }\nours = { odd = 1 }\nway = "out"', "does not fit the record"),
    ],
)  # fmt: skip
def test_an_example_that_does_not_hold_is_named(example: str, words: str, tmp_path: Path) -> None:
    found = faults(tmp_path, f"[[example]]\n{example}\n")
    assert any(words in str(fault) and fault.kind == "example" and "[[example]] 1" in str(fault) for fault in found), (
        found
    )


# Accounts and golden files, in a copy of the tree


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A copy that was updated. Nobody changes it."""
    place = tmp_path_factory.mktemp("updated")
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("hub", "adapters", "mappings", "schemas", "tests/samples"):
        shutil.copytree(root / folder, place / folder, ignore=ignore)
    run(place, "--update", "--records", "0")
    return place


@pytest.fixture
def copied(tmp_path: Path, updated: Path) -> Path:
    """Another of it, with what Python has compiled there."""
    return shutil.copytree(updated, tmp_path / "tree")


def run(place: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-c", "from hub.cli import main; main()", "mapping", "check", "contactpoint", *words]
    environment = {**os.environ, "PYTHONPATH": str(place)}
    ran = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, ran.stdout + ran.stderr


def test_update_writes_accounts_and_golden_files_and_then_they_agree(copied: Path) -> None:
    assert run(copied, "--records", "0") == (
        0,
        "contactpoint: all well (accounts, samples, examples, laws on 0 made-up records)\n",
    )
    records = json.loads((copied / "tests/samples/contactpoint/index.ours.json").read_text("utf-8"))
    account = json.loads((copied / "tests/samples/contactpoint/index.account.json").read_text("utf-8"))
    assert len(records) == 7
    assert set(account) == {"refused", "findings", "not written back", "drift"}
    lines = (copied / "mappings/contactpoint/account.csv").read_text("utf-8").splitlines()
    assert lines[0] == "kind,side,path,how,detail"
    assert any(line.startswith("Child,ours,person.birth.date,row,") for line in lines)


def test_a_stale_account_names_the_lines_that_are_new_gone_and_changed(copied: Path) -> None:
    file = copied / "mappings/contactpoint/account.csv"
    lines = [line for line in file.read_text("utf-8").splitlines() if ",ours,person.religion," not in line]
    lines = [line.replace(",row,", ",withheld,") if ",ours,person.gender," in line else line for line in lines]
    file.write_text("\n".join([*lines, "Child,ours,person.star_sign,row,Sign"]) + "\n", "utf-8")
    code, said = run(copied, "--records", "0")
    assert code == 1
    assert "is stale, new: Child ours person.religion;" in said
    assert "is stale, gone: Child ours person.star_sign;" in said
    assert "is stale, changed: Child ours person.gender;" in said


def test_a_field_that_is_neither_mapped_nor_withheld_is_named(copied: Path) -> None:
    file = copied / "mappings/contactpoint/child.toml"
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith('"person.religion"')]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    code, said = run(copied, "--records", "0")
    assert code == 1
    assert "person.religion: is neither mapped nor withheld" in said


def test_a_missing_account_and_a_golden_file_that_differs_are_named(copied: Path) -> None:
    (copied / "mappings/contactpoint/account.csv").unlink()
    golden = copied / "tests/samples/contactpoint/index.ours.json"
    lines = golden.read_text("utf-8").splitlines()
    golden.write_text("\n".join([*lines[:9], lines[9] + " ", *lines[10:]]) + "\n", "utf-8")
    code, said = run(copied, "--records", "0")
    assert code == 1
    assert "contactpoint/account.csv: there is none yet" in said
    assert "index.ours.json: line 10: is not what the mapping gives now" in said


def test_a_mapping_that_breaks_a_law_is_named_with_its_sample(copied: Path) -> None:
    file = copied / "mappings/contactpoint/child.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace('"town" = "Town"', '"town" = { theirs = "Town", as = "cut(3)" }'), "utf-8")
    shutil.rmtree(copied / "tests/samples/contactpoint")
    assert run(copied, "--update", "--records", "100")[0] in (0, 1)
    file.write_text(text.replace('"uprn" = "Uprn"', '"uprn" = { theirs = "Uprn", way = "in" }'), "utf-8")
    code, said = run(copied, "--records", "50")
    assert code == 1
    assert "person.addresses[].uprn" in said


# One record, row by row


def test_a_trial_names_kinds_and_outcomes_and_no_value(samples: Path) -> None:
    found = trial.trial(Document.at(samples / "contactpoint" / "index.xml"), "contactpoint")
    born = next(line for line in found.lines if line.row == "person.birth.date")
    assert (born.cell, born.text, born.value, born.outcome) == ("BirthDate", "day", "partial date", "read")
    assert born.said == born.means != ""
    assert not found.refused


def test_a_trial_says_why_a_record_is_refused() -> None:
    text = f'<Index xmlns="urn:ics-hub:contactpoint:1"><Head/><Child><IndexNumber>1</IndexNumber>' \
           f"<Gender>{CANARY}</Gender><BirthDate>{CANARY}</BirthDate></Child></Index>"  # fmt: skip
    found = trial.trial(Document.of("x.xml", text.encode()), "contactpoint")
    outcomes = {line.row: line.outcome for line in found.lines}
    assert outcomes["person.birth.date"] == "not readable as partial_date; the record is refused"
    assert outcomes["person.gender"] == "no code of contactpoint/gender; kept for the way back"
    assert found.refused
    assert not any(CANARY in note for note in found.notes)
    shown = [(line.row, line.cell, line.text, line.value, line.outcome) for line in found.lines]
    assert CANARY not in str(shown)


def test_a_trial_needs_a_record() -> None:
    with pytest.raises(RecordError, match="no record"):
        trial.trial(Document.of("x.json", b"[]"), "dfe_csc_api")
