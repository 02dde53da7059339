"""The flow's statements on a connection to PostgreSQL, kept prepared; and rows with names, on both databases."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from time import monotonic
from typing import Any, NamedTuple

from hub.store.statements import Packed, Sql

PLANNED, RECORDS = 20.0, 10_000
"""Seconds for which the plans of the flow's statements are kept, and how many records they may carry meanwhile: they
may have been made when the tables were empty."""
BYTEA_ARRAY = 1001
"""PostgreSQL's number of the type."""


def _text(value: str) -> bytes:
    if "\0" in value:  # it would be cut off there
        raise ValueError("text in PostgreSQL has no NUL")
    return value.encode()


_VALUES: dict[type, tuple[int, int, Callable[[Any], bytes | None]]] = {
    type(None): (0, 0, lambda value: None),
    bool: (16, 0, lambda value: b"t" if value else b"f"),
    int: (20, 0, lambda value: b"%d" % value),
    float: (701, 0, lambda value: repr(value).encode()),
    str: (0, 0, _text),
    bytes: (17, 1, lambda value: value),
    Packed: (BYTEA_ARRAY, 1, lambda value: value.data),
}
"""Of each kind of value: PostgreSQL's number of its type (0: as the statement wants it), whether it is sent in binary
form, and that form. Whole numbers are of one type whatever their size: a statement is prepared for each."""


@cache
def named(names: tuple[str, ...]) -> Callable[[Sequence[Any]], Any]:
    """What makes a row, with names and positions, of the values of these columns."""
    return partial(tuple.__new__, namedtuple("Row", names, rename=True))


class _Ran(NamedTuple):
    """What a statement did, as a cursor says it."""

    rowcount: int
    found: list[Any]
    description: bool

    def fetchall(self) -> list[Any]:
        return self.found

    def fetchone(self) -> Any:
        return self.found[0] if self.found else None


class Prepared:
    """The flow's statements on one connection, kept prepared.

    By the functions of PostgreSQL's own library: a cursor takes twice as long, which counts where there are fifty in a
    batch of one. look: gives back the server's answer, or raises it.
    """

    def __init__(self, look: Callable[[Any], Any], connection: Any) -> None:
        from psycopg.adapt import Transformer

        self._look, self._connection = look, connection
        self._transformer = Transformer(connection)
        self._names: dict[tuple[Any, ...], bytes] = {}
        self._makers: dict[bytes, Callable[[Sequence[Any]], Any]] = {}
        self._planned, self.carried = monotonic(), 0

    def is_old(self) -> bool:
        """Whether it is time to make the plans anew; said once."""
        old = self.carried > RECORDS or monotonic() - self._planned > PLANNED
        if old:
            self._planned, self.carried = monotonic(), 0
        return old

    def run(self, statement: Sql, values: Mapping[str, Any]) -> _Ran:
        """Run a statement with its values by name."""
        text, names = statement.numbered
        told = [values[name] for name in names]
        kinds = [_VALUES[type(value)] for value in told]
        types = [kind[0] for kind in kinds]
        name = self._names.get((text, *types)) or self._prepare(text, types)
        data = [kind[2](value) for kind, value in zip(kinds, told, strict=True)]
        formats = [kind[1] for kind in kinds]
        result = self._look(self._connection.pgconn.exec_prepared(name, data, formats, 1))
        if not result.nfields:
            return _Ran(result.command_tuples or 0, [], False)
        self._transformer.set_pgresult(result)
        maker = self._makers.get(name) or self._makers.setdefault(name, _maker(result))
        return _Ran(result.ntuples, self._transformer.load_rows(0, result.ntuples, maker), True)

    def _prepare(self, text: bytes, types: list[int]) -> bytes:
        name = b"flow%d" % len(self._names)
        self._look(self._connection.pgconn.prepare(name, text, types))
        self._names[(text, *types)] = name
        return name


def rows(cursor: Any) -> Callable[[Sequence[Any]], Any]:
    """What makes a row, with names and positions, of the values that a cursor of psycopg brings."""
    return _maker(cursor.pgresult) if cursor.pgresult else tuple


def _maker(result: Any) -> Callable[[Sequence[Any]], Any]:
    return _decoded(tuple([result.fname(n) for n in range(result.nfields)]))


@cache
def _decoded(names: tuple[bytes, ...]) -> Callable[[Sequence[Any]], Any]:
    return named(tuple(name.decode() for name in names))


__all__ = ["BYTEA_ARRAY", "Prepared", "named", "rows"]
