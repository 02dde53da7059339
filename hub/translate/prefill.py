"""A form about one child with everything in it that is known already, each answer with its source and date.

What only a person may say (consent, signatures) the adapter of the form names; it stays blank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hub import adapter as adapters
from hub.adapter import Adapter, Theirs, Tree
from hub.errors import DeclarationError
from hub.mapping import adapted, load, writer
from hub.model import ChildRecord


class Known(NamedTuple):
    """What one system knows of the child. source, day: as they are printed beside each answer that comes from it."""

    source: str
    day: str
    record: ChildRecord


@dataclass
class Prefilled:
    """A form. answers: how many by source; left: what a mapping kept out of it, (what, path) with counts."""

    parts: list[tuple[str, bytes]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)


def prefill(name: str, known: Sequence[Known], overlays: Iterable[Path] = ()) -> Prefilled:
    """The form of an adapter, filled in from one or several systems; where several know an answer, from the first.

    A list (of carers, of services) is taken whole from the first system that has one: nobody can tell which of two
    entries are the same. DeclarationError: the adapter's format is no form that people fill in.
    """
    folders = tuple(overlays)
    form = adapted(name, folders)
    if form.blank is None:
        forms = ", ".join(one for one in adapters.shipped() if adapters.find(one).blank is not None)
        raise DeclarationError(f"{name} is no form that people fill in; those are: {forms}")
    made = Prefilled()
    tree: Tree = {}
    notes: Tree = {}
    for one in known:
        said = _said(form, one, folders, made)
        made.answers[one.source] += _lay(tree, notes, said, [one.source, one.day])
    kind = next(iter(form.schemas))
    record = Theirs(kind, "", tree, edition=form.editions[-1])
    head = {**form.head("", form.editions[-1]), "Beforehand": notes}
    made.parts = list(form.write([record], head))
    return made


def _said(form: Adapter, one: Known, overlays: tuple[Path, ...], made: Prefilled) -> Tree:
    """What the record says in the form's words, without what is never filled in beforehand."""
    created = writer(load(form, overlays), one.record).create(one.record, form.name, edition=form.editions[-1])
    for (what, path), count in created.account.items():
        made.left[what, path] += count
    return {top: value for top, value in form.normal(created.tree).items() if top not in (form.blank or ())}


def _lay(tree: Tree, notes: Tree, said: Tree, note: list[str]) -> int:
    """Add to a tree what it does not say yet, and beside it in `notes` where each text came from; how many texts."""
    laid = 0
    for name, value in said.items():
        if name not in tree:
            tree[name], notes[name] = value, _noted(value, note)
            laid += _texts(value)
        elif isinstance(value, dict) and isinstance(tree[name], dict):
            laid += _lay(tree[name], notes[name], value, note)
    return laid


def _noted(value: Any, note: list[str]) -> Any:
    """The same shape with the note, source and day on two lines, in the place of each text."""
    if isinstance(value, dict):
        return {name: _noted(one, note) for name, one in value.items()}
    if isinstance(value, list):
        return [_noted(one, note) for one in value]
    return "\n".join(note)


def _texts(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(_texts(one) for one in (value.values() if isinstance(value, dict) else value))
    return 1


__all__ = ["Known", "Prefilled", "prefill"]
