"""What other mappings would make of every child's newest record: read anew and written for each target under both."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from hub.adapter import Token, Tree
from hub.errors import DeclarationError, RecordError
from hub.mapping import Mapping as Mapped
from hub.mapping.compare import differences
from hub.message import Cause, Message, Parcel
from hub.model import decode_all
from hub.pipeline.link import Link
from hub.pipeline.reading import Source, Unit, incoming, picked
from hub.pipeline.writing import write
from hub.seal import Keyring
from hub.store import Store
from hub.store.kept import Held

DIFFERS, REFUSED, READABLE, WITHHELD, SENT = "differs", "refused", "readable", "withheld", "sent"
EXTRAS = "extras"
HEAD = "@"
"""In place of a field: the facts of the document, such as its as-of date."""

Links = Mapping[str, Link]


class Difference(NamedTuple):
    """What would come out differently of one record at one target.

    what: differs, in `fields` (generic paths of theirs); refused now, for `cause`; readable, while it was refused for
    `cause`; withheld, nothing of it being left to send; sent, while nothing was left.
    """

    held: Held
    target: str
    what: str
    fields: tuple[str, ...] = ()
    cause: Cause | None = None


class _Read(NamedTuple):
    """A record under one of the mappings: its bytes, or why there are none."""

    body: bytes
    kind: str
    failed: Cause | None = None


class _Written(NamedTuple):
    """What would go to a target: a parcel, or the cause it is parked for, or nothing."""

    parcel: Parcel | None
    cause: Cause | None


class Differ:
    """Two sets of links, of the same names and routes, over the records of a store.

    looked: records so far; gone: those whose document cannot be read any more, so that only their writing is compared,
    or nothing when they had failed; refused: pairs of record and target that both mappings refuse.
    """

    def __init__(self, old: Links, new: Links, store: Store, ring: Keyring) -> None:
        self.old, self.new, self.store, self.ring = old, new, store, ring
        self.changed = {name for name in old if old[name] is not new[name]}
        self.looked = self.gone = self.refused = 0

    def run(self, progress: Callable[[int], None] | None = None) -> Iterator[Difference]:
        """Every difference, in the order of the documents. One record at a time is in memory."""
        for number, group in groupby(self.store.heads(self._sources()), key=lambda one: one.document):
            for held, before, after in self._read(number, {one.ordinal: one for one in group}):
                self.looked += 1
                if progress is not None:
                    progress(self.looked)
                yield from self._compare(held, before, after)

    def _sources(self) -> list[str]:
        """The links whose records may come out differently, as far as the store has any of them."""
        concerned = [one for one in self.old.values() if {one.name, *one.targets} & self.changed and one.targets]
        return [one.name for one in concerned if self._is_known(one.name)]

    def _is_known(self, name: str) -> bool:
        try:
            self.store.link_id(name)
        except DeclarationError:
            return False
        return True

    def _read(self, number: int, held: dict[int, Held]) -> Iterator[tuple[Held, _Read, _Read]]:
        """Each of a document's records under both mappings."""
        left = dict(held)
        name = next(iter(held.values())).source
        wanted = [ordinal for ordinal, one in held.items() if not one.edited]
        try:
            if wanted and name in self.changed:
                for ordinal, theirs in picked(self.old[name], self.store.document(number), wanted):
                    after = self._inward(self.new[name], number, ordinal, copy.deepcopy(theirs))
                    yield left.pop(ordinal), self._inward(self.old[name], number, ordinal, theirs), after
        except (RecordError, DeclarationError):
            self.gone += sum(not one.edited for one in left.values())
        for one in left.values():
            kept = self._kept(one)
            if kept is not None:
                yield one, kept, kept

    def _inward(self, link: Link, number: int, ordinal: int, theirs: Unit) -> _Read:
        made = incoming(Source(link, self.store.identity(link.name), self.ring), number, ordinal, theirs)
        return _Read(made.body, made.kind, made.failed)

    def _kept(self, one: Held) -> _Read | None:
        """A record as it is kept; None when it is no record of ours."""
        try:
            return None if one.failed else _Read(self.store.record(one.document, one.ordinal), one.kind)
        except DeclarationError:
            return None

    def _compare(self, held: Held, before: _Read, after: _Read) -> Iterator[Difference]:
        for target in self.old[held.source].targets:
            if target not in self.changed and before == after:
                self.refused += before.failed is not None
                continue
            a, b = self._write(self.old, held, target, before), self._write(self.new, held, target, after)
            if a.cause is not None and b.cause is not None:
                self.refused += 1
            elif b.cause is not None:
                yield Difference(held, target, REFUSED, cause=b.cause)
            elif a.cause is not None:
                yield Difference(held, target, READABLE, cause=a.cause)
            elif a.parcel is None or b.parcel is None:
                if a.parcel is not b.parcel:
                    yield Difference(held, target, WITHHELD if b.parcel is None else SENT)
            elif a.parcel.data != b.parcel.data:
                yield Difference(held, target, DIFFERS, self._fields(held, target, before, after))

    def _write(self, links: Links, held: Held, target: str, read: _Read) -> _Written:
        """A record as a worker would write it."""
        if read.failed is not None:
            return _Written(None, read.failed)
        bound = b"differ:%d:%d" % (held.document, held.ordinal)
        sealed = self.ring.seal(read.body, bound)
        message = Message(0, bytes(16), target, held.source, read.kind, bound, sealed)
        made = write(links[target], dict(links), self.ring, [message], "")
        if made.parcels:
            return _Written(made.parcels[0], None)
        (outcome,) = made.outcomes
        return _Written(None, outcome.cause if outcome.state == "parked" else None)

    def _fields(self, held: Held, target: str, before: _Read, after: _Read) -> tuple[str, ...]:
        """The paths in which the two trees of theirs differ."""
        sooner, later = self._trees(self.old, held, target, before), self._trees(self.new, held, target, after)
        # What only one system understands is not named: whatever stands there may be its names.
        found = {
            path.partition(f"{EXTRAS}.")[0] + EXTRAS if f"{EXTRAS}." in path else path
            for (a, unordered), (b, _) in zip(sooner, later, strict=False)
            for path in differences(a, b, unordered=unordered)
        }
        return tuple(sorted(found)) or (HEAD,)

    def _trees(self, links: Links, held: Held, target: str, read: _Read) -> list[tuple[Tree, bool]]:
        """A record, or those of a form, as trees of the target's, and whether the order of lists means nothing."""
        link, found = links[target], []
        for record in decode_all(read.body, Token):
            mapping = link.writer(links[held.source], read.kind, record)
            made = mapping.create(record, link.own, edition=link.edition(record), strict=link.strict)
            plain = isinstance(mapping, Mapped) and mapping.schema is not None and mapping.schema.unordered
            found.append((made.tree, plain))
        return found


__all__ = ["DIFFERS", "HEAD", "READABLE", "REFUSED", "SENT", "WITHHELD", "Differ", "Difference"]
