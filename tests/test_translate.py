"""Translating documents: what arrives, what is refused by name, and what the report says without a value."""

from __future__ import annotations

import copy
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from adapters import canonical
from hub import adapter as adapters
from hub.adapter import Adapter, Schema, Theirs, Token, Tree
from hub.errors import DeclarationError, RecordError
from hub.mapping import Mapping, laws, load
from hub.mapping.generate import Records
from hub.model import ChildRecord, Extra, encode, to_tree
from hub.translate import Report, translate
from hub.translate.run import Run
from hub.wire import Document

CENSUS = "cin_census/fake_CIN_data.xml"
SYSTEMS = [name for name in adapters.shipped() if name != "canonical"]
CANARY = "Zanzibarcanary"


def trees(name: str, document: Document) -> Iterator[Theirs]:
    for one in adapters.find(name).read(document):
        assert isinstance(one, Theirs), one
        yield one


def sample(samples: Path, name: str) -> Path:
    return next(
        one for one in sorted((samples / name).iterdir()) if ".ours." not in one.name and ".account." not in one.name
    )


def suffix(name: str) -> str:
    """Of what a translation of many records is written to: a folder where a file holds one."""
    found = adapters.find(name)
    return "" if found.blank is not None else found.suffix


def path_for(folder: Path, name: str) -> Path:
    return folder / f"{name}{suffix(name)}"


def census(samples: Path) -> str:
    return sample(samples, "cin_census").read_text("utf-8")


def changed(samples: Path, pattern: str, text: str, count: int = 1) -> Document:
    whole, n = re.subn(pattern, text, census(samples), count=count, flags=re.DOTALL)
    assert n
    return Document.of("census.xml", whole.encode())


# Every system to every other


@pytest.mark.parametrize("target", adapters.shipped())
@pytest.mark.parametrize("source", SYSTEMS)
def test_every_sample_goes_to_every_system_and_reads_back(
    source: str, target: str, samples: Path, tmp_path: Path
) -> None:
    document = Document.at(sample(samples, source))
    out = path_for(tmp_path, target)
    if (source, target) == ("hl7v2", "fhir_r4"):  # a merge stands in a Bundle of its own, and several are a folder
        out = out.with_suffix("")
    report = translate(document, source, target, out)
    read = len(list(trees(source, document)))
    assert (report.read, report.written, report.refused) == (read, read, 0)
    # One record of the DfE's only asks to be deleted: a Bundle has nothing to say of it.
    silent = (source, target) == ("dfe_csc_api", "fhir_r4")
    assert len(list(trees(target, Document.at(out)))) == read - silent
    assert json.loads(json.dumps(report.as_dict()))["counts"]["written"] == read


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_gets_back_what_it_gave(name: str, samples: Path, tmp_path: Path) -> None:
    found = adapters.find(name)
    for between in (None, "canonical"):
        out = tmp_path / f"{between or 'direct'}{found.suffix}"
        document = Document.at(sample(samples, name))
        if between:
            translate(document, name, between, tmp_path / "between.jsonl")
            translate(Document.at(tmp_path / "between.jsonl"), between, name, out)
        else:
            translate(document, name, name, out)
        pairs = zip(trees(name, document), trees(name, Document.at(out)), strict=True)
        unordered = found.schemas[next(iter(found.schemas))].unordered
        for before, after in pairs:
            assert not laws.differences(found.normal(before.tree), found.normal(after.tree), unordered=unordered)


def test_extras_go_to_the_record_and_back_to_their_own_link_and_nowhere_else(samples: Path, tmp_path: Path) -> None:
    document = changed(samples, "<Ethnicity>", f"<Nickname>{CANARY}</Nickname><Ethnicity>")
    said = {}
    for target in ("canonical", "cin_census", "contactpoint", "dfe_csc_api"):
        out = path_for(tmp_path, target)
        said[target] = translate(document, "cin_census", target, out), CANARY in out.read_text("utf-8")
    assert {target: found for target, (_, found) in said.items()} == {
        "canonical": True,
        "cin_census": True,
        "contactpoint": False,
        "dfe_csc_api": False,
    }
    drift = said["contactpoint"][0].drift
    assert drift == {"ChildCharacteristics.Nickname": 1}


# The head


def test_the_head_goes_through_to_the_same_system_and_is_made_for_another(samples: Path, tmp_path: Path) -> None:
    document = Document.at(sample(samples, "cin_census"))
    translate(document, "cin_census", "cin_census", tmp_path / "same.xml")
    translate(document, "cin_census", "contactpoint", tmp_path / "index.xml")
    assert "<SoftwareCode>Made-up ICS</SoftwareCode>" in (tmp_path / "same.xml").read_text("utf-8")
    assert "<AsOf>2025-03-31" in (tmp_path / "index.xml").read_text("utf-8")


