"""The account of a mapping: what becomes of every field of both sides, and why. Checked at load, committed as a file.

A leaf of ours is written by a row, or withheld with a reason; a field of theirs is read by a row, or ignored with a
reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import UNSET

from hub.mapping import extras
from hub.mapping.bind import Row, Scope, leaf_rows
from hub.mapping.ours import Ours, items_of
from hub.mapping.withhold import expand
from hub.mapping.writing import ENGINE
from hub.model import ChildRecord, leaves

if TYPE_CHECKING:
    from hub.mapping import Mapping

_OWN = {
    "id": "kept where a row maps it, else the hub mints one",
    "removed": "an item that is gone is not written, unless a row says it",
    "stub": "an item known only by reference is not written",
}


class Line(NamedTuple):
    """One line of an account. side: ours or theirs.

    how: row, slice (a row for some items), settled (by tests or `on`), read only, withheld, ignored, hub, nothing.
    """

    side: str
    path: str
    how: str
    detail: str


class _Slice(NamedTuple):
    """A row that writes a leaf. sliced: the lists of which it only speaks for some items."""

    row: Row
    ours: Ours
    sliced: tuple[str, ...]


def lines(mapping: Mapping) -> list[Line]:
    """Every leaf of both sides with what becomes of it, in the order of the model and of the format."""
    return [*_ours(mapping), *_theirs(mapping)]


def faults(mapping: Mapping) -> Iterator[str]:
    """What is wrong with the accounting, a sentence each."""
    for line in lines(mapping):
        if line.how == "nothing":
            what = "neither mapped nor withheld" if line.side == "ours" else "neither mapped nor ignored"
            where = "[fields] or [withhold]" if line.side == "ours" else "[fields] or [ignore]"
            yield f"{mapping.file}: {line.side} {line.path}: is {what}; add it to {where} with a reason"
    yield from _idle(mapping)


def _writers(mapping: Mapping) -> tuple[dict[str, list[_Slice]], dict[str, list[Row]]]:
    """By leaf path: the rows that write it in any edition, and those that only read it."""
    writes: dict[str, list[_Slice]] = {}
    reads: dict[str, list[Row]] = {}
    for edition in mapping.adapter.editions:
        for row, ours in leaf_rows(mapping.plan(edition)):
            if row.writing or any(way.head for way in row.ways):
                writes.setdefault(ours.full, []).append(_Slice(row, ours, _sliced(row.scope, ours)))
            else:
                reads.setdefault(ours.full, []).append(row)
    return writes, reads


def _sliced(scope: Scope, ours: Ours) -> tuple[str, ...]:
    """The lists of which only some items pass the tests on the way to a leaf."""
    found = []
    at: Scope | None = None if ours.rooted else scope
    while at is not None and at.spec is not None:
        if at.match is not None:
            found.append(at.ours_prefix)
        at = None if at.ours_rooted else at.parent
    found += [path for path, _ in ours.picks]
    return tuple(path.removesuffix("[]") for path in found)


def _ours(mapping: Mapping) -> Iterator[Line]:
    writes, reads = _writers(mapping)
    withheld, settled = _withheld(mapping), _settled(mapping)
    for path in (leaf.path for leaf in leaves()):
        rows = writes.get(path, [])
        name = path.rpartition(".")[2]
        if path in ENGINE or (name in _OWN and not rows and path.endswith(f"[].{name}")):
            yield Line("ours", path, "hub", ENGINE.get(path) or _OWN[name])
        elif any(not one.sliced for one in rows):
            yield Line("ours", path, "row", _names(one.row for one in rows))
        elif rows:
            yield _slice_line(mapping, path, rows)
        elif path in settled:
            yield Line("ours", path, "settled", "; ".join(settled[path]))
        elif path in withheld:
            yield Line("ours", path, "withheld", withheld[path])
        elif path in reads:
            yield Line("ours", path, "read only", _names(reads[path]))
        else:
            yield Line("ours", path, "nothing", "")


def _settled(mapping: Mapping) -> dict[str, list[str]]:
    """By path of ours: the groups and rows whose tests or `on` say it, so that no row has to."""
    found: dict[str, dict[str, None]] = {}
    for edition in mapping.adapter.editions:
        for scope in mapping.plan(edition).root.walk():
            named = [names for names, _ in scope.made] + [names for names, _, _ in scope.on_ours]
            for names in named:
                found.setdefault(f"{scope.ours_prefix}.{'.'.join(names)}", {})[f"[each.{scope.name}]"] = None
            for row in scope.rows:
                for path, step in (pick for ours in row.ours for pick in ours.picks):
                    for names, _ in step.made:
                        found.setdefault(f"{path}.{'.'.join(names)}", {})[_row_name(row)] = None
    return {path: list(names) for path, names in found.items()}


def _slice_line(mapping: Mapping, path: str, rows: list[_Slice]) -> Line:
    """The line of a leaf of which rows write only some items' values."""
    sliced = dict.fromkeys(name for one in rows for name in one.sliced)
    missing = [name for name in sliced if f"{name}[rest]" not in mapping.declaration.withhold]
    if not missing or path in _withheld(mapping) or path.endswith((".id", ".removed", ".stub")):
        return Line("ours", path, "slice", _names(one.row for one in rows))
    why = f"only some items of {missing[0]} are mapped: say why not the others, {missing[0]}[rest]"
    return Line("ours", path, "nothing", why)


