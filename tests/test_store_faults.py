"""What the world does to a store: full disks, lost databases, wrong passwords, millions of old rows, other keys."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from msgspec.structs import replace

import hub.store
from hub.errors import DeclarationError
from hub.message import Cause
from hub.seal import Keyring, SealError
from hub.store import (
    Bears,
    Outcome,
    Store,
    StoreDown,
    failing,
    line,
    links,
    opening,
    purging,
    reading,
    replay,
    serving,
    shelf,
    sweep,
    take,
    told,
    work,
)
from hub.store.facts import CLOSED
from hub.store.migrations import NEWEST, connected
from hub.store.schema import metadata
from hub.store.statements import Rows, Sql, array, listed
from hub.wire import Document
from tests.nodes import Postgres
from tests.stores import AWAY, BROKEN, NEWER, PLAIN, REFUSED, RING, Council, Places, opened


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, places: Places) -> str:
    return places.new(request.param)


@pytest.fixture
def council(url: str) -> Iterator[Council]:
    for store in opened(url):
        yield Council(store)


# The database away, full, or closed to us


def test_a_full_disk_is_said_in_one_line_and_recovers(places: Places) -> None:
    for store in opened(places.new("sqlite")):
        council = Council(store)
        council.take(council.record("ann", "A"))
        pages = int(council.run("PRAGMA page_count")[0][0])  # type: ignore[call-overload]
        bound(store, pages + 20)
        with pytest.raises(StoreDown, match=r"^the store's disk is full: free some space$"):
            store.keep("ics", "big", [("", os.urandom(1 << 20))])
        with pytest.raises(StoreDown, match="disk is full"):
            council.take(*(council.record(str(n), "A", body=b"x" * 9000) for n in range(40)))
        assert council.claim(1).claims, "what fits still works"
        bound(store, 1 << 30)
        assert council.take(*(council.record(str(n), "A", body=b"x" * 9000) for n in range(40))).new == 40
        assert store.keep("ics", "big", [("", os.urandom(1 << 20))]).new


def bound(store: Store, pages: int) -> None:
    """A file of so many pages at most, by the connections that are made from now on."""

    def limited() -> Any:
        made = store.database.driver.connect()
        made.execute(f"PRAGMA max_page_count = {pages}").close()
        return made

    store.database.pool.connect = limited
    store.database.pool.clear()


def test_a_lost_database_is_said_in_one_line_and_comes_back(places: Places, postgres: Postgres) -> None:
    for store in opened(places.new("postgresql")):
        council = Council(store)
        council.take(council.record("ann", "A"))
        postgres.kill()
        try:
            for act in ("status", "new_causes", "mapping_set"):
                with pytest.raises(StoreDown) as down:
                    getattr(store, act)()
                place = re.escape(f"127.0.0.1:{postgres.port}")
                assert re.fullmatch(rf"the database \w+ at {place}: [a-z ,()]+", str(down.value)), down.value
            with pytest.raises(StoreDown):
                store.keep("ics", "x", [("", b"x")])
        finally:
            postgres.start()
        assert store.keep("ics", "x", Document.of("x", b"x")).new, "at its first try"
        assert council.claim(1).claims
        assert store.status().targets[1].states == {"sending": 1}


def test_a_new_connection_takes_the_place_of_one_that_was_cut_while_idle(places: Places, postgres: Postgres) -> None:
    url = places.new("postgresql")
    for store in opened(url):
        council = Council(store)
        for _ in range(3):
            assert postgres.cut(url.rpartition("/")[2])
            council.run("SELECT 1")
            assert postgres.cut(url.rpartition("/")[2])
            store.status()


def test_a_wrong_password_is_one_line_without_the_password(places: Places, postgres: Postgres) -> None:
    postgres.sql("CREATE ROLE clerk LOGIN PASSWORD 'right'")
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("host all clerk 127.0.0.1/32 scram-sha-256\n" + before)
    postgres.sql("SELECT pg_reload_conf()")
    try:
        name = places.new("postgresql").rpartition("/")[2]
        for user, said in (("clerk:wr0ng", "does not let this user in"), ("nobody", "does not let this user in")):
            with pytest.raises(StoreDown) as down:
                Store.open(f"postgresql://{user}@127.0.0.1:{postgres.port}/{name}", RING)
            assert said in str(down.value)
            assert "\n" not in str(down.value)
            assert "wr0ng" not in repr(down.value)
            assert down.value.__cause__ is None
        with pytest.raises(StoreDown, match="no such database"):
            Store.open(f"postgresql://postgres@127.0.0.1:{postgres.port}/nothing", RING)
        with pytest.raises(StoreDown, match="lacks a right"):
            Store.open(f"postgresql://clerk:right@127.0.0.1:{postgres.port}/{name}", RING)
    finally:
        rules.write_text(before)
        postgres.sql("SELECT pg_reload_conf()")
    with pytest.raises(StoreDown, match=r"at 127\.0\.0\.1:1: nothing listens there$"):
        Store.open("postgresql://clerk:wr0ng@127.0.0.1:1/x", RING)


def test_a_damaged_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreDown, match="no SQLite database, or is damaged"):
        Store.open(f"sqlite:///{tmp_path}/hub.db", RING)
    with pytest.raises(DeclarationError, match="no such file or directory"):
        Store.upgrade(f"sqlite:///{tmp_path}/nowhere/hub.db")


# One run a file


def test_one_run_works_on_a_file_while_others_look(places: Places) -> None:
    url = places.new("sqlite")
    for store in opened(url, run=True):
        council = Council(store)
        with pytest.raises(DeclarationError, match="another 'ics-hub run' works on this store"):
            Store.open(url, RING, run=True)
        code = "from tests.stores import *; s = Store.open(__import__('sys').argv[1], RING); print(s.status().now > 0)"
        council.take(council.record("ann", "A"))
        command = [sys.executable, "-c", code, url]
        seen = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent)
        assert seen.stdout == "True\n", seen.stderr
        council.claim(1)
    for store in opened(url, run=True):
        worker = store.enlist("after", 1)
        assert store.sweep(worker).dead == 1, "who runs on a file knows that those before are dead"


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    Store.upgrade(f"sqlite:///{tmp_path}/hub.db")
    assert (tmp_path / "hub.db").stat().st_mode & 0o777 == 0o600


def test_a_network_file_system_is_known(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    (tmp_path / "a b").mkdir()
    mounts.write_text(f"/dev/x / ext4 rw 0 0\nserver:/x {tmp_path}/a\\040b nfs4 rw 0 0\n")
    assert opening.file_system(tmp_path / "hub.db", mounts) == "ext4"
    assert opening.file_system(tmp_path / "a b" / "hub.db", mounts) == "nfs4"
    assert "nfs4" in opening._NETWORK
    assert opening.file_system(tmp_path, tmp_path / "nothing") == ""


# What the tables are


def test_the_migrations_make_the_tables_that_the_store_expects(council: Council) -> None:
    with connected(council.store.database.url.text) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == NEWEST


def test_what_is_written_in_bulk_agrees_with_the_tables() -> None:
    kinds = {"BIGINT": "", "INTEGER": "", "TEXT": "text", "BOOLEAN": "bool", "BLOB": "bytes", "DOUBLE": "float"}
    modules = [importlib.import_module(f"hub.store.{one.name}") for one in pkgutil.iter_modules(hub.store.__path__)]
    found = {(one.__name__, name): rows for one in modules for name, rows in vars(one).items() if type(rows) is Rows}
    assert len(found) > 20
    for place, rows in found.items():
        table = metadata.tables[rows.table]
        assert rows.kinds == {name: kinds[str(table.c[name].type)] for name in rows.names}, place
        for name, _ in rows._same:
            assert name in table.c, place


# Nothing readable


def test_no_value_of_a_record_lies_in_the_files(council: Council, url: str, places: Places) -> None:
    store, canary = council.store, f"Canary{os.urandom(6).hex()}"
    secret = canary.encode()
    document = store.keep("ics", f"{canary}.xml", [("", secret * 1000), (canary, secret)], label=canary)
    council.take(council.record("ann", canary, ["ssd", "index"], body=secret * 50))
    council.take(council.record(canary, "A", failed=BROKEN, body=secret))
    council.claim(1)
    store.prepare(council.worker, [council.parcel(1, data=secret * 100)])
    council.finish(Outcome(1, "waiting", cause=AWAY, due=100))
    assert store.document(document.document).open(canary).read() == secret
    if url.startswith("sqlite"):
        path = Path(str(store.database.url.database))
        files = [path, path.with_name(path.name + "-wal")]
    else:
        places.postgres.sql("CHECKPOINT")
        files = [file for file in places.postgres.files.rglob("*") if file.is_file() and file.stat().st_size]
    assert holding(files, b"here"), "the worker's host, which is no secret, is found"
    for form in (secret, secret.hex().encode(), canary.encode("utf-16-le")):
        assert holding(files, form) == []
    assert canary not in repr((store.unread("ics"), store.failures(), store.status(), store.trace(1)))


def holding(files: list[Path], secret: bytes) -> list[Path]:
    """The files that hold some bytes. They are read, not mapped: a server may cut one short meanwhile, which kills
    whoever has it mapped."""
    found = []
    for file in files:
        with suppress(FileNotFoundError), file.open("rb") as opened_file:
            rest = b""
            while chunk := opened_file.read(1 << 22):
                if secret in rest + chunk:
                    found.append(file)
                    break
                rest = chunk[-len(secret) :]
    return found


def test_without_keys_nothing_is_sealed_and_everything_works(url: str) -> None:
    for store in opened(url, PLAIN):
        council = Council(store)
        council.take(council.record("ann", "A", body=b"plain"))
        assert store.record(1, 0) == b"plain"
        assert store.keys_in_use() == {""}


# Keys


def fill(council: Council) -> None:
    council.take(*(council.record(str(n), "A", body=b"record %d" % n) for n in range(30)))
    council.claim(1, 2)
    council.prepare([1], [2])
    council.store.keep("ics", "more", [("", b"d" * (3 << 20))])


def everything(store: Store) -> list[bytes]:
    records = [store.record(1, n) for n in range(30)]
    documents = [store.document(unread.document).open().read() for unread in store.unread("ics")]
    return [*records, store.parcel(1).data, store.parcel(2).data, *documents]


def test_keys_are_changed_while_the_hub_runs_and_the_old_one_is_let_go(url: str) -> None:
    for store in opened(url):
        fill(Council(store))
        kept = everything(store)
    for store in opened(url, NEWER):
        assert everything(store) == kept, "the old key is still in the ring"
        assert store.keys_in_use() == {"one"}
        store.keep("ics", "new", [("", b"new")])
        kept.append(b"new")
        assert store.keys_in_use() == {"one", "two"}
        calls = 1
        while not store.reseal(limit=10):
            calls += 1
            assert calls < 100
        assert calls > 3, "it goes on where it stopped"
        assert store.keys_in_use() == {"two"}
        assert store.reseal()
    for store in opened(url, Keyring(b"n" * 32, {"two": b"2" * 32}, "two")):
        assert everything(store) == kept, "the old key is needed no more"
    for store in opened(url):
        with pytest.raises(SealError, match="its key is not in the ring"):
            store.record(1, 0)


def test_rows_kept_behind_the_sealing_by_a_process_with_the_old_key_are_found(url: str) -> None:
    for store in opened(url):
        fill(Council(store))
        for newer in opened(url, NEWER):
            assert newer.reseal()
            council = Council(store)
            council.run("UPDATE document SET sealed = :sealed WHERE id = 1", sealed=RING.seal(b"x", b"document:1"))
            assert newer.keys_in_use() == {"one", "two"}
            assert not newer.reseal()
            assert newer.reseal()
            assert newer.keys_in_use() == {"two"}


def test_a_store_that_was_not_sealed_is_sealed_later(url: str) -> None:
    for store in opened(url, PLAIN):
        fill(Council(store))
        kept = everything(store)
    for store in opened(url):
        with pytest.raises(SealError):
            store.record(1, 0)
        assert store.reseal()
        assert everything(store) == kept


# Purging


def test_a_purge_takes_what_is_closed_old_and_not_the_newest(council: Council) -> None:
    store = council.store
    for digest in "ABC":
        council.take(council.record("ann", digest, ["ssd", "index"]), council.record("bob", digest))
        for number in council.run("SELECT number, target FROM message WHERE state = 'ready' ORDER BY number"):
            council.send(int(number[0]), target=store.body([int(number[0])])[0].target)  # type: ignore[call-overload]
    council.take(council.record("cyd", "A"), council.record("cyd", "E", carries="event"))
    council.park(10)
    council.run("UPDATE message SET ended = ended - 1000, created = created - 1000 WHERE number <= 10")
    council.run("UPDATE document SET kept = kept - 1000 WHERE id < 4")
    council.run("UPDATE parcel SET created = created - 1000")
    before = council.run("SELECT count(*) FROM message")
    trial = store.purge(500, dry_run=True)
    assert council.run("SELECT count(*) FROM message") == before
    purged = store.purge(500)
    assert purged == trial
    assert (purged.messages, purged.records, purged.documents, purged.overdue) == (6, 4, 3, 1)
    left = [int(row[0]) for row in council.run("SELECT number FROM message ORDER BY number")]  # type: ignore[call-overload]
    assert left == [7, 8, 9, 10, 11], "each child's newest at each target, and what is open"
    assert council.run("SELECT count(*) FROM parcel") == [(3,)]
    assert council.run("SELECT count(*) FROM attempt") == [(4,)]
    assert council.take(council.record("ann", "C")).unchanged == 1, "heads stay"
    assert store.purge(500) == type(purged)(0, 0, 0, 1)
    with pytest.raises(ValueError, match="only closed messages"):
        store.purge(0, ["parked"])


def test_a_trial_counts_what_a_purge_takes(council: Council) -> None:
    store, chance = council.store, Random(13)
    for _ in range(60):
        names = chance.sample("abcdef", chance.randint(1, 3))
        targets = chance.choice([("ssd",), ("index",), ("ssd", "index")])
        mended = {"failed": BROKEN, "body": b""} if chance.random() < 0.1 else {}
        council.take(*(council.record(name, chance.choice("ABC"), targets, **mended) for name in names))
        for target in ("ssd", "index"):
            ready = [row[0] for row in council.run("SELECT number FROM message WHERE state IN ('ready', 'parked')")]
            some = chance.sample(ready, min(len(ready), chance.randint(0, 2)))
            act = chance.choice(["sent", "withheld", "parked", "set aside"])
            if act == "set aside":
                store.set_aside(some, "ann", "x")  # type: ignore[arg-type]
            elif claims := council.claim(*some, target=target).claims:  # type: ignore[arg-type]
                council.finish(*(Outcome(one.number, act, cause=AWAY) for one in claims), target=target)
    taken = []
    for states in (["withheld"], ["superseded", "set aside"], CLOSED):
        trial = store.purge(-10, states, dry_run=True)
        assert store.purge(-10, states) == trial
        taken.append((trial.messages > 0, trial.records > 0, trial.documents > 0))
    assert [any(some) for some in zip(*taken, strict=True)] == [True, True, True]


def test_a_trial_of_a_purge_keeps_nobody_from_writing(council: Council, monkeypatch: pytest.MonkeyPatch) -> None:
    store, done = council.store, []
    council.take(council.record("ann", "A"))
    council.park(1)
    store.set_aside([1], "ann", "")
    council.take(council.record("ann", "B"))
    council.send(2)
    plain = purging._documents

    def meanwhile(*given: Any) -> Any:
        act = threading.Thread(target=lambda: done.append(store.restore([1], "ann", "").refused))
        act.start()
        act.join(5)
        waited.append(act)
        return plain(*given)

    waited: list[threading.Thread] = []
    monkeypatch.setattr(purging, "_documents", meanwhile)
    assert store.purge(-10, dry_run=True).messages == 1
    found = len(done), [act.is_alive() for act in waited].count(True)
    for act in waited:
        act.join()
    assert found == (3, 0), "one each time that documents are looked for"


def test_a_purge_by_state_leaves_the_others(council: Council) -> None:
    council.take(council.record("ann", "A"))
    council.take(council.record("ann", "B"))
    council.send(2)
    council.take(council.record("ann", "C"))
    council.send(3)
    assert council.store.purge(-10, ["sent"]).messages == 1
    assert council.state(1) == "superseded"


def test_a_purge_leaves_what_proves_that_a_later_record_was_sent(council: Council) -> None:
    store = council.store
    nobody = store.ring.name("child", "ics", "document", 1, 0)
    council.take(replace(council.record("ann", "", body=b""), child=nobody, failed=BROKEN))
    council.take(council.record("ann", "B"))
    council.send(2)
    council.take(council.record("ann", "C"))
    council.park(3)
    assert store.purge(-10).messages == 0, "3 was not sent"
    run, _ = store.start_run("1", [1], "ann", "mended", mapping="m")
    due = store.due(council.worker, "m")
    assert due is not None
    store.release(council.worker, due, {(1, 0): council.record("ann", "A")})
    assert [(one.state, "latest" in one.note) for one in store.run_items(run.id)] == [("skipped", True)]


def test_the_bytes_of_a_document_with_open_messages_stay(council: Council) -> None:
    council.take(council.record("ann", "A"))
    assert council.store.purge(-10).documents == 0
    assert council.store.document(1).open().read() == b"bytes"
    council.send(1)
    assert council.store.purge(-10).documents == 1
    assert council.store.record(1, 0) == b"ann A"


# Backups


def test_a_backup_is_whole_and_works(council: Council, url: str, tmp_path: Path) -> None:
    fill(council)
    copy = tmp_path / "copy.db"
    if not url.startswith("sqlite"):
        with pytest.raises(DeclarationError, match=r"its own tool: pg_dump --format=custom --file=\S+copy\.db"):
            council.store.backup(str(copy))
        return
    council.store.backup(str(copy))
    for store in opened(f"sqlite:///{copy}"):
        assert everything(store) == everything(council.store)
        assert store.highest_number() == council.store.highest_number()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir() if "part" in file.name] == []
    with pytest.raises(DeclarationError, match="no such file or directory"):
        council.store.backup(str(tmp_path / "nowhere" / "copy.db"))


def test_causes_differ_by_every_part(council: Council) -> None:
    causes = [BROKEN, REFUSED, AWAY, Cause("send", "no answer", target="index", answer="unavailable")]
    council.take(council.record("ann", "A", findings=tuple(causes)))
    assert {row.cause for row in council.store.failures()} == set(causes)


def test_causes_are_numbered_though_another_thread_empties_the_memory_of_them(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = council.store
    causes = [Cause("send", f"reason {n}", target="ssd", answer="refused") for n in range(3)]
    numbers = store.cause_ids(causes[:1])
    monkeypatch.setattr(shelf, "KNOWN_CAUSES", 0)
    kept = store.database.write

    def meanwhile(*given: Any) -> Any:
        thread = threading.Thread(target=store.cause_ids, args=([None],))
        thread.start()
        thread.join()
        return kept(*given)

    monkeypatch.setattr(store.database, "write", meanwhile)
    numbers |= store.cause_ids(causes)
    monkeypatch.undo()
    assert numbers == store.cause_ids(causes)
    assert len(set(numbers.values())) == 4


def test_the_tests_database_is_new_enough(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url()) as connection:
        assert connection.info.server_version >= 150000


# A million closed rows

_MILLION = {
    True: """WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 1000099) {} FROM n""",
    False: "{} FROM generate_series(100, 1000099) n(i)",
}
_ROWS = """INSERT INTO message (number, id, document, ordinal, key, source, target, generation, whole, state, ended)
    {}SELECT i, {}, 1, i, 1000 + i / 5, 1, 3, 0, true, 'sent', 1"""


def test_claiming_goes_by_indexes_whatever_lies_behind(council: Council, url: str) -> None:
    store, sqlite = council.store, url.startswith("sqlite")
    council.take(*(council.record(str(n), "A") for n in range(50)))
    council.claim(40, 41)
    council.finish(Outcome(40, "waiting", cause=AWAY, due=0))
    if sqlite:
        start, _, end = _MILLION[True].partition("{}")
        council.run(_ROWS.format(start, "zeroblob(16)") + end)
    else:
        start, _, end = _MILLION[False].partition("{}")
        council.run(_ROWS.format(start, r"CAST('\x00' AS bytea)") + end)
    numbers, link = list(range(1, 51)), store.link_id("ssd")
    hot: dict[str, tuple[Sql, dict[str, Any]]] = {
        "claim": (work._READY, {"numbers": numbers, "target": link}),
        "prepare": (work._MINE, {"numbers": numbers, "worker": 1}),
        "finish": (work._OWNED, {"numbers": numbers, "worker": 1, "target": link}),
        "parcels": (work._TOGETHER, {"parcels": [1, 2]}),
        "next": (line._FIRSTS, {"numbers": numbers}),
        "bodies": (line._MESSAGES, {"numbers": numbers}),
        "superseding": (take._OLDER, {"numbers": numbers}),
        "keys": (take._KEYS, {"names": [council.child(str(n)) for n in range(50)]}),
        "due": (sweep._DUE, {}),
        "dead": (sweep._DEAD, {}),
        "dead at": (sweep._DEAD_AT, {}),
        "idle": (serving._SENDING, {}),
        "idle too": (serving._READY, {"targets": [link]}),
        "idle later": (serving._DUE, {"targets": [link]}),
        "dismiss": (links._OWNED, {"worker": 1}),
        "give back": (serving._OWNED, {"worker": 1, "target": link}),
        "orphans": (links._IN_USE, {}),
        "failures": (failing._FAILED, {}),
        "held by failures": (failing._BEHIND, {}),
        "messages of a cause": (failing._BY_CAUSE, {"cause": 1, "limit": 100}),
        "tokens": (serving._TOKENS, {"target": link}),
        "republish": (sweep._STALE, {"target": link, "before": 1e12, "limit": 100}),
        "open": (reading._OPEN, {"target": link}),
        "status": (reading._STATES, {}),
        "items of a replay": (replay._ITEMS, {"run": 1, "items": [0, 1]}),
        "messages of a replay": (replay._MESSAGES, {"numbers": numbers}),
        "behind a replay": (replay._BEHIND, {"numbers": numbers}),
        "purge": (purging._UNUSED, {"document": 1, "last": -1, "limit": 100}),
        "trial of a purge": (
            purging._UNUSED_THEN,
            {"document": 1, "last": -1, "limit": 100, "before": 1e12, "states": list(CLOSED)},
        ),
        "what goes": (purging._GOING, {"numbers": numbers, "before": 1e12, "states": list(CLOSED)}),
        "told": (told._READ, {"target": link, "keys": numbers}),
    }
    for name, (statement, values) in hot.items():
        plan = explain(council, statement, values, sqlite)
        assert not re.search(_SCAN, plan), f"{name}\n{plan}"
        if name == "items of a replay":  # by item, or each batch of a run reads the whole run
            assert re.search(r"run=\? AND n=\?" if sqlite else r"n = ", plan), plan
        if name in ("due", "dead", "republish", "open", "status"):
            partial = {"due": "message_due", "dead": "message_owner"}.get(name, "message_line")
            assert partial in plan, f"{name}\n{plan}"
    assert len(council.claim(*numbers).claims) == 48
    assert store.sweep(council.worker).due == 1


@pytest.mark.parametrize("before", ["CHECKPOINT", "VACUUM ANALYZE"], ids=["never counted", "counted empty"])
def test_kept_plans_go_by_indexes_though_they_were_made_for_empty_tables(postgres: Postgres, before: str) -> None:
    url, many = postgres.database(), metadata.tables.keys() - {"target", "worker"}
    Store.upgrade(url)
    postgres.sql(before, url.rpartition("/")[2])
    for store in opened(url):
        council = Council(store)
        bears = [RING.name("nhs", n) for n in range(8)]
        for digest in "AB":
            people = [
                council.record(
                    str(n), digest, places=(bear,), bears=(Bears(council.child(str(n)), (bear,), False, None),)
                )
                for n, bear in enumerate(bears)
            ]
            council.take(*people)
        store.shielded({9: ([1, 2], bears)})
        council.send(*council.known.keys() - range(1, 9))
        connection, _ = store.database.pool.take()
        kept = connection.execute("SELECT name, statement, parameter_types FROM pg_prepared_statements").fetchall()
        assert len(kept) > 25
        for name, statement, types in kept:
            values = ", ".join(f"CAST(NULL AS {one})" for one in types)
            explained = connection.execute(f"EXPLAIN EXECUTE {name}{f'({values})' if values else ''}").fetchall()
            plan = "\n".join(line for (line,) in explained)
            for scan in re.finditer(_WHOLE, plan):
                assert scan[1] not in many, f"{statement}\n{plan}"


_WHOLE = r"Scan (?:using \w+ )?on (\w+)[^\n]*(?:\n(?! +Index Cond)|$)"


_SCAN = r"Seq Scan on (message|place|key|record)|SCAN (m|n|p|q|k|r|message|place|key|record)\b(?! USING)"


def explain(council: Council, statement: Sql, values: dict[str, Any], sqlite: bool) -> str:
    """How the database would go about a statement, as the hub's connections have it."""
    listing = listed if sqlite else array
    told = {name: listing(value) if isinstance(value, list) else value for name, value in values.items()}

    def act(under_way: Any) -> str:
        text = f"EXPLAIN QUERY PLAN {statement.sqlite}" if sqlite else f"EXPLAIN {statement.postgresql}"
        return "\n".join(str(row[-1]) for row in under_way.execute(text, told))

    return council.store.database.write(act)
