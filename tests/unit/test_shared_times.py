"""Series measured together share their times, and the totals over all chunks are right without counting."""

from __future__ import annotations

import random
import re
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from local_store import migrate
from local_store.db import Database, Store
from local_store.errors import RowDamaged
from local_store.files import private_file
from local_store.records import Sample
from local_store.telemetry import chunks, query, retention, roll, shared, tail
from local_store.telemetry.codec import encode
from local_store.telemetry.rollup import DAY_MS
from local_store.views import console_health
from tests.conftest import KEY
from tests.property.test_roll import fresh_store, tiny_steps

DEVICE = range(10, 26)


def keep(store: Store, rows: list[Sample]) -> None:
    store.telemetry.write(partial(tail.append, samples=rows))
    list(roll.roll(store))


def times_rows(store: Store) -> list[tuple[int, int]]:
    """Number and uses of each row of times."""
    return store.read(lambda cx: cx.execute("SELECT times, refs FROM tm.times ORDER BY times").fetchall())


def polls(first: int, count: int) -> list[Sample]:
    rng = random.Random(first)
    at_ms = [60_000 * at + rng.randrange(40) for at in range(first, first + count)]
    return [Sample(series, t_ms, float(rng.randrange(10**6))) for t_ms in at_ms for series in DEVICE]


def test_a_device_has_one_row_of_times_also_after_its_chunks_grew_and_were_finished(store: Store) -> None:
    keep(store, polls(0, 100))
    assert times_rows(store) == [(chunks.open_number(10), 16)]
    keep(store, polls(100, 100))
    assert times_rows(store) == [(chunks.open_number(10), 16)]
    for first in range(200, chunks.MOST_SAMPLES + 200, 1000):
        keep(store, polls(first, 1000))
    assert times_rows(store) == [(chunks.open_number(10), 16), (1, 16)]


def test_a_series_that_goes_its_own_way_takes_times_of_its_own(store: Store) -> None:
    keep(store, polls(0, 100))
    keep(store, [Sample(10, 10**7, 1.0)])
    assert times_rows(store) == [(chunks.open_number(10), 15), (1, 1)]
    assert store.read(lambda cx: query.latest(cx, 11, "tm"))[0] < 10**7
    keep(store, [Sample(series, 2 * 10**7, 2.0) for series in DEVICE])
    assert sorted(refs for _, refs in times_rows(store)) == [1, 15]
    assert store.read(shared_findings) == []


def shared_findings(cx: object) -> list[str]:
    return shared.miscounted(cx, "tm")  # type: ignore[arg-type]


SAMPLES = st.lists(st.builds(Sample, st.integers(1, 3), st.integers(0, 40), st.just(1.0)), max_size=30)


@given(st.lists(st.tuples(SAMPLES, st.integers(0, 40)), max_size=6))
@settings(max_examples=40)
def test_counts_are_right_after_any_roll_and_retention(rounds: list[tuple[list[Sample], int]]) -> None:
    with fresh_store() as store, tiny_steps():
        for rows, age_ms in rounds:
            keep(store, rows)
            list(retention.drop(store, retention.Keep(raw_days=1), DAY_MS + age_ms))
            assert store.read(shared_findings) == []
        held = store.read(lambda cx: cx.execute("SELECT count(*) FROM tm.times WHERE refs < 1").fetchone()[0])
        assert held == 0


def test_wrong_counts_and_lost_times_are_found(store: Store) -> None:
    keep(store, polls(0, 10))
    store.telemetry.write(lambda cx: cx.execute("UPDATE held SET samples = samples + 1"))
    store.telemetry.write(lambda cx: cx.execute("UPDATE times SET refs = refs + 1"))
    found = store.read(lambda cx: list(chunks.damaged(cx, "tm")))
    assert [text.split(":")[0] for text in found] == [
        "the totals say 16 chunks with 161 samples, there are 16 with 160",
        "times in row -11",
    ]
    store.telemetry.write(lambda cx: cx.execute("DELETE FROM times"))
    told: list[RowDamaged] = []
    store.read(lambda cx: query.read(cx, 12, 0, 10**9, "tm", told.append))
    (missing,) = told
    assert re.match(r"series 12, chunk from .*: its times \(row -11\) are missing", str(missing))
    assert len(store.read(lambda cx: list(chunks.damaged(cx, "tm")))) == 17


def test_the_figures_of_the_store_read_no_chunk(store: Store) -> None:
    keep(store, polls(0, 100))
    told = store.read(console_health.stats)
    assert (told["chunks"], told["chunk_samples"]) == (16, 1600)
    store.telemetry.write(lambda cx: cx.execute("DELETE FROM chunk"))
    assert store.read(console_health.stats)["chunks"] == 16


def test_chunks_of_the_first_schema_are_counted_and_still_read(tmp_path: Path) -> None:
    private_file(tmp_path / "telemetry.db")
    old = Database(tmp_path / "telemetry.db", KEY)
    first = migrate.Step(1, files("local_store").joinpath("schema", "telemetry_0001.sql").read_text(encoding="utf-8"))
    old.write(lambda cx: migrate.bring_up(cx, "telemetry", old.path, [first]))
    body = encode([np.arange(4), np.arange(1.0, 5.0)])
    row = (-2, 1, 0, 3, 4, 1.0, 4.0, 10.0, body)
    old.write(lambda cx: cx.execute(f"INSERT INTO chunk VALUES ({', '.join('?' * 9)})", row))
    assert old.bring_up("telemetry")
    assert old.write(shared.totals) == (1, 4)
    times, values = old.write(lambda cx: query.read(cx, 1, 0, 10))
    assert (times.tolist(), values.tolist()) == ([0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0])
    taken_up = old.write(lambda cx: chunks.plan(cx, 1, np.array([4]), np.array([5.0])))
    old.write(lambda cx: chunks.apply(cx, [taken_up]))
    assert old.write(lambda cx: query.read(cx, 1, 0, 10))[1].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert old.write(shared.miscounted) == []
    old.close()
