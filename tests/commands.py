"""The command line called without its start: a process that has imported the hub and done nothing forks for each call.

What is called is `hub.cli.main` in a process of its own, with the caller's words, folder, environment and streams, and
its exit code comes back. Only the second that Python takes to import everything is saved. What runs long, is killed or
gets a signal is started as itself.

    python -m tests.commands SOCKET    the parent: it ends with its standard input
    ICS_HUB_CALLS=SOCKET ics-hub …     the program that `Calls.program` writes: a caller for shells
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import os
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
LENGTH = 8
"""Bytes that say how long a call is."""
LONGEST = 300
"""Seconds that a command may take: then it is killed."""
LAZY = (
    *("rich.console", "rich.table", "rich.progress", "alembic.command", "psycopg"),
    *("sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite"),
)
"""What the hub imports only where it needs it, besides its own modules."""
CALLER = """#!{python} -ISu
import _socket, os, sys
if sys.argv[1:2] == ["run"] and "--once" not in sys.argv:
    os.execv({python!r}, [{python!r}, "-c", "from hub.cli import main; main()", *sys.argv[1:]])
call = b"\\0".join([os.getcwdb(), b"%d" % len(sys.argv), *map(os.fsencode, ["ics-hub", *sys.argv[1:]]),
    *(name + b"=" + value for name, value in os.environb.items())])
line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
line.connect({place!r})
streams = b"".join(n.to_bytes(4, sys.byteorder) for n in (0, 1, 2))
line.sendmsg([len(call).to_bytes({length}, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
while call:
    call = call[line.send(call):]
said = line.recv(16)
os._exit(int(said) if said else 70)
"""


class Ran(NamedTuple):
    code: int
    out: bytes
    err: bytes


class Calls:
    """A parent of commands that has imported the hub of a tree. It ends when `close` is called or this process ends."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root, self.folder = root, Path(tempfile.mkdtemp(prefix="hub-calls-"))
        self.place = self.folder / "line"
        environment = {**os.environ, "PYTHONPATH": str(root)}
        command = [sys.executable, "-m", "tests.commands", str(self.place)]
        self._parent = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.PIPE, start_new_session=True
        )
        end = time.monotonic() + 120
        while not self.place.exists():
            assert self._parent.poll() is None, "the parent of commands did not start"
            assert time.monotonic() < end, "the parent of commands is not ready"
            time.sleep(0.01)
        atexit.register(self.close)

    def program(self, place: Path) -> None:
        """Write a program that calls, for shells; a `run` that does not end by itself is a Python of its own."""
        told = CALLER.format(python=sys.executable, place=str(self.place), length=LENGTH)
        place.write_text(told, "utf-8")
        place.chmod(0o755)

    def call(self, words: list[str], cwd: Path, environment: Mapping[str, str], stdin: bytes = b"") -> Ran:
        """One command: its exit code (negative: the signal that killed it) and what it printed."""
        environ = {**environment, "PYTHONPATH": environment.get("PYTHONPATH", "")}
        told = [
            str(cwd),
            str(len(words) + 1),
            "ics-hub",
            *words,
            *(f"{name}={value}" for name, value in environ.items()),
        ]
        reading, writing = os.pipe()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, socket.socket(socket.AF_UNIX) as line:
            line.settimeout(LONGEST)
            line.connect(str(self.place))
            data = b"\0".join(map(os.fsencode, told))
            socket.send_fds(line, [len(data).to_bytes(LENGTH, "big")], [reading, out.fileno(), err.fileno()])
            os.close(reading)
            line.sendall(data)
            feeding = threading.Thread(target=_feed, args=(writing, stdin))
            feeding.start()
            said = line.recv(16)
            feeding.join()
            assert said, "the command's parent is gone"
            out.seek(0)
            err.seek(0)
            return Ran(int(said), out.read(), err.read())

    def close(self) -> None:
        """No more commands; what still runs is killed. May be called twice."""
        if self._parent.stdin:
            self._parent.stdin.close()
        self._parent.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def _feed(to: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(to, "wb") as pipe:
        pipe.write(data)


@cache
def calls() -> Calls:
    """The parent for this process, of this tree."""
    return Calls()


# The parent, and the children


def main() -> None:
    """Serve calls until standard input ends."""
    _import()
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()  # or a child would look through, and so copy, all that it shares with us
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    place = sys.argv[1]
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(f"{place}.part")
        line.listen(64)
        os.rename(f"{place}.part", place)
        while True:
            ready, _, _ = select.select([line, 0], [], [])
            if 0 in ready:
                os.killpg(0, signal.SIGKILL)
            call, _ = line.accept()
            if os.fork() == 0:
                line.close()
                _answer(call)
            call.close()


def _import() -> None:
    """Everything that some command imports, and the mappings that are shipped; a test may bring its own adapters."""
    import hub
    from tests import haste

    assert Path(str(hub.__file__)).is_relative_to(os.environ["PYTHONPATH"]), hub.__file__
    for one in pkgutil.walk_packages(hub.__path__, "hub."):
        if ".migrations." not in one.name:
            importlib.import_module(one.name)
    for name in LAZY:
        importlib.import_module(name)
    haste.prepare()


def _answer(call: socket.socket) -> NoReturn:
    """One call, in a process that waits for the command and says how it ended; it kills it when the caller is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(call, LENGTH, 3)
    left, data = int.from_bytes(head, "big"), b""
    while len(data) < left:
        data += call.recv(left - len(data))
    child = os.fork()
    if child == 0:
        call.close()
        _be(data.split(b"\0"), streams)
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, call], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        call.sendall(b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _be(told: list[bytes], streams: list[int]) -> NoReturn:
    """The command. Never comes back."""
    code: Any = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 256)
        count = int(told[1])
        environment = dict(one.split(b"=", 1) for one in told[2 + count :])
        _environment(environment)
        os.chdir(told[0])
        _open_streams()
        sys.argv = [os.fsdecode(one) for one in told[2 : 2 + count]]
        from hub.cli import main as command

        try:
            command()
            code = 0
        except SystemExit as error:
            code = error.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    code = _closed(code)
    os._exit(code)


def _environment(given: dict[bytes, bytes]) -> None:
    """The caller's environment, and its PYTHONPATH before what this Python was installed with."""
    ours = os.environ["PYTHONPATH"].split(os.pathsep)
    os.environb.clear()
    os.environb.update(given)
    time.tzset()
    theirs = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = ["", *theirs, *(one for one in sys.path if one not in ("", os.getcwd(), *ours, *theirs))]
    importlib.invalidate_caches()


def _open_streams() -> None:
    """As Python opens them when it starts."""
    plain = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), sys.stdin.encoding)
    made = []
    for number, old in ((1, sys.stdout), (2, sys.stderr)):
        raw = io.FileIO(number, "w", closefd=False)
        buffer: Any = raw if plain else io.BufferedWriter(raw)
        lines = raw.isatty() or number == 2
        made.append(io.TextIOWrapper(buffer, old.encoding, old.errors, line_buffering=lines, write_through=plain))
    sys.stdout, sys.stderr = made


def _closed(code: Any) -> int:
    """The exit code, once everything is written: as when Python ends."""
    if not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return 120
    return code & 0xFF


if __name__ == "__main__":
    main()
