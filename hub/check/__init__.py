"""Everything that is wrong with declared files, at once: mappings, code tables, accounts, examples, samples, laws.

What needs a mapping that loads waits until it does; all else that is wrong is said in one go.
"""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from hub import adapter as adapters
from hub.adapter import Adapter, Theirs
from hub.check import binding, examples
from hub.errors import DeclarationError, HubError, RecordError
from hub.mapping import AnyMapping, Identity, Mapping, account, adapted, declare, laws, load
from hub.wire import Document

LOCAL = 40
"""Most records of one sample on which every leaf is changed (Locality); the other laws see all of them."""
NAMED = 6
"""Most lines of an account named in one fault."""


class Fault(NamedTuple):
    """One thing that is wrong. kind: declaration, account, example, sample, golden or law; file and place say where."""

    adapter: str
    kind: str
    file: str
    place: str
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.place, self.reason) if part)


def check(
    names: Iterable[str] = (),
    overlays: Iterable[Path] = (),
    samples: Iterable[Path] = (),
    records: int = 1000,
    *,
    update: bool = False,
) -> list[Fault]:
    """Every fault of the named adapters, or of all shipped ones. records: how many are made up for the laws.

    samples: documents beside the adapter's own, for a single adapter. update: write accounts and golden files anew
    instead of comparing them.
    """
    asked, folders, files = list(names), tuple(overlays), list(samples)
    if files and len(asked) != 1:
        raise DeclarationError("samples belong to one adapter: name it")
    found: list[Fault] = [] if asked else list(strays())
    for name in asked or adapters.shipped():
        found += _Check(name, folders, update).run(files, records)
    return found


def strays() -> Iterator[Fault]:
    """Folders of mappings that no adapter reads; code tables and the overlays that ship are none."""
    for folder in sorted(one for one in declare.folder().iterdir() if one.is_dir()):
        if folder.name not in ("codes", "variants", *adapters.shipped()):
            yield Fault(folder.name, "declaration", f"mappings/{folder.name}", "", "there is no adapter of this name")


def own_samples(name: str) -> list[Path]:
    """The documents in tests/samples/<adapter> of a source checkout, golden files left out."""
    folder = declare.folder().parent / "tests" / "samples" / name.rpartition(".")[2]
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if not one.name.startswith((".", "README")) and not _golden(one))


def _golden(path: Path) -> bool:
    return path.name.endswith((".ours.json", ".account.json"))


