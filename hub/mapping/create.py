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
from hub.mapping import copies, filling, placing, spelling, writing
from hub.mapping.bind import Plan, Row, Scope
from hub.mapping.code import Code, Lines
from hub.mapping.ours import Ours, OurStep
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


class _Node:
    """What a scope's rows say of the fields of one part of ours, by the field's name.

    rows write it; parts: below it; picks: of its items one each; grouped: groups take its items. silent: fields that a
    test or the document's head answers for.
    """

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.parts: dict[str, _Node] = {}
        self.picks: dict[str, list[tuple[Ours, OurStep, _Node]]] = {}
        self.grouped: set[str] = set()
        self.silent: set[str] = set()

    def leaves(self) -> writing.Leaves:
        """The names of the leaves that rows write, from here, with the way each is written."""
        own = tuple(((name,), way) for name, rows in self.rows.items() for row in rows for way in row.writing)
        return own + tuple(((name, *names), way) for name, part in self.parts.items() for names, way in part.leaves())


@dataclass
class _At:
    """A part of ours that is being walked: what rows say of it, its class, its variable, its path."""

    node: _Node
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
    with their path. reached: variables of parts of ours by their names. shared: cells that several rows may write.
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
        self._part(body, _At(self._tree(), scope.struct, "o", scope.ours_prefix, own))
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
            body.add(f"if {var}: left(c, {var}, {path!r})")
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

    def _tree(self) -> _Node:
        root, scope = _Node(), self.scope
        for row in scope.rows:
            for ours in row.ours:
                if not ours.rooted and not ours.gathers:
                    _place(root, row, ours)
        for group in scope.walk()[1:]:
            if scope.spec is None if group.ours_rooted else group.parent is scope:
                node = root
                for step in group.our_steps[:-1]:
                    node = node.parts.setdefault(step.name, _Node())
                node.grouped.add(group.our_steps[-1].name)
        return root

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

    def _list(self, out: Lines, picks: list[tuple[Ours, OurStep, _Node]], at: _At) -> None:
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
        clears = any(cell.last_match is not None for way in row.writing for cell in way.theirs)
        if clears or not all(values):
            out.add(call)
            return
        said = " or ".join(f"{value} is not U" for value in values)
        way = row.ways[0]
        is_alone = not any(cell.path.text in self.shared for cell in way.theirs)
        if way.fast_cells != "memo" or not is_alone or any(ours.picks for ours in row.ours):
            out.add(f"if {'w or ' if row.only_out else ''}{said}: {call}")
            return
        with out.block(f"if {said}:"):
            out.add(f"v = {self.code.name(way.unmemo, 'm')}.get(({', '.join(values)},)) if is_new else None")
            out.add(f"if v is None: {call}")
            with out.block("else:"):
                for n, cell in enumerate(way.theirs):
                    with out.block(f"if v[{n}] is not M:"):
                        out.add(f"{self._holder(out, cell.path.names)} = v[{n}]")

    def _group(self, out: Lines, group: Scope) -> None:
        """The items of a group, if its list is there."""
        name = self.code.name(group, "s")
        out.add(f"L = {self._reach(out, group.our_steps, 'c.record' if group.ours_rooted else 'o')}")
        out.add(f"if L.__class__ is list: put_group(c, {name}, L, t)")
        if group.spec is not None and group.spec.none:
            out.add(f"elif L is None: put_none(c, {name}, t)")

    def _row(self, out: Lines, row: Row, value: str, path: str) -> None:
        """One leaf into one cell."""
        way = row.ways[0]
        is_id = row.ours[0].path.text == "id" and self.scope.spec is not None
        minted = f" and (w is None or w.get({MINTED!r}) != x)" if is_id else ""
        out.add(f"x = {value}")
        with out.block(f"if x is not U{minted}:"):
            out.add(f"v = {self._text(row)}")
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

    def _text(self, row: Row) -> str:
        """The text of `x` where it is a usual value, else M."""
        way, code = row.ways[0], self.code
        if way.fast == "memo":
            return f"{code.name(way.unmemo, 'm')}.get(x, M)"
        special = f" and x not in {code.name(way.special, 'k')}" if way.special else ""
        length = f" and len(x) <= {way.length}" if way.length else ""
        checked = f" and not {code.name(way.codec.flag, 'f')}(x)" if way.fast == "check" else ""
        said = "Token(x)" if way.tokens[0] else "x"
        return f"{said} if x.__class__ is str{special}{length}{checked} else M"


def _field(at: str, name: str) -> str:
    """A field of what may be a part, as an expression."""
    return f"{at}.{name}" if at in ("o", "c.record") else f"(U if {at} is U or {at} is None else {at}.{name})"


def _own(cls: type[Part]) -> set[str]:
    """The fields of an item that the hub answers for; a part has none."""
    return writing.OWN if issubclass(cls, Item) else set()


def _place(root: _Node, row: Row, ours: Ours) -> None:
    """Put one path of a row into the tree of what rows say."""
    node = root
    for step in ours.steps[:-1]:
        if step.match is None:
            node = node.parts.setdefault(step.name, _Node())
            continue
        picks = node.picks.setdefault(step.name, [])
        known = next((inner for _, other, inner in picks if other.text == step.text), None)
        if known is None:
            known = _Node()
            known.silent = {names[0] for names, _ in step.made}
            picks.append((ours, step, known))
        node = known
    name = ours.steps[-1].name
    rows = node.rows.setdefault(name, [])
    if any(way.head for way in row.ways):
        node.silent.add(name)
    if row.writing:
        rows.append(row)


__all__ = ["compile_writing"]
