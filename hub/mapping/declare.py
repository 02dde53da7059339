"""Mapping files as they are found: TOML in the shipped folder, overlays laid over their parents, code tables beside.

What a row or a group says is read by `hub.mapping.spec`; what it means is bound later, by `hub.mapping.bind`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hub.errors import DeclarationError
from hub.mapping import codes, spec
from hub.mapping.spec import Condition, Declaration, GroupSpec, RowSpec, WaySpec

_TOP = {
    *("theirs", "version", "carries", "extends"),
    *("names", "defaults", "fields", "each", "codes"),
    *("ignore", "withhold", "withhold_when", "example"),
}


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


def refuse_unused(overlays: Iterable[Path], names: Iterable[str]) -> None:
    """DeclarationError for what in an overlay would be passed over in silence: a folder whose name is nearly that of an
    adapter it extends, or nearly `codes`; and an overlay that is such a folder itself. names: of the adapters."""
    known = {"codes", *names}
    for overlay in overlays:
        place = overlay.resolve()
        if place.name == "codes" or any("extends" in _peek(file) for file in place.glob("*.toml")):
            raise DeclarationError("the overlay is the folder in which this one lies: name that", file=str(overlay))
        for one in sorted(place.iterdir()):
            meant = get_close_matches(one.name, known, 1, 0.8) if one.is_dir() and one.name not in known else []
            if meant and _is_meant(one, meant[0]):
                reason = f"nothing in this folder would be used: is it meant to be called {meant[0]!r}?"
                raise DeclarationError(reason, file=str(overlay / one.name))


def _is_meant(place: Path, name: str) -> bool:
    if name == "codes":
        return any(place.rglob("*.csv"))
    return any(str(_peek(file).get("extends", "")).startswith(f"{name}/") for file in place.glob("*.toml"))


def _peek(file: Path) -> dict[str, Any]:
    """A TOML file's content, if it can be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def label(file: Path) -> str:
    """A file's name for messages: its last three parts."""
    return "/".join(file.parts[-3:])


def declarations(adapter: str, overlays: Iterable[Path] = (), above: tuple[str, ...] = ()) -> list[Declaration]:
    """Every mapping of an adapter, overlays merged. An empty list: the adapter has none (its trees are the record).

    above: the adapters whose mappings extend this one's."""
    short = adapter.rpartition(".")[2]
    folders = tuple(overlays)
    stacked: dict[str, Declaration] = {}
    for root in roots(folders):
        for file in sorted((root / short).glob("*.toml")):
            _stack(stacked, file, short, folders, above)
    return list(stacked.values())


def _stack(
    stacked: dict[str, Declaration], file: Path, short: str, overlays: tuple[Path, ...], above: tuple[str, ...]
) -> None:
    """One file onto what the folders before it have, or onto another adapter's mapping, whole with its overlays."""
    raw = read(file)
    extends = raw.get("extends", "")
    other = extends.partition("/")[0]
    if not extends.endswith(".toml") and other not in ("", short) and file.stem not in stacked:
        if other in (*above, short):
            raise DeclarationError(f"extends {extends!r}, which extends this one", file=label(file))
        below = {f"{other}/{one.name}": one for one in declarations(other, overlays, (*above, short))}
        if extends in below:
            stacked[file.stem] = lay(replace(below[extends], adapter=short), raw, short, file)
            return
    if extends.endswith(".toml"):
        parent = file.parent / extends
        stacked[file.stem] = lay(lay(None, read(parent), short, parent), raw, short, file)
    elif extends:
        name = extends.rpartition("/")[2]
        if name not in stacked:
            raise DeclarationError(f"extends {extends!r}, which no folder before this one has", file=label(file))
        stacked[name] = lay(stacked[name], raw, short, file)
    elif file.stem in stacked:
        wanted = f'extends = "{short}/{file.stem}"'
        raise DeclarationError(f"there is a mapping of this name already: write {wanted}", file=label(file))
    else:
        stacked[file.stem] = lay(None, raw, short, file)


