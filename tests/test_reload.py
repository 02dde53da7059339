"""Mapping files mended while the hub runs: they take effect in all processes or in none, and nothing is restarted."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.adapter import Theirs, find
from hub.config import load
from hub.config.build import build, mapped
from hub.pipeline import Hub
from hub.pipeline.gate import Gate
from hub.pipeline.link import mapping_digest
from hub.pipeline.reload import Files
from hub.seal import new_ring
from hub.store import Store
from hub.wire import Document
from tests.nodes import Postgres
from tests.stores import upgraded

HEAD = """[hub]
store = "{store}"
queue = "local"
keys = "keys.toml"
[links.index]
adapter = "contactpoint"
bad = "park"
overlays = ["{overlay}"]
poll = 0.2
connection = {{ kind = "folder", in = "in", settle = 0 }}
[links.ours]
adapter = "canonical"
connection = {{ kind = "folder", out = "out" }}
[[routes]]
from = "index"
to = ["ours"]
[limits]
disk = "1 MB"
"""
CHILD = """<Child><IndexNumber>{id}</IndexNumber><Shielded>false</Shielded><Names><Name><Kind>current</Kind>
<Given>Ada</Given><Family>Example</Family></Name></Names><Gender>{gender}</Gender><BirthDate>2015-03-27</BirthDate>
</Child>"""
INDEX = """<?xml version="1.0" encoding="UTF-8"?><Index xmlns="urn:ics-hub:contactpoint:1"><Head>
<Authority>999</Authority><AsOf>2026-03-31</AsOf></Head>{children}</Index>"""


class Home:
    """A council's folder, with an overlay that may change."""

    def __init__(self, folder: Path, store: str = "sqlite:///hub.db") -> None:
        self.folder = folder
        self.hubs: list[Hub] = []
        for name in ("in", "out", "northshire/codes/contactpoint", "other/codes/contactpoint"):
            (folder / name).mkdir(parents=True)
        (folder / "keys.toml").write_text(new_ring("first"))
        (folder / "keys.toml").chmod(0o600)
        for name, overlay in (("hub", "northshire"), ("other", "other")):
            (folder / f"{name}.toml").write_text(HEAD.format(store=store, overlay=overlay))
        upgraded(load(folder / "hub.toml").store)

    def reads(self, code: str, ours: str = "2", overlay: str = "northshire") -> None:
        """The council's table reads one more code."""
        self.write(f"theirs,ours,way,since,until,note\n{code},{ours},in,,,\n", overlay)

    def write(self, text: str, overlay: str = "northshire") -> None:
        (self.folder / overlay / "codes" / "contactpoint" / "gender.csv").write_text(text)

    def drop(self, name: str, genders: list[str]) -> None:
        children = "".join(CHILD.format(id=f"{name}-{n}", gender=one) for n, one in enumerate(genders))
        part = self.folder / "in" / f"{name}.part"
        part.write_text(INDEX.format(children=children))
        part.rename(part.with_suffix(".xml"))

    @contextmanager
    def runs(self, file: str = "hub.toml") -> Iterator[Hub]:
        hub = build(load(self.folder / file))
        thread = threading.Thread(target=hub.run)
        thread.start()
        try:
            yield hub
        finally:
            hub.stop()
            thread.join()

    def sent(self) -> dict[str, str]:
        """The gender of each child, as the last file says; a child that was sent twice fails."""
        found: dict[str, str] = {}
        for path in sorted(self.folder.joinpath("out").glob("[0-9]*")):
            for one in find("canonical").read(Document.at(path)):
                assert isinstance(one, Theirs)
                name = str(one.tree["source"]["id"])
                assert name not in found, "it was sent twice"
                found[name] = str(one.tree["person"].get("gender"))
        return found

    def store(self) -> Store:
        settings = load(self.folder / "hub.toml")
        return Store.open(settings.store, settings.ring)

    def digest(self, file: str = "hub.toml") -> str:
        return mapping_digest(load(self.folder / file).links.values())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def test_a_code_that_is_added_while_it_runs_is_read_and_nothing_is_restarted(home: Home) -> None:
    with home.runs() as hub:
        home.drop("first", ["F", "W"])
        until(lambda: home.sent() == {"first-0": "2"})
        began, before = time.monotonic(), hub.flow.mapping
        home.reads("W")
        until(lambda: hub.flow.mapping != before and hub.flow.gate.worker)
        assert time.monotonic() - began < 10
        home.drop("second", ["W"])
        until(lambda: "second-0" in home.sent())
        assert home.sent()["second-0"] == "2"
        assert hub.flow.mapping == home.digest() == hub.flow.store.mapping_set()


