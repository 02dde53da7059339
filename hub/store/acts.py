"""What a person's acts are told in: choices, messages as they stand in line, replays and their items."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hub.message import Cause

HUB = "the hub"
"""Who asked for what the hub does of itself, in runs and in the audit."""
ANY = ""
"""The mapping set of a run that is bound to none."""


class Choice(msgspec.Struct, frozen=True):
    """Which messages a person means; what is empty does not narrow. since, until: when they were kept (seconds since
    1970). run: what a replay still has to let go."""

    cause: int | None = None
    target: str = ""
    source: str = ""
    numbers: tuple[int, ...] = ()
    since: float | None = None
    until: float | None = None
    run: int | None = None


class Standing(msgspec.Struct, frozen=True):
    """A message in line, with what says whether it can go. keys: its places. ahead: open messages that it is behind.

    failed: its record could not be read. whole: a full state. parcel: bytes were kept. run: an open replay that has it.
    """

    number: int
    source: str
    target: str
    document: int
    ordinal: int
    kind: str
    child: int
    state: str
    keys: frozenset[int]
    ahead: tuple[int, ...]
    cause: Cause | None
    failed: bool
    whole: bool
    parcel: bool
    arrived: bool
    run: int | None


class Chosen(msgspec.Struct, frozen=True):
    """items: parked or waiting ones of the choice, in line order. others: all else that it matches, counted by why it
    does not go (`sent`, `withheld`, `superseded`, `set aside`, `on its way`, `in run 7`)."""

    items: list[int]
    others: Mapping[str, int]


class Newest(msgspec.Struct, frozen=True):
    """A child's newest record, as `--latest` would send it. why: it cannot go, "" if it can."""

    key: int
    document: int
    ordinal: int
    source: str
    kind: str
    why: str = ""


class Run(msgspec.Struct, frozen=True):
    """A replay. state: canary (one was let go, its outcome is awaited), proven (it arrived: the rest waits for a
    person), running, paused, done, cancelled. items: by state: frozen, released, sent, withheld, superseded, set aside,
    parked (again), skipped, cancelled. note: why it stands still. canary: its item's n. target: of `--latest`, else "".
    mapping: the digest of the set that it is bound to, "" for any.
    """

    id: int
    asked: str
    who: str
    why: str
    mapping: str
    state: str
    note: str
    rate: float | None
    canary: int | None
    target: str
    created: float
    ended: float | None
    items: Mapping[str, int]

    def goes_by(self, mapping: str) -> bool:
        """Whether it goes on while that set is in force."""
        return self.mapping in (ANY, mapping)


class RunItem(msgspec.Struct, frozen=True):
    """One message of a replay, or of `--latest` one child (number: once there is a message). before: why it was parked.
    note: why it was skipped."""

    n: int
    number: int | None
    key: int | None
    state: str
    before: Cause | None
    note: str


class Due(msgspec.Struct, frozen=True):
    """What a worker is to let go of a run now: items, by n, in order. failed: (document, ordinal) of records that must
    be read again first, under today's mapping. kept: those of `--latest`. sources: the link of each of their documents.
    """

    run: int
    items: list[int]
    failed: list[tuple[int, int]]
    kept: list[Newest]
    sources: Mapping[int, str]


class Acted(msgspec.Struct, frozen=True):
    """What a person's act did: numbers; those it could not be done to, and why."""

    done: list[int]
    refused: Mapping[int, str]
