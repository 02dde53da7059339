"""Checks of the store: its schema and clock, its workers, what it knows of links, and the mapping files in force."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hub import adapter as adapters
from hub.config import Settings
from hub.doctor.result import Result, fail, ok, warn
from hub.errors import HubError
from hub.mapping import load
from hub.pipeline.link import Link, mapping_digest
from hub.store import WorkerStatus

LATE = (2.0, 10.0)
"""Seconds between the database's clock and ours: to warn, and to fail (leases are 30)."""


def clock(theirs: float, here: float | None = None) -> Result:
    """The database's clock against this machine's, in seconds since 1970."""
    apart = abs(theirs - (time.time() if here is None else here))
    said = f"this machine's and the database's are {apart:.1f} s apart"
    todo = "set both by NTP: workers judge their leases by the database's clock"
    if apart > LATE[1]:
        return fail("clock", said, todo)
    return warn("clock", said, todo) if apart > LATE[0] else ok("clock", said)


def workers(found: Sequence[WorkerStatus]) -> Result:
    """Those who enlisted and neither left nor were given up."""
    over = [one for one in found if one.left < 0]
    if over:
        named = ", ".join(f"{one.host}:{one.pid}" for one in over)
        todo = "start 'ics-hub run': a live worker gives up the dead and takes on what they had"
        return warn("workers", f"their lease is over: {named}", todo)
    return ok("workers", f"{len(found)} alive" if found else "none runs now")


def lacking(found: Sequence[str]) -> Result:
    """Links that the store has open messages or unread documents of, and hub.toml does not name."""
    if found:
        todo = "put the link back into hub.toml, or say 'ics-hub link rename OLD NEW'; 'run' refuses to start"
        return fail("links", f"the store has work for {', '.join(sorted(found))}, which hub.toml lacks", todo)
    return ok("links", "hub.toml names every link that the store has work for")


def mappings(settings: Settings, in_force: str, alive: bool) -> Result:
    """Whether mapping files load, and are those in force. in_force: digest in the store, "" without any."""
    links = []
    try:
        for one in settings.links.values():
            load(one.adapter, one.overlays)
            links.append(Link(one.name, adapters.find(one.adapter), {}, overlays=one.overlays))
    except HubError as error:
        return fail("mapping files", str(error), "mend it; 'ics-hub mapping check' finds everything that is wrong")
    found = mapping_digest(links)
    if in_force and found != in_force and alive:
        said = f"{found[:12]} here, and the workers go by {in_force[:12]}"
        return fail("mapping files", said, "bring the same files to every machine; what runs takes them up by itself")
    if in_force and found != in_force:
        return ok("mapping files", f"{found[:12]}, changed since the last run; the next one puts them in force")
    return ok("mapping files", f"{found[:12]}, " + ("in force" if in_force else "not used yet"))


__all__ = ["LATE", "clock", "lacking", "mappings", "workers"]
