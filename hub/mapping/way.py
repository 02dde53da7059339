"""A row of a mapping bound to the model, the format's schema and one edition: its alternatives, resolved and checked.

What is refused here is refused at load, naming file and row, before any record is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from hub.adapter import Schema, Token, in_edition
from hub.errors import DeclarationError
from hub.mapping import codecs, path, when
from hub.mapping.codes import Bound
from hub.mapping.ours import Ours
from hub.mapping.spec import RowSpec, WaySpec
from hub.mapping.theirs import MISS, Theirs
from hub.model import code_list
from hub.wire.jsontext import is_bare

if TYPE_CHECKING:
    from hub.mapping.bind import Scope

BAD = (ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What a codec may raise for a text it does not read or a value it cannot say: a council's own may raise any."""

_WITHIN = {"date": {"date", "partial_date", "datetime"}, "partial_date": {"partial_date"}, "datetime": {"datetime"}}
"""By what a codec yields, the kinds of leaf that may hold it."""
_BARE = ("integer", "decimal", "boolean")
_MEMO_MOST = 100_000


class Way:
    """One alternative of a row in one edition.

    shape: "cell" (one text, one value), "cells" (tuples), "list" (a list of plain texts), "flags" (codes as words in an
    object). memo and unmemo are the canonical pairs known so far, both ways. tokens: the cells that stand bare; length:
    the longest text of its cell, 0 for any; nulls: whether the format can say None. first: the one that writes when
    several could. shadowed: it only reads cells that other rows write. near: its cells are of the item, and none stands
    bare.
    """

    def __init__(self, row: Row, index: int, spec: WaySpec) -> None:
        plan = row.scope.plan
        names = plan.declaration.names
        self.row, self.spec = row, spec
        self.key = row.key if index == 0 else f"{row.key}#{index}"
        self.theirs = [
            Theirs(path.parse(text, names, file=row.file, place=row.place), plan.bounds) for text in spec.theirs
        ]
        self.codec: codecs.Codec = codecs.TEXT
        self.table = spec.codes or spec.flags
        self.bound: Bound | None = plan.bounds[self.table] if self.table else None
        self.absent = frozenset(spec.absent or plan.declaration.absent)
        self.none = spec.none
        if self.absent & set(self.none):
            row.fail("the same text is both absent and none")
        self.special = self.absent | frozenset(self.none)
        self.head = any(cell.root == "@" for cell in self.theirs)
        self.shadowed = False
        self.first = False
        self.reads = spec.way != "out"
        self.writes = spec.way != "in" and not self.head
        self.tokens, self.length, self.nulls = self._cells(plan.schema)
        self.near = not any(self.tokens) and not any(cell.root for cell in self.theirs)
        if any(cell.last_match is not None for cell in self.theirs):
            self.nulls = False  # a None among texts that a test chooses would not be found again
        self.shape = self._shape()
        coder: Bound | codecs.Codec = self.codec if self.bound is None else self.bound
        self.decode: Callable[[Any], Any] = coder.decode
        self.encode: Callable[[Any], Any] = coder.encode
        self.memo: dict[str, Any] = {}
        self.unmemo: dict[Any, Any] = {}
        self._remember_codes()
        self.conditions = when.bind(spec.when, row.file, row.place)

    def _cells(self, schema: Schema | None) -> tuple[tuple[bool, ...], int, bool]:
        """What the format's schema says of its cells: tokens, length, nulls."""
        if schema is None:
            return tuple(False for _ in self.theirs), 0, True
        row = self.row
        paths = [row.scope.cell_path(cell) for cell in self.theirs]
        found = [schema.by_path.get(one) for one in paths]
        if row.file == row.scope.plan.declaration.files[0] and not self.spec.flags:  # an overlay may add fields
            for one, cell, known in zip(paths, self.theirs, found, strict=True):
                if known is None and cell.root != "@" and not cell.path.filtered:
                    row.fail(f"the format has no field {one!r}")
        tokens = tuple(bool(schema.bare and cell and cell.type in _BARE) for cell in found)
        length = found[0].length if len(found) == 1 and found[0] else 0
        return tokens, length, schema.nulls

    def _shape(self) -> str:
        spec, row = self.spec, self.row
        if spec.codec:
            try:
                self.codec = codecs.find(spec.codec)
            except DeclarationError as error:
                row.fail(error.reason)
        if spec.flags:
            if len(spec.words) != 2:
                row.fail('flags need words = ["yes", "no"]')
            self._agree(("code",), element=True)
            return "flags"
        if len(self.theirs) == 1 and self.theirs[0].whole:
            self._agree(self._yields(1), element=True)
            return "list"
        if any(self.tokens) and self.codec is codecs.TEXT and self.bound is None:
            row.fail("type mismatch: the format's field is a number or true/false, the row gives any text: say as =")
        wide = row.scope.plan.tables[self.table].width if spec.codes else (self.codec.cells, self.codec.values)
        if wide != (len(self.theirs), len(row.ours)) and not self.codec.one_way:
            row.fail(f"takes {wide[0]} cells and {wide[1]} values, the row has {len(self.theirs)} and {len(row.ours)}")
        self._agree(self._yields(len(row.ours)), element=False)
        return "cell" if len(self.theirs) == len(row.ours) == 1 else "cells"

    def _yields(self, values: int) -> tuple[str, ...]:
        return ("code",) * values if self.bound is not None else self.codec.yields

    def _agree(self, yields: tuple[str, ...], element: bool) -> None:
        """Refuse a row whose values are not of the kinds of its leaves; element: they are those of one list's items."""
        for kind, ours in zip(yields, self.row.ours, strict=False):
            leaf, name = ours.field, ours.path.text
            if leaf.shape in ("part", "list"):
                self.row.fail(f"{name!r} is no leaf of the record")
            if kind == "dates":
                continue
            if (leaf.shape == "values") != (element or kind == "values"):
                what = "a list of values" if leaf.shape == "values" else "one value"
                self.row.fail(f"{name!r} is {what}, the row gives the other")
            wanted = leaf.value or "text"
            if self.bound is not None:
                if wanted not in ("code", "text"):
                    self.row.fail(f"a code table gives texts, {name!r} is {wanted}")
                continue
            if leaf.leaf.codes:
                self.row.fail(f"{name!r} has the code list {leaf.leaf.codes!r}: the row needs codes =")
            if wanted != kind and wanted not in _WITHIN.get(kind, ()) and not (kind == "values" and wanted == "text"):
                self.row.fail(f"type mismatch: the row gives {kind}, {name!r} is {wanted}")

    def _remember_codes(self) -> None:
        """Put the canonical pairs of a code table, or of a codec's few words, into the memos."""
        if self.shape not in ("cell", "list") or len(self.row.ours) != 1:
            return
        if self.bound is not None:
            pairs = self.bound.write
            self.unmemo = {code: self.said(text) for code, text in pairs.items() if code not in self.bound.narrowing}
            self.memo = {text: code for code, text in pairs.items() if self.writes and self._comes_back(text, code)}
        elif self.codec.words:
            said = {value: self.encode(value) for value in (True, False)}
            self.unmemo = {value: self.said(text) for value, text in said.items() if text not in self.special}
            self.memo = {text: value for value, text in self.unmemo.items()} if self.writes else {}

    def _comes_back(self, text: str, code: Any) -> bool:
        try:
            return bool(self.decode(text) == code)
        except ValueError:
            return False

    def remember(self, text: Any, value: Any) -> None:
        """Keep a canonical pair for the fast way of reading, as long as there is room. Of several cells or values both
        are tuples."""
        if self.codec.memo and len(self.memo) < _MEMO_MOST:
            self.memo[text] = value
            if self.codec.near is not None:
                self.memo.update((one, one) for one in self.codec.near(text) if one not in self.special)

    def remember_said(self, value: Any, said: Any) -> None:
        """Keep a value with what its cell holds for the fast way of writing, as long as there is room. Of several the
        values, or what the cells hold (MISS for nothing), are a tuple."""
        if self.codec.memo and len(self.unmemo) < _MEMO_MOST and "memo" in (self.fast, self.fast_cells):
            self.unmemo[value] = said
            if self.codec.near is not None:
                near = (one for one in self.codec.near(value) if one not in self.special)
                self.unmemo.update((one, self.said(one)) for one in near)

    def said(self, text: Any) -> Any:
        """A text as its cell holds it: a Token where the format has it bare."""
        return Token(text) if self.tokens[0] and text is not None else text

    def say(self, value: Any) -> Any:
        """The text that stands for a value in its one cell; MISS when none would be read as that value."""
        if value is None:
            return self.none[0] if self.none else None if self.nulls else MISS
        try:
            text = self.encode(value)
        except BAD:
            return MISS
        if text.__class__ is not str or text in self.special or (self.length and len(text) > self.length):
            return MISS
        if self.tokens[0] and not is_bare(text):
            return MISS
        return text

    @cached_property
    def fast(self) -> str:
        """How compiled code may do it: "memo", "text", "check" (text unless flagged), or "" for the general way."""
        if self.shape != "cell" or self.conditions or self.codec.one_way or self.row.ours[0].rooted:
            return ""
        if self.codec.yields == ("values",):
            return ""  # a list is each record's own
        first = self.theirs[0].path
        if not (first.plain or first.text == "." or (first.root == "@" and not any(step.many for step in first.steps))):
            return ""
        if self.bound is None and self.codec is codecs.TEXT:
            return "text"
        return "check" if self.codec.flag else "memo"

    @cached_property
    def fast_cells(self) -> str:
        """How compiled code may do it where it has several cells or values: "memo", "each" (what they say is different
        in each record), or "" for the general way."""
        if len(self.row.ways) > 1 or self.shape != "cells" or self.conditions or self.codec.one_way:
            return ""
        if not self.first or not self.reads or not all(cell.path.plain for cell in self.theirs):
            return ""
        if any(ours.rooted or ours.gathers for ours in self.row.ours):
            return ""
        return "memo" if self.codec.memo and "values" not in self.codec.yields else "each"


