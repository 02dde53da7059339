"""Code tables: CSV files that pair their codes with ours, checked so that no code changes silently on the way back.

Columns: `theirs` (or `theirs.a`, `theirs.b`), `ours` (or several), `way` (empty both, `in`, `out`), `since`, `until`, `note`.
Within an edition each theirs has one row that can be read and each ours one row that can be written.
"""

from __future__ import annotations

import csv
import fnmatch
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
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
    """A code table with its rows of every edition; `identity` when it is a national list read as it stands."""

    name: str
    rows: tuple[CodeRow, ...]
    fold: bool = False
    prefix: str = ""
    identity: bool = False
    _bound: dict[str, Bound] = field(default_factory=dict, repr=False, compare=False)

    @property
    def width(self) -> tuple[int, int]:
        """How many columns of theirs and of ours."""
        first = self.rows[0] if self.rows else None
        if first is None:
            return 1, 1
        return (len(first.theirs) if isinstance(first.theirs, tuple) else 1), (
            len(first.ours) if isinstance(first.ours, tuple) else 1
        )

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
                row = CodeRow(row.theirs, row.ours, "in", row.since, row.until, row.note, row.file, row.line)
            kept.append(row)
        return Table(self.name, tuple(kept + new), self.fold, self.prefix)

    def at(self, edition: str) -> Bound:
        """The table in one edition; DeclarationError names both lines when it is not a function each way."""
        if edition not in self._bound:
            self._bound[edition] = self._bind(edition)
        return self._bound[edition]

    def _bind(self, edition: str) -> Bound:
        rows = [row for row in self.rows if in_edition(edition, row.since, row.until)]
        read: dict[Key, CodeRow] = {}
        write: dict[Key, CodeRow] = {}
        globs = []
        for row in rows:
            if (
                row.read
                and isinstance(row.theirs, str)
                and ("*" in row.theirs or "?" in row.theirs)
                and row.way == "in"
            ):
                globs.append((row.theirs, row.ours))
                continue
            if row.read:
                key = folded(row.theirs) if self.fold and isinstance(row.theirs, str) else row.theirs
                self._once(read, key, row, "theirs", "read", edition)
            if row.written:
                self._once(write, row.ours, row, "ours", "written", edition)
        narrowing = self._narrowing(rows, read)
        return Bound(
            self.name,
            {key: row.ours for key, row in read.items()},
            {key: row.theirs for key, row in write.items()},
            tuple(globs),
            narrowing,
            self.fold,
            self.prefix,
            self.width[0],
        )

    def _once(self, seen: dict[Key, CodeRow], key: Key, row: CodeRow, side: str, verb: str, edition: str) -> None:
        other = seen.get(key)
        if other is not None:
            where = f" in edition {edition}" if edition else ""
            raise DeclarationError(
                f"lines {other.line} and {row.line} have the same {side} and both are {verb}{where}: a code would not come "
                f"back as it went. Mark one of them `{'out' if side == 'theirs' else 'in'}`, or remove it",
                file=row.file if row.file == other.file else f"{other.file} and {row.file}",
                place=f"code table {self.name}",
            )
        seen[key] = row

    def _narrowing(self, rows: list[CodeRow], read: dict[Key, CodeRow]) -> frozenset[Key]:
        found = set()
        for row in rows:
            if row.way != "out":
                continue
            key = folded(row.theirs) if self.fold and isinstance(row.theirs, str) else row.theirs
            back = read.get(key)
            if back is None or back.ours != row.ours:
                found.add(row.ours)
                if not row.note:
                    raise DeclarationError(
                        f"line {row.line} writes a code that "
                        + (f"line {back.line} reads as another one" if back else "no row reads")
                        + ": it narrows, so its note must say why",
                        file=row.file,
                        place=f"code table {self.name}",
                    )
        return frozenset(found)


def identity(name: str, codes: Iterable[str]) -> Table:
    """A national list read as it stands: theirs and ours are the same code."""
    rows = tuple(CodeRow(code, code, "", "", "", "", f"national list {name}", n) for n, code in enumerate(codes, 2))
    return Table(name, rows, identity=True)


def parse(data: bytes, file: str) -> list[CodeRow]:
    """Read a table's CSV (UTF-8, a header row). DeclarationError names file and line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DeclarationError("is not UTF-8; save it as CSV UTF-8", file=file) from None
    reader = csv.reader(io.StringIO(text, newline=""))
    head = [name.strip() for name in next(reader, [])]
    theirs = [n for n, name in enumerate(head) if name == "theirs" or name.startswith("theirs.")]
    ours = [n for n, name in enumerate(head) if name == "ours" or name.startswith("ours.")]
    unknown = set(head) - {head[n] for n in theirs + ours} - {"way", "since", "until", "note"}
    if not theirs or not ours or unknown:
        raise DeclarationError(
            "the header must be theirs,ours,way,since,until,note (theirs and ours may be several)",
            file=file,
            place="line 1",
        )
    rows = []
    for cells in reader:
        line = reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(head):
            raise DeclarationError("has more cells than the header", file=file, place=f"line {line}")
        cells += [""] * (len(head) - len(cells))
        named = dict(zip(head, cells, strict=True))
        way = named.get("way", "").strip()
        if way not in ("", "both", "in", "out"):
            raise DeclarationError("way must be empty, in or out", file=file, place=f"line {line}")
        rows.append(
            CodeRow(
                _key(cells, theirs),
                _key(cells, ours),
                "" if way == "both" else way,
                named.get("since", "").strip(),
                named.get("until", "").strip(),
                named.get("note", "").strip(),
                file,
                line,
            )
        )
    return rows


def _key(cells: list[str], columns: list[int]) -> Key:
    found = tuple(cells[n] for n in columns)
    return found[0] if len(found) == 1 else found
