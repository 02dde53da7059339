"""Documents written: to a file, a folder or a zip, whole or not at all, and for this user alone."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from hub.errors import DeclarationError
from hub.wire.document import reading, refuse_name

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


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
    with reading(asked):
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
                refuse_name(name, str(target))
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


__all__ = ["save"]
