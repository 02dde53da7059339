"""The connection to a database: transactions, what both databases do differently at the edges, and clear errors."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hub.errors import DeclarationError
from hub.store.facts import StoreDown
from hub.store.statements import Rows, Sql, array, listed

T = TypeVar("T")
Hook = Callable[[str, int], None]
TRIES = 5
"""Times a transaction is run when the database broke it off in favour of another (a deadlock)."""
BUSY = 30
"""Seconds to wait for another process that writes to the same file."""
# A worker that is stopped inside a transaction must not keep its rows locked for longer than its lease would last.
# Every statement here is written to go by an index. A planner whose statistics are hours old, or that knows a table
# from when it was empty, would read all of it for a hundred rows; so it is told not to, and plans are made each time.
_SESSION = " ".join(
    f"-c {setting}"
    for setting in (
        "idle_in_transaction_session_timeout=15000",
        "lock_timeout=20000",
        "plan_cache_mode=force_custom_plan",
        "jit=off",
        "work_mem=32MB",
        *(f"enable_{way}=off" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin")),
    )
)
_CONNECT = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def no_hook(step: str, count: int) -> None:
    """The hook of production: nothing. step: `T2.before-commit`; count: how many records or messages it is about."""


class Work:
    """One transaction under way. count: of the records or messages it is about, for the hook."""

    def __init__(self, connection: Connection, sqlite: bool) -> None:
        self.connection, self.sqlite = connection, sqlite
        self.count = 0

    def run(self, statement: Sql, **values: Any) -> int:
        """Run a statement; the number of rows it touched."""
        return int(self._run(statement, values).rowcount)

    def rows(self, statement: Sql, **values: Any) -> list[Any]:
        """Run a statement; its rows."""
        return list(self._run(statement, values).all())

    def row(self, statement: Sql, **values: Any) -> Any:
        """Run a statement; its first row, if any."""
        return self._run(statement, values).first()

    def value(self, statement: Sql, **values: Any) -> Any:
        """Run a statement; the first value of its first row, None without any."""
        return self._run(statement, values).scalar()

    def _run(self, statement: Sql, values: dict[str, Any]) -> Any:
        encode = listed if self.sqlite else array
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = encode(value)
        text = statement.sqlite if self.sqlite else statement.postgresql
        return self.connection.exec_driver_sql(text, values)

    def many(self, rows: Rows, values: Sequence[Sequence[Any]], **same: Any) -> None:
        """Insert or update many rows, each with its values in the order of `rows.columns`."""
        if not values:
            return
        if self.sqlite:
            text, after = rows.sqlite
            rest = tuple(same[name] for name in after)
            self.connection.exec_driver_sql(text, [(*value, *rest) for value in values])
            return
        for name, column in zip(rows.names, zip(*values, strict=True), strict=True):
            same[f"r_{name}"] = array(column)
        self.connection.exec_driver_sql(rows.postgresql, same)


class Database:
    """An engine and how it is used. Every method is safe to call from several threads."""

    def __init__(self, url: str, hook: Hook = no_hook) -> None:
        self.url = parse(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url) if self.sqlite else _postgresql(self.url)
        self.hook = hook
        still: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading = self.engine.execution_options(reading=True, **({} if self.sqlite else still))
        # sqlite3 would make the writers of one process wait by sleeping; a lock wakes them at once.
        self._writing: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self.sqlite else contextlib.nullcontext()
        )

    def write(self, act: Callable[[Work], T], step: str = "", *, once: bool = False) -> T:
        """Run `act` in a transaction and commit it. It may be run again from the start, so it must change nothing else.

        step: the transaction of the flow, whose hooks are called. once: do not run it again. StoreDown when the
        database cannot be used.
        """
        for tried in range(TRIES):
            committing = [False]
            try:
                with self._writing:
                    result, count = self._write(act, step, committing)
                break
            except PoolTimeout:
                raise StoreDown("all connections to the database are in use") from None
            except DBAPIError as error:
                # Nothing is committed before the commit was asked for: a new connection may take it up at once.
                again = _broken_off(error) or (error.connection_invalidated and not committing[0] and not tried)
                if once or not again or tried == TRIES - 1:
                    raise self.down(error) from None
            time.sleep(random.uniform(0, 0.02 * (tried + 1)))
        if step:
            self.hook(f"{step}.after-commit", count)
        return result

    def _write(self, act: Callable[[Work], T], step: str, committing: list[bool]) -> tuple[T, int]:
        with self.engine.connect() as connection, connection.begin():
            work = Work(connection, self.sqlite)
            result = act(work)
            if step:
                self.hook(f"{step}.before-commit", work.count)
            committing[0] = True
        return result, work.count

    def read(self, act: Callable[[Work], T]) -> T:
        """Run `act`, which only reads, on one state of the database."""
        for tried in range(2):
            try:
                with self._reading.connect() as connection, connection.begin():
                    return act(Work(connection, self.sqlite))
            except PoolTimeout:
                raise StoreDown("all connections to the database are in use") from None
            except DBAPIError as error:
                if tried or not error.connection_invalidated:
                    raise self.down(error) from None
        raise AssertionError("unreachable")

    def down(self, error: DBAPIError) -> Exception:
        """What to raise for a database error: StoreDown in one line where a person or time can mend it."""
        said = _sqlite_line(error) if self.sqlite else _postgresql_line(error, self.url)
        return StoreDown(said) if said else error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def parse(url: str) -> URL:
    """A database's URL with the driver that is used. DeclarationError when it is none."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise DeclarationError(
            "the store is not a database URL: sqlite:///hub.db or postgresql://user@host/db"
        ) from None
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+pysqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise DeclarationError(f"the store cannot be {backend}: use sqlite:///hub.db or postgresql://user@host/db")


