"""Measurements on one store: what is refused, what stays compact, what is dropped and what is left of it."""

from __future__ import annotations

import random
from dataclasses import astuple
from functools import partial

import numpy as np
import pytest

from local_store import tally
from local_store.db import Store
from local_store.errors import StoreBusy
from local_store.records import Sample
from local_store.sqlite import Connection
from local_store.telemetry import chunks, pace, query, retention, roll, rollup, tail
from local_store.telemetry.pace import Due, Load
from local_store.telemetry.series import SeriesIds

DAY = rollup.DAY_MS
MINUTE = 60_000
KEEP = retention.Keep(raw_days=1, quarter_hour_days=10, day_days=100)


def keep(store: Store, rows: list[Sample]) -> None:
    store.telemetry.write(partial(tail.append, samples=rows))


def read(store: Store, series: int) -> list[tuple[int, float]]:
    times, values = store.read(partial(query.read, series=series, t0_ms=0, t1_ms=2**60, schema="tm"))
    return list(zip(times.tolist(), values.tolist(), strict=True))


def count(store: Store, table: str) -> int:
    return int(store.read(lambda cx: cx.execute(f"SELECT count(*) FROM tm.{table}").fetchone()[0]))


def spoil(store: Store, table: str) -> None:
    """Flip a bit of every body in a table."""

    def write(cx: Connection) -> None:
        for rowid, body in cx.execute(f"SELECT rowid, body FROM {table}").fetchall():
            cx.execute(f"UPDATE {table} SET body = ? WHERE rowid = ?", (body[:-1] + bytes((body[-1] ^ 1,)), rowid))

    store.telemetry.write(write)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_value_that_is_no_measurement_is_refused_with_its_whole_batch(store: Store, value: float) -> None:
    with pytest.raises(ValueError, match=r"series 7 at 5: (nan|inf|-inf|1e\+300) is no measurement"):
        keep(store, [Sample(1, 4, 1.0), Sample(7, 5, value)])
    assert store.read(partial(tail.size, schema="tm")) == 0


def test_nothing_to_append_leaves_no_row(store: Store) -> None:
    keep(store, [])
    assert count(store, "tail") == 0


def test_slow_series_stay_compact(store: Store) -> None:
    for hour in range(30):
        keep(store, [Sample(1, hour, 1.0)])
        list(roll.roll(store))
    assert store.read(lambda cx: cx.execute("SELECT count(*), sum(n) FROM tm.chunk").fetchone()) == (1, 30)


def test_a_late_sample_goes_into_the_chunk_it_belongs_to(store: Store) -> None:
    keep(store, [Sample(1, 10 * at, 1.0) for at in range(6000)])
    list(roll.roll(store))
    keep(store, [Sample(1, 15, 2.0), Sample(1, 20, 3.0), Sample(1, 60_000, 4.0)])
    list(roll.roll(store))
    assert [
        (head.t0_ms, head.t1_ms, head.n) for head in store.read(lambda cx: chunks.heads(cx, 1, 0, 10**6, "tm"))
    ] == [
        (0, 19_980, 2000),
        (19_990, 19_990, 1),
        (20_000, 39_990, 2000),
        (40_000, 59_990, 2000),
        (60_000, 60_000, 1),
    ]
    assert dict(read(store, 1))[20] == 3.0


def test_two_rolls_at_once_do_no_harm(store: Store) -> None:
    rows = [Sample(series, at, 1.0) for at in range(10) for series in range(200)]
    keep(store, rows)
    list(roll.fold(store))
    first, second = roll.merge(store), roll.merge(store)
    next(first)
    next(second)
    with pytest.raises(StoreBusy, match="only one"):
        next(first)
    list(roll.roll(store))
    assert [len(read(store, series)) for series in range(200)] == [10] * 200


def test_a_rewrite_of_a_chunk_that_is_gone_changes_nothing(store: Store) -> None:
    keep(store, [Sample(1, at, at % 7 / 10 + at % 97) for at in range(4000)])
    list(roll.roll(store))
    before = read(store, 1)
    stale = store.read(lambda cx: chunks.plan(cx, 1, np.array([50]), np.array([1.0]), "tm"))
    keep(store, [Sample(1, 50, 2.0)])
    list(roll.roll(store))
    with pytest.raises(StoreBusy, match="only one"):
        store.telemetry.write(lambda cx: chunks.apply(cx, [stale]))
    assert read(store, 1) == [(at, 2.0 if at == 50 else value) for at, value in before]


def month(store: Store) -> list[query.Bucket]:
    return store.read(lambda cx: query.buckets(cx, 1, 0, 30 * DAY, 30, "tm"))


def test_dropped_samples_still_answer_by_day(store: Store) -> None:
    rng = random.Random(1)
    keep(store, [Sample(1, at * MINUTE, round(rng.gauss(20, 5), 1)) for at in range(30 * 1440)])
    list(roll.roll(store))
    before = month(store)
    size = store.telemetry.write(lambda cx: cx.execute("SELECT sum(length(body)) FROM chunk").fetchone()[0])
    list(retention.drop(store, KEEP, 30 * DAY))
    assert [astuple(bucket) for bucket in month(store)] == [pytest.approx(astuple(bucket)) for bucket in before]
    assert [bucket.n for bucket in before] == [1440] * 30
    assert min(t_ms for t_ms, _ in read(store, 1)) >= 25 * DAY
    left = store.telemetry.write(lambda cx: cx.execute("SELECT sum(length(body)) FROM rollup").fetchone()[0])
    assert left < size / 4
    assert store.read(tally.read)["measurements_expired"] == 30 * 1440 - len(read(store, 1))


