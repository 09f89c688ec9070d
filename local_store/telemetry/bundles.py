"""The middle level: what the tail held, sorted by series, in pieces that a reader of one series finds by index.

It keeps the tail short without rewriting the chunks of every series each time; chunks are written when enough waits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from local_store.errors import RowDamaged, StoreBusy, StoreDamaged
from local_store.sqlite import Connection
from local_store.telemetry import damage, statements
from local_store.telemetry.codec import Times, Values, decode, encode
from local_store.telemetry.tail import RECORD, Rows

PIECE_SAMPLES: Final = 1000
NONE_YET: Final = -(2**63)
_STATE: Final = "roll"
BundleRow = tuple[int, int, int, int, int, bytes]
"""s0, s1, t0_ms, t1_ms, n, body."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge under way: in bundles up to number `upto`, series up to `series` are in chunks already."""

    upto: int
    series: int


def sort(rows: Rows) -> Rows:
    """By series and time; of several samples of one series at one millisecond the last that arrived counts."""
    rows = rows[np.lexsort((rows["t"], rows["series"]))]
    series, times = rows["series"], rows["t"]
    return rows[np.append((series[1:] != series[:-1]) | (times[1:] != times[:-1]), True)] if len(rows) else rows


def pack(rows: Rows) -> Iterator[BundleRow]:
    """Cut sorted rows into bundles."""
    for at in range(0, len(rows), PIECE_SAMPLES):
        piece = rows[at : at + PIECE_SAMPLES]
        series, times, values = (np.ascontiguousarray(piece[name]) for name in ("series", "t", "v"))
        span = int(series[0]), int(series[-1]), int(times.min()), int(times.max())
        yield (*span, len(piece), encode([series, times, values]))


def unpack(body: bytes, bundle: int) -> Rows:
    """The rows of one bundle. Raises RowDamaged."""
    try:
        series, times, values = decode(body)
    except (StoreDamaged, ValueError) as error:
        raise RowDamaged(f"bundle {bundle}: {error}", "bundle", bundle) from error
    rows = np.empty(len(series), dtype=RECORD)
    rows["series"], rows["t"], rows["v"] = series, times.view(np.int64), values.view(np.float64)
    return rows


def unpacked(found: Iterable[tuple[int, bytes]], told: damage.Told) -> Iterator[Rows]:
    """The rows of each bundle that unpacks; `told` hears of the others."""
    for bundle, body in found:
        try:
            rows = unpack(body, bundle)
        except RowDamaged as error:
            told(error)
        else:
            yield rows


def damaged(cx: Connection, schema: str = "main") -> list[RowDamaged]:
    """Every bundle that does not unpack."""
    found: list[RowDamaged] = []
    for _rows in unpacked(cx.execute(f"SELECT bundle, body FROM {schema}.bundle"), found.append):
        pass
    return found


def remove(cx: Connection, bundle: int) -> None:
    """Forget one bundle; it is elsewhere by the end of the same transaction."""
    cx.execute("DELETE FROM bundle WHERE bundle = ?", (bundle,))


def add(cx: Connection, found: list[BundleRow]) -> None:
    """Store bundles in the caller's transaction."""
    statements.insert(cx, "bundle", ("s0", "s1", "t0_ms", "t1_ms", "n", "body"), found)


def of_series(
    cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str = "main", told: damage.Told = damage.left_out
) -> tuple[Times, Values]:
    """Samples of one series in bundles that touch t0 <= t < t1, in arrival order, without those already in chunks."""
    merged = state(cx, schema)
    found = cx.execute(
        f"SELECT bundle, body FROM {schema}.bundle "
        "WHERE s1 >= ? AND s0 <= ? AND t1_ms >= ? AND t0_ms < ? AND bundle > ? ORDER BY bundle",
        (series, series, t0_ms, t1_ms, merged.upto if series <= merged.series else 0),
    )
    times, values = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for rows in unpacked(found.fetchall(), told):
        mine = rows[np.searchsorted(rows["series"], series) : np.searchsorted(rows["series"], series, "right")]
        times.append(mine["t"])
        values.append(mine["v"])
    return np.concatenate(times), np.concatenate(values)


def next_rows(cx: Connection, merged: Merged, samples: int, schema: str = "main") -> Rows:
    """Sorted rows of the next whole series that are still to be merged, about so many; empty at the end.

    Raises RowDamaged.
    """
    end, held = None, 0
    for s1, n in cx.execute(
        f"SELECT s1, n FROM {schema}.bundle WHERE s1 > ? AND bundle <= ? ORDER BY s1",
        (merged.series, merged.upto),
    ).fetchall():
        end, held = s1, held + n
        if held >= samples:
            break
    if end is None:
        return np.empty(0, dtype=RECORD)
    found = cx.execute(
        f"SELECT bundle, body FROM {schema}.bundle WHERE s1 > ? AND s0 <= ? AND bundle <= ? ORDER BY bundle",
        (merged.series, end, merged.upto),
    )
    rows = np.concatenate([unpack(body, bundle) for bundle, body in found.fetchall()])
    return sort(rows[(rows["series"] > merged.series) & (rows["series"] <= end)])


def begin(cx: Connection) -> Merged | None:
    """The merge a crash interrupted, else a new one over all bundles that are there; None without any."""
    before = state(cx)
    left = cx.execute("SELECT 1 FROM bundle WHERE bundle <= ? LIMIT 1", (before.upto,)).fetchone()
    if before.upto and left is not None:
        return before
    # Either none is under way, or the last of its bundles was set aside.
    merged = Merged(cx.execute("SELECT coalesce(max(bundle), 0) FROM bundle").fetchone()[0], NONE_YET)
    advance(cx, before, merged)
    return merged if merged.upto else None


def advance(cx: Connection, before: Merged, after: Merged) -> None:
    """Note how far the merge came, in the transaction that wrote the chunks, and drop bundles that are used up."""
    if state(cx) != before:
        raise StoreBusy("measurements are being merged by somebody else too: only one roll may run at a time")
    cx.execute("DELETE FROM bundle WHERE s1 <= ? AND bundle <= ?", (after.series, after.upto))
    left = cx.execute("SELECT 1 FROM bundle WHERE bundle <= ? LIMIT 1", (after.upto,)).fetchone()
    if left is None:
        cx.execute("DELETE FROM meta WHERE key = ?", (_STATE,))
        return
    text = json.dumps({"upto": after.upto, "series": after.series})
    cx.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_STATE, text))


def state(cx: Connection, schema: str = "main") -> Merged:
    """Where a merge stands; `upto` is 0 when none is under way."""
    row = cx.execute(f"SELECT value FROM {schema}.meta WHERE key = ?", (_STATE,)).fetchone()
    return Merged(0, NONE_YET) if row is None else Merged(**json.loads(row[0]))
