"""The contract of every queue: inside the process, over RabbitMQ, and the hostile one with its spite at nought."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hub.errors import DeclarationError
from hub.queue import HostileQueue, LocalQueue, Queue, RabbitQueue, Spite, open_queue
from tests.nodes import Rabbit
from tests.queues import eventually, fresh, gather, messages, numbers, send

Make = Callable[[], Queue]


@pytest.fixture(params=["local", "hostile", "rabbit"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Opens the queue; again, from another process's view, where it is shared."""
    made: list[Queue] = []
    prefix = fresh()

    def opened() -> Queue:
        queue: Queue
        if request.param == "rabbit":
            node: Rabbit = request.getfixturevalue("rabbit")
            queue = RabbitQueue(node.url, ["a", "b"], prefix=prefix)
            assert queue.wait(20), queue.state()
        elif request.param == "local":
            queue = made[0] if made else LocalQueue(["a", "b"])
        else:
            queue = made[0] if made else HostileQueue(LocalQueue(["a", "b"]), 1, Spite(0, 0, 0, 0))
        made.append(queue)
        return queue

    yield opened
    for queue in made:
        queue.close()


def test_what_is_published_is_delivered_whole_and_in_order(make: Make) -> None:
    queue = make()
    sent = messages(300) + messages(1, start=301, size=0) + messages(1, start=302, size=400_000)
    consumer = queue.consume("a", 500)
    send(queue, sent)
    found = gather(consumer, 302)
    assert [delivery.message for delivery in found] == sent
    assert queue.flush(10)
    assert (queue.counts.taken, queue.counts.confirmed, queue.counts.returned) == (302, 302, 0)
    assert queue.state() == ""


def test_each_target_has_its_own(make: Make) -> None:
    queue = make()
    send(queue, [one for pair in zip(messages(50, "a"), messages(50, "b", 100), strict=True) for one in pair])
    assert numbers(gather(queue.consume("b", 100), 50)) == list(range(100, 150))
    assert numbers(gather(queue.consume("a", 100), 50)) == list(range(1, 51))


def test_consumers_compete_and_each_message_goes_to_one(make: Make) -> None:
    queue = make()
    consumers = [queue.consume("a", 20) for _ in range(3)]
    found: list[list[int]] = [[], [], []]

    def work(at: int) -> None:
        while got := consumers[at].take(10, 1.5):
            time.sleep(0.002)
            consumers[at].ack(got)
            found[at] += numbers(got)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    send(queue, messages(600))
    for thread in threads:
        thread.join()
    assert sorted(number for mine in found for number in mine) == list(range(1, 601))
    assert all(found)


def test_a_consumer_holds_no_more_than_its_prefetch(make: Make) -> None:
    queue = make()
    send(queue, messages(50))
    consumer = queue.consume("a", 10)
    held = gather(consumer, 10, ack=False)
    assert len(held) == 10
    assert consumer.take(10, 0.3) == []
    consumer.ack(held[3:4])
    assert len(gather(consumer, 1, ack=False)) == 1
    assert consumer.take(10, 0.3) == []


def test_what_is_not_acknowledged_comes_again_when_its_consumer_closes(make: Make) -> None:
    queue = make()
    send(queue, messages(30))
    consumer = queue.consume("a", 30)
    held = gather(consumer, 30, ack=False)
    done = [delivery for delivery in held if delivery.message.number % 3]
    consumer.ack(list(reversed(done)))
    consumer.close()
    assert consumer.take(10, 0.1) == []
    again = gather(queue.consume("a", 100), 10)
    assert sorted(numbers(again)) == list(range(3, 31, 3))


def test_an_acknowledgement_that_is_late_or_repeated_does_nothing(make: Make) -> None:
    queue = make()
    send(queue, messages(20))
    first = queue.consume("a", 20)
    held = gather(first, 20, ack=False)
    first.ack(held[:5])
    first.ack(held[:5])
    first.close()
    eventually(lambda: queue.depth("a") == 15)
    second = queue.consume("a", 20)
    again = gather(second, 15, ack=False)
    second.ack(held)
    first.ack(held)
    second.ack(again[:1])
    second.close()
    eventually(lambda: queue.depth("a") == 14)


