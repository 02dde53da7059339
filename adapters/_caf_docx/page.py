"""A form written as a Word document (WordprocessingML): each answer in a content control that bears its question's tag.

What a tree holds and the layout has no place for stands at the end by its path, so that nothing is lost. What was
filled in beforehand is grey, with a note beside it that is no part of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any
from xml.sax.saxutils import quoteattr

from adapters._caf_docx.layout import Cell, Layout, Line, Many, Section, is_printable, ticked
from adapters._caf_docx.texts import leaves, printed_day, reach
from adapters._caf_docx.wordml import (
    AS_OF,
    BEFOREHAND,
    BLANK,
    GRID,
    LABEL,
    MORE,
    MORE_PATH,
    MORE_TEXT,
    NOTE,
    PART,
    STATIC,
    TITLE,
    WIDTH,
    date_kind,
    heads,
    p,
    packed,
    plain_kind,
    r,
    table,
    tc,
    texts,
    tr,
)
from hub.adapter import Tree
from hub.errors import RecordError


def write(
    parts: list[tuple[str, Tree, set[str]]], layout: Layout, as_of: str, notes: Mapping[str, tuple[str, str]]
) -> bytes:
    """The document. parts: heading, tree, and the names at the top of trees of which nothing is asked there; a form
    about several children has one part of the family and one of each child, any other one part without heading.

    as_of: the moment of which it tells, or "". notes: by the place of an answer (as `leaves` gives it) where it came
    from and as of when.
    """
    page = _Page(layout, notes)
    body = [p(r(TITLE), "Title"), *([p(r(STATIC[-1]), "FormHint")] if notes else [])]
    if as_of:
        said = page.control(AS_OF, STATIC[4], texts(as_of, None), "<w:text/>")
        body.append(p(r(f"{STATIC[4]} ", style=LABEL) + said, "FormHint"))
    for heading, tree, skipped in parts:
        body += page.part(heading, tree, skipped)
    body += page.beforehand()
    return packed("".join(body))


class _Page:
    """One document under way."""

    def __init__(self, layout: Layout, notes: Mapping[str, tuple[str, str]]) -> None:
        self.layout, self.notes = layout, notes
        self.ids = count(1)
        self.printed: set[str] = set()
        self.noted: list[tuple[str, str, str]] = []

    def part(self, heading: str, tree: Tree, skipped: set[str]) -> Iterator[str]:
        """The sections of a tree but for those names."""
        self.printed = set()
        if heading:
            yield p(self.control(PART, "Part", [r(heading)], "<w:text/>"), "FormPart")
        for section in self.layout.sections:
            body = list(self._section(section, tree, skipped))
            if body:
                yield p(r(section.name), "Heading2" if heading else "Heading1")
                yield from body
        rest = [(path, value) for path, value in leaves(tree) if path not in self.printed]
        if rest:
            yield p(r(MORE), "Heading2" if heading else "Heading1")
            yield self._more(rest)

    def _section(self, section: Section, tree: Tree, skipped: set[str]) -> Iterator[str]:
        grid: list[Cell] = []
        for part in section.parts:
            if part.line.top in skipped:
                continue
            if isinstance(part, Cell):
                grid.append(part)
                continue
            yield from self._grid(grid, tree, "")
            grid = []
            yield from self._many(part, tree)
        yield from self._grid(grid, tree, "")

    # ----------------------------------------------------------------------------------------------------- questions

    def _grid(self, cells: Iterable[Cell], scope: Tree, base: str, head: str = "") -> Iterator[str]:
        """A table of questions beside their answers, or nothing. head: a line across its top."""
        rows = [tr([tc([p(r(head, bold=True), "FormHead")], WIDTH, 4, "D9E2EC")])] if head else []
        half: list[tuple[Cell, list[str]]] = []
        for cell in cells:
            answer = self._answer(cell, scope, base)
            if answer is None:
                continue
            if "half" in cell.line.shown:
                half.append((cell, answer))
                if len(half) == 2:
                    rows.append(_beside(half))
                    half = []
                continue
            if half:
                rows.append(_beside(half))
                half = []
            rows += _asked(cell, answer)
        if half:
            rows.append(_beside(half))
        if rows:
            yield table(GRID, rows) + p("", "FormGap")

    def _answer(self, cell: Cell, scope: Tree, base: str) -> list[str] | None:
        """The paragraphs of a place for an answer; None when it is not printed."""
        line = cell.line
        if "read" in line.shown:
            return None
        if line.sets:
            return self._own(line, scope, base)
        name = line.path if not base else line.path.removeprefix(f"{_generic(base)}.")
        value, path = reach(scope, name.removesuffix("[]"), base)
        if cell.is_list:
            items = value if is_printable(value, cell.fields, line.path) else []
            if not items and "known" in line.shown:
                return None
            made = [self._inline(cell.fields, item, f"{path}/[{n}]", known=True) for n, item in enumerate(items)]
            return made or [self._inline(cell.fields, {}, path, known=False)]
        if value is None and "known" in line.shown:
            return None
        return [p(self._field(line, value, path))]

    def _own(self, line: Line, scope: Tree, base: str) -> list[str] | None:
        """The paragraph of a question that is an item of a list."""
        items, path = reach(scope, line.list.removesuffix("[]"), base)
        at = self._place(line, items) if isinstance(items, list) else None
        if at is None:
            return None if "known" in line.shown else [p(self._field(line, None, path))]
        assert isinstance(items, list)
        where = f"{path}/[{at}]"
        self.printed |= {f"{where}/{name}" for name in line.sets}
        return [p(self._field(line, items[at][line.name], f"{where}/{line.name}"))]

    def _place(self, line: Line, items: list[Any]) -> int | None:
        slots = self.layout.slots[line.list]
        placed, _ = self.layout.placed(line.list, items)
        return placed[next(n for n, (sets, names) in enumerate(slots) if sets == line.sets and line.name in names)]

    def _inline(self, fields: list[Line], item: Tree, path: str, known: bool) -> str:
        """One item in one paragraph."""
        made: list[str] = []
        for line in fields:
            value, where = reach(item, line.name.removesuffix("[]"), path)
            if value is None and (known or "known" in line.shown):
                continue
            label = r(f"{' ' if made else ''}{line.label} ", style=LABEL) if line.label else r("  ") if made else ""
            made.append(label + self._field(line, value, where, noted=False))
        said = [self.notes[where] for where, _ in leaves(item, path) if where in self.notes]
        return p("".join(made) + (self._note(fields[0], said[0]) if said else ""))

    def _field(self, line: Line, value: Any, path: str, noted: bool = True) -> str:
        """The runs of one answer. A value of a shape that the line has no place for is left to the end."""
        note = self.notes.get(path) or self.notes.get(f"{path}/[0]")
        after = self._note(line, note) if note and noted else ""
        if line.kind == "lines":
            fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
            text = "\n".join(value) if fits else ""
            self.printed |= {f"{path}/[{n}]" for n in range(len(value))} if fits else set()
        else:
            text = value if isinstance(value, str) else ""
            self.printed |= {path} if text else set()
        if line.kind == "ticks":
            return self._ticks(line, text) + after
        shown = printed_day(text) if line.kind == "date" else text
        kind = date_kind(text) if line.kind == "date" else plain_kind(shown)
        return self.control(line.tag, line.heading, texts(shown, line) if shown else [], kind) + after

    def _ticks(self, line: Line, text: str) -> str:
        chosen = ticked(line, text) if text else []
        made: list[str] = []
        for label, value in line.options:
            state = int(value in chosen)
            kind = (
                f'<w14:checkbox><w14:checked w14:val="{state}"/><w14:checkedState w14:val="2612" w14:font="MS Gothic"/>'
                '<w14:uncheckedState w14:val="2610" w14:font="MS Gothic"/></w14:checkbox>'
            )
            box = r("\u2612" if state else "\u2610", font="MS Gothic")
            made.append(
                self.control(line.tag_of(value), label, [box], kind)
                + r("\u00a0" + label.replace(" ", "\u00a0") + "   ", style=LABEL)
            )
        if text and not chosen:
            made.append(self.control(line.tag, line.heading, texts(text, line), plain_kind(text)))
        return "".join(made)

    def control(self, tag: str, title: str, runs: list[str], kind: str) -> str:
        """A content control of a kind, within a paragraph."""
        blank = "" if runs else "<w:showingPlcHdr/>"
        content = "".join(runs) or r(BLANK, style="PlaceholderText")
        return (
            f"<w:sdt><w:sdtPr><w:alias w:val={quoteattr(title[:64])}/><w:tag w:val={quoteattr(tag)}/>"
            f'<w:id w:val="{next(self.ids)}"/>{blank}{kind}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>'
        )

    def _note(self, line: Line, note: tuple[str, str]) -> str:
        source, as_of = note
        self.noted.append((line.place, source, as_of))
        return r(f"  from {source}{f', {as_of}' if as_of else ''}", style=NOTE)

    # --------------------------------------------------------------------------------------------------------- lists

    def _many(self, many: Many, tree: Tree) -> Iterator[str]:
        value, path = reach(tree, many.line.path.removesuffix("[]"), "")
        fields = [field for cell in many.cells for field in (cell.fields or [cell.line])]
        items = value if is_printable(value, fields, many.line.path) else []
        if not items and "known" in many.line.shown:
            return
        if many.line.kind == "block":
            for n in range(max(len(items), many.blank)):
                item = items[n] if n < len(items) else {}
                yield from self._grid(many.cells, item, f"{path}/[{n}]", many.line.heading)
            return
        if many.line.heading:
            yield p(r(many.line.heading), "Heading3")
        yield self._rows(many, items, path) + p("", "FormGap")

    def _rows(self, many: Many, items: list[Any], path: str) -> str:
        cells = [
            cell
            for cell in many.cells
            if "read" not in cell.line.shown
            and ("known" not in cell.line.shown or any(reach(one, _bare(cell), "")[0] is not None for one in items))
        ]
        widths = _shares(cells, bool(many.rows))
        rows = [heads([cell.line.heading for cell in cells], widths)]
        placed, rest = self.layout.placed(many.line.path, items) if many.rows else ([], list(range(len(items))))
        spots = iter(placed)
        for line in many.rows:
            if line.kind == "domain":
                rows.append(tr([tc([p(r(line.heading, bold=True), "FormHead")], WIDTH, len(cells), "EEF2F6")]))
                continue
            at = next(spots)
            item, where = (items[at], f"{path}/[{at}]") if at is not None else ({}, path)
            rows.append(self._row(cells, widths, item, where, line))
        for at in [*rest, *([None] * max(0, many.blank - len(rest)))]:
            item, where = (items[at], f"{path}/[{at}]") if at is not None else ({}, path)
            rows.append(self._row(cells, widths, item, where))
        return table(widths, rows)

    def _row(self, cells: list[Cell], widths: list[int], item: Tree, where: str, printed: Line | None = None) -> str:
        made: list[str] = []
        for cell, width in zip(cells, widths, strict=True):
            if printed is not None and cell.line.path == printed.path:
                if item:
                    self.printed.add(f"{where}/{cell.line.name}")
                made.append(tc([p(r(printed.heading))], width, 1, "F6F8FA"))
            elif cell.is_list:
                made.append(tc(self._answer(cell, item, where) or [p("")], width))
            else:
                value, path = reach(item, cell.line.name, where)
                made.append(tc([p(self._field(cell.line, value, path))], width))
        return tr(made, height=480)

    def _more(self, rest: list[tuple[str, Any]]) -> str:
        widths = (4989, 4989)
        rows = [heads(STATIC[:2], widths)]
        for path, value in rest:
            if not isinstance(value, str):
                raise RecordError("a value that is no text cannot be written", place=MORE)
            named = self.control(MORE_PATH, STATIC[0], texts(path, None), plain_kind(path))
            said = self.control(MORE_TEXT, STATIC[1], texts(value, None), plain_kind(value))
            note = self.notes.get(path)
            if note:
                self.noted.append((MORE, *note))
                said += r(f"  from {note[0]}{f', {note[1]}' if note[1] else ''}", style=NOTE)
            rows.append(tr([tc([p(named)], 4989), tc([p(said)], 4989)]))
        return table(widths, rows) + p("", "FormGap")

    def beforehand(self) -> Iterator[str]:
        """The list of what was filled in beforehand: questions and sources, without the answers."""
        if not self.noted:
            return
        widths = (5500, 2600, 1878)
        yield p(r(BEFOREHAND), "Heading1")
        rows = [heads(STATIC[2:5], widths)]
        for said in dict.fromkeys(self.noted):
            rows.append(tr([tc([p(r(text))], w) for text, w in zip(said, widths, strict=True)]))
        yield table(widths, rows) + p("", "FormGap")


def _generic(base: str) -> str:
    return re.sub(r"/\[\d+\]", "[]", base).replace("/", ".")


def _bare(cell: Cell) -> str:
    return (
        cell.line.name.removesuffix("[]")
        if not cell.is_list
        else cell.line.path.rpartition("[].")[2].removesuffix("[]")
    )


def _shares(cells: list[Cell], has_rows: bool) -> list[int]:
    """The widths of columns: ticks, days and scores need less room than text, a printed heading no more."""
    less = {"ticks": 3.0, "date": 2.8}
    weights = [2.8 if cell.line.name in ("Score", "When") else less.get(cell.line.kind, 4.0) for cell in cells]
    if has_rows and weights:
        weights[0] = 3.4
    widths = [int(WIDTH * weight / sum(weights)) for weight in weights]
    widths[-1] += WIDTH - sum(widths)
    return widths


def _asked(cell: Cell, answer: list[str]) -> list[str]:
    line = cell.line
    if "long" in line.shown:
        above = tr([tc([p(r(line.heading, bold=True), "FormHead")], WIDTH, 4, "EEF2F6")])
        return [above, tr([tc(answer, WIDTH, 4)], height=1300, splits=True)]
    heading = [p(r(line.heading, bold=True))]
    split = 2 if len(line.heading) > 48 else 1
    width = sum(GRID[:split])
    return [tr([tc(heading, width, split, "EEF2F6"), tc(answer, WIDTH - width, 4 - split)])]


def _beside(pair: list[tuple[Cell, list[str]]]) -> str:
    made = []
    for n, (cell, answer) in enumerate(pair):
        wide = len(pair) == 1
        width = WIDTH - GRID[0] if wide else GRID[2 * n + 1]
        made.append(tc([p(r(cell.line.heading, bold=True))], GRID[2 * n], 1, "EEF2F6"))
        made.append(tc(answer, width, 3 if wide else 1))
    return tr(made)


__all__ = ["write"]
