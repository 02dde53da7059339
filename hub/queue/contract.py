"""What a queue is to the flow: it carries messages to whoever delivers them, and promises nothing.

A message may be lost, doubled, late or out of order on its way; the store decides what may be used, and its sweep
sends along again what was missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.message import Message

OnDead = Callable[[str, str, str], None]
"""Called with reason, target and the SHA-256 (hex) of bytes on a queue that are no message of ours."""


@dataclass(slots=True, eq=False)
class Delivery:
    """A message as a consumer got it. tag, session: by which it is acknowledged; those of a lost session are stale."""

    message: Message
    tag: int
    session: object

    def __repr__(self) -> str:
        return f"Delivery(number={self.message.number}, target={self.message.target!r})"


@dataclass(slots=True)
class Counts:
    """What became of published messages: taken; confirmed by the queue; returned (no queue had them); refused by it
    or dropped because its queue cannot be used.
    """

    taken: int = 0
    confirmed: int = 0
    returned: int = 0
    refused: int = 0


class Consumer(Protocol):
    """One of the competing consumers of a target's queue. Its methods may be called from any thread."""

    def take(self, limit: int, timeout: float) -> list[Delivery]:
        """Up to `limit` deliveries, waiting `timeout` seconds for the first; [] when none came or it is closed."""
        ...

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """These are done with. Stale and repeated ones are ignored."""
        ...

    def close(self) -> None:
        """Ends it: what was delivered and not acknowledged goes back to the queue."""
        ...


class Queue(Protocol):
    """Carries messages. Its methods may be called from any thread and never wait for a lost queue."""

    def publish(self, messages: Sequence[Message]) -> int:
        """Takes what it has room for and says how many; the rest, and what is not confirmed, is for the sweep.

        Which ones it left is not said: a target that takes nothing does not hold up the others.
        """
        ...

    def flush(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds; whether every message taken so far has had its answer."""
        ...

    def consume(self, target: str, prefetch: int) -> Consumer:
        """A consumer that holds at most `prefetch` deliveries not yet acknowledged."""
        ...

    def depth(self, target: str) -> int | None:
        """Messages that lie ready on a target's queue; None when it cannot be known now."""
        ...

    def state(self) -> str:
        """ "" when all is well, else one line for a person: what is wrong and what to do. Never a password."""
        ...

    @property
    def counts(self) -> Counts:
        """What became of published messages since the start."""
        ...

    def close(self) -> None:
        """Waits a few seconds for confirms, then ends; consumers end with it."""
        ...


__all__ = ["Consumer", "Counts", "Delivery", "OnDead", "Queue"]
