"""What a target took and later said it could not deliver: a finding at its records, which a person is told of."""

from __future__ import annotations

import json

from hub.message import Cause
from hub.store.database import Work
from hub.store.shelf import Shelf
from hub.store.statements import Sql

# All parcels are looked through: it happens once in many days, and an index would be paid for with every one.
_PARCEL = Sql("SELECT numbers FROM parcel WHERE key = :key AND target = :target ORDER BY number DESC LIMIT 1")
_NOTE = Sql("""INSERT INTO finding (document, ordinal, cause) SELECT m.document, m.ordinal, :cause FROM message m
    WHERE m.number {in numbers} AND m.state = 'sent' ON CONFLICT DO NOTHING""")
_SENT = Sql("SELECT number FROM message WHERE number {in numbers} AND state = 'sent' ORDER BY number")


class Returning(Shelf):
    """Bad news of what counts as sent."""

    def came_back(self, target: str, key: bytes, cause: Cause) -> list[int]:
        """Note why the messages of a parcel never got there; their numbers, none when the store knows no such parcel.
        Twice is as once."""
        link, known = self.link_id(target), self.cause_ids([cause])[cause]

        def act(work: Work) -> list[int]:
            row = work.row(_PARCEL, key=key, target=link)
            if row is None:
                return []
            numbers = json.loads(row.numbers)
            work.run(_NOTE, numbers=numbers, cause=known)
            return [found[0] for found in work.rows(_SENT, numbers=numbers)]

        return self.database.write(act)


__all__ = ["Returning"]
