"""The settings of an HTTP connection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hub.connect import settings
from hub.connect.port import Connection, Fault
from hub.connect.settings import LOOPBACK, Check, flag, number, one_of, secret, text

WAYS = ("transaction", "message", "resource", "post", "put")
FHIR = ("transaction", "message", "resource")
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
"""The system of an NHS number (UK Core Patient, identifier:nhsNumber)."""
ALGORITHMS = ("RS512", "RS384", "RS256", "PS512", "PS384", "PS256", "ES512", "ES384", "ES256")
_OURS = {"authorization", "content-type", "content-length", "host", "idempotency-key", "x-request-id"}
_OURS |= {"if-match", "if-none-match", "transfer-encoding", "accept"}


@dataclass(frozen=True)
class Http:
    """url: of the FHIR server (its base), or where parcels go. send: how; "": not. search: what is asked for, or "".

    timeout: seconds to wait for an answer. largest: bytes of one. headers: put on every request. content: the type of
    what is sent, "": by the format. identifier: the system by which `resource` finds what is there. match: `put` reads
    the version first. auth: how we say who we are.
    """

    url: str = field(repr=False)
    send: str
    search: str
    timeout: float
    largest: int
    headers: Mapping[str, str] = field(repr=False)
    content: str
    identifier: str
    match: bool
    proxy: str | None = field(repr=False)
    auth: Mapping[str, Any] = field(repr=False)


def read(connection: Connection) -> Http:
    """The settings of a connection without faults."""
    told = connection.settings
    return Http(
        url=told["url"].rstrip("/"),
        send=told.get("send", ""),
        search=told.get("search", ""),
        timeout=float(told.get("timeout", 10)),
        largest=int(told.get("largest", 16) * (1 << 20)),
        headers=dict(told.get("headers", {})),
        content=told.get("content", ""),
        identifier=told.get("identifier", NHS_NUMBER),
        match=told.get("match", False),
        proxy=told.get("proxy"),
        auth=dict(told.get("auth", {})),
    )


def _url(told: Any) -> str:
    wrong = 'this must be an address, as "https://fhir.example.nhs.uk/R4"'
    if reason := text(told):
        return reason
    try:
        split = urlsplit(told)
        named = split.scheme in ("https", "http") and split.hostname and split.port != 0
    except ValueError:
        return wrong
    if not named or split.fragment or " " in told:
        return wrong
    return "a password stands in it: say it in 'auth'" if split.password or split.username else ""


def _said(told: Any) -> str:
    """What a header can say."""
    good = isinstance(told, str) and re.fullmatch(r"[!-~]([ -~]*[!-~])?", told)
    return "" if good else "this must be ASCII text, and not empty, without a space or a new line at its ends"


def _headers(told: Any) -> str:
    if not isinstance(told, dict) or any(_said(one) for one in told.values()):
        return "this must be a table of names and texts in ASCII, without a space or a new line at their ends"
    if not all(re.fullmatch(r"[A-Za-z0-9-]+", name) for name in told):
        return "a header's name has letters, digits and -"
    ours = sorted(name for name in told if name.lower() in _OURS)
    return f"{ours[0]} is the connection's own to say" if ours else ""


_CHECKS: Mapping[str, Check] = {
    **settings.FILES,
    "url": _url,
    "send": one_of(*WAYS),
    "search": text,
    "timeout": number(0.1, 600),
    "largest": number(0.01, 1024),
    "headers": _headers,
    "content": _said,
    "identifier": text,
    "match": flag,
    "plain": flag,
    "proxy": _url,
    "auth": lambda told: "" if isinstance(told, dict) else "this must be a table",
}
_AUTH: Mapping[str, Mapping[str, Check]] = {
    "jwt": {"token": _url, "client": secret, "key": secret, "kid": secret},
    "secret": {"token": _url, "client": secret, "secret": secret},
    "basic": {"user": secret, "password": secret},
    "bearer": {"value": _said},
}
_MORE: Mapping[str, Mapping[str, Check]] = {
    "jwt": {"scope": text, "audience": text, "algorithm": one_of(*ALGORITHMS)},
    "secret": {"scope": text},
}


def faults(connection: Connection) -> list[Fault]:
    """Everything that is wrong with the settings."""
    found = list(settings.unfit(connection.settings, _CHECKS, ["url"]))
    return found or list(_wrong(connection))


def _wrong(connection: Connection) -> Iterator[Fault]:
    """The faults of settings that are each well by themselves."""
    told = connection.settings
    if "send" not in told and "search" not in told:
        yield Fault("", f"say how parcels are sent, 'send' ({', '.join(WAYS)}), or what is fetched, 'search'")
    for key in ("url", "proxy"):
        if key in told and _bare(told[key]) and not told.get("plain"):
            yield Fault(key, "this goes over the network without TLS: https://, or 'plain = true' where that is meant")
    send = told.get("send", "")
    for key, needed in (("identifier", ("resource",)), ("match", ("put",)), ("content", ("post", "put"))):
        if key in told and send not in needed:
            yield Fault(key, f"this is about 'send = {' or '.join(repr(one) for one in needed)}'")
    search = told.get("search", "x")
    if search.startswith(("/", "http:", "https:")) or " " in search:
        yield Fault("search", 'this must be a search below the url, as "Patient?_count=50"')
    if "{" in told["url"].replace("{key}", "") or ("{key}" in told["url"] and send != "put"):
        yield Fault("url", "'{key}' alone may stand in it, and only for 'send = \"put\"'")
    yield from _wrong_auth(connection, told.get("auth", {}))
    yield from settings.unfit_files(connection)


def _bare(url: str) -> bool:
    split = urlsplit(url)
    return split.scheme == "http" and split.hostname not in LOOPBACK


def _wrong_auth(connection: Connection, told: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with how we say who we are. No text of it is ever said: they are secrets."""
    if not told:
        return
    kind = str(told.get("kind", ""))
    if kind not in _AUTH:
        yield Fault("auth", f"its 'kind' must be one of {', '.join(_AUTH)}")
        return
    rest = {key: value for key, value in told.items() if key != "kind"}
    for fault in settings.unfit(rest, {**_AUTH[kind], **_MORE.get(kind, {})}, _AUTH[kind]):
        yield Fault(
            "auth", f"{fault.key}: {fault.reason}" if fault.key else fault.reason.replace("this connection", "it")
        )
    key = told.get("key")
    if kind == "jwt" and isinstance(key, str) and "-----BEGIN" not in key and not (connection.home / key).is_file():
        yield Fault("auth", "key: there is no such file, and it is no key in PEM itself")
    if isinstance(told.get("token"), str) and _bare(told["token"]) and not connection.settings.get("plain"):
        yield Fault("auth", "token: this goes over the network without TLS")


def notes(connection: Connection) -> Iterator[str]:
    """What is allowed and worth saying."""
    if _bare(connection.settings["url"]):
        yield "records go over the network without TLS: 'plain = true'"


def occupies(connection: Connection) -> dict[str, str]:
    """Nothing is its own alone."""
    return {}


__all__ = ["FHIR", "NHS_NUMBER", "Http", "faults", "notes", "occupies", "read"]
