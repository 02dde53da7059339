"""Replays, edits and setting aside as an operator calls them, while the hub runs; and no value of a record anywhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.adapter import Theirs, find
from hub.wire import Document
from tests.council import CANARY, INDEX, ROOT, Council, Ran

TABLE = "contactpoint/gender"
WHY = ("--reason", "asked for")
CENSUS = ROOT / "tests" / "samples" / "cin_census" / "northshire-2025.xml"


def spoiled(*genders: str) -> bytes:
    """The sample of seven children, a marked value in every name, other words for the gender of the first girls."""
    text = re.sub("<(Family|Line)>[^<]*<", rf"<\1>{CANARY}<", INDEX.read_text("utf-8"))
    for word in genders:
        text = text.replace("<Gender>F<", f"<Gender>{word}<", 1)
    return text.encode()


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    """A council with an overlay of its own; whatever was called, none of it may have shown a marked value."""
    made = Watched(tmp_path)
    made.change('bad = "park"', 'bad = "park"\noverlays = ["northshire"]\npoll = 0.2')
    (tmp_path / "northshire").mkdir()
    yield made
    assert all(CANARY not in text for text in made.said)


class Watched(Council):
    """A council that remembers what its commands printed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.said: list[str] = []

    def call(self, *words: str | Path, environment: dict[str, str] | None = None) -> Ran:
        ran = super().call(*words, environment=environment)
        self.said += [ran.out, ran.err]
        return ran


@pytest.fixture
def troubled(council: Council) -> Council:
    """Three children whose gender the table has not, to two targets: 6 parked messages of one cause; 8 sent."""
    council.become(_trouble)
    return council


def _trouble(council: Council) -> None:
    council.drop(spoiled(f"{CANARY}Y", f"{CANARY}Y", f"{CANARY}Y"))
    assert council.call("run", "--once").code == 1


@pytest.fixture
def refused(council: Council) -> Council:
    """A target that wants none of seven."""
    council.become(_refuse)
    return council


def _refuse(council: Council) -> None:
    (council.folder / "mood").write_text("refuse")
    council.drop(spoiled())
    assert council.call("run", "--once").code == 1
    (council.folder / "mood").unlink()


@contextmanager
def running(council: Council) -> Iterator[None]:
    """The hub runs meanwhile, in a process of its own: a fork of this one."""
    log = council.folder / "run.log"
    with log.open("wb") as out:
        process = council.begin(["run"], out.fileno(), out.fileno())
        ended = os.pidfd_open(process)
        try:
            until(lambda: "running" in log.read_text())
            yield
        finally:
            os.kill(process, signal.SIGTERM)
            if not select.select([ended], [], [], 30)[0]:
                os.kill(process, signal.SIGKILL)
            os.close(ended)
            _, status = os.waitpid(process, 0)
            assert os.waitstatus_to_exitcode(status) in (0, 1)
    assert CANARY not in log.read_text()


