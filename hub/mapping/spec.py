"""What a mapping file says, as data: its rows, groups and conditions, and how each is read from TOML. No meaning yet.

Every row, group and reason remembers the file it comes from, for errors and for `mapping explain`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from hub.errors import DeclarationError

_WAY = {"theirs", "as", "codes", "flags", "words", "none", "absent", "way", "since", "until", "when", "bad"}
_GROUP = {"in", "ours", "theirs", "on", "key", "list", "none", "way", "since", "until", "fields", "before"}
_CONDITION = {"when", "ours", "except", "reason"}
_SHORTEST_REASON = 8


@dataclass(frozen=True)
class WaySpec:
    """One alternative of a row, as written."""

    theirs: tuple[str, ...]
    codec: str = ""
    codes: str = ""
    flags: str = ""
    words: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    way: str = ""
    since: str = ""
    until: str = ""
    when: tuple[str, ...] = ()
    bad: str = ""


@dataclass(frozen=True)
class RowSpec:
    """One row: `key` is its identity, `ours` its paths, `ways` its alternatives, `file` where it stands."""

    key: str
    ours: tuple[str, ...]
    ways: tuple[WaySpec, ...]
    file: str


@dataclass
class GroupSpec:
    """One `[each.NAME]`. parent: the enclosing group's name, "" at the root; partial: its list is known in part.

    none: None in the place of the list says that there is none of it.
    """

    name: str
    file: str
    parent: str = ""
    ours: str = ""
    theirs: str = ""
    on: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    partial: bool = False
    none: bool = False
    way: str = ""
    since: str = ""
    until: str = ""
    rows: dict[str, RowSpec] = field(default_factory=dict)


@dataclass(frozen=True)
class Condition:
    """One `[[withhold_when]]`: under all of `when`, the leaves of `ours` less `unless` are erased."""

    when: tuple[str, ...]
    ours: tuple[str, ...]
    unless: tuple[str, ...]
    reason: str
    file: str


@dataclass
class Declaration:
    """A mapping file with its overlays merged in. ignore and withhold: path -> (reason, file)."""

    adapter: str
    name: str
    file: str
    files: tuple[str, ...] = ()
    theirs: str = ""
    version: str = ""
    carries: str = "state"
    names: dict[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ("",)
    rows: dict[str, RowSpec] = field(default_factory=dict)
    groups: dict[str, GroupSpec] = field(default_factory=dict)
    ignore: dict[str, tuple[str, str]] = field(default_factory=dict)
    withhold: dict[str, tuple[str, str]] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    code_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def every_row(self) -> list[RowSpec]:
        """The rows of the root and of every group."""
        return [row for rows in (self.rows, *(group.rows for group in self.groups.values())) for row in rows.values()]


def known(table: Any, names: set[str], file: str, place: str) -> None:
    """DeclarationError unless it is a table with no key but these."""
    if not isinstance(table, dict):
        raise DeclarationError("a table is expected here", file=file, place=place)
    for name in table:
        if name not in names:
            told = ", ".join(sorted(names))
            raise DeclarationError(f"unknown key {name!r}; known are: {told}", file=file, place=place)


def below(raw: dict[str, Any], name: str, file: str, place: str = "", values: type | None = None) -> dict[str, Any]:
    """A table within a table, empty when it is not there; DeclarationError for anything else. values: what it holds."""
    found = raw.get(name, {})
    if not isinstance(found, dict) or (
        values is not None and not all(isinstance(one, values) for one in found.values())
    ):
        told = "a table is expected" if values is None else "a table of texts is expected"
        raise DeclarationError(told, file=file, place=place or f"[{name}]")
    return found


def tables(raw: dict[str, Any], name: str, file: str) -> list[dict[str, Any]]:
    """The tables of a list; DeclarationError for anything else."""
    found = raw.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DeclarationError(f"tables are expected: write [[{name}]]", file=file, place=f"[[{name}]]")
    return found


def word(raw: dict[str, Any], name: str, file: str, place: str, default: str = "") -> str:
    """One text, or a year of an edition; DeclarationError for anything else."""
    found = raw.get(name, default)
    if name in ("since", "until") and type(found) is int:
        return str(found)
    if not isinstance(found, str):
        raise DeclarationError(f"{name}: a text is expected", file=file, place=place)
    return found


def _check_way(way: str, file: str, place: str) -> None:
    if way not in ("", "both", "in", "out"):
        raise DeclarationError('way must be "in" or "out"', file=file, place=place)


def texts(value: Any, file: str, place: str) -> tuple[str, ...]:
    """A text or a list of texts as a tuple; None as an empty one. DeclarationError for anything else."""
    if value is None:
        return ()
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not all(isinstance(one, str) for one in found):
        raise DeclarationError("a text or a list of texts is expected", file=file, place=place)
    return tuple(found)


def is_reason(value: Any) -> bool:
    """Whether it is a reason in words."""
    return isinstance(value, str) and len(value.strip()) >= _SHORTEST_REASON


def reasons(raw: dict[str, Any], name: str, file: str) -> dict[str, tuple[str, str]]:
    """The paths and reasons of `[ignore]` or `[withhold]`, with the file; DeclarationError for one without words."""
    table = raw.get(name, {})
    if not isinstance(table, dict):
        raise DeclarationError("a table of paths and reasons is expected", file=file, place=f"[{name}]")
    for path, reason in table.items():
        if not is_reason(reason):
            raise DeclarationError("a reason in words is expected", file=file, place=f"[{name}] {path}")
    return {path: (reason, file) for path, reason in table.items()}


def condition(table: Any, file: str) -> Condition:
    """One `[[withhold_when]]` from its table."""
    place = "[[withhold_when]]"
    known(table, _CONDITION, file, place)
    when, ours, unless = (texts(table.get(name), file, place) for name in ("when", "ours", "except"))
    return Condition(when, ours, unless, word(table, "reason", file, place), file)


def group(spec: GroupSpec, table: Any, file: str) -> None:
    """Take what a table of a file says of a group; what it does not mention stays. DeclarationError: unknown keys."""
    place = f"[each.{spec.name}]"
    known(table, _GROUP, file, place)
    spec.parent = word(table, "in", file, place, spec.parent)
    for name in ("ours", "theirs", "way", "since", "until"):
        setattr(spec, name, word(table, name, file, place, getattr(spec, name)))
    _check_way(spec.way, file, place)
    if "on" in table:
        spec.on = dict(below(table, "on", file, f"{place} on", str))
    if "key" in table:
        spec.key = texts(table["key"], file, place)
    if "list" in table:
        if table["list"] not in ("full", "partial"):
            raise DeclarationError('list must be "full" or "partial"', file=file, place=place)
        spec.partial = table["list"] == "partial"
    if "none" in table:
        if not isinstance(table["none"], bool):
            raise DeclarationError("none must be true or false", file=file, place=place)
        spec.none = table["none"]
    for key, value in below(table, "fields", file, f"{place} fields").items():
        spec.rows[key] = row(key, value, file, place)


def row(key: str, value: Any, file: str, place: str) -> RowSpec:
    """A row from its TOML value: a path, a table, or a list of tables (alternatives)."""
    place = f'{place} "{key}"'
    tables = value if isinstance(value, list) else [value]
    if not tables:
        raise DeclarationError("a row needs theirs", file=file, place=place)
    ways = tuple(_way({"theirs": one} if isinstance(one, str) else one, file, place) for one in tables)
    return RowSpec(key, tuple(paths(key)), ways, file)


def _way(table: Any, file: str, place: str) -> WaySpec:
    known(table, _WAY, file, place)
    lists = {name: texts(table.get(name), file, place) for name in ("theirs", "words", "none", "absent", "when")}
    words = {name: word(table, name, file, place) for name in ("codes", "flags", "way", "since", "until", "bad")}
    given: dict[str, Any] = {**lists, **words, "codec": word(table, "as", file, place)}
    spec = WaySpec(**given)
    if not spec.theirs:
        raise DeclarationError("a row needs theirs", file=file, place=place)
    _check_way(spec.way, file, place)
    if spec.bad not in ("", "park", "keep"):
        raise DeclarationError('bad must be "park" or "keep"', file=file, place=place)
    if sum(map(bool, (spec.codec, spec.codes, spec.flags))) > 1:
        raise DeclarationError("a row has one of as, codes and flags", file=file, place=place)
    return spec


def paths(key: str) -> list[str]:
    """A row's key split at the commas that stand outside filters and quotation marks."""
    parts = re.findall(r'(?:\[[^\]]*\]|"[^"]*"|[^,\["])+', key)
    return [part.strip() for part in parts if part.strip()]


__all__ = [
    "Condition",
    "Declaration",
    "GroupSpec",
    "RowSpec",
    "WaySpec",
    "below",
    "condition",
    "group",
    "is_reason",
    "known",
    "reasons",
    "row",
    "tables",
    "texts",
    "word",
]
