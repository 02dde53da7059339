"""What must not spread: a deadly record, a target that hangs, a source that is locked, and a value of a record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hub.config import load
from hub.queue import RabbitQueue
from hub.seal import new_ring
from hub.store import Store
from tests.commands import Ran, calls
from tests.nodes import Postgres, Rabbit
from tests.stores import upgraded
from tests.strangers import DEADLY

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-c", "from hub.cli import main; main()"]
HEAD = """
[hub]
store = "{store}"
queue = "{queue}"
keys = "keys.toml"
[limits]
disk = "1 MB"
"""


class Home:
    """A council's folder, and the hub run in it as an operator would."""

    def __init__(self, folder: Path, links: str, store: str = "sqlite:///hub.db", queue: str = "local") -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        (folder / "hub.toml").write_text(HEAD.format(store=store, queue=queue) + links)
        (folder / "keys.toml").write_text(new_ring("first"))
        (folder / "keys.toml").chmod(0o600)
        for name in ("in", "out", "other"):
            (folder / name).mkdir()
        upgraded(load(folder / "hub.toml").store)

    def halve(self) -> None:
        """From now on it runs as two processes."""
        file = self.folder / "hub.toml"
        file.write_text(file.read_text().replace("[hub]\n", "[hub]\nprocesses = 2\n"))

    def run(self, *arguments: str) -> Ran:
        return calls().call([*arguments], self.folder, self.environment())

    def start(self) -> subprocess.Popen[bytes]:
        with open(self.folder / f"log{len(self.processes)}", "wb") as log:
            command = [*COMMAND, "run"]
            started = subprocess.Popen(command, cwd=self.folder, env=self.environment(), stdout=log, stderr=log)
        self.processes.append(started)
        return started

    def stop(self) -> None:
        for one in self.processes:
            one.send_signal(signal.SIGTERM)
        for one in self.processes:
            one.wait(60)

    def logs(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("log*")))

    def drop(self, name: str, records: list[dict[str, object]]) -> None:
        self.drop_bytes(name, b"".join(json.dumps(one).encode() + b"\n" for one in records))

    def drop_bytes(self, name: str, data: bytes) -> None:
        part = self.folder / "in" / f"{name}.part"
        part.write_bytes(data)
        part.rename(part.with_suffix(""))

    def sent(self, folder: str = "out") -> list[dict[str, object]]:
        found = []
        for path in sorted(self.folder.joinpath(folder).glob("[0-9]*")):
            found += [json.loads(line) for line in path.read_bytes().splitlines()]
        return found

    def open_store(self) -> Store:
        settings = load(self.folder / "hub.toml")
        return Store.open(settings.store, settings.ring)

    @staticmethod
    def environment() -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "160"}


@pytest.fixture
def homes() -> Iterator[list[Home]]:
    made: list[Home] = []
    yield made
    for home in made:
        for process in home.processes:
            process.kill()
            process.wait()


def child(name: str, given: str = "Ada", year: int = 2015) -> dict[str, object]:
    return {
        "source": {"link": "elsewhere", "id": name},
        "person": {"names": [{"id": "n1", "given": given, "family": "Example"}], "birth": {"date": f"{year}-02-03"}},
    }


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def link(name: str, adapter: str, connection: str, more: str = "") -> str:
    return f'[links.{name}]\nadapter = "{adapter}"\nconnection = {{ {connection} }}\n{more}\n'


def test_a_record_that_kills_the_process_harms_no_other(tmp_path: Path, homes: list[Home]) -> None:
    links = link("ics", "canonical", 'kind = "folder", in = "in", settle = 0') + link(
        "ours", "tests.strangers", 'kind = "folder", out = "out"'
    )
    home = Home(tmp_path, links + '[[routes]]\nfrom = "ics"\nto = ["ours"]\n')
    homes.append(home)
    home.drop("1.jsonl", [child(f"c{n}", DEADLY if n == 50 else "Ada") for n in range(100)])
    deaths = 0
    while (ran := home.run("run", "--once")).code == 9:
        deaths += 1
        assert deaths < 10
    assert ran.code == 1
    assert deaths == 4, "once among the others, three times alone"
    assert sorted(one["source"]["id"] for one in home.sent()) == sorted(f"c{n}" for n in range(100) if n != 50)  # type: ignore[index]
    home.drop("2.jsonl", [{**child("c7", year=2016)}])
    home.run("run", "--once")
    store = home.open_store()
    [cause] = store.failures()
    store.close()
    assert (cause.count, cause.children, cause.cause.answer) == (1, 1, "crash")
    assert len(home.sent()) == 100


