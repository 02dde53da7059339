"""An adapter that writes records as a JSON list, a name for each: what services take that have a bad one refuse all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from adapters.canonical import adapter as plain
from hub.adapter import Theirs, Tree


def _write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    names = [str(((one.tree.get("person") or {}).get("names") or [{}])[0].get("given")) for one in records]
    yield "", json.dumps(names).encode()


adapter = replace(plain, name="tests.lists", write=_write, suffix=".json")
