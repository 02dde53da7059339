"""The settings of a folder connection: `in`, `out` and how files are taken and given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.connect.port import Connection, Fault, Hook, Inlet, Outlet

_TEXTS = ("in", "out", "keep", "marker", "mode")
_KEYS = (*_TEXTS, "settle", "folders")
_INWARD = ("settle", "keep", "folders", "marker")


@dataclass(frozen=True)
class Folder:
    """inside, out: the folders; None: not that way. settle: seconds without a change until a file is whole.

    done: what was fetched is kept in `.done/`. folders: a sub-folder is a document. marker: the file that says that a
    sub-folder is whole. loose: a file that is no zip is a document. mode: of a file given.
    """

    inside: Path | None = None
    out: Path | None = None
    settle: float = 2.0
    done: bool = False
    folders: bool = False
    marker: str = ""
    loose: bool = True
    mode: int = 0o640


def read(connection: Connection) -> Folder:
    """The settings of a connection without faults."""
    told = connection.settings
    folders = told.get("folders", connection.tables)
    return Folder(
        inside=_at(connection, "in"),
        out=_at(connection, "out"),
        settle=float(told.get("settle", 2.0)),
        done=told.get("keep") == "done",
        folders=folders,
        marker=told.get("marker", ""),
        loose=not connection.tables,
        mode=int(told.get("mode", "640"), 8),
    )


def _at(connection: Connection, key: str) -> Path | None:
    asked = connection.settings.get(key)
    return connection.home / asked if asked else None


def faults(connection: Connection) -> list[Fault]:
    """Everything that is wrong with the settings."""
    told = connection.settings
    found = [Fault.unknown(key, _KEYS) for key in told if key not in _KEYS]
    found += [Fault(key, "this must be text") for key in _TEXTS if not isinstance(told.get(key, ""), str)]
    return found or list(_wrong(connection, told))


def _wrong(connection: Connection, told: Any) -> Iterator[Fault]:
    """The faults of settings whose texts are texts."""
    if "in" not in told and "out" not in told:
        yield Fault("", "a folder connection names a folder to fetch from, 'in', or one to send to, 'out'")
    for key in ("in", "out"):
        if key in told:
            place = connection.home / told[key]
            if not told[key].strip() or "\0" in told[key]:
                yield Fault(key, "this must name a folder")
            elif os.path.lexists(place) and not place.is_dir():
                yield Fault(key, "this is not a folder")
    held = occupies(connection)
    inside = len(held) == 2 and Path(held["in"]) in Path(held["out"]).parents
    if inside and told.get("folders", connection.tables) is True:
        yield Fault("out", "this lies in the folder 'in', whose sub-folders are taken as documents")
    settle = told.get("settle", 2)
    if isinstance(settle, bool) or not isinstance(settle, int | float) or not 0 <= settle <= 86_400:
        yield Fault("settle", "this must be seconds: a number from 0 to 86400")
    if told.get("keep", "delete") not in ("delete", "done"):
        yield Fault("keep", "this must be 'delete' or 'done'")
    if not isinstance(told.get("folders", False), bool):
        yield Fault("folders", "this must be true or false")
    marker = told.get("marker", "x")
    if not marker or "/" in marker or marker.startswith("."):
        yield Fault("marker", "this must be the name of a file, without a path or a dot before it")
    elif "marker" in told and not told.get("folders", connection.tables):
        yield Fault("marker", "a marker says that a sub-folder is whole, and here are no sub-folders: 'folders = true'")
    if not re.fullmatch("0?[0-7]{3}", told.get("mode", "640")) or not int(told.get("mode", "640"), 8) & 0o200:
        yield Fault("mode", 'this must be a file\'s mode in octal that its owner may write, as "640"')
    lost = [key for key in _INWARD if key in told and "in" not in told]
    yield from (Fault(key, "this is about fetching, and there is no folder 'in'") for key in lost)
    if "mode" in told and "out" not in told:
        yield Fault("mode", "this is about sending, and there is no folder 'out'")


def occupies(connection: Connection) -> dict[str, str]:
    """The folders, as the system itself spells them. Two links in one would take or tidy each other's files."""
    keys = [key for key in ("in", "out") if isinstance(connection.settings.get(key), str)]
    return {key: os.path.realpath(connection.home / connection.settings[key]) for key in keys}


def notes(connection: Connection) -> list[str]:
    """What is allowed and worth saying."""
    return []


def open_inlet(connection: Connection, hook: Hook) -> Inlet:
    """Its inlet."""
    from hub.connect.incoming import FolderInlet  # which reads these settings

    return FolderInlet(connection, hook)


def open_outlet(connection: Connection, hook: Hook) -> Outlet:
    """Its outlet."""
    from hub.connect.outgoing import FolderOutlet

    return FolderOutlet(connection, hook)


__all__ = ["Folder", "faults", "notes", "occupies", "open_inlet", "open_outlet", "read"]
