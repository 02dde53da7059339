"""The children in need census: every edition is read, comes back whole, and is checked against its published schema."""

from __future__ import annotations

import copy
import csv
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from msgspec import UNSET

from adapters.canonical import adapter as canonical
from adapters.cin_census import adapter, code_list, validator
from hub import mapping
from hub.adapter import Theirs, Tree
from hub.errors import RecordError
from hub.mapping import Mapping, account
from hub.model import from_tree
from hub.wire import Document

OWN = ["southmere-2023.xml", "northshire-2025.xml", "northshire-2026.xml"]
PUBLIC = ["CIN_Census_2021.xml", "cin-2022.xml", "CIN_Census_2024.xml", "CIN_Census_2026.xml", "fake_CIN_data.xml"]


@pytest.fixture(params=[*OWN, *PUBLIC])
def document(request: pytest.FixtureRequest, samples: Path, public: Callable[[str], Path]) -> Document:
    name: str = request.param
    return Document.at(samples / "cin_census" / name if name in OWN else public(f"cin_census/{name}"))


def children(document: Document) -> list[Theirs]:
    return [found for found in adapter.read(document) if isinstance(found, Theirs)]


def census(*bodies: str, year: str = "2025") -> Document:
    header = f"<Header><CollectionDetails><Year>{year}</Year></CollectionDetails></Header>" if year else ""
    return Document.of("c.xml", f"<Message>{header}<Children>{''.join(bodies)}</Children></Message>".encode())


def child(known: str, rest: str = "<Sex>F</Sex>", details: str = "") -> str:
    return f"<Child><ChildIdentifiers><LAchildID>{known}</LAchildID>{rest}</ChildIdentifiers>{details}</Child>"


def write(records: list[Theirs], head: Tree) -> bytes:
    chunks = list(adapter.write(iter(records), head))
    assert {part for part, _ in chunks} == {""}
    return b"".join(data for _, data in chunks)


# Reading


def test_what_is_written_is_read_again(document: Document) -> None:
    found = children(document)
    again = children(Document.of(document.name, write(found, found[0].head)))
    assert [(one.id, one.tree, one.edition, one.head) for one in again] == [
        (one.id, one.tree, one.edition, one.head) for one in found
    ]


def test_the_header_is_the_head(samples: Path) -> None:
    head = children(Document.at(samples / "cin_census" / OWN[1]))[0].head
    assert (head["as_of"], head["edition"]) == ("2025-03-31", "2025")
    assert head["Header"]["Source"]["LEA"] == "999"


def test_the_counts_of_the_public_file_are_right(public: Callable[[str], Path]) -> None:
    found = children(Document.at(public("cin_census/fake_CIN_data.xml")))
    details = [detail for one in found for detail in one.tree["CINdetails"]]
    assert (len(found), len({one.id for one in found}), len(details)) == (332, 332, 402)
    assert Counter(len(one.tree["CINdetails"]) for one in found) == {1: 270, 2: 54, 3: 8}
    disabilities = [one.tree["ChildCharacteristics"].get("Disabilities", {"Disability": []}) for one in found]
    assert sum(len(group["Disability"]) for group in disabilities) == 117
    genders = Counter(one.tree["ChildIdentifiers"]["GenderCurrent"] for one in found)
    assert genders == {"0": 96, "1": 82, "9": 80, "2": 74}
    assert sum("PersonDeathDate" in one.tree["ChildIdentifiers"] for one in found) == 21
    assert sum("ReasonForClosure" not in detail for detail in details) == 150
    assert Counter(detail["ReferralNFA"] for detail in details) == {"true": 402}
    assert not any({"Assessments", "Section47", "CINPlanDates", "ChildProtectionPlans"} & set(d) for d in details)


def test_stray_text_and_empty_groups_are_kept(public: Callable[[str], Path]) -> None:
    first, second = children(Document.at(public("cin_census/CIN_Census_2026.xml")))
    assert first.tree["ChildIdentifiers"]["#text"] == ["PersonBirthDate"]
    assert second.tree["CINdetails"][0]["Assessments"][0]["FactorsIdentifiedAtAssessment"] == {}


BLOCK = "<CINdetails><PreProceedingsandFGDM/></CINdetails>"


