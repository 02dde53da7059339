"""A format of forms about several children, as the tests of messages need it: JSON lines, each a form of records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from adapters.canonical import adapter as plain
from hub.adapter import Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document


def _read(document: Document) -> Iterator[Theirs | RecordError]:
    with document.open() as stream:
        for number, line in enumerate(stream, 1):
            form = json.loads(line)
            for tree in form["children"]:
                own = tree["source"]["id"]
                group = form["form"] if len(form["children"]) > 1 else ""
                if own == "unreadable":
                    yield RecordError("this one cannot be read", place=f"form {number}")
                else:
                    yield Theirs("record", own, tree, {}, "", f"form {number}", group=group)


def _write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    yield "", json.dumps({"children": [one.tree for one in records]}).encode()


adapter = replace(plain, name="tests.families", read=_read, write=_write, suffix=".json")
