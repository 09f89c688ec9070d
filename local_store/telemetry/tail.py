"""The append-only tail. Samples arrive here and nowhere else; one row holds what one call appended.

One row per sample would hand the interpreter to other threads once per sample (sqlite3_step releases the GIL): with
a busy poll thread beside it, 500 samples took 7 ms instead of 0.7. One packed row costs one step. All first bytes, all
second bytes and so on stand together and are packed lightly: 20 us save three of four pages that would have to be
encrypted, synced and checkpointed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from local_store.errors import RowDamaged
from local_store.records import Sample
from local_store.sqlite import Connection
from local_store.telemetry import damage, zstd

Rows = npt.NDArray[np.void]
"""Records of (series, t, v) in arrival order."""

RECORD: Final[np.dtype[Any]] = np.dtype([("series", "<i8"), ("t", "<i8"), ("v", "<f8")])
LARGEST: Final = 1e300
"""Values are below this, so that no sum over them leaves the floating point range."""
_PACK: Final = struct.Struct("<qqd").pack


def append(cx: Connection, samples: Iterable[Sample | tuple[int, int, float]]) -> None:
    """Add samples in arrival order inside the caller's transaction.

    Raises ValueError for a value that is not finite: a measurement that is no number belongs into quarantine, the
    caller has to see to that before.
    """
    body = b"".join([_PACK(*sample) for sample in samples])
    if not body:
        return
    rows = np.frombuffer(body, dtype=RECORD)
    fits = np.abs(rows["v"]) < LARGEST
    if not fits.all():
        series, t_ms, value = rows[int(np.argmin(fits))].tolist()
        raise ValueError(f"series {series} at {t_ms}: {value} is no measurement, expected a finite number")
    cx.execute(
        "INSERT INTO tail (n, t0_ms, t1_ms, body) VALUES (?, ?, ?, ?)",
        (len(rows), int(rows["t"].min()), int(rows["t"].max()), _packed(body)),
    )


def _packed(body: bytes) -> bytes:
    """Byte planes packed, or the records as they are where that is no longer."""
    planes = np.frombuffer(body, dtype=np.uint8).reshape(-1, RECORD.itemsize).T.tobytes()
    packed = zstd.pack(planes, zstd.FAST)
    return packed if len(packed) < len(body) else body


def size(cx: Connection, schema: str = "main") -> int:
    """Samples in the tail; cheap, reads no body."""
    return int(cx.execute(f"SELECT coalesce(sum(n), 0) FROM {schema}.tail").fetchone()[0])


def between(cx: Connection, t0_ms: int, t1_ms: int, schema: str = "main", told: damage.Told = damage.left_out) -> Rows:
    """Every record of the batches that touch t0 <= t < t1; `told` hears of those that do not unpack."""
    bodies = cx.execute(
        f"SELECT batch, n, body FROM {schema}.tail WHERE t1_ms >= ? AND t0_ms < ? ORDER BY batch",
        (t0_ms, t1_ms),
    )
    return _joined(bodies.fetchall(), told)


def last(cx: Connection, schema: str = "main") -> int:
    """The newest batch; 0 when the tail is empty."""
    return int(cx.execute(f"SELECT coalesce(max(batch), 0) FROM {schema}.tail").fetchone()[0])


def oldest(cx: Connection, upto: int, samples: int, schema: str = "main") -> tuple[int, Rows]:
    """The oldest records, about so many, of batches up to `upto`, and the last batch they came from.

    Raises RowDamaged.
    """
    end = held = 0
    for batch, n in cx.execute(
        f"SELECT batch, n FROM {schema}.tail WHERE batch <= ? ORDER BY batch",
        (upto,),
    ).fetchall():
        end, held = batch, held + n
        if held >= samples:
            break
    bodies = cx.execute(f"SELECT batch, n, body FROM {schema}.tail WHERE batch <= ? ORDER BY batch", (end,))
    return end, _joined(bodies.fetchall())


def remove(cx: Connection, upto: int) -> None:
    """Forget the batches up to this one; their samples are elsewhere by the end of the same transaction."""
    cx.execute("DELETE FROM tail WHERE batch <= ?", (upto,))


def remove_one(cx: Connection, batch: int) -> None:
    """Forget one batch; it is elsewhere by the end of the same transaction."""
    cx.execute("DELETE FROM tail WHERE batch = ?", (batch,))


def damaged(cx: Connection, schema: str = "main") -> list[RowDamaged]:
    """Every batch that does not unpack."""
    found: list[RowDamaged] = []
    for row in cx.execute(f"SELECT batch, n, body FROM {schema}.tail"):
        _joined([row], found.append)
    return found


def _joined(found: list[tuple[int, int, bytes]], told: damage.Told | None = None) -> Rows:
    bodies = []
    for one in found:
        try:
            bodies.append(_unpacked(*one))
        except RowDamaged as error:
            if told is None:
                raise
            told(error)
    return np.frombuffer(b"".join(bodies), dtype=RECORD)


@lru_cache(maxsize=64)  # a screen asks for several series, each time over the same batches
def _unpacked(batch: int, n: int, body: bytes) -> bytes:
    if len(body) == n * RECORD.itemsize:
        return body
    try:
        planes = zstd.unpack(body, n * RECORD.itemsize)
    except zstd.Error as error:
        raise RowDamaged(f"batch {batch} of the tail does not unpack: {error}", "tail", batch) from error
    return np.frombuffer(planes, dtype=np.uint8).reshape(RECORD.itemsize, -1).T.tobytes()
