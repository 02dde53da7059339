"""The outlet: parcels to another mailbox, and the reports of what never got there.

MESH takes a message and says so at once; that nobody collected it, it says days later, by a report in our own mailbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import structlog

from hub.connect.mesh.call import Post
from hub.connect.mesh.content import Gone, first, kind
from hub.connect.port import Connection, Hook, OneByOne, Returned, no_hook
from hub.connect.silence import SEVERAL
from hub.errors import DeclarationError, Refused, Unavailable
from hub.message import Answer, Parcel, Sent

_TYPES = {".json": "application/json", ".xml": "application/xml", ".csv": "text/csv", ".zip": "application/zip"}


class MeshOutlet(OneByOne):
    """Parcels to one mailbox, each a message."""

    parcels = 10
    at_once: int | None = None

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        self._post, self._hook = Post(connection), hook
        self._reports = Post(connection)  # a session of its own: reports are read beside what is sent
        told = self._told = self._post.told
        if not told.to:
            raise DeclarationError("this connection does not say 'to' which mailbox", place=f"links.{connection.link}")
        self.records = connection.records
        self.seconds = told.timeout
        self.limit = 2 * told.timeout
        self._log = structlog.get_logger().bind(link=connection.link)
        self._data: set[str] = set()

    def __repr__(self) -> str:
        return f"MeshOutlet({self._post.place!r})"

    @property
    def promise(self) -> str:
        """What one effect means here."""
        return "at least once: what has no answer is sent again with the same local id, by which a receiver drops it"

    def ready(self) -> None:
        """Unavailable when the mailbox cannot be used."""
        self._post.look(lambda client: client.handshake())

    def close(self) -> None:
        """End the session."""
        self._post.close()

    def returned(self) -> Iterator[Returned]:
        """What could not be delivered, by the reports in our mailbox. Each must be `confirm`ed.

        Unavailable, once all others are given: something there could not be looked at.
        """
        troubles: list[Unavailable] = []
        try:
            listed = self._reports.names()
            self._data &= set(listed)
            for name in listed:
                if name in self._data:
                    continue
                try:
                    found = self._reports.look(partial(_report, name=name))
                except Unavailable as error:
                    troubles.append(Unavailable(f"{error}, asked for message {name}", whole=True))
                    if len(troubles) >= SEVERAL:
                        break
                    continue
                if found is None:
                    self._data.add(name)
                else:
                    yield found
        finally:
            self._reports.close()
        if troubles:
            raise troubles[0]

    def confirm(self, returned: Returned) -> None:
        """The store has it: the report may go."""
        self._reports.look(lambda client: client.acknowledge_message(returned.name))

    def give(self, parcel: Parcel) -> Answer:
        if not parcel.data:
            return Refused(f"{self._post.place} takes no empty message")
        about = {
            "workflow_id": self._told.workflow,
            "local_id": parcel.key.hex(),
            "filename": f"{parcel.number:012d}-{parcel.key[:4].hex()}{parcel.suffix}",
            "content_type": _TYPES.get(parcel.suffix, "application/octet-stream"),
        }
        try:
            self._hook("send.before-bytes")
            given = self._post.send(parcel.data, parcel.key, about)
        except (Unavailable, Refused) as error:
            return error
        self._hook("answer.read")
        return Sent(given)


def _report(client: Any, name: str) -> Returned | None:
    """The report of that name; None for anything else. Errors of the library."""
    try:
        with closing(first(client, name)) as message:
            headers = message.headers
    except Gone:
        return None
    if kind(headers) != "REPORT":
        return None
    code = headers.get("Mex-StatusCode", "")
    said = f" ({code})" if re.fullmatch(r"[A-Z0-9-]{1,8}", code) else ""
    own = headers.get("Mex-LocalID", "")
    return Returned(
        name=name,
        key=bytes.fromhex(own) if re.fullmatch(r"[0-9a-f]{32}", own) else b"",
        reason=f"MESH took it and could not deliver it{said}: the other mailbox did not collect it, or is not there",
    )


__all__ = ["MeshOutlet"]
