"""What several simulations start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_store.db import Store
from tests.conftest import KEY
from tests.sim.field_pair import Two
from tests.sim.rollout_fleet import Fleet, planned, tree


@pytest.fixture
def two(tmp_path: Path, store: Store) -> Iterator[Two]:
    fleet = Fleet(tree(9))
    row = planned(store, fleet)
    laptop = Store(tmp_path / "laptop", KEY)
    yield Two(fleet, store, laptop, row.rollout_id)
    laptop.close()
