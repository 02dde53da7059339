"""Adapters and connections that misbehave, as a council's own might; named in hub.toml by their dotted paths."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from adapters.canonical import adapter as plain
from hub.adapter import Theirs, Tree
from hub.connect import Arrival, Connection
from hub.errors import Unavailable
from hub.message import Answer, Parcel, Sent

DEADLY = "DEADLY"
"""A record whose first name this is takes the process down that writes it."""


def _write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    def watched() -> Iterator[Theirs]:
        for one in records:
            if any(name.get("given") == [DEADLY] or name.get("given") == DEADLY for name in _names(one.tree)):
                os._exit(9)
            yield one

    yield from plain.write(watched(), head)


def _names(tree: Any) -> list[Any]:
    return list((tree.get("person") or {}).get("names") or [])


adapter = replace(plain, name="tests.strangers", write=_write)


class Hanging:
    """A target that answers nothing for half a minute."""

    records, parcels, limit, at_once, keeps_aside, promise = 1, 1, 60.0, None, False, "none"

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def stage(self, parcel: Parcel) -> str:
        """Nothing is put aside."""
        return ""

    def send(self, parcels: Sequence[Parcel]) -> list[Answer]:
        """After half a minute it has them."""
        time.sleep(30)
        return [Sent() for _ in parcels]

    def discard(self, parcel: Parcel) -> None:
        """Nothing was put aside."""

    def close(self) -> None:
        """Nothing is open."""


class Clumsy(Hanging):
    """A target whose code fails with some messages, and says nothing of the last of those that it is given together."""

    parcels, limit = 10, 1.0
    taken: ClassVar[list[bytes]] = []

    def stage(self, parcel: Parcel) -> str:
        """Fails with one whose first name is DEADLY."""
        if DEADLY.encode() in parcel.data:
            raise ValueError(parcel.data)
        return ""

    def send(self, parcels: Sequence[Parcel]) -> list[Answer]:
        """It has them all."""
        self.taken += [parcel.data for parcel in parcels]
        return [Sent() for _ in parcels[1:]] or [Sent()]


class Locked:
    """A source that never lets us in."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def fetch(self) -> Iterator[Arrival]:
        """Refused."""
        raise Unavailable("the source does not let this user in: look at its password", whole=True)

    def settle(self, arrival: Arrival) -> None:
        """Never comes to it."""

    def pending(self) -> bool:
        """Nothing is known to be there."""
        return False

    def close(self) -> None:
        """Nothing is open."""
