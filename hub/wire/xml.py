"""XML records: read one after another in flat memory; `element` writes them in the order of their schema.

A document is refused at its first DOCTYPE, before any entity is looked at; nothing is fetched; depth, text length and
the size of a record are bounded. An element becomes its text (`""` when empty) if it has no children, attributes or
declared ones; else a dict by child name. `[]` in the declared paths makes a list, however many there are. What is not
declared is kept: a child by its name (a list once it repeats), an attribute as `@name`, text between children in
`#text`, a list in order. A name in the root's namespace loses it; others stay `{uri}name`, and so does every one in a
record that has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from lxml import etree

from hub.errors import RecordError
from hub.wire.document import Document
from hub.wire.prolog import MARK, start_of_root, utf8
from hub.wire.stretch import Stretch, stretches
from hub.wire.xmlout import Plan, Tree, element, normal, start
from hub.wire.xmltree import BLANK, local, plain_tree, plan, qualify, solid, space, whole_tree

__all__ = [
    "Found", "Plan", "Record", "Stretch", "Tree", "element", "elements", "normal", "plan", "records", "start",
    "stretches",
]  # fmt: skip

MAX_RECORD = 16 << 20
"""Most bytes from the end of one record to the end of the next."""
AT_ONCE = 1 << 19
"""Most bytes of a document that is parsed as a whole, which takes two thirds of the time; larger ones by and by."""

_PARSER: dict[str, Any] = {
    "encoding": "utf-8", "resolve_entities": False, "no_network": True, "load_dtd": False, "dtd_validation": False,
    "huge_tree": False, "remove_comments": True, "remove_pis": True, "remove_blank_text": True, "recover": False,
    "collect_ids": False,
}  # fmt: skip
_MARK = MARK.encode()
_UNDECODED = "bytes that are not in the encoding the file declares (UTF-8 if none)"
_TOO_LARGE = "a text or a nesting larger than any record has"
_CAUSES = {
    etree.ErrorTypes.ERR_DOCUMENT_EMPTY: "this is not XML",
    etree.ErrorTypes.ERR_DOCUMENT_END: "content after the end of the root element",
    etree.ErrorTypes.ERR_INVALID_CHAR: "a character that XML does not allow",
    etree.ErrorTypes.ERR_INVALID_ENCODING: _UNDECODED,
    etree.ErrorTypes.ERR_UNDECLARED_ENTITY: "an entity, which is not accepted",
    etree.ErrorTypes.ERR_TAG_NAME_MISMATCH: "an end tag that does not fit its start tag",
    etree.ErrorTypes.ERR_TAG_NOT_FINISHED: "the file ends inside an element",
    etree.ErrorTypes.ERR_ATTRIBUTE_REDEFINED: "an attribute stands twice",
    etree.ErrorTypes.ERR_INTERNAL_ERROR: _TOO_LARGE,
    114: _TOO_LARGE,  # XML_ERR_RESOURCE_LIMIT, which lxml does not name
    etree.ErrorTypes.NS_ERR_UNDEFINED_NAMESPACE: "a prefix without a namespace",
}


class Record(NamedTuple):
    """An element that was asked for: its path (`Message/Header`), the line it starts on, its tree.

    line: beyond 65,535 it may be that of its first text, as libxml2 keeps it. namespace: the root's, "" for none.
    """

    path: str
    line: int
    tree: Tree
    namespace: str


class Found(NamedTuple):
    """The same before it becomes a tree. namespace: of the root, "" for none. The element lives until the next one."""

    path: str
    line: int
    element: Any
    namespace: str


T = TypeVar("T")
_Build = Callable[[str, Any, int, str, bool], T]
"""Of a path, an element, its line, the root's namespace, and whether the element is known to have no attributes."""


def records(document: Document, wanted: Mapping[str, Plan], part: str = "") -> Iterator[Record | RecordError]:
    """The elements at the paths of `wanted` (`Message/Children/Child`), as trees, in the document's order.

    Yields a RecordError for what stands outside all of them and is left out. Raises RecordError, after every whole
    record before it, when the document cannot be read further.
    """
    label = document.label(part)
    plans: dict[str, Plan] = dict(wanted)
    qualified = ""

    def build(path: str, element: Any, line: int, namespace: str, plain: bool) -> Record | RecordError:
        nonlocal plans, qualified
        prefix = f"{{{namespace}}}" if namespace and element.tag[0] == "{" else ""  # else only the root is qualified
        if prefix != qualified:
            plans, qualified = {key: qualify(given, prefix) for key, given in wanted.items()}, prefix
        try:
            return Record(path, line, (plain_tree if plain else whole_tree)(element, plans[path], prefix), namespace)
        except RecordError as error:
            return RecordError(error.reason, file=label, place=f"line {line}")

    paths = _paths(wanted)
    if document.size <= AT_ONCE:
        return _read(document, paths, part, build)
    return _in_stretches(document, paths, part, build)


