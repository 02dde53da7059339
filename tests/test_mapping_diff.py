"""What another overlay would change, said before it is in force: compared with two hubs that have each of them."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hub.adapter import Theirs, find
from hub.config import load
from hub.config.build import mapped
from hub.mapping.compare import differences
from hub.pipeline.differ import Differ
from hub.wire import Document
from tests.council import CANARY, INDEX, Council
from tests.nodes import Postgres

GENDERS = "theirs,ours,way\nFem,2,in\n"
LOCAL = 'extends = "contactpoint/child"\n'


def made(folder: Path, store: str = "sqlite:///hub.db") -> Council:
    """A council whose index has an overlay of its own, `old`; `new` stands beside it."""
    folder.mkdir(exist_ok=True)
    council = Council(folder, store=store)
    council.change('bad = "park"', 'bad = "park"\noverlays = ["old"]')
    for name in ("old", "new"):
        (folder / name / "contactpoint").mkdir(parents=True)
        (folder / name / "codes" / "contactpoint").mkdir(parents=True)
    return council


@pytest.fixture
def council(tmp_path: Path) -> Council:
    return made(tmp_path)


def put(council: Council, folder: str, local: str = "", genders: str = "") -> None:
    """What stands in an overlay."""
    place = council.folder / folder
    (place / "contactpoint" / "local.toml").write_text(LOCAL + local)
    if genders:
        (place / "codes" / "contactpoint" / "gender.csv").write_text(genders)


def index(*genders: str) -> bytes:
    """The sample, with other words for the gender of the first girls."""
    text = INDEX.read_text("utf-8")
    for word in genders:
        text = text.replace("<Gender>F<", f"<Gender>{word}<", 1)
    return text.encode()


def run(council: Council, *documents: bytes) -> None:
    for n, document in enumerate(documents):
        council.drop(document, f"{n}.xml")
        assert council.call("run", "--once").code in (0, 1)


def diff(council: Council, *words: str) -> dict[str, Any]:
    said = council.call("mapping", "diff", *(words or ("old", "new")), "--json")
    assert said.code in (0, 1), said.err
    found: dict[str, Any] = json.loads(said.out)
    assert said.code == (1 if found["differences"] else 0)
    return found


def sent(council: Council) -> dict[str, dict[str, Any]]:
    """The last record of each child as it lies at the target that takes records of ours, without what is left over."""
    found = {}
    for path in sorted((council.folder / "out" / "ours").glob("[0-9]*")):
        for one in find("canonical").read(Document.at(path)):
            assert isinstance(one, Theirs)
            found[str(one.tree["source"]["id"])] = one.tree
    return found


def children(council: Council) -> dict[str, str]:
    """The id of the child of each record, by what diff calls the record."""
    with council.open() as store:
        document = store.document(1)
        return {
            f"1:{n}": one.id for n, one in enumerate(find("contactpoint").read(document)) if isinstance(one, Theirs)
        }


def test_the_same_overlay_changes_nothing(council: Council) -> None:
    run(council, index("Fem"))
    said = council.call("mapping", "diff", "old", "new")
    assert said.code == 0
    assert "7 records looked at, the newest of every child; 0 differences" in said.out


def test_what_it_says_is_what_another_hub_with_that_overlay_sends(tmp_path: Path) -> None:
    """A code more, a code that means another, and a field with its words swapped."""
    local = '[fields]\n"person.shielded" = { theirs = "Shielded", as = \'boolean("false", "true")\' }\n'
    genders = GENDERS + "M,9,in\n1,1,\n"
    before, after = made(tmp_path / "a"), made(tmp_path / "b")
    for one, folder in ((before, "new"), (after, "old")):
        put(one, folder, local, genders)
    for one in (before, after):
        run(one, index("Fem", "Frau"))
    told = diff(before)
    (ours,) = (one for one in told["targets"] if one["target"] == "ours")
    a, b, names = sent(before), sent(after), children(before)
    assert (len(a), len(b)) == (5, 6)
    changed = {
        name: {re.sub(r"extras\..*", "extras", path) for path in differences(a[name], b[name])} for name in a.keys() & b
    }
    records = [one for one in told["records"] if one["target"] == "ours"]
    assert {names[one["record"]]: set(one["fields"]) for one in records if one["what"] == "differs"} == {
        name: paths for name, paths in changed.items() if paths
    }
    assert {names[one["record"]] for one in records if one["what"] == "readable"} == b.keys() - a.keys()
    assert (ours["differs"], ours["readable"], ours["refused"]) == (4, 1, 0)
    assert ours["fields"]["person.shielded"] == sum("person.shielded" in paths for paths in changed.values()) > 0
    assert told["refused_by_both"] == 2, "one child, two targets"


def test_it_names_the_messages_the_cause_and_no_value(council: Council) -> None:
    run(council, index(f"{CANARY}X"))
    put(council, "new", '[fields]\n"person.birth.date" = { theirs = "BirthDate", as = "date(\\"%d/%m/%Y\\")" }\n')
    told = diff(council)
    (ours,) = (one for one in told["targets"] if one["target"] == "ours")
    assert ours["refused"] == 6
    assert ours["causes"][0]["count"] == 6
    assert "person.birth.date" in ours["causes"][0]["cause"]["row"]
    with council.open() as store:
        for one in told["records"]:
            document, ordinal = map(int, one["record"].split(":"))
            held = {number: store.trace(number).target for number in store.messages_of_record(document, ordinal)}
            assert one["messages"] == [number for number, target in held.items() if target == one["target"]]
    said = council.call("mapping", "diff", "old", "new")
    assert CANARY not in said.out + said.err + json.dumps(told)
    assert "would be refused" in said.out


def test_only_the_newest_record_of_a_child_counts(council: Council) -> None:
    run(council, index("Fem"), index())
    put(council, "new", genders=GENDERS + "F,1,in\n2,2,\n")
    told = diff(council, "old", "new", "--limit", "1")
    assert told["looked"] == 7
    assert len(told["records"]) == 1
    with council.open() as store:
        heads = list(store.heads(["index"]))
        assert {one.document for one in heads} == {1, 2}
        assert len({one.child for one in heads}) == len(heads) == 7


def test_an_overlay_of_a_target_changes_what_is_written_there(council: Council) -> None:
    run(council, index())
    local = council.folder / "own" / "ssd" / "local.toml"
    local.parent.mkdir(parents=True)
    local.write_text('extends = "ssd/person"\n[withhold]\n"person.birth.date" = "they shall not have it"\n')
    told = diff(council, "own", "--link", "fussy")
    (fussy,) = told["targets"]
    assert (fussy["target"], fussy["fields"], told["links"]) == ("fussy", {"pers_dob": fussy["differs"]}, ["fussy"])
    assert fussy["differs"] > 0
    assert diff(council, "shipped", "own") == told | {"links": ["fussy", "ours"]}


def test_a_record_whose_document_is_gone_is_still_compared_as_far_as_it_was_read(council: Council) -> None:
    run(council, index("Fem"))
    put(council, "new", genders=GENDERS)
    with contextlib.closing(sqlite3.connect(council.folder / "hub.db")) as connection, connection:
        connection.execute("DELETE FROM chunk")
    told = diff(council)
    assert (told["gone"], told["differences"]) == (7, 0)
    said = council.call("mapping", "diff", "old", "new")
    assert "7 records could not be read again" in said.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["new"], "name two folders, OLD and NEW"),
        (["old", "new", "new"], "name two folders"),
        (["new", "old"], "has no link with the overlay new"),
        (["old", "gone"], "gone: there is no such folder"),
        (["old", "new", "--link", "nobody"], "has no link 'nobody'"),
        (["old", "new", "--link", "ours"], "has no link with the overlay old"),
    ],
)
def test_a_call_that_means_nothing_says_so(council: Council, words: list[str], told: str) -> None:
    said = council.call("mapping", "diff", *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_a_new_overlay_that_does_not_load_is_said(council: Council) -> None:
    put(council, "new", genders="theirs,ours\nF,2\nF,1\n")
    said = council.call("mapping", "diff", "old", "new")
    assert (said.code, said.out) == (2, "")
    assert "new/codes/contactpoint/gender.csv" in said.err


def test_before_anything_was_kept_there_is_nothing_to_compare(council: Council) -> None:
    assert diff(council)["looked"] == 0


def test_on_postgresql_it_is_the_same(tmp_path: Path, postgres: Postgres) -> None:
    found = []
    for name, store in (("lite", "sqlite:///hub.db"), ("post", postgres.database())):
        council = made(tmp_path / name, store)
        put(council, "new", genders=GENDERS)
        run(council, index("Fem", "Frau"))
        found.append(diff(council))
        told = json.loads(council.call("failures", "show", "1", "--reveal", "to mend", "--json").out)["revealed"]
        assert [(one["text"], one["messages"]) for one in told["values"]] == [("Fem", 2), ("Frau", 2)]
    assert found[0] == found[1]


def test_a_record_that_a_person_edited_is_not_read_from_its_document(council: Council) -> None:
    run(council, index())
    put(council, "new", genders="theirs,ours,way\nF,1,in\n2,2,\n")
    with contextlib.closing(sqlite3.connect(council.folder / "hub.db")) as connection, connection:
        connection.execute("UPDATE record SET revision = 1")
    settings = load(council.toml)
    with council.open() as store:
        links = mapped(settings, store)
        differ = Differ(links, dict(links), store, settings.ring)
        assert (list(differ.run()), differ.looked) == ([], 0), "nothing is changed"
    assert diff(council)["differences"] == 0
