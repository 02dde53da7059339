"""The account of a mapping: what becomes of every field of both sides, and why. Checked at load, committed as a file.

A leaf of ours is written by a row, or withheld with a reason; a field of theirs is read by a row, or ignored with a reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import UNSET

from hub.errors import DeclarationError
from hub.mapping import extras
from hub.mapping.bind import Plan, Row, Scope, leaf_rows
from hub.mapping.ours import Ours, reach
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
    """One line of an account. side: ours or theirs; how: row, slice, read only, withheld, ignored, hub, nothing."""

    side: str
    path: str
    how: str
    detail: str


class _Slice(NamedTuple):
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
    prefix = ""
    while at is not None and at.spec is not None:
        if at.match is not None:
            found.append(at.ours_prefix.removesuffix("[]"))
        at = None if at.ours_rooted else at.parent
    prefix = "" if ours.rooted or not scope.ours_prefix else scope.ours_prefix + "."
    names: list[str] = []
    for step in ours.steps:
        names.append(step.name)
        if step.match is not None:
            found.append(prefix + ".".join(names))
        if step.field.shape == "list":
            names[-1] += "[]"
    return tuple(found)


def _ours(mapping: Mapping) -> Iterator[Line]:
    writes, reads = _writers(mapping)
    known = [leaf.path for leaf in leaves()]
    withheld = _withheld(mapping)
    rests = {
        path.removesuffix("[rest]"): reason
        for path, (reason, _) in mapping.declaration.withhold.items()
        if path.endswith("[rest]")
    }
    for path in known:
        rows = writes.get(path, [])
        if path in ENGINE or (
            path.rpartition(".")[2] in _OWN and not rows and path.endswith(("[].id", "[].removed", "[].stub"))
        ):
            yield Line("ours", path, "hub", ENGINE.get(path) or _OWN[path.rpartition(".")[2]])
        elif any(not one.sliced for one in rows):
            yield Line("ours", path, "row", "; ".join(dict.fromkeys(_row_name(one.row) for one in rows)))
        elif rows:
            yield _slice_line(path, rows, rests, withheld)
        elif path in withheld:
            yield Line("ours", path, "withheld", withheld[path])
        elif path in reads:
            yield Line("ours", path, "read only", "; ".join(dict.fromkeys(map(_row_name, reads[path]))))
        else:
            yield Line("ours", path, "nothing", "")


def _slice_line(path: str, rows: list[_Slice], rests: dict[str, str], withheld: dict[str, str]) -> Line:
    names = "; ".join(dict.fromkeys(_row_name(one.row) for one in rows))
    missing = [listed for listed in dict.fromkeys(name for one in rows for name in one.sliced) if listed not in rests]
    if not missing or path in withheld or path.endswith((".id", ".removed", ".stub")):
        return Line("ours", path, "slice", names)
    return Line(
        "ours",
        path,
        "nothing",
        f"only some items of {missing[0]} are mapped: say why not the others, {missing[0]}[rest]",
    )


@lru_cache(maxsize=32)
def _withheld(mapping: Mapping) -> dict[str, str]:
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
    for edition in mapping.adapter.editions:
        for scope in mapping.plan(edition).root.walk():
            for row in scope.rows:
                for way in row.ways:
                    for cell in way.theirs:
                        path = scope.cell_path(cell)
                        found.setdefault(path, []).append(_row_name(row))
                        if way.shape == "flags" and way.bound is not None:
                            for name in way.bound.read:
                                found.setdefault(f"{path}.{name}", []).append(_row_name(row))
            if scope.spec is not None and scope.theirs is not None:
                for name in scope.on:
                    found.setdefault(f"{scope.theirs_prefix}.{name}", []).append(f"[each.{scope.name}] on")
                for step in scope.theirs.path.steps[-1:]:
                    for test in step.tests:
                        found.setdefault(f"{scope.theirs_prefix}.{test.path.generic}", []).append(
                            f"[each.{scope.name}]"
                        )
    return found


def _idle(mapping: Mapping) -> Iterator[str]:
    """Reasons that speak of nothing: a path that does not exist, or that a row maps."""
    writes, _ = _writers(mapping)
    known = [leaf.path for leaf in leaves()]
    whole = {path for path, rows in writes.items() if any(not one.sliced for one in rows)}
    sliced = {name for rows in writes.values() for one in rows for name in one.sliced}
    for pattern, (_, file) in mapping.declaration.withhold.items():
        if pattern.endswith("[rest]"):
            if pattern.removesuffix("[rest]") not in sliced:
                yield f"{file}: [withhold] {pattern}: no row or group takes only some items of that list"
        elif not set(expand(pattern, known)) - whole:
            mapped = bool(expand(pattern, known))
            yield f"{file}: [withhold] {pattern}: " + (
                "is mapped by a row; remove one of the two" if mapped else "matches nothing in the record"
            )
    read = set(_cells(mapping))
    cells = [cell.path for cell in mapping.schema.leaves()] if mapping.schema is not None else []
    for pattern, (_, file) in mapping.declaration.ignore.items():
        if cells and not set(expand(pattern, cells)) - read:
            mapped = bool(expand(pattern, cells))
            yield f"{file}: [ignore] {pattern}: " + (
                "is mapped by a row; remove one of the two" if mapped else "matches nothing in the format"
            )


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
        if one.what == what and (
            path in one.paths or any(path.startswith(p.removesuffix("[]")) for p in one.paths if p.endswith("[]"))
        ):
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


def identities(plan: Plan, record: ChildRecord) -> dict[Any, str]:
    """The ids of a record's items by (group, id above, key, occurrence): what an echo of them is recognised by."""
    found: dict[Any, str] = {}
    _row_items(plan.root, record, "", found)
    for scope in plan.root.groups:
        _identify(scope, record, record, "", found)
    return found


