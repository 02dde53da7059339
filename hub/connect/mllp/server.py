"""The inlet: a server that many senders may be connected to, each with a thread that reads, waits and answers."""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import os
import secrets
import socket
import ssl
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic, sleep

import structlog

from hub.connect.mllp import header
from hub.connect.mllp.frame import HALF, Frames, TooLarge, framed
from hub.connect.mllp.header import Complaint, Header
from hub.connect.mllp.line import Line
from hub.connect.mllp.told import read
from hub.connect.port import Arrival, Connection, Hook, no_hook
from hub.connect.settings import server_context
from hub.errors import DeclarationError, Unavailable
from hub.wire import Document

WAIT = 0.5
"""Seconds that a fetch waits for another message before it ends."""
TOGETHER = 100, 4 << 20
"""Most messages, and about as many bytes, that are given beside the first to be kept in one transaction."""
PEERS = 200
"""Most senders connected at the same time."""
KNOWN = 20_000
"""Control ids that are remembered, to say when one comes again with other bytes."""
_FULL = Complaint(207, "it cannot be taken now and was not kept: send it again later")
_ODD = Complaint(100, "a message begins with MSH, up to MSH-9 at least", "MSH^1")
_TWICE = Complaint(205, "this control id came before with other content: both were taken", "MSH^1^10", "W")
_PREFIX = {False: "A", True: "C"}


