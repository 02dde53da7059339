"""Compiles the rows of one scope for reading: plain rows (one cell, one leaf) and plain lists of texts.

Rows of any other kind are left to `hub.mapping.taking`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.code import Code, Lines
from hub.mapping.bind import Row, Scope, Way
from hub.mapping.ours import Made, Ours, OurStep
from hub.mapping.path import Path
from hub.mapping.theirs import MISS


class _Node:
    """Cells by name below a container of theirs, and the rows that read the cell itself."""

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.rows: list[Row] = []


def is_fast(row: Row) -> bool:
    """Whether a row reads one cell into one leaf."""
    return len(row.ways) == 1 and bool(row.ways[0].fast) and row.ways[0].reads


def is_fast_list(row: Row) -> bool:
    """Whether a row reads a plain list of texts into a plain list of values."""
    way = row.ways[0]
    cell = way.theirs[0].path
    is_plain = not cell.root and not cell.filtered and not any(step.many for step in cell.steps[:-1])
    is_simple = way.shape == "list" and way.first and way.reads and not way.none and not way.conditions
    return len(row.ways) == 1 and is_plain and is_simple


def is_fast_cells(row: Row) -> bool:
    """Whether a row reads several cells or values, each at a plain path."""
    return bool(row.ways[0].fast_cells) and not row.ways[0].shadowed


def is_fast_choice(row: Row) -> bool:
    """Whether a row is of alternatives of one cell each, directly in the item, and one leaf."""
    return len(row.reading) > 1 and all(
        way.fast and not way.shadowed and not way.head and len(way.theirs[0].path.names) == 1 for way in row.reading
    )


_TEXT_OR_MISS = frozenset({str, MISS.__class__})


class Rows:
    """Writes the lines that read a scope's rows.

    parts: by the text of a step, the variable of the part or item that a filtered row made; made: variables of such
    items, which need an id. slow: rows that are neither plain nor a plain list; general: those of them that are not
    compiled at all; general_steps: texts of the steps that these also lead through.
    """

    def __init__(self, scope: Scope, code: Code) -> None:
        self.scope, self.code = scope, code
        self.parts: dict[str, str] = {}
        self.made: list[tuple[str, OurStep]] = []
        self.slow = [row for row in scope.rows if not is_fast(row) and not is_fast_list(row)]
        self.general = [row for row in self.slow if not is_fast_cells(row) and not is_fast_choice(row)]
        steps = [step for row in self.general for ours in row.ours for step in ours.steps]
        self.general_steps = {step.text for step in steps if step.match is not None}

    def read(self, out: Lines) -> None:
        """Every row that reads, those with more tests before those that take what is left."""
        slow = [row for row in self.slow if row.reading]
        early = [row for row in slow if all(way.shadowed for way in row.reading)]
        late = [row for row in slow if row not in early]
        late.sort(key=lambda row: -max(len(step.tests) for ours in row.ours for step in ours.steps))
        self._general(out, early)
        self._heads(out)
        self._cells(out, self._tree(), "t", 1)
        for row in self.scope.rows:
            if row.reading and is_fast_list(row):
                self._list(out, row)
        self._general(out, late)

    def _general(self, out: Lines, rows: list[Row]) -> None:
        for row in rows:
            if is_fast_cells(row):
                self._several(out, row)
                continue
            if is_fast_choice(row):
                self._choice(out, row)
                continue
            cells = [cell.path for way in row.reading for cell in way.theirs]
            found = " or ".join(dict.fromkeys(map(there, cells)))
            out.add(f"if {found}: read_row(c, {self.code.name(row, 'r')}, o, t, w)")

    def _choice(self, out: Lines, row: Row) -> None:
        """A row of alternatives: the first that has its cell is read."""
        with out.level():
            for way in row.reading:
                (name,) = way.theirs[0].path.names
                out.add(f"v = t.get({name!r}, M)")
                with out.block("if v is not M:"):
                    self._cell(out, row, way, f"t, {name!r}, v, w", f"del t[{name!r}]")
                if way is not row.reading[-1]:
                    out.open("else:")

    def _several(self, out: Lines, row: Row) -> None:
        """A row of several cells or values."""
        way = row.ways[0]
        held: dict[tuple[str, ...], str] = {(): "t"}
        texts = [f"a{n}" for n in range(len(way.theirs))]
        for text, cell in zip(texts, way.theirs, strict=True):
            *above, name = cell.path.names
            for n in range(len(above)):
                outer, inner = tuple(above[:n]), tuple(above[: n + 1])
                if inner not in held:
                    held[inner] = f"h{len(held)}"
                    out.add(f"{held[inner]} = {_below(held[outer], above[n], 'None')}")
            out.add(f"{text} = {_below(held[tuple(above)], name, 'M')}")
        with out.block(f"if {' or '.join(f'{text} is not M' for text in texts)}:"):
            given, reader = f"({', '.join(texts)},)", f"values_of(c, {self.code.name(way, 'w')}, "
            if way.fast_cells == "memo":
                kinds = self.code.name(_TEXT_OR_MISS, "k")
                known = " and ".join(f"{text}.__class__ in {kinds}" for text in texts)
                out.add(f"r = {self.code.name(way.memo, 'm')}.get({given}) if {known} else None")
                out.add(f"if r is None: r = {reader}{given}, w)")
            else:
                out.add(f"r = {reader}{given}, w)")
            with out.block("if r is not M:"):
                for text, cell in zip(texts, way.theirs, strict=True):
                    names = cell.path.names
                    with out.block(f"if {text} is not M:"):
                        drop(out, [held[names[:n]] for n in range(len(names))], names)
                out.add(f"{', '.join(f'x{n}' for n in range(len(row.ours)))}, = r")
                for n, ours in enumerate(row.ours):
                    with out.block(f"if x{n} is not M:"):
                        self.put(out, ours, f"x{n}")

    def _heads(self, out: Lines) -> None:
        """Rows that read the document's head; what they cannot read stays there."""
        for row in self.scope.rows:
            if is_fast(row) and row.ways[0].head:
                *above, name = row.ways[0].theirs[0].path.names
                holder = "c.head" + "".join(f".get({step!r}, {{}})" for step in above)
                out.add(f"h = {holder}", f"v = h.get({name!r}, M)")
                with out.block("if v is not M:"):
                    self._cell(out, row, row.ways[0], f"h, {name!r}, v, {{}}")

    def _tree(self) -> _Node:
        root = _Node()
        for row in self.scope.rows:
            if is_fast(row) and not row.ways[0].head:
                node = root
                for name in row.ways[0].theirs[0].path.names or (".",):
                    node = node.below.setdefault(name, _Node())
                node.rows.append(row)
        return root

    def _cells(self, out: Lines, node: _Node, holder: str, depth: int) -> None:
        for name, below in node.below.items():
            if below.rows:
                out.add(f"v = {holder}.pop({name!r}, M)")
                with out.block("if v is not M:"):
                    if len(below.rows) > 1:
                        out.add("y = v")
                    for n, row in enumerate(below.rows):
                        if n:
                            out.add("v = y")
                        self._cell(out, row, row.ways[0], f"{holder}, {name!r}, v, w")
            if below.below:
                inner = f"d{depth}"
                out.add(f"{inner} = {holder}.get({name!r})")
                with out.block(f"if {inner}.__class__ is dict and {inner}:"):
                    self._cells(out, below, inner, depth + 1)
                    out.add(f"if not {inner}: del {holder}[{name!r}]")

    def _cell(self, out: Lines, row: Row, way: Way, given: str, done: str = "") -> None:
        """One row, its cell in `v`; given: what `slow` is told of the cell; done: a line for when it is read."""
        value, is_read = self._value(way)
        with out.block(f"if {is_read}({value} := slow(c, {self.code.name(way, 'w')}, {given})) is not M:"):
            if done:
                out.add(done)
            self.put(out, row.ours[0], value)

    def _value(self, way: Way) -> tuple[str, str]:
        """The variable of a cell's value, and the test whether `v` is in canonical spelling, which sets it; the test
        ends in `or`."""
        if not way.first and not way.shadowed and not way.head:
            return "x", ""
        is_kind = f"v.__class__ is {'Token' if way.tokens[0] else 'str'}"
        length = f" and len(v) <= {way.length}" if way.length else ""
        if way.fast == "memo":
            return "x", f"{is_kind} and (x := {self.code.name(way.memo, 'm')}.get(v, M)) is not M or "
        if way.fast == "check":
            return "v", f"{is_kind}{length} and not {self.code.name(way.codec.flag, 'f')}(v) or "
        special = f" and v not in {self.code.name(way.special, 'k')}" if way.special else ""
        if way.tokens[0]:
            return "x", f"{is_kind}{special}{length} and (x := str(v)) is not M or "
        return "v", f"{is_kind}{special}{length} or "

    def _list(self, out: Lines, row: Row) -> None:
        """A row over a list of plain texts."""
        way = row.ways[0]
        *above, name = way.theirs[0].path.names
        with out.level():
            holders = descend(out, above)
            out.add(f"L = {holders[-1]}.get({name!r}, M)")
            with out.block("if L is not M and L != []:"):
                out.add(f"r = {self.decoded(way)} if L.__class__ is list else (M,)")
                out.add(f"if M in r: read_row(c, {self.code.name(row, 'r')}, o, t, w)")
                with out.block("else:"):
                    self.put(out, row.ours[0], "r")
                    drop(out, holders, [*above, name])

    def decoded(self, way: Way) -> str:
        """The values of the texts in `L`, M for each that is not in canonical spelling."""
        kind = "Token" if way.tokens[0] else "str"
        return f"[{self.code.name(way.memo, 'm')}.get(e, M) if e.__class__ is {kind} else M for e in L]"

    def put(self, out: Lines, ours: Ours, value: str) -> None:
        """Set a leaf, with the lines that make its part when it is missing."""
        part = self.part(out, ours.steps[:-1], ours)
        out.add(f"{part}.{ours.steps[-1].name} = {value}")

    def part(self, out: Lines, steps: Sequence[OurStep], ours: Ours | None = None) -> str:
        """The variable that holds what steps lead to, with the lines that make it when it is missing. ours: the path of
        the row that they are of."""
        at = "o"
        for step in steps:
            known, field = self.parts.get(step.text), f"{at}.{step.name}"
            is_new = known is None
            if known is None:
                known = self.parts[step.text] = f"p{len(self.parts)}"
            cls = self.code.name(step.field.part, "C")
            if step.match is None:
                with out.block(f"if {known} is None:"):
                    out.add(f"{known} = {field}")
                    out.add(f"if {known} is U or {known} is None: {known} = {field} = {cls}()")
            elif step.text in self.general_steps:
                path, picked = self.code.name(ours, "u"), self.code.name(step, "g")
                out.add(f"if {known} is None: {known} = {path}.below({at}, {picked}, o, c)")
            else:
                with out.block(f"if {known} is None:"):
                    out.add(f"{known} = {cls}()")
                    settle_tests(out, known, step.made)
                    out.add(f"if {field} is U: {field} = [{known}]", f"else: {field}.append({known})")
                if is_new:
                    self.made.append((known, step))
            at = known
        return at


