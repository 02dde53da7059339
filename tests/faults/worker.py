"""One worker process of the hub, with a hook that kills or stops it in the middle of its work.

    python -m tests.faults.worker HOME [--lease S] [--at STEP:N:kill|stop] [--twin NAME] [--once]

HOME holds hub.toml and events.log. At the N-th time that a step is reached with messages at hand the process says so in
the synced log, and then gets SIGKILL or SIGSTOP.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from hub.config import load
from hub.config.build import build
from hub.pipeline import pair
from hub.store import StoreDown
from tests.faults import twins
from tests.faults.logs import Log, follow_parent

AWAY = 75
"""Exit code when the database is away as the process starts, or its other half was killed: whatever runs the hub's
processes starts it again."""
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class Reaper:
    """The hook. `at` is `STEP:N:ACT`, or "" for nothing. who: what the log is told that this process is."""

    def __init__(self, at: str, events: Log, who: str = "worker") -> None:
        self._events, self._lock, self._who = events, threading.Lock(), who
        self._step, count, self._act = at.split(":") if at else ("", "0", "kill")
        self._left = int(count)
        self._up = False

    def __call__(self, step: str, count: int = 1) -> None:
        if not self._up:
            self._up = True
            self._say("up")
        # A document is at hand whenever it is kept (T1), and a sweep (T6) is for all that is open.
        if step != self._step or not (count or step.startswith(("T1", "T6"))):
            return
        with self._lock:
            self._left -= 1
            hit = self._left == 0
        if hit:
            self._say(self._act, step=step, count=count)
            os.kill(os.getpid(), SIGNALS[self._act])

    def _say(self, what: str, **more: object) -> None:
        self._events.add(at=time.time(), worker=os.getpid(), of=os.getppid(), who=self._who, what=what, **more)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker until its end. arguments: those of the program, if none are given."""
    follow_parent()
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--lease", type=float, default=5.0)
    parser.add_argument("--at", default="")
    parser.add_argument("--twin", default="")
    parser.add_argument("--once", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.twin:
        twins.TWINS[asked.twin]()
    hook = Reaper(asked.at, Log(asked.home / "events.log"))
    try:
        settings = load(asked.home / "hub.toml")
        hub = build(settings, lease=asked.lease, hook=hook)
        signal.signal(signal.SIGTERM, lambda *_: hub.stop())
        if asked.once or settings.processes == 1:
            return hub.run(once=asked.once)
        code = pair.run(hub)
        return AWAY if code == pair.KILLED else code
    except StoreDown as error:  # while it starts; later it waits by itself
        sys.stderr.write(f"{error}\n")
        return AWAY


if __name__ == "__main__":
    sys.exit(main())
