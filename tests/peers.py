"""Peers that nobody here wrote, as programs of their own on loopback ports; `tests/peers.sh` installs them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import IO

import pytest

from tests.wards import free_port

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "build" / "peers"


def installed(name: str) -> Path:
    """The folder of a peer; without it the test is skipped, and says why."""
    folder, reason = PEERS / name, PEERS / f"{name}.reason"
    if (folder / ".ready").exists():
        return folder
    pytest.skip(
        reason.read_text().strip() if reason.exists() else f"the peer {name!r} is not installed: tests/peers.sh"
    )


class Program:
    """A program that serves on `port` until `close`. It ends with the process group that it is started in."""

    def __init__(self, command: list[str], log: Path, port: int = 0, **environment: str) -> None:
        self.port = port or free_port()
        self._command = [part.replace("{port}", str(self.port)) for part in command]
        self._environment = {**os.environ, **{k: v.replace("{port}", str(self.port)) for k, v in environment.items()}}
        self.log = log
        self._out: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._out = open(self.log, "ab")  # noqa: SIM115 - closed in `close`
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdout=self._out, stderr=self._out, start_new_session=True
        )
        end = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, f"it ended at once:\n{self.log.read_text()[-2000:]}"
            assert time.monotonic() < end, f"it does not listen:\n{self.log.read_text()[-2000:]}"
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)

    def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        if self._out is not None:
            self._out.close()


def node_command(script: str) -> list[str]:
    """The command that runs a script of ours under tests/ by node, with the packages of the peer `node`."""
    folder = installed("node")
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    copy = folder / script  # where it finds its packages
    spare = folder / f".{script}.{os.getpid()}"
    spare.write_bytes((ROOT / "tests" / script).read_bytes())
    spare.replace(copy)
    return [node, str(copy)]


def medplum(log: Path) -> tuple[Program, str]:
    """A FHIR R4 server, and its base address."""
    served = Program(node_command("medplum.mjs"), log, PORT="{port}")
    return served, f"http://127.0.0.1:{served.port}/fhir/R4"


def mesh(log: Path) -> tuple[Program, str]:
    """NHS England's MESH sandbox: mailboxes X26ABC1 to X26ABC3, `password`, the key TestKey; and its address."""
    folder = installed("mesh")
    command = [str(folder / "bin" / "uvicorn"), "mesh_sandbox.api:app", "--host", "127.0.0.1", "--port", "{port}"]
    served = Program(command, log, AUTH_MODE="full", SHARED_KEY="TestKey", STORE_MODE="memory")
    return served, f"http://127.0.0.1:{served.port}"
