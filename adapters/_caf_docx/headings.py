"""Answers read by the headings that stand beside or above them, where a form has no content controls."""

from __future__ import annotations

import re
from collections.abc import Iterator

from adapters._caf_docx.answers import Key, Place
from adapters._caf_docx.layout import Cell, Layout, Line, Many
from adapters._caf_docx.lists import Lists
from adapters._caf_docx.rows import Box
from adapters._caf_docx.texts import day, fold, names_another
from adapters._caf_docx.ticks import is_of_ticks
from adapters._caf_docx.wordml import BEFOREHAND, MORE, STATIC, TITLE


class ByHeadings(Lists):
    """One document under way, read by its headings."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.blocks: dict[str, tuple[int, set[str]]] = {}
        self.sections = {fold(line.section): line.section for line in layout.lines}
        self.lines: dict[str, list[Line]] = {}
        self.own_sections = {line.section for line in layout.lines if line.path.startswith("Child.")}
        self._index()

    def _index(self) -> None:
        for section in self.layout.sections:
            for part in section.parts:
                for cell in part.cells if isinstance(part, Many) else [part]:
                    for heading in cell.line.headings:
                        self.lines.setdefault(heading, []).append(cell.line)
                if isinstance(part, Many):
                    for line in part.rows:
                        for heading in line.headings:
                            self.lines.setdefault(heading, []).append(line)
        self.static = {fold(text) for text in (TITLE, MORE, BEFOREHAND, *STATIC)} | {""} | set(self.sections)
        self.static |= {heading for line in self.layout.lines for heading in line.headings}

    def _question(self, text: str) -> Line | None:
        """The question that a heading asks, here: in its own section, or anywhere if there is only one and it is no
        everyday word."""
        key = fold(text)
        found = self.lines.get(key, [])
        here = [line for line in found if line.section == self.at.section]
        if here:
            return next((line for line in here if line not in self.seen), here[0])
        if self._is_elsewhere(text):
            return None
        lone = (
            len(found) == 1 and len(key) >= 8 and "[]" not in found[0].path.removeprefix("Child.").rpartition("[]")[0]
        )
        return (
            found[0]
            if lone or (len(found) == 1 and not self.at.section and len(key) >= 3 and not found[0].list)
            else None
        )

    def _is_elsewhere(self, text: str) -> bool:
        """Whether a heading of the child's own, such as the NHS number, stands where another person may be meant."""
        key = fold(text)
        lines = self.lines.get(key, [])
        return (
            len(lines) == 1
            and lines[0].path.startswith("Child.")
            and "child" not in key
            and len(key) >= 8
            and self.at.section not in self.own_sections | {""}
        )

    def _unknown(self, heading: str, text: str) -> None:
        """An answer under a heading that is none of the form's, or not here."""
        if self._is_elsewhere(heading):
            why = "this heading stands outside the section about the child; what it says may be another person's"
            self._find(self.lines[fold(heading)][0].place, f"{why}, and was kept as an answer")
        self._answer(heading, text)

    def _split(self, text: str) -> tuple[Line, str] | None:
        """A question with its answer in one text: `Heading: answer`, or the answer on the lines below."""
        line = self._question(text)
        if line is not None:
            return line, ""
        for sign in ("\n", ":", "?"):
            head, found, rest = text.partition(sign)
            line = self._question(head) if found else None
            if line is not None:
                return line, rest.strip()
        return None

    def _splits(self, text: str) -> list[tuple[Line, str]]:
        """All questions of one text, each with its answer; none where it does not begin with one."""
        split = self._split(text)
        if split is None:
            return []
        found: list[tuple[Line, str]] = []
        line, rest = split
        kept = ""
        for piece in re.split("(?<=[\n\t])", rest):
            head, sign, tail = piece.partition(":")
            other = self._question(head) if head.strip() else None
            if other is not None and (sign or not tail):
                found.append((line, kept.strip()))
                line, kept = other, tail
            else:
                kept += piece
        return [*found, (line, kept.strip())]

    def _skipped(self, text: str) -> bool:
        """Whether the text belongs to the list of what was filled in beforehand."""
        return self.at.section == BEFOREHAND and fold(text) not in self.sections

    def _plain(self, boxes: list[Box]) -> None:
        """A row of a table without content controls."""
        filled = [box for box in boxes if box.text]
        if not filled or self._skipped(filled[0].text):
            return
        if self.at.section == MORE and all(fold(box.text) in self.static for box in filled):
            return
        if len(boxes) == 1 or (len(filled) == 1 and filled[0].span > 1 and len(boxes) == 1):
            if self._is_domain(filled[0].text):
                return
            if not self._title(filled[0].text):
                self.at.columns = []
                self._alone(filled[0].text, filled[0].is_bold, boxes)
            return
        if len(filled) == 1 and (
            self._is_domain(filled[0].text) or (not self.at.columns and self._title(filled[0].text))
        ):
            return
        if self._ticked_below([box.text for box in boxes]):
            return
        self.at.pending = None
        if self._head(boxes):
            return
        if self.at.columns:
            self._item(boxes)
        elif not self._below(boxes):
            self._pairs(boxes)

    def _title(self, text: str) -> bool:
        """Whether the text is a section's title, or that of one of its lists; the reading goes on there."""
        key = fold(text)
        many = next((one for one in self.manys if key in one.line.headings), None)
        section = self.sections.get(key) or (many.line.section if many else "")
        if key == fold(BEFOREHAND):
            self.at = Place(BEFOREHAND, True)
            return True
        if key in (fold(MORE), fold(TITLE)):
            self.at = Place(MORE if key == fold(MORE) else "", True)
            return True
        if not section or (many is not None and key not in self.sections and self._question(text) is not None):
            return False
        if section == self._first_of_child() and key in self.sections and not self.own and self._has_child():
            self.children.append({})
        for one in self.manys:
            if one.line.section == section and one.line.kind == "block" and self.blocks.get(one.line.path, (0, ()))[1]:
                self.blocks[one.line.path] = (self.blocks[one.line.path][0] + 1, set())
        self.at = Place(section, True)
        return True

    def _first_of_child(self) -> str:
        return next((line.section for line in self.layout.lines if line.path.startswith("Child.")), "")

    def _has_child(self) -> bool:
        return bool(self.children[-1].get("Child"))

    def _is_domain(self, text: str) -> bool:
        return any(line.kind == "domain" and fold(text) in line.headings for many in self.manys for line in many.rows)

    def _alone(self, text: str, is_bold: bool, boxes: list[Box]) -> None:
        """A text in a row or paragraph of its own: a heading, an answer, or both."""
        if self._ticked_below([text]):
            return
        splits = self._splits(text)
        for line, rest in splits:
            if rest:
                self.at.pending = None
                self._give(line, [rest])
            else:
                self._saw(line)
                self.at.pending = self.at.boxes_of = line
        if splits:
            return
        pending, self.at.pending = self.at.pending, None
        if isinstance(pending, Line):
            self._give(pending, [text])
        elif pending is not None and not is_bold:
            self._unknown(pending, text)
        elif self.at.section in self.own_sections | {""} and names_another(text):
            self.at = Place(text, pending=text)
        elif boxes and (is_bold or text.endswith(("?", ":"))):
            self.at.pending = text.rstrip(":").strip()
        elif not boxes and is_bold:
            self.at.section, self.at.is_known = text, False
            self.at.pending = text
        elif fold(text) not in self.static:
            self._find(self.at.section if self.at.is_known else "the document", "text under no heading was left out")

    def _ticked_below(self, texts: list[str]) -> bool:
        """Whether a row or paragraph holds the boxes of the question above it; they are its answer then."""
        line = self.at.boxes_of
        if line is None or line.kind != "ticks" or not all(is_of_ticks(line, text) for text in texts):
            self.at.boxes_of = None
            return False
        self.at.pending = None
        said = [text for text in texts if text]
        self._give(line, said if len(said) == 1 else texts)
        return True

    def _below(self, boxes: list[Box]) -> bool:
        """Whether a row is nothing but headings, each with its answer below, or the answers to such a row."""
        lines = [self._question(box.text) if box.text else None for box in boxes]
        heads = [line for line in lines if line is not None]
        if len(heads) == len(boxes):
            self.at.heads = [(box.start, box.span, line) for box, line in zip(boxes, heads, strict=True)]
            for line in heads:
                self._saw(line)
            return True
        spans = [(start, span) for start, span, _ in self.at.heads]
        if heads or not spans or [(box.start, box.span) for box in boxes] != spans or any(box.merged for box in boxes):
            self.at.heads = []
            return False
        for (_, _, line), box in zip(self.at.heads, boxes, strict=True):
            self._give(line, [box.text])
        return True

    def _pairs(self, boxes: list[Box]) -> None:
        """Headings with their answers beside them."""
        at = 0
        while at < len(boxes):
            text = boxes[at].text
            at += 1
            splits = self._splits(text)
            if not text or any(answer for _, answer in splits):
                for line, answer in splits:
                    self._give(line, [answer])
                continue
            asked = splits[0][0] if len(splits) == 1 else None
            answers: list[str] = []
            while at < len(boxes) and (not answers or (asked is not None and asked.kind == "ticks")):
                if self._question(boxes[at].text) is not None:
                    break
                if answers and asked is not None and not is_of_ticks(asked, boxes[at].text):
                    break
                if boxes[at].merged:
                    self._find(
                        self._place(asked, ""), "merged cells: it cannot be told to which heading the answer belongs"
                    )
                answers.append(boxes[at].text)
                at += 1
            if asked is not None:
                self.at.boxes_of = asked if not any(answers) else None
                self._give(asked, answers)
            elif answers:
                if answers[0]:
                    self._unknown(text.rstrip(":").strip(), answers[0])
            elif fold(text) not in self.static:
                self._find(
                    self.at.section if self.at.is_known else "the document", "text under no heading was left out"
                )

    def _give(self, line: Line, answers: list[str]) -> None:
        """An answer under a known heading."""
        self._saw(line)
        text = "\n".join(filter(None, answers))
        if line.kind == "row":
            if text:
                self._answer(line.heading, text)
            return
        number = self._block(line) if line.list or line.kind == "line" else 0
        if line.kind == "ticks":
            text = self._tick(line, answers)
        if not text:
            return

        def nth(n: int) -> Key:
            return lambda path: (
                ("own", line.tag) if line.sets else ("plain", path, number, n if path == line.path else 0)
            )

        if line.kind != "line":
            self._put(line, day(text) if line.kind == "date" else text, nth(0))
            return
        first = next(cell.fields[0] for cell in self._cells() if cell.line is line)
        for n, one in enumerate(text.split("\n") if first.kind == "text" else [text]):
            if one.strip():
                self._put(first, one.strip(), nth(n))

    def _cells(self) -> Iterator[Cell]:
        for section in self.layout.sections:
            for part in section.parts:
                yield from part.cells if isinstance(part, Many) else [part]

    def _block(self, line: Line) -> int:
        """Which item of a list that a table stands for is meant: the next, when a heading comes again."""
        block = next((one for one in self.manys if line.path.startswith(f"{one.line.path}.")), None)
        if block is None:
            return 0
        number, seen = self.blocks.get(block.line.path, (0, set()))
        if line.path in seen:
            number, seen = number + 1, set()
        self.blocks[block.line.path] = (number, seen | {line.path})
        return number
