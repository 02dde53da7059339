"""A council's tables and a hospital's messages about one child, through one hub to all: nothing said is taken back."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhirpy import SyncFHIRClient

from hub.adapter import Theirs, find
from hub.mapping import load
from hub.model import to_tree
from hub.store.statements import Sql
from hub.wire import Document
from tests import peers
from tests.nodes import Postgres, Rabbit
from tests.test_flow_faults import Home, homes, link, until
from tests.wards import Sender, free_port

SAMPLE = Path(__file__).parent / "samples" / "ssd" / "council"
NHS, SYSTEM = "9999001009", "https://fhir.nhs.uk/Id/nhs-number"
OURS, THEIRS = "NS1001", "N7000001^^^RZZ99"
"""Amara Okafor-Bell: her number in the council's tables, and in the hospital's messages."""
ROUTES = """
[[routes]]
from = "council"
to = ["hospital", "index", "records"]
[[routes]]
from = "hospital"
to = ["council", "index", "records"]
"""
assert homes  # a fixture


def adt(control: str, *fields: str) -> bytes:
    """An A31 about her. fields: `13=…` sets PID-13."""
    cells = ["PID", "1", "", f"N7000001^^^RZZ99^MR~{NHS}^^^NHS^NH", "", "Okafor-Bell^Amara^^^^^L", "", "20150327", "F"]
    cells += [""] * 25
    for one in fields:
        number, _, text = one.partition("=")
        cells[int(number)] = text
    said = "|".join(cells).rstrip("|")
    head = f"MSH|^~\\&|PAS|RZZ99|HUB|999|20260105091500||ADT^A31^ADT_A05|{control}|P|2.4||||||UNICODE UTF-8"
    return f"{head}\rEVN|A31|20260105091455\r{said}\rPV1|1|N\r".encode()


def day(place: Path, name: str, **changes: str) -> None:
    """The council's tables of a day, with changes to her row of ssd_person."""
    made = place / f"{name}.part"
    shutil.copytree(SAMPLE, made)
    file = made / "ssd_person.csv"
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))
    for row in rows:
        if row["pers_person_id"] == OURS:
            row.update(changes)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    file.write_text(out.getvalue(), "utf-8")
    made.rename(made.with_suffix(""))


def records(folder: Path, name: str, own: str) -> Iterator[dict[str, Any]]:
    """What the files of a target say of her under an id, in order, as plain values."""
    mappings = load(name)
    for path in sorted(folder.glob("[0-9]*")):
        for one in find(name).read(Document.at(path)):
            assert isinstance(one, Theirs), one
            record = to_tree(mappings[one.kind].inward(one, "x").record)
            if record["source"].get("id") == own:
                yield record


def towns(person: dict[str, Any]) -> set[str]:
    return {one["town"] for one in person.get("addresses") or () if "town" in one}


def check_files(home: Home) -> None:
    """What the index and the two systems were told of her, by the other."""
    (data, *_) = [path.read_bytes() for path in (home.folder / "index").glob("[0-9]*")]
    assert b"<Authority>999</Authority>" in data, "as the link says"
    index = list(records(home.folder / "index", "contactpoint", OURS))
    assert index[-1]["person"]["names"][0]["family"] == "Okafor"
    ward = list(records(home.folder / "index", "contactpoint", THEIRS))[-1]["person"]
    assert ward["birth"]["date"] == "2015-03-27", "a later message left it out"
    assert "Millbrook" in towns(ward), "and the address that came between"
    (council,) = {json.dumps(one["person"]["birth"]) for one in records(home.folder / "council", "ssd", THEIRS)}
    assert json.loads(council)["date"] == "2015-03-27"
    told = list(records(home.folder / "hospital", "hl7v2", f"{OURS}^^^council"))
    assert told[-1]["person"]["names"][0]["family"] == "Okafor"
    with zipfile.ZipFile(max((home.folder / "council").glob("[0-9]*"))) as packed:
        assert "ssd_person.csv" in packed.namelist()


def check_patient(patient: dict[str, Any]) -> None:
    """What a FHIR server has of her: what each told last of what it knows."""
    numbers = {(one.get("system"), one.get("value")) for one in patient["identifier"]}
    assert (SYSTEM, NHS) in numbers
    assert {"N7000001", "W999210120017"} <= {value for _, value in numbers}, "each system's own"
    assert any(one.get("family") == "Okafor" for one in patient["name"]), "the council's later change"
    assert {"Millbrook"} <= {one.get("city") for one in patient["address"]}, (
        "the hospital's, though the council told later"
    )
    assert len({json.dumps(one, sort_keys=True) for one in patient["address"]}) == len(patient["address"])
    assert "01632960199" in {one["value"] for one in patient["telecom"]}
    assert patient["birthDate"] == "2015-03-27"


