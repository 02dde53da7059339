"""How much damage a fault test does, and what it reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from tests.faults.case import Verdict
from tests.faults.twins import DROPPED, OVERTAKES

STEPS = (
    *(f"T{step}.{side}" for step in range(1, 8) for side in ("before-commit", "after-commit")),
    *("publish.before", "publish.after", "send.before", "send.after"),
)
T7 = ("T7.before-commit", "T7.after-commit")
"""The moments of an act at which a person dies."""
TWIN_STEPS = ("send.before", "send.after", "T2.after-commit", "T5.before-commit")
"""Where the twins' workers die: few places, for a twin is to be found out soon."""
TWIN_ACTS = {
    "blind-restore": (("set_aside", "waver"), OVERTAKES, 1),
    "cancel-drops": (("replay", "steer"), DROPPED, 1),
}
"""What a person does when one of its acts is what is broken: the acts, which of them is wanted, and how often."""
ACTS = (
    *(f"replay {how}" for how in ("of everything", "by cause", "by target", "by source", "by number")),
    "replay with a canary",
    "replay at a rate",
    "pause",
    "resume",
    "resume under another mapping set",
    "proceed",
    "cancel",
    "cancel that found some frozen",
    "cancel that found some released",
    "set aside",
    "restore",
    "restore refused: a later one was sent",
    "edit of what was refused",
    "edit of what could not be read",
)
"""What persons do while something is on its way. Rarely a restore is refused because a later one is just being sent."""


@dataclass
class Plan:
    """How much damage. each: deaths at every step, acts of every kind, and mapping sets; seconds: at least so long;
    longest: and then an end in any case. every: seconds between two acts, about; mends: between two mapping sets.
    likes: the acts of the person, without any all of them; person: whether there is one. pair: a worker is two
    processes, one that reads and one that sends.
    """

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
    every: float = 0.3
    mends: float = 30.0
    person: bool = True
    likes: tuple[str, ...] = ()
    steps: tuple[str, ...] = STEPS
    twin: str = ""
    events: bool = True
    pair: bool = False

    @property
    def wanted(self) -> dict[str, int]:
        """What is to hit work in flight, and how often; apart from broker and database."""
        steps = {f"kill at {step}": self.each for step in self.steps}
        if self.twin:
            _, act, count = TWIN_ACTS.get(self.twin, ((), "", 0))
            return steps | ({f"person: {act}": count} if act else {})
        told = {f"person: {act}": self.each for act in ACTS} | {f"person killed at {step}": self.each for step in T7}
        return {**steps, "pause": self.pauses, **told, "mapping sets changed": self.each}


def small(seed: int, seconds: float, twin: str = "", *, each: int = 1, longest: float = 180.0) -> Plan:
    """A plan for SQLite in one process, of the hub or of a twin.

    A twin is let run until it broke what it breaks, which `longest` must not cut short on a slow machine.
    """
    plan = Plan(seed, seconds, longest, each=each, pauses=2 * each, workers=1, lease=3.0, people=12, twin=twin)
    plan = replace(plan, every=0.2, mends=20.0)
    if not twin:
        return plan
    acts = TWIN_ACTS.get(twin)
    plan = replace(plan, steps=TWIN_STEPS, pauses=0, person=acts is not None)
    return replace(plan, likes=acts[0], steps=(), every=0.1) if acts else plan


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
        told += [f"  {count:6d}  {name}" for name, count in sorted(self.hits.items(), key=_order)]
        told.append("what came of it:")
        told += [f"  {count:6d}  {name}" for name, count in sorted(self.verdict.counts.items())]
        kinds = self.verdict.kinds()
        told += [f"  {kinds[kind]:6d}  {kind}" for kind in sorted({"lost", "overtaken", "doubled", "wrong", *kinds})]
        told += [f"  {fault}" for fault in self.verdict.faults[:40]]
        told += [f"NOTE {note}" for note in self.notes] + [f"MISSING {one}" for one in self.missing]
        return "\n".join(told)


def _order(hit: tuple[str, int]) -> tuple[bool, str]:
    """What persons did stands last."""
    return hit[0].startswith("person"), hit[0]


__all__ = ["ACTS", "STEPS", "T7", "Plan", "Report", "small"]
