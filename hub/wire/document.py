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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
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

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
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

        DeclarationError when there is none or it may not be read; RecordError for a zip that is broken or hostile.
        """
        found = Path(path)
        with _reading(str(path)):
            if found.is_dir():
                return cls(found.resolve().name, _folder(found))
            size = found.stat().st_size
        if not found.is_file():
            raise DeclarationError("this is neither a file nor a folder", file=str(path))
        return _file(found.name, size, lambda: _open(found))

    @classmethod
    def of(cls, name: str, data: bytes | Mapping[str, bytes]) -> Document:
        """A document held in memory: bytes (a zip if the name ends so), or parts by name."""
        if isinstance(data, bytes):
            return _file(name, len(data), _in_memory(data))
        if set(data) == {""}:
            return _file(name, len(data[""]), _in_memory(data[""]))
        for part in data:
            _refuse_name(part, name)
        return cls(name, {part: (len(held), _in_memory(held)) for part, held in data.items()})

    @classmethod
    def from_stdin(cls, name: str = "stdin", stream: BinaryIO | None = None) -> Document:
        """What comes on standard input, kept in a temporary file so that it can be read twice.

        DeclarationError when it cannot be read or kept.
        """
        with _reading(f"standard input, kept in {tempfile.gettempdir()}"):
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


def save(chunks: Iterable[tuple[str, bytes]], path: str | os.PathLike[str]) -> None:
    """Write (part, bytes) chunks to a file, a folder or a zip; nothing stands at `path` until all of it is written.

    A path ending in `.zip` is a zip; else one unnamed part is a file and named parts are a folder, which must be new or
    empty. Chunks of several parts may alternate. Whatever the chunks raise is raised here and leaves nothing behind.
    What is new is for this user alone; what takes another's place has its mode. A link stays, and leads to it.
    """
    stream = iter(chunks)
    first = next(stream, None)
    target = Path(path)
    several = first is not None and first[0] != ""
    whole: Iterator[tuple[str, bytes]] = chain([first] if first else [], stream)
    asked = os.fspath(path)
    with _reading(asked):
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise DeclarationError("this is neither a file nor a folder; - is standard output", file=asked)
        target = target.resolve() if target.is_symlink() else target
        if target.suffix.lower() == ".zip":
            _save_zip(whole, target)
        elif several or (first is None and not target.suffix) or asked.endswith(("/", os.sep)) or target.is_dir():
            _save_folder(whole, target)
        else:
            _save_file(whole, target)


def _save_file(chunks: Iterator[tuple[str, bytes]], target: Path) -> None:
    with _beside(target) as spare, open(spare, "wb", opener=_ours) as out:
        for part, data in chunks:
            if part:
                raise DeclarationError("several parts need a folder or a .zip", file=str(target))
            out.write(data)
        _settle(out)
        _replace(target, spare)


def _save_folder(chunks: Iterator[tuple[str, bytes]], target: Path) -> None:
    if target.suffix and not target.is_dir():
        raise DeclarationError("several parts need a folder (a path without suffix) or a .zip", file=str(target))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DeclarationError("the folder must be new or empty", file=str(target))
    with _beside(target) as spare:
        spare.mkdir(0o700)
        _fill(spare, chunks, target)
        _replace(target, spare)


def _save_zip(chunks: Iterator[tuple[str, bytes]], target: Path) -> None:
    with _beside(target) as spare, tempfile.TemporaryDirectory(prefix="ics-hub-") as kept:
        names = _fill(Path(kept), chunks, target, alone=target.stem)
        with open(spare, "wb", opener=_ours) as out:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
                for name in names:
                    info = zipfile.ZipInfo(name, _ZIP_DATE)
                    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                    with open(Path(kept, name), "rb") as source, packed.open(info, "w", force_zip64=True) as entry:
                        shutil.copyfileobj(source, entry, 1 << 20)
            _settle(out)
        _replace(target, spare)


def _replace(target: Path, spare: Path) -> None:
    """Put what is whole in its place; who may read what stood there may read this."""
    if target.exists():
        spare.chmod(target.stat().st_mode & 0o777)
    os.replace(spare, target)


def _ours(path: str, flags: int) -> int:
    """Open a file that nobody else may read."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _fill(folder: Path, chunks: Iterator[tuple[str, bytes]], target: Path, alone: str = "") -> list[str]:
    """Write chunks to files of a folder; the names in the order they were first seen."""
    opened: dict[str, BinaryIO] = {}
    try:
        for part, data in chunks:
            name = part or alone
            if name not in opened:
                if not name:
                    raise DeclarationError("this is a format of one file, and the path is a folder", file=str(target))
                _refuse_name(name, str(target))
                Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
                opened[name] = open(Path(folder, name), "wb", opener=_ours)  # noqa: SIM115 - closed below, with all
            opened[name].write(data)
        for out in opened.values():
            _settle(out)
    finally:
        for out in opened.values():
            out.close()
    return list(opened)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A name beside the target to write to first; removed again if it was not renamed."""
    spare = target.parent / f".{target.name}.{os.getpid()}.part"
    try:
        yield spare
    finally:
        if spare.is_dir():
            shutil.rmtree(spare, ignore_errors=True)
        else:
            spare.unlink(missing_ok=True)


def _settle(out: BinaryIO | io.BufferedWriter) -> None:
    out.flush()
    os.fsync(out.fileno())


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """An error of the file system is a call that was wrong."""
    try:
        yield
    except OSError as error:
        raise DeclarationError((error.strerror or type(error).__name__).lower(), file=path) from None


def _open(path: Path) -> BinaryIO:
    with _reading(str(path)):
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
            parts[path.relative_to(root).as_posix()] = (path.stat().st_size, _opener(path))
    return parts


def _opener(path: Path) -> _Opener:
    return lambda: _open(path)


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
        _refuse_name(entry.filename, name, place)
        if entry.flag_bits & 0x1:
            raise RecordError("a part of this zip is locked with a password", file=name, place=place)
        if entry.filename in parts:
            raise RecordError("two parts of this zip have the same name", file=name, place=place)
        parts[entry.filename] = (entry.file_size, _entry_opener(name, opener, entry))
    return parts


def _refuse_name(part: str, name: str, place: str = "") -> None:
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
