"""What the hub's store says, read beside it: plain rows for the oracle, and for who looks for something to act on.

Apart from the oracle, for this knows tables and keys of the hub. It only reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event, text

from hub.seal import Keyring
from tests.faults.oracle import Child, Row

_ROWS = text(
    "SELECT m.number, t.name, s.name, m.state, m.superseded_by, r.failed, r.sealed, r.document, r.ordinal, k.name "
    "FROM message m JOIN link t ON t.id = m.target JOIN link s ON s.id = m.source "
    "JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal JOIN key k ON k.id = r.key ORDER BY m.number"
)
_STATES = text("SELECT state, count(*) FROM message WHERE ended IS NULL GROUP BY state")
_OPEN = text("SELECT number, state FROM message WHERE ended IS NULL ORDER BY number LIMIT 2000")
_HOLDING = text(
    "SELECT m.number FROM message m WHERE m.ended IS NULL AND m.state <> 'sending' AND EXISTS (SELECT 1 FROM place p "
    "JOIN place q ON q.target = p.target AND q.key = p.key AND q.number > p.number WHERE p.number = m.number) "
    "AND NOT EXISTS (SELECT 1 FROM place p JOIN place q ON q.target = p.target AND q.key = p.key "
    "AND q.number < p.number WHERE p.number = m.number)"
)
_BEHIND = text(
    "SELECT DISTINCT q.number FROM place p JOIN place q ON q.target = p.target AND q.key = p.key "
    "AND q.number > p.number WHERE p.number = :number"
)
_ONGOING = text("SELECT number FROM message WHERE state IN ('sending', 'sent') AND number >= :least")
_ASIDE = text("SELECT number FROM message WHERE state = 'set aside' ORDER BY ended DESC LIMIT :limit")
_SETS = text("SELECT count(*) FROM mapping_set")
_RUNS = text("SELECT id, state FROM run WHERE ended IS NULL ORDER BY id")


class Rows:
    """The store at a URL. Every call has a connection of its own, for the database is killed now and then."""

    def __init__(self, url: str, ring: Keyring) -> None:
        self._engine, self._ring = engine(url), ring

    def _connect(self) -> Connection:
        return self._engine.connect()

    def states(self) -> Counter[str]:
        """Open messages by state."""
        with self._connect() as connection:
            return Counter({row[0]: row[1] for row in connection.execute(_STATES)})

    def open(self) -> dict[int, str]:
        """The state of each open message, by number."""
        with self._connect() as connection:
            return {row[0]: row[1] for row in connection.execute(_OPEN)}

    def holding(self) -> list[int]:
        """Messages that are first in their places, hold up others and are not being sent."""
        with self._connect() as connection:
            return sorted(row[0] for row in connection.execute(_HOLDING))

    def behind(self, number: int) -> set[int]:
        """Messages that one holds up."""
        with self._connect() as connection:
            return {row[0] for row in connection.execute(_BEHIND, {"number": number})}

    def on_their_way(self, least: int) -> set[int]:
        """Messages from a number on that are being sent, or were."""
        with self._connect() as connection:
            return {row[0] for row in connection.execute(_ONGOING, {"least": least})}

    def aside(self, limit: int = 1_000_000) -> list[int]:
        """Messages that are set aside, the last ones first."""
        with self._connect() as connection:
            return [row[0] for row in connection.execute(_ASIDE, {"limit": limit})]

    def mapping_sets(self) -> int:
        """How many mapping sets have been in force."""
        with self._connect() as connection:
            return int(connection.execute(_SETS).scalar_one())

    def open_runs(self) -> list[str]:
        """Replays that are not over, with their states."""
        with self._connect() as connection:
            return [f"{row[0]} ({row[1]})" for row in connection.execute(_RUNS)]

    def messages(self, children: Iterable[Child]) -> list[Row]:
        """Every message of these children; a record without a child of its own is left out."""
        names = {self._ring.name("child", *child): child for child in children}
        rows = []
        with self._connect() as connection:
            for number, target, source, state, by, failed, sealed, document, ordinal, name in connection.execute(_ROWS):
                child = names.get(bytes(name))
                if child is not None and child[0] == source:
                    value = None if failed else self._value(bytes(sealed), document, ordinal)
                    rows.append(Row(number, target, child, value, state, by))
        return rows

    def _value(self, sealed: bytes, document: int, ordinal: int) -> str:
        body = msgspec.json.decode(self._ring.open(sealed, b"record:%d:%d" % (document, ordinal)))
        return str(body["person"]["names"][0]["given"])

    def close(self) -> None:
        self._engine.dispose()


def engine(url: str) -> Engine:
    """An engine that keeps no connection and waits for SQLite's lock."""
    from sqlalchemy.pool import NullPool

    made = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout = 30000"))
    return made
