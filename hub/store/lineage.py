"""What is known of one child by the names of its keys: under which it was merged, and which messages it had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hub.store.database import Work
from hub.store.shelf import Shelf
from hub.store.statements import Sql

_KEY = Sql("SELECT id FROM key WHERE name = :name")
_OF_RECORD = Sql("""SELECT k.name FROM record r JOIN key k ON k.id = r.key
    WHERE r.document = :document AND r.ordinal = :ordinal""")
# A form's key stands for the children whom it is about.
_OF_MESSAGES = Sql("""SELECT DISTINCT k.name FROM message m LEFT JOIN member f ON f.form = m.key
    JOIN key k ON k.id = coalesce(f.child, m.key) WHERE m.number {in numbers}""")
_FORMS = Sql("SELECT DISTINCT form FROM member WHERE child {in ids}")
_INTO = Sql("SELECT alias FROM key WHERE id {in ids} AND alias IS NOT NULL")
_FROM = Sql("SELECT id FROM key WHERE alias {in ids}")
_KEYS = Sql("SELECT id, name, version, document, ordinal FROM key WHERE id {in ids}")
_MESSAGES = Sql("SELECT number, document, ordinal FROM message WHERE key {in ids} ORDER BY number")


class Kin(msgspec.Struct, frozen=True):
    """A child. keys: the names (16 bytes) of all keys that were merged into one, by number. numbers: its messages that
    are kept, in line order. versions: of its records, ever; kept: of those, how many the store still knows. A form
    about several children counts for each."""

    keys: Mapping[int, bytes]
    numbers: list[int]
    versions: int
    kept: int


class Lineage(Shelf):
    """Questions about one child."""

    def children_of(self, numbers: Iterable[int]) -> list[bytes]:
        """The names of the child keys that messages are about, each once."""
        wanted = sorted(set(numbers))
        return self.database.read(lambda work: sorted(bytes(row[0]) for row in work.rows(_OF_MESSAGES, numbers=wanted)))

    def child_of(self, document: int, ordinal: int) -> bytes | None:
        """The name of the child key of a record, None when there is no such record."""
        found = self.database.read(lambda work: work.value(_OF_RECORD, document=document, ordinal=ordinal))
        return bytes(found) if found is not None else None

    def kin(self, name: bytes) -> Kin | None:
        """A child by the name of one of its keys, with those that it was merged with; None when no key has it."""
        return self.database.read(lambda work: _kin(work, name))


def _kin(work: Work, name: bytes) -> Kin | None:
    start = work.value(_KEY, name=name)
    if start is None:
        return None
    ids, fresh = {start}, {start}
    while fresh:
        near = {row[0] for sql in (_INTO, _FROM) for row in work.rows(sql, ids=sorted(fresh))}
        fresh = near - ids
        ids |= fresh
    forms = {row[0] for row in work.rows(_FORMS, ids=sorted(ids))}
    keys = work.rows(_KEYS, ids=sorted(ids | forms))
    messages = work.rows(_MESSAGES, ids=sorted(ids | forms))
    records = {(row.document, row.ordinal) for row in (*keys, *messages) if row.document is not None}
    names = {row.id: bytes(row.name) for row in keys if row.id in ids}
    return Kin(names, [row.number for row in messages], sum(row.version for row in keys), len(records))
