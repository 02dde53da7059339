"""Who we say we are: a fixed header, or a token that is asked for with a secret or a signed JWT (RFC 6749, 7523).

The JWT is as the NHS asks for it of applications: RS512, `kid` in its header, issuer and subject the client, audience
the token's address, a `jti` of its own, at most five minutes long.
"""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hub.errors import DeclarationError, Unavailable

LASTS = 240
"""Seconds that a signed JWT may be used; the NHS allows 300, and clocks differ."""
EARLY = 30.0
"""Seconds before its end that a token is not used any more."""
_KINDS = ("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope")
"""The errors of RFC 6749 5.2; other words of a stranger are not repeated."""
_TOKEN = re.compile(r"[!-~]+")
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Post = Callable[[str, Mapping[str, str]], tuple[int, bytes]]
"""Sends a form to an address; status and body. Unavailable."""


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float | str = 0


_decoder = msgspec.json.Decoder(_Granted)


class Auth:
    """The Authorization header of one connection."""

    def __init__(self, told: Mapping[str, Any], home: Path, place: str) -> None:
        self._told, self._place = told, place
        self._key = _key(told, home, place)
        self._token, self._until = "", 0.0
        if told.get("kind") == "jwt":
            self._signed()  # a key that cannot sign is a mistake of ours: said when the hub starts

    @property
    def renews(self) -> bool:
        """Whether another token may be had where this one is not taken."""
        return "token" in self._told

    def header(self, post: Post) -> dict[str, str]:
        """The header, with a new token where the last is over. Unavailable: none is to be had."""
        kind = self._told.get("kind")
        if kind == "basic":
            both = f"{self._told['user']}:{self._told['password']}".encode()
            return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}
        if kind == "bearer":
            return {"Authorization": f"Bearer {self._told['value']}"}
        if kind is None:
            return {}
        if not self._token or time.monotonic() >= self._until:
            self._renew(post)
        return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """The token was not taken."""
        self._token = ""

    def _renew(self, post: Post) -> None:
        asked = time.monotonic()
        status, body = post(self._told["token"], self._form())
        if status != 200:
            raise Unavailable(f"{self._place}: we are given no token ({_said(status, body)})", whole=True)
        try:
            granted = _decoder.decode(body)
            lasts = float(granted.expires_in)
            if not _TOKEN.fullmatch(granted.access_token):
                raise ValueError("no header can say this")
        except (msgspec.DecodeError, ValueError):
            raise Unavailable(f"{self._place}: the answer to our asking for a token is none", whole=True) from None
        self._token, self._until = granted.access_token, asked + max(lasts - EARLY, lasts / 2)

    def _form(self) -> dict[str, str]:
        told = self._told
        form = {"grant_type": "client_credentials"}
        if "scope" in told:
            form["scope"] = told["scope"]
        if told["kind"] == "secret":
            return {**form, "client_id": told["client"], "client_secret": told["secret"]}
        return {**form, "client_assertion_type": _ASSERTION, "client_assertion": self._signed()}

    def _signed(self) -> str:
        import jwt  # for whom it concerns alone

        now, told = int(time.time()), self._told
        claims = {"iss": told["client"], "sub": told["client"], "aud": told.get("audience", told["token"])}
        claims |= {"jti": str(uuid.uuid4()), "iat": now, "exp": now + LASTS}
        try:
            return jwt.encode(claims, self._key, algorithm=told.get("algorithm", "RS512"), headers={"kid": told["kid"]})
        except Exception as error:  # whatever a library says of a key is not repeated
            reason = f"the key of its 'auth' cannot sign ({type(error).__name__})"
            raise DeclarationError(reason, place=self._place) from None


def _key(told: Mapping[str, Any], home: Path, place: str) -> str:
    key = str(told.get("key", ""))
    if not key or "-----BEGIN" in key:
        return key
    try:
        return (home / key).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        raise DeclarationError("the key file of its 'auth' cannot be read", place=place) from None


def _said(status: int, body: bytes) -> str:
    try:
        found = msgspec.json.decode(body)
        word = found.get("error") if isinstance(found, dict) else None
    except (msgspec.DecodeError, RecursionError):
        word = None
    return f"{status} {word}" if word in _KINDS else str(status)


__all__ = ["Auth", "Post"]
