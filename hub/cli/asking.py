"""Which messages a person means: by number, id or record, or all that one cause keeps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.store import Store, Trace


def find(store: Store, name: str) -> list[Trace]:
    """The messages of a name: a number, an id in hex, or `document:ordinal` for all of a record's."""
    place = re.fullmatch(r"(\d{1,18}):(\d{1,18})", name)
    if place is not None:
        return [store.trace(number) for number in store.messages_of_record(int(place[1]), int(place[2]))]
    number = store.find(name)
    return [] if number is None else [store.trace(number)]


def of_cause(store: Store, cause: int, limit: int) -> list[Trace]:
    """The messages that a cause keeps parked or waiting, the first in line first."""
    return [store.trace(number) for number in store.messages_of_cause(cause, limit)]


def shown(name: str) -> str:
    """What was asked for, if it may be shown: a name of a person given by mistake is not repeated."""
    return name if re.fullmatch(r"[0-9a-f]{1,32}|\d{1,18}:\d{1,18}", name) else "of that name"


__all__ = ["find", "of_cause", "shown"]