class Row:
    """A row bound in its scope and edition; `ways` are the alternatives that this edition has.

    critical: one of its leaves is; keyed: it gives part of its group's key. copies: of a row that only writes, a way
    for each of its cells; fallback: another row reads that cell; unread: its leaves that no row reads back.
    """

    def __init__(self, spec: RowSpec, scope: Scope) -> None:
        self.spec, self.scope, self.key, self.file = spec, scope, spec.key, spec.file
        plan = scope.plan
        self.place = f'{"[fields]" if not scope.name else f"[each.{scope.name}]"} "{spec.key}"'
        names, where = plan.declaration.names, (self.file, self.place)
        paths = [path.parse(text, names, file=self.file, place=self.place) for text in spec.ours]
        self.ours = [Ours(one, scope.struct, scope.ours_prefix, plan.bounds, where) for one in paths]
        self.ways = [
            Way(self, index, way)
            for index, way in enumerate(spec.ways)
            if in_edition(plan.edition, way.since, way.until)
        ]
        self.critical = any(ours.field.leaf.critical for ours in self.ours)
        self.keyed = False
        self.fallback = False
        self.unread: list[Ours] = []
        self.reading = [way for way in self.ways if way.reads]
        self.writing = [way for way in self.ways if way.writes]
        for way in self.writing[:1]:
            way.first = True
        self.copies = [] if self.reading else list({way.theirs[0].path.text: way for way in self.ways[::-1]}.values())
        if any(len(way.theirs) > 1 for way in self.copies):
            self.fail("a row that only writes fills one cell")
        for way in self.reading:
            if any(ours.rooted or ours.gathers for ours in self.ours):
                self.fail('a row to the root of the record, or over whole lists, only writes: way = "out"')
            if way.codec.one_way:
                self.fail(f'{way.codec.name} only writes: way = "out"')
        self._check_codes()

    def fail(self, why: str) -> NoReturn:
        """Refuse the row, naming file and place."""
        raise DeclarationError(why, file=self.file, place=self.place)

    def _check_codes(self) -> None:
        """Refuse a table with codes of ours that are not in the leaf's national list."""
        for way in self.ways:
            if way.bound is None:
                continue
            for n, ours in enumerate(self.ours):
                listed = ours.field.leaf.codes
                if not listed:
                    continue
                if way.bound.prefix and listed != "identifier_system" and not way.bound.prefix.endswith(":"):
                    self.fail("else = needs a prefix ending in ':'")
                known = code_list(listed)
                for row in self.scope.plan.tables[way.table].rows:
                    code = row.ours[n] if isinstance(row.ours, tuple) else row.ours
                    if code and code not in known and ":" not in code:
                        self.fail(f"line {row.line}: {code!r} is not in the national list {listed!r}")

    @property
    def cells(self) -> set[str]:
        """The cells that it reads."""
        return {cell.path.text for way in self.reading for cell in way.theirs}

    def parks(self, way: Way) -> bool:
        """Whether a bad value of this row parks its record."""
        return (way.spec.bad == "park") if way.spec.bad else self.critical or self.keyed

    @property
    def only_out(self) -> bool:
        """Whether it writes a copy of what stands elsewhere: compared on the way in."""
        return bool(self.ways) and not self.reading


__all__ = ["BAD", "Row", "Way"]
