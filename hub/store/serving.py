"""What a running hub asks besides the flow's own steps: is there anything to do, what is new, do we map alike."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hub.store.database import Work
from hub.store.keeping import Keeping
from hub.store.lineage import Lineage
from hub.store.reading import Reading
from hub.store.statements import Sql

SOON = 5.0
"""Seconds: what comes due within them counts as work to be done now."""

# A claim whose commit is still under way, though its connection was lost, is waited for: it keeps the worker's row.
_CLAIMING = Sql("SELECT w.id FROM worker w WHERE w.id = :worker {lock w}")
_OWNED = Sql("""SELECT m.number FROM message m WHERE m.state = 'sending' AND m.owner = :worker AND m.target = :target
    ORDER BY m.number {lock m}""")
# What it has of them may have been sent: nobody said what became of it.
_BACK = Sql("""UPDATE message SET state = 'ready', owner = NULL, alone = false, published = 0, changed = {now},
    arrived = (arrived OR parcel IS NOT NULL) WHERE number {in numbers}""")
_NO_PROBE = Sql("UPDATE target SET probe = NULL WHERE link = :target AND probe = :worker")
_UNREAD = Sql("SELECT 1 FROM document d WHERE d.link {in links} AND NOT d.done LIMIT 1")
_SENDING = Sql("SELECT 1 FROM message m WHERE m.state = 'sending' LIMIT 1")
_DUE = Sql(f"""SELECT 1 FROM message m WHERE m.state = 'waiting' AND m.due <= {{now}} + {SOON}
    AND m.target + 0 {{in targets}} LIMIT 1""")
_READY = Sql(f"""SELECT 1 FROM message m JOIN target t ON t.link = m.target WHERE m.ended IS NULL
    AND m.target + 0 {{in targets}} AND m.state = 'ready' AND (t.paused IS NULL OR t.paused <= {{now}} + {SOON})
    AND {{first}} LIMIT 1""")
_ANY_UNTOLD = Sql("SELECT 1 FROM cause WHERE NOT told LIMIT 1")
_UNTOLD = Sql("SELECT c.id FROM cause c WHERE NOT c.told ORDER BY c.id {lock c}")
_TOLD = Sql("UPDATE cause SET told = true WHERE id {in ids}")
_ONE_AT_A_TIME = Sql("SELECT f.value FROM fact f WHERE f.name = 'audit' {lock f}")
_WORKS_WITH = Sql("UPDATE worker SET mapping = :digest WHERE id = :worker")
_OTHERS = Sql("""SELECT 1 FROM worker WHERE id <> :worker AND mapping = :digest AND gone IS NULL AND until > {now}
    LIMIT 1""")
_SET = Sql("SELECT digest FROM mapping_set ORDER BY id DESC LIMIT 1")
_NEW_SET = Sql("INSERT INTO mapping_set (digest, since) VALUES (:digest, {now})")
_JUNK = Sql("INSERT INTO junk (at, target, reason, sha256) VALUES ({now}, :target, :reason, :sha256)")
_ALL_JUNK = Sql("SELECT count(*) FROM junk")
# What a person set aside may be restored, and goes then as it was kept.
_TOKENS = Sql("""SELECT p.token FROM parcel p JOIN message m ON m.parcel = p.number
    WHERE m.ended IS NULL AND m.target = :target AND p.token <> ''
    UNION SELECT p.token FROM aside a JOIN message m ON m.number = a.number JOIN parcel p ON p.number = m.parcel
    WHERE a.target = :target AND p.token <> ''""")


class Serving(Keeping, Reading, Lineage):
    """The questions of `hub.pipeline`."""

    def give_back(self, worker: int, target: str) -> int:
        """Make ready again all that a worker owns of a target, without a crash counted; how many.

        For when an answer of the store was lost, and with it what was claimed.
        """
        link = self.link_id(target)

        def act(work: Work) -> int:
            work.row(_CLAIMING, worker=worker)
            work.run(_NO_PROBE, target=link, worker=worker)
            numbers = [row[0] for row in work.rows(_OWNED, worker=worker, target=link)]
            if numbers:
                work.run(_BACK, numbers=numbers)
            return len(numbers)

        count = self.database.write(act)
        self.probing.discard((worker, target))
        return count

    def is_idle(self, sources: Iterable[str], targets: Iterable[str]) -> bool:
        """Whether nothing of these sources is unread, and nothing can be sent to these targets within SOON seconds."""
        links, named = [self.link_id(name) for name in sources], [self.link_id(name) for name in targets]

        def act(work: Work) -> bool:
            if links and work.row(_UNREAD, links=links) is not None:
                return False
            if work.row(_SENDING) is not None:
                return False
            return not named or all(work.row(one, targets=named) is None for one in (_DUE, _READY))

        return self.database.read(act)

    def new_causes(self) -> list[dict[str, str]]:
        """Causes that nobody was told of yet, each given to one caller once."""

        def act(work: Work) -> list[dict[str, str]]:
            ids = [row[0] for row in work.rows(_UNTOLD)]
            if not ids:
                return []
            work.run(_TOLD, ids=ids)
            return [
                {"id": str(one), **msgspec.structs.asdict(cause)}
                for one, (cause, _) in sorted(self.causes(work, ids).items())
            ]

        if not self.database.read(lambda work: work.value(_ANY_UNTOLD)):
            return []
        return self.database.write(act)

    def agree(self, digest: str, worker: int) -> bool:
        """Whether a worker may carry messages with this mapping set: it is in force; or nobody who lives works with the
        one in force, and this takes its place. To be asked again from time to time."""

        def act(work: Work) -> bool:
            work.row(_ONE_AT_A_TIME)
            work.run(_WORKS_WITH, worker=worker, digest=digest)
            held = work.value(_SET)
            if held == digest:
                return True
            if held is not None and work.row(_OTHERS, worker=worker, digest=held) is not None:
                return False
            work.run(_NEW_SET, digest=digest)
            self.enter(work, f"worker {worker}", "mapping set", digest)
            return True

        return self.database.write(act)

    def carry_nothing(self, worker: int) -> None:
        """A worker goes by no mapping set until it agrees again: nobody need wait for it."""
        self.database.write(lambda work: work.run(_WORKS_WITH, worker=worker, digest=""))

    def junk(self, target: str, reason: str, sha256: str) -> None:
        """Record that something on a target's queue was no message of ours."""
        self.database.write(lambda work: work.run(_JUNK, target=target, reason=reason, sha256=sha256))

    def junk_count(self) -> int:
        """How often that was."""
        return int(self.database.read(lambda work: work.value(_ALL_JUNK)))

    def tokens(self, target: str) -> set[str]:
        """Under which names bytes lie aside at a target that may still have to be sent, now or when restored."""
        link = self.link_id(target)
        return {row[0] for row in self.database.read(lambda work: work.rows(_TOKENS, target=link))}
