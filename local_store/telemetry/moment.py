"""What many series measured last before a moment, merged over all levels. Only reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from local_store.sqlite import Connection
from local_store.telemetry import bundles, chunks, damage, rollup, tail
from local_store.telemetry.tail import Rows


class Measured(NamedTuple):
    """One value and its time."""

    t_ms: int
    value: float


def before(
    cx: Connection, series: Collection[int], t0_ms: int, t1_ms: int, schema: str = "main"
) -> dict[int, Measured]:
    """Per series the newest sample with t0 <= t < t1, else the mean of the quarter hour kept of it; else nothing."""
    wanted = np.array(sorted(series), dtype=np.int64)
    found = _waiting(cx, wanted, t0_ms, t1_ms, schema)
    for number in series:
        known = found.get(number)
        later = _chunked(cx, number, t0_ms if known is None else known.t_ms + 1, t1_ms, schema)
        if later is not None:
            found[number] = later
        elif known is None and (rolled := _rolled(cx, number, t0_ms, t1_ms, schema)) is not None:
            found[number] = rolled
    return found


def _waiting(cx: Connection, wanted: np.ndarray, t0_ms: int, t1_ms: int, schema: str) -> dict[int, Measured]:
    """From what is not in chunks yet: unpacked once for all series."""
    packed = cx.execute(
        f"SELECT bundle, body FROM {schema}.bundle WHERE t1_ms >= ? AND t0_ms < ? ORDER BY bundle", (t0_ms, t1_ms)
    ).fetchall()
    parts: list[Rows] = list(bundles.unpacked(packed, damage.left_out))
    rows = np.concatenate([*parts, tail.between(cx, t0_ms, t1_ms, schema)])
    rows = bundles.sort(rows[(rows["t"] >= t0_ms) & (rows["t"] < t1_ms) & np.isin(rows["series"], wanted)])
    last = rows[np.append(rows["series"][1:] != rows["series"][:-1], True)] if len(rows) else rows
    return {number: Measured(t_ms, value) for number, t_ms, value in last.tolist()}


def _chunked(cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str) -> Measured | None:
    for head in reversed(chunks.heads(cx, series, t0_ms, t1_ms, schema)):
        for times, values in chunks.unpacked(cx, series, [head], schema, damage.left_out):
            at = int(np.searchsorted(times, t1_ms)) - 1
            if at >= 0 and times[at] >= t0_ms:
                return Measured(int(times[at]), float(values[at]))
    return None


def _rolled(cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str) -> Measured | None:
    slots = [part for part in rollup.between(cx, series, t0_ms, t1_ms, schema) if len(part.t_ms)]
    if not slots:
        return None
    last = rollup.join(slots)[-1:]
    return Measured(int(last.t_ms[0]), float(last.v_sum[0] / last.n[0]))
