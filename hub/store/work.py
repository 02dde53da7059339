"""T3 to T5: a worker claims messages, keeps what it will send, and says what became of them.

Whoever acts must own the message at that moment: every statement asks for `sending` and this owner, and what it does
not find is no longer this worker's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from hub.message import Cause, Message, Parcel, Told
from hub.seal import KeyMissing, Keyring, SealError
from hub.store.database import Database, Work
from hub.store.facts import Claim, Claimed, LeaseLost, Outcome
from hub.store.line import free, new_numbers, record_bound
from hub.store.statements import Rows, Sql, clean
from hub.store.told import Telling

# The target's row is shared by all who claim: a person's act that puts a message back in line, before others, has it
# alone (`hub.store.places`).
_TARGET = Sql("""SELECT t.generation, t.paused, t.probe, {now} AS now FROM target t, worker w
    WHERE t.link = :target AND w.id = :worker AND w.gone IS NULL AND w.until > {now} {share w} {share t}""")
_PROBE = Sql("""UPDATE target SET probe = :worker WHERE link = :target AND probe IS NULL AND paused <= {now}""")
_NO_PROBE = Sql("UPDATE target SET probe = NULL WHERE link = :target AND probe = :worker")
# `+ 0` keeps planners from the indexes of targets and owners: the numbers alone say where to look. A message that has
# an owner is `sending`: the table sees to that.
_COLUMNS = """m.number, m.id, m.key, m.source, r.kind, r.carries, m.attempts, m.crashes, m.generation, m.parcel,
    m.document, m.ordinal, m.tried"""
_READY = Sql(f"""SELECT {_COLUMNS} FROM message m JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    WHERE m.number {{in numbers}} AND m.target + 0 = :target AND m.state = 'ready' AND {{first}}
    ORDER BY m.number {{skip m}}""")
_TOGETHER = Sql(
    f"""SELECT {_COLUMNS} FROM message m JOIN record r ON r.document = m.document AND r.ordinal = m.ordinal
    WHERE m.parcel {{in parcels}} AND m.ended IS NULL AND m.state = 'ready' AND {{first}}
    ORDER BY m.number {{skip m}}""",
    rare=True,
)
_MEMBERS = Sql(
    "SELECT parcel, number, state, arrived FROM message WHERE parcel {in parcels} AND ended IS NULL", rare=True
)
_CLAIM = Sql("""UPDATE message SET state = 'sending', owner = :worker, alone = :alone, tried = tried + 1,
    changed = {now} WHERE number {in numbers}""")
_UNPACK = Sql("UPDATE message SET parcel = NULL WHERE number {in numbers}")
_PARCELS = Sql(
    "SELECT number, key, numbers, suffix, token, mapping, sealed, about FROM parcel WHERE number {in parcels}"
)
_MINE = Sql("""SELECT m.number FROM message m JOIN worker w ON w.id = m.owner WHERE m.number {in numbers}
    AND m.owner + 0 = :worker AND w.gone IS NULL AND w.until > {now}
    ORDER BY m.number {lock m}""")
_COUNT = {
    False: Sql("SELECT nextval('parcel_number') FROM generate_series(1, :count)"),
    True: Sql("UPDATE fact SET value = CAST(value AS INTEGER) + :count WHERE name = 'parcel' RETURNING value"),
}
_KEEP = Rows(
    "parcel",
    "number key:bytes numbers:text suffix:text token:text mapping:text sealed:bytes about:bytes",
    "target=:target, created={now}",
)
_PREPARED = Rows("message", "number parcel", update=True)
_OWNED = Sql("""SELECT m.number, m.attempts, m.crashes, m.lone, m.tried, m.arrived, m.changed, m.published, m.parcel,
    {now} AS now FROM message m WHERE m.number {in numbers} AND m.target + 0 = :target
    AND m.owner + 0 = :worker ORDER BY m.number {lock m}""")
_FINISH = Rows(
    "message",
    "number state:text cause due:float attempts crashes lone arrived:bool receipt:text published:float changed:float "
    "ended:float",
    "owner=NULL, alone=false",
    update=True,
)
_ATTEMPTS = Rows("attempt", "number tried started:float ended:float outcome:text cause", "worker=:worker")
_FINAL = ("sent", "withheld")
_STATES = {*_FINAL, "waiting", "parked", "ready"}


class _About(msgspec.Struct, array_like=True):
    """What is sealed beside a parcel's bytes."""

    head: bytes
    accounts: list[str]
    told: list[list[Told]] = []


_decoder = msgspec.msgpack.Decoder(_About)


class _Found(NamedTuple):
    """What a claim locked. whole: parcels whose messages are all here; their bytes are sent again."""

    rows: list[Any]
    broken: list[int]
    crashed: list[int]


