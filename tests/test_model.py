"""The model says of every field what it means; codes, conditions, trees and schema agree with it."""

from __future__ import annotations

import io
import json
import pprint
from importlib import resources

import jsonschema
import pytest
from hypothesis import given, settings
from rich.console import Console
from rich.pretty import pretty_repr

from hub.errors import DeclarationError, RecordError
from hub.model import (
    CONDITIONS,
    Address,
    Birth,
    Caf,
    CafConsent,
    Care,
    CareEpisode,
    ChildRecord,
    Disability,
    Episode,
    Extra,
    Identifier,
    Involvement,
    Item,
    Name,
    Part,
    Person,
    Plan,
    Referral,
    Relationship,
    ServiceConsent,
    Source,
    Visit,
    check_codes,
    code_list,
    code_lists,
    code_rows,
    decode,
    digest,
    encode,
    fields,
    from_tree,
    is_code,
    leaves,
    lists,
    structs,
    to_tree,
)
from hub.model.schema import FILE, schema, text
from tests.records import records

BY_PATH = {leaf.path: leaf for leaf in leaves()}
laws = settings(max_examples=100, deadline=None)


# Declarations


@pytest.mark.parametrize("struct", structs(), ids=lambda struct: struct.__name__)
def test_every_field_has_a_meaning_and_a_sentence_says_it(struct: type[Part]) -> None:
    assert struct.__doc__
    assert "kw_only" not in struct.__doc__
    for field in fields(struct):
        assert field.leaf.meaning.endswith("."), field.name
        assert (field.part is None) == (field.shape in ("leaf", "values"))
        assert bool(field.value) == (field.part is None)


def test_every_code_list_that_is_named_exists_and_every_list_is_named() -> None:
    assert {leaf.field.leaf.codes for leaf in leaves()} - {""} == set(code_lists())


def test_every_reference_names_a_list() -> None:
    found = {leaf.path: leaf.field.leaf.refers for leaf in leaves() if leaf.field.leaf.refers}
    assert set(found.values()) <= set(lists())
    assert found["visits[].plan"] == "episodes[].plans"
    assert len(found) == 10


def test_every_guard_is_a_condition() -> None:
    assert {guard for leaf in leaves() for guard in leaf.guards} <= set(CONDITIONS)
    assert BY_PATH["person.addresses[].postcode"].guards == ("shielded",)
    assert BY_PATH["caf[].elements[].needs"].guards == ("no_consent_to_share",)
    assert BY_PATH["person.names[].given"].guards == ()


def test_ids_keys_kinds_birth_and_inputs_of_conditions_are_critical() -> None:
    critical = {leaf.path for leaf in leaves() if leaf.field.leaf.critical}
    assert {
        "source.id",
        "source.purged",
        "person.identifiers[].system",
        "person.identifiers[].value",
        "person.birth.date",
        "person.shielded",
        "families[].family",
        "involvements[].kind",
        "involvements[].sensitive",
        "episodes[].plans[].kind",
        "visits[].kind",
    } <= critical
    for condition in CONDITIONS.values():
        assert set(condition.inputs) <= critical
    assert {f"{path}[].{name}" for path in lists() for name in ("id", "removed", "stub")} <= critical
    assert "person.death.date" not in critical


def test_paths_show_lists_by_brackets() -> None:
    assert len(BY_PATH) == len(leaves())
    expected = {
        "episodes[].referral.date": ("leaf", "date"),
        "person.birth.date": ("leaf", "partial_date"),
        "person.disabilities[].code": ("leaf", "code"),
        "episodes[].assessments[].factors": ("values", "code"),
        "person.addresses[].lines": ("values", "text"),
        "source.as_of": ("leaf", "datetime"),
        "care.episodes[].placement.distance": ("leaf", "decimal"),
        "episodes[].plans[].previous": ("leaf", "integer"),
        "visits[].removed": ("leaf", "boolean"),
        "caf[].id": ("leaf", "text"),
    }
    for path, (shape, value) in expected.items():
        assert (BY_PATH[path].field.shape, BY_PATH[path].field.value) == (shape, value)
    assert "episodes[].plans[].reviews" in lists()
    assert not any("extras" in path for path in BY_PATH)


def test_only_items_stand_in_lists_and_extras_only_on_them_and_the_record() -> None:
    for struct in structs():
        for field in fields(struct):
            if field.shape == "list":
                assert field.part
                assert issubclass(field.part, Item)
        assert ("extras" in struct.__struct_fields__) == (issubclass(struct, Item) or struct is ChildRecord)


# Codes


