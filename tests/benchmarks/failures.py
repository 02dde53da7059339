"""How long it takes to say what failed and why, with very much parked, on both databases."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from hub.seal import Keyring, new_ring
from hub.store import Choice, Store
from tests.backlog import fill
from tests.nodes import NodeError, Postgres

PARKED, CHILDREN, KINDS, CLOSED = 100_000, 20_000, 40, 200_000
BAR = 1.0
"""Seconds for the list of causes, as a command."""
ROUNDS = 5
RATES, SECONDS = (200.0, 2000.0, None), 8
"""Messages a second that a replay is asked to send; seconds that each is looked at."""
TOML = """
[hub]
store = "{store}"
queue = "local"
keys = "keys.toml"
[links.ics]
adapter = "cin_census"
connection = {{ kind = "folder", in = "in" }}
[links.index]
adapter = "contactpoint"
connection = {{ kind = "folder", out = "out/index" }}
[links.ssd]
adapter = "ssd"
connection = {{ kind = "folder", out = "out/ssd" }}
[[routes]]
from = "ics"
to = ["index", "ssd"]
"""
CALL = "from hub.cli import main; main()"


def measure(folder: Path) -> None:
    """Print the best time of the list and of the status: as commands with their start, and asked of the store."""
    print(f"\n{PARKED:,} parked messages of {CHILDREN:,} children, {KINDS} causes; {CLOSED:,} that were sent")
    _measure("SQLite", f"sqlite:///{folder / 'failures.db'}", folder)
    try:
        with Postgres() as postgres:
            _measure("PostgreSQL", postgres.database(), folder)
    except NodeError as error:
        print(f"not measured: {error}")


def _measure(name: str, url: str, folder: Path) -> None:
    home = folder / name
    for place in (home / "in", home / "out" / "index", home / "out" / "ssd"):
        place.mkdir(parents=True)
    (home / "hub.toml").write_text(TOML.format(store=url))
    (home / "keys.toml").write_text(new_ring("bench"))
    (home / "keys.toml").chmod(0o600)
    Store.upgrade(url)
    store = Store.open(url, Keyring.parse((home / "keys.toml").read_text()))
    fill(store, parked=PARKED, children=CHILDREN, kinds=KINDS, closed=CLOSED)
    if not store.database.sqlite:
        _vacuum(url)
    asked = [_best(store.failures), _best(store.status)]
    paces = [_pace(store, rate) for rate in RATES]
    store.close()
    called = [_best(partial(_call, home, word)) for word in ("failures", "status", "--help")]
    met = "met" if called[0] <= BAR else "NOT met"
    print(f"{name}: the command failures {called[0]:.2f} s (bar {BAR:.0f} s, {met}), status {called[1]:.2f} s,")
    print(f"    --help {called[2]:.2f} s; the store's own part: causes {asked[0]:.2f} s, status {asked[1]:.2f} s")
    told = ", ".join(f"{got:,.0f}/s" + (f" of {rate}/s asked for" if rate else " unpaced") for rate, got in paces)
    print(f"    all {PARKED:,} in one replay: {told}")


def _vacuum(url: str) -> None:
    """What PostgreSQL does by itself within a minute of so many new rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _pace(store: Store, rate: float | None) -> tuple[float | None, float]:
    """Replay everything that is parked for some seconds as a worker does it, a look a second; how many a second went.
    What did not go stays parked: the run is cancelled."""
    worker = store.enlist("bench", 1)
    chosen = store.choose(Choice(target="index")).items + store.choose(Choice(target="ssd")).items
    run, _ = store.start_run(f"{rate}", chosen, "bench", "to measure", mapping="", rate=rate)
    begun, gone = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS and gone < len(chosen) // 2:
        while (due := store.due(worker, "")) is not None:
            store.release(worker, due, {})
            gone += len(due.items)
            if time.perf_counter() - begun >= SECONDS:
                break
        else:
            time.sleep(1)
    took = time.perf_counter() - begun
    store.change_run(run.id, "cancel", "bench")
    store.dismiss(worker)
    return rate, gone / took


def _best(act: Callable[[], object]) -> float:
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return min(found)


def _call(home: Path, word: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", CALL, word]
    ran = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode == 2:
        raise RuntimeError(ran.stderr)
