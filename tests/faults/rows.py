"""What the hub's store says, read beside it: plain rows for the oracle. And a person who lets parked messages go.

Apart from the oracle, for this knows tables and keys of the hub. It reads only, but for `release`.
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
_RELEASE = text(
    "UPDATE message SET state = 'ready', attempts = 0, crashes = 0, lone = 0, due = NULL, published = 0 "
    "WHERE state = 'parked' AND NOT EXISTS (SELECT 1 FROM record r "
    "WHERE r.document = message.document AND r.ordinal = message.ordinal AND r.failed)"
)


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

    def release(self) -> int:
        """What the target refused, or what took its worker down, is tried again, as by a person; how many."""
        with self._connect() as connection:
            count = connection.execute(_RELEASE).rowcount
            connection.commit()
            return count

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
