"""The inlet: a FHIR server searched again and again, each page of what it found a document (a searchset Bundle).

From the second time on only what changed since is asked for (`_lastUpdated`), and a little before: a server may show
late what it stamped early. Since: the newest that was found, or the begin of the search by the server's clock if that
is earlier, for a page that was read early may have changed while the last one was read.

What a page is known by is what is in it: the same resources in the same versions are the same document. Where a server
tells no versions, what comes back to what it was is a change as well: such a page is known by its place in the search
too. After a restart all is asked for once more.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from urllib.parse import urljoin, urlsplit

from hub.connect.http import fhir
from hub.connect.http.call import CONNECTING, Caller, Reply
from hub.connect.port import Arrival, Connection, Hook, no_hook
from hub.errors import DeclarationError, Unavailable
from hub.wire import Document

KNOWN = 100_000
"""Pages that are remembered, as not to give them again."""
LATE = timedelta(seconds=60)
"""How long a server may take to show what it has stamped with a time: a transaction that goes on meanwhile."""


class HttpInlet:
    """The pages of a search. Where it stands is known to this process alone."""

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        self._call = Caller(connection, hook)
        if not self._call.told.search:
            raise DeclarationError("this connection searches for nothing", place=f"links.{connection.link}")
        self._hook = hook
        self._at = ""
        self._since: datetime | None = None
        self._newest: datetime | None = None
        self._began = datetime.now(UTC)
        self._place = 0
        self._lay: dict[int, tuple[str, str]] = {}
        self._settled: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"HttpInlet({self._call.place!r})"

    def ready(self) -> None:
        """Unavailable when the server cannot be reached, or does not let us in."""
        end = monotonic() + self._call.told.timeout
        reply = self._call.ask("GET", f"{self._call.told.url}/metadata", end, headers={"Accept": fhir.FHIR_JSON})
        if not reply.good:
            raise Unavailable(str(self._call.trouble(reply, b"")), whole=True)

    def fetch(self) -> Iterator[Arrival]:
        """Pages that were not given before, from where the last fetch stood. Unavailable when the server leads in a
        circle."""
        if not self._at:
            self._at, self._place = self._first(), 0
        asked: set[str] = set()
        while self._at:
            if self._at in asked:
                self._at = ""
                raise Unavailable(f"{self._call.place}: the next page of the search is one before it", whole=True)
            asked.add(self._at)
            reply = self._page(self._at)
            body = reply.body
            if not self._place:
                self._began = _clock(reply)
            name, times, empty = self._known_by(body)
            if not empty and name not in self._settled:
                yield Arrival(name, Document.of("searchset.json", body))
                if name not in self._settled:
                    return
            self._newest = max(times, default=None) if self._newest is None else max([self._newest, *times])
            self._at, self._place = self._next(body), self._place + 1
        if self._newest is not None:
            self._since = min(self._newest, self._began)

    def settle(self, arrival: Arrival) -> None:
        """The store has the page."""
        self._hook("settle.before")
        self._settled[arrival.name] = None
        while len(self._settled) > KNOWN:
            del self._settled[next(iter(self._settled))]
        self._hook("settle.after")

    def pending(self) -> bool:
        """Whether the last fetch did not come to the end."""
        return bool(self._at)

    def close(self) -> None:
        """End all connections."""
        self._call.close()

    def _first(self) -> str:
        told = self._call.told
        url = f"{told.url}/{told.search}"
        if self._since is None:
            return url
        since = _before(self._since).isoformat().replace("+", "%2B")
        return f"{url}{'&' if '?' in told.search else '?'}_lastUpdated=ge{since}"

    def _page(self, url: str) -> Reply:
        end = monotonic() + self._call.told.timeout + CONNECTING
        reply = self._call.ask("GET", url, end, headers={"Accept": fhir.FHIR_JSON})
        if not reply.good:
            self._at = ""  # a page's address may be over: from the first again
            trouble = self._call.trouble(reply, b"", fhir.complaints(reply.body, b""))
            raise Unavailable(str(trouble), after=getattr(trouble, "after", None), whole=True)
        if fhir.parse(reply.body).get("resourceType") != "Bundle":
            self._at = ""
            raise Unavailable(f"{self._call.place}: the answer to the search is no Bundle", whole=True)
        return reply

    def _next(self, body: bytes) -> str:
        """The next page. Unavailable when it is on another server, which must not get what we say to this one."""
        told = fhir.next_page(body)
        if not told:
            return ""
        url, base = urlsplit(urljoin(f"{self._call.told.url}/", told)), urlsplit(self._call.told.url)
        if (url.scheme, url.netloc) != (base.scheme, base.netloc):
            self._at = ""
            raise Unavailable(f"{self._call.place}: the next page of the search is on another server", whole=True)
        return url.geturl()

    def _known_by(self, body: bytes) -> tuple[str, list[datetime], bool]:
        """What a page is known by, the times of its resources, and whether it holds none."""
        told, times, versioned = [], list[datetime](), True
        for one in fhir.parse(body).get("entry") or []:
            held = one.get("resource") if isinstance(one, dict) else None
            if isinstance(held, dict):
                told.append(json.dumps(held, sort_keys=True))
                meta = held.get("meta")
                meta = meta if isinstance(meta, dict) else {}
                time = _time(str(meta.get("lastUpdated", "")))
                times += [time] if time else []
                versioned = versioned and bool(meta.get("versionId") or time)
        digest = hashlib.sha256("\n".join(told).encode()).hexdigest()
        return digest if versioned else self._known_here(digest), times, not told

    def _known_here(self, digest: str) -> str:
        """What a page is known by that tells no versions: what is in it, and when it came to lie at this place."""
        before, name = self._lay.get(self._place, (digest, digest))
        if before != digest:
            name = f"{digest} {secrets.token_hex(8)}"
        self._lay[self._place] = digest, name
        return name


def _before(moment: datetime) -> datetime:
    """LATE earlier, as far as there is such a time."""
    try:
        return moment - LATE
    except OverflowError:
        return moment


def _time(told: str) -> datetime | None:
    """A FHIR instant; None for anything else, a time without its zone too."""
    try:
        found = datetime.fromisoformat(told)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _clock(reply: Reply) -> datetime:
    """What time it was by the server's clock when it answered, by ours where it does not say."""
    try:
        found = parsedate_to_datetime(reply.headers.get("date", ""))
    except ValueError:
        return datetime.now(UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


__all__ = ["HttpInlet"]
