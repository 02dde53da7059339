"""Reading a table key by key: every mistake is collected with its line, and a key that nobody asked for is one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hub.config import locate
from hub.connect import Fault
from hub.errors import DeclarationError

Value = TypeVar("Value")


class Faults:
    """The mistakes of one file. label: how messages name it."""

    def __init__(self, label: str, lines: Mapping[locate.Path, int]) -> None:
        self._label, self._lines = label, lines
        self._found: dict[tuple[int, str], None] = {}

    def add(self, path: locate.Path, reason: str) -> None:
        """One mistake, at the line of a path or of what lies nearest above it."""
        line = locate.nearest(self._lines, path)
        words = [self._label, f"line {line}" if line else "", dotted(path), reason]
        self._found[line, ": ".join(word for word in words if word)] = None

    def raise_any(self) -> None:
        """DeclarationError with one line a mistake, in the order of the file."""
        if self._found:
            raise DeclarationError("\n".join(text for _, text in sorted(self._found, key=lambda one: one[0])))


def dotted(path: locate.Path) -> str:
    """A path as it is spelled in the file; items are counted from 1."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            text += ("." if text else "") + (step if re.fullmatch("[A-Za-z0-9_-]+", step) else repr(step))
    return text


class Table:
    """One table of the file; `take` its keys, then `close` it."""

    def __init__(self, told: Mapping[str, Any], path: locate.Path, faults: Faults) -> None:
        self.told, self.path, self.faults = told, path, faults
        self._known: set[str] = set()

    def wrong(self, key: str, reason: str) -> None:
        """A mistake at a key of this table, or at the table itself ("")."""
        self.faults.add((*self.path, key) if key else self.path, reason)

    def take(self, key: str, read: Callable[[Any], Value], default: Value) -> Value:
        """A key's value as `read` gives it; its ValueError is a mistake, and then it is the default."""
        self._known.add(key)
        if key not in self.told:
            return default
        try:
            return read(self.told[key])
        except ValueError as error:
            self.wrong(key, str(error))
            return default

    def table(self, key: str) -> Table:
        """The table under a key; empty if there is none."""
        return Table(self.take(key, _mapping, {}), (*self.path, key), self.faults)

    def tables(self, key: str) -> list[Table]:
        """The tables of an array of tables."""
        found: list[Mapping[str, Any]] = self.take(key, _mappings, [])
        return [Table(one, (*self.path, key, number), self.faults) for number, one in enumerate(found)]

    def close(self) -> None:
        """Whatever was not asked for is a mistake."""
        for key in self.told:
            if key not in self._known:
                self.wrong(key, Fault.unknown(key, self._known).reason)


def _mapping(told: Any) -> Mapping[str, Any]:
    if not isinstance(told, dict):
        raise ValueError("this must be a table")
    return told


def _mappings(told: Any) -> list[Mapping[str, Any]]:
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise ValueError("this must be tables, each under a header in two pairs of brackets")
    return told


def text(told: Any) -> str:
    """Some text."""
    if not isinstance(told, str) or not told.strip() or not told.isprintable():
        raise ValueError("this must be text, and not empty")
    return told


def texts(told: Any) -> list[str]:
    """One text or a list of them, none twice."""
    found = [text(one) for one in told] if isinstance(told, list) else [text(told)]
    if not found:
        raise ValueError("this is empty: name one at least")
    return found


def flag(told: Any) -> bool:
    """true or false."""
    if not isinstance(told, bool):
        raise ValueError("this must be true or false, without quotes")
    return told


def whole(least: int, most: int) -> Callable[[Any], int]:
    """A whole number between two, both included."""

    def read(told: Any) -> int:
        if not isinstance(told, int) or isinstance(told, bool) or not least <= told <= most:
            raise ValueError(f"this must be a whole number from {least} to {most}, without quotes")
        return told

    return read


def seconds(least: float, most: float) -> Callable[[Any], float]:
    """A number of seconds between two, both included."""

    def read(told: Any) -> float:
        if not isinstance(told, int | float) or isinstance(told, bool) or not least <= told <= most:
            raise ValueError(f"this must be seconds, a number from {least:g} to {most:g}")
        return float(told)

    return read


def choice(*words: str) -> Callable[[Any], str]:
    """One of these words."""

    def read(told: Any) -> str:
        if told not in words:
            raise ValueError(f"this must be {' or '.join(repr(word) for word in words)}")
        return str(told)

    return read


def command(told: Any) -> tuple[str, ...]:
    """A program and its arguments: a list, or one text split as a shell does; no shell runs it."""
    try:
        return tuple(texts(told) if isinstance(told, list) else shlex.split(text(told)))
    except ValueError as error:
        raise ValueError(str(error) if "this" in str(error) else "a quote is opened and never closed") from None


__all__ = ["Faults", "Table", "choice", "command", "dotted", "flag", "seconds", "text", "texts", "whole"]
