"""The record itself as JSON lines, one child a line (`schemas/child-record.schema.json`); the form people inspect.

There is no mapping: a tree is the record, so numbers and booleans are real ones here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hub.adapter import Adapter, Schema, Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document
from hub.wire.jsontext import Token, read_lines, write_line

_BARE = {"true": True, "false": False}


def read(document: Document) -> Iterator[Theirs | RecordError]:
    """The records of a document of JSON lines; a line that is no object is a RecordError and the next ones flow."""
    for line, found in read_lines(document):
        if isinstance(found, RecordError):
            yield found
            continue
        place = f"line {line}"
        try:
            tree = {key: _value(value) for key, value in found.items()}
        except ValueError:
            yield RecordError("a number that is no whole number", file=document.name, place=place)
            continue
        source = tree.get("source")
        known = source.get("id") if isinstance(source, dict) else None
        merge = tree.get("merge")
        gone = merge.get("superseded") if isinstance(merge, dict) else None
        own, gone = (one if isinstance(one, str) else "" for one in (known, gone))
        yield Theirs("record", own, tree, place=place, superseded=gone)


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """A line a record; without records, an empty file."""
    for record in records:
        yield "", record.line or line(record)


def line(record: Theirs) -> bytes:
    """The line of a record."""
    return write_line(record.tree)


def _value(value: Any) -> Any:
    """A JSON value as the record holds it; ValueError for a number with a point, which no field has."""
    if type(value) is Token:
        return _BARE[value] if value in _BARE else int(value)
    if type(value) is list:
        return [_value(item) for item in value]
    if type(value) is dict:
        return {name: _value(item) for name, item in value.items()}
    return value


adapter = Adapter(
    name="canonical",
    read=read,
    write=write,
    schemas={"record": Schema((), bare=True, nulls=True)},
    suffix=".jsonl",
    line=line,
    ours=True,
)
