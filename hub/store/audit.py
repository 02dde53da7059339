"""The audit chain: acts of people and of configuration, each entry holding the digest of the one before."""

from __future__ import annotations

import hashlib
import json

from hub.store.database import Work
from hub.store.shelf import Shelf
from hub.store.statements import Sql, clean

_NOW = Sql("SELECT {now}")
_LAST = Sql("SELECT f.value FROM fact f WHERE f.name = 'audit' {lock f}")
_SET_LAST = Sql("UPDATE fact SET value = :value WHERE name = 'audit'")
_READ_LAST = Sql("SELECT value FROM fact WHERE name = 'audit'")
_ENTER = Sql("INSERT INTO audit (at, who, act, detail, digest) VALUES (:at, :who, :act, :detail, :digest)")
_TRAIL = Sql("SELECT at, who, act, detail, digest FROM audit ORDER BY id")


class Audit(Shelf):
    """Entering acts, and checking that none was changed or taken away."""

    def audit(self, who: str, act: str, detail: str = "") -> None:
        """Enter an act of a person or of configuration. No value of a record."""
        self.database.write(lambda work: self.enter(work, who, act, detail))

    def enter(self, work: Work, who: str, act: str, detail: str) -> None:
        """Enter an act in the transaction that does it. Who else would enter one waits until that has ended."""
        who, act, detail = clean(who), clean(act), clean(detail)
        before = work.value(_LAST)  # locked: or the chain would fork
        at = float(work.value(_NOW))
        digest = _chain(before, at, who, act, detail)
        work.run(_ENTER, at=at, who=who, act=act, detail=detail, digest=digest)
        work.run(_SET_LAST, value=digest)

    def verify_audit(self) -> int | None:
        """The first entry, from 1, that does not follow from those before it; None: all do."""

        def act(work: Work) -> int | None:
            before, place = "", 0
            for place, row in enumerate(work.rows(_TRAIL), 1):
                if row.digest != _chain(before, row.at, row.who, row.act, row.detail):
                    return place
                before = row.digest
            return None if work.value(_READ_LAST) == before else place + 1

        return self.database.read(act)


def _chain(before: str, at: float, who: str, act: str, detail: str) -> str:
    return hashlib.sha256(json.dumps([before, at, who, act, detail]).encode()).hexdigest()
