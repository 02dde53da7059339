"""A document held to one of our own schemas (`schemas/*.xsd`), record by record, in flat memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lxml import etree

from hub.errors import RecordError
from hub.wire.document import Document
from hub.wire.files import shipped
from hub.wire.xml import elements


def breaches(document: Document, wanted: Iterable[str], file: str, namespace: str) -> Iterator[RecordError]:
    """What breaks the schema, a finding each: the record's place, the field, and the kind of fault; never the value.

    wanted: paths of the records, as `hub.wire.xml.records` takes them, each a global element of the schema. file: the
    schema's path from the top (`schemas/contactpoint.xsd`).
    """
    schema = etree.XMLSchema(etree.fromstring(shipped(file)))
    label = document.label()
    for found in elements(document, wanted):
        if isinstance(found, RecordError):
            yield found
            continue
        place = f"{found.path.rpartition('/')[2]}, line {found.line}"
        if found.namespace != namespace:
            yield RecordError(f"the root element is not in the namespace {namespace}", file=label, place=place)
            return
        if not schema.validate(found.element):
            for fault in schema.error_log:
                yield RecordError(_said(fault), file=label, place=f"{place}, at line {fault.line}")


def _said(fault: etree._LogEntry) -> str:
    """A fault in our words; libxml2's own message quotes the value."""
    field = re.match(r"Element '(?:\{[^}]*\})?([\w.-]+)'", fault.message)
    name = field[1] if field else "an element"
    if "SCHEMAV_ELEMENT_CONTENT" in fault.type_name:
        return f"{name}: it must not stand here, or something is missing before it or in it"
    if "SCHEMAV_CVC_COMPLEX_TYPE" in fault.type_name:
        return f"{name}: text or an attribute where none may be"
    return f"{name}: its value is not one that the schema allows"
