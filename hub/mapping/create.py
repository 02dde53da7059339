"""Compiles the writing of theirs: one Python function a scope, one walk over the record.

Every field of every part is either written by a row, or counted in the account when it is set: the generated code says
so. What is not the common case calls `hub.mapping.writing`, `filling`, `spelling`, `copies` and `placing`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import UNSET

from hub.adapter import Token
from hub.code import Code, Lines
from hub.mapping import copies, filling, placing, spelling, writing
from hub.mapping.bind import Plan, Row, Scope, Way
from hub.mapping.ours import Ours, OurStep
from hub.mapping.outline import Outline, outline
from hub.mapping.reading import MINTED
from hub.mapping.theirs import MISS
from hub.model import Item, Part, fields

_SPACE = {
    "U": UNSET,
    "M": MISS,
    "Token": Token,
    **{
        name: getattr(module, name)
        for module in (writing, filling, spelling, copies, placing)
        for name in module.__all__
    },
}


@dataclass
class _At:
    """A part of ours that is being walked: what rows say of it, its class, its variable, its path."""

    node: Outline
    cls: type[Part]
    var: str
    path: str
    own: set[str] = field(default_factory=set)
    """Fields that the engine answers for."""

    def below(self, name: str) -> str:
        """The path of a field."""
        return f"{self.path}.{name}" if self.path else name


def compile_writing(plan: Plan) -> str:
    """Give every scope of the plan its `write(item, writing) -> tree`; returns the source, for reading."""
    sources = []
    for scope in reversed(plan.root.walk()):
        function = _Function(scope)
        lines, title = function.write(), f"<writing of {plan.declaration.name} {scope.name}>"
        source, scope.write = function.code.build("write(o, c)", lines, title)
        sources.append(source)
    return "\n\n".join(sources)


class _Function:
    """The writing of one scope. boxes: variables of containers of theirs by their names, made when first needed.

    kept: variables of lists of ours that lie below a part; left: lists whose unclaimed items are counted at the end,
    with their path. reached: variables of parts of ours by their names. shared: cells that several rows may write;
    is_mixed: one of these is not the first of its row.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.code = Code(_SPACE)
        self.boxes: dict[tuple[str, ...], str] = {}
        self.kept: list[str] = []
        self.left: list[tuple[str, str]] = []
        self.reached: dict[tuple[str, ...], str] = {}
        self.count = 0
        cells = [{cell.path.text for way in row.writing for cell in way.theirs} for row in scope.rows]
        uses = Counter(text for texts in cells for text in texts)
        self.shared = {text for text, n in uses.items() if n > 1}
        others = [cell for row in scope.rows for way in row.writing for cell in way.theirs[1:]]
        self.is_mixed = any(cell.path.text in self.shared for cell in others)

    def write(self) -> list[str]:
        """The lines of `write`."""
        scope, code = self.scope, self.code
        head, body = Lines(), Lines()
        head.add("x = o.extras", "if x is U: t = {}; w = None", "else: t, w = start(c, x)", "is_new = not t and not w")
        if scope.spec is None:
            head.add("c.tree = t", "c.at[''] = o")
        own = set(writing.OWN)
        if scope.spec is not None:
            own |= {names[0] for names, _ in scope.made} | {names[0] for names, _, _ in scope.on_ours}
        self._part(body, _At(outline(scope), scope.struct, "o", scope.ours_prefix, own))
        for row in scope.rows:
            if row.writing and not self._is_fast(row):
                self._slow(body, row)
        for group in scope.groups:
            if group.spec is not None and group.spec.way != "in":
                self._group(body, group)
        self._require(body)
        if scope.spec is None and scope.plan.flat:
            body.add(f"unclaimed(c, {code.name(scope, 's')})")
        for var, path in self.left:
            body.add(f"if {var} and not c.claimed.issuperset(map(id, {var})): left(c, {var}, {path!r})")
        body.add(f"if w: respell(c, {code.name(scope, 's')}, o, t, w)")
        if scope.spec is None:
            body.add("finish_writing(c)")
        body.add("return t")
        for name in (*self.boxes.values(), *self.kept):
            head.add(f"{name} = None")
        return [*head.lines, *body.lines]

    def _require(self, out: Lines) -> None:
        """Checks for the required fields directly in the item's own object and in the containers its rows fill."""
        scope, schema = self.scope, self.scope.plan.schema
        steps = scope.theirs.path.steps if scope.theirs is not None else ()
        if schema is None or scope.plain or (scope.theirs is not None and not steps):
            return
        prefix = f"{scope.theirs_prefix}." if scope.theirs_prefix else ""
        settled = {test.path.text for test in (steps[-1].tests if steps else ()) if test.value is not None}
        settled |= set(scope.on)
        found: dict[tuple[str, ...], list[str]] = {}
        for cell in schema.leaves(scope.plan.edition):
            inner = cell.path.removeprefix(prefix)
            if cell.required and cell.path.startswith(prefix) and "[]" not in inner and inner not in settled:
                *above, name = inner.split(".")
                found.setdefault(tuple(above), []).append(name)
        for holders, names in found.items():
            holder = "t" + "".join(f".get({name!r}, {{}})" for name in holders)
            shown = prefix + "".join(name + "." for name in holders)
            wanted = self.code.name(frozenset(names), "k")
            out.add(f"if not {wanted} <= {holder}.keys(): need(c, {holder}, {tuple(names)!r}, {shown!r})")

    def _is_fast(self, row: Row) -> bool:
        """Whether a row writes one leaf into one cell that is its alone."""
        if len(row.ways) != 1 or row.only_out:
            return False
        way = row.ways[0]
        return bool(way.fast) and way.writes and way.theirs[0].path.text not in self.shared

    def _var(self) -> str:
        self.count += 1
        return f"s{self.count}"

    def _part(self, out: Lines, at: _At) -> None:
        """Every field of a part: written, walked, or counted when it is set."""
        node = at.node
        for one in fields(at.cls):
            name, value, path = one.name, f"{at.var}.{one.name}", at.below(one.name)
            if (name in node.picks or name in node.grouped) and one.part is not None:
                self._list(out, node.picks.get(name, []), _At(node, one.part, value, path))
            elif name in node.parts and one.part is not None:
                inner = self._var()
                out.add(f"{inner} = {value}")
                with out.block(f"if {inner} is not U and {inner} is not None:"):
                    self._part(out, _At(node.parts[name], one.part, inner, path, _own(one.part)))
            elif node.rows.get(name):
                for row in node.rows[name]:
                    if self._is_fast(row):
                        self._row(out, row, value, path)
            elif name not in at.own and name not in node.silent and path not in writing.ENGINE:
                out.add(f"if {value} is not U: lost(c, {value}, {path!r})")

    def _list(self, out: Lines, picks: list[tuple[Ours, OurStep, Outline]], at: _At) -> None:
        """A list of items: those that filtered rows speak of, each by itself; what is left is counted at the end."""
        if at.var.startswith("o."):
            self.left.append((at.var, at.path))
        else:
            kept = self._var()
            self.kept.append(kept)
            out.add(f"{kept} = {at.var}")
            self.left.append((kept, at.path))
        path = at.path + "[]"
        for ours, step, node in picks:
            picked = self._var()
            out.add(f"{picked} = pick(c, {self.code.name(ours, 'u')}, {self.code.name(step, 'g')}, {at.var})")
            with out.block(f"if {picked} is not None:"):
                self._part(out, _At(node, at.cls, picked, path, _own(at.cls)))
                tests = tuple(".".join(names) for names, _ in step.made)
                leaves = self.code.name(node.leaves(), "l")
                out.add(f"hollow(c, {picked}, {leaves}, {tests!r}, {path!r})")

    def _reach(self, out: Lines, steps: Sequence[OurStep], at: str) -> str:
        """What stands at the end of steps from the item or the record, as an expression; UNSET where a part is not
        there. The parts on the way are looked up once."""
        names: tuple[str, ...] = (at,)
        for step in steps[:-1]:
            names += (step.name,)
            known = self.reached.get(names)
            if known is None:
                known = self.reached[names] = f"q{len(self.reached)}"
                out.add(f"{known} = {_field(at, step.name)}")
            at = known
        return _field(at, steps[-1].name)

    def _slow(self, out: Lines, row: Row) -> None:
        """A row that is neither plain nor a copy of one leaf: passed over when the record says nothing for it."""
        values = []
        for ours in row.ours:
            steps = ours.steps
            picked = [n for n, step in enumerate(steps) if step.match is not None]
            plain = steps[: picked[0] + 1] if picked else steps
            values.append("" if ours.rooted or ours.gathers else self._reach(out, plain, "o"))
        call = f"{'write_copy' if row.only_out else 'write_row'}(c, {self.code.name(row, 'r')}, o, t, w)"
        said = " or ".join(f"{value} is not U" for value in values)
        if not all(values) or self._clears(row):
            out.add(call)
            return
        is_clear = not any(cell.last_match is not None for way in row.writing for cell in way.theirs)
        known = self._known(row, values) if is_clear else ""
        if not known:
            more = "w or " if row.only_out else "" if is_clear else "not is_new or "
            out.add(f"if {more}{said}: {call}")
            return
        way = row.writing[0]
        with out.block(f"if {said}:"):
            if way.shape == "cell":
                out.add(f"x = {values[0]}")
            out.add(f"v = {known} if is_new else M", f"if v is M: {call}")
            is_shared = way.theirs[0].path.text in self.shared
            with out.block(f"elif c.free({self.code.name(way, 'w')}, t):" if is_shared else "else:"):
                if way.shape == "cell":
                    out.add(f"{self._holder(out, way.theirs[0].path.names)} = v")
                    return
                for n, cell in enumerate(way.theirs):
                    with out.block(f"if v[{n}] is not M:"):
                        out.add(f"{self._holder(out, cell.path.names)} = v[{n}]")

    def _clears(self, row: Row) -> bool:
        """Whether a row that has no value to write may have to clear a cell that another row of the scope filled."""
        own = {cell.path.names for way in row.writing for cell in way.theirs if cell.last_match is not None}
        rows = [other for other in self.scope.rows if other is not row] if own else []
        return any(cell.path.names in own for other in rows for way in other.writing for cell in way.theirs)

    def _known(self, row: Row, values: list[str]) -> str:
        """What the first way of a row writes for its values (`x`, if it is one), as an expression: a text, or a tuple
        of the texts of its cells; M for what is not usual. "" where there is none.

        Its first cell may be one that other rows write, and no other of them.
        """
        if row.only_out or self.is_mixed or any(ours.picks for ours in row.ours):
            return ""
        way = row.writing[0]
        if way.shape == "cell" and way.fast and way.theirs[0].path.names:
            return self._text(way, "x")
        if way.fast_cells == "memo":
            return f"{self.code.name(way.unmemo, 'm')}.get(({', '.join(values)},), M)"
        return f"texts_of({self.code.name(way, 'w')}, [{', '.join(values)}])" if way.fast_cells else ""

    def _group(self, out: Lines, group: Scope) -> None:
        """The items of a group, if its list is there."""
        name = self.code.name(group, "s")
        out.add(f"L = {self._reach(out, group.our_steps, 'c.record' if group.ours_rooted else 'o')}")
        with out.block("if L.__class__ is list:"):
            if group.many and not group.on_ours:
                with out.block("for i in L:"):
                    out.add(f"if {self._tests(group)}id(i) not in c.claimed: put_item(c, {name}, i, t)")
            else:
                out.add(f"put_group(c, {name}, L, t)")
        if group.spec is not None and group.spec.none:
            out.add(f"elif L is None: put_none(c, {name}, t)")

    def _tests(self, group: Scope) -> str:
        """What a group's tests ask of the item `i`, as the beginning of an expression."""
        tests, made = group.our_steps[-1].tests, dict(group.made)
        if any(len(test.path.names) > 1 for test in tests):
            return f"{self.code.name(group.match, 'g')}(i) and "
        said = ""
        for test in tests:
            at = f"i.{test.path.names[0]}"
            if test.value is None:
                said += f"{at} in {self.code.name(frozenset(self.scope.plan.bounds[test.table].write), 'k')} and "
            else:
                said += f"{at} == {made[test.path.names]!r} and " if test.value else f"({at} is U or {at} is None) and "
        return said

    def _row(self, out: Lines, row: Row, value: str, path: str) -> None:
        """One leaf into one cell."""
        way = row.ways[0]
        is_id = row.ours[0].path.text == "id" and self.scope.spec is not None
        minted = f" and (w is None or w.get({MINTED!r}) != x)" if is_id else ""
        out.add(f"x = {value}")
        with out.block(f"if x is not U{minted}:"):
            out.add(f"v = {self._text(way, 'x')}")
            out.add(f"if v is M: v = unusual(c, {self.code.name(way, 'w')}, x, {path!r})")
            with out.block("if v is not M:"):
                out.add(f"{self._holder(out, way.theirs[0].path.names or ('.',))} = v")

    def _holder(self, out: Lines, names: Sequence[str]) -> str:
        """Where a cell is put, with the lines that make the containers on the way."""
        holder = "t"
        for n, step in enumerate(names[:-1]):
            known = self.boxes.setdefault(tuple(names[: n + 1]), f"d{len(self.boxes)}")
            out.add(f"if {known} is None: {known} = box({holder}, {step!r})")
            holder = known
        return f"{holder}[{names[-1]!r}]"

    def _text(self, way: Way, x: str) -> str:
        """The text of a value, an expression, where it is a usual one, else M."""
        code = self.code
        if way.fast == "memo":
            return f"{code.name(way.unmemo, 'm')}.get({x}, M)"
        special = f" and {x} not in {code.name(way.special, 'k')}" if way.special else ""
        length = f" and len({x}) <= {way.length}" if way.length else ""
        checked = f" and not {code.name(way.codec.flag, 'f')}({x})" if way.fast == "check" else ""
        said = f"Token({x})" if way.tokens[0] else x
        return f"({said} if {x}.__class__ is str{special}{length}{checked} else M)"


def _field(at: str, name: str) -> str:
    """A field of what may be a part, as an expression."""
    return f"{at}.{name}" if at in ("o", "c.record") else f"(U if {at} is U or {at} is None else {at}.{name})"


def _own(cls: type[Part]) -> set[str]:
    """The fields of an item that the hub answers for; a part has none."""
    return writing.OWN if issubclass(cls, Item) else set()


__all__ = ["compile_writing"]
