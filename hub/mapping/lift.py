"""Groups that pair one part of ours with one object of theirs: they become rows of their parent, with longer paths."""

from __future__ import annotations

from dataclasses import replace

from hub.mapping.spec import Declaration, GroupSpec, RowSpec, WaySpec


def lifted(found: Declaration) -> Declaration:
    """The declaration with only such groups left as pair lists, on one side at least. The given one stays as it is."""
    groups: dict[str, GroupSpec] = {}
    single: dict[str, GroupSpec] = {}
    rows = dict(found.rows)
    for spec in found.groups.values():
        spec = replace(spec, rows=dict(spec.rows))
        above = single.get(spec.parent)
        if above is not None:
            spec.parent = above.parent
            spec.ours, spec.theirs = _below(above.ours, spec.ours), _below(above.theirs, spec.theirs)
        lost = bool(spec.parent) and spec.parent not in groups  # refused when it is bound
        if lost or spec.ours.endswith("]") or spec.theirs.endswith("]"):
            groups[spec.name] = spec
            continue
        single[spec.name] = spec
        home = groups[spec.parent].rows if spec.parent else rows
        for row in spec.rows.values():
            ours = tuple(_below(spec.ours, one) for one in row.ours)
            home[", ".join(ours)] = RowSpec(", ".join(ours), ours, tuple(_way(way, spec) for way in row.ways), row.file)
    return replace(found, rows=rows, groups=groups)


def _way(way: WaySpec, spec: GroupSpec) -> WaySpec:
    return replace(
        way,
        theirs=tuple(_below(spec.theirs, text) for text in way.theirs),
        way=way.way or spec.way,
        since=way.since or spec.since,
        until=way.until or spec.until,
    )


def _below(prefix: str, text: str) -> str:
    """A path from the parent's item, given the group's own; paths from a root stay as they are."""
    if not prefix or text[:1] in ("/", "@"):
        return text
    return prefix if text == "." else f"{prefix}.{text}"


__all__ = ["lifted"]
