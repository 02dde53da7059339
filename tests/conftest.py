"""What all tests share: where things lie, and how hypothesis runs."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from hub.store import Store
from tests import haste, stores
from tests.nodes import NodeError, Postgres, Rabbit

Node = TypeVar("Node", Rabbit, Postgres)

ROOT = Path(__file__).resolve().parent.parent

# A command that a test runs is a new Python: it need not compile the hub again each time, though this one was told to.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

haste.make()

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("house"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")


def pytest_collection_finish() -> None:
    """What is imported stays: neither a collection of garbage nor a fork need look through it again, and copy it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of our own made-up samples, which always run."""
    return ROOT / "tests" / "samples"


@pytest.fixture(scope="session")
def public() -> Callable[[str], Path]:
    """A file of the public samples kept beside the repository, by its path; without it the test is skipped."""

    def find(path: str) -> Path:
        found = ROOT.parent / "shared" / "data" / path
        if not found.exists():
            pytest.skip(f"the public sample {path} is not here")
        return found

    return find


@pytest.fixture(scope="session")
def rabbit() -> Iterator[Rabbit]:
    """A RabbitMQ node for the whole session, started by the first test that asks; `rabbit.vhost()` is a fresh place.

    A test that stops or kills it starts it again. Where RabbitMQ is missing the test fails and says what to install.
    """
    with running(Rabbit) as node:
        yield node


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL cluster for the whole session; `postgres.database()` is the URL of a fresh database."""
    with running(Postgres) as node:
        yield node


def running(make: type[Node]) -> Node:
    """A started node; where it is not installed the test fails, it is never skipped."""
    try:
        node = make()
        node.start()
    except NodeError as error:
        pytest.fail(str(error), pytrace=False)
    return node


@pytest.fixture(scope="session")
def places(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> stores.Places:
    """Empty stores on both databases."""
    return stores.Places(postgres, tmp_path_factory.mktemp("stores"))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, places: stores.Places) -> Iterator[Store]:
    """An empty store, on one database and then on the other."""
    yield from stores.opened(places.new(request.param))


@pytest.fixture
def council(store: Store) -> stores.Council:
    """A council that keeps, claims and sends in that store."""
    return stores.Council(store)


@pytest.fixture
def opened() -> Iterator[Callable[[Any], Any]]:
    """Closes what it was given, at the end."""
    things: list[Any] = []

    def keep(thing: Any) -> Any:
        things.append(thing)
        return thing

    yield keep
    for thing in reversed(things):
        thing.close()
