"""A code table's CSV file as it stands: a row put in, others marked or taken out, all else left byte for byte."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hub.errors import DeclarationError
from hub.mapping import codes
from hub.mapping.codes import CodeRow
from hub.mapping.declare import label

HEAD = ("theirs", "ours", "way", "since", "until", "note")
_MARK = "\ufeff"


@dataclass
class _Line:
    """One row of the file. end: the number of its last line; text: as it stands, its line end with it."""

    end: int
    cells: list[str]
    text: str


class Sheet:
    """The rows of a table's file; without one, an empty table with these columns."""

    def __init__(self, file: Path, head: Sequence[str] = HEAD) -> None:
        self.file, self.head = file, list(head)
        data = _bytes(file)
        self.rows: list[CodeRow] = codes.parse(data, label(file)) if data is not None else []
        text = data.decode("utf-8-sig") if data is not None else ""
        self._mark = _MARK if data is not None and data.startswith(_MARK.encode()) else ""
        self._lines = list(_lines(text))
        self._end = "\r\n" if self._lines and self._lines[0].text.endswith("\r\n") else "\n"
        if self._lines:
            self.head = [name.strip() for name in self._lines[0].cells]
        else:
            self._lines.append(_Line(1, self.head, self._text(self.head)))

    def drop(self, row: CodeRow) -> None:
        """Take a row out."""
        self._lines = [line for line in self._lines if line.end != row.line or line is self._lines[0]]
        self.rows.remove(row)

    def mark(self, row: CodeRow, way: str) -> None:
        """Have a row hold in one way only."""
        line = next(line for line in self._lines if line.end == row.line)
        at = self._column("way")
        line.cells += [""] * (at + 1 - len(line.cells))
        line.cells[at] = way
        line.text = self._text(line.cells)

    def add(self, cells: Mapping[str, str]) -> None:
        """Put a row at the end, given its cells by their columns; those that the file lacks it gets."""
        for name, cell in cells.items():
            if cell:
                self._column(name)
        last = self._lines[-1]
        if not last.text.endswith(("\n", "\r")):
            last.text += self._end
        self._lines.append(_Line(0, [], self._text([cells.get(name, "") for name in self.head])))

    def data(self) -> bytes:
        """The whole file."""
        return (self._mark + "".join(line.text for line in self._lines)).encode()

    def _column(self, name: str) -> int:
        """The place of a column; put at the end if there is none, for rows may lack cells there."""
        if name not in self.head:
            self.head.append(name)
            self._lines[0].text = self._text(self.head)
        return self.head.index(name)

    def _text(self, cells: Sequence[str]) -> str:
        out = io.StringIO()
        csv.writer(out, lineterminator=getattr(self, "_end", "\n")).writerow(cells)
        return out.getvalue()


def _bytes(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be read").lower(), file=label(file)) from None


def _lines(text: str) -> Iterator[_Line]:
    """Every row with the text it was read from, blank lines with the row before them."""
    physical = list(io.StringIO(text, newline=""))
    reader = csv.reader(physical)
    start = 0
    for cells in reader:
        yield _Line(reader.line_num, cells, "".join(physical[start : reader.line_num]))
        start = reader.line_num


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one who changes the tables of a folder; whoever else would waits."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be opened").lower(), file=str(folder)) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def put(file: Path, data: bytes) -> None:
    """Write a file whole or not at all. It keeps its mode, and its owner where this process may give it; a new one gets
    its folder's owner. DeclarationError when it cannot be written."""
    target = file.resolve()
    spare = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _folders(target.parent)
        like = (target if target.exists() else target.parent).stat()
        handle = os.open(spare, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        with open(handle, "wb") as out:
            out.write(data)
            out.flush()
            if target.exists():
                os.fchmod(out.fileno(), like.st_mode & 0o7777)
            with suppress(PermissionError):
                os.fchown(out.fileno(), like.st_uid, like.st_gid)
            os.fsync(out.fileno())
        os.replace(spare, target)
        _sync(target.parent)
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be written").lower(), file=label(file)) from None
    finally:
        spare.unlink(missing_ok=True)


def _folders(folder: Path) -> None:
    """Make a folder and those above it that are missing, each with the mode and owner of the one above."""
    if folder.is_dir():
        return
    _folders(folder.parent)
    like = folder.parent.stat()
    folder.mkdir(exist_ok=True)
    with suppress(PermissionError):
        folder.chmod(like.st_mode & 0o7777)
        os.chown(folder, like.st_uid, like.st_gid)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["HEAD", "Sheet", "locked", "put"]
