"""A common assessment through a whole hub, by each of its carriers: to the ICS tables, the index and a FHIR server."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fhirpy import SyncFHIRClient

from hub.adapter import Theirs, find, shipped
from hub.mapping import load
from hub.model import to_tree
from hub.translate import translate
from hub.wire import Document
from tests import peers
from tests.test_flow_faults import Home, link

SAMPLE = Path(__file__).parent / "samples" / "caf" / "northshire.xml"
CARRIERS = [name for name in ("caf", "caf_docx", "caf_fhir") if name in shipped()]
TARGETS = ("tables", "index", "records", "forms")
SAID = "Allotment on Saturdays."
"""In an answer of the family's form."""
WITHHELD = "without consent to share, an assessment goes to nobody; only the index learns that there is one"


def home_of(folder: Path, carrier: str, records: str = 'kind = "folder", out = "records"') -> Home:
    for name in TARGETS:
        (folder / name).mkdir()
    told = (
        link("ehm", carrier, 'kind = "folder", in = "in", settle = 0')
        + link("tables", "ssd", 'kind = "folder", out = "tables"')
        + link("index", "contactpoint", 'kind = "folder", out = "index"')
        + link("records", "fhir_r4", records)
        + link("forms", "caf", 'kind = "folder", out = "forms"')
        + f'[[routes]]\nfrom = "ehm"\nto = {json.dumps(TARGETS)}\n'
    )
    return Home(folder, told)


def drop(home: Home, carrier: str, text: str) -> None:
    """The forms of an XML, as the carrier has them."""
    if carrier == "caf":
        home.drop_bytes("forms.xml", text.encode())
        return
    data = Document.of("forms.xml", text.encode())
    made = home.folder / "made"
    suffix = find(carrier).suffix
    translate(data, "caf", carrier, made.with_suffix(".zip") if carrier == "caf_docx" else made.with_suffix(suffix))
    if carrier == "caf_docx":
        with zipfile.ZipFile(made.with_suffix(".zip")) as packed:
            for name in packed.namelist():
                home.drop_bytes(name, packed.read(name))
    else:
        home.drop_bytes(f"forms{suffix}", made.with_suffix(suffix).read_bytes())


def read(folder: Path, name: str) -> dict[str, dict[str, object]]:
    """What a target was told last of each child."""
    mappings = load(name)
    found: dict[str, dict[str, object]] = {}
    for path in sorted(folder.glob("[0-9]*")):
        for one in find(name).read(Document.at(path)):
            assert isinstance(one, Theirs), one
            record = to_tree(mappings[one.kind].inward(one, "x").record)
            found[str(record["source"].get("id"))] = record  # type: ignore[index]
    return found


