"""One hub as two processes, which share its store: one reads its sources, the other sends to its targets.

For a hub whose queue is inside it: each process has a core of its own. What the first keeps is sent along to the other
through a socket; what gets lost there is swept, as with any queue. When one ends, the other does as well; when one is
killed, so is the other, as one process would have been.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Sequence

import msgspec
import structlog

from hub.errors import DeclarationError
from hub.message import Message
from hub.pipeline import Hub
from hub.queue import Consumer, Counts

log = structlog.get_logger("hub")

PACKET = 1 << 16
"""Bytes of messages that go together. A message that is too long for the socket is left to the sweep."""
ROOM = 1 << 20
"""Bytes that may be on their way from one to the other, if the system gives as much."""
PATIENCE = 5.0
"""Seconds in which the other process is to take that nothing more comes."""
KILLED = 3
"""Exit code of a half that ended because the other one was killed."""
END = b"\xc0"
"""What the process that reads sends last when it ends well: no list of messages."""
_decoder = msgspec.msgpack.Decoder(list[Message])


class Sending:
    """The queue of the process that reads: what it publishes goes to the other one. See `hub.queue.contract.Queue`."""

    def __init__(self, wire: socket.socket) -> None:
        wire.setblocking(False)
        self._wire, self._lock = wire, threading.Lock()
        self.counts = Counts()

    def publish(self, messages: Sequence[Message]) -> int:
        """Sends what the socket takes at once."""
        taken = 0
        with self._lock:
            for some in _packets(messages):
                try:
                    self._wire.send(msgspec.msgpack.encode(some))
                except OSError:  # it is full, or these are too long, or the other process is gone
                    continue
                taken += len(some)
            self.counts.taken += taken
            self.counts.confirmed += taken
        return taken

    def flush(self, timeout: float) -> bool:
        """Always: what was taken is there."""
        return True

    def consume(self, target: str, prefetch: int) -> Consumer:
        """Nobody consumes here."""
        raise DeclarationError("another process of this hub sends")

    def depth(self, target: str) -> int | None:
        """The other process knows."""
        return None

    def state(self) -> str:
        """Nothing of it can be down."""
        return ""

    def close(self) -> None:
        """Tell the other process that nothing more comes."""
        with self._lock, contextlib.suppress(OSError):
            self._wire.settimeout(PATIENCE)
            try:
                self._wire.send(END)
            finally:
                self._wire.close()


def _packets(messages: Sequence[Message]) -> Iterator[list[Message]]:
    some: list[Message] = []
    size = 0
    for one in messages:
        if some and size + len(one.sealed) > PACKET:
            yield some
            some, size = [], 0
        some.append(one)
        size += len(one.sealed)
    if some:
        yield some


def run(hub: Hub) -> int:
    """Carry records until `stop`, in this process and one more; as `Hub.run`. The caller has no other thread."""
    reads, sends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for one in (reads, sends):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
    hub.flow.store.share()
    child = os.fork()
    if not child:
        reads.close()
        return _send(hub, sends)
    sends.close()
    return _read(hub, reads, child)


def _send(hub: Hub, wire: socket.socket) -> int:
    """The half that sends: it ends when the other does."""
    hub.reads = False

    def listen() -> None:
        packet = memoryview(bytearray(2 * ROOM))
        while (size := wire.recv_into(packet)) and packet[:size] != END:
            hub.flow.queue.publish(_decoder.decode(packet[:size]))
        if not size:
            os._exit(KILLED)
        hub.stop()

    threading.Thread(target=listen, name="other process", daemon=True).start()
    return hub.run()


def _read(hub: Hub, wire: socket.socket, child: int) -> int:
    """The half that reads: it ends when the other does, with the worse code of both."""
    hub.sends = False
    hub.flow.queue.close()
    hub.flow.queue = Sending(wire)
    code = KILLED

    def watch() -> None:
        nonlocal code
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if not hub.flow.stopping:
            log.error("the process that sends was ended: so is this one", code=code)
        hub.stop()

    watcher = threading.Thread(target=watch, name="other process", daemon=True)
    watcher.start()
    try:
        mine = hub.run()
    finally:
        hub.flow.queue.close()
        watcher.join()
    return KILLED if code < 0 else max(mine, code)


__all__ = ["KILLED", "run"]
