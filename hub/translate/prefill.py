"""A form about one child with everything in it that is known already, each answer with its source and date.

What only a person may say (consent, signatures) the adapter of the form names; it stays blank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hub import adapter as adapters
from hub.adapter import Adapter, Theirs, Tree
from hub.errors import DeclarationError
from hub.mapping import adapted, load, writer
from hub.model import CONDITIONS, ChildRecord, Involvement, Person, Service, merge


class Said(NamedTuple):
    """One record of the child as a system sent it. carries: state, change or event."""

    carries: str
    record: ChildRecord


class Known(NamedTuple):
    """What one system knows of the child. source, day: as they are printed beside each answer that comes from it. said:
    its records that `record` was made of, and older ones; what must not be shown by one of them is not shown."""

    source: str
    day: str
    record: ChildRecord
    said: Sequence[Said] = ()


@dataclass
class Prefilled:
    """A form. answers: how many by source; left: what a mapping kept out of it, (what, path) with counts."""

    parts: list[tuple[str, bytes]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)


def laid(said: Sequence[Said]) -> ChildRecord:
    """What the records of one system say of the child, in the order they came, at least one: a change is laid onto what
    was said before, a full state takes its place. An event (a merge) tells nothing of the child where others do."""
    first, *later = [one for one in said if one.carries != "event"] or said
    out = first.record
    for carries, record in later:
        out = merge(out, record) if carries == "change" else record
    return out


def prefill(name: str, known: Sequence[Known], overlays: Iterable[Path] = ()) -> Prefilled:
    """The form of an adapter, filled in from one or several systems; where several know an answer, from the first.

    A list (of carers, of services) is taken whole from the first system that has one: nobody can tell which of two
    entries are the same. A child who is shielded in one record of one system is so in all; a service that one calls
    sensitive is so wherever it is found again. DeclarationError: the adapter's format is no form that people fill in.
    """
    folders = tuple(overlays)
    form = adapted(name, folders)
    if form.blank is None:
        forms = ", ".join(one for one in adapters.shipped() if adapters.find(one).blank is not None)
        raise DeclarationError(f"{name} is no form that people fill in; those are: {forms}")
    made = Prefilled()
    tree: Tree = {}
    notes: Tree = {}
    for one in _guarded(known):
        said = _said(form, one, folders, made)
        made.answers[one.source] += _lay(tree, notes, said, [one.source, one.day])
    kind = next(iter(form.schemas))
    record = Theirs(kind, "", tree, edition=form.editions[-1])
    head = {**form.head("", form.editions[-1]), "Beforehand": notes}
    made.parts = list(form.write([record], head))
    return made


def _guarded(known: Sequence[Known]) -> Iterator[Known]:
    """The same with what one of them says must not be shown said in each."""
    heard = [(one.source, record) for one in known for record in (one.record, *(said.record for said in one.said))]
    shielded = any(CONDITIONS["shielded"](record) for _, record in heard)
    hidden = {
        mark
        for source, record in heard
        for one in record.involvements or ()
        if CONDITIONS["sensitive"](one)
        for mark in _marks(source, one) or _kind(one)
    }
    for told in known:
        record = copy(told.record)
        if shielded:
            record.person = copy(record.person) if record.person else Person()
            record.person.shielded = True
        if record.involvements:
            record.involvements = [_hidden(told.source, one, hidden) for one in record.involvements]
        yield told._replace(record=record)


def _hidden(source: str, one: Involvement, hidden: set[tuple[str, ...]]) -> Involvement:
    """An involvement, marked as sensitive if it is with one of those that are hidden."""
    if hidden.isdisjoint(_marks(source, one) | _kind(one)):
        return one
    one = copy(one)
    one.sensitive = True
    return one


def _marks(source: str, one: Involvement) -> set[tuple[str, ...]]:
    """By what an involvement is known again: its id in its source; ids and names of service, provider and worker."""
    service = one.service or Service()
    parts = {"service": service, "organisation": service.organisation, "professional": one.professional}
    found: set[tuple[str, ...]] = {("item", source, one.id)} if isinstance(one.id, str) else set()
    for kind, part in parts.items():
        for name in ("id", "staff_id", "registration", "name"):
            text = getattr(part, name, None)
            if isinstance(text, str) and text.strip():
                found.add(("name" if name == "name" else f"{kind} {name}", _folded(text)))
    return found


def _kind(one: Involvement) -> set[tuple[str, ...]]:
    """The kind of its service: all there is to go by where no name is told."""
    kind = one.service.kind if one.service else None
    return {("kind", _folded(kind))} if isinstance(kind, str) and kind.strip() else set()


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


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


__all__ = ["Known", "Prefilled", "Said", "laid", "prefill"]