@pytest.mark.parametrize(
    ("body", "year", "edition"),
    [
        (child("1", "<GenderCurrent>1</GenderCurrent>"), "2022", "2022"),
        (child("1", "<GenderCurrent>1</GenderCurrent>"), "2023", "2023"),
        (child("1", "<GenderCurrent>1</GenderCurrent>"), "2026", "2024"),
        (child("1", "<GenderCurrent>1</GenderCurrent>"), "", "2024"),
        (child("1"), "2023", "2025"),
        (child("1"), "2026", "2026"),
        (child("1", details=BLOCK), "2023", "2026"),
        (child("1", "<GenderCurrent>1</GenderCurrent>", BLOCK), "2024", "2026"),
        (child("1", ""), "2023", "2023"),
        (child("1", ""), "2021", "2026"),
        (child("1", ""), "", "2026"),
        ("<Child/>", "2022", "2022"),
        ("<Child><ChildIdentifiers/><ChildIdentifiers/><CINdetails>x</CINdetails></Child>", "", "2026"),
    ],
)
def test_the_edition_is_read_from_the_shape(body: str, year: str, edition: str) -> None:
    assert [one.edition for one in children(census(body, year=year))] == [edition]


def test_a_repeated_id_is_an_error_and_the_others_flow() -> None:
    found = list(adapter.read(census(child("Zanzibar"), child("2"), child("Zanzibar"), child("3"))))
    assert [one.id if isinstance(one, Theirs) else str(one) for one in found] == [
        "Zanzibar",
        "2",
        "c.xml: Child 3, line 1: its LAchildID stands in this document before",
        "3",
    ]


@pytest.mark.parametrize("body", ["", "<ChildIdentifiers/>", "<ChildIdentifiers><LAchildID/></ChildIdentifiers>"])
def test_a_child_without_an_id_flows_for_the_mapping_to_judge(body: str) -> None:
    found = list(adapter.read(census(*[f"<Child>{body}</Child>"] * 2)))
    assert [one.id for one in found if isinstance(one, Theirs)] == ["", ""]


def test_a_header_that_is_not_the_first_thing_is_said() -> None:
    document = Document.of("c.xml", b"<Message><Children><Child/></Children><Header/></Message>")
    kinds = [type(found) for found in adapter.read(document)]
    assert kinds == [Theirs, RecordError]


def test_a_default_namespace_is_read_and_given_back() -> None:
    document = Document.of("c.xml", census(child("1")).open().read().replace(b"<Message>", b'<Message xmlns="urn:c">'))
    (found,) = children(document)
    assert found.tree == {"ChildIdentifiers": {"LAchildID": "1", "Sex": "F"}}
    assert b'<Message xmlns="urn:c">' in write([found], found.head)


def test_another_root_is_refused() -> None:
    with pytest.raises(RecordError, match="the root element is not Message"):
        list(adapter.read(Document.of("c.xml", b"<Zanzibar/>")))


# Writing


def test_no_children_make_an_empty_census_that_can_be_read() -> None:
    data = write([], adapter.head("2026-03-31", "2026"))
    start = b'<?xml version="1.0" encoding="UTF-8"?>\n<Message>\n<Header><CollectionDetails><Collection>CIN</'
    assert data.startswith(start)
    assert list(adapter.read(Document.of("c.xml", data))) == []


def test_children_of_another_format_get_a_header_of_the_edition() -> None:
    head = adapter.head("2025-03-31T00:00:00", "2025")
    (found,) = children(Document.of("c.xml", write([Theirs("Child", "1", {})], head)))
    assert (found.head["as_of"], found.head["edition"]) == ("2025-03-31", "2025")


# Junk


@given(st.data())
def test_a_damaged_census_is_a_record_error(data: st.DataObject) -> None:
    whole = bytearray((Path(__file__).parent / "samples" / "cin_census" / OWN[2]).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(whole)))
        whole[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8))
    document = Document.of("c.xml", bytes(whole))
    with suppress(RecordError):
        for found in adapter.read(document):
            assert isinstance(found, RecordError) or write([found], found.head)
    assert adapter.check
    with suppress(RecordError):
        assert all(isinstance(found, RecordError) for found in adapter.check(document))


@given(st.binary(max_size=200))
def test_junk_is_a_record_error(junk: bytes) -> None:
    with pytest.raises(RecordError):
        list(adapter.read(Document.of("c.xml", junk)))


