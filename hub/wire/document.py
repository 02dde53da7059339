"""Documents: bytes as they came or are to go, in one part or several; a file, a folder, a zip, or held in memory.

A document is read as often as needed (`open`) and never changed. What a stranger can send is bounded: the number of
parts, their sizes unpacked, and their names.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from hub.errors import DeclarationError, RecordError

MAX_PARTS = 2_000
"""Most parts in one document."""
MAX_UNPACKED = 8 << 30
"""Most bytes that the parts of one zip may come to, unpacked (the largest document known is under 1 GB)."""
MAX_RATIO = 500
"""Most times a zip may grow when it is unpacked, once it passes `FREE_UNPACKED`; deflate cannot pass 1032."""
FREE_UNPACKED = 64 << 20
"""Bytes a zip may come to whatever its ratio."""

_Opener = Callable[[], BinaryIO]


class Document:
    """Bytes with a name, in one part or several.

    name: the file's or folder's own name, without its path. size: bytes of all parts, unpacked. before, lines: of a
    stretch of a larger document (`hub.wire.stretch`), the records before it and the lines to be added to its own; or 0.
    """

    def __init__(self, name: str, parts: Mapping[str, tuple[int, _Opener]]) -> None:
        self.name, self.before, self.lines = name, 0, 0
        self._parts = parts
        self.size = sum(size for size, _ in parts.values())

    def __repr__(self) -> str:
        return f"Document({self.name!r}, parts={len(self._parts)})"

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Document:
        """The document at a path: a file, a folder of parts, or a `.zip` of parts.

        DeclarationError when there is none or it may not be read; RecordError for a zip that is broken or hostile, and
        from `open` for a file that is another by then.
        """
        found = Path(path)
        with reading(str(path)):
            if found.is_dir():
                return cls(found.resolve().name, _folder(found))
            now = found.stat()
        if not found.is_file():
            raise DeclarationError("this is neither a file nor a folder", file=str(path))
        return _file(found.name, now.st_size, _opener(found, now))

    @classmethod
    def of(cls, name: str, data: bytes | Mapping[str, bytes]) -> Document:
        """A document held in memory: bytes (a zip if the name ends so), or parts by name."""
        if isinstance(data, bytes):
            return _file(name, len(data), _in_memory(data))
        if set(data) == {""}:
            return _file(name, len(data[""]), _in_memory(data[""]))
        for part in data:
            refuse_name(part, name)
        return cls(name, {part: (len(held), _in_memory(held)) for part, held in data.items()})

    @classmethod
    def from_stdin(cls, name: str = "stdin", stream: BinaryIO | None = None) -> Document:
        """What comes on standard input, kept in a temporary file so that it can be read twice.

        DeclarationError when it cannot be read or kept.
        """
        with reading(f"standard input, kept in {tempfile.gettempdir()}"):
            kept = tempfile.NamedTemporaryFile(prefix="ics-hub-")  # noqa: SIM115 - lives as long as the document
            shutil.copyfileobj(stream or sys.stdin.buffer, kept)
            kept.flush()
        return _file(name, os.path.getsize(kept.name), lambda: open(kept.name, "rb"))

    def parts(self) -> list[str]:
        """The names of the parts, sorted; a document that is one file has one, of the document's own name."""
        return sorted(self._parts)

    def open(self, part: str = "") -> BinaryIO:
        """The bytes of a part, from the start. No name is needed where there is only one part.

        RecordError when the document has no such part, or when its packed bytes prove broken while reading.
        """
        if not part and len(self._parts) != 1:
            reason = f"one file is needed here, and this holds {len(self._parts)} parts"
            raise DeclarationError(reason, file=self.name)
        if part and part not in self._parts:
            raise RecordError("the document has no such part", file=self.label(part))
        _, opener = self._parts[part] if part else next(iter(self._parts.values()))
        return opener()

    def label(self, part: str = "") -> str:
        """How errors name a part: the document's name, and the part's where there are several."""
        return f"{self.name}/{part}" if part and part != self.name else self.name

    def unpack(self, part: str = "") -> Document:
        """The parts of a part that is itself a zip by another suffix (`.docx`, `.xlsx`), under the same bounds.

        One that lies in a zip is held in memory, up to `FREE_UNPACKED` bytes: packed bytes can only be read forwards.
        """
        opener: _Opener = lambda: self.open(part)  # noqa: E731
        with self.open(part) as stream:
            if not stream.seekable():
                data = stream.read(FREE_UNPACKED + 1)
                if len(data) > FREE_UNPACKED:
                    raise RecordError("a zip within a zip, and larger than a document is", file=self.label(part))
                opener = _in_memory(data)
        return Document(self.name, _zipped(self.label(part), opener))