def elements(document: Document, wanted: Iterable[str], part: str = "") -> Iterator[Found | RecordError]:
    """As `records`, but elements of lxml, for validation. Take what is needed before asking for the next."""

    def build(path: str, element: Any, line: int, namespace: str, plain: bool) -> Found:
        return Found(path, line, element, namespace)

    return _read(document, _paths(wanted), part, build)


_Paths = Mapping[tuple[str, ...], str]
"""The paths asked for, by their steps."""


def _paths(wanted: Iterable[str]) -> _Paths:
    return {tuple(path.split("/")): path for path in wanted}


def _read(document: Document, paths: _Paths, part: str, build: _Build[T]) -> Iterator[T | RecordError]:
    root, label, small = next(iter(paths))[0], document.label(part), None
    if document.size <= AT_ONCE:
        with suppress(RecordError), document.open(part) as stream:
            small = _Small.parse(b"".join(utf8(stream, root, label)), paths)
    if small is not None:
        yield from small.build(build, document.lines)
        return
    with document.open(part) as stream:
        tags = sorted({f"{{*}}{steps[-1]}" for steps in paths})
        parser = etree.XMLPullParser(("end",), tag=tags, **_PARSER)
        yield from _Pull(parser, paths, label, document.lines).run(utf8(stream, root, label), build)


def _in_stretches(document: Document, paths: _Paths, part: str, build: _Build[T]) -> Iterator[T | RecordError]:
    """A large document: a stretch at a time as far as there are any, and then as usual, from where they end."""
    depth, given = max(map(len, paths)), 0
    deepest = {path for steps, path in paths.items() if len(steps) == depth}
    for one in () if part else stretches(document, paths.values()):
        small = _Small.parse(one.above + one.data + one.below, paths)
        if small is None or sum(path in deepest for path, _ in small.found) != one.records:
            break
        if given:  # what stands above the records was given with the first
            small.found = small.found[-one.records :]
        given += len(small.found)
        yield from small.build(build, one.lines)
        if one.last:
            return
    yield from islice(_read(document, paths, part, build), given, None)


class _Small:
    """A small document that is well-formed and has nothing but records and layout: what to say of others `_Pull` knows.

    found: the records with their paths. plain: whether they are known to have no attributes.
    """

    def __init__(self, found: list[tuple[str, Any]], namespace: str, plain: bool) -> None:
        self.found, self.namespace, self.plain = found, namespace, plain

    @classmethod
    def parse(cls, data: bytes, paths: _Paths) -> _Small | None:
        """None of a document that is not like that."""
        parser = etree.XMLParser(**_PARSER)
        try:
            parser.feed(data)
            root = parser.close()
        except etree.XMLSyntaxError:
            return None
        if len(parser.feed_error_log) or (not data.isascii() and _MARK in data):
            return None
        steps, namespace = (local(root.tag),), space(root.tag)
        if steps in paths:
            return cls([(paths[steps], root)], namespace, False)
        above = {steps[:n] for steps in paths for n in range(1, len(steps))}
        found: list[tuple[str, Any]] = []
        if not _gather(root, steps, paths, above, found):
            return None
        return cls(found, namespace, data.find(b"=", data.find(b">", start_of_root(data))) < 0)

    def build(self, build: _Build[T], lines: int) -> Iterator[T]:
        """What is made of each; lines: to be added to those of the document."""
        for path, found in self.found:
            yield build(path, found, found.sourceline + lines, self.namespace, self.plain)


def _gather(
    above: Any, steps: tuple[str, ...], paths: _Paths, between: set[tuple[str, ...]], to: list[tuple[str, Any]]
) -> bool:
    """Add the records below an element that is above records; False when it holds anything else."""
    if steps not in between or above.text not in BLANK:
        return False
    for child in above:
        place = (*steps, local(child.tag))
        if child.tail not in BLANK:
            return False
        if place in paths:
            to.append((paths[place], child))
        elif not _gather(child, place, paths, between, to):
            return False
    return True


