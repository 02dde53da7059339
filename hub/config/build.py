"""From settings to a hub that is ready to run: links loaded, store and queue opened."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import structlog

from hub.config.settings import LinkSettings, Notify, Settings
from hub.connect import open_inlet, open_outlet
from hub.mapping import adapted
from hub.mapping import load as load_mappings
from hub.pipeline import LEASE, Hub, Limits, Link
from hub.pipeline.link import mapping_digest
from hub.pipeline.worker import Hook, no_hook
from hub.queue import Queue, open_queue
from hub.store import Store

log = structlog.get_logger("hub")

NOTIFY = 30
"""Seconds that the program of `[notify]` may take."""


def build(settings: Settings, *, lease: float = LEASE, hook: Hook = no_hook) -> Hub:
    """A hub of one process. DeclarationError when mappings, store or files are not as they must be."""
    mapping = mapping_digest(settings.links.values())  # before they are loaded: what changes meanwhile is seen later
    links = [_link(settings, one) for one in settings.links.values()]
    store = Store.open(settings.store, settings.ring, run=True, hook=hook)
    queue = _queue(settings, store)
    limits = Limits(settings.limits.open, settings.limits.disk, _place(settings))
    return Hub(
        links,
        store,
        queue,
        settings.ring,
        limits=limits,
        lease=lease,
        hook=hook,
        notify=_notify(settings.notify),
        mapping=mapping,
    )


def mapped(settings: Settings, store: Store) -> dict[str, Link]:
    """The links by name, with mappings and no connection opened, for commands that look. Errors as `build`."""
    known = store.identities()
    links = (_link(settings, one, reached=False) for one in settings.links.values())
    return {one.name: replace(one, identity=known.get(one.name, "")) for one in links}


def _link(settings: Settings, one: LinkSettings, *, reached: bool = True) -> Link:
    adapter = adapted(one.adapter, one.overlays)
    targets = next((route.targets for route in settings.routes if route.source == one.name), ())
    outlet = open_outlet(one.connection) if reached and one.name in settings.targets else None
    return Link(
        name=one.name,
        adapter=adapter,
        mappings=load_mappings(adapter, one.overlays),
        inlet=open_inlet(one.connection) if reached and targets else None,
        outlet=outlet,
        targets=targets,
        park=one.park,
        records=outlet.records if outlet is not None else 1,
        batch=max(1, min(one.batch, int(one.rate or one.batch))),
        attempts=one.attempts,
        poll=one.poll,
        rate=one.rate,
        hours=one.hours,
        at_once=one.at_once if one.at_once is not None else outlet.at_once if outlet is not None else None,
        overlays=one.overlays,
        writes=one.edition,
        head=dict(one.head),
        strict=one.strict,
    )


def _queue(settings: Settings, store: Store) -> Queue:
    def dead(reason: str, target: str, digest: str) -> None:
        log.error("junk on the queue, moved to hub.dead", target=target, reason=reason, sha256=digest)
        store.junk(target, reason, digest)

    return open_queue(settings.queue, settings.targets, on_dead=dead)


def _place(settings: Settings) -> Path | None:
    """The folder whose disk the store fills, when it is on this machine."""
    scheme, _, rest = settings.store.partition(":///")
    return (settings.file.parent / rest).parent if scheme.startswith("sqlite") else None


def _notify(notify: Notify) -> Callable[[dict[str, str]], None] | None:
    """Run a program once for a new cause, which it gets on standard input as JSON."""
    if not notify.command:
        return None

    def tell(cause: dict[str, str]) -> None:
        try:
            subprocess.run(
                notify.command, input=msgspec.json.encode(cause), timeout=NOTIFY, check=True, capture_output=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("the program of [notify] failed", error=type(error).__name__)

    return tell


__all__ = ["build", "mapped"]
