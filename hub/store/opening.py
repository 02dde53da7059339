"""What must be true before a store is used: its place, its one runner, its tables' form, its naming key."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from hub.errors import DeclarationError
from hub.seal import Keyring
from hub.store.database import Database, Work
from hub.store.migrations import NEWEST, version_of
from hub.store.statements import Sql

_NETWORK = {"9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
PATIENCE, AGAIN = 3.0, 0.1
"""Seconds that the process of a `run` which was killed may take to end, and between two looks whether it has."""
_UPGRADE = "run 'ics-hub db upgrade'"

_NAMING = Sql("SELECT value FROM fact WHERE name = 'naming'")
_SET_NAMING = Sql("INSERT INTO fact (name, value) VALUES ('naming', :value) ON CONFLICT (name) DO NOTHING")


def admit(database: Database) -> None:
    """DeclarationError when a SQLite file is not there, or lies where its locks do not hold."""
    if not database.sqlite:
        return
    path = file_of(database)
    if not path.exists():
        raise DeclarationError(f"there is no store here yet: {_UPGRADE}", file=str(path))
    if file_system(path) in _NETWORK:
        reason = "SQLite does not hold on a network file system: keep it on a disk of this machine, or use PostgreSQL"
        raise DeclarationError(reason, file=str(path))


def file_of(database: Database) -> Path:
    """Where a SQLite store lies."""
    return Path(database.url.database)


def file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The kind of file system that a path is on, "" where that cannot be told."""
    try:
        lines = [line.split() for line in mounts.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return ""
    place = path.resolve()
    held = [(len(at), kind) for _, at, kind, *_ in lines if place.is_relative_to(at.replace("\\040", " "))]
    return max(held)[1] if held else ""


def lock_file(database: Database) -> IO[bytes]:
    """The lock that one `run` holds as long as it lives. DeclarationError when another has it."""
    path = file_of(database)
    lock = open(path.with_name(path.name + ".run"), "wb")  # noqa: SIM115 - held until the store is closed
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < until:
                time.sleep(AGAIN)
                continue
            lock.close()
            reason = "another 'ics-hub run' works on this store: SQLite takes one, PostgreSQL several"
            raise DeclarationError(reason, file=str(path)) from None
        break
    os.set_inheritable(lock.fileno(), False)
    return lock


def check(database: Database, ring: Keyring) -> None:
    """DeclarationError when the tables are not of today's form, or were filled under another naming key."""
    found = version_of(database)
    if found != NEWEST:
        said = (
            f"the store's tables are of version {found}, this hub wants {NEWEST}"
            if found
            else "the store has no tables"
        )
        raise DeclarationError(f"{said}: {_UPGRADE}")
    mark = ring.name("naming").hex()

    def mark_naming(work: Work) -> str:
        work.run(_SET_NAMING, value=mark)
        return str(work.value(_NAMING))

    kept = database.read(lambda work: work.value(_NAMING)) or database.write(mark_naming)
    if kept != mark:
        raise DeclarationError("the store was filled under another naming key: every id in it would be strange")
