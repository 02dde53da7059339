"""A FHIR server that nobody here wrote (Medplum, R4) takes what the adapter writes, and another's client finds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhirpy import SyncFHIRClient

from adapters.fhir_r4 import adapter
from hub.adapter import Theirs, Tree
from hub.mapping import load, writer
from hub.model import (
    Birth,
    Caf,
    CafConsent,
    ChildRecord,
    Consent,
    Contact,
    Health,
    Identifier,
    Involvement,
    Merge,
    Name,
    Observation,
    Person,
    Service,
    Source,
    Vaccination,
)
from hub.translate import translate
from hub.wire import Document
from tests import peers

NHS = "https://fhir.nhs.uk/Id/nhs-number"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base address of a server that holds what other tests sent to it: nobody knows which came before."""
    program, base = peers.medplum(tmp_path_factory.mktemp("medplum") / "log")
    yield base
    program.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[str]:
    """The base address of a server that holds nothing yet."""
    program, base = peers.medplum(tmp_path / "log")
    yield base
    program.close()


@pytest.fixture(scope="module")
def transactions(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> list[bytes]:
    """The made-up council as the hub sends it: a transaction a child."""
    out = tmp_path_factory.mktemp("council") / "out.json"
    translate(Document.at(samples / "ssd" / "council"), "ssd", "fhir_r4", out)
    found = [one for one in adapter.read(Document.at(out)) if isinstance(one, Theirs)]
    made = []
    for one in found:
        one.source = "ssd"
        made.append(b"".join(data for _, data in adapter.write([one], {"edition": "transaction"})))
    return made


def post(server: str, data: bytes) -> list[str]:
    """What became of each entry of a Bundle."""
    answer = httpx.post(server, content=data, headers={"content-type": "application/fhir+json"}, timeout=30)
    assert answer.status_code == 200, answer.text[:500]
    return [entry["response"]["status"] for entry in answer.json()["entry"]]


def count(server: str, name: str) -> int:
    return len(httpx.get(f"{server}/{name}?_count=200", timeout=30).json().get("entry", []))


def test_every_transaction_is_accepted_and_sending_it_again_makes_nothing_new(
    empty: str, transactions: list[bytes]
) -> None:
    server = empty
    first = [status for data in transactions for status in post(server, data)]
    assert {status[:3] for status in first} <= {"200", "201"}
    names = ("Patient", "RelatedPerson", "EpisodeOfCare", "Flag", "CarePlan", "CareTeam", "Practitioner")
    held = {name: count(server, name) for name in names}
    assert held["Patient"] == len(transactions)
    assert all(held.values())
    again = [status for data in transactions for status in post(server, data)]
    assert {status[:3] for status in again} == {"200"}
    assert {name: count(server, name) for name in names} == held


def test_a_child_is_found_by_nhs_number_with_all_that_hangs_on_it(server: str, transactions: list[bytes]) -> None:
    for data in transactions:
        post(server, data)
    client = SyncFHIRClient(server)
    (child,) = client.resources("Patient").search(identifier=f"{NHS}|9999001009").fetch()
    assert child["name"][0]["family"] == "Okafor-Bell"
    about: dict[str, Any] = {"subject": f"Patient/{child['id']}"}
    flags = client.resources("Flag").search(**about).fetch()
    plans = client.resources("CarePlan").search(**about).fetch()
    assert flags
    assert {one["extension"][0]["valueReference"]["reference"] for one in flags} == {
        f"CarePlan/{one['id']}" for one in plans
    }
    assert client.resources("Patient").search(identifier="other|9999001009").fetch() == []


def test_a_change_reaches_the_resource_that_was_sent_before(server: str, transactions: list[bytes]) -> None:
    data = next(one for one in transactions if b"9999001009" in one)
    post(server, data)
    changed = json.loads(data)
    changed["entry"][0]["resource"]["name"][0]["family"] = "Okafor"
    assert {status[:3] for status in post(server, json.dumps(changed).encode())} == {"200"}
    (child,) = SyncFHIRClient(server).resources("Patient").search(identifier=f"{NHS}|9999001009").fetch()
    assert child["name"][0]["family"] == "Okafor"


def send(record: ChildRecord, source: str = "pas") -> bytes:
    """A record of ours as the hub sends it to the server."""
    mapping = writer(load(adapter), record)
    own = str(record.source.id) if record.source else ""
    tree = mapping.create(record, "server", edition="transaction").tree
    theirs = Theirs(mapping.kind, own, tree, {}, "transaction", key="ab" * 16, source=source)
    return b"".join(data for _, data in adapter.write([theirs], {"edition": "transaction"}))


def known(own: str, family: str, *numbers: str) -> ChildRecord:
    identifiers = [Identifier(system="nhs", value=number, use="current") for number in numbers]
    person = Person(names=[Name(family=family)], birth=Birth(date="2018-09-30"), identifiers=identifiers)
    return ChildRecord(source=Source(id=own), person=person)


def test_a_status_that_nobody_said_is_accepted(server: str) -> None:
    child = known("V1", "Vale")
    child.health = Health(
        observations=[Observation(id="o", code="1", value="2")], vaccinations=[Vaccination(id="v", date="2024-05-01")]
    )
    child.contacts = [Contact(id="c", date="2025-06-10")]
    child.consents = [Consent(id="x", given=True, removed=True)]
    assert {status[:3] for status in post(server, send(child))} == {"201"}


@pytest.mark.parametrize("why", ["sensitive", "consent", "shielded"])
def test_what_a_condition_withholds_is_erased_at_the_server_and_stays_so(server: str, why: str) -> None:
    """A service that becomes a sensitive one, a consent that is withdrawn, a child who becomes shielded."""
    child = known(f"W-{why}/1", "Wren")
    child.caf = [Caf(id="NS CAF 1", started="2025-01-07", contact="Hilde Frost", consent=CafConsent(share=True))]
    child.involvements = [Involvement(id="T1", kind="service", service=Service(name="Harbour Clinic"))]
    assert {status[:3] for status in post(server, send(child))} == {"201"}
    held = {"CareTeam": 1, "DocumentReference": 1}
    assert {name: len(of(server, name, why)) for name in held} == held
    if why == "sensitive":
        child.involvements[0].sensitive, gone = True, ["CareTeam"]
    elif why == "consent":
        child.caf[0].consent, gone = CafConsent(share=False), ["DocumentReference"]
    else:
        child.person.shielded, gone = True, list(held)  # type: ignore[union-attr]
    for _ in range(2):
        assert {status[:1] for status in post(server, send(child))} == {"2"}
        assert {name: len(of(server, name, why)) for name in held} == {**held, **dict.fromkeys(gone, 0)}


def of(server: str, name: str, why: str) -> list[Tree]:
    """The resources of one type that hang on the child."""
    (child,) = SyncFHIRClient(server).resources("Patient").search(identifier=f"urn:ics-hub:id:pas|W-{why}/1").fetch()
    held = SyncFHIRClient(server).resources(name).search(subject=f"Patient/{child['id']}").fetch()
    return [dict(one) for one in held]


def test_what_the_server_never_had_is_not_made_known_to_it_by_being_withheld(server: str) -> None:
    child = known("W0", "Wold")
    child.caf = [Caf(id="NS-CAF-0", started="2025-01-07", consent=CafConsent(share=False))]
    child.involvements = [Involvement(id="T0", service=Service(name="Harbour Clinic"), sensitive=True)]
    before = count(server, "CareTeam"), count(server, "DocumentReference")
    assert b"Harbour" not in send(child)
    assert {status[:1] for status in post(server, send(child))} == {"2"}
    assert (count(server, "CareTeam"), count(server, "DocumentReference")) == before


def merged(stays: str, goes: str) -> ChildRecord:
    return ChildRecord(source=Source(id=stays), merge=Merge(superseded=goes), person=Person(gender="2"))


def patient(server: str, own: str) -> Tree:
    (found,) = SyncFHIRClient(server).resources("Patient").search(identifier=f"urn:ics-hub:id:pas|{own}").fetch()
    return dict(found)


def refusal(server: str, data: bytes) -> str:
    answer = httpx.post(server, content=data, headers={"content-type": "application/fhir+json"}, timeout=30)
    assert answer.status_code in (400, 404, 412)
    return answer.text


def test_a_merge_makes_the_superseded_patient_inactive_and_erases_nothing(server: str) -> None:
    post(server, send(known("C77", "Hartley", "9999001092")))
    post(server, send(known("T9^^^RZZ99", "Heartley")))
    before = {own: patient(server, own) for own in ("C77", "T9^^^RZZ99")}
    for _ in range(2):  # sending it twice does what sending it once does
        assert post(server, send(merged("C77", "T9^^^RZZ99"))) == ["200", "200"]
        stays, gone = patient(server, "C77"), patient(server, "T9^^^RZZ99")
        number = {"system": "urn:ics-hub:id:pas"}
        assert gone.pop("active") is False
        assert gone.pop("link") == [
            {"other": {"type": "Patient", "identifier": {**number, "value": "C77"}}, "type": "replaced-by"}
        ]
        assert stays.pop("link") == [
            {"other": {"type": "Patient", "identifier": {**number, "value": "T9^^^RZZ99"}}, "type": "replaces"}
        ]
        for own, found in (("C77", stays), ("T9^^^RZZ99", gone)):
            assert {key: one for key, one in found.items() if key != "meta"} == {
                key: one for key, one in before[own].items() if key != "meta"
            }, "nothing else of either is changed"


@pytest.mark.parametrize(("first", "last"), [("D1", "D2"), ("D2", "D1")])
def test_a_merge_of_what_is_one_patient_at_the_server_is_refused_and_changes_nothing(
    server: str, first: str, last: str
) -> None:
    for own in (first, last):  # both have one NHS number: the server has one Patient, with the later one's id
        post(server, send(known(own, own, "9999001068")))
    before = patient(server, last)
    assert "did not match any resources" in refusal(server, send(merged("D1", "D2")))
    assert patient(server, last) == before


def test_a_merge_with_a_patient_whom_the_server_does_not_know_is_refused_and_makes_none(server: str) -> None:
    post(server, send(known("K1", "Known")))
    held, before = count(server, "Patient"), patient(server, "K1")
    assert "did not match any resources" in refusal(server, send(merged("K1", "K2")))
    assert "did not match any resources" in refusal(server, send(merged("K2", "K1")))
    assert count(server, "Patient") == held
    assert patient(server, "K1") == before
