"""What the settings of connections are checked with: each key has a check, and TLS is told alike everywhere.

A check is called with a key's value and gives what is wrong with it, or "".
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from hub.connect.port import Connection, Fault
from hub.errors import DeclarationError

Check = Callable[[Any], str]

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def text(told: Any) -> str:
    """Printable text, not empty."""
    good = isinstance(told, str) and told.strip() and told.isprintable()
    return "" if good else "this must be text, and not empty"


def secret(told: Any) -> str:
    """Text that may have several lines, as a key has."""
    return "" if isinstance(told, str) and told.strip() else "this must be text, and not empty"


def flag(told: Any) -> str:
    """true or false."""
    return "" if isinstance(told, bool) else "this must be true or false, without quotes"


def number(least: float, most: float) -> Check:
    """A number between two, both included."""

    def check(told: Any) -> str:
        good = isinstance(told, int | float) and not isinstance(told, bool) and least <= told <= most
        return "" if good else f"this must be a number from {least:g} to {most:g}, without quotes"

    return check


def one_of(*words: str) -> Check:
    """One of these words."""
    return lambda told: "" if told in words else f"this must be {' or '.join(repr(word) for word in words)}"


def texts(told: Any) -> str:
    """A list of texts, not empty."""
    good = isinstance(told, list) and told and not any(text(one) for one in told)
    return "" if good else "this must be a list of texts, and not empty"


def address(told: Any) -> str:
    """`HOST:PORT`; an IPv6 address in brackets."""
    try:
        split(told)
    except (ValueError, AttributeError):
        return 'this must be a host and a port, as "127.0.0.1:2575"'
    return ""


def split(told: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. ValueError: it is no such thing."""
    host, _, port = told.strip().rpartition(":")
    plain = host.removeprefix("[").removesuffix("]")
    if not plain or (":" in plain and plain == host) or not port.isascii() or not 0 < int(port) < 65536:
        raise ValueError(told)
    return plain, int(port)


def unfit(told: Mapping[str, Any], checks: Mapping[str, Check], needed: Collection[str] = ()) -> Iterator[Fault]:
    """What is wrong with each key by itself: unknown, of a wrong kind, or missing."""
    for key, value in told.items():
        if key not in checks:
            yield Fault.unknown(key, checks)
        elif reason := checks[key](value):
            yield Fault(key, reason)
    yield from (Fault("", f"this connection has no {key!r}") for key in needed if key not in told)


FILES: Mapping[str, Check] = {"ca": text, "cert": text, "key": text}
"""Of TLS. ca: who is trusted; cert, key: what we show. Each a PEM file beside hub.toml."""


def unfit_files(connection: Connection) -> Iterator[Fault]:
    """What is wrong with the files of TLS. They are looked at when hub.toml is read: without them nothing goes."""
    told = connection.settings
    for key in FILES:
        if key in told and not (connection.home / str(told[key])).is_file():
            yield Fault(key, "there is no such file")
    for key, other in (("cert", "key"), ("key", "cert")):
        if key in told and other not in told:
            yield Fault(key, f"a certificate and its key belong together: {other!r} is missing")


def client_context(connection: Connection) -> ssl.SSLContext:
    """TLS towards a server whose name and certificate are checked. DeclarationError: a file of ours is no good."""
    told, home = connection.settings, connection.home
    return _loaded(connection, lambda: ssl.create_default_context(cafile=_file(told, home, "ca")))


def server_context(connection: Connection) -> ssl.SSLContext:
    """TLS towards clients; with `ca` they must show a certificate. DeclarationError: a file of ours is no good."""
    told, home = connection.settings, connection.home

    def made() -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=_file(told, home, "ca"))
        if "ca" in told:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    return _loaded(connection, made)


def _file(told: Mapping[str, Any], home: Path, key: str) -> str | None:
    return str(home / told[key]) if key in told else None


def _loaded(connection: Connection, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    place = f"links.{connection.link}"
    try:
        context = make()
        if "cert" in connection.settings:
            cert, key = (str(connection.home / connection.settings[name]) for name in ("cert", "key"))
            context.load_cert_chain(cert, key, password="")  # a key that is locked is refused, not asked for
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        raise DeclarationError(f"its TLS files cannot be used ({reason})", place=place) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def untrusted(error: BaseException) -> str:
    """Why TLS failed, in words of ours; "" when it was something else. The cause is looked for in what it came from."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({seen.verify_message})"
        if isinstance(seen, ssl.SSLError):
            return f"TLS failed ({(seen.reason or 'no reason given').lower().replace('_', ' ')})"
        seen = seen.__cause__ or seen.__context__
    return ""


__all__ = [
    "FILES",
    "LOOPBACK",
    "Check",
    "address",
    "client_context",
    "flag",
    "number",
    "one_of",
    "secret",
    "server_context",
    "split",
    "text",
    "texts",
    "unfit",
    "unfit_files",
    "untrusted",
]
