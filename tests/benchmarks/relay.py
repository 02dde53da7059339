"""Relays of messages from one quorum queue to another, to compare with: what a broker and a client library do at most.

Each consumes with a prefetch of 500, publishes persistent messages with confirms, and acknowledges; the bytes are the
same. Those of other libraries are the simple best form of each. `python -m tests.benchmarks.relay` starts a node.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pika  # type: ignore[import-untyped]

from hub.message import Message
from hub.queue import RabbitQueue

PREFETCH = 500
QUORUM = {"x-queue-type": "quorum"}
KEPT = pika.BasicProperties(delivery_mode=2)
HUB, SELECT, AIO, BLOCKING = "hub.queue", "pika SelectConnection", "aio-pika", "pika BlockingConnection"


def fill(url: str, queue: str, payloads: Sequence[bytes]) -> None:
    """Declares the queue and one beside it, and lays the payloads on it."""
    left = [len(payloads)]

    def opened(channel: Any) -> None:
        def ready(_: Any) -> None:
            for body in payloads:
                channel.basic_publish("", queue, body, KEPT)

        def confirmed(frame: Any) -> None:
            left[0] = len(payloads) - frame.method.delivery_tag
            if left[0] <= 0:
                connection.close()

        channel.confirm_delivery(confirmed)
        for name in (queue, f"{queue}.out"):
            channel.queue_declare(name, durable=True, arguments=QUORUM, callback=ready if name != queue else None)

    connection = pika.SelectConnection(
        pika.URLParameters(url),
        on_open_callback=lambda one: one.channel(on_open_callback=opened),
        on_close_callback=lambda one, _: one.ioloop.stop(),
    )
    connection.ioloop.start()


class Select:
    """The bare relay: acknowledges what is confirmed, several at once up to the lowest that is not."""

    def __init__(self, url: str, queue: str, count: int) -> None:
        self.queue, self.left = queue, count
        self.source: Any = None
        self.target: Any = None
        self.published = self.acknowledged = 0
        self.waiting: dict[int, int] = {}
        self.connection = pika.SelectConnection(
            pika.URLParameters(url), on_open_callback=self.opened, on_close_callback=lambda one, _: one.ioloop.stop()
        )
        self.connection.ioloop.start()

    def opened(self, connection: Any) -> None:
        connection.channel(on_open_callback=self.publishes)

    def publishes(self, channel: Any) -> None:
        self.target = channel
        channel.confirm_delivery(self.confirmed)
        self.connection.channel(on_open_callback=self.consumes)

    def consumes(self, channel: Any) -> None:
        self.source = channel
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(self.queue, self.delivered)

    def delivered(self, _: Any, method: Any, __: Any, body: bytes) -> None:
        self.published += 1
        self.waiting[self.published] = method.delivery_tag
        self.target.basic_publish("", f"{self.queue}.out", body, KEPT, mandatory=True)

    def confirmed(self, frame: Any) -> None:
        tag, waiting = frame.method.delivery_tag, self.waiting
        for one in range(next(iter(waiting)), tag + 1) if frame.method.multiple else (tag,):
            if waiting.pop(one, None) is not None:
                self.left -= 1
        low = next(iter(waiting), self.published + 1) - 1
        if low > self.acknowledged and (low - self.acknowledged >= PREFETCH // 5 or not waiting):
            self.source.basic_ack(low, multiple=True)  # the first delivery has tag 1, as the first publish
            self.acknowledged = low
        if not self.left:
            self.connection.close()


def select(url: str, queue: str, count: int) -> None:
    """The bare SelectConnection relay."""
    Select(url, queue, count)


def blocking(url: str, queue: str, count: int) -> None:
    """BlockingConnection: each waits for its confirm."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    source, target = connection.channel(), connection.channel()
    target.confirm_delivery()
    source.basic_qos(prefetch_count=PREFETCH)
    for method, _, body in source.consume(queue):
        target.basic_publish("", f"{queue}.out", body, KEPT, mandatory=True)
        source.basic_ack(method.delivery_tag)
        count -= 1
        if not count:
            break
    connection.close()


