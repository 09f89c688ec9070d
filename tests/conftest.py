"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

os.environ["TEXTUAL_ANIMATIONS"] = "none"  # Textual reads it when it is imported.

from console import texts
from local_store.db import Store

KEY = bytes(range(32))

# A property is about what holds, not about how long a busy machine takes to try it.
settings.register_profile("untimed", settings(deadline=None, suppress_health_check=[HealthCheck.too_slow]))
settings.load_profile("untimed")
SBIN = ("/usr/sbin", "/sbin")


def program(name: str) -> str | None:
    """The path of a peer's program, also where an ordinary user's PATH does not look."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *SBIN)))


def require_peer(name: str) -> str:
    """The program's path; without it the test is skipped by name, or fails under REQUIRE_PEERS=1."""
    path = program(name)
    if path is None:
        missing_peer(name)
    return path


def missing_peer(name: str) -> NoReturn:
    """Skip this test by the name of what is missing, or fail it under REQUIRE_PEERS=1."""
    text = f"peer not available: {name}"
    if os.environ.get("REQUIRE_PEERS") == "1":
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture(autouse=True)
def in_english() -> None:
    """Every test begins in English, whatever the machine or the test before spoke."""
    texts.set_language("en")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty encrypted store in a directory of its own."""
    opened = Store(tmp_path / "store", KEY)
    yield opened
    opened.close()
