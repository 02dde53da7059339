"""Functions run in a process of their own, to be killed at a named step, or to be somebody else."""

from __future__ import annotations

import _strptime  # noqa: F401 - imported by the first strptime; nobody may not read where Python lies
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from typing import Any

NOBODY = 65534


def forked(act: Callable[[], Any], *, nobody: bool = False) -> Any:
    """What a function gives in a process of its own; None when it was killed. nobody: without root's powers."""
    wait = start(act, nobody=nobody)
    return wait()


def start(act: Callable[[], Any], *, nobody: bool = False) -> Callable[[], Any]:
    """The same, begun; what comes back waits for it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            if nobody and os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            told = True, act()
        except BaseException:
            told = False, traceback.format_exc()
        with os.fdopen(writing, "wb") as out:
            pickle.dump(told, out)
        os._exit(0)
    os.close(writing)

    def wait() -> Any:
        with os.fdopen(reading, "rb") as gave:
            data = gave.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return None
        well, told = pickle.loads(data)
        assert well, told
        return told

    return wait


class Killer:
    """A hook that kills its own process at a step, the `nth` time that it comes there."""

    def __init__(self, step: str, nth: int = 1) -> None:
        self.step, self.left = step, nth

    def __call__(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