# The published schema


def verdicts(document: Document, valid: Callable[[Any], bool]) -> list[bool]:
    root = etree.fromstring(document.open().read())
    return [valid(one) for one in root.iter("Child")]


@pytest.mark.parametrize("edition", ["2022", "2025", "2026"])
def test_our_schema_and_the_published_one_agree_on_every_child(
    edition: str, document: Document, public: Callable[[str], Path]
) -> None:
    """Whole documents and, by taking one thing away or spoiling it, hundreds of children that are nearly valid."""
    text = public(f"cin_census/CIN_schema_{edition}.xsd").read_bytes()
    alone = text.replace(b"</xs:schema>", b'<xs:element name="Child" type="childtype"/></xs:schema>')
    published, ours = etree.XMLSchema(etree.fromstring(alone)), validator(edition, newer=False)
    assert verdicts(document, published.validate) == verdicts(document, ours.validate)
    root = etree.fromstring(document.open().read())
    for one in list(root.iter("Child"))[:5]:
        for spoiled in mutations(one):
            assert published.validate(spoiled) == ours.validate(spoiled), [entry.path for entry in ours.error_log]


def mutations(element: Any) -> Iterator[Any]:
    words = ["", "1", "true", "2024-02-30", "2024-01-31", "NONE", "-1", "A123456789012B"]
    for place in range(len(list(element.iter()))):
        for word in [None, "twice", *words]:
            spoiled = copy.deepcopy(element)
            target = list(spoiled.iter())[place]
            if word is None and target is not spoiled:
                target.getparent().remove(target)
            elif word == "twice" and target is not spoiled:
                target.addnext(copy.deepcopy(target))
            elif word not in (None, "twice") and not len(target):
                target.text = word
            else:
                continue
            yield spoiled


def test_the_code_lists_of_every_edition_are_the_published_ones(root: Path) -> None:
    facts = root.parent / "shared" / "domain" / "tables" / "cin_codes_all_years.csv"
    if not facts.exists():
        pytest.skip("the table of published code lists is not here")
    said: dict[tuple[str, str], set[str]] = {}
    for row in csv.DictReader(facts.read_text("utf-8").splitlines()):
        if row["year"] in adapter.editions and row["type"] in ELEMENTS:
            said.setdefault((row["year"], row["type"]), set()).add(row["code"])
    assert said
    for (year, kind), codes in said.items():
        assert set(code_list(ELEMENTS[kind], year)) == codes, (year, kind)


ELEMENTS = {
    "unknownupntype": "UPNunknown",
    "gendertype": "GenderCurrent",
    "sextype": "Sex",
    "ethnicitytype": "Ethnicity",
    "disabilitytype": "Disability",
    "referralsourcetype": "ReferralSource",
    "primaryneedcodetype": "PrimaryNeedCode",
    "reasonforclosuretype": "ReasonForClosure",
    "assessmentfactorstype": "AssessmentFactors",
    "categoryofabusetype": "InitialCategoryOfAbuse",
}


def test_our_own_samples_break_the_schema_only_where_they_mean_to(samples: Path) -> None:
    said = [str(error) for name in OWN for error in adapter.check(Document.at(samples / "cin_census" / name))]  # type: ignore[misc]
    assert len(said) == 1
    assert "northshire-2025.xml: Child 4, line" in said[0]
    assert "FactorsIdentifiedAtAssessment" in said[0]


def test_a_breach_names_line_and_element_and_no_value() -> None:
    body = child("1", "<PersonBirthDate>Zanzibar</PersonBirthDate><Sex>Zanzibar</Sex>", '<Odd k="Zanzibar"/>')
    said = [str(error) for error in adapter.check(census(body))]  # type: ignore[misc]
    assert said == [
        "c.xml: Child 1, line 1: PersonBirthDate is not of its type",
        "c.xml: Child 1, line 1: Sex is not a code of its list",
        "c.xml: Child 1, line 1: Odd is unknown, out of order, or stands where another is missing",
    ]


# The mapping


@pytest.fixture(scope="module")
def census_mapping() -> Mapping:
    (found,) = mapping.load("cin_census").values()
    assert isinstance(found, Mapping)
    return found


