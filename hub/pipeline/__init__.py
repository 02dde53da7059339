"""The way of a record, from a source to every target that is owed it; each step may be killed and is taken again.

    receive   fetch -> keep (T1) -> read, map inward -> take: number, place in line (T2) -> publish
    deliver   consume -> claim (T3) -> map outward, write -> stage -> keep the bytes (T4) -> send -> finish (T5) -> ack
    sweep     due, and what dead workers left -> ready (T6) -> publish what is first in line and was not seen for long
    replay    what a person asked for -> read again where it could not be read -> ready (T7) -> publish
    reload    mapping files changed -> nothing in hand -> load anew, once every process that carries has the same

The queue carries, the store decides: a message may be used only after it was claimed, and only the first open message
of a child at a target can be. So nothing overtakes, and whatever the queue loses, doubles or shuffles is made good.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from time import monotonic

import structlog

from hub.errors import DeclarationError
from hub.pipeline.deliver import Deliverer
from hub.pipeline.link import Link, mapping_digest
from hub.pipeline.receive import Receiver
from hub.pipeline.reload import Reloader
from hub.pipeline.replay import Replayer
from hub.pipeline.returns import Returner
from hub.pipeline.sweep import Sweeper
from hub.pipeline.worker import Flow, Hook, Limits, no_hook
from hub.queue import Queue
from hub.seal import Keyring
from hub.store import Run, Store

log = structlog.get_logger("hub")

LEASE = 30.0
"""Seconds that a worker's lease lasts."""
GROWN = 1.25
"""How many times as long as the slowest send a lease lasts at least, so that it is safe to send just after renewing."""
IDLE = 0.5
"""Seconds between two looks where there was nothing to do."""
FLUSH = 5.0
"""Seconds that the end waits for the broker's confirms."""
CALM = 3
"""With `once`: looks in a row, an idle time apart, that must find nothing to do."""
STILL = 5.0
"""Seconds after which a replay that lets nothing go is taken to wait for something else: a person who must decide on a
later message of a child that may have arrived, say."""


