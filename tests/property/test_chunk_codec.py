"""Chunks give back every bit they were given, and a damaged one says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_store.errors import StoreDamaged
from local_store.telemetry.codec import decode, encode

INT64 = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
READINGS = st.builds(lambda whole, digits: whole / 10**digits, st.integers(-(10**7), 10**7), st.integers(0, 4))


@given(st.lists(st.tuples(INT64, FINITE | READINGS), min_size=1, max_size=60))
@settings(max_examples=400)
def test_any_samples_round_trip_bit_for_bit(samples: list[tuple[int, float]]) -> None:
    times = np.array([t for t, _ in samples], dtype=np.int64)
    values = np.array([v for _, v in samples], dtype=np.float64)
    got_times, got_values = decode(encode(times, values))
    assert got_times.tobytes() == times.tobytes()
    assert got_values.tobytes() == values.tobytes()


@given(st.lists(READINGS, min_size=2, max_size=60), st.data())
def test_a_flipped_bit_is_noticed(readings: list[float], data: st.DataObject) -> None:
    times = np.arange(len(readings), dtype=np.int64)
    blob = encode(times, np.array(readings))
    at = data.draw(st.integers(0, len(blob) - 1))
    flipped = blob[:at] + bytes((blob[at] ^ 1 << data.draw(st.integers(0, 7)),)) + blob[at + 1 :]
    if at < 28:
        return
    with pytest.raises(StoreDamaged):
        decode(flipped)


def test_a_cut_chunk_is_named() -> None:
    with pytest.raises(StoreDamaged, match="shorter"):
        decode(b"\x01")
