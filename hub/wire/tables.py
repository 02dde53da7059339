"""Tables as CSV parts of one document, gathered by child in bounded memory, and written back.

Each table is read once, from its first line to its last, into a temporary SQLite file; then the children come out one
by one in the order of the first table, each with its rows of every other table. The file is deleted at the end.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from hub.errors import RecordError
from hub.wire.csvtext import BLANK, read_rows
from hub.wire.document import Document

Row = dict[str, Any]
_SEPARATORS = ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"))
"""What spreadsheets write instead of commas, by the country they are set to."""


@dataclass(frozen=True)
class Route:
    """How a row reaches its child: `column` holds the child's id, or the value of `parent.match` in a row of the child.

    into: the list of the child that such a row goes to (default: the table's own name).
    """

    column: str
    parent: str = ""
    match: str = ""
    into: str = ""


@dataclass(frozen=True)
class Join:
    """Rows of `table` whose key is in `column` are copied into the row under `name`."""

    column: str
    table: str
    name: str


@dataclass(frozen=True)
class Table:
    """One table, in a part `<name>.csv`. columns: in the order they are written.

    key: the column whose value no two rows share. routes: how its rows reach a child, the first that does counts; the
    first table of a layout needs none, and any other without is shared by all children (reached by a join). The table
    that a route or join names stands before.
    """

    name: str
    columns: tuple[str, ...]
    key: str = ""
    routes: tuple[Route, ...] = ()
    joins: tuple[Join, ...] = ()


@dataclass(frozen=True)
class Layout:
    """All tables of a format; the first has one row a child. ignored: tables that are not read, and why.

    no_key: texts that stand for no key at all, so that several rows may have them.
    """

    tables: tuple[Table, ...]
    ignored: Mapping[str, str]
    no_key: frozenset[str] = frozenset()


class Child(NamedTuple):
    """One child: its row of the first table, where that stands, and its rows by list, for each table there is."""

    row: Row
    rows: dict[str, list[Row]]
    place: str


class Gathered:
    """The tables of one document. `load` first, then `children`.

    columns: for each table read, its columns in the order of its header. missing: for each table read, the columns of
    the layout that it lacks. ignored: parts that are not read, and why. shared: the rows of shared tables that no row
    of a child mentions.
    """

    def __init__(self, document: Document, layout: Layout, base: sqlite3.Connection) -> None:
        self._document, self._layout, self._base = document, layout, base
        self._parts: dict[str, str] = {}
        self._index = {table.name: index for index, table in enumerate(layout.tables)}
        self.columns: dict[str, list[str]] = {}
        self.missing: dict[str, list[str]] = {}
        self.ignored: dict[str, str] = {}
        self.shared: dict[str, list[Row]] = {}

    def load(self) -> Iterator[RecordError]:
        """Read all tables. Yields what cannot be read; raises RecordError when that is the whole first table."""
        yield from self._find_parts()
        root = self._layout.tables[0]
        if root.name not in self._parts:
            raise RecordError(f"the table {root.name} is missing (a part {root.name}.csv)", file=self._document.name)
        for table in self._layout.tables:
            self._create(table)
            if table.name in self._parts:
                try:
                    yield from self._load(table)
                except RecordError as error:
                    if table is root:
                        raise
                    self._base.execute(f"DELETE FROM t{self._index[table.name]}")
                    self.columns.pop(table.name, None)
                    self.missing.pop(table.name, None)
                    yield error
        yield from self._close()

    def children(self) -> Iterator[Child]:
        """Each child of the first table, in its order, with its rows."""
        root = self._layout.tables[0]
        lists = [into for table in self._routed() for into in _lists(table)]
        runs = [(table, self._run(table)) for table in self._routed()]
        waiting = [next(run, None) for _, run in runs]
        label = self._document.label(self._parts[root.name])
        for line, cells in self._base.execute("SELECT line, cells FROM t0 ORDER BY line"):
            rows: dict[str, list[Row]] = {name: [] for name in lists}
            for index, (_, run) in enumerate(runs):
                while (held := waiting[index]) is not None and held[0] == line:
                    rows[held[1]].append(held[2])
                    waiting[index] = next(run, None)
            place = f"line {line}" if len(self._parts) == 1 else f"{label}, line {line}"
            yield Child(_row(self.columns[root.name], cells), rows, place)

    def _routed(self) -> list[Table]:
        return [table for table in self._layout.tables if table.routes and table.name in self.columns]

    def _find_parts(self) -> Iterator[RecordError]:
        known = {table.name for table in self._layout.tables}
        for part in self._document.parts():
            label = self._document.label(part)
            stem, _, suffix = os.path.basename(part).lower().rpartition(".")
            name = stem.rpartition(".")[2]
            if name in self._layout.ignored:
                self.ignored[name] = self._layout.ignored[name]
            elif suffix != "csv":
                self.ignored[part] = "not a table (.csv)"
            elif name not in known:
                yield RecordError("no table of this name is known; it is not read", file=label)
            elif name in self._parts:
                yield RecordError(f"the table {name} stands in two parts; only one is read", file=label)
            else:
                self._parts[name] = part

    def _create(self, table: Table) -> None:
        """t<n>: line, child (line in the first table), route (which), k (key), c_<n> (wanted columns), cells."""
        wanted = "".join(f", c_{index} TEXT" for index in range(len(self._wanted(table))))
        columns = f"line INTEGER PRIMARY KEY, child INTEGER, route INTEGER, k TEXT UNIQUE{wanted}, cells BLOB"
        self._base.execute(f"CREATE TABLE t{self._index[table.name]} ({columns})")

    def _wanted(self, table: Table) -> list[str]:
        """The columns of a table that others refer to, and those it joins by."""
        asked = [route.match for other in self._layout.tables for route in other.routes if route.parent == table.name]
        return list(dict.fromkeys(asked + [join.column for join in table.joins]))

    def _load(self, table: Table) -> Iterator[RecordError]:
        label = self._document.label(self._parts[table.name])
        lines = read_rows(self._document, self._parts[table.name])
        header = _header(lines, table, label)
        self.columns[table.name] = header
        self.missing[table.name] = [column for column in table.columns if column not in header]
        insert, used = self._insert(table, header, label)
        at = [header.index(column) if column in header else -1 for column in used]
        keyed = header.index(table.key) if table is self._layout.tables[0] else -1
        key = len(used) - len(self._wanted(table)) - 1
        reason = ""
        for line, cells in lines:
            if isinstance(cells, RecordError):
                yield cells
                continue
            if len(cells) != len(header):
                reason = f"{len(cells)} cells stand under {len(header)} column names"
            elif keyed >= 0 and not cells[keyed]:
                reason = f"{table.key} is empty"
            else:
                given = [(cells[index] or None) if index >= 0 else None for index in at]
                if keyed < 0 and given[key] in self._layout.no_key:
                    given[key] = None
                if self._base.execute(insert, [line, *given, msgspec.json.encode(cells)]).rowcount:
                    continue
                reason = f"{table.key} stands in an earlier row of {table.name} too"
            yield RecordError(f"{reason}; the row is not read", file=label, place=f"line {line}")
        number = self._index[table.name]
        for index in range(len(self._wanted(table))):
            self._base.execute(f"CREATE INDEX i{number}_{index} ON t{number} (c_{index})")

    def _insert(self, table: Table, header: list[str], label: str) -> tuple[str, list[str]]:
        """The statement that keeps one row: ?1 its line, then the columns it takes of the row, at last all cells."""
        ways = [way for way in table.routes if way.column in header]
        if table.routes and not ways:
            names = " or ".join(way.column for way in table.routes)
            raise RecordError(f"the column {names} is missing, so no row can be given to a child", file=label)
        used, lookups = [], []
        for way in ways:
            used.append(way.column)
            lookups.append(self._lookup(way, f"?{len(used) + 1}"))
        child = f"coalesce({', '.join(lookups)}, NULL)" if ways else "?1"
        route = "0"
        if len({way.into for way in ways}) > 1:
            cases = zip(lookups, [table.routes.index(way) for way in ways], strict=True)
            route = f"CASE {' '.join(f'WHEN {found} NOT NULL THEN {index}' for found, index in cases)} END"
        elif ways:
            route = str(table.routes.index(ways[0]))
        wanted = self._wanted(table)
        used += [table.key, *wanted]
        names = "".join(f", c_{index}" for index in range(len(wanted)))
        values = ", ".join(f"?{index}" for index in range(len(ways) + 2, len(used) + 3))
        number = self._index[table.name]
        into = f"t{number} (line, child, route, k{names}, cells)"
        return f"INSERT OR IGNORE INTO {into} VALUES (?1, {child}, {route}, {values})", used

    def _lookup(self, way: Route, value: str) -> str:
        """The child that a column's value leads to, or NULL."""
        if not way.parent:
            return f"(SELECT line FROM t0 WHERE k = {value})"
        column = self._wanted(self._layout.tables[self._index[way.parent]]).index(way.match)
        return f"(SELECT child FROM t{self._index[way.parent]} WHERE c_{column} = {value} AND child NOT NULL LIMIT 1)"

    def _close(self) -> Iterator[RecordError]:
        """Report rows that reach no child, order the others by child, and find the shared rows nobody mentions."""
        root = self._layout.tables[0].name
        for table in self._routed():
            number = self._index[table.name]
            lost = f"SELECT count(*), min(line) FROM t{number} WHERE child IS NULL"
            count, line = self._base.execute(lost).fetchone()
            if count:
                rows = f"{count} rows of {table.name} refer" if count > 1 else f"1 row of {table.name} refers"
                label = self._document.label(self._parts[table.name])
                yield RecordError(f"{rows} to a person that {root} lacks", file=label, place=f"line {line}")
            self._base.execute(f"CREATE INDEX child{number} ON t{number} (child, line)")
        for table in self._layout.tables[1:]:
            if not table.routes and table.name in self.columns:
                self.shared[table.name] = self._unmentioned(table)

    def _unmentioned(self, table: Table) -> list[Row]:
        tests = []
        for other in self._routed():
            for join in other.joins:
                if join.table == table.name:
                    column = f"c_{self._wanted(other).index(join.column)}"
                    number = self._index[other.name]
                    tests.append(f"NOT EXISTS (SELECT 1 FROM t{number} u WHERE u.{column} = t.k AND u.child NOT NULL)")
        where = " AND ".join(tests) or "1"
        query = f"SELECT cells FROM t{self._index[table.name]} t WHERE {where} ORDER BY line"
        return [_row(self.columns[table.name], cells) for (cells,) in self._base.execute(query)]

    def _run(self, table: Table) -> Iterator[tuple[int, str, Row]]:
        """(child, list, row) of one table, ordered by child."""
        number, header = self._index[table.name], self.columns[table.name]
        joins = [join for join in table.joins if join.table in self.columns]
        columns, tables = "", ""
        for index, join in enumerate(joins):
            key = f"c_{self._wanted(table).index(join.column)}"
            columns += f", j{index}.cells"
            tables += f" LEFT JOIN t{self._index[join.table]} j{index} ON j{index}.k = t.{key}"
        query = f"SELECT t.child, t.route, t.cells{columns} FROM t{number} t{tables} WHERE t.child NOT NULL"
        for child, route, cells, *joined in self._base.execute(f"{query} ORDER BY t.child, t.line"):
            row = _row(header, cells)
            for join, copied in zip(joins, joined, strict=True):
                if copied is not None:
                    row[join.name] = _row(self.columns[join.table], copied)
            yield child, table.routes[route].into or table.name, row


def _lists(table: Table) -> list[str]:
    return list(dict.fromkeys(route.into or table.name for route in table.routes))


def _row(header: Sequence[str], cells: bytes) -> Row:
    return dict(zip(header, msgspec.json.decode(cells), strict=True))


@contextmanager
def gather(document: Document, layout: Layout) -> Iterator[Gathered]:
    """The tables of a document; what is kept on disk meanwhile is readable by this user alone and goes at the end."""
    with tempfile.TemporaryDirectory(prefix="ics-hub-") as folder:
        base = sqlite3.connect(os.path.join(folder, "tables"), isolation_level=None)
        try:
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-8000"):
                base.execute(f"PRAGMA {pragma}")
            base.execute("BEGIN")
            yield Gathered(document, layout, base)
        finally:
            base.close()


def _header(rows: Iterator[tuple[int, list[str] | RecordError]], table: Table, label: str) -> list[str]:
    """The column names, spelled as the layout spells them; names it does not know stay as they are."""
    line, cells = next(rows, (0, None))
    if cells is None:
        raise RecordError("the table is empty: not even a line of column names", file=label)
    if isinstance(cells, RecordError):
        raise cells
    known = {column.casefold(): column for column in table.columns}
    names = [known.get(cell.strip(BLANK).casefold(), cell.strip(BLANK)) for cell in cells]
    place = f"line {line}"
    if "" in names:
        raise RecordError("a column has no name", file=label, place=place)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        which = f"the column {twice[0]}" if twice[0] in known.values() else "a column"
        raise RecordError(f"{which} stands twice in the line of column names", file=label, place=place)
    if table.key and not table.routes and table.key not in names:
        sign = next((word for sign, word in _SEPARATORS if sign in names[0]), "") if len(names) == 1 else ""
        why = f": {sign} stand where commas must" if sign else ""
        raise RecordError(f"the column {table.key} is missing{why}", file=label, place=place)
    return names
