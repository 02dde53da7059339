"""Forms of the common assessment (CAF) as Word documents: their spelling.

The tree is that of `caf`. The layout of the form is data (`schemas/caf_form.csv`, see `_caf_layout`); a local form has
a table of its own, in an overlay. A document holds one form; a folder or zip of documents holds several.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain

from adapters._caf_docx import page, reading, word
from adapters._caf_docx.layout import Layout
from adapters._caf_docx.texts import leaves
from adapters._caf_schema import SCHEMA, joined, parted
from hub.adapter import Adapter, Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document
from hub.wire.files import shipped

EDITION = "1"
_FAMILY = "The whole family"
_NATIONAL = "schemas/caf_form.csv"


@cache
def national() -> Layout:
    """The layout of the national form."""
    return Layout.parse(shipped(_NATIONAL), _NATIONAL)


def made(layout: Layout | None = None) -> Adapter:
    """The adapter of a layout; default the national form's."""

    def form() -> Layout:
        return layout or national()

    def read(document: Document) -> Iterator[Theirs | RecordError]:
        """Each child of each form as a record of kind Form; what was left out of a form as errors beside it."""
        for part in document.parts():
            if not part.rpartition("/")[2].startswith("~$"):  # the mark of a document that is open in Word
                yield from _read(document, part, form())

    def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
        """A document a form. Records of one Reference that follow each other are one form."""
        forms = _forms(records, form())
        first, second = next(forms, None), next(forms, None)
        notes = {place: note.partition("\n")[::2] for place, note in leaves(head.get("Beforehand", {}))}
        as_of = str(head.get("as_of", ""))
        if second is None:
            yield "", page.write(_parts(first or [{}], form()), form(), as_of, notes)
            return
        for ordinal, trees in enumerate(chain([first or [{}], second], forms), 1):
            yield f"form-{ordinal:04}.docx", page.write(_parts(trees, form()), form(), as_of, notes)

    return Adapter(
        name="caf_docx",
        read=read,
        write=write,
        schemas={"Form": SCHEMA},
        editions=(EDITION,),
        suffix=".docx",
        limit=1,
        head=make_head,
        normal=lambda tree: form().normal(tree),
        local=_local,
        blank=("Consent",),
    )


def make_head(as_of: str, edition: str) -> Tree:
    """What a document says of itself."""
    return {"edition": EDITION, **({"as_of": as_of} if as_of else {})}


def _local(tables: Iterable[tuple[str, bytes]]) -> Adapter:
    """The adapter of the last of the tables that overlays have for it: (file, bytes)."""
    *_, (file, data) = tables
    return made(Layout.parse(data, file))


def _read(document: Document, part: str, layout: Layout) -> Iterator[Theirs | RecordError]:
    label = document.label(part)
    try:
        found = reading.read(word.body(document, part), layout, label)
        trees = _trees(found, layout)
    except RecordError as error:
        yield error
        return
    for place, what in found.findings:
        yield RecordError(what, file=label, place=place)
    records: list[Theirs] = []
    for ordinal, tree in enumerate(trees, 1):
        place = f"form, child {ordinal}" if len(trees) > 1 else "form"
        reference = tree.get("Reference")
        child = tree.setdefault("Child", {})
        if not isinstance(reference, str) and (len(trees) > 1 or not child.get("Id")):
            place = next(line.place for line in layout.lines if line.path == "Reference")
            yield RecordError("the form has no reference number", file=label, place=place)
            return
        own = str(child.get("Id") or (reference if len(trees) == 1 else ""))
        fault = "" if own else "one of several children has no number of its own"
        if own and any(one.id == own for one in records):
            fault = "the child's number stands in this form before"
        if fault:  # the others would go on as a form that never knew this child
            yield RecordError(fault, file=label, place=place, ids=tuple(one.id for one in records))
            return
        child["Id"] = own
        group = str(reference) if len(trees) > 1 else ""
        records.append(Theirs("Form", own, tree, make_head(found.as_of, EDITION), EDITION, place, group=group))
    yield from records


def _trees(found: reading.Read, layout: Layout) -> list[Tree]:
    """A tree a child."""
    shared = found.shared
    if "Children" in shared:
        return [layout.normal(tree) for tree in parted(shared)]
    if len(found.children) < 2:
        one = found.children[0] if found.children else {}
        return [layout.normal({**shared, **one, "Child": {**shared.get("Child", {}), **one.get("Child", {})}})]
    children = []
    for tree in found.children:
        own = {name: value for name, value in tree.items() if name != "Child"}
        children.append({**tree.get("Child", {}), **({"Own": own} if own else {})})
    return [layout.normal(tree) for tree in parted({**shared, "Children": {"Child": children}})]


def _parts(trees: list[Tree], layout: Layout) -> list[tuple[str, Tree, set[str]]]:
    """The parts of a document: a form about several children has one of the family, and one of each child."""
    if any(line.path == "Children.Child[]" for line in layout.lines):
        return [("", joined(trees), set())]
    if len(trees) == 1:
        return [("", trees[0], set())]
    form = joined(trees)
    children = form.pop("Children")["Child"]
    owns = [
        {"Child": {name: one for name, one in child.items() if name != "Own"}, **child.get("Own", {})}
        for child in children
    ]
    tops = {line.top for line in layout.lines}
    parts = [(_FAMILY, form, {"Child"}.union(*owns))]
    for ordinal, own in enumerate(owns, 1):
        parts.append((f"Child {ordinal} of {len(children)}", own, tops - own.keys()))
    return parts


def _forms(records: Iterable[Theirs], layout: Layout) -> Iterator[list[Tree]]:
    """The trees of each form: records of one Reference that follow each other, each of another child."""
    held: list[Tree] = []
    for record in records:
        tree = layout.normal(record.tree)
        ids = {_id(one) for one in held}
        if held and (not tree.get("Reference") or held[0].get("Reference") != tree["Reference"] or _id(tree) in ids):
            yield held
            held = []
        held.append(tree)
    if held:
        yield held


def _id(tree: Tree) -> object:
    child = tree.get("Child")
    return child.get("Id") if isinstance(child, dict) else None


adapter = made()
