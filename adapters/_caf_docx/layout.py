"""The layout of a printed form as data: what is asked, in which order and under which headings.

`schemas/caf_form.csv` is the national form (social-care facts 4.2). A local form has a table of its own with the same
columns, in an overlay. A line is a question, or a list:

section, heading: as they are printed. path: of `_caf_schema.SCHEMA`, lists with `[]`.
kind: text, date, `lines` (a list of texts, one a line), `ticks` (one of the options); `table`, `block` and `line` begin
a list with a row, a table or a paragraph an item, whose fields are the lines below it; `row` is a row of a table that
is printed, `domain` a heading across a table.
options: what can be ticked, `Yes=true|No=false`; of a table or block, how many blank items are printed; of a row, the
value that stands in the tree for its heading; of a text of a list, what else the item has, `System=nhs`.
shown: `known` prints it only where there is an answer, `read` never; `must` asks for the heading in a form filled in
by hand; `half` puts two beside each other, `long` leaves more room.
label: a word before the answer where several share a place. also: other headings of the same question.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

from adapters._caf_docx.texts import day, fold, is_said, plain
from hub.adapter import Tree
from hub.errors import DeclarationError

COLUMNS = ("section", "heading", "path", "kind", "options", "shown", "label", "also")
LISTS = ("table", "block", "line")
_KINDS = (*LISTS, "text", "date", "lines", "ticks", "row", "domain")
_SHOWN = {"known", "read", "must", "half", "long"}
_APART = " + "
"""Between the options of a question of which several are ticked and one is allowed."""


@dataclass(frozen=True, eq=False)
class Line:
    """One line of the layout. list: the innermost list that the path lies in, `Family.Member[]`, or ""."""

    section: str
    heading: str
    path: str
    kind: str
    options: tuple[tuple[str, str], ...]
    shown: frozenset[str]
    label: str
    also: tuple[str, ...]

    @cached_property
    def list(self) -> str:
        """The innermost list that holds the answer."""
        return self.path[: self.path.rfind("[].") + 2] if "[]." in self.path else ""

    @cached_property
    def name(self) -> str:
        """The path within the item of its list."""
        return self.path.removeprefix(f"{self.list}.")

    @cached_property
    def top(self) -> str:
        """The name at the top of the tree."""
        return self.path.split(".")[0].removesuffix("[]")

    @cached_property
    def own(self) -> str:
        """The path in a tree of one child, where the form has a list of the children."""
        return self.path.replace("Children.Child[].", "Child.")

    @cached_property
    def place(self) -> str:
        """For errors."""
        return ", ".join(part for part in (self.section, self.heading) if part)

    @cached_property
    def sets(self) -> dict[str, str]:
        """What the item of the list has besides this answer; of an extra question its heading and section."""
        if self.kind != "text" or not self.list:
            return {}
        if self.path.endswith("Answers.Answer[].Text") and self.heading != "Answer":
            return {"Section": self.section, "Heading": self.heading} | dict(self.options)
        return dict(self.options)

    @cached_property
    def tag(self) -> str:
        """The name of its content control: the path, which Word holds to 64 characters."""
        own = f"{self.section}\0{self.heading}" if self.sets else ""
        path = f"{self.path}#{_digest(own)}" if own else self.path
        return path if len(path) <= 40 else f"{path[:20]}~{_digest(self.path + own)}"

    def tag_of(self, value: str) -> str:
        """The name of the box of an option."""
        return f"{self.tag}={value}" if len(self.tag) + len(value) < 64 else f"{self.tag}={_digest(value)}"

    @cached_property
    def headings(self) -> set[str]:
        """Every heading of the question, folded."""
        return {fold(text) for text in (self.heading, *self.also)} - {""}


@dataclass(eq=False)
class Cell:
    """A place for an answer. line: its question, or the list of `line` kind that it holds; fields: what is in it."""

    line: Line
    fields: list[Line]

    @property
    def is_list(self) -> bool:
        """Whether it holds a paragraph for each item."""
        return self.line.kind == "line"


@dataclass(eq=False)
class Many:
    """A list with a row or a table an item. rows: the printed ones and the headings across."""

    line: Line
    cells: list[Cell] = field(default_factory=list)
    rows: list[Line] = field(default_factory=list)

    @cached_property
    def blank(self) -> int:
        """How many blank items a form has for those that come."""
        return int(self.line.options[0][1]) if self.line.options else 0


@dataclass(eq=False)
class Section:
    """A section of the form."""

    name: str
    parts: list[Cell | Many] = field(default_factory=list)


class Layout:
    """A form. lines: as in its file; sections: in order."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.sections: list[Section] = []
        self.by_tag: dict[str, tuple[Line, str | None]] = {}
        self.lists = {line.path: line for line in lines if line.kind in LISTS}
        for line in lines:
            self._place(line)
            if line.kind == "ticks":
                self.by_tag |= {line.tag_of(value): (line, value) for _, value in line.options}
            if line.kind not in ("row", "domain"):
                self.by_tag.setdefault(line.tag, (line, None))
        self.slots: dict[str, list[tuple[dict[str, str], set[str]]]] = {}
        for line in lines:
            self._slot(line)

    @classmethod
    def parse(cls, data: bytes, file: str) -> Layout:
        """A layout from its CSV; DeclarationError with the line for anything that is not as described above."""
        try:
            rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig")), strict=True))
        except (UnicodeDecodeError, csv.Error):
            raise DeclarationError("is no CSV in UTF-8", file=file) from None
        if not rows or tuple(rows[0]) != COLUMNS:
            raise DeclarationError(f"the first line is not {','.join(COLUMNS)}", file=file)
        lines = []
        for number, row in enumerate(rows[1:], 2):
            if row:
                try:
                    lines.append(_line(row))
                except ValueError as error:
                    raise DeclarationError(str(error), file=file, place=f"line {number}") from None
        layout = cls(lines)
        if not any(line.path == "Reference" for line in lines):
            raise DeclarationError("nothing asks for the Reference, which every form has", file=file)
        return layout

    def _place(self, line: Line) -> None:
        if not self.sections or self.sections[-1].name != line.section:
            self.sections.append(Section(line.section))
        parts = self.sections[-1].parts
        last = parts[-1] if parts else None
        within = isinstance(last, Many) and (line.path.startswith(f"{last.line.path}.") or line.kind == "domain")
        if line.kind in ("table", "block"):
            parts.append(Many(line))
        elif line.kind in ("row", "domain"):
            if not isinstance(last, Many):
                raise DeclarationError("a row or domain stands outside a table", place=line.place)
            last.rows.append(line)
        else:
            cells = last.cells if within and isinstance(last, Many) else parts
            held = cells[-1] if cells else None
            if isinstance(held, Cell) and held.is_list and line.list == held.line.path and _near(held.line, line):
                held.fields.append(line)
            else:
                cells.append(Cell(line, [] if line.kind == "line" else [line]))

    def _slot(self, line: Line) -> None:
        """Where an item of a list has a place of its own: a printed row, or a question of its own."""
        if line.kind == "row":
            above = next(p for s in self.sections for p in s.parts if isinstance(p, Many) and line in p.rows)
            names = {cell.line.name for cell in above.cells} - {line.name}
            self.slots.setdefault(line.list, []).append(({line.name: row_value(line)}, names))
        elif line.sets and "read" not in line.shown:
            self.slots.setdefault(line.list, []).append((line.sets, {line.name}))

    # ---------------------------------------------------------------------------------------------------------- trees

    def normal(self, tree: Tree) -> Tree:
        """A tree as the form can hold it: no blank answers, days in ISO form, items that have a place of their own
        first."""
        made = self._tidy(tree, "")
        return made if isinstance(made, dict) else {}

    def _tidy(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            below = {name: self._tidy(one, f"{path}.{name}" if path else name) for name, one in value.items()}
            return {name: one for name, one in below.items() if one is not None} or None
        if isinstance(value, list):
            items = [self._tidy(one, f"{path}[]") for one in value]
            if f"{path}[]" in self._texts:
                items = [text for one in items for text in (one.split("\n") if isinstance(one, str) else [one])]
            items = [one for one in items if one is not None and (not isinstance(one, str) or one.strip())]
            return self.ordered(f"{path}[]", items) or None
        if isinstance(value, str):
            text = plain(value)
            if path in self._dates:
                text = day(text)
            return self._options.get(path, {}).get(fold(text), text) if text.strip() else None
        return value

    @cached_property
    def _dates(self) -> set[str]:
        return {line.own for line in self.lines if line.kind == "date"}

    @cached_property
    def _options(self) -> dict[str, dict[str, str]]:
        """By path the options as the form prints them, by themselves folded."""
        return {line.own: {fold(o): o for _, o in line.options} for line in self.lines if line.kind == "ticks"}

    @cached_property
    def _texts(self) -> set[str]:
        return {line.own for line in self.lines if line.kind == "lines"}

    def ordered(self, path: str, items: list[Any]) -> list[Any]:
        """Items that have a place of their own first, in the order of those places; then the others."""
        slots = self.slots.get(path)
        if not slots:
            return items
        placed, rest = self.placed(path, items)
        return [items[at] for at in placed if at is not None] + [items[at] for at in rest]

    def placed(self, path: str, items: list[Any]) -> tuple[list[int | None], list[int]]:
        """For each place of a list the index of its item; and the indices of the items that have none."""
        free = list(range(len(items)))
        found: list[int | None] = []
        for sets, names in self.slots.get(path, ()):
            at = next((at for at in free if _fits(items[at], sets, names)), None)
            found.append(at)
            if at is not None:
                free.remove(at)
        return found, free


def is_printable(value: Any, fields: list[Line], path: str) -> bool:
    """Whether every item of a list has something to be printed by, so that it is read as an item again."""
    names = [line.path.removeprefix(f"{path}.") for line in fields]
    return isinstance(value, list) and all(
        isinstance(item, dict) and any(is_said(item, name) for name in names) for item in value
    )


def _near(held: Line, line: Line) -> bool:
    return (held.section, held.heading) == (line.section, line.heading)


def _fits(item: Any, sets: dict[str, str], names: set[str]) -> bool:
    if not isinstance(item, dict) or any(item.get(name) != value for name, value in sets.items()):
        return False
    rest = item.keys() - sets.keys()
    return bool(rest) and all(name in names and isinstance(item[name], str) for name in rest)


def row_value(line: Line) -> str:
    """What a printed row's heading is in the tree."""
    return line.options[0][1] if line.options else line.heading


def ticked(line: Line, value: str) -> list[str]:
    """The options that a value says are ticked; none where it is a text of its own."""
    values = [option for _, option in line.options]
    chosen = value.split(_APART)
    return chosen if all(one in values for one in chosen) and len(set(chosen)) == len(chosen) else []


def together(line: Line, chosen: list[str]) -> str:
    """The value of several ticks where one is allowed: no code, so that nobody takes it for one."""
    return _APART.join(chosen)


def _line(row: list[str]) -> Line:
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(COLUMNS)} columns are needed")
    section, heading, path, kind, options, shown, label, also = (text.strip() for text in row)
    if kind not in _KINDS:
        raise ValueError(f"the kind is one of {', '.join(_KINDS)}")
    if set(shown.split()) - _SHOWN:
        raise ValueError(f"shown holds words of {', '.join(sorted(_SHOWN))}")
    if not section or not (path or kind == "domain") or not (heading or kind in ("table", "block")):
        raise ValueError("section, heading and path are needed")
    if kind in LISTS and not path.endswith("[]"):
        raise ValueError("the path of a list ends in []")
    if kind in ("table", "block") and options and not options.isdecimal():
        raise ValueError("the options of a table or block are a number of blank items")
    pairs = tuple(_option(one) for one in options.split("|") if one)
    return Line(
        section, heading, path, kind, pairs, frozenset(shown.split()), label, tuple(filter(None, also.split("|")))
    )


def _option(text: str) -> tuple[str, str]:
    label, sign, value = text.partition("=")
    return (label, value) if sign else (text, text)


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=5).hexdigest()


__all__ = [
    "COLUMNS",
    "LISTS",
    "Cell",
    "Layout",
    "Line",
    "Many",
    "Section",
    "is_printable",
    "row_value",
    "ticked",
    "together",
]
