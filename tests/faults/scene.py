"""Where a fault test plays: the folders, hub.toml, the targets and taker as programs, and what they logged."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Any

from hub.seal import Keyring, new_ring
from tests.faults import overlay, sources
from tests.faults.acts import Edited, Moved
from tests.faults.case import Arrival, Case, Trouble
from tests.faults.logs import lines
from tests.faults.record import seen
from tests.faults.rows import Rows
from tests.nodes import free_port, reachable, until

LINE = 600
"""About the bytes of a line in a target's log."""
ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"dedup": "dedup", "match": "match", "plain": "plain", "folder": "folder"}
BATCH = {"dedup": 40, "match": 40, "plain": 20, "folder": 20}
"""Most messages claimed at once; in a file of the folder, most records."""
ORDERS = (
    {"what": "slow", "count": 5, "seconds": 0.3},
    {"what": "close-before", "count": 2},
    {"what": "close-after", "count": 2},
    {"what": "hang-before", "count": 1, "seconds": 30},
    {"what": "hang-after", "count": 1, "seconds": 30},
    {"what": "503", "count": 3},
    {"what": "429", "count": 2},
    {"what": "401", "count": 3},
    {"what": "400", "count": 3},
)
"""Bad behaviour of a target, for so many requests; 400 is often for one child."""


