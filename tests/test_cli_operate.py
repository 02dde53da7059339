"""The operator's commands on a real small hub: what they say, their exit codes, and no value of a record anywhere."""

from __future__ import annotations

import contextlib
import json
import pwd
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.council import CANARY, INDEX, Council, Ran, spoiled
from tests.nodes import Postgres, free_port


@pytest.fixture
def council(tmp_path: Path) -> Council:
    return Council(tmp_path)


@pytest.fixture
def troubled(council: Council) -> Council:
    """Two of seven records cannot be read, and one target refuses everything: 5 sent, 2 + 2 + 5 parked."""
    council.become(_trouble)
    return council


def _trouble(council: Council) -> None:
    council.drop(spoiled())
    (council.folder / "mood").write_text("refuse")
    assert council.call("run", "--once").code == 1


def told(council: Council, *words: str) -> list[dict[str, object]] | dict[str, object]:
    found: list[dict[str, object]] | dict[str, object] = json.loads(council.call(*words, "--json").out)
    return found


def rows(council: Council, query: str) -> list[tuple[object, ...]]:
    """What the store's file holds, read past the store."""
    with contextlib.closing(sqlite3.connect(council.folder / "hub.db")) as connection:
        return connection.execute(query).fetchall()


# status


def test_status_of_a_hub_that_has_nothing_open(council: Council) -> None:
    council.drop(INDEX.read_bytes())
    assert council.call("run", "--once").code == 0
    said = council.call("status")
    assert (said.code, said.err) == (0, "")
    assert "none runs" in said.out
    assert max(map(len, said.out.splitlines())) <= 110
    facts = told(council, "status")
    assert isinstance(facts, dict)
    assert [one["name"] for one in facts["targets"]] == ["fussy", "ours"]
    assert facts["mapping_set"]


def test_status_ends_with_1_while_something_is_parked(troubled: Council) -> None:
    said = troubled.call("status")
    assert said.code == 1
    facts = told(troubled, "status")
    assert isinstance(facts, dict)
    parked = {one["name"]: one["parked"] for one in facts["targets"]}
    assert parked == {"fussy": 7, "ours": 2}


def test_status_says_until_when_a_target_is_paused_and_why(council: Council) -> None:
    council.drop(INDEX.read_bytes())
    (council.folder / "mood").write_text("away")
    assert council.call("run", "--once").code == 1
    said = council.call("status")
    assert said.code == 0, "nothing is parked: it goes on by itself"
    assert "until " in said.out
    assert "it does not answer" in said.out


def test_status_shows_who_works(council: Council) -> None:
    with council.open() as store:
        store.enlist("northshire-1", 4711)
    assert "northshire-1:4711" in council.call("status").out


def test_a_file_of_the_store_that_may_not_be_written_is_named(council: Council) -> None:
    (council.folder / "hub.db.run").unlink(missing_ok=True)
    (council.folder / "hub.db.run").mkdir()
    said = council.call("run", "--once")
    assert said.code == 2
    assert "hub.db.run: is a directory" in said.err
    assert "fault of the hub" not in said.err


# failures


def test_failures_by_cause_most_first(troubled: Council) -> None:
    said = troubled.call("failures")
    assert (said.code, said.err) == (1, "")
    assert max(map(len, said.out.splitlines())) <= 110
    found = told(troubled, "failures")
    assert isinstance(found, list)
    assert [one["count"] for one in found] == [5, 2, 2]
    assert found[0]["cause"] == {
        "stage": "send", "reason": "it wants another form", "target": "fussy", "answer": "refused",
    }  # fmt: skip
    assert found[0]["children"] == 5
    assert {one["cause"]["stage"] for one in found[1:]} == {"inward"}
    assert all(one["children"] == 1 for one in found[1:]), "one child, two targets"


def test_a_later_record_takes_the_place_of_a_refused_one(troubled: Council) -> None:
    troubled.drop(INDEX.read_bytes(), "again.xml")
    assert troubled.call("run", "--once").code == 1
    found = told(troubled, "failures")
    assert isinstance(found, list)
    assert (found[0]["count"], found[0]["children"], found[0]["held"]) == (7, 7, 0), "each child once"
    gone = rows(troubled, "SELECT count(*) FROM message WHERE state = 'superseded'")
    assert gone[0][0] >= 4, "one child did not change"


