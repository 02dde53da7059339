"""Codecs for days and moments in the spellings that systems use."""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from hub.errors import DeclarationError
from hub.mapping.codec import Codec, same

ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def read_day(text: str) -> str:
    """A day `YYYY-MM-DD` as it is; ValueError for anything else."""
    if not ISO_DAY.fullmatch(text):
        raise ValueError("not a day YYYY-MM-DD")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such day") from None
    return text


def _year(day: str) -> list[str]:
    """All days of the year of a day."""
    return [day[:5] + one for one in (_LEAP if isleap(int(day[:4])) else _COMMON)]


_LEAP = [(date(2000, 1, 1) + timedelta(days=n)).isoformat()[5:] for n in range(366)]
_COMMON = [one for one in _LEAP if one != "02-29"]


def read_partial(text: str) -> str:
    """A day, a month `YYYY-MM` or a year as it is; ValueError for anything else."""
    if len(text) == 10:
        return read_day(text)
    if not re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2]))?", text, re.ASCII) or text[:4] == "0000":
        raise ValueError("not a day, month or year")
    return text


def date_codec(form: str = "") -> Codec:
    """`date`: ISO days; `date("%d/%m/%Y")`: days in another form (strptime's letters).

    Where nothing stands between two parts (`%Y%m%d`) every digit must be there: `2024111` may be one of two days.
    """
    if not form:
        return Codec("date", read_day, read_day, ("date",), near=_year)
    is_run = re.search("%[A-Za-z]%", form) is not None

    def decode(text: str) -> str:
        try:
            found = datetime.strptime(text, form).date().isoformat()
        except ValueError:
            raise ValueError("not a day in the row's form") from None
        if is_run and len(encode(found)) != len(text):
            raise ValueError("not a day in the row's form")
        return found

    def encode(value: str) -> str:
        return date.fromisoformat(read_day(value)).strftime(form.replace("%Y", f"{int(value[:4]):04d}"))

    if encode("2001-02-03") == encode("2101-02-03") or decode(encode("2001-02-03")) != "2001-02-03":
        raise DeclarationError(f"date({form!r}) does not hold the whole day: give year, month and day")
    return Codec(f'date("{form}")', decode, encode, ("date",))


def partial_date() -> Codec:
    """A day, a month (`2015-03`) or a year."""
    return Codec(
        "partial_date", read_partial, read_partial, ("partial_date",), samples=("2015-03-27", "2015-03", "2015")
    )


_HL7 = re.compile(
    r"(\d{4})(?:(-?)(\d\d)(?:\2(\d\d)(?:[T ]?(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.?(\d{1,6}))?)?)?)?)?)?([+-]\d{4}|\+)?",
    re.ASCII,
)
"""HL7 v2 moments, and what senders make of them: ISO days, milliseconds without a point, a `+` without an offset."""


def _hl7(text: str) -> tuple[str, str, str]:
    """Day, month or year; time of day `HH:MM` or longer, or ""; offset, or ""."""
    if len(text) == 14 and text.isdigit() and text.isascii():  # to the second, as most are said
        try:
            whole = datetime.fromisoformat(f"{text[:8]}T{text[8:]}").isoformat()
        except ValueError:
            pass  # told apart below
        else:
            return whole[:10], whole[11:], ""
    found = _HL7.fullmatch(text)
    if not found or (found[2] and not found[4]) or (found[9] not in (None, "+") and not found[5]):
        raise ValueError("not an HL7 date")
    year, _, month, day_of_month, hour, minute, second, part, offset = found.groups()
    when = read_partial("-".join(one for one in (year, month, day_of_month) if one))
    if not minute:  # an hour alone is no time of ours
        return when, "", ""
    time = ":".join(one for one in (hour, minute, second) if one) + (f".{part}" if part else "")
    zone = f"{offset[:3]}:{offset[3:]}" if offset and len(offset) == 5 else ""
    try:
        datetime.fromisoformat(f"{when}T{time.partition('.')[0]}{zone}")
    except ValueError:
        raise ValueError("there is no such moment") from None
    return when, time, zone


def hl7_date() -> Codec:
    """HL7 v2 dates and moments: the day, month or year is the value; a time is kept as spelling."""
    return Codec(
        "hl7_date", lambda text: _hl7(text)[0], lambda value: read_partial(value).replace("-", ""), ("partial_date",)
    )


