"""One request and its answer, or what it means that there is none. Redirects are not followed."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import NamedTuple

import httpx

from hub.connect.http.auth import Auth, Post
from hub.connect.http.told import FHIR, read
from hub.connect.port import Connection, Hook
from hub.connect.settings import client_context, untrusted
from hub.connect.silence import Silence
from hub.errors import Refused, Unanswered, Unavailable

CONNECTING = 5.0
"""Most seconds to wait for a connection."""
IDLE = 4.0
"""Seconds that an unused connection is kept: many servers end one after five."""
LONGEST = 86_400.0
"""Most seconds of a Retry-After that are believed."""
_BEFORE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
"""Nothing of the request has left."""


class Reply(NamedTuple):
    """status, headers (names in small letters) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def page(self) -> bool:
        """Whether it is a page for a person to read."""
        return bool(self.body) and "html" in self.headers.get("content-type", "").lower()

    @property
    def version(self) -> str:
        """Its ETag, as a receipt or a condition needs it; "" when there is none that looks like one."""
        tag = self.headers.get("etag", "")
        return tag if tag.isascii() and tag.isprintable() and len(tag) <= 100 else ""


class Caller:
    """Asks one server."""

    def __init__(self, connection: Connection, hook: Hook) -> None:
        self.told, self.hook = read(connection), hook
        self.place = f"links.{connection.link}: the server at 'url'"
        self._place_of_token = f"links.{connection.link}: the server of 'token' in its 'auth'"
        self.silence = Silence()
        self._auth = Auth(self.told.auth, connection.home, self.place)
        self._context = client_context(connection)
        self._client: httpx.Client | None = None
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log each URL

    def ask(
        self,
        method: str,
        url: str,
        end: float,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        key: bytes = b"",
    ) -> Reply:
        """The answer, whatever its status. key: of the parcel whose effect is asked for, b"" when nothing is to happen.

        Unavailable: nothing has happened there. Unanswered: it may have.
        """
        said = dict(headers or {})
        reply = self._once(method, url, end, content, {**said, **self._auth.header(self._form(end))}, key)
        if reply.status == 401 and self._auth.renews:  # it did nothing: the token may have been taken back
            self._auth.forget()
            reply = self._once(method, url, end, content, {**said, **self._auth.header(self._form(end))}, key)
        if reply.status < 500:
            self.silence.broken()
        if reply.good and reply.page and self.told.send in FHIR:
            reason = f"{self.place} answered with a web page: something on the way may want a person to sign in"
            raise (Unanswered if key else Unavailable)(reason, whole=True)
        return reply

    def close(self) -> None:
        """End all connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _once(
        self,
        method: str,
        url: str,
        end: float,
        content: bytes | None,
        headers: Mapping[str, str],
        key: bytes,
        place: str = "",
    ) -> Reply:
        """One request. place: which server, where it is not the one at `url`."""
        place = place or self.place
        if self._client is None:
            limits = httpx.Limits(max_connections=4, keepalive_expiry=IDLE)
            self._client = httpx.Client(
                verify=self._context, trust_env=False, limits=limits, proxy=self.told.proxy, headers=self.told.headers
            )
        left = max(end - monotonic(), 0.1)
        timeout = httpx.Timeout(left, connect=min(left, CONNECTING))
        try:
            with self._client.stream(method, url, content=content, headers=headers, timeout=timeout) as answer:
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > self.told.largest or monotonic() > end + 1:
                        raise httpx.ReadError("too long")
                return Reply(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, bytes(body))
        except _BEFORE as error:
            raise Unavailable(f"{place}: {_reason(error)}", whole=True) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            timed = isinstance(error, httpx.TimeoutException)
            said = "no answer came in time" if timed else "the connection broke, or the answer is none"
            if not key:
                raise Unavailable(f"{place}: {said}", whole=True) from None
            raise self.silence.unanswered(key, f"{self.place}: {said}") from None

    def _form(self, end: float) -> Post:
        def post(url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
            data = str(httpx.QueryParams(form)).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            reply = self._once("POST", url, end, data, kind, b"", self._place_of_token)
            return reply.status, reply.body

        return post

    def trouble(self, reply: Reply, key: bytes, said: str = "") -> Refused | Unavailable:
        """What a status that is not good means for a parcel. said: what the answer says besides, no value in it."""
        status = reply.status
        words = f"{self.place} {{}} ({status}{f': {said}' if said else ''})".format
        if status in (401, 403):
            return Unavailable(words("does not let us"), whole=True)
        if status in (429, 503):
            return Unavailable(words("takes nothing now"), after=retry_after(reply), whole=True)
        if 300 <= status < 400:
            return Unavailable(words("sends us elsewhere: name the address itself"), whole=True)
        if status in (404, 405, 501):
            return Unavailable(words("has nothing at this address that takes it: look at 'url'"), whole=True)
        if status in (409, 412, 423, 425):
            return Unavailable(words("cannot take it just now"), after=retry_after(reply))
        if status >= 500 or status == 408 or status < 300:
            if key:
                return self.silence.unanswered(key, words("failed while it had it"))
            return Unavailable(words("failed"), after=retry_after(reply))
        return Refused(words("will not have it"))


def retry_after(reply: Reply) -> float | None:
    """The server's own wish, in seconds; it says seconds or a date."""
    told = reply.headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return min(float(told), LONGEST)
    try:
        seconds = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST)


def _reason(error: BaseException) -> str:
    """Why there is no connection, in words of ours."""
    if isinstance(error, httpx.TimeoutException):
        return "no connection in time"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, socket.gaierror):
            return "there is no machine of that name"
        if words := untrusted(seen):
            return words
        if isinstance(seen, OSError) and seen.errno:
            return os.strerror(seen.errno).lower()
        seen = seen.__cause__ or seen.__context__
    return "no connection"


__all__ = ["Caller", "Reply", "retry_after"]
