"""Packs columns of numbers into a small blob and back, bit for bit. Pure, no I/O.

A blob holds columns of equal length, each int64 or float64. Integers go as their distances from an even beat, plain or
differenced once or twice. Decimals with up to three digits are scaled to integers and go plain or differenced. Any
other floating point numbers go as bit patterns XORed with the one before. Whatever packs smallest is taken. Integers
are written above their smallest one in as few bytes as they need, and all first bytes, all second bytes and so on are
packed apart: noise in the low bytes would otherwise spoil the code of the high ones. A CRC-32 stands in front.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from local_store.errors import StoreDamaged
from local_store.telemetry import zstd

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Column = Times | Values

VERSION: Final = 2
MOST_ROWS: Final = 65_536
_CRC: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<BBI")
"""Version, columns, rows. Stands behind the CRC-32 of all that follows it."""
_COLUMN: Final = struct.Struct("<Bq")
"""Form, first number (bits of the first float for CONSTANT and XOR)."""
_WHOLE: Final = struct.Struct("<BqqB")
"""How often the distances from the beat were differenced, beat, smallest of them, bytes of each above that one."""
_PLANE: Final = struct.Struct("<H")
"""Bytes of the packed plane, or RAW or SAME."""

INTEGERS, CONSTANT, XOR, DECIMALS = 0, 1, 2, 8
"""Forms of a column; DECIMALS and the three after it stand for 0 to 3 digits."""
RAW, SAME = 0, 0xFFFF
SCALES: Final = (1.0, 10.0, 100.0, 1000.0)
EXACT: Final = float(2**52)


def encode(columns: Sequence[Column]) -> bytes:
    """Pack columns of 1 to 65,536 rows. Any order, any bit pattern."""
    rest = _HEAD.pack(VERSION, len(columns), len(columns[0])) + b"".join(map(_pack_column, columns))
    return _CRC.pack(zlib.crc32(rest)) + rest


def decode(blob: bytes) -> list[Column]:
    """Unpack; StoreDamaged says what is wrong when the blob is not what `encode` made."""
    if len(blob) < _CRC.size + _HEAD.size:
        raise StoreDamaged(f"{len(blob)} bytes are too short for packed samples")
    if _CRC.unpack_from(blob)[0] != zlib.crc32(memoryview(blob)[_CRC.size :]):
        raise StoreDamaged("the checksum of packed samples does not fit")
    version, columns, rows = _HEAD.unpack_from(blob, _CRC.size)
    if version != VERSION:
        raise StoreDamaged(f"packed samples have version {version}, this Leitstand reads version {VERSION} only")
    if not 0 < rows <= MOST_ROWS:
        raise StoreDamaged(f"packed samples say they have {rows} rows, expected 1 to {MOST_ROWS}")
    at = _CRC.size + _HEAD.size
    try:
        found: list[Column] = []
        for _ in range(columns):
            column, at = _unpack_column(blob, at, rows)
            found.append(column)
    except (zstd.Error, struct.error, ValueError, LookupError) as error:
        raise StoreDamaged(f"packed samples do not unpack: {error}") from error
    return found


def _pack_column(column: Column) -> bytes:
    if column.dtype == np.int64:
        whole = column.view(np.int64)
        return _COLUMN.pack(INTEGERS, int(whole[0])) + _pack_whole(whole, _beat(whole), 3)
    bits = column.view(np.int64)
    if bool((bits == bits[0]).all()):
        return _COLUMN.pack(CONSTANT, int(bits[0]))
    scaled = _scaled(column.view(np.float64))
    if scaled is None:
        return _COLUMN.pack(XOR, int(bits[0])) + _pack_planes((bits[1:] ^ bits[:-1]).view(np.uint64), 8)
    exponent, whole = scaled
    return _COLUMN.pack(DECIMALS + exponent, int(whole[0])) + _pack_whole(whole, np.int64(0), 2)


def _unpack_column(blob: bytes, at: int, rows: int) -> tuple[Column, int]:
    form, first = _COLUMN.unpack_from(blob, at)
    at += _COLUMN.size
    whole = np.full(rows, first, dtype=np.int64)
    if form == CONSTANT:
        return whole.view(np.float64), at
    if form == XOR:
        steps, at = _unpack_planes(blob, at, rows - 1, 8)
        whole[1:] = steps.view(np.int64)
        return np.bitwise_xor.accumulate(whole).view(np.float64), at
    off, at = _unpack_whole(blob, at, rows - 1)
    whole[1:] += off
    if form == INTEGERS:
        return whole, at
    if not DECIMALS <= form < DECIMALS + len(SCALES):
        raise ValueError(f"no form {form}")
    return whole / SCALES[form - DECIMALS], at


def _pack_whole(whole: Times, step: np.int64, orders: int) -> bytes:
    """Distances of all but the first from an even beat. Everything wraps around in int64, as do the sums undoing it."""
    off = whole[1:] - (whole[0] + np.arange(1, len(whole), dtype=np.int64) * step)
    forms = []
    for order in range(orders):
        if order:
            steps = off.copy()
            steps[1:] -= off[:-1]
            off = steps
        low = off.min() if len(off) else np.int64(0)
        above = (off - low).view(np.uint64)
        size = (int(above.max()).bit_length() + 7) // 8 if len(off) else 0
        forms.append(_WHOLE.pack(order, int(step), int(low), size) + _pack_planes(above, size))
    return min(forms, key=len)


def _unpack_whole(blob: bytes, at: int, count: int) -> tuple[Times, int]:
    order, step, low, size = _WHOLE.unpack_from(blob, at)
    if size > 8:
        raise ValueError(f"numbers of {size} bytes")
    above, at = _unpack_planes(blob, at + _WHOLE.size, count, size)
    off = above.view(np.int64) + np.int64(low)
    for _ in range(order):
        off = np.cumsum(off)
    return np.arange(1, count + 1, dtype=np.int64) * np.int64(step) + off, at


def _beat(whole: Times) -> np.int64:
    """The middle one of the differences; they wrap around for numbers of opposite ends."""
    deltas = whole[1:] - whole[:-1]
    middle = len(deltas) // 2
    return np.partition(deltas, middle)[middle] if len(deltas) else np.int64(0)


def _scaled(values: Values) -> tuple[int, Times] | None:
    """The smallest scale that makes every value an integer and back again without losing a bit, or None."""
    bits = values.view(np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        for exponent, scale in enumerate(SCALES):
            rounded = np.rint(values * scale)
            if not np.abs(rounded).max() < EXACT:
                return None
            if bool(((rounded / scale).view(np.int64) == bits).all()):
                whole: Times = rounded.astype(np.int64)
                # An integer has no sign at zero.
                return None if bool((bits[whole == 0] != 0).any()) else (exponent, whole)
    return None


def _pack_planes(numbers: npt.NDArray[np.uint64], size: int) -> bytes:
    """The low `size` bytes of each number, all lowest ones first."""
    if not size or not len(numbers):
        return b""
    planes = numbers.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)[:, :size].T
    return b"".join(map(_pack_plane, np.ascontiguousarray(planes)))


def _pack_plane(plane: npt.NDArray[np.uint8]) -> bytes:
    raw = plane.tobytes()
    if raw.count(raw[:1]) == len(raw):
        return _PLANE.pack(SAME) + raw[:1]
    packed = zstd.pack(raw)
    return _PLANE.pack(RAW) + raw if len(packed) >= len(raw) else _PLANE.pack(len(packed)) + packed


def _unpack_planes(blob: bytes, at: int, count: int, size: int) -> tuple[npt.NDArray[np.uint64], int]:
    found = np.zeros((count, 8), dtype=np.uint8)
    for place in range(size if count else 0):
        (told,) = _PLANE.unpack_from(blob, at)
        at += _PLANE.size
        end = at + (1 if told == SAME else count if told == RAW else told)
        part = blob[at:end]
        plane = part if told in {RAW, SAME} else zstd.unpack(part, count)
        found[:, place] = np.frombuffer(plane, dtype=np.uint8)
        at = end
    return found.reshape(-1).view("<u8").astype(np.uint64, copy=False), at
