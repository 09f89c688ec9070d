"""One engine per store: who holds it, what happens to a second one, to a dead one, to one elsewhere."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local_store import lease
from local_store.db import Store
from local_store.errors import StoreBusy
from local_store.lease import Lease
from tests.conftest import KEY

ENGINE = """
import sys, signal
from pathlib import Path
from local_store.db import Store
from local_store.lease import Lease
store = Store(Path(sys.argv[1]), bytes(range(32)))
try:
    held = Lease(store, 1_700_000_000_000)
except Exception as error:
    print(f"{type(error).__name__}: {error}", flush=True)
else:
    print("held", flush=True)
    signal.pause()
"""


def engine(directory: Path) -> tuple[subprocess.Popen[str], str]:
    """Another process that takes the lease; what it said."""
    process = subprocess.Popen([sys.executable, "-c", ENGINE, str(directory)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_second_engine_is_told_who_is_first(store: Store) -> None:
    process, said = engine(store.directory)
    assert said == "held"
    assert lease.is_held(store.directory)
    with pytest.raises(StoreBusy, match=rf"process {process.pid} on .+ since 2023-11-14T22:13:20\+00:00"):
        Lease(store, 2)
    other, said = engine(store.directory)
    assert said.startswith("StoreBusy")
    assert "Traceback" not in said
    killed(other)
    killed(process)


def test_a_dead_engine_is_taken_over_at_once_whatever_the_clock_says(store: Store) -> None:
    process, _ = engine(store.directory)
    killed(process)
    assert not lease.is_held(store.directory)
    for now_ms in (1_700_000_000_001, 1, 2_000_000_000_000):
        held = Lease(store, now_ms)
        row = store.read(lease.read)
        assert row is not None
        assert (row.pid, row.beat_ms, row.epoch) == (os.getpid(), now_ms, held.epoch)
        os.close(held._handle)
    assert held.epoch == 4


def test_a_beat_keeps_it_fresh_and_a_clean_end_does_not(store: Store) -> None:
    held = Lease(store, 1_000_000)
    store.ops.write(lambda cx: held.beat(cx, 1_002_000))
    row = store.read(lease.read)
    assert row is not None
    assert row.is_fresh(1_006_999)
    assert not row.is_fresh(1_007_000)
    assert row.is_fresh(900_000)
    held.release()
    row = store.read(lease.read)
    assert row is not None
    assert not row.is_fresh(1_002_001)
    assert not lease.is_held(store.directory)


def test_an_engine_that_lost_its_lease_learns_it_at_the_next_beat(store: Store) -> None:
    held = Lease(store, 1)
    store.ops.write(lambda cx: cx.execute("UPDATE lease SET epoch = epoch + 1, pid = 77, host = 'other'"))
    with pytest.raises(StoreBusy, match="process 77 on other"):
        store.ops.write(lambda cx: held.beat(cx, 2))
    held.release()


def test_an_engine_on_another_machine_is_respected_until_it_is_silent(store: Store) -> None:
    away = Lease(store, 1_000_000, host="laptop-b")
    os.close(away._handle)
    with pytest.raises(StoreBusy, match="laptop-b"):
        Lease(store, 1_000_000 + lease.ELSEWHERE_MS - 1, host="laptop-a")
    assert not lease.is_held(store.directory)
    Lease(store, 1_000_000 + lease.ELSEWHERE_MS, host="laptop-a").release()


def test_looking_does_not_keep_an_engine_from_starting(tmp_path: Path) -> None:
    assert not lease.is_held(tmp_path)
    store = Store(tmp_path, KEY)
    Lease(store, 1).release()
    look = os.open(tmp_path / lease.LOCK_FILE, os.O_RDWR)
    fcntl.flock(look, fcntl.LOCK_SH)
    timer = threading.Timer(0.05, lambda: os.close(look))
    timer.start()
    Lease(store, 2).release()
    timer.join()
    store.close()