def read(file: Path) -> dict[str, Any]:
    """A mapping file's TOML; DeclarationError with the line when it is not TOML or has an unknown key."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeclarationError("there is no such mapping file", file=label(file)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeclarationError(f"is not TOML: {error}", file=label(file)) from None
    spec.known(raw, _TOP, label(file), "the file")
    return raw


def lay(below: Declaration | None, raw: dict[str, Any], adapter: str, path: Path) -> Declaration:
    """One file laid over its parent (or over nothing)."""
    file = label(path)
    found = below or Declaration(adapter, path.stem, file)
    found.files = (*found.files, file)
    for name in ("theirs", "version", "carries"):
        setattr(found, name, spec.word(raw, name, file, "", getattr(found, name)))
    if found.carries not in ("state", "change", "event"):
        raise DeclarationError("carries must be state, change or event", file=file)
    found.names.update(spec.below(raw, "names", file, values=str))
    found.absent = spec.texts(
        spec.below(raw, "defaults", file).get("absent", list(found.absent)), file, "[defaults] absent"
    )
    for key, value in spec.below(raw, "fields", file).items():
        found.rows[key] = spec.row(key, value, file, "[fields]")
    for name, table in spec.below(raw, "each", file).items():
        _lay_group(found, name, table, file)
    for name, table in spec.below(raw, "codes", file).items():
        spec.known(table, {"fold", "else"}, file, f'[codes."{name}"]')
        if not isinstance(table.get("fold", False), bool):
            raise DeclarationError("fold must be true or false", file=file, place=f'[codes."{name}"]')
        spec.word(table, "else", file, f'[codes."{name}"]')
        found.code_options[name] = {**found.code_options.get(name, {}), **table}
    found.ignore.update(spec.reasons(raw, "ignore", file))
    found.withhold.update(spec.reasons(raw, "withhold", file))
    if below is not None:
        _unmap(found, set(raw.get("withhold", {})), set(raw.get("ignore", {})))
    found.conditions += [spec.condition(table, file) for table in spec.tables(raw, "withhold_when", file)]
    found.examples += [{**example, "file": file} for example in spec.tables(raw, "example", file)]
    return found


def _lay_group(found: Declaration, name: str, table: Any, file: str) -> None:
    if name not in found.groups:
        group = GroupSpec(name, file)
        before = table.get("before") if isinstance(table, dict) else None
        if before is None:
            found.groups[name] = group
        elif before in found.groups:
            at = list(found.groups).index(before)
            items = list(found.groups.items())
            found.groups = dict([*items[:at], (name, group), *items[at:]])
        else:
            raise DeclarationError(f"before = {before!r}: there is no such group", file=file, place=f"[each.{name}]")
    spec.group(found.groups[name], table, file)


def _unmap(found: Declaration, ours: set[str], theirs: set[str]) -> None:
    """An overlay that withholds a mapped path of ours, or ignores one of theirs, takes its row away.

    The paths are whole ones, from the root: `episodes[].assessments[].start`. One without tests takes away the rows of
    every item of its lists, whatever these test.
    """
    for rows, our_prefix, their_prefix in _places(found):
        for key, row in list(rows.items()):
            mapped = {whole(our_prefix, path) for path in (key, *row.ours)}
            read_from = {whole(their_prefix, path) for way in row.ways for path in way.theirs}
            if (mapped | set(map(_untested, mapped))) & ours or (read_from | set(map(_untested, read_from))) & theirs:
                del rows[key]


def _untested(path: str) -> str:
    """A path without the tests of its filters."""
    return re.sub(r"\[[^\]]*\]", "[]", path)


def _places(found: Declaration) -> Iterator[tuple[dict[str, RowSpec], str, str]]:
    """The rows of the root and of each group, with the whole paths of its items of ours and of theirs."""
    prefixes = {"": ("", "")}
    yield found.rows, "", ""
    for group in found.groups.values():
        ours, theirs = prefixes.get(group.parent, ("", ""))
        prefixes[group.name] = whole(ours, group.ours), whole(theirs, group.theirs)
        yield group.rows, *prefixes[group.name]


def whole(prefix: str, path: str) -> str:
    """A path from the root, given that of the item it starts at."""
    if path.startswith("/"):
        return path[1:]
    if not prefix or path.startswith("@"):
        return path
    return prefix if path == "." else f"{prefix}.{path}"


def tables(found: Declaration, overlays: Iterable[Path], national: Callable[[str], Iterable[str]]) -> dict[str, Any]:
    """Every code table the declaration names, overlays merged: name -> `codes.Table`.

    `national(name)` gives the codes of a national list, or raises DeclarationError when there is none.
    """
    wanted = set(found.code_options) | set(_tested(found))
    wanted |= {name for row in found.every_row for way in row.ways for name in (way.codes, way.flags) if name}
    all_roots = roots(overlays)
    return {name: _table(name, found, all_roots, national) for name in sorted(wanted)}


def _tested(found: Declaration) -> list[str]:
    """The tables that tests name: `[. in hl7/birth_accuracy]`."""
    texts = [text for group in found.groups.values() for text in (group.ours, group.theirs)]
    texts += [text for row in found.every_row for text in (row.key, *(one for way in row.ways for one in way.theirs))]
    return [name.strip() for text in texts for name in re.findall(r" in ([^,\]]+)", text)]


def _table(
    name: str, found: Declaration, all_roots: list[Path], national: Callable[[str], Iterable[str]]
) -> codes.Table:
    options = found.code_options.get(name, {})
    fold, prefix = bool(options.get("fold", False)), str(options.get("else", ""))
    table: codes.Table | None = None
    for root in all_roots:
        file = root / "codes" / f"{name}.csv"
        if file.is_file():
            rows = codes.parse(file.read_bytes(), f"{root.name}/codes/{name}.csv")
            table = codes.Table(name, tuple(rows), fold, prefix) if table is None else table.overlaid(rows)
        if table is None and root is all_roots[0]:
            try:
                listed = national(name)
            except DeclarationError:
                continue
            table = codes.Table(name, codes.identity(name, listed), fold, prefix)
    if table is None:
        why = f"there is no code table {name!r}: neither codes/{name}.csv nor a national list"
        raise DeclarationError(why, file=found.file)
    return table


__all__ = [
    "Condition",
    "Declaration",
    "GroupSpec",
    "RowSpec",
    "WaySpec",
    "declarations",
    "folder",
    "label",
    "lay",
    "read",
    "roots",
    "tables",
    "whole",
]
