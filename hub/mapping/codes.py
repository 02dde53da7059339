"""Code tables: CSV files that pair their codes with ours, checked so that no code changes silently on the way back.

Columns: `theirs` (or `theirs.a`, `theirs.b`), `ours` (or several), `way` (empty both, `in`, `out`), `since`, `until`,
`note`. Within an edition each theirs has one row that can be read and each ours one row that can be written.
"""

from __future__ import annotations

import csv
import fnmatch
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hub.adapter import in_edition
from hub.errors import DeclarationError

Key = Any  # a text, or a tuple of texts for tables of several columns


@dataclass(frozen=True)
class CodeRow:
    """One line of a table; `line` is its number in the file, `file` which one (base or overlay)."""

    theirs: Key
    ours: Key
    way: str
    since: str
    until: str
    note: str
    file: str
    line: int

    @property
    def read(self) -> bool:
        """Whether it is used inward."""
        return self.way != "out"

    @property
    def is_glob(self) -> bool:
        """Whether its theirs is a pattern (`*YCarer*`): only a row that is read may be one."""
        return self.way == "in" and isinstance(self.theirs, str) and ("*" in self.theirs or "?" in self.theirs)

    @property
    def written(self) -> bool:
        """Whether it is used outward."""
        return self.way != "in"


_JOINT = "^"


def _parts(text: Key) -> tuple[str, ...]:
    return text if isinstance(text, tuple) else (text,)


def folded(text: str) -> str:
    """A text without case, no-break spaces and doubled blanks, for tables with `fold`."""
    return re.sub(r"\s+", " ", text.replace("\u00a0", " ")).strip().casefold()


@dataclass(frozen=True)
class Bound:
    """A table as one edition has it: dicts both ways."""

    name: str
    read: dict[Key, Key]
    write: dict[Key, Key]
    globs: tuple[tuple[str, Key], ...] = ()
    narrowing: frozenset[Key] = frozenset()
    fold: bool = False
    prefix: str = ""
    width: int = 1

    def decode(self, text: Key) -> Key:
        """Ours for a text of theirs; ValueError when the table has no row for it."""
        found = self.read.get(text)
        if found is not None:
            return found
        if self.fold and isinstance(text, str):
            found = self.read.get(folded(text))
            if found is not None:
                return found
        if isinstance(text, str):
            for pattern, ours in self.globs:
                if fnmatch.fnmatchcase(text.casefold(), pattern.casefold()):
                    return ours
        if self.prefix and not any(_JOINT in one for one in _parts(text)):
            return self.prefix + _JOINT.join(_parts(text))
        raise ValueError("no row of the table reads this text")

    def encode(self, value: Key) -> Key:
        """Theirs for a code of ours; ValueError when the table has no row that writes it."""
        found = self.write.get(value)
        if found is not None:
            return found
        if self.prefix and isinstance(value, str) and value.startswith(self.prefix):
            parts = tuple(value[len(self.prefix) :].split(_JOINT))
            text = parts[0] if self.width == 1 else parts
            if len(parts) == self.width and self.decode(text) == value:
                return text
        raise ValueError("no row of the table writes this code")