def test_an_edition_can_be_asked_for(samples: Path, tmp_path: Path) -> None:
    document = Document.at(sample(samples, "ssd"))
    for edition, element in (("2024", "<GenderCurrent>"), ("2025", "<Sex>")):
        out = tmp_path / f"{edition}.xml"
        translate(document, "ssd", "cin_census", out, edition=edition)
        text = out.read_text("utf-8")
        assert element in text
        assert f"<Year>{edition}</Year>" in text
    with pytest.raises(DeclarationError, match="no edition '1999'; known are: 2022"):
        translate(document, "ssd", "cin_census", tmp_path / "x.xml", edition="1999")


# What is refused


def test_a_bad_birth_date_refuses_its_child_by_name_and_no_other(samples: Path, tmp_path: Path) -> None:
    document = changed(samples, "<PersonBirthDate>.*?<", f"<PersonBirthDate>{CANARY}<")
    report = translate(document, "cin_census", "canonical", tmp_path / "x.jsonl")
    read = len(list(adapters.find("cin_census").read(document)))
    assert (report.read, report.written, report.refused) == (read, read - 1, 1)
    (cause,) = report.as_dict()["refusals"]
    assert cause["place"].startswith("Child 1, line ")
    assert "person.birth.date" in cause["row"]
    assert not report.well


def test_a_bad_date_in_an_ordinary_field_is_noticed_and_its_child_goes_on(samples: Path, tmp_path: Path) -> None:
    document = changed(samples, "<CINclosureDate>.*?<", "<CINclosureDate>2025-02-30<")
    report = translate(document, "cin_census", "canonical", tmp_path / "x.jsonl")
    assert report.well
    (noticed,) = [one for one in report.as_dict()["findings"] if one["kind"] == "bad value"]
    assert noticed["count"] == 1
    assert "closure.date" in noticed["row"]


def test_a_second_record_of_one_id_is_refused_and_the_first_flows(samples: Path, tmp_path: Path) -> None:
    text = sample(samples, "contactpoint").read_text("utf-8")
    ids = re.findall("<IndexNumber>(.*?)<", text)
    document = Document.of("x.xml", text.replace(f">{ids[1]}<", f">{ids[0]}<").encode())
    report = translate(document, "contactpoint", "canonical", tmp_path / "x.jsonl")
    assert (report.written, report.refused) == (len(ids) - 1, 1)
    assert "same id" in report.as_dict()["refusals"][0]["reason"]


def test_a_truncated_document_gives_what_was_good_and_says_what_stopped_it(samples: Path, tmp_path: Path) -> None:
    whole = census(samples)
    cut = whole.index("</Child>") + 40
    report = translate(Document.of("cut.xml", whole[:cut].encode()), "cin_census", "canonical", tmp_path / "x.jsonl")
    assert report.written == 1
    assert len((tmp_path / "x.jsonl").read_text("utf-8").splitlines()) == 1
    assert report.as_dict()["stopped"]["place"].startswith("line ")
    assert not report.well


@pytest.mark.parametrize("processes", [1, 2])
def test_a_column_that_a_table_lacks_is_named(processes: int, samples: Path, tmp_path: Path) -> None:
    tables = {one.name: one.read_bytes() for one in (samples / "ssd" / "council").iterdir()}
    tables["ssd_person.csv"] = tables["ssd_person.csv"].replace(b"pers_dob", b"pers_dbo", 1)
    out = tmp_path / "out.jsonl"
    report = translate(Document.of("council", tables), "ssd", "canonical", out, processes=processes)
    assert report.missing == {"ssd_person": ["pers_dob"]}
    assert report.as_dict()["missing"] == report.missing


@pytest.mark.parametrize(
    "rest", ['"x"', '["x"]', '{"[]":5}', '{"CINdetails":{"[]":{"x":1}}}', '{"CINdetails":{"[]":{"-1":1}}}']
)
def test_extras_that_the_hub_never_writes_refuse_their_record_by_name(rest: str, tmp_path: Path) -> None:
    line = f'{{"source":{{"link":"a","id":"1"}},"extras":{{"cin_census":{{"rest":{rest}}}}}}}'
    report = translate(Document.of("in.jsonl", line.encode()), "canonical", "cin_census", tmp_path / "out.xml")
    (refused,) = report.as_dict()["refusals"]
    assert refused["place"] == "line 1"
    assert "extras" in refused["reason"] + refused["row"]
    assert "fault of the hub" not in refused["reason"]


