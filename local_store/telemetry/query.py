"""Reads measurements back: one series, or buckets of it for a plot, merged over all levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from local_store.sqlite import Connection
from local_store.telemetry import bundles, chunks, damage, rollup, tail
from local_store.telemetry.codec import Times, Values
from local_store.telemetry.series import find as find_series
from local_store.telemetry.series import quantities

FOREVER: Final = 2**62
__all__ = ["Bucket", "buckets", "find_series", "latest", "quantities", "read"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Samples of one stretch of time; `n` is 0 where nothing was measured, the rest is then NaN."""

    t_ms: int
    n: int
    v_min: float
    v_max: float
    v_mean: float


def read(
    cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str = "main", told: damage.Told = damage.left_out
) -> tuple[Times, Values]:
    """Samples with t0 <= t < t1, by time; of several at one millisecond the last that arrived.

    What does not unpack is missing from them, and `told` hears of it.
    """
    heads = chunks.heads(cx, series, t0_ms, t1_ms, schema)
    parts = chunks.unpacked(cx, series, heads, schema, told)
    return _between([*parts, *_waiting(cx, series, t0_ms, t1_ms, schema, told)], t0_ms, t1_ms)


def latest(cx: Connection, series: int, schema: str = "main") -> tuple[int, float] | None:
    """The newest sample by time, or None."""
    began = cx.execute(
        f"SELECT max(t0_ms) FROM {schema}.chunk WHERE series = ?",
        (series,),
    ).fetchone()[0]
    times, values = read(cx, series, -FOREVER if began is None else began, FOREVER, schema)
    return (int(times[-1]), float(values[-1])) if len(times) else None


def buckets(
    cx: Connection,
    series: int,
    t0_ms: int,
    t1_ms: int,
    count: int,
    schema: str = "main",
    told: damage.Told = damage.left_out,
) -> list[Bucket]:
    """`count` equal stretches from t0 to t1. A roll-up slot belongs to the stretch it begins in."""
    width = max(1, -(-(t1_ms - t0_ms) // count))
    parts = [
        *_sums(cx, series, t0_ms, t1_ms, width, schema, told),
        *rollup.between(cx, series, t0_ms, t1_ms, schema, told),
    ]
    joined = rollup.join(rollup.Slots((p.t_ms - t0_ms) // width, p.n, p.v_min, p.v_max, p.v_sum) for p in parts)
    found = {int(at): _bucket(joined, row, t0_ms + int(at) * width) for row, at in enumerate(joined.t_ms)}
    nothing = (0, np.nan, np.nan, np.nan)
    return [found.get(at) or Bucket(t0_ms + at * width, *nothing) for at in range(count)]


def _bucket(slots: rollup.Slots, row: int, t_ms: int) -> Bucket:
    n = int(slots.n[row])
    return Bucket(t_ms, n, float(slots.v_min[row]), float(slots.v_max[row]), float(slots.v_sum[row] / n))


def _sums(
    cx: Connection, series: int, t0_ms: int, t1_ms: int, width: int, schema: str, told: damage.Told
) -> Iterator[rollup.Slots]:
    """Chunks that lie within one stretch by their heads alone; everything else unpacked."""
    waiting = _waiting(cx, series, t0_ms, t1_ms, schema, told)
    fresh, _ = _between(waiting, t0_ms, t1_ms)
    unpacked: list[tuple[Times, Values]] = []
    for head in chunks.heads(cx, series, t0_ms, t1_ms, schema):
        one_stretch = (head.t0_ms - t0_ms) // width == (head.t1_ms - t0_ms) // width
        inside = t0_ms <= head.t0_ms and head.t1_ms < t1_ms
        alone = np.searchsorted(fresh, head.t0_ms) == np.searchsorted(fresh, head.t1_ms, "right")
        if one_stretch and inside and alone:
            numbers = (np.array([float(x)]) for x in (head.n, head.v_min, head.v_max, head.v_sum))
            yield rollup.Slots(np.array([head.t0_ms]), *numbers)
        else:
            unpacked += chunks.unpacked(cx, series, [head], schema, told)
    times, values = _between([*unpacked, *waiting], t0_ms, t1_ms)
    yield rollup.Slots(times, np.ones(len(times)), values, values, values)


def _waiting(
    cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str, told: damage.Told
) -> list[tuple[Times, Values]]:
    """What is not in chunks yet, in arrival order."""
    rows = tail.between(cx, t0_ms, t1_ms, schema, told)
    rows = rows[rows["series"] == series]
    return [bundles.of_series(cx, series, t0_ms, t1_ms, schema, told), (rows["t"], rows["v"])]


def _between(parts: list[tuple[Times, Values]], t0_ms: int, t1_ms: int) -> tuple[Times, Values]:
    times = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    inside = (times >= t0_ms) & (times < t1_ms)
    return chunks.in_order(times[inside], values[inside])