def settle_tests(out: Lines, var: str, made: Made) -> None:
    """What `=` tests set on an item that is made."""
    for names, value in made:
        out.add(f"{var}.{names[0]} = {value!r}" if len(names) == 1 else f"put({var}, {names!r}, {value!r})")


def there(path: Path) -> str:
    """Whether something stands where a path begins, up to its first filter, as an expression."""
    if path.root:
        return "True"
    names = []
    for step in path.steps:
        names.append(step.name)
        if step.many:
            break
    holder = "t"
    found = []
    for name in names[:-1]:
        found.append(f"(h := {holder}.get({name!r})).__class__ is dict")
        holder = "h"
    return " and ".join([*found, f"{(names or ['.'])[-1]!r} in {holder}"])


def _below(holder: str, name: str, default: str) -> str:
    """What stands at a name in what may be an object, as an expression."""
    if holder == "t":
        return f"t.get({name!r}, {default})"
    return f"{holder}.get({name!r}, {default}) if {holder}.__class__ is dict else {default}"


def descend(out: Lines, above: Sequence[str]) -> list[str]:
    """Open a block for each container on the way to a cell; the variables that hold them, the tree first."""
    holders = ["t"]
    for n, step in enumerate(above):
        out.add(f"h{n} = {holders[-1]}.get({step!r})")
        out.open(f"if h{n}.__class__ is dict:")
        holders.append(f"h{n}")
    return holders


def drop(out: Lines, holders: list[str], names: Sequence[str]) -> None:
    """Take a cell out, and the containers that it alone kept filled."""
    *above, name = names
    with out.level():
        out.add(f"del {holders[-1]}[{name!r}]")
        for n in range(len(above) - 1, -1, -1):
            out.open(f"if not {holders[n + 1]}:")
            out.add(f"del {holders[n]}[{above[n]!r}]")


__all__ = ["Rows", "descend", "drop", "is_fast", "is_fast_cells", "settle_tests", "there"]
