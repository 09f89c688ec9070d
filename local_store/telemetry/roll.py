"""Moves measurements from the tail to bundles (fold) and from bundles to chunks (merge), in short transactions.

Reading, sorting and packing happen outside the transactions; each of these only puts finished rows in place of
others and notes how far it came. A kill at any moment leaves each sample in exactly one place as readers see it. One
thread runs this and retention: the upkeep service. Its commits wait for no sync (Database.rearrange).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import numpy as np

from local_store.db import Reader, Store
from local_store.errors import RowDamaged
from local_store.sqlite import Connection
from local_store.telemetry import bundles, chunks, damage, pace, rollup, tail
from local_store.telemetry.tail import Rows

T = TypeVar("T")
FOLD_SAMPLES: Final = 20_000
SLICE_SERIES: Final = 32
SLICE_SAMPLES: Final = 20_000
PASS_SAMPLES: Final = 200_000
LOOKED_AT: Final = 200


def look(cx: Connection, schema: str = "main") -> pace.Load:
    """Measure what waits, without reading any of it."""
    rows, batches, tail_ms = cx.execute(
        f"SELECT coalesce(sum(n), 0), count(*), min(t1_ms) FROM {schema}.tail"
    ).fetchone()
    bundled, bundle_ms = cx.execute(f"SELECT coalesce(sum(n), 0), min(t1_ms) FROM {schema}.bundle").fetchone()
    series = cx.execute(f"SELECT coalesce(max(series), 0) FROM {schema}.series").fetchone()[0]
    oldest = min((at for at in (tail_ms, bundle_ms) if at is not None), default=None)
    return pace.Load(rows, batches, bundled, series, oldest, bundles.state(cx, schema).upto > 0)


def work(store: Store, now_ms: int) -> Iterator[int]:
    """Do what is due now. Yields after each transaction the samples it moved; the caller paces itself between them."""
    match pace.due(store.read(partial(look, schema="tm")), now_ms):
        case pace.Due.FOLD:
            yield from fold(store)
        case pace.Due.MERGE:
            yield from roll(store)
        case pace.Due.NOTHING:
            return


def roll(store: Store) -> Iterator[int]:
    """Bring everything that has arrived into chunks, after finishing a merge that a crash interrupted."""
    yield from merge(store)
    yield from fold(store)
    yield from merge(store)


def fold(store: Store) -> Iterator[int]:
    """Sort what is in the tail now into bundles."""
    with contextlib.closing(Reader(store.directory, store.key)) as reader:
        last = reader.read(partial(tail.last, schema="tm"))
        next_rows = partial(tail.oldest, upto=last, samples=FOLD_SAMPLES, schema="tm")
        while (oldest := _readable(store, reader, next_rows))[0]:
            upto, rows = oldest
            found = list(bundles.pack(bundles.sort(rows)))
            store.telemetry.rearrange(partial(_fold, upto=upto, found=found))
            yield len(rows)


def _fold(cx: Connection, upto: int, found: list[bundles.BundleRow]) -> None:
    bundles.add(cx, found)
    tail.remove(cx, upto)


def merge(store: Store) -> Iterator[int]:
    """Bring all bundles into chunks, a few series per transaction."""
    merged = store.telemetry.rearrange(bundles.begin)
    if merged is None:
        return
    with contextlib.closing(Reader(store.directory, store.key)) as reader:
        while len(
            rows := _readable(
                store, reader, partial(bundles.next_rows, merged=merged, samples=PASS_SAMPLES, schema="tm")
            )
        ):
            for part in _slices(rows):
                rewrites = reader.read(partial(_plan, part=part))
                after = bundles.Merged(merged.upto, int(part[-1]["series"]))
                store.telemetry.rearrange(partial(_merge, rewrites=rewrites, before=merged, after=after))
                merged = after
                yield len(part)


def _readable(store: Store, reader: Reader, fn: Callable[[Connection], T]) -> T:
    """What `fn` reads once every row it stumbles over is set aside."""
    while True:
        try:
            return reader.read(fn)
        except RowDamaged as error:
            store.telemetry.rearrange(partial(_set_aside, found=error))


def _set_aside(cx: Connection, found: RowDamaged) -> None:
    damage.keep(cx, found)
    {"tail": tail.remove_one, "bundle": bundles.remove}[found.table](cx, found.number)


@dataclass(frozen=True, slots=True)
class Looked:
    """Up to which chunk and which row of roll-ups everything was unpacked; both begin anew at their end."""

    chunk: int = chunks.NONE_YET
    rollup: int = 0


def look_after(store: Store, after: Looked) -> Looked:
    """Unpack some rows that nobody may have asked for in weeks and set damaged ones aside; where to go on."""
    upto, found = store.read(partial(chunks.look_at, after=after.chunk, limit=LOOKED_AT, schema="tm"))
    if found:
        store.telemetry.rearrange(partial(chunks.set_aside, found=found))
    rolled, found = store.read(partial(rollup.look_at, after=after.rollup, limit=LOOKED_AT, schema="tm"))
    if found:
        store.telemetry.rearrange(partial(rollup.set_aside, found=found))
    return Looked(chunks.NONE_YET if upto is None else upto, rolled or 0)


def _plan(cx: Connection, part: Rows) -> list[chunks.Rewrite]:
    return [
        chunks.plan(cx, int(one[0]["series"]), np.ascontiguousarray(one["t"]), np.ascontiguousarray(one["v"]), "tm")
        for one in np.split(part, _starts(part)[1:])
    ]


def _merge(cx: Connection, rewrites: list[chunks.Rewrite], before: bundles.Merged, after: bundles.Merged) -> None:
    bundles.advance(cx, before, after)
    chunks.apply(cx, rewrites)


def _starts(rows: Rows) -> list[int]:
    """Where each series begins in sorted rows."""
    return [0, *(np.flatnonzero(rows["series"][1:] != rows["series"][:-1]) + 1).tolist()]


def _slices(rows: Rows) -> Iterator[Rows]:
    """Cut sorted rows into transactions by number of series and of samples, never within a series."""
    starts = [*_starts(rows), len(rows)]
    first = 0
    for at in range(1, len(starts)):
        if at - first >= SLICE_SERIES or starts[at] - starts[first] >= SLICE_SAMPLES or at == len(starts) - 1:
            yield rows[starts[first] : starts[at]]
            first = at
