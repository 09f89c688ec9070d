"""Packs columns of numbers into a small blob and back, bit for bit. Pure, no I/O.

A blob holds one int64 column, the key, and float64 columns beside it. The key goes as distances from an even beat in
the smallest integer type, or as their first or second differences. A column of decimals with up to three digits goes
as scaled integers, plain or as differences, whichever packs smaller; any other goes as bit patterns XORed with the one
before, bytes shuffled. Then zstd, and a CRC-32 in front.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zstandard

from local_store.errors import StoreDamaged

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

VERSION: Final = 1
MOST_ROWS: Final = 65_536
LEVEL: Final = 3
_CRC: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<BBI")
"""Version, columns beside the key, rows. Stands behind the CRC-32 of all that follows it."""
_KEY: Final = struct.Struct("<BBqq")
"""How often the distances from the beat were differenced, their item size, first key, beat."""
_COLUMN: Final = struct.Struct("<BBq")
"""Form, item size, first number (its bits for CONSTANT and XOR)."""

SCALES: Final = (1.0, 10.0, 100.0, 1000.0)
DELTA, XOR, CONSTANT = 0x08, 0x10, 0x20
EXACT: Final = float(2**52)
_TYPES: Final[dict[int, np.dtype[Any]]] = {size: np.dtype(f"<i{size}") for size in (1, 2, 4, 8)}


class _Zstd(threading.local):
    """One context per thread: making one costs as much as packing a chunk, sharing one is not allowed."""

    def __init__(self) -> None:
        self.pack = zstandard.ZstdCompressor(level=LEVEL).compress
        self.unpack = zstandard.ZstdDecompressor().decompress


_zstd = _Zstd()


def encode(key: Times, columns: Sequence[Values]) -> bytes:
    """Pack 1 to 65,536 rows; the columns are as long as the key. Any order, any bit pattern."""
    plain = b"".join((_pack_key(key), *map(_pack_column, columns)))
    rest = _HEAD.pack(VERSION, len(columns), len(key)) + _zstd.pack(plain)
    return _CRC.pack(zlib.crc32(rest)) + rest


def decode(blob: bytes) -> tuple[Times, list[Values]]:
    """Unpack; StoreDamaged says what is wrong when the blob is not what `encode` made."""
    if len(blob) < _CRC.size + _HEAD.size:
        raise StoreDamaged(f"{len(blob)} bytes are too short for packed samples")
    if _CRC.unpack_from(blob)[0] != zlib.crc32(memoryview(blob)[_CRC.size :]):
        raise StoreDamaged("the checksum of packed samples does not fit")
    version, columns, rows = _HEAD.unpack_from(blob, _CRC.size)
    if version != VERSION or not 0 < rows <= MOST_ROWS:
        raise StoreDamaged(f"packed samples have version {version} and {rows} rows, expected version {VERSION}")
    try:
        plain = _zstd.unpack(memoryview(blob)[_CRC.size + _HEAD.size :])
        key, at = _unpack_key(plain, rows)
        found = []
        for _ in range(columns):
            values, at = _unpack_column(plain, at, rows)
            found.append(values)
    except (zstandard.ZstdError, struct.error, ValueError, LookupError) as error:
        raise StoreDamaged(f"packed samples do not unpack: {error}") from error
    return key, found


def _pack_key(key: Times) -> bytes:
    """The distance from an even beat, as it is or as first or second differences, whichever packs smallest.

    Everything wraps around in int64, and so do the sums that undo it.
    """
    step = _beat(key)
    off = key[1:] - (key[0] + np.arange(1, len(key), dtype=np.int64) * step)
    forms = [_smallest(off)]
    for _ in range(2):
        steps = off.copy()
        steps[1:] -= off[:-1]
        off = steps
        forms.append(_smallest(off))
    packed = [len(_zstd.pack(raw)) for _, raw in forms]
    order = packed.index(min(packed))
    size, raw = forms[order]
    return _KEY.pack(order, size, int(key[0]), int(step)) + raw


def _beat(key: Times) -> np.int64:
    """The middle one of the differences; they wrap around for keys of opposite ends."""
    deltas = key[1:] - key[:-1]
    middle = len(deltas) // 2
    return np.partition(deltas, middle)[middle] if len(deltas) else np.int64(0)


def _unpack_key(plain: bytes, rows: int) -> tuple[Times, int]:
    order, size, first, step = _KEY.unpack_from(plain)
    end = _KEY.size + size * (rows - 1)
    off = _integers(plain[_KEY.size : end], size)
    for _ in range(order):
        off = np.cumsum(off)
    key = np.full(rows, first, dtype=np.int64)
    key[1:] += np.arange(1, rows, dtype=np.int64) * step + off
    return key, end


def _pack_column(values: Values) -> bytes:
    bits = values.view(np.int64)
    if bool((bits == bits[0]).all()):
        return _COLUMN.pack(CONSTANT, 0, int(bits[0]))
    scaled = _scaled(values)
    if scaled is None:
        return _COLUMN.pack(XOR, 8, int(bits[0])) + _shuffle((bits[1:] ^ bits[:-1]).tobytes(), 8)
    exponent, whole = scaled
    flat = _smallest(whole[1:] - whole[0])
    steps = _smallest(whole[1:] - whole[:-1])
    if len(_zstd.pack(flat[1])) <= len(_zstd.pack(steps[1])):
        return _COLUMN.pack(exponent, flat[0], int(whole[0])) + flat[1]
    return _COLUMN.pack(exponent | DELTA, steps[0], int(whole[0])) + steps[1]


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


def _unpack_column(plain: bytes, at: int, rows: int) -> tuple[Values, int]:
    form, size, first = _COLUMN.unpack_from(plain, at)
    at += _COLUMN.size
    whole = np.full(rows, first, dtype=np.int64)
    if form == CONSTANT:
        return whole.view(np.float64), at
    end = at + size * (rows - 1)
    numbers = _integers(plain[at:end], size)
    if form == XOR:
        whole[1:] = numbers
        return np.bitwise_xor.accumulate(whole).view(np.float64), end
    whole[1:] += np.cumsum(numbers) if form & DELTA else numbers
    return whole / SCALES[form & ~DELTA], end


def _smallest(numbers: Times) -> tuple[int, bytes]:
    """The numbers in the smallest signed type that holds them all; size 1 for none."""
    if not len(numbers):
        return 1, b""
    low, high = int(numbers.min()), int(numbers.max())
    reach = max(high, -1 - low)
    size = 1 if reach < 1 << 7 else 2 if reach < 1 << 15 else 4 if reach < 1 << 31 else 8
    return size, _shuffle(numbers.astype(_TYPES[size]).tobytes(), size)


def _integers(raw: bytes, size: int) -> Times:
    """What `_smallest` or the XOR form packed."""
    if size > 1 and raw:
        raw = np.frombuffer(raw, dtype=np.uint8).reshape(size, -1).T.tobytes()
    return np.frombuffer(raw, dtype=_TYPES[size]).astype(np.int64)


def _shuffle(raw: bytes, size: int) -> bytes:
    """All first bytes, then all second bytes: like stands beside like, which zstd likes."""
    if size == 1:
        return raw
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, size).T.tobytes()
