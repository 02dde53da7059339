"""The audit chain: acts of people and of configuration, each entry holding the digest of the one before."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from hub.errors import DeclarationError
from hub.store.database import Work
from hub.store.shelf import Shelf
from hub.store.statements import Rows, Sql, clean

_STEP = 2000
"""Entries looked at together."""

_NOW = Sql("SELECT {now}")
_LAST = Sql("SELECT f.value FROM fact f WHERE f.name = 'audit' {lock f}")
_SET_LAST = Sql("UPDATE fact SET value = :value WHERE name = 'audit'")
_READ_LAST = Sql("SELECT value FROM fact WHERE name = 'audit'")
_ENTER = Sql("INSERT INTO audit (at, who, act, detail, digest) VALUES (:at, :who, :act, :detail, :digest) RETURNING id")
_MEMBERS = Sql("SELECT f.form, k.id, k.name FROM member f JOIN key k ON k.id = f.child WHERE f.form {in ids}")
_BY_NAME = Sql("SELECT id, name FROM key WHERE name {in names bytes}")
_BY_ID = Sql("SELECT id, name FROM key WHERE id {in ids}")
_ABOUT = Rows("audit_child", "key", "audit=:entry")
_TRAIL = Sql("SELECT id, at, who, act, detail, digest FROM audit WHERE id > :last ORDER BY id LIMIT :limit")
_CHILDREN = Sql("""SELECT c.audit, k.name FROM audit_child c LEFT JOIN key k ON k.id = c.key
    WHERE c.audit > :last AND c.audit <= :upto ORDER BY c.audit""")
_SINCE = Sql("SELECT id FROM audit WHERE substr(digest, 1, :length) = :mark ORDER BY id LIMIT 1")
_COLUMNS = """a.id, a.at, a.who, a.act, a.detail, a.digest,
    (SELECT count(*) FROM audit_child c WHERE c.audit = a.id) AS children"""
_LIST = Sql(f"""SELECT {_COLUMNS} FROM audit a WHERE a.at >= :since AND (:act = '' OR a.act = :act)
    ORDER BY a.id DESC LIMIT :limit""")
_LIST_OF = Sql(f"""SELECT {_COLUMNS} FROM audit a
    WHERE a.id IN (SELECT o.audit FROM audit_child o WHERE o.key {{in keys}}) ORDER BY a.id DESC LIMIT :limit""")


class Entry(msgspec.Struct, frozen=True):
    """One act. at: seconds since 1970. children: how many it was about. digest: of it and of all before it, in hex."""

    id: int
    at: float
    who: str
    act: str
    detail: str
    digest: str
    children: int


class Verified(msgspec.Struct, frozen=True):
    """What a check of the chain found. broken: the first entry that does not follow from those before it, or is not
    there (then one more than the last); None: all do. last: the last digest. since: the entry of the digest asked for,
    None without one or when none has it."""

    entries: int
    broken: int | None
    last: str
    since: int | None


class Audit(Shelf):
    """Entering acts, listing them, and checking that none was changed or taken away."""

    def audit(self, who: str, act: str, detail: str = "", children: Iterable[bytes | int] = ()) -> None:
        """Enter an act of a person or of configuration, with the children it was about, each by the name of its key
        (16 bytes) or the key's number. No value of a record. DeclarationError for a child that the store does not know.
        """
        about = list(children)
        self.database.write(lambda work: self.enter(work, who, act, detail, about))

    def enter(self, work: Work, who: str, act: str, detail: str, children: Iterable[bytes | int] = ()) -> None:
        """Enter an act in the transaction that does it. Who else would enter one waits until that has ended."""
        who, act, detail = clean(who), clean(act), clean(detail)
        about = _keys(work, set(children))
        before = work.value(_LAST)  # locked: or the chain would fork
        at = float(work.value(_NOW))
        digest = _chain(before, at, (who, act, detail), about.values())
        entry = work.value(_ENTER, at=at, who=who, act=act, detail=detail, digest=digest)
        work.many(_ABOUT, [(key,) for key in sorted(about)], entry=entry)
        work.run(_SET_LAST, value=digest)

    def verify_audit(self, since: str = "") -> Verified:
        """Check the whole chain, and whether one of its entries has the digest `since` (or one that starts so)."""

        def act(work: Work) -> Verified:
            before, count, last, broken = "", 0, 0, None
            while broken is None and (rows := work.rows(_TRAIL, last=last, limit=_STEP)):
                about = _children(work, last, rows[-1].id)
                for row in rows:
                    named = about.pop(row.id, ())
                    if row.digest != _chain(before, row.at, (row.who, row.act, row.detail), named):
                        broken = row.id
                        break
                    before, last, count = row.digest, row.id, count + 1
                broken = broken or min(about, default=None)
            if broken is None and (work.value(_READ_LAST) != before or _children(work, last, _ALL)):
                broken = last + 1
            found = work.value(_SINCE, mark=since, length=len(since)) if since else None
            return Verified(
                count, broken, before, found if found is not None and (not broken or found < broken) else None
            )

        return self.database.read(act)

    def audit_entries(self, *, since: float = 0.0, act: str = "", limit: int = 100) -> list[Entry]:
        """Acts from a moment on (seconds since 1970), of one kind if named, the newest first."""
        return self.database.read(
            lambda work: [Entry(*row) for row in work.rows(_LIST, since=since, act=act, limit=limit)]
        )

    def audit_of(self, keys: Iterable[int], limit: int = 1000) -> list[Entry]:
        """Acts that were about children, by the numbers of their keys; the newest first."""
        wanted = sorted(keys)
        return self.database.read(lambda work: [Entry(*row) for row in work.rows(_LIST_OF, keys=wanted, limit=limit)])


_ALL = (1 << 63) - 1


def _keys(work: Work, children: set[bytes | int]) -> dict[int, bytes]:
    """The numbers and names of the keys meant."""
    names = sorted(one for one in children if isinstance(one, bytes))
    ids = sorted(one for one in children if isinstance(one, int))
    rows = [*(work.rows(_BY_NAME, names=names) if names else ()), *(work.rows(_BY_ID, ids=ids) if ids else ())]
    found = {row[0]: bytes(row[1]) for row in rows}
    if set(names) - set(found.values()) or set(ids) - set(found):
        raise DeclarationError("the store does not know one of these children")
    members = work.rows(_MEMBERS, ids=sorted(found)) if found else []
    for row in members:  # a form's key stands for the children whom it is about
        found[row.id] = bytes(row.name)
    return {key: name for key, name in found.items() if key not in {row.form for row in members}}


def _children(work: Work, last: int, upto: int) -> dict[int, list[bytes]]:
    """Names of children by entry, of entries after `last`. A key that is gone leaves an empty name."""
    found: defaultdict[int, list[bytes]] = defaultdict(list)
    for entry, name in work.rows(_CHILDREN, last=last, upto=upto):
        found[entry].append(bytes(name or b""))
    return found


def _chain(before: str, at: float, said: tuple[str, str, str], children: Iterable[bytes]) -> str:
    about = sorted(name.hex() for name in children)
    return hashlib.sha256(json.dumps([before, at, *said, *([about] if about else [])]).encode()).hexdigest()
