"""Packed samples give back every bit they were given, and damaged ones say so."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_store.errors import StoreDamaged
from local_store.telemetry.codec import decode, encode

INT64 = st.integers(-(2**63), 2**63 - 1)
NEAR = st.integers(1_764_000_000_000, 1_764_000_100_000)
ANY_BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
READINGS = st.builds(lambda whole, digits: whole / 10**digits, st.integers(-(10**7), 10**7), st.integers(0, 4))
ODD = st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 2.0**52, 2.0**53 + 2, 0.1 + 0.2])
VALUES = ANY_BITS | READINGS | ODD


def packed(times: list[int], *columns: list[float]) -> bytes:
    return encode([np.array(times, dtype=np.int64), *(np.array(column, dtype=np.float64) for column in columns)])


@given(st.lists(st.tuples(INT64 | NEAR, VALUES, VALUES), min_size=1, max_size=60))
@settings(max_examples=400)
def test_any_samples_round_trip_bit_for_bit(samples: list[tuple[int, float, float]]) -> None:
    times, first, second = (list(column) for column in zip(*samples, strict=True))
    got_times, *got = decode(packed(times, first, second))
    assert got_times.tolist() == times
    assert [column.tobytes() for column in got] == [np.array(first).tobytes(), np.array(second).tobytes()]


@given(st.lists(READINGS, min_size=1, max_size=60), st.lists(ODD, min_size=1, max_size=2))
def test_readings_keep_the_sign_of_zero_and_every_digit(readings: list[float], odd: list[float]) -> None:
    values = np.array(readings + odd)
    assert decode(encode([values]))[0].tobytes() == values.tobytes()


@given(st.lists(READINGS, min_size=1, max_size=60), st.data())
def test_a_flipped_bit_anywhere_is_noticed(readings: list[float], data: st.DataObject) -> None:
    blob = packed(list(range(len(readings))), readings)
    at, bit = data.draw(st.integers(0, len(blob) - 1)), data.draw(st.integers(0, 7))
    with pytest.raises(StoreDamaged, match="checksum"):
        decode(blob[:at] + bytes((blob[at] ^ 1 << bit,)) + blob[at + 1 :])


@given(st.binary(max_size=80))
def test_foreign_bytes_with_a_fitting_checksum_are_damage_not_a_crash(rest: bytes) -> None:
    with pytest.raises(StoreDamaged):
        decode(struct.pack("<I", zlib.crc32(rest)) + rest)


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(StoreDamaged, match="1 bytes are too short"):
        decode(b"\x01")
    for version in (1, 9):
        with pytest.raises(StoreDamaged, match=f"have version {version}, this Leitstand reads version 2 only"):
            decode(headed(version, 5))
    for rows in (0, 65_537):
        with pytest.raises(StoreDamaged, match=f"say they have {rows} rows"):
            decode(headed(2, rows))


def headed(version: int, rows: int) -> bytes:
    """One column that ends behind its head."""
    rest = struct.pack("<BBI", version, 1, rows)
    return struct.pack("<I", zlib.crc32(rest)) + rest


def test_a_constant_run_is_tiny() -> None:
    assert len(packed([1000 * at for at in range(1000)], [1.0] * 1000)) < 64


def test_decimals_on_a_regular_beat_take_about_a_byte() -> None:
    values = [round(20 + at % 37 / 10, 1) for at in range(1000)]
    assert len(packed([60_000 * at for at in range(1000)], values)) < 1000


def test_low_bytes_of_noise_do_not_spoil_the_high_ones() -> None:
    rng = np.random.default_rng(1)
    values = np.rint(10 ** rng.normal(5.5, 0.2, 2000))
    plain = np.log2(np.std(np.log(values)) * 4.13 * values).mean() / 8
    assert len(encode([values])) < 1.12 * plain * len(values)
