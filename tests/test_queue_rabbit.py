"""The queue over a real RabbitMQ when things go wrong: one line says it, nothing confirmed is lost, it mends."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika  # type: ignore[import-untyped]
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hub.errors import DeclarationError
from hub.message import CONTENT_TYPE, Message, headers, pack
from hub.queue import Consumer, Counts, QueueDown, RabbitQueue, highest, inspect
from tests.nodes import Rabbit, free_port
from tests.queues import eventually, fresh, gather, messages, numbers, send

CANARY = b"Ophelia-Quince-4859234565"


@pytest.fixture
def prefix() -> str:
    """Names of its own for the exchange and the queues of a test."""
    return fresh()


@contextlib.contextmanager
def opened(url: str, prefix: str, **options: Any) -> Iterator[RabbitQueue]:
    """A queue with the targets a and b that tries again at least each second."""
    queue = RabbitQueue(url, ["a", "b"], prefix=prefix, longest=1.0, **options)
    try:
        yield queue
    finally:
        queue.close()


@contextlib.contextmanager
def raw(url: str) -> Iterator[Any]:
    """A channel of somebody else."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        with contextlib.suppress(Exception):
            connection.close()


class Taker(threading.Thread):
    """Takes and acknowledges until it is told to end; `seen` by number, how often."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(daemon=True)
        self.consumer, self.seen, self.ending = consumer, dict[int, int](), False
        self.start()

    def run(self) -> None:
        while not self.ending:
            got = self.consumer.take(100, 0.1)
            for number in numbers(got):
                self.seen[number] = self.seen.get(number, 0) + 1
            self.consumer.ack(got)

    def end(self) -> None:
        self.ending = True
        self.join()


# The way of many


def test_twenty_thousand_are_published_consumed_and_acknowledged(
    rabbit: Rabbit, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 20_000
    with opened(rabbit.url, prefix) as queue:
        assert queue.wait(20)
        taker = Taker(queue.consume("a", 500))
        start, busy = time.perf_counter(), time.process_time()
        send(queue, messages(count, size=2_000), 60)
        eventually(lambda: len(taker.seen) == count, 60)
        taken, busy = time.perf_counter() - start, time.process_time() - busy
        taker.end()
        assert queue.flush(10)
        assert queue.counts == Counts(count, count)
        eventually(lambda: queue.depth("a") == 0)
    assert set(taker.seen.values()) == {1}
    with capsys.disabled():
        print(f"\n  {count / taken:,.0f} messages/s, {busy / count * 1e6:.0f} us of processor time each")  # noqa: T201


WORKER = """
import sys
from hub.queue import RabbitQueue
queue = RabbitQueue(sys.argv[1], ["a", "b"], prefix=sys.argv[2])
consumer = queue.consume("a", 50)
while True:
    got = consumer.take(10, 1)
    print(*(one.message.number for one in got), sep="\\n", end="\\n" if got else "", flush=True)
    consumer.ack(got)
