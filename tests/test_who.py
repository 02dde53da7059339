"""Who a child is to several sources: where they meet and where not, and that the shield of one source covers it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub.config import load
from hub.config.build import build
from hub.store import Bears, Store
from tests.stores import Council
from tests.test_flow_faults import Home, link

ANN, BOB = "9999001009", "9999001017"
UPN = "Q801234500001"
NHS = "https://fhir.nhs.uk/Id/nhs-number"


class Sources:
    """Sources of records of ours, a FHIR source that tells changes, and targets; each a folder."""

    def __init__(self, folder: Path) -> None:
        names, targets = ("a", "b", "c"), ("server", "forms", "hl7")
        for name in (*names, "gp", *targets):
            (folder / name).mkdir()
        told = "".join(link(name, "canonical", f'kind = "folder", in = "{name}", settle = 0') for name in names)
        told += link("gp", "fhir_r4", 'kind = "folder", in = "gp", settle = 0')
        kinds = dict(zip(targets, ("fhir_r4", "caf", "hl7v2"), strict=True))
        told += "".join(link(name, kind, f'kind = "folder", out = "{name}"') for name, kind in kinds.items())
        told += "".join(f'[[routes]]\nfrom = "{name}"\nto = {json.dumps(targets)}\n' for name in (*names, "gp"))
        Home(folder, told)
        self.folder, self.seen, self.count = folder, set[Path](), 0

    def tell(self, source: str, **told: Any) -> dict[str, Any]:
        """A record of ours, or a FHIR resource; the Patient that the server then gets, by `put`."""
        self.count += 1
        place = self.folder / source / f"{self.count}.json{'' if source == 'gp' else 'l'}"
        if source != "gp":
            told = {"source": {"link": "s", "id": told.pop("id", "1")}, "person": told}
        place.write_text(json.dumps(told))
        return self.run()

    def run(self) -> dict[str, Any]:
        assert self.once() == 0
        return self.patients()[-1] if self.patients() else {}

    def once(self) -> int:
        return build(load(self.folder / "hub.toml")).run(once=True)

    def store(self) -> Store:
        settings = load(self.folder / "hub.toml")
        return Store.open(settings.store, settings.ring)

    def patients(self) -> list[dict[str, Any]]:
        """The Patients that went to the server, each with the address it was put under."""
        found = []
        for path in sorted(self.folder.glob("server/[0-9]*")):
            for entry in json.loads(path.read_text())["entry"]:
                if entry["resource"]["resourceType"] == "Patient":
                    found.append({**entry["resource"], "put": entry["request"]["url"]})
        return found

    def sent(self, target: str) -> str:
        """All that a target has got since it was looked at last."""
        new = sorted(set(self.folder.joinpath(target).glob("[0-9]*")) - self.seen)
        self.seen |= {*new}
        return "".join(path.read_text() for path in new)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path)


def number(value: str, system: str = "nhs", **more: Any) -> dict[str, Any]:
    return {"id": f"{system}-{value}", "system": system, "value": value, **more}


def living(street: str) -> list[dict[str, Any]]:
    return [{"id": "1", "lines": [street], "postcode": "ZZ99 1AA"}]


def streets(patient: dict[str, Any]) -> set[str]:
    return {line for one in patient.get("address", ()) for line in one.get("line", ())}


def is_shielded(patient: dict[str, Any]) -> bool:
    return [one["code"] for one in patient.get("meta", {}).get("security", ())] == ["R"]


def test_no_other_source_takes_a_shield_down(sources: Sources) -> None:
    assert is_shielded(sources.tell("a", identifiers=[number(ANN)], shielded=True, addresses=living("1 Secret Road")))
    assert is_shielded(sources.tell("b", identifiers=[number(ANN)], shielded=False, addresses=living("1 Secret Road")))
    patient = sources.tell("a", identifiers=[number(ANN)], shielded=True, addresses=living("2 Refuge Street"))
    assert is_shielded(patient)
    assert streets(patient) == set()
    for target in ("server", "forms", "hl7"):
        said = sources.sent(target)
        assert said
        assert "Secret Road" not in said
        assert "Refuge Street" not in said


def test_the_source_that_shielded_a_child_takes_its_shield_down(sources: Sources) -> None:
    sources.tell("a", identifiers=[number(ANN)], shielded=True)
    sources.tell("b", identifiers=[number(ANN)], addresses=living("1 Open Road"))
    patient = sources.tell("a", identifiers=[number(ANN)], shielded=False, sex="F")
    assert not is_shielded(patient)
    assert streets(patient) == {"1 Open Road"}
    sources.tell("b", identifiers=[number(ANN)], addresses=living("2 Open Road"))
    assert "2 Open Road" in sources.sent("forms")


def test_what_targets_had_of_other_sources_is_told_anew_once_a_child_is_shielded(sources: Sources) -> None:
    sources.tell("b", id="q", identifiers=[number(ANN)], addresses=living("1 Secret Road"), religion="Sikh")
    sources.tell("c", id="r", identifiers=[number(BOB)], addresses=living("9 Other Street"))
    for target in ("server", "forms", "hl7"):
        assert "Secret Road" in sources.sent(target)
    sources.tell("a", id="p", identifiers=[number(ANN)], shielded=True)
    found = [sources.sent(target) for target in ("server", "forms", "hl7")]
    assert ["Secret Road" in said for said in found] == [False] * 3
    assert ["Other Street" in said for said in found] == [False] * 3, "nobody else is told anew"
    assert [is_shielded(one) for one in sources.patients()[-2:]] == [True, True]
    assert "|q^^^" in found[2], "the record of the other source goes again"
    store = sources.store()
    runs, entry = store.runs(open_only=False), store.audit_entries(act="replay latest")[0]
    assert [(one.who, one.state, dict(one.items)) for one in runs] == [("the hub", "done", {"sent": 1})] * 3
    assert (entry.who, entry.children) == ("the hub", 1)
    store.close()
    sources.tell("a", id="p", identifiers=[number(ANN)], shielded=True, sex="F")
    assert "q^^^" not in sources.sent("hl7"), "the shield was up already"


def test_so_is_what_they_had_of_a_source_of_changes(sources: Sources) -> None:
    patient = {"resourceType": "Patient", "id": "P1", "identifier": [{"system": NHS, "value": ANN}]}
    sources.tell("gp", **patient, address=[{"line": ["1 Secret Road"], "postalCode": "ZZ99 1AA"}])
    sources.tell("gp", **patient, gender="female")
    assert "Secret Road" in sources.sent("forms")
    sources.tell("a", id="p", identifiers=[number(ANN)], shielded=True)
    said = sources.sent("forms")
    assert "<Id>P1</Id><Gender>Female</Gender>" in said, "with all that it said before"
    assert "Secret Road" not in said


def labelled(code: str) -> dict[str, Any]:
    return {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": code}]}


def test_a_change_that_says_nothing_of_a_shield_leaves_it_up(sources: Sources) -> None:
    patient = {"resourceType": "Patient", "id": "P1", "identifier": [{"system": NHS, "value": ANN}]}
    patient |= {"name": [{"family": "Okafor", "given": ["Amara"]}], "birthDate": "2015-03-27"}
    home = {"address": [{"line": ["1 Secret Road"], "postalCode": "ZZ99 1AA"}]}
    mother = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]}
    related = {"resourceType": "RelatedPerson", "id": "R1", "patient": {"reference": "Patient/P1"}}
    sources.tell("gp", **patient, meta=labelled("R"))
    sources.tell("gp", **related, relationship=[mother], name=[{"text": "Ngozi Okafor"}], **home)
    sources.tell("gp", **patient, **home)
    sources.tell("b", identifiers=[number(ANN)], addresses=living("1 Secret Road"))
    for target in ("server", "forms", "hl7"):
        assert "Secret Road" not in sources.sent(target), target
    sources.tell("b", identifiers=[number(ANN)], shielded=False, addresses=living("1 Secret Road"))
    assert "Secret Road" not in sources.sent("server")
    assert streets(sources.tell("gp", **patient, **home, meta=labelled("U"))) == {"1 Secret Road"}


def test_a_number_told_by_mistake_and_put_right_takes_nothing_from_others(sources: Sources) -> None:
    sources.tell("a", identifiers=[number(ANN)], shielded=True)
    sources.tell("b", identifiers=[number(ANN)], addresses=living("1 Secret Road"), religion="Sikh")
    sources.tell("c", identifiers=[number(ANN)], nationality="GB")
    moved = sources.tell("c", identifiers=[number(BOB)], nationality="GB", addresses=living("9 Other Street"))
    assert (moved["put"].endswith(BOB), is_shielded(moved), streets(moved)) == (True, False, {"9 Other Street"})
    patient = sources.tell("b", identifiers=[number(ANN)], addresses=living("2 Secret Road"), religion="Sikh")
    assert (is_shielded(patient), streets(patient)) == (True, set())


def test_children_do_not_meet_in_a_upn_nor_in_one_of_two_numbers(sources: Sources) -> None:
    sources.tell("a", id="p", identifiers=[number(ANN), number(UPN, "upn")], addresses=living("1 First Road"))
    patient = sources.tell("b", id="q", identifiers=[number(BOB), number(UPN, "upn")], addresses=living("2 Next Road"))
    assert streets(patient) == {"2 Next Road"}
    assert {one["value"] for one in patient["identifier"]} & {ANN, BOB} == {BOB}
    patient = sources.tell("c", id="r", identifiers=[number(ANN), number(BOB)], addresses=living("3 Last Road"))
    assert streets(patient) == {"3 Last Road"}, "it may be about two children"
    assert not patient["put"].endswith((ANN, BOB))
    ended = number(ANN, period={"start": "2015-01-01", "end": "2019-12-31"})
    patient = sources.tell("c", id="s", identifiers=[ended, number(BOB)], addresses=living("4 Side Road"))
    assert patient["put"].endswith(BOB)
    assert streets(patient) == {"2 Next Road", "4 Side Road"}


def test_items_of_two_sources_with_one_id_are_two(sources: Sources) -> None:
    sources.tell("a", identifiers=[number(ANN)], addresses=living("1 First Road"))
    patient = sources.tell("b", identifiers=[number(ANN)], addresses=living("2 Next Road"))
    assert streets(patient) == {"1 First Road", "2 Next Road"}


def test_what_is_in_a_full_state_no_more_is_told_to_be_gone_once(sources: Sources) -> None:
    def tell(*ids: str, **more: Any) -> list[tuple[str, str]]:
        sources.sent("server")
        sources.count += 1
        parts = {"involvements": [{"id": one, "service": {"name": f"Clinic {one}"}} for one in ids]}
        told = {"source": {"link": "s", "id": "1"}, "person": {"identifiers": [number(ANN)], **more}, **parts}
        (sources.folder / "a" / f"{sources.count}.jsonl").write_text(json.dumps(told))
        assert sources.once() == 0
        said = sources.sent("server")
        entries = json.loads(said)["entry"] if said else []
        return sorted(
            (e["request"]["method"], e["request"]["url"][-1]) for e in entries if "CareTeam" in e["request"]["url"]
        )

    assert tell("1", "2") == [("PUT", "1"), ("PUT", "2")]
    assert tell("2") == [("DELETE", "1"), ("PUT", "2")]
    assert tell("2", religion="Sikh") == [("PUT", "2")]
    assert tell() == [("DELETE", "2")]
    assert tell("1") == [("PUT", "1")]


def adt(own: str, kind: str = "A31", pid: str = "", address: str = "", more: str = "", control: str = "1") -> str:
    return (
        f"MSH|^~\\&|PAS|RAA|HUB|NS|20260102030405||ADT^{kind}|{own}{control}|P|2.4\rEVN|{kind}|20260102030405\r"
        f"PID|1||{own}^^^RAA^MR{pid}||Example^Ada||20150203|F|||{address}\r{more}"
    )


class Hospital(Sources):
    """The same, with a hospital that tells changes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "pas").mkdir()
        file = self.folder / "hub.toml"
        told = file.read_text() + '[[routes]]\nfrom = "pas"\nto = ["server"]\n'
        where = told.index("[[routes]]")
        file.write_text(told[:where] + link("pas", "hl7v2", 'kind = "folder", in = "pas", settle = 0') + told[where:])

    def hear(self, *messages: str) -> list[dict[str, Any]]:
        """The Patients that the server gets of what the hospital says."""
        before = len(self.patients())
        for message in messages:
            self.count += 1
            (self.folder / "pas" / f"{self.count:03d}.hl7").write_text(message)
        self.run()
        return self.patients()[before:]