def _row_items(scope: Scope, o: Any, above: str, found: dict[Any, str]) -> None:
    """The items that filtered rows speak of."""
    for row in scope.rows:
        for ours in row.ours:
            at: Any = UNSET if ours.rooted or ours.gathers else o
            for step in ours.steps[:-1]:
                at = getattr(at, step.name) if at is not UNSET and at is not None else UNSET
                if step.match is not None and at is not UNSET and at is not None:
                    at = ours.pick(at, step)
                    if at is not None and isinstance(at.id, str):
                        found[step.text, above, None, 0] = at.id


def _identify(scope: Scope, o: Any, record: ChildRecord, above: str, found: dict[Any, str]) -> None:
    at: Any = record if scope.ours_rooted else o
    items = reach(at, tuple(step.name for step in scope.our_steps))
    counts: dict[Any, int] = {}
    for item in items if isinstance(items, list) else ():
        if scope.match is not None and not scope.match(item):
            continue
        parent = reach(item, scope.on_ours[0][0]) if scope.on_ours else above
        if scope.on_ours and scope.parent is not None and scope.parent.spec is not None and parent != above:
            continue
        key = tuple([ours.get(item) for ours in scope.keys]) if len(scope.keys) != 1 else scope.keys[0].get(item)
        n = counts.get(key, 0)
        counts[key] = n + 1
        if isinstance(item.id, str):
            found[scope.name, above, key, n] = item.id
        _row_items(scope, item, item.id if isinstance(item.id, str) else "", found)
        for below in scope.groups:
            _identify(below, item, record, item.id if isinstance(item.id, str) else "", found)


def drift(mapping: Mapping, record: ChildRecord, link: str) -> list[str]:
    """Paths of theirs in the record's rest that the mapping neither maps nor ignores: the format has moved."""
    known = set(_cells(mapping))
    found: list[str] = []
    for prefix, rest in _rests(mapping.plan().root, record, link):
        for path in extras.leaves(rest):
            whole = f"{prefix}.{path}" if prefix and path else prefix or path
            if whole not in known and not _is_ignored(mapping, whole):
                found.append(whole)
    return found


def _is_ignored(mapping: Mapping, path: str) -> bool:
    for pattern in mapping.declaration.ignore:
        stem = pattern.removesuffix("**").rstrip(".")
        if path == pattern or (pattern.endswith("**") and path.startswith((stem + ".", stem + "[]"))):
            return True
    schema = mapping.schema
    return schema is not None and any(cell.path == path and cell.type == "group" for cell in schema.cells)


def _rests(scope: Scope, o: Any, link: str) -> Iterator[tuple[str, Any]]:
    if o.extras is not UNSET and link in o.extras and o.extras[link].rest:
        yield scope.theirs_prefix, o.extras[link].rest
    for group in scope.groups:
        items = reach(o, tuple(step.name for step in group.our_steps)) if not group.ours_rooted else UNSET
        for item in items if isinstance(items, list) else ():
            if group.match is None or group.match(item):
                yield from _rests(group, item, link)


__all__ = ["DeclarationError", "Line", "drift", "faults", "identities", "lines", "reason", "table"]
