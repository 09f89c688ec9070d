"""Damaged rows of measurements: set aside with their bytes and told, while everything beside them goes on."""

from __future__ import annotations

import json
import threading
from functools import partial
from queue import SimpleQueue

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_store import tally, upkeep
from local_store.db import Store
from local_store.errors import RowDamaged
from local_store.records import ServiceRow
from local_store.sqlite import Connection
from local_store.telemetry import chunks, damage, moment, query, retention, roll, rollup, shared, tail
from local_store.telemetry.codec import encode
from local_store.views import console_health
from mesh_mgmt.alerting import console_wrong
from playbooks.upkeep import Upkeep

DAY = rollup.DAY_MS
KEEP = retention.Keep(raw_days=1)
Row = tuple[int, int, float]


def keep(store: Store, *rows: Row) -> None:
    store.telemetry.write(partial(tail.append, samples=rows))


def read(store: Store, series: int, told: damage.Told = damage.left_out) -> list[tuple[int, float]]:
    times, values = store.read(lambda cx: query.read(cx, series, 0, 2**60, "tm", told))
    return list(zip(times.tolist(), values.tolist(), strict=True))


def spoil(store: Store, table: str, where: str = "1") -> bytes:
    """Flip bits in the first chosen row and return the bytes it has then."""

    def write(cx: Connection) -> bytes:
        rowid, body = cx.execute(f"SELECT rowid, body FROM {table} WHERE {where} ORDER BY rowid").fetchone()
        spoiled: bytes = bytes(byte ^ 0x5A for byte in body[:9]) + bytes(body[9:-1])
        cx.execute(f"UPDATE {table} SET body = ? WHERE rowid = ?", (spoiled, rowid))
        return spoiled

    return store.telemetry.write(write)


def aside(store: Store) -> list[tuple[str, bytes, int]]:
    return store.read(lambda cx: cx.execute("SELECT place, body, n FROM tm.damaged ORDER BY damaged_id").fetchall())


def verified(store: Store) -> list[str]:
    public = Ed25519PrivateKey.generate().public_key()
    return [one.text for one in upkeep.verify(store, public, lambda cx: chunks.damaged(cx, "tm")).findings]


def test_a_damaged_batch_of_the_tail_goes_aside_and_the_roll_goes_on(store: Store) -> None:
    for at in range(3):
        keep(store, *((series, 10 * at + series, 0.5) for series in range(1, 6)))
    spoiled = spoil(store, "tail", "batch = 2")
    told: list[RowDamaged] = []
    assert read(store, 1, told.append) == [(1, 0.5), (21, 0.5)]
    assert [(one.table, one.number) for one in told] == [("tail", 2)]
    assert "batch 2 of the tail does not unpack" in verified(store)[0]
    list(roll.roll(store))
    assert aside(store) == [("tail", spoiled, 5)]
    assert read(store, 1) == [(1, 0.5), (21, 0.5)]
    assert "tail 2 was set aside with 5 measurements" in verified(store)[0]
    assert store.read(console_health.stats)["damaged"] == 1
    assert store.read(tally.read)["measurements_damaged"] == 5


def test_a_damaged_bundle_goes_aside_and_the_merge_goes_on(store: Store) -> None:
    keep(store, (1, 1, 1.0), (2, 1, 1.0))
    list(roll.fold(store))
    keep(store, (1, 2, 2.0), (2, 2, 2.0))
    list(roll.fold(store))
    spoiled = spoil(store, "bundle", "bundle = 1")
    assert read(store, 2) == [(2, 2.0)]
    assert store.read(lambda cx: moment.before(cx, [1], 0, 10, "tm")) == {1: (2, 2.0)}
    list(roll.roll(store))
    assert aside(store) == [("bundle", spoiled, 2)]
    assert read(store, 1) == read(store, 2) == [(2, 2.0)]


def test_the_only_bundle_of_a_merge_goes_aside_and_the_next_merge_begins(store: Store) -> None:
    keep(store, (1, 1, 1.0))
    list(roll.fold(store))
    spoil(store, "bundle")
    list(roll.roll(store))
    keep(store, (1, 2, 2.0))
    list(roll.roll(store))
    assert read(store, 1) == [(2, 2.0)]
    assert store.read(lambda cx: shared.totals(cx, "tm")) == (1, 1)


@pytest.mark.parametrize("table", ["chunk", "times"])
def test_a_damaged_open_chunk_goes_aside_when_samples_follow(store: Store, table: str) -> None:
    keep(store, (1, 1, 1.0), (2, 5, 1.0))
    list(roll.roll(store))
    (row,) = store.read(lambda cx: cx.execute(f"SELECT {table} FROM tm.chunk WHERE series = 1").fetchone())
    spoiled = spoil(store, table, f"{table} = {row}")
    keep(store, (1, 9, 2.0), (2, 9, 2.0))
    list(roll.roll(store))
    ((place, _body, n),) = aside(store)
    assert (place, n) == ("chunk", 1)
    (kept,) = store.read(lambda cx: cx.execute("SELECT body, times FROM tm.damaged").fetchall())
    assert spoiled in kept
    assert read(store, 1) == [(9, 2.0)]
    assert read(store, 2) == [(5, 1.0), (9, 2.0)]
    assert store.read(lambda cx: shared.miscounted(cx, "tm")) == []