def test_samples_that_come_after_their_chunk_was_dropped_are_added_once(store: Store) -> None:
    keep(store, [Sample(1, at * MINUTE, 1.0) for at in range(0, 2880, 2)])
    list(roll.roll(store))
    list(retention.drop(store, KEEP, 20 * DAY))
    keep(store, [Sample(1, at * MINUTE, 3.0) for at in range(1, 2880, 2)])
    list(roll.roll(store))
    expected = [(1440, 1.0, 3.0, 2.0)] * 2

    def days() -> list[tuple[int, float, float, float]]:
        return [(day.n, day.v_min, day.v_max, day.v_mean) for day in month(store)[:2]]

    assert days() == expected
    list(retention.drop(store, KEEP, 20 * DAY))
    list(retention.drop(store, KEEP, 20 * DAY))
    assert days() == expected
    assert count(store, "chunk") == 0


def test_roll_ups_go_when_their_time_has_come(store: Store) -> None:
    keep(store, [Sample(1, 0, 1.0)])
    list(roll.roll(store))
    list(retention.drop(store, KEEP, 2 * DAY))
    assert count(store, "rollup") == 2
    list(retention.drop(store, KEEP, 17 * DAY))
    assert count(store, "rollup") == 1
    assert month(store)[0].n == 1
    list(retention.drop(store, KEEP, 613 * DAY))
    assert count(store, "rollup") == 0


@pytest.mark.parametrize(("table", "lost"), [("chunk", 5), ("rollup", 0)])
def test_damage_does_not_stop_retention(store: Store, table: str, lost: int) -> None:
    keep(store, [Sample(1, at, 1.0) for at in range(5)])
    list(roll.roll(store))
    if table == "rollup":
        list(retention.drop(store, KEEP, 2 * DAY))
        keep(store, [Sample(1, 9, 1.0)])
        list(roll.roll(store))
    spoil(store, table)
    list(retention.drop(store, KEEP, 2 * DAY))
    assert count(store, "chunk") == 0
    assert store.read(tally.read).get("measurements_damaged", 0) == lost


def test_numbers_of_a_rolled_back_transaction_are_forgotten(store: Store) -> None:
    ids = SeriesIds()

    def half(cx: Connection) -> None:
        ids.number(cx, ("ge-bue-0001", "rtt_ms"))
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        store.telemetry.write(half)
    ids.forget()
    number = store.telemetry.write(lambda cx: ids.number(cx, ("ge-bue-0002", "rtt_ms")))
    assert store.telemetry.write(lambda cx: ids.number(cx, ("ge-bue-0001", "rtt_ms"))) != number


HOUR = 3_600_000
BIG = pace.MERGE_SAMPLES


@pytest.mark.parametrize(
    ("load", "now_ms", "due"),
    [
        (Load(0, 0, 0, 9, None), HOUR, Due.NOTHING),
        (Load(10, 10, 0, 9, 0), HOUR, Due.NOTHING),
        (Load(pace.FOLD_SAMPLES, 10, 0, 9, 0), HOUR, Due.FOLD),
        (Load(10, pace.FOLD_BATCHES, 0, 9, 0), HOUR, Due.FOLD),
        (Load(10, 10, BIG - 10, 9, 0), HOUR, Due.MERGE),
        (Load(10, 10, BIG, 100_000, 0), HOUR, Due.NOTHING),
        (Load(10, 10, 4_800_000, 100_000, 0), HOUR, Due.MERGE),
        (Load(10, 10, 0, 9, 0), 6 * HOUR, Due.MERGE),
        (Load(0, 0, 10, 9, 0, merging=True), HOUR, Due.MERGE),
    ],
)
def test_samples_move_on_when_it_is_worth_it(load: Load, now_ms: int, due: Due) -> None:
    assert pace.due(load, now_ms) is due


@pytest.mark.parametrize(
    ("rows", "now_ms", "left"),
    [(1, HOUR, (1, 0)), (pace.FOLD_SAMPLES, HOUR, (0, pace.FOLD_SAMPLES)), (1, 7 * HOUR, (0, 0))],
)
def test_work_does_what_is_due(store: Store, rows: int, now_ms: int, left: tuple[int, int]) -> None:
    keep(store, [Sample(at % 7, at, 1.0) for at in range(rows)])
    list(roll.work(store, now_ms))
    waiting = store.read(partial(roll.look, schema="tm"))
    assert (waiting.rows, waiting.bundled) == left


def test_a_reader_may_read_between_any_two_steps(store: Store) -> None:
    rows = [Sample(at % 50, at, float(at)) for at in range(5000)]
    keep(store, rows)
    for _ in roll.roll(store):
        assert read(store, 3) == [(at, float(at)) for at in range(3, 5000, 50)]
