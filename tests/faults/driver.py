"""Runs the hub and does the damage: worker processes that die or stop in the middle of a step, a broker and a database
that are killed and cut off, targets that misbehave, while the sources go on writing. Then all is drained and judged.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from tests.faults.logs import lines
from tests.faults.oracle import Trouble, Verdict, judge
from tests.faults.scene import Scene
from tests.faults.worker import AWAY
from tests.nodes import Postgres, Rabbit

STEPS = (
    *(f"T{step}.{side}" for step in range(1, 7) for side in ("before-commit", "after-commit")),
    *("publish.before", "publish.after", "send.before", "send.after"),
)
TWIN_STEPS = ("send.before", "send.after", "T2.after-commit", "T5.before-commit")
"""Where the twins' workers die: few places, for a twin is to be found out soon."""
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
PATIENCE = 60.0
"""Seconds without anything arriving, at which a drain is given up."""


@dataclass
class Plan:
    """How much damage. each: deaths at every step; seconds: at least so long; longest: and then an end in any case."""

    seed: int
    seconds: float = 60.0
    longest: float = 900.0
    each: int = 5
    pauses: int = 10
    brokers: int = 20
    databases: int = 10
    cuts: int = 20
    workers: int = 3
    lease: float = 5.0
    people: int = 24
    pace: float = 0.35
    orders: float = 1.0
    steps: tuple[str, ...] = STEPS
    twin: str = ""
    events: bool = True


def small(seed: int, seconds: float, twin: str = "", *, each: int = 1, longest: float = 60.0) -> Plan:
    """A plan for SQLite in one process, of the hub or of a twin."""
    plan = Plan(seed, seconds, longest, each=each, pauses=2 * each, workers=1, lease=3.0, people=12, twin=twin)
    return replace(plan, steps=TWIN_STEPS, pauses=0) if twin else plan


@dataclass
class Report:
    """What was done and what came of it. hits: of work in flight, by kind; missing: what the plan still wanted."""

    plan: Plan
    hits: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return not self.verdict.faults and not self.missing and not self.notes

    def __str__(self) -> str:
        told = [f"seed {self.plan.seed}, {self.seconds:.0f} s{f', twin {self.plan.twin}' if self.plan.twin else ''}"]
        told.append("what hit work in flight:")
        told += [f"  {count:6d}  {name}" for name, count in sorted(self.hits.items())]
        told.append("what came of it:")
        told += [f"  {count:6d}  {name}" for name, count in sorted(self.verdict.counts.items())]
        kinds = self.verdict.kinds()
        told += [f"  {kinds[kind]:6d}  {kind}" for kind in sorted({"lost", "overtaken", "doubled", "wrong", *kinds})]
        told += [f"  {fault}" for fault in self.verdict.faults[:40]]
        told += [f"NOTE {note}" for note in self.notes] + [f"MISSING {one}" for one in self.missing]
        return "\n".join(told)