def until(true: Callable[[], object], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def told(council: Council, *words: str) -> Any:
    return json.loads(council.call(*words, "--json").out)


def rows(council: Council, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(council.folder / "hub.db")) as connection:
        return connection.execute(query).fetchall()


def states(council: Council) -> dict[int, str]:
    return dict(rows(council, "SELECT number, state FROM message ORDER BY number"))


def parked(council: Council) -> list[int]:
    return [number for number, state in states(council).items() if state == "parked"]


def audited(council: Council, act: str) -> list[str]:
    return [row[0] for row in rows(council, f"SELECT detail FROM audit WHERE act = '{act}' ORDER BY id")]


def mend(council: Council) -> None:
    assert council.call("codes", "add", TABLE, f"{CANARY}Y", "2").code == 0


# From failures to delivered


def test_a_cause_is_found_mended_and_replayed_while_the_hub_runs(troubled: Council) -> None:
    numbers = parked(troubled)
    with running(troubled):
        assert "'ics-hub replay --cause 1 --canary'" in " ".join(troubled.call("failures", "show", "1").out.split())
        mend(troubled)
        first = troubled.call("replay", "--cause", "1", "--canary")
        assert (first.code, first.err) == (0, "replay 1 started: 6 messages\n")
        assert "Replay of 6 messages, 3 children" in first.out
        assert f"The canary, message {numbers[0]} to ours: sent" in first.out
        assert "ics-hub replay --cause 1 lets the other 5 go, ics-hub replay cancel 1 leaves them" in first.out
        assert len(parked(troubled)) == 5
        again = troubled.call("replay", "--cause", "1", "--canary")
        assert (again.code, "replay 1 of this choice is open: proven" in again.err) == (0, True)
        assert len(parked(troubled)) == 5, "twice pressed is once"
        rest = troubled.call("replay", "--cause", "1", "--reason", "the canary arrived")
        assert (rest.code, rest.out.partition(":")[0]) == (0, "Replay 1")
        assert rest.out.rstrip().endswith("6 sent")
        over = troubled.call("replay", "--cause", "1")
        assert (over.code, over.err) == (0, "there is nothing to replay\n")
    assert set(states(troubled).values()) == {"sent"}
    assert len(told(troubled, "replay", "list")) == 1
    assert audited(troubled, "replay proceed") == ["run 1: the canary arrived"]


def test_a_preview_says_what_would_happen_and_changes_nothing(troubled: Council) -> None:
    before = rows(troubled, "SELECT * FROM message"), audited(troubled, "replay")
    said = troubled.call("replay", "--cause", "1", "--preview", "--rate", "2/s")
    assert said.code == 0
    assert "6 messages would be parked again: inward: mappings/contactpoint/child.toml" in " ".join(said.out.split())
    mend(troubled)
    after = told(troubled, "replay", "--cause", "1", "--preview", "--rate", "2/s")["preview"]
    assert after["after"] == {"sent": 6}
    assert (after["children"], after["seconds"]) == (3, 3.0)
    assert after["targets"] == {"fussy": {"sent": 3}, "ours": {"sent": 3}}
    assert (rows(troubled, "SELECT * FROM message"), audited(troubled, "replay")) == before


def test_a_canary_that_is_refused_ends_the_replay_and_the_others_stay(refused: Council) -> None:
    (refused.folder / "mood").write_text("refuse")
    numbers = parked(refused)
    with running(refused):
        said = refused.call("replay", "--target", "fussy", "--canary")
        assert said.code == 1
        assert f"message {numbers[0]} to fussy: parked, for send: it wants another form" in said.out
        assert "Nothing else was touched" in said.out
        assert parked(refused) == numbers
        (refused.folder / "mood").unlink()
        assert refused.call("replay", "--target", "fussy", "--canary").code == 0
        assert len(parked(refused)) == 6
        assert refused.call("replay", "--target", "fussy").code == 0
    assert parked(refused) == []
    assert [one["state"] for one in told(refused, "replay", "list")] == ["done", "cancelled"]


def test_what_would_not_go_sends_no_canary(troubled: Council) -> None:
    said = troubled.call("replay", "--cause", "1", "--canary")
    assert (said.code, "no canary was sent" in said.err) == (1, True)
    assert told(troubled, "replay", "list") == []


def test_what_is_parked_again_has_its_new_cause_and_ends_with_1(troubled: Council) -> None:
    with running(troubled):
        said = troubled.call("replay", "--cause", "1")
        assert said.code == 1
        assert "6 messages parked again: inward: " in said.out
    assert len(parked(troubled)) == 6
    assert troubled.call("replay", "show", "1").code == 1


def test_while_nothing_runs_it_says_so_and_goes_later(refused: Council) -> None:
    said = refused.call("replay", "--target", "fussy", "--canary")
    assert said.code == 1
    assert "nothing runs now: it goes as soon as 'ics-hub run' does" in said.err
    refused.call("run", "--once")
    assert len(parked(refused)) == 6
    assert "proven" in refused.call("replay", "--target", "fussy", "--canary").err
    assert refused.call("replay", "--target", "fussy").code == 1
    assert refused.call("run", "--once").code == 0
    assert refused.call("replay", "show", "1").code == 0


# Steering


def test_a_replay_keeps_its_pace_and_is_paused_resumed_and_cancelled(refused: Council) -> None:
    numbers = parked(refused)
    with running(refused):
        slow = refused.call("replay", "--target", "fussy", "--rate", "1/min", "--wait", "0", *WHY)
        assert slow.code == 1
        assert "at 1/min: about 7 min" in slow.out
        until(lambda: "sent" in states(refused)[numbers[0]])
        for _ in range(2):
            paused = refused.call("replay", "pause", "1", "--reason", "it is lunch")
            assert (paused.code, "paused" in paused.out) == (0, True)
        assert refused.call("replay", "--target", "fussy").code == 1, "it stays paused until it is resumed"
        for _ in range(2):
            on = refused.call("replay", "resume", "1", "--wait", "0")
            assert (on.code, "Left of replay 1: " in on.out) == (1, True)
        other = refused.call("replay", "--source", "index")
        assert (other.code, "in run 1" in other.out) == (1, True), "its messages are that replay's"
        for _ in range(2):
            ended = refused.call("replay", "cancel", "1", *WHY)
            assert (ended.code, "cancelled" in ended.out) == (0, True)
        shown = refused.call("replay", "show", "1")
        assert (shown.code, "asked for" in shown.out) == (1, True)
    assert len(parked(refused)) in (5, 6), "nothing is lost"
    assert len(audited(refused, "replay pause")) == len(audited(refused, "replay cancel")) == 1
    assert refused.call("replay", "resume", "1").code == 1
    assert refused.call("replay", "resume", "9").code == 2
    assert [one["who"] for one in told(refused, "replay", "list")] == [told(refused, "replay", "show", "1")["who"]]


def test_a_replay_begun_under_other_mapping_files_is_looked_at_again(troubled: Council) -> None:
    mend(troubled)
    assert troubled.call("replay", "--cause", "1", "--canary").code == 1
    assert troubled.call("codes", "add", TABLE, f"{CANARY}Z", "1").code == 0
    with running(troubled):
        said = troubled.call("replay", "--cause", "1")
        assert (said.code, "'ics-hub replay resume 1' looks again" in said.err) == (1, True)
        again = troubled.call("replay", "resume", "1")
        assert (again.code, "Left of replay 1: 6 messages" in again.out) == (0, True)
        assert troubled.call("replay", "--cause", "1").code == 0
    assert parked(troubled) == []


def test_messages_are_chosen_by_number_record_link_and_age(refused: Council) -> None:
    first, second, *_ = parked(refused)
    record = rows(refused, f"SELECT document, ordinal FROM message WHERE number = {second}")[0]
    found = told(refused, "replay", str(first), f"{record[0]}:{record[1]}", "--preview")["preview"]
    assert [one["number"] for one in found["items"]] == [first, second]
    assert found["others"] == {"sent": 1}
    assert told(refused, "replay", "--since", "1h", "--preview")["preview"]["messages"] == 7
    assert told(refused, "replay", "--until", "1h", "--preview")["preview"]["messages"] == 0
    assert told(refused, "replay", "--target", "ours", "--preview")["preview"]["others"] == {"sent": 7}


@pytest.mark.parametrize(
    "words",
    [
        ["--canary"],
        ["--cause", "1", "--rate", "fast"],
        ["--cause", "1", "--rate", "0"],
        ["--since", "yesterday"],
        ["--target", "nobody"],
        ["--target", "fussy", "--latest", "--cause", "1"],
        ["--latest"],
        ["99"],
        [CANARY],
    ],
)
def test_a_wrong_call_ends_with_2_and_does_nothing(refused: Council, words: list[str]) -> None:
    before = states(refused)
    said = refused.call("replay", *words)
    assert (said.code, said.out) == (2, "")
    assert states(refused) == before


@pytest.mark.parametrize(("typed", "code"), [("101", 0), ("", 2), ("1", 2)])
def test_more_than_a_hundred_ask_for_their_number_at_a_terminal(typed: str, code: int) -> None:
    ask = "from hub.cli import main; import hub.cli.aside as a, sys; a.app = 0\n"
    ask += "from hub.errors import DeclarationError\n"
    ask += (
        "try: a.confirm(100, 'replayed', False); a.confirm(101, 'replayed', True); a.confirm(101, 'replayed', False)\n"
    )
    ask += "except DeclarationError: sys.exit(2)"
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", ask], cwd=ROOT, stdin=theirs, stderr=subprocess.PIPE) as process:
        os.write(ours, f"{typed}\n".encode())
        assert process.wait(30) == code
        assert process.stderr is not None
        assert b"101 messages: type the number" in process.stderr.read()
    os.close(ours)
    os.close(theirs)


# Setting aside


def test_what_is_set_aside_is_closed_and_comes_back(troubled: Council) -> None:
    first, *others = parked(troubled)
    said = troubled.call("set-aside", str(first), *WHY)
    assert (said.code, said.err) == (0, "set aside: 1 message\n")
    again = troubled.call("set-aside", str(first), *WHY)
    assert (again.code, again.err) == (0, "1 message: it is set aside already\n")
    assert states(troubled)[first] == "set aside"
    for words in ("restored: 1 message", "1 message: it is in line already"):
        back = troubled.call("restore", str(first), *WHY)
        assert (back.code, back.err) == (0, f"{words}\n")
    assert parked(troubled) == [first, *others]
    assert troubled.call("set-aside", "--cause", "1", *WHY).err == "set aside: 6 messages\n"
    assert troubled.call("failures").code == 0
    assert troubled.call("set-aside", "--cause", "1", *WHY).code == 0
    assert audited(troubled, "set aside") == [f"messages {first}: asked for", audited(troubled, "set aside")[1]]


def test_what_cannot_be_set_aside_or_restored_is_named_with_the_reason(troubled: Council) -> None:
    sent = next(number for number, state in states(troubled).items() if state == "sent")
    said = troubled.call("set-aside", str(sent), *WHY)
    assert (said.code, "it is not open, but sent" in said.out) == (1, True)
    assert told(troubled, "restore", str(sent), *WHY)["refused"] == {str(sent): "it is not set aside, but sent"}
    for words in (["set-aside", str(sent)], ["restore", str(sent), "--reason", " "], ["set-aside", *WHY]):
        assert troubled.call(*words).code == 2
    assert troubled.call("set-aside", CANARY, *WHY).code == 2


# Edits


def taken(council: Council, number: int, name: str = "record.json") -> dict[str, Any]:
    said = council.call("edit", str(number), "--take", name, *WHY)
    assert said.code == 0
    found: dict[str, Any] = json.loads((council.folder / name).read_text())
    return found


def put(council: Council, number: int, record: dict[str, Any], name: str = "record.json") -> Ran:
    (council.folder / name).write_text(json.dumps(record))
    return council.call("edit", str(number), "--put", name, *WHY)


def test_a_record_that_cannot_be_read_is_mended_as_its_source_wrote_it(troubled: Council) -> None:
    number = parked(troubled)[0]
    with running(troubled):
        record = taken(troubled, number)
        file = troubled.folder / "record.json"
        assert file.stat().st_mode & 0o777 == 0o600
        assert (record["form"], record["fields"]["Gender"]) == ("contactpoint", f"{CANARY}Y")
        still = put(troubled, number, record)
        assert (still.code, "still cannot be read: inward: " in still.err) == (1, True)
        record["fields"]["Gender"] = "F"
        said = put(troubled, number, record)
        assert (said.code, said.out) == (0, "Gender\n")
        assert "was edited, 1 field; 2 messages on the way" in said.err
        until(lambda: len(parked(troubled)) == 4)
        until(lambda: states(troubled)[number] == "sent")
        again = put(troubled, number, record)
        assert (again.code, "says this already" in again.err) == (0, True)
    assert audited(troubled, "reveal") == ["record 1:0, taken to be edited: asked for"]
    assert audited(troubled, "edit") == ["record 1:0, Gender: asked for"]
    assert told(troubled, "trace", str(number))[0]["state"] == "sent"


def test_a_record_of_ours_is_edited_and_checked_as_a_worker_would(refused: Council) -> None:
    number = parked(refused)[0]
    record = taken(refused, number)
    assert record["form"] == "ours"
    before = json.loads(json.dumps(record))
    for change, told_ in (
        ({"gender": f"{CANARY}Z"}, "person.gender"),
        ({"birth": {"date": "2015-02-31"}}, "person.birth.date"),
        ({"birth": {"date": 20150231}}, "person.birth.date"),
        ({CANARY: "x"}, "unknown field"),
    ):
        record["fields"]["person"] = before["fields"]["person"] | change
        said = put(refused, number, record)
        assert (said.code, said.out, told_ in said.err) == (1, "", True)
    record["fields"]["person"] = before["fields"]["person"] | {"birth": {"date": "2011-01-31"}}
    said = put(refused, number, record)
    assert (said.code, said.out) == (0, "person.birth.date\n")
    assert refused.call("run", "--once").code == 1
    assert states(refused)[number] == "sent"


def test_a_file_is_put_back_only_where_it_was_taken_and_never_written_over(refused: Council) -> None:
    first, second, *_ = parked(refused)
    record = taken(refused, first)
    over = refused.call("edit", str(second), "--take", "record.json", *WHY)
    assert (over.code, "is there already" in over.err) == (2, True)
    assert "holds another record" in put(refused, second, record).err
    assert "no JSON" in broken(refused, first, f"{{{CANARY}").err
    assert "is no file of" in broken(refused, first, '{"record": "1:0"}').err
    record["fields"]["person"]["birth"] = {"date": "2011-01-31"}
    assert put(refused, first, record).code == 0
    record["fields"]["person"]["birth"] = {"date": "2011-01-30"}
    late = put(refused, first, record)
    assert (late.code, "changed since it was taken" in late.err) == (2, True)
    for words in (["--take", "x.json"], ["--take", "x", "--put", "y", *WHY], WHY):
        assert refused.call("edit", str(first), *words).code == 2
    assert len(audited(refused, "reveal")) == 1


def broken(council: Council, number: int, text: str) -> Ran:
    (council.folder / "broken.json").write_text(text)
    return council.call("edit", str(number), "--put", "broken.json", *WHY)


def test_an_edit_that_no_target_would_get_changes_nothing(troubled: Council) -> None:
    number = parked(troubled)[0]
    record = taken(troubled, number)
    record["fields"]["IndexNumber"] = "another"
    record["fields"]["Gender"] = "F"
    said = put(troubled, number, record)
    assert (said.code, "changes whose record it is" in said.err) == (1, True)
    assert len(parked(troubled)) == 6


def test_a_record_that_even_the_adapter_cannot_read_is_not_edited(council: Council) -> None:
    council.drop(re.sub(b"<IndexNumber>[^<]*</IndexNumber>", b"", INDEX.read_bytes(), count=1))
    council.call("run", "--once")
    number = parked(council)[0]
    said = council.call("edit", str(number), "--take", "record.json", *WHY)
    assert said.code == 1
    assert "have its source mended, or set it aside" in said.err
    assert not (council.folder / "record.json").exists()


# Nothing changes at a target that has everything; and one that has nothing gets it


def held(folder: Path) -> dict[str, str]:
    """Every file given to a target, with a digest of its bytes."""
    given = [path for path in folder.glob("*/*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in given}


FORMATS = {"ours": "canonical", "index": "contactpoint", "dfe": "dfe_csc_api", "ssd": "ssd", "back": "cin_census"}


@pytest.fixture
def whole(council: Council) -> Council:
    """The census goes to every format there is, and the day has all kinds of trouble in it."""
    for name in ("in/ics", *(f"out/{name}" for name in FORMATS)):
        (council.folder / name).mkdir(parents=True, exist_ok=True)
    text = '[hub]\nstore = "sqlite:///hub.db"\nqueue = "local"\nkeys = "keys.toml"\n'
    text += '[links.ics]\nadapter = "cin_census"\nbad = "park"\noverlays = ["northshire"]\npoll = 0.2\n'
    text += 'connection = { kind = "folder", in = "in/ics", settle = 0 }\n'
    for name, adapter in FORMATS.items():
        text += f'[links.{name}]\nadapter = "{adapter}"\nconnection = {{ kind = "folder", out = "out/{name}" }}\n'
    text += f'[[routes]]\nfrom = "ics"\nto = {json.dumps(list(FORMATS))}\n[limits]\ndisk = "1 MB"\n'
    council.toml.write_text(text)
    return council


def arrive(council: Council, data: bytes, name: str) -> None:
    part = council.folder / "in" / "ics" / f"{name}.part"
    part.write_bytes(data)
    part.rename(part.with_suffix(""))


def test_replaying_everything_of_a_whole_day_changes_no_byte_at_any_target(whole: Council) -> None:
    census = CENSUS.read_bytes()
    arrive(whole, census.replace(b">3F<", b">3H<"), "1.xml")
    assert whole.call("run", "--once").code == 1
    arrive(whole, census.replace(b"<Sex>M</Sex>", b"<Sex>F</Sex>", 1).replace(b">3F<", b">3H<"), "2.xml")
    assert whole.call("run", "--once").code == 1
    assert whole.call("codes", "add", "cin/referral_source", "3H", "3F").code == 0
    with running(whole):
        assert whole.call("replay", "--since", "1d", "--canary").code == 0
        assert whole.call("replay", "--since", "1d").code == 0
        until(lambda: set(states(whole).values()) <= {"sent", "superseded"})
        before = held(whole.folder / "out")
        assert len(before) >= 2 * len(FORMATS)
        for words in (["--since", "1d"], ["--source", "ics"], ["--target", "ssd"], ["1:0", "1:3"]):
            said = whole.call("replay", *words)
            assert (said.code, "nothing to replay" in said.err) == (0, True)
        arrive(whole, census.replace(b"<Sex>M</Sex>", b"<Sex>F</Sex>", 1), "again.xml")
        until(lambda: rows(whole, "SELECT count(*) FROM document WHERE done")[0][0] == 3)
        time.sleep(1)
    assert held(whole.folder / "out") == before


def state_of(folder: Path) -> dict[str, Any]:
    """What a target that goes by records of ours knows in the end: the last one of each child."""
    found = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and path.suffix == ".jsonl"):
        for one in find("canonical").read(Document.at(path)):
            assert isinstance(one, Theirs)
            found[one.tree["source"]["id"]] = one.tree
    return found


def test_a_target_emptied_and_given_its_latest_ends_equal_to_one_that_never_failed(whole: Council) -> None:
    twin = '[links.twin]\nadapter = "canonical"\nconnection = { kind = "folder", out = "out/twin" }\n[[routes]]'
    whole.change("[[routes]]", twin)
    whole.change('to = ["ours",', 'to = ["ours", "twin",')
    (whole.folder / "out" / "twin").mkdir()
    census = CENSUS.read_bytes()
    with running(whole):
        arrive(whole, census, "1.xml")
        until(lambda: len(state_of(whole.folder / "out" / "twin")) == 7)
        arrive(whole, census.replace(b"<Sex>M</Sex>", b"<Sex>F</Sex>"), "2.xml")
        until(lambda: len(held(whole.folder / "out")) == 2 * (len(FORMATS) + 1))
        for path in (whole.folder / "out" / "twin").glob("*.jsonl"):
            path.unlink()
        others = {name: digest for name, digest in held(whole.folder / "out").items() if "twin" not in name}
        assert state_of(whole.folder / "out" / "twin") == {}
        first = whole.call("replay", "--target", "twin", "--latest", "--canary", *WHY)
        assert (first.code, "The canary, message" in first.out) == (0, True), first
        assert len(state_of(whole.folder / "out" / "twin")) == 1
        assert "ics-hub replay --target twin --latest lets the other 6 go" in first.out
        assert whole.call("replay", "--target", "twin", "--latest").code == 0
        assert state_of(whole.folder / "out" / "twin") == state_of(whole.folder / "out" / "ours")
        after = held(whole.folder / "out")
        assert {name: digest for name, digest in after.items() if "twin" not in name} == others
