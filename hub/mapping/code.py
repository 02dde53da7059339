"""Generated code: a namespace that gives objects names, and builds a function from source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


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

    def build(self, source: str, title: str) -> Callable[..., Any]:
        """The function that the source defines."""
        exec(compile(source, title, "exec"), self.space)
        found: Callable[..., Any] = self.space[source.split("def ", 1)[1].split("(", 1)[0]]
        return found
