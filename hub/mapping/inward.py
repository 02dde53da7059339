"""Compiles the reading of theirs: one Python function a scope, one walk over the tree.

The common row (one plain cell, one leaf) becomes four lines of generated code; everything else calls `hub.mapping.reading`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from hub.adapter import Token
from hub.mapping import reading
from hub.mapping.access import MISS, Ours, put
from hub.mapping.bind import Plan, Row, Scope, Way
from hub.mapping.code import Code
from hub.model import Extra


class _Node:
    """Cells by name below a container."""

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.rows: list[tuple[Row, Way]] = []


def compile_reading(plan: Plan) -> str:
    """Give every scope of the plan its `read(tree, reading) -> item`; returns the source, for reading."""
    sources = []
    for scope in reversed(plan.root.walk()):
        writer = _Writer(scope)
        source = writer.function()
        scope.read = writer.code.build(source, f"<reading of {plan.declaration.name} {scope.name}>")
        sources.append(source)
    return "\n\n".join(sources)


class _Writer:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.code = Code({"U": UNSET, "M": MISS, "Token": Token, "Extra": Extra, "put": put, **{n: getattr(reading, n) for n in reading.__all__}})
        self.parts: dict[str, str] = {}

    def function(self) -> str:
        code, scope = self.code, self.scope
        general = [row for row in scope.rows if row.reading and not self._fast(row)]
        later = [row for row in scope.rows if row.only_out and not row.fallback]
        body: list[str] = []
        early = [row for row in general if all(way.shadowed for way in row.reading)]
        body += [f"    read_row(c, {code.name(row, 'r')}, o, t, w)" for row in early]
        self._heads(body)
        self._cells(body, self._tree(), "t", 1)
        for row in sorted((row for row in general if row not in early), key=lambda row: -max(step.tests for ours in row.ours for step in ours.steps)):
            body.append(f"    read_row(c, {code.name(row, 'r')}, o, t, w)")
        lines = ["def read(t, c):", f"    o = {code.name(scope.struct, 'C')}()", f"    c.at[{scope.name!r}] = o", "    w = {}"]
        lines += [f"    {name} = None" for name in self.parts.values()]
        for names, value in scope.made:
            lines.append(f"    put(o, {names!r}, {value!r})")
        for cell in {cell for group in scope.groups if group.on for cell in group.on.values()}:
            lines.append(f"    c.fk[{scope.name!r}] = parent_cell(t, {cell!r})")
        if scope.spec is None:
            lines.append("    c.record = o")
            lines.append("    begin(c)")
            self.code.space["begin"] = _begin
        lines += body
        lines += self._after(later)
        return "\n".join(lines)

    def _after(self, later: list[Row]) -> list[str]:
        code, scope = self.code, self.scope
        lines = []
        if scope.plain:
            lines.append("    if '.' in t: return None")
        if scope.spec is None:
            lines.append("    based(c)")
            code.space["based"] = _based
        else:
            if scope.on_ours:
                lines.append(f"    link_up(c, {code.name(scope, 's')}, o)")
            lines.append(f"    ident(c, {code.name(scope, 's')}, o)")
        lines += [f"    set_later(c, {code.name(row, 'r')}, o, t)" for row in later]
        for group in scope.groups:
            if group.spec is not None and group.spec.way == "out":
                continue
            call = f"claim(c, {code.name(group, 's')}, o, t)"
            first = group.theirs.path.steps[0].name if group.theirs is not None and group.theirs.path.steps else None
            lines.append(f"    if {first!r} in t: {call}" if first and not group.theirs_rooted else f"    {call}")
        if scope.spec is None:
            joined = [below for below in reversed(scope.walk()) if below.theirs_rooted and below.on]
            if joined:
                lines.append(f"    orphans(c, {code.name(joined, 'l')})")
        shared = {group.theirs_prefix: group.theirs for group in scope.groups if group.shared and not group.theirs_rooted}
        if shared:
            lines.append(f"    settle_shared(c, t, {code.name(list(shared.values()), 'l')})")
        if scope.spec is None:
            lines.append("    finish(c)")
        lines += ["    if t or w:", f"        keep_rest(c, o, t, w, {scope.theirs is not None and not scope.theirs.path.steps})", "    return o"]
        code.space["keep_rest"] = _keep_rest
        return lines

    def _fast(self, row: Row) -> bool:
        return len(row.ways) == 1 and bool(row.ways[0].fast) and row.ways[0].reads

    def _heads(self, out: list[str]) -> None:
        """Rows that read the document's head; what they cannot read stays there."""
        for row in self.scope.rows:
            if self._fast(row) and row.ways[0].head:
                *above, name = row.ways[0].theirs[0].path.names
                holder = "c.head" + "".join(f".get({step!r}, {{}})" for step in above)
                out.append(f"    h = {holder}")
                out.append(f"    v = h.get({name!r}, M)")
                out.append("    if v is not M:")
                self._row(out, row, row.ways[0], "h", name, "        ", spell="{}")

    def _tree(self) -> _Node:
        root = _Node()
        for row in self.scope.rows:
            if not self._fast(row) or row.ways[0].head:
                continue
            way = row.ways[0]
            node = root
            for name in way.theirs[0].path.names or (".",):
                node = node.below.setdefault(name, _Node())
            node.rows.append((row, way))
        return root

    def _cells(self, out: list[str], node: _Node, holder: str, depth: int) -> None:
        pad = "    " * depth
        for name, below in node.below.items():
            if below.rows:
                out.append(f"{pad}v = {holder}.pop({name!r}, M)")
                out.append(f"{pad}if v is not M:")
                for row, way in below.rows:
                    self._row(out, row, way, holder, name, pad + "    ")
            if below.below:
                inner = f"d{depth}"
                out.append(f"{pad}{inner} = {holder}.get({name!r})")
                out.append(f"{pad}if {inner}.__class__ is dict and {inner}:")
                self._cells(out, below, inner, depth + 1)
                out.append(f"{pad}    if not {inner}: del {holder}[{name!r}]")

    def _row(self, out: list[str], row: Row, way: Way, holder: str, name: str, pad: str, spell: str = "w") -> None:
        code = self.code
        kind = "Token" if way.tokens[0] else "str"
        if not way.writes and not way.shadowed and not way.head:
            out.append(f"{pad}x = M")
        elif way.fast == "text":
            special = f" and v not in {code.name(way.special, 'k')}" if way.special else ""
            length = f" and len(v) <= {way.length}" if way.length else ""
            out.append(f"{pad}x = {'str(v)' if way.tokens[0] else 'v'} if v.__class__ is {kind}{special}{length} else M")
        elif way.fast == "check":
            out.append(f"{pad}x = v if v.__class__ is {kind} and not {code.name(way.codec.flag, 'f')}(v) else M")
        else:
            out.append(f"{pad}x = {code.name(way.memo, 'm')}.get(v, M) if v.__class__ is {kind} else M")
        out.append(f"{pad}if x is M: x = slow(c, {code.name(way, 'w')}, {holder}, {name!r}, v, {spell})")
        out.append(f"{pad}if x is not M:")
        ours = row.ours[0]
        part = self._part(out, ours, pad + "    ")
        out.append(f"{pad}    {part}.{ours.steps[-1].name} = x")

    def _part(self, out: list[str], ours: Ours, pad: str) -> str:
        """The variable that holds the part of a leaf, with the lines that make it when it is missing."""
        code, at, text = self.code, "o", ""
        for step in ours.steps[:-1]:
            text = step.text
            known = self.parts.get(text)
            if known is None:
                known = self.parts[text] = f"p{len(self.parts)}"
            if step.match is not None:
                out.append(f"{pad}if {known} is None: {known} = {code.name(ours, 'u')}.below({at}, {code.name(step, 'g')}, o, c)")
            else:
                out.append(f"{pad}if {known} is None:")
                out.append(f"{pad}    {known} = {at}.{step.name}")
                out.append(f"{pad}    if {known} is U or {known} is None: {known} = {at}.{step.name} = {code.name(step.field.part, 'C')}()")
            at = known
        return at


def _begin(c: Any) -> None:
    from hub.model import Source

    record = c.record
    source = record.source = Source()
    source.link = c.link
    if c.plan.edition:
        source.edition = c.plan.edition


def _based(c: Any) -> None:
    own = c.record.source.id
    if own is UNSET or own is None:
        own = ""
    c.base = f"{c.link}\x1f{own}\x1f".encode("utf-8", "surrogatepass")


def _keep_rest(c: Any, o: Any, t: Any, w: Any, borrowed: bool) -> None:
    found = reading.extra(c, o)
    if t:
        found.rest = reading.pack(t) if c.plan.schema is None or c.plan.schema.bare else t
    if w:
        found.spell = {**(found.spell or {}), **w}


Reader = Callable[[Any, Any], Any]