class Hub:
    """One process of the hub: the links it serves, their store and queue. `run` is called once.

    reads, sends: what of it this process does; both, unless another process has the other half (`hub.pipeline.pair`).
    """

    def __init__(
        self,
        links: list[Link],
        store: Store,
        queue: Queue,
        ring: Keyring,
        *,
        limits: Limits | None = None,
        lease: float = LEASE,
        hook: Hook = no_hook,
        notify: Callable[[dict[str, str]], None] | None = None,
        mapping: str = "",
    ) -> None:
        """mapping: digest of the mapping files, from before they were loaded."""
        by_name = {link.name: link for link in links}
        self.sources = [link for link in links if link.inlet is not None]
        self.targets = [link for link in links if link.outlet is not None]
        lease = max(lease, *(GROWN * link.outlet.limit for link in links if link.outlet is not None), 0.0)
        self.flow = Flow(by_name, store, queue, ring, limits=limits or Limits(), lease=lease)
        self.flow.hook, self.flow.mapping = hook, mapping or mapping_digest(links)
        self.reloader = Reloader(self.flow)
        self.notify = notify
        self.reads = self.sends = True
        self._open = True
        self._runs: dict[int, tuple[Mapping[str, int], float]] = {}

    def stop(self) -> None:
        """End cleanly: what is in hand is finished, the rest is given back. May be called from a signal handler."""
        self.flow.stop()

    def run(self, *, once: bool = False) -> int:
        """Carry records until `stop`, or with `once` until nothing more can be done now.

        0: nothing is left open; 1: something is (parked, waiting, its target is paused, its source cannot be read), or
        a document could not be read to its end.
        DeclarationError when our files are wrong.
        """
        flow = self.flow
        self._begin()
        if once:  # whoever starts it has most likely mended what a target was paused for
            for link in self.targets:
                flow.store.resume(link.name)
        receivers = [Receiver(flow, link) for link in self.sources if self.reads]
        targets = self.targets if self.sends else []
        deliverers = [Deliverer(flow, link) for link in targets]
        sweeper, replayer = Sweeper(flow, targets, self.notify), Replayer(flow)
        steps: list[tuple[str, Callable[[], bool], float]] = [("lease", sweeper.renew, flow.worker.lease / 6)]
        steps += [("sweep", sweeper.step, sweeper.every)]
        steps += [("mapping files", self.reloader.step, self.reloader.every)]
        steps += [("replay", replayer.step, replayer.every)] if self.reads else []
        steps += [(one.name, one.step, one.link.poll) for one in receivers]
        steps += [(one.name, one.step, 0.0) for one in deliverers]
        steps += [(one.name, one.step, one.every) for one in map(partial(Returner, flow), targets) if one.asks]
        say = log.debug if once else log.info
        say("running", sources=len(receivers), targets=len(deliverers), worker=flow.worker.id)
        threads = [threading.Thread(target=flow.go_on, args=step, name=step[0], daemon=True) for step in steps]
        for thread in threads:
            thread.start()
        try:
            self._watch(once, len(threads))
        finally:
            flow.stop()
            for thread in threads:
                thread.join()
            self._end(deliverers)
            say("ended", open=self._open)
        if flow.failed is not None:
            raise flow.failed
        troubled = bool(self.reloader.trouble or flow.cut or any(flow.troubles.values()))
        return int(self._open or (once and troubled))

    def _begin(self) -> None:
        """Become a worker, after looking whether the store and our files agree."""
        flow = self.flow
        lacking = flow.store.orphans(list(flow.links))
        if lacking:
            raise DeclarationError(
                f"the store has open messages of {', '.join(sorted(lacking))}, which this file lacks: "
                "put the link back, or say 'ics-hub link rename OLD NEW'"
            )
        flow.store.register([one.name for one in self.sources], [one.name for one in self.targets])
        known = flow.store.identities()
        flow.links.update({name: replace(one, identity=known[name]) for name, one in flow.links.items()})
        self.sources, self.targets = ([flow.links[one.name] for one in some] for some in (self.sources, self.targets))
        flow.worker.enlist()
        self.reloader.step()

    def _watch(self, once: bool, parts: int) -> None:
        """Wait until the hub is to end; with `once`, until every part took a step and nothing can be done now."""
        calm, flow = 0, self.flow
        while not flow.wait(IDLE) and (not once or calm < CALM):
            try:
                calm = calm + 1 if once and len(flow.troubles) == parts and self._is_idle() else 0
            except Exception:  # the store is away: the threads say so
                calm = 0

    def _is_idle(self) -> bool:
        """Whether nothing can be done now: all read, all sent but what is parked, waits, is held, or has no way now."""
        store = self.flow.store
        if not self.flow.gate.worker:
            return bool(self.reloader.trouble)
        if any(link.inlet is not None and link.inlet.pending() for link in self.sources):
            return False
        targets = [one.name for one in self.targets if one.is_hour()] if not self.flow.queue.state() else []
        return not self._replays() and store.is_idle([one.name for one in self.sources], targets)

    def _replays(self) -> bool:
        """Whether replays have more to let go that waits for nothing and nobody."""
        going = [one for one in self.flow.store.runs() if one.goes_by(self.flow.mapping)]
        return any(list(map(self._goes_on, going)))  # all are looked at

    def _goes_on(self, run: Run) -> bool:
        now = monotonic()
        items, since = self._runs.get(run.id, (None, now))
        if items != run.items:
            since = now
        self._runs[run.id] = run.items, since
        if "frozen" not in run.items or (run.state != "running" and (run.state != "canary" or "released" in run.items)):
            return False
        return run.rate is not None or now - since < STILL

    def _end(self, deliverers: list[Deliverer]) -> None:
        """Leave nothing behind that others would have to wait for."""
        flow = self.flow

        def flush() -> None:
            flow.queue.flush(FLUSH)

        inlets = [link.inlet.close for link in self.sources if link.inlet is not None]
        for act in (*inlets, *(one.close for one in deliverers), flush):
            try:
                act()
            except Exception as error:
                log.warning("ending", error=type(error).__name__)
        try:
            flow.store.dismiss(flow.worker.id)
            flow.store.settle()
            self._open = any(flow.store.open_count(link.name) for link in self.targets)
        except Exception as error:
            log.warning("ending", error=type(error).__name__)
        flow.queue.close()
        flow.store.close()


__all__ = ["LEASE", "Hub", "Limits", "Link"]
