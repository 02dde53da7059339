"""The connections to both databases: what a url says, what a row is, how many there are, what a fork has of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.store import Store, StoreDown, database
from hub.store.drivers import parse
from hub.store.statements import Sql
from tests.council import ROOT, Council
from tests.forks import forked
from tests.nodes import Postgres
from tests.stores import Places


@pytest.mark.parametrize(
    ("url", "where", "told"),
    [
        ("sqlite:///hub.db", ("hub.db", None, None), None),
        ("sqlite:////srv/a b/100%25?.db", ("/srv/a b/100%25?.db", None, None), None),
        ("postgresql://db/ics", ("ics", "db", None), {"host": "db", "dbname": "ics"}),
        (
            "postgresql://u%40x:p%2Fw%23+@[::1]:5433/a%20b?sslmode=verify-full&options=-c+search_path%3Dx",
            ("a b", "::1", 5433),
            {"user": "u@x", "password": "p/w#+", "host": "::1", "port": 5433, "dbname": "a b",
             "sslmode": "verify-full", "options": "-c search_path=x"},
        ),
        (
            "postgresql://ics-hub@/ics_hub?host=/var/run/postgresql",
            ("ics_hub", None, None),
            {"user": "ics-hub", "host": "/var/run/postgresql", "dbname": "ics_hub"},
        ),
    ],
)  # fmt: skip
def test_a_url_says_where_and_who(url: str, where: tuple[object, ...], told: dict[str, object] | None) -> None:
    found = parse(url)
    assert (found.database, found.host, found.port) == where
    assert found.told == told
    assert "p/w" not in repr(found)
    assert "p%2Fw" not in repr(found)


def test_the_options_of_a_url_stand_beside_the_hubs_own(places: Places) -> None:
    url = f"{places.new('postgresql')}?options=-c%20statement_timeout%3D12345"
    used = database.Database(url)
    asked = [Sql(f"SHOW {name}") for name in ("statement_timeout", "enable_seqscan", "application_name")]
    try:
        assert used.read(lambda work: [work.value(one) for one in asked]) == ["12345ms", "off", "ics-hub"]
    finally:
        used.close()


def test_a_row_has_names_and_places_and_plain_values(store: Store) -> None:
    text = "SELECT 1 AS number, 'a' AS state, 1.5 AS due, {} AS id, NULL AS cause, count(*), 2 AS number"
    made = Sql(text.format("x'00ff'" if store.database.sqlite else r"CAST('\x00ff' AS bytea)"))
    (row,) = store.database.read(lambda work: work.rows(made))
    assert row == store.database.read(lambda work: work.row(made))
    assert (row.number, row.state, float(row.due), row.id, row.cause) == (1, "a", 1.5, b"\x00\xff", None)
    assert type(row.id) is bytes
    assert (row[0], row[5], row[6]) == (1, 1, 2)
    assert store.database.read(lambda work: work.value(made)) == 1


def test_a_read_cannot_write_and_says_so(store: Store) -> None:
    if not store.database.sqlite:
        with pytest.raises(StoreDown, match="takes no writes now"):
            store.database.read(lambda work: work.run(Sql("DELETE FROM junk")))
    assert store.database.write(lambda work: work.run(Sql("DELETE FROM junk"))) == 0


def test_who_finds_all_connections_in_use_is_told_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    pool = store.database.pool
    used = [pool.take() for _ in range(database.MOST)]
    with pytest.raises(StoreDown, match=r"^all connections to the database are in use$"):
        store.status()
    pool.give(*used.pop())
    assert store.status().now
    for one in used:
        pool.give(*one)
    assert len(pool._idle) == database.KEPT
    last = pool.take()
    pool.give(*last)
    assert pool.take()[0] is last[0], "the one that was used last"


def test_a_fork_has_connections_of_its_own(store: Store) -> None:
    store.status()
    connection, age = store.database.pool.take()
    store.database.pool.give(connection, age)

    def child() -> bool:
        store.status()
        other, _ = store.database.pool.take()
        store.close()
        return other is not connection and store.database.pool._process == os.getpid()

    assert forked(child)
    assert store.database.pool.take()[0] is connection
    connection.execute("SELECT 1").fetchone()


@pytest.mark.parametrize("words", ["failures", "status", "trace 1", "run --once"])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_command_imports_no_more_than_it_needs(kind: str, words: str, tmp_path: Path, postgres: Postgres) -> None:
    council = Council(tmp_path, store="sqlite:///hub.db" if kind == "sqlite" else postgres.database())
    never, others = ("sqlalchemy", "alembic", "urllib.request"), ("psycopg", "asyncio", "pika", "structlog")
    code = f"""import sys; from hub.cli import main
try: main()
finally: print([name for name in ("hub.store.work", *{never + others}) if name in sys.modules])"""
    ran = subprocess.run(
        [sys.executable, "-c", code, *words.split()],
        cwd=council.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    needed = {("sqlite", "run --once"): others[1:], ("postgresql", "run --once"): others}
    found = needed.get((kind, words), () if kind == "sqlite" else others[:2])
    assert ran.stdout.splitlines()[-1] == str(["hub.store.work", *found]), ran.stderr
