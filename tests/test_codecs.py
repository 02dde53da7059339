"""Every codec a row may name: what it reads comes back, what it does not read is refused without being told."""

from __future__ import annotations

from typing import Any

import pytest

from hub.errors import DeclarationError
from hub.mapping import codecs
from hub.mapping.way import BAD

READ: dict[str, list[tuple[Any, Any, Any]]] = {
    # codec: (text, value, text written)
    "date": [("2024-02-29", "2024-02-29", "2024-02-29")],
    'date("%d/%m/%Y")': [("29/02/2024", "2024-02-29", "29/02/2024"), ("1/2/2024", "2024-02-01", "01/02/2024")],
    'date("%Y%m%d")': [("09870203", "0987-02-03", "09870203")],
    'beside("x")': [(("x", "7"), "7", ("x", "7"))],
    'coded("x")': [
        (("y", "c|d"), "y|c|d", ("y", "c|d")),
        (("x", "7"), "7", ("x", "7")),
        (("y", "7"), "y|7", ("y", "7")),
        ((None, "7"), "|7", (None, "7")),
        (("x", "a|b"), "x|a|b", ("x", "a|b")),
    ],
    "day_of": [("2024-02-29",) * 3, ("2024-02-29T10:11:12.5+00:00", "2024-02-29", "2024-02-29")],
    "partial_of": [("2024-02",) * 3, ("2024-02-29T10:11:12Z", "2024-02-29", "2024-02-29")],
    "birth_moment": [
        (
            ("2024-07-01", "2024-07-01T10:00:00Z"),
            ("2024-07-01", "11:00"),
            ("2024-07-01", "2024-07-01T11:00:00+01:00"),
        ),
        (
            ("2024-07-02", "2024-07-01T23:30:00Z"),
            ("2024-07-02", "00:30"),
            ("2024-07-02", "2024-07-02T00:30:00+01:00"),
        ),
        (
            ("2024-10-27", "2024-10-27T06:30:00+05:00"),
            ("2024-10-27", "01:30"),
            ("2024-10-27", "2024-10-27T01:30:00+01:00"),
        ),
        (
            ("2015-03-29", "2015-03-29T02:15:00+01:00"),
            ("2015-03-29", "02:15"),
            ("2015-03-29", "2015-03-29T02:15:00+01:00"),
        ),
        (
            ("2015-10-25", "2015-10-25T02:00:00+00:00"),
            ("2015-10-25", "02:00"),
            ("2015-10-25", "2015-10-25T02:00:00+00:00"),
        ),
        (("2015-03", None), ("2015-03", None), ("2015-03", None)),
        ((None, "2015-03-27T04:15:00Z"), ("2015-03-27", "04:15"), ("2015-03-27", "2015-03-27T04:15:00+00:00")),
    ],
    "partial_date": [("2015-03-27",) * 3, ("2015-03",) * 3, ("2015",) * 3],
    "hl7_date": [
        ("20150327", "2015-03-27", "20150327"),
        ("201503", "2015-03", "201503"),
        ("2015", "2015", "2015"),
        ("20150327101112.123+0100", "2015-03-27", "20150327"),
        ("20110613122406637", "2011-06-13", "20110613"),
        ("20000101+", "2000-01-01", "20000101"),
        ("1980-01-01", "1980-01-01", "19800101"),
        ("2015032710", "2015-03-27", "20150327"),
    ],
    "hl7_moment": [
        ("20240229", "2024-02-29", "20240229"),
        ("202402291011", "2024-02-29T10:11", "202402291011"),
        ("20240229101112.5+0100", "2024-02-29T10:11:12.5+01:00", "20240229101112.5+0100"),
    ],
    "hl7_birth": [
        (("20150327",), ("2015-03-27", None), ("20150327",)),
        (("201503",), ("2015-03", None), ("201503",)),
        (("20150327000000",), ("2015-03-27", None), ("20150327",)),
        (("201503271011+0100",), ("2015-03-27", "10:11"), ("201503271011",)),
    ],
    "cells(2)": [
        (("1 High St", "Northby"), ["1 High St", "Northby"], ("1 High St", "Northby")),
        ((None, "Northby"), ["Northby"], ("Northby", None)),
    ],
    "joined(3)": [(("Dr", "Ann", "Ash"), "Dr Ann Ash", (None, None, "Dr Ann Ash"))],
    "datetime": [
        ("2024-02-29",) * 3,
        ("2024-02-29 10:11", "2024-02-29T10:11", "2024-02-29T10:11"),
        ("2024-02-29T10:11:12.5Z",) * 3,
        ("2024-02-29T10:11:12+0100", "2024-02-29T10:11:12+01:00", "2024-02-29T10:11:12+01:00"),
    ],
    "day": [("2024-02-29",) * 3, ("2024-02-29 00:00:00", "2024-02-29", "2024-02-29")],
    'boolean("Y|true", "N|false")': [("Y", True, "Y"), ("true", True, "Y"), ("false", False, "N")],
    "integer": [("12", 12, "12"), ("+7", 7, "7"), ("-3", -3, "-3"), ("007", 7, "7")],
    "decimal": [("3.50",) * 3, ("-1",) * 3],
    "digits": [("007",) * 3],
    'form("[A-Z]{2}[0-9]+", "AB1")': [("AB12",) * 3],
    "telecom": [(text,) * 3 for text in ("020 7946 0018", "+44 (0)1632 960104 ext 12", "office@school.example")],
    "upn": [("H801200001001",) * 3, ("anything",) * 3],
    "nhs_number": [("943 476 5919", "9434765919", "9434765919"), ("943-476-5919", "9434765919", "9434765919")],
    "postcode": [("sw1a1aa", "SW1A 1AA", "SW1A 1AA"), ("abroad",) * 3],
    'lines(", ")': [("1 High St, Northby", ["1 High St", "Northby"], "1 High St, Northby")],
    "words": [("a  b", ["a", "b"], "a b")],
    "cut(3)": [("abc",) * 3],
    "estimated_date": [
        (("2015-03-27", "Y"), ("2015-03-27", "EEE"), ("2015-03-27", "Y")),
        (("2015-03-27 00:00:00", "N"), ("2015-03-27", "AAA"), ("2015-03-27", "N")),
        (("2015-03-27", None), ("2015-03-27", None), ("2015-03-27", None)),
    ],
    "date_parts": [
        (("27", "3", "2015"), "2015-03-27", ("27", "03", "2015")),
        ((None, "03", "2015"), "2015-03", (None, "03", "2015")),
        ((None, None, "2015"), "2015", (None, None, "2015")),
    ],
}
WRITTEN: dict[str, list[tuple[Any, str]]] = {
    "age": [
        (["2015-03-27", "2025-03-26"], "9"),
        (["2016-02-29", "2025-02-28"], "9"),
        (["2015-03-27", "2025-03-27"], "10"),
    ],
    "line": [(["Flat 2", None, "10", "Elm Road"], "Flat 2 10 Elm Road")],
    "count_within(365)": [(["2024-01-01", "2024-12-30", None], "2"), (["2023-01-01", "2024-12-31"], "1"), ([], "0")],
    "latest": [(["2024-01-01", None, "2024-03-01"], "2024-03-01")],
    "first": [(["2024-03-01", "2024-01-01"], "2024-01-01")],
}
BAD_TEXTS: dict[str, list[Any]] = {
    "date": ["", "2024-02-30", "29/02/2024", "2024-2-9", "20240229", "٢٠٢٤-01-01"],
    'date("%d/%m/%Y")': ["2024-02-29", "30/02/2024", ""],
    'date("%Y%m%d")': ["2024111", "202411", "2024 229"],
    'coded("s")': [("s|x", "c"), ("s", None)],
    "partial_date": ["2015-13", "0000", "15", "2015-02-30", "2015-3", "٢٠١٥"],
    "hl7_date": ["2015-03", "20151301", "201503271", "2015+0100", "", "٢٠١٥"],
    "hl7_moment": ["20240230", "202402292561", "201503", "20240229101112+9900", ""],
    "hl7_birth": [("female",), ("",), ("20150230",)],
    "cells(2)": [(None, None), ("", None)],
    "joined(3)": [(None, "", None)],
    "datetime": ["2024-02-30T10:00", "2024-02-29T25:00", "noon"],
    "day": ["2024-02-29 00:01:00", "2024-02-29T00:00:00Z", "2024-02-30"],
    'boolean("Y|true", "N|false")': ["y", "1", "", "TRUE"],
    "integer": ["1.0", "", " 1", "9" * 19, "٣"],
    "decimal": ["1,5", ".5", "1e3", ""],
    "digits": ["12a", "", "1.0"],
    "estimated_date": [("2015-03-27", "?"), (None, "Y"), ("27/03/2015", "N")],
    "date_parts": [("31", "02", "2015"), ("27", "03", None), ("x", "03", "2015")],
}
BAD_VALUES: dict[str, list[Any]] = {
    "date": ["2024-02-30", "2024"],
    'date("%d/%m/%Y")': ["2024-02", "nonsense"],
    "hl7_date": ["nonsense"],
    "hl7_moment": ["noon", "2024-02"],
    "hl7_birth": [(None, "10:11"), ("nonsense", None)],
    "cells(2)": [[], ["1 High St", ""]],
    "line": [[], [None]],
    "day": ["2024-02"],
    'boolean("Y|true", "N|false")': ["Y"],
    "integer": [True, "5"],
    "decimal": ["five"],
    'form("[A-Z]{2}[0-9]+", "AB1")': ["AB", "ab12", " AB12"],
    "telecom": ["ask for Ann", "0", "01632 960104 at night", "a@b@c", "ann@\nhome"],
    'lines(", ")': [["1, High St"], [""], []],
    "words": [["a b"], []],
    "estimated_date": [("2015-03-27", "AEU"), ("2015", "AAA")],
    "latest": [[], [None]],
    "first": [[]],
    "age": [["2015", "2025-03-26"], [None, None]],
}


