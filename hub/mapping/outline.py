"""What a scope's rows say of the fields of ours, as a tree: the compiled writing walks the record beside it."""

from __future__ import annotations

from hub.mapping import writing
from hub.mapping.bind import Row, Scope
from hub.mapping.ours import Ours, OurStep


class Outline:
    """What a scope's rows say of the fields of one part of ours, by the field's name.

    rows write it; parts: below it; picks: of its items one each; grouped: groups take its items. silent: fields that a
    test or the document's head answers for.
    """

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.parts: dict[str, Outline] = {}
        self.picks: dict[str, list[tuple[Ours, OurStep, Outline]]] = {}
        self.grouped: set[str] = set()
        self.silent: set[str] = set()

    def leaves(self) -> writing.Leaves:
        """The names of the leaves that rows write, from here, with the way each is written."""
        own = tuple(((name,), way) for name, rows in self.rows.items() for row in rows for way in row.writing)
        return own + tuple(((name, *names), way) for name, part in self.parts.items() for names, way in part.leaves())


def outline(scope: Scope) -> Outline:
    """The outline of a scope's item."""
    root = Outline()
    for row in scope.rows:
        for ours in row.ours:
            if not ours.rooted and not ours.gathers:
                _place(root, row, ours)
    for group in scope.walk()[1:]:
        if scope.spec is None if group.ours_rooted else group.parent is scope:
            node = root
            for step in group.our_steps[:-1]:
                node = node.parts.setdefault(step.name, Outline())
            node.grouped.add(group.our_steps[-1].name)
    return root


def _place(root: Outline, row: Row, ours: Ours) -> None:
    """Put one path of a row into the tree of what rows say."""
    node = root
    for step in ours.steps[:-1]:
        if step.match is None:
            node = node.parts.setdefault(step.name, Outline())
            continue
        picks = node.picks.setdefault(step.name, [])
        known = next((inner for _, other, inner in picks if other.text == step.text), None)
        if known is None:
            known = Outline()
            known.silent = {names[0] for names, _ in step.made}
            picks.append((ours, step, known))
        node = known
    name = ours.steps[-1].name
    rows = node.rows.setdefault(name, [])
    if any(way.head for way in row.ways):
        node.silent.add(name)
    if row.writing:
        rows.append(row)


__all__ = ["Outline", "outline"]
