"""What became of a document: counts, causes and reasons; names of fields, rows and places, never a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from hub.code import Code, Lines
from hub.errors import RecordError
from hub.mapping import Finding
from hub.model import ChildRecord, Part, fields

K = TypeVar("K")

PLACES = 50
"""Most places named for one cause; the count says how many there are."""


@dataclass
class Cause:
    """Refusals with the same cause. places: where, the first `PLACES` of them."""

    reason: str
    row: str = ""
    table: str = ""
    count: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        """One more, at a place."""
        self.count += 1
        if len(self.places) < PLACES:
            self.places.append(place)

    def include(self, other: Cause) -> None:
        """Those of a later stretch of the document too."""
        self.count += other.count
        self.places += other.places[: PLACES - len(self.places)]

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a report."""
        first = self.places[0] if self.places else ""
        return {
            "place": first,
            "row": self.row,
            "table": self.table,
            "reason": self.reason,
            "count": self.count,
            "places": self.places,
        }


def _unsaid(what: str, path: str) -> str:
    return ""


@dataclass
class Report:
    """What became of a document. Fields, rows, code tables and places are named, a value never is.

    read, written, refused: records. totals: items of each list of the records written, by the list's path.
    findings: (side, kind, row, table) -> count and first place. account: (what, path of the leaf) -> how many
    values did not get there as they are. drift: paths that no mapping knows. missing: by table, columns that it
    lacks. stopped: what ended the reading or writing early. problems: what breaks the published schema, when
    strict.
    """

    source: str
    target: str
    document: str
    mappings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    read: int = 0
    written: int = 0
    refused: int = 0
    totals: dict[str, int] = field(default_factory=dict)
    refusals: dict[tuple[str, str, str], Cause] = field(default_factory=dict)
    findings: dict[tuple[str, str, str, str], list[Any]] = field(default_factory=dict)
    account: dict[tuple[str, str], int] = field(default_factory=dict)
    drift: dict[str, int] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    problems: dict[tuple[str, str, str], Cause] = field(default_factory=dict)
    stopped: RecordError | None = None
    reasons: Callable[[str, str], str] = _unsaid

    @property
    def well(self) -> bool:
        """Whether everything that was there was written."""
        return not (self.refused or self.stopped or self.problems)

    def refuse(self, error: RecordError, place: str = "") -> None:
        """Count one record that is refused."""
        self.refused += 1
        group(self.refusals, error, place, self.document)

    def note(self, side: str, found: Iterable[Finding], place: str) -> None:
        """Count findings of one record; side: reading or writing."""
        for one in found:
            held = self.findings.setdefault((side, one.kind, one.row, one.table), [0, one.place or place])
            held[0] += 1

    def count(self, record: ChildRecord, account: dict[tuple[str, str], int]) -> None:
        """Count one record that is written."""
        self.written += 1
        _sum(self.account, account)
        _counter()(record, self.totals)

    def include(self, other: Report) -> None:
        """Count the records of a later stretch of the document too."""
        self.read += other.read
        self.written += other.written
        self.refused += other.refused
        _sum(self.totals, other.totals)
        _sum(self.account, other.account)
        _sum(self.drift, other.drift)
        self.missing = self.missing or other.missing
        for finding, (n, place) in other.findings.items():
            self.findings.setdefault(finding, [0, place])[0] += n
        for key, cause in other.refusals.items():
            self.refusals.setdefault(key, Cause(*key)).include(cause)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "from": self.source,
            "to": self.target,
            "document": self.document,
            "mappings": self.mappings,
            "counts": {"read": self.read, "written": self.written, "refused": self.refused},
            "totals": self.totals,
            "refusals": [one.as_dict() for one in _most(self.refusals)],
            "account": [
                {"what": what, "path": path, "count": n, "reason": self.reasons(what, path)}
                for (what, path), n in sorted(self.account.items(), key=lambda one: (one[0][0], -one[1], one[0][1]))
            ],
            "findings": [
                {"side": side, "kind": kind, "row": row, "table": table, "count": n, "place": place}
                for (side, kind, row, table), (n, place) in sorted(self.findings.items(), key=lambda one: -one[1][0])
            ],
            "drift": [{"path": path, "count": n} for path, n in sorted(self.drift.items())],
            "missing": self.missing,
            "problems": [one.as_dict() for one in _most(self.problems)],
            "stopped": self.stopped.as_dict() if self.stopped else None,
        }


def _sum(counts: dict[K, int], more: dict[K, int]) -> None:
    for key, n in more.items():
        counts[key] = counts.get(key, 0) + n


def _most(causes: dict[tuple[str, str, str], Cause]) -> list[Cause]:
    return sorted(causes.values(), key=lambda one: -one.count)


def group(causes: dict[tuple[str, str, str], Cause], error: RecordError, place: str = "", document: str = "") -> None:
    """Count an error with those of the same cause; its file is named unless it is the document itself."""
    key = (error.reason, error.row, error.table)
    found = causes.get(key)
    if found is None:
        found = causes[key] = Cause(*key)
    file = "" if error.file == document else error.file
    found.add(": ".join(part for part in (file, error.place or place) if part))


_Count = Callable[[Part, dict[str, int]], None]


@cache
def _counter() -> _Count:
    """A function that adds to the totals what a record has in its lists, by path; generated, since every record of a
    document goes through it."""
    code = Code({})
    found = _counting(ChildRecord, "", code)
    assert found is not None, "a record has lists"
    return found


def _counting(cls: type[Part], prefix: str, code: Code) -> _Count | None:
    """The same of one part; None of one that has no lists."""
    out = Lines()
    for one in fields(cls):
        if one.part is None:
            continue
        path, listed = prefix + one.name, one.shape == "list"
        below = _counting(one.part, path + ("[]." if listed else "."), code)
        call = f"{code.name(below, 'c')}(v, t)" if below is not None else ""
        if listed:
            with out.block(f"if L := o.{one.name}:"):
                out.add("n = len(L)")
                with out.block("for v in L:"):
                    out.add("if v.stub is True: n -= 1", *filter(None, [call]))
                out.add(f"t[{path!r}] = t.get({path!r}, 0) + n")
        elif call:
            with out.block(f"if v := o.{one.name}:"):
                out.add(call)
    return code.build("count(o, t)", out.lines, f"<counting of {cls.__name__}>")[1] if out.lines else None


__all__ = ["Cause", "Report", "group"]
