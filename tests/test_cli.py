"""The command line as it is called: what stands on stdout and stderr, the exit codes, and no value anywhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.commands import calls

CANARY = "Zanzibarcanary"
COMMAND = [sys.executable, "-c", "import sys; sys.argv[0] = 'ics-hub'; from hub.cli import main; main()"]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Callable[..., Ran]:
    """Call ics-hub from a folder of its own."""

    def call(*words: str | Path, stdin: bytes = b"") -> Ran:
        environment = {**os.environ, "PYTHONPATH": str(root), "NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb"}
        ran = calls().call([*map(str, words)], tmp_path, environment, stdin)
        said = Ran(ran.code, ran.out.decode(), ran.err.decode())
        assert "Traceback" not in said.err, said.err
        return said

    return call


@pytest.fixture
def census(samples: Path) -> Path:
    return samples / "cin_census" / "northshire-2025.xml"


@pytest.fixture
def spoiled(census: Path, tmp_path: Path) -> Path:
    """The sample with a marked value where a date, a code, a number and an unknown element are."""
    text = census.read_text("utf-8")
    for element in ("PersonBirthDate", "Ethnicity", "NumberOfPreviousCPP", "ReferralNFA", "CINclosureDate"):
        assert f"<{element}>" in text, element
        text = re.sub(f"<{element}>[^<]*<", f"<{element}>{CANARY}<", text, count=1)
    text = text.replace("<ChildCharacteristics>", f"<Nickname>{CANARY}</Nickname><ChildCharacteristics>")
    out = tmp_path / "spoiled.xml"
    out.write_text(text, "utf-8")
    return out


# translate


def test_translate_writes_records_to_stdout_and_a_summary_to_stderr(run: Callable[..., Ran], census: Path) -> None:
    said = run("translate", census, "--from", "cin_census", "--to", "canonical")
    assert said.code == 0
    records = [json.loads(line) for line in said.out.splitlines()]
    assert said.err.startswith(f"cin_census to canonical: {len(records)} records read, {len(records)} written\n")
    assert "episodes" in said.err


def test_translate_says_what_was_withheld_and_why(run: Callable[..., Ran], census: Path, tmp_path: Path) -> None:
    said = run("translate", census, "--from", "cin_census", "--to", "contactpoint", "-o", "x.xml", "--report", "r.json")
    assert (said.code, said.out) == (0, "")
    assert "Withheld" in said.err
    assert "case content: the index never holds it" in said.err
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert report["counts"] == {"read": 7, "written": 7, "refused": 0}
    assert (tmp_path / "x.xml").is_file()


def test_translate_reads_stdin_also_a_zip(run: Callable[..., Ran], census: Path, samples: Path, tmp_path: Path) -> None:
    said = run("translate", "-", "--from", "cin_census", "--to", "canonical", stdin=census.read_bytes())
    assert (said.code, len(said.out.splitlines())) == (0, 7)
    with zipfile.ZipFile(tmp_path / "council.zip", "w") as packed:
        for file in (samples / "ssd" / "council").iterdir():
            packed.write(file, file.name)
    tables = (tmp_path / "council.zip").read_bytes()
    said = run("translate", "-", "--from", "ssd", "--to", "canonical", stdin=tables)
    assert (said.code, len(said.out.splitlines())) == (0, 8)


def test_translate_writes_tables_to_a_folder_or_a_zip(run: Callable[..., Ran], census: Path, tmp_path: Path) -> None:
    for output in ("tables", "folder/", "tables.zip"):
        said = run("translate", census, "--from", "cin_census", "--to", "ssd", "-o", output)
        assert said.code == 0, said.err
    assert (tmp_path / "tables" / "ssd_person.csv").is_file()
    assert (tmp_path / "folder" / "ssd_person.csv").is_file()
    assert "ssd_person.csv" in zipfile.ZipFile(tmp_path / "tables.zip").namelist()


def test_translate_can_give_its_report_to_a_program(run: Callable[..., Ran], census: Path) -> None:
    said = run("translate", census, "--from", "cin_census", "--to", "canonical", "-o", "x.jsonl", "--json")
    assert json.loads(said.out)["totals"]["episodes"] == 8
    assert said.err == ""
    said = run("translate", census, "--from", "cin_census", "--to", "canonical", "--json")
    assert (said.code, said.out) == (2, "")
    assert "--json needs -o" in said.err


def test_an_overlay_changes_a_code_and_adds_a_field_without_code(
    run: Callable[..., Ran], census: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "northshire"
    (folder / "cin_census").mkdir(parents=True)
    (folder / "codes" / "cin").mkdir(parents=True)
    (folder / "cin_census" / "local.toml").write_text(
        'extends = "cin_census/child"\n[fields]\n'
        '"person.identifiers[system=nhs].value" = { theirs = "ChildIdentifiers.NHSnumber", as = "nhs_number" }\n',
        "utf-8",
    )
    (folder / "codes" / "cin" / "sex.csv").write_text(
        "theirs,ours,way,since,until,note\n3,U,in,,,our product\n", "utf-8"
    )
    text = census.read_text("utf-8").replace("<Sex>F</Sex>", "<Sex>3</Sex><NHSnumber>9999001009</NHSnumber>", 1)
    (tmp_path / "in.xml").write_text(text, "utf-8")
    words = ("translate", "in.xml", "--from", "cin_census", "--to", "canonical")
    plain = json.loads(run(*words).out.splitlines()[0])["person"]
    local = json.loads(run(*words, "--overlay", folder).out.splitlines()[0])["person"]
    assert "sex" not in plain
    assert local["sex"] == "U"
    numbers = {one["system"]: one["value"] for one in local["identifiers"] if "value" in one}
    assert numbers["nhs"] == "9999001009"
    back = run("translate", "in.xml", "--from", "cin_census", "--to", "cin_census", "--overlay", folder).out
    assert "<Sex>3</Sex>" in back
    assert "<NHSnumber>9999001009</NHSnumber>" in back
    assert str(folder / "cin_census")[-20:] in run("mapping", "explain", "cin_census", "--overlay", folder).out


# Refusals and wrong calls


def test_a_refused_record_is_named_and_the_exit_code_is_1(run: Callable[..., Ran], spoiled: Path) -> None:
    said = run("translate", spoiled, "--from", "cin_census", "--to", "canonical", "-o", "x.jsonl")
    assert said.code == 1
    assert "7 records read, 6 written, 1 refused" in said.err
    assert re.search(r"Child 1, line \d+: .*person\.birth\.date.*: is not readable as", said.err)


def test_strict_refuses_the_whole_and_writes_nothing(run: Callable[..., Ran], spoiled: Path, tmp_path: Path) -> None:
    said = run("translate", spoiled, "--from", "cin_census", "--to", "canonical", "-o", "x.jsonl", "--strict")
    assert said.code == 1
    assert "Breaks the published schema" in said.err
    assert "Nothing was written" in said.err
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nofile.xml", "--from", "cin_census", "--to", "canonical"], "nofile.xml: no such file or directory"),
        (["{census}", "--from", "nosuch", "--to", "canonical"], "there is no adapter 'nosuch'; shipped are: caf"),
        (["{census}", "--from", "cin_census", "--to", "ssd"], "ssd writes several files"),
        (["{census}", "--from", "cin_census", "--to", "canonical", "-o", "no/such/x"], "no/such/x"),
        (["{census}", "--from", "cin_census", "--to", "canonical", "--report", "no/r.json"], "no/r.json"),
        (["{census}", "--from", "cin_census", "--to", "canonical", "--overlay", "no"], "the overlay is not a folder"),
        (["{census}", "--from", "cin_census", "--to", "cin_census", "--edition", "1066"], "no edition '1066'"),
        (["{census}", "--to", "canonical"], "--from"),
        (["{census}", "--from", "ssd", "--to", "canonical", "--nosuch"], "--nosuch"),
    ],
)
def test_a_wrong_call_is_one_clear_sentence_and_exit_code_2(
    words: list[str], said: str, run: Callable[..., Ran], census: Path
) -> None:
    ran = run("translate", *(word.format(census=census) for word in words))
    assert ran.code == 2
    assert said in ran.err
    assert ran.out == ""


def test_a_council_is_told_what_its_own_adapter_lacks(root: Path, tmp_path: Path) -> None:
    (tmp_path / "council").mkdir()
    for name, text in {
        "half": "x = 1\nadapter = (\n",
        "needy": "import nosuchlibrary\n",
        "broken": "raise ValueError('Zanzibar')\n",
        "bare": (
            "from hub.adapter import Adapter, Schema, Theirs\n"
            "read = lambda document: iter([Theirs('K', '1', {'Id': '1'}, {}, '1', 'line 1')])\n"
            "adapter = Adapter(name='bare', read=read,"
            " write=None, schemas={'K': Schema.parse('Id text')}, editions=('1',), suffix='.txt')\n"
        ),
    }.items():
        (tmp_path / "council" / f"{name}.py").write_text(text)
    (tmp_path / "in.txt").write_text("1")
    for name, code, said in (
        ("half", 2, "importing the adapter 'council.half' fails with SyntaxError, line 2"),
        ("needy", 2, "the adapter 'council.needy' needs a module 'nosuchlibrary'"),
        ("broken", 2, "importing the adapter 'council.broken' fails with ValueError"),
        ("bare", 1, "there is no mapping of its format, so it must be a record of ours"),
    ):
        ran = subprocess.run(
            [*COMMAND, "translate", "in.txt", "--from", f"council.{name}", "--to", "canonical"], cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{root}:{tmp_path}"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (ran.returncode, said in ran.stderr) == (code, True), ran.stderr
        assert "Zanzibar" not in ran.stderr


JUNK = {
    "empty": b"",
    "words": CANARY.encode(),
    "doctype": f'<!DOCTYPE Message [<!ENTITY x "{CANARY}">]><Message>&x;</Message>'.encode(),
    "json": f'{{"{CANARY}": ['.encode(),
}


@pytest.mark.parametrize("name", ["cin_census", "dfe_csc_api", "ssd"])
def test_junk_is_refused_without_a_traceback_or_a_value(name: str, run: Callable[..., Ran], tmp_path: Path) -> None:
    for kind, data in JUNK.items():
        (tmp_path / "junk").write_bytes(data)
        said = run("translate", "junk", "--from", name, "--to", "canonical", "-o", f"{kind}.out")
        assert CANARY not in said.err + said.out, (kind, said.err)
        assert said.code in ((0, 1) if kind == "empty" else (1, 2)), (kind, said)
        assert "fault of the hub itself" not in said.err, (kind, said.err)


def test_no_value_is_in_any_listing(run: Callable[..., Ran], spoiled: Path, tmp_path: Path) -> None:
    for target in ("canonical", "cin_census", "contactpoint", "dfe_csc_api", "ssd"):
        words = ("--from", "cin_census", "--to", target, "-o", f"{target}/" if target == "ssd" else f"{target}.out")
        for strict in [(), ("--strict",)][: 1 + (target == "canonical")]:
            said = run("translate", spoiled, *words, "--report", "r.json", *strict)
            report = (tmp_path / "r.json").read_text("utf-8")
            assert said.code == 1
            assert CANARY not in said.out + said.err + report
            assert "Okafor" not in said.out + said.err + report
    said = run("mapping", "try", spoiled, "--adapter", "cin_census")
    assert said.code == 1
    assert CANARY not in said.out + said.err
    assert CANARY in run("mapping", "try", spoiled, "--adapter", "cin_census", "--reveal").out
    said = run("mapping", "check", "cin_census", "--samples", spoiled, "--records", "0")
    assert CANARY not in said.out + said.err


def test_a_reader_that_has_had_enough_ends_it_quietly(root: Path, census: Path) -> None:
    command = " ".join([f"'{word}'" if " " in word else word for word in COMMAND])
    line = f"{command} translate {census} --from cin_census --to canonical 2>err.txt | head -c 1 >/dev/null"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    ran = subprocess.run(["bash", "-c", line.replace("err.txt", "/dev/stdout")], env=environment, capture_output=True,
                         text=True, check=False)  # fmt: skip
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("- <&-", 1, "stdin: the file is empty"),
        ("{census} >&-", 2, "standard output"),
        ("{census} > /dev/full", 2, "no space left on device"),
        ("{census} -o out.jsonl --json > /dev/full", 2, "no space left on device"),
        ("{census} 2>&-", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full_are_said(
    line: str, code: int, said: str, root: Path, census: Path, tmp_path: Path
) -> None:
    words = f"translate {line.format(census=census)}".replace("translate", "translate --from cin_census --to canonical")
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$@" {words}', "bash", *COMMAND],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == code, ran.stderr
    assert said in ran.stderr
    assert "fault of the hub" not in ran.stderr
    assert bool(ran.stdout) == (code == 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_half_written_goes_when_it_is_told_to_end(
    number: int, root: Path, census: Path, tmp_path: Path
) -> None:
    text = census.read_text("utf-8")
    before, rest = text.split("<Child>", 1)
    child, after = rest.rsplit("</Child>", 1)
    many = "".join(f"<Child>{child.replace('<LAchildID>', f'<LAchildID>{n}-')}</Child>" for n in range(3_000))
    (tmp_path / "large.xml").write_text(before + many + after, "utf-8")
    kept = tmp_path / "kept"
    kept.mkdir()
    words = ["translate", "-", "--from", "cin_census", "--to", "canonical", "-o", "out.jsonl", "--processes", "2"]
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(kept)}
    with open(tmp_path / "large.xml", "rb") as given:
        ran = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, env=environment, stdin=given, start_new_session=True)
        while ran.poll() is None and not any(one.stat().st_size for one in tmp_path.glob(".out.jsonl.*")):
            time.sleep(0.01)
        assert ran.poll() is None, "it was done before it could be ended"
        assert {one.stat().st_mode & 0o077 for one in tmp_path.glob(".out.jsonl.*")} == {0}
        os.killpg(ran.pid, number)
        assert ran.wait(60) == 128 + number
    assert sorted(one.name for one in tmp_path.iterdir()) == ["kept", "large.xml"]
    assert not list(kept.iterdir())


# mapping


def test_mapping_check_says_that_all_is_well(run: Callable[..., Ran]) -> None:
    said = run("mapping", "check", "contactpoint", "canonical", "--records", "20")
    assert said.code == 0
    assert [line.split(":")[0] for line in said.out.splitlines()] == ["contactpoint", "canonical"]


def test_mapping_check_names_what_is_wrong(run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "o" / "contactpoint").mkdir(parents=True)
    file = tmp_path / "o" / "contactpoint" / "local.toml"
    file.write_text('extends = "contactpoint/child"\n[fields]\n"person.odd" = "Gender"\n', "utf-8")
    said = run("mapping", "check", "contactpoint", "--overlay", "o")
    assert said.code == 2
    assert "local.toml" in said.out
    assert "no 'odd' here" in said.out
    (fault,) = json.loads(run("mapping", "check", "contactpoint", "--overlay", "o", "--json").out)
    assert fault["kind"] == "declaration"


def test_mapping_coverage_as_table_json_and_page(run: Callable[..., Ran], tmp_path: Path) -> None:
    pair = ("--from", "cin_census", "--to", "contactpoint")
    said = run("mapping", "coverage", *pair)
    assert said.code == 0
    assert re.search(r"loses +person\.ethnicity +not in Schedule 1", said.out)
    found = json.loads(run("mapping", "coverage", *pair, "--format", "json").out)
    assert found["pairs"]["cin_census"]["contactpoint"]["person.ethnicity"]["what"] == "loses"
    said = run("mapping", "coverage", "--format", "html", "-o", "page.html")
    assert (said.code, said.out) == (0, "")
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")
    assert "contactpoint" in run("mapping", "coverage").out
    assert run("mapping", "coverage", "--from", "ssd").code == 2


def test_mapping_explain_shows_rows_a_field_and_the_code(run: Callable[..., Ran]) -> None:
    said = run("mapping", "explain", "contactpoint")
    assert re.search(r"person\.gender +Gender +codes contactpoint/gender +mappings/contactpoint/child\.toml", said.out)
    said = run("mapping", "explain", "contactpoint", "person.gender")
    assert "in cin_census" in said.out
    assert "1 Male" in said.out
    assert (
        json.loads(run("mapping", "explain", "contactpoint", "person.gender", "--json").out)[0]["path"]
        == "person.gender"
    )
    assert "def read(" in run("mapping", "explain", "contactpoint", "--code").out
    said = run("mapping", "explain", "contactpoint", "person.odd")
    assert said.code == 2
    assert "the record has no field 'person.odd'" in said.err


def test_mapping_try_shows_a_row_by_ours_or_by_theirs(run: Callable[..., Ran], census: Path) -> None:
    for path in ("person.birth.date", "PersonBirthDate"):
        said = run("mapping", "try", census, path, "--adapter", "cin_census")
        assert said.code == 0
        assert re.search(r"person\.birth\.date +ChildIdentifiers\.PersonBirthDate +day +partial date +read", said.out)


def test_help_is_quick_and_needs_no_engine(root: Path) -> None:
    heavy = ("lxml", "rich.table", "hub.mapping", "hub.model")
    code = f"import sys, hub.cli; print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_readme_numbers_hold_for_the_public_file(
    run: Callable[..., Ran], public: Callable[[str], Path], tmp_path: Path
) -> None:
    file = public("cin_census/fake_CIN_data.xml")
    said = run("translate", file, "--from", "cin_census", "--to", "canonical", "-o", "children.jsonl")
    assert said.code == 0
    assert "332 records read, 332 written" in said.err
    assert "402 episodes" in said.err
    assert "117 disabilities" in said.err
    assert len((tmp_path / "children.jsonl").read_bytes().splitlines()) == 332
