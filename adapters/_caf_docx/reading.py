"""A form read from a Word document: by the tags of its content controls, and where it has none, by its headings.

A heading that the layout does not know is an answer under that heading. What cannot be told for certain (two ticks,
merged cells, one heading with two answers) is named and never decided.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from adapters._caf_docx import word
from adapters._caf_docx.answers import Key, Place
from adapters._caf_docx.headings import ByHeadings
from adapters._caf_docx.layout import Layout, Line, row_value
from adapters._caf_docx.rows import above, boxes, cells_of, is_bold, is_label, is_note, rows_of
from adapters._caf_docx.texts import day, fold, plain, plant
from adapters._caf_docx.wordml import AS_OF, BEFOREHAND, MORE, MORE_PATH, MORE_TEXT, PART
from hub.adapter import Tree
from hub.errors import RecordError


class Read(NamedTuple):
    """A form as it was read. children: what is each child's alone; as_of: the moment of which it tells, or "";
    findings: (place, what) of what was left out."""

    shared: Tree
    children: list[Tree]
    as_of: str
    findings: list[tuple[str, str]]


def read(body: Any, layout: Layout, label: str) -> Read:
    """The form of a body. RecordError for tracked changes: nobody can say which side is meant."""
    return _Reading(layout, label).form(body)


class _Reading(ByHeadings):
    """One document under way."""

    def __init__(self, layout: Layout, label: str) -> None:
        super().__init__(layout)
        self.label = label
        self.more: list[tuple[Tree, str, str]] = []

    def form(self, body: Any) -> Read:
        """The whole document."""
        self._refuse_tracked(body)
        for what, element in word.left_out(body):
            self._find(self._around(element), f"{what} was left out")
        self._walk(body)
        for tree, path, text in self.more:
            if not plant(tree, path, text):
                self._find(MORE, "a line whose field cannot be told was left out")
        for line in self.layout.lines:
            if "must" in line.shown and line not in self.seen:
                self._find(line.place, "this heading is missing from the form")
        children = [child for child in self.children if child]
        return Read(self.shared, children, self.as_of, list(self.findings))

    def _refuse_tracked(self, body: Any) -> None:
        for element in body.iter():
            if word.local(element) in word.TRACKED:
                why = "changes are tracked here and not yet accepted or rejected; do that in Word first"
                raise RecordError(why, file=self.label, place=self._around(element))

    def _around(self, element: Any) -> str:
        """The place of any element: the section before it and the heading in its row, as the layout prints them."""
        row = next((up for up in element.iterancestors() if word.local(up) == "tr"), None)
        within = row if row is not None else element
        heading = ""
        for cell in cells_of(within) if row is not None else ():
            known = self.lines.get(fold(word.text(cell)))
            heading = known[0].heading if known else heading
            if cell is element or any(up is cell for up in element.iterancestors()):
                break
        section = ""
        for one in within.xpath("preceding::*[local-name()='p']"):
            section = self.sections.get(fold(word.text(one)), section)
        return ", ".join(part for part in (section, heading) if part) or "the document"

    def _walk(self, container: Any) -> None:
        for element in container:
            name = word.local(element)
            if name == "p":
                self._paragraph(element)
            elif name == "tbl":
                self._table(element)
            elif name in ("sdt", "sdtContent", "customXml", "smartTag"):
                if name == "sdt" and self._known_tag(word.tag(element)):
                    self._tagged(element, [element], [])
                else:
                    self._walk(element)

    def _known_tag(self, tag: str) -> bool:
        return tag in self.layout.by_tag or tag in (PART, AS_OF, MORE_PATH, MORE_TEXT)

    def _controls(self, element: Any) -> list[Any]:
        """The content controls of the form within an element."""
        return [one for one in element.iter() if word.local(one) == "sdt" and self._known_tag(word.tag(one))]

    def _paragraph(self, element: Any) -> None:
        controls = self._controls(element)
        if controls:
            self._tagged(element, controls, [element])
            return
        text = word.text(element, is_note)
        if not text or self._skipped(text):
            return
        if not self._title(text):
            self._alone(text, is_bold(element), [])

    def _table(self, table: Any) -> None:
        self.at.columns, self.at.many, self.at.heads = [], None, []
        if self.at.section == BEFOREHAND:
            return
        for row in rows_of(table):
            cells = cells_of(row)
            controls = self._controls(row)
            if controls:
                self._tagged(row, controls, cells)
            else:
                self._plain(boxes(row, cells))
            for cell in cells:
                for below in cell:
                    if word.local(below) == "tbl":
                        self._table(below)
        self.at.columns, self.at.many = [], None

    def _tagged(self, within: Any, controls: list[Any], cells: list[Any]) -> None:
        """The answers of a row (or paragraph) that has content controls."""
        if word.tag(controls[0]) == PART:
            self._part(fold(word.exact(controls[0])))
            return
        if word.tag(controls[0]) == AS_OF:
            self.as_of = word.exact(controls[0]).strip()
            return
        self.at.pending = None
        ticks: dict[tuple[Line, Any], list[str]] = {}
        said: list[tuple[Line, Any, str]] = []
        field_of_more = ""
        for control in controls:
            tag = word.tag(control)
            if tag in (MORE_PATH, MORE_TEXT):
                text = plain(word.exact(control))
                if tag == MORE_TEXT and text and field_of_more:
                    self.more.append((self._part_tree(), field_of_more, text))
                field_of_more = text
                continue
            line, option = self.layout.by_tag[tag]
            self._saw(line)
            if option is None:
                said.append((line, control, plain(word.exact(control, is_note))))
            elif word.is_ticked(control):
                ticks.setdefault((line, above(control, "tc")), []).append(option)
        for (line, cell), options in ticks.items():
            odd = [text for other, control, text in said if other is line and above(control, "tc") is cell and text]
            said = [one for one in said if not (one[0] is line and above(one[1], "tc") is cell)]
            said.append((line, cell, self._chosen(line, [*options, *odd])))
        rows: list[tuple[str, Hashable]] = []
        for line, control, text in said:
            if text.strip():
                key = _holders(control, self.layout)
                self._put(line, day(text) if line.kind == "date" else text, key)
                rows.append((line.list, key(line.list)))
        self._printed(within, cells, rows)
        self._stray(within, controls, cells)

    def _part(self, heading: str) -> None:
        """A part of a form about several children begins."""
        self.own = heading.startswith(fold("Child"))
        if self.own and self.children[-1]:
            self.children.append({})
        self.at = Place()
        self.blocks = {}

    def _printed(self, row: Any, cells: list[Any], rows: list[tuple[str, Hashable]]) -> None:
        """The heading of a row that is printed goes with its answers."""
        for cell in cells:
            heads = {fold(word.text(cell))} if not self._controls(cell) else set()
            for many in self.manys:
                for line in many.rows:
                    if line.kind == "row" and heads & line.headings and any(path == line.list for path, _ in rows):
                        holder = next(key for path, key in rows if path == line.list)
                        self._put(line, row_value(line), lambda path, holder=holder: holder)  # type: ignore[misc]
                        return

    def _stray(self, within: Any, controls: list[Any], cells: list[Any]) -> None:
        """Text that somebody wrote beside the boxes for the answers."""
        place = next(
            (self.layout.by_tag[word.tag(one)][0].place for one in controls if word.tag(one) in self.layout.by_tag),
            MORE,
        )
        ours = set(controls)
        for cell in cells:
            text = word.text(cell, lambda one: one in ours or is_note(one) or is_label(one))
            if fold(text) not in self.static:
                self._find(place, "text outside the boxes for the answers was left out")


def _holders(control: Any, layout: Layout) -> Key:
    """Which item of each list a control belongs to: by its paragraph, its row, or the outermost table."""
    ups = [control, *control.iterancestors()]
    tables = [up for up in ups if word.local(up) == "tbl"]

    def holder(path: str) -> Hashable:
        line = layout.lists.get(path)
        found: Hashable = control
        if line is not None and line.kind == "block":
            found = tables[-1] if tables else None
        elif line is not None:
            found = next((up for up in ups if word.local(up) == ("tr" if line.kind == "table" else "p")), control)
        return found

    return holder


__all__ = ["Read", "read"]
