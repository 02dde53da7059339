"""What the store's tests share: a fresh store on each database, and a council that keeps, claims and sends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path

from hub.message import Cause, Message, Parcel
from hub.seal import Keyring
from hub.store import Claimed, Incoming, Outcome, Store, Taken
from tests.nodes import Postgres

RING = Keyring(b"n" * 32, {"one": b"1" * 32}, "one")
NEWER = Keyring(b"n" * 32, {"one": b"1" * 32, "two": b"2" * 32}, "two")
PLAIN = Keyring(b"n" * 32)
BROKEN = Cause("inward", "not a date", row="person.birth.date")
REFUSED = Cause("send", "it says no", target="ssd", answer="refused")
AWAY = Cause("send", "no answer", target="ssd", answer="unavailable")


CLEAN = """
DO $$ DECLARE made text; BEGIN
    SET LOCAL session_replication_role = replica;  -- past the triggers that keep the audit as it is
    FOR made IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
        AND tablename NOT IN ('alembic_version', 'fact')
    LOOP EXECUTE format('DELETE FROM %I', made); END LOOP;
    UPDATE fact SET value = '' WHERE name = 'audit';
    DELETE FROM fact WHERE name LIKE 'reseal %' OR name LIKE 'lying %';
    PERFORM setval(oid, 1, false) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace;
END $$"""


def upgraded(url: str) -> str:
    """The same URL, the tables made: SQLite's file is a copy of one that was made once, which is much faster."""
    kind, _, place = url.partition(":///")
    if kind == "sqlite":
        shutil.copy(_template(), place)
    else:
        Store.upgrade(url)
    return url


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hub-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Store.upgrade(f"sqlite:///{folder / 'template.db'}")
    return folder / "template.db"


class Places:
    """Empty stores: copies of one file, and one database that is emptied each time, which is faster than a new one."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self.postgres, self.folder, self._count = postgres, folder, count(1)

    def new(self, kind: str) -> str:
        """The URL of a store that nobody used."""
        if kind == "sqlite":
            place = self.folder / f"{next(self._count)}.db"
            return upgraded(f"sqlite:///{place}")
        url = self._postgresql()
        self.postgres.sql(CLEAN, url.rpartition("/")[2])
        return url

    @cache  # noqa: B019 - lives as long as the session
    def _postgresql(self) -> str:
        url = self.postgres.database()
        Store.upgrade(url)
        return url


class Council:
    """Two sources (ics, health) and two targets (ssd, index), and a worker that reads both sources."""

    def __init__(self, store: Store, lease: float = 30.0) -> None:
        self.store = store
        store.register(["ics", "health"], ["ssd", "index"])
        self.worker = store.enlist("here", 1, lease)
        self._documents = count(1)
        self.known: dict[int, Message] = {}

    def child(self, name: str, source: str = "ics") -> bytes:
        return RING.name("child", source, name)

    def record(
        self, name: str, digest: str, targets: Sequence[str] = ("ssd",), source: str = "ics", **more: object
    ) -> Incoming:
        """A record of a child; its ordinal is set when it is taken."""
        body = more.pop("body", f"{name} {digest}".encode())
        return Incoming(0, self.child(name, source), "Child", body, digest, tuple(targets), **more)  # type: ignore[arg-type]

    def take(self, *records: Incoming, source: str = "ics", worker: int | None = None) -> Taken:
        """Keep a new document of these records, and take them."""
        worker = worker or self.worker
        document = self.store.keep(source, f"document {next(self._documents)}", [("", b"bytes")]).document
        assert self.store.lease_source(source, worker)
        taken = self.store.take(worker, source, document, 0, numbered(records), done=True)
        self.known |= {one.number: one for one in taken.messages}
        return taken

    def hints(self, *numbers: int) -> list[tuple[int, bytes]]:
        return [(one.number, one.id) for one in self.store.body(numbers)]

    def claim(self, *numbers: int, target: str = "ssd", worker: int | None = None, alone: bool = False) -> Claimed:
        return self.store.claim(worker or self.worker, target, self.hints(*numbers), alone=alone)

    def parcel(self, *numbers: int, target: str = "ssd", data: bytes = b"<out/>") -> Parcel:
        key = RING.name("parcel", *sorted(numbers))
        return Parcel(
            key, target, list(numbers), data, ".xml", b'{"as_of":"2025"}', "token", 0, ["[]"] * len(numbers), "m"
        )

    def prepare(self, *groups: Sequence[int], target: str = "ssd", worker: int | None = None) -> list[Parcel | None]:
        return self.store.prepare(worker or self.worker, [self.parcel(*numbers, target=target) for numbers in groups])

    def finish(self, *outcomes: Outcome, target: str = "ssd", worker: int | None = None) -> list[Message]:
        return self.store.finish(worker or self.worker, target, outcomes)

    def send(self, *numbers: int, target: str = "ssd") -> list[Message]:
        """All the way; what comes next."""
        claims = self.claim(*numbers, target=target).claims
        assert [one.number for one in claims] == sorted(numbers)
        assert None not in self.prepare(*([number] for number in numbers), target=target)
        return self.finish(*(Outcome(number, "sent", receipt="ok") for number in numbers), target=target)

    def park(self, number: int, cause: Cause = REFUSED, **more: bool) -> None:
        assert self.claim(number).claims
        self.finish(Outcome(number, "parked", cause=cause, **more))

    def state(self, number: int) -> str:
        return self.store.trace(number).state

    def die(self, worker: int) -> None:
        """A worker's lease is over, as time would do it."""
        self.run("UPDATE worker SET until = 0 WHERE id = :worker", worker=worker)

    def run(self, text: str, **values: object) -> list[tuple[object, ...]]:
        from hub.store.statements import Sql

        def act(work):  # type: ignore[no-untyped-def]
            result = work._run(Sql(text), values)
            return [tuple(row) for row in result.fetchall()] if result.description else []

        return self.store.database.write(act)


def numbered(records: Sequence[Incoming], start: int = 0) -> list[Incoming]:
    from msgspec.structs import replace

    return [replace(one, ordinal=place) for place, one in enumerate(records, start)]


def opened(url: str, ring: Keyring = RING, **more: object) -> Iterator[Store]:
    """A store, closed in the end."""
    store = Store.open(url, ring, **more)  # type: ignore[arg-type]
    try:
        yield store
    finally:
        store.close()
