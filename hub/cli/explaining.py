"""`mapping explain`: the merged rows of a mapping with where each comes from, and all that is known of one field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hub import adapter as adapters
from hub.cli.show import console, grid
from hub.coverage import System, state, system
from hub.errors import DeclarationError
from hub.mapping import Mapping, account, declare, load
from hub.mapping.bind import leaf_rows
from hub.model import LeafPath, code_rows, leaves


def _mappings(adapter: str, overlays: Sequence[Path]) -> list[Mapping]:
    found = [one for one in load(adapter, overlays).values() if isinstance(one, Mapping)]
    if not found:
        raise DeclarationError(f"{adapter} has no mapping: its records are the record itself")
    return found


def source(adapter: str, overlays: Sequence[Path]) -> str:
    """The Python made from a mapping for its newest edition, reading then writing."""
    return "\n\n".join(_mappings(adapter, overlays)[0].plan().source)


def rows(adapter: str, overlays: Sequence[Path]) -> list[dict[str, str]]:
    """Every row, group and reason in the order of the merged file: group, ours, theirs, how, file."""
    found = []
    for one in [mapping.declaration for mapping in _mappings(adapter, overlays)]:
        found += [_row("", spec) for spec in one.rows.values()]
        for group in one.groups.values():
            how = "key " + ", ".join(group.key)
            how += f", in {group.parent}" if group.parent else ""
            how += "".join(f", on {cell} = {value}" for cell, value in group.on.items())
            how += _limits(group.way, group.since, group.until)
            found.append(_line(f"[each.{group.name}]", group.ours, group.theirs, how, group.file))
            found += [_row(group.name, spec) for spec in group.rows.values()]
        found += [_line("[withhold]", path, "", reason, file) for path, (reason, file) in one.withhold.items()]
        found += [_line("[ignore]", "", path, reason, file) for path, (reason, file) in one.ignore.items()]
        for rule in one.conditions:
            why = f"when {' and '.join(rule.when)}: {rule.reason}"
            found.append(_line("[[withhold_when]]", ", ".join(rule.ours), "", why, rule.file))
    return found


def _row(group: str, spec: declare.RowSpec) -> dict[str, str]:
    theirs = " | ".join(", ".join(way.theirs) for way in spec.ways)
    return _line(group, spec.key, theirs, " | ".join(filter(None, map(_way, spec.ways))), spec.file)


def _line(group: str, ours: str, theirs: str, how: str, file: str) -> dict[str, str]:
    return {"group": group, "ours": ours, "theirs": theirs, "how": how, "file": file}


def _way(way: declare.WaySpec) -> str:
    said = [way.codec] if way.codec else []
    said += [f"codes {way.codes}"] if way.codes else []
    said += [f"flags {way.flags}"] if way.flags else []
    said += [f"none {', '.join(way.none)}"] if way.none else []
    said += [f"when {' and '.join(way.when)}"] if way.when else []
    said += [f"bad {way.bad}"] if way.bad else []
    return ", ".join(said) + _limits(way.way, way.since, way.until)


def _limits(way: str, since: str, until: str) -> str:
    said = [f"only {way}"] if way in ("in", "out") else []
    said += [f"since {since}"] if since else []
    said += [f"until {until}"] if until else []
    return (" " if said else "") + ", ".join(said)


def _found(path: str) -> list[LeafPath]:
    """The leaves of a path, or below it; `[]` may be left out."""
    wanted = path.replace("[]", "")
    bare = {leaf.path.replace("[]", ""): leaf for leaf in leaves()}
    if wanted in bare:
        return [bare[wanted]]
    held = [leaf for name, leaf in bare.items() if name.startswith(wanted + ".")]
    if not held:
        near = [leaf.path for name, leaf in bare.items() if wanted.rpartition(".")[2] in name][:5]
        raise DeclarationError(
            f"the record has no field {path!r}" + (f"; near it are: {', '.join(near)}" if near else "")
        )
    return held


def leaf(adapter: str, path: str, overlays: Sequence[Path]) -> list[dict[str, Any]]:
    """All about a field, or each below a part: meaning, codes, the rows of this adapter, and who else carries it."""
    mappings = _mappings(adapter, overlays)
    specs = rows(adapter, overlays)
    others = [known for name in adapters.shipped() if name != adapter and (known := _system(name))]
    told = []
    for one in _found(path):
        held = set(_rows_of(mappings, one.path))
        lines = [line for m in mappings for line in account.lines(m) if line.side == "ours" and line.path == one.path]
        facts = one.field.leaf
        codes = {row.code: row.label for row in code_rows(facts.codes)} if facts.codes else {}
        told.append(
            {
                "path": one.path,
                "meaning": facts.meaning,
                "source": facts.source,
                "kind": one.field.value + (" list" if one.field.shape == "values" else ""),
                "critical": facts.critical,
                "guards": list(one.guards),
                "code list": facts.codes,
                "codes": codes,
                "account": [{"how": line.how, "detail": line.detail} for line in lines],
                "rows": [spec for spec in specs if (spec["group"], spec["ours"]) in held],
                "others": {other.name: state(other, one) for other in others},
            }
        )
    return told


def _rows_of(mappings: list[Mapping], path: str) -> Iterator[tuple[str, str]]:
    """Group and key of the rows of a leaf, in any edition."""
    for mapping in mappings:
        for edition in mapping.adapter.editions:
            for row, ours in leaf_rows(mapping.plan(edition)):
                if ours.full == path:
                    yield row.scope.name, row.key


def _system(name: str) -> System | None:
    """What an adapter's mappings know; None where they do not load."""
    try:
        return system(name)
    except DeclarationError:
        return None


def print_rows(found: list[dict[str, str]]) -> None:
    """Every row with its origin."""
    cells = [(one["group"], one["ours"], one["theirs"], one["how"], one["file"]) for one in found]
    console().print(grid(cells, ("GROUP", "OURS", "THEIRS", "HOW, OR WHY NOT", "FILE")))


def print_leaf(found: list[dict[str, Any]]) -> None:
    """One field, or several one below the other."""
    out = console()
    for one in found:
        out.print(f"[bold]{one['path']}[/bold]".replace("[]", r"\[]"))
        marks = [
            one["kind"],
            *(["critical"] if one["critical"] else []),
            *(f"guarded by {name}" for name in one["guards"]),
        ]
        lines = [("meaning", one["meaning"]), ("kind", ", ".join(marks)), ("defined in", one["source"])]
        if one["codes"]:
            said = [f"{code} {label}" if label != code else code for code, label in one["codes"].items()]
            more = f"; and {len(said) - 12} more" if len(said) > 12 else ""
            lines.append((f"codes {one['code list']}", "; ".join(said[:12]) + more))
        for row in one["rows"]:
            where = f"[each.{row['group']}]" if row["group"] else "[fields]"
            lines.append(("row", f'{where} "{row["ours"]}" = {row["theirs"]}  {row["how"]}  ({row["file"]})'))
        if not one["rows"]:
            lines += [(line["how"], line["detail"]) for line in one["account"]]
        for name, said in one["others"].items():
            if said["how"] not in ("withheld", "nothing"):
                lines.append(
                    (f"in {name}", ", ".join(said["cells"]) + (f" ({said['detail']})" if said["detail"] else ""))
                )
        out.print(grid([("  " + name, text) for name, text in lines if text]))


__all__ = ["leaf", "print_leaf", "print_rows", "rows", "source"]