def test_files_that_do_not_load_stop_everything_until_they_are_mended(home: Home) -> None:
    with home.runs() as hub:
        until(lambda: hub.flow.gate.worker)
        in_force = hub.flow.mapping
        home.write("no table\n")
        until(lambda: hub.reloader.trouble)
        assert "gender.csv" in hub.reloader.trouble
        home.drop("first", ["F"])
        time.sleep(1)
        assert not home.sent()
        assert hub.flow.store.unread("index") == []
        assert (home.folder / "in" / "first.xml").exists(), "nothing is even taken in"
        assert hub.flow.store.mapping_set() == in_force, "what does not load is never in force"
        home.reads("W")
        until(home.sent)
        assert not hub.reloader.trouble


def test_files_that_are_gone_are_waited_for(home: Home) -> None:
    with home.runs() as hub:
        until(lambda: hub.flow.gate.worker)
        (home.folder / "northshire").rename(home.folder / "away")
        until(lambda: hub.reloader.trouble)
        home.drop("first", ["F"])
        (home.folder / "away").rename(home.folder / "northshire")
        until(home.sent)


def test_the_same_files_again_need_no_loading(home: Home) -> None:
    home.reads("W")
    with home.runs() as hub:
        until(lambda: hub.flow.gate.worker)
        loaded = dict(hub.flow.links["index"].mappings)
        home.write("no table\n")
        until(lambda: not hub.flow.gate.worker)
        home.reads("W")
        until(lambda: hub.flow.gate.worker)
        assert hub.flow.links["index"].mappings == loaded


def test_a_long_document_is_left_between_two_batches_and_read_on_under_the_new_set(home: Home) -> None:
    count = 4_000
    home.reads("W", "2")
    home.drop("long", ["W"] * count)
    with home.runs() as hub:
        until(lambda: len(home.sent()) > 200)
        home.reads("W", "1")
        until(lambda: len(home.sent()) == count, 180)
        assert hub.flow.mapping == home.digest()
    said = list(home.sent().values())
    first = said.count("2")
    assert 200 < first < count, "the set changed in the middle"
    assert said == ["2"] * first + ["1"] * (count - first)
    assert first % 100 == 0, "a batch is read under one set"


def test_a_lost_lease_is_agreed_on_anew(home: Home) -> None:
    with home.runs() as hub:
        until(lambda: hub.flow.gate.worker)
        before = hub.flow.gate.worker
        hub.flow.store.expire_workers()
        hub.flow.store.sweep(0)
        until(lambda: hub.flow.gate.worker > before, 60)
        home.drop("first", ["F"])
        until(home.sent)


def test_once_ends_when_its_files_do_not_load(home: Home) -> None:
    hub = build(load(home.folder / "hub.toml"))
    home.write("no table\n")
    home.drop("first", ["F"])
    assert hub.run(once=True) == 1
    assert not home.sent()


def test_files_that_change_while_the_hub_starts_are_seen(home: Home) -> None:
    hub = build(load(home.folder / "hub.toml"))
    home.reads("W")
    home.drop("first", ["W"])
    assert hub.run(once=True) == 0
    assert home.sent() == {"first-0": "2"}


@pytest.fixture
def shared(tmp_path: Path, postgres: Postgres) -> Home:
    return Home(tmp_path, postgres.database())


def carrying(hubs: list[Hub]) -> set[str]:
    """By which sets these processes carry at this moment."""
    found = set()
    for hub in hubs:
        worker, mapping = hub.flow.gate.worker, hub.flow.mapping
        if worker and hub.flow.gate.worker == worker:
            found.add(mapping)
    return found


