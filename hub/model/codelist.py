"""The national code lists of the record: `hub/model/codes/<name>.csv`, columns code, label, since, until.

since and until are years of the national collection, both included; empty is open. Where each list comes from is told
in `hub/model/codes/README.md`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from hub.errors import DeclarationError

OPEN_PREFIXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"identifier_system": ("hl7:", "fhir:"), "caf_element": ("caf:",), "relationship": ("caf:",)}
)
"""Lists that are open: a code that begins so is good although no row names it."""

_FOLDER = resources.files("hub.model") / "codes"


@dataclass(frozen=True)
class Code:
    """One row of a list."""

    code: str
    label: str
    since: str = ""
    until: str = ""


@cache
def code_lists() -> tuple[str, ...]:
    """The names of all lists, in alphabetical order."""
    return tuple(sorted(file.name.removesuffix(".csv") for file in _FOLDER.iterdir() if file.name.endswith(".csv")))


@cache
def code_rows(name: str) -> tuple[Code, ...]:
    """The rows of a list in its order; DeclarationError where there is no such list."""
    if name not in code_lists():
        raise DeclarationError("there is no such code list in the model", place=name)
    text = (_FOLDER / f"{name}.csv").read_text("utf-8")
    return tuple(Code(**row) for row in csv.DictReader(text.splitlines()))


@cache
def _labels(name: str) -> Mapping[str, str]:
    return {row.code: row.label for row in code_rows(name)}


def code_list(name: str) -> dict[str, str]:
    """Label by code, in the list's order; a new dict at each call. DeclarationError where there is no such list."""
    return dict(_labels(name))


def is_code(name: str, code: str) -> bool:
    """Whether the list has that code, or is open for codes that begin like it."""
    return code in _labels(name) or code.startswith(OPEN_PREFIXES.get(name, ()))