"""


def test_processes_compete_and_what_a_killed_one_held_goes_to_the_others(
    rabbit: Rabbit, prefix: str, root: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"{at}" for at in range(3)]
    workers = []
    for file in files:
        with file.open("w") as out:
            command = [sys.executable, "-c", WORKER, rabbit.url, prefix]
            workers.append(subprocess.Popen(command, stdout=out, cwd=root))

    def found() -> list[int]:
        return [int(line) for file in files for line in file.read_text().split("\n")[:-1]]

    try:
        with opened(rabbit.url, prefix) as queue:
            assert queue.wait(20)
            eventually(lambda: inspect(rabbit.url, ["a"], prefix=prefix).queues["a"].consumers == 3)
            send(queue, messages(1_000))
            eventually(files[0].read_text)
            workers[0].kill()
            send(queue, messages(1_000, start=1_001))
            eventually(lambda: len(set(found())) == 2_000)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert sorted(set(found())) == list(range(1, 2_001))
    assert len(found()) <= 2_050
    assert all(file.read_text() for file in files)


# The broker goes away


def test_nothing_confirmed_is_lost_when_the_broker_is_killed_while_it_works(rabbit: Rabbit, prefix: str) -> None:
    with opened(rabbit.url, prefix) as queue:
        assert queue.wait(20)
        taker = Taker(queue.consume("a", 200))
        said: set[str] = set()
        taken = 0

        def publish() -> None:
            nonlocal taken
            while not over.is_set():
                got = queue.publish(messages(50, start=taken + 1))
                taken += got
                said.add(queue.state())
                time.sleep(0.005 if got else 0.05)

        over = threading.Event()
        publisher = threading.Thread(target=publish)
        publisher.start()
        # A queue younger than the few seconds in which the broker writes its terms down may not come back at all.
        time.sleep(6)
        assert len(taker.seen) > 300
        try:
            rabbit.kill()
            eventually(lambda: not queue.publish(messages(1, start=time.monotonic_ns())))
            eventually(lambda: queue.depth("a") is None)
            assert queue.state()
        finally:
            rabbit.start()
        before = len(taker.seen)
        eventually(lambda: not queue.state(), 20, queue.state)
        eventually(lambda: len(taker.seen) > before + 300, 20, queue.state)
        over.set()
        publisher.join()
        assert queue.flush(20)
        counts = queue.counts
        assert counts.confirmed + counts.returned + counts.refused == counts.taken >= taken
        eventually(lambda: len(taker.seen) >= counts.confirmed, 20)
        taker.end()
    assert any("nothing listens at" in one or "lost" in one or "closed" in one for one in said), said
    assert all("guest" not in one and "\n" not in one for one in said)


def test_a_cut_connection_is_made_again_and_earlier_deliveries_cannot_be_acknowledged(
    rabbit: Rabbit, prefix: str
) -> None:
    with opened(rabbit.url, prefix) as queue:
        assert queue.wait(20)
        send(queue, messages(40))
        consumer = queue.consume("a", 20)
        stale = gather(consumer, 20, ack=False)
        rabbit.ctl("close_all_connections", "a test")
        again = gather(consumer, 20, ack=False)
        consumer.ack(stale)  # these have the same tags as those in hand
        consumer.ack(again[:1])
        rest = gather(consumer, 1, ack=False)
        assert consumer.take(1, 0.5) == []
        consumer.ack(again[1:] + rest)
        found = gather(consumer, 19)
        assert sorted(numbers(again + rest + found)) == list(range(1, 41))
        assert queue.state() == ""
        send(queue, messages(5, start=41))
        assert len(gather(consumer, 5)) == 5


def test_an_alarm_is_said_nothing_is_taken_and_what_is_consumed_can_be_acknowledged(
    rabbit: Rabbit, prefix: str
) -> None:
    with opened(rabbit.url, prefix) as queue:
        assert queue.wait(20)
        send(queue, messages(100))
        assert queue.flush(10)
        try:
            rabbit.ctl("set_disk_free_limit", str(shutil.disk_usage(rabbit.folder).total * 100))
            assert queue.publish(messages(10, start=101)) == 10  # a broker says so only to those who publish
            eventually(queue.state)
            assert "alarm: low on disk" in queue.state()
            assert queue.publish(messages(1)) == 0
            assert inspect(rabbit.url, ["a"], prefix=prefix).blocked == "low on disk"
            consumer = queue.consume("a", 10)
            assert len(gather(consumer, 100)) == 100
            eventually(lambda: queue.depth("a") == 0)
        finally:
            rabbit.ctl("set_disk_free_limit", "50MB")
        eventually(lambda: not queue.state(), 20, queue.state)
        assert queue.flush(10)
        assert numbers(gather(consumer, 10)) == list(range(101, 111))


def test_nobody_there_is_one_line(prefix: str) -> None:
    port = free_port()
    with opened(f"amqp://user:s3cret@127.0.0.1:{port}", prefix) as queue:
        eventually(lambda: "nothing listens" in queue.state())
        assert (
            queue.state()
            == f"nothing listens at 127.0.0.1:{port}: is the broker running?; the hub tries again by itself"
        )
        assert queue.publish(messages(1)) == 0
        assert queue.depth("a") is None
        assert queue.consume("a", 1).take(1, 0.1) == []
    facts = inspect(f"amqp://user:s3cret@127.0.0.1:{port}", ["a"])
    assert facts.problem.startswith("nothing listens")
    with opened("amqp://user:s3cret@no-such-host.invalid", prefix) as queue:
        eventually(lambda: "no such name" in queue.state(), 20, queue.state)


# The broker refuses


def test_a_wrong_password_is_one_line_without_it_and_mends_when_it_is_set_right(rabbit: Rabbit, prefix: str) -> None:
    rabbit.user(f"user-{prefix}", "another", "/")
    url = rabbit.url_of("%2F", f"user-{prefix}", "s3cret")
    with opened(url, prefix) as queue:
        eventually(lambda: "refuses" in queue.state(), 20, queue.state)
        assert "refuses the user or the password of the queue's address" in queue.state()
        assert "s3cret" not in queue.state() + repr(queue) + inspect(url, ["a"]).problem
        assert "refuses the user" in inspect(url, ["a"]).problem
        rabbit.ctl("change_password", f"user-{prefix}", "s3cret")
        eventually(lambda: not queue.state(), 20, queue.state)
        send(queue, messages(3))
        assert len(gather(queue.consume("a", 5), 3)) == 3


def test_a_virtual_host_that_is_not_there_is_one_line(rabbit: Rabbit, prefix: str) -> None:
    with opened(rabbit.url_of("nowhere"), prefix) as queue:
        eventually(lambda: "virtual host nowhere" in queue.state(), 20, queue.state)


def test_a_missing_permission_is_one_line_that_names_the_queue(rabbit: Rabbit, prefix: str) -> None:
    url = rabbit.user(f"user-{prefix}", "s3cret", "/", (rf"^{prefix}(\.a|\.dead)?$", ".*", ".*"))
    with opened(url, prefix) as queue:
        eventually(queue.state, 20)
        eventually(lambda: f"queue {prefix}.b" in queue.state() and "no permission" in queue.state())
        send(queue, messages(3))
        assert len(gather(queue.consume("a", 5), 3)) == 3
        rabbit.ctl("set_permissions", "-p", "/", f"user-{prefix}", ".*", ".*", ".*")
        eventually(lambda: not queue.state(), 20, queue.state)


def test_a_queue_declared_otherwise_is_one_line_and_stops_no_other(rabbit: Rabbit, prefix: str) -> None:
    with raw(rabbit.url) as channel:
        channel.queue_declare(f"{prefix}.b", durable=True)
        with opened(rabbit.url, prefix) as queue:
            consumer = queue.consume("b", 5)
            eventually(queue.state)
            eventually(lambda: "connecting" not in queue.state())
            wanted = (
                f"queue {prefix}.b exists with other arguments (x-queue-type): delete it once it is empty, and the hub "
                "makes it anew; the hub tries again by itself"
            )
            eventually(lambda: queue.state() == wanted, what=queue.state)
            assert inspect(rabbit.url, ["b"], prefix=prefix).queues["b"].problem == wanted
            assert queue.publish(messages(3, "b")) == 0
            send(queue, messages(3, "a"))
            assert len(gather(queue.consume("a", 5), 3)) == 3
            channel.queue_delete(f"{prefix}.b")
            eventually(lambda: not queue.state(), what=queue.state)
            send(queue, messages(3, "b"))
            assert len(gather(consumer, 3)) == 3


def test_a_queue_that_does_not_answer_is_named_and_stops_no_other(rabbit: Rabbit, prefix: str) -> None:
    with opened(rabbit.url, prefix) as queue:
        assert queue.wait(20)
        consumer = queue.consume("b", 50)
        rabbit.ctl("eval", f"sys:suspend(whereis('%2F_{prefix}.a')).")
        try:
            send(queue, messages(100, "a"))
            eventually(lambda: f"queue {prefix}.a does not answer" in queue.state(), 30, queue.state)
            assert queue.counts.refused == 100
            send(queue, messages(1_000, "b"))
            assert len(gather(consumer, 1_000)) == 1_000
            assert queue.publish(messages(5, "a")) == 0
            assert f"queue {prefix}.a does not answer" in queue.state()
        finally:
            rabbit.ctl("eval", f"sys:resume(whereis('%2F_{prefix}.a')).")
        eventually(lambda: not queue.state(), 30, queue.state)
        send(queue, messages(1, "a", 101))
        assert queue.flush(10)


# TLS


class TlsFront(threading.Thread):
    """A TLS port before the broker's plain one, with a certificate for localhost signed by nobody known."""

    def __init__(self, folder: Path, behind: int) -> None:
        super().__init__(daemon=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate, secret = folder / "ca.pem", folder / "key.pem"
        self.certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, secret)
        self.context, self.behind = context, behind
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listening.accept()
                threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            self.context.wrap_socket(plain, server_side=True) as front,
            socket.create_connection(("127.0.0.1", self.behind)) as back,
        ):
            front.settimeout(0.005)
            back.settimeout(0.005)
            while True:
                for one, other in ((front, back), (back, front)):
                    with contextlib.suppress(TimeoutError):
                        data = one.recv(1 << 16)
                        if not data:
                            return
                        other.settimeout(5)
                        other.sendall(data)
                        other.settimeout(0.005)


