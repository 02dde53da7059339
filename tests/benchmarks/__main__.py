"""Prints the bars. Translation: each way of doing the census mapping, measured side by side in rounds of one run.

Every way gives the same records, ids by their places: days and codes are looked at, conferences name their enquiry.

A rate alone says more of the machine than of the program, and a busy machine changes by the second. So the ways run in
turn, in many short rounds; a rate is that of a way's best round, and the bars are ratios of those. Every way is one
process, in processor time, but for the hub's last: several processes on all cores, by the clock on the wall, starting
them included. What it is compared with would gain from more cores too, if somebody split its work.
Exit 1 when a way gives other records than the hub, 0 otherwise, bars met or not: how busy the machine is must not fail
a build.

Flow: from a file in a folder to acknowledged at the target, against bare relays over the same broker (`flow.py`).
"""

from __future__ import annotations

import argparse
import gc
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from hub.translate import available
from tests.benchmarks import failures, fhir, flow, handwritten, hl7, hub, interpreted, memory, mllp, others, sample
from tests.benchmarks.records import bare, linked
from tests.benchmarks.records import whole as entire

WHOLE, PART = 5_000, 1_000
"""Children in the file that whole-file engines get and all records are compared on; in the one that is streamed."""
BUILD = Path(__file__).parents[2] / "build" / "bench"
LIMIT, JSON, XML, TREES = "limit", "hub: file to JSON", "hub: file to file", "hub: file to trees"
PROCESSES = max(2, available())
ONE, ALL = "hub: translate, one process", f"hub: translate, {PROCESSES} processes"
INWARD, CREATE = "hub: trees to records", "hub: records to trees"
HAND, HAND_BARE = "hand-written", "hand-written, no ids"
PATHS, PATHS_BARE = "path by path", "path by path, no extras"
XSLT, SAXON, JSONATA = "libxslt 1.0", "Saxon-HE 3.0", "jsonata (node)"

BARS = [
    ("file to JSON, of the limit", LIMIT, 0.35),
    ("against hand-written, same records", HAND, 0.85),
    ("against hand-written, which makes no ids", HAND_BARE, None),
    ("against interpreting path by path", PATHS, 3.5),
    ("against the same, which keeps no extras", PATHS_BARE, None),
    ("against libxslt, whole file", XSLT, 1.5),
    ("against Saxon-HE, whole file", SAXON, 3.0),
    ("against jsonata in node, from JSON", JSONATA, 7.0),
]
MOST_MB = 100.0


class Rounds:
    """The ways to be measured and the best time of each, in seconds a child."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}
        self._ways: list[tuple[str, Callable[[], float], int]] = []

    def add(self, name: str, way: Callable[[], float], every: int = 1) -> None:
        """`way` gives its seconds a child; slow ones run only in every so manieth round."""
        self._ways.append((name, way, every))

    def run(self, rounds: int) -> None:
        """Every way in turn, so many times."""
        for number in range(rounds):
            if sys.stderr.isatty():
                print(f"\rround {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
            for name, way, every in self._ways:
                if number % every == 0:
                    self.best[name] = min(way(), self.best.get(name, float("inf")))
        if sys.stderr.isatty():
            print("\r" + " " * 20 + "\r", end="", file=sys.stderr)


def clock(
    run: Callable[[Any], Any],
    children: int,
    prepare: Callable[[], Any] = lambda: None,
    now: Callable[[], float] = time.process_time,
) -> Callable[[], float]:
    """A way timed here, with what it needs made before the clock starts and rubbish cleared away."""

    def way() -> float:
        made = prepare()
        gc.collect()
        gc.freeze()  # what stands ready is not looked through again and again: a program that streams has none of it
        begun = now()
        run(made)
        return (now() - begun) / children

    return way


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    options.add_argument("--rounds", type=int, default=40, help="how often each way runs (40)")
    options.add_argument("--no-memory", action="store_true", help="leave the measures of memory out")
    parts = ("translation", "flow", "failures", "hl7", "mllp", "fhir")
    options.add_argument("--only", choices=parts, help="measure one part alone")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ics-hub-bench-") as folder:
        wrong = 0
        if given.only in (None, "translation"):
            wrong = _bench(Path(folder), given.rounds, not given.no_memory)
        if given.only in (None, "flow"):
            flow.measure(Path(folder))
        if given.only in (None, "failures"):
            failures.measure(Path(folder))
        if given.only in (None, "hl7"):
            hl7.measure(Path(folder))
        if given.only in (None, "mllp"):
            mllp.measure(Path(folder))
        if given.only in (None, "fhir"):
            fhir.measure()
        return wrong


def _bench(folder: Path, rounds: int, measure_memory: bool) -> int:
    whole, part = sample.write(folder / "whole.xml", WHOLE), sample.write(folder / "part.xml", PART)
    lines = list(hub.to_json(whole))
    print(f"input: {WHOLE:,} made-up children, {whole.stat().st_size / WHOLE:,.0f} bytes of XML a child")
    print(f"record: {sum(map(len, lines)) / WHOLE:,.0f} bytes of JSON a child, ids and extras included")
    ways = Rounds()
    missing: list[str] = []
    _streaming(ways, part)
    wrong = _different(lines, _others(ways, whole, part, missing))
    ways.run(rounds)
    print(*missing, sep="\n", end="\n" if missing else "")
    _rates(ways.best)
    _bars(ways.best)
    if measure_memory:
        _memory(folder)
    print(f"records of {WHOLE:,} children compared: ", end="")
    print(f"NOT the same as the hub's: {', '.join(wrong)}" if wrong else "all the same")
    return 1 if wrong else 0


def _streaming(to: Rounds, part: Path) -> None:
    """The hub's own ways, and the least any program must do."""
    ready = [orjson.loads(line) for line in handwritten.translate(str(part), True)]
    frozen = [pickle.dumps(theirs) for theirs in hub.read(part)]
    records = hub.inward([pickle.loads(one) for one in frozen])
    to.add(LIMIT, clock(lambda _: others.limit(part, ready), PART))
    to.add(JSON, clock(lambda _: _drain(hub.to_json(part)), PART))
    to.add(ONE, clock(lambda _: _drain(hub.translate(part)), PART))
    to.add(TREES, clock(lambda _: _drain(hub.read(part)), PART))
    to.add(INWARD, clock(hub.inward, PART, lambda: [pickle.loads(one) for one in frozen]))
    to.add(CREATE, clock(lambda _: hub.create(records), PART))
    to.add(XML, clock(lambda _: _drain(hub.to_xml(part)), PART))


