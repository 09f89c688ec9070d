"""Ten times kill -9 under 2,000 messages a second from mosquitto: nothing lost, nothing stored twice."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from benchmarks.mqtt_load import eui
from local_store import sensing, tally
from local_store.db import Store
from local_store.sqlite import Connection
from local_store.telemetry import series, tail
from tests.conftest import KEY
from tests.peers.mosquitto import running

ROOT = Path(__file__).parents[2]
DEVICES, EACH, RATE, KILLS = 200, 160, 2000, 10
MESSAGES = DEVICES * EACH
WITHIN_S = 60.0
BACKLOG_S = 0.5  # away long enough for several full batches to wait
LATEST_S = (0.0, 0.05, 0.3)  # after the first commit: between COMMIT and PUBACK, amid the backlog, any time


@contextmanager
def started(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process of ours once it has said its first word; killed at the end."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), f"{module} ended with {process.wait()}"
            yield process
        finally:
            process.kill()


def until_stored(store: Store, count: int, within_s: float) -> None:
    deadline, pause = monotonic() + within_s, threading.Event()
    while (there := stored(store)) < count:
        assert monotonic() < deadline, f"{there} of {count} stored: acknowledged messages are lost"
        pause.wait(0.001)


def stored(store: Store) -> int:
    return store.read(tally.read).get("messages_stored", 0)


def test_ten_kills_lose_nothing_and_store_nothing_twice(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    store = Store(tmp_path / "store", KEY)
    killed_at = []
    with running(tmp_path / "broker") as broker:
        ingest = ("tests.sim.ingest_process", str(broker.port), str(tmp_path / "store"))
        with started(*ingest):
            pass  # the broker knows the session from here on
        load = ("benchmarks.mqtt_load", str(broker.port), f"--count={MESSAGES}", f"--devices={DEVICES}")
        with started(*load, f"--rate={RATE}") as publisher:
            for n in range(KILLS):
                threading.Event().wait(BACKLOG_S)
                before = stored(store)
                with started(*ingest):
                    until_stored(store, before + 1, WITHIN_S)
                    threading.Event().wait(rng.uniform(0, LATEST_S[n % 3]))
                killed_at.append(stored(store))
            with started(*ingest):
                assert publisher.wait(WITHIN_S) == 0  # the broker has confirmed every message
                until_stored(store, MESSAGES, WITHIN_S / 4)
    assert killed_at[-1] < MESSAGES, "the kills must fall into the load"
    check(store, f"seed {seed}, killed at {killed_at}")


def measured(cx: Connection) -> Counter[tuple[int, int]]:
    """How often each measurement of distance arrived; nothing was rolled, so all are in the tail."""
    distances = {series.find(cx, eui(device), "distance_mm", "tm") for device in range(DEVICES)}
    rows = tail.between(cx, 0, 2**62, "tm")
    return Counter((number, t_ms) for number, t_ms, _ in rows.tolist() if number in distances)


def check(store: Store, said: str) -> None:
    """Every message is one measurement of each quantity, and the states have counted the same."""
    times = store.read(measured)
    states = store.read(sensing.load_sensor_states)
    counts = store.read(tally.read)
    store.close()
    assert (len(times), set(times.values())) == (MESSAGES, {1}), said
    for device in range(DEVICES):
        state = states[eui(device)]
        assert (state.received, state.gaps, state.fcnt) == (EACH, 0, EACH), said
    assert counts["messages_stored"] == MESSAGES, said
    assert counts["messages_received"] == MESSAGES + counts.get("messages_duplicate", 0), said
