"""What lies in a folder, and which of it is whole: nothing that is still being written is ever taken.

A file is whole when two looks, `settle` seconds apart by the monotonic clock, saw the same, and its last change is as
long ago. What is not ours to take (hidden files, links, unfinished names) is passed over, what cannot be taken is said
once, by its inode: a name may be a person's.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import structlog

from hub.connect.files import plain
from hub.connect.folder import Folder
from hub.wire.document import MAX_PARTS

_UNFINISHED = (".part", ".tmp", ".filepart", ".partial", ".crdownload", "~")
_GIVE = "give it the right to"


class Look(NamedTuple):
    """What a look at a file or folder saw. mark: other when anything in it is; changed: its latest mtime, ns.

    marked: somebody says that it is whole.
    """

    mark: tuple[object, ...]
    changed: int
    marked: bool = False


class Watch:
    """The documents that lie in the folder `told.inside`. unfinished: how many were not whole at the last look."""

    def __init__(self, link: str, inside: Path, told: Folder) -> None:
        self._told, self._in = told, inside
        self._log = structlog.get_logger().bind(link=link)
        self._seen: dict[str, tuple[Look, float]] = {}
        self._said: set[tuple[str, int]] = set()
        self.unfinished = 0

    def whole(self) -> list[tuple[str, Look]]:
        """What is whole, by its time of change and its name. OSError: the folder cannot be looked at."""
        now, wall = time.monotonic(), time.time_ns()
        settle, found = self._told.settle, []
        # A listing made while files arrive may show a later one and miss an earlier one. The next listing shows all
        # that came before anything in this one, so what is taken goes no further than this one knew.
        known = set(os.listdir(self._in))
        seen: dict[str, tuple[Look, float]] = {}
        for name in os.listdir(self._in):
            look = self.look(name)
            if look is None:
                continue
            before, since = self._seen.get(name, (look, now))
            since = since if before == look else now
            seen[name] = look, since
            # Its time of change may lie ahead of us (another clock, or ours was set back): then the two looks count.
            fresh = look.changed <= wall < look.changed + settle * 1e9
            if look.marked or not settle or (now - since >= settle and not fresh):
                found.append((name, look))
        found.sort(key=lambda one: (one[1].changed, os.fsencode(one[0])))
        while found and found[-1][0] not in known:
            found.pop()
        self._seen, self.unfinished = seen, len(seen) - len(found)
        return found

    def look(self, name: str) -> Look | None:
        """What lies under a name; None when it is no document, or cannot be taken."""
        if name.startswith(".") or name.lower().endswith(_UNFINISHED):
            return None
        path = self._in / name
        try:
            told = path.lstat()
            if stat.S_ISDIR(told.st_mode):
                return self._look_inside(path, told) if self._told.folders else None
            if not stat.S_ISREG(told.st_mode):
                return None
        except OSError:  # taken away by whoever put it there
            return None
        if not (self._told.loose or name.lower().endswith(".zip")):
            self.leave(told, "a loose file is no document here: put the set into a sub-folder or a zip")
            return None
        if not os.access(path, os.R_OK):
            self.leave(told, f"the hub's user may not read it: {_GIVE}")
            return None
        return Look(_mark(told), told.st_mtime_ns)

    def leave(self, told: os.stat_result, reason: str) -> None:
        """Say once that something is left where it is."""
        if (reason, told.st_ino) not in self._said:
            self._said.add((reason, told.st_ino))
            self._log.warning("left in the folder", reason=reason, inode=told.st_ino)

    def parts(self, folder: Path) -> list[tuple[str, Path]]:
        """(plain name, path) of the files of a document in a folder; no hidden ones, no links, no marker. OSError."""
        shown = [(name, path) for name, path in _below(folder) if not name.startswith(".") and "/." not in name]
        return [
            (name, path) for name, path in shown if name != self._told.marker and stat.S_ISREG(path.lstat().st_mode)
        ]

    def _look_inside(self, folder: Path, told: os.stat_result) -> Look | None:
        """A sub-folder. One without a file is not whole yet. Hidden files are no parts, but may be parts to come."""
        reason = ""
        try:
            files = [(name, path.lstat()) for name, path in _below(folder)]
            parts = self.parts(folder)
            if not os.access(folder, os.W_OK | os.X_OK) or not all(os.access(path, os.R_OK) for _, path in parts):
                reason = f"the hub's user may not read all that is in it, or not move it: {_GIVE}"
        except PermissionError:
            reason, parts = f"the hub's user may not look into it: {_GIVE}", []
        if len(parts) > MAX_PARTS:
            reason = f"a sub-folder of more than {MAX_PARTS} files is no document"
        if reason:
            self.leave(told, reason)
            return None
        names = [name for name, _ in files]
        if not parts or any(name.lower().endswith(_UNFINISHED) for name in names):
            return None
        if self._told.marker and self._told.marker not in names:
            return None
        mark = tuple((name, _mark(one)) for name, one in files)
        return Look((_mark(told), mark), max(one.st_mtime_ns for _, one in files), bool(self._told.marker))


def _mark(told: os.stat_result) -> tuple[int, int, int, int]:
    return told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino  # mtime can be set back, ctime cannot


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    """(plain name from the folder, path) of everything below that is no folder, in order. OSError."""

    def stop(error: OSError) -> None:
        raise error  # a set of which a part cannot be seen is not the set

    for place, below, files in os.walk(folder, onerror=stop):
        below.sort()
        for file in sorted(files):
            path = Path(place, file)
            yield "/".join(plain(step) for step in path.relative_to(folder).parts), path


__all__ = ["Look", "Watch"]
