"""Records to a FHIR server through whole hubs: one effect each, and never two at once for one NHS number."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.nodes import Postgres, Rabbit
from tests.test_flow_faults import Home, homes, link, until
from tests.webs import Asked, Resources, Told, Web

NHS = "https://fhir.nhs.uk/Id/nhs-number"
assert homes  # a fixture


class Server(Resources):
    """A server that takes a moment over each request, and minds when two of one number come together."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: Counter[str] = Counter()
        self.together = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Told:
        number = next((one for one in NUMBERS if one in asked.body.decode()), "")
        with self._lock:
            self.busy[number] += 1
            self.together += self.busy[number] > 1
            self.most = max(self.most, sum(self.busy.values()))
        time.sleep(0.02)
        try:
            with self._lock:
                return super().__call__(asked)
        finally:
            with self._lock:
                self.busy[number] -= 1


def numbers(count: int) -> list[str]:
    """Made-up NHS numbers with a right check digit."""
    found = []
    for n in range(999_000_000, 999_001_000):
        digits = str(n)
        check = 11 - sum(int(one) * (10 - place) for place, one in enumerate(digits)) % 11
        if check != 10:
            found.append(f"{digits}{0 if check == 11 else check}")
    return found[:count]


NUMBERS = numbers(12)


def child(source: str, number: str, given: str) -> dict[str, object]:
    person = {
        "names": [{"id": "n1", "given": given, "family": "Example"}],
        "identifiers": [{"id": "i1", "system": "nhs", "value": number}],
    }
    return {"source": {"link": "elsewhere", "id": f"{source}-{number}"}, "person": person}


def links(url: str, more: str = "") -> str:
    return (
        (
            link("ics", "canonical", 'kind = "folder", in = "in", settle = 0')
            + link("other", "canonical", 'kind = "folder", in = "other", settle = 0')
            + link("fhir", "tests.patients", f'kind = "http", url = "{url}", send = "resource"', more)
            + '[[routes]]\nfrom = ["ics"]\nto = ["fhir"]\n[[routes]]\nfrom = ["other"]\nto = ["fhir"]\n'
        )
        .replace('["ics"]', '"ics"')
        .replace('["other"]', '"other"')
    )


def drop(home: Home, folder: str, records: list[dict[str, object]]) -> None:
    part = home.folder / folder / "1.jsonl.part"
    part.write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in records))
    part.rename(part.with_suffix(""))


def test_two_sources_and_two_processes_never_create_a_child_twice(
    tmp_path: Path, homes: list[Home], rabbit: Rabbit, postgres: Postgres
) -> None:
    """The same NHS numbers from two systems: who is created by one is replaced by the other, and never both at once.

    The target may be sent four things at once; the hub is killed on the way, and answers are lost.
    """
    server = Server()
    server.lost = {"POST": 1, "PUT": 1}
    web = Web(server)
    home = Home(tmp_path, links(web.url, "at_once = 4\nbatch = 3"), postgres.database(), rabbit.vhost())
    homes.append(home)
    (home.folder / "other").mkdir(exist_ok=True)
    drop(home, "in", [child("a", number, "Ada") for number in NUMBERS])
    drop(home, "other", [child("b", number, "Berta") for number in NUMBERS])
    for _ in range(2):
        home.start()
    until(lambda: len(server.held) > 3)
    home.processes[0].kill()
    home.processes[0].wait()
    home.start()

    def settled() -> bool:
        store = home.open_store()
        read = not store.unread("ics") and not store.unread("other")
        left = store.open_count("fhir")
        store.close()
        return read and not left and len(server.held) >= len(NUMBERS)

    until(settled, 150)
    for one in home.processes[1:]:
        one.terminate()
        one.wait(60)
    web.close()
    held = Counter(one["identifier"][0]["value"] for _, one in server.held.values())
    assert held == dict.fromkeys(NUMBERS, 1), "each once"
    assert server.together == 0
    assert server.most > 1, "different children go at the same time"
    assert all(number not in asked.path + str(asked.headers) for asked in web.got for number in NUMBERS)


