"""Laying a newer record onto an older one. Pure: inputs are never changed.

The result may share parts with its inputs, so treat it as read-only or copy it. What counts as the same item or part is
told in `hub.model.plan`; a part that is another one replaces, and is never mixed with the one before.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from msgspec import UNSET

from hub.model.caf import Caf, CafConsent
from hub.model.leaf import Part
from hub.model.plan import Node, Slot, lacking, listed, named, other, pairs, plan
from hub.model.record import ChildRecord, Source


@dataclass(slots=True)
class _Run:
    """One merge: which lists either side knows in part, and which lists of the result are so."""

    base: frozenset[str]
    new: frozenset[str]
    base_reach: frozenset[str]
    new_reach: frozenset[str]
    partial: set[str] = field(default_factory=set)

    def keep(self, slot: Slot, value: Any) -> None:
        """Note that the base's value stands in the result as it is."""
        if slot.path in self.base_reach:
            self.partial.update(_lists_set(slot, value, self.base, self.base_reach))

    def take(self, slot: Slot, value: Any) -> Any:
        """The new value stands in the result as it is."""
        if slot.path in self.new_reach:
            self.partial.update(_lists_set(slot, value, self.new, self.new_reach))
        return value


def merge(base: ChildRecord, new: ChildRecord) -> ChildRecord:
    """The record after `new` was heard: what it leaves UNSET stays, None clears, a value replaces.

    A list that `new` sets holds new's items in new's order, each laid onto base's item of the same id; a list that
    `new.source.partial` names keeps base's items and order, is laid onto and appended to. An item that comes removed
    replaces all that was known of it, and one that comes again after it was removed starts afresh; so does a common
    assessment that comes with the word that it may not be shared. A stub changes nothing of an item that is known, and
    ceases to be one once the item itself comes. Plain lists replace, or gain what
    they lack if partial. Extras are united by link. The source is new's if it has one, with `partial` naming the lists
    that are still known only in part.
    """
    run = _Run(_partial(base), _partial(new), _reach(base), _reach(new))
    out: ChildRecord = _merge_part(plan(), base, new, run)
    out.source = _source(base, new, run, out)
    return out


def _merge_part(node: Node, base: Any, new: Any, run: _Run) -> Any:
    out = copy(base)
    for slot in node.slots:
        said = getattr(new, slot.name)
        if said is UNSET:
            if run.base:
                run.keep(slot, getattr(base, slot.name))
        elif slot.shape == "leaf":
            setattr(out, slot.name, said)
        else:
            setattr(out, slot.name, _merge_value(slot, getattr(base, slot.name), said, run))
    if node.extras and new.extras is not UNSET:
        out.extras = new.extras if base.extras is UNSET else {**base.extras, **new.extras}
    return out


def _merge_value(slot: Slot, had: Any, said: Any, run: _Run) -> Any:
    node = slot.below
    if said is None:
        return said
    if slot.shape == "part":
        if node is None or not isinstance(had, Part) or (node.owned and other(had, said)):
            return run.take(slot, said)
        return _merge_part(node, had, said, run)
    if slot.path not in run.new:
        return said if node is None else _merge_full(slot, node, had, said, run)
    if had is UNSET:
        return run.take(slot, said)
    if slot.path in run.base and had is not None:
        run.partial.add(slot.path)
    had = had or []
    return [*had, *lacking(had, said)] if node is None else _merge_some(slot, node, had, said, run)


def _merge_full(slot: Slot, node: Node, had: Any, said: list[Any], run: _Run) -> list[Any]:
    """The items of a list that is known whole."""
    if not had:
        run.take(slot, said)
        return said
    return [_merge_item(slot, node, had[at] if at >= 0 else None, item, run) for at, item in pairs(had, said)]


def _merge_some(slot: Slot, node: Node, had: list[Any], said: list[Any], run: _Run) -> list[Any]:
    """Base's items in their order with those laid onto them, then the further new ones."""
    out, met = list(had), set()
    for at, item in pairs(had, said):
        merged = _merge_item(slot, node, had[at] if at >= 0 else None, item, run)
        if at >= 0:
            out[at] = merged
            met.add(at)
        else:
            out.append(merged)
    for at, item in enumerate(had):
        if at not in met:
            _keep_item(slot, item, run)
    return out


def _merge_item(slot: Slot, node: Node, base: Any, new: Any, run: _Run) -> Any:
    if base is None or new.removed is True or (base.removed is True and new.stub is not True) or _withdraws(new):
        if slot.path in run.new_reach:
            run.partial.update(_lists_below(slot, new, run.new, run.new_reach))
        return new
    out = _merge_part(node, base, new, run)
    if new.removed is not UNSET:
        out.removed = new.removed
    if new.stub is not True:
        out.stub = new.stub
    return out


def _withdraws(new: Any) -> bool:
    """Whether an item is an assessment of which it is now said that it may not be shared, or no longer that it may."""
    if not isinstance(new, Caf) or new.consent is UNSET:
        return False
    share = new.consent.share if isinstance(new.consent, CafConsent) else None
    return share is not UNSET and share is not True


def _keep_item(slot: Slot, item: Any, run: _Run) -> None:
    if slot.path in run.base_reach:
        run.partial.update(_lists_below(slot, item, run.base, run.base_reach))


def _source(base: ChildRecord, new: ChildRecord, run: _Run, out: ChildRecord) -> Any:
    """New's source, or base's, with `partial` as the result is: a list known whole and added to stays whole."""
    source = base.source if new.source is UNSET else new.source
    if not isinstance(source, Source) or not (run.base or run.new):
        return source
    both = list(dict.fromkeys([*named(base), *named(new)]))
    there = run.partial | _lists_there(out, frozenset(both) - run.partial)
    partial = [path for path in both if path in run.partial or path not in there]
    if partial != listed(source.partial):
        source = copy(source)
        source.partial = partial or UNSET
    return source


def _partial(record: ChildRecord) -> frozenset[str]:
    return frozenset(named(record))


def _reach(record: ChildRecord) -> frozenset[str]:
    return _ways(_partial(record))


@lru_cache(maxsize=256)
def _ways(wanted: frozenset[str]) -> frozenset[str]:
    """The paths of wanted lists and of all that leads to them."""
    found = set()
    for path in wanted:
        names = path.split(".")
        found |= {".".join(names[:count]).removesuffix("[]") for count in range(1, len(names) + 1)}
    return frozenset(found)


def _lists_there(record: ChildRecord, wanted: frozenset[str]) -> set[str]:
    """Those of the wanted lists that are set in a record."""
    reach = _ways(wanted)
    slots = [slot for slot in plan().slots if slot.path in reach]
    return {path for slot in slots for path in _lists_set(slot, getattr(record, slot.name), wanted, reach)}


def _lists_set(slot: Slot, value: Any, wanted: frozenset[str], reach: frozenset[str]) -> set[str]:
    """Those of the wanted lists that are set in a value of the slot or below it."""
    if slot.shape == "part" and isinstance(value, Part):
        return _lists_below(slot, value, wanted, reach)
    if not isinstance(value, list):
        return set()
    found = {slot.path} & wanted
    for item in value if slot.below else ():
        found |= _lists_below(slot, item, wanted, reach)
    return found


def _lists_below(slot: Slot, part: Any, wanted: frozenset[str], reach: frozenset[str]) -> set[str]:
    below = slot.below.slots if slot.below else ()
    inner = [found for found in below if found.path in reach]
    return {path for found in inner for path in _lists_set(found, getattr(part, found.name), wanted, reach)}
