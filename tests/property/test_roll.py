"""What is read before a roll is read during and after it, wherever it was interrupted."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_store.db import Store
from local_store.records import Sample
from local_store.telemetry import query, retention, roll, tail
from local_store.telemetry.series import SeriesIds
from tests.conftest import KEY

SERIES = 5
samples = st.lists(
    st.builds(Sample, st.integers(1, SERIES), st.integers(0, 200), st.integers(-1000, 1000).map(lambda x: x / 10)),
    max_size=40,
)


@contextmanager
def fresh_store() -> Iterator[Store]:
    directory = Path(tempfile.mkdtemp())
    opened = Store(directory, KEY)
    try:
        yield opened
    finally:
        opened.close()
        shutil.rmtree(directory)


def everything(store: Store) -> dict[int, list[tuple[int, float]]]:
    def read(cx: object) -> dict[int, list[tuple[int, float]]]:
        found = {}
        for series in range(1, SERIES + 1):
            times, values = query.read(cx, series, 0, 10**6, "tm")  # type: ignore[arg-type]
            found[series] = list(zip(times.tolist(), values.tolist(), strict=True))
        return found

    return store.read(read)


@given(st.lists(st.tuples(samples, st.integers(0, 12)), max_size=6))
@settings(max_examples=25, deadline=None)
def test_a_roll_stopped_anywhere_changes_nothing_a_reader_sees(steps: list[tuple[list[Sample], int]]) -> None:
    expected: dict[int, dict[int, float]] = {series: {} for series in range(1, SERIES + 1)}
    with fresh_store() as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(roll, "SLICE_SERIES", 2)
        patch.setattr(roll, "DELETE_ROWS", 7)
        for batch, stop_after in steps:
            store.telemetry.write(lambda cx, batch=batch: tail.append(cx, batch))  # type: ignore[misc]
            for series, t_ms, value in batch:
                expected[series][t_ms] = value
            list(islice(roll.roll(store), stop_after))
            assert everything(store) == {series: sorted(found.items()) for series, found in expected.items()}
        list(roll.roll(store))
        list(roll.roll(store))
        assert everything(store) == {series: sorted(found.items()) for series, found in expected.items()}
        assert store.telemetry.write(tail.size) == 0


def test_slow_series_stay_compact(store: Store) -> None:
    for hour in range(30):
        store.telemetry.write(lambda cx, hour=hour: tail.append(cx, [Sample(1, hour, 1.0)]))  # type: ignore[misc]
        list(roll.roll(store))
    assert store.read(lambda cx: cx.execute("SELECT count(*), sum(n) FROM tm.chunk").fetchone()) == (1, 30)


def test_a_value_that_is_no_number_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="nan"):
        store.telemetry.write(lambda cx: tail.append(cx, [Sample(1, 1, float("nan"))]))


def test_expired_chunks_become_roll_ups_that_still_answer(store: Store) -> None:
    day = retention.DAY_MS
    rows = [Sample(1, minute * 60_000, float(minute % 60)) for minute in range(3 * 24 * 60)]
    store.telemetry.write(lambda cx: tail.append(cx, rows))
    list(roll.roll(store))
    before = store.read(lambda cx: query.buckets(cx, 1, 0, 3 * day, 12, "tm"))
    keep = retention.Keep(raw_days=1, quarter_hour_days=2, day_days=100)
    while store.telemetry.write(lambda cx: retention.step(cx, keep, 4 * day)):
        pass
    after = store.read(lambda cx: query.buckets(cx, 1, 0, 3 * day, 3, "tm"))
    assert [bucket.n for bucket in after] == [1440, 1440, 1440]
    assert sum(bucket.n for bucket in before) == 3 * 1440
    assert after[0].v_mean == pytest.approx(29.5)
    assert (after[0].v_min, after[0].v_max) == (0.0, 59.0)


def test_numbers_of_a_rolled_back_transaction_are_forgotten(store: Store) -> None:
    ids = SeriesIds()

    def half(cx: object) -> None:
        ids.number(cx, ("ge-bue-0001", "rtt_ms"))  # type: ignore[arg-type]
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        store.telemetry.write(half)
    ids.forget()
    number = store.telemetry.write(lambda cx: ids.number(cx, ("ge-bue-0002", "rtt_ms")))
    assert store.telemetry.write(lambda cx: ids.number(cx, ("ge-bue-0001", "rtt_ms"))) != number