def test_nothing_is_written_when_no_record_is_good(tmp_path: Path) -> None:
    report = translate(Document.of("empty.xml", b""), "cin_census", "canonical", tmp_path / "x.jsonl")
    assert report.stopped is not None
    assert not (tmp_path / "x.jsonl").exists()


def test_no_records_at_all_give_a_valid_empty_document(tmp_path: Path) -> None:
    report = translate(Document.of("none.json", b"[]"), "dfe_csc_api", "contactpoint", tmp_path / "x.xml")
    assert report.well
    assert list(trees("contactpoint", Document.at(tmp_path / "x.xml"))) == []


def test_strict_refuses_a_document_that_breaks_its_schema_and_names_each_breach(samples: Path, tmp_path: Path) -> None:
    document = changed(samples, "<ReferralNFA>0<", "<ReferralNFA>true<", count=2)
    report = translate(document, "cin_census", "canonical", tmp_path / "x.jsonl", strict=True)
    (problem,) = [one for one in report.as_dict()["problems"] if "ReferralNFA" in one["reason"]]
    assert problem["count"] == 2
    assert all(place.startswith("Child ") for place in problem["places"])
    assert not (tmp_path / "x.jsonl").exists()
    assert translate(document, "cin_census", "canonical", tmp_path / "x.jsonl").well


def test_strict_refuses_a_record_that_lacks_what_the_target_requires(samples: Path, tmp_path: Path) -> None:
    document = changed(Path(samples), "<Ethnicity>.*?</Ethnicity>", "")
    report = translate(document, "cin_census", "canonical", tmp_path / "x.jsonl")
    assert report.well
    again = translate(Document.at(tmp_path / "x.jsonl"), "canonical", "cin_census", tmp_path / "x.xml", strict=True)
    assert again.refused == 1
    assert again.as_dict()["refusals"][0]["row"] == "ChildCharacteristics.Ethnicity"


JUNK = {
    "empty": b"",
    "blank": b"   \n",
    "words": CANARY.encode(),
    "bytes": bytes(range(256)) + CANARY.encode(),
    "doctype": f'<!DOCTYPE Message [<!ENTITY x "{CANARY}">]><Message>&x;</Message>'.encode(),
    "root": f"<{CANARY}/>".encode(),
    "roots": f"<Message/><{CANARY}/>".encode(),
    "json": f'{{"{CANARY}": ['.encode(),
    "shape": f'{{"la_child_id": {{"{CANARY}": 1}}}}'.encode(),
    "deep": b"[" * 10_000,
    "large": b'{"a": "' + b"a" * 12_000_000 + b'"}',
}


@pytest.mark.parametrize("kind", JUNK)
@pytest.mark.parametrize("name", adapters.shipped())
def test_junk_is_refused_by_place_and_shows_no_value(name: str, kind: str, tmp_path: Path) -> None:
    target = "contactpoint" if name == "canonical" else "canonical"
    try:
        report = translate(Document.of("junk", JUNK[kind]), name, target, tmp_path / "x")
    except RecordError as error:
        report = Report(name, target, "junk", stopped=error)
    assert report.written == 0
    assert CANARY not in json.dumps(report.as_dict())
    assert "fault of the hub itself" not in json.dumps(report.as_dict())
    if not (name in ("canonical", "dfe_csc_api") and kind in ("empty", "blank")):
        assert not report.well
        assert not (tmp_path / "x").exists()


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """A format that cannot hold children of the year 2015."""
    for record in records:
        if record.tree["person"]["birth"].get("date", "").startswith("2015"):
            raise RecordError("this format has no such year", row="birth")
        yield "", record.id.encode() + b"\n"


adapter = Adapter("odd", canonical.read, write, {"record": Schema(())}, suffix=".txt")


def test_a_record_that_the_format_cannot_hold_is_refused_and_the_others_flow(samples: Path, tmp_path: Path) -> None:
    document = Document.at(sample(samples, "cin_census"))
    report = translate(document, "cin_census", "tests.test_translate", tmp_path / "x.txt")
    assert (report.read, report.written, report.refused) == (7, 6, 1)
    (cause,) = report.as_dict()["refusals"]
    assert (cause["row"], cause["place"][:7]) == ("birth", "Child 1")
    assert len((tmp_path / "x.txt").read_text("utf-8").splitlines()) == 6
    halted = translate(document, "cin_census", "tests.test_translate", io.BytesIO())
    assert halted.stopped is not None


