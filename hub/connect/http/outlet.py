"""The outlet: each parcel is one request, in the way the server honours, so that it has one effect where that can be.

transaction   POST of a FHIR transaction or batch; its own conditions (If-None-Exist, a search) make it one effect
message       POST to `$process-message`; the id of the message is the parcel's, and the answer must name it
resource      what the server has is looked for, then PUT if it is still that (If-Match), or POST if there is none
put           PUT to the address, or to one that has the parcel's key in it; `match`: only if it is still what was read
post          POST with an Idempotency-Key; a list that is refused as a whole is sent one by one
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from time import monotonic

from hub.connect.http import fhir
from hub.connect.http.call import CONNECTING, Caller, Reply
from hub.connect.http.told import FHIR
from hub.connect.http.versioned import put_resource, put_whole
from hub.connect.port import Connection, Hook, OneByOne, no_hook
from hub.errors import DeclarationError, Refused, Unanswered, Unavailable
from hub.message import Answer, Each, NotTried, One, Parcel, Sent

AGAIN = 30.0
"""Seconds until what a FHIR server did not answer is asked again: it may be at it still, and must not do it twice."""
_TYPES = {".json": "application/json", ".xml": "application/xml", ".csv": "text/csv", ".hl7": "application/hl7-v2"}
_LIST_REFUSED = (400, 413, 422)
_PROMISES = {
    "transaction": "one effect where the server honours the conditions in the transaction, else at least once",
    "message": "at least once, with the same id; one effect where the server knows the ids of messages",
    "resource": "one effect: what is there is read first, and written only if it is still that",
    "put": "one effect: the same address and bytes however often",
    "post": "at least once; one effect where the server honours Idempotency-Key",
}


class HttpOutlet(OneByOne):
    """Parcels to one server."""

    parcels = 20

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        self._call = Caller(connection, hook)
        told = self._told = self._call.told
        if not told.send:
            raise DeclarationError("this connection does not say how to send", place=f"links.{connection.link}")
        self.records = connection.records if told.send in ("post",) else 1
        self.seconds = told.timeout
        self.limit = 2 * told.timeout + CONNECTING
        # Two transactions at the same time that create what both need (an organisation) would create it twice.
        self.at_once: int | None = 1 if told.send in ("transaction", "resource") else None
        self._link, self._hook = connection.link, hook

    def __repr__(self) -> str:
        return f"HttpOutlet({self._call.place!r})"

    @property
    def promise(self) -> str:
        """What one effect means here."""
        return _PROMISES[self._told.send]

    def ready(self) -> None:
        """Unavailable when the server cannot be reached, or does not let us in."""
        end = monotonic() + self._told.timeout
        fhir_server = self._told.send in FHIR
        url = f"{self._told.url}/metadata" if fhir_server else self._told.url.replace("{key}", "0" * 32)
        reply = self._call.ask("GET" if fhir_server else "OPTIONS", url, end, headers=self._accept())
        trouble = self._call.trouble(reply, b"")
        if not reply.good and (fhir_server or reply.status in (401, 403, 429, 503)):
            raise trouble if isinstance(trouble, Unavailable) else Unavailable(str(trouble), whole=True)

    def stage(self, parcel: Parcel) -> str:
        """A FHIR message gets its own id."""
        if self._told.send in FHIR and fhir.NIL in parcel.data:
            parcel.data = parcel.data.replace(fhir.NIL, fhir.own_uuid(parcel.key).encode())
        return ""

    def close(self) -> None:
        """End all connections."""
        self._call.close()

    def give(self, parcel: Parcel) -> Answer:
        end = monotonic() + self._told.timeout
        ways: dict[str, Callable[[Parcel, float], Answer]] = {
            "transaction": self._transaction,
            "message": self._message,
            "resource": self._resource,
            "put": self._put,
            "post": self._plain,
        }
        try:
            if self._told.send in FHIR and parcel.suffix == ".zip":
                raise Refused(
                    f"{self._call.place} takes one Bundle at a time, and this form about several children is more"
                )
            return ways[self._told.send](parcel, end)
        except Unanswered as lost:
            if self._told.send in FHIR and lost.after is None:
                lost.after = AGAIN
            return lost
        except (Unavailable, Refused) as error:
            return error

    def _transaction(self, parcel: Parcel, end: float) -> Answer:
        reply = self._post(self._told.url, parcel, end)
        said = fhir.complaints(reply.body, parcel.data)
        if reply.status == 412:
            raise Refused(f"{self._call.place} has several that its conditions mean (412{f': {said}' if said else ''})")
        if not reply.good:
            raise self._call.trouble(reply, parcel.key, said)
        if fhir.failed(reply.body):
            raise Refused(f"{self._call.place} will not have it ({reply.status}{f': {said}' if said else ''})")
        kind, count = fhir.count(parcel.data)
        told = fhir.entries(reply.body, parcel.data)
        if told is None or (count and len(told) != count):
            if kind == "batch" or told is not None:
                raise self._call.silence.unanswered(parcel.key, f"{self._call.place} did not answer for every entry")
            return Sent(f"{reply.status} {reply.version}".strip())
        each = [self._entry(n, one, parcel.key) for n, one in enumerate(told, 1)]
        if kind == "batch" and len(parcel.numbers) == len(each) > 1:
            return Each(each)
        return _worst(each) or Sent(f"{reply.status} {next((one.version for one in told if one.version), '')}".strip())

    def _entry(self, n: int, entry: fhir.Entry, key: bytes) -> One:
        """What became of one entry of a transaction or a batch."""
        if 200 <= entry.status < 300 or entry.status == 304:
            return Sent(f"{entry.status} {entry.version}".strip())
        said = f"entry {n}" + (f": {entry.said}" if entry.said else "")
        reply = Reply(entry.status or 500, {}, b"")
        return self._call.trouble(reply, key, said)

    def _message(self, parcel: Parcel, end: float) -> Answer:
        reply = self._post(f"{self._told.url}/$process-message", parcel, end)
        said = fhir.complaints(reply.body, parcel.data)
        words = f"{self._call.place} will not have it ({reply.status}{f': {said}' if said else ''})"
        if not reply.good:
            raise self._call.trouble(reply, parcel.key, said)
        named, code = fhir.response(reply.body)
        if named and named != fhir.header_id(parcel.data):
            raise self._call.silence.unanswered(parcel.key, f"{self._call.place} answered another message")
        if code == "fatal-error" or (not code and fhir.failed(reply.body)):
            raise Refused(words)
        if code == "transient-error":
            raise Unavailable(words.replace("will not have it", "could not take it"))
        return Sent(f"{reply.status} {code}".strip())

    def _resource(self, parcel: Parcel, end: float) -> Answer:
        return put_resource(self._call, parcel, end, self._accept(parcel))

    def _put(self, parcel: Parcel, end: float) -> Answer:
        if self._told.match or "{key}" in self._told.url:
            return put_whole(self._call, parcel, end, self._accept(parcel))
        reply = self._call.ask("PUT", self._told.url, end, parcel.data, self._accept(parcel), key=parcel.key)
        if not reply.good:
            raise self._call.trouble(reply, parcel.key)
        return Sent(f"{reply.status} {reply.version}".strip())

    def _post(self, url: str, parcel: Parcel, end: float) -> Reply:
        self._hook("send.before-bytes")
        reply = self._call.ask("POST", url, end, parcel.data, self._accept(parcel), key=parcel.key)
        self._hook("answer.read")
        return reply

    def _plain(self, parcel: Parcel, end: float) -> Answer:
        reply = self._post(self._told.url, parcel, end)
        if reply.good:
            return Sent(f"{reply.status} {reply.version}".strip())
        parts = _parts(parcel) if reply.status in _LIST_REFUSED else []
        if parts:
            pieces = [parcel.piece(n, _key(parcel, n), data) for n, data in enumerate(parts)]
            return Each(self._apart(pieces), pieces)
        raise self._call.trouble(reply, parcel.key)

    def _apart(self, pieces: list[Parcel]) -> list[One]:
        """A list that was refused, one by one: what becomes of each. What time does not allow goes later."""
        answers: list[One] = []
        end = monotonic() + self._told.timeout
        for piece in pieces:
            if monotonic() > end:
                break
            try:
                reply = self._post(self._told.url, piece, end)
                answers.append(Sent(f"{reply.status}") if reply.good else self._call.trouble(reply, piece.key))
            except Unavailable as error:
                answers.append(error)
            last = answers[-1]
            if isinstance(last, Unavailable) and last.whole:
                break
        return answers + [NotTried()] * (len(pieces) - len(answers))

    def _accept(self, parcel: Parcel | None = None) -> dict[str, str]:
        """The headers of a request. The key of a parcel names it to a server that knows such keys."""
        headers = {"Accept": fhir.FHIR_JSON if self._told.send in FHIR else "*/*"}
        if parcel is not None:
            kind = fhir.FHIR_JSON if self._told.send in FHIR else self._told.content
            headers["Content-Type"] = kind or _TYPES.get(parcel.suffix, "application/octet-stream")
            headers["Idempotency-Key"] = parcel.key.hex()
            headers["X-Request-ID"] = fhir.own_uuid(parcel.key)
        return headers


def _worst(each: list[One]) -> One | None:
    """What a parcel's answer is when not all of it went well: what may pass later counts before what will not."""
    bad = [one for one in each if not isinstance(one, Sent)]
    return next((one for one in bad if isinstance(one, Unavailable)), bad[0] if bad else None)


def _key(parcel: Parcel, n: int) -> bytes:
    """The key of the n-th message of a parcel, sent alone: the same however often the parcel is taken apart."""
    return hashlib.blake2b(parcel.key + n.to_bytes(4, "big"), digest_size=16).digest()


def _parts(parcel: Parcel) -> list[bytes]:
    """The items of a JSON list, one for each message of the parcel, each as a list of one; none for anything else."""
    if len(parcel.numbers) < 2:
        return []
    try:
        text = parcel.data.decode()
        decoder, at = json.JSONDecoder(), text.index("[") + 1
        found: list[bytes] = []
        while len(found) <= len(parcel.numbers):
            at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n,"))
            if text[at : at + 1] == "]":
                break
            _, end = decoder.raw_decode(text, at)
            found.append(f"[{text[at:end]}]".encode())
            at = end
    except (ValueError, RecursionError):
        return []
    return found if len(found) == len(parcel.numbers) else []


__all__ = ["HttpOutlet"]
