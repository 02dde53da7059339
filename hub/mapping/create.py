"""Compiles the writing of theirs: one Python function a scope, one walk over the record.

Every field of every part is either written by a row, or counted in the account when it is set: the generated code says so.
"""

from __future__ import annotations

from msgspec import UNSET

from hub.adapter import Token
from hub.mapping import placing, writing
from hub.mapping.bind import Plan, Row, Scope, Way
from hub.mapping.code import Code
from hub.mapping.ours import Ours, OurStep
from hub.mapping.theirs import MISS
from hub.model import Item, fields

_SPACE = {
    "U": UNSET, "M": MISS, "Token": Token, **{name: getattr(module, name) for module in (writing, placing) for name in module.__all__},
}  # fmt: skip


class _Part:
    """What a scope's rows say of the fields of one part of ours."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.parts: dict[str, _Part] = {}
        self.picks: dict[str, list[tuple[Ours, OurStep, _Part]]] = {}
        self.grouped: dict[str, str] = {}
        self.silent: set[str] = set()

    def leaves(self) -> tuple[tuple[tuple[str, ...], Way], ...]:
        """The names of the leaves that rows write, from here, with the way each is written."""
        own = tuple(((name,), way) for name, rows in self.rows.items() for row in rows for way in row.writing)
        return own + tuple(((name, *names), way) for name, part in self.parts.items() for names, way in part.leaves())


def compile_writing(plan: Plan) -> str:
    """Give every scope of the plan its `write(item, writing) -> tree`; returns the source, for reading."""
    sources = []
    for scope in reversed(plan.root.walk()):
        writer = _Writer(scope)
        source = writer.function()
        scope.write = writer.code.build(source, f"<writing of {plan.declaration.name} {scope.name}>")
        sources.append(source)
    return "\n\n".join(sources)


class _Writer:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.code = Code(_SPACE)
        self.boxes: dict[tuple[str, ...], str] = {}
        self.left: list[tuple[str, str]] = []
        self.count = 0
        cells: dict[str, int] = {}
        for row in scope.rows:
            for text in {t.path.text for way in row.writing for t in way.theirs}:
                cells[text] = cells.get(text, 0) + 1
        self.shared = {text for text, n in cells.items() if n > 1}

    def function(self) -> str:
        scope, code = self.scope, self.code
        body: list[str] = []
        self._part(body, self._tree(), scope.struct, "o", scope.ours_prefix, "    ", scope.spec is not None)
        general = [row for row in scope.rows if row.writing and not self._fast(row)]
        lines = [
            "def write(o, c):",
            "    x = o.extras",
            "    if x is U: t = {}; w = None",
            "    else: t, w = start(c, x)",
        ]
        if scope.spec is None:
            lines.append("    c.tree = t")
            lines.append("    c.at[''] = o")
        lines += [f"    {name} = None" for name in self.boxes.values()]
        lines += body
        lines += [f"    write_row(c, {code.name(row, 'r')}, o, t, w)" for row in general]
        lines += self._required()
        for group in scope.groups:
            if group.spec is not None and group.spec.way != "in":
                lines.append(f"    put_group(c, {code.name(group, 's')}, o, t)")
        if scope.spec is None:
            lines.append(f"    unclaimed(c, {code.name(scope, 's')})")
        lines += [f"    left(c, {var}, {path!r})" for var, path in self.left]
        lines.append(f"    if w: respell(c, {code.name(scope, 's')}, o, t, w)")
        if scope.spec is None:
            lines.append("    finish_writing(c)")
        lines.append("    return t")
        return "\n".join(lines)

    def _required(self) -> list[str]:
        """Checks for the required fields directly in the item's own object and in the containers its rows fill."""
        scope = self.scope
        if scope.plan.schema is None or scope.plain:
            return []
        prefix = f"{scope.theirs_prefix}." if scope.theirs_prefix else ""
        if scope.theirs is not None and not scope.theirs.path.steps:
            return []
        tests = scope.theirs.path.steps[-1].tests if scope.theirs is not None else ()
        settled = {test.path.text for test in tests if test.value is not None} | set(scope.on)
        found: dict[tuple[str, ...], list[str]] = {}
        for cell in scope.plan.schema.leaves(scope.plan.edition):
            inner = cell.path.removeprefix(prefix)
            if cell.required and cell.path.startswith(prefix) and "[]" not in inner and inner not in settled:
                *above, name = inner.split(".")
                found.setdefault(tuple(above), []).append(name)
        lines = []
        for above, names in found.items():
            holder = "t" + "".join(f".get({name!r}, {{}})" for name in above)
            shown = prefix + "".join(name + "." for name in above)
            lines.append(
                f"    if not {self.code.name(frozenset(names), 'k')} <= {holder}.keys(): need(c, {holder}, {tuple(names)!r}, {shown!r})"
            )
        return lines

    def _fast(self, row: Row) -> bool:
        if len(row.ways) != 1 or row.only_out:
            return False
        way = row.ways[0]
        return bool(way.fast) and way.writes and way.theirs[0].path.text not in self.shared

    def _tree(self) -> _Part:
        root = _Part()
        for row in self.scope.rows:
            for ours in row.ours:
                if ours.rooted or ours.gathers or not (row.writing or row.ways):
                    continue
                self._place(root, row, ours)
        for group in self.scope.walk()[1:]:
            home = self.scope if not group.ours_rooted else None
            if (group.parent is home and not group.ours_rooted) or (group.ours_rooted and self.scope.spec is None):
                self._mark(root, group)
        return root

    def _place(self, root: _Part, row: Row, ours: Ours) -> None:
        part = root
        for step in ours.steps[:-1]:
            if step.match is None:
                part = part.parts.setdefault(step.name, _Part())
                continue
            picks = part.picks.setdefault(step.name, [])
            known = next((inner for _, other, inner in picks if other.text == step.text), None)
            if known is None:
                known = _Part()
                known.silent = {names[0] for names, _ in step.made}
                picks.append((ours, step, known))
            part = known
        rows = part.rows.setdefault(ours.steps[-1].name, [])
        if any(way.head for way in row.ways):
            part.silent.add(ours.steps[-1].name)
        if row.writing:
            rows.append(row)

    def _mark(self, root: _Part, group: Scope) -> None:
        part = root
        for step in group.our_steps[:-1]:
            part = part.parts.setdefault(step.name, _Part())
        part.grouped[group.our_steps[-1].name] = group.name

    def _var(self) -> str:
        self.count += 1
        return f"s{self.count}"

    def _part(self, out: list[str], part: _Part, cls: type, var: str, prefix: str, pad: str, item: bool) -> None:
        own = self._own(item) if issubclass(cls, Item) else set()
        for one in fields(cls):
            path = f"{prefix}.{one.name}" if prefix else one.name
            if one.name in part.picks or one.name in part.grouped:
                self._list(out, part, one.name, f"{var}.{one.name}", path, one.part or object, pad)
            elif one.name in part.parts and one.part is not None:
                inner = self._var()
                out.append(f"{pad}{inner} = {var}.{one.name}")
                out.append(f"{pad}if {inner} is not U and {inner} is not None:")
                mark = len(out)
                self._part(out, part.parts[one.name], one.part, inner, path, pad + "    ", False)
                if len(out) == mark:
                    out.append(f"{pad}    pass")
            elif part.rows.get(one.name):
                for row in part.rows[one.name]:
                    if self._fast(row):
                        self._row(out, row, row.ways[0], f"{var}.{one.name}", path, pad)
            elif one.name not in own and one.name not in part.silent and path not in writing.ENGINE:
                out.append(f"{pad}if {var}.{one.name} is not U: lost(c, {var}.{one.name}, {path!r})")

    def _own(self, item: bool) -> set[str]:
        """Fields of an item that the engine itself answers for."""
        found = {"id", "removed", "stub"}
        if item:
            found |= {names[0] for names, _ in self.scope.made} | {names[0] for names, _, _ in self.scope.on_ours}
        return found

    def _list(self, out: list[str], part: _Part, name: str, var: str, path: str, cls: type, pad: str) -> None:
        if pad == "    ":
            self.left.append((var, path))
        else:
            kept = self._var()
            self.boxes[("\0", kept)] = kept
            out.append(f"{pad}{kept} = {var}")
            self.left.append((f"U if {kept} is None else {kept}", path))
        for ours, step, inner in part.picks.get(name, []):
            picked = self._var()
            out.append(f"{pad}{picked} = pick(c, {self.code.name(ours, 'u')}, {self.code.name(step, 'g')}, {var})")
            out.append(f"{pad}if {picked} is not None:")
            mark = len(out)
            self._part(out, inner, cls, picked, path + "[]", pad + "    ", False)
            tests = tuple(".".join(names) for names, _ in step.made)
            out.append(
                f"{pad}    hollow(c, {picked}, {self.code.name(inner.leaves(), 'l')}, {tests!r}, {path + '[]'!r})"
            )
            if len(out) == mark:
                out.append(f"{pad}    pass")

    def _row(self, out: list[str], row: Row, way: Way, value: str, path: str, pad: str) -> None:
        code = self.code
        minted = (
            f" and (w is None or w.get({writing.MINTED!r}) != x)"
            if row.ours[0].path.text == "id" and self.scope.spec is not None
            else ""
        )
        out.append(f"{pad}x = {value}")
        out.append(f"{pad}if x is not U{minted}:")
        if way.fast == "memo":
            out.append(f"{pad}    v = {code.name(way.unmemo, 'm')}.get(x, M)")
        else:
            special = f" and x not in {code.name(way.special, 'k')}" if way.special else ""
            length = f" and len(x) <= {way.length}" if way.length else ""
            said = "Token(x)" if way.tokens[0] else "x"
            checked = f" and not {code.name(way.codec.flag, 'f')}(x)" if way.fast == "check" else ""
            out.append(f"{pad}    v = {said} if x.__class__ is str{special}{length}{checked} else M")
        out.append(f"{pad}    if v is M: v = unusual(c, {code.name(way, 'w')}, x, {path!r})")
        *above, name = way.theirs[0].path.names or (".",)
        holder = "t"
        pad += "    "
        if above:
            out.append(f"{pad}if v is not M:")
            pad += "    "
        for n in range(len(above)):
            names = tuple(above[: n + 1])
            known = self.boxes.setdefault(names, f"d{len(self.boxes)}")
            out.append(f"{pad}if {known} is None: {known} = box({holder}, {above[n]!r})")
            holder = known
        out.append(f"{pad}{holder}[{name!r}] = v" if above else f"{pad}if v is not M: {holder}[{name!r}] = v")
