"""HL7 v2 end to end: over MLLP in, kept, mapped, over MLLP out, until the other side has acknowledged the last.

Against MessageFoundry with the same messages and the same promise: AA only for what is on the disk (`synchronous =
full`, which is not its default), sealed there as ours is, and each message handled once it was parsed. One connection
that waits for each answer, and several that do. Rates are of the wall clock, in turn in one run; the bar is a ratio.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.flow import council
from tests.benchmarks.hl7 import messages
from tests.nodes import NodeError, Postgres
from tests.wards import free_port

MESSAGES = {1: 1_000, 16: 6_000}
"""Messages carried, by the number of connections they come over."""
OTHERS = {1: 150, 16: 400}
"""The same for the other, which is slower by far."""
ROUNDS = 3
BAR = 20.0
PEER = Path(__file__).parents[2] / "build" / "peers" / "messagefoundry" / "bin" / "python"
LINKS = """
[links.pas]
adapter = "hl7v2"
connection = {{ kind = "mllp", listen = "127.0.0.1:{listen}" }}
[links.ward]
adapter = "hl7v2"
connection = {{ kind = "mllp", to = "127.0.0.1:{to}" }}
[[routes]]
from = "pas"
to = ["ward"]
"""
FEED = """
from messagefoundry import MLLP, Send, handler, inbound, outbound, router

inbound("PAS", MLLP(port={listen}), router="all")
outbound("WARD", MLLP(host="127.0.0.1", port={to}))


@router("all")
def route(message):
    return ["on"]


@handler("on")
def on(message):
    message["MSH-3"] = "ENGINE"
    return Send("WARD", message)
"""
SERVICE = """
[store]
path = "store.db"
synchronous = "full"
[api]
port = {api}
[ai]
environment = "dev"
"""


class End(asyncio.Protocol):
    """One end of a connection: hands on what comes, a frame at a time. Streams take the processor half as long again,
    and that is taken from both that are measured."""

    def __init__(self, took: Callable[[End, bytes], None]) -> None:
        self.took = took
        self.held = b""

    def connection_made(self, transport: Any) -> None:
        self.write = transport.write
        self.close = transport.close

    def data_received(self, data: bytes) -> None:
        *frames, self.held = (self.held + data).split(b"\x1c\r")
        for frame in frames:
            self.took(self, frame)


class Ward:
    """The system at the end: acknowledges what comes; how many different messages it has."""

    def __init__(self) -> None:
        self.port = free_port()
        self.took: set[bytes] = set()
        self.wanted = 0
        self.all_there = asyncio.Event()

    def attend(self, end: End, message: bytes) -> None:
        """Answer a message."""
        own = message.split(b"|", 10)[9]
        end.write(b"\x0bMSH|^~\\&|W||||1||ACK|1|P|2.4\rMSA|AA|" + own + b"\r\x1c\r")
        self.took.add(_patient(message))
        if len(self.took) >= self.wanted:
            self.all_there.set()


class Sender:
    """A connection that sends one message after another, each once the one before it is answered."""

    def __init__(self) -> None:
        self.left: Iterator[bytes] = iter(())
        self.done: asyncio.Future[None] = asyncio.Future()

    async def send(self, end: End, part: Iterable[bytes]) -> None:
        """Until the last is answered. RuntimeError when one was not taken."""
        self.left, self.done = iter(part), asyncio.get_running_loop().create_future()
        self._next(end)
        await self.done

    def answered(self, end: End, answer: bytes) -> None:
        """The other side's answer to the last one sent."""
        if b"MSA|AA|" in answer:
            self._next(end)
        else:
            self.done.set_exception(RuntimeError("a message was not taken"))

    def _next(self, end: End) -> None:
        message = next(self.left, None)
        if message is None:
            self.done.set_result(None)
        else:
            end.write(b"\x0b" + message + b"\x1c\r")


def _patient(message: bytes) -> bytes:
    return re.findall(rb"N\d{7}", message)[0]


