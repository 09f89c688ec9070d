"""Unpacks what the first form of packed samples held: one zstd frame over all columns. Pure, no I/O; packs nothing."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zstandard

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

VERSION: Final = 1
_KEY: Final = struct.Struct("<BBqq")
"""How often the distances from the beat were differenced, their item size, first key, beat."""
_COLUMN: Final = struct.Struct("<BBq")
"""Form, item size, first number (its bits for CONSTANT and XOR)."""
_SCALES: Final = (1.0, 10.0, 100.0, 1000.0)
_DELTA, _XOR, _CONSTANT = 0x08, 0x10, 0x20
_TYPES: Final[dict[int, np.dtype[Any]]] = {size: np.dtype(f"<i{size}") for size in (1, 2, 4, 8)}


def decode(packed: bytes, columns: int, rows: int) -> list[Times | Values]:
    """The key and the columns beside it. Raises what zstandard, struct and numpy raise over damage."""
    plain = zstandard.ZstdDecompressor().decompress(packed)
    found: list[Times | Values] = []
    key, at = _key(plain, rows)
    found.append(key)
    for _ in range(columns):
        values, at = _column(plain, at, rows)
        found.append(values)
    return found


def _key(plain: bytes, rows: int) -> tuple[Times, int]:
    order, size, first, step = _KEY.unpack_from(plain)
    end = _KEY.size + size * (rows - 1)
    off = _integers(plain[_KEY.size : end], size)
    for _ in range(order):
        off = np.cumsum(off)
    key = np.full(rows, first, dtype=np.int64)
    key[1:] += np.arange(1, rows, dtype=np.int64) * step + off
    return key, end


def _column(plain: bytes, at: int, rows: int) -> tuple[Values, int]:
    form, size, first = _COLUMN.unpack_from(plain, at)
    at += _COLUMN.size
    whole = np.full(rows, first, dtype=np.int64)
    if form == _CONSTANT:
        return whole.view(np.float64), at
    end = at + size * (rows - 1)
    numbers = _integers(plain[at:end], size)
    if form == _XOR:
        whole[1:] = numbers
        return np.bitwise_xor.accumulate(whole).view(np.float64), end
    whole[1:] += np.cumsum(numbers) if form & _DELTA else numbers
    return whole / _SCALES[form & ~_DELTA], end


def _integers(raw: bytes, size: int) -> Times:
    if size > 1 and raw:
        raw = np.frombuffer(raw, dtype=np.uint8).reshape(size, -1).T.tobytes()
    return np.frombuffer(raw, dtype=_TYPES[size]).astype(np.int64)
