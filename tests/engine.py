"""Small mappings for tests of the engine: TOML and schema as texts, code tables as a dict."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping as Dict
from pathlib import Path
from typing import Any

from hub.adapter import Adapter, Schema, Theirs
from hub.mapping import Mapping, declare
from hub.model import decode, encode


def _head(as_of: str, edition: str) -> dict[str, Any]:
    return {"as_of": as_of}


def adapter_of(schema: str | None, editions: tuple[str, ...] = ("1",), **flags: bool) -> Adapter:
    """An adapter that reads and writes nothing, for one kind `K`."""

    def nothing(*_: Any) -> Any:
        raise AssertionError("this adapter is for trees only")

    return Adapter(
        "toy",
        nothing,
        nothing,
        {"K": None if schema is None else Schema.parse(schema, **flags)},
        editions=editions,
        head=_head,
    )


def build(
    toml: str,
    schema: str | None,
    folder: Path,
    codes: Dict[str, str] | None = None,
    editions: tuple[str, ...] = ("1",),
    overlays: Dict[str, str] | None = None,
    **flags: bool,
) -> Mapping:
    """A mapping of kind K from its TOML text, with code tables and overlay files written below `folder`."""
    base = folder / "base"
    for name, text in (codes or {}).items():
        file = base / "codes" / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    base.mkdir(exist_ok=True)
    declared = declare.lay(None, {"theirs": "K", **tomllib.loads(toml)}, "toy", base / "toy" / "k.toml")
    roots = [base]
    for name, text in (overlays or {}).items():
        file = folder / "council" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if name.endswith(".toml"):
            declared = declare.lay(declared, declare.read(file), "toy", file)
        roots = [base, folder / "council"]
    mapping = Mapping(adapter_of(schema, editions, **flags), declared, roots)
    for edition in editions:
        mapping.plan(edition)
    return mapping


def theirs(tree: Any, edition: str = "1", **head: Any) -> Theirs:
    """One record of kind K with a tree of its own."""
    return Theirs("K", "", copy.deepcopy(tree), {"as_of": "2025-03-31", **head}, edition, "record 1")


def back(mapping: Mapping, tree: Any, **flags: Any) -> Any:
    """What is written of a tree that is read, after the record was stored."""
    return mapping.create(decode(encode(mapping.inward(theirs(tree)).record)), **flags).tree