def test_an_idle_consumer_waits_and_wakes_at_once(make: Make) -> None:
    queue = make()
    consumer = queue.consume("a", 10)
    start = time.monotonic()
    assert consumer.take(10, 0.3) == []
    assert time.monotonic() - start >= 0.29
    timer = threading.Timer(0.3, lambda: queue.publish(messages(1)))
    timer.start()
    assert numbers(consumer.take(10, 20)) == [1]
    assert time.monotonic() - start < 10


def test_depth_counts_what_lies_ready(make: Make) -> None:
    queue = make()
    send(queue, messages(25))
    assert queue.flush(10)
    eventually(lambda: queue.depth("a") == 25)
    assert queue.depth("b") == 0


def test_many_threads_publish(make: Make) -> None:
    queue = make()
    batches = [messages(200, start=1 + 200 * at) for at in range(4)]
    threads = [threading.Thread(target=send, args=(queue, batch)) for batch in batches]
    consumer = queue.consume("a", 100)
    for thread in threads:
        thread.start()
    found = gather(consumer, 800)
    assert sorted(numbers(found)) == list(range(1, 801))
    for thread in threads:
        thread.join()


def test_a_closed_queue_takes_and_gives_nothing(make: Make) -> None:
    queue = make()
    consumer = queue.consume("a", 10)
    waiting = threading.Timer(0.2, queue.close)
    waiting.start()
    assert consumer.take(10, 10) == []
    waiting.join()
    queue.close()
    assert queue.publish(messages(3)) == 0 or isinstance(queue, HostileQueue)
    assert consumer.take(1, 0.1) == []


def test_another_target_is_a_mistake(make: Make) -> None:
    with pytest.raises(DeclarationError):
        make().consume("nobody", 1)


# What is special to each


def test_a_local_queue_is_bounded_and_a_full_target_holds_up_no_other() -> None:
    queue = LocalQueue(["a", "b"], bound=10)
    assert queue.publish(messages(15, "a") + messages(5, "b", 100)) == 15
    assert (queue.depth("a"), queue.depth("b")) == (10, 5)
    gather(queue.consume("a", 4), 4)
    assert queue.publish(messages(15, "a", 20)) == 4


def test_a_local_queue_is_bounded_in_bytes_until_they_are_acknowledged() -> None:
    queue = LocalQueue(["a"], bound_bytes=10_000)
    assert queue.publish(messages(5, size=4_000)) == 3
    consumer = queue.consume("a", 10)
    held = gather(consumer, 3, ack=False)
    assert queue.publish(messages(1, size=10)) == 0
    consumer.ack(held)
    assert queue.publish(messages(1, size=10)) == 1


def test_a_hostile_queue_drops_doubles_shuffles_and_delays_the_same_for_a_seed() -> None:
    def run(seed: int, spite: Spite) -> list[int]:
        queue = HostileQueue(LocalQueue(["a"]), seed, spite)
        assert queue.publish(messages(500)) == 500
        consumer = queue.consume("a", 1000)
        time.sleep(0.55 if spite.late else 0)
        queue.publish([])
        found: list[int] = []
        while got := consumer.take(2000, 0.6):
            found += numbers(got)
            consumer.ack(got)
        return found

    evil = Spite(drop=0.1, double=0.1, shuffle=1.0, late=0.1)
    found = run(3, evil)
    assert 350 < len(set(found)) < 470
    assert len(found) > len(set(found)) + 30
    assert found != sorted(found)
    steady = Spite(0.1, 0.1, 1.0, 0)
    assert run(3, steady) == run(3, steady) != run(4, steady)


def test_a_queue_is_opened_by_its_address() -> None:
    assert isinstance(open_queue("local", ["a"]), LocalQueue)
    for bad in ("redis://user:s3cret@host", "amqp://user:s3cret@host:port", "amqps://u:s3cret@h/?no_such=1", ""):
        with pytest.raises(DeclarationError) as raised:
            open_queue(bad, ["a"])
        assert "s3cret" not in str(raised.value)
        assert raised.value.__suppress_context__ or raised.value.__context__ is None
    with pytest.raises(DeclarationError, match="dead"):
        open_queue("amqp://localhost", ["a", "dead"])
