"""What the tests of queues share: made-up messages, and waiting for them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from hub.message import Message
from hub.queue import Consumer, Delivery, Queue


def fresh() -> str:
    """A prefix that no other test uses, for the names of an exchange and its queues."""
    return f"q{os.urandom(5).hex()}"


def messages(count: int, target: str = "a", start: int = 1, size: int = 500) -> list[Message]:
    body = os.urandom(size)
    return [
        Message(n, n.to_bytes(16, "big"), target, "ics", "Child", b"record:1:1", body)
        for n in range(start, start + count)
    ]


def send(queue: Queue, batch: Sequence[Message], seconds: float = 20) -> None:
    """All of them, in order, as there is room."""
    end = time.monotonic() + seconds
    at = 0
    while at < len(batch):
        at += (taken := queue.publish(batch[at : at + 100]))
        if not taken:
            assert time.monotonic() < end, queue.state()
            time.sleep(0.01)


def gather(consumer: Consumer, count: int, seconds: float = 20, ack: bool = True) -> list[Delivery]:
    """So many deliveries."""
    end, found = time.monotonic() + seconds, list[Delivery]()
    while len(found) < count and time.monotonic() < end:
        got = consumer.take(count - len(found), 0.2)
        if ack:
            consumer.ack(got)
        found += got
    return found


def numbers(deliveries: Sequence[Delivery]) -> list[int]:
    return [delivery.message.number for delivery in deliveries]


def eventually(true: Callable[[], object], seconds: float = 15, what: Callable[[], str] = str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what()
        time.sleep(0.02)
