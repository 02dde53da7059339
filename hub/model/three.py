"""The three-way merge: take over what another side changed, keep the rest of one's own."""

from __future__ import annotations

from copy import copy
from typing import Any

from msgspec import UNSET

from hub.model.leaf import Extra, Part
from hub.model.plan import Node, Slot, lacking, listed, named, other, pairs, plan
from hub.model.record import ChildRecord, Source
from hub.model.shape import fields


def merge3(base: ChildRecord, mine: ChildRecord, theirs: ChildRecord) -> ChildRecord:
    """My record with what they changed since `base`: a leaf of theirs that differs from base wins, else mine stands.

    Items by id: theirs that base lacks are added, those of base that theirs lacks are removed from mine, those only in
    mine stay; theirs come first, in their order. A part or a list of which theirs says nothing any more loses what base
    says, and keeps what only mine does; a part with an id of its own goes whole. A list that `theirs.source.partial`
    names removes nothing. An item I removed comes back only if they changed it. A stub of theirs changes nothing of an
    item that is known to me.
    """
    out: ChildRecord = _three_part(plan(), base, mine, theirs, frozenset(named(theirs)))
    if isinstance(mine.source, Source) and isinstance(theirs.source, Source) and theirs.source != base.source:
        out.source = _three_source(base.source, mine.source, theirs.source)
    elif theirs.source != base.source:
        out.source = theirs.source
    return out


def _three_source(base: Any, mine: Source, theirs: Source) -> Source:
    out = copy(mine)
    for found in fields(Source):
        said = getattr(theirs, found.name)
        if said != (getattr(base, found.name) if isinstance(base, Source) else UNSET):
            setattr(out, found.name, said)
    return out


def _three_part(node: Node, base: Any, mine: Any, theirs: Any, partial: frozenset[str]) -> Any:
    out = copy(mine)
    for slot in node.slots:
        was = UNSET if base is None else getattr(base, slot.name)
        said = getattr(theirs, slot.name)
        if said is not was and said != was:
            setattr(out, slot.name, _three_value(slot, was, getattr(mine, slot.name), said, partial))
    if node.item:
        for name in ("removed", "stub"):
            if getattr(theirs, name) != (UNSET if base is None else getattr(base, name)):
                setattr(out, name, getattr(theirs, name))
    if node.extras:
        out.extras = _three_extras(UNSET if base is None else base.extras, mine.extras, theirs.extras)
    return out


def _three_value(slot: Slot, was: Any, mine: Any, said: Any, partial: frozenset[str]) -> Any:
    node = slot.below
    if said is UNSET and slot.path in partial:
        return mine
    if said is UNSET and node and not node.owned and mine.__class__ is was.__class__:
        nothing = [] if slot.shape == "list" else mine.__class__()
        left = _three_value(slot, was, mine, nothing, partial)
        return UNSET if left == nothing else left
    if slot.shape == "part" and node and isinstance(mine, Part) and isinstance(said, Part):
        if node.owned and other(mine, said):
            return said
        return _three_part(node, was if isinstance(was, Part) else None, mine, said, partial)
    if slot.shape == "list" and node and isinstance(said, list):
        return _three_list(slot, node, (listed(was), listed(mine), said), partial)
    if slot.shape == "values" and slot.path in partial and isinstance(said, list):
        return [*listed(mine), *lacking([*listed(mine), *listed(was)], said)]
    return said


def _three_list(slot: Slot, node: Node, sides: tuple[list[Any], ...], partial: frozenset[str]) -> list[Any]:
    was, mine, said = sides
    out, met = [], set()
    for (old, item), (own, _) in zip(pairs(was, said), pairs(mine, said), strict=True):
        met.add(own)
        if own < 0:
            if old < 0 or item != was[old]:
                out.append(item)
        elif item.stub is True and mine[own].stub is not True:
            out.append(mine[own])
        else:
            out.append(_three_part(node, was[old] if old >= 0 else None, mine[own], item, partial))
    for own, (old, item) in enumerate(pairs(was, mine)):
        if own not in met and (old < 0 or slot.path in partial):
            out.append(item)
    return out


def _three_extras(base: Any, mine: Any, theirs: Any) -> Any:
    if theirs == base:
        return mine
    was: dict[str, Extra] = base or {}
    said: dict[str, Extra] = theirs or {}
    kept = {link: extra for link, extra in (mine or {}).items() if said.get(link) == was.get(link)}
    changed = {link: extra for link, extra in said.items() if extra != was.get(link)}
    return {**kept, **changed} or theirs