def test_a_change_without_the_number_goes_in_the_line_of_the_number(tmp_path: Path) -> None:
    hospital, pid = Hospital(tmp_path), f"~{ANN}^^^NHS^NH"
    hospital.hear(adt("P1", pid=pid, address="1 Old Road"), adt("C1", pid=pid, address="2 Clinic Road"))
    *_, patient = hospital.hear(
        adt("P1", address="3 New Road", control="2"), adt("C1", pid=pid, address="4 New Road", control="2")
    )
    assert streets(patient) == {"3 New Road", "4 New Road"}


def test_a_number_that_a_source_puts_right_leaves_the_child(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path)
    hospital.hear(adt("Y1", pid=f"~{ANN}^^^NHS^NH", address="1 Home Road"))
    hospital.hear(adt("X1", pid=f"~{ANN}^^^NHS^NH", address="2 Refuge Road"))
    (patient,) = hospital.hear(adt("X1", pid=f"~{BOB}^^^NHS^NH", control="2"))
    assert (patient["put"].endswith(BOB), streets(patient)) == (True, {"2 Refuge Road"})
    assert ANN not in {one["value"] for one in patient["identifier"]}
    (patient,) = hospital.hear(adt("Y1", pid=f"~{ANN}^^^NHS^NH", address="3 Home Road", control="2"))
    assert (patient["put"].endswith(ANN), streets(patient)) == (True, {"3 Home Road"})
    assert BOB not in {one["value"] for one in patient["identifier"]}


