"""A folder that documents are taken from: in order, and each exactly one document whatever is killed when.

A file is taken by renaming it into `.taken/` under a name that no other ever has: the time of taking, a random part,
its own name made plain. That name is the document's identity. What lies in `.taken/` when a fetch begins was taken and
not settled, and is given first. Settled files are removed, or kept in `.done/`.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import structlog

from hub.connect.files import plain, rename_new, sync_folder, unavailable
from hub.connect.folder import read
from hub.connect.looking import Look, Watch
from hub.connect.port import Arrival, Connection, Hook, no_hook
from hub.errors import DeclarationError, Unavailable
from hub.wire import Document

AHEAD = 100
"""Most files taken before the first of them is given: one sync of the folder serves them all."""
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_STAMPED = len("20250102T030405.678901Z")
_GONE = ".gone-"
_ITS_OWN = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY)
"""Why one file cannot be moved while others can."""
_NEVER = datetime.min.replace(tzinfo=UTC)


class FolderInlet:
    """The documents of a folder."""

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        told = read(connection)
        if told.inside is None:
            raise DeclarationError("this connection has no folder 'in'", place=f"links.{connection.link}")
        self._told, self._in = told, told.inside
        self._taken, self._done = self._in / ".taken", self._in / ".done"
        self._place, self._hook = f"links.{connection.link}: the folder 'in'", hook
        self._log = structlog.get_logger().bind(link=connection.link)
        self._watch = Watch(connection.link, told.inside, told)
        self._last = _NEVER
        self._settled: set[str] = set()
        self._lying: list[str] = []
        self._stuck = False
        self._untaken = 0

    def __repr__(self) -> str:
        return f"FolderInlet({self._place!r})"

    def ready(self) -> None:
        """Unavailable when nothing can be taken now."""
        try:
            if not self._in.is_dir():  # never made here: its disk may not be mounted
                raise FileNotFoundError(errno.ENOENT, "no such folder")
            for folder in (self._taken, self._done) if self._told.done else (self._taken,):
                folder.mkdir(mode=0o700, exist_ok=True)
                if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, "not ours")
            if not os.access(self._in, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "not ours")
        except OSError as error:
            raise unavailable(error, self._place) from None

    def fetch(self) -> Iterator[Arrival]:
        """What was taken and not settled, then what lies there whole, by its time of change and its name."""
        self.ready()
        try:
            whole = self._watch.whole()  # before `.taken/`: what another process takes meanwhile is found there
            names = sorted(os.listdir(self._taken))
        except OSError as error:
            raise unavailable(error, self._place) from None
        for name in names:
            if name.startswith(_GONE) or name in self._settled:
                self._remove(name)
        self._lying = [name for name in names if not name.startswith(".")]
        yield from self._given([name for name in self._lying if name not in self._settled])
        self._untaken = len(whole)
        for start in range(0, len(whole), AHEAD):
            self._untaken = max(0, self._untaken - AHEAD)
            taken, on = self._take(whole[start : start + AHEAD])
            yield from self._given(taken)
            if not on:
                return

    def settle(self, arrival: Arrival) -> None:
        """Remove it, or move it to `.done/`. What cannot be is not given again; the next fetch tries once more."""
        self._hook("settle.before")
        self._settled.add(arrival.name)
        self._remove(arrival.name)
        self._hook("settle.after")

    def pending(self) -> bool:
        """Whether a file lies there that was not whole at the last look, or that the last fetch did not come to."""
        return self._watch.unfinished + self._untaken > 0

    def lying(self) -> list[str]:
        """What lay in `.taken/` when the last fetch began and does still: what was settled cannot be removed."""
        return [name for name in self._lying if os.path.lexists(self._taken / name)]

    def close(self) -> None:
        """Nothing is held open."""

    def _take(self, whole: list[tuple[str, Look]]) -> tuple[list[str], bool]:
        """Rename into `.taken/`; the new names, and whether to go on. What cannot be moved is left where it is.

        When a file is gone another process may have taken it, and what comes after must not be given before it: this
        fetch ends, and the next one finds it in `.taken/`.
        """
        taken, on = [], True
        try:
            for name, look in whole:
                new = f"{self._stamp()}-{secrets.token_hex(4)}-{plain(name)}"
                found = self._watch.look(name)
                if found == look and self._move(name, new):  # else it was changed since
                    taken.append(new)
                elif not os.path.lexists(self._in / name):
                    on = False
                    break
            sync_folder(self._taken)
            sync_folder(self._in)
        except OSError as error:
            raise unavailable(error, self._place) from None
        self._hook("take.after-sync")
        return taken, on

    def _move(self, name: str, new: str) -> bool:
        """Take one; False when it was not to be had. OSError: the whole folder's trouble."""
        try:
            self._hook("take.before-rename")
            rename_new(self._in / name, self._taken / new)
            self._hook("take.after-rename")
        except FileNotFoundError:  # whoever put it there, or another process, was faster
            return False
        except OSError as error:
            if error.errno not in _ITS_OWN:
                raise
            self._watch.leave((self._in / name).lstat(), "the hub's user may not move it: give it the right to")
            return False
        return True

    def _given(self, names: list[str]) -> Iterator[Arrival]:
        """Taken files as arrivals."""
        for name in names:
            self._last = max(self._last, _moment(name))
            try:
                parts = self._parts(self._taken / name)
            except OSError:  # another process settled it
                continue
            if parts:
                yield Arrival(name, Document(original(name), parts))

    def _parts(self, path: Path) -> dict[str, tuple[int, Callable[[], BinaryIO]]]:
        """The parts of a taken file or folder; none when it is neither, or may not be read. OSError: it is gone."""
        told = path.lstat()
        files: list[tuple[str, Path]] = []
        if stat.S_ISREG(told.st_mode):
            files = [(original(path.name), path)]
        elif stat.S_ISDIR(told.st_mode):
            files = self._watch.parts(path)
        if not files or not all(os.access(file, os.R_OK) for _, file in files):
            self._watch.leave(told, "the hub's user may not read it" if files else "it is no document")
            return {}
        parts: dict[str, tuple[int, Callable[[], BinaryIO]]] = {}
        for name, file in files:
            while name in parts:  # two names that differ in what is not printable
                name = f"_{name}"
            parts[name] = file.lstat().st_size, _opener(file, self._place)
        return parts

    def _stamp(self) -> str:
        """Now, or just after the last one where the clock was set back: names in `.taken/` sort as they were taken."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last.strftime(_STAMP)

    def _remove(self, name: str) -> None:
        """Remove what is settled. A folder is renamed first: half removed, it must not be fetched as a document."""
        path = self._taken / name
        try:
            if self._told.done and not name.startswith(_GONE):
                rename_new(path, self._done / name)
            elif stat.S_ISDIR(path.lstat().st_mode):
                gone = path if name.startswith(_GONE) else self._taken / f"{_GONE}{secrets.token_hex(8)}"
                os.rename(path, gone)
                self._hook("settle.half")
                shutil.rmtree(gone)
            else:
                path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            if not self._stuck:
                self._log.warning("what was fetched cannot be removed", reason=str(unavailable(error, self._place)))
            self._stuck = True
            return
        self._settled.discard(name)
        self._stuck = False


def original(taken: str) -> str:
    """A file's own name, made plain, of its name in `.taken/`."""
    return taken.split("-", 2)[-1] or taken


def _moment(taken: str) -> datetime:
    """When it was taken; the beginning of time for what somebody else put there."""
    try:
        return datetime.strptime(taken[:_STAMPED], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return _NEVER


def _opener(path: Path, place: str) -> Callable[[], BinaryIO]:
    """Opens a taken file; Unavailable when it cannot be."""

    def opened() -> BinaryIO:
        try:
            return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        except OSError as error:
            reason = f"a file taken from it cannot be opened ({os.strerror(error.errno or 0)})"
            raise Unavailable(f"{place}: {reason}") from None

    return opened


__all__ = ["FolderInlet", "original"]
