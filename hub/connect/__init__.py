"""How bytes travel: fetch documents from a link, send parcels to it.

Four kinds ship: `folder`, `http`, `mesh` and `mllp`. A council adds its own: a class named in hub.toml by its dotted
path (`council.sftp.Sftp`), called with the `Connection`. One with `fetch` is an `Inlet`, one with `send` an `Outlet`;
it may be both, and is then made once for each way. It may have a static method `faults(connection)` that gives what is
wrong with its settings as (key, reason) pairs.
"""

from __future__ import annotations

import importlib
from typing import Any, cast

from hub.connect.port import Arrival, Connection, Fault, Hook, Inlet, Outlet, no_hook
from hub.errors import DeclarationError

WAYS = {"folder": ("in", "out"), "http": ("search", "send"), "mesh": ("mailbox", "to"), "mllp": ("listen", "to")}
"""Of each kind that ships the setting that makes it fetch, and the one that makes it send."""


def open_inlet(connection: Connection, hook: Hook = no_hook) -> Inlet:
    """The inlet of a connection. DeclarationError: nothing can be fetched over it. hook: of a shipped kind's steps."""
    if not fetches(connection):
        raise DeclarationError("nothing can be fetched over this connection", place=f"links.{connection.link}")
    kind = _shipped(connection)
    return cast(Inlet, kind.open_inlet(connection, hook) if kind else _own(connection.kind)(connection))


def open_outlet(connection: Connection, hook: Hook = no_hook) -> Outlet:
    """The outlet of a connection. DeclarationError: nothing can be sent over it. hook: of a shipped kind's steps."""
    if not sends(connection):
        raise DeclarationError("nothing can be sent over this connection", place=f"links.{connection.link}")
    kind = _shipped(connection)
    return cast(Outlet, kind.open_outlet(connection, hook) if kind else _own(connection.kind)(connection))


def fetches(connection: Connection) -> bool:
    """Whether documents can come over it."""
    way = WAYS.get(connection.kind)
    return way[0] in connection.settings if way else hasattr(_own(connection.kind), "fetch")


def sends(connection: Connection) -> bool:
    """Whether parcels can go over it."""
    way = WAYS.get(connection.kind)
    return way[1] in connection.settings if way else hasattr(_own(connection.kind), "send")


def faults(connection: Connection) -> list[Fault]:
    """Everything that is wrong with a connection as declared, each with the key of its setting."""
    shipped = _shipped(connection)
    if shipped:
        return list(shipped.faults(connection))
    try:
        kind = _own(connection.kind)
    except DeclarationError as error:
        return [Fault("kind", error.reason)]
    if not hasattr(kind, "fetch") and not hasattr(kind, "send"):
        return [Fault("kind", f"{connection.kind} has neither 'fetch' nor 'send'")]
    try:
        return [Fault(key, reason) for key, reason in getattr(kind, "faults", lambda asked: ())(connection)]
    except Exception as error:  # code of a council's own may raise anything
        return [Fault("kind", f"{connection.kind}.faults fails with {type(error).__name__}")]


def notes(connection: Connection) -> list[str]:
    """What is allowed and worth saying."""
    kind = _shipped(connection)
    return list(kind.notes(connection)) if kind else []


def occupies(connection: Connection) -> dict[str, str]:
    """What this link alone may use, by the key of its setting: two links that name the same one are a mistake."""
    kind = _shipped(connection)
    return dict(kind.occupies(connection)) if kind else {}


def _shipped(connection: Connection) -> Any:
    """The module of a kind that ships, None for a council's own. It is imported only for who asks: each has its
    library, and a command that only looks must be quick."""
    return importlib.import_module(f"hub.connect.{connection.kind}") if connection.kind in WAYS else None


def _own(kind: str) -> Any:
    """A council's own class. DeclarationError when there is none."""
    module_name, _, name = kind.rpartition(".")
    if not module_name:
        known = ", ".join(repr(one) for one in WAYS)
        raise DeclarationError(
            f"there is no connection of kind {kind!r}; there are: {known}, or a class by dotted path"
        )
    try:
        found = getattr(importlib.import_module(module_name), name, None)
    except Exception as error:  # code of a council's own may raise anything
        missing = isinstance(error, ModuleNotFoundError) and error.name and module_name.startswith(error.name)
        reason = "there is no such module" if missing else f"importing it fails with {type(error).__name__}"
        raise DeclarationError(f"{kind}: {reason}") from None
    if not callable(found):
        raise DeclarationError(f"{module_name} has no class {name!r}")
    return found


__all__ = [
    "WAYS",
    "Arrival",
    "Connection",
    "Fault",
    "Inlet",
    "Outlet",
    "faults",
    "fetches",
    "notes",
    "occupies",
    "open_inlet",
    "open_outlet",
    "sends",
]
