"""Keys: what is sealed opens only as what it is, ids never run together, and nobody sees a key."""

from __future__ import annotations

import base64
import hmac
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import DeclarationError
from hub.seal import NAME, Keyring, SealError, new_key, new_ring

KEYS = {"one": b"1" * 32, "two": b"2" * 32}
RING = Keyring(b"n" * 32, KEYS, "one")
PLAIN = Keyring(b"n" * 32)
A_KEY = base64.b64encode(b"k" * 32).decode()


@given(st.binary(), st.binary())
def test_what_is_sealed_opens_again(data: bytes, bound: bytes) -> None:
    assert RING.open(RING.seal(data, bound), bound) == data
    assert PLAIN.open(PLAIN.seal(data, bound), bound) == data


@given(st.binary(min_size=1), st.data())
def test_what_was_changed_anywhere_does_not_open(data: bytes, draw: st.DataObject) -> None:
    sealed = bytearray(RING.seal(data, b"x"))
    place = draw.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        RING.open(bytes(sealed), b"x")


@pytest.mark.parametrize("sealed", [b"", b"\x03", b"\x03one", b"\x03one" + b"0" * 12, b"\x05one", b"\xff" * 300])
def test_junk_is_a_seal_error(sealed: bytes) -> None:
    with pytest.raises(SealError):
        RING.open(sealed, b"")


def test_a_seal_belongs_to_what_it_was_made_for() -> None:
    with pytest.raises(SealError, match="belongs to something else"):
        RING.open(RING.seal(b"a", b"record:1:2"), b"record:1:3")


def test_equal_bytes_are_sealed_differently() -> None:
    assert len({RING.seal(b"a", b"") for _ in range(100)}) == 100


def test_a_ring_opens_what_older_keys_sealed_and_seals_with_the_one_in_use() -> None:
    newer = Keyring(b"n" * 32, KEYS, "two")
    assert newer.open(RING.seal(b"a", b""), b"") == b"a"
    assert (Keyring.key_of(newer.seal(b"a", b"")), Keyring.key_of(PLAIN.seal(b"a", b""))) == ("two", "")
    with pytest.raises(SealError, match="its key is not in the ring"):
        Keyring(b"n" * 32, {"one": KEYS["one"]}, "one").open(newer.seal(b"a", b""), b"")


def test_a_ring_with_keys_takes_nothing_that_is_not_sealed() -> None:
    with pytest.raises(SealError, match="only sealed bytes"):
        RING.open(PLAIN.seal(b"a", b""), b"")


def test_renewing_seals_what_is_under_another_key_or_none() -> None:
    newer = Keyring(b"n" * 32, KEYS, "two")
    for sealed in (RING.seal(b"a", b"x"), PLAIN.seal(b"a", b"x")):
        renewed = newer.renew(sealed, b"x")
        assert renewed is not None
        assert newer.open(renewed, b"x") == b"a"
        assert newer.renew(renewed, b"x") is None
    assert PLAIN.renew(PLAIN.seal(b"a", b"x"), b"x") is None
    with pytest.raises(SealError):
        newer.renew(RING.seal(b"a", b"x"), b"y")


@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
def test_names_of_different_parts_differ(one: list[bytes], other: list[bytes]) -> None:
    assert (RING.name(*one) == RING.name(*other)) == (one == other)
    assert len(RING.name(*one)) == NAME


def test_names_hang_on_the_naming_key_alone() -> None:
    assert RING.name("child", "ics", "1") == PLAIN.name(b"child", "ics", 1)
    assert RING.name("child", "ics", "1") != Keyring(b"m" * 32, KEYS, "one").name("child", "ics", "1")
    assert RING.name("\ud800")


@given(st.lists(st.binary(max_size=100), max_size=4))
def test_a_name_is_an_hmac_of_its_parts_and_their_lengths(parts: list[bytes]) -> None:
    told = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    assert RING.name(*parts) == hmac.digest(b"n" * 32, told, "sha256")[:NAME]


def test_a_new_key_file_is_a_ring() -> None:
    text = new_ring("2025-09")
    ring = Keyring.parse(text)
    assert (ring.names(), ring.current, ring.encrypts) == (["2025-09"], "2025-09", True)
    assert not PLAIN.encrypts
    assert new_key() != new_key()
    for key in tomllib.loads(text)["keys"].values():
        assert key not in repr(ring)
    assert repr(ring) == "Keyring(current='2025-09', keys=1)"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "not a key file"),
        ("", "a key file has 'naming'"),
        ("naming = 1", "a key file has 'naming'"),
        (f'naming = "{A_KEY}"\nkeys = 1', "a key file has 'naming'"),
        ('naming = "!!"', "not base64"),
        ('naming = "AAAA"', "32 bytes"),
        (f'naming = "{A_KEY}"\ncurrent = "x"\n[keys]\ny = "{A_KEY}"', "'x', is not among the keys"),
        (f'naming = "{A_KEY}"\ncurrent = "y"\n[keys]\ny = "AAAA"', "32 bytes"),
        (f'naming = "{A_KEY}"\ncurrent = "y"\n[keys]\ny = 1', "not base64"),
        (f'naming = "{A_KEY}"\ncurrent = ""\n[keys]\n"" = "{A_KEY}"', "1 to 255 bytes"),
    ],
)
def test_a_bad_key_file_is_said_without_its_keys(text: str, reason: str) -> None:
    with pytest.raises(DeclarationError, match=reason) as said:
        Keyring.parse(text, file="keys.toml")
    assert str(said.value).startswith("keys.toml: ")
    for line in text.splitlines():
        key = line.partition('"')[2].rstrip('"')
        assert len(key) < 8 or key not in str(said.value)


def test_a_ring_without_sealing_keys_encrypts_nothing() -> None:
    ring = Keyring.parse(f'naming = "{base64.b64encode(b"n" * 32).decode()}"')
    assert (ring.encrypts, ring.names(), ring.name("a")) == (False, [], PLAIN.name("a"))
