"""Codecs for the numbers people are known by, and for postcodes: checked, never refused for a wrong check digit."""

from __future__ import annotations

import re
from operator import mul

from hub.mapping.codec import Codec, same
from hub.wire.numbers import nhs_number_fault

_UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_UPN_WEIGHTS = range(2, 14)
_UPN_ZEROS = ord("0") * sum(_UPN_WEIGHTS)
_UPN = re.compile(r"[A-Za-z][0-9]{11}[0-9A-Za-z]").fullmatch


def upn_fault(text: str) -> str:
    """ "" for a UPN whose check letter is right (UPN Guide 1.2: weights 2 to 13, modulus 23), else what is wrong.

    A temporary UPN ends in a letter; its check letter is not looked at (csc-validator-be-cin, rule 1510).
    """
    if not _UPN(text):
        return "shape"
    if not text[12].isdigit():
        return ""
    total = sum(map(mul, text[1:].encode(), _UPN_WEIGHTS))
    return "" if _UPN_LETTERS[(total - _UPN_ZEROS) % 23] == text[0].upper() else "check letter"


def upn(length: int = 0) -> Codec:
    """A unique pupil number: never refused, a wrong one is kept and flagged. One of another length than given is not
    written, where their format would refuse it."""

    def encode(value: str) -> str:
        if len(value) != length:
            raise ValueError("not as long as a UPN")
        return value

    return Codec("upn", same, encode if length else same, ("text",), flag=upn_fault, memo=False)


def nhs_number() -> Codec:
    """An NHS number, its blanks and hyphens taken out: never refused, a wrong one is kept and flagged."""

    def decode(text: str) -> str:
        bare = text.replace(" ", "").replace("-", "")
        return bare if re.fullmatch(r"\d{10}", bare, re.ASCII) else text

    return Codec("nhs_number", decode, same, ("text",), flag=nhs_number_fault, narrows=True, memo=False)


def postcode() -> Codec:
    """A postcode in capitals with one blank before the last three characters where it looks like one, else as it is."""

    def decode(text: str) -> str:
        bare = re.sub(r"\s+", "", text).upper()
        return f"{bare[:-3]} {bare[-3:]}" if re.fullmatch(r"[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}", bare) else text

    return Codec("postcode", decode, decode, ("text",), narrows=True)