class MllpInlet:
    """Messages as documents of one file. It listens from the first fetch until `rest` or `close`."""

    waits = True

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        told = read(connection)
        if told.listen is None:
            raise DeclarationError("this connection does not listen", place=f"links.{connection.link}")
        self._told, self._at, self._hook = told, told.listen, hook
        self._context = server_context(connection) if "cert" in connection.settings else None
        self._place = f"links.{connection.link}: the address 'listen'"
        self._log = structlog.get_logger().bind(link=connection.link)
        self._line, self._lock = Line(), threading.Lock()
        self._server: socket.socket | None = None
        self._peers: set[socket.socket] = set()
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    def __repr__(self) -> str:
        return f"MllpInlet({self._place!r})"

    def ready(self) -> None:
        """Unavailable when it cannot be listened there. That somebody listens already is well: it may be this hub."""
        try:
            self._bound().close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise self._unavailable(error) from None

    def fetch(self) -> Iterator[Arrival]:
        """The messages that come, until none has come for a moment."""
        self._listen()
        self._line.take_back()
        while (arrival := self._line.take(WAIT)) is not None:
            yield arrival

    def more(self) -> list[Arrival]:
        """What else waits now, to be kept together with the message that was given last."""
        return self._line.more(*TOGETHER)

    def settle(self, arrival: Arrival) -> None:
        """The store has it: its sender is told."""
        self._hook("settle.before")
        self._line.settle(arrival)
        self._hook("settle.after")

    def pending(self) -> bool:
        """Whether a message waits to be taken."""
        return self._line.waits()

    def rest(self) -> None:
        """Another process reads this source: let the address go, and tell who waits to send again."""
        with self._lock:
            server, self._server = self._server, None
            peers = list(self._peers)
        if server is not None:
            _cut(server)
            server.close()
        self._line.shut()
        for peer in peers:
            _cut(peer, socket.SHUT_RD)

    def close(self) -> None:
        """The same."""
        self.rest()

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._at[0] else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(self._at)
        except OSError:
            made.close()
            raise
        return made

    def _listen(self) -> None:
        """Begin to listen. Unavailable: it cannot be."""
        if self._server is not None:
            return
        try:
            server = self._bound()
            server.listen(128)
        except OSError as error:
            raise self._unavailable(error) from None
        self._line.reopen()
        self._server = server
        threading.Thread(target=self._accept, args=(server,), name="mllp accepts", daemon=True).start()

    def _unavailable(self, error: OSError) -> Unavailable:
        if error.errno == errno.EADDRINUSE:
            reason = "another program listens there, or another process of this hub that is about to end"
        elif error.errno == errno.EADDRNOTAVAIL:
            reason = "this machine has no such address"
        elif error.errno in (errno.EACCES, errno.EPERM):
            reason = "the hub's user may not listen there: ports below 1024 need a right of their own"
        else:
            reason = (os.strerror(error.errno) if error.errno else type(error).__name__).lower()
        return Unavailable(f"{self._place}: {reason}", whole=True)

    def _accept(self, server: socket.socket) -> None:
        while self._server is server:
            try:
                peer, found = server.accept()
            except OSError:
                if self._server is not server:
                    return
                sleep(WAIT)  # too many files are open, most likely
                continue
            if not self._may(found[0]):
                self._log.warning("a machine that is not among 'peers' was turned away")
                peer.close()
                continue
            with self._lock:
                many = len(self._peers) >= PEERS
                self._peers.add(peer)
            if many:
                self._log.warning("too many senders at once: one was turned away", most=PEERS)
                self._leave(peer)
                continue
            threading.Thread(target=self._attend, args=(peer,), name="mllp sender", daemon=True).start()

    def _may(self, address: str) -> bool:
        machine = ipaddress.ip_address(address.partition("%")[0])
        return not self._told.peers or any(machine in network for network in self._told.peers)

    def _leave(self, peer: socket.socket) -> None:
        with self._lock:
            self._peers.discard(peer)
        peer.close()

    def _attend(self, peer: socket.socket) -> None:
        """Serve one sender until either side ends."""
        wire = peer
        try:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                peer.settimeout(HALF)
                wire = self._context.wrap_socket(peer, server_side=True)
                with self._lock:
                    self._peers.discard(peer)
                    self._peers.add(wire)
            self._converse(wire)
        except ssl.SSLError as error:
            self._log.warning("a sender failed at TLS", reason=(error.reason or "no reason given").lower())
        except OSError:  # it went away, or stopped in the middle of a message, of which nothing was kept
            pass
        finally:
            self._leave(wire)

    def _converse(self, wire: socket.socket) -> None:
        frames = Frames(wire, self._told.largest)
        server = self._server
        while server is not None and self._server is server:
            try:
                message = frames.next()
            except TooLarge as error:
                self._log.warning("a message is too large and was refused", most=self._told.largest)
                self._send(wire, self._refusal(error.head, Complaint(207, "it is too large", "MSH^1")))
                _drain(wire)
                return
            if message is None:
                return
            self._hook("message.read")
            reply = self._reply(message)
            self._hook("answer.before")
            self._send(wire, reply)
            self._hook("answer.after")

    def _send(self, wire: socket.socket, reply: bytes) -> None:
        wire.settimeout(HALF)
        wire.sendall(framed(reply))

    def _refusal(self, message: bytes, complaint: Complaint) -> bytes:
        try:
            asked: Header | None = header.read(message)
        except header.Unreadable:
            asked = None
        return self._answer(asked, "R", complaint)

    def _reply(self, message: bytes) -> bytes:
        """Have a message kept; what its sender is told."""
        try:
            asked = header.read(message)
        except header.Unreadable:
            self._log.warning("something that is no HL7 message was refused", bytes=len(message))
            return self._answer(None, "R", _ODD)
        complaint = self._unwanted(asked)
        if complaint is not None:
            return self._answer(asked, "R", complaint)
        mark, content = _mark(asked), hashlib.sha256(message).digest()
        name = f"{mark.decode('utf-8', 'backslashreplace')} {content.hex()}"
        if not self._line.put(Arrival(name, Document.of("message.hl7", message)), self._told.patience):
            return self._answer(asked, "E", _FULL)
        return self._answer(asked, "A", _TWICE if self._differs(asked, mark, content) else None)

    def _unwanted(self, asked: Header) -> Complaint | None:
        """What is wrong with a message that shall not be taken."""
        kind, event = (asked.part(9, place).decode("ascii", "replace") for place in (1, 2))
        if not kind:
            return Complaint(101, "a message says what it is", "MSH^1^9")
        if self._told.types and not {kind, f"{kind}^{event}"} & self._told.types:
            return Complaint(200, "messages of this type are not taken here", "MSH^1^9")
        if self._told.processing and asked.part(11, 1).decode("ascii", "replace") != self._told.processing:
            return Complaint(202, f"only messages with the processing id {self._told.processing} are", "MSH^1^11")
        return None

    def _differs(self, asked: Header, mark: bytes, content: bytes) -> bool:
        """Whether a control id came before with other content, as far as this process remembers."""
        if not asked.field(10):
            return False
        with self._lock:
            before = self._known.get(mark)
            self._known[mark] = content
            self._known.move_to_end(mark)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
        if before in (None, content):
            return False
        self._log.warning("a control id came again with other content: taken as a new message")
        return True

    def _answer(self, asked: Header | None, code: str, complaint: Complaint | None) -> bytes:
        own = secrets.token_hex(10)
        return header.answer(asked, _PREFIX[self._told.commit] + code, own, complaint)


def _mark(asked: Header) -> bytes:
    """Sender and control id: what its sender promises never to use for another message."""
    return b"|".join((asked.field(3), asked.field(4), asked.field(10)))


def _cut(wire: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """Wake whoever waits for it."""
    with suppress(OSError):
        wire.shutdown(how)


def _drain(wire: socket.socket) -> None:
    """Read on for a moment: closed with bytes unread, the connection would take our answer down with it."""
    _cut(wire, socket.SHUT_WR)
    wire.settimeout(WAIT)
    end = monotonic() + HALF
    while monotonic() < end and wire.recv(1 << 20):
        pass


__all__ = ["MllpInlet"]
