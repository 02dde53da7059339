"""ADT messages through a whole hub over MLLP: killed in the middle, nothing is lost and nothing doubled."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.pipeline.receive import Behind
from hub.store import LeaseLost, Unread
from hub.wire import Document
from tests.test_flow_faults import Home, link, until
from tests.wards import Receiver, Sender, adt, control, free_port

COUNT = 1000


@pytest.fixture
def homes() -> Iterator[list[Home]]:
    made: list[Home] = []
    yield made
    for home in made:
        for process in home.processes:
            process.kill()
            process.wait()


def deliver(home: Home, port: int, messages: list[bytes], *, kill_at: int) -> list[str]:
    """Send messages as a hospital does, each until it is answered AA; the hub is killed once on the way. The codes."""
    sender: Sender | None = None
    codes: list[str] = []
    for n, message in enumerate(messages):
        while True:
            try:
                sender = sender or Sender(port)
                if n == kill_at and len(home.processes) == 1:
                    home.processes[0].kill()
                    home.processes[0].wait()
                    home.start()
                ack = str(sender.send(message).segment("MSA")[1])
            except (ConnectionError, OSError):
                sender = None
                time.sleep(0.1)
                continue
            codes.append(ack)
            if ack == "AA":
                break
    sender.close() if sender else None
    return codes


def test_a_thousand_adt_messages_arrive_each_once_though_the_hub_is_killed(tmp_path: Path, homes: list[Home]) -> None:
    port = free_port()
    links = link("ward", "tests.wards", f'kind = "mllp", listen = "127.0.0.1:{port}"') + link(
        "ours", "canonical", 'kind = "folder", out = "out"'
    )
    home = Home(tmp_path, links + '[[routes]]\nfrom = "ward"\nto = ["ours"]\n')
    homes.append(home)
    home.start()
    codes = deliver(home, port, [adt(f"m{n}", f"c{n}") for n in range(COUNT)], kill_at=COUNT // 3)
    assert codes.count("AA") == COUNT
    until(lambda: len(home.sent()) >= COUNT, 60)
    arrived = sorted(one["source"]["id"] for one in home.sent())  # type: ignore[index]
    assert arrived == sorted(f"c{n}" for n in range(COUNT)), "each child's once, in any order"
    home.stop()


def test_documents_are_read_in_order_and_none_after_one_that_failed() -> None:
    seen: list[list[int]] = []
    go = threading.Event()

    def act(found: list[tuple[Unread, Document]]) -> None:
        go.wait(5)
        seen.append([unread.document for unread, _ in found])
        if seen[-1][-1] == 3:
            raise LeaseLost("left for later")

    def some(*numbers: int) -> list[tuple[Unread, Document]]:
        return [(Unread(number, 0, ""), Document.of("x", b"x")) for number in numbers]

    with pytest.raises(LeaseLost), Behind(act, "reads") as behind:  # noqa: PT012 - what is raised comes late
        behind.read(some(1))
        time.sleep(0.2)
        behind.read(some(2))
        behind.read(some(3))
        go.set()
        time.sleep(0.2)
        behind.read(some(4))
    assert seen == [[1], [2, 3]]


MORTAL = """
import os, signal, sys, threading
from pathlib import Path
from hub.config import load
from hub.config.build import build
step, left, lock = sys.argv[1], [4], threading.Lock()
def hook(said, count):
    if said == step and count > 1:
        with lock:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
build(load(Path("hub.toml")), hook=hook).run()
"""
"""A hub that is killed at a step, the fourth time that it comes there with several messages in hand."""


@pytest.mark.parametrize("step", ["T1.before-commit", "T1.after-commit", "T2.before-commit", "T2.after-commit"])
def test_killed_with_several_messages_in_hand_each_arrives_once(tmp_path: Path, homes: list[Home], step: str) -> None:
    """Eight senders at once; killed between keeping and answering, and before and after reading, a whole group of
    theirs: whoever got no AA sends again."""
    port = free_port()
    links = link("ward", "tests.wards", f'kind = "mllp", listen = "127.0.0.1:{port}"') + link(
        "ours", "canonical", 'kind = "folder", out = "out"'
    )
    home = Home(tmp_path, links + '[[routes]]\nfrom = "ward"\nto = ["ours"]\n')
    homes.append(home)
    mortal = subprocess.Popen([sys.executable, "-c", MORTAL, step], cwd=tmp_path, env=home.environment())
    codes: list[str] = []

    def send(who: int) -> None:
        mine = [adt(f"m{who}-{n}", f"c{who}-{n}") for n in range(20)]
        codes.extend(deliver(home, port, mine, kill_at=-1))

    threads = [threading.Thread(target=send, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    assert mortal.wait(60) == -signal.SIGKILL
    home.start()
    for thread in threads:
        thread.join(60)
    assert codes.count("AA") == 160
    until(lambda: len(home.sent()) >= 160, 60)
    arrived = sorted(one["source"]["id"] for one in home.sent())  # type: ignore[index]
    assert arrived == sorted(f"c{who}-{n}" for who in range(8) for n in range(20))
    home.stop()


def test_messages_go_on_to_another_hospital_in_order(tmp_path: Path, homes: list[Home]) -> None:
    """In over MLLP and out over MLLP, the hub killed on the way; each message has a control id of its own."""
    port, ward = free_port(), Receiver()
    links = link("ward", "tests.wards", f'kind = "mllp", listen = "127.0.0.1:{port}"') + link(
        "other", "tests.wards", f'kind = "mllp", to = "127.0.0.1:{ward.port}", timeout = 2, sender = ["ICSHUB"]'
    )
    home = Home(tmp_path, links + '[[routes]]\nfrom = "ward"\nto = ["other"]\n')
    homes.append(home)
    home.start()
    names = [f"Example{n}" for n in range(30)]
    deliver(home, port, [adt(f"m{n}", "c1", family=name) for n, name in enumerate(names)], kill_at=10)
    until(lambda: any(b"Example29" in one for one in ward.took), 30)
    home.stop()
    ward.close()
    seen = [next(n for n, name in enumerate(names) if name.encode() + b"\r" in one) for one in ward.took]
    assert seen == sorted(seen), "full states: some may be superseded, none overtaken"
    assert len({control(one) for one in ward.took}) == len(set(ward.took))
    assert all(one.startswith(b"MSH|^~\\&|ICSHUB|") for one in ward.took)