def test_a_line_of_ours_is_that_of_the_records_tree() -> None:
    rng = Random(7)
    for name in ("cin_census", "fhir_r4", "dfe_csc_api"):  # bare numbers in extras come with the last two
        mapping = next(iter(load(name).values()))
        assert isinstance(mapping, Mapping)
        made = Records(mapping.plan(), rng)
        for record in (made.one(name) for _ in range(30)):
            assert encode(record) + b"\n" == canonical.line(Theirs("record", "", to_tree(record)))
    record = ChildRecord(extras={"council": Extra(rest={"Count": Token("20")})})
    assert encode(record) + b"\n" == canonical.line(Theirs("record", "", to_tree(record)))


def test_a_text_that_no_json_may_hold_refuses_its_record_by_name() -> None:
    line = b'{"source":{"link":"a","id":"1"},"person":{"ethnicity":"WBRI"}}\n'
    broken = [Theirs("record", "2", {"person": {"names": [{"family": "a\ud800"}]}}, place="line 2")]
    good = list(canonical.read(Document.of("x.jsonl", line)))
    source = replace(canonical.adapter, read=lambda document: iter([*good, *broken]))
    run, report = Run(source, canonical.adapter, (), False, ""), Report("x", "x", "x")
    assert run.next(good[0], report) is not None
    made = run.next(broken[0], report)
    assert made is not None
    assert not made.line
    with pytest.raises(RecordError, match="half a character"):
        list(canonical.write([made], {}))


# The report


def test_the_report_says_what_was_lost_and_why(samples: Path, tmp_path: Path) -> None:
    report = translate(Document.at(sample(samples, "cin_census")), "cin_census", "contactpoint", tmp_path / "x.xml")
    told = report.as_dict()
    lost = {one["path"]: one for one in told["account"]}
    assert lost["person.ethnicity"]["what"] == "withheld"
    assert "Schedule 1" in lost["person.ethnicity"]["reason"]
    assert all(one["reason"] and one["count"] for one in told["account"])
    assert told["mappings"]["contactpoint"][0]["files"] == ["mappings/contactpoint/child.toml"]
    assert told["totals"]["episodes"] == census(samples).count("<CINdetails>")


def test_a_narrowed_code_gives_the_note_of_its_table(samples: Path, tmp_path: Path) -> None:
    document = changed(samples, "<Sex>.</Sex>", "<GenderCurrent>0</GenderCurrent>", count=0)
    told = translate(document, "cin_census", "contactpoint", tmp_path / "x.xml").as_dict()
    (narrowed,) = [one for one in told["account"] if one["what"] == "narrowed"]
    assert narrowed["path"] == "person.gender"
    assert "cannot tell" in narrowed["reason"]


def test_no_value_of_a_record_is_in_a_report(samples: Path, tmp_path: Path) -> None:
    places = ("LAchildID", "UPN", "PersonBirthDate", "Sex", "Ethnicity", "CINreferralDate", "ReferralSource",
              "CINclosureDate", "ReferralNFA", "AssessmentFactors", "CINPlanStartDate", "Disability")  # fmt: skip
    for element in places:
        document = changed(samples, f"<{element}>.*?<", f"<{element}>{CANARY}<", count=0)
        for target in ("canonical", "contactpoint", "cin_census"):
            report = translate(document, "cin_census", target, path_for(tmp_path, target), strict=False)
            assert CANARY not in json.dumps(report.as_dict()), element
    for element in places:
        report = translate(changed(samples, f"<{element}>.*?<", f"<{element}>{CANARY}<"), "cin_census", "canonical",
                           tmp_path / "y.jsonl", strict=True)  # fmt: skip
        assert CANARY not in json.dumps(report.as_dict()), element


def test_a_fault_of_the_hub_in_one_record_refuses_that_record_and_shows_no_value(tmp_path: Path) -> None:
    from hub.errors import fault

    try:
        raise ValueError(CANARY)
    except ValueError as error:
        said = fault(error, place="Child 3")
    assert isinstance(said, RecordError)
    assert "ValueError at test_translate.py" in str(said)
    assert CANARY not in str(said)


# Wrong calls


def test_several_files_are_refused_for_a_stream(samples: Path) -> None:
    document = Document.at(sample(samples, "cin_census"))
    with pytest.raises(DeclarationError, match="several files"):
        translate(document, "cin_census", "ssd", io.BytesIO())


def test_a_stream_takes_a_format_of_one_file(samples: Path) -> None:
    out = io.BytesIO()
    report = translate(Document.at(sample(samples, "cin_census")), "cin_census", "canonical", out)
    assert len(out.getvalue().splitlines()) == report.written


def test_progress_counts_the_records(samples: Path) -> None:
    seen: list[int] = []
    document = Document.at(sample(samples, "contactpoint"))
    report = translate(document, "contactpoint", "canonical", io.BytesIO(), progress=seen.append)
    assert seen == list(range(1, report.read + 1))