def test_a_later_message_waits_behind_the_one_that_kills(tmp_path: Path, homes: list[Home]) -> None:
    links = link("ics", "canonical", 'kind = "folder", in = "in", settle = 0') + link(
        "ours", "tests.strangers", 'kind = "folder", out = "out"'
    )
    home = Home(tmp_path, links + '[[routes]]\nfrom = "ics"\nto = ["ours"]\n')
    homes.append(home)
    # Two children with one NHS number: the second is about the same child, and must not pass the first.
    first, second = child("a", DEADLY), child("b")
    for one in (first, second):
        one["person"]["identifiers"] = [{"id": "i1", "system": "nhs", "value": "9999001009"}]  # type: ignore[index]
    home.drop("1.jsonl", [first, second, child("c")])
    while home.run("run", "--once").code == 9:
        pass
    assert [one["source"]["id"] for one in home.sent()] == ["c"]  # type: ignore[index]
    store = home.open_store()
    [cause] = store.failures()
    store.close()
    assert (cause.count, cause.held) == (1, 1)


def test_a_target_that_hangs_and_a_source_that_is_locked_hold_up_nobody(tmp_path: Path, homes: list[Home]) -> None:
    links = (
        link("ics", "canonical", 'kind = "folder", in = "in", settle = 0')
        + link("locked", "canonical", 'kind = "tests.strangers.Locked"')
        + link("slow", "canonical", 'kind = "tests.strangers.Hanging"')
        + link("ours", "canonical", 'kind = "folder", out = "out"')
        + '[[routes]]\nfrom = "ics"\nto = ["slow", "ours"]\n[[routes]]\nfrom = "locked"\nto = ["ours"]\n'
    )
    home = Home(tmp_path, links)
    homes.append(home)
    home.start()
    for n in range(5):
        home.drop(f"{n}.jsonl", [child(f"c{n}-{m}") for m in range(20)])
        until(lambda n=n: len(home.sent()) == 20 * (n + 1), 20)  # type: ignore[misc]
    assert home.logs().count(b"look at its password") == 1, "said once, not again and again"


def test_a_program_is_told_once_of_each_new_cause(tmp_path: Path, homes: list[Home]) -> None:
    tell = tmp_path / "tell.sh"
    tell.write_text("#!/bin/sh\ncat >> told; echo >> told\n")
    tell.chmod(0o755)
    links = (
        link("ics", "canonical", 'kind = "folder", in = "in", settle = 0')
        + link("ours", "canonical", 'kind = "folder", out = "out"')
        + f'[[routes]]\nfrom = "ics"\nto = ["ours"]\n[notify]\ncommand = "{tell}"\n'
    )
    home = Home(tmp_path, links)
    homes.append(home)
    for n in range(3):
        home.drop(f"{n}.jsonl", [child(f"bad{n}", year=99999), child(f"good{n}")])
        assert home.run("run", "--once").code == 1
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [one["stage"] for one in told] == ["inward"]
    assert len(home.sent()) == 3


CANARY = b"Zanzibarcanary"


def test_no_value_of_a_record_is_anywhere_outside_the_seal(
    tmp_path: Path, homes: list[Home], rabbit: Rabbit, postgres: Postgres
) -> None:
    """A marked value is driven through failures of every stage; then every byte that was left behind is looked at."""
    links = (
        link("ics", "canonical", 'kind = "folder", in = "in", settle = 0')
        + link("ours", "canonical", 'kind = "folder", out = "out"')
        + link("away", "contactpoint", 'kind = "folder", out = "missing"')
        + '[[routes]]\nfrom = "ics"\nto = ["away", "ours"]\n'
    )
    home = Home(tmp_path, links, postgres.database(), rabbit.vhost())
    homes.append(home)
    mark = CANARY.decode()
    home.start()
    home.drop(f"{mark}.jsonl", [child("good", mark), {**child("bad", mark), mark: mark}, child(mark, mark, 99999)])
    home.drop_bytes(f"{mark}.xml", b"<" + CANARY + b">")
    home.drop_bytes("junk.jsonl", b'{"' + CANARY + b'": \xff\n')
    until(lambda: len(home.sent()) >= 1)
    until(lambda: b"target paused" in home.logs())
    home.processes[0].kill()
    home.processes[0].wait()
    home.start()
    time.sleep(3)
    commands = (["status"], ["failures"], ["trace", "1"], ["failures", "show", "1"], ["doctor"])
    printed = b"".join(ran.out + ran.err for ran in (home.run(*one) for one in commands))
    printed += b"".join(ran.out + ran.err for ran in (home.run(*one, "--json") for one in commands))
    home.stop()
    postgres.sql("CHECKPOINT")
    assert home.logs()
    assert printed
    assert CANARY not in home.logs()
    assert CANARY not in printed
    for place in (postgres.files, rabbit.files):
        for path in place.rglob("*"):
            if path.is_file():
                assert CANARY not in path.read_bytes(), f"{path.name} holds a value of a record"


