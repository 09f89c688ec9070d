"""Ten times kill -9 of the whole engine under 2,000 messages a second from mosquitto: none lost, none stored twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic

from benchmarks.mqtt_load import connect, eui, packets, send
from local_store import liveness, sensing, tally
from local_store.db import Store
from local_store.keys import store_key
from local_store.sqlite import Connection
from local_store.telemetry import bundles, chunks, query, series, tail
from tests.peers.mosquitto import running

ROOT = Path(__file__).parents[2]
DEVICES, EACH, RATE, KILLS = 200, 160, 2000, 10
MESSAGES = DEVICES * EACH
WITHIN_S = 60.0
BACKLOG_S = 0.5  # away long enough for several full batches to wait
FOREVER_MS = 2**62
CONFIG = """
[store]
key = "file"

[[broker]]
name = "mosquitto"
host = "127.0.0.1"
port = {port}
client_id = "leitstand-kill"

[[broker.subscribe]]
topic = "application/+/device/+/event/+"
kind = "chirpstack"
"""
LATEST_S = (0.0, 0.05, 0.3)  # after the first commit: between COMMIT and PUBACK, amid the backlog, any time


@contextmanager
def killed(*arguments: str) -> Iterator[None]:
    """The engine as a process of its own; killed at the end."""
    with subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def connected(cx: Connection) -> bool:
    """Whether the engine has written down that its broker answered."""
    return any(json.loads(row.detail).get("connected") for row in liveness.read(cx))


def until(condition: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> None:
    deadline, pause = monotonic() + within_s, threading.Event()
    while not condition():
        assert monotonic() < deadline, what
        pause.wait(0.001)


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
    directory, config = tmp_path / "store", tmp_path / "leitstand.toml"
    store = Store(directory, store_key(directory, "file").raw)
    killed_at = []
    load = packets(MESSAGES, DEVICES)
    ends = [MESSAGES * n // (KILLS + 1) for n in range(KILLS + 2)]
    # Every life of the engine has its own share of the load: however slow its start is, something waits for each.
    shares = [load[begin:end] for begin, end in pairwise(ends)]
    with running(tmp_path / "broker") as broker, ThreadPoolExecutor(1) as publisher:
        config.write_text(CONFIG.format(port=broker.port))
        engine = ("console", "--config", str(config), "--store", str(directory), "collect")
        with killed(*engine):
            until(lambda: store.read(connected), "the engine reaches its broker, which knows the session from here on")
        with connect(broker.port, b"load") as sock:
            for n, share in enumerate(shares[:-1]):
                sending = publisher.submit(send, sock, share, RATE)
                threading.Event().wait(BACKLOG_S)
                before = stored(store)
                with killed(*engine):
                    until_stored(store, before + 1, WITHIN_S)
                    threading.Event().wait(rng.uniform(0, LATEST_S[n % 3]))
                killed_at.append(stored(store))
                sending.result(WITHIN_S)
            with killed(*engine):
                send(sock, shares[-1], RATE)  # the broker has confirmed every message
                until_stored(store, MESSAGES, WITHIN_S / 2)
    assert any(there < sent for there, sent in zip(killed_at, ends[1:], strict=False)), (
        "the kills must fall into the load"
    )
    check(store, f"seed {seed}, killed at {killed_at}")


def samples(cx: Connection) -> tuple[int, list[int]]:
    """How many measurements of distance are kept in all, and how many different times each device has."""
    numbers = [series.find(cx, eui(device), "distance_mm", "tm") for device in range(DEVICES)]
    known = [number for number in numbers if number is not None]
    waiting = tail.between(cx, 0, FOREVER_MS, "tm")["series"].tolist()
    wanted = set(known)
    kept = sum(number in wanted for number in waiting)
    for number in known:
        kept += len(bundles.of_series(cx, number, 0, FOREVER_MS, "tm")[0])
        kept += sum(head.n for head in chunks.heads(cx, number, 0, FOREVER_MS, "tm"))
    return kept, [len(query.read(cx, number, 0, FOREVER_MS, "tm")[0]) for number in known]


def check(store: Store, said: str) -> None:
    """Every message is one measurement of each quantity, and the states have counted the same."""
    kept, times = store.read(samples)
    states = store.read(sensing.load_sensor_states)
    counts = store.read(tally.read)
    store.close()
    assert (kept, times) == (MESSAGES, [EACH] * DEVICES), said
    for device in range(DEVICES):
        state = states[eui(device)]
        assert (state.received, state.gaps, state.fcnt) == (EACH, 0, EACH), said
    assert counts["messages_stored"] == MESSAGES, said
    assert counts["messages_received"] == MESSAGES + counts.get("messages_duplicate", 0), said
