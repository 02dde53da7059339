"""NHS numbers: whether one can be right, and whether it says who somebody is. The one place that knows."""

from __future__ import annotations

from operator import mul
from typing import Any

VERIFIED = frozenset(["01", "number-present-and-verified"])
"""The statuses under which a number was found to be the person's: NHS Data Dictionary, NHS NUMBER STATUS INDICATOR
CODE, and UK Core's older word for it. Whatever else is said means that it was not."""

_WEIGHTS = range(10, 0, -1)
"""Of each digit; that of the check digit makes the sum of a right number a multiple of 11. The digits count as their
characters do: all ten are more by `ord("0")`, which makes the sum more by 240 times 11."""


def nhs_number_fault(text: str) -> str:
    """ "" for a number that the NHS may have issued, else what is wrong: shape, check digit or range.

    The check digit is of modulus 11. Issued are numbers that begin with 4, 6 or 7 (England, Wales, Isle of Man), those
    from 010 to 399 (Scotland, Northern Ireland) and 9 (tests); never 5 and 8, nor ten times the same digit.
    """
    if len(text) != 10 or not text.isdigit() or not text.isascii():
        return "shape"
    if sum(map(mul, text.encode(), _WEIGHTS)) % 11:
        return "check digit"
    return "range" if text[0] in "58" or text < "0100000000" or text == text[0] * 10 else ""


def is_trusted(value: Any, *, status: Any = "", is_old: bool = False) -> bool:
    """Whether records meet, and a person is found, by an NHS number: one that may have been issued, in force, and of
    which nobody says that it is not verified. status: as the source says it, "" or no text where it says nothing."""
    if is_old or not isinstance(value, str) or nhs_number_fault(value):
        return False
    return not isinstance(status, str) or not status or status in VERIFIED


__all__ = ["VERIFIED", "is_trusted", "nhs_number_fault"]