async def carry(listen: int, ward: Ward, count: int, connections: int, *, limit: float = 60) -> float:
    """Seconds from the first message sent until the ward has acknowledged the last."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: End(ward.attend), "127.0.0.1", ward.port)
    every = messages(count + connections)
    senders = [Sender() for _ in range(connections)]
    ends = [
        (await loop.create_connection(lambda one=one: End(one.answered), "127.0.0.1", listen))[1]  # type: ignore[misc]
        for one in senders
    ]

    async def send(parts: Iterable[list[bytes]], wanted: int) -> None:
        ward.wanted = wanted
        ward.all_there.clear()
        await asyncio.gather(*(one.send(end, part) for one, end, part in zip(senders, ends, parts, strict=True)))
        await asyncio.wait_for(ward.all_there.wait(), limit)

    await send(([one] for one in every[count:]), connections)  # before the clock starts: whoever has slept is awake
    start = time.perf_counter()
    await send((every[:count][n::connections] for n in range(connections)), connections + count)
    taken = time.perf_counter() - start
    for end in ends:
        end.close()
    server.close()
    return taken


def ours(store: str, connections: int, halves: int = 2) -> float:
    """Messages a second through the hub. halves: the processes of one `run`."""
    ward, listen, count = Ward(), free_port(), MESSAGES[connections]
    links = LINKS.format(listen=listen, to=ward.port)
    with council(store, "local", links, halves) as made, made.running(1):
        return count / asyncio.run(carry(listen, ward, count, connections))


def theirs(folder: Path, connections: int) -> float:
    """Messages a second through MessageFoundry. RuntimeError: it did not start."""
    ward, listen, count = Ward(), free_port(), OTHERS[connections]
    home = folder / f"foundry{connections}"
    (home / "config").mkdir(parents=True)
    (home / "config" / "feed.py").write_text(FEED.format(listen=listen, to=ward.port))
    (home / "messagefoundry.toml").write_text(SERVICE.format(api=free_port()))
    with _serving(home, listen):
        return count / asyncio.run(carry(listen, ward, count, connections))


@contextlib.contextmanager
def _serving(home: Path, listen: int) -> Iterator[None]:
    command = [PEER, "-m", "messagefoundry", "serve", "--config", "config", "--env", "dev", "--log-level", "WARNING"]
    environment = {**os.environ, "MEFOR_STORE_ENCRYPTION_KEY": base64.b64encode(bytes(range(32))).decode()}
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(300):
            if process.poll() is not None:
                raise RuntimeError(f"MessageFoundry ended: {(home / 'log').read_text()[-300:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", listen), 0.2):
                break
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def measure(folder: Path) -> None:
    """Measure and print. The two take turns, for a disk is fast or slow by the minute; what counts is the median."""
    print("\nHL7 v2 over MLLP, in and out, messages a second until the receiver has acknowledged the last")
    if not PEER.exists():
        print("  MessageFoundry is not there: see build/peers/messagefoundry.log (tests/peers.sh installs it)")
    for connections in MESSAGES:
        named = "one connection" if connections == 1 else f"{connections} connections"
        _line(f"{named}: the hub, SQLite, processes = 1", [ours("sqlite:///hub.db", connections, 1)])
        rates: list[float] = []
        others: list[float] = []
        for turn in range(ROUNDS):
            rates.append(ours("sqlite:///hub.db", connections))
            if PEER.exists():
                others.append(theirs(folder / f"turn{turn}", connections))
        _line(f"{named}: the hub, SQLite, processes = 2", rates)
        if others:
            _line(f"{named}: MessageFoundry, SQLite", others)
            times = median(rates) / median(others)
            print(f"  {named}: {times:.1f} times (bar {BAR:.0f}: {'met' if times >= BAR else 'not met'})")
    try:
        with Postgres() as postgres:
            rates = [ours(postgres.database(), max(MESSAGES)) for _ in range(ROUNDS)]
            _line(f"{max(MESSAGES)} connections: the hub, PostgreSQL, processes = 2", rates)
    except NodeError as error:
        print(f"  the hub, PostgreSQL: not measured: {error}")


def _line(name: str, rates: list[float]) -> None:
    each = f" ({', '.join(f'{rate:,.0f}' for rate in rates)})" if len(rates) > 1 else ""
    print(f"  {name:<50} {median(rates):>8,.0f} a second{each}")


__all__ = ["measure"]
