"""Chunks: up to 1000 samples of one series in one packed row. Chunks of one series never overlap in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from local_store.errors import StoreBusy, StoreDamaged
from local_store.sqlite import Connection
from local_store.telemetry import statements
from local_store.telemetry.codec import Times, Values, decode, encode

CHUNK_SAMPLES: Final = 1000
SMALL: Final = 500
"""A chunk of fewer samples is taken up again when later ones follow it, so that slow series stay compact."""
COLUMNS: Final = ("series", "t0_ms", "t1_ms", "n", "v_min", "v_max", "v_sum", "body")
ChunkRow = tuple[int, int, int, int, float, float, float, bytes]
"""The values of COLUMNS."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a chunk says of itself without being unpacked."""

    rowid: int
    t0_ms: int
    t1_ms: int
    n: int
    v_min: float
    v_max: float
    v_sum: float


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Chunks that take the place of others."""

    remove: list[int]
    add: list[ChunkRow]


def in_order(times: Times, values: Values) -> tuple[Times, Values]:
    """By time; of several samples at one millisecond the last that arrived counts: (series, t_ms) is the identity."""
    if bool((times[1:] > times[:-1]).all()):
        return times, values
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    keep = np.append(times[1:] != times[:-1], True)
    return times[keep], values[keep]


def heads(cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str = "main") -> list[Head]:
    """Chunks of one series that touch t0 <= t < t1, by time."""
    rows = cx.execute(
        f"SELECT rowid, t0_ms, t1_ms, n, v_min, v_max, v_sum FROM {schema}.chunk "
        "WHERE series = ? AND t0_ms < ? AND t1_ms >= ? ORDER BY t0_ms",
        (series, t1_ms, t0_ms),
    )
    return [Head(*row) for row in rows.fetchall()]


def unpack(cx: Connection, series: int, head: Head, schema: str = "main") -> tuple[Times, Values]:
    """The samples of one chunk; StoreDamaged names it."""
    (body,) = cx.execute(f"SELECT body FROM {schema}.chunk WHERE rowid = ?", (head.rowid,)).fetchone()
    try:
        times, (values,) = decode(body)
    except StoreDamaged as error:
        raise StoreDamaged(f"series {series}, chunk from {head.t0_ms} to {head.t1_ms}: {error}") from error
    return times, values


def damaged(cx: Connection, schema: str = "main") -> Iterator[str]:
    """One sentence for each chunk that cannot be unpacked; looks at all of them."""
    for series, *found in cx.execute(f"SELECT series, rowid, t0_ms, t1_ms, n, v_min, v_max, v_sum FROM {schema}.chunk"):
        try:
            unpack(cx, series, Head(*found), schema)
        except StoreDamaged as error:
            yield str(error)


def plan(cx: Connection, series: int, times: Times, values: Values, schema: str = "main") -> Rewrite:
    """How to add samples, sorted by time, to the chunks of one series. Only reads.

    Every sample goes to the chunk that began last before it. That chunk is taken up when it is small or reaches past
    the sample; otherwise the samples behind it make new chunks.
    """
    known = _from_chunk_before(cx, series, int(times[0]), schema)
    homes = np.searchsorted(np.array([head.t0_ms for head in known], dtype=np.int64), times, "right") - 1
    starts = np.flatnonzero(np.diff(homes, prepend=homes[0] - 1))
    rewrite = Rewrite([], [])
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(times)], strict=True):
        home = known[homes[start]] if homes[start] >= 0 else None
        old = _taken_up(cx, series, home, int(times[start]), schema)
        new_times, new_values = times[start:end], values[start:end]
        if home is not None and old is not None:
            rewrite.remove.append(home.rowid)
            new_times, new_values = in_order(np.concatenate((old[0], new_times)), np.concatenate((old[1], new_values)))
        rewrite.add.extend(_cut(series, new_times, new_values))
    return rewrite


def apply(cx: Connection, rewrites: Sequence[Rewrite]) -> None:
    """Carry rewrites out in the caller's transaction."""
    remove(cx, [rowid for rewrite in rewrites for rowid in rewrite.remove])
    statements.insert(cx, "chunk", COLUMNS, [row for rewrite in rewrites for row in rewrite.add])


def remove(cx: Connection, rowids: Sequence[int]) -> None:
    """Delete chunks; StoreBusy when somebody else did."""
    if statements.delete(cx, "chunk", rowids) != len(rowids):
        raise StoreBusy("chunks changed while they were rewritten: only one roll or retention may run at a time")


def _from_chunk_before(cx: Connection, series: int, t_ms: int, schema: str) -> list[Head]:
    """Chunks from the last one that began at or before t on; all when none did."""
    began = cx.execute(
        f"SELECT max(t0_ms) FROM {schema}.chunk WHERE series = ? AND t0_ms <= ?",
        (series, t_ms),
    ).fetchone()[0]
    rows = cx.execute(
        f"SELECT rowid, t0_ms, t1_ms, n, v_min, v_max, v_sum FROM {schema}.chunk "
        "WHERE series = ? AND t0_ms >= ? ORDER BY t0_ms",
        (series, t_ms if began is None else began),
    )
    return [Head(*row) for row in rows.fetchall()]


def _taken_up(cx: Connection, series: int, home: Head | None, t_ms: int, schema: str) -> tuple[Times, Values] | None:
    if home is None or (home.n >= SMALL and home.t1_ms < t_ms):
        return None
    try:
        return unpack(cx, series, home, schema)
    except StoreDamaged:
        # It stays as it is: readers of it are told. The roll must go on for everything else.
        return None


def _cut(series: int, times: Times, values: Values) -> Iterator[ChunkRow]:
    for at in range(0, len(times), CHUNK_SAMPLES):
        part, numbers = times[at : at + CHUNK_SAMPLES], values[at : at + CHUNK_SAMPLES]
        yield (
            *(series, int(part[0]), int(part[-1]), len(part)),
            *(float(numbers.min()), float(numbers.max()), float(numbers.sum())),
            encode(part, [numbers]),
        )
