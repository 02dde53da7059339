"""What passes between the parts of the flow: packed and unpacked, and never showing a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import RecordError
from hub.message import Cause, Message, Parcel, headers, pack, unpack
from hub.seal import Keyring, SealError

RING = Keyring(b"n" * 32, {"one": b"k" * 32}, "one")
CANARY = b"Ophelia-Quince-4859234565"
messages = st.builds(
    Message,
    number=st.integers(0, 2**63 - 1),
    id=st.binary(min_size=16, max_size=16),
    target=st.text(max_size=40),
    source=st.text(max_size=40),
    kind=st.text(max_size=40),
    bound=st.binary(max_size=40),
    sealed=st.binary(max_size=400),
)


def message(sealed: bytes) -> Message:
    return Message(7, b"i" * 16, "index", "ssd", "Child", b"record:1:2", sealed)


@given(messages)
def test_a_message_comes_out_as_it_went_in(one: Message) -> None:
    assert unpack(pack(one)) == one


@given(
    st.one_of(st.binary(max_size=200), messages.map(lambda one: pack(one)[:-1]), messages.map(lambda o: b"x" + pack(o)))
)
def test_anything_else_is_a_record_error_that_quotes_nothing(data: bytes) -> None:
    with pytest.raises(RecordError) as raised:
        unpack(data)
    assert str(raised.value) == "this is no message of ours"
    assert raised.value.__cause__ is None


def test_its_body_opens_only_with_the_key_and_what_it_is_bound_to() -> None:
    one = message(RING.seal(CANARY, b"record:1:2"))
    assert one.body(RING) == CANARY
    with pytest.raises(SealError):
        message(RING.seal(CANARY, b"record:1:3")).body(RING)
    with pytest.raises(SealError):
        one.body(Keyring(b"n" * 32, {"two": b"k" * 32}, "two"))


def test_no_value_stands_outside_the_seal() -> None:
    one = message(RING.seal(CANARY, b"record:1:2"))
    parcel = Parcel(b"i" * 16, "index", [7], CANARY, head=CANARY, accounts=[CANARY.decode()])
    assert CANARY not in pack(one)
    assert CANARY.decode() not in f"{one!r}{one}{parcel!r}{parcel}{headers(one, '')}"
    assert CANARY.decode() not in f"{message(CANARY)!r}{headers(message(CANARY), '')}"


def test_headers_say_what_a_broker_may_know() -> None:
    told = headers(message(b""), "2026-01-02T03:04:05.678+00:00")
    assert (told["hub-number"], told["hub-target"]) == (7, "index")
    assert told["cloudEvents:id"] == (b"i" * 16).hex()
    assert told["traceparent"] == f"00-{(b'i' * 16).hex()}-{7:016x}-01"


def test_a_cause_is_that_of_its_error() -> None:
    error = RecordError("no such code", file="a.xml", place="Child 3", row="Sex", table="cin/sex")
    assert Cause.of("outward", error) == Cause("outward", "no such code", "Sex", "cin/sex")