def early_help(home: Home) -> dict[str, dict[str, str]]:
    """The last rows of the table of early-help episodes that the ICS product was given, by child."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((home.folder / "tables").glob("[0-9]*")):
        with zipfile.ZipFile(path) as packed:
            people, episodes = (
                list(csv.DictReader(io.StringIO(packed.read(f"{table}.csv").decode(), newline="")))
                for table in ("ssd_person", "ssd_early_help_episodes")
            )
        for person in people:
            found.pop(person["pers_person_id"], None)
        for row in episodes:
            assert row["earl_person_id"] not in found, "one episode of a child"
            found[row["earl_person_id"]] = row
    return found


def told(home: Home, target: str, messages: range) -> list[str]:
    """What `trace` says of those of the messages that went to a target, accounts included."""
    store = home.open_store()
    numbers = [number for number in messages if store.trace(number).target == target]
    store.close()
    return [home.run("trace", "--json", str(number)).out.decode() for number in numbers]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_form_reaches_every_system_with_its_account(carrier: str, tmp_path: Path) -> None:
    home = home_of(tmp_path, carrier)
    drop(home, carrier, SAMPLE.read_text("utf-8"))
    ran = home.run("run", "--once")
    assert ran.code == 0, ran.err.decode()
    children = {"NS1001", "NS1003", "NS1004"}
    tables, index = read(home.folder / "tables", "ssd"), read(home.folder / "index", "contactpoint")
    assert set(tables) == set(index) == children
    assert all(one["caf"] for one in index.values()), "the index knows that there is an assessment"
    episodes = early_help(home)
    assert set(episodes) == children
    assert episodes["NS1001"] == {
        "earl_episode_id": "caf-344bb0-NS-CAF-0412",
        "earl_person_id": "NS1001",
        "earl_episode_start_date": "2025-01-13",
        "earl_episode_end_date": "",
        "earl_episode_reason": "Often late or absent since the family moved. School and mother both asked for help.",
        "earl_episode_end_reason": "",
        "earl_episode_organisation": "Northshire Community Health",
        "earl_episode_worker_id": "",
    }
    assert episodes["NS1003"]["earl_episode_id"] != episodes["NS1004"]["earl_episode_id"], "a row each of one form"
    assert not any("early_help" in one for one in tables.values()), "read back, it is the assessment again"
    assert {child: one["caf"][0]["id"] for child, one in tables.items()} == {  # type: ignore[index]
        "NS1001": "NS-CAF-0412",
        "NS1003": "NS-CAF-0420",
        "NS1004": "NS-CAF-0420",
    }
    held = read(home.folder / "records", "fhir_r4")
    assert set(held) == children
    forms = read(home.folder / "forms", "caf")
    assert set(forms) == children
    said = b"".join(path.read_bytes() for path in (home.folder / "forms").glob("[0-9]*")).decode()
    assert said.count(f"<Reference>{forms['NS1003']['caf'][0]['id']}</Reference>") == 1, "one form of two children"  # type: ignore[index]
    assert SAID in said
    for name in ("index", "records"):
        assert not [path for path in (home.folder / name).glob("[0-9]*") if SAID.encode() in path.read_bytes()]
    store = home.open_store()
    for number in range(1, 9):
        trace = store.trace(number)
        assert trace.state == "sent"
        assert trace.parcel is not None
        assert store.parcel(trace.parcel).accounts, "with its account"
    assert store.open_count("forms") == 0
    store.close()


def test_without_consent_no_target_gets_what_it_says(tmp_path: Path) -> None:
    home = home_of(tmp_path, "caf")
    drop(home, "caf", SAMPLE.read_text("utf-8").replace("<Share>true</Share>", "<Share>false</Share>"))
    ran = home.run("run", "--once")
    assert ran.code == 0, ran.err.decode()
    paths = [path for name in TARGETS for path in (home.folder / name).glob("[0-9]*")]
    assert all(read(home.folder / "index", "contactpoint")[child]["caf"] for child in ("NS1001", "NS1003"))
    assert not [path for path in paths if SAID.encode() in path.read_bytes()]
    forms, tables = (told(home, target, range(1, 9)) for target in ("forms", "tables"))
    assert len(forms) == len(tables) == 2
    assert [one for one in forms if "without consent to share, only that there is an assessment" not in one] == []
    assert early_help(home) == {}
    assert [one for one in tables if WITHHELD not in one] == []


def test_a_consent_that_is_withdrawn_takes_the_row_from_the_tables(tmp_path: Path) -> None:
    home = home_of(tmp_path, "caf")
    text = SAMPLE.read_text("utf-8")
    drop(home, "caf", text)
    assert home.run("run", "--once").code == 0
    assert set(early_help(home)) == {"NS1001", "NS1003", "NS1004"}
    refused = "<Store>true</Store><Share>false</Share></Consent>"
    drop(home, "caf", text.replace("<Store>true</Store><Share>true</Share></Consent>", refused))
    assert home.run("run", "--once").code == 0
    assert set(early_help(home)) == {"NS1001"}
    assert WITHHELD in "".join(told(home, "tables", range(9, 17)))


def test_a_form_that_is_closed_ends_its_row(tmp_path: Path) -> None:
    home = home_of(tmp_path, "caf")
    text = SAMPLE.read_text("utf-8")
    drop(home, "caf", text)
    assert home.run("run", "--once").code == 0
    drop(home, "caf", text.replace("<Closure/>", "<Closure><Date>2025-07-18</Date><Reason>Aims met</Reason></Closure>"))
    assert home.run("run", "--once").code == 0
    row = early_help(home)["NS1001"]
    assert row["earl_episode_id"] == "caf-344bb0-NS-CAF-0412"
    assert (row["earl_episode_start_date"], row["earl_episode_end_date"]) == ("2025-01-13", "2025-07-18")
    assert row["earl_episode_end_reason"] == "Aims met"


def test_every_carrier_of_an_assessment_gives_the_same_record(tmp_path: Path) -> None:
    said = {}
    for carrier in CARRIERS:
        made = tmp_path / f"{carrier}{'.zip' if carrier == 'caf_docx' else find(carrier).suffix}"
        translate(Document.at(SAMPLE), "caf", carrier, made)
        mappings = load(carrier)
        for one in find(carrier).read(Document.at(made)):
            assert isinstance(one, Theirs), one
            tree = bare(to_tree(mappings[one.kind].inward(one, "ehm").record))
            said.setdefault(tree["source"]["id"], {})[carrier] = {**tree, "source": tree["source"]["id"]}
    assert len(said) == 3
    for found in said.values():
        assert set(found) == {"caf", "caf_docx", "caf_fhir"}
        assert found["caf"] == found["caf_docx"] == found["caf_fhir"]


def bare(value: object) -> Any:
    """Without what only the carrier understands."""
    if isinstance(value, dict):
        return {name: bare(one) for name, one in value.items() if name != "extras"}
    return [bare(one) for one in value] if isinstance(value, list) else value


def test_a_word_form_reaches_a_fhir_server_that_others_wrote(tmp_path: Path) -> None:
    program, base = peers.medplum(tmp_path / "medplum.log")
    try:
        home = home_of(tmp_path, "caf_docx", f'kind = "http", url = "{base}", send = "transaction"')
        drop(home, "caf_docx", SAMPLE.read_text("utf-8"))
        ran = home.run("run", "--once")
        assert ran.code == 0, ran.err.decode()
        client = SyncFHIRClient(base)
        (child,) = client.resources("Patient").search(identifier="urn:ics-hub:id:ehm|NS1001").fetch()
        (told,) = client.resources("DocumentReference").search(subject=f"Patient/{child['id']}").fetch()
        assert told["status"] == "current"
        assert SAID not in json.dumps([dict(child), dict(told)], default=str)
    finally:
        program.close()


def test_what_may_no_longer_be_shown_goes_from_a_fhir_server_with_the_next_form(tmp_path: Path) -> None:
    """Consent withdrawn through a whole hub: the family's assessment is gone there, another child's stays."""
    program, base = peers.medplum(tmp_path / "medplum.log")
    try:
        home = home_of(tmp_path, "caf", f'kind = "http", url = "{base}", send = "transaction"')
        text = SAMPLE.read_text("utf-8")
        shared = "<Store>true</Store><Share>true</Share>"
        family = text.index("NS-CAF-0420")
        refused = text[:family] + text[family:].replace(shared, shared.replace("<Share>true", "<Share>false"), 1)
        assert refused != text
        for said, held in ((text, 1), (refused, 0)):
            drop(home, "caf", said)
            ran = home.run("run", "--once")
            assert ran.code == 0, ran.err.decode()
            client = SyncFHIRClient(base)
            found = {}
            for child in ("NS1001", "NS1003"):
                (patient,) = client.resources("Patient").search(identifier=f"urn:ics-hub:id:ehm|{child}").fetch()
                subject = f"Patient/{patient['id']}"
                found[child] = len(client.resources("DocumentReference").search(subject=subject).fetch())
            assert found == {"NS1001": 1, "NS1003": held}
        store = home.open_store()
        assert not store.open_count("records")
        store.close()
    finally:
        program.close()
