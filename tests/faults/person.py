"""A person at the hub's store, as a program of its own, with the hook that kills it in the middle of an act (T7).

    python -m tests.faults.person HOME [--seed N] [--twin NAME] [--every S] [--mends S] [--likes ACT…] [--dies]
                                       [--stops S] [--finish]

It replays, pauses, cancels, sets aside, restores, edits and changes the mapping files, as it happens to like. Of every
act there is a line in HOME/acts.log before it, and one after it; both are synced. With `--dies` a person is killed in
the middle of some act, and another one comes; with `--stops` some only stand still for so many seconds. With `--finish`
one ends all that is under way, brings back what was set aside, replays what is parked, and exits with 10 if there was
any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.config import load
from hub.config.build import mapped
from hub.errors import DeclarationError
from hub.pipeline.link import mapping_digest
from hub.pipeline.reading import Source
from hub.store import Choice, Incoming, Run, Standing, Store, StoreDown
from hub.store.renewing import BUSY as BUSY_LATER
from hub.store.renewing import PASSED
from tests.faults import overlay, twins
from tests.faults.acts import version_of
from tests.faults.edits import edited
from tests.faults.logs import Log, follow_parent, lines
from tests.faults.mortal import AWAY, lives
from tests.faults.rows import Rows
from tests.faults.worker import Reaper

BUSY = 10
"""Exit code of `--finish` that found something to do."""
WHO, WHY = "ann", "as it happened"
SLOW = 1.0
"""Messages a second of a replay that is not to end soon."""
PATIENCE = 3.0
"""Seconds that somebody waits for the moment to cancel a replay in the middle."""
SWEPT = 8.0
"""Seconds that somebody waits until what was freed is on its way: a sweep finds it."""
LATER = {PASSED: "a later one was sent", BUSY_LATER: "a later one is being sent, or may have arrived"}


@dataclass
class Found:
    """What an act did. hits: what it was, to be counted; done, refused: messages, these with the reason; made: of an
    edit, whether the record is another now."""

    hits: list[str] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    made: bool = False


class Person:
    """One person. What is to be known of earlier acts is asked of the store: whoever did them may be dead.

    hits: what the acts of all persons were that met something on its way; of ways to replay the rarest is taken.
    """

    def __init__(self, home: Path, hook: Reaper, chance: random.Random) -> None:
        self.home, self.chance = home, chance
        self.settings = load(home / "hub.toml")
        self.log = Log(home / "acts.log")
        self.store = Store.open(self.settings.store, self.settings.ring, hook=hook)
        self.links = mapped(self.settings, self.store)
        self.rows = Rows(self.settings.store, self.settings.ring)
        self.hits = Counter(hit for line in lines(home / "acts.log") if line["flight"] for hit in line.get("hits", ()))
        self._count = 0

    def act(self, what: str, do: Callable[[], Found], **said: Any) -> None:
        """Do something, and say so before and after."""
        states = self.rows.states()
        self._count += 1
        mark, flight = f"{os.getpid()}-{self._count}", states["ready"] + states["sending"]
        self.log.add(id=mark, at=time.time(), what=what, flight=flight, **said)
        try:
            found = do()
        except DeclarationError as error:
            found = Found([f"{what} refused"], refused={0: error.reason})
        found.hits += sorted(set(twins.BROKE))
        twins.BROKE.clear()
        self.hits.update(found.hits if flight else ())
        self.log.add(id=mark, at=time.time(), flight=flight, **vars(found))

    def go_on(self, every: float, mends: float, likes: Sequence[str]) -> None:
        """One act after another. every: about how many seconds lie between two; mends: between two mapping sets."""
        acts = [self.replay] * 3 + [self.steer] * 5 + [self.set_aside] + [self.waver] * 3 + [self.restore] * 2
        acts += [self.edit] * 2
        acts = [act for act in acts if not likes or act.__name__ in likes]
        while True:
            time.sleep(self.chance.uniform(0.2, 1.8) * every)
            try:
                if time.time() - overlay.changed(self.home) > self.chance.uniform(0.5, 1.5) * mends:
                    overlay.change(self.home, self.chance)
                # What there is nothing for is not tried again until something else was done.
                next((act for act in self.chance.sample(acts, len(acts)) if act()), None)
            except StoreDown:
                time.sleep(0.5)
            except Exception as error:  # what the rows are read with is no part of the hub
                if type(error).__module__.partition(".")[0] != "sqlalchemy":
                    raise
                time.sleep(0.5)

    # Replays

    def replay(self) -> bool:
        """Something that is parked is to go again."""
        store, chance = self.store, self.chance
        rows = self.rows.open()
        parked = [number for number, state in rows.items() if state == "parked"]
        if not parked:
            return False
        better = sorted(set(parked) & set(self.rows.holding())) or parked
        number = chance.choice(better)
        told = store.standing([number]).get(number)
        if told is None:
            return False
        some = tuple(sorted(chance.sample(better, chance.randint(1, min(len(better), 4)))))
        cause = next((row.id for row in store.failures() if row.cause == told.cause), None)
        choices = {
            "of everything": Choice(),
            "by cause": Choice(cause=cause),
            "by target": Choice(target=told.target),
            "by source": Choice(source=told.source),
            "by number": Choice(numbers=some),
        }
        how = min(chance.sample(list(choices), len(choices)), key=lambda how: self.hits[f"replay {how}"])
        numbers = store.choose(choices[how]).items
        if not numbers:
            return False
        canary = chance.random() < 0.5
        self.start(how, numbers, rate=chance.choice([None, SLOW, SLOW, 5.0]), canary=canary)
        if not canary and chance.random() < 0.3:
            self._regret()
        return True

    def _regret(self) -> None:
        """Cancel what was just begun, as soon as something of it was let go."""
        run = next((one for one in self.store.runs() if one.state in ("canary", "running")), None)
        end = time.monotonic() + PATIENCE
        while run is not None and "released" not in run.items and time.monotonic() < end:
            time.sleep(0.02)
            run = self.store.run(run.id)
        if run is not None and run.ended is None:
            self.turn(run, "cancel", "")

    def start(self, how: str, numbers: list[int], *, rate: float | None, canary: bool) -> None:
        mapping, first = self.store.mapping_set(), None
        if canary:  # one that has a chance
            read = {one.number for one in self.store.standing(numbers).values() if not one.failed}
            first = self.chance.choice([one for one in numbers if one in read] or numbers)

        def do() -> Found:
            asked = json.dumps([how, numbers[:3], len(numbers)])
            _, new = self.store.start_run(asked, numbers, WHO, WHY, mapping=mapping, rate=rate, canary=first)
            hits = [f"replay {how}"] + ["replay with a canary"] * canary + ["replay at a rate"] * (rate is not None)
            return Found(hits if new else ["replay asked for twice"], numbers)

        self.act("replay", do, numbers=numbers)

    def steer(self) -> bool:
        """Somebody has a look at a run that is under way, and turns a wheel."""
        runs = [run for run in self.store.runs() if run.state != "cancelled"]
        if self.chance.random() < 0.8:  # a canary is mostly waited for
            runs = [run for run in runs if run.state != "canary"]
        if not runs:
            return False
        run = self.chance.choice([run for run in runs if run.state == "proven"] or runs)
        mapping = self.store.mapping_set()
        if run.state == "proven":
            act = self.chance.choice(["proceed"] * 4 + ["cancel"])
        elif run.state == "paused" or run.mapping != mapping:
            act = self.chance.choice(["resume"] * 3 + ["cancel"])
        else:
            act = self.chance.choice(["pause"] * 5 + ["cancel"])
        self.turn(run, act, mapping)
        return True

    def turn(self, run: Run, act: str, mapping: str) -> None:
        """One act on a run."""
        bound = mapping if act in ("resume", "proceed") else ""

        def do() -> Found:
            before = self.store.run(run.id).items
            self.store.change_run(run.id, act, WHO, WHY, bound)
            hits = [act] + ["resume under another mapping set"] * (act == "resume" and mapping != run.mapping)
            if act == "cancel":
                hits += [f"cancel that found some {state}" for state in ("frozen", "released") if before.get(state)]
            return Found(hits)

        self.act(act, do, run=run.id)

    # Out of line, and back

    def set_aside(self) -> bool:
        """Some messages that are open."""
        rows = self.rows.open()
        parked = [number for number, state in rows.items() if state in ("parked", "waiting")]
        some = parked if parked and self.chance.random() < 0.5 else list(rows)
        if some:
            self.close(sorted(self.chance.sample(some, self.chance.randint(1, min(len(some), 3)))))
        return bool(some)

    def close(self, numbers: list[int]) -> None:
        def do() -> Found:
            done = self.store.set_aside(numbers, WHO, WHY)
            return Found(["set aside"] * bool(done.done), done.done, dict(done.refused))

        self.act("set aside", do, numbers=numbers)

    def waver(self) -> bool:
        """Set some aside that hold up others, and want each back as soon as what was behind it is on its way."""
        holding = self.rows.holding()
        numbers = sorted(self.chance.sample(holding, min(len(holding), self.chance.randint(1, 4))))
        behind = {number: self.rows.behind(number) for number in numbers}
        if numbers:
            self.close(numbers)
        end = time.monotonic() + self.chance.choice([0.0, SWEPT, SWEPT])
        while numbers and time.monotonic() < end:
            ongoing = self.rows.on_their_way(numbers[0])
            for number in [number for number in numbers if behind[number] & ongoing]:
                self.bring_back([number])
                numbers.remove(number)
            time.sleep(0.02)
        if numbers:
            self.bring_back(numbers)
        return bool(holding)

    def restore(self) -> bool:
        """Some of what was set aside lately is wanted after all."""
        aside = self.rows.aside(20)
        if aside:
            self.bring_back(sorted(self.chance.sample(aside, self.chance.randint(1, min(len(aside), 5)))))
        return bool(aside)

    def bring_back(self, numbers: list[int]) -> None:
        def do() -> Found:
            done = self.store.restore(numbers, WHO, WHY)
            hits = ["restore"] * bool(done.done)
            hits += sorted({f"restore refused: {LATER[why]}" for why in done.refused.values() if why in LATER})
            return Found(hits, done.done, dict(done.refused))

        self.act("restore", do, numbers=numbers)

    # Edits

    def edit(self) -> bool:
        """A record that is parked is to say something else: what follows its version is `e` and a number."""
        parked = [number for number, state in self.rows.open().items() if state == "parked"]
        for number in self.chance.sample(parked, min(len(parked), 10)):
            standing = self.store.standing([number]).get(number)
            if standing is None or standing.state != "parked":
                continue
            source = Source(self.links[standing.source], self.store.identity(standing.source), self.settings.ring)
            made = edited(self.store, source, standing, self.store.trace(number).revision + 1)
            if made is not None:
                self._put(standing, *made)
                return True
        return False

    def _put(self, standing: Standing, child: str, value: str, one: Incoming) -> None:
        kind = "edit of what could not be read" if standing.failed else "edit of what was refused"

        def do() -> Found:
            done = self.store.edit(standing.document, standing.ordinal, one, WHO, WHY, ["person.names[0].given"])
            return Found([kind], done.done, dict(done.refused), made=True)

        said = {"source": standing.source, "child": child, "value": version_of(value), "becomes": value}
        self.act("edit", do, **said)

    # The end

    def finish(self) -> int:
        """End what is under way while no worker is; how much there was to do."""
        overlay.mend(self.home)
        mapping = mapping_digest(self.settings.links.values())
        runs, aside = [run for run in self.store.runs() if run.state != "cancelled"], self.rows.aside()
        for run in runs:
            act = "proceed" if run.state == "proven" else self.chance.choice(["resume", "resume", "cancel"])
            self.turn(run, "cancel" if run.rate == SLOW else act, mapping)
        back = len(aside)
        if aside:
            self.bring_back(aside)
            back -= len(self.rows.aside())
        standing = self.store.standing(self.store.choose(Choice()).items)
        parked = [one.number for one in standing.values() if one.state == "parked" and one.run is None and _may_go(one)]
        if parked:
            self.store.start_run(json.dumps(["the rest", time.time()]), parked, WHO, WHY, mapping=mapping)
        return len(runs) + back + len(parked)


def _may_go(one: Standing) -> bool:
    """Whether a replay can help: not where only an edit could make a record readable."""
    return not one.failed or (one.cause is not None and bool(one.cause.table))


def live(asked: argparse.Namespace, at: str, seed: str) -> int:
    """One person, until it dies."""
    try:
        hook = Reaper(at, Log(asked.home / "events.log"), "person")
        person = Person(asked.home, hook, random.Random(seed))
        if asked.finish:
            return BUSY if person.finish() else 0
        person.go_on(asked.every, asked.mends, asked.likes)
    except StoreDown as error:
        sys.stderr.write(f"{error}\n")
        return AWAY
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> int:
    follow_parent()
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--twin", default="")
    parser.add_argument("--every", type=float, default=0.5)
    parser.add_argument("--mends", type=float, default=20.0)
    parser.add_argument("--likes", nargs="*", default=())
    parser.add_argument("--dies", action="store_true")
    parser.add_argument("--stops", type=float, default=0.0)
    parser.add_argument("--finish", action="store_true")
    asked = parser.parse_args()
    if asked.twin:
        twins.TWINS[asked.twin]()
    if asked.finish:
        return live(asked, "", asked.seed)
    return lives(lambda at, seed: live(asked, at, seed), asked.seed, dies=asked.dies, stops=asked.stops)


if __name__ == "__main__":
    sys.exit(main())
