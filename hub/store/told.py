"""What each target has been told of a child, for targets at which a message alone would take something back.

Under the key of a child lies all that its source has said; under the key of a number by which sources meet (an NHS
number), the shared parts as all of them have told them. Kept when a message arrived (T5), read when the next is
written: both hold the places that lie between, so nobody else writes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from hub.message import Told
from hub.store import schema
from hub.store.database import Work
from hub.store.line import Line
from hub.store.statements import Rows, Sql

_READ = Sql("SELECT t.key, t.number, t.sealed FROM told t WHERE t.target = :target AND t.key {in keys}")
_KEYS = Sql("SELECT k.id, k.name FROM key k WHERE k.name {in names bytes}")
_FORGET = Sql("DELETE FROM told WHERE target = :target AND key {in keys}")
_KEEP = Rows(schema.told, "key number sealed", "target=:target")


class _Row(msgspec.Struct, array_like=True):
    """What is sealed. record: as `hub.model.encode` gives it; keys: under a child, those of the numbers under which
    its shared parts lie; under a number, those of the children whose parts these are."""

    record: bytes
    keys: list[int]


@dataclass(frozen=True, slots=True)
class Known:
    """What a target knows of a child: said by its source, b"" for nothing yet; held: the shared parts, b"" for none;
    has_part: whether what was said is among those; of: the children whose parts these are; others: what was said of
    those but this one, the last told first; seen: the number of the message that told each key of `held`."""

    said: bytes = b""
    held: bytes = b""
    has_part: bool = False
    of: tuple[int, ...] = ()
    others: tuple[bytes, ...] = ()
    seen: tuple[tuple[int, int], ...] = ()


class Telling(Line):
    """Reading and keeping what targets were told."""

    def known(self, target: str, children: Sequence[tuple[int, Sequence[bytes]]]) -> list[Known]:
        """What a target knows of each child: its key, and the names of the numbers by which sources meet."""
        link = self.link_id(target)
        names = {name for _, mine in children for name in mine}

        def act(work: Work) -> tuple[dict[bytes, int], dict[int, tuple[int, bytes]]]:
            ids = _ids(work, names)
            keys = {child for child, _ in children} | set(ids.values())
            return ids, {row[0]: (row[1], row[2]) for row in work.rows(_READ, target=link, keys=sorted(keys))}

        ids, rows = self.database.read(act)
        return [self._known(link, child, [ids[name] for name in mine if name in ids], rows) for child, mine in children]

    def _known(self, target: int, child: int, places: list[int], rows: dict[int, tuple[int, bytes]]) -> Known:
        said = self._row(target, child, rows[child][1]) if child in rows else _Row(b"", [])
        seen = tuple(sorted((key, rows[key][0]) for key in set(places) if key in rows))
        if not seen:
            return Known(said.record)
        newest = max(seen, key=lambda one: one[1])[0]
        held = self._row(target, newest, rows[newest][1])
        keys = [key for key in held.keys if key != child]
        found = self.database.read(lambda work: work.rows(_READ, target=target, keys=keys)) if keys else []
        last_first = sorted(found, key=lambda row: -row.number)
        others = tuple(self._row(target, row.key, row.sealed).record for row in last_first)
        return Known(said.record, held.record, child in held.keys, tuple(held.keys), others, seen)

    def _row(self, target: int, key: int, sealed: bytes) -> _Row:
        return msgspec.msgpack.decode(self.ring.open(sealed, told_bound(target, key)), type=_Row)

    def tell(self, work: Work, target: int, arrived: Iterable[tuple[int, int, Told]]) -> None:
        """Keep what messages told that have arrived: number, child and what it is."""
        for number, child, told in arrived:
            ids = sorted(_ids(work, told.names).values()) if told.held else []
            rows = {row.key: row for row in work.rows(_READ, target=target, keys=[child, *ids])}
            before = self._row(target, child, rows[child].sealed).keys if child in rows else []
            # Somebody found meanwhile that a number is not this child's: what was read under it counts no more.
            is_read = {key: row.number for key, row in rows.items() if key != child} == dict(told.seen)
            gone = {*rows, *before} if is_read else {*rows, *before, *ids}
            work.run(_FORGET, target=target, keys=sorted(gone))
            kept = [(child, _Row(told.said, ids if is_read else []))]
            if is_read:
                kept += [(key, _Row(told.held, sorted({*told.of, child}))) for key in ids]
            work.many(
                _KEEP,
                [
                    (key, number, self.ring.seal(msgspec.msgpack.encode(row), told_bound(target, key)))
                    for key, row in kept
                ],
                target=target,
            )


def _ids(work: Work, names: Iterable[bytes]) -> dict[bytes, int]:
    wanted = sorted(names)
    return {row.name: row.id for row in work.rows(_KEYS, names=wanted)} if wanted else {}


def told_bound(target: int, key: int) -> bytes:
    """What the seal of what a target was told is bound to."""
    return b"told:%d:%d" % (target, key)


__all__ = ["Known", "Telling", "told_bound"]