def hl7_moment() -> Codec:
    """HL7 v2 moments: a day, or day and time as precisely as they were said, with the offset only if it was."""

    def decode(text: str) -> str:
        when, time, zone = _hl7(text)
        return f"{when}T{time}{zone}" if time else read_day(when)

    def encode(value: str) -> str:
        found = _MOMENT.fullmatch(value)
        if not found:
            raise ValueError("not a moment")
        zone = "+0000" if found[3] == "Z" else (found[3] or "").replace(":", "")
        return read_day(found[1]).replace("-", "") + (found[2] or "").replace(":", "") + zone

    return Codec(
        "hl7_moment", decode, encode, ("datetime",), narrows=True, samples=("2024-02-29", "2024-02-29T10:11:12+01:00")
    )


def hl7_birth() -> Codec:
    """One cell, a date of birth that may hold the time, and two values: the date and the time `HH:MM`, if any.

    Midnight to the second is how systems fill up a date they hold without a time: no time is read from it.
    """

    def decode(texts: Sequence[str | None]) -> tuple[str, str | None]:
        when, time, _ = _hl7(texts[0] or "")
        return when, time[:5] if time.strip("0:.") else None

    def encode(values: Sequence[Any]) -> tuple[str]:
        digits = read_partial(values[0]).replace("-", "")
        timed = len(digits) == 8 and isinstance(values[1], str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", values[1])
        return (digits + (values[1].replace(":", "") if timed else ""),)

    return Codec("hl7_birth", decode, encode, ("partial_date", "text"))


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def datetime_codec() -> Codec:
    """A day, or a day and time with `T` or a blank between; written with `T`."""

    def decode(text: str) -> str:
        found = _MOMENT.fullmatch(text)
        if not found:
            raise ValueError("not a moment")
        read_day(found[1])
        if not found[2]:
            return found[1]
        zone = found[3] or ""
        if len(zone) == 5:
            zone = zone[:3] + ":" + zone[3:]
        try:
            datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}".replace("Z", "+00:00"))
        except ValueError:
            raise ValueError("there is no such moment") from None
        return f"{found[1]}T{found[2]}{zone}"

    return Codec(
        "datetime", decode, same, ("datetime",), samples=("2024-02-29", "2024-02-29T10:11:12", "2024-07-01T08:00:00Z")
    )


def day() -> Codec:
    """A day, also when it is written as a moment at midnight; the plain day is written."""

    def decode(text: str) -> str:
        found = _MOMENT.fullmatch(text)
        if not found or (found[2] and found[2].strip("0:.")) or found[3]:
            raise ValueError("not a day")
        return read_day(found[1])

    return Codec("day", decode, read_day, ("date",))


def estimated_date(yes: str = "Y", no: str = "N") -> Codec:
    """Two cells, a date and whether it is estimated, and two values: the date and its accuracy (`AAA` or `EEE`)."""

    def decode(texts: Sequence[str | None]) -> tuple[Any, Any]:
        moment, mark = texts
        if not moment or mark not in (yes, no, None):
            raise ValueError("not a date and a declared mark")
        return day().decode(moment), None if mark is None else "EEE" if mark == yes else "AAA"

    def encode(values: Sequence[Any]) -> tuple[str | None, str | None]:
        when, accuracy = values
        if accuracy not in ("AAA", "EEE", None):
            raise ValueError("a mixed accuracy")
        return read_day(when), None if accuracy is None else yes if accuracy == "EEE" else no

    return Codec("estimated_date", decode, encode, ("date", "text"), cells=2)


def date_parts() -> Codec:
    """Three cells, day, month and year in digits, and one partial date."""

    def decode(texts: Sequence[str | None]) -> str:
        day_of_month, month, year = texts
        if not year:
            raise ValueError("no year")
        below = (month, day_of_month if month else None)
        return read_partial("-".join([year, *(part.zfill(2) for part in below if part)]))

    def encode(value: str) -> tuple[str | None, ...]:
        year, month, day_of_month = [*read_partial(value).split("-"), None, None][:3]
        return day_of_month, month, year

    return Codec("date_parts", decode, encode, ("partial_date",), cells=3)