Seen = Callable[[bytes], Any]


def _different(lines: list[bytes], ways: Iterator[tuple[str, list[bytes], Seen]]) -> list[str]:
    """The names of the ways whose records are not those of the hub."""
    return [name for name, found, seen in ways if [seen(one) for one in found] != [seen(one) for one in lines]]


def _others(to: Rounds, whole: Path, part: Path, missing: list[str]) -> Iterator[tuple[str, list[bytes], Seen]]:
    """Add the ways to compare with, and the hub's by several processes; give what each makes of the whole file."""
    several = hub.Apart(whole, PROCESSES)
    to.add(ALL, lambda: several.run() / WHOLE)
    for name, processes in ((ONE, 1), (ALL, PROCESSES)):
        yield name, b"".join(hub.translate(whole, processes)).splitlines(), bytes
    to.add(HAND, clock(lambda _: _drain(handwritten.translate(str(part), True)), PART))
    to.add(HAND_BARE, clock(lambda _: _drain(handwritten.translate(str(part), False)), PART))
    yield HAND, list(handwritten.translate(str(whole), True)), linked
    yield HAND_BARE, list(handwritten.translate(str(whole), False)), bare
    for name, extras, seen in ((PATHS, True, entire), (PATHS_BARE, False, linked)):
        paths = interpreted.Interpreter(extras)
        to.add(name, clock(lambda _, paths=paths: _drain(paths.translate(str(part))), PART))
        yield name, list(paths.translate(str(whole))), seen
    for name, engine in ((XSLT, others.libxslt), (SAXON, others.saxon)):
        try:
            transform = engine(whole)
        except ImportError:
            missing.append(f"{name} is left out: it is not installed here")
            continue
        to.add(name, clock(lambda _, transform=transform: transform(), WHOLE), every=4)
        yield name, transform().splitlines(), linked
    yield from _node(to, whole, missing)


def _node(to: Rounds, whole: Path, missing: list[str]) -> Iterator[tuple[str, list[bytes], Seen]]:
    trees = whole.with_suffix(".jsonl")
    trees.write_bytes(b"\n".join(orjson.dumps(theirs.tree) for theirs in hub.read(whole)))
    try:
        node = others.Node(trees, sample.AS_OF, BUILD)
    except RuntimeError as error:
        missing.append(str(error))
        return
    node.run(WHOLE)
    to.add(JSONATA, lambda: node.run(PART) / PART, every=4)
    yield JSONATA, list(node.lines()), linked


def _drain(found: Iterable[Any]) -> None:
    for _ in found:
        pass


def _rates(best: dict[str, float]) -> None:
    print(f"\n{'way':<42}{'children/s':>12}{'µs a child':>12}{'of the limit':>14}")
    for name, seconds in best.items():
        share = best[LIMIT] / seconds
        print(f"{name:<42}{1 / seconds:>12,.0f}{seconds * 1e6:>12.1f}{share:>13.0%} ")


def _bars(best: dict[str, float]) -> None:
    print(f"\n{'measure':<42}{'reading only':>14}{'one process':>14}{f'{PROCESSES} processes':>14}{'bar':>9}")
    for text, other, least in BARS:
        if other not in best:
            continue
        ratios = [best[other] / best[ours] for ours in (JSON, ONE, ALL)]
        said = "".join(f"{ratio:>14.0%}" if other == LIMIT else f"{ratio:>13.2f}x" for ratio in ratios)
        bar = "-" if least is None else f"{least:.0%}" if other == LIMIT else f"{least:.2f}x"
        met = "" if least is None else f"  {_met(ratios[1] >= least)}; {_met(ratios[2] >= least)}"
        print(f"{text:<42}{said}{bar:>9}{met}")
    print("reading only: without the account that translate keeps; met or not: by one process; by several\n")


def _memory(folder: Path) -> None:
    small, large = (sample.write(folder / f"{n}.xml", n) for n in (5_000, 50_000))
    idle, few, many = memory.peak(), memory.peak(small), memory.peak(large)
    several = memory.peak_of(large, PROCESSES)
    print(f"{'peak memory, nothing read':<42}{idle:>9.1f} MB{'-':>12}")
    print(f"{'peak memory, 5,000 children':<42}{few:>9.1f} MB{MOST_MB:>9.0f} MB  {_met(few <= MOST_MB)}")
    print(f"{'peak memory, 50,000 children':<42}{many:>9.1f} MB{MOST_MB:>9.0f} MB  {_met(many <= MOST_MB)}")
    said = f"the same, {PROCESSES} processes and the first"
    print(f"{said:<42}{several:>9.1f} MB{MOST_MB:>9.0f} MB  {_met(several <= MOST_MB)}")
    print(f"{'growth, bytes for each child more':<42}{(many - few) * (1 << 20) / 45_000:>12,.0f}{'-':>12}")


def _met(yes: bool) -> str:
    return "met" if yes else "NOT met"


if __name__ == "__main__":
    sys.exit(main())
