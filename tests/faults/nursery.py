"""Where worker processes come from: a program that has loaded the hub once, and forks. On a busy machine, loading it
anew after every death would take most of the time.

    python -m tests.faults.nursery        a line of JSON on standard input for each worker, answers on standard output
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from typing import Any

from tests.faults.logs import follow_parent

LOOK = 0.02
"""Seconds between two looks at who died."""


class Born:
    """A process from a nursery, to be used as if it were a child of ours. pid: 0 until it is there."""

    def __init__(self) -> None:
        self.pid = 0
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it lives."""
        return self.returncode

    def wait(self, seconds: float = 30.0) -> int:
        """The same, awaited. TimeoutExpired when it takes longer."""
        end = time.monotonic() + seconds
        while self.returncode is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("a worker", seconds)
            time.sleep(LOOK)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing happens to what is dead."""
        while not self.pid and self.returncode is None:
            time.sleep(LOOK)
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it is dead, and that was not told yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Nursery:
    """The driver's end. program: the nursery, with pipes."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self._program = program
        self._born: list[Born] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, arguments: list[str], output: str) -> Born:
        """A worker with these arguments, that adds what it says to a file."""
        born = Born()
        self._born.append(born)
        assert self._program.stdin
        self._program.stdin.write(json.dumps({"arguments": arguments, "output": output}).encode() + b"\n")
        self._program.stdin.flush()
        return born

    def _listen(self) -> None:
        assert self._program.stdout
        for line in self._program.stdout:
            told = json.loads(line)
            born = self._born[told["n"]]
            if "pid" in told:
                born.pid = told["pid"]
            else:
                born.returncode = told["code"]


def main() -> None:
    """Fork what is asked for, and tell who died. It ends with the driver."""
    follow_parent()
    from hub import adapter
    from tests.faults import connection, worker

    assert connection
    for name in ("canonical", "contactpoint"):
        adapter.find(name)
    numbers: dict[int, int] = {}
    asked, buffer = 0, b""
    while True:
        if select.select([0], [], [], LOOK)[0]:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                pid = _fork(worker.main, json.loads(line))
                numbers[pid] = asked
                _say(n=asked, pid=pid)
                asked += 1
        while numbers and (dead := os.waitpid(-1, os.WNOHANG))[0]:
            _say(n=numbers.pop(dead[0]), code=os.waitstatus_to_exitcode(dead[1]))


def _say(**told: Any) -> None:
    os.write(1, json.dumps(told).encode() + b"\n")


def _fork(run: Any, told: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        follow_parent()
        random.seed()
        out = os.open(told["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for one, place in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(one, place)
        code = run(told["arguments"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