def served(folder: Path, homes: list[Home], url: str, send: str) -> Home:
    """A hub that sends what it finds in `in` to one service."""
    told = link("ics", "canonical", 'kind = "folder", in = "in", settle = 0') + link(
        "service", "tests.lists", f'kind = "http", url = "{url}", send = "{send}"'
    )
    homes.append(Home(folder, told + '[[routes]]\nfrom = "ics"\nto = ["service"]\n'))
    return homes[-1]


def test_one_bad_record_of_a_list_is_parked_alone(tmp_path: Path, homes: list[Home]) -> None:
    taken: list[str] = []

    def tell(asked: Asked) -> Told:
        names = asked.json()
        if "Bad" in names:
            return Told(400)
        taken.extend(names)
        return Told(200)

    web = Web(tell)
    home = served(tmp_path, homes, web.url, "post")
    given = [f"Name{n}" for n in range(8)]
    drop(
        home,
        "in",
        [child("a", number, name) for number, name in zip(NUMBERS, [*given[:5], "Bad", *given[5:]], strict=False)],
    )
    assert home.run("run", "--once").code == 1
    web.close()
    assert sorted(taken) == given
    store = home.open_store()
    [cause] = store.failures()
    store.close()
    assert (cause.count, cause.cause.answer) == (1, "refused")
    assert "will not have it (400)" in cause.cause.reason


def test_one_record_that_a_server_forbids_does_not_keep_the_others(tmp_path: Path, homes: list[Home]) -> None:
    """A restricted child, say: 403 means the whole target, until others pass and it is said of that record again."""
    taken: list[str] = []

    def tell(asked: Asked) -> Told:
        if asked.method == "GET":
            return Told(404)
        if "Bad" in asked.body.decode():
            return Told(403)
        taken.append(asked.body.decode())
        return Told(201)

    web = Web(tell)
    home = served(tmp_path, homes, web.url + "/{key}", "put")
    drop(home, "in", [child("a", number, name) for number, name in zip(NUMBERS, ["Bad", *"BCDEFGH"], strict=False)])
    home.start()
    until(lambda: len(taken) == 7, 40)
    home.stop()
    store = home.open_store()
    assert {row.cause.answer for row in store.failures() if row.count} == {"unavailable"}
    assert store.open_count("service") == 1
    store.close()
    web.close()


@pytest.mark.parametrize("lost", ["one by one", "together"])
def test_a_receiver_that_knows_keys_takes_each_of_a_list_once(tmp_path: Path, homes: list[Home], lost: str) -> None:
    """One answer is lost: that to the list, or that to one message of it, sent alone after the list was refused."""
    taken: Counter[str] = Counter()
    known: dict[str, tuple[int, bytes]] = {}
    losses = 0

    def tell(asked: Asked) -> Told:
        nonlocal losses
        names, key = asked.json(), asked.headers["idempotency-key"]
        assert known.setdefault(key, (0, asked.body))[1] == asked.body, "other bytes under the same key"
        if known[key][0]:
            return Told(known[key][0])
        if "Bad" in names and lost == "one by one":
            return Told(400)
        taken.update(names)
        known[key] = 200, asked.body
        if not losses and (lost == "together" or names == ["Name3"]):
            losses += 1
            return Told(cut=True)
        return Told(200)

    web = Web(tell)
    home = served(tmp_path, homes, web.url, "post")
    given = [*(f"Name{n}" for n in range(5)), "Bad", *(f"Name{n}" for n in range(5, 8))]
    drop(home, "in", [child("a", number, name) for number, name in zip(NUMBERS, given, strict=False)])
    home.start()
    until(lambda: len(taken) == 9 - (lost == "one by one") and losses, 40)
    store = home.open_store()
    until(lambda: store.open_count("service") == (lost == "one by one"), 40)
    store.close()
    home.stop()
    web.close()
    assert set(taken.values()) == {1}, taken
