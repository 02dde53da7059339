"""NHS numbers: one that cannot be trusted is kept in the record, and no records of two sources meet by it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from hub.model import ChildRecord, Identifier, Person
from hub.pipeline.reading import keys
from hub.seal import Keyring
from hub.wire.numbers import is_trusted, nhs_number_fault

RING = Keyring(b"n" * 32)
NUMBER, UPN = "9999001009", "W999210120017"


def met(*numbers: Identifier) -> list[bytes]:
    return keys(RING, ChildRecord(person=Person(identifiers=list(numbers))), ("nhs", "upn"))[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (NUMBER, ""),
        ("0101011237", ""),
        ("3200000104", ""),
        ("9999001008", "check digit"),
        ("5900056597", "range"),
        ("8000000008", "range"),
        ("0000000000", "range"),
        ("9999999999", "range"),
        ("0012345679", "range"),
        ("999900100", "shape"),
        ("99990010099", "shape"),
        ("9999001009\n", "shape"),
        ("٩999001009", "shape"),
        ("", "shape"),
    ],
)
def test_a_number_is_one_that_the_nhs_may_have_issued(text: str, fault: str) -> None:
    assert nhs_number_fault(text) == fault


@pytest.mark.parametrize(
    ("said", "trusted"),
    [
        ({}, True),
        ({"status": "01"}, True),
        ({"status": "number-present-and-verified"}, True),
        *(({"status": f"0{n}"}, False) for n in range(2, 9)),
        ({"status": "other:who-knows"}, False),
        ({"status": None}, True),
        ({"status": UNSET}, True),
        ({"is_old": True}, False),
        ({"status": "01", "is_old": True}, False),
    ],
)
def test_a_number_is_trusted_unless_somebody_says_that_it_is_not_verified_or_no_longer_in_force(
    said: dict[str, Any], trusted: bool
) -> None:
    assert is_trusted(NUMBER, **said) is trusted
    assert not is_trusted("5900056597", **said)
    assert not is_trusted(None, **said)


@pytest.mark.parametrize(
    "number",
    [
        Identifier(system="nhs", value="9999001008"),
        Identifier(system="nhs", value="5900056597"),
        Identifier(system="nhs", value=NUMBER, status="02"),
        Identifier(system="nhs", value=NUMBER, use="former"),
        Identifier(system="nhs", value=NUMBER, removed=True),
        Identifier(system="nhs"),
        Identifier(system="nhs", value=None),
        Identifier(value=NUMBER),
        Identifier(system="la", value=NUMBER),
        Identifier(system="upn", value="X999210120017"),
        Identifier(system="upn", value=UPN, use="former"),
    ],
)
def test_by_a_number_that_cannot_be_trusted_nobody_meets(number: Identifier) -> None:
    assert met(number) == []


def test_records_of_two_sources_meet_by_a_trusted_number_and_by_a_right_upn() -> None:
    sure = Identifier(system="nhs", value=NUMBER, use="current", status="01")
    plain = Identifier(system="nhs", value=NUMBER)
    assert met(sure) == met(plain) == [RING.name("nhs", NUMBER)]
    pupil = Identifier(system="upn", value=UPN, use="current")
    assert met(plain, pupil) == [RING.name("nhs", NUMBER), RING.name("upn", UPN)]
    assert ChildRecord().person is UNSET
    assert keys(RING, ChildRecord(), ("nhs", "upn")) == ([], {})
