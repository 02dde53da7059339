"""HTTP: `send` parcels to a FHIR server or to any other that takes them, `search` a FHIR server for what is new.

Nothing of a record stands in a URL or a header: a FHIR server is searched with POST, and conditions are put inside a
transaction.
"""

from __future__ import annotations

from hub.connect.http.told import faults, notes, occupies
from hub.connect.port import Connection, Hook, Inlet, Outlet


def open_inlet(connection: Connection, hook: Hook) -> Inlet:
    """Its inlet. What it needs is imported only here: whoever looks at settings must not wait for it."""
    from hub.connect.http.inlet import HttpInlet

    return HttpInlet(connection, hook)


def open_outlet(connection: Connection, hook: Hook) -> Outlet:
    """Its outlet."""
    from hub.connect.http.outlet import HttpOutlet

    return HttpOutlet(connection, hook)


__all__ = ["faults", "notes", "occupies", "open_inlet", "open_outlet"]
