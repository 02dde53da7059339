"""Keeping house: sealing anew under another key, backups, renaming links."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from typing import Any

from hub.errors import DeclarationError
from hub.seal import Keyring
from hub.store.audit import Audit
from hub.store.database import Work
from hub.store.documents import about_bound, chunk_bound
from hub.store.line import record_bound
from hub.store.purging import Purging
from hub.store.statements import Sql
from hub.store.told import told_bound
from hub.store.work import beside_bound, parcel_bound

_STEPS = {"chunk": 8, "parcel": 50}
"""Rows of a table sealed anew in one transaction, and held in memory: a chunk of a document is 1 MiB."""
_STEP = 500
"""The same for other tables."""
_NAME = 257
"""Bytes in which a key's name and its length fit."""

_LOCK_FACT = Sql("SELECT f.value FROM fact f WHERE f.name = :name {lock f}")
_SET_FACT = Sql("UPDATE fact SET value = :value WHERE name = :name")
_MAKE_FACT = Sql("INSERT INTO fact (name, value) VALUES (:name, '') ON CONFLICT (name) DO NOTHING")
_RENAME = Sql("UPDATE link SET name = :new WHERE name = :old")
_LINK = Sql("SELECT id FROM link WHERE name = :name")
_RENAMES = Sql("SELECT DISTINCT detail FROM audit WHERE act = :act")
RENAMED = "link rename"
"""The act as the audit calls it; its detail is the old name and the new one."""


class _Sealed:
    """A column of sealed bytes: how its rows are walked in order, and what each seal is bound to."""

    def __init__(self, table: str, column: str, keys: str, bound: Callable[[Any], bytes]) -> None:
        self.name, self.table, self.column, self.keys, self.bound = (
            f"{table}.{column}",
            table,
            column,
            keys.split(),
            bound,
        )
        names, last = ", ".join(self.keys), ", ".join(f":last_{key}" for key in self.keys)
        where = " AND ".join(f"{key} = :{key}" for key in self.keys)
        self.walk = Sql(f"SELECT * FROM {table} WHERE ({names}) > ({last}) ORDER BY {names} LIMIT :limit")
        self.put = Sql(f"UPDATE {table} SET {column} = :sealed WHERE {where} AND {column} = :before")

    def other(self, known: int) -> Sql:
        """One row under none of so many keys."""
        where = " AND ".join(f"substr({self.column}, 1, :length_{n}) <> :mark_{n}" for n in range(known)) or "1 = 1"
        return Sql(f"SELECT substr({self.column}, 1, {_NAME}) FROM {self.table} WHERE {where} LIMIT 1")


_SEALED = [
    _Sealed("document", "sealed", "id", lambda row: about_bound(row.id)),
    _Sealed("chunk", "sealed", "document part ordinal", lambda row: chunk_bound(row.document, row.part, row.ordinal)),
    _Sealed("record", "sealed", "document ordinal", lambda row: record_bound(row.document, row.ordinal)),
    _Sealed("former", "sealed", "document ordinal n", lambda row: record_bound(row.document, row.ordinal)),
    _Sealed("told", "sealed", "target key", lambda row: told_bound(row.target, row.key)),
    _Sealed("parcel", "sealed", "number", lambda row: parcel_bound(row.key)),
    _Sealed("parcel", "about", "number", lambda row: beside_bound(row.key)),
]


