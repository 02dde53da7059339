"""Codecs for formats that say beside a code whose code it is, and for moments that hold a day.

A coding of FHIR is a system and a code; a day is often said as a moment there, whose time is kept as spelling.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from msgspec import UNSET

from hub.mapping.codec import Codec
from hub.mapping.dates import read_day, read_partial

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def beside(word: str) -> Codec:
    """Two cells, of which the first always says `word`, and one text: the second."""

    def decode(texts: Sequence[str | None]) -> str:
        said, text = texts
        if said != word or not text:
            raise ValueError("another system, or no text")
        return text

    def encode(value: str) -> tuple[str, str]:
        if not value:
            raise ValueError("no text")
        return word, value

    return Codec(f"beside({word!r})", decode, encode, ("text",), cells=2, memo=False)


def coded(system: str) -> Codec:
    """Two cells, a system and its code, and one text: the code in the usual system, `system|code` in another."""

    def decode(texts: Sequence[str | None]) -> str:
        said, code = texts
        if not code:
            raise ValueError("no code")
        if "|" in (said or ""):
            raise ValueError("a system with a bar, which no URI has")
        return code if said == system and "|" not in code else f"{said or ''}|{code}"

    def encode(value: str) -> tuple[str | None, str]:
        said, bar, code = (value or "").partition("|")
        if not (code if bar else said):
            raise ValueError("no code")
        return (said or None, code) if bar else (system, said)

    return Codec(f"coded({system!r})", decode, encode, ("text",), cells=2)


def day_of() -> Codec:
    """A day that may be said as a moment; the day is the value and is written, a time is kept as spelling."""
    return Codec("day_of", lambda text: read_day(_day(text)), read_day, ("date",))


def partial_of() -> Codec:
    """A day, month or year, or a moment, whose day is the value and whose time is kept as spelling."""
    return Codec("partial_of", lambda text: read_partial(_day(text)), read_partial, ("partial_date",))


def _day(text: str) -> str:
    found = _MOMENT.fullmatch(text)
    return found[1] if found else text


def birth_moment() -> Codec:
    """Two cells, the date of birth and the moment, and two values, the date and the time `HH:MM` in England."""

    def decode(texts: Sequence[str | None]) -> tuple[Any, Any]:
        day, moment = texts
        found = _MOMENT.fullmatch(moment or "")
        if not day and not found:
            raise ValueError("no date")
        born, time = _in_england(found) if found else ("", "")
        date_of = read_partial(day or born)
        return date_of, time if found and born == date_of and _CLOCK.fullmatch(time) else None

    def encode(values: Sequence[Any]) -> tuple[str | None, str | None]:
        day, time = (None if value is UNSET else value for value in values)
        if day is None:
            raise ValueError("no date")
        is_sayable = time is not None and len(read_partial(day)) == 10 and _CLOCK.fullmatch(time) and day >= "1996"
        return day, f"{day}T{time}:00{_offset(day, str(time))}" if is_sayable else None

    return Codec("birth_moment", decode, encode, ("partial_date", "text"), cells=2, samples=())


def _in_england(found: re.Match[str]) -> tuple[str, str]:
    """Day and time `HH:MM` of a moment on clocks in England; as it is said without an offset and before 1996."""
    day, time, zone = found[1], found[2], found[5]
    if zone and "1996" <= day < "9999":
        try:
            moment = datetime.fromisoformat(f"{day}T{time}{zone}")
        except ValueError:
            return day, ""
        there = moment.astimezone(timezone(timedelta(hours=1)))
        if _offset(f"{there:%Y-%m-%d}", f"{there:%H:%M}") != "+01:00":
            there = moment.astimezone(UTC)
        return f"{there:%Y-%m-%d}", f"{there:%H:%M}"
    return day, time


def _offset(day: str, time: str) -> str:
    """The offset of clocks in England at a local time from 1996 on: summer time between the last Sundays of March and
    October, from 01:00 to 02:00 (Summer Time Order 2002)."""
    year, month = int(day[:4]), int(day[5:7])
    last = max(n for n in range(25, 32) if date(year, month, min(n, monthrange(year, month)[1])).weekday() == 6)
    is_before = (int(day[8:]), time) < (last, "01:00" if month == 3 else "02:00")
    is_summer = 3 < month < 10 or (month == 3 and not is_before) or (month == 10 and is_before)
    return "+01:00" if is_summer else "+00:00"


BUILT_IN: dict[str, Callable[..., Codec]] = {
    "beside": beside,
    "birth_moment": birth_moment,
    "coded": coded,
    "day_of": day_of,
    "partial_of": partial_of,
}

__all__ = ["BUILT_IN"]
