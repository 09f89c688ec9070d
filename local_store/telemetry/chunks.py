"""Chunks: many samples of one series in one packed row. Chunks of one series never overlap in time.

Series of one device are measured at the same moments. Their chunks are cut at the same samples, so that one packed row
of times serves all of them; `local_store.telemetry.shared` keeps those rows and the totals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from local_store.errors import RowDamaged, StoreBusy, StoreDamaged
from local_store.sqlite import Connection
from local_store.telemetry import bundles, damage, rollup, shared, statements, tail
from local_store.telemetry.codec import Times, Values, decode, encode

MOST_SAMPLES: Final = 2000
NONE_YET: Final = -(2**63)
LOOK_AT_ONCE: Final = 1000
OPEN: Final = 0.93
"""The newest chunk of a series stays open below this share: it is taken up again when samples follow."""
COLUMNS: Final = ("chunk", "series", "t0_ms", "t1_ms", "n", "v_min", "v_max", "v_sum", "body", "times")
_HEAD: Final = "chunk, t0_ms, t1_ms, n, v_min, v_max, v_sum, times"


@dataclass(frozen=True, slots=True)
class Head:
    """What a chunk says of itself without being unpacked; `times` is the row of its times, None when it has its own."""

    chunk: int
    t0_ms: int
    t1_ms: int
    n: int
    v_min: float
    v_max: float
    v_sum: float
    times: int | None


@dataclass(frozen=True, slots=True)
class Fresh:
    """A chunk to be written: its row without body and times, the packed values, the packed times."""

    number: int | None
    series: int
    head: tuple[int, int, int, float, float, float]
    values: bytes
    times: bytes


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Chunks that take the place of others; `damaged` ones are set aside."""

    remove: list[int] = field(default_factory=list)
    add: list[Fresh] = field(default_factory=list)
    damaged: list[RowDamaged] = field(default_factory=list)


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
        f"SELECT {_HEAD} FROM {schema}.chunk WHERE series = ? AND t0_ms < ? AND t1_ms >= ? ORDER BY t0_ms",
        (series, t1_ms, t0_ms),
    )
    return [Head(*row) for row in rows.fetchall()]


def unpack(cx: Connection, series: int, head: Head, schema: str = "main") -> tuple[Times, Values]:
    """The samples of one chunk; RowDamaged names it."""
    (body,) = cx.execute(f"SELECT body FROM {schema}.chunk WHERE chunk = ?", (head.chunk,)).fetchone()
    try:
        return opened(body, shared.load(cx, head.times, schema))
    except StoreDamaged as error:
        text = f"series {series}, chunk from {head.t0_ms} to {head.t1_ms}: {error}"
        raise RowDamaged(text, "chunk", head.chunk) from error


def unpacked(
    cx: Connection, series: int, found: Sequence[Head], schema: str, told: damage.Told
) -> Iterator[tuple[Times, Values]]:
    """The samples of each chunk that unpacks; `told` hears of the others."""
    for head in found:
        try:
            samples = unpack(cx, series, head, schema)
        except RowDamaged as error:
            told(error)
        else:
            yield samples


def look_at(cx: Connection, after: int, limit: int, schema: str = "main") -> tuple[int | None, list[RowDamaged]]:
    """Unpack the next chunks by number: the last of them, None at the end, and those that are damaged."""
    rows = cx.execute(
        f"SELECT series, {_HEAD} FROM {schema}.chunk WHERE chunk > ? ORDER BY chunk LIMIT ?", (after, limit)
    ).fetchall()
    found: list[RowDamaged] = []
    for series, *head in rows:
        list(unpacked(cx, series, [Head(*head)], schema, found.append))
    return (rows[-1][1] if rows else None), found


def opened(body: bytes, times: bytes | None) -> tuple[Times, Values]:
    """The samples in a chunk's body, whose times stand in `times` or, without those, in the body before the values."""
    columns = [*(() if times is None else (_times(times),)), *decode(body)]
    if len(columns) != 2 or len(columns[0]) != len(columns[1]):
        raise StoreDamaged(f"{' and '.join(str(len(one)) for one in columns)} times and values do not fit together")
    return columns[0].view(np.int64), columns[1].view(np.float64)


@lru_cache(maxsize=4)
def _times(packed: bytes) -> Times:
    """One row of times; the series of a device ask for the same one after another."""
    (times, *_) = decode(packed)
    times.setflags(write=False)
    return times.view(np.int64)


@lru_cache(maxsize=4)
def _packed_times(raw: bytes) -> bytes:
    return encode([np.frombuffer(raw, dtype=np.int64)])


