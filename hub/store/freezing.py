"""A run comes to be: what is to be let go is frozen, by a person who asked for it or by the hub itself."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from hub.store.acts import ANY, HUB
from hub.store.audit import Audit
from hub.store.database import Work
from hub.store.statements import Rows, Sql

_NEW = Sql("""INSERT INTO run (asked, target, who, why, mapping, state, rate, canary, tokens, paced, created)
    VALUES (:asked, :target, :who, :why, :mapping, :state, :rate, :canary, 1, {now}, {now}) RETURNING id""")
_FREEZE = Rows("run_item", "n number key state:text before note:text", "run=:run")
_GENERATION = Sql("UPDATE target SET generation = generation + 1 WHERE link = :target")
_OTHERS = Sql("SELECT DISTINCT b.child FROM bearing b WHERE b.key {in keys}", rare=True)
_FORMS = Sql("SELECT DISTINCT f.form FROM member f WHERE f.child {in ids}", rare=True)
_HAD = Sql(
    """SELECT DISTINCT m.target, m.key FROM message m WHERE m.key {in keys}
    AND (m.state IN ('sending', 'sent') OR m.arrived) ORDER BY m.target, m.key""",
    rare=True,
)
_MAY = Sql(
    """SELECT k.id FROM key k JOIN record r ON r.document = k.document AND r.ordinal = k.ordinal AND r.key = k.id
    WHERE k.id {in keys} AND k.alias IS NULL AND NOT r.failed AND NOT r.removal AND r.carries <> 'event'""",
    rare=True,
)


class Freezing(Audit):
    """New runs."""

    def new_run(
        self,
        work: Work,
        asked: str,
        target: int | None,
        who: str,
        why: str,
        mapping: str,
        rate: float | None,
        canary: int | None,
    ) -> int:
        """A run without items; its number. canary: the item that goes alone first."""
        told: dict[str, Any] = {"asked": asked, "target": target, "who": who, "why": why, "mapping": mapping}
        state = "running" if canary is None else "canary"
        return int(work.value(_NEW, **told, rate=rate, canary=canary, state=state))

    def freeze(self, work: Work, run: int, items: Iterable[Sequence[Any]]) -> None:
        """Give a run items: n, number, key, state, the cause before, note."""
        work.many(_FREEZE, list(items), run=run)

    def freeze_newest(self, work: Work, run: int, target: int, keys: Sequence[int], after: int = 0) -> None:
        """Give a run the newest records of children, for a target, as new messages."""
        if not after:
            work.run(_GENERATION, target=target)
        self.freeze(work, run, ((n, None, key, "frozen", None, "") for n, key in enumerate(keys, after)))

    def cover(self, work: Work, numbers: Collection[int], shielded: Collection[int]) -> None:
        """A shield covers whoever bears these numbers now. What targets have had of the other children is told anew,
        from the newest record of each: without what a shield hides.

        numbers: their keys; shielded: the keys of the children whose own sources said so.
        """
        others = {row[0] for row in work.rows(_OTHERS, keys=sorted(numbers))}.difference(shielded, numbers)
        if not others:
            return
        others |= {row[0] for row in work.rows(_FORMS, ids=sorted(others))}
        may = {row[0] for row in work.rows(_MAY, keys=sorted(others))}
        had: defaultdict[int, list[int]] = defaultdict(list)
        for target, key in work.rows(_HAD, keys=sorted(may)) if may else ():
            had[target].append(key)
        why = "a child was shielded by another source"
        for target, keys in had.items():
            asked = json.dumps({"shielded": sorted(numbers), "target": self.link_name(work, target)})
            run = self.new_run(work, asked, target, HUB, why, ANY, None, None)
            self.freeze_newest(work, run, target, keys)
            said = f"run {run}, the newest record of {len(keys)} children to {self.link_name(work, target)}: {why}"
            self.enter(work, HUB, "replay latest", said, keys)


__all__ = ["Freezing"]
