"""What breaks FHIR R4 in a resource: our own rules first, then fhir.resources' models.

fhir.resources (R4B, which is R4 for every resource read here) does not look at required bindings, types of references,
invariants, empty objects or the type at the root, and reads `"yes"` as true; all that is looked at here. A fault names
the path and never the value.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from adapters._fhir import rules
from adapters._fhir.types import RESOURCE, Element, is_resource, known_names, of
from hub.adapter import Token

Tree = dict[str, Any]
Fault = tuple[str, str]
"""Where, as a path, and why."""

_DAY = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
_PATTERNS = {
    "boolean": r"true|false",
    "integer": r"-?(0|[1-9][0-9]{0,9})",
    "unsignedInt": r"0|[1-9][0-9]{0,9}",
    "positiveInt": r"[1-9][0-9]{0,9}",
    "decimal": r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?",
    "date": rf"[0-9]{{4}}(-(0[1-9]|1[0-2]))?|{_DAY}",
    "dateTime": rf"[0-9]{{4}}(-(0[1-9]|1[0-2]))?|{_DAY}(T{_CLOCK}{_ZONE})?",
    "instant": rf"{_DAY}T{_CLOCK}{_ZONE}",
    "time": _CLOCK,
    "code": r"\S+( \S+)*",
    "id": r"[A-Za-z0-9.-]{1,64}",
    "uri": r"\S+",
    "url": r"\S+",
    "canonical": r"\S+",
    "oid": r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+",
    "uuid": r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "base64Binary": r"(\s*[0-9a-zA-Z+/=]\s*)*",
}
_PRIMITIVE = {name: re.compile(pattern, re.ASCII).fullmatch for name, pattern in _PATTERNS.items()}
_TARGET = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(/_history/[A-Za-z0-9.-]+)?")
_SCRIPT = re.compile(r"<\s*(script|object|iframe|embed|form)|\son[a-z]+\s*=|javascript:", re.IGNORECASE)


def faults(resource: Tree) -> Iterator[Fault]:
    """Every fault of a resource, a Bundle's entries included."""
    name = resource.get("resourceType")
    if not isinstance(name, str) or not is_resource(name):
        yield "resourceType", "is missing, or is not a resource that is known here"
        return
    types = rules.types(resource) if name == "Bundle" else {}
    found = list(_Walk(types).resource(resource, name))
    yield from found
    for place, inner in _inner(resource, name):
        yield from _models(inner, place)


def _inner(resource: Tree, name: str) -> Iterator[tuple[str, Tree]]:
    """The resource, or those of a Bundle, with their places."""
    if name != "Bundle":
        yield name, resource
        return
    entries = resource.get("entry")
    for n, entry in enumerate(entries if isinstance(entries, list) else ()):
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(inner, dict) and is_resource(str(inner.get("resourceType"))):
            yield f"Bundle.entry[{n}].resource", inner


