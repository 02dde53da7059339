"""A kept record gets another body: a mended mapping can read it now, or a person edited it. Its messages keep their
numbers; the body before is kept too.

Whoever puts a number into a place where later ones may stand has the targets' rows alone meanwhile: nobody claims.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from hub.errors import DeclarationError
from hub.message import Cause
from hub.store.acts import Acted
from hub.store.choosing import Choosing
from hub.store.database import Work
from hub.store.facts import Incoming
from hub.store.line import record_bound
from hub.store.places import Addressed, Head, is_whole, places_of
from hub.store.statements import Rows, Sql
from hub.store.take import Taking

BUSY = "a later message of the child is being sent, or may have arrived: try again when that is known"
SENDING = "it is being sent now: try again in a moment"
ARRIVED = "one of its messages may have arrived: replay or set aside that first"
OTHER_CHILD = "the edit changes whose record it is"
READ = "it can be read by now: somebody edited it, or another replay read it"
NOT_PARKED = "none of its messages is parked"
PASSED = "a later record of the child was sent: only the latest can go ('replay --latest')"

_RECORD = Sql("""SELECT r.key, r.version, r.kind, r.carries, r.failed, r.content, r.sealed, r.revision, d.link, k.name
    FROM record r JOIN document d ON d.id = r.document JOIN key k ON k.id = r.key
    WHERE r.document = :document AND r.ordinal = :ordinal {lock r}""")
_NAME = Sql("""SELECT k.name FROM record r JOIN key k ON k.id = r.key
    WHERE r.document = :document AND r.ordinal = :ordinal""")
_MESSAGES = Sql("""SELECT m.number, m.target, m.generation, m.state, m.arrived, m.ended FROM message m
    WHERE m.key = :key AND m.document = :document AND m.ordinal = :ordinal ORDER BY m.number {lock m}""")
_TARGETS = Sql("SELECT t.link FROM target t WHERE t.link {in targets} ORDER BY t.link {lock t}")
_COUNT = Sql("SELECT count(*) FROM former WHERE document = :document AND ordinal = :ordinal")
_FORMER = Sql("""INSERT INTO former (document, ordinal, n, revision, failed, kind, content, sealed)
    SELECT r.document, r.ordinal, :n, r.revision, r.failed, r.kind, r.content, r.sealed FROM record r
    WHERE r.document = :document AND r.ordinal = :ordinal""")
_RENEW = Sql("""UPDATE record SET key = :key, version = :version, kind = :kind, carries = :carries, removal = :removal,
    failed = false, content = :content, sealed = :sealed, revision = :revision
    WHERE document = :document AND ordinal = :ordinal""")
_HEAD = Sql("""UPDATE key SET content = :content WHERE id = :key AND document = :document AND ordinal = :ordinal""")
_NEW_HEAD = Sql("""UPDATE key SET version = :version, content = :content, document = :document, ordinal = :ordinal
    WHERE id = :key AND (document IS NULL OR document < :document OR document = :document AND ordinal < :ordinal)""")
_NEWEST = Sql("SELECT version FROM key WHERE id = :key")
_VERSION = Sql("UPDATE key SET version = :version WHERE id = :key AND version < :version")
# Of each message: its child, the one that it was merged into, the one that this was merged into, and so on, as far as
# the target was told. Of a merge that still stands in line, nothing that came after it was sent there.
_OVERTAKEN = Sql("""WITH RECURSIVE about(number, target, key) AS (
        SELECT m.number, m.target, m.key FROM {each numbers} JOIN message m ON m.number = numbers.value
        UNION SELECT a.number, a.target, k.alias FROM about a JOIN key k ON k.id = a.key
        WHERE k.alias IS NOT NULL AND NOT EXISTS (SELECT 1 FROM place p JOIN message x ON x.number = p.number
            WHERE p.target = a.target AND p.key = a.key AND x.key = k.alias))
    SELECT DISTINCT a.number FROM about a WHERE EXISTS (SELECT 1 FROM message n
        WHERE n.key = a.key AND n.target = a.target AND n.number > a.number
        AND (n.state IN ('sent', 'withheld') OR n.state = 'set aside' AND n.arrived))""")
_LATER = Sql("""SELECT m.number, m.state, m.arrived FROM message m WHERE m.ended IS NULL AND m.number IN (
    SELECT q.number FROM {each keys} JOIN place q ON q.target = :target AND q.key = keys.value AND q.number > :number)
    ORDER BY m.number {lock m}""")
_STANDS = Sql("SELECT p.key FROM place p WHERE p.target = :target AND p.number = :number")
_LEAVE = Sql("DELETE FROM place WHERE target = :target AND number = :number AND key {in keys}")
_PLACES = Rows("place", "target key number")
_STOOD = Sql("SELECT a.key FROM aside a WHERE a.target = :target AND a.number = :number")
_FORGET = Sql("DELETE FROM aside WHERE target = :target AND number = :number AND key {in keys}")
_ASIDE = Rows("aside", "target key number")
_PASSED = Sql("UPDATE aside SET passed = true WHERE number {in numbers}")
_MADE = Rows("message", "number id:bytes key whole:bool revision parcel", update=True)
_CLOSED = Sql("""UPDATE message SET key = :new WHERE key = :old AND document = :document AND ordinal = :ordinal
    AND ended IS NOT NULL""")
_FINDINGS = Rows("finding", "cause", "document=:document, ordinal=:ordinal")
_OLD_FINDINGS = Sql("DELETE FROM finding WHERE document = :document AND ordinal = :ordinal")
READY = Sql("""UPDATE message SET state = 'ready', cause = NULL, due = NULL, attempts = 0, crashes = 0, lone = 0,
    published = 0, changed = {now} WHERE number {in numbers}""")


class Deferred(Exception):
    """It cannot be decided now. reason: why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Renewing(Taking, Choosing):
    """Records whose body changes."""

    def edit(
        self, document: int, ordinal: int, incoming: Incoming, who: str, why: str, difference: Sequence[str] = ()
    ) -> Acted:
        """Put an edited body in a record's place and make its open messages ready.

        Each keeps its number and gets a new id. difference: the paths that the edit changed, for the audit; no values.
        DeclarationError: it may not be edited now.
        """
        at, causes = (document, ordinal), self.cause_ids(incoming.findings)

        def act(work: Work) -> Acted:
            heads = self.lock_keys(work, [incoming], self.key_names(work, [at]))
            try:
                numbers = self.rewrite(work, at, incoming, heads, causes, edited=True)
            except Deferred as error:
                raise DeclarationError(f"record {document}:{ordinal} cannot be edited: {error.reason}") from None
            work.count = len(numbers)
            detail = f"record {document}:{ordinal}, {', '.join(difference) or 'as it was'}: {why}"
            self.enter(work, who, "edit", detail, [incoming.child])
            passed = overtaken(work, numbers)
            going = [number for number in numbers if number not in passed]
            work.run(READY, numbers=going)
            return Acted(going, dict.fromkeys(sorted(passed), PASSED))

        return self.database.write(act, "T7")

    def key_names(self, work: Work, at: Iterable[tuple[int, int]]) -> set[bytes]:
        """The names of records' child keys as they are kept. DeclarationError for a record that is not there."""
        names = set()
        for document, ordinal in at:
            name = work.value(_NAME, document=document, ordinal=ordinal)
            if name is None:
                raise DeclarationError(f"there is no record {document}:{ordinal}")
            names.add(bytes(name))
        return names

    def rewrite(
        self,
        work: Work,
        at: tuple[int, int],
        one: Incoming,
        heads: dict[bytes, Head],
        causes: Mapping[Cause | None, int | None],
        *,
        edited: bool = False,
    ) -> list[int]:
        """Give a record another body, in a transaction that has locked the keys of its children, old and new.

        Its open messages, whose numbers these are, get the new id and places; those that were set aside as well, should
        they be restored, but for what may have arrived: that goes again as it was. Deferred when that cannot be now.
        """
        where = {"document": at[0], "ordinal": at[1]}
        old = work.row(_RECORD, **where)
        every = work.rows(_MESSAGES, key=old.key, **where)
        messages = [row for row in every if row.ended is None]
        aside = [row for row in every if row.state == "set aside" and not row.arrived]
        self._look(old, messages, one, edited)
        targets = sorted({row.target for row in (*messages, *aside)})
        if targets:
            work.rows(_TARGETS, targets=targets)
        content, revision = self.content(one), old.revision + edited
        head = heads[one.child]
        moved = head.id != old.key
        newest = int(work.value(_NEWEST, key=head.id))
        is_newest = old.version == newest if not moved else not newest
        head = head._replace(version=head.version + 1 if moved else old.version)
        heads[one.child] = head._replace(content=content)
        made = Addressed(one, head, content, self.ring.seal(one.body, record_bound(*at)), at[0], revision)
        unsaid = self.bear(work, [(one, is_newest)], {name: each.id for name, each in heads.items()})
        keys = places_of(work, [made], heads, unsaid)[0]
        changes = [self._change(work, row, keys) for row in messages]
        for row, (added, gone) in zip(messages, changes, strict=True):
            work.many(_PLACES, [(row.target, key, row.number) for key in added])
            if gone:
                work.run(_LEAVE, target=row.target, number=row.number, keys=gone)
        for row in aside:
            self._follow(work, row, keys)
        work.run(_FORMER, n=work.value(_COUNT, **where), **where)
        facts = {"key": head.id, "version": head.version, "kind": one.kind, "carries": one.carries}
        more = {"removal": one.removal, "content": content, "sealed": made.sealed, "revision": revision}
        work.run(_RENEW, **where, **facts, **more)
        self._set_head(work, where, made, moved, old.failed and not edited)
        work.run(_OLD_FINDINGS, **where)
        work.many(_FINDINGS, [(one,) for one in sorted({causes[found] or 0 for found in one.findings})], **where)
        self._rename(work, old.link, made, [*messages, *aside])
        if moved:
            work.run(_CLOSED, old=old.key, new=head.id, **where)
        if passed := overtaken(work, [row.number for row in aside]):
            work.run(_PASSED, numbers=sorted(passed))
        return [row.number for row in messages]

    def _look(self, old: Any, messages: Sequence[Any], one: Incoming, edited: bool) -> None:
        """Deferred when a record may not be given another body now."""
        if any(row.state == "sending" for row in messages):
            raise Deferred(SENDING)
        if edited and not any(row.state == "parked" for row in messages):
            raise Deferred(NOT_PARKED)
        if any(row.arrived for row in messages):
            raise Deferred(ARRIVED)
        if not edited and not old.failed:
            raise Deferred(READ)
        if edited and not old.failed and bytes(old.name) != one.child:
            raise Deferred(OTHER_CHILD)

    def _change(self, work: Work, row: Any, keys: Collection[int]) -> tuple[list[int], list[int]]:
        """The places that a message comes into and leaves. Deferred while a later one there is being sent."""
        before = {found[0] for found in work.rows(_STANDS, target=row.target, number=row.number)}
        added = sorted(set(keys) - before)
        if added and busy(work, row.target, added, row.number):
            raise Deferred(BUSY)
        return added, sorted(before - set(keys))

    def _follow(self, work: Work, row: Any, keys: Collection[int]) -> None:
        """The places in which a message that was set aside will stand when it is restored. Later ones there that are
        just being finished are waited for: they would not find it."""
        before = {found[0] for found in work.rows(_STOOD, target=row.target, number=row.number)}
        busy(work, row.target, keys, row.number)
        work.many(_ASIDE, [(row.target, key, row.number) for key in sorted(set(keys) - before)])
        if gone := sorted(before - set(keys)):
            work.run(_FORGET, target=row.target, number=row.number, keys=gone)

    def _set_head(self, work: Work, where: Mapping[str, int], made: Addressed, moved: bool, comparable: bool) -> None:
        """The head of the child: only what a source said is compared with what it says next, not what a person made."""
        content = made.content if comparable and made.incoming.carries == "state" else None
        if moved:
            work.run(_NEW_HEAD, key=made.head.id, version=made.head.version, content=content, **where)
            work.run(_VERSION, key=made.head.id, version=made.head.version)
        elif comparable:
            work.run(_HEAD, key=made.head.id, content=content, **where)

    def _rename(self, work: Work, source: int, made: Addressed, messages: Sequence[Any]) -> None:
        """The ids of messages of a record with another body: what still lies on a queue under the old ones is void."""
        identity = self.identity(self.link_name(work, source))
        whole = is_whole(made.incoming)
        named = []
        for row in messages:
            mark = self.mark(identity, made, self.link_name(work, row.target), row.generation)
            named.append((row.number, mark, made.head.id, whole, made.revision, None))
        work.many(_MADE, named)


def busy(work: Work, target: int, keys: Collection[int], number: int) -> bool:
    """Whether a later message in these places is being sent, or may have arrived: what comes before it now would come
    after it. Those that are not being sent cannot be claimed meanwhile."""
    later = work.rows(_LATER, target=target, keys=sorted(keys), number=number)
    return any(row.state == "sending" or row.arrived for row in later)


def overtaken(work: Work, numbers: list[int]) -> set[int]:
    """Those of which a later one of the same child was sent, or of one that it was merged into, as far as the target
    was told of that. Of a record that could not be read nobody knew whose it is, so it did not hold them."""
    return {row[0] for row in work.rows(_OVERTAKEN, numbers=numbers)} if numbers else set()


def lock_targets(work: Work, targets: Iterable[int]) -> None:
    """Keep everybody from claiming for these targets until the transaction ends."""
    work.rows(_TARGETS, targets=sorted(set(targets)))


__all__ = ["BUSY", "READY", "SENDING", "Deferred", "Renewing", "busy", "lock_targets", "overtaken"]