def links(hospital: str, target: str) -> str:
    return (
        link("council", "ssd", 'kind = "folder", in = "in", out = "council", settle = 0')
        + link("hospital", "hl7v2", hospital)
        + link("index", "contactpoint", 'kind = "folder", out = "index"', 'head = { Head = { Authority = "999" } }')
        + link("records", "fhir_r4", target)
        + ROUTES
    )


def make(tmp_path: Path, told: str, *broker: str) -> Home:
    for name in ("council", "hospital", "index", "records", "ward"):
        (tmp_path / name).mkdir()
    return Home(tmp_path, told, *broker)


def test_a_council_and_a_hospital_reach_all_systems_in_files(tmp_path: Path) -> None:
    """Embedded, everything in folders: the last Bundle about her says all that a FHIR server would hold."""
    where = 'kind = "folder", in = "ward", out = "hospital", settle = 0'
    home = make(tmp_path, links(where, 'kind = "folder", out = "records"'))

    def once() -> None:
        ran = home.run("run", "--once")
        assert ran.code == 0, ran.err.decode()

    day(home.folder / "in", "monday")
    once()
    (home.folder / "ward" / "1.hl7").write_bytes(adt("C1", "11=5 Mill Lane^^Millbrook^^ZZ99 3CC^GBR^H"))
    once()
    day(home.folder / "in", "tuesday", pers_surname="Okafor")
    once()
    (home.folder / "ward" / "2.hl7").write_bytes(adt("C2", "7=", "13=01632960199^PRN^PH"))
    once()
    found: dict[str, Any] = {}
    for path in sorted((home.folder / "records").glob("[0-9]*")):
        for entry in json.loads(path.read_bytes())["entry"]:
            held = entry["resource"]
            if held["resourceType"] == "Patient" and any(one.get("value") == NHS for one in held["identifier"]):
                found = held
                assert entry["request"]["url"] == f"Patient?identifier={SYSTEM}%7C{NHS}"
    check_patient(found)
    check_files(home)


def test_they_reach_a_fhir_server_over_rabbitmq_and_mllp(
    tmp_path: Path, homes: list[Home], rabbit: Rabbit, postgres: Postgres
) -> None:
    """Two processes of the hub on PostgreSQL and RabbitMQ, a hospital over MLLP, a FHIR server of others (Medplum)."""
    port = free_port()
    server, base = peers.medplum(tmp_path / "medplum.log")
    try:
        told = links(
            f'kind = "mllp", listen = "127.0.0.1:{port}"',
            f'kind = "http", url = "{base}", send = "transaction"',
        ).replace('to = ["hospital", ', "to = [")
        home = make(tmp_path, told, postgres.database(), rabbit.vhost())
        homes.append(home)
        for _ in range(2):
            home.start()

        def arrived(count: int) -> bool:
            """Whether so many documents were read, and all of them went out."""
            store = home.open_store()
            try:
                read = store.database.read(lambda work: work.value(Sql("SELECT count(*) FROM document WHERE done")))
                return read >= count and not any(store.open_count(name) for name in ("council", "index", "records"))
            finally:
                store.close()

        def tell(message: bytes) -> None:
            sender = None
            while sender is None:
                with contextlib.suppress(ConnectionError, OSError):
                    sender = Sender(port)
            assert str(sender.send(message).segment("MSA")[1]) == "AA"
            sender.close()

        day(home.folder / "in", "monday")
        until(lambda: arrived(1), 60)
        tell(adt("C1", "11=5 Mill Lane^^Millbrook^^ZZ99 3CC^GBR^H"))
        until(lambda: arrived(2), 60)
        day(home.folder / "in", "tuesday", pers_surname="Okafor")
        until(lambda: arrived(3), 60)
        tell(adt("C2", "7=", "13=01632960199^PRN^PH"))
        until(lambda: arrived(4), 60)
        (patient,) = SyncFHIRClient(base).resources("Patient").search(identifier=f"{SYSTEM}|{NHS}").fetch()
        check_patient(dict(patient))
        home.stop()
    finally:
        server.close()
