"""What may be wrong around the hub before or while it runs: each check says ok, warn or fail, and what to do.

A check looks and changes nothing. One that cannot be made because another failed is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from hub.config import Settings
from hub.config.settings import PLAIN
from hub.doctor.broker import broker
from hub.doctor.database import clock, lacking, mappings, workers
from hub.doctor.keys import key_file, key_place, ring, sample
from hub.doctor.places import disk, folders, user
from hub.doctor.result import FAIL, OK, WARN, Result, fail, ok, warn
from hub.errors import HubError
from hub.store import Store, version


def examine(settings: Settings) -> Iterator[Result]:
    """Every check, in the order in which one would mend things."""
    yield from (warn("hub.toml", note, "see that this is meant") for note in settings.notes)
    if not settings.notes:
        yield ok("hub.toml", f"links: {len(settings.links)}, routes: {len(settings.routes)}")
    yield user()
    yield key_place(settings)
    yield disk(settings)
    newest, former = None, []
    try:
        store = Store.open(settings.store, settings.ring)
    except HubError as error:
        yield fail("store", str(error), "mend that first; then look again")
    else:
        try:
            newest, former = store.highest_number(), store.former_names()
            yield from _store(settings, store, newest)
        except HubError as error:
            yield fail("store", str(error), "mend that first; then look again")
        finally:
            store.close()
    for link in settings.links.values():
        used = tuple(key for key, names in (("in", settings.sources), ("out", settings.targets)) if link.name in names)
        yield from folders(link, used)
        if link.adapter == PLAIN and "out" in used:
            said = "it is sent records whole, whatever was consented to, and of shielded children too"
            yield warn(
                f"link {link.name}", said, "route to it only if it is a system of your own that may hold all that"
            )
    yield from broker(settings, newest, former)


def _store(settings: Settings, store: Store, newest: int) -> Iterator[Result]:
    yield ok("store", f"answers, schema {version(settings.store)} is the newest")
    told = store.status()
    yield clock(told.now)
    yield ring(settings.ring, store.keys_in_use())
    kept = store.body([newest]) if newest else []
    yield sample(settings.ring, kept[0] if kept else None)
    yield workers(told.workers)
    yield lacking(store.orphans(list(settings.links)))
    yield mappings(settings, told.mapping_set, alive=any(one.left >= 0 for one in told.workers))


__all__ = ["FAIL", "OK", "WARN", "Result", "examine", "key_file"]