class _Pull:
    """Feeds a parser and picks the elements asked for; earlier siblings are dropped once a later one has ended."""

    def __init__(self, parser: Any, paths: _Paths, label: str, lines: int) -> None:
        self._parser, self._paths, self._label, self._lines = parser, paths, label, lines
        self._above = {steps[:n] for steps in self._paths for n in range(1, len(steps))}
        self._parent: Any = self  # no element's parent yet, also not the root's, which has none
        self._place: tuple[str, ...] | None = None
        self._namespace = ""
        self._held = b""

    def run(self, chunks: Iterator[bytes], build: _Build[T]) -> Iterator[T | RecordError]:
        """Feed all chunks. An attribute has an `=`: where the bytes of a record have none, it is plain."""
        waiting, equals, marked = 0, False, False
        last, tag, path = None, "", ""
        for chunk in chain(chunks, [None]):
            failed = self._step(chunk)
            said = chunk is None or b"=" in chunk
            marked = marked or (chunk is not None and _MARK in chunk)
            plain, picked = not (equals or said), False
            for _, ended in self._parser.read_events():
                if last is not None and ended.getprevious() is last and ended.tag == tag and last.tail in BLANK:
                    ended.getparent().remove(last)
                else:
                    found = self._find(ended)
                    if not found:
                        continue
                    yield from self._clear(ended)
                    path, tag = found, ended.tag
                last, picked = ended, True
                spoilt = self._spoilt(ended) if marked else None
                yield spoilt or build(path, ended, ended.sourceline + self._lines, self._namespace, plain)
            if failed:
                raise failed
            equals = said if picked else equals or said
            waiting = 0 if picked else waiting + len(chunk or b"")
            if waiting > MAX_RECORD:
                raise RecordError(f"no record ends within {MAX_RECORD >> 20} MB", file=self._label)
        root = (local(self._root.tag),)
        if root not in self._paths:
            yield from self._left_over(self._root, root)

    def _spoilt(self, record: Any) -> RecordError | None:
        """Once bytes could not be decoded: whether this record is the one that holds them."""
        for inner in record.iter():
            if (
                MARK in (inner.text or "")
                or MARK in (inner.tail or "")
                or any(MARK in said for said in inner.attrib.values())
            ):
                return RecordError(_UNDECODED, file=self._label, place=f"line {inner.sourceline}")
        return None

    def _step(self, chunk: bytes | None) -> RecordError | None:
        """Feed a chunk, or close; what went wrong is returned, to be raised after the records that were whole."""
        try:
            data, self._held = self._held + (chunk or b""), b""
            if data.endswith(b"<"):  # the parser tells layout from text by the byte behind it
                data, self._held = data[:-1], b"<"
            self._parser.feed(data)
            if chunk is None:
                self._parser.feed(self._held)
                self._root = self._parser.close()
        except etree.XMLSyntaxError as error:
            return self._explain(error.code, error.position[0])
        return self._explain(0, 0) if self._log_of_errors() else None

    def _log_of_errors(self) -> list[Any]:
        """What the parser found and, for an unknown entity, does not raise."""
        log = self._parser.feed_error_log
        return [entry for entry in log if entry.level >= etree.ErrorLevels.ERROR] if len(log) else []

    def _explain(self, code: int, line: int) -> RecordError:
        """What went wrong in our words: lxml's own may quote the file."""
        first = next(iter(self._log_of_errors()), None)
        if first is not None:
            code, line = first.type, first.line
        reason = _CAUSES.get(code, f"not well-formed XML (libxml2 error {code})")
        return RecordError(reason, file=self._label, place=f"line {line}" if line else "")

    def _find(self, element: Any) -> str:
        """The path of an element that was asked for, "" for one that only has the name."""
        parent = element.getparent()
        if parent is not self._parent:
            self._parent, self._place = parent, self._trace(parent)
        return "" if self._place is None else self._paths.get((*self._place, local(element.tag)), "")

    def _clear(self, element: Any) -> Iterator[RecordError]:
        """Drop what stands before an element, and say what of it was neither a record nor layout."""
        for earlier in list(element.itersiblings(preceding=True)):
            place = (*(self._place or ()), local(earlier.tag))
            if place in self._above:
                continue
            if place not in self._paths:
                yield self._unknown(earlier)
            yield from self._text(earlier.tail, earlier)
            self._parent.remove(earlier)
        if self._parent is not None:
            yield from self._text(self._parent.text, self._parent)
            self._parent.text = None

    def _trace(self, parent: Any) -> tuple[str, ...] | None:
        """The path of an element that may hold records, else None (it lies inside a record, or nowhere known)."""
        if parent is None:
            return ()  # the root itself may be asked for
        steps = tuple(reversed([local(above.tag) for above in chain([parent], parent.iterancestors())]))
        if steps not in self._above:
            return None
        self._namespace = space(parent.getroottree().getroot().tag)
        return steps

    def _left_over(self, above: Any, steps: tuple[str, ...]) -> Iterator[RecordError]:
        """What stands at the end of the document, outside every path asked for."""
        yield from self._text(above.text, above)
        for child in above:
            place = (*steps, local(child.tag))
            if place in self._above:
                yield from self._left_over(child, place)
            elif place not in self._paths:
                yield self._unknown(child)
            yield from self._text(child.tail, child)

    def _text(self, text: str | None, at: Any) -> Iterator[RecordError]:
        """What is said of text where only records should stand; at: the element that it follows."""
        if solid(text):
            yield RecordError("text between records was left out", file=self._label, place=f"line {at.sourceline}")

    def _unknown(self, element: Any) -> RecordError:
        place = f"line {element.sourceline}"
        return RecordError("an element that is not known here was left out", file=self._label, place=place)
