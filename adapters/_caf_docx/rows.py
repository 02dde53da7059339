"""Tables and runs of a Word document as the reading of a form looks at them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from adapters._caf_docx import word
from adapters._caf_docx.layout import Line, Many
from adapters._caf_docx.texts import fold
from adapters._caf_docx.wordml import LABEL, NOTE


class Box(NamedTuple):
    """A cell of a table: where it starts in the grid, over how many columns, whether it is merged with those below."""

    element: Any
    start: int
    span: int
    merged: bool
    text: str
    is_bold: bool


def rows_of(table: Any) -> list[Any]:
    """The rows of a table, also those within content controls."""
    return _within(table, "tr")


def cells_of(row: Any) -> list[Any]:
    """The cells of a row, also those within content controls."""
    return _within(row, "tc")


def _within(element: Any, name: str) -> list[Any]:
    found = []
    for one in element:
        if word.local(one) == name:
            found.append(one)
        elif word.local(one) in ("sdt", "sdtContent", "customXml"):
            found += _within(one, name)
    return found


def boxes(row: Any, cells: list[Any]) -> list[Box]:
    made, start = [], _number(row, "trPr", "gridBefore", default=0)
    for cell in cells:
        span = _number(cell, "tcPr", "gridSpan", default=1)
        merged = word.child(cell, "tcPr", "vMerge") is not None
        made.append(Box(cell, start, span, merged, word.text(cell, is_note), is_bold(cell)))
        start += span
    return made


def _number(element: Any, *names: str, default: int) -> int:
    found = word.value(element, *names)
    return int(found) if re.fullmatch(r"\d{1,4}", found, re.ASCII) else default


def is_bold(element: Any) -> bool:
    """Whether all that is written is bold, or in a heading's style."""
    runs = [one for one in element.iter() if word.local(one) == "r" and word.text(one)]
    styles = [word.said(one, "val") for one in element.iter() if word.local(one) == "pStyle"]
    return bool(runs) and (
        all(word.is_on(run, "rPr", "b") for run in runs) or any("heading" in s.lower() for s in styles)
    )


def is_note(element: Any) -> bool:
    return word.local(element) == "r" and word.value(element, "rPr", "rStyle") == NOTE


def is_label(element: Any) -> bool:
    return word.local(element) == "r" and word.value(element, "rPr", "rStyle") == LABEL


def above(element: Any, name: str) -> Any:
    if word.local(element) == name:
        return element
    return next((up for up in element.iterancestors() if word.local(up) == name), None)


def column(many: Many, text: str) -> Line | tuple[Line, str] | None:
    """The field of a column by its head; of a column for one option of several, that option as well."""
    key = fold(text)
    for cell in many.cells:
        if key in cell.line.headings:
            return cell.line
        if cell.line.kind == "ticks":
            for label, value in cell.line.options:
                if key == fold(label):
                    return cell.line, value
    return None
