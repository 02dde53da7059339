"""One more row in a council's code table, checked before anything is written.

A row is refused unless every mapping that would read it loads with it, in every edition, and reads it as it was meant.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hub.check.coding import Use, Used, cells, nearest, tables, told
from hub.errors import DeclarationError
from hub.mapping.codes import Bound, Key, Table, folded
from hub.mapping.sheet import HEAD, Sheet
from hub.model import code_list, is_code


class Wanted(NamedTuple):
    """A row to be added. theirs and ours: as typed; for a table of several columns its cells as a line of CSV. way:
    in, out, both, or "" for what fits. replace: also when it changes what a code means or how one is written."""

    table: str
    theirs: str
    ours: str
    way: str = ""
    note: str = ""
    replace: bool = False


class Change(NamedTuple):
    """What is to be written. data: the whole file; None: all is as wanted already. said: what a person should know."""

    file: Path
    data: bytes | None
    way: str
    said: list[str]


def prepare(uses: Sequence[Use], folder: Path, wanted: Wanted) -> Change:
    """A row for the table's file in a folder, one of the overlays of these uses. DeclarationError when it cannot be.

    Nothing is written; nobody else should write there until that is done (`sheet.locked`).
    """
    found = [used for use in uses for used in tables(use).get(wanted.table, [])]
    if not found:
        raise DeclarationError("no mapping here uses this code table", place=f"code table {wanted.table}")
    return _Adding(found, folder, wanted).change()


class _Adding:
    """One row on its way into a table. theirs, ours: the key on each side."""

    def __init__(self, found: list[Used], folder: Path, wanted: Wanted) -> None:
        self.found, self.folder, self.wanted = found, folder, wanted
        self.uses = list(dict.fromkeys(used.use for used in found))
        self.file = folder / "codes" / f"{wanted.table}.csv"
        table = found[0].table
        self.theirs, self.ours = self._key(wanted.theirs, table.width[0]), self._key(wanted.ours, table.width[1])
        self._spell()
        self.bounds = [bound for used in found for bound in used.bounds]
        self.said: list[str] = []

    def fail(self, why: str) -> DeclarationError:
        return DeclarationError(why, place=f"code table {self.wanted.table}")

    def _key(self, text: str, width: int) -> Key:
        said = next(csv.reader([text]), []) if width > 1 else [text]
        if len(said) != width:
            raise self.fail(f"has {width} columns on that side: give all cells in one, with commas between")
        if not any(cell.strip() for cell in said):
            raise self.fail("a row needs a text of theirs and a code of ours")
        return tuple(said) if width > 1 else text

    def _spell(self) -> None:
        """Where case does not count, a text that the table has is written as it stands there."""
        for row in (row for used in self.found if used.table.fold for row in used.table.rows):
            if isinstance(self.theirs, str) and isinstance(row.theirs, str) and row.read and not row.is_glob:
                self.theirs = row.theirs if folded(row.theirs) == folded(self.theirs) else self.theirs

    def change(self) -> Change:
        """All checks in turn."""
        self._check_ours()
        if all(self.theirs in used.unasked for used in self.found):
            raise self.fail("a row of the mapping says that this text means none or nothing: the table is not asked")
        read = {_reads(bound, self.theirs) for bound in self.bounds}
        written = {bound.write.get(self.ours) for bound in self.bounds}
        way = self.wanted.way or ("in" if written - {None, self.theirs} else "both")
        is_read = way == "out" or read == {self.ours}
        if is_read and (self.wanted.way in ("", "in") or written == {self.theirs}):
            return Change(self.file, None, way, ["the table has this already"])
        self._check_read(way, read)
        self._check_written(way, written)
        sheet = self._sheet(way)
        self._try(sheet.data(), way)
        return Change(self.file, sheet.data(), way, self.said)

    def _check_ours(self) -> None:
        """Ours is a code of every list that the table's rows fill."""
        prefixes = {used.table.prefix for used in self.found if used.table.prefix}
        for n, code in enumerate(cells(self.ours)):
            for name in sorted({name for used in self.found for name in used.lists[n]}):
                if is_code(name, code) or any(code.startswith(prefix) for prefix in prefixes):
                    continue
                close = ", ".join(
                    told(name, one) for one in nearest(code, {one: [] for one in code_list(name)}, [name])
                )
                more = f"; near it: {close}" if close else f"; 'ics-hub codes show {self.wanted.table}' lists them"
                raise self.fail(f"{code!r} is no code of the national list {name!r}{more}")

    def _check_read(self, way: str, read: set[Key | None]) -> None:
        """What theirs is read as today is said, and only changed when that was asked for."""
        others = sorted(", ".join(cells(one)) for one in read - {None, self.ours})
        if way == "out" or not others:
            return
        if not self.wanted.replace:
            raise self.fail(
                f"this text is read as {' or '.join(others)} already; --replace has it read as the new code"
            )
        self.said.append(f"it was read as {' or '.join(others)} until now")

    def _check_written(self, way: str, written: set[Key | None]) -> None:
        others = sorted(", ".join(cells(one)) for one in written - {None, self.theirs})
        if way == "in":
            if isinstance(self.theirs, str) and set("*?") & set(self.theirs):
                self.said.append("a pattern: * stands for any text, ? for any sign")
            if others and not self.wanted.way:
                self.said.append(f"only read: the code is written as {' or '.join(others)}, as before")
            return
        if others and not self.wanted.replace:
            raise self.fail(
                f"the code is written as {' or '.join(others)} already: --way in only reads the new text, "
                "--replace has it written"
            )
        self.said += [f"the code was written as {' or '.join(others)} until now"] if others else []

    def _sheet(self, way: str) -> Sheet:
        """The folder's file with the row in it, and without what it contradicts there."""
        head = _head(self.found[0].table)
        sheet = Sheet(self.file, head)
        for row in list(sheet.rows):
            if way != "out" and row.read and row.theirs == self.theirs:
                sheet.drop(row)
            elif way != "in" and row.written and row.ours == self.ours:
                sheet.mark(row, "in") if row.read else sheet.drop(row)
        sides = {"theirs": self.theirs, "ours": self.ours}
        put = {"way": "" if way == "both" else way, "note": self.wanted.note}
        for side, key in sides.items():
            names = [name for name in sheet.head if name == side or name.startswith(f"{side}.")]
            if len(names) != len(cells(key)):
                raise self.fail(f"its file in the overlay has not as many columns of {side} as the table")
            put.update(zip(names, cells(key), strict=True))
        sheet.add(put)
        return sheet

    def _try(self, data: bytes, way: str) -> None:
        """Load every mapping with the new file; the row must mean there what it says."""
        before = {code for bound in self.bounds for code in bound.write}
        after: set[Key] = set()
        with _shadow(self.folder, self.wanted.table, data) as shadow:
            for use in self.uses:
                overlays = tuple(shadow if _same(one, self.folder) else one for one in use.overlays)
                for used in tables(use._replace(overlays=overlays))[self.wanted.table]:
                    for bound in used.bounds:
                        after.update(bound.write)
                        read = way == "out" or _reads(bound, self.theirs) == self.ours
                        if not read or (way != "in" and bound.write.get(self.ours) != self.theirs):
                            raise self.fail(
                                f"a later overlay of {use.name!r} has another row for this: change it there"
                            )
        for code in sorted(", ".join(cells(one)) for one in before - after):
            self.said.append(f"no row writes {code} any more: give it a text with 'codes add'")


def _reads(bound: Bound, text: Key) -> Key | None:
    """What a text is read as by the rows, patterns included."""
    try:
        return replace(bound, prefix="").decode(text)
    except ValueError:
        return None


def _head(table: Table) -> list[str]:
    """The columns of a new file for a table."""
    sides = []
    for side, width in zip(("theirs", "ours"), table.width, strict=True):
        sides += [side] if width == 1 else [f"{side}.{n}" for n in range(1, width + 1)]
    return [*sides, *HEAD[2:]]


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


@contextmanager
def _shadow(folder: Path, table: str, data: bytes) -> Iterator[Path]:
    """A folder that is as an overlay would be with another file for a table, under the same name, for a while."""
    with tempfile.TemporaryDirectory() as place:
        shadow = Path(place) / folder.resolve().name
        shadow.mkdir()
        for entry in folder.iterdir():
            if entry.name != "codes":
                (shadow / entry.name).symlink_to(entry.resolve())
        if (folder / "codes").is_dir():
            only = shutil.ignore_patterns(".*")
            shutil.copytree(folder / "codes", shadow / "codes", ignore=only)
        file = shadow / "codes" / f"{table}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        yield shadow


__all__ = ["Change", "Wanted", "prepare"]