@pytest.mark.parametrize("name", code_lists())
def test_a_list_has_each_code_once_with_a_label(name: str) -> None:
    rows = code_rows(name)
    assert len(code_list(name)) == len(rows)
    for row in rows:
        assert row.code.strip() == row.code
        assert row.code
        assert row.label
        assert not row.since or not row.until or row.since <= row.until


def test_codes_since_dropped_are_kept_with_their_years() -> None:
    rows = {row.code: row for name in ("placement", "care_end", "assessment_factor") for row in code_rows(name)}
    assert rows["H5"].until == rows["P2"].until == "2024"
    assert rows["E43"].until == "2017"
    assert rows["E45"].since == "2019"
    assert rows["24A"].since == "2022"


def test_the_documentation_of_the_lists_names_them_all() -> None:
    readme = (resources.files("hub.model") / "codes" / "README.md").read_text("utf-8")
    assert [name for name in code_lists() if f"`{name}`" not in readme] == []


def test_an_unknown_list_is_a_mistake_of_a_declaration() -> None:
    with pytest.raises(DeclarationError, match="no_such"):
        code_list("no_such")


def test_identifier_systems_are_open_for_hl7_authorities_alone() -> None:
    assert is_code("identifier_system", "hl7:RX1")
    assert is_code("identifier_system", "nhs")
    assert not is_code("identifier_system", "rx1")
    assert not is_code("sex", "hl7:M")


def test_bad_codes_are_found_and_their_values_not_told() -> None:
    record = ChildRecord(
        person=Person(sex="M", gender="secret", disabilities=[Disability(code="LD"), Disability(code="secret")]),
        care=Care(episodes=[CareEpisode(end_reason=None)]),
    )
    assert list(check_codes(record)) == [("person.gender", "gender"), ("person.disabilities[].code", "disability")]


# Privacy


def test_no_repr_shows_a_value() -> None:
    secret = "Zebedee"
    person = Person(names=[Name(given=secret)], religion=secret, addresses=[Address(lines=[secret])])
    extras = {"north": Extra(rest={"x": secret}, spell={"y": secret})}
    record = ChildRecord(person=person, extras=extras, source=Source(id=secret))
    console = Console(file=io.StringIO(), width=80)
    console.print(record, person, extras, [record])
    shown = [
        repr(record),
        str([record, person.names]),
        f"{person} {extras}",
        pprint.pformat([record, {"a": person}]),
        pretty_repr(record, expand_all=True),
        pretty_repr([record, extras], max_depth=9),
        console.file.getvalue(),  # type: ignore[attr-defined]
    ]
    assert not [text for text in shown if secret in text]
    assert all(f"{struct.__name__}(…)" == repr(struct()) for struct in structs())


# Conditions


def test_a_child_is_shielded_only_if_a_source_says_so() -> None:
    judge = CONDITIONS["shielded"]
    assert judge(ChildRecord(person=Person(shielded=True))) is True
    assert judge(Person(shielded=True)) is True
    assert judge(ChildRecord()) is judge(Person()) is judge(ChildRecord(person=None)) is False
    assert judge(Address()) is None


def test_a_sensitive_service_needs_consent_or_suspected_harm() -> None:
    def judged(consent: ServiceConsent | None, sensitive: bool | None = True) -> bool | None:
        return CONDITIONS["no_consent_to_share"](Involvement(sensitive=sensitive, consent=consent))

    assert judged(None) is judged(ServiceConsent()) is judged(ServiceConsent(basis="consent")) is True
    assert judged(ServiceConsent(given=False)) is True
    assert judged(ServiceConsent(given=True)) is judged(ServiceConsent(given=False, basis="significant_harm")) is False
    assert judged(None, sensitive=False) is judged(None, sensitive=None) is False
    assert CONDITIONS["sensitive"](Involvement(sensitive=True)) is True
    assert CONDITIONS["sensitive"](Involvement()) is False
    assert CONDITIONS["sensitive"](Caf()) is None


def test_a_common_assessment_needs_consent_to_be_shared() -> None:
    judge = CONDITIONS["no_consent_to_share"]
    assert (
        judge(Caf())
        is judge(Caf(consent=CafConsent(share=None)))
        is judge(Caf(consent=CafConsent(share=False)))
        is True
    )
    assert judge(Caf(consent=CafConsent(share=True))) is False
    assert judge(ChildRecord()) is None


def test_a_number_is_unverified_if_its_source_says_so() -> None:
    judge = CONDITIONS["unverified"]
    assert judge(Identifier(system="nhs", status="03")) is judge(Identifier(system="nhs", status="other:x")) is True
    assert judge(Identifier(system="nhs", status="01")) is judge(Identifier(system="nhs")) is False
    assert judge(ChildRecord()) is None


