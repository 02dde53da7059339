"""What persons asked to be sent again, let go at the pace they asked for; then it is carried like everything else.

due -> what could not be read is read again under today's mapping -> release (T7) -> publish
"""

from __future__ import annotations

from time import monotonic

from hub.pipeline.again import Again
from hub.pipeline.worker import Flow

REST = 60.0
"""Seconds that a document stays open which the next items of a run may need."""


class Replayer:
    """The replays of a store, as far as this process does them. `step` is called again and again; it may be killed
    anywhere."""

    every = 1.0

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self._again = Again(flow.links, flow.store, flow.ring)
        self._used = 0.0

    def step(self) -> bool:
        """Note what became of what was let go, then let go what is due."""
        self.flow.store.settle()
        with self.flow.gate.through() as worker:
            while worker and not self.flow.breaking and self._let_go(worker):
                self._used = monotonic()
        if monotonic() - self._used > REST:
            self._again.close()
        return False

    def _let_go(self, worker: int) -> bool:
        flow = self.flow
        due = flow.store.due(worker, flow.mapping)
        if due is None:
            return False
        flow.publish(flow.store.release(worker, due, self._again.due(due)))
        return True


__all__ = ["Replayer"]
