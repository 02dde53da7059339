"""The council's own mapping files of the source of events, which somebody changes while the hub runs."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.faults.sources import UNKNOWN

_MAPPING = 'extends = "contactpoint/child"\nversion = "{}-events"\ncarries = "event"\n'
_TABLE = "theirs,ours,way,since,until,note\n"
_ROWS = (f"{UNKNOWN},1,in,,,\n", f"{UNKNOWN},2,in,,,\n", "")
"""What the table says of the code that the shipped one lacks: the one, the other, nothing."""


def lay(home: Path) -> None:
    """The files at first: the code is not known."""
    (home / "events" / "contactpoint").mkdir(parents=True)
    (home / "events" / "codes" / "contactpoint").mkdir(parents=True)
    _write(_mapping(home), _MAPPING.format(1))
    _write(_table(home), _TABLE)


def change(home: Path, chance: random.Random) -> str:
    """One of the files says something else, or the same in other words; what."""
    if chance.random() < 0.3:
        _write(_mapping(home), _MAPPING.format(chance.randint(1, 9)))
        return "the mapping's version"
    row = chance.choice(_ROWS)
    _write(_table(home), _TABLE + row)
    return "the code is known" if row else "the code is not known"


def changed(home: Path) -> float:
    """When that was last, in seconds since 1970."""
    return max(path.stat().st_mtime for path in (_mapping(home), _table(home)))


def mend(home: Path) -> None:
    """The code is known from now on."""
    _write(_table(home), _TABLE + _ROWS[0])


def _mapping(home: Path) -> Path:
    return home / "events" / "contactpoint" / "events.toml"


def _table(home: Path) -> Path:
    return home / "events" / "codes" / "contactpoint" / "gender.csv"


def _write(path: Path, text: str) -> None:
    """Whole or not at all, whoever dies meanwhile."""
    part = path.with_suffix(".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
