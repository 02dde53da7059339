"""What the threads of one process share: the worker's lease, the store, the queue, and how to go on after a failure."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

import structlog
from tenacity import RetryError, Retrying, retry_if_exception_type, wait_random_exponential

from hub.errors import DeclarationError, Unavailable, fault
from hub.message import Message
from hub.pipeline.gate import Gate
from hub.pipeline.link import Link
from hub.queue import Queue
from hub.seal import Keyring, SealError
from hub.store import LeaseLost, Store, StoreDown

log = structlog.get_logger("hub")

Hook = Callable[[str, int], None]
"""Called with a step (`T3.before-commit`, `send.after`) and the number of messages at hand; for the fault tests."""
T = TypeVar("T")

SURE = 2 / 3
"""The part of a lease for which a worker trusts it by its own clock; the rest is for clocks and the network."""
RENEWED = 0.2
"""Seconds between two tries of a part whose worker's lease was over, until it is renewed."""
FAREWELL = 5.0
"""Seconds that a store which is away is still waited for when the hub is to end."""
LONGEST = 30.0
"""Longest wait between two tries after a failure, in seconds."""


def no_hook(step: str, count: int) -> None:
    """The hook of production: nothing."""


@dataclass(frozen=True)
class Limits:
    """When fetching stops.

    open: messages of a target that are not closed. disk: bytes that must stay free at `place`, where the store lies.
    """

    open: int = 100_000
    disk: int = 0
    place: Path | None = None

    def disk_free(self) -> bool:
        """Whether the disk has room, as far as it is ours to see."""
        return self.place is None or not self.disk or shutil.disk_usage(self.place).free >= self.disk


class Worker:
    """This process in the store: a lease, renewed well before it ends, and trusted only while its end is not near."""

    def __init__(self, store: Store, lease: float) -> None:
        self.store, self.lease = store, lease
        self.id = 0
        self._sure = 0.0

    def enlist(self) -> None:
        """Become a worker, anew if the store gave up the one before."""
        asked = monotonic()
        self.id = self.store.enlist(socket.gethostname(), os.getpid(), self.lease)
        self._sure = asked + self.lease * SURE

    def renew(self) -> bool:
        """Renew the lease; False when it was over and everything this worker owned has been given to others."""
        asked = monotonic()
        if not self.store.renew(self.id, self.lease):
            return False
        self._sure = asked + self.lease * SURE
        return True

    def safe(self, worker: int, seconds: float) -> bool:
        """Whether this process is still that worker, and its lease is sure to outlast something that takes so long."""
        now = monotonic()
        return worker == self.id and now < self._sure and now + seconds < self._sure + self.lease * (1 - SURE)


class Flow:
    """The shared state of a running hub.

    gate: open while this process maps as the store says that all do. mapping: digest of what it has loaded. troubles:
    by the name of each part that took a step: why it waits, "" if it does not. failed: what ended the hub. cut: how
    many documents could not be read to their end.
    """

    def __init__(
        self, links: dict[str, Link], store: Store, queue: Queue, ring: Keyring, *, limits: Limits, lease: float
    ) -> None:
        self.links, self.store, self.queue, self.ring, self.limits = links, store, queue, ring, limits
        self.worker = Worker(store, lease)
        self.hook: Hook = no_hook
        self.mapping = ""
        self.gate = Gate()
        self.failed: BaseException | None = None
        self.troubles: dict[str, str] = {}
        self.cut = 0
        self._stop = threading.Event()

    @property
    def stopping(self) -> bool:
        """Whether the hub is to end as soon as what is in hand is done."""
        return self._stop.is_set()

    @property
    def breaking(self) -> bool:
        """Whether what is in hand is to be left at the next good moment: the hub ends, or others map otherwise."""
        return self.stopping or not self.gate.worker

    def stop(self) -> None:
        """End soon."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait, or less if the hub is to end; whether it is."""
        return self._stop.wait(seconds)

    def publish(self, messages: Sequence[Message]) -> None:
        """Send messages along the queue. Nothing depends on it: what gets lost is swept."""
        if messages:
            self.hook("publish.before", len(messages))
            self.queue.publish(messages)
            self.hook("publish.after", len(messages))

    def until_stored(self, act: Callable[[], T]) -> T | None:
        """Do something with the store however long it is away; None when the lease was lost, or the hub must end."""
        tries = Retrying(
            retry=retry_if_exception_type(StoreDown),
            wait=wait_random_exponential(0.2, max=5.0),
            stop=lambda state: self.stopping and (state.seconds_since_start or 0) > FAREWELL,
            sleep=sleep,
        )
        try:
            return tries(act)
        except (LeaseLost, RetryError):
            return None

    def go_on(self, name: str, step: Callable[[], bool], idle: float) -> None:
        """Call a step until the end. A failure of the world is said once and waited out; one of our files ends all."""
        wait = 0.5
        while not self.stopping:
            said = self.troubles.get(name, "")
            try:
                busy = step()
            except DeclarationError as error:
                self.failed = error
                self.stop()
                return
            except LeaseLost:
                self.wait(RENEWED)
                continue
            except (StoreDown, Unavailable, SealError) as error:
                reason = str(error)
            except Exception as error:
                reason = fault(error).reason
            else:
                if said:
                    log.info("works again", part=name)
                self.troubles[name], wait = "", 0.5
                if not busy:
                    self.wait(idle)
                continue
            if reason != said:
                log.error("waiting", part=name, reason=reason)
            self.troubles[name] = reason
            self.wait(wait)
            wait = min(wait * 2, LONGEST)


__all__ = ["Flow", "Hook", "Limits", "Worker", "no_hook"]
