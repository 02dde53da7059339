"""A form about several children: a record a child, one message with the places of all, and found under each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hub.model import decode_all, encode, from_tree
from hub.store import Choice, Incoming, Store
from tests.stores import RING, Council
from tests.test_flow_faults import Home, link

NHS = {"ann": "9999001009", "ben": "9999001033"}


def child(name: str, given: str = "", **person: Any) -> dict[str, Any]:
    number = [{"id": "i1", "system": "nhs", "value": NHS[name]}] if name in NHS else []
    names = [{"id": "n1", "given": given or name.title(), "family": "Example"}]
    return {"source": {"id": name}, "person": {"names": names, "identifiers": number, **person}}


def form(name: str, *children: dict[str, Any]) -> bytes:
    return json.dumps({"form": name, "children": children}).encode() + b"\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Forms come in; they go to a system of forms, one of single records, and a FHIR server's folder."""
    for name in ("forms", "single", "fhir"):
        (tmp_path / name).mkdir()
    told = (
        link("caf", "tests.families", 'kind = "folder", in = "in", settle = 0')
        + link("other", "canonical", 'kind = "folder", in = "other", settle = 0')
        + link("forms", "tests.families", 'kind = "folder", out = "forms"')
        + link("single", "canonical", 'kind = "folder", out = "single"')
        + link("fhir", "fhir_r4", 'kind = "folder", out = "fhir"')
        + '[[routes]]\nfrom = "caf"\nto = ["forms", "single", "fhir"]\n'
        + '[[routes]]\nfrom = "other"\nto = ["fhir"]\n'
    )
    return Home(tmp_path, told)


def once(home: Home, code: int = 0) -> None:
    ran = home.run("run", "--once")
    assert ran.code == code, ran.err.decode()


def forms(home: Home) -> list[list[str]]:
    """The children of each form that went out."""
    paths = sorted((home.folder / "forms").glob("[0-9]*"))
    return [[one["source"]["id"] for one in json.loads(path.read_bytes())["children"]] for path in paths]


def test_a_form_is_one_message_and_goes_back_to_one_form(home: Home) -> None:
    home.drop_bytes("1.jsonl", form("F1", child("ann"), child("ben"), child("cat")) + form("F2", child("dan")))
    once(home)
    assert forms(home) == [["ann", "ben", "cat"], ["dan"]] or forms(home) == [["ann", "ben", "cat", "dan"]]
    assert len(home.sent("single")) == 4, "a record a child"
    store = home.open_store()
    assert [store.trace(number).state for number in range(1, 7)] == ["sent"] * 6
    store.close()


def test_a_fhir_server_keeps_what_another_source_told_of_each_child(home: Home) -> None:
    told = child("ben", religion="Sikh") | {"source": {"id": "x7"}}
    (home.folder / "other" / "1.jsonl").write_bytes(json.dumps(told).encode())
    once(home)
    home.drop_bytes("1.jsonl", form("F1", child("ann"), child("ben", sex="M")))
    once(home)
    last = max((home.folder / "fhir").glob("[0-9]*"))
    held = [entry["resource"] for entry in json.loads(last.read_bytes())["entry"]]
    patients = [one for one in held if one["resourceType"] == "Patient"]
    (ben,) = [one for one in patients if NHS["ben"] in {i.get("value") for i in one["identifier"]}]
    assert len(patients) == 2
    assert "Sikh" in json.dumps(ben)


def test_it_waits_for_each_of_its_children_and_each_waits_for_it(store: Store) -> None:
    council = Council(store)
    ann, ben = council.child("ann"), council.child("ben")
    council.take(council.record("ann", "A"))
    council.take(_form(council, RING.name("form", "F1"), (ann, ben)))
    council.take(council.record("ben", "A"))
    assert not council.claim(2).claims, "ann's own is before it"
    assert not council.claim(3).claims, "and ben's own behind it"
    council.send(1)
    assert not council.claim(3).claims
    council.send(2)
    assert council.claim(3).claims


