"""JSON and JSON lines: what is read, what is refused by name, and that nothing grows with the file."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import RecordError
from hub.wire import Document
from hub.wire.jsonscan import MAX_RECORD
from hub.wire.jsontext import Token, decode, dumps, read_lines, read_records, write_line


def read(data: bytes) -> tuple[list[Any], list[RecordError]]:
    """The records and the errors of a file, the one that ends it included."""
    good, bad = [], []
    try:
        for _, value in read_records(Document.of("in.json", data)):
            (bad if isinstance(value, RecordError) else good).append(value)
    except RecordError as error:
        bad.append(error)
    return good, bad


def refused(data: bytes) -> str:
    """The one error of a file."""
    _, bad = read(data)
    assert len(bad) == 1
    assert bad[0].file == "in.json"
    return str(bad[0])


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a": "1"}, {"a": "2"}]',
        b'\xef\xbb\xbf [ {"a": "1"}\r\n,{"a": "2"} ] \n',
        b'{"a": "1"}\n\n{"a": "2"}\n',
        b'{"a": "1"}\r\n{"a": "2"}',
    ],
)
def test_arrays_and_lines_are_read_alike(data: bytes) -> None:
    assert read(data) == ([{"a": "1"}, {"a": "2"}], [])


def test_one_object_is_one_record() -> None:
    assert read(b'{\n "a": {"b": []},\n "c": {}\n}') == ([{"a": {"b": []}, "c": {}}], [])


def test_numbers_and_booleans_keep_their_text_and_are_told_from_texts() -> None:
    text = b'[{"a":1.50,"b":-0,"c":1E400,"d":true,"e":[false,"true",12345678901234567890,null],"f":{"h":0}}]'
    (record,), bad = read(text)
    assert not bad
    listed = ["false", "true", "12345678901234567890", None]
    assert record == {"a": "1.50", "b": "-0", "c": "1E400", "d": "true", "e": listed, "f": {"h": "0"}}
    assert [type(one) is Token for one in record["e"]] == [True, False, True, False]
    assert b"[" + dumps(record) + b"]" == text


def test_a_bad_record_is_named_and_its_neighbours_are_read() -> None:
    good, bad = read(b'[{"a": "1"},\n{"a": },\n3, null, {"a": "2"}]')
    assert [one["a"] for one in good] == ["1", "2"]
    assert [one.place for one in bad] == ["record 2, line 2", "record 3, line 3", "record 4, line 3"]


def test_a_bad_line_is_named_and_its_neighbours_are_read() -> None:
    found = list(read_lines(Document.of("in.jsonl", b'{"a": "1"}\n{"a"\n\n[]\n{"a": "2"}\n')))
    assert [number for number, _ in found] == [1, 2, 4, 5]
    assert [isinstance(value, RecordError) for _, value in found] == [False, True, True, False]
    assert str(found[1][1]).startswith("in.jsonl: line 2: not JSON")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b'[{"a": "1"}', "cut off"),
        (b'[{"a": "1"},', "cut off"),
        (b'[{"a": "1', "cut off"),
        (b'[{"a": "1"}] 2', "behind the end"),
        (b'[{"a": [1}]', "brackets"),
        (b'[{"a": 1, "a": 2}]', "key 'a' is said twice"),
        (b'[{"some text": 1, "some text": 2}]', "a key is said twice"),
        (b'[{"a": NaN}]', "NaN"),
        (b'[{"a": -Infinity}]', "NaN"),
        (b'[{"a": "\\u0000"}]', "NUL"),
        (b'[{"a": "\\ud800"}]', "surrogate"),
        (b'[{"a": "\x00"}]', "control character"),
        (b'[{"a": "caf\xe9"}]', "byte 11 is not UTF-8"),
        ('[{"a": "1"}]'.encode("utf-16"), "UTF-16"),
        (b"[" + b"[" * 10_000 + b"]" * 10_000 + b"]", "deeper than 100"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deeper than 100"),
        (b"[" * 10_000, "cut off"),
        (b"nothing of the kind", "not JSON"),
        (b'[{"a": "' + b"x" * MAX_RECORD + b'"}]', "larger than"),
        (b'[{"a": [' + b'"x",' * (MAX_RECORD // 4) + b'"x"]}]', "larger than"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_refused_is_refused_by_name(data: bytes, reason: str) -> None:
    assert reason in refused(data)


def test_an_escaped_pair_is_a_character() -> None:
    assert read(b'[{"a": "\\ud83d\\ude00"}]') == ([{"a": "\U0001f600"}], [])


@pytest.mark.parametrize(
    "filling", [b'"' + b"x" * MAX_RECORD + b'"', b"[" + b'"\\"x]",' * 2_000_000 + b"1]", b"1" * (3 * MAX_RECORD)]
)
def test_a_record_too_large_is_passed_over(filling: bytes) -> None:
    good, bad = read(b'[{"a":"1"},{"b":' + filling + b'},{"a":"2"}]')
    assert [one["a"] for one in good] == ["1", "2"]
    assert [one.place for one in bad] == ["record 2, line 1"]


def test_a_line_too_large_is_passed_over() -> None:
    good, bad = read(b'{"a":"1"}\n{"b":"' + b"x" * (2 * MAX_RECORD) + b'"}\n{"a":"2"}\n')
    assert [one["a"] for one in good] == ["1", "2"]
    assert [one.place for one in bad] == ["line 2"]


def test_errors_never_hold_a_value() -> None:
    for data in (
        b'[{"secret": "Amara" "x"}]',
        b'[{"a": Amara}]',
        b'[{"Amara B": 1, "Amara B": 2}]',
        b"Amara",
        b'["Amara"]',
    ):
        _, bad = read(data)
        assert bad
        assert "Amara" not in str(bad[0])
        assert "Amara" not in repr(bad[0])


@given(st.binary(max_size=400))
def test_junk_is_refused_and_never_crashes(data: bytes) -> None:
    for junk in (data, b"[" + data, b'[{"a":' + data + b"}]", b'{"a":1}\n' + data):
        read(junk)
        list(read_lines(Document.of("in.jsonl", junk)))


_TREES = st.recursive(
    st.none()
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
    | st.sampled_from(["1", "true", "1.50"]).map(Token),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text("abc", min_size=1), below, max_size=4),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(st.text("abcd", min_size=1), _TREES, max_size=5), max_size=5))
def test_what_is_written_is_read_again(trees: list[dict[str, Any]]) -> None:
    array = b"[" + b",".join(dumps(tree) for tree in trees) + b"]"
    assert read(array) == (trees, [])
    lines = b"".join(write_line(tree) for tree in trees)
    assert [value for _, value in read_lines(Document.of("in.jsonl", lines))] == trees
    assert [json.loads(dumps(tree)) for tree in trees] == json.loads(array)


def test_a_token_that_json_cannot_hold_bare_is_refused() -> None:
    for text in ("", "01", "NaN", "True", '"x"', "1;2"):
        with pytest.raises(RecordError, match="bare token"):
            dumps({"a": Token(text)})


def test_half_a_character_is_not_written() -> None:
    with pytest.raises(RecordError, match="half a character"):
        dumps({"a": "\ud800"})


def test_decode_says_where() -> None:
    with pytest.raises(ValueError, match="byte 12 is not UTF-8"):
        decode(b'"a\xff"', start=10)


class _Endless(io.RawIOBase):
    """An array of many records that is never whole in memory."""

    def __init__(self, count: int) -> None:
        self.chunks = self._make(count)
        self.left = b""

    def _make(self, count: int) -> Iterator[bytes]:
        yield b"["
        for number in range(count):
            yield b'%s{"a":"%s","b":[1,2,3]}' % (b"," if number else b"", b"x" * 500)
        yield b"]"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while len(self.left) < len(buffer):
            chunk = next(self.chunks, b"")
            if not chunk:
                break
            self.left += chunk
        count = min(len(buffer), len(self.left))
        buffer[:count], self.left = self.left[:count], self.left[count:]
        return count


def _peak(count: int) -> int:
    document = Document("in.json", {"in.json": (0, lambda: io.BufferedReader(_Endless(count)))})  # type: ignore[arg-type]
    tracemalloc.start()
    assert sum(1 for _ in read_records(document)) == count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_stays_flat() -> None:
    assert _peak(20_000) < 1.5 * _peak(2_000)
