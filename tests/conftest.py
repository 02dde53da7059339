"""What all tests share: where things lie, and how hypothesis runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("house"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")


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
