"""The way of a record through a whole hub: folders in, folders out, the store and the queue in between."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub.adapter import Theirs, find
from hub.config import load
from hub.config.build import build
from hub.errors import DeclarationError
from hub.pipeline import Hub
from hub.seal import Keyring, new_ring
from hub.store import Store
from hub.store.statements import Sql
from hub.translate import translate
from hub.wire import Document
from tests import strangers
from tests.stores import upgraded
from tests.strangers import DEADLY
from tests.webs import Told, Web

SAMPLES = Path(__file__).parent / "samples"
CENSUS = SAMPLES / "cin_census" / "northshire-2025.xml"
CHILDREN = len(list(find("cin_census").read(Document.at(CENSUS))))

TOML = """
[hub]
store = "sqlite:///hub.db"
queue = "local"
keys = "keys.toml"

[links.ics]
adapter = "cin_census"
connection = { kind = "folder", in = "in/ics", settle = 0.0 }

[links.safeguarding]
adapter = "ssd"
connection = { kind = "folder", out = "out/safeguarding" }

[links.index]
adapter = "contactpoint"
connection = { kind = "folder", out = "out/index" }

[links.ours]
adapter = "canonical"
connection = { kind = "folder", out = "out/ours" }
batch = 1

[[routes]]
from = "ics"
to = ["safeguarding", "index", "ours"]

[limits]
disk = "1 MB"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A council's folder with its hub.toml, keys and an upgraded store."""
    (tmp_path / "hub.toml").write_text(TOML)
    keys = tmp_path / "keys.toml"
    keys.write_text(new_ring("first"))
    keys.chmod(0o600)
    for folder in ("in/ics", "out/safeguarding", "out/index", "out/ours"):
        (tmp_path / folder).mkdir(parents=True)
    upgraded(f"sqlite:///{tmp_path / 'hub.db'}")
    return tmp_path


def start(home: Path) -> Hub:
    return build(load(home / "hub.toml"))


def once(home: Path) -> int:
    return start(home).run(once=True)


def drop(home: Path, data: bytes, name: str) -> None:
    part = home / "in" / "ics" / f"{name}.part"
    part.write_bytes(data)
    part.rename(part.with_suffix(""))


def sent(home: Path, target: str) -> list[Path]:
    return sorted(path for path in (home / "out" / target).iterdir() if not path.name.startswith("."))


def records(home: Path, target: str, adapter: str) -> list[Theirs]:
    found = []
    for path in sent(home, target):
        for one in find(adapter).read(Document.at(path)):
            assert isinstance(one, Theirs), one
            found.append(one)
    return found


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def test_every_record_reaches_every_target_that_is_owed_it(home: Path) -> None:
    drop(home, CENSUS.read_bytes(), "a.xml")
    assert once(home) == 0
    assert len(records(home, "ours", "canonical")) == CHILDREN
    assert len(records(home, "safeguarding", "ssd")) == CHILDREN
    assert len(records(home, "index", "contactpoint")) == CHILDREN
    assert len(sent(home, "ours")) == CHILDREN, "a batch of 1 is a file a record"
    assert len(sent(home, "index")) == 1, "a batch of 100 is one file"


def test_what_only_the_source_understands_goes_to_no_other_system(home: Path) -> None:
    data = CENSUS.read_bytes().replace(b"<Sex>M</Sex>", b"<Sex>Q</Sex>", 1)
    drop(home, data, "a.xml")
    assert once(home) == 0
    made = sent(home, "ours")
    assert len(made) == CHILDREN
    assert all(b"extras" not in path.read_bytes() for path in made)
    translate(Document.of("a.xml", data), "cin_census", "canonical", home / "file.jsonl")
    assert b'"extras":{"cin_census":' in (home / "file.jsonl").read_bytes(), "a file of records has it"


