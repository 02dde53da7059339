"""What a FHIR server answers: outcomes, bundles of answers, and whether what it has is what was sent.

Of a stranger's words only codes that FHIR lists are repeated, and only paths whose every name stood in what we sent.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

FHIR_JSON = "application/fhir+json"
NIL = b"00000000-0000-0000-0000-000000000000"
"""In what an adapter writes, this UUID stands for one that is the message's own, the same however often it is sent."""
_ISSUES = """invalid structure required value invariant security login unknown expired forbidden suppressed processing
    not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly business-rule
    conflict transient lock-error no-store exception timeout incomplete throttled informational"""
"""http://hl7.org/fhir/issue-type (R4)."""
_PATH = re.compile(r"[A-Za-z]+(?:\[\d{1,4}\])?(?:\.[A-Za-z]+(?:\[\d{1,4}\])?)*")
_MOST = 3


class Entry(NamedTuple):
    """One answer of a bundle of them. said: what its outcome says."""

    status: int
    version: str
    said: str


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object, numbers that are no integers as text; {} for anything else."""
    try:
        found = json.loads(body, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def own_uuid(key: bytes) -> str:
    """The UUID of a message; of version 4, which some servers insist on."""
    return str(uuid.UUID(bytes=key, version=4))


def complaints(body: bytes, sent: bytes) -> str:
    """What an OperationOutcome, or a bundle with one, says: codes and places."""
    return _complaints(parse(body), sent)


def _complaints(found: Any, sent: bytes) -> str:
    words: list[str] = []
    for issue in _issues(found):
        code = issue.get("code")
        if issue.get("severity") not in ("error", "fatal") or code not in _ISSUES.split():
            continue
        places = _texts(issue.get("expression")) or _texts(issue.get("location"))
        at = next((one for one in places if _ours(one, sent)), "")
        words.append(f"{code} at {at}" if at else str(code))
    return ", ".join(list(dict.fromkeys(words))[:_MOST])


def failed(body: bytes) -> bool:
    """Whether an answer, by itself good, is an outcome that says otherwise."""
    found = parse(body)
    return found.get("resourceType") == "OperationOutcome" and any(
        issue.get("severity") in ("error", "fatal") for issue in _issues(found)
    )


def _issues(found: Any) -> Iterator[Mapping[str, Any]]:
    outcomes: list[Any] = [found] if isinstance(found, dict) else []
    outcomes += [one.get("resource") for one in _dicts(found.get("entry"))] if isinstance(found, dict) else []
    for outcome in outcomes:
        if isinstance(outcome, dict) and outcome.get("resourceType") == "OperationOutcome":
            yield from _dicts(outcome.get("issue"))


def _ours(path: str, sent: bytes) -> bool:
    """Whether a path is one, and of names that stood in what we sent."""
    if not _PATH.fullmatch(path) or len(path) > 200:
        return False
    kind, *names = re.sub(r"\[\d+\]", "", path).split(".")
    wanted = [rf'"resourceType"\s*:\s*"{kind}"', *(rf'"{name}"\s*:' for name in names)]
    return all(re.search(one.encode(), sent) for one in wanted)


def entries(body: bytes, sent: bytes) -> list[Entry] | None:
    """The answers of a transaction or a batch by their index; None when it is no bundle of them."""
    found = parse(body)
    if found.get("resourceType") != "Bundle" or found.get("type") not in ("transaction-response", "batch-response"):
        return None
    told = []
    for one in found.get("entry") or []:
        answer = one.get("response") if isinstance(one, dict) else None
        answer = answer if isinstance(answer, dict) else {}
        match = re.match(r"\d{3}", str(answer.get("status", "")))
        tag = str(answer.get("etag", ""))
        version = tag if re.fullmatch(r'(W/)?"[\w.-]{1,64}"', tag, re.ASCII) else ""
        told.append(Entry(int(match[0]) if match else 0, version, _complaints(answer.get("outcome"), sent)))
    return told


def count(sent: bytes) -> tuple[str, int]:
    """The type of a bundle that is sent, and how many entries it has."""
    found = parse(sent)
    return str(found.get("type", "")), len(_dicts(found.get("entry")))


def header_id(data: bytes) -> str:
    """The id of the message that a message bundle is."""
    return str(_header(parse(data)).get("id", ""))


def response(body: bytes) -> tuple[str, str]:
    """The message that an answering message names, and its code (ok, transient-error, fatal-error); "" for neither."""
    told = _header(parse(body)).get("response")
    told = told if isinstance(told, dict) else {}
    return str(told.get("identifier", "")), str(told.get("code", ""))


def _header(found: Mapping[str, Any]) -> Mapping[str, Any]:
    for one in _dicts(found.get("entry")):
        held = one.get("resource")
        if isinstance(held, dict) and held.get("resourceType") == "MessageHeader":
            return held
    return {}


def found_resources(body: bytes, kind: str) -> list[dict[str, Any]]:
    """The resources of a kind that a search found (not those it includes)."""
    found = []
    for one in _dicts(parse(body).get("entry")):
        held, search = one.get("resource"), one.get("search")
        included = isinstance(search, dict) and search.get("mode") in ("include", "outcome")
        if isinstance(held, dict) and held.get("resourceType") == kind and not included:
            found.append(held)
    return found


def version(held: Mapping[str, Any]) -> str:
    """A resource's version as a condition has it, "" when it does not say."""
    meta = held.get("meta")
    told = str(meta.get("versionId", "")) if isinstance(meta, dict) else ""
    return f'W/"{told}"' if re.fullmatch(r"[\w.-]{1,64}", told, re.ASCII) else ""


def holds(theirs: Any, ours: Any) -> bool:
    """Whether all that we sent is what they have; they may have more: ids, meta, text."""
    if isinstance(ours, dict):
        skip = ("meta", "text") if "resourceType" in ours else ()
        return isinstance(theirs, dict) and all(
            key in theirs and holds(theirs[key], value) for key, value in ours.items() if key not in skip
        )
    if isinstance(ours, list):
        return (
            isinstance(theirs, list)
            and len(theirs) == len(ours)
            and all(holds(their, our) for their, our in zip(theirs, ours, strict=True))
        )
    return bool(theirs == ours) and type(theirs) is type(ours)


def with_id(data: bytes, name: str) -> bytes:
    """A resource's bytes with an id put in front; all else as it is."""
    head, brace, rest = data.partition(b"{")
    return head + brace + b'"id":' + msgspec.json.encode(name) + b"," + rest


def next_page(body: bytes) -> str:
    """The address of the next page of a search, "" on the last."""
    for one in _dicts(parse(body).get("link")):
        if one.get("relation") == "next" and isinstance(one.get("url"), str):
            return str(one["url"])
    return ""


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _texts(found: Any) -> list[str]:
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