class _Check:
    def __init__(self, name: str, overlays: tuple[Path, ...], update: bool) -> None:
        self.name, self.overlays, self.update = name, overlays, update
        self.faults: list[Fault] = []

    def add(self, kind: str, reason: str, file: str = "", place: str = "") -> None:
        self.faults.append(Fault(self.name, kind, file, place, reason))

    def say(self, kind: str, error: HubError) -> None:
        if isinstance(error, DeclarationError):
            self.add(kind, error.reason, error.file, error.place)
        elif isinstance(error, RecordError):
            self.add(kind, error.reason, error.file, ": ".join(filter(None, (error.place, error.row, error.table))))

    def run(self, samples: list[Path], records: int) -> list[Fault]:
        """Load, account, examples, samples, laws: in this order, as far as each allows the next."""
        try:
            found = adapted(self.name, self.overlays)
            mappings = self._load(found)
        except DeclarationError as error:
            self.say("declaration", error)
            return self.faults
        if not self.faults:
            bound = [one for one in mappings.values() if isinstance(one, Mapping)]
            self._account(bound)
            for mapping in bound:
                for fault in examples.check(mapping):
                    self.add("example", fault.reason, fault.file, fault.place)
            self._samples(found, mappings, samples)
            for mapping in bound:
                self._laws(laws.check(mapping, [], records=records))
        return self.faults

    def _load(self, found: Adapter) -> dict[str, AnyMapping]:
        declared = declare.declarations(found.name, self.overlays)
        if not declared and any(schema and schema.cells for schema in found.schemas.values()):
            self.add("declaration", "no mapping says what its fields mean", f"mappings/{self.name.rpartition('.')[2]}")
        for one in declared:
            for error in binding.errors(found, one, self.overlays):
                self.say("declaration", error)
        return {} if self.faults else load(found, self.overlays)

    # ------------------------------------------------------------------------------------------------- the account

    def _account(self, mappings: list[Mapping]) -> None:
        for mapping in mappings:
            for fault in account.faults(mapping):
                self.add("account", fault)
        if not mappings:
            return
        file = self._account_file()
        text = account.table(mappings)
        if self.update and file is not None:
            _write(file, text)
        elif file is not None and not self.overlays:
            self._compare(file, text)

    def _account_file(self) -> Path | None:
        """account.csv beside the last mapping file of this adapter; an overlay keeps one only if it has begun to."""
        short = self.name.rpartition(".")[2]
        held = [root / short for root in declare.roots(self.overlays) if any((root / short).glob("*.toml"))]
        if not held:
            return None
        return held[-1] / "account.csv" if len(held) == 1 or (held[-1] / "account.csv").exists() else None

    def _compare(self, file: Path, text: str) -> None:
        label = declare.label(file)
        if not file.is_file():
            self.add("account", "there is none yet: run mapping check --update, and look through what it says", label)
            return
        now, then = _lines(text), _lines(file.read_text(encoding="utf-8"))
        changed = {key for key in now.keys() & then.keys() if now[key] != then[key]}
        for keys, what in ((now.keys() - then.keys(), "new"), (then.keys() - now.keys(), "gone"), (changed, "changed")):
            if keys:
                named = sorted(" ".join(key) for key in keys)
                more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
                reason = f"is stale, {what}: {', '.join(named[:NAMED])}{more}; look at it, then mapping check --update"
                self.add("account", reason, label)

    # ------------------------------------------------------------------------------------------------- the samples

    def _samples(self, found: Adapter, mappings: dict[str, AnyMapping], samples: list[Path]) -> None:
        own = own_samples(self.name)
        stems = [_stem(path) for path in own]
        for path in [*own, *samples]:
            try:
                document = Document.at(path)
                read = _read(found, document)
                self._round(found, read, path.name)
                self._sample_laws(mappings, read, path.name)
            except (DeclarationError, RecordError) as error:
                self.say("sample", error)
                continue
            if path in own and not self.overlays and any(isinstance(one, Mapping) for one in mappings.values()):
                stem = _stem(path) if stems.count(_stem(path)) == 1 else path.name
                self._gold(mappings, _read(found, document), path.with_name(stem))

    def _round(self, found: Adapter, read: list[Theirs | RecordError], sample: str) -> None:
        """The adapter's own law: reading what it wrote gives the same trees."""
        trees = [one for one in read if isinstance(one, Theirs)]
        parts: dict[str, bytearray] = {}
        for part, data in found.write(copy.deepcopy(trees), trees[0].head if trees else found.head("", "")):
            parts.setdefault(part, bytearray()).extend(data)
        written = {part or f"written{found.suffix}": bytes(data) for part, data in parts.items()}
        again = _read(found, Document.of("written", written)) if trees else []
        for one in again:
            if isinstance(one, RecordError):
                self.say("sample", one)
        back = [one for one in again if isinstance(one, Theirs)]
        if len(back) != len(trees):
            reason = f"{len(trees)} records are read, and {len(back)} when they are written and read again"
            self.add("sample", reason, sample)
        changed: dict[str, int] = {}
        for a, b in zip(trees, back, strict=False):
            schema = found.schemas.get(a.kind)
            unordered = schema is not None and schema.unordered
            for path in laws.differences(found.normal(a.tree), found.normal(b.tree), unordered=unordered):
                changed[path] = changed.get(path, 0) + 1
        for path, n in sorted(changed.items()):
            self.add("sample", f"the adapter does not give this back as it read it ({n} records)", sample, path)

    def _sample_laws(self, mappings: dict[str, AnyMapping], read: list[Theirs | RecordError], sample: str) -> None:
        trees = [one for one in read if isinstance(one, Theirs)]
        step = max(1, len(trees) // LOCAL)
        rng = Random(1)
        for n, one in enumerate(trees):
            mapping = mappings.get(one.kind)
            if mapping is None:
                self.add("sample", f"no mapping reads records of kind {one.kind!r}", sample, one.place)
            elif not isinstance(mapping, Identity):
                name = f"{sample}, {one.place}"
                self._laws(laws.get_put(mapping, one, name))
                if n % step == 0:
                    self._laws(laws.locality(mapping, one, name, rng))

    def _laws(self, breaches: Iterable[laws.Breach]) -> None:
        """A fault for each law and path, with the first sample that broke it."""
        found: dict[tuple[str, str], list[str]] = {}
        for breach in breaches:
            found.setdefault((breach.law, breach.path), []).append(breach.sample)
        for (law, path), names in found.items():
            times = f", and {len(names) - 1} more" if len(names) > 1 else ""
            fault = Fault(self.name, "law", "", "", f"{law} {path} (in {names[0]}{times})")
            same = [one for one in self.faults if one.kind == "law" and one.reason.startswith(f"{law} {path} (in ")]
            if not same:
                self.faults.append(fault)

    def _gold(self, mappings: dict[str, AnyMapping], read: list[Theirs | RecordError], stem: Path) -> None:
        for suffix, text in examples.golden(mappings, read).items():
            file = stem.with_name(stem.name + suffix)
            label = declare.label(file)
            if self.update:
                _write(file, text)
            elif not file.is_file():
                self.add(
                    "golden", "there is none yet: run mapping check --update, and look through what it says", label
                )
            elif file.read_text(encoding="utf-8") != text:
                line = next(_first_difference(text, file.read_text(encoding="utf-8")))
                reason = "is not what the mapping gives now; look at it, then mapping check --update and compare"
                self.add("golden", reason, label, f"line {line}")


def _first_difference(now: str, then: str) -> Iterator[int]:
    a, b = now.splitlines(), then.splitlines()
    yield from (n for n, (x, y) in enumerate(zip(a, b, strict=False), 1) if x != y)
    yield min(len(a), len(b)) + 1


def _read(found: Adapter, document: Document) -> list[Theirs | RecordError]:
    """All records, and the errors; that which ended the reading is the last of them."""
    held: list[Theirs | RecordError] = []
    try:
        held.extend(found.read(document))
    except RecordError as error:
        held.append(error)
    return held


def _stem(path: Path) -> str:
    return path.name.split(".in.")[0] if ".in." in path.name else path.stem.removesuffix(".in")


def _write(file: Path, text: str) -> None:
    try:
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be written").lower(), file=declare.label(file)) from None


def _lines(text: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The lines of an account by kind, side and path."""
    return {tuple(row[:3]): tuple(row[3:]) for row in list(csv.reader(io.StringIO(text)))[1:]}


__all__ = ["Fault", "check", "own_samples", "strays"]
