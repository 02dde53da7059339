"""What the two databases do differently at the edges: connecting, beginning, and their errors in one clear line."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hub.errors import DeclarationError
from hub.store.prepared import BYTEA_ARRAY, Prepared, rows
from hub.store.statements import Packed

BUSY = 30
"""Seconds to wait for another process that writes to the same file."""
STATEMENTS = 512
"""Statements that a connection to SQLite keeps ready: more than there are."""
# A worker that is stopped inside a transaction must not keep its rows locked for longer than its lease would last.
# Every statement here is written to go by an index. A planner whose statistics are hours old, or that knows a table
# from when it was empty, would read all of it for a hundred rows; so it is told not to, and plans are made each time,
# but for the statements of the flow: to plan them takes the server longer than to run them, so theirs are kept a while.
_SESSION = " ".join(
    f"-c {setting}"
    for setting in (
        "idle_in_transaction_session_timeout=15000",
        "lock_timeout=20000",
        "plan_cache_mode=force_generic_plan",
        "jit=off",
        "work_mem=32MB",
        *(f"enable_{way}=off" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin")),
    )
)
_CONNECT = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


@dataclass(frozen=True)
class Url:
    """A database's URL. database: its name, or SQLite's file. told: what PostgreSQL's library is told, by its words."""

    text: str = field(repr=False)
    database: str
    host: str | None = None
    port: int | None = None
    told: dict[str, Any] | None = field(default=None, repr=False)


def parse(url: str) -> Url:
    """A database's URL in its parts. DeclarationError when it is none, or that of a database of another kind."""
    scheme, sign, rest = url.partition("://")
    backend = scheme.partition("+")[0]
    if not sign or not backend.isalnum():
        raise _no_url()
    if backend == "sqlite" and rest[:1] == "/" and rest[1:] not in ("", ":memory:"):
        return Url(url, rest[1:])
    if backend == "postgresql":
        return _parts(url)
    raise DeclarationError(f"the store cannot be {backend}: use sqlite:///hub.db or postgresql://user@host/db")


def _parts(url: str) -> Url:
    try:
        split = urlsplit(url, allow_fragments=False)
        host, port = split.hostname, split.port
    except ValueError:
        raise _no_url() from None
    database = unquote(split.path[1:])
    who = {"user": split.username, "password": split.password}
    told: dict[str, Any] = {name: unquote(value) for name, value in who.items() if value}
    told |= {name: value for name, value in (("host", host), ("port", port), ("dbname", database)) if value}
    told |= {name: ",".join(values) for name, values in parse_qs(split.query).items()}
    return Url(url, database, host, port, told)


def _no_url() -> DeclarationError:
    return DeclarationError("the store is not a database URL: sqlite:///hub.db or postgresql://user@host/db")


class Sqlite:
    """SQLite: a file of this machine."""

    sqlite = True
    error: type[Exception] = sqlite3.Error
    writing = "BEGIN IMMEDIATE"

    def __init__(self, url: Url) -> None:
        self.url = url

    def connect(self) -> Any:
        """A new connection, which begins no transaction by itself."""
        made = sqlite3.connect(
            self.url.database,
            timeout=BUSY,
            check_same_thread=False,
            isolation_level=None,
            cached_statements=STATEMENTS,
        )
        try:
            made.create_function("unhex", 1, bytes.fromhex, deterministic=True)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-32000", "temp_store=MEMORY"):
                made.execute(f"PRAGMA {pragma}").close()
        except BaseException:
            made.close()
            raise
        return made

    def begin(self, connection: Any, writes: bool, often: bool) -> None:
        """Begin a transaction. often: what it does comes again and again."""
        connection.execute(self.writing if writes else "BEGIN")

    def begin_none(self, connection: Any) -> None:
        """Before a statement that needs no transaction: it comes again and again."""

    def commit(self, connection: Any, count: int) -> None:
        """End it well. count: of the records that it was about."""
        connection.commit()

    def broken(self, connection: Any) -> bool:
        """Whether a connection is of no more use."""
        return False

    def broken_off(self, error: Exception) -> bool:
        """Whether the database chose another transaction over this one."""
        return False

    def line(self, error: Exception) -> str:
        """An error in one line where a person or time can mend it, "" otherwise."""
        if not isinstance(error, sqlite3.DatabaseError):
            return ""
        said = str(error).lower()
        return next((line for words, line in _SQLITE_LINES.items() if words in said), "")


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


