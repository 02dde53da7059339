"""Mapping files as they are declared: TOML, overlays laid over their parents, code tables found. No meaning yet.

Every row, group and reason remembers the file it comes from, for errors and for `mapping explain`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.errors import DeclarationError
from hub.mapping import codes

_TOP = {
    "theirs",
    "version",
    "carries",
    "extends",
    "names",
    "defaults",
    "fields",
    "each",
    "codes",
    "ignore",
    "withhold",
    "withhold_when",
    "example",
}
_WAY = {"theirs", "as", "codes", "flags", "words", "none", "absent", "way", "since", "until", "when", "bad"}
_GROUP = {"in", "ours", "theirs", "on", "key", "list", "way", "since", "until", "fields", "before"}
_CONDITION = {"when", "ours", "except", "reason"}


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
    """One `[each.NAME]`."""

    name: str
    file: str
    parent: str = ""
    ours: str = ""
    theirs: str = ""
    on: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    partial: bool = False
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
    """A mapping file with its overlays merged in."""

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


def folder() -> Path:
    """Where the shipped mappings lie: inside the installed package, or at the top of a source checkout."""
    inside = Path(__file__).resolve().parent.parent / "_data" / "mappings"
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "mappings"


def roots(overlays: Iterable[Path]) -> list[Path]:
    """The folders mappings are looked for in: the shipped one, then each overlay in its order."""
    found = [folder()]
    for overlay in overlays:
        if not overlay.is_dir():
            raise DeclarationError("the overlay is not a folder", file=str(overlay))
        found.append(overlay)
    return found


def declarations(adapter: str, overlays: Iterable[Path] = ()) -> list[Declaration]:
    """Every mapping of an adapter, overlays merged. An empty list: the adapter has none (its trees are the record)."""
    short = adapter.rpartition(".")[2]
    stacked: dict[str, Declaration] = {}
    for root in roots(overlays):
        for file in sorted((root / short).glob("*.toml")):
            raw = read(file)
            below = stacked.get(file.stem)
            extends = raw.get("extends", "")
            if extends.endswith(".toml"):
                below = lay(None, read(file.parent / extends), short, file.parent / extends)
            elif extends:
                wanted = extends.rpartition("/")[2]
                below = stacked.get(wanted)
                if below is None:
                    raise DeclarationError(
                        f"extends {extends!r}, which no folder before this one has", file=label(file)
                    )
                stacked[wanted] = lay(below, raw, short, file)
                continue
            elif below is not None:
                raise DeclarationError(
                    f'there is a mapping of this name already: write extends = "{short}/{file.stem}"', file=label(file)
                )
            stacked[file.stem] = lay(below, raw, short, file)
    return list(stacked.values())


def label(file: Path) -> str:
    """A file's name for messages: its last three parts."""
    return "/".join(file.parts[-3:])


