"""The audit: nothing in it changes, acts name their children, and it answers who saw and where a child's data went."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.errors import DeclarationError
from hub.pipeline.reading import child_name
from hub.store import Store
from hub.store.statements import Sql
from tests import council as councils
from tests.council import CANARY, COMMAND, INDEX, ROOT, spoiled
from tests.stores import RING, Council


@pytest.fixture
def acted(store: Store, council: Council) -> Council:
    """Two children, and four acts: two about nobody, one about ann, one about both."""
    council.take(council.record("ann", "A"), council.record("bob", "A"))
    ann, bob = council.child("ann"), council.child("bob")
    store.audit("me", "one", "détail")
    store.audit("me", "two", "about one child", [ann])
    store.audit("you", "three", "about two children", [ann, bob, ann])
    store.audit("you", "four")
    return council


def tamper(council: Council, *statements: str) -> None:
    """Write past the triggers, as somebody can who owns the database."""
    if council.store.database.sqlite:
        names = council.run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        statements = (*(f"DROP TRIGGER {name}" for name, _ in names), *statements, *(str(text) for _, text in names))
    else:
        statements = ("SET session_replication_role = replica", *statements, "SET session_replication_role = origin")
    council.store.database.write(lambda work: [work.run(Sql(statement)) for statement in statements])


# The chain


def test_each_entry_follows_from_the_one_before(store: Store, acted: Council) -> None:
    found = store.verify_audit()
    assert (found.entries, found.broken, found.since) == (4, None, None)
    assert found.last == store.status().audit == store.audit_entries(limit=1)[0].digest


@pytest.mark.parametrize("table", ["audit", "audit_child"])
@pytest.mark.parametrize("words", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_database_refuses_to_change_what_was_entered(store: Store, acted: Council, table: str, words: str) -> None:
    if words.startswith("TRUNCATE") and store.database.sqlite:
        return
    column = {"audit": "who = 'nobody'", "audit_child": "key = 1"}[table]
    with pytest.raises(acted.store.database.driver.error, match="the audit only grows"):
        acted.run(words.format(table, column))
    assert store.verify_audit().broken is None
    store.audit("me", "five", "", [acted.child("bob")])
    assert store.verify_audit().entries == 5


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE audit SET who = 'nobody' WHERE act = 'two'", 2),
        ("UPDATE audit SET at = at - 1 WHERE act = 'one'", 1),
        ("DELETE FROM audit WHERE act = 'one'", 2),
        ("DELETE FROM audit WHERE act = 'three'", 4),
        ("DELETE FROM audit WHERE act = 'four'", 4),
        ("DELETE FROM audit", 1),
        ("DELETE FROM audit_child WHERE audit = 2", 2),
        ("DELETE FROM audit_child WHERE audit = 3 AND key = (SELECT min(key) FROM audit_child)", 3),
        ("UPDATE audit_child SET key = (SELECT sum(key) FROM audit_child) - 2 * key WHERE audit = 2", 2),
        ("INSERT INTO audit_child (key, audit) VALUES (1, 4)", 4),
        ("INSERT INTO audit_child (key, audit) VALUES (1, 99)", 5),
        ("UPDATE fact SET value = 'ab' WHERE name = 'audit'", 5),
    ],
)
def test_what_was_changed_past_the_triggers_breaks_the_chain(
    store: Store, acted: Council, change: str, broken: int
) -> None:
    tamper(acted, change)
    assert store.verify_audit().broken == broken


def test_a_digest_that_was_noted_down_is_found_as_long_as_the_chain_was_not_written_anew(
    store: Store, acted: Council
) -> None:
    noted = store.verify_audit().last
    store.audit("me", "five")
    for mark in (noted, noted[:16]):
        assert store.verify_audit(mark).since == 4
    assert store.verify_audit("0" * 64).since is None
    tamper(acted, "DELETE FROM audit", "DELETE FROM audit_child", "UPDATE fact SET value = '' WHERE name = 'audit'")
    for act in ("one", "two", "three", "four", "five"):
        store.audit("me", act)
    found = store.verify_audit(noted)
    assert (found.entries, found.broken, found.since) == (5, None, None), "it holds in itself, but it is not that one"


def test_a_long_chain_is_read_in_parts(store: Store, acted: Council, monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.store import audit

    monkeypatch.setattr(audit, "_STEP", 2)
    assert store.verify_audit().entries == 4
    tamper(acted, "UPDATE audit SET who = 'nobody' WHERE act = 'four'")
    assert store.verify_audit().broken == 4


def test_an_act_about_a_child_that_nobody_knows_is_not_entered(store: Store, acted: Council) -> None:
    for stranger in (RING.name("child", "ics", "eve"), 999):
        with pytest.raises(DeclarationError, match="does not know one of these children"):
            store.audit("me", "reveal", "", [acted.child("ann"), stranger])
    assert store.verify_audit().entries == 4


def test_acts_of_many_processes_make_one_chain(store: Store, acted: Council) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: store.audit("me", f"act {n}", "", [acted.child("ann")]), range(40)))
    found = store.verify_audit()
    assert (found.entries, found.broken) == (44, None)


# Children


def test_acts_are_found_by_child_time_and_kind(store: Store, acted: Council) -> None:
    ann, bob = (store.kin(acted.child(name)) for name in ("ann", "bob"))
    assert ann is not None
    assert bob is not None
    assert [one.act for one in store.audit_of(ann.keys)] == ["three", "two"]
    assert [(one.act, one.children) for one in store.audit_of(bob.keys)] == [("three", 2)]
    assert [one.act for one in store.audit_entries(act="two")] == ["two"]
    assert [one.act for one in store.audit_entries(limit=2)] == ["four", "three"]
    assert store.audit_entries(since=store.status().now + 60) == []


def test_children_that_were_merged_are_followed_both_ways(store: Store, council: Council) -> None:
    names = ("ann", "anne", "anna", "bob")
    council.take(*(council.record(name, "A") for name in names))
    council.take(council.record("anne", "C", carries="event", merge=council.child("anna")))
    council.take(council.record("ann", "B", carries="event", merge=council.child("anne")))
    store.audit("me", "reveal", "message 3", [council.child("anna")])
    for name in ("ann", "anne", "anna"):
        kin = store.kin(council.child(name))
        assert kin is not None
        assert set(kin.keys.values()) == {council.child(one) for one in ("ann", "anne", "anna")}
        assert kin.numbers == [1, 2, 3, 5, 6]
        assert [one.act for one in store.audit_of(kin.keys)] == ["reveal"]
    bob = store.kin(council.child("bob"))
    assert bob is not None
    assert (bob.numbers, store.audit_of(bob.keys)) == ([4], [])
    assert store.kin(RING.name("child", "ics", "eve")) is None


# The commands


@pytest.fixture
def hub(tmp_path: Path) -> councils.Council:
    """Five children sent to two targets, and two of whom nothing could be read."""
    made = councils.Council(tmp_path)
    made.become(_trouble)
    return made


def _trouble(made: councils.Council) -> None:
    made.drop(spoiled())
    assert made.call("run", "--once").code == 1


def told(hub: councils.Council, *words: str) -> Any:
    return json.loads(hub.call(*words, "--json").out)


def rows(hub: councils.Council, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(hub.folder / "hub.db")) as connection:
        return connection.execute(query).fetchall()


def sent_number(hub: councils.Council) -> str:
    return str(rows(hub, "SELECT min(number) FROM message WHERE state = 'sent'")[0][0])


def test_a_child_is_named_by_its_key_a_message_or_a_record_and_who_saw_it_is_told(hub: councils.Council) -> None:
    number = sent_number(hub)
    (way,) = told(hub, "trace", number)
    place = f"{way['received']['document']}:{way['received']['ordinal']}"
    said = hub.call("audit", "who-saw", number)
    assert (said.code, said.out) == (0, "nobody was shown this child's values, and nobody acted on its messages\n")
    assert hub.call("trace", number, "--reveal", "asked by the family").code == 0
    answers = [told(hub, "audit", "who-saw", name) for name in (way["child"], number, place, way["id"])]
    assert answers[1:] == answers[:1] * 3
    (entry,) = answers[0]["entries"]
    assert (entry["act"], entry["children"]) == ("reveal", 1)
    assert entry["detail"].endswith(": asked by the family")
    assert "asked by the family" in hub.call("audit", "who-saw", number).out
    other = rows(hub, "SELECT max(number) FROM message WHERE state = 'sent'")[0][0]
    assert told(hub, "audit", "who-saw", str(other))["entries"] == []


def test_who_saw_a_whole_file_saw_all_the_children_in_it(hub: councils.Council) -> None:
    ours = "(SELECT id FROM link WHERE name = 'ours')"
    number = rows(hub, f"SELECT min(number) FROM message WHERE parcel > 0 AND target = {ours}")[0][0]
    assert hub.call("trace", str(number), "--reveal", "a whole file", "--parcel").code == 0
    (entry,) = told(hub, "audit", "list", "--act", "reveal")
    assert entry["children"] > 1
    assert entry["children"] == rows(hub, "SELECT count(*) FROM audit_child")[0][0]


def test_a_child_is_found_by_the_id_its_source_gives_it_which_stands_in_no_history(hub: councils.Council) -> None:
    number = sent_number(hub)
    (way,) = told(hub, "trace", number, "--reveal", "to know its id")
    own = way["record"]["values"]["source"]["id"]
    assert child_name(hub.ring, "index", own).hex() == way["child"], "as the flow names it"
    command = [*COMMAND, "audit", "who-saw", "--link", "index", "--json"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}

    def ask(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, input=text, cwd=hub.folder, env=environment, capture_output=True, text=True, check=False
        )

    assert json.loads(ask(f"{own}\n").stdout) == told(hub, "audit", "who-saw", number)
    for wrong in ("", f"{CANARY}\n"):
        ran = ask(wrong)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert CANARY not in ran.stderr


def test_where_sent_says_what_went_where_and_what_did_not(hub: councils.Council) -> None:
    answer = told(hub, "audit", "where-sent", sent_number(hub))
    assert answer["versions"] == {"ever": 1, "known": 1, "gone": 0}
    fussy, ours = answer["targets"]
    assert (fussy["target"], ours["target"]) == ("fussy", "ours")
    (message,) = ours["messages"]
    assert message["state"] == "sent"
    assert (message["generation"], message["version"], message["source"]) == (0, 1, "index")
    assert message["mapping"] == told(hub, "status")["mapping_set"]
    assert message["left_out"] == []
    assert message["parts"]["person"]["person.names[].family"] >= 1
    assert set(message["parts"]) >= {"person", "relationships", "involvements"}
    (message,) = fussy["messages"]
    left = {one["path"]: one["count"] for one in message["left_out"]}
    assert left["involvements[].kind"] == 2
    assert all(one["reason"] for one in message["left_out"] if one["what"] == "withheld")
    assert "involvements" not in message["parts"], "of an item nothing is left but its id"
    assert message["parts"]["person"]["person.names[].family"] == 1, "of two names one went"
    said = hub.call("audit", "where-sent", sent_number(hub))
    assert said.code == 0
    for words in ("To fussy", "To ours", "person.names[].family", "LEFT OUT"):
        assert words in said.out


def test_where_sent_counts_what_the_trace_says_of_the_record_and_its_account(hub: councils.Council) -> None:
    """Field by field: what the record has is either among what was sent, or among what was left out, or the hub's."""
    for number in (row[0] for row in rows(hub, "SELECT number FROM message WHERE state = 'sent' LIMIT 5")):
        (way,) = told(hub, "trace", str(number))
        answer = told(hub, "audit", "where-sent", str(number))
        (message,) = [one for target in answer["targets"] for one in target["messages"] if one["number"] == number]
        went = {path: n for part in message["parts"].values() for path, n in part.items()}
        left = {one["path"]: one["count"] for one in message["left_out"]}
        for field in way["record"]["fields"]:
            path = field["path"]
            if path.rpartition(".")[2] in ("id", "stub", "removed") or path.startswith("source."):
                continue
            assert went.get(path, 0) + left.get(path, 0) == field["count"], path


