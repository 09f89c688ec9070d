"""Retention takes less at once while its transactions hold others up, and more again when they are quick."""

from __future__ import annotations

from itertools import pairwise
from time import perf_counter

import pytest

from local_store.db import Store
from local_store.sqlite import Connection
from local_store.telemetry import pace, retention

MOST = 25


@pytest.mark.parametrize(
    ("rows", "held_ms", "following"),
    [(20, 15.1, 10), (3, 99.0, 1), (1, 99.0, 1), (20, 10.0, 20), (20, 1.0, 25), (24, 1.0, 25), (1, 1.0, 2)],
)
def test_the_next_bite_follows_from_how_long_the_last_one_took(rows: int, held_ms: float, following: int) -> None:
    assert pace.next_bite(rows, held_ms, MOST) == following


def bitten(store: Store, seconds: float, rows: int) -> list[int]:
    """The limits under which that many rows went, each transaction busy for so long."""
    limits: list[int] = []

    def drop_some(cx: Connection, /, *, limit: int) -> int:
        until = perf_counter() + seconds
        while perf_counter() < until:
            cx.execute("SELECT 1").fetchone()
        left = rows - sum(limits)
        limits.append(limit)
        return min(limit, left) if left > 0 else 0

    assert sum(retention.bites(store, drop_some, MOST)) == rows
    return limits


def test_slow_transactions_become_small_ones(store: Store) -> None:
    assert bitten(store, 1.1 * pace.BITE_MS / 1000, 12) == [5, 2, *[1] * 6]


def test_quick_transactions_become_large_ones(store: Store) -> None:
    limits = bitten(store, 0.0, 2_000)
    assert max(limits) <= MOST
    assert sum(later > earlier for earlier, later in pairwise(limits)) >= 3
