"""What is read before a roll is read during and after it, wherever it was interrupted."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_store.db import Store
from local_store.records import Sample
from local_store.sqlite import Connection
from local_store.telemetry import bundles, chunks, query, roll, tail
from tests.conftest import KEY

SERIES = 5
END = 10**6
samples = st.lists(
    st.builds(Sample, st.integers(0, SERIES - 1), st.integers(0, 200), st.integers(-1000, 1000).map(lambda x: x / 10)),
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


@contextmanager
def tiny_steps() -> Iterator[None]:
    """Sizes at which a handful of samples crosses every border."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, size in (
            (roll, "FOLD_SAMPLES", 11),
            (roll, "SLICE_SERIES", 2),
            (roll, "PASS_SAMPLES", 9),
            (bundles, "PIECE_SAMPLES", 5),
            (chunks, "MOST_SAMPLES", 8),
        ):
            patch.setattr(module, name, size)
        yield


def everything(store: Store) -> dict[int, list[tuple[int, float]]]:
    def read(cx: Connection) -> dict[int, list[tuple[int, float]]]:
        found = {}
        for series in range(SERIES):
            times, values = query.read(cx, series, 0, END, "tm")
            found[series] = list(zip(times.tolist(), values.tolist(), strict=True))
        return found

    return store.read(read)


def overlaps(store: Store) -> int:
    return store.read(
        lambda cx: cx.execute(
            "SELECT count(*) FROM tm.chunk a JOIN tm.chunk b ON a.series = b.series AND a.rowid < b.rowid "
            "WHERE a.t0_ms <= b.t1_ms AND b.t0_ms <= a.t1_ms"
        ).fetchone()[0]
    )


def levels(store: Store) -> tuple[int, int, int]:
    """Samples in the tail, in bundles and in chunks."""

    def read(cx: Connection) -> tuple[int, int, int]:
        bundled = cx.execute("SELECT coalesce(sum(n), 0) FROM tm.bundle").fetchone()[0]
        return tail.size(cx, "tm"), bundled, cx.execute("SELECT coalesce(sum(n), 0) FROM tm.chunk").fetchone()[0]

    return store.read(read)


Step = tuple[list[Sample], str, int]
steps = st.lists(st.tuples(samples, st.sampled_from(["fold", "merge", "roll"]), st.integers(0, 9)), max_size=7)


@given(steps)
@settings(max_examples=60)
def test_a_roll_stopped_anywhere_changes_nothing_a_reader_sees(plan: list[Step]) -> None:
    model: dict[int, dict[int, float]] = {series: {} for series in range(SERIES)}
    with fresh_store() as store, tiny_steps():
        for batch, which, stop_after in plan:
            store.telemetry.write(partial(tail.append, samples=batch))
            for series, t_ms, value in batch:
                model[series][t_ms] = value
            expected = {series: sorted(found.items()) for series, found in model.items()}
            # Dropping the generator is what a crash between two transactions leaves behind.
            list(islice(getattr(roll, which)(store), stop_after))
            assert everything(store) == expected
            newest = {series: found[-1] if found else None for series, found in expected.items()}
            assert {key: store.read(partial(query.latest, series=key, schema="tm")) for key in newest} == newest
        list(roll.roll(store))
        assert everything(store) == {series: sorted(found.items()) for series, found in model.items()}
        assert levels(store) == (0, 0, sum(len(found) for found in model.values()))
        assert overlaps(store) == 0


ANY_BITS = st.floats(-1e299, 1e299) | st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 0.1 + 0.2, 2.0**53 + 2])
HARD = st.lists(
    st.builds(Sample, st.integers(0, 1), st.integers(-(2**40), 2**40) | st.integers(0, 9), ANY_BITS), max_size=30
)


@given(HARD, HARD)
@settings(max_examples=40)
def test_every_bit_survives_every_level(old: list[Sample], new: list[Sample]) -> None:
    """Late, doubled and far-off times; values down to the sign of zero and the last denormal."""
    last = {(series, t_ms): value for series, t_ms, value in (*old, *new)}
    expected = [
        [(t_ms, value.hex()) for (series, t_ms), value in sorted(last.items()) if series == one] for one in (0, 1)
    ]

    def bits(cx: Connection) -> list[list[tuple[int, str]]]:
        found = [query.read(cx, series, -(2**41), 2**41, "tm") for series in (0, 1)]
        return [[(t_ms, float(v).hex()) for t_ms, v in zip(t.tolist(), values, strict=True)] for t, values in found]

    with fresh_store() as store, tiny_steps():
        store.telemetry.write(partial(tail.append, samples=old))
        list(roll.roll(store))
        store.telemetry.write(partial(tail.append, samples=new))
        assert store.read(bits) == expected
        list(roll.fold(store))
        assert store.read(bits) == expected
        list(roll.merge(store))
        assert store.read(bits) == expected


@given(samples, samples, st.integers(1, 30), st.integers(0, 150))
@settings(max_examples=40)
def test_buckets_are_the_sums_of_their_samples(old: list[Sample], new: list[Sample], count: int, t0_ms: int) -> None:
    with fresh_store() as store, tiny_steps():
        store.telemetry.write(partial(tail.append, samples=old))
        list(roll.roll(store))
        store.telemetry.write(partial(tail.append, samples=new))
        kept = everything(store)
        for series, found in kept.items():
            plot = store.read(lambda cx, series=series: query.buckets(cx, series, t0_ms, 201, count, "tm"))
            width = -(-(201 - t0_ms) // count)
            assert [bucket.t_ms for bucket in plot] == [t0_ms + at * width for at in range(count)]
            for bucket in plot:
                values = [value for t_ms, value in found if bucket.t_ms <= t_ms < bucket.t_ms + width]
                assert bucket.n == len(values)
                if values:
                    assert (bucket.v_min, bucket.v_max) == (min(values), max(values))
                    assert bucket.v_mean == pytest.approx(sum(values) / len(values))
