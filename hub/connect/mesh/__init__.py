"""MESH, the NHS's way for files between organisations: messages of our mailbox come in, parcels go `to` another one.

A message is acknowledged once the store has it. A parcel has the same local id however often it is sent. What could not
be delivered comes back as a report, days later perhaps, and is noted as a failure of what was sent.
"""

from __future__ import annotations

from hub.connect.mesh.told import faults, notes, occupies
from hub.connect.port import Connection, Hook, Inlet, Outlet


def open_inlet(connection: Connection, hook: Hook) -> Inlet:
    """Its inlet. What it needs is imported only here: whoever looks at settings must not wait for it."""
    from hub.connect.mesh.inlet import MeshInlet

    return MeshInlet(connection, hook)


def open_outlet(connection: Connection, hook: Hook) -> Outlet:
    """Its outlet."""
    from hub.connect.mesh.outlet import MeshOutlet

    return MeshOutlet(connection, hook)


__all__ = ["faults", "notes", "occupies", "open_inlet", "open_outlet"]