# The public census file: facts of social-care.md 7.3


@pytest.fixture(scope="module")
def counted(public: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    out = tmp_path_factory.mktemp("census") / "children.jsonl"
    return translate(Document.at(public(CENSUS)), "cin_census", "canonical", out), out


def test_the_public_census_file_has_the_records_that_were_counted_in_it(counted: tuple[Report, Path]) -> None:
    report, out = counted
    assert report.well
    assert report.written == 332
    assert report.totals["episodes"] == 402
    assert report.totals["person.disabilities"] == 117
    assert not {"episodes[].assessments", "episodes[].enquiries", "episodes[].plans"} & report.totals.keys()
    records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len({one["source"]["id"] for one in records}) == 332
    held = [len(one["episodes"]) for one in records]
    assert (held.count(1), held.count(2), held.count(3)) == (270, 54, 8)
    genders = [one["person"]["gender"] for one in records]
    assert {code: genders.count(code) for code in "0192"} == {"0": 96, "1": 82, "9": 80, "2": 74}
    assert sum("death" in one["person"] for one in records) == 21
    episodes = [episode for one in records for episode in one["episodes"]]
    assert sum("reason" not in episode.get("closure", {}) for episode in episodes) == 150
    assert all(episode["referral"]["nfa"] is True for episode in episodes)
    flagged = [one for one in report.as_dict()["findings"] if one["kind"] == "check"]
    assert flagged[0]["count"] == 332 - 12


@pytest.mark.parametrize("through", [None, "canonical"])
def test_the_public_census_file_comes_back_with_the_same_tree_for_each_child(
    through: str | None, public: Callable[[str], Path], counted: tuple[Report, Path], tmp_path: Path
) -> None:
    out = tmp_path / "back.xml"
    if through:
        translate(Document.at(counted[1]), through, "cin_census", out)
    else:
        translate(Document.at(public(CENSUS)), "cin_census", "cin_census", out)
    found = adapters.find("cin_census")
    before, after = list(trees("cin_census", Document.at(public(CENSUS)))), list(trees("cin_census", Document.at(out)))
    assert len(before) == len(after) == 332
    for a, b in zip(before, after, strict=True):
        assert laws.same(found.normal(copy.deepcopy(a.tree)), found.normal(b.tree)), a.place
    assert out.read_text("utf-8").count("<ReferralNFA>true</ReferralNFA>") == 402


@pytest.mark.parametrize("target", ["ssd", "dfe_csc_api", "contactpoint"])
def test_the_public_census_file_goes_to_the_others_and_reads_back(
    target: str, public: Callable[[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / f"{target}.zip" if target != "contactpoint" else tmp_path / "index.xml"
    report = translate(Document.at(public(CENSUS)), "cin_census", target, out)
    assert report.well
    back = list(trees(target, Document.at(out)))
    assert len(back) == 332
    again = translate(Document.at(out), target, "canonical", tmp_path / "again.jsonl")
    assert again.written == 332


def test_one_bad_birth_date_in_332_is_331_records_and_one_named_refusal(
    public: Callable[[str], Path], tmp_path: Path
) -> None:
    text = public(CENSUS).read_text("utf-8")
    dates = list(re.finditer("<PersonBirthDate>(.*?)<", text))
    at = dates[100]
    spoiled = text[: at.start(1)] + CANARY + text[at.end(1) :]
    report = translate(Document.of("x.xml", spoiled.encode()), "cin_census", "canonical", tmp_path / "x.jsonl")
    assert (report.read, report.written, report.refused) == (332, 331, 1)
    (cause,) = report.as_dict()["refusals"]
    assert cause["count"] == 1
    assert re.match(r"Child \d+, line \d+", cause["place"])
    assert CANARY not in json.dumps(report.as_dict())


@pytest.mark.parametrize("name", ["CIN_Census_2021.xml", "CIN_Census_2024.xml", "CIN_Census_2026.xml", "cin-2022.xml"])
def test_the_other_public_census_files_come_back_the_same(
    name: str, public: Callable[[str], Path], tmp_path: Path
) -> None:
    document = Document.at(public(f"cin_census/{name}"))
    translate(document, "cin_census", "cin_census", tmp_path / "x.xml")
    found = adapters.find("cin_census")
    good = [one for one in found.read(document) if isinstance(one, Theirs)]
    for a, b in zip(good, trees("cin_census", Document.at(tmp_path / "x.xml")), strict=True):
        assert laws.same(found.normal(a.tree), found.normal(b.tree))
