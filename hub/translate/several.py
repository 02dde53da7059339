"""Work on the pieces of a long stream, done by several processes and given back in the stream's order.

The calling process alone makes the pieces. They go to workers, which are copies of that process; only so many are on
their way as keep the workers busy, so memory does not grow with the stream.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

from hub.errors import HubError

MOST = 4
"""Most processes that are worth starting: more than that wait for the one that makes the pieces."""
_AHEAD = 2
"""Pieces on their way for each worker."""

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
    pool = ProcessPoolExecutor(processes, get_context("fork"), _begin, (work,))
    waiting: deque[tuple[Future[R], bytes]] = deque()
    try:
        for piece in pieces:
            waiting.append((pool.submit(_work, piece), piece))
            if len(waiting) > _AHEAD * processes:
                made, sent = waiting.popleft()
                yield made.result(), sent
        for made, sent in waiting:
            yield made.result(), sent
    except BrokenProcessPool:
        raise HubError(
            "one of the processes was killed, perhaps because memory ran out; what was written is not whole. Try"
            " again, with --processes 1 if it happens again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_job: list[Callable[[bytes], Any]] = []
"""In a worker: what it does with a piece."""


def _begin(work: Callable[[bytes], Any]) -> None:
    """In a worker, before all else. What was there before stays untouched, in pages that all processes share."""
    _job[:] = [work]
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process it was copied from gets it too, and ends the workers
    Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """End with the process that this is a copy of, however that one ends."""
    above = parent_process()
    if above is not None:
        connection.wait([above.sentinel])
        os._exit(1)


def _work(piece: bytes) -> Any:
    return _job[0](piece)


__all__ = ["MOST", "available", "spread"]