def read(file: Path) -> dict[str, Any]:
    """A mapping file's TOML; DeclarationError with the line when it is not TOML or has an unknown key."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeclarationError("there is no such mapping file", file=label(file)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeclarationError(f"is not TOML: {error}", file=label(file)) from None
    _known(raw, _TOP, label(file), "the file")
    return raw


def _known(table: Any, known: set[str], file: str, place: str) -> None:
    if not isinstance(table, dict):
        raise DeclarationError("a table is expected here", file=file, place=place)
    for name in table:
        if name not in known:
            raise DeclarationError(
                f"unknown key {name!r}; known are: {', '.join(sorted(known))}", file=file, place=place
            )


def _texts(value: Any, file: str, place: str) -> tuple[str, ...]:
    if value is None:
        return ()
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not all(isinstance(one, str) for one in found):
        raise DeclarationError("a text or a list of texts is expected", file=file, place=place)
    return tuple(found)


def _reasons(raw: dict[str, Any], name: str, file: str) -> dict[str, tuple[str, str]]:
    table = raw.get(name, {})
    if not isinstance(table, dict):
        raise DeclarationError("a table of paths and reasons is expected", file=file, place=f"[{name}]")
    for path, reason in table.items():
        if not isinstance(reason, str) or len(reason.strip()) < 8:
            raise DeclarationError("a reason in words is expected", file=file, place=f"[{name}] {path}")
    return {path: (reason, file) for path, reason in table.items()}


def lay(below: Declaration | None, raw: dict[str, Any], adapter: str, path: Path) -> Declaration:
    """One file laid over its parent (or over nothing)."""
    file = label(path)
    found = below or Declaration(adapter, path.stem, file)
    found.files = (*found.files, file)
    found.theirs = raw.get("theirs", found.theirs)
    found.version = raw.get("version", found.version)
    found.carries = raw.get("carries", found.carries)
    if found.carries not in ("state", "change", "event"):
        raise DeclarationError("carries must be state, change or event", file=file)
    found.names.update(raw.get("names", {}))
    found.absent = _texts(raw.get("defaults", {}).get("absent", list(found.absent)), file, "[defaults] absent")
    for key, value in raw.get("fields", {}).items():
        found.rows[key] = row(key, value, file, "[fields]")
    for name, table in raw.get("each", {}).items():
        _lay_group(found, name, table, file)
    for name, table in raw.get("codes", {}).items():
        _known(table, {"fold", "else"}, file, f'[codes."{name}"]')
        found.code_options[name] = {**found.code_options.get(name, {}), **table}
    for side in ("ignore", "withhold"):
        getattr(found, side).update(_reasons(raw, side, file))
    if below is not None:
        _unmap(found, raw)
    for table in raw.get("withhold_when", []):
        _known(table, _CONDITION, file, "[[withhold_when]]")
        place = "[[withhold_when]]"
        found.conditions.append(
            Condition(
                _texts(table.get("when"), file, place), _texts(table.get("ours"), file, place), _texts(table.get("except"), file, place),
                str(table.get("reason", "")), file,
            )
        )  # fmt: skip
    found.examples += [{**example, "file": file} for example in raw.get("example", [])]
    return found


def _unmap(found: Declaration, raw: dict[str, Any]) -> None:
    """An overlay that withholds a mapped path of ours, or ignores one of theirs, takes its row away."""
    ours, theirs = set(raw.get("withhold", {})), set(raw.get("ignore", {}))
    for rows in [found.rows, *(group.rows for group in found.groups.values())]:
        for key in [
            key for key, one in rows.items() if key in ours or any(t in theirs for way in one.ways for t in way.theirs)
        ]:
            del rows[key]


def _lay_group(found: Declaration, name: str, table: Any, file: str) -> None:
    place = f"[each.{name}]"
    _known(table, _GROUP, file, place)
    group = found.groups.get(name)
    if group is None:
        group = GroupSpec(name, file)
        before = table.get("before")
        if before is not None:
            if before not in found.groups:
                raise DeclarationError(f"before = {before!r}: there is no such group", file=file, place=place)
            found.groups = _inserted(found.groups, name, group, before)
        else:
            found.groups[name] = group
    for key, attribute in (
        ("in", "parent"),
        ("ours", "ours"),
        ("theirs", "theirs"),
        ("way", "way"),
        ("since", "since"),
        ("until", "until"),
    ):
        if key in table:
            setattr(group, attribute, str(table[key]))
    if "on" in table:
        group.on = dict(table["on"])
    if "key" in table:
        group.key = _texts(table["key"], file, place)
    if "list" in table:
        if table["list"] not in ("full", "partial"):
            raise DeclarationError('list must be "full" or "partial"', file=file, place=place)
        group.partial = table["list"] == "partial"
    for key, value in table.get("fields", {}).items():
        group.rows[key] = row(key, value, file, place)


def _inserted(groups: dict[str, GroupSpec], name: str, group: GroupSpec, before: str) -> dict[str, GroupSpec]:
    found: dict[str, GroupSpec] = {}
    for other, value in groups.items():
        if other == before:
            found[name] = group
        found[other] = value
    return found


def row(key: str, value: Any, file: str, place: str) -> RowSpec:
    """A row from its TOML value: a path, a table, or a list of tables (alternatives)."""
    place = f'{place} "{key}"'
    tables = value if isinstance(value, list) else [value]
    if not tables:
        raise DeclarationError("a row needs theirs", file=file, place=place)
    ways = []
    for table in tables:
        if isinstance(table, str):
            table = {"theirs": table}
        _known(table, _WAY, file, place)
        spec = WaySpec(
            _texts(table.get("theirs"), file, place), table.get("as", ""), table.get("codes", ""), table.get("flags", ""),
            _texts(table.get("words"), file, place), _texts(table.get("none"), file, place), _texts(table.get("absent"), file, place),
            table.get("way", ""), table.get("since", ""), table.get("until", ""), _texts(table.get("when"), file, place), table.get("bad", ""),
        )  # fmt: skip
        if not spec.theirs:
            raise DeclarationError("a row needs theirs", file=file, place=place)
        if spec.way not in ("", "both", "in", "out"):
            raise DeclarationError('way must be "in" or "out"', file=file, place=place)
        if spec.bad not in ("", "park", "keep"):
            raise DeclarationError('bad must be "park" or "keep"', file=file, place=place)
        if sum(map(bool, (spec.codec, spec.codes, spec.flags))) > 1:
            raise DeclarationError("a row has one of as, codes and flags", file=file, place=place)
        ways.append(spec)
    return RowSpec(key, tuple(_paths(key)), tuple(ways), file)


def _paths(key: str) -> list[str]:
    """A row's key split at the commas that stand outside filters and quotation marks."""
    parts = re.findall(r'(?:\[[^\]]*\]|"[^"]*"|[^,\["])+', key)
    return [part.strip() for part in parts if part.strip()]


