"""What persons did while the hub ran, as far as their logs tell, and what may have become of messages because of it.

It knows nothing of the hub. An edit of the version `k000017` says `k000017e1`, the next one `k000017e2`: whatever
stands before the `e` is the version that it belongs to.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

Child = tuple[str, str]
"""A source and the child's id there."""

_FORM = re.compile(r"(.+?)e\d+")


def version_of(value: str) -> str:
    """The version that a value belongs to, edited or not."""
    found = _FORM.fullmatch(value)
    return found[1] if found else value


@dataclass(frozen=True)
class Moved:
    """Messages that somebody wanted set aside, or restored. done: which were; None when nobody got an answer."""

    what: str
    numbers: tuple[int, ...]
    done: frozenset[int] | None


@dataclass(frozen=True)
class Edited:
    """A version of a child that somebody wanted to say something else. done: None when nobody got an answer. at: when
    the answer was there."""

    child: Child
    value: str
    becomes: str
    done: bool | None
    at: float = inf


class Acts:
    """All acts, in the order in which they were begun."""

    def __init__(self, acts: Sequence[Moved | Edited] = ()) -> None:
        self._moved: dict[int, list[Moved]] = defaultdict(list)
        self._edited: dict[tuple[Child, str], list[Edited]] = defaultdict(list)
        for act in acts:
            if isinstance(act, Edited):
                self._edited[act.child, act.value].append(act)
            else:
                for number in act.numbers:
                    self._moved[number].append(act)

    def aside(self, number: int) -> set[bool]:
        """Whether persons left a message set aside: yes, no, or either, where an answer was lost."""
        found = {False}
        for act in self._moved.get(number, ()):
            now = act.what == "set aside"
            if act.done is None:
                found.add(now)
            elif number in act.done:
                found = {now}
        return found

    def forms(self, child: Child, value: str, at: float = inf) -> set[str]:
        """What a version of a child may have said at a moment; at the end, without one."""
        found = {value}
        for act in self._edited.get((child, value), ()):
            if act.done and act.at < at:
                found = {act.becomes}
            elif act.done is not False:
                found.add(act.becomes)
        return found

    def all_forms(self, child: Child, value: str) -> set[str]:
        """Everything that a version of a child ever said."""
        edits = self._edited.get((child, value), ())
        return {value, *(act.becomes for act in edits if act.done is not False)}


__all__ = ["Acts", "Child", "Edited", "Moved", "version_of"]
