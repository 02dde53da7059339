"""A link as the flow uses it: adapter, mappings and connection of one system, loaded and ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hub.adapter import Adapter, Theirs, Tree
from hub.errors import RecordError
from hub.mapping import AnyMapping, writer
from hub.mapping.declare import roots
from hub.model import ChildRecord

if TYPE_CHECKING:
    from hub.connect import Inlet, Outlet


class Window(Protocol):
    """When a target may be sent to."""

    def open(self, now: datetime) -> bool:
        """Whether a moment, in local time, lies in it."""
        ...


@dataclass(frozen=True)
class Link:
    """One system. mappings: by the kind they read; the same dict gets others when the files changed. inlet: where its
    documents come from; outlet: where its records go; targets: who is owed its records.

    park: a bad value parks the record. strict: so does a field that the format requires and that cannot be filled.
    records: most in one parcel. batch: most messages claimed at once. attempts: after which a message is parked. poll:
    seconds between two looks for documents. rate: records a second of this process, None for no limit. hours: when it
    may be sent to. at_once: connections over all processes. writes: the edition to write, "" for the newest; head: what
    the adapter's head is to say besides. identity: the name that a store first knew it by, "" without one.
    """

    name: str
    adapter: Adapter
    mappings: dict[str, AnyMapping]
    inlet: Inlet | None = None
    outlet: Outlet | None = None
    targets: tuple[str, ...] = ()
    park: bool = False
    strict: bool = False
    records: int = 1
    batch: int = 100
    attempts: int = 8
    poll: float = 1.0
    rate: float | None = None
    hours: Window | None = None
    at_once: int | None = None
    overlays: tuple[Path, ...] = field(default=(), repr=False)
    writes: str = ""
    head: Tree = field(default_factory=dict, repr=False)
    identity: str = ""

    @property
    def own(self) -> str:
        """What it is called in records and to other systems: a new name would make every child and item another one."""
        return self.identity or self.name

    def is_hour(self) -> bool:
        """Whether it may be sent to at this hour."""
        return self.hours is None or self.hours.open(datetime.now())

    def reader(self, theirs: Theirs) -> AnyMapping:
        """The mapping that reads a record of theirs; RecordError when there is none."""
        found = self.mappings.get(theirs.kind)
        if found is None:
            raise RecordError("no mapping reads this kind of record", place=theirs.place)
        return found

    def writer(self, source: Link | None, kind: str, record: ChildRecord | None = None) -> AnyMapping:
        """The mapping that writes a record for this system: of the same kind if both speak one format."""
        same = source is not None and source.adapter is self.adapter
        return writer(self.mappings, record or ChildRecord(), kind if same else "")

    def edition(self, record: ChildRecord) -> str:
        """The edition to write: the one asked for, or the record's own if it came from here, else the newest."""
        if self.writes:
            return self.writes
        source = record.source
        own = source.edition if source and source.link == self.own else ""
        return own if isinstance(own, str) and own else self.adapter.editions[-1]


class Overlaid(Protocol):
    """A link, or what hub.toml says of it."""

    @property
    def overlays(self) -> tuple[Path, ...]:
        """Folders with mappings of its own."""
        ...


def mapping_files(links: Iterable[Overlaid]) -> Iterator[tuple[Path, Path]]:
    """Every file that says what fields mean for these links, each with the folder it was found from, in order."""
    for root in sorted({root for link in links for root in roots(link.overlays)}):
        for file in sorted(path for path in root.rglob("*") if path.suffix in (".toml", ".csv")):
            yield root, file


def mapping_digest(links: Iterable[Overlaid]) -> str:
    """A digest of all these files: equal in processes that would map alike."""
    made = blake2b(digest_size=16)
    for root, file in mapping_files(links):
        made.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return made.hexdigest()


__all__ = ["Link", "Overlaid", "mapping_digest", "mapping_files"]