def test_every_field_of_both_sides_is_accounted_for(census_mapping: Mapping) -> None:
    assert list(account.faults(census_mapping)) == []


def test_every_child_comes_back_through_the_record(document: Document, census_mapping: Mapping) -> None:
    for one in children(document):
        before = copy.deepcopy(one.tree)
        assert census_mapping.create(census_mapping.inward(one).record).tree == before


def test_the_negated_element_is_read_the_right_way_round(samples: Path, census_mapping: Mapping) -> None:
    first = children(Document.at(samples / "cin_census" / OWN[1]))[0]
    record = census_mapping.inward(first).record
    (_, open_episode) = record.episodes  # type: ignore[misc]
    assert [enquiry.conference_required for enquiry in open_episode.enquiries] == [False, True]
    (conference,) = record.conferences  # type: ignore[misc]
    assert conference.enquiry == open_episode.enquiries[1].id
    assert conference.date == "2024-10-18"


def test_a_conference_that_the_referral_names_is_of_no_enquiry(samples: Path, census_mapping: Mapping) -> None:
    found = [one for one in children(Document.at(samples / "cin_census" / OWN[1])) if one.id == "NS1006"]
    before = copy.deepcopy(found[0].tree)
    record = census_mapping.inward(found[0]).record
    outside = [one for one in record.conferences if one.enquiry is UNSET]  # type: ignore[union-attr]
    assert [one.date for one in outside] == ["2024-06-28"]
    assert outside[0].episode in {one.id for one in record.episodes}  # type: ignore[union-attr]
    assert census_mapping.create(record).tree == before


# The record itself as JSON lines


def test_the_record_comes_back_from_json_lines(samples: Path) -> None:
    data = (samples / "canonical" / "children.jsonl").read_bytes()
    found = [one for one in canonical.read(Document.of("c.jsonl", data)) if isinstance(one, Theirs)]
    assert [one.id for one in found] == ["SM2002", "NS1001", "NS1003", "NS1006"]
    for one in found:
        from_tree(one.tree)
    again = b"".join(chunk for _, chunk in canonical.write(found, {}))
    assert [one.tree for one in canonical.read(Document.of("c.jsonl", again)) if isinstance(one, Theirs)] == [
        one.tree for one in found
    ]


def test_numbers_and_booleans_are_real_ones() -> None:
    line = b'{"source":{"id":"1","purged":false},"extras":{"x":{"rest":{"a":{"=":"1"},"b":null},"place":2}}}\n'
    (found,) = canonical.read(Document.of("c.jsonl", line))
    assert isinstance(found, Theirs)
    assert found.tree["source"]["purged"] is False
    assert found.tree["extras"]["x"]["place"] == 2
    assert b"".join(chunk for _, chunk in canonical.write([found], {})) == line


def test_a_bad_line_is_an_error_and_the_next_flows() -> None:
    found = list(canonical.read(Document.of("c.jsonl", b'{"a":1.5}\n[1]\n{"a\n{"source":{"id":"7"}}\n')))
    assert [one.id if isinstance(one, Theirs) else type(one) for one in found] == [RecordError] * 3 + ["7"]


# Memory

PROGRAM = """
import resource, sys
from adapters.cin_census import adapter
from hub.wire import Document
count = sum(len(chunk) > 0 for _, chunk in adapter.write(adapter.read(Document.at(sys.argv[1])), {}))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(path: Path, sample: bytes, count: int) -> int:
    start, _, rest = sample.partition(b"<Child>")
    body, _, end = rest.rpartition(b"</Child>")
    one = b"<Child>" + body.split(b"</Child>")[0] + b"</Child>\n"
    with open(path, "wb") as out:
        out.write(start)
        out.writelines(one.replace(b"NS1001", b"X%d" % ordinal) for ordinal in range(count))
        out.write(end)
    command = [sys.executable, "-c", PROGRAM, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    chunks, kilobytes = map(int, ran.stdout.split())
    assert chunks == count + 3
    return kilobytes


def test_memory_stays_flat(samples: Path, tmp_path: Path) -> None:
    sample = (samples / "cin_census" / OWN[1]).read_bytes()
    assert peak(tmp_path / "large.xml", sample, 20_000) - peak(tmp_path / "small.xml", sample, 2_000) < 6_000