class Scene:
    """A folder with everything in it. store, queue: as hub.toml wants them; store "" is a SQLite file here."""

    def __init__(self, store: str, queue: str, people: int, *, events: bool = True, pair: bool = False) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hub-faults-"))
        self.sources = sources.cast(self.home / "in", people, events=events)
        self.ports = {name: free_port() for name, kind in TARGETS.items() if kind != "folder"}
        self.store = store or f"sqlite:///{self.home / 'hub.db'}"
        self.programs: list[subprocess.Popen[bytes]] = []
        (self.home / "out").mkdir()
        overlay.lay(self.home)
        keys = self.home / "keys.toml"
        keys.touch(0o600)
        keys.write_text(new_ring("first"))
        self.ring = Keyring.parse(keys.read_text())
        (self.home / "hub.toml").write_text(self._settings(queue, 1 + pair))
        self.rows = Rows(self.store, self.ring)

    def _settings(self, queue: str, processes: int) -> str:
        told = [f'[hub]\nstore = "{self.store}"\nqueue = "{queue}"\nkeys = "keys.toml"\nprocesses = {processes}']
        told.append('[limits]\nopen = 2000\ndisk = "10 MB"')
        for source in self.sources:
            more = (
                'adapter = "contactpoint"\noverlays = ["events"]\nbad = "park"'
                if source.events
                else 'adapter = "canonical"'
            )
            told.append(
                f"[links.{source.name}]\n{more}\npoll = 0.1\n"
                f'connection = {{ kind = "folder", in = "in/{source.name}", settle = 0 }}'
            )
            told.append(f'[[routes]]\nfrom = "{source.name}"\nto = {json.dumps(list(TARGETS))}')
        for name, kind in TARGETS.items():
            place = (
                'kind = "tests.faults.connection.Folder", out = "out"'
                if kind == "folder"
                else f'kind = "tests.faults.connection.Outlet", url = "http://127.0.0.1:{self.ports[name]}", '
                f'as = "{kind}", unknown = "{self.home / "unknown.log"}"'
            )
            told.append(f'[links.{name}]\nadapter = "canonical"\nbatch = {BATCH[name]}\nconnection = {{ {place} }}')
            if kind == "plain":
                told[-1] += "\nat_once = 1"
        return "\n\n".join(told) + "\n"

    def open(self) -> None:
        """The store's tables, the targets' programs, and one that forks workers."""
        from hub.store import Store

        Store.upgrade(self.store)
        for name, port in self.ports.items():
            self._run("tests.faults.target", TARGETS[name], str(port), str(self._log(name)))
        self.nursery = self.start(["tests.faults.nursery"], self.home / "said-nursery.log", asked=True)
        self.programs.append(self.nursery)
        self._run("tests.faults.taker", str(self.home / "out"), str(self._log("folder")))
        for port in self.ports.values():
            until(lambda port=port: reachable(port), 20, "a target of the fault test did not start")

    def _log(self, target: str) -> Path:
        return self.home / f"target-{target}.log"

    def _run(self, module: str, *arguments: str) -> None:
        self.programs.append(self.start([module, *arguments], self.home / "programs.log"))

    def start(self, command: list[str], output: Path, *, asked: bool = False) -> subprocess.Popen[bytes]:
        """A program of ours. It is killed when the thread that started it ends: start it from the main thread.

        asked: it is talked to over pipes; what it says besides is still in the file.
        """
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with output.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=self.home,
                env=environment,
                stdout=subprocess.PIPE if asked else out,
                stderr=out,
                stdin=subprocess.PIPE if asked else subprocess.DEVNULL,
            )

    def order(self, target: str, said: Mapping[str, object]) -> None:
        """Ask a target to behave badly, or (`none`) well again."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            wire = http.client.HTTPConnection("127.0.0.1", self.ports[target], timeout=5)
            wire.request("POST", "/order", json.dumps(dict(said)))
            wire.getresponse().read()
            wire.close()

    def misbehave(self, chance: random.Random) -> str:
        """Some target, something bad; what."""
        target, said = chance.choice(list(self.ports)), dict(chance.choice(ORDERS))
        if said["what"] == "400" and chance.random() < 0.5:
            said["child"] = chance.choice(chance.choice(self.sources).people).id
        self.order(target, said)
        return f"{said['what']} at {target}"

    def behave(self) -> None:
        """All targets do as they should from now on."""
        for target in self.ports:
            self.order(target, {"what": "none"})

    def broken(self) -> int | None:
        """The first entry of the audit that does not follow from those before it, if one does not."""
        from hub.store import Store

        store = Store.open(self.store, self.ring)
        try:
            return store.verify_audit().broken
        finally:
            store.close()

    def arrived(self) -> int:
        """About how many records have reached targets."""
        return sum(self._log(target).stat().st_size for target in TARGETS if self._log(target).exists()) // LINE

    def close(self, *, keep: bool = False) -> None:
        """End the programs; the folder goes too, unless it is to be looked at."""
        for program in self.programs:
            program.kill()
            program.wait()
        self.rows.close()
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)

    # What is handed to the oracle

    def case(self, troubles: list[Trouble], lease: float) -> Case:
        """Everything that there is to judge."""
        children = [source.child(person) for source in self.sources for person in source.people]
        return Case(
            written=list(sources.written(self.sources)),
            arrivals=self._arrivals(),
            rows=self.rows.messages(children),
            targets=TARGETS,
            troubles=troubles,
            unknown=frozenset(line["key"] for line in lines(self.home / "unknown.log")),
            lease=lease,
            meets=sources.meetings(self.sources),
            acts=acts(lines(self.home / "acts.log")),
        )

    def _arrivals(self) -> list[Arrival]:
        found = []
        for target in TARGETS:
            told = lines(self._log(target))
            failed = {line["n"] for line in told if "failed" in line}
            for line in told:
                if "failed" in line:
                    continue
                data = base64.b64decode(line["data"])
                key, answered = (
                    line.get("key") or line["name"],
                    line.get("answers", True) and line.get("n") not in failed,
                )
                for one in seen(data):
                    found.append(
                        Arrival(
                            target,
                            key,
                            one.child,
                            one.value,
                            data,
                            line["at"],
                            answered,
                            line.get("worker", 0),
                            one.proven,
                        )
                    )
        return found


def acts(told: Iterable[Mapping[str, Any]]) -> list[Moved | Edited]:
    """What persons' log says of messages that were set aside, restored or edited: a line before, and one after."""
    begun: dict[str, Mapping[str, Any]] = {}
    answers: dict[str, Mapping[str, Any]] = {}
    for line in told:
        (begun if "what" in line else answers)[line["id"]] = line
    found: list[Moved | Edited] = []
    for mark, line in begun.items():
        answer = answers.get(mark)
        done = None if answer is None else frozenset(answer["done"])
        if line["what"] == "edit":
            made = None if answer is None else answer["made"]
            at = inf if answer is None else answer["at"]
            found.append(Edited((line["source"], line["child"]), line["value"], line["becomes"], made, at))
        elif line["what"] in ("set aside", "restore"):
            found.append(Moved(line["what"], tuple(line["numbers"]), done))
    return found
