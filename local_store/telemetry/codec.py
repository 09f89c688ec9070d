"""Packs one series' samples into a small blob and back, bit for bit. Pure, no I/O.

Times: delta of delta in the smallest integer type. Values: integers after scaling by 1, 10, 100 or 1000 when that is
exact, as deltas; otherwise the bit patterns XORed with the one before, bytes shuffled. Then zstd, then a CRC-32.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zstandard

from local_store.errors import StoreDamaged

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

VERSION: Final = 1
HEAD: Final = struct.Struct("<BBBBIqqI")
"""Version, value form, time item size, value item size, count, first time, first delta, CRC-32 of the rest."""

SCALES: Final = (1.0, 10.0, 100.0, 1000.0)
XOR, CONSTANT = 0x10, 0x11
EXACT: Final = float(2**52)
_SIZES: Final[dict[int, np.dtype[Any]]] = {size: np.dtype(f"<i{size}") for size in (1, 2, 4, 8)}


def encode(times: Times, values: Values) -> bytes:
    """Pack `n >= 1` samples; equal lengths, any finite values, times in any order."""
    first = int(times[0])
    with np.errstate(over="ignore"):
        deltas = np.diff(times)
        first_delta = int(deltas[0]) if len(deltas) else 0
        bends = np.diff(deltas)
    time_size, time_body = _smallest(bends)
    form, value_size, value_body = _pack_values(values)
    body = zstandard.ZstdCompressor(level=3).compress(time_body + value_body)
    head = HEAD.pack(VERSION, form, time_size, value_size, len(times), first, first_delta, zlib.crc32(body))
    return head + body


def decode(blob: bytes) -> tuple[Times, Values]:
    """Unpack; StoreDamaged when the blob is not what `encode` made."""
    if len(blob) < HEAD.size:
        raise StoreDamaged("a chunk is shorter than its head")
    version, form, time_size, value_size, count, first, first_delta, crc = HEAD.unpack_from(blob)
    body = blob[HEAD.size :]
    if version != VERSION or zlib.crc32(body) != crc or not count:
        raise StoreDamaged("a chunk's checksum or version does not fit")
    plain = zstandard.ZstdDecompressor().decompress(body)
    split = time_size * max(0, count - 2)
    times = _unpack_times(plain[:split], time_size, count, first, first_delta)
    return times, _unpack_values(plain[split:], form, value_size, count)


def _smallest(numbers: npt.NDArray[np.int64]) -> tuple[int, bytes]:
    """The numbers in the smallest signed type that holds them all; size 1 for none."""
    if not len(numbers):
        return 1, b""
    low, high = int(numbers.min()), int(numbers.max())
    for size, kind in _SIZES.items():
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return size, _shuffle(numbers.astype(kind).tobytes(), size)
    raise AssertionError("int64 holds every int64")


def _unpack_times(raw: bytes, size: int, count: int, first: int, first_delta: int) -> Times:
    bends = np.frombuffer(_unshuffle(raw, size), dtype=_SIZES[size]).astype(np.int64)
    deltas = np.empty(max(0, count - 1), dtype=np.int64)
    if len(deltas):
        deltas[0] = first_delta
        deltas[1:] = bends
        np.cumsum(deltas, out=deltas)
    times = np.empty(count, dtype=np.int64)
    times[0] = first
    times[1:] = deltas
    np.cumsum(times, out=times)
    return times


def _pack_values(values: Values) -> tuple[int, int, bytes]:
    bits = values.view(np.int64)
    if (bits == bits[0]).all():
        return CONSTANT, 8, values[:1].tobytes()
    for exponent, scale in enumerate(SCALES):
        with np.errstate(over="ignore"):
            scaled = np.rint(values * scale)
        if not np.abs(scaled).max() < EXACT:
            break
        whole = scaled.astype(np.int64)
        if ((whole / scale).view(np.int64) == bits).all():
            size, body = _smallest(np.diff(whole))
            return exponent, size, struct.pack("<q", int(whole[0])) + body
    mixed = bits.copy()
    mixed[1:] ^= bits[:-1]
    return XOR, 8, _shuffle(mixed.tobytes(), 8)


def _unpack_values(raw: bytes, form: int, size: int, count: int) -> Values:
    if form == CONSTANT:
        return np.full(count, struct.unpack("<d", raw[:8])[0], dtype=np.float64)
    if form == XOR:
        mixed = np.frombuffer(_unshuffle(raw, 8), dtype=np.int64)
        return np.bitwise_xor.accumulate(mixed).view(np.float64)
    whole = np.empty(count, dtype=np.int64)
    whole[0] = struct.unpack_from("<q", raw)[0]
    whole[1:] = np.frombuffer(_unshuffle(raw[8:], size), dtype=_SIZES[size])
    np.cumsum(whole, out=whole)
    return whole / SCALES[form]


def _shuffle(raw: bytes, size: int) -> bytes:
    """All first bytes, then all second bytes: like stands beside like, which zstd likes."""
    if size == 1:
        return raw
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, size).T.tobytes()


def _unshuffle(raw: bytes, size: int) -> bytes:
    if size == 1 or not raw:
        return raw
    return np.frombuffer(raw, dtype=np.uint8).reshape(size, -1).T.tobytes()
