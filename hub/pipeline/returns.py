"""What targets took and later could not deliver: asked for now and then, noted in the store, then confirmed."""

from __future__ import annotations

from typing import Any, cast

import structlog

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

    @property
    def asks(self) -> bool:
        """Whether the target says later what it could not deliver."""
        return hasattr(self.link.outlet, "returned")

    def step(self) -> bool:
        """Note all that came back. Unavailable: the target cannot be asked now."""
        outlet, name, found = cast(Any, self.link.outlet), self.link.name, False
        for one in outlet.returned():
            cause = Cause("send", one.reason, target=name, answer="undelivered")
            numbers = self.flow.store.came_back(name, one.key, cause)
            outlet.confirm(one)
            found = True
            if numbers:
                log.error("came back undelivered", target=name, messages=numbers)
            else:
                log.warning("a report of something that this hub did not send", target=name)
        return found


__all__ = ["Returner"]