def test_retention_keeps_the_bytes_of_what_it_cannot_fold(store: Store) -> None:
    keep(store, (1, 1, 1.0), (2, 1, 3.0))
    list(roll.roll(store))
    list(retention.drop(store, KEEP, 2 * DAY))
    keep(store, (1, 2, 1.0), (2, 2, 5.0), (3, 2, 5.0))
    list(roll.roll(store))
    chunk, week = spoil(store, "chunk", "series = 3"), spoil(store, "rollup", "series = 2")
    list(retention.drop(store, KEEP, 2 * DAY))
    assert sorted(aside(store)) == [("chunk", chunk, 1), ("rollup", week, 0)]
    (day,) = store.read(lambda cx: query.buckets(cx, 1, 0, DAY, 1, "tm"))
    assert day.n == 2
    assert store.read(lambda cx: shared.totals(cx, "tm")) == (0, 0)


def bucket(store: Store, told: damage.Told = damage.left_out) -> tuple[int, float]:
    """Samples and highest value of the first day of series 1."""
    (day,) = store.read(lambda cx: query.buckets(cx, 1, 0, DAY, 1, "tm", told))
    return day.n, day.v_max


@pytest.mark.parametrize("span_ms", [rollup.QUARTER_MS, rollup.DAY_MS])
def test_a_damaged_row_of_roll_ups_is_told_and_set_aside_and_the_other_grain_stands_in(
    store: Store, span_ms: int
) -> None:
    expired(store, (1, 1, 1.0), (1, rollup.QUARTER_MS, 4.0))
    assert bucket(store) == (2, 4.0)
    spoiled = spoil(store, "rollup", f"span_ms = {span_ms}")
    told: list[RowDamaged] = []
    assert bucket(store, told.append) == (2, 4.0)
    assert [one.table for one in told] == ["rollup"]
    (wrong,) = verified(store)
    assert f"series 1, roll-up row of {span_ms} ms slots from 0: " in wrong
    assert tended(store, 1000)["damaged"] == 1
    assert aside(store) == [("rollup", spoiled, 0)]
    (wrong,) = verified(store)
    assert wrong.startswith("rollup ")
    assert f"was set aside: series 1, roll-up row of {span_ms} ms slots" in wrong
    assert bucket(store) == (2, 4.0)
    # Late samples begin a row anew that knows nothing of the lost ones; the other grain still does.
    expired(store, (1, 2, 9.0))
    assert bucket(store) == (3, 9.0)


def test_a_row_of_roll_ups_with_other_columns_is_damaged(store: Store) -> None:
    expired(store, (1, 1, 1.0))
    body = encode([np.array([0], dtype=np.int64), np.array([1.0])])
    store.telemetry.write(lambda cx: cx.execute("UPDATE rollup SET body = ?", (body,)))
    told: list[RowDamaged] = []
    assert bucket(store, told.append)[0] == 0
    assert len(told) == 2


def expired(store: Store, *rows: Row) -> None:
    """Measured, rolled and folded into roll-ups."""
    keep(store, *rows)
    list(roll.roll(store))
    list(retention.drop(store, KEEP, 2 * DAY))


def test_upkeep_finds_what_nobody_reads_counts_it_and_lets_it_go_in_time(store: Store) -> None:
    keep(store, (1, 1, 1.0), (2, 1, 3.0))
    list(roll.roll(store))
    spoil(store, "chunk", "series = 2")
    found = tended(store, 1000)
    assert found["damaged"] == 1
    row = ServiceRow("upkeep", "running", 0, 0, json.dumps(found))
    (wrong,) = console_wrong([row], [], 1000)
    assert (wrong.key.entity_kind, wrong.key.kind, wrong.facts) == ("store", "damaged", {"rows": 1})
    assert read(store, 1) == [(1, 1.0)]
    assert tended(store, 1001 + damage.KEPT_MS)["damaged"] == 0
    assert verified(store) == []


def tended(store: Store, now_ms: int) -> dict[str, object]:
    """What upkeep reports after one turn."""
    told: SimpleQueue[dict[str, object]] = SimpleQueue()
    stop = threading.Event()
    stop.set()
    Upkeep(store, retention.Keep(), Ed25519PrivateKey.generate(), lambda: now_ms).run(
        stop, lambda found: told.put(dict(found))
    )
    return told.get_nowait()
