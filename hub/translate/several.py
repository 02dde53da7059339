"""Work on the pieces of a long stream, done by several processes and given back in the stream's order.

The calling process alone makes the pieces. They go to workers, which are copies of that process; only so many are on
their way as keep the workers busy, so memory does not grow with the stream.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

from hub.errors import HubError

MOST = 4
"""Most processes that are worth starting: more than that wait for the one that makes the pieces."""
_AHEAD = 2
"""Pieces for each worker that may be made before the oldest of them is."""
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

R = TypeVar("R")


def available() -> int:
    """How many processes are worth starting: as many as the cores this process may use, at most `MOST`.

    1 where a process cannot be copied safely, which is anywhere but on Linux.
    """
    return min(len(os.sched_getaffinity(0)), MOST) if sys.platform == "linux" else 1


def spread(
    pieces: Iterable[bytes], work: Callable[[bytes], R], processes: int
) -> Generator[tuple[R, bytes], None, None]:
    """What `work` makes of each piece, with the piece, in order.

    `work` runs in copies of this process as it is now: what it changes is not seen here. What it raises is raised here.
    HubError when a worker was killed. Closing the generator ends the workers, as its own end does.
    """
    workers: list[_Worker] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # what their handler raises is passed over in a fork
    made: dict[int, tuple[Any, bytes]] = {}
    given = 0
    try:
        for _ in range(processes):
            workers.append(_Worker(work))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for count, piece in enumerate(pieces):
            while count - given >= _AHEAD * processes or all(one.is_busy for one in workers):
                _collect(workers, made)
                while given in made:
                    yield _whole(*made.pop(given))
                    given += 1
            next(one for one in workers if not one.is_busy).give(count, piece)
        while given in made or any(one.is_busy for one in workers):
            if given in made:
                yield _whole(*made.pop(given))
                given += 1
            else:
                _collect(workers, made)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for one in workers:
            one.process.kill()
        for one in workers:
            one.end()


class _Worker:
    """A copy of this process with a line to it. It is given one piece at a time, so that neither side ever waits for
    the other to read while it writes. number, piece: of what it works on, or worked on last."""

    def __init__(self, work: Callable[[bytes], Any]) -> None:
        context = get_context("fork")
        self.line, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        self.process.start()
        theirs.close()
        self.number, self.piece, self.is_busy = 0, b"", False

    def give(self, number: int, piece: bytes) -> None:
        """Let it work on a piece. HubError when it is dead."""
        self.number, self.piece, self.is_busy = number, piece, True
        try:
            self.line.send_bytes(piece)
        except OSError:
            raise _killed() from None

    def take(self) -> tuple[Any, bytes]:
        """What it made, and of what. HubError when it is dead."""
        try:
            found = self.line.recv()
        except (EOFError, OSError):
            raise _killed() from None
        self.is_busy = False
        return found, self.piece

    def end(self) -> None:
        """It works no more, whatever it does."""
        self.process.kill()
        self.line.close()
        self.process.join()


def _killed() -> HubError:
    return HubError(
        "one of the processes was killed, perhaps because memory ran out; what was written is not whole. Try"
        " again, with --processes 1 if it happens again"
    )


def _collect(workers: list[_Worker], made: dict[int, tuple[Any, bytes]]) -> None:
    """Wait until something is made, and take it."""
    connection.wait([one.line for one in workers if one.is_busy])
    for one in workers:
        if one.is_busy and one.line.poll():
            made[one.number] = one.take()


def _whole(found: tuple[Any, Exception | None], piece: bytes) -> tuple[Any, bytes]:
    """What was made, or the error instead."""
    result, error = found
    if error is not None:
        raise error
    return result, piece


def _serve(line: connection.Connection, work: Callable[[bytes], Any]) -> None:
    """In a worker. What was there before stays untouched, in pages that all processes share."""
    gc.freeze()
    # the others stay blocked: the process that this was copied from gets them too, and ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    Thread(target=_follow, daemon=True).start()
    while True:
        piece = line.recv_bytes()
        try:
            line.send((work(piece), None))
        except Exception as error:
            line.send((None, error))


def _follow() -> None:
    """End with the process that this is a copy of, however that one ends."""
    above = parent_process()
    if above is not None:
        connection.wait([above.sentinel])
        os._exit(1)


__all__ = ["MOST", "available", "spread"]
