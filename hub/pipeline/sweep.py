"""What keeps the flow going whatever was lost: the lease renewed, what is due or was left swept, published again."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import structlog

from hub.pipeline.link import Link
from hub.pipeline.worker import Flow

log = structlog.get_logger("hub.sweep")

FRESH = 3.0
"""Seconds after which a message that nobody claimed is published again, while its queue is nearly empty."""
LATE = 60.0
"""The same while its queue is long: it is most likely still in there."""
SOME = 100
"""Messages of one target published again in one sweep while its queue is long."""
GRACE = 1 / 3
"""The part of a lease for which a worker whose lease looks over at first sight is waited for: one that lives renews it
twice in that time."""
TIDY = 300.0
"""Seconds between two looks for bytes put aside that nobody will send."""


class Sweeper:
    """The sweep of one process. notify: called with each new cause, by one process."""

    every = 1.0

    def __init__(self, flow: Flow, targets: list[Link], notify: Callable[[dict[str, str]], None] | None) -> None:
        self.flow, self.targets, self.notify = flow, targets, notify
        self._tidied = monotonic()
        self._first = True

    def renew(self) -> bool:
        """Renew the lease, or become a new worker when it was lost."""
        flow = self.flow
        if not flow.worker.renew():
            log.warning("lease lost; going on as a new worker", worker=flow.worker.id)
            flow.gate.shut()  # until the store agrees that the new worker may carry
            flow.worker.enlist()
        return False

    def step(self) -> bool:
        """Sweep once."""
        flow = self.flow
        flow.store.sweep(flow.worker.id, flow.worker.lease * GRACE)
        for link in self.targets:
            self._publish(link)
        if self.notify is not None:
            for cause in flow.store.new_causes():
                self.notify(cause)
        if monotonic() - self._tidied > TIDY:
            self._tidied = monotonic()
            self._tidy()
        self._first = False
        return False

    def _publish(self, link: Link) -> None:
        """Publish again what is first in line and was not claimed: soon if the queue is empty, else late and paced."""
        depth = self.flow.queue.depth(link.name)
        if depth is None:
            return
        short = depth < link.batch
        older = (0.0 if self._first and depth == 0 else FRESH) if short else LATE
        limit = max(4 * link.batch - depth, SOME) if short else SOME
        self.flow.publish(self.flow.store.republish(link.name, limit, older))

    def _tidy(self) -> None:
        """Remove what died on its way: bytes put aside at a target before the store kept them."""
        for link in self.targets:
            if link.outlet is not None and link.outlet.keeps_aside:
                known = self.flow.store.tokens(link.name)
                removed = link.outlet.tidy(known.__contains__)
                if removed:
                    log.info("removed what was put aside and not kept", target=link.name, files=removed)


__all__ = ["Sweeper"]
