"""Half of a store's measurements expire while a writer commits 20,000 a second: what is the longest it has to wait?

A commit first waits for its turn behind upkeep's transactions, which is ours alone, and then for the disk, which a bare
file's fdatasync beside it waits for as well. The peer holds an indexed row each and drops them with one DELETE.
`BENCH_MEASUREMENTS` chooses another size.
"""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks import city_values
from benchmarks import telemetry_load as load
from benchmarks.claim import Claim, main
from benchmarks.telemetry import SIZES
from local_store import tally
from local_store.db import Database, Store
from local_store.files import private_file
from local_store.sqlite import Connection
from local_store.telemetry import chunks, tail
from local_store.telemetry.retention import Keep
from local_store.telemetry.rollup import DAY_MS

STORED = 6_000_000
ROWS = 1_000_000
SECONDS = 20.0
TARGET_MS = 50.0


def run(quick: bool) -> list[Claim]:
    """One claim; quick watches for a shorter time."""
    seconds = SECONDS / 2 if quick else SECONDS
    stored = min(STORED, int(os.environ.get(SIZES, STORED)))
    with tempfile.TemporaryDirectory() as folder:
        found = retention(Path(folder) / "store", stored, seconds)
        one_delete = deleting(Path(folder) / "rows.db")
    claim = f"longest commit while {found.expired / 1e6:.1f} M of {stored / 1e6:.0f} M measurements expire"
    stall, expired = max(found.took.ours), found.expired > 0
    return [
        Claim(
            claim,
            round(stall, 1),
            "ms",
            f"< {TARGET_MS:.0f}",
            told(found, one_delete),
            round(stall / one_delete, 4),
            stall < TARGET_MS and expired,
        )
    ]


@dataclass(frozen=True, slots=True)
class Found:
    """What each commit took while measurements expired, and of that its turn; the longest one while nothing did."""

    took: load.Took
    turns: list[float]
    quiet: float
    expired: int


def told(found: Found, one_delete: float) -> str:
    """Where the time of the longest commits went, and what the disk alone did in the same seconds."""
    ours, bare = found.took.ours, max(found.took.bare)
    alone = f"; the disk alone was over {TARGET_MS:.0f} ms in this run" if bare >= TARGET_MS else ""
    return (
        f"of it behind retention at most {max(found.turns):.1f} ms, p99 of all {load.quantile(ours, 0.99):.1f} ms; "
        f"a bare file's fdatasync in the same seconds: {bare:.1f} ms{alone}; nothing expires: {found.quiet:.1f} ms; "
        f"one DELETE of {ROWS / 2e6:.1f} M indexed rows: {one_delete:.0f} ms"
    )


def retention(place: Path, stored: int, seconds: float) -> Found:
    """Write while the first finished chunks expire, before that while nothing does."""
    turns: list[float] = []
    with closing(Store(place, load.KEY)) as store:
        city = load.City(1)
        load.fill_fast(store, city, stored)

        def write(batch: list[load.Row]) -> None:
            asked = perf_counter()

            def append(cx: Connection) -> None:
                turns.append(1000 * (perf_counter() - asked))
                tail.append(cx, batch)

            store.measure(append)

        with load.tended(store):
            quiet = max(load.steady(city, write, seconds / 2, place).ours)
        turns.clear()
        # A chunk of a node's series spans so many minutes: with this keep and now, the first of each has had its time.
        first_ms = city_values.START_MS + (chunks.MOST_SAMPLES + 1) * city_values.MINUTE_MS
        with load.tended(store, Keep(raw_days=1), first_ms + DAY_MS):
            took = load.steady(city, write, seconds, place)
        return Found(took, turns, quiet, store.read(tally.read).get("measurements_expired", 0))


def deleting(path: Path) -> float:
    """Longest commit in ms of a writer beside one DELETE of the older half."""
    private_file(path)
    city = load.City(1)
    with closing(Database(path, load.KEY)) as rows:
        rows.write(lambda cx: cx.execute(load.SLOW_SQL))
        held = sorted(city.take(ROWS))
        rows.write(lambda cx: cx.executemany("INSERT INTO m VALUES (?, ?, ?)", held))
        middle = sorted(t for _, t, _ in held)[ROWS // 2]
        delete = partial(rows.write, lambda cx: cx.execute("DELETE FROM m WHERE t < ?", (middle,)))
        thread = threading.Thread(target=delete)

        def write(batch: list[load.Row]) -> None:
            if thread.ident is None:
                thread.start()
            rows.write(lambda cx: cx.executemany("INSERT INTO m VALUES (?, ?, ?)", batch))

        stall = max(load.steady(city, write, 1.0, path.parent).ours)
        thread.join()
    return stall


if __name__ == "__main__":
    main(run)
