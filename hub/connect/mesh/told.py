"""The settings of a MESH connection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hub.connect import settings
from hub.connect.port import Connection, Fault
from hub.connect.settings import LOOPBACK, Check, flag, number, secret

ENVIRONMENTS = ("live", "int", "dep")
"""NHS England's own, whose addresses and authorities the library knows: live, integration, deployment."""


@dataclass(frozen=True)
class Mesh:
    """server: an environment, or an address. mailbox, password, shared_key: ours. to: whose mailbox parcels go to.

    workflow: the kind of what is sent, and of what is taken ("" takes all). chunk: bytes of a part; largest: bytes of a
    message that is taken. timeout: seconds of one request.
    """

    server: str
    mailbox: str
    password: str = field(repr=False)
    shared_key: bytes = field(repr=False)
    to: str
    workflow: str
    compress: bool
    chunk: int
    largest: int
    timeout: float


def read(connection: Connection) -> Mesh:
    """The settings of a connection without faults."""
    told = connection.settings
    return Mesh(
        server=told["server"],
        mailbox=told["mailbox"],
        password=told["password"],
        shared_key=told["shared_key"].encode(),
        to=told.get("to", ""),
        workflow=told.get("workflow", ""),
        compress=told.get("compress", True),
        chunk=int(told.get("chunk", 20) * (1 << 20)),
        largest=int(told.get("largest", 200) * (1 << 20)),
        timeout=float(told.get("timeout", 20)),
    )


def _server(told: Any) -> str:
    if told in ENVIRONMENTS:
        return ""
    try:
        split = urlsplit(told)
        good = split.scheme in ("https", "http") and split.hostname and split.port != 0
    except (ValueError, TypeError, AttributeError):
        good = False
    return "" if good else "this must be 'live', 'int', 'dep', or an address, as \"https://mesh.example.nhs.uk\""


def _box(told: Any) -> str:
    good = isinstance(told, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,40}", told)
    return "" if good else 'this must be a mailbox, as "X26ABC1"'


def _password(told: Any) -> str:
    good = isinstance(told, str) and told.strip() and told.isascii()
    return "" if good else "this must be ASCII text, and not empty"


def _workflow(told: Any) -> str:
    good = isinstance(told, str) and re.fullmatch(r"[!-~]([ -~]{0,298}[!-~])?", told)
    return "" if good else 'this must be a workflow id, in ASCII, as "EXAMPLE_1"'


_CHECKS: Mapping[str, Check] = {
    **settings.FILES,
    "server": _server,
    "mailbox": _box,
    "password": _password,
    "shared_key": secret,
    "to": _box,
    "workflow": _workflow,
    "compress": flag,
    "chunk": number(0.001, 100),
    "largest": number(0.01, 2000),
    "timeout": number(1, 3600),
}
_NEEDED = ("server", "mailbox", "password", "shared_key")


def faults(connection: Connection) -> list[Fault]:
    """Everything that is wrong with the settings."""
    return list(settings.unfit(connection.settings, _CHECKS, _NEEDED)) or list(_wrong(connection))


def _wrong(connection: Connection) -> Iterator[Fault]:
    """The faults of settings that are each well by themselves."""
    told = connection.settings
    if "to" in told and "workflow" not in told:
        yield Fault("workflow", "what is sent must say its workflow, which the two sides have agreed on")
    split = urlsplit(told["server"])
    if split.scheme == "http" and split.hostname not in LOOPBACK:
        yield Fault("server", "this goes over the network without TLS: https://")
    if told["server"] in ENVIRONMENTS and "cert" not in told:
        yield Fault("cert", "this server asks for a certificate of ours: name 'cert' and 'key'")
    yield from settings.unfit_files(connection)


def notes(connection: Connection) -> Iterator[str]:
    """Nothing is allowed here that is worth saying."""
    return iter(())


def occupies(connection: Connection) -> dict[str, str]:
    """The mailbox with its workflow, as far as documents are taken from it: two would take each other's."""
    told = connection.settings
    if "to" in told:  # a link that only sends may share its mailbox, and who fetches is known by the routes alone
        return {}
    return {"mailbox": f"mailbox {told.get('mailbox')} {told.get('workflow', '')}"}


__all__ = ["ENVIRONMENTS", "Mesh", "faults", "notes", "occupies", "read"]