def test_failures_count_what_is_held_behind_them(troubled: Council) -> None:
    """What may have arrived is sent again first, so nothing takes its place."""
    with contextlib.closing(sqlite3.connect(troubled.folder / "hub.db")) as kept, kept:
        kept.execute("UPDATE message SET arrived = 1 WHERE state = 'parked' AND parcel IS NOT NULL")
    troubled.drop(INDEX.read_bytes(), "again.xml")
    assert troubled.call("run", "--once").code == 1
    found = told(troubled, "failures")
    assert isinstance(found, list)
    assert found[0]["held"] == 4, "one child did not change"
    facts = told(troubled, "status")
    assert isinstance(facts, dict)
    assert {one["name"]: one["held"] for one in facts["targets"]} == {"fussy": 4, "ours": 0}
    number = rows(troubled, "SELECT max(number) FROM message WHERE ended IS NULL")[0][0]
    (way,) = told(troubled, "trace", str(number))
    assert len(way["behind"]) == 1


def test_no_failures(council: Council) -> None:
    said = council.call("failures")
    assert (said.code, said.out) == (0, "nothing is parked or waiting\n")
    assert told(council, "failures") == []


def test_the_messages_of_a_cause_and_what_to_do_next(troubled: Council) -> None:
    found = told(troubled, "failures")
    assert isinstance(found, list)
    said = troubled.call("failures", "show", str(found[0]["id"]))
    assert said.code == 0
    assert "Next: ask who runs fussy" in said.out
    assert said.out.count(" fussy  parked ") == 5
    inward = told(troubled, "failures", "show", str(found[1]["id"]))
    assert isinstance(inward, dict)
    assert {one["target"] for one in inward["messages"]} == {"ours", "fussy"}
    assert "mend the mapping" in inward["next"]


def test_a_document_that_is_cut_short_is_said_by_the_run_and_by_its_cause(council: Council) -> None:
    whole = INDEX.read_bytes()
    council.drop(whole[: whole.rindex(b"<Child>")])
    ran = council.call("run", "--once")
    assert ran.code == 1
    assert "a document cannot be read to its end" in ran.err
    (found,) = told(council, "failures")
    shown = told(council, "failures", "show", str(found["id"]))
    assert [(one["source"], one["records"] > 0) for one in shown["unread"]] == [("index", True)]
    said = council.call("failures", "show", str(found["id"]))
    assert "RECORDS BEFORE" in said.out
    council.drop(whole)
    assert council.call("run", "--once").code == 0


def test_a_message_that_waits_is_tried_again_by_itself(council: Council) -> None:
    council.drop(INDEX.read_bytes())
    (council.folder / "mood").write_text("later")
    council.change('mood = "mood" }', 'mood = "mood" }\nattempts = 2')
    council.call("run", "--once")
    (found,) = told(council, "failures")
    assert found["cause"]["answer"] == "unavailable"
    said = council.call("failures", "show", str(found["id"]))
    assert "Next: " in said.out


# trace


def test_the_way_of_a_message_that_was_sent(troubled: Council) -> None:
    number = rows(troubled, "SELECT min(number) FROM message WHERE state = 'sent'")[0][0]
    said = troubled.call("trace", str(number))
    assert (said.code, said.err) == (0, "")
    for part in (
        "index to ours",
        "sent since",
        "document 1 from index",
        "kind Child",
        "person.names[].family",
        "parcel",
    ):
        assert part in said.out
    (way,) = told(troubled, "trace", str(number))
    assert way["sent"]["bytes"] > 100
    assert way["sent"]["head"] == {"as_of": "2026-03-31", "edition": "1"} or way["sent"]["head"] == {}
    assert [one["outcome"] for one in way["history"]] == ["sent"]
    assert {"path": "person.gender", "kind": "code", "count": 1, "none": 0} in way["record"]["fields"]


def test_a_message_is_found_by_its_number_its_id_or_its_record(troubled: Council) -> None:
    (way,) = told(troubled, "trace", "4")
    (same,) = told(troubled, "trace", str(way["id"]))
    assert same == way
    place = f"{way['received']['document']}:{way['received']['ordinal']}"
    assert {one["target"] for one in told(troubled, "trace", place)} == {"ours", "fussy"}


def test_what_did_not_get_there_is_told_with_the_mappings_reasons(troubled: Council) -> None:
    number = rows(troubled, "SELECT max(number) FROM message WHERE parcel IS NOT NULL AND state = 'parked'")[0][0]
    (way,) = told(troubled, "trace", str(number))
    assert way["target"] == "fussy"
    assert {one["what"] for one in way["account"]} >= {"withheld"}
    assert all(one["reason"] for one in way["account"] if one["what"] == "withheld")


