"""Checks of what lies on this machine's disks: the folders of links, and the room for the store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from hub.config import LinkSettings, Settings
from hub.connect import occupies, open_inlet, open_outlet
from hub.connect.files import network
from hub.doctor.result import Result, fail, ok, warn
from hub.errors import HubError

MOUNTS = Path("/proc/self/mountinfo")
_ASIDE = {"in": (".taken", ".done"), "out": (".hub",)}


def disk(settings: Settings) -> Result:
    """The room where a SQLite store lies, against the limit at which fetching stops."""
    if not settings.store.startswith("sqlite"):
        return ok("disk", "the database server's disk is watched there, not from here")
    place = Path(settings.store.partition(":///")[2]).parent
    free, limit = shutil.disk_usage(place).free, settings.limits.disk
    said = f"{free / 1e9:,.1f} GB free where the store is; fetching stops below {limit / 1e9:,.1f} GB"
    if free < limit:
        return fail("disk", said, "free some space, or lower 'disk' in [limits]; 'ics-hub purge' removes what is old")
    if free < 2 * limit:
        return warn("disk", said, "free some space before fetching stops; 'ics-hub purge' removes what is old")
    return ok("disk", said)


def user() -> Result:
    """Root may do what the hub's own user may not."""
    if os.geteuid() == 0:
        todo = "run the doctor as the user that the hub runs as"
        return warn("user", "this is root, for whom every folder can be written", todo)
    return ok("user", "not root")


def folders(link: LinkSettings, used: tuple[str, ...] = ("in", "out"), mounts: Path = MOUNTS) -> Iterator[Result]:
    """The folders of a link. used: those that a route needs. mounts: where the kernel tells them.

    Nothing is made: a folder made by whoever calls the doctor would not be the hub's.
    """
    told = occupies(link.connection) if link.connection.kind == "folder" else {}
    if not told:
        yield _other(link, used)
    for key, path in told.items():
        if key in used:
            yield _folder(f"link {link.name}", key, Path(path), mounts)


def _folder(check: str, key: str, place: Path, mounts: Path) -> Result:
    named = f"the folder '{key}', {place},"
    if not place.is_dir():
        return fail(check, f"{named} is not there", "make it, or mount its disk; the hub never makes it itself")
    for folder in (place, *(place / name for name in _ASIDE[key] if (place / name).exists())):
        if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            which = named if folder == place else f"'{folder.name}' in {named}"
            return fail(check, f"{which} cannot be read and written", "give the hub's user the right to")
        if folder.stat().st_dev != place.stat().st_dev:
            todo = "remove the link or mount: files are moved there by a rename, which cannot cross file systems"
            return fail(check, f"'{folder.name}' in {named} is on another file system", todo)
    kind = network(place, mounts)
    if kind:
        promise = "a document may be taken twice" if key == "in" else "a file may arrive twice (at least once)"
        return warn(check, f"{named} is on a network file system ({kind}): {promise}", "use a local folder if you can")
    return ok(check, f"{named} can be read and written")


def _other(link: LinkSettings, used: tuple[str, ...]) -> Result:
    """Any other connection: what it says of itself."""
    check = f"link {link.name}"
    try:
        for key, opening in (("in", open_inlet), ("out", open_outlet)):
            if key in used:
                end = opening(link.connection)
                try:
                    end.ready()
                finally:
                    end.close()
    except HubError as error:
        return fail(check, str(error), "mend the connection; the hub goes on by itself then")
    except Exception as error:  # code of a council's own may raise anything
        return fail(check, f"{link.connection.kind} fails with {type(error).__name__}", "ask who wrote it")
    return ok(check, f"its connection ({link.connection.kind}) is ready")


__all__ = ["disk", "folders", "user"]
