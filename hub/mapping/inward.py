"""Compiles the reading of theirs: one Python function a scope, one walk over the tree.

Plain rows (one cell, one leaf), plain lists of texts and groups over plain lists become a few lines of generated code each;
everything else calls `hub.mapping.reading` and `hub.mapping.claims`.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from msgspec import UNSET

from hub.adapter import Token
from hub.mapping import claims, reading
from hub.mapping.bind import Plan, Row, Scope, Way
from hub.mapping.code import Code
from hub.mapping.extras import pack
from hub.mapping.ours import Ours, OurStep, put
from hub.mapping.theirs import MISS
from hub.model import Source, fields

_SPACE = {
    "U": UNSET, "M": MISS, "Token": Token, "put": put, "blake2b": blake2b,
    **{name: getattr(module, name) for module in (reading, claims) for name in module.__all__},
}  # fmt: skip


class _Node:
    """Cells by name below a container."""

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.rows: list[tuple[Row, Way]] = []


def compile_reading(plan: Plan) -> str:
    """Give every scope of the plan its `read(tree, reading, seen, up) -> item`; returns the source, for reading.

    seen counts the keys below one parent, up is the parent's id.
    """
    sources = []
    named = {group for scope in plan.root.walk() for _, group, path in scope.on_ours if not _is_up(scope, group, path)}
    for scope in reversed(plan.root.walk()):
        writer = _Writer(scope, scope.name in named)
        source = writer.function()
        scope.read = writer.code.build(source, f"<reading of {plan.declaration.name} {scope.name}>")
        sources.append(source)
        if (
            scope.plain
            and not scope.groups
            and len(scope.rows) == 1
            and _fast(scope.rows[0])
            and scope.rows[0].ways[0].fast == "memo"
        ):
            maker = _Writer(scope, False)
            source = maker.maker()
            scope.make = maker.code.build(source, f"<making of {plan.declaration.name} {scope.name}>")
            sources.append(source)
    return "\n\n".join(sources)


def _is_up(scope: Scope, group: str, path: Ours) -> bool:
    return scope.parent is not None and group == scope.parent.name and path.path.text == "id"


def _fast(row: Row) -> bool:
    return len(row.ways) == 1 and bool(row.ways[0].fast) and row.ways[0].reads


def _fast_list(row: Row) -> bool:
    way = row.ways[0]
    cell = way.theirs[0].path
    plain = not cell.root and not cell.filtered and not any(step.many for step in cell.steps[:-1])
    return (
        len(row.ways) == 1
        and way.shape == "list"
        and way.first
        and way.reads
        and plain
        and not way.none
        and not way.conditions
    )


class _Writer:
    def __init__(self, scope: Scope, at: bool) -> None:
        self.scope, self.at = scope, at
        self.code = Code(_SPACE)
        self.parts: dict[str, str] = {}
        self.made: list[tuple[str, OurStep]] = []
        general = [row for row in scope.rows if not _fast(row) and not _fast_list(row)]
        self.general = {
            step.text for row in general for ours in row.ours for step in ours.steps if step.match is not None
        }

    def function(self) -> str:
        """The source of the scope's `read`."""
        code, scope = self.code, self.scope
        general = [row for row in scope.rows if row.reading and not _fast(row) and not _fast_list(row)]
        early = [row for row in general if all(way.shadowed for way in row.reading)]
        body = [f"    read_row(c, {code.name(row, 'r')}, o, t, w)" for row in early]
        self._heads(body)
        self._cells(body, self._tree(), "t", 1)
        for row in scope.rows:
            if row.reading and _fast_list(row):
                self._list(body, row)
        late = sorted(
            (row for row in general if row not in early),
            key=lambda row: -max(step.tests for ours in row.ours for step in ours.steps),
        )
        body += [f"    read_row(c, {code.name(row, 'r')}, o, t, w)" for row in late]
        lines = self._start()
        lines += [f"    {name} = None" for name in self.parts.values()]
        return "\n".join([*lines, *body, *self._after()])

    def maker(self) -> str:
        """For a plain group of one row: the source of `make(value, reading, seen, up) -> item`."""
        lines = ["def make(x, c, seen, up):", f"    o = {self.code.name(self.scope.struct, 'C')}()", *self._settled()]
        ours = self.scope.rows[0].ours[0]
        part = self._part(lines, ours, "    ")
        declared = [f"    {name} = None" for name in self.parts.values()]
        lines.append(f"    {part}.{ours.steps[-1].name} = x")
        return "\n".join([*lines[:2], *declared, *lines[2:], *self._ident(), "    return o"])

    def _start(self) -> list[str]:
        code, scope = self.code, self.scope
        lines = ["def read(t, c, seen, up):", f"    o = {code.name(scope.struct, 'C')}()", "    w = {}"]
        if self.at or scope.spec is None:
            lines.append(f"    c.at[{scope.name!r}] = o")
        lines += self._settled()
        for cell in {cell for group in scope.groups if group.on for cell in group.on.values()}:
            lines.append(f"    c.fk[{scope.name!r}] = parent_cell(t, {cell!r})")
        if scope.spec is None:
            lines += ["    c.record = o", "    begin(c)"]
            code.space["begin"] = _begin
        return lines

    def _settled(self) -> list[str]:
        """What the group's tests settle on every item."""
        lines = []
        for names, value in self.scope.made:
            lines.append(f"    o.{names[0]} = {value!r}" if len(names) == 1 else f"    put(o, {names!r}, {value!r})")
        return lines

    def _after(self) -> list[str]:
        """After the rows: identity, groups, copies, what is left."""
        code, scope = self.code, self.scope
        single = scope.theirs is not None and not scope.theirs.path.steps
        lines = []
        if scope.plain:
            lines.append("    if '.' in t: return None")
        if single:
            lines.append("    if not says(o): return None")
            code.space["says"] = _says
        if scope.spec is None:
            lines.append("    based(c)")
            code.space["based"] = _based
        else:
            lines += self._ident()
        for name, step in self.made:
            text = repr(step.text)
            up = "''" if scope.spec is None else "o.id"
            lines.append(
                f"    if {name} is not None and {name}.id is U: {name}.id = known_id(c, {text}, {up}, None, 0)"
            )
        lines += [
            f"    set_later(c, {code.name(row, 'r')}, o, t)" for row in scope.rows if row.only_out and not row.fallback
        ]
        for group in scope.groups:
            if group.spec is not None and group.spec.way != "out":
                self._group(lines, group)
        if scope.spec is None:
            joined = [below for below in reversed(scope.walk()) if below.theirs_rooted and below.on]
            if joined:
                lines.append(f"    orphans(c, {code.name(joined, 'l')})")
        shared = {
            group.theirs_prefix: group.theirs for group in scope.groups if group.shared and not group.theirs_rooted
        }
        if shared:
            lines.append(f"    settle_shared(c, t, {code.name(list(shared.values()), 'l')})")
        if scope.spec is None:
            lines.append("    if c.claims or c.fresh or c.later: finish(c)")
        code.space["keep_rest"] = _keep_rest
        lines.append("    if w: keep_rest(c, o, None, w)" if single else "    if t or w: keep_rest(c, o, t, w)")
        return [*lines, "    return o"]

    def _ident(self) -> list[str]:
        """The item's references to those around it, its key's occurrence, its id."""
        code, scope = self.code, self.scope
        lines = []
        for names, group, path in scope.on_ours:
            if _is_up(scope, group, path) and len(names) == 1:
                lines.append(f"    if up is not U: o.{names[0]} = up")
            else:
                lines.append(f"    link_up(c, {code.name([(names, group, path)], 'l')}, o)")
        keys = [self._key(ours) for ours in scope.keys]
        lines.append(f"    k = {keys[0] if len(keys) == 1 else '(' + ', '.join([*keys, '']) + ')'}")
        lines += ["    n = seen.get(k, 0)", "    seen[k] = n + 1", f"    if n: repeated(c, {code.name(scope, 's')}, k)"]
        text = f"{scope.name}\\x1f{{up}}\\x1f{{k!r}}\\x1f{{n}}"
        mint = f"'hub-' + blake2b((c.base + f'{text}').encode('utf-8', 'surrogatepass'), digest_size=10).hexdigest()"
        lines.append("    if o.id is U:")
        lines.append(f"        o.id = {mint} if c.known is None else known_id(c, {scope.name!r}, up, k, n)")
        if scope.maps_id:
            lines.append(f"        w[{reading.MINTED!r}] = o.id")
        return lines

    def _key(self, ours: Ours) -> str:
        if len(ours.steps) == 1:
            return f"o.{ours.steps[0].name}"
        part = self.parts.get(ours.steps[-2].text)
        if part is not None and not any(step.match for step in ours.steps):
            return f"({part}.{ours.steps[-1].name} if {part} is not None else U)"
        return f"{self.code.name(ours, 'u')}.get(o)"

    def _group(self, out: list[str], group: Scope) -> None:
        """One group's items: inline for a plain list that is its alone, else the general way."""
        code = self.code
        general = f"claim(c, {code.name(group, 's')}, o, t)"
        cell = group.theirs.path if group.theirs is not None else None
        if cell is None or group.theirs_rooted:
            out.append(f"    {general}")
            return
        if not cell.steps:
            out.append(
                f"    if {' or '.join(f'{name!r} in t' for name in sorted(group.own_cells)) or 'True'}: {general}"
            )
            return
        if (
            group.shared
            or not group.many
            or cell.filtered
            or any(step.many for step in cell.steps[:-1])
            or (group.plain and group.make is None)
        ):
            out.append(f"    if {cell.steps[0].name!r} in t: {general}")
            return
        self._loop(out, group, general)

    def _loop(self, out: list[str], group: Scope, general: str) -> None:
        code = self.code
        assert group.theirs is not None
        *above, name = group.theirs.path.names
        pad, holders = "    ", ["t"]
        for n, step in enumerate(above):
            out += [f"{pad}h{n} = {holders[-1]}.get({step!r})", f"{pad}if h{n}.__class__ is dict:"]
            holders.append(f"h{n}")
            pad += "    "
        out += [f"{pad}L = {holders[-1]}.get({name!r})", f"{pad}if L:"]
        pad += "    "
        if group.plain:
            memo = code.name(group.rows[0].ways[0].memo, "m")
            kind = "Token" if group.rows[0].ways[0].tokens[0] else "str"
            out += [
                f"{pad}r = [{memo}.get(e, M) if e.__class__ is {kind} else M for e in L] if L.__class__ is list else (M,)",
                f"{pad}if M in r: {general}",
            ]
            each = f"[{code.name(group.make, 'f')}(e, c, s, u) for e in r]"
        else:
            out.append(f"{pad}if L.__class__ is not list or not all([e.__class__ is dict for e in L]): {general}")
            each = f"[{code.name(group.read, 'f')}(e, c, s, u) for e in L]"
        up = "''" if self.scope.spec is None else "o.id"
        out += [f"{pad}else:", f"{pad}    s = {{}}; u = {up}", f"{pad}    r = {each}"]
        ours = group.our_steps[-1].name
        if len(group.our_steps) == 1 and not group.ours_rooted and not (group.spec and group.spec.partial):
            out += [f"{pad}    if o.{ours} is U: o.{ours} = r", f"{pad}    else: o.{ours}.extend(r)"]
        else:
            out.append(f"{pad}    extend(c, {code.name(group, 's')}, o, r)")
        out.append(f"{pad}    del {holders[-1]}[{name!r}]")
        self._prune(out, above, holders, pad + "    ")

    def _prune(self, out: list[str], above: list[str] | tuple[str, ...], holders: list[str], pad: str) -> None:
        """Drop the containers that a taken list alone kept filled."""
        for n in range(len(above) - 1, -1, -1):
            out.append(f"{pad}if not {holders[n + 1]}:")
            pad += "    "
            out.append(f"{pad}del {holders[n]}[{above[n]!r}]")

    def _list(self, out: list[str], row: Row) -> None:
        """A row over a list of plain texts."""
        code, way, ours = self.code, row.ways[0], row.ours[0]
        general = f"read_row(c, {code.name(row, 'r')}, o, t, w)"
        *above, name = way.theirs[0].path.names
        pad, holders = "    ", ["t"]
        for n, step in enumerate(above):
            out += [f"{pad}h{n} = {holders[-1]}.get({step!r})", f"{pad}if h{n}.__class__ is dict:"]
            holders.append(f"h{n}")
            pad += "    "
        kind = "Token" if way.tokens[0] else "str"
        memo = code.name(way.memo, "m")
        out += [
            f"{pad}L = {holders[-1]}.get({name!r}, M)",
            f"{pad}if L is not M and L != []:",
            f"{pad}    r = [{memo}.get(e, M) if e.__class__ is {kind} else M for e in L] if L.__class__ is list else (M,)",
            f"{pad}    if M in r: {general}",
            f"{pad}    else:",
        ]
        part = self._part(out, ours, pad + "        ")
        out += [f"{pad}        {part}.{ours.steps[-1].name} = r", f"{pad}        del {holders[-1]}[{name!r}]"]
        self._prune(out, above, holders, pad + "        ")

    def _heads(self, out: list[str]) -> None:
        """Rows that read the document's head; what they cannot read stays there."""
        for row in self.scope.rows:
            if _fast(row) and row.ways[0].head:
                *above, name = row.ways[0].theirs[0].path.names
                holder = "c.head" + "".join(f".get({step!r}, {{}})" for step in above)
                out += [f"    h = {holder}", f"    v = h.get({name!r}, M)", "    if v is not M:"]
                self._row(out, row, row.ways[0], "h", name, "        ", "{}")

    def _tree(self) -> _Node:
        root = _Node()
        for row in self.scope.rows:
            if not _fast(row) or row.ways[0].head:
                continue
            node = root
            for name in row.ways[0].theirs[0].path.names or (".",):
                node = node.below.setdefault(name, _Node())
            node.rows.append((row, row.ways[0]))
        return root

    def _cells(self, out: list[str], node: _Node, holder: str, depth: int) -> None:
        pad = "    " * depth
        for name, below in node.below.items():
            if below.rows:
                out += [f"{pad}v = {holder}.pop({name!r}, M)", f"{pad}if v is not M:"]
                for row, way in below.rows:
                    self._row(out, row, way, holder, name, pad + "    ", "w")
            if below.below:
                inner = f"d{depth}"
                out += [f"{pad}{inner} = {holder}.get({name!r})", f"{pad}if {inner}.__class__ is dict and {inner}:"]
                self._cells(out, below, inner, depth + 1)
                out.append(f"{pad}    if not {inner}: del {holder}[{name!r}]")

    def _row(self, out: list[str], row: Row, way: Way, holder: str, name: str, pad: str, spell: str) -> None:
        code = self.code
        kind = "Token" if way.tokens[0] else "str"
        if not way.writes and not way.shadowed and not way.head:
            out.append(f"{pad}x = M")
        elif way.fast == "text":
            special = f" and v not in {code.name(way.special, 'k')}" if way.special else ""
            length = f" and len(v) <= {way.length}" if way.length else ""
            out.append(
                f"{pad}x = {'str(v)' if way.tokens[0] else 'v'} if v.__class__ is {kind}{special}{length} else M"
            )
        elif way.fast == "check":
            length = f" and len(v) <= {way.length}" if way.length else ""
            out.append(
                f"{pad}x = v if v.__class__ is {kind}{length} and not {code.name(way.codec.flag, 'f')}(v) else M"
            )
        else:
            out.append(f"{pad}x = {code.name(way.memo, 'm')}.get(v, M) if v.__class__ is {kind} else M")
        out.append(f"{pad}if x is M: x = slow(c, {code.name(way, 'w')}, {holder}, {name!r}, v, {spell})")
        out.append(f"{pad}if x is not M:")
        part = self._part(out, row.ours[0], pad + "    ")
        out.append(f"{pad}    {part}.{row.ours[0].steps[-1].name} = x")

    def _part(self, out: list[str], ours: Ours, pad: str) -> str:
        """The variable that holds the part of a leaf, with the lines that make it when it is missing."""
        code, at = self.code, "o"
        for step in ours.steps[:-1]:
            fresh = step.text not in self.parts
            known = self.parts.setdefault(step.text, f"p{len(self.parts)}")
            cls = code.name(step.field.part, "C")
            if step.match is None:
                out += [f"{pad}if {known} is None:", f"{pad}    {known} = {at}.{step.name}"]
                out.append(f"{pad}    if {known} is U or {known} is None: {known} = {at}.{step.name} = {cls}()")
            elif step.text in self.general:
                out.append(
                    f"{pad}if {known} is None: {known} = {code.name(ours, 'u')}.below({at}, {code.name(step, 'g')}, o, c)"
                )
            else:
                out += [f"{pad}if {known} is None:", f"{pad}    {known} = {cls}()"]
                for names, value in step.made:
                    out.append(
                        f"{pad}    {known}.{names[0]} = {value!r}"
                        if len(names) == 1
                        else f"{pad}    put({known}, {names!r}, {value!r})"
                    )
                out += [
                    f"{pad}    if {at}.{step.name} is U: {at}.{step.name} = [{known}]",
                    f"{pad}    else: {at}.{step.name}.append({known})",
                ]
                if fresh:
                    self.made.append((known, step))
            at = known
        return at


def _begin(c: Any) -> None:
    source = c.record.source = Source()
    source.link = c.link
    if c.plan.edition:
        source.edition = c.plan.edition


def _based(c: Any) -> None:
    own = c.record.source.id
    c.base = f"{c.link}\x1f{'' if own is UNSET or own is None else own}\x1f"


def _says(o: Any) -> bool:
    """Whether rows gave an item anything."""
    return any(getattr(o, one.name) is not UNSET for one in fields(type(o)))


def _keep_rest(c: Any, o: Any, t: Any, w: Any) -> None:
    found = reading.extra(c, o)
    if t:
        found.rest = pack(t)
    if w:
        found.spell = {**(found.spell or {}), **w}
