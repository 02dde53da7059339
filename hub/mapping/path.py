"""Paths of the mapping language: how a row names a field of theirs or of ours.

    path = ["/" | "@"] step ("." step)*          step = name filter?          "." alone is the item itself
    filter = "[]" | "[" test ("," test)* "]"     test = path "=" value? | path " in " table

`path=` with no value means that nothing is said there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from hub.errors import DeclarationError

_NAME = re.compile(r"[A-Za-z0-9_:#\-]+")
_WORD = re.compile(r"[^,\]]+")


@dataclass(frozen=True)
class Test:
    """One condition of a filter: the text at `path` equals `value`, or stands in `table`.

    An empty value means that nothing is said there; None, that it is a test by table.
    """

    path: Path
    value: str | None = None
    table: str = ""


@dataclass(frozen=True)
class Step:
    """A name; `many` when it carries a filter; `tests` of the filter, none for `[]`."""

    name: str
    many: bool = False
    tests: tuple[Test, ...] = ()


@dataclass(frozen=True)
class Path:
    """A parsed path. root: "" from the group's item, "/" from the whole tree or record, "@" from the head."""

    text: str
    root: str
    steps: tuple[Step, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its steps."""
        return tuple(step.name for step in self.steps)

    @property
    def plain(self) -> bool:
        """Whether it is nothing but names, from the item."""
        return not self.root and bool(self.steps) and not any(step.many for step in self.steps)

    @property
    def filtered(self) -> bool:
        """Whether any step carries tests."""
        return any(step.tests for step in self.steps)

    @property
    def generic(self) -> str:
        """The path with every filter written `[]`: how leaves are listed."""
        return ".".join(step.name + ("[]" if step.many else "") for step in self.steps)


def parse(text: str, names: Mapping[str, str] | None = None, *, file: str = "", place: str = "") -> Path:
    """Read a path; `$name` in a test is looked up in `names`. DeclarationError says where it cannot be read."""
    reader = _Reader(text.strip(), names or {}, file, place or text)
    path = reader.path()
    if reader.at != len(reader.text):
        reader.fail("something stands behind the path")
    return path


def step_text(step: Step) -> str:
    """A step as text, its filter in one spelling."""
    tests = ",".join(
        f"{t.path.text}={t.value}" if t.value is not None else f"{t.path.text} in {t.table}" for t in step.tests
    )
    return step.name + (f"[{tests}]" if step.many else "")


class _Reader:
    """Reads a path from left to right; `at` is the next character."""

    def __init__(self, text: str, names: Mapping[str, str], file: str, place: str) -> None:
        self.text, self.names, self.file, self.place, self.at = text, names, file, place, 0

    def fail(self, why: str) -> NoReturn:
        """Refuse the path, naming the character."""
        raise DeclarationError(
            f"path {self.text!r}, at character {self.at + 1}: {why}", file=self.file, place=self.place
        )

    def peek(self, what: str) -> bool:
        """Whether this comes next."""
        return self.text.startswith(what, self.at)

    def take(self, what: str) -> bool:
        """Go past this if it comes next."""
        if self.peek(what):
            self.at += len(what)
            return True
        return False

    def path(self) -> Path:
        """A whole path, or that of a test."""
        start = self.at
        if self.text[self.at :] == "." or (self.peek(".") and self.text[self.at + 1 : self.at + 5] == " in "):
            self.at += 1
            return Path(".", "", ())
        root = "/" if self.take("/") else "@" if self.take("@") else ""
        steps = [self.step()]
        while self.take("."):
            steps.append(self.step())
        return Path(self.text[start : self.at], root, tuple(steps))

    def step(self) -> Step:
        """A name and its filter."""
        if self.peek('"'):
            name = self.quoted()
        else:
            found = _NAME.match(self.text, self.at)
            if not found:
                self.fail("a name is expected")
            name = found.group()
            self.at = found.end()
        if not self.take("["):
            return Step(name)
        if self.take("]"):
            return Step(name, many=True)
        tests = [self.test()]
        while self.take(","):
            tests.append(self.test())
        if not self.take("]"):
            self.fail("']' is expected")
        return Step(name, many=True, tests=tuple(tests))

    def quoted(self) -> str:
        """What stands between quotation marks."""
        end = self.text.find('"', self.at + 1)
        if end < 0:
            self.fail("the quotation mark is never closed")
        name = self.text[self.at + 1 : end]
        self.at = end + 1
        return name

    def test(self) -> Test:
        """One test of a filter."""
        path = self.path()
        if self.take(" in "):
            return Test(path, table=self.word())
        if not self.take("="):
            self.fail("'=' or ' in ' is expected in a test")
        if self.take("$"):
            name = self.word()
            if name not in self.names:
                self.fail(f"${name} is not in [names]")
            return Test(path, value=self.names[name])
        if self.peek("]") or self.peek(","):
            return Test(path, value="")
        return Test(path, value=self.quoted() if self.peek('"') else self.word())

    def word(self) -> str:
        """A bare value, up to a comma or the end of the filter."""
        found = _WORD.match(self.text, self.at)
        if not found:
            self.fail("a value is expected")
        self.at = found.end()
        return found.group().strip()
