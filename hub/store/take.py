"""T2: a batch of records read from a document becomes records, messages and places in line, or is found unchanged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from hub.errors import DeclarationError
from hub.message import Cause, Message
from hub.seal import Keyring
from hub.store.bearing import Bearing
from hub.store.database import Database, Work
from hub.store.facts import Incoming, LeaseLost, Taken
from hub.store.line import firsts, free, new_numbers, record_bound
from hub.store.places import Addressed, Head, Where, behind, is_whole, places_of
from hub.store.statements import Rows, Sql

_READER = Sql("""SELECT d.id, d.position, d.unchanged FROM source s JOIN document d ON d.link = s.link
    WHERE s.link = :link AND s.reader = :worker AND d.id {in documents} AND NOT d.done {lock s}""")
# Missing keys are made in sorted order, then all are locked in sorted order, each in a statement of its own that sees
# what others committed meanwhile. Nobody who holds a lock of the second step waits in the first: no deadlock.
_MAKE_KEYS = {
    False: Sql("""INSERT INTO key (name) SELECT n FROM unnest(CAST(:names AS bytea[])) AS names(n)
        WHERE (SELECT count(*) FROM key k WHERE k.name = n) = 0 ORDER BY n ON CONFLICT (name) DO NOTHING
        RETURNING name, id"""),
    True: Sql("INSERT OR IGNORE INTO key (name) SELECT unhex(value) FROM json_each(:names) RETURNING name, id"),
}
KNOWN_KEYS = 50_000
"""Names of keys remembered in the process; a key is never removed."""
_KEYS = Sql("""SELECT k.name, k.id, k.version, k.content, k.alias FROM key k WHERE k.name {in names bytes}
    ORDER BY k.name {lock k}""")
_TARGETS = Sql("SELECT t.link, t.generation, t.paused FROM target t")
_RECORDS = Rows(
    "record", "document ordinal key version kind:text carries:text removal:bool failed:bool content:bytes sealed:bytes"
)
_MESSAGES = Rows(
    "message",
    "number id:bytes document ordinal key target generation revision whole:bool state:text cause",
    "source=:source, published={now}, created={now}, changed={now}",
)
_PLACES = Rows("place", "target key number")
_MEMBERS = Sql("""INSERT INTO member (form, child) SELECT :form, children.value FROM {each children} WHERE true
    ON CONFLICT (child, form) DO NOTHING""")
_HEADS = Rows("key", "id version content:bytes document ordinal", update=True)
_FINDINGS = Rows("finding", "document ordinal cause")
# What lies between an older state and the new one and is not a full state itself must find the older one in force.
_OLDER = Sql(
    """SELECT m.number, n.number FROM message n
    JOIN place p ON p.target = n.target AND p.key = n.key AND p.number < n.number
    JOIN message m ON m.number = p.number AND m.key = n.key
    WHERE n.number {in numbers} AND n.whole AND n.state = 'ready'
    AND m.whole AND (m.parcel IS NULL AND m.state IN ('ready', 'waiting') OR m.state = 'parked' AND NOT m.arrived)
    AND (SELECT count(*) FROM place a JOIN place b ON b.target = a.target AND b.key = a.key
        AND b.number > a.number AND b.number < n.number JOIN message x ON x.number = b.number
        WHERE a.number = m.number AND NOT x.whole) = 0
    {skip m}""",
    rare=True,
)
_SUPERSEDED = Rows(
    "message", "number superseded_by", "state='superseded', due=NULL, ended={now}, changed={now}", update=True
)
_POSITIONS = Rows("document", "id position done:bool unchanged cause", update=True)
_UNCHANGED = Sql("UPDATE source SET unchanged = unchanged + :unchanged WHERE link = :link")


class Batch(NamedTuple):
    """Records of a document from `position` on, in order. done: it has no more; stopped: why it could not be read to
    its end."""

    document: int
    position: int
    records: Sequence[Incoming]
    done: bool
    stopped: Cause | None = None

    @property
    def next(self) -> int:
        """The position after these."""
        return self.records[-1].ordinal + 1 if self.records else self.position

    def check(self) -> None:
        """ValueError when they are not in order."""
        if any(later.ordinal <= one.ordinal for one, later in pairwise(self.records)) or (
            self.records and self.records[0].ordinal < self.position
        ):
            raise ValueError("records are taken in their order, from the document's position on")


class Taking(Bearing):
    """Keeping records and putting their messages in line."""

    def __init__(self, database: Database, ring: Keyring) -> None:
        super().__init__(database, ring)
        self._keys: set[bytes] = set()

    def take(
        self,
        worker: int,
        link: str,
        document: int,
        position: int,
        batch: Sequence[Incoming],
        *,
        done: bool,
        stopped: Cause | None = None,
    ) -> Taken:
        """Keep a batch of one document's records; see `take_all`."""
        return self.take_all(worker, link, [Batch(document, position, batch, done, stopped)])

    def take_all(self, worker: int, link: str, batches: Sequence[Batch]) -> Taken:
        """Keep a batch of records of each of several documents of a link, in their order, all of it or nothing.

        LeaseLost when this worker is not the source's reader, or a document does not stand where its batch begins (ask
        `unread` where it stands).
        """
        for batch in batches:
            batch.check()
        every = [one for batch in batches for one in batch.records]
        stopped = [batch.stopped for batch in batches]
        causes = self.cause_ids([*stopped, *(c for one in every for c in (one.failed, *one.findings))])
        where = Where(self.link_id(link), self.identity(link))
        targets = {name: self.link_id(name) for one in every for name in one.targets}
        stand = {batch.document: batch.position for batch in batches}

        def act(work: Work) -> Taken:
            found = work.rows(_READER, link=where.link, worker=worker, documents=sorted(stand))
            if {row[0]: row[1] for row in found} != stand:
                raise LeaseLost("a document is read by another worker, or from another place")
            work.count = len(every)
            heads = self.lock_keys(work, every)
            unchanged = {row[0]: row[2] for row in found}
            kept: list[Addressed] = []
            positions = []
            for batch in batches:
                new = self._compared(batch, heads)
                kept += new
                same = unchanged[batch.document] + len(batch.records) - len(new)
                positions.append((batch.document, batch.next, batch.done, same, causes[batch.stopped]))
            work.many(_POSITIONS, positions)
            self._keep_records(work, kept, heads, causes)
            ids = {name: head.id for name, head in heads.items()}
            fresh = {head.id for head in heads.values() if head.fresh}
            unsaid = self.bear(work, [(one.incoming, True) for one in kept], ids, fresh)
            addressed = list(zip(kept, places_of(work, kept, heads, unsaid), strict=True))
            messages = self.address(work, where, addressed, causes, targets, fresh) if kept else []
            if len(kept) < len(every):
                work.run(_UNCHANGED, link=where.link, unchanged=len(every) - len(kept))
            return Taken(messages, len(kept), len(every) - len(kept), batches[-1].next)

        taken = self.database.write(act, "T2", often=True)
        self._keys = self._keys if len(self._keys) < KNOWN_KEYS else set()
        self._keys.update(name for one in every for name in _names(one))
        return taken

    def _compared(self, batch: Batch, heads: dict[bytes, Head]) -> list[Addressed]:
        """Compare a batch with the heads, which it moves on; what is new."""
        kept: list[Addressed] = []
        for one in batch.records:
            head = heads[one.child]
            content = self.content(one)
            comparable = one.carries == "state" and one.failed is None
            if comparable and head.content == content:
                continue
            head = head._replace(version=head.version + 1, content=content if comparable else None)
            heads[one.child] = head
            bound = record_bound(batch.document, one.ordinal)
            kept.append(Addressed(one, head, content, self.ring.seal(one.body, bound), batch.document))
        return kept

    def _keep_records(
        self, work: Work, kept: list[Addressed], heads: dict[bytes, Head], causes: dict[Cause | None, int | None]
    ) -> None:
        work.many(
            _RECORDS,
            [
                (
                    k.document,
                    k.incoming.ordinal,
                    k.head.id,
                    k.head.version,
                    k.incoming.kind,
                    k.incoming.carries,
                    k.incoming.removal,
                    k.incoming.failed is not None,
                    k.content,
                    k.sealed,
                )
                for k in kept
            ],
        )
        newest = {k.head.id: (k.head.id, k.head.version, k.head.content, k.document, k.incoming.ordinal) for k in kept}
        work.many(_HEADS, list(newest.values()))
        found = {(k.document, k.incoming.ordinal, causes[cause]) for k in kept for cause in k.incoming.findings}
        work.many(_FINDINGS, sorted(found))
        for form in kept:
            if form.incoming.members:
                children = sorted({heads[name].id for name in form.incoming.members})
                work.run(_MEMBERS, form=form.head.id, children=children)

    def lock_keys(self, work: Work, batch: Sequence[Incoming], also: Iterable[bytes] = ()) -> dict[bytes, Head]:
        """The rows of all keys that these records name, made where they are missing; nobody else keeps a record of
        these children until the transaction ends."""
        ordered = sorted({name for one in batch for name in _names(one)}.union(also))
        heads = _made(work, [name for name in ordered if name not in self._keys])
        if there := [name for name in ordered if name not in heads]:
            heads.update((row[0], Head(*row[1:])) for row in work.rows(_KEYS, names=there))
        if lost := [name for name in ordered if name not in heads]:  # the store is not the one that was remembered
            self._keys = set()
            heads |= _made(work, lost)
            heads.update((row[0], Head(*row[1:])) for row in work.rows(_KEYS, names=lost) if row[0] not in heads)
        return heads

    def address(
        self,
        work: Work,
        where: Where,
        kept: list[tuple[Addressed, set[int]]],
        causes: dict[Cause | None, int | None],
        targets: dict[str, int],
        fresh: Collection[int] = (),
    ) -> list[Message]:
        """A message for each target of each record, in its places; those to be published now. fresh: keys that were
        made in this transaction."""
        facts = {row[0]: row for row in work.rows(_TARGETS)}
        if missing := [name for name, number in targets.items() if number not in facts]:
            raise DeclarationError(f"{missing[0]!r} is not registered as a target")
        numbers = iter(new_numbers(work, sum(len(k.incoming.targets) for k, _ in kept)))
        made: dict[int, Message] = {}
        rows, places = [], []
        for k, keys in kept:
            one = k.incoming
            whole = is_whole(one)
            for name in one.targets:
                number, target = next(numbers), targets[name]
                generation = facts[target][1]
                mark = self.mark(where.identity, k, name, generation)
                state = "parked" if one.failed else "ready"
                facts_of = (
                    k.document,
                    one.ordinal,
                    k.head.id,
                    target,
                    generation,
                    k.revision,
                    whole,
                    state,
                    causes[one.failed],
                )
                rows.append((number, mark, *facts_of))
                places += [(target, key, number) for key in keys]
                bound = record_bound(k.document, one.ordinal)
                made[number] = Message(number, mark, name, self.link_name(work, where.link), one.kind, bound, k.sealed)
        work.many(_MESSAGES, rows, source=where.link)
        work.many(_PLACES, places)
        after_others = behind(work, places, fresh)
        closed, after = self.supersede(work, sorted(after_others)) if after_others else (set(), [])
        ready = {row[0] for row in rows if row[9] == "ready"}
        if after_others:
            ready = (ready - after_others - closed) | firsts(work, sorted(ready & after_others))
        paused = {row[0] for row in facts.values() if row[2] is not None}
        out = [made[row[0]] for row in rows if row[0] in ready and row[5] not in paused]
        return out + self.publish(work, [number for number in after if number not in made])

    def mark(self, identity: str, one: Addressed, target: str, generation: int) -> bytes:
        """The id of a record's message: the idempotency key for its target. identity: of the source."""
        child, version = one.incoming.child, one.head.version
        to = self.identity(target)
        return self.ring.name("message", identity, child, version, one.content, to, generation, one.revision)

    def content(self, one: Incoming) -> bytes:
        """The name of what a record says, to compare it with others of its child."""
        return self.ring.name("content", one.kind, one.digest, int(one.removal))

    def supersede(self, work: Work, newer: list[int], only: set[int] | None = None) -> tuple[set[int], list[int]]:
        """Close what full states among the newer ones make pointless; those, and what stands first in the places freed.

        only: nothing but these is closed.
        """
        by: dict[int, int] = {}
        for older, later in work.rows(_OLDER, numbers=newer):
            if only is None or older in only:
                by[older] = max(later, by.get(older, 0))
        if not by:
            return set(), []
        work.many(_SUPERSEDED, sorted(by.items()))
        return set(by), free(work, sorted(by))


def _names(one: Incoming) -> Iterator[bytes]:
    """The names of all keys that a record stands under."""
    yield one.child
    yield from one.places
    if one.merge is not None:
        yield one.merge


def _made(work: Work, names: list[bytes]) -> dict[bytes, Head]:
    """The keys among these that were not there, and now are."""
    rows = work.rows(_MAKE_KEYS[work.sqlite], names=names) if names else []
    return {row[0]: Head(row[1], fresh=True) for row in rows}