def test_tls_checks_the_certificate_and_says_what_is_wrong_with_it(rabbit: Rabbit, prefix: str, tmp_path: Path) -> None:
    front = TlsFront(tmp_path, rabbit.port)
    url = f"amqps://guest:guest@localhost:{front.port}/%2F"
    with opened(url, prefix) as queue:
        eventually(lambda: "TLS with the broker" in queue.state(), what=queue.state)
        assert "certificate" in queue.state()
        assert "\n" not in queue.state()
    trusting = url + "?ssl_options=" + quote(repr({"cafile": str(front.certificate)}))
    with opened(trusting, prefix) as queue:
        assert queue.wait(10), queue.state()
        send(queue, messages(200, size=5_000))
        assert len(gather(queue.consume("a", 50), 200)) == 200
    with opened(f"amqps://guest:guest@127.0.0.1:{rabbit.port}/%2F", prefix) as queue:
        eventually(lambda: "connecting" not in queue.state(), what=queue.state)
        assert "TLS" in queue.state()
    with opened(f"amqp://guest:guest@127.0.0.1:{front.port}/%2F", prefix) as queue:
        eventually(lambda: "connecting" not in queue.state(), what=queue.state)
        assert "TLS" in queue.state()
    front.listening.close()
    missing = quote(repr({"cafile": str(tmp_path / "none.pem")}))
    with pytest.raises(DeclarationError, match="cannot be read"):
        RabbitQueue(f"{url}?ssl_options={missing}", ["a"])