def test_every_codec_is_tried_here() -> None:
    tried = {name.partition("(")[0] for name in (*READ, *WRITTEN)}
    assert tried == set(codecs.BUILT_IN)


@pytest.mark.parametrize(
    ("name", "text", "value", "back"), [(name, *one) for name, some in READ.items() for one in some]
)
def test_what_is_read_comes_back_and_then_stays(name: str, text: Any, value: Any, back: Any) -> None:
    codec = codecs.find(name)
    assert codec.decode(text) == value
    assert codec.encode(value) == back
    assert codec.encode(codec.decode(back)) == back


@pytest.mark.parametrize("name", READ)
def test_the_samples_of_a_codec_go_round(name: str) -> None:
    codec = codecs.find(name)
    for value in codec.samples:
        assert codec.decode(codec.encode(value)) == value
    for word in codec.words:
        assert codec.decode(codec.encode(codec.decode(word))) == codec.decode(word)


@pytest.mark.parametrize(("name", "values", "text"), [(name, *one) for name, some in WRITTEN.items() for one in some])
def test_a_codec_that_only_writes_counts(name: str, values: Any, text: str) -> None:
    codec = codecs.find(name)
    assert codec.one_way
    assert codec.encode(values) == text
    with pytest.raises(ValueError, match="only writes"):
        codec.decode(text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, some in BAD_TEXTS.items() for text in some])
