"""What a process of the tests need not do again, nor wait for so long: in it and in those that it forks.

Compiling all mappings that are shipped takes one to two seconds, and nearly every command compiles some. Here only what
is not the same to the last byte as before is compiled: the declaration with the names of its files, its code tables,
the schema, the edition. And a hub looks more often whether there is nothing left to do, whether somebody asked for a
replay and whether a mapping file changed. A hub that a test starts as a program does all this as it does at a council.
"""

from __future__ import annotations

import pickle
from typing import Any

from hub import pipeline
from hub.adapter import shipped
from hub.mapping import Mapping, load
from hub.pipeline.reload import Reloader
from hub.pipeline.replay import Replayer

LOOK = 0.2
"""Seconds between two looks of a hub, where it has half a second or one."""
_MADE: dict[tuple[bytes, int, str], Any] = {}
"""By what is declared, whose schema (its plan holds it, so that no other has its id) and edition."""


def make() -> None:
    """From now on. May be called twice."""
    Mapping.plan = _plan  # type: ignore[method-assign]
    pipeline.IDLE = LOOK / 2
    Replayer.every = Reloader.every = LOOK


def prepare() -> None:
    """The same, and what is shipped is compiled at once: for a process that forks others."""
    make()
    for mapping in [one for name in shipped() for one in load(name).values() if isinstance(one, Mapping)]:
        for edition in mapping.adapter.editions:
            mapping.plan(edition)


def _plan(self: Mapping, edition: str = "", *, compiled: Any = Mapping.plan) -> Any:
    edition = edition if edition in self.adapter.editions else self.edition
    if edition not in self._plans:
        key = pickle.dumps((self.declaration, self.tables)), id(self.schema), edition
        if key not in _MADE:
            _MADE[key] = compiled(self, edition)
        self._plans[edition] = _MADE[key]
    return self._plans[edition]


__all__ = ["make", "prepare"]
