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
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from lxml import etree

from hub.errors import RecordError
from hub.wire.document import Document
from hub.wire.prolog import LAYOUT, MARK, utf8
from hub.wire.stretch import COUNTED, Stretch, stretches
from hub.wire.xmlout import Plan, Tree, element, normal, start

__all__ = [
    "Found", "Plan", "Record", "Stretch", "Tree", "element", "elements", "normal", "plan", "records", "start",
    "stretches",
]  # fmt: skip

MAX_RECORD = 16 << 20
"""Most bytes from the end of one record to the end of the next."""

_BLANK = frozenset([None, "", *("\n" + " " * n for n in range(80)), *("\n" + "\t" * n for n in range(20))])
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

    line: beyond 65,535 that of its first text, as libxml2 keeps it. namespace: the root's, "" for none.
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
_Build = Callable[[str, Any, str, bool], T | RecordError]
"""Of a path, an element, the root's namespace, and whether the element is known to have no attributes."""


def plan(paths: Iterable[str]) -> Plan:
    """A plan from paths in order, such as `CINdetails[].Assessments[].AssessmentActualStartDate`.

    A name with a path below it is a group, a dict even when it is empty.
    """
    made: Plan = {}
    for path in paths:
        level = made
        *groups, last = path.split(".")
        for step in groups:
            name, many = step.removesuffix("[]"), step.endswith("[]")
            if name not in level or level[name][2] is None:
                level[name] = (name, many or (name in level and level[name][1]), {})
            level = level[name][2]
        if not last.startswith("@"):
            level.setdefault(last.removesuffix("[]"), (last.removesuffix("[]"), last.endswith("[]"), None))
    return made


def records(document: Document, wanted: Mapping[str, Plan], part: str = "") -> Iterator[Record | RecordError]:
    """The elements at the paths of `wanted` (`Message/Children/Child`), as trees, in the document's order.

    Yields a RecordError for what stands outside all of them and is left out. Raises RecordError, after every whole
    record before it, when the document cannot be read further.
    """
    label = document.label(part)
    plans: dict[str, Plan] = dict(wanted)
    qualified = ""

    def build(path: str, element: Any, namespace: str, plain: bool) -> Record | RecordError:
        nonlocal plans, qualified
        prefix = f"{{{namespace}}}" if namespace and element.tag[0] == "{" else ""  # else only the root is qualified
        if prefix != qualified:
            plans, qualified = {key: _qualify(given, prefix) for key, given in wanted.items()}, prefix
        try:
            tree = (_fast if plain else _whole)(element, plans[path], prefix)
        except RecordError as error:
            return RecordError(error.reason, file=label, place=f"line {element.sourceline}")
        line = element.sourceline
        return Record(path, line + document.lines if line > COUNTED else line, tree, namespace)

    return _pull(document, wanted, part, build)


def elements(document: Document, wanted: Iterable[str], part: str = "") -> Iterator[Found | RecordError]:
    """As `records`, but elements of lxml, for validation. Take what is needed before asking for the next."""

    def build(path: str, element: Any, namespace: str, plain: bool) -> Found:
        return Found(path, element.sourceline, element, namespace)

    return _pull(document, wanted, part, build)


def _pull(document: Document, wanted: Iterable[str], part: str, build: _Build[T]) -> Iterator[T | RecordError]:
    paths = {path: tuple(path.split("/")) for path in wanted}
    root = next(iter(paths.values()))[0]
    label = document.label(part)
    with document.open(part) as stream:
        chunks = utf8(stream, root, label)
        parser = etree.XMLPullParser(
            ("end",), tag=sorted({f"{{*}}{steps[-1]}" for steps in paths.values()}), encoding="utf-8",
            resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
            remove_comments=True, remove_pis=True, remove_blank_text=True, recover=False,
        )  # fmt: skip
        yield from _Pull(parser, paths, label).run(chunks, build)


