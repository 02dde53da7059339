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

from hub.message import Message, pack
from hub.seal import Keyring, new_ring
from hub.store import Store
from hub.store.statements import Sql
from tests.benchmarks import hub, sample
from tests.benchmarks.relay import SELECT, relays
from tests.nodes import NodeError, Postgres, Rabbit

CHILDREN = 10_000
"""Records carried in each measure."""
BAR = 0.40
"""What the hub is to reach of the bare SelectConnection relay of the same messages."""
RUN = "from hub.cli import main; main()"
HEAD = """
[hub]
store = "{store}"
queue = "{queue}"
keys = "keys.toml"
processes = {halves}
[limits]
disk = "1 MB"
"""
LINKS = """
[links.ics]
adapter = "cin_census"
connection = { kind = "folder", in = "in", settle = 0.0 }
poll = 0.1
[links.index]
adapter = "contactpoint"
connection = { kind = "folder", out = "out" }
batch = 100
[[routes]]
from = "ics"
to = ["index"]
"""


class Council:
    """A folder with one source and one target, and processes of the hub that serve it. halves: of each `run`."""

    def __init__(self, home: Path, store: str, queue: str, links: str = LINKS, halves: int = 1) -> None:
        self.home = home
        for name in ("in", "out", "new"):
            (home / name).mkdir()
        (home / "hub.toml").write_text(HEAD.format(store=store, queue=queue, halves=halves) + links)
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
            time.sleep(0.1)  # to count what is open costs the database more than the answer is worth
        return time.perf_counter() - start

    def sent(self, records: int) -> bool:
        """Whether so many records were kept, and none is open."""
        return self.store.highest_number() >= records and self.store.open_count("index") == 0

    def by_worker(self) -> list[int]:
        """Messages that each process delivered."""
        counted = Sql("SELECT count(*) FROM attempt GROUP BY worker ORDER BY worker")
        return self.store.database.read(lambda work: [row[0] for row in work.rows(counted)])

    def cpu(self) -> dict[int, float]:
        """Seconds of processor time of each process."""
        tick = os.sysconf("SC_CLK_TCK")
        found = {}
        for process in self.processes:
            halves = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for pid in (process.pid, *map(int, halves)):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                found[pid] = (int(fields[11]) + int(fields[12])) / tick
        return found


@contextlib.contextmanager
def council(store: str, queue: str, links: str = LINKS, halves: int = 1) -> Iterator[Council]:
    """A council in a folder of its own. links: of its hub.toml, with their routes."""
    with tempfile.TemporaryDirectory() as home:
        yield Council(Path(home), store, queue, links, halves)


def measure(folder: Path) -> None:
    """Print the rates of bare relays and of the hub, and what the hub reaches of the bare relay."""
    file = sample.write(folder / "carried.xml", CHILDREN)
    ring = Keyring.parse(new_ring("bench"))
    messages = [
        pack(Message(n, ring.name(n), "index", "ics", "Child", b"record:1:1", ring.seal(line.rstrip(), b"record:1:1")))
        for n, line in enumerate(hub.to_json(file))
    ]
    print(
        f"\ncarrying {CHILDREN:,} records of {sum(map(len, messages)) / CHILDREN:,.0f} bytes as they lie on the queue"
    )
    try:
        rabbit, postgres = Rabbit(), Postgres()
    except NodeError as error:
        print(f"not measured: {error}")
        return
    with rabbit, postgres:
        rates = relays(rabbit.url, messages)
        for halves, said in ((1, "one process"), (2, "two, one that reads and one that sends")):
            _carry(f"the hub, SQLite, {said}", "sqlite:///hub.db", "local", 1, file, rates[SELECT], halves)
        for processes in (1, 2, 4):
            name = f"the hub, PostgreSQL and RabbitMQ, {processes} process{'es' if processes > 1 else ''}"
            _carry(name, postgres.database(), rabbit.vhost(), processes, file, rates[SELECT])
    print(f"bar: {BAR:.0%} of the bare relay ({SELECT})")


def _carry(name: str, store: str, queue: str, processes: int, file: Path, bare: float, halves: int = 1) -> None:
    with council(store, queue, halves=halves) as carried:
        with carried.running(processes):
            before = carried.cpu()
            rate = CHILDREN / carried.carry([file.read_bytes()], CHILDREN)
            used = [(after - before[pid]) / CHILDREN * 1e6 for pid, after in carried.cpu().items()]
        done = carried.by_worker()
    share = f"{rate / bare:.0%} of the bare relay ({'met' if rate / bare >= BAR else 'NOT met'})"
    each = ", ".join(f"{one:,.0f}" for one in used)
    print(f"{name}: {rate:,.0f} records/s, {share}; us of processor time a record in each process: {each};")
    print(f"    messages delivered by each: {', '.join(map(str, done))}")
