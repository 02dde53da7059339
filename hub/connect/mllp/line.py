"""The messages that have come and are not answered yet, in the order they came: given one by one, then settled."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from hub.connect.port import Arrival

KEEPING = 30.0
"""Seconds that a message which is being kept is waited for beyond its patience."""


class Waiting:
    """One message whose sender waits for an answer. given: it is being kept; settled: the store has it."""

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.given = self.settled = False
        self.told = threading.Event()


class Line:
    """The line of one inlet. Senders put and wait, each in its own thread; the flow takes and settles."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[int, Waiting] = {}
        self._open = True

    def put(self, arrival: Arrival, patience: float) -> bool:
        """Wait until the store has a message; False when nobody took it in time, or the line was closed."""
        mine = Waiting(arrival)
        with self._changed:
            if not self._open:
                return False
            self._waiting[id(arrival)] = mine
            self._changed.notify()
        told = mine.told.wait(patience)
        with self._changed:
            if not told and not mine.given:
                return self._waiting.pop(id(arrival)).settled
        mine.told.wait(KEEPING)
        with self._changed:
            del self._waiting[id(arrival)]
            return mine.settled

    def take(self, seconds: float) -> Arrival | None:
        """The first message that was not given, waited for; None when there is none."""
        with self._changed:
            self._changed.wait_for(self._is_one, seconds)
            return next(self._give(1, 0), None)

    def more(self, most: int, size: int) -> list[Arrival]:
        """As many more as wait now, until they come to so many bytes."""
        with self._changed:
            return list(self._give(most, size))

    def take_back(self) -> None:
        """What was given and not settled is given again."""
        with self._changed:
            for one in self._waiting.values():
                one.given = one.settled

    def settle(self, arrival: Arrival) -> None:
        """The store has it."""
        with self._changed:
            one = self._waiting.get(id(arrival))
            if one is not None:
                one.settled = True
                one.told.set()

    def waits(self) -> bool:
        """Whether a message waits to be given."""
        with self._changed:
            return self._is_one()

    def shut(self) -> None:
        """Nobody takes from it now: who waits is told so."""
        with self._changed:
            self._open = False
            for one in self._waiting.values():
                one.told.set()

    def reopen(self) -> None:
        """It is taken from again."""
        with self._changed:
            self._open = True

    def _is_one(self) -> bool:
        return any(not one.given for one in self._waiting.values())

    def _give(self, most: int, size: int) -> Iterator[Arrival]:
        """Those that were not given, in the order they came; the first whatever its size."""
        for one in self._waiting.values():
            if one.given:
                continue
            one.given = True
            yield one.arrival
            most, size = most - 1, size - one.arrival.document.size
            if most <= 0 or size <= 0:
                return


__all__ = ["KEEPING", "Line"]
