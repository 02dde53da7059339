"""SQL written once for both databases: a few words in braces stand for what they say differently.

`{now}`: seconds since 1970. `{in numbers}`: among a list of numbers, `{in names bytes}`: among names of bytes, `{in
states text}`: among words.
`{each keys}`: a table named `keys` with a column `value`, from a list of numbers. `{lock m}`, `{skip m}`, `{share m}`:
lock the rows of `m`, waiting for them, or leaving out those that another has; keep `m` from being locked or deleted.
On SQLite, where one writes at a time, locks are nothing. `{first}`: whether message `m` is first in all its places.

Lists travel in one parameter each: on PostgreSQL an array, on SQLite JSON. That is several times cheaper than a
parameter a value, and keeps each statement's text the same whatever the length.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

_FIRST = """(SELECT count(*) FROM place p WHERE p.number = m.number AND EXISTS (
    SELECT 1 FROM place q WHERE q.target = p.target AND q.key = p.key AND q.number < p.number)) = 0"""
# A counting subquery is judged once for each row that passed the other conditions; a plain NOT EXISTS could be turned
# into one pass over all places by a planner with old statistics.
_PLAIN = {
    "postgresql": {"now": "CAST(extract(epoch FROM statement_timestamp()) AS double precision)", "first": _FIRST},
    "sqlite": {"now": "((julianday('now') - 2440587.5) * 86400.0)", "first": _FIRST},
}
_LOCKS = {"lock": "FOR UPDATE OF {}", "skip": "FOR UPDATE OF {} SKIP LOCKED", "share": "FOR KEY SHARE OF {}"}
_BYTEA = 17
"""PostgreSQL's number of the type."""
_ARRAYS = {"": "bigint", "text": "text", "bool": "boolean", "bytes": "bytea", "float": "double precision"}


_encode = msgspec.json.Encoder().encode
_VALUE = re.compile(r"(?<![:\w]):(\w+)")


@dataclass(frozen=True)
class Sql:
    """One statement, as each database wants it. rare: planned each time it is run: that it goes by the right index
    hangs on how much the tables hold."""

    text: str
    rare: bool = False

    @cached_property
    def postgresql(self) -> str:
        """For psycopg."""
        return _VALUE.sub(r"%(\1)s", self._postgresql)

    @cached_property
    def numbered(self) -> tuple[bytes, list[str]]:
        """For PostgreSQL itself, with the names of its values in their order."""
        names = list(dict.fromkeys(_VALUE.findall(self._postgresql)))
        return _VALUE.sub(lambda found: f"${names.index(found[1]) + 1}", self._postgresql).encode(), names

    @property
    def _postgresql(self) -> str:
        return re.sub(r"\{([^}]+)\}", lambda found: _word("postgresql", *found[1].split()), self.text)

    @cached_property
    def sqlite(self) -> str:
        """For sqlite3."""
        return re.sub(r"\{([^}]+)\}", lambda found: _word("sqlite", *found[1].split()), self.text)


def _word(dialect: str, word: str, name: str = "", kind: str = "") -> str:
    if word in _PLAIN[dialect]:
        return _PLAIN[dialect][word]
    if word in _LOCKS:
        return _LOCKS[word].format(name) if dialect == "postgresql" else ""
    if dialect == "postgresql":
        array = f"CAST(:{name} AS {_ARRAYS[kind]}[])"
        return {"in": f"= ANY({array})", "each": f"unnest({array}) AS {name}(value)"}[word]
    value = "unhex(value)" if kind == "bytes" else "value"
    return {"in": f"IN (SELECT {value} FROM json_each(:{name}))", "each": f"json_each(:{name}) AS {name}"}[word]