def aio(url: str, queue: str, count: int) -> None:
    """aio-pika: as many tasks as the prefetch, each waits for its confirm."""
    import aio_pika  # type: ignore[import-not-found,unused-ignore]

    async def relay() -> None:
        connection = await aio_pika.connect(url)
        async with connection:
            source, target = await connection.channel(), await connection.channel(publisher_confirms=True)
            await source.set_qos(prefetch_count=PREFETCH)
            incoming = await source.get_queue(queue)
            left, done = count, asyncio.Event()

            async def pass_on(message: Any) -> None:
                nonlocal left
                kept = aio_pika.Message(message.body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await target.default_exchange.publish(kept, f"{queue}.out")
                await message.ack()
                left -= 1
                if not left:
                    done.set()

            await incoming.consume(pass_on)
            await done.wait()

    asyncio.run(relay())


def through_hub(url: str, prefix: str, payloads: Sequence[bytes]) -> Iterator[None]:
    """hub.queue, from the target `a` to the target `b`, in two steps: filled; relayed.

    It acknowledges what the queue has taken, as the flow does: there the store knows what is not confirmed.
    """
    queue = RabbitQueue(url, ["a", "b"], prefix=prefix)
    assert queue.wait(30), queue.state()
    _publish(queue, [Message(n, os.urandom(16), "a", "s", "k", b"", body) for n, body in enumerate(payloads)])
    yield
    consumer, left = queue.consume("a", PREFETCH), len(payloads)
    while left:
        got = consumer.take(100, 1.0)
        _publish(queue, [Message(m.number, m.id, "b", m.source, m.kind, m.bound, m.sealed) for m in _messages(got)])
        consumer.ack(got)
        left -= len(got)
    assert queue.flush(30)
    yield
    queue.close()


def _messages(deliveries: Sequence[Any]) -> Iterator[Message]:
    return (delivery.message for delivery in deliveries)


def _publish(queue: RabbitQueue, messages: Sequence[Message]) -> None:
    at = 0
    while at < len(messages):
        at += (taken := queue.publish(messages[at : at + 500]))
        if not taken:
            time.sleep(0.001)


def relays(url: str, payloads: Sequence[bytes]) -> dict[str, float]:
    """Messages a second of each relay, printed with its processor time; the slow one gets a tenth of the payloads."""
    rates: dict[str, float] = {}

    def measure(name: str, count: int, relay: Callable[[], object]) -> None:
        start, busy = time.perf_counter(), time.process_time()
        relay()
        taken, busy = time.perf_counter() - start, time.process_time() - busy
        rates[name] = count / taken
        print(f"{name:26}{rates[name]:8,.0f} messages/s {busy / count * 1e6:6.0f} us of processor time each")

    unique = f"relay-{os.getpid()}-{time.monotonic_ns()}"
    steps = through_hub(url, unique, payloads)
    next(steps)
    measure(HUB, len(payloads), lambda: next(steps))
    list(steps)
    for name, relay, part in ((SELECT, select, 1), (AIO, aio, 1), (BLOCKING, blocking, 10)):
        some = payloads[: max(1, len(payloads) // part)]
        queue = f"{unique}.{relay.__name__}"
        fill(url, queue, some)
        try:
            measure(name, len(some), lambda relay=relay, queue=queue, some=some: relay(url, queue, len(some)))  # type: ignore[misc]
        except ImportError:
            print(f"{name:26}is not installed (extra: bench)")
    return rates


if __name__ == "__main__":
    from tests.nodes import Rabbit

    size, number = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000, 20_000
    with Rabbit() as node:
        for _ in range(2):
            relays(node.url, [os.urandom(size)] * number)
