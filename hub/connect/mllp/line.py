"""The messages that have come and are not answered yet, in the order they came: given one by one, then settled."""

from __future__ import annotations

import threading
from time import monotonic

from hub.connect.port import Arrival

KEEPING = 30.0
"""Seconds that a message which is being kept is waited for beyond its patience."""


class Waiting:
    """One message whose sender waits for an answer. given: it is being kept; settled: the store has it."""

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.given = self.settled = self.gone = False


class Line:
    """The line of one inlet. Senders put and wait, each in its own thread; the flow takes and settles."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Waiting] = []
        self._open = True

    def put(self, arrival: Arrival, patience: float) -> bool:
        """Wait until the store has a message; False when nobody took it in time, or the line was closed."""
        mine = Waiting(arrival)
        with self._changed:
            self._waiting.append(mine)
            self._changed.notify_all()
            end = monotonic() + patience
            while not mine.settled and self._open:
                left = end + (KEEPING if mine.given else 0.0) - monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            mine.gone = True
            self._waiting.remove(mine)
            return mine.settled

    def take(self, seconds: float) -> Arrival | None:
        """The first message that was not given, waited for; None when there is none."""
        end = monotonic() + seconds
        with self._changed:
            while True:
                for one in self._waiting:
                    if not one.given:
                        one.given = True
                        return one.arrival
                left = end - monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def take_back(self) -> None:
        """What was given and not settled is given again."""
        with self._changed:
            for one in self._waiting:
                one.given = one.settled
            self._changed.notify_all()

    def settle(self, arrival: Arrival) -> None:
        """The store has it."""
        with self._changed:
            for one in self._waiting:
                if one.arrival is arrival:
                    one.settled = True
            self._changed.notify_all()

    def waits(self) -> bool:
        """Whether a message waits to be given."""
        with self._changed:
            return any(not one.given for one in self._waiting)

    def shut(self) -> None:
        """Nobody takes from it now: who waits is told so."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def reopen(self) -> None:
        """It is taken from again."""
        with self._changed:
            self._open = True


__all__ = ["KEEPING", "Line"]
