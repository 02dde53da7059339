"""The codecs a mapping may name: booleans, numbers and texts here, the others in the modules beside.

`find` gives one by its name.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from hub.errors import DeclarationError
from hub.mapping import coded, computed, dates, numbers
from hub.mapping.codec import TEXT, Codec, same


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

    def encode(value: bool) -> str:
        if value.__class__ is not bool:
            raise ValueError("not true or false")
        return write[value]

    return Codec("boolean", decode, encode, ("boolean",), words=tuple(read))


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


def form(pattern: str, *samples: str) -> Codec:
    """A text that their format wants in one form, a regular expression: another is read, flagged, and never written.

    samples: texts of that form, for the laws.
    """
    whole = re.compile(pattern, re.ASCII).fullmatch

    def encode(value: str) -> str:
        if not whole(value):
            raise ValueError("not of the form that their format wants")
        return value

    return Codec(
        "form", same, encode, flag=lambda text: "" if whole(text) else "form", memo=False, samples=tuple(samples)
    )


def telecom() -> Codec:
    """A telephone number, perhaps with an extension, or an e-mail address: no other text is written."""
    return form(
        r"\+?\(?[0-9][0-9() -]{4,24}( (ext|x)\.? ?[0-9]{1,6})?|[^\s@]{1,40}@[^\s@]{1,39}",
        "020 7946 0018",
        "office@school.example",
    )


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


def cells(count: int) -> Codec:
    """So many cells that hold a list of lines together; lines beyond them are joined to the last."""

    def decode(texts: Sequence[str | None]) -> list[str]:
        found = [text for text in texts if text]
        if not found:
            raise ValueError("no line")
        return found

    def encode(value: Sequence[str]) -> tuple[str | None, ...]:
        if not value or not all(value):
            raise ValueError("no line, or an empty one")
        held = [*value[: count - 1], ", ".join(value[count - 1 :])] if len(value) >= count else [*value]
        return (*held, *[None] * (count - len(held)))

    return Codec(f"cells({count})", decode, encode, ("values",), cells=count)


def joined(count: int = 1) -> Codec:
    """So many cells whose texts make one text with blanks between; it is written whole into the last."""

    def decode(texts: Sequence[str | None]) -> str:
        found = " ".join(text for text in texts if text)
        if not found:
            raise ValueError("no text")
        return found

    def encode(value: str) -> tuple[str | None, ...]:
        return (*[None] * (count - 1), value)

    return Codec(f"joined({count})", decode, encode, ("text",), cells=count, memo=False)


def line() -> Codec:
    """The texts of several values in one line, with blanks between, written only."""

    def decode(_: str) -> str:
        raise ValueError("this codec only writes")

    def encode(values: Sequence[Any]) -> str:
        found = " ".join(one for one in values if isinstance(one, str) and one)
        if not found:
            raise ValueError("nothing to write")
        return found

    return Codec("line", decode, encode, ("text",), one_way=True)


def cut(length: int) -> Codec:
    """A text of which the target holds only the first `length` characters."""
    return Codec(f"cut({length})", same, lambda value: value[:length], ("text",), narrows=True)


BUILT_IN: dict[str, Callable[..., Codec]] = {
    "age": computed.age,
    "boolean": boolean,
    "cells": cells,
    "count_within": computed.count_within,
    "cut": cut,
    "date": dates.date_codec,
    "date_parts": dates.date_parts,
    "datetime": dates.datetime_codec,
    "day": dates.day,
    "decimal": decimal,
    "digits": digits,
    "estimated_date": dates.estimated_date,
    "first": computed.first,
    "form": form,
    "hl7_birth": dates.hl7_birth,
    "hl7_date": dates.hl7_date,
    "hl7_moment": dates.hl7_moment,
    "integer": integer,
    "joined": joined,
    "latest": computed.latest,
    "line": line,
    "lines": lines,
    "nhs_number": numbers.nhs_number,
    "partial_date": dates.partial_date,
    "postcode": numbers.postcode,
    "telecom": telecom,
    "upn": numbers.upn,
    "words": words,
    **coded.BUILT_IN,
}

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
    maker = BUILT_IN.get(name) or _dotted(name)
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
        raise DeclarationError(f"there is no codec {name!r}; known are: {', '.join(sorted(BUILT_IN))}")
    try:
        found: Callable[..., Codec] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        raise DeclarationError(f"codec {name!r} cannot be imported") from None
    return found


__all__ = ["BUILT_IN", "TEXT", "Codec", "find"]