@dataclass(frozen=True)
class Rows:
    """The same insert or update for many rows. columns: of each row, in order; the rest is the same for all.

    A column is said with what it holds, as `state:text`: text, bool, bytes or float; a whole number without a word.
    For an update the first column says which row. same: `column=expression` with named parameters, such as
    `document=:document, kept={now}`. once: the column in which no two rows are alike: those that are there already are
    left out.
    """

    table: str
    columns: str
    same: str = ""
    update: bool = False
    once: str = ""

    @cached_property
    def kinds(self) -> dict[str, str]:
        """What each column of a row holds."""
        return {name: kind for name, _, kind in (column.partition(":") for column in self.columns.split())}

    @cached_property
    def names(self) -> list[str]:
        """The columns of each row."""
        return list(self.kinds)

    @cached_property
    def _same(self) -> list[tuple[str, str]]:
        found = []
        for pair in filter(None, self.same.split(", ")):
            column, _, expression = pair.partition("=")
            found.append((column, expression))
        return found

    @property
    def _unless(self) -> str:
        return f" ON CONFLICT ({self.once}) DO NOTHING" if self.once else ""

    @cached_property
    def postgresql(self) -> Sql:
        """One statement over arrays."""
        arrays = ", ".join(f"CAST(:r_{name} AS {_ARRAYS[kind]}[])" for name, kind in self.kinds.items())
        rows = f"unnest({arrays}) AS r({', '.join(self.names)})"
        if self.update:
            sets = [f"{name} = r.{name}" for name in self.names[1:]] + [f"{name} = {said}" for name, said in self._same]
            key = self.names[0]
            text = f"UPDATE {self.table} AS t SET {', '.join(sets)} FROM {rows} WHERE t.{key} = r.{key}"
        else:
            columns = [*self.names, *(name for name, _ in self._same)]
            values = [*(f"r.{name}" for name in self.names), *(said for _, said in self._same)]
            text = (
                f"INSERT INTO {self.table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {rows}{self._unless}"
            )
        return Sql(text)

    @cached_property
    def sqlite(self) -> tuple[str, list[str]]:
        """A statement to be run for each row, with numbered parameters, and the names of those after the columns."""
        after: list[str] = []

        def numbered(found: re.Match[str]) -> str:
            if found[1] not in after:
                after.append(found[1])
            return f"?{len(self.names) + after.index(found[1]) + 1}"

        same = [(name, re.sub(r":(\w+)", numbered, said)) for name, said in self._same]
        values = [f"?{place}" for place in range(1, len(self.names) + 1)]
        if self.update:
            sets = [f"{name} = {value}" for name, value in zip(self.names[1:], values[1:], strict=True)]
            sets += [f"{name} = {said}" for name, said in same]
            text = f"UPDATE {self.table} AS t SET {', '.join(sets)} WHERE t.{self.names[0]} = ?1"
        else:
            columns = [*self.names, *(name for name, _ in same)]
            values += [said for _, said in same]
            text = f"INSERT INTO {self.table} ({', '.join(columns)}) VALUES ({', '.join(values)}){self._unless}"
        return Sql(text).sqlite, after


@dataclass(frozen=True)
class Packed:
    """An array of bytes in PostgreSQL's binary form: as text it would take both ends twenty times as long."""

    data: bytes


def array(values: Sequence[Any]) -> str | Packed:
    """A list as PostgreSQL reads it; all of its values are of one kind, or None."""
    kind = next((type(value) for value in values if value is not None), type(None))
    if kind is bytes:
        # One dimension, whether there are NULLs, the elements' type, how many, from 1; then each with its length.
        parts = [struct.pack("!5i", 1, None in values, _BYTEA, len(values), 1)]
        for value in values:
            parts += (b"\xff\xff\xff\xff",) if value is None else (len(value).to_bytes(4, "big"), value)
        return Packed(b"".join(parts))
    if kind is str:
        return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"
    return "{" + repr(list(values))[1:-1].replace("None", "NULL") + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def listed(values: Sequence[Any]) -> str:
    """A list as SQLite reads it."""
    return _encode([value.hex() if isinstance(value, bytes) else value for value in values]).decode()


def clean(text: str) -> str:
    """Text that both databases take: without NUL, without halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