def _postgresql(url: URL) -> Engine:
    options = " ".join(filter(None, (str(url.query.get("options", "")), _SESSION)))
    connect = {**_CONNECT, "application_name": "ics-hub", "options": options}
    return create_engine(
        url.difference_update_query(["options"]),
        connect_args=connect,
        hide_parameters=True,
        pool_size=8,
        max_overflow=24,
        isolation_level="READ COMMITTED",
    )


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY, "check_same_thread": False},
        hide_parameters=True,
        pool_size=8,
        max_overflow=24,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None
        connection.create_function("unhex", 1, bytes.fromhex, deterministic=True)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-32000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        kind = "" if connection.get_execution_options().get("reading") else " IMMEDIATE"
        connection.exec_driver_sql(f"BEGIN{kind}")

    return engine


def _broken_off(error: DBAPIError) -> bool:
    """Whether the database chose another transaction over this one: a deadlock or a failed serialization."""
    return getattr(error.orig, "sqlstate", None) in ("40P01", "40001")


_SQLITE_LINES = {
    "disk is full": "the store's disk is full: free some space",
    "is locked": "another process keeps the store's file locked",
    "unable to open": "the store's file cannot be opened: look at its folder's rights",
    "readonly": "the store's file may not be written: look at its rights",
    "disk i/o": "the store's disk fails (input/output error)",
    "malformed": "the store's file is damaged: restore a backup",
    "not a database": "the store's file is no SQLite database, or is damaged",
    "no such table": "the store has no tables yet: run 'ics-hub db upgrade'",
}


def _sqlite_line(error: DBAPIError) -> str:
    if not isinstance(error.orig, sqlite3.DatabaseError):
        return ""
    said = str(error.orig).lower()
    return next((line for words, line in _SQLITE_LINES.items() if words in said), "")


_STATES = {
    "28": "it does not let this user in: look at the user, the password and pg_hba.conf",
    "3D000": "it has no such database",
    "42501": "this user lacks a right: it must own its tables",
    "42P01": "it has no tables yet: run 'ics-hub db upgrade'",
    "53100": "its disk is full",
    "53": "it is short of connections or memory",
    "57": "it is shutting down or starting, or ended this connection",
    "25006": "it takes no writes now (a standby, or set to read only)",
    "25P03": "it ended a transaction that stood still for too long",
    "55P03": "another transaction keeps rows locked for too long",
    "40": "it keeps breaking off this transaction in favour of others",
    "08": "the connection broke",
    "58": "its disk fails",
    "XX": "it reports an internal error: look at its log",
}
_WORDS = {
    "password": _STATES["28"],
    "pg_hba.conf": _STATES["28"],
    "role ": _STATES["28"],
    "does not exist": _STATES["3D000"],
    "starting up": "it is starting",
    "shutting down": "it is shutting down",
    "too many": _STATES["53"],
    "timeout": "it does not answer",
    "refused": "nothing listens there",
    "could not translate": "its host name is unknown",
    "resolve": "its host name is unknown",
    "certificate": "its certificate is not trusted",
    "no such file": "nothing listens there",
}


def _postgresql_line(error: DBAPIError, url: URL) -> str:
    state = getattr(error.orig, "sqlstate", None) or ""
    known = _STATES.get(state) or _STATES.get(state[:2])
    if not known and not state and isinstance(error, OperationalError):
        said = str(error.orig).lower()
        known = next((line for words, line in _WORDS.items() if words in said), "the connection broke")
    place = f"{url.host or 'this machine'}:{url.port or 5432}"
    return f"the database {url.database} at {place}: {known}" if known else ""