class Keeping(Audit, Purging):
    """Jobs beside the flow, and acts of configuration."""

    def keys_in_use(self) -> set[str]:
        """The names of the sealing keys that rows are under, "" for rows that are not sealed. Reads every row."""
        return self.database.read(lambda work: {key for column in _SEALED for key in _keys_of(work, column)})

    def reseal(self, ring: Keyring | None = None, limit: int = 10_000) -> bool:
        """Seal up to `limit` rows anew that are not under the ring's key in use, going on where the last call ended.

        True when no row is under another key.
        """
        ring, left = ring or self.ring, limit
        for column in _SEALED:
            while left > 0:
                most = min(left, _STEPS.get(column.table, _STEP))
                looked = self.database.write(lambda work: self._reseal(work, column, ring, most))  # noqa: B023 - at once
                left -= looked
                if looked < most:
                    break
        if left <= 0 or self.keys_in_use() - {ring.current}:
            # A process with older keys may have kept rows behind us: the next call starts from the first row.
            if left > 0:
                self.database.write(self._restart)
            return False
        return True

    def _reseal(self, work: Work, column: _Sealed, ring: Keyring, most: int) -> int:
        fact = f"reseal {column.name}"
        work.run(_MAKE_FACT, name=fact)
        key, last = json.loads(work.value(_LOCK_FACT, name=fact) or "[null, []]")
        if key != ring.current or not last:
            last = [-1] * len(column.keys)
        rows = work.rows(column.walk, limit=most, **{f"last_{k}": v for k, v in zip(column.keys, last, strict=True)})
        for row in rows:
            before = getattr(row, column.column)
            sealed = ring.renew(before, column.bound(row))
            if sealed is not None:
                work.run(column.put, sealed=sealed, before=before, **{k: getattr(row, k) for k in column.keys})
        if rows:
            last = [getattr(rows[-1], k) for k in column.keys]
            work.run(_SET_FACT, name=fact, value=json.dumps([ring.current, last]))
        return len(rows)

    def _restart(self, work: Work) -> None:
        for column in _SEALED:
            work.run(_SET_FACT, name=f"reseal {column.name}", value="")

    def backup(self, file: str) -> None:
        """A consistent copy of a SQLite store while it is in use. DeclarationError on PostgreSQL, which has its own."""
        if not self.database.sqlite:
            url = self.database.url
            said = f"pg_dump --format=custom --file={file} --dbname={url.database} --host={url.host or 'localhost'}"
            raise DeclarationError(f"PostgreSQL is backed up with its own tool: {said} --port={url.port or 5432}")
        spare = f"{file}.{os.getpid()}.part"
        try:
            os.close(os.open(spare, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            _copy(self.database.url.database, spare)
            os.replace(spare, file)
        except OSError as error:
            raise DeclarationError((error.strerror or "cannot be written").lower(), file=file) from None
        except sqlite3.Error as error:
            raise DeclarationError(f"the backup could not be written: {error}", file=file) from None
        finally:
            if os.path.exists(spare):
                os.unlink(spare)

    def rename_link(self, old: str, new: str, who: str) -> None:
        """Give a link another name; all that is kept of it goes with it. DeclarationError when that cannot be."""

        def act(work: Work) -> None:
            if work.value(_LINK, name=new) is not None:
                raise DeclarationError(f"there is a link {new!r} already")
            if work.run(_RENAME, old=old, new=new) != 1:
                raise DeclarationError(f"the store knows no link {old!r}")
            self.enter(work, who, RENAMED, f"{old} {new}")

        self.database.write(act, "T7")
        self.forget_links()

    def former_names(self) -> list[str]:
        """The names under which links were known before they were renamed."""
        found = self.database.read(lambda work: work.rows(_RENAMES, act=RENAMED))
        return sorted({row[0].partition(" ")[0] for row in found})


def _keys_of(work: Work, column: _Sealed) -> set[str]:
    found: list[bytes] = []
    while True:
        told: dict[str, Any] = {}
        for place, mark in enumerate(found):
            told[f"length_{place}"], told[f"mark_{place}"] = len(mark), mark
        row = work.row(column.other(len(found)), **told)
        if row is None:
            return {mark[1:].decode("utf-8", "replace") for mark in found}
        found.append(bytes(row[0][: 1 + row[0][0]]))


def _copy(source: str, target: str) -> None:
    kept, copy = sqlite3.connect(source), sqlite3.connect(target)
    try:
        kept.backup(copy)
    finally:
        copy.close()
        kept.close()
