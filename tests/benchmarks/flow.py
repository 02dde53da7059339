"""From a file in the folder to acknowledged at the target, against bare relays of the same bytes in the same run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hub.seal import Keyring, new_ring
from hub.store import Store

RUN = "from hub.cli import main; main()"
TOML = """
[hub]
store = "{store}"
queue = "{queue}"
keys = "keys.toml"
[links.ics]
adapter = "cin_census"
connection = {{ kind = "folder", in = "in", settle = 0.0 }}
[links.index]
adapter = "contactpoint"
connection = {{ kind = "folder", out = "out" }}
batch = 100
[[routes]]
from = "ics"
to = ["index"]
[limits]
disk = "1 MB"
"""


class Council:
    """A folder with one source and one target, and processes of the hub that serve it."""

    def __init__(self, home: Path, store: str, queue: str) -> None:
        self.home = home
        for name in ("in", "out", "new"):
            (home / name).mkdir()
        (home / "hub.toml").write_text(TOML.format(store=store, queue=queue))
        (home / "keys.toml").write_text(new_ring("bench"))
        (home / "keys.toml").chmod(0o600)
        address = store.replace("sqlite:///hub.db", f"sqlite:///{home / 'hub.db'}")
        Store.upgrade(address)
        self.store = Store.open(address, Keyring.parse((home / "keys.toml").read_text()))
        self.processes: list[subprocess.Popen[bytes]] = []

    @contextlib.contextmanager
    def running(self, processes: int) -> Iterator[None]:
        """So many processes, up and idle."""
        command = [sys.executable, "-c", RUN, "run"]
        for place in range(processes):
            with open(self.home / f"log{place}", "wb") as log:
                self.processes.append(subprocess.Popen(command, cwd=self.home, stderr=log))
        time.sleep(6)
        try:
            yield
        finally:
            for process in self.processes:
                process.send_signal(signal.SIGTERM)
            for process in self.processes:
                process.wait(30)

    def carry(self, documents: list[bytes], records: int) -> float:
        """Seconds from the files standing in the folder until every record is acknowledged at the target."""
        for place, data in enumerate(documents):
            (self.home / "new" / f"{place:04d}.xml").write_bytes(data)
        start = time.perf_counter()
        for path in sorted((self.home / "new").iterdir()):
            path.rename(self.home / "in" / path.name)
        while not self.sent(records):
            if time.perf_counter() - start > 300:
                raise RuntimeError("the hub did not come to an end")
            time.sleep(0.02)
        return time.perf_counter() - start

    def sent(self, records: int) -> bool:
        """Whether so many records were kept, and none is open."""
        return self.store.highest_number() >= records and self.store.open_count("index") == 0

    def cpu(self) -> dict[int, float]:
        """Seconds of processor time of each process."""
        tick = os.sysconf("SC_CLK_TCK")
        found = {}
        for process in self.processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            found[process.pid] = (int(fields[11]) + int(fields[12])) / tick
        return found


@contextlib.contextmanager
def council(store: str, queue: str) -> Iterator[Council]:
    """A council in a folder of its own."""
    with tempfile.TemporaryDirectory() as home:
        yield Council(Path(home), store, queue)
