"""What a target sees in the bytes it gets: JSON lines, a child each."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.faults.oracle import Child
from tests.faults.sources import check_of


@dataclass(frozen=True)
class Seen:
    """A child's version; proven: value and check belong together."""

    child: Child
    value: str
    proven: bool


def seen(data: bytes) -> list[Seen]:
    """Each record of a parcel. What is no such record comes as one that is not proven."""
    found = []
    for line in data.splitlines():
        try:
            tree = json.loads(line)
            own, name = tree["source"]["id"], tree["person"]["names"][0]
            value = name["given"]
            proven = name["family"] == check_of(own, value) and len(tree["person"]["identifiers"]) == 1
            found.append(Seen((own.rpartition("-")[0], own), value, proven))
        except (ValueError, KeyError, IndexError, TypeError):
            found.append(Seen(("?", "?"), "?", False))
    return found