# Messages that are none, or go nowhere


def test_junk_goes_to_the_dead_queue_and_is_reported_and_the_rest_flows(rabbit: Rabbit, prefix: str) -> None:
    junk = [CANARY, b"", b"\x97" + CANARY, pack(messages(1)[0])[:-3], CANARY * 20_000]
    told: list[tuple[str, str, str]] = []
    with opened(rabbit.url, prefix, on_dead=lambda *what: told.append(what)) as queue:
        assert queue.wait(20)
        with raw(rabbit.url) as channel:
            for number, body in enumerate(junk):
                send(queue, messages(10, start=1 + number * 10))
                assert queue.flush(10)
                channel.basic_publish(prefix, "a", body)
            consumer = queue.consume("a", 7)
            assert numbers(gather(consumer, 50)) == list(range(1, 51))
            eventually(lambda: len(told) == len(junk))
            assert [digest for _, _, digest in told] == [hashlib.sha256(body).hexdigest() for body in junk]
            assert {(reason, target) for reason, target, _ in told} == {("this is no message of ours", "a")}
            consumer.close()
            eventually(lambda: queue.depth("a") == 0)
            buried = [channel.basic_get(f"{prefix}.dead", auto_ack=True)[2] for _ in junk]
            assert buried == junk


def test_what_no_queue_has_is_counted_and_the_queue_is_made_again(rabbit: Rabbit, prefix: str) -> None:
    with opened(rabbit.url, prefix) as queue, raw(rabbit.url) as channel:
        assert queue.wait(20)
        channel.queue_unbind(f"{prefix}.a", prefix, "a")
        send(queue, messages(4))
        assert queue.flush(10)
        assert queue.counts == Counts(4, 0, 4)
        consumer = queue.consume("a", 5)
        assert queue.state().startswith(f"queue {prefix}.a was not there")
        assert queue.publish(messages(1)) == 0
        eventually(lambda: not queue.state())
        send(queue, messages(4, start=5))
        assert numbers(gather(consumer, 4)) == [5, 6, 7, 8]
        channel.queue_delete(f"{prefix}.a")
        eventually(lambda: queue.publish(messages(1, start=9)) and gather(consumer, 1, 0.3))
        channel.exchange_delete(prefix)
        eventually(lambda: queue.publish(messages(1, start=10)) and gather(consumer, 1, 0.3))
        eventually(lambda: not queue.state())