def test_where_sent_says_plainly_what_is_on_its_way_superseded_or_gone(hub: councils.Council) -> None:
    said = hub.call("audit", "where-sent", "1:0")
    assert said.out.count("on its way (parked)") == 2
    assert said.out.count("Nothing was sent.") == 2
    hub.drop(INDEX.read_bytes(), "mended.xml")
    assert hub.call("run", "--once").code == 0
    assert "superseded by" in hub.call("audit", "where-sent", "1:0").out
    assert hub.call("purge", "--older", "0h").code == 0
    key = rows(hub, "SELECT hex(name) FROM key ORDER BY version DESC LIMIT 1")[0][0].lower()
    answer = told(hub, "audit", "where-sent", key)
    assert answer["versions"]["ever"] == 2
    assert answer["versions"]["gone"] == 1
    assert answer["purges"][0]["detail"].startswith("older than 0h")
    assert "was purged, last at" in hub.call("audit", "where-sent", key).out


def test_no_answer_holds_a_value(hub: councils.Council) -> None:
    for number in (str(row[0]) for row in rows(hub, "SELECT number FROM message ORDER BY number LIMIT 4")):
        for words in (["who-saw", number], ["where-sent", number], ["where-sent", number, "--json"]):
            said = hub.call("audit", *words)
            assert CANARY not in said.out + said.err
    for words in (["list"], ["list", "--json"], ["verify"], ["who-saw", CANARY], ["where-sent", CANARY]):
        said = hub.call("audit", *words)
        assert CANARY not in said.out + said.err


