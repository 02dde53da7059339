"""Runs the hub and does the damage: worker processes that die or stop in the middle of a step, a person who dies in the
middle of an act, a broker and a database that are killed and cut off, targets that misbehave, while the sources go on
writing. Then all is drained and judged.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from tests.faults import person
from tests.faults.case import Trouble
from tests.faults.logs import lines
from tests.faults.nursery import Born, Nursery
from tests.faults.oracle import judge
from tests.faults.plan import Plan, Report
from tests.faults.scene import Scene
from tests.faults.worker import AWAY
from tests.nodes import Postgres, Rabbit

STUBBORN = 12.0
"""Seconds that a worker may take to reach the step it is to die at; then it is killed where it is."""
SAY = 30.0
"""Seconds between two lines about how it goes."""
STARTING = 60.0
"""Seconds that a worker may take to get to its work."""
ARRIVALS = 30
"""Messages that must have reached targets before a node is broken again: else it hits nothing on a busy machine."""
BACKLOG = 20
"""Documents that lie before the hub, at which a source waits: so that the end does not take longer than the test."""
ROUNDS = 12
"""Times that a person replays what is left, and workers send it."""
PATIENCE = 60.0
"""Seconds without anything arriving, at which a drain is given up."""


@dataclass
class _Worker:
    """One place for a worker. at: `STEP:N:ACT`, where it is to die or stop. halted: which of its processes stopped."""

    name: str
    process: Born | None = None
    at: str = ""
    since: float = 0.0
    stopped: float = 0.0
    halted: set[int] = field(default_factory=set)
    up: bool = False

    @property
    def step(self) -> str:
        return self.at.split(":")[0]


class Driver:
    """One run. `run` is called once, from the main thread."""

    def __init__(
        self,
        plan: Plan,
        *,
        rabbit: Rabbit | None = None,
        postgres: Postgres | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.plan, self.rabbit, self.postgres, self.say = plan, rabbit, postgres, say
        self.chance = random.Random(plan.seed)
        store = postgres.database() if postgres else ""
        self.database = store.rpartition("/")[2]
        queue = rabbit.vhost() if rabbit else "local"
        self.scene = Scene(store, queue, plan.people, events=plan.events, pair=plan.pair)
        self.report = Report(plan)
        self.troubles: list[Trouble] = []
        self.workers = [_Worker(f"worker {n}") for n in range(plan.workers)]
        self.person: subprocess.Popen[bytes] | None = None
        self.nursery: Nursery | None = None
        self._over = threading.Event()
        self._read = {"events.log": 0, "acts.log": 0}

    # The whole

    def run(self, *, keep: bool = False) -> Report:
        """The report. keep: of a run that is not good the folder stays, and its name is in the notes."""
        start = monotonic()
        threads = [threading.Thread(target=self._guarded, args=(act,), daemon=True) for act in self._acts()]
        try:
            self.scene.open()
            self.nursery = Nursery(self.scene.nursery)
            if self.plan.person:
                self.person = self._person(*self._deaths())
            for thread in threads:
                thread.start()
            told = 0.0
            while self._wanted(gone := monotonic() - start):
                if gone - told > SAY:
                    told = gone
                    self.say(f"{gone:4.0f} s, {self._progress()}")
                for worker in self.workers:
                    self._tend(worker)
                if self.person and self.person.poll() is not None:
                    raise RuntimeError(f"the person ended by itself with {self.person.returncode}: {self._said()}")
                time.sleep(0.02)
            self.say(f"{monotonic() - start:4.0f} s, enough damage: draining")
            self._over.set()
            for thread in threads:
                thread.join()
            self._calm()
            self._drain()
            self.say(f"{monotonic() - start:4.0f} s, drained: judging")
            self.report.verdict = judge(self.scene.case(self.troubles, self.plan.lease))
        finally:
            self._over.set()
            self._send_home()
            for worker in self.workers:
                self._end(worker)
            self.report.seconds = monotonic() - start
            kept = keep and not self.report.good
            if kept:
                self.report.notes.append(f"kept: {self.scene.home}")
            self.scene.close(keep=kept)
        return self.report

    def _progress(self) -> str:
        """Where it stands, in a line."""
        hits, documents = self.report.hits, sum(source.documents for source in self.scene.sources)
        kills = sum(count for name, count in hits.items() if name.startswith("kill at"))
        acts = sum(count for name, count in hits.items() if name.startswith("person: "))
        told = f"{documents} documents, {kills} workers killed, {hits['pause']} paused, {acts} acts of persons"
        nodes = [(self.rabbit, "broker killed"), (self.postgres, "database killed")]
        told += "".join(f", {name} {hits[name]} times" for node, name in nodes if node)
        lacking = self.report.missing
        more = f" and {len(lacking) - 2} more" if len(lacking) > 2 else ""
        return f"{told}; wanted still: {', '.join(lacking[:2]) or 'nothing'}{more}"

    def _acts(self) -> list[Callable[[], None]]:
        acts = [self._write, self._misbehave, self._watch]
        return acts + [self._break_broker] * bool(self.rabbit) + [self._break_database] * bool(self.postgres)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            self.report.notes.append(f"{act.__name__} ended: {type(error).__name__}: {error}")

    def _wanted(self, gone: float) -> bool:
        """Whether to go on: for the time asked, then until everything was hit as often as asked."""
        self._events()
        self._acted()
        self.report.missing = self._missing()
        return gone < self.plan.seconds or (bool(self.report.missing) and gone < self.plan.longest)

    def _missing(self) -> list[str]:
        plan = self.plan
        wanted = dict(plan.wanted)
        if self.rabbit:
            wanted["broker killed"] = plan.brokers
        if self.postgres:
            wanted["database killed"] = plan.databases
        if self.rabbit or self.postgres:
            wanted["connections cut"] = plan.cuts
        hits = self.report.hits
        return [f"{name}: {hits[name]} of {count}" for name, count in wanted.items() if hits[name] < count]

    def _wait(self, least: float, most: float) -> bool:
        """Wait a random time; whether to go on."""
        return not self._over.wait(random.uniform(least, most))

    # Worker processes

    def _tend(self, worker: _Worker) -> None:
        """Start it again when it died, let it go on when it was stopped for long enough."""
        process = worker.process
        if process is None:
            self._start(worker)
        elif process.poll() is not None:
            if process.returncode not in (-signal.SIGKILL, AWAY):
                self.report.notes.append(f"{worker.name} ended by itself with {process.returncode}: {self._said()}")
                if len(self.report.notes) > 10:
                    raise RuntimeError(str(self.report))
            worker.process = None
            self._go_on(worker)  # a half that stands still would keep the store to itself
        elif worker.stopped:
            if monotonic() - worker.stopped > self.plan.lease * 1.4:
                self._wake(worker)
                worker.stopped, worker.at, worker.since = 0.0, "none:0:kill", monotonic()
        elif worker.at and monotonic() - worker.since > (STUBBORN if worker.up else STARTING):
            self._trouble(process.pid, time.time())
            process.kill()
            self.report.hits["kill anywhere (in flight or not)"] += 1

    def _wake(self, worker: _Worker) -> None:
        """Let it go on."""
        assert worker.process
        self._trouble(worker.process.pid, time.time() - self.plan.lease * 2)
        self._go_on(worker)

    @staticmethod
    def _go_on(worker: _Worker) -> None:
        while worker.halted:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.halted.pop(), signal.SIGCONT)

    def _start(self, worker: _Worker, *more: str) -> None:
        arguments = [str(self.scene.home), "--lease", str(self.plan.lease), *more]
        worker.at = "" if more else self._next()
        arguments += ["--at", worker.at] if worker.at else []
        arguments += ["--twin", self.plan.twin] if self.plan.twin else []
        assert self.nursery
        worker.process = self.nursery.start(arguments, str(self.scene.home / f"said-{worker.name}.log"))
        worker.since, worker.stopped, worker.up = monotonic(), 0.0, False

    def _person(self, *more: str) -> subprocess.Popen[bytes]:
        """Persons, one after another."""
        plan, home = self.plan, self.scene.home
        command = ["tests.faults.person", str(home), "--seed", str(self.chance.random()), "--every", str(plan.every)]
        command += ["--mends", str(plan.mends), *more, *(["--likes", *plan.likes] if plan.likes else [])]
        command += ["--twin", plan.twin] if plan.twin else []
        return self.scene.start(command, home / "said-person.log")

    def _deaths(self) -> list[str]:
        """How persons end: not where one act of them is what is broken. None stands still where that stops everybody
        from writing."""
        stops = ["--stops", str(self.plan.lease * 1.4)] if self.postgres else []
        return [] if self.plan.twin else ["--dies", *stops]

    def _send_home(self) -> None:
        """No more acts of persons."""
        if self.person is not None:
            self.person.kill()
            self.person.wait()
            self.person = None

    def _next(self) -> str:
        """Where the next worker is to die or stop: first where that was not done often enough."""
        if not self.plan.steps:
            return ""
        hits, taken = self.report.hits, {worker.step for worker in self.workers if worker.process}
        if (
            hits["pause"] + sum(worker.at.endswith("stop") for worker in self.workers) < self.plan.pauses
            and self.chance.random() < 0.2
        ):
            step = self.chance.choice(self.plan.steps)
            return f"{step}:{self._count(step)}:stop"
        lacking = [step for step in self.plan.steps if hits[f"kill at {step}"] < self.plan.each]
        untaken = [step for step in lacking if step not in taken]
        step = self.chance.choice(untaken or lacking or list(self.plan.steps))
        return f"{step}:{self._count(step)}:kill"

    def _count(self, step: str) -> int:
        """At which time the step is passed: keeping a document is rarer, letting go what a person replays rarest."""
        return self.chance.randint(1, {"T1": 3, "T7": 1}.get(step[:2], 8))

    def _lines(self, name: str) -> list[dict[str, Any]]:
        """What a log in the scene's folder says since it was asked for last."""
        told = lines(self.scene.home / name)
        found = told[self._read[name] :]
        self._read[name] = len(told)
        return found

    def _events(self) -> None:
        """What workers and persons said before they died or stopped."""
        for event in self._lines("events.log"):
            both = event["worker"], event["of"]
            mine = [one for one in self.workers if one.process and one.process.pid in both]
            who = "person " if event["who"] == "person" else ""
            if event["what"] == "up":
                for worker in mine:
                    worker.since, worker.up = monotonic(), True
                continue
            if event["what"] == "stop":
                self.report.hits[f"{who}pause"] += 1
                self.report.hits[f"{who}pause at {event['step']}"] += 1
                for worker in mine:
                    worker.stopped = monotonic()
                    worker.halted.add(event["worker"])
                if not who and not mine:  # its other half has died since
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(event["worker"], signal.SIGCONT)
            else:
                self.report.hits[f"{who}{'killed' if who else 'kill'} at {event['step']}"] += 1
            if not who:
                self._trouble(event["worker"], event["at"])

    def _acted(self) -> None:
        """What persons did while something was on its way."""
        for line in self._lines("acts.log"):
            for hit in line.get("hits", ()):
                self.report.hits[f"person: {hit}"] += bool(line["flight"])

    def _trouble(self, worker: int, since: float) -> None:
        self.troubles.append(Trouble(since, time.time(), 0 if self.plan.pair else worker))

    def _end(self, worker: _Worker) -> None:
        if worker.process is not None:
            worker.process.kill()
            worker.process.wait()
            worker.process = None

    def _said(self) -> str:
        """The last that workers said."""
        logs = sorted(self.scene.home.glob("said-*.log"), key=lambda path: path.stat().st_mtime)
        return logs[-1].read_text("utf-8", "replace")[-1500:] if logs else ""

    # What else happens meanwhile, each in a thread of its own

    def _write(self) -> None:
        chance = random.Random(self.plan.seed + 1)
        while self._wait(self.plan.pace * 0.5, self.plan.pace * 1.5):
            source = chance.choice(self.scene.sources)
            if sum(path.is_file() for path in source.folder.iterdir()) < BACKLOG:
                source.drop(chance, chance.randint(1, 10))

    def _misbehave(self) -> None:
        chance = random.Random(self.plan.seed + 2)
        while self._wait(self.plan.orders * 0.5, self.plan.orders * 1.5):
            self.report.hits[f"target: {self.scene.misbehave(chance).split()[0]}"] += 1

    def _watch(self) -> None:
        """How many mapping sets were in force, one after another."""
        while self._wait(1, 2):
            with contextlib.suppress(Exception):  # the database may be away
                self.report.hits["mapping sets changed"] = self.scene.rows.mapping_sets() - 1

    def _in_flight(self, since: int) -> bool:
        """Whether something is on its way, and something arrived since so many had."""
        if self.scene.arrived() < since + ARRIVALS:
            return False
        with contextlib.suppress(Exception):
            states = self.scene.rows.states()
            return states["ready"] + states["sending"] > 0
        return False

    def _lacks(self, name: str, wanted: int, often: float) -> bool:
        """Whether to kill a node rather than cut its connections off."""
        hits = self.report.hits
        return hits[name] < wanted and (hits["connections cut"] >= self.plan.cuts or self.chance.random() < often)

    def _break_broker(self) -> None:
        assert self.rabbit
        since = 0
        while self._wait(0.5, 4):
            kill = self._lacks("broker killed", self.plan.brokers, 0.7)
            if not self._in_flight(since):
                continue
            if kill:
                self.rabbit.kill()
                self.report.hits["broker killed"] += 1
                self.rabbit.start()
            else:
                self.rabbit.ctl("close_all_connections", "by the fault test")
                self.report.hits["connections cut"] += 1
                self.report.hits["connections cut: broker"] += 1
            since = self.scene.arrived()

    def _break_database(self) -> None:
        assert self.postgres
        arrived = 0
        while self._wait(0.5, 6):
            kill = self._lacks("database killed", self.plan.databases, 0.6)
            if not self._in_flight(arrived):
                continue
            since = time.time()
            if kill:
                self.postgres.stop() if self.chance.random() < 0.3 else self.postgres.kill()
                self.report.hits["database killed"] += 1
                self._over.wait(self.chance.uniform(0, 1))
                self.postgres.start()
            elif self.postgres.cut(self.database):
                self.report.hits["connections cut"] += 1
                self.report.hits["connections cut: database"] += 1
            self._trouble(0, since)
            arrived = self.scene.arrived()

    # The end

    def _calm(self) -> None:
        """Nothing is disturbed any more; the person goes home, and the workers are asked to end."""
        self._send_home()
        self._events()
        if self.rabbit:
            self.rabbit.start()
        if self.postgres:
            self.postgres.start()
        self.scene.behave()
        for worker in self.workers:
            process = worker.process
            if process is None or process.poll() is not None:
                continue
            if worker.stopped:
                self._wake(worker)
            self._trouble(process.pid, time.time())
            process.terminate()
        end = monotonic() + 30
        for worker in self.workers:
            if worker.process is not None:
                try:
                    worker.process.wait(max(end - monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    self.report.notes.append(f"{worker.name} did not end within 30 s of SIGTERM: {self._said()}")
            self._end(worker)

    def _drain(self) -> None:
        """Until nothing is open but what cannot be read, and what is behind it, and no replay is under way."""
        worker, before = self.workers[0], None
        for _ in range(3 if self.plan.twin else ROUNDS):
            busy = self._finish()
            states = self.scene.rows.states()
            now = busy, states, self.scene.arrived()
            if now == before or (before and not (busy or states["waiting"] or states["sending"])):
                break
            before = now
            self._start(worker, "--once")
            assert worker.process
            code = self._patiently(worker.process)
            self._end(worker)
            if code is None:
                if not self.plan.twin:  # what a broken hub put into line may hold for ever what it waits for
                    self._note(f"run --once sent nothing for {PATIENCE:.0f} s and did not end")
                return
            if code not in (0, 1):
                self._note(f"run --once ended with {code}")
                return
            time.sleep(0.5)
        runs = self.scene.rows.open_runs()
        if runs and not self.plan.twin:
            self._note(f"replays that are not over: {', '.join(runs)}")
        if (broken := self.scene.broken()) is not None:
            self._note(f"the audit is broken at entry {broken}")

    def _finish(self) -> bool:
        """A person brings to an end what is under way; whether there was anything."""
        self.person = self._person("--finish")
        code = self.person.wait(STARTING)
        if code not in (0, person.BUSY):
            self._note(f"the person who was to finish ended with {code}")
        return code == person.BUSY

    def _note(self, said: str) -> None:
        self.report.notes.append(f"{said}: {self._said()}")

    def _patiently(self, process: Born) -> int | None:
        """Its exit code; None when nothing more happens and it does not end."""
        arrived, since = -1, monotonic()
        while process.poll() is None:
            if (now := self.scene.arrived()) != arrived:
                arrived, since = now, monotonic()
            if monotonic() - since > PATIENCE:
                return None
            time.sleep(0.2)
        return process.returncode


__all__ = ["Driver"]
