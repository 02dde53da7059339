"""What goes into the store and comes out of it, and its two errors of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from hub.errors import HubError
from hub.message import Cause, Message, Parcel, Told

LEASE = 30.0
"""Seconds a worker lives after it enlisted or renewed, by the database's clock."""
LONE_CRASHES = 3
"""Times in a row that a message may take its worker down while it was claimed alone; then it is parked."""
OPEN = ("ready", "sending", "waiting", "parked")
CLOSED = ("sent", "withheld", "superseded", "set aside")


class StoreDown(HubError):
    """The database cannot be used now (down, full, refuses us). Nothing is known to be committed: ask again later."""


class LeaseLost(HubError):
    """This worker does not read that source now, or the document was read further by another."""


class Bears(NamedTuple):
    """What a record says of who its child is. child: the child's key; names: of the number by which sources meet, none
    or one; several: it has more than one, and is to meet nobody; shielded: as it says, None where it says nothing."""

    child: bytes
    names: tuple[bytes, ...]
    several: bool
    shielded: bool | None


class Incoming(msgspec.Struct, frozen=True):
    """One record of a document, as T2 keeps it.

    child: 16 bytes, its child key; places: keys of its identifiers besides (16 bytes each). carries: state, change or
    event. digest: of the content, named before it is kept. body: the record as `hub.model.encode` gives it, or theirs
    when `failed` says why it could not be read; plain, sealed by the store. targets: who is owed it. merge: the
    child key that this record says is superseded by `child`. members: the keys of the children of a form, whose own
    key `child` then is. bears: who its children are. findings: what went well enough, for the
    list of causes.
    """

    ordinal: int
    child: bytes
    kind: str
    body: bytes
    digest: str
    targets: tuple[str, ...]
    places: tuple[bytes, ...] = ()
    carries: str = "state"
    removal: bool = False
    failed: Cause | None = None
    findings: tuple[Cause, ...] = ()
    merge: bytes | None = None
    members: tuple[bytes, ...] = ()
    bears: tuple[Bears, ...] = ()

    def __repr__(self) -> str:
        return f"Incoming({self.ordinal}, {self.kind!r})"


class Kept(msgspec.Struct, frozen=True):
    """T1's answer. new: False when the same document was kept before; its number then is the old one."""

    document: int
    new: bool


class Unread(msgspec.Struct, frozen=True):
    """A document with records left to take. position: the ordinal that comes next, from 0."""

    document: int
    position: int
    name: str

    def __repr__(self) -> str:
        return f"Unread({self.document}, {self.position})"


class Taken(msgspec.Struct, frozen=True):
    """T2's answer. messages: those first in line, to be published now. new, unchanged: records. position: the next."""

    messages: list[Message]
    new: int
    unchanged: int
    position: int


class Claim(msgspec.Struct, frozen=True):
    """A message that this worker owns now. attempts: counted ones before this; crashes: since the last answer.

    bound: what its record's seal must be bound to, whatever a queue says. child: the number of its child's key;
    carries: state, change or event. parcel: its bytes, if they were kept before
    (the same must be sent again); shared by all the messages in it.
    """

    number: int
    id: bytes
    source: str
    kind: str
    attempts: int
    crashes: int
    generation: int
    bound: bytes
    child: int
    carries: str
    parcel: Parcel | None = None


class Claimed(msgspec.Struct, frozen=True):
    """T3's answer. crashed: hints to be claimed one by one with `alone=True`. probe: this is the one try of a paused
    target; paused: the target takes nothing now, or another has the one try."""

    claims: list[Claim]
    crashed: list[int] = []
    probe: bool = False
    paused: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of a message: sent, withheld, waiting, parked, or ready (given back).

    due: seconds from now, when waiting. may_arrived: the target may have it all the same. counted: as an attempt.
    receipt: what proves that it was sent. told: what the target knows with it. last: given back, it is published after
    others. piece: as what it goes again, alone, when its parcel was taken apart. Else all messages of one parcel should
    end alike.
    """

    number: int
    state: str
    cause: Cause | None = None
    due: float | None = None
    may_arrived: bool = False
    counted: bool = True
    receipt: str = ""
    told: Sequence[Told] = ()
    last: bool = False
    piece: Parcel | None = None


class Swept(msgspec.Struct, frozen=True):
    """T6's counts of messages: due ones made ready, those of dead workers made ready, of these parked; and workers."""

    due: int
    dead: int
    parked: int
    workers: int


class CauseRow(msgspec.Struct, frozen=True):
    """One line of `failures`. count, children: open messages parked or waiting for it, and their child keys.

    held: messages behind them. states: count by state. findings: records that went on all the same. documents: that
    could not be read (further). first, last: seconds since 1970. hour, day: of messages, findings and documents, how
    many came in the last hour and day.
    """

    id: int
    cause: Cause
    count: int
    children: int
    held: int
    first: float
    last: float
    hour: int
    day: int
    states: Mapping[str, int]
    findings: int
    documents: int


class CutRow(msgspec.Struct, frozen=True):
    """A document that could not be read to its end. kept: seconds since 1970. position: of the fault, which is how many
    records were read before it."""

    number: int
    source: str
    kept: float
    position: int


class Attempt(msgspec.Struct, frozen=True):
    """One time a message was with a worker. outcome: a state, or `crash`. Times: seconds since 1970."""

    tried: int
    worker: str
    started: float
    ended: float
    outcome: str
    cause: Cause | None


class Trace(msgspec.Struct, frozen=True):
    """All that is known of one message. What may hold values of a record is opened only when asked for. child: the name
    of its child's key, 16 bytes."""

    number: int
    id: bytes
    child: bytes
    source: str
    target: str
    kind: str
    state: str
    document: int
    ordinal: int
    version: int
    carries: str
    removal: bool
    generation: int
    revision: int
    attempts: int
    crashes: int
    created: float
    changed: float
    due: float | None
    may_arrived: bool
    receipt: str
    cause: Cause | None
    superseded_by: int | None
    behind: list[int]
    history: list[Attempt]
    parcel: int | None
    document_kept: float
    findings: list[Cause]


class TargetStatus(msgspec.Struct, frozen=True):
    """states: open messages by state; held: those not first in line. oldest: age in seconds, None without any."""

    name: str
    states: Mapping[str, int]
    held: int
    oldest: float | None
    paused: float
    cause: Cause | None
    generation: int

    @property
    def open(self) -> int:
        """Open messages."""
        return sum(self.states.values())


class SourceStatus(msgspec.Struct, frozen=True):
    """unread: documents; failed: documents that could not be read to the end; unchanged: records equal to the last."""

    name: str
    unread: int
    failed: int
    unchanged: int
    reader: int | None


class WorkerStatus(msgspec.Struct, frozen=True):
    """left: seconds of its lease; below zero: over, and not yet given up. mapping: the set it goes by; "": none, it
    waits until its mapping files are those in force, or can be loaded."""

    id: int
    host: str
    pid: int
    left: float
    mapping: str = ""


class Status(msgspec.Struct, frozen=True):
    """What `ics-hub status` shows. audit: digest of the last entry, "" without any."""

    targets: list[TargetStatus]
    sources: list[SourceStatus]
    workers: list[WorkerStatus]
    mapping_set: str
    audit: str
    now: float


class Purged(msgspec.Struct, frozen=True):
    """What a purge took, or would take. overdue: open messages past that age, which are never taken."""

    messages: int
    records: int
    documents: int
    overdue: int