def test_verify_prints_the_last_digest_and_proves_one_that_was_noted(hub: councils.Council) -> None:
    assert hub.call("purge").code == 0
    said = hub.call("audit", "verify")
    digest = said.out.strip()
    assert said.code == 0
    assert digest == told(hub, "status")["audit"]
    assert hub.call("backup", "copy.db").code == 0
    assert hub.call("audit", "verify", "--since", digest).code == 0
    assert hub.call("audit", "verify", "--since", digest[:16]).code == 0
    said = hub.call("audit", "verify", "--since", "ab" * 8)
    assert (said.code, said.out) == (1, "")
    assert hub.call("audit", "verify", "--since", "nonsense").code == 2
    with contextlib.closing(sqlite3.connect(hub.folder / "hub.db")) as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET who = 'nobody' WHERE act = 'purge'")
        connection.commit()
    entry = rows(hub, "SELECT id FROM audit WHERE act = 'purge'")[0][0]
    said = hub.call("audit", "verify")
    assert (said.code, said.out) == (1, "")
    assert f"entry {entry} " in said.err
    assert told(hub, "audit", "verify") | {"last": ""} == {
        "entries": entry - 1, "broken": entry, "last": "", "since": None, "well": False,
    }  # fmt: skip


def test_what_is_done_to_keys_is_entered(hub: councils.Council) -> None:
    for words in (["rotate", "--prepare"], ["rotate"], ["reseal"]):
        assert hub.call("keys", *words).code == 0, words
    old = next(one["name"] for one in told(hub, "keys", "status") if not one["current"])
    assert hub.call("keys", "retire", old).code == 0
    acts = [one["act"] for one in told(hub, "audit", "list")]
    assert acts[:4] == ["retire key", "reseal", "rotate key", "prepare key"]
    said = hub.call("audit", "list", "--act", "rotate key", "--since", "1h")
    assert said.out.count("rotate key") == 1
    assert hub.call("audit", "list", "--since", "soon").code == 2


def test_keys_can_be_made_before_there_is_a_store(hub: councils.Council) -> None:
    (hub.folder / "hub.db").unlink()
    hub.keys.unlink()
    assert hub.call("keys", "new").code == 0
    assert hub.call("keys", "rotate").code == 0
    assert not (hub.folder / "hub.db").exists()


def test_a_child_that_is_not_named_or_not_known_ends_with_2(hub: councils.Council) -> None:
    for words in ([], ["1", "--link", "index"], ["99"], ["9:9"], ["ab" * 16]):
        said = hub.call("audit", "who-saw", *words)
        assert (said.code, said.out) == (2, ""), words
