"""How a field of the record is declared: its kind of value, and the facts that stand beside it.

A field has three states: UNSET (the source says nothing), None (the source says there is none), a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

T = TypeVar("T")
Maybe: TypeAlias = T | UnsetType | None

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?"

Date = Annotated[str, Meta(pattern=f"^{_DAY}$", extra={"kind": "date"})]
"""A day, `2024-02-29`; impossible days are refused by the codecs and by `from_tree`."""
PartialDate = Annotated[str, Meta(pattern="^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$", extra={"kind": "partial_date"})]
"""A day, a month or a year: `2015-03-27`, `2015-03`, `2015`."""
DateTime = Annotated[str, Meta(pattern=f"^{_DAY}({_CLOCK})?$", extra={"kind": "datetime"})]
"""A moment as precisely as it is known: a day, or a day and time, with its offset when it was said."""
Decimal = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", extra={"kind": "decimal"})]
"""A number with a point, kept as its digits."""


@dataclass(frozen=True)
class Leaf:
    """What a field means. codes: the national list its values come from (`hub/model/codes/<codes>.csv`).

    source: where the fact is defined. critical: a bad value parks the record (ids, keys, birth date, kinds, inputs of a
    condition). guards: the conditions that may withhold it and all below it. refers: it is the id of an item in that
    list, named as `lists()` names it.
    """

    meaning: str
    codes: str = ""
    source: str = ""
    critical: bool = False
    guards: tuple[str, ...] = ()
    refers: str = ""


class Extra(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What one link said that no row of its mapping took; given back to that link only.

    rest: the cells left over, in their places (a list with items taken out is `{"[]": {"3": …}}`).
    spell: the text as it was read, by row, where writing the value would not give it again. place: index in their list.
    """

    rest: dict[str, Any] | None = None
    spell: dict[str, Any] | None = None
    place: int | None = None

    def __repr__(self) -> str:
        return "Extra(…)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Part(msgspec.Struct, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """A group of fields. Its repr never shows a value."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Item(Part, kw_only=True):
    """An item of a list. id: theirs, or minted (`hub-…`). removed: the source says it is gone.

    stub: known only because something else refers to it.
    """

    id: Annotated[Maybe[str], Leaf("Id of the item in its list: the source's own, or minted.", critical=True)] = UNSET
    removed: Annotated[Maybe[bool], Leaf("The source says that this item is gone.", critical=True)] = UNSET
    stub: Annotated[Maybe[bool], Leaf("Known only because another item refers to it.", critical=True)] = UNSET
    extras: dict[str, Extra] | UnsetType = UNSET
