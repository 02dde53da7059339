"""Codecs: named pure pairs that turn the text of a cell into a value of the record and back.

`decode` raises ValueError for a text it does not read, `encode` for a value it cannot say; neither ever puts the text
or the value in the error. A codec reads only what it declares, so that what it writes is what it reads.
"""

from __future__ import annotations

import calendar
import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from hub.errors import DeclarationError

ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Codec:
    """A pair of pure functions. yields: the kinds of leaf its values may stand in (DESIGN 4), in order of the values.

    cells and values: how many it takes and gives; with more than one of either, decode and encode work on tuples.
    flag(value): a finding's word when the value is kept but doubtful (`check digit`). narrows: encode may lose some of
    the value. one_way: it only writes (computed columns). memo: decoding the same text gives the same value, cheaply kept.
    """

    name: str
    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]
    yields: tuple[str, ...] = ("text",)
    cells: int = 1
    flag: Callable[[Any], str] | None = None
    narrows: bool = False
    one_way: bool = False
    memo: bool = True
    words: tuple[str, ...] = field(default=())
    samples: tuple[Any, ...] = field(default=())

    @property
    def values(self) -> int:
        """How many values it gives."""
        return len(self.yields)


def _same(value: Any) -> Any:
    return value


def _day(text: str) -> str:
    if not ISO_DAY.fullmatch(text):
        raise ValueError("not a day YYYY-MM-DD")
    date.fromisoformat(text)
    return text


def _partial(text: str) -> str:
    if len(text) == 10:
        return _day(text)
    if not re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2]))?", text) or text[:4] == "0000":
        raise ValueError("not a day, month or year")
    return text


def date_codec(form: str = "") -> Codec:
    """`date`: ISO days; `date("%d/%m/%Y")`: days in another form (strptime's letters)."""
    if not form:
        return Codec("date", _day, _day, ("date",))

    def decode(text: str) -> str:
        return datetime.strptime(text, form).date().isoformat()

    def encode(value: str) -> str:
        return date.fromisoformat(_day(value)).strftime(form.replace("%Y", f"{int(value[:4]):04d}"))

    if encode("2001-02-03") == encode("2101-02-03") or decode(encode("2001-02-03")) != "2001-02-03":
        raise DeclarationError(f"date({form!r}) does not hold the whole day: give year, month and day")
    return Codec(f'date("{form}")', decode, encode, ("date",))


def partial_date() -> Codec:
    """A day, a month (`2015-03`) or a year."""
    return Codec("partial_date", _partial, _partial, ("partial_date",), samples=("2015-03-27", "2015-03", "2015"))


_HL7_DAY = re.compile(r"(\d{4})(\d\d)?(\d\d)?((\d\d){0,3}(\.\d+)?([+-]\d{4})?)")


def hl7_date() -> Codec:
    """HL7 v2 dates and moments: the day, month or year is the value; a time is kept as spelling."""

    def decode(text: str) -> str:
        found = _HL7_DAY.fullmatch(text)
        if not found or (found[4] and not found[3]):
            raise ValueError("not an HL7 date")
        return _partial("-".join(part for part in found.groups()[:3] if part))

    return Codec("hl7_date", decode, lambda value: _partial(value).replace("-", ""), ("partial_date",))


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?)?")


def datetime_codec() -> Codec:
    """A day, or a day and time with `T` or a blank between; written with `T`."""

    def decode(text: str) -> str:
        found = _MOMENT.fullmatch(text)
        if not found:
            raise ValueError("not a moment")
        _day(found[1])
        if not found[2]:
            return found[1]
        zone = found[3] or ""
        if len(zone) == 5:
            zone = zone[:3] + ":" + zone[3:]
        datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}".replace("Z", "+00:00"))
        return f"{found[1]}T{found[2]}{zone}"

    return Codec("datetime", decode, _same, ("datetime",), samples=("2024-02-29", "2024-02-29T10:11:12", "2024-07-01T08:00:00Z"))


def day() -> Codec:
    """A day, also when it is written as a moment at midnight; the plain day is written."""

    def decode(text: str) -> str:
        found = _MOMENT.fullmatch(text)
        if not found or (found[2] and found[2].strip("0:.")) or found[3]:
            raise ValueError("not a day")
        return _day(found[1])

    return Codec("day", decode, _day, ("date",))


