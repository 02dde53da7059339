"""The DfE's daily flow: what is read and written, batches, purge, and the published schema."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dfe_csc_api import adapter, check
from hub.adapter import Theirs
from hub.errors import RecordError
from hub.mapping import Mapping, account, load
from hub.model import ChildRecord, from_tree
from hub.wire import Document
from hub.wire.jsontext import Token

PUBLIC = [
    "dfe_spec_sample_record.json",
    "record0_spec_maximal.json",
    "record1_new_pending.json",
    "record2_new_error.json",
]


def read(document: Document) -> tuple[list[Theirs], list[str]]:
    """The records and the errors of a document, the one that ends it included."""
    records, errors = [], []
    try:
        for one in adapter.read(document):
            if isinstance(one, RecordError):
                errors.append(str(one))
            else:
                records.append(one)
    except RecordError as error:
        errors.append(str(error))
    return records, errors


def write(records: list[Theirs]) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    for part, data in adapter.write(records, {}):
        parts[part] = parts.get(part, b"") + data
    return parts


def faults(*children: Any) -> list[str]:
    """What the published schema says of children."""
    return [f"{error.place}: {error.reason}" for error in check(Document.of("in.json", json.dumps(children).encode()))]


@pytest.fixture
def children(samples: Path) -> Document:
    return Document.at(samples / "dfe_csc_api" / "children.json")


def test_the_children_of_the_sample(children: Document) -> None:
    records, errors = read(children)
    assert errors == []
    assert [record.id for record in records] == ["NS1001", "NS1005", "NS1004"]
    assert {record.edition for record in records} == {"1.0.1"}
    assert records[2].tree == {"la_child_id": "NS1004", "purge": "true"}
    assert type(records[2].tree["purge"]) is Token
    assert records[0].tree["health_and_wellbeing"] == {"sdq_assessments": [], "purge": "false"}
    assert "disabilities" not in records[0].tree["child_details"]
    assert records[1].place == "record 2, line 99"


def test_an_array_an_object_lines_and_parts_are_read_alike(children: Document) -> None:
    records, _ = read(children)
    one = [json.dumps(child).encode() for child in json.loads(children.open().read())]
    lines = b"\n".join(one)
    assert read(Document.of("in.jsonl", lines))[0][1].tree == records[1].tree
    assert read(Document.of("in.json", one[0]))[0][0].tree == records[0].tree
    parts = {"a.json": b"[" + one[0] + b"]", "b.json": b"[", "c.json": one[1]}
    found, errors = read(Document.of("batch", parts))
    assert [record.id for record in found] == ["NS1001", "NS1005"]
    assert found[1].place == "c.json, record 1"
    assert len(errors) == 1
    assert errors[0].startswith("batch/b.json: record 1")


def test_reading_what_was_written_gives_the_same(children: Document) -> None:
    records, _ = read(children)
    written = write(records)
    assert list(written) == [""]
    assert json.loads(written[""]) == json.loads(children.open().read())
    again, errors = read(Document.of("out.json", written))
    assert errors == []
    assert [record.tree for record in again] == [record.tree for record in records]
    assert write(again) == written


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_samples_come_back(name: str, public: Callable[[str], Path]) -> None:
    document = Document.at(public(f"dfe_csc_api/{name}"))
    records, errors = read(document)
    assert (len(records), errors) == (1, [])
    assert json.loads(write(records)[""]) == [json.loads(document.open().read())]
    assert list(check(document)) == []


def test_what_is_written_satisfies_the_published_schema(children: Document, public: Callable[[str], Path]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    published = json.loads(public("dfe_csc_api/openapi-1.0.1.json").read_text())["components"]["schemas"]["CSC"]
    records, _ = read(children)
    validator = jsonschema.Draft202012Validator(published, format_checker=jsonschema.FormatChecker())
    assert list(validator.iter_errors(json.loads(write(records)[""]))) == []
    mapping = load("dfe_csc_api")["child"]
    made = [mapping.create(mapping.inward(record).record).tree for record in copy.deepcopy(records)]
    text = write([Theirs("child", "", tree) for tree in made])[""]
    assert list(validator.iter_errors(json.loads(text))) == []


def test_a_child_never_has_the_hundred_refused(public: Callable[[str], Path]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    published = json.loads(public("dfe_csc_api/openapi-1.0.1.json").read_text())["components"]["schemas"]["CSC"]
    mapping = load("dfe_csc_api")["child"]
    record = from_tree(
        {
            "source": {"id": "NS1001"},
            "person": {
                "identifiers": [
                    {"system": "upn", "use": "current", "value": "A95000017830"},
                    {"system": "supplier", "use": "current", "value": "1.0x2"},
                ],
                "disabilities": [{"code": "LD"}, {"code": "MOB"}, {"code": "LD"}],
            },
            "episodes": [{"id": "e", "assessments": [{"id": "a", "factors": ["3A", "18B", "3A"]}]}],
            "involvements": [
                {"kind": "worker", "episode": "e", "professional": {"id": "j.smith"}, "period": {"start": "2025-01-07"}}
            ],
        }
    )
    assert isinstance(record, ChildRecord)
    made = mapping.create(record)
    told = json.loads(write([Theirs("child", "", made.tree)])[""])
    assert list(jsonschema.Draft202012Validator(published).iter_errors(told)) == []
    assert told[0]["child_details"] == {"disabilities": ["LD", "MOB"]}
    assert told[0]["social_care_episodes"][0]["child_and_family_assessments"][0]["factors"] == ["3A", "18B"]
    assert told[0]["social_care_episodes"][0]["care_worker_details"] == [{"start_date": "2025-01-07"}]
    assert made.account["unsayable", "person.identifiers[].value"] == 2
    assert made.account["unsayable", "involvements[].professional.id"] == 1
    assert record.source
    record.source.id = "NS-1001"
    with pytest.raises(RecordError, match="cannot be said"):
        mapping.create(record, strict=True)


def test_a_worker_of_a_sensitive_service_is_not_told() -> None:
    workers = [
        {"kind": "worker", "episode": "e", "professional": {"registration": "SW999001"}},
        {"kind": "worker", "episode": "e", "professional": {"registration": "SW999002"}, "sensitive": True},
    ]
    record = from_tree({"episodes": [{"id": "e"}], "involvements": workers})
    assert isinstance(record, ChildRecord)
    made = load("dfe_csc_api")["child"].create(record)
    assert made.tree["social_care_episodes"][0]["care_worker_details"] == [{"worker_id": "SW999001"}]
    assert ("sensitive", "involvements[].professional.registration") in made.account


def test_a_conference_that_was_not_held_does_not_hide_the_one_that_was() -> None:
    mapping = load("dfe_csc_api")["child"]
    planned = {"id": "1", "episode": "e", "enquiry": "q", "target": "2025-01-27"}
    held = {"id": "2", "episode": "e", "enquiry": "q", "target": "2025-02-10", "date": "2025-02-07"}
    for conferences in ([planned, held], [held, planned]):
        record = from_tree({"episodes": [{"id": "e", "enquiries": [{"id": "q"}]}], "conferences": conferences})
        assert isinstance(record, ChildRecord)
        made = mapping.create(record)
        (enquiry,) = made.tree["social_care_episodes"][0]["section_47_assessments"]
        assert enquiry["icpc_date"] == "2025-02-07"
        assert (
            made.account["withheld", "conferences[].target"] + made.account.get(("second", "conferences[].target"), 0)
            == 2
        )


def test_our_own_schema_is_the_published_one(public: Callable[[str], Path]) -> None:
    published = json.loads(public("dfe_csc_api/openapi-1.0.1.json").read_text())["components"]["schemas"]["CSC"]
    said = {path: (length, required) for path, length, required in _published(published["items"], "")}
    cells = adapter.schemas["child"].cells
    assert {cell.path: (cell.length, cell.required) for cell in cells if cell.type != "group"} == said


def _published(node: Any, path: str, required: bool = False) -> Iterator[tuple[str, int, bool]]:
    if node["type"] == "object":
        for name, below in node["properties"].items():
            yield from _published(below, f"{path}.{name}" if path else name, name in node.get("required", ()))
    elif node["type"] == "array":
        yield from _published(node["items"], f"{path}[]")
    else:
        yield path, node.get("maxLength", 0), required


def _child(number: int) -> Theirs:
    return Theirs("child", str(number), {"la_child_id": f"C{number}"})


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_an_array_holds_a_hundred_at_most(count: int, sizes: list[int]) -> None:
    parts = write([_child(number) for number in range(count)])
    assert [len(json.loads(data)) for data in parts.values()] == sizes
    named = [f"children-{number:04d}.json" for number in range(1, len(sizes) + 1)]
    assert list(parts) == (named if len(sizes) > 1 else [""])
    found, errors = read(Document.of("batch", parts))
    assert (len(found), errors) == (count, [])


def test_fields_are_written_in_the_order_of_the_specification_and_unknown_ones_behind() -> None:
    tree = {
        "new": {"b": "1", "a": "2"},
        "purge": Token("false"),
        "child_details": {"surname": "x", "new": None, "first_name": "y"},
        "la_child_id": "1",
    }
    details = b'"child_details":{"first_name":"y","surname":"x","new":null}'
    text = b'{"la_child_id":"1","purge":false,' + details + b',"new":{"b":"1","a":"2"}}'
    assert write([Theirs("child", "1", tree)])[""] == b"[\n" + text + b"\n]\n"


EPISODES, SDQ = "social_care_episodes", "health_and_wellbeing"


@pytest.mark.parametrize(
    ("child", "fault"),
    [
        ({"la_child_id": "a-b"}, "la_child_id: an id has a character that none may have"),
        ({"la_child_id": "x" * 21}, "la_child_id: longer than 20 characters"),
        ({"la_child_id": "A0x1"}, "la_child_id: an id holds 0x, which the DfE's firewall turns away"),
        ({"la_child_id": 7}, "la_child_id: a text is expected"),
        ({"purge": "true"}, "purge: true or false is expected"),
        ({"purge": None}, "purge: null may not stand here"),
        ({"Secret": 1}, "?: the specification has no such field here"),
        ({"surname": "x"}, "surname: the specification has no such field here"),
        ({"child_details": {"sex": "male"}}, "child_details.sex: longer than 1 characters"),
        ({"child_details": {"unique_pupil_number": "1"}}, "child_details.unique_pupil_number: a UPN has 13 characters"),
        (
            {"child_details": {"date_of_birth": "2015-02-30"}},
            "child_details.date_of_birth: a day YYYY-MM-DD is expected",
        ),
        (
            {"child_details": {"disabilities": ["LD"] * 2}},
            "child_details.disabilities: at most 12 different codes may stand here",
        ),
        ({EPISODES: [{}]}, f"{EPISODES}[1].social_care_episode_id: a required field is missing"),
        ({SDQ: {"sdq_assessments": [{"score": "7"}]}}, f"{SDQ}.sdq_assessments[1].score: a whole number is expected"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_breaks_the_published_schema_is_named(child: Any, fault: str) -> None:
    assert faults({"la_child_id": "1", **child}) == [f"record 1, line 1, {fault}"]


def test_a_child_without_its_id_breaks_the_published_schema() -> None:
    assert faults({}) == ["record 1, line 1, la_child_id: a required field is missing"]


def test_more_than_a_hundred_in_one_array_are_named() -> None:
    assert len(faults(*({"la_child_id": str(number)} for number in range(101)))) == 1


@given(st.binary(max_size=300))
def test_junk_is_refused_and_never_crashes(junk: bytes) -> None:
    read(Document.of("in.json", junk))
    read(Document.of("in.json", b'[{"la_child_id":' + junk))


_KEYS = st.sampled_from(
    ["la_child_id", "child_details", "disabilities", "purge", "social_care_episodes", "factors", "x"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(_KEYS, below, max_size=4),
)


@given(st.lists(st.dictionaries(_KEYS, _JSON), max_size=3))
def test_any_json_comes_back_and_can_be_checked(children: list[Any]) -> None:
    try:
        text = json.dumps(children).encode()
    except UnicodeEncodeError:
        return
    records, errors = read(Document.of("in.json", text))
    if not errors:
        assert json.loads(write(records)[""]) == children
    faults(*children)


def test_every_field_is_accounted_for() -> None:
    mapping = load("dfe_csc_api")["child"]
    assert isinstance(mapping, Mapping)
    assert list(account.faults(mapping)) == []


def test_what_the_sample_means(children: Document) -> None:
    mapping = load("dfe_csc_api")["child"]
    amara, noor, callum = [mapping.inward(record).record for record in read(children)[0]]
    assert callum.source.purged is True  # type: ignore[union-attr]
    assert [one.removed for one in amara.episodes[1].assessments] == [False, True]  # type: ignore[union-attr]
    (conference,) = amara.conferences  # type: ignore[misc]
    assert (conference.enquiry, conference.episode, conference.date) == ("S1", "R2", "2024-11-18")
    assert [one.placement.kind for one in noor.care.episodes] == ["U6", "U4"]  # type: ignore[union-attr]
    assert {one.referral for one in noor.care.episodes} == {"R6"}  # type: ignore[union-attr]
    assert noor.care.permanence[0].removed is True  # type: ignore[union-attr]
    assert noor.health.strengths[0].score == "14"  # type: ignore[union-attr]
