"""kill -9 at any moment of a roll: every committed sample is there exactly once, and the next roll goes on."""

from __future__ import annotations

import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from local_store.db import Store
from local_store.sqlite import Connection
from local_store.telemetry import query, roll
from tests.conftest import KEY
from tests.sim.killed_roll import SERIES


def run_until_killed(directory: Path, first: int, batches: int) -> int:
    """Start the process, kill it after it told about so many batches; the samples it told of."""
    command = [sys.executable, "-m", "tests.sim.killed_roll", str(directory), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        for _ in range(batches):
            told = int(process.stdout.readline())
        process.kill()
        # The last line may be cut short; whole ones were committed.
        return max([told, *(int(line) for line in process.stdout if line.endswith("\n"))])


def check(store: Store, told: int) -> int:
    """Every sample up to some number at or above `told`, none missing in between; that number."""

    def read(cx: Connection) -> list[float]:
        return sorted(value for series in range(SERIES) for value in query.read(cx, series, 0, 2**60, "tm")[1].tolist())

    found = store.read(read)
    assert found == [float(at) for at in range(len(found))]
    assert len(found) >= told
    return len(found)


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_roll_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    first = kept = 0
    interrupted = False
    for _ in range(4):
        told = run_until_killed(tmp_path, first, rng.randrange(20, 200))
        store = Store(tmp_path, KEY)
        first = kept = check(store, told)
        interrupted |= store.read(partial(roll.look, schema="tm")).merging
        store.close()
    store = Store(tmp_path, KEY)
    list(roll.roll(store))
    assert check(store, kept) == kept
    assert store.read(lambda cx: cx.execute("SELECT sum(n) FROM tm.chunk").fetchone()[0]) == kept
    store.close()
    assert interrupted, "no kill hit a merge: the test shows nothing"