def boolean(yes: str, no: str) -> Codec:
    """`boolean("Y|true", "N|false")`: the first word of each is written, only the listed words are read."""
    said = {True: yes.split("|"), False: no.split("|")}
    read = {word: value for value, words in said.items() for word in words}
    if len(read) != len(said[True]) + len(said[False]):
        raise DeclarationError(f"boolean({yes!r}, {no!r}) lists a word twice")
    write = {True: said[True][0], False: said[False][0]}

    def decode(text: str) -> bool:
        try:
            return read[text]
        except KeyError:
            raise ValueError("not one of the declared words") from None

    return Codec("boolean", decode, lambda value: write[value], ("boolean",), words=tuple(read))


def integer() -> Codec:
    """A whole number in decimal digits."""

    def decode(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            raise ValueError("not a whole number")
        return int(text)

    def encode(value: int) -> str:
        if value.__class__ is not int:
            raise ValueError("not a whole number")
        return str(value)

    return Codec("integer", decode, encode, ("integer",))


def decimal() -> Codec:
    """A number with an optional point, digits kept as they are."""

    def decode(text: str) -> str:
        if not re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII):
            raise ValueError("not a decimal number")
        return text

    return Codec("decimal", decode, decode, ("decimal",))


def digits() -> Codec:
    """A text that must be a whole number in their format."""

    def decode(text: str) -> str:
        if not re.fullmatch(r"-?\d+", text, re.ASCII):
            raise ValueError("not digits")
        return str(text)

    return Codec("digits", decode, decode, ("text",), samples=("0", "17", "40"))


_UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_UPN_ZEROS = ord("0") * sum(range(2, 14))
_UPN = re.compile(r"[A-Za-z]\d{11}(\d|[A-Za-z])", re.ASCII).fullmatch


def upn_fault(text: str) -> str:
    """"" for a UPN whose check letter is right (UPN Guide 1.2: weights 2 to 13, modulus 23), else what is wrong.

    A temporary UPN ends in a letter; its check letter is not looked at (csc-validator-be-cin, rule 1510).
    """
    if not _UPN(text):
        return "shape"
    if not text[12].isdigit():
        return ""
    d = text.encode()
    total = (
        2 * d[1] + 3 * d[2] + 4 * d[3] + 5 * d[4] + 6 * d[5] + 7 * d[6] + 8 * d[7] + 9 * d[8] + 10 * d[9] + 11 * d[10] + 12 * d[11] + 13 * d[12]
    )
    return "" if _UPN_LETTERS[(total - _UPN_ZEROS) % 23] == text[0].upper() else "check letter"


def nhs_number_fault(text: str) -> str:
    """"" for an NHS number whose check digit is right (modulus 11), else what is wrong."""
    if not re.fullmatch(r"\d{10}", text, re.ASCII):
        return "shape"
    check = 11 - sum(int(digit) * weight for digit, weight in zip(text, range(10, 1, -1), strict=False)) % 11
    return "" if check % 11 == int(text[9]) and check != 10 else "check digit"


def upn() -> Codec:
    """A unique pupil number: never refused, a wrong one is kept and flagged."""
    return Codec("upn", _same, _same, ("text",), flag=upn_fault, memo=False)


def nhs_number() -> Codec:
    """An NHS number, its blanks and hyphens taken out: never refused, a wrong one is kept and flagged."""

    def decode(text: str) -> str:
        bare = text.replace(" ", "").replace("-", "")
        return bare if re.fullmatch(r"\d{10}", bare, re.ASCII) else text

    return Codec("nhs_number", decode, _same, ("text",), flag=nhs_number_fault, narrows=True, memo=False)


def postcode() -> Codec:
    """A postcode in capitals with one blank before the last three characters where it looks like one, else as it is."""

    def decode(text: str) -> str:
        bare = re.sub(r"\s+", "", text).upper()
        return f"{bare[:-3]} {bare[-3:]}" if re.fullmatch(r"[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}", bare) else text

    return Codec("postcode", decode, decode, ("text",), narrows=True)


def lines(separator: str = "\n") -> Codec:
    """One text that holds a list of lines, joined by the separator."""

    def encode(value: Sequence[str]) -> str:
        if not value or any(separator in line or not line for line in value):
            raise ValueError("a line holds the separator or nothing")
        return separator.join(value)

    return Codec("lines", lambda text: text.split(separator), encode, ("values",))


def words() -> Codec:
    """One text that holds words with a blank between."""
    return Codec("words", lambda text: text.split(), lines(" ").encode, ("values",))


def cut(length: int) -> Codec:
    """A text of which the target holds only the first `length` characters."""
    return Codec(f"cut({length})", _same, lambda value: value[:length], ("text",), narrows=True)


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
        return _day(when), None if accuracy is None else yes if accuracy == "EEE" else no

    return Codec("estimated_date", decode, encode, ("date", "text"), cells=2)


