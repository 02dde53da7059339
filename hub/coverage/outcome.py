"""What becomes of one leaf from one system to another, and why, worked out from the mappings alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.coverage.system import Slice, System, Use
from hub.mapping.bind import Way
from hub.model import CONDITIONS, ChildRecord, Condition, LeafPath, code_list, code_rows, fields, leaves

CARRIES, NARROWS, LOSES, SILENT = "carries", "narrows", "loses", "silent"
"""What becomes of a field: as it is; in part or less exactly; not at all; the source does not say it."""

_EXACT = {"partial_date": 3, "datetime": 2, "date": 1}

Pairs = Sequence[tuple[Use | None, Use]]


@dataclass(frozen=True)
class Outcome:
    """What becomes of a field from one system to another, and why; `notes` are sentences without values of records."""

    what: str
    notes: tuple[str, ...] = ()


def outcome(a: System, b: System, leaf: LeafPath) -> Outcome:
    """What becomes of a leaf that goes from one system to another."""
    path = leaf.path
    reads, writes = a.reads.get(path, []), b.writes.get(path, [])
    if not reads and not a.whole:
        return Outcome(SILENT)
    if b.whole:
        return Outcome(CARRIES)
    if not writes:
        return Outcome(LOSES, (_why_not(b, path),))
    sources: Sequence[Use | None] = reads or [None]
    pairs: Pairs = [(x, y) for x in sources for y in writes if x is None or _meet(x.items, y.items)]
    if not pairs:
        why = _rest(b, writes) or f"{b.name} has it for {about(writes)} only, {a.name} for {about(reads)}"
        return Outcome(LOSES, (why,))
    always, sometimes = _conditions(a, b, path)
    if always:
        return Outcome(LOSES, tuple(always))
    notes = [*_partly(b, reads, [y for _, y in pairs]), *_codes(b, leaf, pairs), *_inexact(reads, pairs), *sometimes]
    return Outcome(NARROWS if notes else CARRIES, tuple(dict.fromkeys(notes)))


def _conditions(a: System, b: System, path: str) -> tuple[list[str], list[str]]:
    """Reasons why B never is told a leaf by A, and why only sometimes: its conditions that A's records can meet."""
    always, sometimes = [], []
    for what, reason in b.conditions.get(path, []):
        conditions = [CONDITIONS[name] for name in what.split(" and ") if not name.startswith("!")]
        told = [one for one in conditions if a.whole or any(given in a.reads for given in one.inputs)]
        silent = [one for one in conditions if one not in told]
        if all(_of_nothing(one, path) for one in silent):
            if told:
                sometimes.append(f"not when {what.replace('_', ' ')}: {reason}")
            else:
                always.append(
                    f"{a.name} does not say {what.replace('_', ' ')} or not, so that it is held back: {reason}"
                )
    return always, sometimes


def _of_nothing(condition: Condition, path: str) -> bool:
    """Whether a condition withholds a leaf of a record that says nothing of what the condition asks."""
    cls: type = ChildRecord
    parts = [ChildRecord()]
    for name in path.split("."):
        below = next((one.part for one in fields(cls) if one.name == name.removesuffix("[]")), None)
        if below is None:
            break
        cls = below
        parts.append(below())  # type: ignore[arg-type]
    return any(condition(part) is True for part in parts)


def _why_not(b: System, path: str) -> str:
    if path in b.older:
        return f"only editions up to {b.older[path]} of {b.name} have a field for it"
    line = b.lines.get(path)
    if line is None or line.how == "nothing":
        return "no row writes it"
    if line.how == "hub":
        return f"{b.name} has no field for it"
    return line.detail if line.how == "withheld" else f"{b.name} says it, but is not told it"


def _rest(b: System, writes: list[Use]) -> str:
    """The reason given for items that no row of that list speaks of."""
    for use in writes:
        for tested in use.items:
            for listed, reason in b.rests.items():
                if tested.startswith(f"{listed}[]."):
                    return reason
    return ""


def about(uses: list[Use]) -> str:
    """The items that rows are about, in words."""
    said = dict.fromkeys(
        " and ".join(f"{path.rpartition('[].')[2]} {_either(some)}" for path, some in sorted(use.items.items()))
        or "all items"
        for use in uses
    )
    return "; ".join(said)


def _either(some: frozenset[str]) -> str:
    named = sorted(some)
    return " or ".join(named[:8]) + (f" or {len(named) - 8} others" if len(named) > 8 else "")


def _meet(x: Slice, y: Slice) -> bool:
    """Whether some item can be both."""
    return all(x[path] & y[path] for path in x.keys() & y.keys())