def test_a_number_other_than_the_nhs_number_is_local_and_some_have_a_system_of_one_format_alone() -> None:
    told = {
        system: [CONDITIONS[name](Identifier(system=system)) for name in ("local", "hl7_system", "fhir_system")]
        for system in ("nhs", "upn", None, "hl7:RZZ99^MR", "fhir:urn:x")
    }
    assert told == {
        "nhs": [False, False, False],
        "upn": [True, False, False],
        None: [True, False, False],
        "hl7:RZZ99^MR": [True, True, False],
        "fhir:urn:x": [True, False, True],
    }


def test_removed_and_stub_are_said_of_items() -> None:
    assert CONDITIONS["removed"](Episode(removed=True)) is CONDITIONS["stub"](Episode(stub=True)) is True
    assert CONDITIONS["removed"](Episode()) is CONDITIONS["stub"](Episode(stub=None)) is False
    assert CONDITIONS["removed"](ChildRecord()) is None


def test_a_condition_has_a_say_only_on_what_it_names_and_reads_only_its_inputs() -> None:
    for name, condition in CONDITIONS.items():
        assert condition.name == name
        assert condition.judge.__doc__
        assert "UNSET" in condition.judge.__doc__
        assert condition.inputs
        assert set(condition.inputs) <= set(BY_PATH)
        for struct in structs():
            assert (condition(struct()) is None) == (not issubclass(struct, condition.applies))


# Bytes and trees


@laws
@given(records())
def test_a_record_comes_back_from_bytes_and_from_a_tree(record: ChildRecord) -> None:
    assert decode(encode(record)) == record
    assert from_tree(to_tree(record)) == record
    assert json.loads(encode(record)) == to_tree(record)


BAD = [
    ({"person": {"sex": 4}}, "person.sex"),
    ({"person": {"birth": {"date": "2015-02-30"}}}, "person.birth.date"),
    ({"person": {"birth": {"date": "2015-13"}}}, "person.birth.date"),
    ({"person": {"birth": {"date": "0000"}}}, "person.birth.date"),
    ({"episodes": [{"referral": {"date": "2023-02-30"}}]}, "episodes[0].referral.date"),
    ({"episodes": [{"referral": {"date": "2023-02-20\n"}}]}, "episodes[0].referral.date"),
    ({"episodes": [{"referral": {"date": "20/02/2023"}}]}, "episodes[0].referral.date"),
    ({"source": {"as_of": "2023-02-20T25:00:00"}}, "source.as_of"),
    ({"source": {"as_of": "2023-02-20T10:00:00 secret"}}, "source.as_of"),
    ({"care": {"episodes": [{"placement": {"distance": "1.5 secret"}}]}}, "care.episodes[0].placement.distance"),
    ({"care": {"episodes": [{"placement": {"distance": "1.5\n"}}]}}, "care.episodes[0].placement.distance"),
    ({"episodes": "secret"}, "episodes"),
    ({"episodes": [{"plans": [{"previous": "secret"}]}]}, "episodes[0].plans[0].previous"),
    ({"person": {"secret name!": 1}}, "person"),
]


