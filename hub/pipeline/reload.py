"""Mended mapping files taking effect while the hub runs: in all of a process or not at all, and in all processes alike.

    files differ from what is loaded -> shut the gate -> nobody inside -> load anew
    -> the store agrees: they are in force once no live worker goes by another set -> swap, open the gate

A process whose files do not load, or differ from those of the others, waits and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic, time

import structlog

from hub.errors import DeclarationError, fault
from hub.mapping import AnyMapping, load
from hub.pipeline.link import Overlaid, mapping_digest, mapping_files
from hub.pipeline.worker import Flow

log = structlog.get_logger("hub.mapping")

PATIENCE = 5.0
"""Seconds that others may take to come to the same files before it is said that this process waits for them."""
AGAIN = 10.0
"""Seconds after which files that did not load are tried again, though they look the same."""
RACY = 2.0
"""Seconds for which a file may change once more and look the same: file systems count time in steps."""

Stamp = tuple[tuple[str, int, int, int, int], ...]


class Files:
    """The mapping files of some links, looked at often: they are read only when one of them looks different."""

    def __init__(self, links: Iterable[Overlaid]) -> None:
        self._links = list(links)
        self._stamp: Stamp | None = None
        self._digest = ""

    def digest(self) -> str:
        """The digest of the files as they are now. DeclarationError, OSError: they cannot be read."""
        stamp = self._look()
        if stamp != self._stamp:
            self._digest = mapping_digest(self._links)
            fresh = max((changed for _, changed, *_ in stamp), default=0) / 1e9 > time() - RACY
            self._stamp = None if fresh else stamp
        return self._digest

    def _look(self) -> Stamp:
        found = ((str(file), file.stat()) for _, file in mapping_files(self._links))
        return tuple((name, max(s.st_mtime_ns, s.st_ctime_ns), s.st_mtime_ns, s.st_size, s.st_ino) for name, s in found)


class Reloader:
    """The mapping files of one process. trouble: why it carries nothing, "" while it does or is about to."""

    every = 1.0

    def __init__(self, flow: Flow) -> None:
        self.flow, self.trouble = flow, ""
        self._files = Files(flow.links.values())
        self._seen = ""
        self._quiet = 0
        self._made: tuple[str, dict[str, dict[str, AnyMapping]]] = "", {}
        self._failed, self._until = "", 0.0
        self._since: float | None = None

    def step(self) -> bool:
        """Look once at the files, and at what the store says of them."""
        try:
            found = self._files.digest()
        except (DeclarationError, OSError) as error:
            self._pause()
            self._give_up(error)
            return False
        if found == self.flow.mapping:
            self._carry(self.flow.worker.id)
        else:
            self._change(found, settled=found == self._seen)
        self._seen = found
        return False

    def _carry(self, worker: int) -> None:
        """What is loaded is what the files say: carry while it is in force."""
        flow = self.flow
        if flow.gate.worker == worker and flow.store.mapping_set() == flow.mapping:
            return
        if not self._agree(flow.mapping, worker):
            self._pause()
            return
        flow.gate.open(worker)
        if self.trouble:
            log.info("carries again: the mapping files are those in force")
        self.trouble, self._since = "", None

    def _change(self, found: str, *, settled: bool) -> None:
        """The files are not what is loaded. settled: they are as they were at the last look."""
        flow, worker = self.flow, self.flow.worker.id
        if not (self._pause() and settled and self._load(found) and self._agree(found, worker)):
            return
        for name, mappings in self._made[1].items():
            flow.links[name].mappings.clear()
            flow.links[name].mappings.update(mappings)
        flow.mapping, self._made = found, ("", {})
        flow.gate.open(worker)
        self.trouble, self._since = "", None
        log.info("mapping files loaded anew", digest=found[:12])

    def _pause(self) -> bool:
        """Carry nothing; whether nothing is in hand any more."""
        if self.flow.gate.worker:
            log.warning("mapping files changed, or are not those in force: nothing is carried until they agree")
        self.flow.gate.shut()
        return self.flow.gate.empty(self.every)

    def _load(self, found: str) -> bool:
        """Load the files whose digest that is, once; False when they do not load, or changed meanwhile."""
        if self._made[0] == found:
            return True
        if self._failed == found and monotonic() < self._until:
            return False
        try:
            made = {link.name: load(link.adapter, link.overlays) for link in self.flow.links.values()}
            same = mapping_digest(self.flow.links.values()) == found
        except Exception as error:
            self._failed, self._until = found, monotonic() + AGAIN
            self._give_up(error)
            return False
        if same:
            self._made, self._failed = (found, made), ""
        return same

    def _agree(self, mapping: str, worker: int) -> bool:
        """Whether a set is in force now. While others go by another one, nothing is said for a little."""
        self._quiet = 0
        if self.flow.store.agree(mapping, worker):
            return True
        self._since = self._since or monotonic()
        if monotonic() - self._since >= PATIENCE:
            self._say("workers that live go by other mapping files: bring the same to every machine")
        return False

    def _give_up(self, error: Exception) -> None:
        """The files cannot be used: say so, and keep no other process from going on with better ones."""
        worker = self.flow.worker.id
        if self._quiet != worker and self.flow.gate.empty(0):
            self.flow.store.carry_nothing(worker)
            self._quiet = worker
        self._since = None
        self._say(str(error) if isinstance(error, DeclarationError) else fault(error).reason)

    def _say(self, reason: str) -> None:
        """Why nothing is carried, once."""
        if reason != self.trouble:
            log.error("waiting", part="mapping files", reason=reason)
        self.trouble = reason


__all__ = ["Files", "Reloader"]
