"""Which messages a person means: by number, id or record, or all that one cause keeps."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

from hub.errors import DeclarationError

if TYPE_CHECKING:
    from hub.config import Settings
    from hub.store import Store, Trace
    from hub.store.lineage import Kin

_AGES = {"min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def find(store: Store, name: str) -> list[Trace]:
    """The messages of a name: a number, an id in hex, or `document:ordinal` for all of a record's."""
    return [store.trace(number) for number in numbers(store, name)]


def numbers(store: Store, name: str) -> list[int]:
    """The numbers of the messages of a name, as `find` takes it."""
    place = re.fullmatch(r"(\d{1,18}):(\d{1,18})", name)
    if place is not None:
        return store.messages_of_record(int(place[1]), int(place[2]))
    number = store.find(name)
    return [] if number is None else [number]


def of_cause(store: Store, cause: int, limit: int) -> list[Trace]:
    """The messages that a cause keeps parked or waiting, the first in line first."""
    return [store.trace(number) for number in store.messages_of_cause(cause, limit)]


def child(settings: Settings, store: Store, name: str, link: str, own: str) -> Kin:
    """The child of a key as `trace` shows it, of a message or a record; or, with a link, of the id `own` that it gives
    the child there. DeclarationError when the store knows none."""
    from hub.pipeline.reading import child_name

    if link:
        known = store.kin(child_name(settings.ring, store.identity(link), own))
        if known is None:
            raise DeclarationError(f"the store knows no child of that id from {link}")
        return known
    known = store.kin(bytes.fromhex(name)) if re.fullmatch(r"[0-9a-f]{32}", name) else None
    if known is None:
        place = re.fullmatch(r"(\d{1,18}):(\d{1,18})", name)
        key = store.child_of(int(place[1]), int(place[2])) if place else None
        number = None if place else store.find(name)
        key = store.trace(number).child if number is not None else key
        known = store.kin(key) if key is not None else None
    if known is None:
        raise DeclarationError(f"the store knows no child, message or record {shown(name)}")
    return known


def moment_of(text: str) -> float:
    """Seconds since 1970 of a moment by this machine's clock: an age, as 90d, 12w, 36h, 20min, or a day or time, as
    2026-03-31 or 2026-03-31T14:30. DeclarationError for anything else."""
    age = re.fullmatch(r"(\d{1,6})(min|h|d|w)", text)
    if age is not None:
        return time.time() - int(age[1]) * _AGES[age[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise DeclarationError("a moment is an age, as 90d or 36h, or a day or time, as 2026-03-31T14:30") from None


def shown(name: str) -> str:
    """What was asked for, if it may be shown: a name of a person given by mistake is not repeated."""
    return name if re.fullmatch(r"[0-9a-f]{1,32}|\d{1,18}:\d{1,18}", name) else "of that name"


__all__ = ["child", "find", "moment_of", "numbers", "of_cause", "shown"]
