"""Generated code: lines at their indentation, and a namespace that gives objects names and builds a function from them.

One-letter names of the code that is made, and of what it calls: o the item of ours, t the tree of theirs, c the reading
or writing, w the kept spellings, v a cell, x a value, U UNSET, M a cell that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_STEP = "    "


class Lines:
    """The body of a function while it is written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.pad = _STEP

    def add(self, *lines: str) -> None:
        """Lines at the indentation at hand."""
        self.lines += [self.pad + line for line in lines]

    def open(self, head: str) -> None:
        """A line that starts a block; it ends where the `level` around it ends."""
        self.add(head)
        self.pad += _STEP

    @contextmanager
    def level(self) -> Iterator[None]:
        """What is opened inside ends here."""
        pad = self.pad
        yield
        self.pad = pad

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A block of its own, `pass` when nothing comes into it."""
        with self.level():
            self.open(head)
            before = len(self.lines)
            yield
            if len(self.lines) == before:
                self.add("pass")


class Code:
    """The names a generated function sees."""

    def __init__(self, space: dict[str, Any]) -> None:
        self.space = dict(space)
        self._names: dict[int, str] = {}
        self._held: list[Any] = []

    def name(self, value: Any, letter: str) -> str:
        """A name for a value, the same each time for the same object."""
        known = self._names.get(id(value))
        if known is None:
            known = self._names[id(value)] = f"{letter}{len(self._names)}_"
            self._held.append(value)
            self.space[known] = value
        return known

    def build(self, head: str, lines: Sequence[str], title: str) -> tuple[str, Callable[..., Any]]:
        """The function of that head (`write(o, c)`) and these lines: its source, and itself."""
        source = "\n".join([f"def {head}:", *lines])
        exec(compile(source, title, "exec"), self.space)
        found: Callable[..., Any] = self.space[head.partition("(")[0]]
        return source, found


__all__ = ["Code", "Lines"]
