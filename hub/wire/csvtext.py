"""CSV parts: reading rows with what is wrong with each (bytes, quotation marks, sizes), and writing tables."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import msgspec

from hub.errors import RecordError
from hub.wire.document import Document

MAX_CELL = 10 << 20
"""Most characters in one cell."""
MAX_LINE = MAX_CELL + (1 << 20)
"""Most bytes in one line."""
BLANK = " \t\u00a0\ufeff"
"""What may stand around a column name and is no part of it."""

_KEPT = 1 << 18

csv.field_size_limit(MAX_CELL)  # the csv module knows one limit for the whole process; its default is 131,072


def read_rows(document: Document, part: str) -> Iterator[tuple[int, list[str] | RecordError]]:
    """(line, cells) of each row that is not blank, or why a row cannot be read; the next ones follow all the same.

    UTF-8, with or without its mark, or UTF-16 with its mark. Columns without a name at the right end are cut off when
    they are empty. The file and the line are named in every error.
    """
    label = document.label(part)
    with document.open(part) as stream:
        wide = stream.read(2) in (b"\xff\xfe", b"\xfe\xff")
    with document.open(part) as stream:
        yield from _rows(_Lines(stream, label, wide), label)


class _Lines:
    """The lines of a file as text. number: lines read so far; fault: why the row at hand cannot be read."""

    def __init__(self, stream: BinaryIO, label: str, wide: bool) -> None:
        self.number, self.fault, self._label = 0, "", label
        self._stream = stream
        self._text = io.TextIOWrapper(stream, "utf-16", newline="") if wide else None

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self.number += 1
        line = self._wide() if self._text else self._plain()
        if not line:
            self.number -= 1
            raise StopIteration
        if "\0" in line:
            self.fault = self.fault or "the line holds a NUL"
            line = line.replace("\0", "")
        return line

    def _plain(self) -> str:
        raw = self._stream.readline(MAX_LINE + 1)
        if len(raw) > MAX_LINE and not raw.endswith(b"\n"):
            self.fault = f"the line is longer than {MAX_LINE} bytes"
            while (more := self._stream.readline(_KEPT)) and not more.endswith(b"\n"):
                pass
            return "\n"
        if self.number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            self.fault = f"byte {error.start + 1} of line {self.number} is not UTF-8 (perhaps cp1252)"
            return raw.decode("latin-1")

    def _wide(self) -> str:
        assert self._text is not None
        try:
            line = self._text.readline(MAX_LINE + 1)
        except UnicodeDecodeError:
            raise RecordError("this is not UTF-16, though it begins so", file=self._label) from None
        if len(line) > MAX_LINE:
            raise RecordError(f"a line is longer than {MAX_LINE} characters", file=self._label)
        return line


def _rows(lines: _Lines, label: str) -> Iterator[tuple[int, list[str] | RecordError]]:
    reader = csv.reader(lines, strict=True)
    width = 0
    while True:
        line, lines.fault = lines.number + 1, ""
        try:
            cells = next(reader, None)
        except csv.Error as error:
            lines.fault, cells = lines.fault or _fault(str(error)), []
        if lines.fault:
            lost = f"lines {line} to {lines.number} are" if lines.number > line else "the row is"
            yield line, RecordError(f"{lines.fault}; {lost} not read", file=label, place=f"line {line}")
            continue
        if cells is None:
            return
        if not any(map(str.strip, cells)):
            continue
        if not width:
            width = max(index for index, cell in enumerate(cells, 1) if cell.strip(BLANK) or index == 1)
        yield line, cells[:width] if not any(cells[width:]) else cells


def _fault(message: str) -> str:
    if "end of data" in message:
        return "a quotation mark is opened and never closed"
    if "field limit" in message:
        return f"a cell is larger than {MAX_CELL} characters"
    return "a quotation mark or a line end stands where none may"


class Writer:
    """Writes rows into tables; memory stays flat. `add` rows in any order, then take the `parts`.

    tables: the columns of each table, in order. only: tables and columns as they were read; only those tables (and any
    that gets a row) are written, with those columns first. Without it every table is written, with all its columns.
    """

    def __init__(self, tables: Mapping[str, Sequence[str]], only: Mapping[str, Sequence[str]] | None = None) -> None:
        self._tables = tables
        self._columns = {
            name: dict.fromkeys(only[name] if only else columns)
            for name, columns in tables.items()
            if not only or name in only
        }
        self._kept: dict[str, Any] = {}

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """One row: column and text; a column it does not have is written empty. RecordError for what is no text."""
        known = self._columns.setdefault(table, dict.fromkeys(self._tables[table]))
        for column, cell in row.items():
            if cell is not None and not isinstance(cell, str):
                raise RecordError("a cell of a table can only hold text", place=f"{table}.{column}")
            known.setdefault(column)
        kept = self._kept.get(table)
        if kept is None:
            kept = self._kept[table] = tempfile.SpooledTemporaryFile(_KEPT, prefix="ics-hub-")  # noqa: SIM115 - parts()
        kept.write(msgspec.json.encode({column: str(cell or "") for column, cell in row.items()}) + b"\n")

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """(`<table>.csv`, bytes) in the order of the tables: UTF-8, lines ended by CR LF, column names always there."""
        for table in self._tables:
            if table in self._columns:
                yield from self._part(table)

    def close(self) -> None:
        """Forget all rows."""
        for kept in self._kept.values():
            kept.close()

    def _part(self, table: str) -> Iterator[tuple[str, bytes]]:
        columns = list(self._columns[table])
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(columns)
        kept = self._kept.get(table)
        if kept is not None:
            kept.seek(0)
            for line in kept:
                row = msgspec.json.decode(line)
                writer.writerow([row.get(column, "") for column in columns])
                if out.tell() > _KEPT:
                    yield f"{table}.csv", out.getvalue().encode()
                    out.seek(0)
                    out.truncate()
        yield f"{table}.csv", out.getvalue().encode()