def test_a_message_that_was_superseded_says_by_which(council: Council) -> None:
    council.drop(spoiled())
    assert council.call("run", "--once").code == 1
    council.drop(INDEX.read_bytes(), "again.xml")
    assert council.call("run", "--once").code == 0
    number, later = rows(council, "SELECT number, superseded_by FROM message WHERE state = 'superseded'")[0]
    assert "superseded since" in council.call("trace", str(number)).out
    (way,) = told(council, "trace", str(number))
    assert way["superseded_by"] == later


def test_a_message_that_nobody_knows(council: Council) -> None:
    for name in ("17", "ab" * 16, "1:0", "Amara Okafor"):
        said = council.call("trace", name)
        assert (said.code, said.out) == (2, "")
        assert "Amara" not in said.err


# Values


def test_values_are_shown_only_after_who_and_why_was_recorded(troubled: Council) -> None:
    before = rows(troubled, "SELECT count(*) FROM audit WHERE act = 'reveal'")
    assert before == [(0,)]
    number = rows(troubled, "SELECT min(number) FROM message WHERE state = 'sent'")[0][0]
    assert troubled.call("trace", str(number), "--reveal", "  ").code == 2
    said = troubled.call("trace", str(number), "--reveal", "asked by the family")
    assert said.code == 0
    assert CANARY in said.out
    user = pwd.getpwuid(troubled.folder.stat().st_uid).pw_name
    (entry,) = rows(troubled, "SELECT who, detail FROM audit WHERE act = 'reveal'")
    assert user in str(entry[0])
    assert entry[1] == f"messages {number}: asked by the family"


def test_nothing_is_shown_when_it_cannot_be_recorded(troubled: Council) -> None:
    with contextlib.closing(sqlite3.connect(troubled.folder / "hub.db")) as connection, connection:
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    said = troubled.call("trace", "3", "--reveal", "curious")
    assert (said.code != 0, said.out) == (True, "")


def test_a_file_of_many_is_shown_only_when_asked_for_and_all_in_it_are_recorded(troubled: Council) -> None:
    number = rows(troubled, "SELECT min(number) FROM message WHERE state = 'sent'")[0][0]
    (way,) = told(troubled, "trace", str(number), "--reveal", "x")
    assert "text" not in way["sent"]
    assert way["record"]["values"]["person"]
    (way,) = told(troubled, "trace", str(number), "--reveal", "x", "--parcel")
    assert len(way["sent"]["text"].splitlines()) == 5
    last = rows(troubled, "SELECT detail FROM audit WHERE act = 'reveal' ORDER BY id DESC LIMIT 1")[0][0]
    assert str(last).count(",") == 4
    assert troubled.call("trace", str(number), "--parcel").code == 2


def test_no_output_holds_a_value_without_reveal(troubled: Council) -> None:
    troubled.drop(spoiled().replace(b"</IndexNumber>", b"0</IndexNumber>"), f"{CANARY}.xml")
    said = [troubled.call("run", "--once"), troubled.call("run", "--once", "--json")]
    numbers = [str(row[0]) for row in rows(troubled, "SELECT number FROM message")]
    causes = [str(row[0]) for row in rows(troubled, "SELECT id FROM cause")]
    calls = [["status"], ["failures"], ["doctor"], ["keys", "status"], ["purge", "--older", "0h", "--dry-run"]]
    calls += [["failures", "show", cause] for cause in causes] + [["trace", number] for number in numbers[:4]]
    for place, call in enumerate(calls):
        said.append(troubled.call(*call, *(["--json"] if place % 2 else [])))
    assert len(said) > 12
    for one in said:
        assert CANARY not in one.out + one.err
    assert CANARY.encode() not in (troubled.folder / "hub.db").read_bytes()


# Bad calls, and a store that is away


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["failures"],
        ["failures", "show", "1"],
        ["trace", "1"],
        ["purge"],
        ["backup", "x"],
        ["keys", "status"],
    ],
)
def test_without_a_store_each_says_what_to_do(council: Council, words: list[str]) -> None:
    (council.folder / "hub.db").unlink()
    said = council.call(*words)
    assert (said.code, said.out) == (2, "")
    assert "ics-hub db upgrade" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("words", [["status"], ["run", "--once"], ["doctor"], ["keys", "rotate"]])
