"""Drops raw chunks that are older than their keep, after folding them into roll-ups. One small step per call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from local_store.sqlite import Connection
from local_store.telemetry.codec import decode

DAY_MS: Final = 86_400_000
QUARTER_MS: Final = 900_000
SLICE_CHUNKS: Final = 100
SLICE_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Keep:
    """How many days each grain is kept."""

    raw_days: int = 30
    quarter_hour_days: int = 60
    day_days: int = 1830


def step(cx: Connection, keep: Keep, now_ms: int) -> int:
    """Fold and delete up to a slice of expired rows in the caller's transaction; 0 when nothing is left to do."""
    chunks = cx.execute(
        "SELECT rowid, series, body FROM chunk WHERE t1_ms < ? LIMIT ?",
        (now_ms - keep.raw_days * DAY_MS, SLICE_CHUNKS),
    ).fetchall()
    for rowid, series, body in chunks:
        fold(cx, series, body)
        cx.execute("DELETE FROM chunk WHERE rowid = ?", (rowid,))
    done = len(chunks)
    for span_ms, days in ((QUARTER_MS, keep.quarter_hour_days), (DAY_MS, keep.day_days)):
        done += cx.execute(
            "DELETE FROM rollup WHERE (series, span_ms, t_ms) IN "
            "(SELECT series, span_ms, t_ms FROM rollup WHERE span_ms = ? AND t_ms < ? LIMIT ?)",
            (span_ms, now_ms - days * DAY_MS, SLICE_ROWS),
        ).rowcount
    return done


def fold(cx: Connection, series: int, body: bytes) -> None:
    """Add one chunk's samples to its quarter hours and days; the caller deletes the chunk in the same transaction."""
    times, values = decode(body)
    for span_ms in (QUARTER_MS, DAY_MS):
        starts = times // span_ms * span_ms
        slots, at = np.unique(starts, return_inverse=True)
        numbers = np.bincount(at)
        sums = np.bincount(at, weights=values)
        lows, highs = np.full(len(slots), np.inf), np.full(len(slots), -np.inf)
        np.minimum.at(lows, at, values)
        np.maximum.at(highs, at, values)
        rows = zip(slots.tolist(), numbers.tolist(), lows.tolist(), highs.tolist(), sums.tolist(), strict=True)
        cx.executemany(
            "INSERT INTO rollup (series, span_ms, t_ms, n, v_min, v_max, v_sum) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET n = n + excluded.n, v_min = min(v_min, excluded.v_min), "
            "v_max = max(v_max, excluded.v_max), v_sum = v_sum + excluded.v_sum",
            [(series, span_ms, *row) for row in rows],
        )
