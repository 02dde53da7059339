"""Writing what may have been written already: what is there is read, and replaced only if it is still that.

After a PUT that nobody answered, or that another was faster than (412), what is there is read back and compared with
what was sent: if it is that, it was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

import httpx

from hub.connect.http import fhir
from hub.connect.http.call import Caller, Reply
from hub.errors import Refused, Unavailable
from hub.message import Parcel, Sent

_FORM = "application/x-www-form-urlencoded"
_NONE = (404, 410)


class _There(NamedTuple):
    """What is at an address. version: for a condition; "": nothing is there, or it does not say. same: it is ours."""

    is_there: bool
    version: str
    same: bool


def put_whole(call: Caller, parcel: Parcel, end: float, headers: Mapping[str, str]) -> Sent:
    """PUT a parcel to an address of its own, or to the one of all if it is still as read. Refused, Unavailable."""
    url = call.told.url.replace("{key}", parcel.key.hex())

    def look() -> _There:
        reply = call.ask("GET", url, end, headers={"Accept": headers["Content-Type"]})
        if reply.status in _NONE:
            return _There(False, "", False)
        if not reply.good:
            raise call.trouble(reply, b"")
        same = reply.body == parcel.data or bool(
            fhir.parse(parcel.data) and fhir.parse(reply.body) == fhir.parse(parcel.data)
        )
        return _There(True, reply.version, same)

    there = look()
    if there.is_there and not there.same and "{key}" in call.told.url:
        raise Refused(f"{call.place} has something else under this parcel's own key")
    return _put(call, parcel, (url, parcel.data, headers, end), there, look)


def put_resource(call: Caller, parcel: Parcel, end: float, headers: Mapping[str, str]) -> Sent:
    """Create a FHIR resource, or replace the one that carries its identifier (or its id). Refused, Unavailable."""
    ours = fhir.parse(parcel.data)
    kind, own = str(ours.get("resourceType", "")), ours.get("id")
    if not kind.isascii() or not kind.isalpha():
        raise Refused(f"{call.place}: what is to be sent is no FHIR resource: look at the link's adapter")
    base = f"{call.told.url}/{kind}"
    if isinstance(own, str) and own:
        url = _address(call, base, own, ours)
        return _put(
            call,
            parcel,
            (url, parcel.data, headers, end),
            _read(call, url, ours, headers, end),
            lambda: _read(call, url, ours, headers, end),
        )
    found = _search(call, base, ours, headers, end)
    if found is None:
        call.hook("send.before-bytes")
        reply = call.ask("POST", base, end, parcel.data, headers, key=parcel.key)
        call.hook("answer.read")
        return _done(call, reply, parcel)
    name, there = found
    if there.same:
        return _already(there)
    url = _address(call, base, name, ours)
    sent = url, fhir.with_id(parcel.data, name), headers, end
    return _put(call, parcel, sent, there, lambda: _read(call, url, ours, headers, end))


def _address(call: Caller, base: str, name: str, ours: Mapping[str, object]) -> str:
    """Where a resource is. Refused when its id is a number of the person (as at the PDS): URLs stand in logs."""
    listed = ours.get("identifier")
    if any(isinstance(one, dict) and one.get("value") == name for one in (listed if isinstance(listed, list) else [])):
        raise Refused(f"{call.place}: the resource's id there is an identifier of the person, which goes into no URL")
    return f"{base}/{quote(name, safe='')}"


def _put(
    call: Caller,
    parcel: Parcel,
    request: tuple[str, bytes, Mapping[str, str], float],
    there: _There,
    look: Callable[[], _There],
) -> Sent:
    """PUT if what is there is still what was read; nothing if it is what is to be sent. Refused, Unavailable."""
    url, data, headers, end = request
    if there.same:
        return _already(there)
    condition = {"If-Match": there.version} if there.version else {} if there.is_there else {"If-None-Match": "*"}
    call.hook("send.before-bytes")
    reply = call.ask("PUT", url, end, data, {**headers, **condition}, key=parcel.key)
    call.hook("answer.read")
    if reply.status == 412:
        there = look()
        if there.same:
            return _already(there)
        raise Unavailable(f"{call.place}: it was changed by another in between (412)")
    return _done(call, reply, parcel)


def _already(there: _There) -> Sent:
    return Sent(f"there already {there.version}".strip())


def _done(call: Caller, reply: Reply, parcel: Parcel) -> Sent:
    said = fhir.complaints(reply.body, parcel.data)
    if not reply.good:
        raise call.trouble(reply, parcel.key, said)
    return Sent(f"{reply.status} {reply.version}".strip())


def _read(call: Caller, url: str, ours: Mapping[str, object], headers: Mapping[str, str], end: float) -> _There:
    reply = call.ask("GET", url, end, headers={"Accept": headers["Accept"]})
    if reply.status in _NONE:
        return _There(False, "", False)
    if not reply.good:
        raise call.trouble(reply, b"")
    held = fhir.parse(reply.body)
    if held.get("resourceType") != ours.get("resourceType"):
        raise Unavailable(f"{call.place}: what it gave is no resource of the kind that was asked for")
    return _There(True, reply.version or fhir.version(held), fhir.holds(held, dict(ours)))


def _search(
    call: Caller, base: str, ours: Mapping[str, object], headers: Mapping[str, str], end: float
) -> tuple[str, _There] | None:
    """The id of the one resource that carries our identifier, and what it is; None when there is none.

    By POST: a search in the URL would stand in every log on the way. Refused: we have none, or several do.
    """
    system, listed = call.told.identifier, ours.get("identifier")
    values = [
        one["value"]
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict) and one.get("system") == system and isinstance(one.get("value"), str)
    ]
    if len(set(values)) != 1:
        many = "several identifiers" if values else "no identifier"
        raise Refused(f"{call.place}: the resource has {many} of {system}, so it cannot be said which one there it is")
    form = str(httpx.QueryParams({"identifier": f"{system}|{values[0]}"})).encode()
    asked = {"Content-Type": _FORM, "Accept": headers["Accept"]}
    reply = call.ask("POST", f"{base}/_search", end, form, asked)
    if not reply.good:
        raise call.trouble(reply, b"", fhir.complaints(reply.body, b""))
    if fhir.parse(reply.body).get("resourceType") != "Bundle":
        raise Unavailable(f"{call.place}: the answer to a search is no Bundle")
    found = fhir.found_resources(reply.body, str(ours["resourceType"]))
    if len(found) > 1:
        raise Refused(f"{call.place} has {len(found)} resources with this identifier: they must be made one there")
    if not found:
        return None
    name = found[0].get("id")
    if not isinstance(name, str) or not name:
        raise Unavailable(f"{call.place}: what it found has no id")
    return name, _There(True, fhir.version(found[0]), fhir.holds(found[0], {**ours, "id": name}))


__all__ = ["put_resource", "put_whole"]
