"""Stores of any size filled with a city's measurements, a writer at a steady pace, and a reader in its own process."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from time import perf_counter

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import city_values
from console.collector import SWITCH_S
from local_store.db import Reader, Store, connect
from local_store.sqlite import Connection
from local_store.telemetry import bundles, query, retention, roll, tail
from playbooks.upkeep import Upkeep

KEY = bytes(range(32))
BATCH = 500
A_SECOND = 20_000
READS_A_SECOND = 10
AT_ONCE = 4_000_000
WINDOWS = 5
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
        self._left = np.empty(0, dtype=tail.RECORD)
        self.made = 0

    def records(self, count: int) -> tail.Rows:
        """The next so many as one array."""
        parts, held = [self._left], len(self._left)
        while held < count:
            parts.append(next(self._minutes))
            held += len(parts[-1])
        rows = np.concatenate(parts)
        taken, self._left = rows[:count], rows[count:]
        self.made += count
        return taken

    def take(self, count: int) -> list[Row]:
        """The next so many."""
        return [(int(series), int(t_ms), float(value)) for series, t_ms, value in self.records(count).tolist()]

    @property
    def now_ms(self) -> int:
        """About the time of the newest."""
        per_minute = sum(len(k.quantities) * things / k.every_min for k, things in city_values.CITY)
        return city_values.START_MS + int(self.made / per_minute * city_values.MINUTE_MS)


def fill(store: Store, city: City, upto: int) -> None:
    """Bring the store to so many measurements through tail, bundles and chunks at the engine's pace, all rolled."""
    while city.made < upto:
        for _ in range(10):
            store.telemetry.write(partial(tail.append, samples=city.take(2_000)))
        drain(roll.work(store, city_values.START_MS))
    drain(roll.roll(store))
    store.telemetry.maintain("PRAGMA wal_checkpoint(TRUNCATE)")


def fill_fast(store: Store, city: City, upto: int) -> None:
    """The same chunks in a quarter of the time: many hours are sorted at once, then merged as the engine does it."""
    while city.made < upto:
        rows = bundles.sort(city.records(min(AT_ONCE, upto - city.made)))
        store.telemetry.rearrange(partial(bundles.add, found=list(bundles.pack(rows))))
        for _ in roll.merge(store):
            store.telemetry.move_log()
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


@dataclass(frozen=True, slots=True)
class Took:
    """What each commit took in ms, and beside it one append of as many bytes to a bare file with its fdatasync."""

    ours: list[float]
    bare: list[float]

    def p99s(self) -> tuple[list[float], list[float]]:
        """The p99 of each window of time, of both: a neighbour's burst on the disk spoils one, not all."""
        return windows_p99(self.ours), windows_p99(self.bare)


def windows_p99(found: Sequence[float]) -> list[float]:
    """The p99 of each of some windows of equal length."""
    each = len(found) // WINDOWS
    return [quantile(found[at * each : (at + 1) * each], 0.99) for at in range(WINDOWS)]


def steady(city: City, write: Callable[[list[Row]], None], seconds: float, beside: Path) -> Took:
    """Write 20,000 measurements a second in batches of 500; a process of its own does so to a bare file meanwhile."""
    batches = [city.take(BATCH) for _ in range(int(seconds * A_SECOND / BATCH))]
    took = []
    with reading("bare", beside, 0) as ended:
        began = perf_counter()
        for number, batch in enumerate(batches):
            pause_until(began + number * BATCH / A_SECOND)
            at = perf_counter()
            write(batch)
            took.append((perf_counter() - at) * 1000)
        return Took(took, ended())


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


def append_bare(file: FileIO) -> None:
    """What the measurements of one batch are at least: their bytes, on the disk."""
    file.write(bytes(BATCH * tail.RECORD.itemsize))
    os.fdatasync(file.fileno())


def reader(what: str, path: Path, now_ms: int) -> None:
    """Read ten times a second, or append to a bare file, until a line comes in; then tell what each took."""
    rng = random.Random(1)
    pace = READS_A_SECOND
    if what == "bare":
        once, pace = partial(append_bare, FileIO(path / "bare", "w")), A_SECOND // BATCH
    elif what == "store":
        opened = Reader(path, KEY)
        once = partial(opened.read, partial(look, rng=rng, now_ms=now_ms))
    else:
        once = partial(look_at_rows, connect(path, KEY), rng, now_ms)
    print("ready", flush=True)
    took: list[float] = []
    began = perf_counter()
    while not select.select([sys.stdin], [], [], max(0.0, began + len(took) / pace - perf_counter()))[0]:
        at = perf_counter()
        once()
        took.append((perf_counter() - at) * 1000)
    print(json.dumps(took), flush=True)


if __name__ == "__main__":
    reader(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
