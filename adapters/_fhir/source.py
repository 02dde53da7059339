"""The resources of a document, JSON or XML, as JSON has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from adapters._fhir.types import from_xml
from hub.adapter import Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document, prolog, xml
from hub.wire.jsontext import read_records

Records = Iterator[Theirs | RecordError]


def records(document: Document, of: Callable[[Tree, str, str], Records]) -> Records:
    """What `of` makes of each resource, its place and its file; a RecordError for what cannot be read."""
    for part in document.parts():
        try:
            for place, resource in resources(document, part):
                if isinstance(resource, RecordError):
                    yield resource
                else:
                    yield from of(resource, place, document.label(part))
        except RecordError as error:
            if part == document.parts()[-1]:
                raise
            yield error


def resources(document: Document, part: str) -> Iterator[tuple[str, Tree | RecordError]]:
    """The resources of a part as JSON has them, with their places. RecordError where nothing more can be read."""
    label = document.label(part)
    with document.open(part) as stream:
        start = stream.read(256).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        yield from read_records(document, part)
        return
    with document.open(part) as stream:
        root = prolog.root(stream, label)
    for found in xml.elements(document, [root or "Bundle"], part):
        if isinstance(found, RecordError):
            yield found.place, found
            continue
        try:
            yield f"line {found.line}", from_xml(found.element)
        except RecordError as error:
            yield error.place, RecordError(error.reason, file=label, place=error.place)


__all__ = ["records", "resources"]