@lru_cache(maxsize=32)
def _withheld(mapping: Mapping) -> dict[str, str]:
    """By path of ours: the reason of a `[withhold]` that names it; one without `**` goes first."""
    found: dict[str, str] = {}
    known = [leaf.path for leaf in leaves()]
    patterns = sorted(mapping.declaration.withhold.items(), key=lambda one: not one[0].endswith("**"))
    for pattern, (reason, _) in patterns:
        if not pattern.endswith("[rest]"):
            for path in expand(pattern, known):
                found[path] = reason
    return found


def _row_name(row: Row) -> str:
    return f"{row.scope.name}: {row.key}" if row.scope.name else row.key


def _names(rows: Iterable[Row]) -> str:
    return "; ".join(dict.fromkeys(map(_row_name, rows)))


def _theirs(mapping: Mapping) -> Iterator[Line]:
    read = _cells(mapping)
    known = [cell.path for cell in mapping.schema.leaves()] if mapping.schema is not None else sorted(read)
    ignored: dict[str, str] = {}
    for pattern, (reason, _) in mapping.declaration.ignore.items():
        for path in expand(pattern, known):
            ignored[path] = reason
    for path in known:
        if path in read:
            yield Line("theirs", path, "row", "; ".join(dict.fromkeys(read[path])))
        elif path in ignored:
            yield Line("theirs", path, "ignored", ignored[path])
        else:
            yield Line("theirs", path, "nothing", "")


@lru_cache(maxsize=32)
def _cells(mapping: Mapping) -> dict[str, list[str]]:
    """By path of theirs: the rows that read or write it, and the groups whose tests or `on` settle it."""
    found: dict[str, list[str]] = {}
    for scope in (scope for edition in mapping.adapter.editions for scope in mapping.plan(edition).root.walk()):
        for way in (way for row in scope.rows for way in row.ways):
            for path in map(scope.cell_path, way.theirs):
                flags = way.bound.read if way.shape == "flags" and way.bound is not None else ()
                for one in (path, *(f"{path}.{name}" for name in flags)):
                    found.setdefault(one, []).append(_row_name(way.row))
        for name in scope.on:
            found.setdefault(f"{scope.theirs_prefix}.{name}", []).append(f"[each.{scope.name}] on")
        steps = scope.theirs.path.steps if scope.theirs is not None else ()
        for test in steps[-1].tests if steps else ():
            found.setdefault(f"{scope.theirs_prefix}.{test.path.generic}", []).append(f"[each.{scope.name}]")
    return found


