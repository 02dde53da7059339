"""Who works here and what they hold: workers and their leases, readers of sources, slots and pauses of targets."""

from __future__ import annotations

from collections.abc import Iterable

from hub.message import Cause
from hub.store.database import Work
from hub.store.facts import LEASE
from hub.store.shelf import Shelf
from hub.store.statements import Rows, Sql

LIVE = "EXISTS (SELECT 1 FROM worker w WHERE w.id = {} AND w.gone IS NULL)"

_ENLIST = Sql("""INSERT INTO worker (host, pid, started, until) VALUES (:host, :pid, {now}, {now} + :lease)
    RETURNING id""")
_RENEW = Sql("UPDATE worker SET until = {now} + :lease WHERE id = :worker AND gone IS NULL")
_GONE = Sql("UPDATE worker SET gone = {now} WHERE id = :worker AND gone IS NULL")
_ALL_OVER = Sql("UPDATE worker SET until = 0 WHERE gone IS NULL")
_OWNED = Sql(
    "SELECT m.number FROM message m WHERE m.state = 'sending' AND m.owner = :worker ORDER BY m.number {lock m}"
)
# What it has of them may have been sent: nobody said what became of it.
_BACK = Sql("""UPDATE message SET state = 'ready', owner = NULL, alone = false, published = 0, changed = {now},
    arrived = (arrived OR parcel IS NOT NULL) WHERE number {in numbers}""")
_LET_GO = [
    Sql("UPDATE source SET reader = NULL WHERE reader = :worker"),
    Sql("UPDATE target SET probe = NULL WHERE probe = :worker"),
    Sql("DELETE FROM slot WHERE worker = :worker"),
]
_LINK = Sql("""INSERT INTO link (name, identity) VALUES (:name, :identity) ON CONFLICT DO NOTHING""")
_LINK_ID = Sql("SELECT id FROM link WHERE name = :name")
_ROLES = {
    "source": Sql("INSERT INTO source (link) VALUES (:link) ON CONFLICT DO NOTHING"),
    "target": Sql("INSERT INTO target (link) VALUES (:link) ON CONFLICT DO NOTHING"),
}
_IN_USE = Sql("SELECT source, target FROM message WHERE ended IS NULL GROUP BY source, target")
_UNREAD = Sql("SELECT DISTINCT link FROM document WHERE NOT done")
_NAMES = Sql("SELECT id, name, identity FROM link")
_LEASE = Sql(f"""UPDATE source SET reader = :worker WHERE link = :link AND {LIVE.format(":worker")}
    AND (reader IS NULL OR reader = :worker OR NOT {LIVE.format("reader")})""")
_RELEASE = Sql("UPDATE source SET reader = NULL WHERE link = :link AND reader = :worker")
_LOCK = Sql(f"SELECT t.link FROM target t WHERE t.link = :target AND {LIVE.format(':worker')} {{lock t}}")
_SLOTS = Sql("SELECT n, worker FROM slot WHERE target = :target")
_TAKE_SLOT = Rows("slot", "target n worker")
_FREE_SLOT = Sql("DELETE FROM slot WHERE target = :target AND n = :n AND worker = :worker")
_PAUSE = Sql("UPDATE target SET paused = {now} + :seconds, cause = :cause, probe = NULL WHERE link = :target")
_RESUME = Sql("""UPDATE target SET paused = NULL, cause = NULL, probe = NULL, resumed = {now}
    WHERE link = :target AND paused IS NOT NULL""")
_LEFT = Sql("SELECT paused - {now} FROM target WHERE link = :target")


