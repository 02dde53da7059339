"""Where in a TOML text each key stands. `tomllib` does not say; this reads a text that it has found to be good.

A path is a tuple of keys and, for items of arrays and of arrays of tables, numbers from 0.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]

_GAP = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"""(?:"{0,2})' r"|'''[\s\S]*?'''(?:'{0,2})" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'"
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")


def lines(text: str) -> Mapping[Path, int]:
    """The line, from 1, of each key, table and item of a valid TOML text, where it stands first."""
    return _Scan(text.replace("\r\n", "\n")).run()


def nearest(found: Mapping[Path, int], path: Path) -> int:
    """The line of a path, or of what lies nearest above it; 0 when nothing does."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path, 0)


class _Scan:
    """One walk over a text. at: the place in it; table: the path of the header that was read last."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._counted, self._line = 0, 1
        self._found: dict[Path, int] = {}
        self._items: dict[Path, int] = {}
        """How many tables each array of tables has so far."""

    def run(self) -> dict[Path, int]:
        """All lines of the text."""
        table: Path = ()
        while self._skip(_GAP):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _skip(self, what: re.Pattern[str]) -> bool:
        """Go past what matches here, which may be nothing; False at the end of the text."""
        match = what.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at < len(self._text)

    def _note(self, path: Path) -> None:
        """A path stands here. Lines are counted as far as the walk has come."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        self._found.setdefault(path, self._line)

    def _header(self) -> Path:
        """`[a.b]` or `[[a.b]]`; the path, with the numbers of the arrays of tables that it goes through."""
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        start = self._at
        self._at += brackets
        keys = list(self._keys())
        end, self._at = self._at, start
        path: Path = ()
        for key in keys[:-1]:
            path = self._into((*path, key))
            self._note(path)
        path = (*path, keys[-1])
        self._note(path)
        if brackets == 2:
            self._items[path] = self._items.get(path, 0) + 1
            path = self._into(path)
            self._note(path)
        self._at = end + brackets
        return path

    def _into(self, path: Path) -> Path:
        """The last table of an array of tables; any other path as it is."""
        return (*path, self._items[path] - 1) if path in self._items else path

    def _keys(self) -> Iterator[str]:
        """A dotted key, one by one; the walk stands behind it then."""
        while True:
            self._skip(_BLANK)
            quoted = _STRING.match(self._text, self._at)
            match = quoted or _BARE_KEY.match(self._text, self._at)
            if match is None:  # not TOML, which the caller has ruled out
                raise ValueError("a key is missing")
            self._at = match.end()
            yield str(tomllib.loads(f"key = {match[0]}")["key"]) if quoted else match[0]
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return
            self._at += 1

    def _pair(self, table: Path) -> None:
        """`a.b = value`."""
        path = table
        start = self._at
        keys = list(self._keys())
        end, self._at = self._at, start
        for key in keys:
            path = (*path, key)
            self._note(path)
        self._at = end + 1
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        """A value, with the keys and items in it."""
        sign = self._text[self._at]
        if sign == "[":
            self._listed(path, "]")
        elif sign == "{":
            self._listed(path, "}")
        elif sign in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_BARE_VALUE)

    def _listed(self, path: Path, end: str) -> None:
        """The items of an array, or the pairs of an inline table."""
        self._at += 1
        number = 0
        while self._skip(_GAP) and self._text[self._at] != end:
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "]":
                self._note((*path, number))
                self._value((*path, number))
                number += 1
            else:
                self._pair(path)
        self._at += 1


__all__ = ["Path", "lines", "nearest"]