class Postgresql:
    """PostgreSQL. Its library is imported only for those who use it."""

    sqlite = False
    writing = "BEGIN ISOLATION LEVEL READ COMMITTED"
    _reading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    _seldom = "; SET LOCAL plan_cache_mode = force_custom_plan"

    def __init__(self, url: Url) -> None:
        import psycopg
        from psycopg.adapt import Dumper

        class PackedDumper(Dumper):
            format, oid = psycopg.pq.Format.BINARY, BYTEA_ARRAY

            def dump(self, obj: Packed) -> bytes:
                return obj.data

        self.url, self._connect = url, psycopg.connect
        self.error: type[Exception] = psycopg.Error
        self._operational = psycopg.OperationalError
        self._refusal, self._packed = psycopg.errors.error_from_result, PackedDumper
        told = dict(url.told or {})
        options = " ".join(filter(None, (told.pop("options", ""), _SESSION)))
        self._told: dict[str, Any] = {**told, **_CONNECT, "application_name": "ics-hub", "options": options}

    def connect(self) -> Any:
        """A new connection, which begins no transaction by itself, and whose rows have names."""
        made: Any = self._connect(**self._told, autocommit=True, prepare_threshold=None, row_factory=rows)
        made.adapters.register_dumper(Packed, self._packed)
        made.prepared = Prepared(self.look, made)
        return made

    def begin(self, connection: Any, writes: bool, often: bool) -> None:
        """Begin a transaction. often: what it does comes again and again."""
        words = self.writing if writes else self._reading
        if not often:
            words += self._seldom
        elif connection.prepared.is_old():
            words += "; DISCARD PLANS"
        self._say(connection, words)

    def begin_none(self, connection: Any) -> None:
        """Before a statement that needs no transaction: it comes again and again."""
        if connection.prepared.is_old():
            self._say(connection, "DISCARD PLANS")

    def commit(self, connection: Any, count: int) -> None:
        """End it well. count: of the records that it was about."""
        connection.prepared.carried += count
        self._say(connection, "COMMIT")

    def _say(self, connection: Any, words: str) -> None:
        # Not by a cursor: that takes three times as long for what brings no rows.
        self.look(connection.pgconn.exec_(words.encode()))

    def look(self, result: Any) -> Any:
        """What the server answered; raised if it is an error."""
        if result.status not in _WELL:
            error = self._refusal(result)
            raise error if error.sqlstate else self._operational(str(error))
        return result

    def broken(self, connection: Any) -> bool:
        """Whether a connection is of no more use."""
        return bool(connection.closed)

    def broken_off(self, error: Exception) -> bool:
        """Whether the database chose another transaction over this one: a deadlock, a failed serialization, or a row
        that another made first."""
        return getattr(error, "sqlstate", None) in ("40P01", "40001", "23505")

    def line(self, error: Exception) -> str:
        """An error in one line where a person or time can mend it, "" otherwise."""
        state = getattr(error, "sqlstate", None) or ""
        known = _STATES.get(state) or _STATES.get(state[:2])
        if not known and not state and isinstance(error, self._operational):
            said = str(error).lower()
            known = next((line for words, line in _WORDS.items() if words in said), "the connection broke")
        place = f"{self.url.host or 'this machine'}:{self.url.port or 5432}"
        return f"the database {self.url.database} at {place}: {known}" if known else ""


_WELL = (1, 2)
"""PostgreSQL's answers without rows and with rows, as `psycopg.pq.ExecStatus` has them."""
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
