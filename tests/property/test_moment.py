"""What was measured last before a moment is the same, however far the samples have been rolled."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from local_store.db import Store
from local_store.telemetry import moment, query, roll, tail
from local_store.telemetry.series import SeriesIds
from local_store.views import past
from tests.conftest import KEY

TIMES = st.integers(0, 10_000)
SAMPLES = st.lists(st.tuples(st.integers(0, 2), TIMES, st.floats(-1e6, 1e6).map(lambda v: round(v, 2))), max_size=40)
LEVELS = st.sampled_from(["tail", "bundles", "chunks"])


@settings(max_examples=40)
@given(batches=st.lists(st.tuples(SAMPLES, LEVELS), min_size=1, max_size=3), at=TIMES, window=st.integers(1, 10_000))
def test_a_moment_agrees_with_reading_each_series(
    batches: list[tuple[list[tuple[int, int, float]], str]], at: int, window: int
) -> None:
    with TemporaryDirectory() as name:
        store = Store(Path(name) / "store", KEY)
        ids = SeriesIds()
        numbers = store.telemetry.write(lambda cx: [ids.number(cx, ("n", str(which))) for which in range(3)])
        for batch, level in batches:
            rows = [(numbers[which], t_ms, value) for which, t_ms, value in batch]
            store.telemetry.write(lambda cx, rows=rows: tail.append(cx, rows))
            list({"tail": lambda _store: [], "bundles": roll.fold, "chunks": roll.roll}[level](store))
        found = store.read(lambda cx: moment.before(cx, numbers, at - window, at + 1, "tm"))
        for number in numbers:
            times, values = store.read(lambda cx, n=number: query.read(cx, n, at - window, at + 1, "tm"))
            expected = (int(times[-1]), float(values[-1])) if len(times) else None
            assert found.get(number) == expected
        store.close()


def test_a_moment_of_an_empty_store_is_empty(store: Store) -> None:
    then = store.read(lambda cx: past.read(cx, 1_000))
    assert (then.nodes, then.sensors) == ({}, {})
