"""Who carries messages passes the gate; who loads the mappings anew shuts it, and waits until nobody is inside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Shut at first. It is opened for one worker: what is carried under another number was not agreed on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._worker = self._inside = 0

    @property
    def worker(self) -> int:
        """For whom it is open, 0 while it is shut."""
        return self._worker

    @contextmanager
    def through(self) -> Iterator[int]:
        """Be inside for a while, as the worker that it is open for; 0: it is shut, and nothing may be carried."""
        with self._changed:
            worker = self._worker
            self._inside += worker > 0
        try:
            yield worker
        finally:
            with self._changed:
                self._inside -= worker > 0
                self._changed.notify_all()

    def open(self, worker: int) -> None:
        """Let in whoever carries."""
        with self._changed:
            self._worker = worker

    def shut(self) -> None:
        """Let nobody in; those inside end what they have in hand."""
        with self._changed:
            self._worker = 0

    def empty(self, seconds: float) -> bool:
        """Wait until nobody is inside; False when somebody still is after so long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._inside, seconds)


__all__ = ["Gate"]
