"""What two ways of translating must agree on: the record, with or without extras, its ids by place and not by text."""

from __future__ import annotations

import json
from typing import Any

from hub.model import MINTED


def bare(line: bytes | str) -> Any:
    """A record's JSON without extras, minted ids and the references to them."""
    return _without(json.loads(line), None)


def linked(line: bytes | str) -> Any:
    """A record's JSON without extras, every minted id replaced by its place among those of the record."""
    return _without(json.loads(line), {})


def whole(line: bytes | str) -> Any:
    """As `linked`, with the extras."""
    return _without(json.loads(line), {}, "")


def _without(value: Any, seen: dict[str, str] | None, left_out: str = "extras") -> Any:
    if isinstance(value, dict):
        kept = {name: value[name] for name in sorted(value) if name != left_out}
        found = {name: _without(inner, seen, left_out) for name, inner in kept.items()}
        return {name: inner for name, inner in found.items() if inner is not None}
    if isinstance(value, list):
        return [_without(inner, seen, left_out) for inner in value]
    if isinstance(value, str) and value.startswith(MINTED):
        return None if seen is None else seen.setdefault(value, f"id {len(seen)}")
    return value
