"""Hospitals, as the tests of connections need them: made-up ADT messages, senders and receivers that nobody here wrote.

`adapter` reads and writes the few fields of an ADT that these tests look at; what an ADT means is not their business.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hl7
from hl7.mllp import open_hl7_connection, start_hl7_server

from adapters.canonical import adapter as plain
from hub.adapter import Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document


def adt(control: str, child: str = "c1", family: str = "Example", version: str = "2.4", **header: str) -> bytes:
    """An A31 of a made-up child. header: `kind`, `sender`, `processing` of MSH."""
    kind, sender = header.get("kind", "ADT^A31"), header.get("sender", "WARD|RX1")
    processing = header.get("processing", "P")
    return (
        f"MSH|^~\\&|{sender}|ICSHUB|E09|20250102030405||{kind}|{control}|{processing}|{version}\r"
        f"EVN||20250102030405\rPID|1||{child}^^^RX1^MR||{family}^Ada||20150203|F\r"
    ).encode()


def control(message: bytes) -> str:
    """MSH-10."""
    return message.split(b"|")[9].decode()


def _read(document: Document) -> Iterator[Theirs | RecordError]:
    with document.open() as stream:
        segments = {line[:3]: line.split("|") for line in stream.read().decode().splitlines() if line}
    if "PID" not in segments:
        raise RecordError("a message without PID", place="PID")
    identity, names = segments["PID"][3].split("^")[0], segments["PID"][5].split("^")
    tree = {
        "source": {"link": "ward", "id": identity},
        "person": {"names": [{"id": "n1", "family": names[0], "given": names[1]}]},
    }
    yield Theirs(next(iter(plain.schemas)), identity, tree, {}, "", "PID")


def _write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    for one in records:
        source, name = one.tree.get("source") or {}, ((one.tree.get("person") or {}).get("names") or [{}])[0]
        # No control id, no time, no names of the two sides: those are the connection's to give.
        yield "", f"MSH|^~\\&|||||||ADT^A31||P|2.4\rPID|1||{source.get('id')}||{name.get('family')}\r".encode()


adapter = replace(plain, name="tests.wards", read=_read, write=_write, suffix=".hl7")


class Sender:
    """python-hl7's asyncio client on one connection, used from a test's thread. ConnectionError: it ended."""

    def __init__(self, port: int, **tls: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._reader, self._writer = self._run(
            open_hl7_connection("127.0.0.1", port, limit=1 << 24, encoding="utf-8", **tls)
        )

    def send(self, message: bytes, wait: float = 20) -> hl7.Message:
        """A message, and the ACK that came for it."""

        async def act() -> hl7.Message:
            self._writer.writemessage(hl7.parse(message.decode()))
            await self._writer.drain()
            return await self._reader.readmessage()

        return self._run(asyncio.wait_for(act(), wait))

    def close(self) -> None:
        self._writer.close()
        self._loop.close()

    def _run(self, act: Awaitable[Any]) -> Any:
        try:
            return self._loop.run_until_complete(act)
        except (EOFError, asyncio.IncompleteReadError) as error:
            raise ConnectionError from error


class Receiver:
    """python-hl7's asyncio server. took: the messages as they came. answer: what each is answered with, None: nothing;
    `b""`: the connection is ended."""

    def __init__(self, answer: Callable[[hl7.Message], bytes | None] | None = None, **tls: Any) -> None:
        self.took: list[bytes] = []
        self.connections = 0
        self._answer = answer or (lambda message: str(message.create_ack("AA")).encode())
        self._loop = asyncio.new_event_loop()
        self._tls, self._began = tls, threading.Event()
        self.port = free_port()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._began.wait(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            start_hl7_server(self._attend, "127.0.0.1", self.port, encoding="utf-8", limit=1 << 24, **self._tls)
        )
        self._began.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _attend(self, reader: Any, writer: Any) -> None:
        self.connections += 1
        try:
            while True:
                block = await reader.readblock()
                self.took.append(block)
                said = self._answer(hl7.parse(block.decode()))
                if said == b"":
                    break
                if said is not None:
                    writer.writeblock(said)
                    await writer.drain()
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def close(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def certificates(folder: Path) -> dict[str, str]:
    """A CA, and a certificate of it for 127.0.0.1 and localhost with its key, as files; their paths by name."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)

    def made(subject: str, issuer: Any, ca: bool, public: Any, key: Any) -> Any:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        build = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        return build.sign(key, hashes.SHA256())

    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Testing CA")])
    written = {
        "ca": made("Testing CA", name, True, root.public_key(), root).public_bytes(serialization.Encoding.PEM),
        "cert": made("localhost", name, False, leaf.public_key(), root).public_bytes(serialization.Encoding.PEM),
        "key": leaf.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }
    for one, data in written.items():
        (folder / f"{one}.pem").write_bytes(data)
    return {one: str(folder / f"{one}.pem") for one in written}