@contextmanager
def reading(path: str) -> Iterator[None]:
    """An error of the file system is a call that was wrong."""
    try:
        yield
    except OSError as error:
        raise DeclarationError((error.strerror or type(error).__name__).lower(), file=path) from None


def _open(path: Path) -> BinaryIO:
    with reading(str(path)):
        return open(path, "rb")


def _in_memory(data: bytes) -> _Opener:
    return lambda: io.BytesIO(data)


def _file(name: str, size: int, opener: _Opener) -> Document:
    if name.lower().endswith(".zip"):
        return Document(name, _zipped(name, opener))
    return Document(name, {name: (size, opener)})


def _folder(root: Path) -> dict[str, tuple[int, _Opener]]:
    """The files below a folder; hidden ones and links that lead out of it are left alone."""
    home = root.resolve()
    parts: dict[str, tuple[int, _Opener]] = {}
    for place, folders, files in os.walk(root):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        for file in files:
            path = Path(place, file)
            if file.startswith(".") or not path.is_file() or not path.resolve().is_relative_to(home):
                continue
            if len(parts) >= MAX_PARTS:
                raise RecordError(f"more than {MAX_PARTS} parts", file=root.name)
            now = path.stat()
            parts[path.relative_to(root).as_posix()] = (now.st_size, _opener(path, now))
    return parts


def _opener(path: Path, known: os.stat_result) -> _Opener:
    def open_same() -> BinaryIO:
        stream = _open(path)
        now = os.fstat(stream.fileno())
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (known.st_ino, known.st_size, known.st_mtime_ns):
            stream.close()
            raise RecordError("the file was changed or replaced while it was read: read it again", file=path.name)
        return stream

    return open_same


def _zipped(name: str, opener: _Opener) -> dict[str, tuple[int, _Opener]]:
    """The parts of a zip after its directory passed every bound. A reader never gives more than the declared size."""
    with opener() as stream:
        size = stream.seek(0, os.SEEK_END)
        try:
            with zipfile.ZipFile(stream) as packed:
                entries = [entry for entry in packed.infolist() if not entry.is_dir()]
        except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, EOFError, OverflowError):
            raise RecordError("this is not a whole zip file", file=name) from None
    if len(entries) > MAX_PARTS:
        raise RecordError(f"more than {MAX_PARTS} parts", file=name)
    total = sum(entry.file_size for entry in entries)
    if total > MAX_UNPACKED or total > max(FREE_UNPACKED, size * MAX_RATIO):
        raise RecordError("this zip unpacks to far more than a document holds", file=name)
    parts: dict[str, tuple[int, _Opener]] = {}
    for ordinal, entry in enumerate(entries, 1):
        place = f"part {ordinal}"
        refuse_name(entry.filename, name, place)
        if entry.flag_bits & 0x1:
            raise RecordError("a part of this zip is locked with a password", file=name, place=place)
        if entry.filename in parts:
            raise RecordError("two parts of this zip have the same name", file=name, place=place)
        parts[entry.filename] = (entry.file_size, _entry_opener(name, opener, entry))
    return parts


def refuse_name(part: str, name: str, place: str = "") -> None:
    """Part names are relative, go down only, and are printable; anything else could write outside a folder."""
    steps = part.replace("\\", "/").split("/")
    if any(step in ("", ".", "..") for step in steps) or ":" in part or not part.isprintable() or len(part) > 255:
        raise RecordError("a part has a name that no file here may have", file=name, place=place)


def _entry_opener(name: str, opener: _Opener, entry: zipfile.ZipInfo) -> _Opener:
    def open_entry() -> BinaryIO:
        with _unpacking(name, entry.filename):
            packed = zipfile.ZipFile(opener())
            return cast(BinaryIO, io.BufferedReader(_Unpacked(packed, entry, name), 1 << 16))

    return open_entry


@contextmanager
def _unpacking(name: str, part: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError):
        raise RecordError("this part of the zip is broken", file=f"{name}/{part}") from None


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of one part; broken packing is a RecordError. `zipfile` stops at the declared size."""

    def __init__(self, packed: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> None:
        super().__init__()
        self._packed, self._name, self._part, self._left = packed, name, entry.filename, entry.file_size
        self._stream = packed.open(entry)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _unpacking(self._name, self._part):
            data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0 or (not data and self._left):
            raise RecordError("a part is not of the size that the zip declares", file=f"{self._name}/{self._part}")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            if self._packed.fp:
                self._packed.fp.close()
            self._packed.close()
        super().close()
