"""Forms of the common assessment as FHIR: the same record as from XML, nothing lost, no contradiction overlooked."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from adapters import caf
from adapters._caf_fhir.items import LINKS
from adapters._caf_schema import SCHEMA
from adapters._fhir.check import faults
from adapters.caf_fhir import EDITIONS, LIMIT, adapter, check, make_head, normal
from hub.adapter import Theirs, Tree
from hub.errors import RecordError
from hub.mapping import Mapping, account, load
from hub.mapping.generate import Records, Trees
from hub.model import Caf, CafConsent, ChildRecord, Identifier, Person, Source, to_tree
from hub.wire import Document
from hub.wire.jsontext import decode
from tests import cafquestionnaire, peers

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "samples" / "caf_fhir"
SAMPLE = FOLDER / "northshire.json"
NAMES = ("northshire", "unborn")
CANARY = "Zanzibarcanary"
NHS = "https://fhir.nhs.uk/Id/nhs-number"


@pytest.fixture(scope="module")
def form() -> Mapping:
    found = load("caf_fhir")["Form"]
    assert isinstance(found, Mapping)
    return found


def read(document: Document) -> tuple[list[Theirs], list[RecordError]]:
    """The records and the errors of a document, the one that ends it included."""
    records: list[Theirs] = []
    errors: list[RecordError] = []
    try:
        for one in adapter.read(document):
            (errors if isinstance(one, RecordError) else records).append(one)  # type: ignore[arg-type]
    except RecordError as error:
        errors.append(error)
    return records, errors


def of(*bundles: Any) -> tuple[list[Theirs], list[RecordError]]:
    return read(Document.of("in.json", "\n".join(json.dumps(one) for one in bundles).encode()))


def good(bundle: Any) -> list[Theirs]:
    records, errors = of(bundle)
    assert not errors
    return records


def from_xml(name: str = "northshire") -> list[Theirs]:
    found = caf.adapter.read(Document.at(ROOT / "tests" / "samples" / "caf" / f"{name}.xml"))
    return [one for one in found if isinstance(one, Theirs)]


def written(records: Iterable[Theirs], edition: str = "collection", as_of: str = "", source: str = "caf") -> list[Any]:
    """The Bundles of records."""
    given = copy.deepcopy(list(records))
    for one in given:
        one.source = source
    return [json.loads(data) for _, data in adapter.write(given, make_head(as_of, edition))]


def amara() -> Any:
    """The first form of the sample as a Bundle: Patient, response, Consent, DocumentReference."""
    bundle = json.loads(SAMPLE.read_bytes())
    return {**bundle, "entry": bundle["entry"][:4]}


def resource(bundle: Any, name: str, at: int = 0) -> Any:
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == name][at]


def item(bundle: Any, *links: str) -> Any:
    found = resource(bundle, "QuestionnaireResponse")
    for link in links:
        found = next(one for one in found["item"] if one["linkId"] == link)
    return found


def answered(link: str, **answer: Any) -> Tree:
    return {"linkId": link, **({"answer": [answer]} if answer else {})}


# The questions


def test_every_field_of_the_form_has_a_question_and_no_two_have_one() -> None:
    paths = [cell.path.replace("[]", "") for cell in SCHEMA.cells]
    assert set(paths) <= LINKS
    assert len(set(paths)) == len(paths)
    assert {".".join(path.split(".")[:n]) for path in paths for n in range(1, 9)} == LINKS


def test_the_questionnaire_is_that_of_the_adapter_and_valid() -> None:
    data = (ROOT / "schemas" / "caf-questionnaire.json").read_bytes()
    assert data.decode() == cafquestionnaire.text(), "stale: run python -m tests.cafquestionnaire"
    assert list(faults(decode(data))) == []

    def links(holder: Any) -> list[str]:
        return [link for one in holder.get("item", []) for link in (one["linkId"], *links(one))]

    assert sorted(links(json.loads(data))) == sorted(LINKS)
    assert cafquestionnaire.TEXTS.keys() | cafquestionnaire.OPTIONS.keys() <= LINKS


def test_the_mapping_is_that_of_the_xml() -> None:
    lines = (ROOT / "mappings" / "caf_fhir" / "form.toml").read_text("utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ['extends = "caf/form"']


def test_an_overlay_of_the_xml_is_one_of_the_fhir() -> None:
    variants = ROOT / "mappings" / "variants"
    for name in ("ehap", "family_caf", "signs_of_safety"):
        ours, theirs = (load(system, [variants / name])["Form"] for system in ("caf_fhir", "caf"))
        sample = Document.at(ROOT / "tests" / "samples" / "variants" / f"{name}.xml")
        records = [one for one in caf.adapter.read(sample) if isinstance(one, Theirs)]
        again = [one for bundle in written(records) for one in good(bundle)]
        told: list[list[Any]] = []
        for mapping, held in ((ours, again), (theirs, records)):
            told.append([to_tree(mapping.inward(one, "link").record) for one in held])
        for one in (*told[0], *told[1]):
            one["source"] = one["source"]["id"]
        assert told[0] == told[1]


# The same record


@pytest.mark.parametrize("name", NAMES)
def test_the_xml_and_the_fhir_of_an_assessment_give_the_same_record(name: str, form: Mapping) -> None:
    other = load("caf")["Form"]
    assert isinstance(other, Mapping)
    records, errors = read(Document.at(FOLDER / f"{name}.json"))
    assert not errors
    assert [(one.id, one.tree, one.group) for one in records] == [
        (one.id, one.tree, one.group) for one in from_xml(name)
    ]
    for one, two in zip(records, from_xml(name), strict=True):
        found: Any = to_tree(form.inward(one, "link").record)
        as_xml: Any = to_tree(other.inward(two, "link").record)
        assert (found["source"].pop("edition"), as_xml["source"].pop("edition")) == ("collection", "1")
        assert found == as_xml


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_is_what_is_written_and_breaks_no_rule(name: str) -> None:
    records = from_xml(name)
    (bundle,) = written(records, as_of=records[0].head["as_of"])
    assert bundle == json.loads((FOLDER / f"{name}.json").read_bytes())
    assert list(check(Document.at(FOLDER / f"{name}.json"))) == []


@pytest.mark.parametrize("edition", EDITIONS)
def test_made_up_forms_come_back_the_same_and_break_no_rule_of_fhir(form: Mapping, edition: str) -> None:
    rng = Random(3)
    records, trees = Records(form.plan(edition), rng), Trees(form.plan(edition), form.schema, rng)  # type: ignore[arg-type]
    made = [form.create(records.one("elsewhere"), "law", edition=edition).tree for _ in range(150)]
    made += [trees.one() for _ in range(150)]
    made = [one for one in made if one.get("Child", {}).get("Id")]
    assert len(made) > 200
    for tree in made:
        (bundle,) = written([Theirs("Form", tree["Child"]["Id"], tree)], edition)
        (again,) = good(bundle)
        assert normal(again.tree) == normal(tree)
        assert again.edition == edition
    for tree in made[::10]:
        (bundle,) = written([Theirs("Form", tree["Child"]["Id"], tree)], edition)
        assert list(faults(decode(json.dumps(bundle).encode()))) == []


def test_json_lines_zips_and_xml_are_read() -> None:
    data = json.dumps(amara()).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as held:
        held.writestr("a.json", data)
        held.writestr("b.json", data)
    for found in (Document.of("x.json", data + b"\n" + data), Document.of("x.zip", archive.getvalue())):
        records, errors = read(found)
        assert not errors
        assert [one.id for one in records] == ["NS1001", "NS1001"]
    text = """<Bundle xmlns="http://hl7.org/fhir"><type value="collection"/><entry><resource><QuestionnaireResponse>
    <questionnaire value="urn:ics-hub:questionnaire:caf|1"/><status value="completed"/>
    <item><linkId value="Child"/><item><linkId value="Child.Id"/><answer><valueString value="C1"/></answer></item>
    <item><linkId value="Child.Disabled"/><answer><valueBoolean value="true"/></answer></item></item>
    </QuestionnaireResponse></resource></entry></Bundle>"""
    (one,), errors = read(Document.of("x.xml", text.encode()))
    assert not errors
    assert one.tree == {
        "Child": {"Id": "C1", "Disabled": "true"},
        "Fhir": {"QuestionnaireResponse": {"status": "completed"}},
    }


def test_an_answer_of_the_wrong_sort_is_kept_as_it_was_written() -> None:
    tree = {"Started": "last spring", "Child": {"Id": "C1", "Disabled": "somewhat", "BirthDate": "2015-02-30"}}
    (bundle,) = written([Theirs("Form", "C1", tree)])
    assert good(bundle)[0].tree == tree
    assert "birthDate" not in resource(bundle, "Patient")


# A form about several children


def test_each_child_of_a_form_has_a_response_and_they_go_together() -> None:
    bundle = json.loads(SAMPLE.read_bytes())
    bundle["entry"] = bundle["entry"][4:6] + bundle["entry"][:4] + bundle["entry"][6:]
    assert [(one.id, one.group) for one in good(bundle)] == [
        ("NS1004", "NS-CAF-0420"),
        ("NS1003", "NS-CAF-0420"),
        ("NS1001", ""),
    ]


def test_a_family_form_with_a_child_that_cannot_be_read_is_refused_whole() -> None:
    bundle = json.loads(SAMPLE.read_bytes())
    resource(bundle, "Patient", 2)["birthDate"] = "2001-01-01"
    records, (error,) = of(bundle)
    assert [one.id for one in records] == ["NS1001"]
    assert "birthDate" in error.reason
    assert error.ids == ("NS1003", "NS1004")


def test_the_same_child_twice_in_a_form_is_refused() -> None:
    bundle = amara()
    again = copy.deepcopy(bundle["entry"][1])
    again["fullUrl"] = "urn:uuid:1"
    del again["resource"]["subject"]
    bundle["entry"].append(again)
    records, errors = of(bundle)
    assert not records
    assert "before" in errors[0].reason


def test_bundles_hold_a_child_once_and_forms_whole() -> None:
    def record(n: int, child: str) -> Theirs:
        return Theirs("Form", child, {"Reference": f"F{n}", "Child": {"Id": child}})

    many = [record(n, f"C{n}-{m}") for n in range(LIMIT + 1) for m in range(2)]
    assert [len(one["entry"]) for one in written(many)] == [LIMIT * 2 * 4, 2 * 4]
    assert len(written([record(1, "a"), record(2, "a")])) == 2
    (none,) = written([])
    assert none == {"resourceType": "Bundle", "type": "collection"}


# What stands beside the answers


def test_the_patient_is_the_least_by_which_a_child_is_known() -> None:
    found = resource(amara(), "Patient")
    assert found == {
        "resourceType": "Patient",
        "identifier": [{"system": NHS, "value": "9999001009"}, {"system": "urn:ics-hub:id:caf", "value": "NS1001"}],
        "name": [{"family": "Okafor-Bell", "given": ["Amara"]}],
        "gender": "female",
        "birthDate": "2015-03-27",
    }


def test_an_unborn_child_is_no_patient() -> None:
    bundle = json.loads((FOLDER / "unborn.json").read_bytes())
    assert {one["resource"]["resourceType"] for one in bundle["entry"]} == {
        *("QuestionnaireResponse", "Consent", "DocumentReference")
    }
    assert resource(bundle, "QuestionnaireResponse")["subject"] == {
        "type": "Patient",
        "identifier": {"system": "urn:ics-hub:id:caf", "value": "NS1003"},
    }


@pytest.mark.parametrize(
    ("share", "status", "kind"), [("true", "active", "permit"), ("false", "active", "deny"), (None, "inactive", None)]
)
def test_the_consent_says_what_the_statement_says(share: str | None, status: str, kind: str | None) -> None:
    statement = {"Share": share} if share else {"Store": "true"}
    (bundle,) = written([Theirs("Form", "C1", {"Reference": "F", "Child": {"Id": "C1"}, "Consent": statement})])
    found = resource(bundle, "Consent")
    assert (found["status"], found.get("provision", {}).get("type")) == (status, kind)
    assert found["sourceReference"]["reference"] == bundle["entry"][1]["fullUrl"]


def test_a_shielded_childs_form_names_no_form_and_no_place(form: Mapping) -> None:
    person = Person(
        gender="2", shielded=True, identifiers=[Identifier(system="nhs", value="9999001157", use="current")]
    )
    record = ChildRecord(
        source=Source(link="other", id="NS1006"),
        person=person,
        caf=[Caf(id="NS-CAF-9", contact=CANARY, reason=CANARY, consent=CafConsent(share=True))],
    )
    tree = form.create(record, "another").tree
    (bundle,) = written([Theirs("Form", "NS1006", tree)], "transaction")
    assert [one["resource"]["resourceType"] for one in bundle["entry"]] == ["Patient", "QuestionnaireResponse"]
    assert CANARY not in json.dumps(bundle)
    assert "NS-CAF-9" not in json.dumps(bundle)


def test_without_consent_only_that_there_is_a_form_goes_out(form: Mapping) -> None:
    record = ChildRecord(
        source=Source(link="other", id="NS1003"),
        person=Person(gender="2"),
        caf=[
            Caf(id="NS-CAF-1", started="2025-01-07", reason=CANARY, consent=CafConsent(share=False, exceptions=CANARY))
        ],
    )
    (bundle,) = written([Theirs("Form", "NS1003", form.create(record, "another").tree)])
    assert CANARY not in json.dumps(bundle)
    assert resource(bundle, "Consent")["provision"] == {"type": "deny"}
    assert resource(bundle, "DocumentReference")["content"][0]["attachment"]["creation"] == "2025-01-07"


def test_what_they_say_besides_is_kept_and_goes_back_to_the_sender_alone(form: Mapping) -> None:
    bundle = amara()
    resource(bundle, "Patient").update(id="p7", telecom=[{"system": "phone", "value": CANARY}], deceasedBoolean=False)
    resource(bundle, "Patient")["identifier"].append({"system": "urn:x", "value": CANARY})
    resource(bundle, "QuestionnaireResponse").update(authored="2025-01-13", language="en-GB", status="amended")
    resource(bundle, "Consent")["organization"] = [{"display": CANARY}]
    resource(bundle, "DocumentReference")["context"]["period"] = {"start": "2025"}
    (one,) = good(bundle)
    record = form.inward(copy.deepcopy(one), "caf_fhir").record
    assert list(account.drift(form, record, "caf_fhir"))
    assert CANARY not in json.dumps(form.create(record, "another").tree)
    tree = form.create(record, "caf_fhir").tree
    (back,) = written([Theirs("Form", one.id, tree, source="caf")], as_of=bundle["timestamp"])
    assert resource(back, "Patient")["id"] == "p7"
    assert resource(back, "QuestionnaireResponse")["status"] == "amended"
    assert [two.tree for two in good(back)] == [one.tree]
    (sent,) = written([Theirs("Form", one.id, tree)], "transaction")
    assert not any("id" in entry["resource"] for entry in sent["entry"])


def test_what_was_kept_does_not_contradict_what_is_known_by_now() -> None:
    bundle = amara()
    resource(bundle, "Patient")["name"] = [{"use": "official", "prefix": ["Miss"], "family": "OKAFOR-BELL"}]
    (one,) = good(bundle)
    assert one.tree["Fhir"]["Patient"]["name"][0]["prefix"] == ["Miss"]
    one.tree["Child"]["Name"] = {"Given": "Amara", "Family": "Bell"}
    del one.tree["Child"]["OtherNames"]
    (back,) = written([one])
    assert resource(back, "Patient")["name"] == [{"family": "Bell", "given": ["Amara"]}]


def test_a_child_whose_patient_is_elsewhere_is_named_as_the_sender_does() -> None:
    bundle = amara()
    subject = {"reference": "https://ehr.example/Patient/7", "display": "Amara"}
    bundle["entry"] = [bundle["entry"][1]]
    resource(bundle, "QuestionnaireResponse")["subject"] = subject
    (one,) = good(bundle)
    (back,) = written([one])
    assert resource(back, "QuestionnaireResponse")["subject"] == subject
    assert not [two for two in back["entry"] if two["resource"]["resourceType"] == "Patient"]


def test_two_forms_about_one_patient_share_nothing_that_reading_one_would_change(form: Mapping) -> None:
    bundle = amara()
    resource(bundle, "Patient")["telecom"] = [{"system": "phone", "value": "01632 960101"}]
    second = copy.deepcopy(bundle["entry"][1])
    second["fullUrl"] = "urn:uuid:3"
    second["resource"]["item"][0]["answer"][0]["valueString"] = "NS-CAF-0499"
    bundle["entry"].append(second)
    one, two = good(bundle)
    before = copy.deepcopy(two.tree)
    form.inward(one, "caf_fhir")
    assert two.tree == before
    assert "telecom" in two.tree["Fhir"]["Patient"]


def set_in(name: str, /, **fields: Any) -> Callable[[Any], None]:
    return lambda bundle: resource(bundle, name).update(fields)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (set_in("Patient", birthDate="2015-03-28"), "Patient says other than the answers: birthDate"),
        (set_in("Patient", gender="male"), "Patient says other than the answers: gender"),
        (set_in("Patient", name=[{"family": CANARY, "given": ["Amara"]}]), "Patient says other than the answers: name"),
        (set_in("Patient", name=[{"text": CANARY}]), "Patient says other than the answers: name"),
        (set_in("Patient", identifier=[{"system": NHS, "value": "9999001033"}]), "identifier (Child.Identifiers)"),
        (set_in("Consent", provision={"type": "deny"}), "Consent says other than the answers"),
        (set_in("Consent", status="rejected"), "Consent says other than the answers"),
        (lambda bundle: item(bundle, "Consent")["item"].pop(1), "Consent says other than the answers"),
        (set_in("DocumentReference", status="superseded"), "DocumentReference says other than the answers: status"),
        (
            set_in("DocumentReference", content=[{"attachment": {"creation": "2024-01-13"}}]),
            "content.attachment.creation (Started)",
        ),
        (
            set_in("QuestionnaireResponse", subject={"identifier": {"system": NHS, "value": "9999001033"}}),
            "the subject is another",
        ),
    ],
)
def test_what_contradicts_the_answers_is_refused_and_names_the_place(change: Callable[[Any], Any], told: str) -> None:
    bundle = amara()
    change(bundle)
    records, errors = of(bundle)
    assert not records
    assert told in str(errors[0])
    assert "entry" in errors[0].place
    assert errors[0].ids == ("NS1001",)
    assert not any(value in str(one) for one in errors for value in (CANARY, "9999001", "2015-03", "NS1001"))


@pytest.mark.parametrize(
    "change",
    [
        set_in("Patient", birthDate="2015-03"),
        set_in("Patient", gender="unknown"),
        set_in("Patient", name=[{"text": "amara okafor-bell"}]),
        set_in("Patient", name=[{"family": "Other"}, {"use": "old", "family": "Okafor", "given": ["AMARA"]}]),
        set_in("Patient", identifier=[{"system": NHS, "value": "9999001033", "use": "old"}]),
    ],
)
def test_what_says_less_or_more_is_no_contradiction(change: Callable[[Any], None]) -> None:
    bundle = amara()
    change(bundle)
    assert good(bundle)[0].tree["Child"] == from_xml()[0].tree["Child"]


# Questions that nobody asked


def test_an_item_that_is_no_question_of_ours_is_an_answer_and_is_not_lost(form: Mapping) -> None:
    bundle = amara()
    pets = {"linkId": "p", "text": "Pets", "answer": [{"valueString": "two cats"}, {"valueInteger": 7}]}
    coding = {"system": "urn:x", "code": "g"}
    inner = {"linkId": "q", "item": [{**answered("r", valueCoding={"display": "green"}), "item": [answered("s")]}]}
    resource(bundle, "QuestionnaireResponse")["item"] += [pets, answered("t", valueCoding=coding), inner]
    item(bundle, "Child")["item"].append(answered("shoe", valueDecimal=3.5))
    item(bundle, "Leads", "Leads.Lead")["item"].append(answered("desk", valueBoolean=True))
    item(bundle, "Reason")["extension"] = [{"url": "urn:x", "valueString": "y"}]
    (one,) = good(bundle)
    assert one.tree["Child"]["Answers"]["Answer"] == [{"Heading": "shoe", "Text": "3.5"}]
    assert one.tree["Answers"]["Answer"] == [
        {"Section": "Reason", "Heading": "extension", "Text": '[{"url":"urn:x","valueString":"y"}]'},
        {"Section": "Leads.Lead", "Heading": "desk", "Text": "true"},
        {"Heading": "Pets", "Text": "two cats\n7"},
        {"Heading": "t", "Text": '{"system":"urn:x","code":"g"}'},
        {"Section": "q", "Heading": "r", "Text": "green"},
        {"Section": "r", "Heading": "s"},
    ]
    told: Any = to_tree(form.inward(copy.deepcopy(one), "caf_fhir").record)
    texts = {two["heading"]: two.get("text") for two in told["caf"][0]["answers"]}
    assert texts["Pets"] == "two cats\n7"
    (back,) = written([one])
    assert good(back)[0].tree == one.tree


def drop(name: str, key: str) -> Callable[[Any], None]:
    return lambda bundle: resource(bundle, name).pop(key)


def at_child(found: Any) -> Callable[[Any], None]:
    return lambda bundle: item(bundle, "Child")["item"].append(found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (set_in("QuestionnaireResponse", questionnaire=f"urn:{CANARY}|1"), "answers another questionnaire"),
        (set_in("QuestionnaireResponse", questionnaire="urn:ics-hub:questionnaire:caf|2"), "another version"),
        (drop("QuestionnaireResponse", "questionnaire"), "answers another questionnaire"),
        (set_in("QuestionnaireResponse", status="entered-in-error"), "entered in error"),
        (drop("QuestionnaireResponse", "status"), "no status"),
        (set_in("QuestionnaireResponse", modifierExtension=[{"url": CANARY}]), "changes what this means"),
        (set_in("Consent", modifierExtension=[{"url": CANARY}]), "changes what this means"),
        (set_in("QuestionnaireResponse", implicitRules=f"urn:{CANARY}"), "rules"),
        *(
            (set_in(name, meta={"security": [{"code": "R", "display": CANARY}]}), "a label restricts")
            for name in ("QuestionnaireResponse", "Patient", "Consent")
        ),
        (lambda bundle: bundle.update(meta={"security": [{"code": "R"}]}), "a label restricts"),
        (set_in("QuestionnaireResponse", item=CANARY), "a list of items"),
        (set_in("QuestionnaireResponse", item=[CANARY]), "a list of items"),
        (set_in("QuestionnaireResponse", item=[]), "the child's Id is missing"),
        (set_in("QuestionnaireResponse", subject=CANARY), "the subject is no reference"),
        (set_in("QuestionnaireResponse", subject={"type": "Group", "reference": "Group/1"}), "the subject of a form"),
        (lambda bundle: item(bundle, "Child")["item"].pop(0), "the child's Id is missing"),
        (at_child(answered("Child.Gender", valueString=CANARY)), "Child.Gender: is said twice"),
        (at_child(answered("Reason", valueString=CANARY)), "Reason: stands where the questionnaire does not"),
        (at_child({"text": CANARY}), "an item has no linkId"),
        (at_child({"linkId": CANARY, "text": {}}), "the text of an item is no text"),
        (at_child({"linkId": CANARY, "answer": [{}]}), "an answer that is not one value"),
        (at_child(answered("Child.UnbornOf", valueCoding={"code": CANARY})), "Child.UnbornOf: an answer of a kind"),
        (at_child(answered("Child.UnbornOf", valueString={"x": CANARY})), "Child.UnbornOf: an answer of a kind"),
        (at_child(answered("Child.UnbornOf", valueString="a", valueDate=CANARY)), "not one value"),
        (at_child(answered("Child.UnbornOf", _valueString={"id": CANARY})), "an answer without a value"),
        (at_child({"linkId": "Child.UnbornOf", "modifierExtension": []}), "Child.UnbornOf: has what FHIR"),
        (
            at_child({"linkId": "Child.Disabilities", "answer": [{"valueString": CANARY}]}),
            "Child.Disabilities: has what",
        ),
    ],
)
def test_a_response_that_cannot_be_read_is_named_and_those_beside_it_flow(
    change: Callable[[Any], Any], told: str
) -> None:
    bundle = amara()
    change(bundle)
    records, errors = of(bundle, json.loads((FOLDER / "unborn.json").read_bytes()))
    assert [one.id for one in records] == ["NS1003"]
    assert told in str(errors[0])
    assert "record 1" in errors[0].place
    assert CANARY not in "".join(map(str, errors))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"resource": {"resourceType": "Observation"}}, "does not read this kind"),
        ({"resource": {"resourceType": CANARY}}, "does not read this kind"),
        ({"resource": {"resourceType": "OperationOutcome", "issue": [{"code": "login"}]}}, "login"),
        ({"resource": {"resourceType": "Patient"}}, "no form of this Bundle"),
        ({"resource": {"resourceType": "Consent", "patient": {"reference": CANARY}}}, "no form of this Bundle"),
        ({"resource": CANARY}, "without a resource"),
        (
            {"request": {"method": "DELETE", "url": CANARY}, "resource": {"resourceType": "Patient"}},
            "else than to keep",
        ),
        (CANARY, "without a resource"),
    ],
)
def test_what_is_not_read_is_said_and_the_form_flows(entry: Any, told: str) -> None:
    bundle = amara()
    bundle["entry"].append(entry)
    records, (error,) = of(bundle)
    assert [one.id for one in records] == ["NS1001"]
    assert told in error.reason
    assert "entry 5" in error.place
    assert CANARY not in str(error)


def test_a_second_resource_of_a_name_and_a_second_consent_are_refused() -> None:
    bundle = amara()
    bundle["entry"].append(copy.deepcopy(bundle["entry"][0]))
    second = copy.deepcopy(bundle["entry"][2])
    second["fullUrl"] = "urn:uuid:2"
    bundle["entry"].append(second)
    records, errors = of(bundle)
    assert [one.id for one in records] == ["NS1001"]
    assert [one.reason for one in errors] == [
        "a resource of the same id came before",
        "a second one about the same form",
    ]


def test_without_references_a_consent_is_the_forms_whose_child_it_names() -> None:
    bundle = json.loads(SAMPLE.read_bytes())
    for entry in bundle["entry"]:
        entry["resource"].pop("sourceReference", None)
        entry["resource"].pop("context", None)
    assert len(good(bundle)) == 3
    resource(bundle, "Consent", 2)["provision"] = {"type": "deny"}
    records, (error,) = of(bundle)
    assert [one.id for one in records] == ["NS1001"]
    assert "entry 11" in error.place


def test_no_change_of_a_bundle_brings_the_reader_down() -> None:
    strange: list[Any] = [None, CANARY, "", {}, [], [None], [CANARY], {"x": CANARY}, 1, True, {"reference": []}]
    rng = Random(11)
    whole = json.loads(SAMPLE.read_bytes())

    def places(value: Any) -> list[tuple[Any, Any]]:
        steps = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        below = [one for _, inner in steps if isinstance(inner, dict | list) for one in places(inner)]
        return [(value, key) for key, _ in steps] + below

    read_still = 0
    for _ in range(200):
        bundle = copy.deepcopy(whole)
        for holder, key in rng.sample(places(bundle), 2):
            if rng.random() < 0.3 and isinstance(holder, dict):
                holder.pop(key, None)
            elif isinstance(holder, dict) or key < len(holder):
                holder[key] = copy.deepcopy(rng.choice(strange))
        records, errors = of(bundle)
        read_still += len(records)
        assert records or errors
        assert CANARY not in "".join(map(str, errors))
        for one in records:
            (back,) = written([one], as_of=one.head.get("as_of", ""))
            assert [normal(two.tree) for two in good(back)] == [normal(one.tree)]
        list(check(Document.of("x.json", json.dumps(bundle).encode())))
    assert read_still > 200


# The rules


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (set_in("QuestionnaireResponse", questionnaire="urn:x"), "urn:ics-hub:questionnaire:caf|1 is expected"),
        (drop("QuestionnaireResponse", "subject"), ".subject: a required"),
        (drop("QuestionnaireResponse", "status"), "a required element is missing"),
        (set_in("QuestionnaireResponse", status="done"), "not a code"),
        (at_child(answered(CANARY, valueString="x")), "is not in the questionnaire"),
        (at_child(answered("Reason", valueString="x")), "stands where the questionnaire does not have it"),
        (at_child(answered("Child.Gender", valueString="x")), "Child.Gender may be said once"),
        (at_child(answered("Child.UnbornOf", valueDate="2025-01-01")), "Child.UnbornOf is answered by valueString"),
        (at_child(answered("Child.ExpectedBirthDate", valueString="x")), "is answered by valueDate"),
        (at_child({"linkId": "Child.UnbornOf", "answer": [{}]}), "an answer without a value"),
        (at_child({"linkId": "Child.Answers", "item": [{"linkId": "Child.Answers.Answer"}]}), "Heading is missing"),
        (at_child({"linkId": "Child.Disabilities", "answer": [{"valueString": "x"}]}), "Child.Disabilities is a group"),
        (at_child({"linkId": "Child.UnbornOf", "item": [answered("x")]}), "and holds no items"),
        (
            lambda bundle: item(bundle, "Child", "Child.Id")["answer"][0].update(valueString="x" * 49),
            "Child.Id has at most 48 characters",
        ),
        (lambda bundle: bundle.update(resourceType="Patient", type=None), "neither a Bundle"),
    ],
)
def test_strictly_a_form_keeps_to_fhir_and_to_the_questionnaire(change: Callable[[Any], Any], told: str) -> None:
    bundle = amara()
    change(bundle)
    found = "\n".join(map(str, check(Document.of("x.json", json.dumps(bundle).encode()))))
    assert told in found
    assert CANARY not in found


def test_keys_said_twice_are_refused() -> None:
    data = SAMPLE.read_bytes().replace(b'"gender":"female"', b'"gender":"female","gender":"male"', 1)
    records, (error,) = read(Document.of("x.json", data))
    assert not records
    assert "said twice" in error.reason


# A server


def test_every_entry_of_a_transaction_is_conditional() -> None:
    bundles = [one for record in from_xml() for one in written([record], "transaction")]
    asked = [entry["request"] for bundle in bundles for entry in bundle["entry"]]
    assert [one["method"] for one in asked] == ["POST", "PUT", "PUT", "PUT"] * 3
    assert asked[0]["ifNoneExist"] == f"identifier={NHS}%7C9999001009"
    assert asked[1]["url"] == "QuestionnaireResponse?identifier=urn:ics-hub:id:caf%7Cform/NS1001/NS-CAF-0412"
    assert asked[4]["ifNoneExist"] == "identifier=urn:ics-hub:id:caf%7CNS1004"
    for bundle in bundles:
        assert list(faults(decode(json.dumps(bundle).encode()))) == []


def test_a_server_takes_it_and_sending_it_again_makes_nothing_new(tmp_path: Path) -> None:
    program, base = peers.medplum(tmp_path / "log")
    try:

        def post(bundle: Any) -> list[str]:
            headers = {"content-type": "application/fhir+json"}
            answer = httpx.post(base, content=json.dumps(bundle), headers=headers, timeout=30)
            assert answer.status_code == 200, answer.text[:500]
            return [entry["response"]["status"][:3] for entry in answer.json()["entry"]]

        def held(name: str) -> list[Any]:
            found = httpx.get(f"{base}/{name}?_count=50", timeout=30).json().get("entry", [])
            return [one["resource"] for one in found]

        names = ("Patient", "QuestionnaireResponse", "Consent", "DocumentReference")
        records = [*from_xml(), *from_xml("unborn")]
        records[-1].id = records[-1].tree["Child"]["Id"] = "UN1"
        bundles = [one for record in records for one in written([record], "transaction")]
        assert {status for bundle in bundles for status in post(bundle)} == {"201"}
        counts = {name: len(held(name)) for name in names}
        assert counts == {"Patient": 3, "QuestionnaireResponse": 4, "Consent": 4, "DocumentReference": 4}
        assert {status for bundle in bundles for status in post(bundle)} == {"200"}
        assert {name: len(held(name)) for name in names} == counts

        changed = copy.deepcopy(records[0])
        changed.tree["Consent"]["Share"] = "false"
        changed.tree["Child"]["Name"]["Given"] = "Other"
        (bundle,) = written([changed], "transaction")
        assert set(post(bundle)) == {"200"}
        everybody = [one for name in names for one in held(name)]
        found = [{"resource": one, "fullUrl": f"{base}/{one['resourceType']}/{one['id']}"} for one in everybody]
        (child,) = [one for one in everybody if one.get("birthDate") == "2015-03-27"]
        assert child["name"][0]["given"] == ["Amara"], "a form makes a Patient, and never overwrites one"
        child["name"][0]["given"] = ["Other"]
        again, errors = of({"resourceType": "Bundle", "type": "collection", "entry": found})
        assert not errors
        trees = {one.id: {key: part for key, part in one.tree.items() if key != "Fhir"} for one in again}
        assert trees == {one.id: one.tree for one in [changed, *records[1:]]}
    finally:
        program.close()