def _form(council: Council, key: bytes, members: tuple[bytes, ...]) -> Incoming:
    return replace(council.record("form", "A", places=members, members=members), child=key)


def test_what_was_sent_of_a_form_is_found_under_each_child(store: Store) -> None:
    council = Council(store)
    ann, ben = council.child("ann"), council.child("ben")
    council.take(_form(council, RING.name("form", "F1"), (ann, ben)))
    council.take(council.record("ann", "A"))
    for name, numbers in ((ann, [1, 2]), (ben, [1])):
        kin = store.kin(name)
        assert kin is not None
        assert kin.numbers == numbers
        assert list(kin.keys.values()) == [name]
    assert store.children_of([1]) == sorted([ann, ben])
    store.audit("ann", "reveal", "message 1", [RING.name("form", "F1")])
    assert store.verify_audit().broken is None
    kin = store.kin(ben)
    assert kin is not None
    assert [one.act for one in store.audit_of(kin.keys)] == ["reveal"]


def test_a_form_of_which_one_child_cannot_be_mapped_is_parked_whole(home: Home) -> None:
    bad = child("ben") | {"person": {"sex": 7}}
    home.drop_bytes("1.jsonl", form("F1", child("ann"), bad) + form("F2", child("dan")))
    home.drop_bytes("2.jsonl", form("F3", child("ann", "Later")))
    once(home, 1)
    assert forms(home) == [["dan"]], "what comes later of one of its children waits behind it"
    store = home.open_store()
    found = store.choose(Choice(source="caf")).items
    assert [store.trace(number).state for number in found].count("parked") == 3
    store.close()


def test_the_records_of_a_form_are_kept_as_they_are() -> None:
    kept = [from_tree(child("ann")), from_tree(child("ben"))]
    assert decode_all(b"[" + b",".join(map(encode, kept)) + b"]") == kept
    assert decode_all(encode(kept[0])) == kept[:1]


def test_the_same_form_again_is_unchanged_and_a_changed_one_goes_whole(home: Home) -> None:
    home.drop_bytes("1.jsonl", form("F1", child("ann"), child("ben")))
    once(home)
    home.drop_bytes("2.jsonl", form("F1", child("ann"), child("ben")))
    once(home)
    assert len(forms(home)) == 1
    home.drop_bytes("3.jsonl", form("F1", child("ann", "Anna"), child("ben")))
    once(home)
    assert forms(home)[1:] == [["ann", "ben"]]


def test_a_form_is_replayed_whole_and_not_edited_in_part(home: Home) -> None:
    home.drop_bytes("1.jsonl", form("F1", child("ann"), child("ben")))
    once(home)
    ran = home.run("replay", "--target", "forms", "--latest", "--yes", "--reason", "it was emptied")
    assert b"1 message" in ran.err
    once(home)
    assert forms(home) == [["ann", "ben"], ["ann", "ben"]]
    taken = home.run("edit", "1:0", "--take", "taken.json", "--reason", "a wrong name")
    assert taken.code == 1
    assert b"about several children" in taken.err
    assert not (home.folder / "taken.json").exists()


def test_each_child_of_a_form_has_a_key_of_its_own_at_a_receiver_that_knows_keys(tmp_path: Path) -> None:
    (tmp_path / "ward").mkdir()
    told = (
        link("caf", "tests.families", 'kind = "folder", in = "in", settle = 0')
        + link("ward", "hl7v2", 'kind = "folder", out = "ward"')
        + '[[routes]]\nfrom = "caf"\nto = ["ward"]\n'
    )
    home = Home(tmp_path, told)
    home.drop_bytes("1.jsonl", form("F1", child("ann"), child("ben")))
    once(home)
    (file,) = (home.folder / "ward").glob("[0-9]*")
    controls = [line.split(b"|")[9] for line in file.read_bytes().split(b"\r") if line.startswith(b"MSH")]
    assert len(set(controls)) == len(controls) == 2