def tables(found: Declaration, overlays: Iterable[Path], national: Any) -> dict[str, codes.Table]:
    """Every code table the declaration names, overlays merged. `national(name)` gives a national list or raises."""
    wanted = set(found.code_options)
    for rows in [found.rows, *(group.rows for group in found.groups.values())]:
        for spec in rows.values():
            wanted |= {name for way in spec.ways for name in (way.codes, way.flags) if name}
    wanted |= set(_tests(found))
    all_roots = roots(overlays)
    return {name: _table(name, found, all_roots, national) for name in sorted(wanted)}


def _tests(found: Declaration) -> list[str]:
    texts = [group.ours + " " + group.theirs for group in found.groups.values()]
    for rows in [found.rows, *(group.rows for group in found.groups.values())]:
        texts += [" ".join([key, *(t for way in spec.ways for t in way.theirs)]) for key, spec in rows.items()]
    return [name.strip() for text in texts for name in re.findall(r" in ([^,\]]+)", text)]


def _table(name: str, found: Declaration, all_roots: list[Path], national: Any) -> codes.Table:
    options = found.code_options.get(name, {})
    fold, prefix = bool(options.get("fold", False)), str(options.get("else", ""))
    table: codes.Table | None = None
    for root in all_roots:
        file = root / "codes" / f"{name}.csv"
        if file.is_file():
            rows = codes.parse(file.read_bytes(), label(file))
            table = codes.Table(name, tuple(rows), fold, prefix) if table is None else table.overlaid(rows)
        if table is None and root is all_roots[0]:
            try:
                listed = national(name)
            except DeclarationError:
                continue
            rows = list(codes.identity(name, listed).rows)
            table = codes.Table(name, tuple(rows), fold, prefix, identity=True)
    if table is None:
        raise DeclarationError(
            f"there is no code table {name!r}: neither codes/{name}.csv nor a national list", file=found.file
        )
    return table
