"""Compiles the reading of theirs: one Python function a scope, one walk over the tree.

Groups over plain lists become a few lines of generated code each, as do plain rows (`hub.mapping.rows`); everything
else calls `hub.mapping.reading`, `taking`, `copies`, `claims` and `settle`.
"""

from __future__ import annotations

from itertools import groupby

from msgspec import UNSET

from hub.adapter import Token
from hub.code import Code, Lines
from hub.mapping import claims, copies, reading, settle, taking
from hub.mapping.bind import Plan, Row, Scope
from hub.mapping.ours import Ours, put
from hub.mapping.rows import Rows, descend, drop, is_fast, settle_tests, there
from hub.mapping.theirs import MISS, Theirs

_SPACE = {
    "U": UNSET,
    "M": MISS,
    "Token": Token,
    "put": put,
    **{name: getattr(module, name) for module in (reading, taking, copies, claims, settle) for name in module.__all__},
}
_ITEMS = {dict}


def compile_reading(plan: Plan) -> str:
    """Give every scope of the plan its `read(tree, reading, seen, up) -> item`; returns the source, for reading.

    seen counts the keys below one parent, up is the parent's id.
    """
    sources = []
    scopes = plan.root.walk()
    named = {group for scope in scopes for _, group, path in scope.on_ours if not _is_above(scope, group, path)}
    for scope in reversed(scopes):
        function = _Function(scope, scope.name in named)
        lines, title = function.read(), f"<reading of {plan.declaration.name} {scope.name}>"
        source, scope.read = function.code.build("read(t, c, seen, up)", lines, title)
        sources.append(source)
        if scope.plain and not scope.groups and _is_one_code(scope):
            function = _Function(scope, False)
            lines, title = function.make(), f"<making of {plan.declaration.name} {scope.name}>"
            source, scope.make = function.code.build("make(x, c, seen, up)", lines, title)
            sources.append(source)
    return "\n\n".join(sources)


def _is_above(scope: Scope, group: str, path: Ours) -> bool:
    """Whether it is the id of the parent."""
    return scope.parent is not None and group == scope.parent.name and path.path.text == "id"


def _is_one_code(scope: Scope) -> bool:
    """Whether a scope is one row whose texts are remembered with their values."""
    return len(scope.rows) == 1 and is_fast(scope.rows[0]) and scope.rows[0].ways[0].fast == "memo"