def _idle(mapping: Mapping) -> Iterator[str]:
    """Reasons that speak of nothing: a path that does not exist, or that a row maps."""
    writes, _ = _writers(mapping)
    whole = {path for path, rows in writes.items() if any(not one.sliced for one in rows)}
    sliced = {name for rows in writes.values() for one in rows for name in one.sliced}
    known = [leaf.path for leaf in leaves()]
    for pattern, (_, file) in mapping.declaration.withhold.items():
        if not pattern.endswith("[rest]"):
            yield from _idle_pattern(f"{file}: [withhold] {pattern}", expand(pattern, known), whole, "the record")
        elif pattern.removesuffix("[rest]") not in sliced:
            yield f"{file}: [withhold] {pattern}: no row or group takes only some items of that list"
    if mapping.schema is not None:
        read = set(_cells(mapping))
        cells = [cell.path for cell in mapping.schema.leaves()]
        for pattern, (_, file) in mapping.declaration.ignore.items():
            yield from _idle_pattern(f"{file}: [ignore] {pattern}", expand(pattern, cells), read, "the format")


def _idle_pattern(where: str, meant: list[str], mapped: set[str], side: str) -> Iterator[str]:
    if not meant:
        yield f"{where}: matches nothing in {side}"
    elif not set(meant) - mapped:
        yield f"{where}: is mapped by a row; remove one of the two"


def table(mappings: list[Mapping]) -> str:
    """The account of an adapter's mappings as the CSV that is committed beside them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("kind", *Line._fields))
    for mapping in mappings:
        writer.writerows((mapping.kind, *line) for line in lines(mapping))
    return out.getvalue()


def reason(mapping: Mapping, what: str, path: str) -> str:
    """Why values of a leaf became that, in words."""
    if what in _WORDS:
        return _WORDS[what]
    for one in mapping.rules:
        whole = [listed + "." for listed in one.paths if listed.endswith("[]")]
        if one.what == what and (path in one.paths or path.startswith(tuple(whole))):
            return one.reason
    withheld = _withheld(mapping)
    if path in withheld:
        return withheld[path]
    parts = path.split("[]")
    for n in range(len(parts) - 1, 0, -1):
        listed = "[]".join(parts[:n])
        if f"{listed}[rest]" in mapping.declaration.withhold:
            return mapping.declaration.withhold[f"{listed}[rest]"][0]
    writes, reads = _writers(mapping)
    if path in writes:
        return "this edition of the format, or this place in it, has no field for it"
    return "the mapping only reads it" if path in reads else "no row writes it"


_WORDS = {
    "narrowed": "the format says it less exactly",
    "unsayable": "the format has no way to say this value",
    "removed": "the source says that the item is gone, and the format cannot say that",
    "second": "the format has room for one only",
    "defaulted": "the record does not say it; where the format puts the thing says it",
    "no parent": "the format puts it below another item, which is not in the record",
}


def drift(mapping: Mapping, record: ChildRecord, link: str) -> list[str]:
    """Paths of theirs in the record's rest that the mapping neither maps nor ignores: the format has moved."""
    known = set(_cells(mapping))
    root = mapping.plan().root
    rests = list(_rests(root, record, link))
    for flat in (scope for scope in root.walk() if scope.ours_rooted):
        for item in items_of(record, flat.our_steps):
            rests += _rests(flat, item, link) if flat.match is None or flat.match(item) else ()
    found: list[str] = []
    for prefix, rest in rests:
        for path in extras.leaves(rest):
            whole = f"{prefix}.{path}" if prefix and path else prefix or path
            if whole not in known and not _is_ignored(mapping, whole):
                found.append(whole)
    return found


def _is_ignored(mapping: Mapping, path: str) -> bool:
    """Whether `[ignore]` names it, or it is a container of which nothing but the shell is left."""
    for pattern in mapping.declaration.ignore:
        stem = pattern.removesuffix("**").rstrip(".")
        if path == pattern or (pattern.endswith("**") and path.startswith((stem + ".", stem + "[]"))):
            return True
    schema = mapping.schema
    return schema is not None and any(cell.path == path and cell.type == "group" for cell in schema.cells)


def _rests(scope: Scope, o: Any, link: str) -> Iterator[tuple[str, Any]]:
    """The rest of an item and of those below it, with the paths of theirs at which they start."""
    if o.extras is not UNSET and link in o.extras and o.extras[link].rest:
        yield scope.theirs_prefix, o.extras[link].rest
    for group in scope.groups:
        for item in items_of(o, group.our_steps) if not group.ours_rooted else ():
            if group.match is None or group.match(item):
                yield from _rests(group, item, link)


__all__ = ["Line", "drift", "faults", "lines", "reason", "table"]