def test_the_canary_test_can_fail(tmp_path: Path, homes: list[Home], postgres: Postgres) -> None:
    """The same look finds the value when nothing is sealed."""
    links = link("ics", "canonical", 'kind = "folder", in = "in", settle = 0') + link(
        "ours", "canonical", 'kind = "folder", out = "missing"'
    )
    home = Home(tmp_path, links + '[[routes]]\nfrom = "ics"\nto = ["ours"]\n', postgres.database())
    homes.append(home)
    settings = (tmp_path / "hub.toml").read_text().replace('keys = "keys.toml"', "encrypt = false")
    (tmp_path / "hub.toml").write_text(settings)
    home.drop("a.jsonl", [child("good", CANARY.decode())])
    home.run("run", "--once")
    postgres.sql("CHECKPOINT")
    assert any(CANARY in path.read_bytes() for path in postgres.files.rglob("*") if path.is_file())


def test_a_record_put_into_another_message_on_the_broker_is_not_sent(
    tmp_path: Path, homes: list[Home], rabbit: Rabbit
) -> None:
    """Whoever may write to the broker swaps two sealed records: each child's own is sent all the same."""
    links = link("ics", "canonical", 'kind = "folder", in = "in", settle = 0') + link(
        "ours", "canonical", 'kind = "folder", out = "out"', "batch = 1"
    )
    home = Home(tmp_path, links + '[[routes]]\nfrom = "ics"\nto = ["ours"]\n', queue=rabbit.vhost())
    homes.append(home)
    url = load(home.folder / "hub.toml").queue
    (home.folder / "out").rename(home.folder / "away")
    home.drop("1.jsonl", [child("a"), child("b", "Berta")])
    assert home.run("run", "--once").code == 1
    store = home.open_store()
    first, second = store.body([1, 2])
    store.close()
    (home.folder / "away").rename(home.folder / "out")
    swapped = [
        msgspec.structs.replace(first, sealed=second.sealed, bound=second.bound),
        msgspec.structs.replace(second, sealed=first.sealed, bound=first.bound),
    ]
    queue = RabbitQueue(url, ["ours"])
    assert queue.wait(30)
    assert queue.publish(swapped) == 2
    assert queue.flush(30)
    queue.close()
    assert home.run("run", "--once").code == 0
    arrived = {path.stem.partition("-")[2]: json.loads(path.read_bytes()) for path in home.folder.glob("out/[0-9]*")}
    given = {key: one["person"]["names"][0]["given"] for key, one in arrived.items()}
    assert given == {first.id[:4].hex(): "Ada", second.id[:4].hex(): "Berta"}


# A hub of two processes, one that reads and one that sends


@pytest.fixture
def halved(tmp_path: Path, homes: list[Home]) -> Home:
    """One that runs, and has sent what its folder held."""
    links = link("ics", "canonical", 'kind = "folder", in = "in", settle = 0', "poll = 0.1") + link(
        "ours", "canonical", 'kind = "folder", out = "out"'
    )
    home = Home(tmp_path, links + '[[routes]]\nfrom = "ics"\nto = ["ours"]\n')
    homes.append(home)
    home.halve()
    home.start()
    home.drop("1.jsonl", [child(f"c{n}") for n in range(120)])
    until(lambda: len(home.sent()) == 120)
    return home


def halves(home: Home) -> list[int]:
    """The process that reads and the one that sends."""
    reads = home.processes[-1].pid
    [sends] = Path(f"/proc/{reads}/task/{reads}/children").read_text().split()
    return [reads, int(sends)]


def gone(pid: int) -> bool:
    """Whether a process has ended, if perhaps nobody has asked for its code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_two_processes_carry_what_one_would_and_end_together_when_told(halved: Home) -> None:
    reads, sends = halves(halved)
    store = halved.open_store()
    assert {one.pid for one in store.status().workers} == {reads, sends}
    store.close()
    halved.drop("2.jsonl", [child(f"c{n}", year=2016) for n in range(120)])
    until(lambda: len(halved.sent()) == 240)
    halved.stop()
    assert [halved.processes[0].returncode, gone(sends)] == [0, True]
    found = [(one["source"]["id"], one["person"]["birth"]["date"][:4]) for one in halved.sent()]  # type: ignore[index]
    assert sorted(found) == sorted((f"c{n}", year) for n in range(120) for year in ("2015", "2016"))
    assert halved.run("run", "--once").code == 0, "one process does it as well"


@pytest.mark.parametrize("which", [0, 1])
def test_when_one_of_two_is_killed_the_other_ends_and_the_next_run_goes_on(halved: Home, which: int) -> None:
    both = halves(halved)
    halved.drop("2.jsonl", [child(f"c{n}", year=2016) for n in range(500)])
    until(lambda: len(halved.sent()) > 120)
    os.kill(both[which], signal.SIGKILL)
    assert halved.processes[0].wait(30) == (-signal.SIGKILL, 3)[which]
    again = halved.start()
    until(lambda: len(halved.sent()) == 620)
    assert gone(both[1])
    assert which == (b"the process that sends was ended" in halved.logs())
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0
    ids = [one["source"]["id"] for one in halved.sent()]  # type: ignore[index]
    assert {one: ids.count(one) for one in ids} == {f"c{n}": 1 + (n < 120) for n in range(500)}