def test_a_bad_text_is_refused_by_an_error_that_can_be_told(name: str, text: Any) -> None:
    with pytest.raises(ValueError) as caught:
        codecs.find(name).decode(text)
    for one in text if isinstance(text, tuple) else (text,):
        assert not one or len(one) < 3 or one not in str(caught.value), "the message holds the text"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, some in BAD_VALUES.items() for value in some])
def test_a_value_that_cannot_be_said_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BAD) as caught:
        codecs.find(name).encode(value)
    assert str(value) not in str(caught.value), "the message holds the value"


def test_checked_numbers_are_flagged_and_never_refused() -> None:
    upn, nhs = codecs.find("upn").flag, codecs.find("nhs_number").flag
    assert upn is not None
    assert nhs is not None
    assert [upn(text) for text in ("H801200001001", "A801200001001", "H80120000100A", "H80", "H٣01200001001")] == [
        "",
        "check letter",
        "",
        "shape",
        "shape",
    ]
    assert [nhs(text) for text in ("9434765919", "9434765918", "943")] == ["", "check digit", "shape"]


def test_a_text_of_another_form_is_read_and_flagged() -> None:
    codec = codecs.find('form("[A-Z]{2}[0-9]+", "AB1")')
    assert codec.flag is not None
    assert [codec.flag(codec.decode(text)) for text in ("AB12", "ab12")] == ["", "form"]


def test_a_cut_text_narrows() -> None:
    codec = codecs.find("cut(3)")
    assert codec.narrows
    assert codec.encode("abcdef") == "abc"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("reversed", "there is no codec 'reversed'"),
        ("tests.nowhere.codec", "cannot be imported"),
        ("date(", "is not a codec"),
        ("date(day)", "quoted texts or whole numbers"),
        ("cut", "not the arguments of cut"),
        ('boolean("Y", "Y")', "lists a word twice"),
        ('date("%m/%Y")', "does not hold the whole day"),
        ("tests.test_codecs.no_codec", "did not give a hub.mapping.codecs.Codec"),
    ],
)
def test_a_codec_that_cannot_be_is_refused(text: str, words: str) -> None:
    with pytest.raises(DeclarationError, match=words.replace("(", r"\(")):
        codecs.find(text)


def no_codec() -> str:
    """For the test above: a maker that makes something else."""
    return "no codec"
