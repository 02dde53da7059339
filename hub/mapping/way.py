"""A row of a mapping bound to the model, the format's schema and one edition: its alternatives, resolved and type-checked.

What is refused here is refused at load, naming file and row, before any record is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hub.adapter import Schema, Token, in_edition
from hub.errors import DeclarationError
from hub.mapping import codecs, path
from hub.mapping.codes import Bound
from hub.mapping.declare import RowSpec, WaySpec
from hub.mapping.ours import Bounds, Ours
from hub.mapping.theirs import Theirs
from hub.model import CONDITIONS, ChildRecord, code_list

if TYPE_CHECKING:
    from hub.mapping.bind import Scope

_WITHIN = {"date": {"date", "partial_date", "datetime"}, "partial_date": {"partial_date"}, "datetime": {"datetime"}}
_MEMO_MOST = 100_000


class Way:
    """One alternative of a row in one edition.

    shape: "cell" (one text, one value), "cells" (tuples), "list" (a list of plain texts), "flags" (codes as words in an
    object). memo and unmemo are the canonical pairs known so far, both ways. tokens: the cells that stand bare.
    """

    def __init__(
        self, row: Row, index: int, spec: WaySpec, bounds: Bounds, schema: Schema | None, names: dict[str, str]
    ) -> None:
        self.row, self.index, self.spec = row, index, spec
        self.key = row.key if index == 0 else f"{row.key}#{index}"
        self.theirs = [Theirs(path.parse(text, names, file=row.file, place=row.place), bounds) for text in spec.theirs]
        self.codec: codecs.Codec = codecs.TEXT
        self.bound: Bound | None = bounds[spec.codes or spec.flags] if spec.codes or spec.flags else None
        self.table = spec.codes or spec.flags
        self.absent = frozenset(spec.absent or row.absent)
        self.none = spec.none
        if self.absent & set(self.none):
            row.fail("the same text is both absent and none")
        self.head = any(t.root == "@" for t in self.theirs)
        self.shadowed = False
        self.first = False
        self.reads = spec.way != "out"
        self.writes = spec.way != "in" and not self.head
        self.tokens, self.length, self.nulls = self._cells(schema)
        self.shape = self._shape()
        self.decode, self.encode = self._pair()
        self.memo: dict[str, Any] = {}
        self.unmemo: dict[Any, Any] = {}
        self._remember()
        self.special = self.absent | frozenset(self.none)
        self.conditions = tuple((CONDITIONS[n.lstrip("!")], n.startswith("!")) for n in spec.when if self._known(n))

    def _known(self, name: str) -> bool:
        if name.lstrip("!") not in CONDITIONS:
            self.row.fail(f"there is no condition {name!r}; known are: {', '.join(sorted(CONDITIONS))}")
        return True

    def _cells(self, schema: Schema | None) -> tuple[tuple[bool, ...], int, bool]:
        if schema is None:
            return tuple(False for _ in self.theirs), 0, True
        found = [schema.by_path.get(self.row.scope.cell_path(t)) for t in self.theirs]
        shipped = self.row.file == self.row.scope.plan.declaration.files[0]
        if shipped and any(
            cell is None and t.root != "@" and not t.path.filtered and not self.spec.flags
            for cell, t in zip(found, self.theirs, strict=True)
        ):
            missing = next(t for cell, t in zip(found, self.theirs, strict=True) if cell is None and t.root != "@")
            self.row.fail(f"the format has no field {self.row.scope.cell_path(missing)!r}")
        tokens = tuple(bool(schema.bare and cell and cell.type in ("integer", "decimal", "boolean")) for cell in found)
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
        wide = self.bound_width() if spec.codes else (self.codec.cells, self.codec.values)
        if wide != (len(self.theirs), len(row.ours)) and not self.codec.one_way:
            row.fail(f"takes {wide[0]} cells and {wide[1]} values, the row has {len(self.theirs)} and {len(row.ours)}")
        self._agree(self._yields(len(row.ours)), element=False)
        return "cell" if len(self.theirs) == len(row.ours) == 1 else "cells"

    def bound_width(self) -> tuple[int, int]:
        """Cells and values of its code table."""
        return self.row.scope.plan.tables[self.table].width

    def _yields(self, values: int) -> tuple[str, ...]:
        return ("code",) * values if self.bound is not None else self.codec.yields

    def _agree(self, yields: tuple[str, ...], element: bool) -> None:
        for kind, ours in zip(yields, self.row.ours, strict=False):
            leaf = ours.field
            if leaf.shape in ("part", "list"):
                self.row.fail(f"{ours.path.text!r} is no leaf of the record")
            if kind == "dates":
                continue
            if (leaf.shape == "values") != (element or kind == "values"):
                self.row.fail(
                    f"{ours.path.text!r} is {'a list of values' if leaf.shape == 'values' else 'one value'}, the row gives the other"
                )
            wanted = leaf.value or "text"
            listed = leaf.leaf.codes if leaf.leaf else ""
            if self.bound is not None:
                if wanted not in ("code", "text"):
                    self.row.fail(f"a code table gives texts, {ours.path.text!r} is {wanted}")
                continue
            if listed:
                self.row.fail(f"{ours.path.text!r} has the code list {listed!r}: the row needs codes =")
            if wanted != kind and wanted not in _WITHIN.get(kind, ()) and not (kind == "values" and wanted == "text"):
                self.row.fail(f"type mismatch: the row gives {kind}, {ours.path.text!r} is {wanted}")

    def _pair(self) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        return (
            (self.bound.decode, self.bound.encode) if self.bound is not None else (self.codec.decode, self.codec.encode)
        )

    def said(self, text: Any) -> Any:
        """A text as its cell holds it: a Token where the format has it bare."""
        return Token(text) if self.tokens[0] and text is not None else text

    def _remember(self) -> None:
        if self.shape not in ("cell", "list") or len(self.row.ours) != 1:
            return
        if self.bound is not None:
            pairs = [(t, o) for o, t in self.bound.write.items()]
            self.unmemo = {o: self.said(t) for t, o in pairs if o not in self.bound.narrowing}
            self.memo = {t: o for t, o in pairs if self.writes and self._back(t) == o}
        elif self.codec.words:
            self.unmemo = {value: self.said(self.encode(value)) for value in (True, False)}
            self.memo = {text: value for value, text in self.unmemo.items()} if self.writes else {}

    def _back(self, text: str) -> Any:
        try:
            return self.decode(text)
        except ValueError:
            return None

    def remember(self, text: str, value: Any) -> None:
        """Keep a canonical pair for the fast way, as long as there is room."""
        if self.codec.memo and len(self.memo) < _MEMO_MOST:
            self.memo[text] = value

    @property
    def fast(self) -> str:
        """How compiled code may do it: "memo", "text", "check" (text unless flagged), or "" for the general way."""
        if self.shape != "cell" or self.conditions or self.codec.one_way or self.row.ours[0].rooted:
            return ""
        first = self.theirs[0].path
        if not (first.plain or first.text == "." or (first.root == "@" and not any(step.many for step in first.steps))):
            return ""
        if self.bound is None and self.codec is codecs.TEXT:
            return "text"
        return "check" if self.codec.flag else "memo"


class Row:
    """A row bound in its scope and edition; `ways` are the alternatives that this edition has."""

    def __init__(self, spec: RowSpec, scope: Scope, schema: Schema | None) -> None:
        self.spec, self.scope, self.key, self.file = spec, scope, spec.key, spec.file
        plan = scope.plan
        self.place = f'{"[fields]" if not scope.name else f"[each.{scope.name}]"} "{spec.key}"'
        self.absent = plan.declaration.absent
        names = plan.declaration.names
        self.ours = [
            Ours(
                path.parse(text, names, file=self.file, place=self.place),
                scope.struct,
                scope.ours_prefix,
                ChildRecord,
                plan.bounds,
                (self.file, self.place),
            )
            for text in spec.ours
        ]
        self.ways = [
            Way(self, index, way, plan.bounds, schema, names)
            for index, way in enumerate(spec.ways)
            if in_edition(plan.edition, way.since, way.until)
        ]
        self.critical = any(ours.field.leaf is not None and ours.field.leaf.critical for ours in self.ours)
        self.keyed = False
        self.fallback = False
        self.unread: list[Ours] = []
        for way in self.writing[:1]:
            way.first = True
        for way in self.ways:
            if way.reads and any(o.rooted or o.gathers for o in self.ours):
                self.fail('a row to the root of the record, or over whole lists, only writes: way = "out"')
            if way.codec.one_way and way.reads:
                self.fail(f'{way.codec.name} only writes: way = "out"')
        self._check_codes()

    def fail(self, why: str) -> None:
        """Refuse the row, naming file and place."""
        raise DeclarationError(why, file=self.file, place=self.place)

    def _check_codes(self) -> None:
        for way in self.ways:
            if way.bound is None:
                continue
            for n, ours in enumerate(self.ours):
                listed = ours.field.leaf.codes if ours.field.leaf else ""
                if listed:
                    self._check_list(way, n, listed, set(code_list(listed)))

    def _check_list(self, way: Way, n: int, listed: str, known: set[str]) -> None:
        assert way.bound is not None
        if way.bound.prefix and listed != "identifier_system" and not way.bound.prefix.endswith(":"):
            self.fail("else = needs a prefix ending in ':'")
        for row in self.scope.plan.tables[way.table].rows:
            code = row.ours[n] if isinstance(row.ours, tuple) else row.ours
            if code and code not in known and ":" not in code:
                raise DeclarationError(
                    f"line {row.line}: {code!r} is not in the national list {listed!r}", file=row.file, place=self.place
                )

    def parks(self, way: Way) -> bool:
        """Whether a bad value of this row parks its record."""
        return (way.spec.bad == "park") if way.spec.bad else self.critical or self.keyed

    @property
    def reading(self) -> list[Way]:
        """The ways that read a cell of the tree or head."""
        return [way for way in self.ways if way.reads]

    @property
    def writing(self) -> list[Way]:
        """The ways that write."""
        return [way for way in self.ways if way.writes]

    @property
    def only_out(self) -> bool:
        """Whether it writes a copy of what stands elsewhere: compared on the way in."""
        return bool(self.ways) and not self.reading
