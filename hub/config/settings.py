"""What hub.toml says, once it was read and checked: plain frozen values, the keys in a ring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hub.connect import Connection
from hub.seal import Keyring

DAY = 24 * 60
PLAIN = "canonical"
"""The adapter that writes the record itself: no mapping withholds anything."""


@dataclass(frozen=True)
class Hours:
    """When a target may be sent to, in minutes since midnight of the machine's own time zone; end is not in it.

    start later than end: over midnight.
    """

    start: int
    end: int

    def open(self, now: datetime) -> bool:
        """Whether a moment (local time) lies in the window."""
        minute = now.hour * 60 + now.minute
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def wait(self, now: datetime) -> float:
        """Seconds until the window opens; 0 while it is open."""
        if self.open(now):
            return 0.0
        gone = (now.hour * 60 + now.minute) * 60 + now.second + now.microsecond / 1e6
        return (self.start * 60 - gone) % (DAY * 60)

    def __str__(self) -> str:
        return f"{self.start // 60:02d}:{self.start % 60:02d}-{self.end // 60:02d}:{self.end % 60:02d}"


@dataclass(frozen=True)
class LinkSettings:
    """One link. adapter: its name, found. park: a bad value in any field parks the record.

    As source: poll: seconds between two looks for documents. As target: rate: most records a second, None: no bound;
    hours: when it may be sent to, None: always; at_once: most sends at the same time over all processes, None: as
    the connection says; attempts: sends of a message until it is parked; batch: most records in one parcel; edition: of
    the format to write, "" for the newest; head: what the adapter writes at the head of a document; strict: a record
    without a field that the format requires is parked.
    """

    name: str
    adapter: str
    connection: Connection
    overlays: tuple[Path, ...] = ()
    park: bool = False
    poll: float = 1.0
    rate: float | None = None
    hours: Hours | None = None
    at_once: int | None = None
    attempts: int = 8
    batch: int = 100
    edition: str = ""
    head: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False


@dataclass(frozen=True)
class Route:
    """Where the records of a source go."""

    source: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Limits:
    """When fetching stops. open: open messages of a target. disk: free bytes where the store lies."""

    open: int = 100_000
    disk: int = 1_000_000_000


@dataclass(frozen=True)
class Notify:
    """What runs once for each new cause: a program and its arguments; empty: nothing."""

    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """All of hub.toml. store, queue: urls with what the environment gave (so in no repr), queue also `local`.

    file: where it was read. processes: that `run` makes of itself, one or two. routes: one a source, in the order of
    the file, what several say of one source joined. notes: what is allowed and worth saying.
    """

    file: Path
    store: str = field(repr=False)
    queue: str = field(repr=False)
    ring: Keyring
    links: Mapping[str, LinkSettings]
    routes: tuple[Route, ...]
    limits: Limits = Limits()
    notify: Notify = Notify()
    processes: int = 1
    notes: tuple[str, ...] = ()

    @property
    def sources(self) -> list[str]:
        """The links that are fetched from, in the order of the routes."""
        return [route.source for route in self.routes]

    @property
    def targets(self) -> list[str]:
        """The links that are sent to, in the order they are first named."""
        return list(dict.fromkeys(target for route in self.routes for target in route.targets))


__all__ = ["DAY", "PLAIN", "Hours", "Limits", "LinkSettings", "Notify", "Route", "Settings"]
