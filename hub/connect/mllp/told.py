"""The settings of an MLLP connection."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub.connect import settings
from hub.connect.port import Connection, Fault
from hub.connect.settings import LOOPBACK, Check, address, flag, number, one_of, split, text, texts

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PLAIN = frozenset("|^~\\&\r\n")


@dataclass(frozen=True)
class Mllp:
    """listen, to: host and port; None: not that way. secure: TLS towards `to` (listening: where a certificate is told).

    patience: seconds until a message that nobody takes is answered AE. timeout: seconds to wait for an ACK. largest:
    bytes of a message. commit: answer CA, CE, CR. types: of message that are taken, `ADT` or `ADT^A31`; processing:
    ids that are; peers: networks whose machines are; empty: all. sender, receiver: application and facility to write.
    """

    listen: tuple[str, int] | None
    to: tuple[str, int] | None
    secure: bool
    patience: float
    timeout: float
    largest: int
    commit: bool
    types: frozenset[str]
    processing: str
    peers: tuple[Network, ...]
    sender: tuple[str, ...]
    receiver: tuple[str, ...]


def read(connection: Connection) -> Mllp:
    """The settings of a connection without faults."""
    told = connection.settings
    return Mllp(
        listen=split(told["listen"]) if "listen" in told else None,
        to=split(told["to"]) if "to" in told else None,
        secure=told.get("tls", False),
        patience=float(told.get("patience", 5)),
        timeout=float(told.get("timeout", 10)),
        largest=int(told.get("largest", 16) * (1 << 20)),
        commit=told.get("answer") == "commit",
        types=frozenset(told.get("types", ())),
        processing=told.get("processing", ""),
        peers=tuple(ipaddress.ip_network(one) for one in told.get("peers", ())),
        sender=tuple(told.get("sender", ())),
        receiver=tuple(told.get("receiver", ())),
    )


def _names(told: Any) -> str:
    """One or two names of an HL7 header."""
    if reason := texts(told):
        return reason
    if len(told) > 2 or any(_PLAIN & set(one) - {"^"} for one in told):
        return "this must be an application and perhaps a facility, without signs that HL7 gives a meaning"
    return ""


def _networks(told: Any) -> str:
    if reason := texts(told):
        return reason
    try:
        _ = [ipaddress.ip_network(one) for one in told]
    except ValueError:
        return 'this must be addresses or networks, as "10.1.2.3" or "10.1.0.0/16"'
    return ""


_CHECKS: Mapping[str, Check] = {
    **settings.FILES,
    "listen": address,
    "to": address,
    "tls": flag,
    "patience": number(0.1, 600),
    "timeout": number(0.1, 600),
    "largest": number(0.01, 1024),
    "answer": one_of("application", "commit"),
    "types": texts,
    "processing": text,
    "peers": _networks,
    "sender": _names,
    "receiver": _names,
}
_INWARD, _OUTWARD = ("patience", "largest", "answer", "types", "peers"), ("timeout", "sender", "receiver", "tls")


def faults(connection: Connection) -> list[Fault]:
    """Everything that is wrong with the settings."""
    return list(settings.unfit(connection.settings, _CHECKS)) or list(_wrong(connection))


def _wrong(connection: Connection) -> Iterator[Fault]:
    """The faults of settings that are each well by themselves."""
    told = connection.settings
    if "listen" not in told and "to" not in told:
        yield Fault("", "an mllp connection listens for messages, 'listen', or says where they go, 'to'")
    lost = [(key, "listen") for key in _INWARD] + [(key, "to") for key in _OUTWARD]
    for key, needed in lost:
        if key in told and needed not in told:
            about = "receiving" if needed == "listen" else "sending"
            yield Fault(key, f"this is about {about}, and there is no {needed!r}")
    if told.get("processing", "P") not in ("P", "T", "D"):
        yield Fault("processing", "this must be 'P', 'T' or 'D' (production, training, debugging)")
    if not told.get("tls") and "listen" not in told and set(settings.FILES) & set(told):
        yield Fault("tls", "files of TLS are named: say 'tls = true', or leave them out")
    if "ca" in told and "to" not in told and "cert" not in told:
        yield Fault("ca", "to ask clients for a certificate needs one of our own: name 'cert' and 'key'")
    yield from settings.unfit_files(connection)


def notes(connection: Connection) -> Iterator[str]:
    """What is allowed and worth saying."""
    told = connection.settings
    if "to" in told and not told.get("tls") and split(told["to"])[0] not in LOOPBACK:
        yield "messages are sent over the network without TLS: say 'tls = true' if the other side can"
    if "listen" in told and "cert" not in told and split(told["listen"])[0] not in LOOPBACK:
        yield "messages come over the network without TLS: name 'cert' and 'key' if the other side can"


def occupies(connection: Connection) -> dict[str, str]:
    """The address that is listened at."""
    told = connection.settings.get("listen")
    return {"listen": f"address {told}"} if isinstance(told, str) else {}


__all__ = ["Mllp", "faults", "notes", "occupies", "read"]
