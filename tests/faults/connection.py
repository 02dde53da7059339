"""How the hub speaks to the targets of the fault test: one message a parcel over HTTP, in the way that each honours.

With `kind = "match"` the target's version is read first and sent as If-Match; when it was changed in between, what it
has is read back and compared. Every outcome that is not known is noted, for the oracle.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from hub.connect import Connection
from hub.connect.outgoing import FolderOutlet
from hub.errors import Refused, Unanswered, Unavailable
from hub.message import Answer, NotTried, Parcel, Sent
from tests.faults.logs import Log
from tests.faults.record import seen

LIMIT = 2.0
"""Seconds of one send."""
AGAIN = 0.3
"""Seconds until what had no answer is asked again."""


class Folder(FolderOutlet):
    """The hub's own folder. It is given less time, for in the fault test leases are short."""

    limit = 1.0


class Outlet:
    """Settings: `url`, `as` (dedup, match, plain), `unknown` (the file for keys without an answer), `at_once`."""

    records = 1
    parcels = 8
    limit = LIMIT
    keeps_aside = False
    promise = "what the fault test makes of it"

    def __init__(self, connection: Connection) -> None:
        told = connection.settings
        place = urlsplit(told["url"])
        self._host, self._port = place.hostname or "", place.port or 0
        self._kind, self._unknown = told["as"], Log(Path(told["unknown"]))
        self.at_once: int | None = told.get("at_once")

    def stage(self, parcel: Parcel) -> str:
        return ""

    def discard(self, parcel: Parcel) -> None:
        pass

    def tidy(self, live: Callable[[str], bool]) -> int:
        return 0

    def close(self) -> None:
        pass

    def send(self, parcels: Sequence[Parcel]) -> list[Answer]:
        end = monotonic() + LIMIT
        answers: list[Answer] = []
        for parcel in parcels:
            stopped = bool(answers) and isinstance(answers[-1], Unavailable) and answers[-1].whole
            answers.append(NotTried() if stopped else self._one(parcel, end))
        return answers

    def _one(self, parcel: Parcel, end: float) -> Answer:
        path = f"/child/{seen(parcel.data)[0].child[1]}"
        headers = {"Idempotency-Key": parcel.key.hex(), "Worker": str(os.getpid())}
        if self._kind == "match":
            told = self._ask("GET", path, end)
            if isinstance(told, Unavailable):
                return Unavailable(str(told), after=AGAIN)  # nothing was sent
            if told.getheader("Last-Key") == parcel.key.hex():
                return Sent(told.getheader("ETag") or "")
            headers["If-Match"] = told.getheader("ETag") or ""
        if end - monotonic() < 0.1:
            return NotTried()
        answer = self._ask("PUT", path, end, parcel.data, headers)
        if isinstance(answer, Unanswered):
            self._unknown.add(key=parcel.key.hex())
        if isinstance(answer, Unavailable):
            return answer
        return self._meaning(answer, parcel, path, end)

    def _meaning(self, answer: http.client.HTTPResponse, parcel: Parcel, path: str, end: float) -> Answer:
        if answer.status == 200:
            return Sent(answer.getheader("ETag") or "")
        if answer.status == 400:
            return Refused("it will not have it (400)")
        if answer.status == 412:
            told = self._ask("GET", path, end)
            if not isinstance(told, Unavailable) and told.getheader("Last-Key") == parcel.key.hex():
                return Sent(told.getheader("ETag") or "")
            return Unavailable("it was changed by another in between (412)", after=AGAIN)
        after = answer.getheader("Retry-After")
        return Unavailable(f"it takes nothing now ({answer.status})", after=float(after) if after else None, whole=True)

    def _ask(
        self, method: str, path: str, end: float, data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse | Unavailable:
        """The answer; Unavailable when there is no connection, Unanswered when there is no answer."""
        wire = http.client.HTTPConnection(self._host, self._port, timeout=max(end - monotonic(), 0.05))
        try:
            wire.connect()
        except OSError:
            return Unavailable("no connection", after=AGAIN, whole=True)
        try:
            wire.request(method, path, data, headers or {})
            answer = wire.getresponse()
            answer.read()
            return answer
        except (OSError, http.client.HTTPException):
            return Unanswered("no answer", after=AGAIN)
        finally:
            wire.close()
