"""Made-up records for property tests: `records()` draws a sparse ChildRecord by the model's own fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import permutations
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET

from hub.model import ChildRecord, Extra, Field, Item, Part, Source, code_list, fields

DAYS = st.dates().map(lambda day: day.isoformat())
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
IDS = ("a", "b", "c")
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "text": WORDS,
    "date": DAYS,
    "partial_date": st.builds(lambda day, size: day[:size], DAYS, st.sampled_from([4, 7, 10])),
    "datetime": DAYS | DAYS.map(lambda day: f"{day}T10:15:00+01:00"),
    "decimal": st.decimals(-99, 99, places=2).map(str),
    "integer": st.integers(0, 99),
    "boolean": st.booleans(),
}
SENDERS = st.dictionaries(
    st.sampled_from(["north", "south"]),
    st.builds(Extra, rest=st.none() | st.dictionaries(WORDS, WORDS, max_size=2), place=st.none() | st.integers(0, 5)),
    max_size=2,
)
CHANCE = st.integers(0, 9)
ORDERS = st.sampled_from([order for size in range(4) for order in permutations(IDS, size)])


@cache
def leaf_values(field: Field) -> st.SearchStrategy[Any]:
    """Good values of a leaf or of a plain list's items."""
    return st.sampled_from(list(code_list(field.leaf.codes))) if field.value == "code" else KINDS[field.value]


@st.composite
def parts(draw: Callable[..., Any], cls: type[Part], nones: bool = True, flags: bool = True, size: int = 3) -> Any:
    """A struct with at most `size` fields set. nones: None occurs; flags: items may be removed or stubs."""
    said: dict[str, Any] = {}
    for field in draw(_choices(cls, flags, size)):
        none = nones and (field.shape == "leaf" or flags)
        said[field.name] = None if none and draw(CHANCE) == 0 else _value(draw, field, nones, flags)
    if "extras" in cls.__struct_fields__ and draw(CHANCE) == 0:
        said["extras"] = draw(SENDERS)
    return cls(**said)


def _value(draw: Callable[..., Any], field: Field, nones: bool, flags: bool) -> Any:
    if field.shape == "leaf":
        return draw(leaf_values(field))
    if field.shape == "values":
        return draw(_several(field))
    assert field.part
    if field.shape == "part":
        return draw(_part(field.part, nones, flags))
    items: list[Any] = []
    for identity in draw(ORDERS):
        items.append(draw(_part(field.part, nones, flags)))
        items[-1].id = identity
    return items


@cache
def _part(cls: type[Part], nones: bool, flags: bool) -> st.SearchStrategy[Any]:
    return parts(cls, nones, flags)


@cache
def _several(field: Field) -> st.SearchStrategy[list[Any]]:
    return st.lists(leaf_values(field), max_size=3, unique=True)


@cache
def _choices(cls: type[Part], flags: bool, size: int) -> st.SearchStrategy[tuple[Field, ...]]:
    """Some fields of a struct, each once."""
    apart = {"id"} if flags else {"id", "removed", "stub"}
    names = [field for field in fields(cls) if field.name not in apart]
    places = st.sets(st.sampled_from(range(len(names))), max_size=size)
    return places.map(lambda found: tuple(names[place] for place in sorted(found)))


@st.composite
def records(draw: Callable[..., Any], nones: bool = True, flags: bool = True, partial: bool = False) -> ChildRecord:
    """A record with a few fields set, ids of items unique in their list; partial: every list it sets is so named."""
    record: ChildRecord = draw(parts(ChildRecord, nones, flags, size=5))
    record.source = Source(link=draw(st.sampled_from(["north", "south"])), id="1") if draw(st.booleans()) else UNSET
    if partial:
        record.source = Source(link="north", id="1", partial=sorted(lists_set(record)))
    return record


def lists_set(part: Part, prefix: str = "") -> set[str]:
    """The paths of all lists, plain ones too, that are set in a part."""
    found = set()
    for field in fields(type(part)):
        value = getattr(part, field.name)
        if isinstance(value, Part) and not isinstance(value, Source):
            found |= lists_set(value, f"{prefix}{field.name}.")
        elif isinstance(value, list):
            found.add(prefix + field.name)
            for item in value:
                found |= lists_set(item, f"{prefix}{field.name}[].") if isinstance(item, Item) else set()
    return found