@pytest.mark.parametrize(("tree", "place"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_bad_tree_is_refused_by_its_place_and_not_its_value(tree: object, place: str) -> None:
    with pytest.raises(RecordError) as caught:
        from_tree(tree)
    assert caught.value.place == place
    assert not any(value in str(caught.value) for value in ("secret", "2015-02-30", "2023-02-30", "20/02/2023"))


def test_good_days_and_moments_pass() -> None:
    moments = ["2024-02-29", "2024-02-29T10:15", "2024-02-29T10:15:30.25Z", "2024-02-29T10:15:30+01:00"]
    for moment in moments:
        assert from_tree({"source": {"as_of": moment}}).source == Source(as_of=moment)
    for day in ("2024", "2024-02", "2024-02-29"):
        assert from_tree({"person": {"birth": {"date": day}}}).person == Person(birth=Birth(date=day))


def test_an_unknown_field_is_refused_so_that_nothing_is_lost_unsaid() -> None:
    with pytest.raises(RecordError, match="religon"):
        decode(b'{"person": {"religon": "x"}}')
    with pytest.raises(RecordError):
        decode(b'{"person": ')


class Bare(str):
    """A token, as adapters keep them."""


def test_tokens_in_extras_come_back_as_tokens() -> None:
    rest = {"a": Bare("20"), "b": ["20", {"c": Bare("true")}], "#bare": "20", "d": {"#bare": None}}
    extras = {"north": Extra(rest=rest, spell={"row": Bare("1")})}
    record = ChildRecord(extras=extras, person=Person(names=[Name(id="1", extras=extras)]))
    for back in (decode(encode(record), bare=Bare), from_tree(to_tree(record), bare=Bare)):
        assert back == record
        assert isinstance(back.person, Person)
        assert isinstance(back.person.names, list)
        for found in (back.extras, back.person.names[0].extras):
            assert isinstance(found, dict)
            assert [type(found["north"].rest["a"]), type(found["north"].rest["b"][0])] == [Bare, str]
            assert type(found["north"].spell["row"]) is Bare  # type: ignore[index]


def test_a_value_that_json_has_not_is_refused() -> None:
    with pytest.raises(RecordError, match="extras"):
        encode(ChildRecord(extras={"north": Extra(rest=object())}))


# Digest


@laws
@given(records())
def test_a_digest_is_the_same_for_the_same_record(record: ChildRecord) -> None:
    assert digest(record) == digest(decode(encode(record)))


def test_a_digest_leaves_out_extras_moments_and_minted_ids() -> None:
    def child(episode: str, plan: str, as_of: str, rest: str, partial: list[str]) -> ChildRecord:
        return ChildRecord(
            source=Source(link="north", id="1", as_of=as_of, partial=partial),
            episodes=[Episode(id=episode, plans=[Plan(id=plan, extras={"north": Extra(rest=rest)})])],
            involvements=[Involvement(id="hub-9", episode=episode)],
            visits=[Visit(id="7", plan=plan)],
        )

    one = child("hub-1", "hub-2", "2024-01-01", "x", ["visits", "caf"])
    assert digest(one) == digest(child("hub-3", "hub-4", "2024-01-02", "y", ["caf", "visits"]))
    assert digest(one) != digest(child("e1", "hub-2", "2024-01-01", "x", ["visits", "caf"]))
    assert len(digest(one)) == 64


def test_a_digest_tells_apart_what_differs() -> None:
    def visit(plan: str) -> ChildRecord:
        plans = [Plan(id="hub-1"), Plan(id="hub-2")]
        return ChildRecord(episodes=[Episode(id="hub-0", plans=plans)], visits=[Visit(plan=plan)])

    found = [
        ChildRecord(),
        ChildRecord(person=None),
        ChildRecord(person=Person(religion=None)),
        ChildRecord(person=Person(religion="")),
        ChildRecord(source=Source(link="north")),
        ChildRecord(source=Source(link="south")),
        ChildRecord(source=Source(link="south", id="1")),
        visit("hub-1"),
        visit("hub-2"),
        visit("hub-3"),
    ]
    assert len({digest(record) for record in found}) == len(found)


# Schema


def test_the_schema_file_is_that_of_the_model() -> None:
    assert FILE.read_text("utf-8") == text(), "stale: run python -m hub.model.schema"


def test_the_schema_describes_every_property_and_names_its_codes() -> None:
    definitions = schema()["$defs"]
    for name, definition in definitions.items():
        assert definition["description"]
        for property_name, described in definition["properties"].items():
            assert name == "Extra" or described["description"], f"{name}.{property_name}"
    assert definitions["Person"]["properties"]["sex"]["x-codes"] == "sex"
    assert definitions["Visit"]["properties"]["plan"]["x-refers"] == "episodes[].plans"
    assert set(definitions) == {struct.__name__ for struct in structs()} | {"Extra"}


VALIDATOR = jsonschema.Draft202012Validator(schema())


@settings(max_examples=40, deadline=None)
@given(records())
def test_a_record_is_valid_by_the_schema(record: ChildRecord) -> None:
    VALIDATOR.validate(to_tree(record))


def test_the_schema_refuses_what_the_model_refuses() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    for tree in ({"person": {"sex": 4}}, {"person": {"religon": "x"}}, {"source": {"as_of": "yesterday"}}):
        assert not VALIDATOR.is_valid(tree)


def test_a_record_reads_like_the_standards_it_follows() -> None:
    record = ChildRecord(
        person=Person(identifiers=[Identifier(system="nhs", value="9990001112")], birth=Birth(date="2015-03")),
        relationships=[Relationship(role="mother", parental_responsibility=True)],
        episodes=[Episode(id="1", referral=Referral(date="2024-01-02", source="1A", need="N1"))],
    )
    assert list(check_codes(record)) == []
    assert to_tree(record)["episodes"] == [
        {"id": "1", "referral": {"date": "2024-01-02", "source": "1A", "need": "N1"}}
    ]
