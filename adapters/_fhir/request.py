"""What a server is asked to do with an entry: conditions, deletions, and patches of a Patient's links, both ways."""

from __future__ import annotations

import copy
import re
from base64 import b64decode, b64encode
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from adapters._fhir.bundle import HUB
from hub.adapter import Tree
from hub.errors import RecordError
from hub.wire.jsontext import decode, dumps

_TYPE = "application/json-patch+json"
_PATCHED = ("/active", "/link")
ERASED: dict[str, Tree] = {
    "CareTeam": {"status": "entered-in-error"},
    "DocumentReference": {
        "status": "entered-in-error",
        "type": {"coding": [{"system": "urn:ics-hub:codes:document", "code": "common-assessment"}]},
    },
}
"""By type, what is left of a resource of which nothing is known but that it is gone. In a transaction it is deleted:
nothing refers to these types, and there is nothing to delete where the server never had it."""
_PLAIN = re.compile(r"[A-Za-z0-9._:/-]*").fullmatch
"""Needs no escape in a condition."""


def token(system: str, value: str) -> str:
    """A search by identifier, as a condition may stand in a URL."""
    if _PLAIN(value) and _PLAIN(system):
        return f"identifier={system}%7C{value}"
    escaped = re.sub(r"([\\,|$])", r"\\\1", value)
    return f"identifier={quote(f'{system}|{escaped}', safe=':/')}"


def patch(system: str, own: str, steps: list[tuple[str, Any]]) -> Tree:
    """An entry that sets these elements of a Patient, and no other, by JSON Patch in a Binary (FHIR-33945)."""
    said = [{"op": "add", "path": f"/{name}", "value": value} for name, value in steps]
    body = {"resourceType": "Binary", "contentType": _TYPE, "data": b64encode(dumps(said)).decode()}
    return {"resource": body, "request": {"method": "PATCH", "url": f"Patient?{token(system, own)}"}}


def request(name: str, condition: str, create: bool = False) -> Tree:
    """A request to replace what a condition finds, or to make it where there is none. create: only the latter."""
    if create:
        return {"method": "POST", "url": name, "ifNoneExist": condition}
    return {"method": "PUT", "url": f"{name}?{condition}"}


def deletion(name: str, condition: str) -> Tree:
    """An entry that deletes what a condition finds, and does nothing where there is none."""
    return {"request": {"method": "DELETE", "url": f"{name}?{condition}"}}


def is_deletion(entry: Tree) -> bool:
    """Whether an entry of a Bundle asks for a resource to be deleted."""
    request = entry.get("request")
    return isinstance(request, dict) and request.get("method") == "DELETE"


def deleted(entry: Tree) -> Tree:
    """What a deletion by the hub's identifier says: that a resource was noted by mistake, and nothing else.

    RecordError for other deletions.
    """
    name, system, value = _sought(entry)
    own = value.partition("/")[0]
    if name not in ERASED or not (system.startswith(HUB) and own != value):
        raise RecordError("a deletion of anything but a team or a form that the hub sent is not read")
    number = {"system": system, "value": unquote(own)}
    about = {"reference": f"Patient/{number['value']}", "identifier": number}
    said = {"identifier": [{"system": system, "value": value}], **copy.deepcopy(ERASED[name])}
    return {"resourceType": name, **said, "subject": about}


def _sought(entry: Tree) -> tuple[str, str, str]:
    """The type, and the identifier, of the one resource that an entry's request seeks; RecordError for another."""
    url = entry["request"].get("url")
    matched = re.fullmatch(r"(\w+)\?(.+)", url) if isinstance(url, str) else None
    asked = parse_qs(matched[2]) if matched else {}
    if matched is None or asked.keys() != {"identifier"} or len(asked["identifier"]) != 1:
        return "", "", ""
    system, _, value = asked["identifier"][0].partition("|")
    return matched[1], system, _unescaped(value)


def is_patch(entry: Tree) -> bool:
    """Whether an entry of a Bundle asks for a change of a part of a resource."""
    request = entry.get("request")
    return isinstance(request, dict) and request.get("method") == "PATCH"


def patched(entry: Tree) -> Tree:
    """The Patient that a JSON Patch of its links is about, as much of it as the patch says. RecordError for others."""
    resource, (name, system, value) = entry.get("resource"), _sought(entry)
    if name != "Patient":
        raise RecordError("a patch of anything but a Patient found by one identifier is not read")
    data = resource.get("data") if isinstance(resource, dict) and resource.get("contentType") == _TYPE else None
    try:
        steps = decode(b64decode(data, validate=True)) if isinstance(data, str) else None
    except ValueError:
        steps = None
    if not isinstance(steps, list):
        raise RecordError("a patch that is no JSON Patch in a Binary is not read")
    made: Tree = {"resourceType": "Patient", "identifier": [{"system": system, "value": value}]}
    for step in steps:
        if not isinstance(step, dict) or step.get("op") != "add" or step.get("path") not in _PATCHED:
            raise RecordError("a patch of anything but a Patient's links and whether it is in use is not read")
        made[step["path"][1:]] = step.get("value")
    if "link" not in made:
        raise RecordError("a patch that says nothing of a Patient's links is not read")
    return made


def _unescaped(value: str) -> str:
    return re.sub(r"\\([\\,|$])", r"\1", value)


__all__ = ["ERASED", "deleted", "deletion", "is_deletion", "is_patch", "patch", "patched", "request", "token"]
