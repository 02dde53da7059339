"""A session with a MESH server, and what its library's errors mean."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

import requests
import urllib3.exceptions
from mesh_client import DEP_ENDPOINT, INT_ENDPOINT, LIVE_ENDPOINT, MeshClient

from hub.connect.mesh.told import read
from hub.connect.port import Connection
from hub.connect.settings import untrusted
from hub.connect.silence import Silence
from hub.errors import Refused, Unavailable

GREETING = 20 * 3600.0
"""Seconds after which the handshake is due again: MESH wants one a day."""
_SERVERS = {"live": LIVE_ENDPOINT, "int": INT_ENDPOINT, "dep": DEP_ENDPOINT}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""What MESH calls a message."""
_OURS = {"07", "08", "12", "17"}
"""Codes of MESH that say something of the two mailboxes or the workflow, and so of all that is sent."""
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
"""What the library, and those below it, raise where no answer comes, or one that is none."""
T = TypeVar("T")


class Post:
    """One mailbox. It is greeted before it is first used."""

    def __init__(self, connection: Connection) -> None:
        self.told = told = read(connection)
        self.place = f"links.{connection.link}: MESH"
        self.silence = Silence()
        settings, home = connection.settings, connection.home
        # With no pass phrase: a key that is locked is refused, not asked for.
        cert = (str(home / settings["cert"]), str(home / settings["key"]), "") if "cert" in settings else None
        server: Any = _SERVERS.get(told.server, told.server)
        self._make: Callable[[], MeshClient] = lambda: MeshClient(
            server,
            told.mailbox,
            told.password,
            shared_key=told.shared_key,
            cert=cert,
            verify=str(home / settings["ca"]) if "ca" in settings else None if told.server in _SERVERS else True,
            max_retries=0,  # the flow tries again
            max_chunk_size=told.chunk,
            transparent_compress=told.compress,
            timeout=told.timeout,
            application_name="ICS-Hub",
        )
        self._client: MeshClient | None = None
        self._greeted = -GREETING

    def ask(self, act: Callable[[Any], T], key: bytes = b"") -> T:
        """What an act with the client gives. key: of the parcel that it sends.

        Unavailable: nothing has happened there. Unanswered: it may have. Refused.
        """
        try:
            if self._client is None:
                self._client = self._make()
                cast(Any, self._client)._session.hooks["response"].append(_stays)
            if time.monotonic() - self._greeted >= GREETING:
                cast(Any, self._client).handshake()
                self._greeted = time.monotonic()
        except _BROKEN as error:
            raise self._trouble(error, b"") from None
        try:
            found = act(self._client)
        except _BROKEN as error:
            raise self._trouble(error, key) from None
        self.silence.broken()
        return found

    def look(self, act: Callable[[Any], T]) -> T:
        """As `ask`, for what sends nothing: what is refused is waited for. Unavailable."""
        try:
            return self.ask(act)
        except Refused as error:
            raise Unavailable(str(error), whole=True) from None

    def names(self) -> list[str]:
        """The messages of our workflow that lie in the mailbox, in its order. Unavailable."""

        def act(client: Any) -> list[str]:
            try:
                listed = list(client.iterate_message_ids(workflow_filter=self.told.workflow or None))
            except (AttributeError, TypeError):
                raise ValueError("it is no list") from None
            if not all(isinstance(one, str) and _NAME.fullmatch(one) for one in listed):
                raise ValueError("these are no messages")
            return listed

        return self.look(act)

    def send(self, data: bytes, key: bytes, about: Mapping[str, str]) -> str:
        """Send bytes in their parts; the id that MESH gives the message. about: what is said of it. Errors as `ask`.

        A message of several parts is delivered with the last of them: until then it is nothing.
        """
        parts = [data[start : start + self.told.chunk] for start in range(0, len(data), self.told.chunk)]
        given = ""
        for n, part in enumerate(parts, 1):
            said = {**about} if n == 1 else {"message_id": given}
            reply = self.ask(partial(self._part, part, (n, len(parts)), said), key)
            if reply.status_code not in (200, 202):
                raise self._refusal(reply, key)
            if n == 1:
                given = self._given(reply, key)
        return given

    def _part(self, part: bytes, place: tuple[int, int], about: Mapping[str, str], client: Any) -> Any:
        """One part of a message: the library's own `send_message` hides the status of an answer."""
        return client.send_chunk(self.told.to, io.BytesIO(part), chunk_num=place[0], total_chunks=place[1], **about)

    def _given(self, reply: Any, key: bytes) -> str:
        told = _json(reply).get("message_id")
        if isinstance(told, str) and _NAME.fullmatch(told):
            return told
        raise self.silence.unanswered(key, f"{self.place} answered with something that is no answer")

    def _refusal(self, reply: Any, key: bytes) -> Refused | Unavailable:
        """What an answer means that is none of the good ones: by the code that MESH says, else by its status."""
        told = _json(reply)
        listed = told.get("detail")
        first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else told
        code = str(first.get("errorCode") or first.get("code") or "")
        if reply.status_code not in (400, 417):
            return self._status(reply, key)
        said = f" ({code})" if re.fullmatch(r"[A-Z]{0,4}-?\d{1,4}", code) else ""
        if code in _OURS:
            words = "knows no such mailbox, or not this workflow for it: look at 'to' and 'workflow'"
            return Unavailable(f"{self.place} {words}{said}", whole=True)
        return Refused(f"{self.place} will not have it{said}")

    def close(self) -> None:
        """End the session; the next use begins another."""
        client, self._client = self._client, None
        if client is not None:
            cast(Any, client).close()

    def _trouble(self, error: Exception, key: bytes) -> Refused | Unavailable:
        """What an error means. No text of it is repeated: it may hold what a stranger wrote."""
        if isinstance(error, requests.HTTPError) and error.response is not None:
            return self._status(error.response, key)
        if words := untrusted(error):
            return Unavailable(f"{self.place}: {words}", whole=True)
        if isinstance(error, requests.ConnectTimeout) or _never_left(error):
            return Unavailable(f"{self.place}: no connection", whole=True)
        timed = isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError)
        said = "no answer came in time" if timed else "the connection broke, or the answer is none"
        if key:
            return self.silence.unanswered(key, f"{self.place}: {said} while a message was sent")
        return Unavailable(f"{self.place}: {said}", whole=True)

    def _status(self, response: Any, key: bytes) -> Refused | Unavailable:
        status = response.status_code
        after = response.headers.get("Retry-After", "")
        seconds = min(float(after), 86_400.0) if after.isascii() and after.isdigit() else None
        if 300 <= status < 400:
            words = "sends us elsewhere: name the address itself in 'server'"
            return Unavailable(f"{self.place} {words} ({status})", whole=True)
        if status in (401, 403):
            words = "does not let us in: look at 'mailbox', 'password', 'shared_key', the certificate and the clock"
            return Unavailable(f"{self.place} {words} ({status})", whole=True)
        if status in (404, 429, 503) or not key:
            return Unavailable(f"{self.place} takes nothing now ({status})", after=seconds, whole=True)
        if status >= 500 or status == 408:
            return self.silence.unanswered(key, f"{self.place} failed while it had a message ({status})")
        return Refused(f"{self.place} will not have it ({status})")


def _stays(reply: Any, *_: Any, **__: Any) -> None:
    """No answer leads us elsewhere: a record would go along, to whoever that is. requests.HTTPError."""
    if 300 <= reply.status_code < 400:
        raise requests.HTTPError(response=reply)


def _json(reply: Any) -> dict[str, Any]:
    try:
        told = reply.json()
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _never_left(error: Exception) -> bool:
    """Whether there was no connection at all: urllib3 says so somewhere inside."""
    seen: Any = error
    for _ in range(6):
        if type(seen).__name__ in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ProxyError"):
            return True
        inner = getattr(seen, "reason", None) or (seen.args[0] if getattr(seen, "args", ()) else None)
        if not isinstance(inner, Exception):
            return False
        seen = inner
    return False


__all__ = ["Post"]