def test_without_hub_toml_each_says_so(council: Council, words: list[str]) -> None:
    council.toml.unlink()
    said = council.call(*words)
    assert (said.code, said.out) == (2, "")
    assert "hub.toml" in said.err
    assert council.call(*words, "-c", "elsewhere.toml").code == 2
    assert "far.toml" in council.call(*words, environment={"ICS_HUB_CONFIG": "far.toml"}).err


def test_bad_words_end_with_2(council: Council) -> None:
    for words in (["failures", "show", "x"], ["failures", "show", "9"], ["trace"], ["purge", "--older", "soon"],
                  ["purge", "--state", "parked"], ["link", "rename", "a"], ["keys", "retire", "none"]):  # fmt: skip
        said = council.call(*words)
        assert (said.code, said.out) == (2, ""), words


def test_a_database_that_is_away_is_one_line_and_1(tmp_path: Path, postgres: Postgres) -> None:
    council = Council(tmp_path, store=postgres.database())
    assert council.call("status").code == 0
    council.change(f":{postgres.port}/", f":{free_port()}/")
    for words in (["status"], ["failures"], ["trace", "1"], ["db", "upgrade"], ["run", "--once"]):
        said = council.call(*words)
        assert (said.code, said.out) == (1, ""), words
        assert "nothing listens there" in said.err
        assert said.err.count("\n") == 1, said.err


# The store's upkeep


def test_db_upgrade_may_be_said_again(council: Council) -> None:
    (council.folder / "hub.db").unlink()
    said = council.call("db", "upgrade")
    assert (said.code, said.out) == (0, "")
    assert told(council, "db", "upgrade")["schema"]
    assert (council.folder / "hub.db").stat().st_mode & 0o077 == 0


def test_a_backup_is_a_whole_store(troubled: Council) -> None:
    assert troubled.call("backup", "copy.db").code == 0
    again = troubled.call("backup", "copy.db")
    assert (again.code, "there already" in again.err) == (2, True)
    before = told(troubled, "failures")
    troubled.change("hub.db", "copy.db")
    assert told(troubled, "failures") == before


def test_a_backup_of_postgresql_is_its_own_tools(tmp_path: Path, postgres: Postgres) -> None:
    council = Council(tmp_path, store=postgres.database())
    said = council.call("backup", "copy.dump")
    assert (said.code, "pg_dump" in said.err) == (2, True)


def test_purge_says_what_it_would_take_and_takes_what_is_old(council: Council) -> None:
    for name, data in (("1", INDEX.read_bytes()), ("2", INDEX.read_bytes().replace(b"Larch", b"Birch"))):
        council.drop(data, f"{name}.xml")
        assert council.call("run", "--once").code == 0
    time.sleep(0.1)
    would = told(council, "purge", "--older", "0h", "--dry-run")
    assert isinstance(would, dict)
    assert would["messages"] == 4, "two children changed; of the others nothing newer was sent"
    assert told(council, "purge")["messages"] == 0, "nothing is 90 days old"
    done = told(council, "purge", "--older", "0h")
    assert done == would | {"dry_run": False}
    assert rows(council, "SELECT act FROM audit WHERE act = 'purge'")


def test_a_link_that_was_renamed_keeps_what_the_store_has_of_it(troubled: Council) -> None:
    assert "give it its new name there first" in troubled.call("link", "rename", "fussy", "mild").err
    for old, new in (("[links.fussy]", "[links.mild]"), ('"fussy"]', '"mild"]')):
        troubled.change(old, new)
    said = troubled.call("run", "--once")
    assert (said.code, "link rename" in said.err) == (2, True)
    assert troubled.call("link", "rename", "fussy", "mild").code == 0
    assert troubled.call("run", "--once").code == 1
    facts = told(troubled, "status")
    assert isinstance(facts, dict)
    assert {one["name"]: one["parked"] for one in facts["targets"]} == {"mild": 7, "ours": 2}
    assert troubled.call("link", "rename", "nobody", "mild").code == 2


def test_a_hub_that_runs_can_be_asked(council: Council) -> None:
    from tests.council import COMMAND, ROOT

    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    with (council.folder / "log").open("wb") as log:
        run = subprocess.Popen([*COMMAND, "run"], cwd=council.folder, env=environment, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 30
        said = Ran(0, "", "")
        while "alive" not in said.out and time.monotonic() < end:
            said = council.call("doctor")
        assert "1 alive" in said.out
        assert council.call("run", "--once").code == 2, "one 'run' a SQLite file"
        assert council.call("keys", "reseal").code == 2, "it may not have the key"
    finally:
        run.terminate()
        assert run.wait(30) == 0
