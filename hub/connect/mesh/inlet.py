"""The inlet: the messages of our mailbox, the oldest first, acknowledged once they are kept. Reports are not for it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial

import structlog

from hub.connect.files import plain
from hub.connect.mesh.call import Post
from hub.connect.mesh.content import Gone, TooLarge, Unpacking, Unreadable, content, kind
from hub.connect.port import Arrival, Connection, Hook, no_hook
from hub.errors import Refused, Unavailable
from hub.wire import Document

_GZIP = b"\x1f\x8b"
_PACKED = (".gz", ".tgz")
"""Names of what is compressed by itself; anything else was compressed by its sender for the way only."""


class MeshInlet:
    """The documents of a mailbox, each in memory while it is kept."""

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        self._post, self._hook = Post(connection), hook
        self._log = structlog.get_logger().bind(link=connection.link)
        self._settled: set[str] = set()
        self._passed: set[str] = set()
        self._lying: dict[str, None] = {}
        self._left = False

    def __repr__(self) -> str:
        return f"MeshInlet({self._post.place!r})"

    def ready(self) -> None:
        """Unavailable when the mailbox cannot be looked into."""
        self._post.look(lambda client: client.handshake())

    def fetch(self) -> Iterator[Arrival]:
        """What lies in the mailbox, in its order. What was kept and could not be acknowledged is so now."""
        listed = self._post.names()
        self._lying = dict.fromkeys(listed)
        self._passed &= set(listed)
        waiting = [one for one in listed if one not in self._settled and one not in self._passed]
        for name in [one for one in listed if one in self._settled]:
            self._acknowledge(name)
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

    def lying(self) -> list[str]:
        """What lay there when the last fetch began, and was not acknowledged since."""
        return list(self._lying)

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
        self._lying.pop(name, None)

    def _arrival(self, name: str) -> Arrival | None:
        """A message with its content; None for what is not ours to take. Unavailable: those after it must wait too."""
        most = self._post.told.largest
        try:
            headers, data = self._post.look(partial(content, name=name, most=most))
            if kind(headers) != "DATA":
                self._passed.add(name)
                return None
            title = plain(headers.get("Mex-FileName", "")) or f"{name}.dat"
            said = headers.get("Mex-Content-Compressed", "").upper() in ("Y", "TRUE")
            if said and data.startswith(_GZIP) and not title.lower().endswith(_PACKED):
                data = _unpacked(data, most)
        except TooLarge:
            self._pass(name, "a message is too large and stays in the mailbox", most=most)
            return None
        except Unreadable:
            self._pass(name, "a message cannot be unpacked and stays in the mailbox")
            return None
        except Gone:
            self._log.info("a message was taken by somebody else", message=name)
            return None
        except Unavailable as error:
            raise Unavailable(f"{error}, asked for message {name}", after=error.after, whole=True) from None
        # A zip is one part here, as it came.
        return Arrival(name, Document(title, {title: (len(data), lambda: io.BytesIO(data))}))

    def _pass(self, name: str, words: str, **more: int) -> None:
        """Say once that a message stays where it is. Its name is of MESH's own making."""
        self._passed.add(name)
        self._log.error(words, message=name, **more)


def _unpacked(data: bytes, most: int) -> bytes:
    """What a sender packed; as it is where that is not what it seems. TooLarge."""
    held = Unpacking(most)
    try:
        held.unpack(data)
        held.end()
    except Unreadable:
        return data
    return bytes(held.data)


__all__ = ["MeshInlet"]