@dataclass(frozen=True)
class Table:
    """A code table with its rows of every edition."""

    name: str
    rows: tuple[CodeRow, ...]
    fold: bool = False
    prefix: str = ""
    _bound: dict[str, Bound] = field(default_factory=dict, repr=False, compare=False)

    @property
    def width(self) -> tuple[int, int]:
        """How many columns of theirs and of ours."""
        if not self.rows:
            return 1, 1
        return len(_parts(self.rows[0].theirs)), len(_parts(self.rows[0].ours))

    def overlaid(self, rows: Iterable[CodeRow]) -> Table:
        """This table with a council's rows: same theirs replaces what is read, same ours replaces what is written."""
        new = list(rows)
        theirs = {row.theirs for row in new if row.read}
        ours = {row.ours for row in new if row.written}
        kept = []
        for row in self.rows:
            if row.read and row.theirs in theirs:
                continue
            if row.written and row.ours in ours:
                if not row.read:
                    continue
                row = replace(row, way="in")
            kept.append(row)
        return Table(self.name, tuple(kept + new), self.fold, self.prefix)

    def at(self, edition: str) -> Bound:
        """The table in one edition; DeclarationError names both lines when it is not a function each way."""
        if edition not in self._bound:
            self._bound[edition] = self._bind(edition)
        return self._bound[edition]

    def _bind(self, edition: str) -> Bound:
        rows = [row for row in self.rows if in_edition(edition, row.since, row.until)]
        globs = [row for row in rows if row.is_glob]
        read = self._once([(self._key(row), row) for row in rows if row.read and not row.is_glob], "theirs", edition)
        write = self._once([(row.ours, row) for row in rows if row.written], "ours", edition)
        return Bound(
            self.name,
            {key: row.ours for key, row in read.items()},
            {key: row.theirs for key, row in write.items()},
            tuple((row.theirs, row.ours) for row in globs),
            frozenset(row.ours for row in rows if self._narrows(row, read)),
            self.fold,
            self.prefix,
            self.width[0],
        )

    def _key(self, row: CodeRow) -> Key:
        return folded(row.theirs) if self.fold and isinstance(row.theirs, str) else row.theirs

    def _once(self, rows: list[tuple[Key, CodeRow]], side: str, edition: str) -> dict[Key, CodeRow]:
        """The rows by their key on one side; DeclarationError when two of them have the same."""
        verb, mend = ("read", "out") if side == "theirs" else ("written", "in")
        seen: dict[Key, CodeRow] = {}
        for key, row in rows:
            other = seen.get(key)
            if other is not None:
                where = f" in edition {edition}" if edition else ""
                raise DeclarationError(
                    f"lines {other.line} and {row.line} have the same {side} and both are {verb}{where}: "
                    f"a code would not come back as it went. Mark one of them `{mend}`, or remove it",
                    file=row.file if row.file == other.file else f"{other.file} and {row.file}",
                    place=f"code table {self.name}",
                )
            seen[key] = row
        return seen

    def _narrows(self, row: CodeRow, read: dict[Key, CodeRow]) -> bool:
        """Whether a row writes a code that does not come back; DeclarationError when its note does not say why."""
        back = read.get(self._key(row))
        if row.way != "out" or (back is not None and back.ours == row.ours):
            return False
        if not row.note:
            what = f"line {back.line} reads as another one" if back else "no row reads"
            raise DeclarationError(
                f"line {row.line} writes a code that {what}: it narrows, so its note must say why",
                file=row.file,
                place=f"code table {self.name}",
            )
        return True


def identity(name: str, codes: Iterable[str]) -> tuple[CodeRow, ...]:
    """The rows of a national list read as it stands: theirs and ours are the same code."""
    return tuple(CodeRow(code, code, "", "", "", "", f"national list {name}", n) for n, code in enumerate(codes, 2))


def parse(data: bytes, file: str) -> list[CodeRow]:
    """Read a table's CSV (UTF-8, a header row). DeclarationError names file and line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DeclarationError("is not UTF-8; save it as CSV UTF-8", file=file) from None
    reader = _lines(text, file)
    _, first = next(reader, (1, []))
    head = [name.strip() for name in first]
    theirs = [n for n, name in enumerate(head) if name == "theirs" or name.startswith("theirs.")]
    ours = [n for n, name in enumerate(head) if name == "ours" or name.startswith("ours.")]
    unknown = set(head) - {head[n] for n in theirs + ours} - {"way", "since", "until", "note"}
    if not theirs or not ours or unknown or len(set(head)) < len(head):
        why = "the header must be theirs,ours,way,since,until,note (theirs and ours may be several)"
        raise DeclarationError(why, file=file, place="line 1")
    rows = []
    for line, cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(head):
            raise DeclarationError("has more cells than the header", file=file, place=f"line {line}")
        cells += [""] * (len(head) - len(cells))
        named = dict(zip(head, cells, strict=True))
        way, since, until, note = (named.get(name, "").strip() for name in ("way", "since", "until", "note"))
        if way not in ("", "both", "in", "out"):
            raise DeclarationError("way must be empty, in or out", file=file, place=f"line {line}")
        if not any(cells[n] for n in ours):
            raise DeclarationError("names no code of ours", file=file, place=f"line {line}")
        way = "" if way == "both" else way
        rows.append(CodeRow(_key(cells, theirs), _key(cells, ours), way, since, until, note, file, line))
    return rows


def _lines(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV, each with the number of its last line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            told = "a quotation mark is not closed, or stands where none may"
            raise DeclarationError(told, file=file, place=f"line {start}") from None
        if cells is None:
            return
        yield reader.line_num, cells
        start = reader.line_num + 1


def _key(cells: list[str], columns: list[int]) -> Key:
    found = tuple(cells[n] for n in columns)
    return found[0] if len(found) == 1 else found