def test_a_connection_of_a_councils_own_that_fails_with_one_record_keeps_no_other(home: Path) -> None:
    head, _, rest = TOML.partition("[links.safeguarding]")
    ours = '[links.ours]\nadapter = "canonical"\nconnection = { kind = "tests.strangers.Clumsy" }\nbatch = 10\n'
    told = head + ours + '[[routes]]\nfrom = "ics"\nto = ["ours"]\n' + "[limits]" + rest.partition("[limits]")[2]
    (home / "hub.toml").write_text(told.replace('"cin_census"', '"canonical"'))
    names = ["Ann", DEADLY, *(f"Child{n}" for n in range(4))]
    people = [{"source": {"id": name}, "person": {"names": [{"id": "n", "given": name}]}} for name in names]
    strangers.Clumsy.taken.clear()
    drop(home, b"".join(json.dumps(one).encode() + b"\n" for one in people), "a.jsonl")
    assert once(home) == 1
    settings = load(home / "hub.toml")
    with closing(Store.open(settings.store, settings.ring)) as store:
        assert [one.states for one in store.failures()] == [{"parked": 1}]
        assert DEADLY not in str(store.failures())
    assert len(set(strangers.Clumsy.taken)) == 5
    assert len(strangers.Clumsy.taken) == 6, "the one of which nothing was said was sent again"


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_what_cannot_be_removed_is_not_read_anew_after_a_purge(home: Path) -> None:
    """Or an older state of a child would go after a newer one."""
    (home / "hub.toml").write_text(TOML.replace("settle = 0.0", 'settle = 0.0, keep = "done"'))
    aside = Path("/dev/shm") / f"hub-done-{os.getpid()}"
    aside.mkdir()
    try:
        done = home / "in/ics/.done"
        done.symlink_to(aside)  # nothing can be moved there
        drop(home, CENSUS.read_bytes(), "a.xml")
        assert once(home) == 0
        drop(home, re.sub(rb"<ReferralSource>\w+<", b"<ReferralSource>1A<", CENSUS.read_bytes()), "b.xml")
        assert once(home) == 0
        before = sent(home, "ours")
        settings = load(home / "hub.toml")
        with closing(Store.open(settings.store, settings.ring)) as store:
            assert store.purge(-10).documents
        assert once(home) == 0
        assert sent(home, "ours") == before
        assert len(list((home / "in/ics/.taken").iterdir())) == 2
        done.unlink()
        assert once(home) == 0
        assert list((home / "in/ics/.taken").iterdir()) == []
        with closing(Store.open(settings.store, settings.ring)) as store:
            store.purge(-10)
            [left] = store.database.read(lambda work: work.rows(Sql("SELECT count(*) FROM document")))
        assert left[0] == 1, "of the newest the heads are needed; the other is forgotten"
    finally:
        shutil.rmtree(aside)


def test_a_database_whose_clock_jumps_ahead_takes_nothing_from_who_is_sending(home: Path) -> None:
    hub, jumped = start(home), []

    def jump(step: str, count: int) -> None:
        if step == "T3.after-commit" and count and not jumped:
            jumped.append(count)
            with closing(sqlite3.connect(home / "hub.db")) as store, store:
                store.execute("UPDATE worker SET until = until - 3600")

    hub.flow.store.database.hook = jump
    drop(home, CENSUS.read_bytes(), "a.xml")
    assert hub.run(once=True) == 0
    assert jumped
    assert len(sent(home, "ours")) == CHILDREN
    with closing(sqlite3.connect(home / "hub.db")) as store:
        assert store.execute("SELECT count(*) FROM attempt WHERE outcome = 'crash'").fetchone() == (0,)
        assert store.execute("SELECT count(*) FROM worker").fetchone() == (1,)


def test_what_may_have_arrived_in_one_parcel_is_parked_together(home: Path) -> None:
    """Though one of them was tried before: the others would go in another parcel, under another key."""
    web = Web(lambda asked: Told(cut=True))
    service = f'connection = {{ kind = "http", url = "{web.url}", send = "post" }}\nattempts = 3'
    ours = 'adapter = "canonical"\nconnection = { kind = "folder", out = "out/ours" }\nbatch = 1'
    assert ours in TOML
    (home / "hub.toml").write_text(TOML.replace(ours, f'adapter = "tests.lists"\n{service}'))
    hub = start(home)

    def tried(step: str, count: int) -> None:
        if step == "T2.after-commit" and count:
            with closing(sqlite3.connect(home / "hub.db")) as store, store:
                ours = "SELECT t.id FROM link t WHERE t.name = 'ours'"
                store.execute(f"""UPDATE message SET attempts = 1 WHERE number =
                    (SELECT min(number) FROM message WHERE target = ({ours}))""")

    hub.flow.store.database.hook = tried
    drop(home, CENSUS.read_bytes(), "a.xml")
    assert hub.run(once=True) == 1
    web.close()
    assert len({(asked.headers["idempotency-key"], asked.body) for asked in web.got}) == 1
    assert len(web.got) == 3
    with closing(sqlite3.connect(home / "hub.db")) as store:
        found = store.execute("SELECT state, arrived, attempts FROM message WHERE ended IS NULL ORDER BY number")
        assert found.fetchall() == [("parked", 1, 4)] + [("parked", 1, 3)] * (CHILDREN - 1)


def test_a_link_with_another_name_tells_of_the_same_children_and_things(home: Path) -> None:
    toml = TOML.replace('"canonical"', '"fhir_r4"')
    (home / "hub.toml").write_text(toml)
    drop(home, CENSUS.read_bytes(), "a.xml")
    assert once(home) == 0
    before = sent(home, "ours")
    new = toml.replace("[links.ics]", "[links.care]").replace('from = "ics"', 'from = "care"')
    (home / "hub.toml").write_text(new.replace("[links.ours]", "[links.fhir]").replace('"ours"]', '"fhir"]'))
    settings = load(home / "hub.toml")
    with closing(Store.open(settings.store, settings.ring)) as store:
        store.rename_link("ics", "care", "ann")
        store.rename_link("ours", "fhir", "ann")
    drop(home, CENSUS.read_bytes(), "b.xml")
    assert once(home) == 0
    assert sent(home, "ours") == before, "nothing is new in it"
    drop(home, CENSUS.read_bytes().replace(b"<Sex>M</Sex>", b"<Sex>F</Sex>"), "c.xml")
    assert once(home) == 0
    after = [path for path in sent(home, "ours") if path not in before]
    assert after
    asked = [
        {entry["request"]["url"] for path in paths for entry in json.loads(path.read_bytes())["entry"]}
        for paths in (before, after)
    ]
    assert asked[1] <= asked[0], "each resource is asked for as it was made"


