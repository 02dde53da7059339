"""HL7 v2 over MLLP: `listen` for messages, send them `to` a system, or both. What is in them is not looked at but MSH.

A message is answered AA only once the store has it. It is known by its sender, its control id and its bytes: the same
again is answered as before, and the same control id with other bytes is another message, which is said.
"""

from __future__ import annotations

from hub.connect.mllp.told import faults, notes, occupies
from hub.connect.port import Connection, Hook, Inlet, Outlet


def open_inlet(connection: Connection, hook: Hook) -> Inlet:
    """Its inlet. What it needs is imported only here: whoever looks at settings must not wait for it."""
    from hub.connect.mllp.server import MllpInlet

    return MllpInlet(connection, hook)


def open_outlet(connection: Connection, hook: Hook) -> Outlet:
    """Its outlet."""
    from hub.connect.mllp.client import MllpOutlet

    return MllpOutlet(connection, hook)


__all__ = ["faults", "notes", "occupies", "open_inlet", "open_outlet"]