def test_three_processes_on_the_same_files_change_together(shared: Home) -> None:
    home, seen, stop = shared, set(), threading.Event()
    home.reads("W", "2")
    with home.runs() as one, home.runs() as two, home.runs() as three:
        hubs = [one, two, three]
        until(lambda: all(hub.flow.gate.worker for hub in hubs))

        def watch() -> None:
            while not stop.wait(0.002):
                seen.add(frozenset(carrying(hubs)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        for n, ours in enumerate("1212"):
            home.drop(f"before{n}", ["W"] * 150)
            home.reads("W", ours)
            began, wanted = time.monotonic(), home.digest()
            until(lambda wanted=wanted: carrying(hubs) == {wanted} and all(hub.flow.gate.worker for hub in hubs))
            assert time.monotonic() - began < 15
            home.drop(f"after{n}", ["W"] * 10)
            until(lambda n=n: f"after{n}-9" in home.sent())
            assert home.sent()[f"after{n}-9"] == ours
        until(lambda: len(home.sent()) == 4 * 160)
        stop.set()
        watcher.join()
    assert all(len(sets) <= 1 for sets in seen), "no two processes carry by different sets"


def test_a_process_with_other_files_waits_and_says_so(shared: Home) -> None:
    home = shared
    home.reads("W", "1", overlay="other")
    with home.runs() as one, home.runs("other.toml") as two:
        until(lambda: one.flow.gate.worker)
        until(lambda: two.reloader.trouble)
        assert "other mapping files" in two.reloader.trouble
        home.drop("first", ["F"])
        until(home.sent)
        assert carrying([one, two]) == {home.digest()}
        home.reads("W", "1")  # the same to every machine
        until(lambda: one.flow.gate.worker and two.flow.gate.worker and one.flow.mapping == two.flow.mapping)
        assert not two.reloader.trouble


def test_a_process_whose_files_are_broken_keeps_no_other_from_the_new_set(shared: Home) -> None:
    home = shared
    with home.runs() as one:
        until(lambda: one.flow.gate.worker)
        with home.runs("other.toml") as two:
            until(lambda: two.flow.gate.worker)
            home.write("no table\n", overlay="other")
            until(lambda: two.reloader.trouble)
            home.reads("W")
            until(lambda: one.flow.gate.worker and one.flow.mapping == home.digest())
            home.drop("first", ["W"])
            until(lambda: home.sent() == {"first-0": "2"})
            assert not two.flow.gate.worker


def test_a_dead_process_keeps_the_others_no_longer_than_its_lease(shared: Home) -> None:
    home = shared
    with home.runs() as hub:
        until(lambda: hub.flow.gate.worker)
        store = home.store()
        dead = store.enlist("elsewhere", 1, 6.0)
        assert store.agree(hub.flow.mapping, dead)
        store.close()
        began = time.monotonic()
        home.reads("W")
        until(lambda: not hub.flow.gate.worker, 5)
        until(lambda: hub.flow.gate.worker)
        assert 3 < time.monotonic() - began < 15
        assert hub.flow.mapping == home.digest()


def test_a_gate_is_shut_for_those_who_come_and_waits_for_those_inside() -> None:
    gate = Gate()
    with gate.through() as worker:
        assert worker == 0
        assert gate.empty(0), "who is not let in is not inside"
    gate.open(7)
    with gate.through() as worker:
        assert worker == 7
        gate.shut()
        with gate.through() as other:
            assert other == 0
        assert not gate.empty(0.01)
    assert gate.empty(0)


def test_files_that_change_within_a_tick_of_the_clock_are_seen(home: Home) -> None:
    files = Files(load(home.folder / "hub.toml").links.values())
    seen = set()
    for n in range(20):
        home.reads("W", "12"[n % 2])
        seen.add(files.digest())
        assert files.digest() == home.digest()
    assert len(seen) == 2


def test_links_of_a_command_have_mappings_and_no_connection(home: Home) -> None:
    store = home.store()
    links = mapped(load(home.folder / "hub.toml"), store)
    store.close()
    assert all(link.inlet is None and link.outlet is None and link.mappings for link in links.values())
    assert links["index"].targets == ("ours",)
    assert re.fullmatch("[0-9a-f]{32}", mapping_digest(links.values()))
