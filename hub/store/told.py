"""What each target has been told of a child, for targets at which a message alone would take something back.

Under the key of a child lies all that its source has said; under the key of a number by which sources meet (an NHS
number), the shared parts as all of them have told them. Kept when a message arrived (T5), read when the next is
written: both hold the places that lie between, so nobody else writes meanwhile. But a child that has another number now
takes out what it told under the one before: of two at once the second finds that it is not as it was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hub.message import Told
from hub.seal import KeyMissing, SealError
from hub.store.database import Work
from hub.store.line import Line
from hub.store.statements import Rows, Sql

_READ = Sql("SELECT t.key, t.number, t.sealed FROM told t WHERE t.target = :target AND t.key {in keys}")
_LOCKED = Sql("""SELECT t.key, t.number, t.sealed FROM told t WHERE t.target = :target AND t.key {in keys}
    ORDER BY t.key {lock t}""")
_KEYS = Sql("SELECT k.id, k.name FROM key k WHERE k.name {in names bytes}")
_NAMES = Sql("SELECT k.id, k.name FROM key k WHERE k.id {in ids}")
_MERGED = Sql("SELECT k.id FROM key k WHERE k.id {in keys} AND k.alias IS NOT NULL")
_FORGET = Sql("DELETE FROM told WHERE target = :target AND key {in keys}")
_KEEP = Rows("told", "key number sealed:bytes", "target=:target")


class _Row(msgspec.Struct, array_like=True):
    """What is sealed. record: as `hub.model.encode` gives it; keys: under a child, those of the numbers under which
    its shared parts lie; under a number, those of the children whose parts these are. message: that told it. listed:
    under a child, the items of the other parts of its last full state, by their ids."""

    record: bytes
    keys: list[int]
    message: int = 0
    listed: bytes = b""


_Rows = dict[int, _Row]
_decoder = msgspec.msgpack.Decoder(_Row)


class Held(msgspec.Struct, frozen=True):
    """The shared parts under a number by which sources meet. name: of that number; message: that told them last; of:
    the keys of the children whose parts these are."""

    name: bytes
    message: int
    record: bytes
    of: tuple[int, ...]


class Known(msgspec.Struct, frozen=True):
    """What a target knows of a child. key: the child's; said: by its source, b"" for nothing yet; held: the shared
    parts under each of its numbers, new and before; others: the other children whose parts these are, with what their
    sources said, the last told first; gone: what was said of those that were merged into another since; listed: the
    items that its source's last full state had."""

    key: int = 0
    said: bytes = b""
    held: tuple[Held, ...] = ()
    others: tuple[tuple[int, bytes], ...] = ()
    gone: tuple[bytes, ...] = ()
    listed: bytes = b""


class Telling(Line):
    """Reading and keeping what targets were told."""

    def known(self, target: str, children: Sequence[tuple[int, Sequence[bytes]]]) -> list[Known]:
        """What a target knows of each child: its key, and the names of the numbers by which sources meet."""
        link = self.link_id(target)

        def act(work: Work) -> list[Known]:
            said = self._rows(work, link, [child for child, _ in children])
            before = {key for row in said.values() for key in row.keys}
            names = {name for _, mine in children for name in mine}
            ids = {row.id: row.name for row in work.rows(_KEYS, names=sorted(names))} if names else {}
            ids |= {row.id: row.name for row in work.rows(_NAMES, ids=sorted(before))} if before else {}
            met = self._rows(work, link, list(ids))
            of = sorted({key for row in met.values() for key in row.keys})
            others = self._rows(work, link, of)
            gone = {row[0] for row in work.rows(_MERGED, keys=of)} if of else set()
            return [self._known(child, set(mine), ids, (said, met, others), gone) for child, mine in children]

        return self.database.read(act, often=True)

    def _known(
        self, child: int, names: set[bytes], ids: dict[int, bytes], rows: tuple[_Rows, _Rows, _Rows], gone: set[int]
    ) -> Known:
        said, met, others = rows
        own = said.get(child, _Row(b"", []))
        keys = [key for key in met if ids[key] in names or key in own.keys]
        held, also = [], set()
        for key in keys:
            # What this child told is in there only if its own row says so: else somebody told there at the same time.
            of = [one for one in met[key].keys if one not in gone and (one != child or key in own.keys)]
            held.append(Held(ids[key], met[key].message, met[key].record, tuple(of)))
            also |= {*met[key].keys} - {child}
        last_first = sorted((key for key in also if key in others), key=lambda key: -others[key].message)
        told = tuple((key, others[key].record) for key in last_first if key not in gone)
        merged = tuple(others[key].record for key in last_first if key in gone)
        return Known(child, own.record, tuple(held), told, merged, own.listed)

    def _rows(self, work: Work, target: int, keys: Sequence[int], *, changes: bool = False) -> _Rows:
        """Rows by key. changes: they are to be replaced: nobody else does meanwhile, and one that cannot be opened is
        left out."""
        rows: _Rows = {}
        for row in work.rows(_LOCKED if changes else _READ, target=target, keys=list(keys)) if keys else ():
            try:
                rows[row.key] = self._row(target, row)
            except SealError as error:
                if not changes or isinstance(error, KeyMissing):
                    raise
        return rows

    def _row(self, target: int, row: Any) -> _Row:
        made = _decoder.decode(self.ring.open(row.sealed, told_bound(target, row.key)))
        made.message = row.number
        return made

    def children(self, names: Sequence[bytes]) -> dict[bytes, int]:
        """The numbers of the keys of these names."""
        found = self.database.read(lambda work: work.rows(_KEYS, names=sorted(names)), alone=True)
        return {row.name: row.id for row in found}

    def tell(self, work: Work, target: int, arrived: Iterable[tuple[int, Told]]) -> None:
        """Keep what messages told that have arrived: number and what it is."""
        for number, told in arrived:
            child, left = told.child, dict(told.left)
            names = [*told.names, *left]
            ids = {row.id: row.name for row in work.rows(_KEYS, names=names)} if names else {}
            rows = self._rows(work, target, [child, *ids], changes=True)
            # Not as it was read: somebody found meanwhile that a number is another child's, or told more under it. What
            # lies there stays, and this child's parts will be told anew with its next message.
            is_read = {ids[key]: row.message for key, row in rows.items() if key in ids} == dict(told.seen)
            before = rows[child].keys if child in rows else []
            mine = [key for key, name in ids.items() if name not in left] if is_read else before
            kept = [(child, _Row(told.said, sorted(mine), listed=told.listed))]
            gone = []
            for key, name in ids.items() if is_read else ():
                if name not in left:
                    kept.append((key, _Row(told.held, sorted({*told.of, child}))))
                elif left[name]:
                    kept.append((key, _Row(left[name], [one for one in rows[key].keys if one != child])))
                else:
                    gone.append(key)
            work.run(_FORGET, target=target, keys=sorted([*(key for key, _ in kept), *gone]))
            sealed = [
                (key, number, self.ring.seal(msgspec.msgpack.encode(row), told_bound(target, key))) for key, row in kept
            ]
            work.many(_KEEP, sealed, target=target)


def told_bound(target: int, key: int) -> bytes:
    """What the seal of what a target was told is bound to."""
    return b"told:%d:%d" % (target, key)


__all__ = ["Held", "Known", "Telling", "told_bound"]