def test_the_same_document_dropped_again_changes_nothing(home: Path) -> None:
    drop(home, CENSUS.read_bytes(), "a.xml")
    once(home)
    before = {target: [path.name for path in sent(home, target)] for target in ("safeguarding", "index", "ours")}
    drop(home, CENSUS.read_bytes(), "a.xml")
    drop(home, CENSUS.read_bytes(), "b.xml")
    assert once(home) == 0
    assert before == {target: [path.name for path in sent(home, target)] for target in before}


def test_a_then_b_then_a_is_sent_three_times(home: Path) -> None:
    one = CENSUS.read_bytes()
    other = one.replace(b"<Sex>M</Sex>", b"<Sex>F</Sex>", 1)
    assert one != other
    drop(home, one, "1.xml")
    once(home)
    first = len(sent(home, "ours"))
    for name, data in (("2.xml", other), ("3.xml", one)):
        drop(home, data, name)
        assert once(home) == 0
    assert len(sent(home, "ours")) == first + 2
    last = [record.tree for record in records(home, "ours", "canonical")][-2:]
    assert [tree["person"]["sex"] for tree in last] == ["F", "M"]


def test_a_bad_record_is_parked_and_the_others_go_through(home: Path) -> None:
    data = CENSUS.read_bytes()
    at = data.index(b"<PersonBirthDate>") + len(b"<PersonBirthDate>")
    drop(home, data[:at] + b"2015-02-30" + data[at + 10 :], "a.xml")
    assert once(home) == 1
    assert len(records(home, "ours", "canonical")) == CHILDREN - 1
    drop(home, data, "b.xml")
    assert once(home) == 0, "the mended record takes the place of the bad one"
    assert len(records(home, "ours", "canonical")) == CHILDREN


def test_a_merge_that_could_not_be_read_is_not_superseded_by_a_state_of_who_stays(home: Path) -> None:
    toml = home / "hub.toml"
    toml.write_text(toml.read_text().replace('adapter = "cin_census"', 'adapter = "canonical"'))

    def arrive(name: str, **told: Any) -> int:
        drop(home, json.dumps({"source": {"id": "A"}, **told}).encode() + b"\n", f"{name}.jsonl")
        once(home)
        with closing(Store.open(f"sqlite:///{home / 'hub.db'}", keys)) as store:
            return store.open_count("ours")

    keys = Keyring.parse((home / "keys.toml").read_text())
    assert arrive("a", person={"gender": "1"}) == 0
    assert arrive("b", merge={"superseded": "B"}, person={"birth": {"date": "2015-02-30"}}) == 1, "no such day"
    assert arrive("c", person={"gender": "2"}) == 2, "the failed merge is there, and the newer state waits behind it"
    assert len(records(home, "ours", "canonical")) == 1


def test_what_lacks_a_required_field_is_parked_at_a_strict_target_alone(home: Path) -> None:
    strict = TOML.replace("[links.index]", "[links.index]\nstrict = true")
    (home / "hub.toml").write_text(strict)
    drop(home, CENSUS.read_bytes(), "a.xml")
    assert once(home) == 1
    settings = load(home / "hub.toml")
    store = Store.open(settings.store, settings.ring)
    (row,) = store.failures()
    store.close()
    assert (row.cause.row, row.states) == ("Identifiers.Identifier[].Value", {"parked": row.count})
    assert row.count > 0
    assert len(records(home, "index", "contactpoint")) == CHILDREN - row.count
    assert len(records(home, "safeguarding", "ssd")) == CHILDREN


def test_a_document_that_is_no_document_ends_alone(home: Path) -> None:
    drop(home, b"\xff\xfenothing at all", "1.xml")
    drop(home, CENSUS.read_bytes(), "2.xml")
    once(home)
    assert sent(home, "ours")


def test_a_target_that_is_away_gets_everything_when_it_is_back(home: Path) -> None:
    shutil.rmtree(home / "out" / "index")
    drop(home, CENSUS.read_bytes(), "a.xml")
    assert once(home) == 1
    assert sent(home, "ours"), "the others are not held up"
    (home / "out" / "index").mkdir()
    hub = start(home)
    thread = threading.Thread(target=hub.run)
    thread.start()
    try:
        until(lambda: len(records(home, "index", "contactpoint")) == CHILDREN)
    finally:
        hub.stop()
        thread.join()
    assert once(home) == 0


def test_a_link_with_open_messages_cannot_be_left_out(home: Path) -> None:
    shutil.rmtree(home / "out" / "index")
    drop(home, CENSUS.read_bytes(), "a.xml")
    once(home)
    text = TOML.replace("[links.index]", "[links.other]").replace('"index"', '"other"')
    (home / "hub.toml").write_text(text)
    with pytest.raises(DeclarationError, match="index"):
        once(home)
