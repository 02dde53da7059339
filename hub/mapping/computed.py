"""Codecs that only write: what a return wants counted or worked out from the record."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date
from typing import Any

from hub.mapping.codec import Codec
from hub.mapping.dates import read_day


def _never(_: Any) -> Any:
    raise ValueError("this codec only writes")


def age() -> Codec:
    """Whole years from the first value (a birth date) to the second (a day), written only."""

    def encode(values: Sequence[str]) -> str:
        born, on = date.fromisoformat(read_day(values[0])), date.fromisoformat(read_day(values[1][:10]))
        last = calendar.monthrange(on.year, born.month)[1]
        has_birthday_to_come = (on.month, on.day) < (born.month, min(born.day, last))
        return str(on.year - born.year - has_birthday_to_come)

    return Codec("age", _never, encode, ("date", "datetime"), one_way=True)


def _dates(values: Any) -> list[str]:
    """The days and moments among the values, in order."""
    return sorted(value for value in values if isinstance(value, str))


def latest() -> Codec:
    """The last of the dates, written only."""
    return _one_of("latest", -1)


def first() -> Codec:
    """The first of the dates, written only."""
    return _one_of("first", 0)


def _one_of(name: str, place: int) -> Codec:
    def encode(values: Any) -> str:
        found = _dates(values)
        if not found:
            raise ValueError("no date")
        return found[place]

    return Codec(name, _never, encode, ("dates",), one_way=True)


def count_within(days: int) -> Codec:
    """How many of the dates lie within so many days before the latest of them, written only."""

    def encode(values: Any) -> str:
        found = [date.fromisoformat(read_day(value[:10])) for value in _dates(values)]
        return str(sum((found[-1] - one).days < days for one in found)) if found else "0"

    return Codec(f"count_within({days})", _never, encode, ("dates",), one_way=True)
