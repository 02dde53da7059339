"""The answers of a form as they are read: put into their trees, or told where it cannot be said what is meant."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from adapters._caf_docx.layout import Layout, Line, Many, together
from adapters._caf_docx.rows import Box
from adapters._caf_docx.ticks import paired, tokens_of
from hub.adapter import Tree

Key = Callable[[str], Hashable]
"""For a list by its path: which item is meant, by what holds it in the document."""


@dataclass
class Place:
    """Where the reading is. pending: a question whose answer is expected next, or an unknown heading; boxes_of: one
    whose boxes may stand in the rows below; heads: those of a row of headings, each (first column, how many columns,
    question)."""

    section: str = ""
    is_known: bool = False
    pending: Line | str | None = None
    boxes_of: Line | None = None
    heads: list[tuple[int, int, Line]] = field(default_factory=list)
    columns: list[tuple[Box, Line | tuple[Line, str] | None]] = field(default_factory=list)
    many: Many | None = None


class Answers:
    """The answers of one document under way, and where the reading of it is."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.shared: Tree = {}
        self.children: list[Tree] = [{}]
        self.own = False
        self.as_of = ""
        self.findings: dict[tuple[str, str], None] = {}
        self.seen: set[Line] = set()
        self.items: dict[Hashable, int] = {}
        self.conflicts: set[tuple[int, str]] = set()
        self.at = Place()

    def _find(self, place: str, what: str) -> None:
        self.findings.setdefault((place, what))

    def _saw(self, line: Line) -> None:
        self.seen.add(line)
        if line.list and line.list in self.layout.lists:
            self.seen.add(self.layout.lists[line.list])

    def _answer(self, heading: str, text: str) -> None:
        """An answer to a question that the layout does not have."""
        section = self.at.section
        own = all(line.path.startswith("Child.") for line in self.layout.lines if line.section == section and line.path)
        tree = self._tree("Child" if own and self.at.is_known else "Answers")
        holder = tree.setdefault("Child", {}) if own and self.at.is_known else tree
        if not isinstance(holder, dict):
            return
        said = {"Section": section} if section else {}
        holder.setdefault("Answers", {}).setdefault("Answer", []).append({**said, "Heading": heading, "Text": text})

    def _chosen(self, line: Line, options: list[str]) -> str:
        if len(options) > 1:
            self._find(line.place, "two boxes are ticked where one is allowed; neither was chosen")
        return together(line, options)

    def _tick(self, line: Line, answers: list[str]) -> str:
        """What is ticked among the options of a question; what cannot be told stays as the text it is."""
        text = "\n".join(answers).strip()
        tokens, rest = tokens_of(line, answers)
        marks = [at for at, token in enumerate(tokens) if isinstance(token, bool)]
        options = [at for at, token in enumerate(tokens) if not isinstance(token, bool)]
        if not any(tokens[at] is True for at in marks):
            if len(options) == 1 and not rest and not marks:
                return str(tokens[options[0]])
            if rest:
                self._find(line.place, "an answer that is none of the boxes")
                return text
            return ""
        pairs = paired(tokens, marks, options)
        if pairs is None or rest:
            self._find(line.place, "it cannot be told which box is ticked; none was chosen")
            return text
        return self._chosen(line, [str(tokens[option]) for mark, option in pairs if tokens[mark] is True])

    def _part_tree(self) -> Tree:
        """The tree that a line of further information belongs to; of a form about one child it is joined later."""
        return self.children[-1] if self.own else self.shared

    def _tree(self, top: str) -> Tree:
        return self.children[-1] if self.own or top == "Child" else self.shared

    def _put(self, line: Line, text: str, key: Key) -> None:
        """Put an answer into the tree, in the item that holds it."""
        tree: Any = self._tree(line.path.split(".")[0])
        home, spot = id(tree), ""
        *above, last = line.path.split(".")
        for step in above:
            name, many = step.removesuffix("[]"), step.endswith("[]")
            spot = f"{spot}.{step}" if spot else step
            below = tree.setdefault(name, [] if many else {})
            if many:
                holder = (home, spot, key(spot))
                if holder not in self.items:
                    self.items[holder] = len(below)
                    below.append(dict(line.sets) if spot == line.list else {})
                home = id(below[self.items[holder]])
                below = below[self.items[holder]]
            tree = below
        if last.endswith("[]"):
            tree.setdefault(last.removesuffix("[]"), []).extend(one for one in text.split("\n") if one.strip())
            return
        if (id(tree), last) in self.conflicts:
            self._answer(line.heading, text)
        elif tree.get(last, text) != text:
            self._find(line.place, "this heading has two different answers; neither was chosen")
            self.conflicts.add((id(tree), last))
            self._answer(line.heading, tree.pop(last))
            self._answer(line.heading, text)
        else:
            tree[last] = text
