"""What targets took and later could not deliver: asked for now and then, noted in the store, then confirmed.

Several links may share the place where it is told (a mailbox of MESH), and so may another program: each notes what is
of any of them, and leaves there what is of none.
"""

from __future__ import annotations

from typing import Any, cast

import structlog

from hub.connect.port import Returned
from hub.message import Cause
from hub.pipeline.link import Link
from hub.pipeline.worker import Flow

log = structlog.get_logger("hub.returns")


class Returner:
    """Asks one target. Every process may: what is noted twice is noted once."""

    every = 30.0

    def __init__(self, flow: Flow, link: Link) -> None:
        self.flow, self.link = flow, link
        self.name = f"returns {link.name}"
        self._strange: set[str] = set()

    @property
    def asks(self) -> bool:
        """Whether the target says later what it could not deliver."""
        return hasattr(self.link.outlet, "returned")

    def step(self) -> bool:
        """Note all that came back. Unavailable: the target cannot be asked now."""
        outlet, found = cast(Any, self.link.outlet), False
        for one in outlet.returned():
            target, numbers = self._noted(one)
            if numbers:
                outlet.confirm(one)
                log.error("came back undelivered", target=target, messages=numbers)
                found = True
            elif one.name not in self._strange:
                self._strange.add(one.name)
                log.warning(
                    "a report of what this hub does not know as sent is left there",
                    target=self.link.name,
                    report=one.name,
                )
        return found

    def _noted(self, one: Returned) -> tuple[str, list[int]]:
        """The target whose messages came back, and their numbers, now that the store has noted it; none if unknown."""
        others = [link.name for link in self.flow.links.values() if hasattr(link.outlet, "returned")]
        for name in sorted(others, key=lambda other: other != self.link.name):
            cause = Cause("send", one.reason, target=name, answer="undelivered")
            if numbers := self.flow.store.came_back(name, one.key, cause):
                return name, numbers
        return "", []


__all__ = ["Returner"]
