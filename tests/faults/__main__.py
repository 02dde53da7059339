"""`make faults`: PostgreSQL with RabbitMQ, then SQLite with one process and with two, then the twins, all red.

    python -m tests.faults [--seed N] [--seconds N] [--store postgresql|sqlite] [--queue rabbitmq|local] [--pair]
                           [--twin NAME]

With --store or --twin only that is run. Exit 0 when all is as it must be.
"""

from __future__ import annotations

import argparse
import random
import sys
from dataclasses import replace
from functools import partial

from tests.faults.driver import Driver
from tests.faults.plan import Plan, Report, small
from tests.faults.twins import TWINS
from tests.nodes import NodeError, Postgres, Rabbit


def run(plan: Plan, store: str, queue: str, *, keep: bool) -> Report:
    """One run on nodes of its own."""
    print(f"\nfaults: {store} and {queue}, {plan.workers} processes, seed {plan.seed}", flush=True)
    rabbit = Rabbit() if queue == "rabbitmq" else None
    postgres = Postgres() if store == "postgresql" else None
    try:
        for node in (rabbit, postgres):
            if node:
                node.start()
        say = partial(print, "faults:", flush=True)
        report = Driver(plan, rabbit=rabbit, postgres=postgres, say=say).run(keep=keep)
    finally:
        for node in (rabbit, postgres):
            if node:
                node.close()
    print(report, flush=True)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--seconds", type=float, default=300.0, help="at least so long on PostgreSQL and RabbitMQ")
    parser.add_argument("--store", choices=("postgresql", "sqlite"))
    parser.add_argument("--queue", choices=("rabbitmq", "local"))
    parser.add_argument("--twin", choices=sorted(TWINS))
    parser.add_argument("--each", type=int, default=5, help="deaths at every step, and acts of every kind")
    parser.add_argument("--pair", action="store_true", help="a worker on SQLite is two processes")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a run that is not good")
    asked = parser.parse_args()
    everything = not (asked.store or asked.twin)
    bad = []
    if everything or (asked.store == "postgresql" and not asked.twin):
        queue = asked.queue or "rabbitmq"
        more = {"brokers": 0, "workers": 1} if queue == "local" else {}
        plan = Plan(asked.seed, asked.seconds, longest=asked.seconds + 900, each=asked.each, **more)
        bad += [] if run(plan, "postgresql", queue, keep=asked.keep).good else [f"postgresql and {queue}"]
    if everything or (asked.store == "sqlite" and not asked.twin):
        queue = asked.queue or "local"
        plan = small(asked.seed, min(asked.seconds, 120), each=asked.each, longest=600)
        for pair in [asked.pair] if asked.store else [False, True]:
            done = run(replace(plan, pair=pair), "sqlite", queue, keep=asked.keep)
            bad += [] if done.good else [f"sqlite and {queue}{' in two processes' if pair else ''}"]
    for twin in [asked.twin] if asked.twin else sorted(TWINS) if everything else []:
        report = run(small(asked.seed, 10, twin), "sqlite", "local", keep=asked.keep)
        if not report.verdict.faults:
            bad.append(f"the twin {twin} was not found out")
    print("\nfaults:", "; ".join(bad) if bad else "nothing lost, nothing overtaken, nothing doubled", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NodeError as error:
        print(f"faults: {error}", file=sys.stderr)
        sys.exit(2)
