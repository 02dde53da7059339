"""Keys: what is kept or sent is sealed under a named key, and ids of ours are made with a naming key of their own.

Sealing is AES-256-GCM. Sealing keys are rotated; the naming key never is, for every id hangs on it: a plain digest of
an NHS number could be reversed by counting through all of them, one under a key cannot.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import tomllib
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import DeclarationError, HubError

KEY = 32
"""Bytes of a key."""
NONCE = 12
PLAIN = b"\0"
"""First byte of what is not sealed (`encrypt = false`); else the length of the key's name."""
NAME = 16
"""Bytes of an id of ours."""


class SealError(HubError):
    """Sealed bytes cannot be opened: their key is not in the ring, or they are not what was sealed."""


class KeyMissing(SealError):
    """Sealed bytes are under a key that this ring lacks; the ring of another process may have it."""


class Keyring:
    """Sealing keys by name, the one in use, and the naming key. Without sealing keys nothing is encrypted."""

    def __init__(self, naming: bytes, keys: Mapping[str, bytes] | None = None, current: str = "") -> None:
        held = dict(keys or {})
        if held and current not in held:
            raise DeclarationError(f"the sealing key in use, {current!r}, is not among the keys", place="current")
        for name, key in {"naming": naming, **held}.items():
            if len(key) != KEY:
                raise DeclarationError(f"a key is {KEY} bytes in base64: make one with 'ics-hub keys new'", place=name)
        if any(not 0 < len(name.encode()) < 256 for name in held):
            raise DeclarationError("a key's name has 1 to 255 bytes", place="keys")
        self._naming = hmac.new(naming, digestmod="sha256")
        self._ciphers = {name.encode(): AESGCM(key) for name, key in held.items()}
        self.current = current
        label = current.encode()
        self._mark = bytes((len(label),)) + label
        self._cipher = self._ciphers.get(label)

    def __repr__(self) -> str:
        return f"Keyring(current={self.current!r}, keys={len(self._ciphers)})"

    @classmethod
    def parse(cls, text: str, *, file: str = "") -> Keyring:
        """A ring from the text of a key file: `naming`, `current`, and `[keys]` by name, each key in base64."""
        try:
            told = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            raise DeclarationError("not a key file (TOML): make one with 'ics-hub keys new'", file=file) from None
        if not isinstance(told.get("keys", {}), dict) or not isinstance(told.get("naming"), str):
            raise DeclarationError("a key file has 'naming', 'current' and '[keys]'", file=file)
        try:
            keys = {name: base64.b64decode(key, validate=True) for name, key in told.get("keys", {}).items()}
            return cls(base64.b64decode(told["naming"], validate=True), keys, told.get("current", ""))
        except (binascii.Error, TypeError, ValueError):
            raise DeclarationError("a key is not base64", file=file) from None
        except DeclarationError as error:
            raise DeclarationError(error.reason, file=file, place=error.place) from None

    @property
    def encrypts(self) -> bool:
        """Whether anything is sealed at all."""
        return self._cipher is not None

    def names(self) -> list[str]:
        """The names of the sealing keys."""
        return sorted(name.decode() for name in self._ciphers)

    def seal(self, data: bytes, bound: bytes) -> bytes:
        """The bytes sealed under the key in use; they open only with the same `bound` (what they are and whose)."""
        if self._cipher is None:
            return PLAIN + data
        nonce = os.urandom(NONCE)
        return self._mark + nonce + self._cipher.encrypt(nonce, data, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """What was sealed. SealError when it cannot be."""
        if not sealed:
            raise SealError("there is nothing to open")
        if sealed[0] == 0:
            if self._cipher is not None:
                raise SealError("this is not sealed, and only sealed bytes are taken here")
            return bytes(sealed[1:])
        start = 1 + sealed[0]
        cipher = self._ciphers.get(bytes(sealed[1:start]))
        if cipher is None:
            raise KeyMissing("its key is not in the ring: this process needs the newest key file, and a restart")
        try:
            return cipher.decrypt(bytes(sealed[start : start + NONCE]), bytes(sealed[start + NONCE :]), bound)
        except (InvalidTag, ValueError):
            raise SealError("it was changed, or belongs to something else") from None

    def renew(self, sealed: bytes, bound: bytes) -> bytes | None:
        """The same bytes sealed under the key in use, None when they are already; also what was not sealed before."""
        if self.key_of(sealed) == self.current:
            return None
        data = bytes(sealed[1:]) if sealed[:1] == PLAIN else self.open(sealed, bound)
        return self.seal(data, bound)

    @staticmethod
    def key_of(sealed: bytes) -> str:
        """The name of the key that bytes are sealed under; "" when they are not."""
        return bytes(sealed[1 : 1 + sealed[0]]).decode("utf-8", "replace") if sealed else ""

    def name(self, *parts: bytes | str | int) -> bytes:
        """An id of ours, 16 bytes, from parts that may identify a person; different parts never run together."""
        said = [one if one.__class__ is bytes else str(one).encode("utf-8", "surrogatepass") for one in parts]
        made = self._naming.copy()
        made.update(b"".join([b"%b%b" % (len(one).to_bytes(4, "big"), one) for one in said]))
        return made.digest()[:NAME]


def new_key() -> str:
    """A new random key, in base64."""
    return base64.b64encode(os.urandom(KEY)).decode()


def new_ring(name: str) -> str:
    """The text of a new key file with one sealing key."""
    return f'naming = "{new_key()}"\ncurrent = "{name}"\n\n[keys]\n"{name}" = "{new_key()}"\n'


__all__ = ["KeyMissing", "Keyring", "SealError", "new_key", "new_ring"]