class _Function:
    """The reading of one scope. is_named: groups further down say whose their items are by this one's."""

    def __init__(self, scope: Scope, is_named: bool) -> None:
        self.scope, self.is_named = scope, is_named
        self.code = Code(_SPACE)
        self.rows = Rows(scope, self.code)
        self.is_own = scope.theirs is not None and not scope.theirs.path.steps
        """Whether its tree is that of the parent's item."""
        self.own_id = "''" if scope.spec is None else "o.id"

    def read(self) -> list[str]:
        """The lines of `read`."""
        head, body = Lines(), Lines()
        head.add(f"o = {self.code.name(self.scope.struct, 'C')}()", "w = {}")
        self._start(head)
        for row in self.scope.rows:
            if row.only_out and row.fallback:
                self._absent(body, row)
        self.rows.read(body)
        if self.scope.plain:
            body.add("if '.' in t: return None")
        if self.is_own:
            said = dict.fromkeys(ours.steps[0].name for row in self.scope.rows for ours in row.ours if not ours.rooted)
            body.add(f"if {' and '.join(f'o.{name} is U' for name in said)}: return None")
        self._identify(body)
        self._groups(body)
        self._end(body)
        return [*head.lines, *self._parts(), *body.lines]

    def _absent(self, out: Lines, row: Row) -> None:
        """Cells that a fallback would fill, and that are not there: their own link, which said nothing, gets none."""
        for way in row.copies:
            cell, given = way.theirs[0].path, f"c, {self.code.name(row, 'r')}, o, {self.code.name(way, 'w')}"
            out.add(f"if not ({there(cell)}): set_absent({given})" if cell.plain else f"look_absent({given}, t)")

    def make(self) -> list[str]:
        """For a plain group of one row, the lines of `make`: the item of a value."""
        head, body = Lines(), Lines()
        head.add(f"o = {self.code.name(self.scope.struct, 'C')}()")
        settle_tests(body, "o", self.scope.made)
        self.rows.put(body, self.scope.rows[0].ours[0], "x")
        self._identity(body)
        body.add("return o")
        return [*head.lines, *self._parts(), *body.lines]

    def _parts(self) -> list[str]:
        out = Lines()
        for name in self.rows.parts.values():
            out.add(f"{name} = None")
        return out.lines

    def _start(self, out: Lines) -> None:
        scope = self.scope
        if self.is_named or scope.spec is None:
            out.add(f"c.at[{scope.name!r}] = o")
        settle_tests(out, "o", scope.made)
        named = sorted({cell for group in scope.groups for cell in group.on.values()})
        for cell in named:
            out.add(f"c.parents[{scope.name!r}, {cell!r}] = parent_cell(t, {cell!r})")
        if named:
            out.add("t.pop(LONE, None)")
        if scope.spec is None:
            out.add("c.record = o", "begin(c)")

    def _identify(self, out: Lines) -> None:
        """Once the rows are read: the ids of the item and of those that its rows made, and its copies."""
        scope = self.scope
        if scope.spec is None:
            out.add("based(c)")
        else:
            self._identity(out)
        for name, step in self.rows.made:
            minted = f"known_id(c, {step.text!r}, {self.own_id}, None, 0)"
            out.add(f"if {name} is not None and {name}.id is U: {name}.id = {minted}")
        for row in scope.rows:
            if row.only_out and not row.fallback:
                out.add(f"set_later(c, {self.code.name(row, 'r')}, o, t)")

    def _groups(self, out: Lines) -> None:
        code, scope = self.code, self.scope
        for _, same in groupby([one for one in scope.groups if one.spec and one.spec.way != "out"], _container):
            groups = [*same]
            if groups[0].theirs_rooted:
                out.add(f"claim_rooted(c, {code.name(groups[0], 's')}, o)")
            elif not groups[0].cell.path.steps:
                self._own_item(out, groups[0])
            else:
                with out.level():
                    holders = self._holders(out, groups[0].cell)
                    for group in groups:
                        self._group(out, group, holders)
        joined = [below for below in reversed(scope.walk()) if below.theirs_rooted and below.on]
        if joined and scope.spec is None:
            out.add(f"orphans(c, {code.name(joined, 'l')})")
        shared = {group.theirs_prefix: group for group in scope.groups if group.shared and not group.theirs_rooted}
        for _, same in groupby(shared.values(), _container):
            groups = [*same]
            with out.level():
                holders = self._holders(out, groups[0].cell)
                for group in groups:
                    self._settle(out, group.cell, holders)

    def _end(self, out: Lines) -> None:
        if self.scope.spec is None:
            out.add("if c.claims or c.fresh or c.later: finish(c)")
        out.add("if w: keep_rest(c, o, None, w)" if self.is_own else "if t or w: keep_rest(c, o, t, w)")
        out.add("return o")

    def _identity(self, out: Lines) -> None:
        """The item's references to those around it, its key's occurrence, its id."""
        code, scope = self.code, self.scope
        for names, group, path in scope.on_ours:
            if _is_above(scope, group, path) and len(names) == 1:
                out.add(f"if up is not U: o.{names[0]} = up")
            elif path.path.text == "id" and len(names) == 1:
                out.add(f"q = c.at.get({group!r})", f"if q is not None and q.id is not U: o.{names[0]} = q.id")
            else:
                out.add(f"link_up(c, {code.name([(names, group, path)], 'l')}, o)")
        keys = [self._key(ours) for ours in scope.keys]
        out.add(f"k = {keys[0] if len(keys) == 1 else '(' + ', '.join([*keys, '']) + ')'}")
        is_id = [ours.path.text for ours in scope.keys] == ["id"] and not scope.plain
        group = code.name(scope, "s")
        with out.block("if k in seen:"):
            out.add("n = seen[k] = seen[k] + 1")
            out.add(f"repeated_id(c, {group}, o, t, w)" if is_id else f"repeated(c, {group}, k)")
        out.add("else: n = seen[k] = 0")
        text = f"{scope.name}\\x1f{{up}}\\x1f{{k!r}}\\x1f{{n}}"
        with out.level():
            if scope.maps_id:
                out.open("if o.id is U:")
            with out.block("if c.known is None:"):
                out.add("h = c.base.copy()", f"h.update(f'{text}'.encode('utf-8', 'surrogatepass'))")
                out.add("o.id = 'hub-' + h.hexdigest()")
            out.add(f"else: o.id = known_id(c, {scope.name!r}, up, k, n)")
            if scope.maps_id:
                out.add(f"w[{reading.MINTED!r}] = o.id")

    def _key(self, ours: Ours) -> str:
        name = ours.steps[-1].name
        if len(ours.steps) == 1:
            return f"o.{name}"
        part = self.rows.parts.get(ours.steps[-2].text)
        is_inline = not any(ours in row.ours for row in self.rows.general)
        if part is not None and is_inline and not any(step.match for step in ours.steps):
            return f"({part}.{name} if {part} is not None else U)"
        return f"{self.code.name(ours, 'u')}.get(o)"

    def _holders(self, out: Lines, cell: Theirs) -> list[str]:
        """Open blocks for what holds a group's list; the variables of its containers, where a filter is on the way that
        of the last alone."""
        if _is_straight(cell):
            return descend(out, cell.path.names[:-1])
        out.open(f"if {there(cell.path)}:")
        out.add(f"h = {self.code.name(cell, 'u')}.holder(t, c.taken)")
        out.open("if h is not None:")
        return ["h"]

    def _own_item(self, out: Lines, group: Scope) -> None:
        """A group whose one item is of the parent's own cells."""
        own = " or ".join(f"{name!r} in t" for name in sorted(group.own_cells))
        with out.block(f"if {own or 'True'}:"):
            out.add(f"r = {self.code.name(group.read, 'f')}(t, c, {{}}, {self.own_id})")
            out.add(f"if r is not None: extend(c, {self.code.name(group, 's')}, o, [r])")

    def _group(self, out: Lines, group: Scope, holders: list[str]) -> None:
        """One group's items: inline where it takes a plain list whole, else the general way."""
        cell, holder = group.cell, holders[-1]
        is_whole = group.many and _is_straight(cell) and not cell.path.filtered and not group.picked
        is_made = group.make is not None and not group.shared if group.plain else True
        with out.block(f"if {cell.name!r} in {holder}:"):
            out.add(f"L = {holder}[{cell.name!r}]")
            if not group.many and _is_straight(cell):
                self._one(out, group, holders)
                return
            if is_whole and is_made:
                self._loop(out, group, holders)
                return
            if group.their_match is not None and not group.plain:
                out.open(f"if L.__class__ is not list or any(map({self.code.name(group.their_match, 'f')}, L)):")
            out.add(f"r = claimed(c, {self.code.name(group, 's')}, o, t, {holder}, L)")
            with out.block("if r:"):
                self._extend(out, group)

    def _settle(self, out: Lines, cell: Theirs, holders: list[str]) -> None:
        """A list that several groups share, once all of them took from it."""
        settled = f"settle_shared(c, {holders[-1]}[{cell.name!r}])"
        if not _is_straight(cell):
            out.add(f"if {cell.name!r} in h: {settled}")
            return
        with out.block(f"if {cell.name!r} in {holders[-1]} and {settled}:"):
            drop(out, holders, cell.path.names)

    def _extend(self, out: Lines, group: Scope, items: str = "r") -> None:
        """The items in a variable into a group's list of ours."""
        *above, last = group.our_steps
        if group.ours_rooted or any(step.field.shape != "part" for step in above):
            out.add(f"extend(c, {self.code.name(group, 's')}, o, {items})")
            return
        ours = f"{self.rows.part(out, above)}.{last.name}"
        with out.block(f"if {ours} is U or {ours} is None:"):
            out.add(f"{ours} = {items}")
            if group.spec is not None and group.spec.partial:
                out.add(f"partial(c, {group.ours_prefix.removesuffix('[]')!r})")
        out.add(f"else: {ours}.extend({items})")

    def _one(self, out: Lines, group: Scope, holders: list[str]) -> None:
        """The one item in `L` of a group that has no list."""
        with out.block("if L.__class__ is dict:"):
            drop(out, holders, group.cell.path.names)
            out.add(f"r = [{self.code.name(group.read, 'f')}(L, c, {{}}, {self.own_id})]")
            self._extend(out, group)
        out.add(f"else: claim(c, {self.code.name(group, 's')}, o, t, {holders[-1]}, L)")

    def _loop(self, out: Lines, group: Scope, holders: list[str]) -> None:
        """A plain list in `L`, all of whose items are one group's if no other took some before."""
        code = self.code
        general = f"claim(c, {code.name(group, 's')}, o, t, {holders[-1]}, L)"
        if group.spec is not None and group.spec.none:
            out.add(f"if L is None: {general}")
        with out.level():
            out.open("if L:")
            if group.plain:
                out.add(f"r = {self.rows.decoded(group.rows[0].ways[0])} if L.__class__ is list else (M,)")
                out.add(f"if M in r: {general}")
                each, read = "r", group.make
            else:
                told = " or id(L) in c.claims" if group.shared else ""
                items = code.name(_ITEMS, "k")
                out.add(f"if L.__class__ is not list or {{*map(type, L)}} != {items}{told}: {general}")
                each, read = "L", group.read
            out.open("else:")
            out.add("s = {}; i = []")
            out.add(f"for e in {each}: i.append({code.name(read, 'f')}(e, c, s, {self.own_id}))")
            if group.mixed and not (group.plan.schema is not None and group.plan.schema.unordered):
                out.add("if len(i) > 1: keep_places(c, enumerate(i))")
            self._extend(out, group, "i")
            if group.shared:
                out.add("c.claims[id(L)] = WHOLE")
            else:
                drop(out, holders, group.cell.path.names)


def _is_straight(cell: Theirs) -> bool:
    """Whether no filter is on the way to what a group takes."""
    return not any(step.many for step, _, _ in cell.above)


def _container(group: Scope) -> object:
    """What groups that follow each other have in common when their lists are in one container."""
    cell = group.cell
    if group.theirs_rooted or not cell.path.steps or not _is_straight(cell):
        return group
    return cell.path.names[:-1]


__all__ = ["compile_reading"]