def _partly(b: System, reads: list[Use], writes: list[Use]) -> list[str]:
    """Whether items that are read are left out because rows write only some."""
    for items in [one.items for one in reads] or [{}]:
        if not covered(items, writes):
            reason = _rest(b, writes)
            return [f"only for {about(writes)}" + (f": {reason}" if reason else "")]
    return []


def covered(items: Slice, writes: list[Use]) -> bool:
    """Whether every item read is one that some row writes, or that several write between them."""
    if any(all(path in items and items[path] <= some for path, some in one.items.items()) for one in writes):
        return True
    for path in {path for one in writes for path in one.items}:
        others = [
            one for one in writes if all(p == path or (p in items and items[p] <= s) for p, s in one.items.items())
        ]
        union = frozenset(code for one in others for code in one.items.get(path, ()))
        wanted = items.get(path) or _whole(path)
        if wanted is not None and wanted <= union:
            return True
    return False


def _whole(path: str) -> frozenset[str] | None:
    """All codes of a tested leaf."""
    for leaf in leaves():
        if leaf.path == path:
            if leaf.field.value == "boolean":
                return frozenset(["true", "false"])
            return frozenset(code_list(leaf.field.leaf.codes)) if leaf.field.leaf.codes else None
    return None


def _codes(b: System, leaf: LeafPath, pairs: Pairs) -> list[str]:
    """Codes that one side can say and the other cannot, or says less exactly."""
    if not leaf.field.leaf.codes:
        return []
    listed = frozenset(code_list(leaf.field.leaf.codes))
    said = frozenset(code for x, _ in pairs for code in _readable(x, leaf, listed))
    known = frozenset(code for _, y in pairs for code in _writable(y, leaf, listed))
    less = {code for _, y in pairs if y.way and y.way.bound for code in y.way.bound.narrowing if isinstance(code, str)}
    notes = []
    if missing := sorted(said - known):
        notes.append(f"{b.name} has no word for {_some(missing, leaf)}")
    if coarse := sorted(less & said):
        notes.append(f"{b.name} has only a coarser word for {_some(coarse, leaf)}")
    return notes


def _some(codes: list[str], leaf: LeafPath) -> str:
    labels = {row.code: row.label for row in code_rows(leaf.field.leaf.codes)}
    named = [f"{code} ({labels[code]})" if labels.get(code, code) != code else code for code in codes[:6]]
    return ", ".join(named) + (f" and {len(codes) - 6} more codes" if len(codes) > 6 else "")


def _readable(use: Use | None, leaf: LeafPath, listed: frozenset[str]) -> frozenset[str]:
    if use is None or (use.way is not None and use.way.bound is None):
        return listed
    if use.way is None or use.way.bound is None:
        return use.value or frozenset()
    n = _column(use.way, leaf)
    held = [*use.way.bound.read.values(), *(ours for _, ours in use.way.bound.globs)]
    codes = frozenset(ours[n] if isinstance(ours, tuple) else ours for ours in held)
    return codes & use.items.get(leaf.path, codes)


def _writable(use: Use, leaf: LeafPath, listed: frozenset[str]) -> frozenset[str]:
    if use.way is None:
        return use.value or frozenset()
    if use.way.bound is None:
        return listed
    n = _column(use.way, leaf)
    return frozenset(ours[n] if isinstance(ours, tuple) else ours for ours in use.way.bound.write)


def _column(way: Way, leaf: LeafPath) -> int:
    return next((n for n, ours in enumerate(way.row.ours) if ours.full == leaf.path), 0)


def _inexact(reads: list[Use], pairs: Pairs) -> list[str]:
    """What a codec, a narrower kind of date or a condition of the row takes away."""
    notes = []
    ways = [y.way for _, y in pairs if y.way is not None]
    same = {one.way.codec.name for one in reads if one.way}
    if ways and all(way.codec.narrows and way.codec.name not in same for way in ways):
        notes.append(f"less exact: it is written as {ways[0].codec.name}")
    read = max((_exact(one.way) for one in reads if one.way), default=0)
    written = max((_exact(way) for way in ways), default=0)
    if read > written > 0:
        notes.append("only as a whole day: what is known to the month, the year or the hour cannot be said")
    if ways and all(way.conditions for way in ways):
        notes += [f"only when {' and '.join(way.spec.when).replace('_', ' ')}" for way in ways]
    return notes


def _exact(way: Way) -> int:
    return _EXACT.get(way.codec.yields[0], 0) if way.bound is None else 0


__all__ = ["CARRIES", "LOSES", "NARROWS", "SILENT", "Outcome", "about", "covered", "outcome"]
