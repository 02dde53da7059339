"""One life after another, each until its death in the middle of an act. A fork is there sooner than a loaded one."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from itertools import count

from tests.faults.logs import follow_parent
from tests.faults.plan import T7
from tests.faults.worker import AWAY


def lives(live: Callable[[str, str], int], seed: str, *, dies: bool, stops: float) -> int:
    """Live again and again, until one ends by itself; its exit code. live: with `STEP:N:ACT` and a seed.

    dies: by that step. stops: now and then one stands still there instead, for so many seconds, and dies later.
    """
    chance = random.Random(seed)
    for n in count():
        act = "stop" if stops and chance.random() < 0.1 else "kill"
        at = f"{T7[n % 2]}:{chance.randint(2, 10)}:{act}" if dies else ""
        born = os.fork()
        if not born:
            follow_parent()
            os._exit(live(at, f"{seed} {n}"))
        code = _outlive(born, stops)
        if code not in (-signal.SIGKILL, AWAY):
            return code
        time.sleep(0.3)
    return 0


def _outlive(born: int, stops: float) -> int:
    """Wait until one is dead; one that stopped goes on after so many seconds, and dies as many later. Its exit code, or
    minus the signal."""
    while True:
        _, status = os.waitpid(born, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        for after in (signal.SIGCONT, signal.SIGKILL):
            time.sleep(stops)
            os.kill(born, after)


__all__ = ["AWAY", "lives"]
