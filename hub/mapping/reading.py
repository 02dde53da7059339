"""Reading theirs into the record: one text at a time, and what is noticed on the way.

The tree is consumed: a row takes its cell out, a group its items, and what is left is the rest, kept as extras. The
compiled functions (`hub.mapping.inward`) call what is here for everything that is not the common case.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import UNSET

from hub.adapter import Token
from hub.errors import RecordError
from hub.mapping.bind import Plan, Row, Way
from hub.mapping.extras import pack
from hub.mapping.theirs import MISS
from hub.mapping.way import BAD
from hub.model import ChildRecord, Extra, Source

MINTED = "-id"
"""Under this name the spellings of an item remember that its id was minted: its own link never sees it."""


class Finding(msgspec.Struct, frozen=True):
    """Something about a record that a person may want to mend; the record flows all the same.

    kind: bad value, unknown code, conflict, repeated key, no parent, second item, check, shape, drift, required.
    row: the mapping's row (or path); table: the code table; place: where in the document. Never a value.
    """

    kind: str
    row: str
    table: str = ""
    place: str = ""


_EMPTY = blake2b(digest_size=10)


class Reading:
    """One record being read.

    record: what is made; base: what its minted ids start from. park: every bad value parks. taken: by id of an item of
    theirs, the filter that took it. made, fresh: items that filtered rows made, those still without an id. at: the item
    of each group around the one at hand. parents: by group and cell, what the rooted items of the parent at hand name.
    index: rooted items by the parent they name. seen: how often each key occurred below a parent. later: copies to
    compare at the end. claims: by id of a list of theirs, what its groups took. known: ids of the items that this
    record may echo. kept: a rest was kept.
    """

    __slots__ = (
        *("plan", "link", "tree", "head", "place", "park"),
        *("record", "base", "findings", "taken", "made", "fresh", "at", "parents"),
        *("index", "seen", "later", "claims", "known", "kept"),
    )

    def __init__(self, plan: Plan, link: str, tree: Any, head: Any, place: str, park: bool) -> None:
        self.plan, self.link, self.tree, self.head, self.place, self.park = plan, link, tree, head, place, park
        self.record: ChildRecord = None  # type: ignore[assignment]
        self.base = _EMPTY
        self.findings: list[Finding] = []
        self.taken: dict[int, str] = {}
        self.made: dict[Any, Any] = {}
        self.fresh: list[tuple[Any, Any, str]] = []
        self.at: dict[str, Any] = {}
        self.parents: dict[tuple[str, str], Any] = {}
        self.index: dict[str, dict[Any, list[tuple[int, Any]]]] = {}
        self.seen: dict[Any, dict[Any, int]] = {}
        self.later: list[tuple[Row, Any, Way, Any]] = []
        self.claims: dict[int, Any] = {}
        self.known: dict[Any, str] | None = None
        self.kept = False

    def note(self, kind: str, row: str, table: str = "") -> None:
        """Record a finding."""
        self.findings.append(Finding(kind, row, table, self.place))

    def mint(self, text: str) -> str:
        """An id for an item that has none: the same for the same link, record, group, parent and identity."""
        found = self.base.copy()
        found.update(text.encode("utf-8", "surrogatepass"))
        return "hub-" + found.hexdigest()

    def bad(self, way: Way, kind: str, reason: str) -> None:
        """A cell that its row cannot read: park the record, or note it and let the text stay in the rest."""
        if self.park or way.row.parks(way):
            row = f"{way.row.file} {way.row.place}"
            raise RecordError(
                reason, place=self.place, row=row, table=way.table
            ) from None  # its cause may say the text
        self.note(kind, way.row.place, way.table)


def slow(c: Reading, way: Way, holder: Any, name: str, text: Any, spell: dict[str, Any]) -> Any:
    """A cell just taken out that is not in canonical spelling; its value, or MISS with the cell put back."""
    value = MISS if is_container(c, way, text) else value_of(c, way, text)
    if value is MISS:
        holder[name] = text
    else:
        keep(way, text, value, spell)
    return value


def is_container(c: Reading, way: Way, *texts: Any) -> bool:
    """Whether one of them holds other fields, which is bad where a text is expected."""
    for text in texts:
        if text.__class__ is dict or text.__class__ is list:
            c.bad(way, "shape", "a text is expected, the field holds other fields")
            return True
    return False


def value_of(c: Reading, way: Way, text: Any) -> Any:
    """The value of one text, None, or MISS when nothing is said or it is bad (which is noted)."""
    if text is None:
        return None if way.nulls else MISS
    if text in way.none:
        return None
    if text in way.absent:
        return MISS
    try:
        value = way.decode(str(text))
    except BAD:
        if way.bound is not None:
            c.bad(way, "unknown code", "the code table has no such code")
        else:
            c.bad(way, "bad value", f"is not readable as {way.codec.name}")
        return MISS
    if way.codec.flag is not None and (fault := way.codec.flag(value)):
        c.note("check", f"{way.row.place} {way.codec.name}: {fault}")
    return value


def keep(way: Way, text: Any, value: Any, spell: dict[str, Any]) -> None:
    """Keep the text by its row where writing the value would not give it again; of the head nothing is written."""
    if way.head or (text is None and way.nulls and way.first and not way.none) or is_canonical(way, text, value):
        if value is not None:
            way.remember(text, value)
    elif way.writes or not way.shadowed:
        spell[way.key] = pack(text)


def is_canonical(way: Way, text: Any, value: Any) -> bool:
    """Whether the row would write just this text for the value."""
    return way.first and bool(way.say(value) == text) and isinstance(text, Token) == way.tokens[0]


def partial(c: Reading, path: str) -> None:
    """The record knows this list only in part."""
    source: Any = c.record.source
    if source.partial.__class__ is not list:
        source.partial = [path]
    elif path not in source.partial:
        source.partial.append(path)


def extra(c: Reading, item: Any) -> Extra:
    """The extras of an item for this link, made when missing."""
    if item.extras is UNSET:
        item.extras = {}
    known: dict[str, Extra] = item.extras
    found = known.get(c.link)
    if found is None:
        found = known[c.link] = Extra()
    return found


def begin(c: Reading) -> None:
    """The record is there: say where it comes from."""
    c.record.source = Source(link=c.link)
    if c.plan.edition:
        c.record.source.edition = c.plan.edition


def based(c: Reading) -> None:
    """The rows of the root are read: minted ids start from the link and the record's own id."""
    source: Any = c.record.source
    text = f"{c.link}\x1f{source.id if source.id.__class__ is str else ''}\x1f"
    c.base = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10)


def keep_rest(c: Reading, o: Any, t: Any, spell: dict[str, Any]) -> None:
    """What is left of an item's tree, and the spellings kept of it, go to its extras."""
    rest = None
    if t:
        rest, c.kept = pack(t), True
    if o.extras is UNSET:
        o.extras = {c.link: Extra(rest, spell or None)}
        return
    found = extra(c, o)
    if t:
        found.rest = rest
    if spell:
        found.spell = {**(found.spell or {}), **spell}


__all__ = ["Finding", "Reading", "based", "begin", "extra", "keep_rest", "partial", "slow", "value_of"]
