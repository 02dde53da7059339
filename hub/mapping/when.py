"""Conditions as a mapping names them, `["sensitive", "!removed"]`: bound to the model's, and asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.errors import DeclarationError
from hub.model import CONDITIONS, Condition

Conditions = tuple[tuple[Condition, bool], ...]
"""Conditions of the model; the second of a pair says that it must not hold."""


def bind(names: Iterable[str], file: str, place: str) -> Conditions:
    """The conditions of these names; DeclarationError for one that the model does not have."""
    found = []
    for name in names:
        bare = name.removeprefix("!")
        if bare not in CONDITIONS:
            known = ", ".join(sorted(CONDITIONS))
            raise DeclarationError(f"there is no condition {name!r}; known are: {known}", file=file, place=place)
        found.append((CONDITIONS[bare], name != bare))
    return tuple(found)


def hold(conditions: Conditions, item: Any, above: Iterable[Any], record: Any) -> bool:
    """Whether all hold for an item: each is true if it is true of the item, of any around it, or of the record."""
    return all(
        any(condition(one) is True for one in (item, *above, record)) != negated for condition, negated in conditions
    )


__all__ = ["Conditions", "bind", "hold"]
