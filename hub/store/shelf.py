"""What all parts of the store share: the database, the keys, and the numbers of links and causes, which stay."""

from __future__ import annotations

from collections.abc import Iterable

from hub.errors import DeclarationError
from hub.message import Cause
from hub.seal import Keyring
from hub.store.database import Database, Work
from hub.store.statements import Sql, clean

KNOWN_CAUSES = 10_000
"""Causes remembered in the process; a hub has hundreds."""

_LINK = Sql("SELECT id, identity FROM link WHERE name = :name")
_NAME = Sql("SELECT name FROM link WHERE id = :id")
_CAUSE = Sql("SELECT id FROM cause WHERE name = :name")
_NEW_CAUSE = Sql("""INSERT INTO cause (name, stage, reason, row_name, table_name, target, answer, first)
    VALUES (:name, :stage, :reason, :row, :table, :target, :answer, {now}) ON CONFLICT (name) DO NOTHING""")
_CAUSES = Sql("SELECT id, stage, reason, row_name, table_name, target, answer, first FROM cause WHERE id {in ids}")


class Shelf:
    """The ground that the parts of the store stand on."""

    def __init__(self, database: Database, ring: Keyring) -> None:
        self.database, self.ring = database, ring
        self._links: dict[str, tuple[int, str]] = {}
        self._names: dict[int, str] = {}
        self._causes: dict[Cause, int] = {}

    def link_id(self, name: str) -> int:
        """The number of a registered link. DeclarationError for any other."""
        return self._link(name)[0]

    def identity(self, name: str) -> str:
        """The name a link was first known by: names of 16 bytes are made with it, so that they outlive a renaming."""
        return self._link(name)[1]

    def _link(self, name: str) -> tuple[int, str]:
        if name not in self._links:
            found = self.database.read(lambda work: work.row(_LINK, name=name))
            if found is None:
                raise DeclarationError(f"the store knows no link {name!r}: it has not been registered")
            self._links[name] = (found[0], found[1])
        return self._links[name]

    def link_name(self, work: Work, number: int) -> str:
        """The name of the link with that number."""
        if number not in self._names:
            self._names[number] = work.value(_NAME, id=number)
        return self._names[number]

    def forget_links(self) -> None:
        """After a renaming."""
        self._links.clear()
        self._names.clear()

    def cause_ids(self, causes: Iterable[Cause | None]) -> dict[Cause | None, int | None]:
        """The number of each cause, new ones kept now: before the transaction that uses them, so that two of those
        never wait for each other over them."""
        found: dict[Cause | None, int | None] = {None: None}
        if len(self._causes) > KNOWN_CAUSES:
            self._causes.clear()
        for cause in {cause for cause in causes if cause is not None}:
            known = self._causes.get(cause)  # other threads empty the memory, too
            if known is None:
                known = self.database.write(lambda work, cause=cause: self._keep_cause(work, cause))  # type: ignore[misc]
                self._causes[cause] = known
            found[cause] = known
        return found

    def _keep_cause(self, work: Work, cause: Cause) -> int:
        parts = [
            clean(part) for part in (cause.stage, cause.reason, cause.row, cause.table, cause.target, cause.answer)
        ]
        name = self.ring.name("cause", *parts)
        found = work.value(_CAUSE, name=name)
        if found is None:
            told = dict(zip(("stage", "reason", "row", "table", "target", "answer"), parts, strict=True))
            work.run(_NEW_CAUSE, name=name, **told)
            found = work.value(_CAUSE, name=name)
        return int(found)

    def causes(self, work: Work, ids: Iterable[int | None]) -> dict[int, tuple[Cause, float]]:
        """Causes by number, each with the time it was first seen."""
        wanted = sorted({one for one in ids if one is not None})
        rows = work.rows(_CAUSES, ids=wanted) if wanted else []
        return {row[0]: (Cause(*row[1:7]), row[7]) for row in rows}