def test_what_a_merged_record_said_counts_no_more(tmp_path: Path) -> None:
    hospital, pid = Hospital(tmp_path), f"~{ANN}^^^NHS^NH"
    hospital.hear(adt("P2", pid=pid, address="2 Wrong Road"), adt("P1", pid=pid, address="1 Right Road"))
    hospital.hear(adt("P1", "A40", more="MRG|P2^^^RAA^MR\r", control="2"))
    (patient,) = hospital.hear(adt("P1", pid=pid, address="9 New Road", control="3"))
    assert streets(patient) == {"9 New Road"}
    assert {one["value"] for one in patient["identifier"]} & {"P1", "P2"} == {"P1"}


def test_what_cannot_be_opened_of_one_child_stops_no_other(sources: Sources) -> None:
    sources.tell("a", id="p", identifiers=[number(ANN)])
    settings = load(sources.folder / "hub.toml")
    store = Store.open(settings.store, settings.ring)
    store.database.write(lambda work: work.connection.execute("UPDATE told SET sealed = x'00'"))
    store.close()
    for one, value in (("p", ANN), ("q", BOB)):
        place = sources.folder / "a" / f"{one}.jsonl"
        about = {"identifiers": [number(value)], "religion": "Sikh"}
        place.write_text(json.dumps({"source": {"link": "s", "id": one}, "person": about}))
    assert sources.once() == 1
    assert [one["put"].endswith(BOB) for one in sources.patients()] == [False, True]