class _Walk:
    """Walks a resource by the table of elements. types: by fullUrl, the type of each resource of a Bundle."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self.types = types
        self.contained: dict[str, str] = {}

    def resource(self, value: Any, path: str) -> Iterator[Fault]:
        """A resource, or one within another."""
        name = value.get("resourceType") if isinstance(value, dict) else None
        if not isinstance(name, str) or not is_resource(name):
            yield path, "no resource that is known here"
            return
        outer = self.contained
        held = value.get("contained")
        inner = [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []
        self.contained = {**outer, **{f"#{one.get('id')}": str(one.get("resourceType")) for one in inner}}
        own = value.get("id")
        if own is not None and not (isinstance(own, str) and _PRIMITIVE["id"](own)):
            yield f"{path}.id", "an id has 1 to 64 letters, digits, points and hyphens"
        yield from self.object({key: one for key, one in value.items() if key != "resourceType"}, name, path)
        self.contained = outer

    def object(self, value: Tree, kind: str, path: str) -> Iterator[Fault]:
        """An object of a complex kind."""
        elements = of(kind)
        if not value and kind not in rules.MAY_BE_EMPTY:
            yield path, "an object with nothing in it"
        for key, one in value.items():
            found = elements.get(key.removeprefix("_") if key[:1] == "_" else key)
            if found is None or (key[:1] == "_" and not found.primitive):
                named = key.removeprefix("_") in known_names()
                yield f"{path}.{key if named else '?'}", "FHIR has no such element here"
            elif key[:1] == "_":
                yield from self.beside(one, f"{path}.{key}")
            else:
                yield from self.element(one, found, f"{path}.{key}", value)
        yield from self.needed(value, elements, path)
        for place, reason in rules.broken(value, kind):
            yield f"{path}.{place}" if place else path, reason

    def needed(self, value: Tree, elements: Mapping[str, Element], path: str) -> Iterator[Fault]:
        """Required elements, and choices of which one may stand."""
        choices: dict[str, list[str]] = {}
        wanted: dict[str, bool] = {}
        for one in elements.values():
            is_there = one.name in value or f"_{one.name}" in value
            if one.choice:
                wanted[one.choice] = one.required
                choices.setdefault(one.choice, []).extend([one.name] if is_there else [])
            elif one.required and not is_there:
                yield f"{path}.{one.name}", "a required element is missing"
        for choice, names in choices.items():
            if len(names) > 1:
                yield f"{path}.{choice}[x]", "only one of these may stand"
            elif not names and wanted[choice]:
                yield f"{path}.{choice}[x]", "a required element is missing"

    def beside(self, value: Any, path: str) -> Iterator[Fault]:
        """What stands beside a primitive: its id and extensions."""
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from self.object(one, "Element", path)
            elif one is not None or not isinstance(value, list):
                yield path, "an object is expected"

    def element(self, value: Any, found: Element, path: str, holder: Tree) -> Iterator[Fault]:
        """The value of one element."""
        if found.many != isinstance(value, list):
            yield path, "a list is expected" if found.many else "one value is expected, not a list"
            return
        if value == []:
            yield path, "an empty list"
        for n, one in enumerate(value if found.many else [value]):
            place = f"{path}[{n}]" if found.many else path
            if found.primitive:
                if one is not None or f"_{found.name}" not in holder:
                    yield from self.primitive(one, found, place)
            elif not isinstance(one, dict):
                yield place, "an object is expected"
            elif found.kind == RESOURCE:
                yield from self.resource(one, place)
            else:
                yield from self.object(one, found.kind, place)
                if found.kind == "Reference":
                    yield from self.reference(one, found, place)

    def primitive(self, value: Any, found: Element, path: str) -> Iterator[Fault]:
        """One primitive value: bare or not, its pattern, its binding."""
        if not isinstance(value, str) or (type(value) is Token) != found.bare:
            yield path, "true, false or a number is expected" if found.bare else "a text is expected"
            return
        matches = _PRIMITIVE.get(found.kind)
        if not value or (matches is not None and not matches(value)):
            yield path, f"is no {found.kind}"
        elif found.kind in ("date", "dateTime", "instant") and len(value) >= 10 and not _is_day(value[:10]):
            yield path, "there is no such day"
        elif found.codes and value not in found.codes:
            yield path, "is not a code of the list that FHIR requires here"
        elif found.kind == "xhtml" and _SCRIPT.search(value):
            yield path, "a narrative may hold no script"

    def reference(self, value: Tree, found: Element, path: str) -> Iterator[Fault]:
        """What a Reference points at."""
        text, said = value.get("reference"), value.get("type")
        kind = ""
        if isinstance(text, str):
            matched = _TARGET.fullmatch(text)
            if text.startswith("#") and text != "#" and text not in self.contained:
                yield path, "refers to a contained resource that is not there"
            kind = self.types.get(text) or self.contained.get(text) or (matched[1] if matched else "")
            if "/" in text and ":" not in text and not matched and "?" not in text:
                yield path, "is no reference Type/id"
        for one in (kind, said):
            if isinstance(one, str) and one and found.targets and one not in found.targets:
                yield path, "may not refer to a resource of this type"
                return


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _models(resource: Tree, path: str) -> Iterator[Fault]:
    """What fhir.resources says of a resource; its module alone is imported. It may raise anything (KeyError for what it
    does not know), and its messages hold values."""
    name = resource["resourceType"]
    try:
        model = getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)
    except (ImportError, AttributeError):
        yield path, "fhir.resources has no model of this resource"
        return
    try:
        model.model_validate(_plain(resource))
    except ValueError as error:
        listed = error.errors(include_input=False, include_url=False, include_context=False)  # type: ignore[attr-defined]
        for one in listed if hasattr(error, "errors") else []:
            steps = [str(step) for step in one["loc"] if isinstance(step, int) or step in known_names()]
            yield ".".join([path, *steps]), f"fhir.resources refuses it: {str(one['type']).rpartition('.')[2]}"
    except Exception as error:
        yield path, f"fhir.resources cannot read it ({type(error).__name__})"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return json.loads(value) if type(value) is Token else value


__all__ = ["Fault", "faults"]
