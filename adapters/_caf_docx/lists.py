"""The tables of a form's lists: their heads, and the rows below them."""

from __future__ import annotations

from adapters._caf_docx.answers import Answers
from adapters._caf_docx.layout import Layout, Line, Many, row_value
from adapters._caf_docx.rows import Box, column
from adapters._caf_docx.texts import day, fold
from adapters._caf_docx.ticks import EMPTY, TICK


class Lists(Answers):
    """One document under way, with the lists of its layout."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.manys = [p for s in layout.sections for p in s.parts if isinstance(p, Many)]

    def _place(self, line: Line | None, heading: str) -> str:
        known = self.at.section if self.at.is_known else "the document"
        return line.place if line is not None else ", ".join(part for part in (known, heading) if part)

    def _head(self, boxes: list[Box]) -> bool:
        """Whether a row is the head of a table of a list; its columns are then known."""
        best: tuple[int, Many, list[tuple[Box, Line | tuple[Line, str] | None]]] | None = None
        for many in self.manys:
            if many.line.kind != "table" or (self.at.is_known and many.line.section != self.at.section):
                continue
            columns = [(box, column(many, box.text)) for box in boxes]
            known = sum(target is not None for _, target in columns)
            blank = not boxes[0].text and bool(many.rows)
            wanted = len(boxes) - blank
            if (
                known >= 2
                and (known == wanted or (wanted >= 3 and known * 3 >= wanted * 2))
                and (best is None or known > best[0])
            ):
                if blank:
                    columns[0] = (boxes[0], many.cells[0].line)
                best = known, many, columns
        if best is None:
            return False
        _, self.at.many, self.at.columns = best
        self.at.section, self.at.is_known = self.at.many.line.section, True
        for cell in self.at.many.cells:
            self._saw(cell.line)
        return True

    def _item(self, boxes: list[Box]) -> None:
        """A row of the table of a list."""
        many, columns = self.at.many, self.at.columns
        assert many is not None
        place = self._place(None, many.line.heading)
        spans = [(box.start, box.span) for box, _ in columns]
        if [(box.start, box.span) for box in boxes] != spans or any(box.merged for box in boxes):
            said = " | ".join(box.text for box in boxes if box.text)
            self._find(place, "merged cells in a row: it cannot be told which answer belongs to which heading")
            self._answer(many.line.heading or many.line.section, said)
            return
        found: list[tuple[Line, str]] = []
        ticks: dict[Line, list[str]] = {}
        for (head, target), box in zip(columns, boxes, strict=True):
            if target is None and box.text:
                self._answer(head.text, box.text)
            elif isinstance(target, tuple) and TICK.fullmatch(box.text):
                ticks.setdefault(target[0], []).append(target[1])
            elif isinstance(target, tuple) and box.text and not EMPTY.fullmatch(box.text):
                self._find(place, "a text stands where a tick is expected, and was left out")
            elif isinstance(target, Line) and box.text:
                found.append((target, self._tick(target, [box.text]) if target.kind == "ticks" else box.text))
        found += [(line, self._chosen(line, options)) for line, options in ticks.items()]
        self._fill(many, [(line, text) for line, text in found if text], boxes[0].element)

    def _fill(self, many: Many, found: list[tuple[Line, str]], row: object) -> None:
        """Put a row's answers into an item of their own, with its heading, which alone is no answer."""
        first, rows = many.cells[0].line, [line for line in many.rows if line.kind == "row"]
        if rows and all(line is first for line, _ in found):
            return
        if len(rows) == 1 and all(target is not first for _, target in self.at.columns):
            found = [(first, row_value(rows[0])), *found]
        for line, text in found:
            if rows and line is first:
                text = next((row_value(one) for one in rows if fold(text) in one.headings), text)
            self._put(line, day(text) if line.kind == "date" else text, lambda path: ("row", path, row))
