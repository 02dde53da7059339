"""Forms of the common assessment (CAF), as XML of our own schema (`schemas/caf.xsd`): its spelling.

The schema of National eCAF is not public; ours has the fields of the national form. A Form has one or several children.
Each child is a record, and all of a form's carry what they share; written, records of one Reference become one Form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapters._caf_schema import SCHEMA, joined, parted
from hub.adapter import Adapter, Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document, xmlout, xsd
from hub.wire.xml import plan, records

NAMESPACE = "urn:ics-hub:caf:1"
EDITION = "1"
WINDOW = 1_000
"""Most records that are held while they wait for the other children of their form."""

_SHARED = [cell.path for cell in SCHEMA.cells if not cell.path.startswith("Child.")]
_FRONT = [cell.path for cell in SCHEMA.cells].index("Child.Id")
_IDS = ("Reference", "FamilyId")
_PATHS = [
    *_SHARED[:_FRONT],
    *(f"Children.Child[].{cell.path[6:]}" for cell in SCHEMA.cells if cell.path.startswith("Child.")),
    *(f"Children.Child[].Own.{path}" for path in _SHARED if path not in _IDS),
    *_SHARED[_FRONT:],
]
_FORM = plan(_PATHS)
_HEAD = plan(["Authority", "AsOf"])
_WANTED = {"Forms/Head": _HEAD, "Forms/Form": _FORM}


def read(document: Document) -> Iterator[Theirs | RecordError]:
    """Each child of each Form as a record of kind Form."""
    head: Tree = {"edition": EDITION}
    ordinal = 0
    for found in records(document, _WANTED):
        if isinstance(found, RecordError):
            yield found
        elif found.path == "Forms/Head":
            head = _head(found.tree)
        else:
            ordinal += 1
            yield from _children(found.tree, head, document.label(), f"Form {ordinal}, line {found.line}")


def _children(form: Tree, head: Tree, file: str, place: str) -> Iterator[Theirs | RecordError]:
    fault = _unfit(form)
    if fault:
        yield RecordError(fault, file=file, place=place)
        return
    trees = parted(form)
    group = str(form["Reference"]) if len(trees) > 1 else ""
    found: list[Theirs] = []
    for ordinal, tree in enumerate(trees, 1):
        at = f"{place}, child {ordinal}"
        known = tree["Child"].get("Id")
        fault = "" if isinstance(known, str) and known else "the child's Id is missing"
        if not fault and any(one.id == known for one in found):
            fault = "the child's Id stands in this form before"
        if fault:  # the others would go on as a form that never knew this child
            yield RecordError(fault, file=file, place=at, ids=tuple(one.id for one in found))
            return
        found.append(Theirs("Form", known, tree, head, EDITION, at, group=group))
    yield from found


def _unfit(form: Tree) -> str:
    """Why a form cannot be taken apart into its children without losing something; "" if it can."""
    children = form.get("Children")
    if not isinstance(children, dict) or children.keys() != {"Child"}:
        return "Children is missing, or holds something else than each Child"
    if len(children["Child"]) > 1 and not (isinstance(form.get("Reference"), str) and form["Reference"]):
        return "Reference, by which the children of a form belong together, is missing"
    if "Child" in form:
        return "a Child stands outside Children"
    for child in children["Child"]:
        own = child.get("Own", {}) if isinstance(child, dict) else None
        if not isinstance(own, dict) or any(name in ("Child", *_IDS) or name[0] in "@#" for name in own):
            return "a Child is not one, or its Own holds what is not a part of the form"
    return ""


def _head(tree: Tree) -> Tree:
    facts: Tree = {"edition": EDITION, "Head": tree}
    if isinstance(tree.get("AsOf"), str):
        facts["as_of"] = tree["AsOf"]
    return facts


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """One file: the head, then a form a line. Records of one Reference that are near each other become one form."""
    start = f'<?xml version="1.0" encoding="UTF-8"?>\n<Forms xmlns="{NAMESPACE}">\n'
    yield "", (start + xmlout.element("Head", head.get("Head") or {}, _HEAD)).encode()
    for trees in _forms(records):
        yield "", ("\n" + xmlout.element("Form", joined(trees), _FORM)).encode()
    yield "", b"\n</Forms>\n"


def _forms(records: Iterable[Theirs]) -> Iterator[list[Tree]]:
    """The trees of each form, in the order of their first; a child that comes again begins the form again."""
    held: dict[object, list[Tree]] = {}
    waiting = 0
    for ordinal, record in enumerate(records):
        tree = normal(record.tree)
        form = tree.get("Reference") or ordinal  # a form that is not begun has no other children
        if any(_id(other) == _id(tree) for other in held.get(form, ())):
            waiting -= len(held[form])
            yield held.pop(form)
        held.setdefault(form, []).append(tree)
        waiting += 1
        while waiting > WINDOW:
            oldest = held.pop(next(iter(held)))
            waiting -= len(oldest)
            yield oldest
    yield from held.values()


def _id(tree: Tree) -> object:
    child = tree.get("Child")
    return child.get("Id") if isinstance(child, dict) else None


def normal(tree: Tree) -> Tree:
    """A tree as the format can hold it: without what XML cannot tell from nothing, and always with a Child."""
    return {"Child": {}, **xmlout.normal(tree)}


def make_head(as_of: str, edition: str) -> Tree:
    """A head for records that came from another format; which authority sends it is not known then."""
    return _head({"AsOf": as_of} if as_of else {})


def check(document: Document) -> Iterator[RecordError]:
    """What breaks the XSD, a finding each: the form's place, the field, and the kind of fault; never the value."""
    yield from xsd.breaches(document, _WANTED, "schemas/caf.xsd", NAMESPACE)


adapter = Adapter(
    name="caf",
    read=read,
    write=write,
    schemas={"Form": SCHEMA},
    editions=(EDITION,),
    suffix=".xml",
    head=make_head,
    normal=normal,
    check=check,
)