def test_no_value_of_a_record_stands_in_a_header(rabbit: Rabbit, prefix: str) -> None:
    one = Message(7, b"i" * 16, "a", "ics", "Child", CANARY, CANARY)
    with opened(rabbit.url, prefix) as queue, raw(rabbit.url) as channel:
        assert queue.wait(20)
        send(queue, [one])
        assert queue.flush(10)
        method, properties, body = channel.basic_get(f"{prefix}.a", auto_ack=True)
    assert body == pack(one)
    assert (properties.content_type, properties.delivery_mode) == (CONTENT_TYPE, 2)
    assert properties.headers.pop("x-delivery-count", 0) == 0  # the broker's own
    assert properties.headers == headers(one, properties.headers["cloudEvents:time"])
    assert CANARY.decode() not in f"{properties}{method}"


# The end


def test_closing_waits_for_what_was_taken(rabbit: Rabbit, prefix: str) -> None:
    with opened(rabbit.url, prefix) as queue:
        assert queue.wait(20)
        taken = queue.publish(messages(2_000))
    assert taken == 2_000
    assert queue.counts == Counts(2_000, 2_000)
    assert queue.state() == "the queue is closed"
    eventually(lambda: inspect(rabbit.url, ["a"], prefix=prefix).queues["a"].ready == 2_000)


def test_a_queue_that_never_connected_closes_at_once(prefix: str) -> None:
    start = time.monotonic()
    with opened(f"amqp://127.0.0.1:{free_port()}", prefix):
        pass
    assert time.monotonic() - start < 3
    assert not [thread for thread in threading.enumerate() if thread.name == "hub-queue"]


def test_the_doctor_sees_the_highest_number_and_takes_nothing_away(rabbit: Rabbit, prefix: str) -> None:
    with opened(rabbit.url, prefix) as queue:
        assert queue.wait(20)
        send(queue, messages(30))
        assert queue.flush(10)
        assert highest(rabbit.url, "a", 100, prefix=prefix) == 30
        assert highest(rabbit.url, "a", 10, prefix=prefix) in range(10, 31)
        assert highest(rabbit.url, "b", 10, prefix=prefix) is None
        eventually(lambda: queue.depth("a") == 30)
        facts = inspect(rabbit.url, ["a", "b", "c"], prefix=prefix)
    assert (facts.problem, facts.product, facts.blocked) == ("", "RabbitMQ", "")
    assert facts.version.split(".")[0].isdigit()
    assert {name: (one.exists, one.ready, one.problem) for name, one in facts.queues.items()} == {
        "a": (True, 30, ""),
        "b": (True, 0, ""),
        "c": (False, 0, ""),
        "dead": (True, 0, ""),
    }
    with pytest.raises(QueueDown, match=rf"queue {prefix}\.c"):
        highest(rabbit.url, "c", 10, prefix=prefix)
