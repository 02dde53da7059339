"""What a person makes of a record that is parked: the same record, saying something else."""

from __future__ import annotations

import re
from typing import Any

from hub.adapter import Theirs, Token
from hub.errors import RecordError
from hub.model import decode
from hub.pipeline.reading import Source, from_records, incoming, picked
from hub.store import Incoming, Standing, Store
from tests.faults.acts import version_of
from tests.faults.sources import UNKNOWN, UNREAD, check_of

Made = tuple[str, str, Incoming]
"""Whose record it is, what it is to say, and all of it."""


def edited(store: Store, source: Source, standing: Standing, revision: int) -> Made | None:
    """What a message's record is to say in that revision; None when there is nothing in it to be read."""
    return (
        _mended(store, source, standing, revision) if standing.failed else _changed(store, source, standing, revision)
    )


def _changed(store: Store, source: Source, standing: Standing, revision: int) -> Made:
    """Of a record that was read."""
    at = standing.document, standing.ordinal
    record: Any = decode(store.record(*at), Token)
    child, name = str(record.source.id), record.person.names[0]
    value = f"{version_of(str(name.given))}e{revision}"
    name.given, name.family = value, check_of(child, value)
    return child, value, from_records(source, at, standing.kind, [record], b"")


def _mended(store: Store, source: Source, standing: Standing, revision: int) -> Made | None:
    """Of one that could not be: its document is read again, and what is wrong in it put right."""
    at = standing.document, standing.ordinal
    try:
        theirs = next(picked(source.link, store.document(at[0]), [at[1]]), (0, None))[1]
    except RecordError:
        return None
    if not isinstance(theirs, Theirs) or not theirs.id:
        return None
    said = re.search(r"k\d{6}", repr(theirs.tree))
    if said is None:
        return None
    value = f"{said[0]}e{revision}"
    new = {said[0]: value, check_of(theirs.id, said[0]): check_of(theirs.id, value)}
    theirs.tree = _with(theirs.tree, {**new, UNREAD: "2015-02-03", UNKNOWN: "F"})
    found = incoming(source, *at, theirs)
    return None if found.failed else (theirs.id, value, found)


def _with(tree: Any, new: dict[str, str]) -> Any:
    """A tree with other texts in it."""
    if isinstance(tree, dict):
        return {name: _with(value, new) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_with(value, new) for value in tree]
    return new.get(tree, tree) if isinstance(tree, str) else tree


__all__ = ["edited"]