def date_parts() -> Codec:
    """Three cells, day, month and year in digits, and one partial date."""

    def decode(texts: Sequence[str | None]) -> str:
        d, m, y = texts
        if not y:
            raise ValueError("no year")
        return _partial("-".join([y] + [part.zfill(2) for part in (m, d if m else None) if part]))

    def encode(value: str) -> tuple[str | None, ...]:
        y, m, d = (_partial(value).split("-") + [None, None])[:3]
        return d, m, y

    return Codec("date_parts", decode, encode, ("partial_date",), cells=3)


def _never(_: Any) -> Any:
    raise ValueError("this codec only writes")


def age() -> Codec:
    """Whole years from the first value (a birth date) to the second (a day), written only."""

    def encode(values: Sequence[str]) -> str:
        born, on = date.fromisoformat(values[0]), date.fromisoformat(values[1][:10])
        return str(on.year - born.year - ((on.month, on.day) < (born.month, min(born.day, calendar.monthrange(on.year, born.month)[1]))))

    return Codec("age", _never, encode, ("date", "datetime"), one_way=True)


def _dates(values: Any) -> list[str]:
    return sorted(value for value in values if isinstance(value, str))


def latest() -> Codec:
    """The last of the dates, written only."""

    def encode(values: Any) -> str:
        found = _dates(values)
        if not found:
            raise ValueError("no date")
        return found[-1]

    return Codec("latest", _never, encode, ("dates",), one_way=True)


def first() -> Codec:
    """The first of the dates, written only."""

    def encode(values: Any) -> str:
        found = _dates(values)
        if not found:
            raise ValueError("no date")
        return found[0]

    return Codec("first", _never, encode, ("dates",), one_way=True)


def count_within(days: int) -> Codec:
    """How many of the dates lie within so many days before the latest of them, written only."""

    def encode(values: Any) -> str:
        found = [date.fromisoformat(value[:10]) for value in _dates(values)]
        return str(sum((found[-1] - one).days < days for one in found)) if found else "0"

    return Codec(f"count_within({days})", _never, encode, ("dates",), one_way=True)


TEXT = Codec("text", _same, _same, ("text",))

_BUILT_IN: dict[str, Callable[..., Codec]] = {
    "date": date_codec, "partial_date": partial_date, "hl7_date": hl7_date, "datetime": datetime_codec, "day": day,
    "boolean": boolean, "integer": integer, "decimal": decimal, "digits": digits, "upn": upn, "nhs_number": nhs_number,
    "postcode": postcode, "lines": lines, "words": words, "cut": cut, "estimated_date": estimated_date,
    "date_parts": date_parts, "age": age, "count_within": count_within, "latest": latest, "first": first,
}  # fmt: skip

_CALL = re.compile(r"([A-Za-z_][\w.]*)(?:\((.*)\))?", re.DOTALL)
_ARGUMENT = re.compile(r'\s*(?:"([^"]*)"|(-?\d+))\s*(?:,|$)')


@lru_cache(maxsize=1024)
def find(text: str) -> Codec:
    """The codec that a row names: `date`, `boolean("0|false", "1|true")`, or a council's own by a dotted path."""
    found = _CALL.fullmatch(text.strip())
    if not found:
        raise DeclarationError(f"{text!r} is not a codec: write name or name(arguments)")
    name, given = found.groups()
    arguments: list[str | int] = []
    at = 0
    while given and at < len(given):
        one = _ARGUMENT.match(given, at)
        if not one:
            raise DeclarationError(f"{text!r}: arguments are quoted texts or whole numbers, with commas between")
        arguments.append(one[1] if one[1] is not None else int(one[2]))
        at = one.end()
    maker = _BUILT_IN.get(name) or _dotted(name)
    try:
        codec = maker(*arguments)
    except TypeError:
        raise DeclarationError(f"{text!r}: these are not the arguments of {name}") from None
    if not isinstance(codec, Codec):
        raise DeclarationError(f"{text!r} did not give a hub.mapping.codecs.Codec")
    return codec


def _dotted(name: str) -> Callable[..., Codec]:
    module, _, attribute = name.rpartition(".")
    if not module:
        raise DeclarationError(f"there is no codec {name!r}; known are: {', '.join(sorted(_BUILT_IN))}")
    try:
        found: Callable[..., Codec] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        raise DeclarationError(f"codec {name!r} cannot be imported") from None
    return found