@dataclass
class _Worker:
    """One place for a worker process. at: `STEP:N:ACT`, where it is to die or stop."""

    name: int
    process: subprocess.Popen[bytes] | None = None
    at: str = ""
    since: float = 0.0
    stopped: float = 0.0
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
        self.scene = Scene(store, rabbit.vhost() if rabbit else "local", plan.people, events=plan.events)
        self.report = Report(plan)
        self.troubles: list[Trouble] = []
        self.workers = [_Worker(n) for n in range(plan.workers)]
        self._over = threading.Event()
        self._read = 0

    # The whole

    def run(self, *, keep: bool = False) -> Report:
        """The report. keep: of a run that is not good the folder stays, and its name is in the notes."""
        start = monotonic()
        threads = [threading.Thread(target=self._guarded, args=(act,), daemon=True) for act in self._acts()]
        try:
            self.scene.open()
            for thread in threads:
                thread.start()
            told = 0.0
            while self._wanted(gone := monotonic() - start):
                if gone - told > SAY:
                    told = gone
                    self.say(f"{gone:4.0f} s, {self._progress()}")
                for worker in self.workers:
                    self._tend(worker)
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
        told = f"{documents} documents, {kills} workers killed, {hits['pause']} paused"
        nodes = [(self.rabbit, "broker killed"), (self.postgres, "database killed")]
        told += "".join(f", {name} {hits[name]} times" for node, name in nodes if node)
        return f"{told}; wanted still: {len(self.report.missing)} kinds"

    def _acts(self) -> list[Callable[[], None]]:
        acts = [self._write, self._misbehave, self._mend]
        return acts + [self._break_broker] * bool(self.rabbit) + [self._break_database] * bool(self.postgres)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            self.report.notes.append(f"{act.__name__} ended: {type(error).__name__}: {error}")

    def _wanted(self, gone: float) -> bool:
        """Whether to go on: for the time asked, then until everything was hit as often as asked."""
        self._events()
        self.report.missing = self._missing()
        return gone < self.plan.seconds or (bool(self.report.missing) and gone < self.plan.longest)

    def _missing(self) -> list[str]:
        plan, wanted = self.plan, {f"kill at {step}": self.plan.each for step in self.plan.steps}
        wanted["pause"] = plan.pauses
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
                self.report.notes.append(
                    f"worker {worker.name} ended by itself with {process.returncode}: {self._said()}"
                )
                if len(self.report.notes) > 10:
                    raise RuntimeError(str(self.report))
            worker.process = None
        elif worker.stopped:
            if monotonic() - worker.stopped > self.plan.lease * 1.4:
                process.send_signal(signal.SIGCONT)
                self._trouble(process.pid, time.time() - self.plan.lease * 2)
                worker.stopped, worker.at, worker.since = 0.0, "", monotonic()
        elif monotonic() - worker.since > (STUBBORN if worker.up else STARTING):
            self._trouble(process.pid, time.time())
            process.kill()
            self.report.hits["kill anywhere (in flight or not)"] += 1

    def _start(self, worker: _Worker, *more: str) -> None:
        command = ["tests.faults.worker", str(self.scene.home), "--lease", str(self.plan.lease), *more]
        worker.at = "" if more else self._next()
        command += ["--at", worker.at] if worker.at else []
        command += ["--twin", self.plan.twin] if self.plan.twin else []
        worker.process = self.scene.start(command, self.scene.home / f"worker-{worker.name}.log")
        worker.since, worker.stopped, worker.up = monotonic(), 0.0, False

    def _next(self) -> str:
        """Where the next worker is to die or stop: first where that was not done often enough."""
        hits, taken = self.report.hits, {worker.step for worker in self.workers if worker.process}
        if (
            hits["pause"] + sum(worker.at.endswith("stop") for worker in self.workers) < self.plan.pauses
            and self.chance.random() < 0.2
        ):
            step = self.chance.choice(self.plan.steps)
            return f"{step}:{self._count(step)}:stop"
        lacking = [step for step in self.plan.steps if hits[f"kill at {step}"] < self.plan.each and step not in taken]
        step = self.chance.choice(lacking or list(self.plan.steps))
        return f"{step}:{self._count(step)}:kill"

    def _count(self, step: str) -> int:
        """At which time the step is passed: keeping a document is rarer."""
        return self.chance.randint(1, 3 if step.startswith("T1") else 8)

    def _events(self) -> None:
        """What workers said before they died or stopped."""
        told = lines(self.scene.home / "events.log")
        for event in told[self._read :]:
            if event["what"] == "up":
                for worker in self.workers:
                    if worker.process and worker.process.pid == event["worker"]:
                        worker.since, worker.up = monotonic(), True
                continue
            if event["what"] == "stop":
                self.report.hits["pause"] += 1
                self.report.hits[f"pause at {event['step']}"] += 1
                for worker in self.workers:
                    if worker.process and worker.process.pid == event["worker"]:
                        worker.stopped = monotonic()
            else:
                self.report.hits[f"kill at {event['step']}"] += 1
            self._trouble(event["worker"], event["at"])
        self._read = len(told)

    def _trouble(self, worker: int, since: float) -> None:
        self.troubles.append(Trouble(since, time.time(), worker))

    def _end(self, worker: _Worker) -> None:
        if worker.process is not None:
            worker.process.kill()
            worker.process.wait()
            worker.process = None

    def _said(self) -> str:
        """The last that workers said."""
        logs = sorted(self.scene.home.glob("worker-*.log"), key=lambda path: path.stat().st_mtime)
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

    def _mend(self) -> None:
        """What was parked by a refusal, or by too many deaths, is let go again now and then."""
        while self._wait(5, 10):
            with contextlib.suppress(Exception):  # the database may be away
                self.report.hits["parked and let go by a person"] += self.scene.rows.release()

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
        """Nothing is disturbed any more; the workers are asked to end."""
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
                self._trouble(process.pid, time.time() - self.plan.lease * 2)
                process.send_signal(signal.SIGCONT)
            self._trouble(process.pid, time.time())
            process.terminate()
        end = monotonic() + 30
        for worker in self.workers:
            if worker.process is not None:
                try:
                    worker.process.wait(max(end - monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    self.report.notes.append(f"worker {worker.name} did not end within 30 s of SIGTERM: {self._said()}")
            self._end(worker)

    def _drain(self) -> None:
        """Until nothing is open but what cannot be read, and what is behind it."""
        worker = self.workers[0]
        for _ in range(8):
            self._start(worker, "--once")
            assert worker.process
            code = self._patiently(worker.process)
            self._end(worker)
            if code is None:
                self.report.notes.append(
                    f"run --once sent nothing for {PATIENCE:.0f} s and did not end: {self._said()}"
                )
                return
            if code not in (0, 1):
                self.report.notes.append(f"run --once ended with {code}: {self._said()}")
                return
            states = self.scene.rows.states()
            if not self.scene.rows.release() and not states["waiting"] and not states["sending"]:
                return
            time.sleep(0.5)

    def _patiently(self, process: subprocess.Popen[bytes]) -> int | None:
        """Its exit code; None when nothing more happens and it does not end."""
        arrived, since = -1, monotonic()
        while process.poll() is None:
            if (now := self.scene.arrived()) != arrived:
                arrived, since = now, monotonic()
            if monotonic() - since > PATIENCE:
                return None
            time.sleep(0.2)
        return process.returncode


__all__ = ["STEPS", "Driver", "Plan", "Report", "small"]
