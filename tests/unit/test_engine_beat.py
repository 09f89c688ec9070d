"""The end of an engine: not by a store that cannot be written for a moment, but by another engine, and at once."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from console.collector import beat
from console.supervisor import Liveness
from local_store import lease, liveness
from local_store.db import OPS, Database, Store
from local_store.errors import StoreBusy
from local_store.lease import Lease
from tests.conftest import KEY

STATES = [Liveness("poll", "running", 1, {"nodes": 3})]


@contextlib.contextmanager
def held_by_somebody(store: Store) -> Iterator[None]:
    """Another process writes to the operations for longer than anybody waits."""
    other = Database(store.directory / OPS, KEY)
    other.maintain("BEGIN IMMEDIATE")
    store.ops.maintain("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        other.maintain("ROLLBACK")
        other.close()


def beaten_ms(store: Store) -> int:
    row = store.read(lease.read)
    assert row is not None
    return row.beat_ms


def test_a_beat_that_cannot_be_written_is_left_out_and_the_next_one_counts(store: Store) -> None:
    mine = Lease(store, 1_000)
    with held_by_somebody(store):
        assert not beat(store, mine, STATES, 2_000)
    assert beaten_ms(store) == 1_000
    assert beat(store, mine, STATES, 3_000)
    assert beaten_ms(store) == 3_000
    assert [row.name for row in store.read(liveness.read)] == ["poll"]


def test_a_full_disk_ends_no_engine(store: Store) -> None:
    mine = Lease(store, 1_000)
    ((pages,),) = store.ops.maintain("PRAGMA page_count")
    store.ops.maintain(f"PRAGMA max_page_count = {pages}")
    assert not beat(store, mine, [Liveness("poll", "running", 1, {"told": "x" * 100_000})], 2_000)
    assert beat(store, mine, STATES, 3_000)


def test_an_engine_whose_store_another_took_over_ends(store: Store) -> None:
    mine = Lease(store, 1_000)
    store.ops.write(lambda cx: cx.execute("UPDATE lease SET epoch = epoch + 1"))
    with pytest.raises(StoreBusy, match="already has an engine"):
        beat(store, mine, STATES, 2_000)


HANGING = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from console.collector import leave
pool = ThreadPoolExecutor(1)
if sys.argv[1] == "hangs":
    pool.submit(threading.Event().wait)
pool.shutdown(wait=sys.argv[1] != "hangs")
print("told", flush=False)
leave(1)
print("not at once")
"""


@pytest.mark.parametrize(("how", "said"), [("hangs", "told\n"), ("ends", "told\nnot at once\n")])
def test_an_engine_waits_for_no_call_to_a_node_that_hangs(how: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", HANGING, how], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (int(how == "hangs"), said)
