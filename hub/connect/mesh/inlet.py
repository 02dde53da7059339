"""The inlet: the messages of our mailbox, the oldest first, acknowledged once they are kept. Reports are not for it."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any

import structlog

from hub.connect.files import plain
from hub.connect.mesh.call import Post
from hub.connect.port import Arrival, Connection, Hook, no_hook
from hub.errors import Refused, Unavailable
from hub.wire import Document

_GZIP = b"\x1f\x8b"
_PACKED = (".gz", ".tgz")
"""Names of what is compressed by itself; anything else was compressed by its sender for the way only."""
_READ = 1 << 20


class _TooLarge(Exception):
    """It is longer than is taken."""


class MeshInlet:
    """The documents of a mailbox, each in memory while it is kept."""

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        self._post, self._hook = Post(connection), hook
        self._log = structlog.get_logger().bind(link=connection.link)
        self._settled: set[str] = set()
        self._passed: set[str] = set()
        self._left = False

    def __repr__(self) -> str:
        return f"MeshInlet({self._post.place!r})"

    def ready(self) -> None:
        """Unavailable when the mailbox cannot be looked into."""
        self._post.look(lambda client: client.handshake())

    def fetch(self) -> Iterator[Arrival]:
        """What lies in the mailbox, in its order. What was kept and could not be acknowledged is so now."""
        workflow = self._post.told.workflow or None
        listed = self._post.look(lambda client: list(client.iterate_message_ids(workflow_filter=workflow)))
        self._passed &= set(listed)
        for name in [one for one in listed if one in self._settled]:
            self._acknowledge(name)
        waiting = [one for one in listed if one not in self._settled and one not in self._passed]
        self._left = bool(waiting)
        for name in waiting:
            arrival = self._arrival(name)
            if arrival is not None:
                yield arrival
        self._left = False

    def settle(self, arrival: Arrival) -> None:
        """The store has it."""
        self._hook("settle.before")
        self._settled.add(arrival.name)
        self._acknowledge(arrival.name)
        self._hook("settle.after")

    def pending(self) -> bool:
        """Whether the last fetch did not come to the end."""
        return self._left

    def close(self) -> None:
        """End the session."""
        self._post.close()

    def _acknowledge(self, name: str) -> None:
        try:
            self._post.ask(lambda client: client.acknowledge_message(name))
        except (Refused, Unavailable) as error:  # once more with the next fetch
            self._log.warning("a message that was kept could not be acknowledged", reason=str(error))
            return
        self._settled.discard(name)

    def _arrival(self, name: str) -> Arrival | None:
        """A message with its content; None for what is not ours to take. Unavailable."""
        try:
            found = self._post.look(lambda client: self._read(client, name))
        except _TooLarge:
            self._passed.add(name)
            self._log.error("a message is too large and stays in the mailbox", most=self._post.told.largest)
            return None
        if found is None:
            self._passed.add(name)
            return None
        title, data = found
        # A zip is one part here, as it came.
        return Arrival(name, Document(title, {title: (len(data), lambda: io.BytesIO(data))}))

    def _read(self, client: Any, name: str) -> tuple[str, bytes] | None:
        """Name and bytes of a message; None for a report. Errors of the library; _TooLarge."""
        message, most = client.retrieve_message(name), self._post.told.largest
        try:
            if (message.message_type or "DATA").upper() != "DATA":
                return None
            data = bytearray()
            while piece := message.read(_READ):
                data += piece
                if len(data) > most:
                    raise _TooLarge
        finally:
            message.close()
        title = plain(message.filename or "") or f"{name}.dat"
        whole = bytes(data)
        packed = message.compressed and whole.startswith(_GZIP) and not title.lower().endswith(_PACKED)
        return title, _unpacked(whole, most) if packed else whole


def _unpacked(data: bytes, most: int) -> bytes:
    opened = zlib.decompressobj(31)
    try:
        found = opened.decompress(data, most)
    except zlib.error:
        return data
    if opened.unconsumed_tail:
        raise _TooLarge
    return found if opened.eof and not opened.unused_data else data


__all__ = ["MeshInlet"]
