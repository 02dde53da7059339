"""The messages that have come and are not answered yet, in the order they came: given, then settled."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Iterator
from time import monotonic
from typing import Any, Generic, TypeVar

from hub.connect.port import Arrival

GATHER = 0.003
"""Seconds that those who were answered together are waited for, as they most likely send again at once: what is kept
together costs the store hardly more than one alone."""
S = TypeVar("S", bound=Hashable)


class Waiting(Generic[S]):
    """One message whose sender waits for an answer. about: what the answer needs."""

    __slots__ = ("about", "arrival", "sender")

    def __init__(self, arrival: Arrival, sender: S, about: Any) -> None:
        self.arrival, self.sender, self.about = arrival, sender, about


class Line(Generic[S]):
    """The line of one inlet: senders' messages are put, the flow is given them and settles. Used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[int, Waiting[S]] = {}
        self._given: dict[int, Waiting[S]] = {}
        self._answered: set[S] = set()
        self._until = 0.0
        self._open = True

    def put(self, one: Waiting[S]) -> bool:
        """Have a message kept; False when the line is closed."""
        with self._lock:
            if self._open:
                self._new[id(one.arrival)] = one
                self._answered.discard(one.sender)
            return self._open

    def drop(self, one: Waiting[S], *, given: bool) -> bool:
        """Let a message go that waited too long, unless it was given or, with `given`, even then; whether it is gone
        without being settled."""
        with self._lock:
            found = self._new.pop(id(one.arrival), None)
            if given and found is None:
                found = self._given.pop(id(one.arrival), None)
            return found is not None

    def give(self, most: int, size: int) -> list[Arrival]:
        """As many as wait now, until they come to so many bytes; the first whatever its size."""
        with self._lock:
            return list(self._give(most, size))

    def take_back(self) -> None:
        """What was given and not settled is given again."""
        with self._lock:
            if self._given:
                self._new, self._given = self._given | self._new, {}

    def settle(self, arrivals: Iterable[Arrival]) -> list[Waiting[S]]:
        """The store has them: those whose senders are to be told."""
        with self._lock:
            found = []
            for arrival in arrivals:
                one = self._given.pop(id(arrival), None) or self._new.pop(id(arrival), None)
                if one is not None:
                    found.append(one)
            if len(found) + len(self._new) > 1:
                self._answered, self._until = {one.sender for one in found}, monotonic() + GATHER
            return found

    def waits(self) -> bool:
        """Whether a message waits to be given."""
        return bool(self._new)

    def lacks(self) -> float:
        """Seconds for which those who were answered together are still waited for; 0 when all are there again."""
        return max(self._until - monotonic(), 0.0) if self._answered else 0.0

    def shut(self) -> list[Waiting[S]]:
        """Nobody takes from it now: those whose senders are to be told so."""
        with self._lock:
            self._open = False
            found = [*self._given.values(), *self._new.values()]
            self._given, self._new = {}, {}
            self._answered.clear()
            return found

    def reopen(self) -> None:
        """It is taken from again."""
        with self._lock:
            self._open = True

    def _give(self, most: int, size: int) -> Iterator[Arrival]:
        """Those that were not given, in the order they came."""
        while self._new:
            key = next(iter(self._new))
            one = self._given[key] = self._new.pop(key)
            yield one.arrival
            most, size = most - 1, size - one.arrival.document.size
            if most <= 0 or size <= 0:
                return


__all__ = ["GATHER", "Line", "Waiting"]
