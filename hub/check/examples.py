"""An author's tests: the `[[example]]` tables beside the rows, and golden files beside the samples.

An example names a group (`at`, "" for the whole record), a piece of theirs and what of ours it means. It is run both
ways, with `way = "in"` or `"out"` one way, in the newest edition or the one it names.
"""

from __future__ import annotations

import collections.abc
import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from hub.adapter import Theirs
from hub.errors import RecordError
from hub.mapping import AnyMapping, Identity, Mapping, account, claims, laws, reading, writing
from hub.mapping.bind import Plan, Scope
from hub.mapping.path import Test
from hub.mapping.theirs import tree_put
from hub.model import MINTED, ChildRecord, Source, to_tree

_KNOWN = {"at", "theirs", "ours", "way", "edition", "file"}
_LINK = "example"


class Fault(NamedTuple):
    """What is wrong with one example."""

    file: str
    place: str
    reason: str


def check(mapping: Mapping) -> Iterator[Fault]:
    """Run every example of a mapping; paths are named, values are not."""
    for n, example in enumerate(mapping.declaration.examples, 1):
        at = example.get("at", "")
        file, place = str(example["file"]), f"[[example]] {n}" + (f" at {at}" if at else "")
        for reason in _one(mapping, example, at):
            yield Fault(file, place, reason)


def _one(mapping: Mapping, example: dict[str, Any], at: Any) -> Iterator[str]:
    unknown = sorted(set(example) - _KNOWN)
    if unknown or "theirs" not in example or "ours" not in example or example.get("way", "") not in ("", "in", "out"):
        yield "an example has at, theirs, ours, and way (in or out) or edition" + (
            f"; not {unknown[0]}" if unknown else ""
        )
        return
    edition = example.get("edition", mapping.edition)
    if edition not in mapping.adapter.editions:
        yield "there is no such edition"
        return
    scope = mapping.plan(edition).scopes.get(at)
    if scope is None:
        yield "no group of that name holds items (a group of one part and one object belongs to its parent)"
        return
    theirs, ours = example["theirs"], example["ours"]
    try:
        if example.get("way") != "out":
            yield from _differ("reading", ours, _ours(mapping.plan(edition), scope, theirs), scope)
        if example.get("way") != "in":
            yield from _differ("writing", theirs, _theirs(mapping.plan(edition), scope, ours, mapping), scope)
    except RecordError as error:
        yield f"is refused: {error.row + ': ' if error.row else ''}{error.reason}"
    except msgspec.ValidationError as error:
        yield f"ours does not fit the record at {str(error).partition(' - at ')[2] or 'its top'}"


def _differ(verb: str, wanted: Any, made: Any, scope: Scope) -> Iterator[str]:
    """The paths in which they differ; what tests set counts only if the example says it."""
    if isinstance(wanted, dict) and isinstance(made, dict):
        made = dict(made)
        for name in _own(scope, verb):
            if name not in wanted:
                made.pop(name, None)
    for path in sorted(laws.differences(wanted, made)):
        yield f"{verb} it gives something else at {path or 'the top'}"


def _own(scope: Scope, verb: str) -> list[str]:
    if verb == "reading":
        return ["id", "source", *(names[0] for names, _ in scope.made)]
    return [test.path.names[0] for test in _their_tests(scope)]


def _their_tests(scope: Scope) -> tuple[Test, ...]:
    steps = scope.theirs.path.steps if scope.theirs is not None else ()
    return steps[-1].tests if steps else ()


def _ours(plan: Plan, scope: Scope, theirs: Any) -> Any:
    """What a piece of theirs means, as the record's JSON."""
    tree = {".": theirs} if scope.plain else copy.deepcopy(theirs)
    c: Any = reading.Reading(plan, _LINK, tree, {}, "", False)
    c.record = ChildRecord(source=Source(link=_LINK))
    item: Any = scope.read(tree, c, {}, "")
    if scope.spec is not None:
        claims.finish(c)
    if item is None:
        raise RecordError("its text cannot be read")
    left = [path for extra in _extras(item) for path in extra]
    if left:
        raise RecordError(f"no row reads {', '.join(sorted(left))}")
    return _bare(msgspec.to_builtins(item))


def _extras(item: Any) -> Iterator[list[str]]:
    held = item.extras
    if held is not UNSET:
        yield [*(held[_LINK].rest or {})] if _LINK in held and isinstance(held[_LINK].rest, dict) else []


def _bare(value: Any) -> Any:
    """The JSON of an item less extras and minted ids."""
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if not isinstance(value, dict):
        return value
    minted = str(value.get("id", "")).startswith(MINTED)
    return {name: _bare(one) for name, one in value.items() if name != "extras" and not (name == "id" and minted)}


def _theirs(plan: Plan, scope: Scope, ours: Any, mapping: Mapping) -> Any:
    """What theirs is for a piece of ours."""
    if scope.spec is None:
        return mapping.create(msgspec.convert(ours, ChildRecord), _LINK, edition=plan.edition).tree
    item: Any = msgspec.convert(ours, scope.struct)
    c = writing.Writing(plan, _LINK, ChildRecord(), False)
    c.above.append(item)
    c.at[scope.name] = item
    made = scope.write(item, c)
    if scope.plain:
        return made.get(".")
    for test in _their_tests(scope):
        if test.value is not None:
            tree_put(made, test.path, test.value)
    return made


# ---------------------------------------------------------------------------------------------------- golden files


def golden(mappings: collections.abc.Mapping[str, AnyMapping], read: list[Theirs | RecordError]) -> dict[str, str]:
    """By the golden file's suffix, its text: a sample's records, and the account of reading and writing it back."""
    records: list[Any] = []
    refused: list[Any] = []
    findings: list[Any] = []
    back: list[Any] = []
    drift: dict[str, int] = {}
    for one in read:
        try:
            if isinstance(one, RecordError):
                raise one
            mapping = mappings[one.kind]
            if isinstance(mapping, Identity):
                continue
            record, noted, _ = mapping.inward(one)
        except RecordError as error:
            refused.append(error.as_dict() | {"place": error.place or getattr(one, "place", "")})
            continue
        records.append(to_tree(record))
        made = mapping.create(record)
        findings += [_said(found, one.place) for found in (*noted, *made.findings)]
        back += [
            {"place": one.place, "what": what, "path": path, "count": n} for (what, path), n in made.account.items()
        ]
        for path in account.drift(mapping, record, mapping.adapter.name):
            drift[path] = drift.get(path, 0) + 1
    told = {"refused": refused, "findings": findings, "not written back": back, "drift": dict(sorted(drift.items()))}
    return {".ours.json": _pretty(records), ".account.json": _pretty(told)}


def _said(found: reading.Finding, place: str) -> dict[str, str]:
    said = {"place": found.place or place, "kind": found.kind, "row": found.row, "table": found.table}
    return {name: text for name, text in said.items() if text}


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode() + "\n"


__all__ = ["Fault", "check", "golden"]