class Links(Shelf):
    """Workers, sources and targets."""

    def enlist(self, host: str, pid: int, lease: float = LEASE) -> int:
        """A new worker, alive for `lease` seconds; its number."""
        return int(self.database.write(lambda work: work.value(_ENLIST, host=host, pid=pid, lease=lease)))

    def renew(self, worker: int, lease: float = LEASE) -> bool:
        """Live `lease` seconds more. False: the lease was over and all that the worker owned was given to others."""
        return self.database.write(lambda work: work.run(_RENEW, worker=worker, lease=lease)) == 1

    def dismiss(self, worker: int) -> None:
        """A worker ends well: what it owned is ready again, without a crash counted."""

        def act(work: Work) -> None:
            work.run(_GONE, worker=worker)
            numbers = [row[0] for row in work.rows(_OWNED, worker=worker)]
            if numbers:
                work.run(_BACK, numbers=numbers)
            for statement in _LET_GO:
                work.run(statement, worker=worker)

        self.database.write(act)

    def expire_workers(self) -> None:
        """End all leases now: who has a SQLite file's run lock knows that every earlier worker is dead."""
        self.database.write(lambda work: work.run(_ALL_OVER))

    def register(self, sources: Iterable[str], targets: Iterable[str]) -> None:
        """Make links known; those known before stay as they are."""
        roles = {"source": sorted(sources), "target": sorted(targets)}

        def act(work: Work) -> None:
            for role, names in roles.items():
                for name in names:
                    identity, again = name, 1
                    while (number := work.value(_LINK_ID, name=name)) is None:
                        work.run(_LINK, name=name, identity=identity)
                        again += 1
                        identity = f"{name}#{again}"  # another link was known by this name before it was renamed
                    work.run(_ROLES[role], link=number)

        self.database.write(act)

    def identities(self) -> dict[str, str]:
        """The name that each link was first known by, by its name now."""
        return self.database.read(lambda work: {row.name: row.identity for row in work.rows(_NAMES)})

    def orphans(self, links: Iterable[str]) -> list[str]:
        """Links with open messages or unread documents that are not among these."""
        named = set(links)

        def act(work: Work) -> list[str]:
            used = {number for row in work.rows(_IN_USE) for number in row} | {row[0] for row in work.rows(_UNREAD)}
            return sorted(row.name for row in work.rows(_NAMES) if row.id in used and row.name not in named)

        return self.database.read(act)

    def lease_source(self, link: str, worker: int) -> bool:
        """Become the one reader of a source; False while another is."""
        number = self.link_id(link)
        return self.database.write(lambda work: work.run(_LEASE, link=number, worker=worker), often=True) == 1

    def release_source(self, link: str, worker: int) -> None:
        """Stop being the reader of a source."""
        number = self.link_id(link)
        self.database.write(lambda work: work.run(_RELEASE, link=number, worker=worker))

    def lease_slot(self, target: str, worker: int, at_once: int) -> int | None:
        """One of a target's connections, from 0; None while all are in use by other workers. A worker has one: it may
        not know so, if the answer that gave it was lost."""
        link = self.link_id(target)

        def act(work: Work) -> int | None:
            if work.row(_LOCK, target=link, worker=worker) is None:
                return None
            used = dict(map(tuple, work.rows(_SLOTS, target=link)))
            if worker in used.values():
                return int(next(n for n, by in used.items() if by == worker))
            if len(used) >= at_once:
                return None
            free = next(n for n in range(at_once) if n not in used)
            work.many(_TAKE_SLOT, [(link, free, worker)])
            return free

        return self.database.write(act)

    def release_slot(self, target: str, worker: int, slot: int) -> None:
        """Give a connection back."""
        link = self.link_id(target)
        self.database.write(lambda work: work.run(_FREE_SLOT, target=link, n=slot, worker=worker))

    def pause(self, target: str, seconds: float, cause: Cause | None = None) -> None:
        """Claim nothing for a target for so long; then one message at a time, until it is resumed or paused again."""
        link, causes = self.link_id(target), self.cause_ids([cause])
        self.database.write(lambda work: work.run(_PAUSE, target=link, seconds=seconds, cause=causes[cause]))

    def resume(self, target: str) -> bool:
        """End a pause: the target answers. What was published before is published again. False: it was not paused."""
        link = self.link_id(target)
        return self.database.write(lambda work: work.run(_RESUME, target=link)) == 1

    def paused(self, target: str) -> float:
        """Seconds that a pause has left; 0 when there is none, or it waits for its probe."""
        link = self.link_id(target)
        return max(0.0, self.database.read(lambda work: work.value(_LEFT, target=link), alone=True) or 0.0)