# In the store

KEY, OTHER = b"N" * 16, b"O" * 16


def test_whose_shield_covers_whom(store: Store, council: Council) -> None:
    def tell(child: str, names: tuple[bytes, ...], shielded: bool | None, carries: str = "change") -> int:
        name = council.child(child)
        bears, body = (Bears(name, names, False, shielded),), f"{child} {names} {shielded} {len(council.known)}"
        council.take(council.record(child, body, places=names, carries=carries, bears=bears))
        return store.children([name])[name]

    ann, bob = tell("ann", (KEY,), True), tell("bob", (), None)
    assert store.shielded({1: ([ann], []), 2: ([bob], []), 3: ([], [KEY]), 4: ([bob], [KEY]), 5: ([], [OTHER])}) == {
        1,
        3,
        4,
    }
    tell("bob", (KEY,), None)
    tell("bob", (), False)
    assert store.shielded({1: ([bob], [])}) == {1}, "it bears the number, though it says so no more, and did not shield"
    tell("ann", (OTHER,), None)
    assert store.shielded({1: ([ann], []), 2: ([bob], []), 3: ([], [OTHER])}) == {1, 3}
    tell("ann", (OTHER,), None, "state")
    assert store.shielded({1: ([ann], []), 3: ([], [OTHER])}) == set(), "a full state without a shield has none"


def test_the_shield_of_one_who_is_merged_goes_on_the_one_it_is_merged_into(store: Store, council: Council) -> None:
    old, new = council.child("old"), council.child("new")
    council.take(council.record("old", "A", places=(KEY,), bears=(Bears(old, (KEY,), False, True),)))
    bears = (Bears(new, (OTHER,), False, None),)
    council.take(council.record("new", "B", places=(OTHER,), carries="event", merge=old, bears=bears))
    assert store.shielded({1: ([], [OTHER]), 2: ([], [KEY])}) == {1}


def test_a_shield_that_rises_has_told_anew_what_targets_had_and_no_more(store: Store, council: Council) -> None:
    def take(name: str, *keys: bytes, source: str = "health", shielded: bool | None = None, **more: Any) -> int:
        about = council.child(f"{name} of it" if more.get("members") else name, source)
        bears = (Bears(about, keys, False, shielded),)
        record = council.record(name, "A", source=source, places=(about, *keys), bears=bears, **more)
        assert store.lease_source(source, council.worker)
        return council.take(record, source=source).messages[0].number

    council.send(take("ann", KEY))
    council.send(take("other", OTHER))
    council.send(take("event", KEY, carries="event"))
    council.send(take("form", KEY, members=(council.child("form of it", "health"),)))
    waits = council.take(council.record("waits", "A", source="health", places=(KEY,)), source="health")
    assert len(waits.messages) == 1
    take_shield = council.record("own", "A", places=(KEY,), bears=(Bears(council.child("own"), (KEY,), False, True),))
    council.take(take_shield)
    [run] = store.runs()
    ids = store.children([council.child(name, "health") for name in ("ann", "form")])
    assert (run.who, run.target, run.mapping, run.items) == ("the hub", "ssd", "", {"frozen": 2})
    assert {one.key for one in store.run_items(run.id)} == set(ids.values())
    assert store.audit_entries()[0].children == 2
    council.take(council.record("own", "B", places=(KEY,), bears=(Bears(council.child("own"), (KEY,), False, True),)))
    assert len(store.runs()) == 1, "it was up already"
