"""The queue: carries messages from those who keep them to those who deliver them, in this process or over RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterable

from hub.errors import DeclarationError
from hub.queue.contract import Consumer, Counts, Delivery, OnDead, Queue
from hub.queue.facts import Facts, QueueDown, QueueFacts, highest, inspect, remove
from hub.queue.hostile import HostileQueue, Spite
from hub.queue.local import LocalQueue
from hub.queue.rabbit import RabbitQueue

LOCAL = "local"


def open_queue(url: str, targets: Iterable[str], *, prefix: str = "hub", on_dead: OnDead | None = None) -> Queue:
    """The queue of an address: `local`, or `amqp://…`, `amqps://…` (see `hub.queue.topology`)."""
    if url == LOCAL:
        return LocalQueue(targets)
    if url.partition("://")[0] in ("amqp", "amqps"):
        return RabbitQueue(url, targets, prefix=prefix, on_dead=on_dead)
    raise DeclarationError("a queue is 'local' or an address that begins with amqps:// or amqp://")


__all__ = [
    "LOCAL",
    "Consumer",
    "Counts",
    "Delivery",
    "Facts",
    "HostileQueue",
    "LocalQueue",
    "OnDead",
    "Queue",
    "QueueDown",
    "QueueFacts",
    "RabbitQueue",
    "Spite",
    "highest",
    "inspect",
    "open_queue",
    "remove",
]