class _Pull:
    """Feeds a parser and picks the elements asked for; earlier siblings are dropped once a later one has ended."""

    def __init__(self, parser: Any, paths: Mapping[str, tuple[str, ...]], label: str) -> None:
        self._parser, self._label = parser, label
        self._paths = {steps: path for path, steps in paths.items()}
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
                if last is not None and ended.getprevious() is last and ended.tag == tag and last.tail in _BLANK:
                    ended.getparent().remove(last)
                else:
                    found = self._find(ended)
                    if not found:
                        continue
                    yield from self._clear(ended)
                    path, tag = found, ended.tag
                last, picked = ended, True
                spoilt = self._spoilt(ended) if marked else None
                yield spoilt or build(path, ended, self._namespace, plain)
            if failed:
                raise failed
            equals = said if picked else equals or said
            waiting = 0 if picked else waiting + len(chunk or b"")
            if waiting > MAX_RECORD:
                raise RecordError(f"no record ends within {MAX_RECORD >> 20} MB", file=self._label)
        root = (_local(self._root.tag),)
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
        return "" if self._place is None else self._paths.get((*self._place, _local(element.tag)), "")

    def _clear(self, element: Any) -> Iterator[RecordError]:
        """Drop what stands before an element, and say what of it was neither a record nor layout."""
        for earlier in list(element.itersiblings(preceding=True)):
            place = (*(self._place or ()), _local(earlier.tag))
            if place in self._above:
                continue
            if place not in self._paths:
                yield self._unknown(earlier)
            if _solid(earlier.tail):
                line = f"line {earlier.sourceline}"
                yield RecordError("text between records was left out", file=self._label, place=line)
            self._parent.remove(earlier)

    def _trace(self, parent: Any) -> tuple[str, ...] | None:
        """The path of an element that may hold records, else None (it lies inside a record, or nowhere known)."""
        if parent is None:
            return ()  # the root itself may be asked for
        steps = tuple(reversed([_local(above.tag) for above in chain([parent], parent.iterancestors())]))
        if steps not in self._above:
            return None
        self._namespace = _space(parent.getroottree().getroot().tag)
        return steps

    def _left_over(self, above: Any, steps: tuple[str, ...]) -> Iterator[RecordError]:
        """What stands at the end of the document, outside every path asked for."""
        for child in above:
            place = (*steps, _local(child.tag))
            if place in self._above:
                yield from self._left_over(child, place)
            elif place not in self._paths:
                yield self._unknown(child)

    def _unknown(self, element: Any) -> RecordError:
        place = f"line {element.sourceline}"
        return RecordError("an element that is not known here was left out", file=self._label, place=place)


def _fast(element: Any, plan: Plan, prefix: str) -> Tree:
    """The tree of an element without attributes; at anything not declared, `_whole` starts the element afresh."""
    if element.text not in _BLANK:
        return _whole(element, plan, prefix)
    tree: Tree = {}
    value: Any
    for child in element:
        spec = plan.get(child.tag)
        if spec is None or child.tail not in _BLANK:
            return _whole(element, plan, prefix)
        key, many, below = spec
        if below is not None:
            value = _fast(child, below, prefix)
        elif len(child):
            return _whole(element, plan, prefix)
        else:
            value = child.text or ""
        if many:
            if key in tree:
                tree[key].append(value)
            else:
                tree[key] = [value]
        elif key in tree:
            return _whole(element, plan, prefix)
        else:
            tree[key] = value
    return tree


def _whole(element: Any, plan: Plan, prefix: str) -> Tree:
    """The tree of any element, nothing left out but layout between elements."""
    value: Any
    tree: Tree = {f"@{name}": said for name, said in element.attrib.items()}
    strays = [element.text] if _solid(element.text) else []
    for child in element:
        if not isinstance(child.tag, str):
            raise RecordError("an entity, which is not accepted")
        key, many, below = plan.get(child.tag) or (child.tag.removeprefix(prefix), False, None)
        if below is not None or len(child):
            value = _whole(child, below or {}, prefix)
        elif len(child.attrib):
            value = _whole(child, {}, prefix)
        else:
            value = child.text or ""
        if key not in tree:
            tree[key] = [value] if many else value
        elif type(tree[key]) is list:
            tree[key].append(value)
        else:
            tree[key] = [tree[key], value]
        if _solid(child.tail):
            strays.append(child.tail)
    if strays:
        tree["#text"] = [stray.strip(LAYOUT) for stray in strays] if len(element) else strays
    return tree


def _solid(text: str | None) -> bool:
    return text not in _BLANK and bool(text and text.strip(LAYOUT))


def _qualify(plan: Plan, prefix: str) -> Plan:
    """The plan as the tags stand in a document whose root has a namespace."""
    return {
        prefix + tag: (key, many, below if below is None else _qualify(below, prefix))
        for tag, (key, many, below) in plan.items()
    }


def _space(tag: str) -> str:
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def _local(tag: Any) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