class Working(Telling):
    """What a worker does with messages."""

    def __init__(self, database: Database, ring: Keyring) -> None:
        super().__init__(database, ring)
        self.probing: set[tuple[int, str]] = set()

    def claim(self, worker: int, target: str, hints: Sequence[tuple[int, bytes]], *, alone: bool = False) -> Claimed:
        """Make messages this worker's, those that may be sent now: ready, and first in all their places.

        hints: (number, id) as the queue gave them. alone: take the first of them that can be, even if it took a worker
        down before, with all the messages of its parcel. A paused target gives nothing; once its pause is over it
        gives one (a parcel) to one worker. Messages whose kept bytes are damaged are parked. LeaseLost when the
        worker's lease is over.
        """
        link, ids = self.link_id(target), dict(hints)

        def act(work: Work) -> tuple[_Found, dict[int, Any], str]:
            facts = work.row(_TARGET, target=link, worker=worker)
            if facts is None:
                raise LeaseLost("this worker's lease is over")
            if facts.paused is not None and (
                facts.paused > facts.now or not ids or not work.run(_PROBE, target=link, worker=worker)
            ):
                return _Found([], [], []), {}, "paused"
            probe = facts.paused is not None
            found = self._find(work, link, ids, alone, 1 if probe or alone else len(ids))
            numbers = [row.number for row in found.rows]
            work.count = len(numbers)
            if not numbers:
                if probe:
                    work.run(_NO_PROBE, target=link, worker=worker)
                return found, {}, ""
            work.run(_CLAIM, numbers=numbers, worker=worker, alone=alone)
            if found.broken:
                work.run(_UNPACK, numbers=found.broken)
            kept = {row.parcel for row in found.rows if row.parcel and row.number not in found.broken}
            parcels = work.rows(_PARCELS, parcels=sorted(kept)) if kept else []
            for row in found.rows:
                self.link_name(work, row.source)
            return found, {row.number: row for row in parcels}, "probe" if probe else ""

        found, rows, how = self.database.write(act, "T3", often=True)
        if how == "probe":
            self.probing.add((worker, target))
        parcels: dict[int, Parcel] = {}
        damaged: dict[int, Cause] = {}
        for number, row in rows.items():
            try:
                parcels[number] = self._open(target, row)
            except KeyMissing:  # not its fault: whoever has the key can send it
                raise
            except SealError as error:
                damaged[number] = Cause("send", f"the bytes that were kept to be sent: {error}", target=target)
        lost = [row for row in found.rows if row.parcel in damaged]
        if lost:
            self.finish(worker, target, [Outcome(row.number, "parked", cause=damaged[row.parcel]) for row in lost])
        claims = [
            Claim(
                row.number,
                row.id,
                self._names[row.source],
                row.kind,
                row.attempts,
                row.crashes,
                row.generation,
                record_bound(row.document, row.ordinal),
                row.key,
                row.carries,
                parcels.get(row.parcel) if row.number not in found.broken else None,
            )
            for row in found.rows
            if row.parcel not in damaged
        ]
        return Claimed(claims, found.crashed, probe=how == "probe", paused=how == "paused")

    def _find(self, work: Work, target: int, ids: dict[int, bytes], alone: bool, most: int) -> _Found:
        """Lock what can be claimed: at most `most`, counting a parcel as one. If not `alone`, that is one to try the
        target with, one that was tried less often than others: its trouble may be with one of them only."""
        rows = [row for row in work.rows(_READY, numbers=list(ids), target=target) if row.id == ids[row.number]]
        crashed = [row.number for row in rows if row.crashes and not alone]
        singles = [row for row in rows if row.parcel is None and row.number not in crashed]
        packed = [row for row in rows if row.parcel is not None and row.number not in crashed]
        if most < len(rows) and (singles or packed):
            chosen = min(singles + packed, key=lambda row: (not alone and row.tried, row.number))
            singles, packed = [row for row in singles if row is chosen], [row for row in packed if row is chosen]
        if not packed:
            return _Found(singles, [], crashed)
        return self._together(work, singles, packed, crashed, alone)

    def _together(self, work: Work, singles: list[Any], packed: list[Any], crashed: list[int], alone: bool) -> _Found:
        """Add the other messages of parcels kept earlier: a parcel is sent again whole, with the same bytes.

        When others of it are busy or wait, it is left for later; when some were parked or are gone, or are held and it
        did not arrive, it is broken, and what is left of it is mapped again.
        """
        parcels = sorted({row.parcel for row in packed})
        hinted = {row.number for row in packed}
        ready = {row.number: row for row in work.rows(_TOGETHER, parcels=parcels)}
        members: dict[int, dict[int, str]] = {}
        left: set[int] = set()
        for parcel, number, state, arrived in work.rows(_MEMBERS, parcels=parcels):
            members.setdefault(parcel, {})[number] = state
            if arrived or state in ("sending", "waiting"):
                left.add(parcel)
        whole = {row.number: set(json.loads(row.numbers)) for row in work.rows(_PARCELS, parcels=parcels)}
        found, broken = list(singles), []
        for parcel, states in members.items():
            away = {number: state for number, state in states.items() if number not in ready}
            mine = [row for number, row in ready.items() if number in states]
            if not alone and any(row.crashes for row in mine):
                crashed += [row.number for row in mine if row.number in hinted]
            elif parcel not in left or all(state == "parked" for state in away.values()):
                found += mine
                if away or set(states) != whole.get(parcel):
                    broken += [row.number for row in mine]
        return _Found(sorted(found, key=lambda row: row.number), broken, crashed)

    def _open(self, target: str, row: Any) -> Parcel:
        data = self.ring.open(row.sealed, parcel_bound(row.key))
        about = _decoder.decode(self.ring.open(row.about, beside_bound(row.key)))
        numbers = json.loads(row.numbers)
        beside = row.token, row.number, about.accounts, row.mapping, about.told
        return Parcel(row.key, target, numbers, data, row.suffix, about.head, *beside)

    def prepare(self, worker: int, parcels: Sequence[Parcel]) -> list[Parcel | None]:
        """Keep the bytes that are about to be sent; the parcels with their numbers, None for those no longer this
        worker's (one of its messages was given to another, or the worker's lease is over)."""
        if not parcels:
            return []
        target = self.link_id(parcels[0].target)
        wanted = [number for parcel in parcels for number in parcel.numbers]
        sealed = [self._seal(parcel) for parcel in parcels]

        def act(work: Work) -> dict[int, int]:
            mine = {row[0] for row in work.rows(_MINE, numbers=wanted, worker=worker)}
            kept = [place for place, parcel in enumerate(parcels) if mine.issuperset(parcel.numbers)]
            numbers = new_numbers(work, len(kept), _COUNT)
            work.count = sum(len(parcels[place].numbers) for place in kept)
            work.many(
                _KEEP,
                [(number, *sealed[place]) for number, place in zip(numbers, kept, strict=True)],
                target=target,
            )
            given = dict(zip(kept, numbers, strict=True))
            work.many(_PREPARED, [(one, number) for place, number in given.items() for one in parcels[place].numbers])
            return given

        given = self.database.write(act, "T4", often=True)
        return [
            msgspec.structs.replace(parcel, number=given[place]) if place in given else None
            for place, parcel in enumerate(parcels)
        ]

    def _seal(self, parcel: Parcel) -> tuple[Any, ...]:
        about = msgspec.msgpack.encode(_About(parcel.head, parcel.accounts, parcel.told))
        return (
            parcel.key,
            json.dumps(parcel.numbers),
            parcel.suffix,
            parcel.token,
            parcel.mapping,
            self.ring.seal(parcel.data, parcel_bound(parcel.key)),
            self.ring.seal(about, beside_bound(parcel.key)),
        )

    def finish(self, worker: int, target: str, outcomes: Sequence[Outcome]) -> list[Message]:
        """Say what became of messages; what comes next in the places that were freed, to be published.

        Only messages that are still this worker's are touched. A probe of a paused target is over.
        """
        if any(one.state not in _STATES for one in outcomes):
            raise ValueError("an outcome is one of " + ", ".join(sorted(_STATES)))
        link, asked = self.link_id(target), {one.number: one for one in outcomes}
        causes = self.cause_ids(one.cause for one in outcomes)
        pieces = {one.number: self._seal(one.piece) for one in outcomes if one.piece is not None}

        def act(work: Work) -> list[Message]:
            if (worker, target) in self.probing:
                work.run(_NO_PROBE, target=link, worker=worker)
            owned = work.rows(_OWNED, numbers=list(asked), target=link, worker=worker) if asked else []
            work.count = len(owned)
            if not owned:
                return []
            work.many(_FINISH, [_finished(row, asked[row.number], causes) for row in owned])
            if apart := [row.number for row in owned if row.number in pieces]:
                given = list(zip(apart, new_numbers(work, len(apart), _COUNT), strict=True))
                work.many(_KEEP, [(parcel, *pieces[number]) for number, parcel in given], target=link)
                work.many(_PREPARED, given)
            tries = [
                (row.number, row.tried, row.changed, row.now, asked[row.number].state, causes[asked[row.number].cause])
                for row in owned
                if asked[row.number].state != "ready"
            ]
            work.many(_ATTEMPTS, tries, worker=worker)
            final = [row.number for row in owned if asked[row.number].state in _FINAL]
            self.tell(work, link, [(number, told) for number in final for told in asked[number].told])
            return self.publish(work, free(work, final, sent=True))

        freed = self.database.write(act, "T5", often=True)
        self.probing.discard((worker, target))
        return freed


def _finished(row: Any, said: Outcome, causes: Any) -> tuple[Any, ...]:
    """The new values of a message, as `_FINISH` orders them. A message that was answered took nobody down."""
    back = said.state == "ready"
    return (
        row.number,
        said.state,
        causes[said.cause],
        row.now + (said.due or 0.0) if said.state == "waiting" else None,
        row.attempts + (said.counted and not back),
        row.crashes if back else 0,
        row.lone if back else 0,
        said.state not in _FINAL and bool(row.arrived or said.may_arrived),
        clean(said.receipt),
        0.0 if back and not said.last else row.published,
        row.now,
        row.now if said.state in _FINAL else None,
    )


def parcel_bound(key: bytes) -> bytes:
    """What the seal of a parcel's bytes is bound to."""
    return b"parcel:" + key


def beside_bound(key: bytes) -> bytes:
    """What the seal of a parcel's head and accounts is bound to."""
    return b"about:" + key
