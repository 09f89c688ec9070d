"""Firmware rollouts over the lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import images
from tests.lab.console import Console, console
from tests.lab.lab import Lab, opened


@pytest.fixture(scope="module")
def mesh() -> Iterator[Lab]:
    with opened(7) as lab:
        yield lab


@pytest.fixture
def desk(mesh: Lab, tmp_path: Path) -> Iterator[Console]:
    with console(mesh, tmp_path) as made:
        yield made


def test_all(desk: Console) -> None:
    desk.release(images.make())
    rollout = desk.plan()
    with desk.running():
        desk.wait(rollout, "complete")
    print(desk.rows(rollout))
