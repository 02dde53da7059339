"""What a broker says of itself and of our queues, for `doctor`, on connections of its own; and a queue removed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pika  # type: ignore[import-untyped]
from pika import exceptions

from hub.errors import HubError, RecordError
from hub.message import unpack
from hub.queue.topology import DEAD, QUORUM, Names, explain, read_address, refusal


@dataclass
class QueueFacts:
    """One queue. problem: "" or why it cannot be used as it is; ready, consumers: counts, of one that exists."""

    name: str
    exists: bool = False
    problem: str = ""
    ready: int = 0
    consumers: int = 0


@dataclass
class Facts:
    """A broker. problem: "" or why it cannot be asked; blocked: "" or its alarm; queues: by target, and `dead`."""

    problem: str = ""
    product: str = ""
    version: str = ""
    blocked: str = ""
    queues: dict[str, QueueFacts] = field(default_factory=dict)


class QueueDown(HubError):
    """The broker or the queue cannot be asked; says why."""


@contextlib.contextmanager
def _connected(url: str, blocked: float = 10.0) -> Iterator[Any]:
    """A connection that ends after so many seconds of an alarm, as it answers nothing while one lasts."""
    parameters = read_address(url, "asks")
    parameters.blocked_connection_timeout = blocked
    try:
        connection = pika.BlockingConnection(parameters)
    except Exception as error:  # pika answers with many kinds, and with none of its words
        raise QueueDown(explain(error, parameters)) from None
    try:
        yield connection
    finally:
        with contextlib.suppress(Exception):
            connection.close()


def inspect(url: str, targets: Iterable[str], *, prefix: str = "hub") -> Facts:
    """What is so at the broker now. DeclarationError for an address that is none; all else is told in the facts."""
    facts, names = Facts(), Names(prefix)
    try:
        with _connected(url) as connection:
            told = connection._impl.server_properties or {}
            facts.product, facts.version = str(told.get("product", "")), str(told.get("version", ""))
            for target in (*targets, DEAD):
                facts.queues[target] = _queue(connection, names.queue(target))
        with _connected(url, 0.5) as connection:
            facts.blocked = _alarm(connection)
    except QueueDown as error:
        facts.problem = str(error)
    except exceptions.AMQPError as error:
        facts.problem = explain(error, read_address(url, "asks"))
    return facts


def _alarm(connection: Any) -> str:
    """The alarm in force. A broker tells only those who publish, so bytes are published that no queue gets."""
    told: list[str] = []
    connection.add_on_connection_blocked_callback(lambda _, frame: told.append(str(frame.method.reason)))
    connection.channel().basic_publish("", "", b"")
    connection.process_data_events(0.5)
    return told[0] if told else ""


def _queue(connection: Any, name: str) -> QueueFacts:
    facts = QueueFacts(name)
    try:
        channel = connection.channel()
        told = channel.queue_declare(name, passive=True).method
        facts.exists, facts.ready, facts.consumers = True, told.message_count, told.consumer_count
        # Passively, a broker compares no arguments; declared as it should be, an existing queue is left as it is.
        channel.queue_declare(name, durable=True, arguments=QUORUM)
        channel.close()
    except exceptions.ChannelClosedByBroker as error:
        if error.reply_code != 404 or facts.exists:
            facts.exists, facts.problem = True, refusal(error, name)
    return facts


def highest(url: str, target: str, at_most: int, *, prefix: str = "hub") -> int | None:
    """The highest number among up to `at_most` messages that lie on a target's queue; None when none does.

    They go back, marked redelivered, perhaps behind the others. QueueDown when they cannot be read.
    """
    name, numbers = Names(prefix).queue(target), list[int]()
    with _connected(url) as connection:
        channel = connection.channel()
        try:
            for _ in itertools.repeat(None, at_most):
                method, _, body = channel.basic_get(name)
                if method is None:
                    break
                with contextlib.suppress(RecordError):
                    numbers.append(unpack(body).number)
            channel.close()
        except exceptions.ChannelClosedByBroker as error:
            raise QueueDown(refusal(error, name)) from None
        except exceptions.AMQPError as error:
            raise QueueDown(explain(error, read_address(url, "asks"))) from None
    return max(numbers, default=None)


def remove(url: str, target: str, *, prefix: str = "hub") -> int | None:
    """Remove the queue of a target that has another name now; how many messages lay on it, None when there is none.
    QueueDown when it cannot be removed, or somebody consumes it still."""
    name = Names(prefix).queue(target)
    with _connected(url) as connection:
        try:
            channel = connection.channel()
            told = channel.queue_declare(name, passive=True).method
            if told.consumer_count:  # quorum queues know no `if_unused`
                raise QueueDown(f"queue {name} is consumed still: stop every 'run'")
            channel.queue_delete(name)
            return int(told.message_count)
        except exceptions.ChannelClosedByBroker as error:
            if error.reply_code == 404:
                return None
            raise QueueDown(refusal(error, name)) from None
        except exceptions.AMQPError as error:
            raise QueueDown(explain(error, read_address(url, "asks"))) from None


__all__ = ["Facts", "QueueDown", "QueueFacts", "highest", "inspect", "remove"]