def damaged(cx: Connection, schema: str = "main") -> Iterator[str]:
    """One sentence for each wrong count, each packed row that does not unpack and each set aside; looks at all."""
    yield from shared.miscounted(cx, schema)
    yield from map(str, [*tail.damaged(cx, schema), *bundles.damaged(cx, schema)])
    after: int | None = NONE_YET
    while after is not None:
        after, found = look_at(cx, after, LOOK_AT_ONCE, schema)
        yield from map(str, found)
    yield from map(str, rollup.damaged(cx, schema))
    yield from damage.findings(cx, schema)


def open_number(series: int) -> int:
    """The number of a series' open chunk. Finished ones count up from 1: rewriting leaves no holes among them."""
    return -1 - series


def plan(cx: Connection, series: int, times: Times, values: Values, schema: str = "main") -> Rewrite:
    """How to add samples, sorted by time, to the chunks of one series. Only reads.

    Every sample goes to the chunk that began last before it. That chunk is taken up when it is open or reaches past
    the sample; otherwise the samples behind it make new chunks.
    """
    known = _from_chunk_before(cx, series, int(times[0]), schema)
    homes = np.searchsorted(np.array([head.t0_ms for head in known], dtype=np.int64), times, "right") - 1
    starts = [0, *(np.flatnonzero(homes[1:] != homes[:-1]) + 1).tolist()]
    rewrite = Rewrite()
    for start, end in zip(starts, [*starts[1:], len(times)], strict=True):
        part = times[start:end], values[start:end]
        if homes[start] >= 0:
            part = _taken_up(cx, series, known[homes[start]], part, rewrite, schema)
        rewrite.add.extend(_cut(series, *part, newest=homes[start] == len(known) - 1))
    return rewrite


def apply(cx: Connection, rewrites: Sequence[Rewrite]) -> None:
    """Carry rewrites out in the caller's transaction."""
    set_aside(cx, [found for rewrite in rewrites for found in rewrite.damaged])
    remove(cx, [rowid for rewrite in rewrites for rowid in rewrite.remove])
    fresh = [one for rewrite in rewrites for one in rewrite.add]
    homes = shared.add(cx, [(one.times, one.number) for one in fresh])
    rows = [(one.number, one.series, *one.head, one.values, homes[one.times]) for one in fresh]
    statements.insert(cx, "chunk", COLUMNS, rows)
    shared.count(cx, len(fresh), sum(one.head[2] for one in fresh))


def remove(cx: Connection, rowids: Sequence[int]) -> None:
    """Delete chunks; StoreBusy when somebody else did."""
    if not rowids:
        return
    shared.release(cx, rowids)
    if statements.delete(cx, "chunk", rowids) != len(rowids):
        raise StoreBusy("chunks changed while they were rewritten: only one roll or retention may run at a time")


def set_aside(cx: Connection, found: Sequence[RowDamaged]) -> None:
    """Move damaged chunks out of the way with their bytes."""
    for one in found:
        damage.keep(cx, one)
    remove(cx, [one.number for one in found])


def _from_chunk_before(cx: Connection, series: int, t_ms: int, schema: str) -> list[Head]:
    """Chunks from the last one that began at or before t on; all when none did."""
    rows = cx.execute(
        f"SELECT {_HEAD} FROM {schema}.chunk WHERE series = ?1 AND t0_ms >= coalesce("
        f"(SELECT max(t0_ms) FROM {schema}.chunk WHERE series = ?1 AND t0_ms <= ?2), ?2) ORDER BY t0_ms",
        (series, t_ms),
    )
    return [Head(*row) for row in rows.fetchall()]


def _taken_up(
    cx: Connection, series: int, home: Head, new: tuple[Times, Values], rewrite: Rewrite, schema: str
) -> tuple[Times, Values]:
    """The new samples, with those of their home chunk where it has to be written again."""
    is_open = home.chunk == open_number(series)
    if not is_open and home.t1_ms < new[0][0]:
        return new
    try:
        old = unpack(cx, series, home, schema)
    except RowDamaged as error:
        rewrite.damaged.append(error)
        return new
    rewrite.remove.append(home.chunk)
    return in_order(np.concatenate((old[0], new[0])), np.concatenate((old[1], new[1])))


def _cut(series: int, times: Times, values: Values, newest: bool) -> Iterator[Fresh]:
    """Chunks by number of samples alone: series measured together are cut together."""
    for at in range(0, len(times), MOST_SAMPLES):
        part, numbers = times[at : at + MOST_SAMPLES], values[at : at + MOST_SAMPLES]
        stays_open = newest and at + MOST_SAMPLES >= len(times) and len(part) < OPEN * MOST_SAMPLES
        number = open_number(series) if stays_open else None
        sums = float(numbers.min()), float(numbers.max()), float(numbers.sum())
        head = (int(part[0]), int(part[-1]), len(part), *sums)
        yield Fresh(number, series, head, encode([numbers]), _packed_times(part.tobytes()))
