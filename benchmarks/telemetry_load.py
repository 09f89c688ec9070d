"""Stores of any size filled with a city's measurements, a writer at a steady pace, and a reader in its own process."""

from __future__ import annotations

import contextlib
import json
import random
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import city_values
from console.collector import SWITCH_S
from local_store.db import Reader, Store, connect
from local_store.sqlite import Connection
from local_store.telemetry import query, retention, roll, tail
from playbooks.upkeep import Upkeep

KEY = bytes(range(32))
BATCH = 500
A_SECOND = 20_000
READS_A_SECOND = 10
HOUR_MS = 3_600_000
Row = tuple[int, int, float]
SLOW_SQL = "CREATE TABLE m (series INTEGER, t INTEGER, v REAL, PRIMARY KEY (series, t)) WITHOUT ROWID"
"""What a console without a tail would have: one indexed row a measurement."""


def pause_until(at: float) -> None:
    """Let the others work."""
    left = at - perf_counter()
    if left > 0:
        select.select([], [], [], left)


def quantile(found: Sequence[float], share: float) -> float:
    """A quantile of unsorted figures."""
    return sorted(found)[min(len(found) - 1, int(share * len(found)))]


class City:
    """Measurements in the order in which a city makes them, one endless stream."""

    def __init__(self, seed: int) -> None:
        self._minutes = city_values.minutes(seed)
        self._left: list[Row] = []
        self.made = 0

    def take(self, count: int) -> list[Row]:
        """The next so many."""
        while len(self._left) < count:
            for minute in islice(self._minutes, 10):
                self._left += minute
        taken, self._left = self._left[:count], self._left[count:]
        self.made += count
        return taken

    @property
    def now_ms(self) -> int:
        """About the time of the newest."""
        per_minute = sum(len(k.quantities) * things / k.every_min for k, things in city_values.CITY)
        return city_values.START_MS + int(self.made / per_minute * city_values.MINUTE_MS)


def fill(store: Store, city: City, upto: int, merge_each: int | None = None) -> None:
    """Bring the store to so many measurements through tail, bundles and chunks, all rolled at the end.

    Without `merge_each` the roll has the pace it has in the engine.
    """
    merged = city.made
    while city.made < upto:
        for _ in range(10):
            store.telemetry.write(partial(tail.append, samples=city.take(2_000)))
        if merge_each is None:
            drain(roll.work(store, city_values.START_MS))
        elif city.made - merged >= merge_each:
            merged = city.made
            drain(roll.roll(store))
    drain(roll.roll(store))
    store.telemetry.maintain("PRAGMA wal_checkpoint(TRUNCATE)")


def drain(steps: Iterator[int]) -> None:
    """Take all steps."""
    for _ in steps:
        pass


@contextlib.contextmanager
def tended(store: Store, keep: retention.Keep | None = None, now_ms: int = city_values.START_MS) -> Iterator[Upkeep]:
    """The engine's upkeep service at work in a thread of its own, threads taking turns as there."""
    sys.setswitchinterval(SWITCH_S)
    stop = threading.Event()
    upkeep = Upkeep(store, keep or retention.Keep(), Ed25519PrivateKey.generate(), lambda: now_ms)
    thread = threading.Thread(target=upkeep.run, args=(stop, lambda _: None))
    thread.start()
    try:
        yield upkeep
    finally:
        stop.set()
        thread.join()


def steady(city: City, write: Callable[[list[Row]], None], seconds: float) -> list[float]:
    """Write 20,000 measurements a second in batches of 500; what each commit took in ms."""
    batches = [city.take(BATCH) for _ in range(int(seconds * A_SECOND / BATCH))]
    took = []
    began = perf_counter()
    for number, batch in enumerate(batches):
        pause_until(began + number * BATCH / A_SECOND)
        at = perf_counter()
        write(batch)
        took.append((perf_counter() - at) * 1000)
    return took


@contextlib.contextmanager
def reading(what: str, path: Path, now_ms: int) -> Iterator[Callable[[], list[float]]]:
    """A reader at 10 Hz in its own process; the result ends it and gives what each read took in ms."""
    command = [sys.executable, "-m", "benchmarks.telemetry_load", what, str(path), str(now_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()

        def ended() -> list[float]:
            return [float(x) for x in json.loads(process.communicate("\n")[0])]

        yield ended


def look(cx: Connection, rng: random.Random, now_ms: int) -> None:
    """What a screen with a plot asks for: six hours of one series in 80 columns, and three newest values."""
    series = rng.randrange(1, city_values.series_count() + 1)
    query.buckets(cx, series, now_ms - 6 * HOUR_MS, now_ms, 80, "tm")
    for _ in range(3):
        query.latest(cx, rng.randrange(1, city_values.series_count() + 1), "tm")


def look_at_rows(cx: Connection, rng: random.Random, now_ms: int) -> None:
    """The same of the indexed table."""
    width = 6 * HOUR_MS // 80
    series = rng.randrange(1, city_values.series_count() + 1)
    cx.execute(
        "SELECT count(*), min(v), max(v), sum(v) FROM m WHERE series = ? AND t BETWEEN ? AND ? GROUP BY t / ?",
        (series, now_ms - 6 * HOUR_MS, now_ms, width),
    ).fetchall()
    for _ in range(3):
        one = rng.randrange(1, city_values.series_count() + 1)
        cx.execute("SELECT t, v FROM m WHERE series = ? ORDER BY t DESC LIMIT 1", (one,)).fetchall()


def reader(what: str, path: Path, now_ms: int) -> None:
    """Read ten times a second until a line comes in, then tell what each read took."""
    rng = random.Random(1)
    if what == "store":
        opened = Reader(path, KEY)
        once = partial(opened.read, partial(look, rng=rng, now_ms=now_ms))
    else:
        once = partial(look_at_rows, connect(path, KEY), rng, now_ms)
    print("ready", flush=True)
    took: list[float] = []
    began = perf_counter()
    while not select.select([sys.stdin], [], [], max(0.0, began + len(took) / READS_A_SECOND - perf_counter()))[0]:
        at = perf_counter()
        once()
        took.append((perf_counter() - at) * 1000)
    print(json.dumps(took), flush=True)


if __name__ == "__main__":
    reader(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
