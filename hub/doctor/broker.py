"""Checks of the queue: the broker, its version and alarms, our queues, and whether store and queue belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hub.config import Settings
from hub.doctor.result import Result, fail, ok, warn
from hub.queue import LOCAL, Facts, QueueDown, highest, inspect

OLDEST = (3, 10)
LIMITED = (4, 0)
"""From here on a quorum queue gives a message up after 20 returns by default; before, a limit of -1 loses it."""
LOOK = 500
"""Most messages of a queue that are looked at; looking marks them as redelivered, nothing else."""


def broker(settings: Settings, newest: int | None, former: Sequence[str] = ()) -> Iterator[Result]:
    """All checks of the queue. newest: the highest number that the store ever gave, None when it cannot be asked.
    former: names that links had before they were renamed."""
    if settings.queue == LOCAL:
        yield ok("queue", "inside the process that runs; no broker")
        if settings.store.startswith("postgresql"):
            yield warn("queue", "only one process can run with it", "put a broker's address into hub.toml to scale out")
        return
    facts = inspect(settings.queue, settings.targets)
    yield reachable(facts)
    if facts.problem:
        return
    yield version(facts)
    yield alarm(facts)
    yield from queues(facts)
    yield dead(facts)
    if old := [name for name in former if name not in settings.links]:
        yield left(inspect(settings.queue, old), old)
    for target in settings.targets:
        told = facts.queues.get(target)
        if newest is not None and told and told.ready and not told.problem:
            yield above(settings.queue, target, newest)


def reachable(facts: Facts) -> Result:
    """Whether there is a broker that lets us in."""
    if facts.problem:
        todo = "mend that; until then records are kept, and nothing is sent by this machine"
        return fail("broker", facts.problem, todo)
    return ok("broker", f"{facts.product} {facts.version} lets us in".strip())


def version(facts: Facts) -> Result:
    """Its version, and what that version does by itself."""
    found = tuple(int(part) for part in re.findall(r"\d+", facts.version)[:2])
    if len(found) < 2 or "rabbit" not in facts.product.lower():
        return warn(
            "broker version", f"{facts.product} {facts.version}".strip(), "the hub is tested with RabbitMQ only"
        )
    if found < OLDEST:
        return warn("broker version", f"{facts.version} is older than 3.10", "move to 3.10 or newer")
    if found >= LIMITED:
        said = f"{facts.version}: a quorum queue gives a message up after 20 returns by default"
        todo = "set 'delivery-limit' to -1 by policy on hub.*, so that the sweep need not send it along again"
        return warn("broker version", said, todo)
    return ok("broker version", f"{facts.version}; never set 'delivery-limit' to -1 here: it drops messages")


def alarm(facts: Facts) -> Result:
    """Whether it takes messages."""
    if facts.blocked:
        todo = "free its disk or memory, or raise its limit; records are kept meanwhile, and the hub goes on by itself"
        return fail("broker alarm", f"it takes no messages: {facts.blocked}", todo)
    return ok("broker alarm", "none")


def queues(facts: Facts) -> Iterator[Result]:
    """Our queues, with the arguments that are in effect. Policies cannot be seen over AMQP."""
    missing = [told.name for told in facts.queues.values() if not told.exists]
    bad = [told for told in facts.queues.values() if told.problem]
    for told in bad:
        yield fail("queues", told.problem, "records for it are kept meanwhile")
    if missing:
        yield ok("queues", f"not there yet, 'ics-hub run' makes them: {', '.join(missing)}")
    if not bad and len(missing) < len(facts.queues):
        count = len(facts.queues) - len(missing)
        yield ok("queues", f"{count} durable quorum queues; a policy on them: see 'rabbitmqctl list_policies'")


def dead(facts: Facts) -> Result:
    """Whether something came that was no message of ours."""
    told = facts.queues.get("dead")
    if told and told.ready:
        said = f"{told.ready:,} on {told.name}: bytes that are no message of ours"
        return warn("dead letters", said, f"find out who publishes to our queues, then purge {told.name}")
    return ok("dead letters", "none")


def left(facts: Facts, former: Sequence[str]) -> Result:
    """Whether queues are left under names that targets had before `link rename`."""
    found = [facts.queues[name] for name in former if name in facts.queues and facts.queues[name].exists]
    if not found:
        return ok("former queues", "none")
    names, count = ", ".join(one.name for one in found), sum(one.ready for one in found)
    said = f"{names}: of a name that a target had before 'link rename'; {count:,} sealed messages lie there"
    todo = "stop what consumes it and delete it, as with 'rabbitmqctl delete_queue': all of it goes by the new name"
    return warn("former queues", said, todo)


def above(url: str, target: str, newest: int) -> Result:
    """Whether messages lie there that the store never gave a number: it is older than the queue (a restored backup)."""
    try:
        found = highest(url, target, LOOK)
    except QueueDown as error:
        return warn(f"queue of {target}", str(error), "look again")
    if found is not None and found > newest:
        said = (
            f"message {found} lies on it, and the store has only given numbers up to {newest}: the store was restored"
        )
        todo = (
            f"stop every 'run', purge the queue hub.{target}, start again: the store sends along what it knows; "
            "what came after the backup must come again from its sources"
        )
        return fail(f"queue of {target}", said, todo)
    return ok(f"queue of {target}", "its messages are the store's")


__all__ = ["LIMITED", "OLDEST", "above", "alarm", "broker", "dead", "left", "queues", "reachable", "version"]
