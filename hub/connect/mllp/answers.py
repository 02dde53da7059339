"""What is answered to a message: whether its header lets it be taken, and what is said of it then."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from typing import Any, NamedTuple

from hub.connect.mllp import header
from hub.connect.mllp.header import Complaint, Header
from hub.connect.mllp.told import Mllp
from hub.connect.port import Arrival
from hub.wire import Document

KNOWN = 20_000
"""Control ids that are remembered, to say when one comes again with other bytes."""
_FULL = Complaint(207, "it cannot be taken now and was not kept: send it again later")
_LARGE = Complaint(207, "it is too large", "MSH^1")
_ODD = Complaint(100, "a message begins with MSH, up to MSH-9 at least", "MSH^1")
_TWICE = Complaint(205, "this control id came before with other content: both were taken", "MSH^1^10", "W")


class Asked(NamedTuple):
    """What the answer to a message needs. mark: sender and control id, which its sender promises never to use for
    another message; content: digest of its bytes."""

    header: Header
    mark: bytes
    content: bytes


class Answers:
    """What the senders of one inlet are told. Used by one thread."""

    def __init__(self, told: Mllp, log: Any) -> None:
        self._told, self._log = told, log
        self._types = {one.encode() for one in told.types}
        self._prefix = "C" if told.commit else "A"
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    def ask(self, message: bytes) -> tuple[Arrival, Asked] | bytes:
        """A message to be kept; or what its sender is told when it shall not be."""
        try:
            asked = header.read(message)
        except header.Unreadable:
            self._log.warning("something that is no HL7 message was refused", bytes=len(message))
            return self._answer(None, "R", _ODD)
        complaint = self._unwanted(asked)
        if complaint is not None:
            return self._answer(asked, "R", complaint)
        content = hashlib.sha256(message)
        mark = b"|".join((asked.field(3), asked.field(4), asked.field(10)))
        name = f"{mark.decode('utf-8', 'backslashreplace')} {content.hexdigest()}"
        return Arrival(name, Document.of("message.hl7", message)), Asked(asked, mark, content.digest())

    def kept(self, asked: Asked) -> bytes:
        """The store has it."""
        return self._answer(asked.header, "A", _TWICE if self._differs(asked) else None)

    def full(self, asked: Asked) -> bytes:
        """It could not be kept."""
        return self._answer(asked.header, "E", _FULL)

    def large(self, head: bytes) -> bytes:
        """It is too large. head: how it begins."""
        self._log.warning("a message is too large and was refused", most=self._told.largest)
        try:
            asked: Header | None = header.read(head)
        except header.Unreadable:
            asked = None
        return self._answer(asked, "R", _LARGE)

    def _unwanted(self, asked: Header) -> Complaint | None:
        """What is wrong with a message that shall not be taken."""
        kind = asked.part(9, 1)
        if not kind:
            return Complaint(101, "a message says what it is", "MSH^1^9")
        if self._types and not {kind, b"%b^%b" % (kind, asked.part(9, 2))} & self._types:
            return Complaint(200, "messages of this type are not taken here", "MSH^1^9")
        if self._told.processing and asked.part(11, 1) != self._told.processing.encode():
            return Complaint(202, f"only messages with the processing id {self._told.processing} are", "MSH^1^11")
        return None

    def _differs(self, asked: Asked) -> bool:
        """Whether a control id came before with other content, as far as this process remembers."""
        if not asked.header.field(10):
            return False
        before = self._known.pop(asked.mark, asked.content)
        self._known[asked.mark] = asked.content
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        if before == asked.content:
            return False
        self._log.warning("a control id came again with other content: taken as a new message")
        return True

    def _answer(self, asked: Header | None, code: str, complaint: Complaint | None) -> bytes:
        return header.answer(asked, self._prefix + code, secrets.token_hex(10), complaint)


__all__ = ["Answers", "Asked"]
