"""Measurements in the encrypted store, synchronous=FULL: bytes, commits at a steady pace while others read and the roll
runs, and the tail's rate, against an indexed row a measurement and a bare file.

`BENCH_MEASUREMENTS=2000000` builds a smaller store for a quick look.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import zstandard

from benchmarks import telemetry_load as load
from benchmarks.claim import Claim, main
from local_store.db import TELEMETRY, Database, Store
from local_store.files import private_file
from local_store.telemetry import tail

SIZES = "BENCH_MEASUREMENTS"
FULL_SIZE = 20_000_000
REAL_PACE = 3_500_000
FIRST = 1_000_000
STEADY_S, PEER_S = 25.0, 12.0
RECORD = struct.Struct("<qqd").pack
ROUNDS, WARM_ROUNDS, BATCHES = 15, 4, 100


def run(quick: bool) -> list[Claim]:
    """All claims over one growing store and its peers."""
    big = int(os.environ.get(SIZES, 2_000_000 if quick else FULL_SIZE))
    pace_s = 15.0 if quick else STEADY_S
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found = [rate(place / "rate")]
        rows_p99, rows_read, row_bytes = indexed_rows(place / "rows.db", PEER_S)
        column_bytes = columns(FIRST)
        peer = f"an indexed row each: {row_bytes:.1f} B; columns with zstd, a file per series: {column_bytes:.2f} B"
        with closing(Store(place / "store", load.KEY)) as store:
            city = load.City(1)
            load.fill(store, city, FIRST)
            found += steady(store, city, pace_s, rows_p99, rows_read)
            if big > REAL_PACE:
                load.fill(store, city, REAL_PACE)
                found.append(size(store, city, peer, row_bytes))
            load.fill_fast(store, city, big)
            found.append(size(store, city, peer, row_bytes))
            found += steady(store, city, pace_s, rows_p99, rows_read)
    return found


def millions(count: int) -> str:
    """1 M, 3.5 M."""
    return f"{count / 1e6:.2g} M"


def size(store: Store, city: load.City, peer: str, row_bytes: float) -> Claim:
    """The whole file over what is in it: free pages, indexes and checksums too."""
    each = (store.directory / TELEMETRY).stat().st_size / city.made
    claim = f"bytes a measurement after the roll, {millions(city.made)} stored"
    return Claim(claim, round(each, 2), "B", "<= 3.5", peer, round(each / row_bytes, 3), each <= 3.5)


def steady(store: Store, city: load.City, seconds: float, rows_p99: float, rows_read: float) -> list[Claim]:
    """Commits and reads at 20,000/s beside the engine's upkeep."""
    stored = millions(city.made)

    def write(batch: list[load.Row]) -> None:
        store.measure(partial(tail.append, samples=batch))

    with load.tended(store), load.reading("store", store.directory, city.now_ms) as ended:
        took = load.steady(city, write, seconds, store.directory)
        reads = ended()
    ours, bare = took.p99s()
    p99, floor, read = median(ours), median(bare), load.quantile(reads, 0.99)
    seen = (
        f"a bare file's fdatasync in the same seconds: {floor:.1f} ms; ours p50 {median(took.ours):.1f}, "
        f"p99 by window {min(ours):.1f} to {max(ours):.1f}, worst {max(took.ours):.1f} ms; "
        f"an indexed row each, 1 M stored: {rows_p99:.1f} ms"
    )
    read_peer = f"an indexed row each, 1 M stored: {rows_read:.1f} ms"
    span = f"median of {load.WINDOWS} windows of {seconds / load.WINDOWS:.0f} s"
    what = f"commit p99 at 20,000/s, a reader at 10 Hz and the roll, {stored} stored ({span})"
    return [
        Claim(what, round(p99, 2), "ms", "< 10", seen, round(p99 / floor, 3), p99 < 10),
        Claim(f"read p99 meanwhile, {stored} stored", round(read, 2), "ms", "< 20", read_peer, None, read < 20),
    ]


def indexed_rows(path: Path, seconds: float) -> tuple[float, float, float]:
    """Commit p99, read p99 and bytes of the peer at a million rows, with our pragmas and encryption."""
    private_file(path)
    with closing(Database(path, load.KEY)) as rows:
        rows.write(lambda cx: cx.execute(load.SLOW_SQL))
        city = load.City(1)
        first = sorted(city.take(FIRST))
        rows.write(lambda cx: cx.executemany("INSERT INTO m VALUES (?, ?, ?)", first))
        rows.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
        each = path.stat().st_size / FIRST

        def write(batch: list[load.Row]) -> None:
            rows.write(lambda cx: cx.executemany("INSERT INTO m VALUES (?, ?, ?)", batch))

        with load.reading("rows", path, city.now_ms) as ended:
            took = load.steady(city, write, seconds, path.parent)
            reads = ended()
    return median(took.p99s()[0]), load.quantile(reads, 0.99), each


def columns(count: int) -> float:
    """Bytes of what a column store keeps: per series the differences of times and the values, zstd over both."""
    rows = load.City(1).records(count)
    rows = rows[np.lexsort((rows["t"], rows["series"]))]
    pack = zstandard.ZstdCompressor(level=3).compress
    parts = np.split(rows, np.flatnonzero(np.diff(rows["series"])) + 1)
    return sum(len(pack(np.diff(one["t"], prepend=0).tobytes() + one["v"].tobytes())) for one in parts) / count


def rate(place: Path) -> Claim:
    """The tail as fast as it goes, beside a bare file with the same records and one fdatasync a batch.

    Between rounds the log is moved, which is upkeep's work; the first rounds only make it as long as it stays.
    """
    city = load.City(1)
    batches = [city.take(load.BATCH) for _ in range(BATCHES)]
    place.mkdir()
    ours, bare = [], []
    with closing(Store(place / "store", load.KEY)) as store, (place / "bare").open("wb", buffering=0) as file:

        def into_file(batch: list[load.Row]) -> None:
            file.write(b"".join([RECORD(*row) for row in batch]))
            os.fdatasync(file.fileno())

        for _ in range(ROUNDS):
            bare.append(seconds_of(batches, into_file))
            ours.append(seconds_of(batches, lambda batch: store.measure(partial(tail.append, samples=batch))))
            store.telemetry.move_log()
    bare, ours = bare[WARM_ROUNDS:], ours[WARM_ROUNDS:]
    ratio = median(bare) / median(ours)
    value = round(BATCHES * load.BATCH / median(ours))
    peer = f"bare file, fdatasync a batch of {load.BATCH}: {BATCHES * load.BATCH / median(bare):,.0f}/s"
    claim = f"tail, a synced commit for each {load.BATCH}"
    return Claim(claim, value, "measurements/s", ">= 0.7 x bare file", peer, round(ratio, 3), ratio >= 0.7)


def seconds_of(batches: list[list[load.Row]], write: Callable[[list[load.Row]], None]) -> float:
    """How long all batches take."""
    began = perf_counter()
    for batch in batches:
        write(batch)
    return perf_counter() - began


if __name__ == "__main__":
    main(run)
