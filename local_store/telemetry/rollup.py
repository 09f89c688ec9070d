"""Quarter hours and days: how many samples, their minimum, maximum and sum, kept when chunks are dropped.

A dropped sample is folded once, in the transaction that drops it, so that roll-ups and kept samples never overlap and
late samples add to what is there. A sample that arrives again after its first copy was dropped counts twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from local_store.errors import RowDamaged, StoreDamaged
from local_store.sqlite import Connection
from local_store.telemetry import statements
from local_store.telemetry.codec import Times, Values, decode, encode

DAY_MS: Final = 86_400_000
QUARTER_MS: Final = 900_000
ROW_MS: Final[Mapping[int, int]] = {QUARTER_MS: 7 * DAY_MS, DAY_MS: 512 * DAY_MS}
"""How much time one row of the table holds, per length of its slots."""
Place = tuple[int, int, int]
"""series, span_ms, t0_ms of a row."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Columns of slots: start, samples, minimum, maximum, sum."""

    t_ms: Times
    n: Values
    v_min: Values
    v_max: Values
    v_sum: Values

    def __getitem__(self, which: object) -> Slots:
        """The chosen slots; `which` is a numpy index."""
        columns = (self.t_ms, self.n, self.v_min, self.v_max, self.v_sum)
        return Slots(*(column[which] for column in columns))  # type: ignore[call-overload]


def slots_of(times: Times, values: Values, span_ms: int) -> Slots:
    """The slots that some samples fall into."""
    return _reduced(times // span_ms * span_ms, np.ones(len(times)), values, values, values)


def join(parts: Iterable[Slots]) -> Slots:
    """One slot for all of equal start."""
    found = list(parts)
    columns = [[getattr(part, name) for part in found] for name in ("t_ms", "n", "v_min", "v_max", "v_sum")]
    return _reduced(*(np.concatenate(column) for column in columns))


def rows_of(slots: Slots, span_ms: int) -> dict[int, Slots]:
    """The slots by the start of the row that holds them."""
    homes = slots.t_ms // ROW_MS[span_ms] * ROW_MS[span_ms]
    return {int(home): slots[homes == home] for home in np.unique(homes)}


def pack(slots: Slots) -> bytes:
    """The body of one row."""
    return encode([slots.t_ms, slots.n, slots.v_min, slots.v_max, _tidy(slots.v_sum)])


def unpack(body: bytes, place: Place, number: int) -> Slots:
    """The slots of one row; RowDamaged names it."""
    try:
        starts, *columns = decode(body)
    except StoreDamaged as error:
        series, span_ms, t0_ms = place
        text = f"series {series}, roll-up row of {span_ms} ms slots from {t0_ms}: {error}"
        raise RowDamaged(text, "rollup", number) from error
    n, low, high, total = (column.view(np.float64) for column in columns)
    return Slots(starts.view(np.int64), n, low, high, total)


def load(cx: Connection, place: Place, schema: str = "main") -> Slots | None:
    """One row, or None."""
    row = cx.execute(
        f"SELECT body, rollup FROM {schema}.rollup WHERE series = ? AND span_ms = ? AND t0_ms = ?",
        place,
    ).fetchone()
    return None if row is None else unpack(row[0], place, row[1])


def save(cx: Connection, rows: Mapping[Place, bytes]) -> None:
    """Write rows in the caller's transaction."""
    statements.insert(cx, "rollup", ("series", "span_ms", "t0_ms", "body"), [(*at, body) for at, body in rows.items()])


def drop(cx: Connection, span_ms: int, before_ms: int, limit: int) -> int:
    """Delete up to `limit` rows that end before a time; returns how many went."""
    found = cx.execute(
        "SELECT rollup FROM rollup WHERE span_ms = ? AND t0_ms <= ? LIMIT ?",
        (span_ms, before_ms - ROW_MS[span_ms], limit),
    ).fetchall()
    return statements.delete(cx, "rollup", [rowid for (rowid,) in found])


def between(cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str = "main") -> list[Slots]:
    """Slots that begin in t0 <= t < t1: quarter hours where their row is kept, days elsewhere."""
    weeks = _rows(cx, (series, QUARTER_MS), t0_ms, t1_ms, schema)
    found = list(weeks.values())
    kept = np.array(list(weeks), dtype=np.int64)
    days = _rows(cx, (series, DAY_MS), t0_ms, t1_ms, schema).values()
    found += [part[~np.isin(part.t_ms // ROW_MS[QUARTER_MS] * ROW_MS[QUARTER_MS], kept)] for part in days]
    return [slots[(slots.t_ms >= t0_ms) & (slots.t_ms < t1_ms)] for slots in found]


def _rows(cx: Connection, of: tuple[int, int], t0_ms: int, t1_ms: int, schema: str) -> dict[int, Slots]:
    rows = cx.execute(
        f"SELECT t0_ms, body, rollup FROM {schema}.rollup "
        "WHERE series = ? AND span_ms = ? AND t0_ms > ? AND t0_ms < ? ORDER BY t0_ms",
        (*of, t0_ms - ROW_MS[of[1]], t1_ms),
    )
    found = {}
    for start, body, number in rows.fetchall():
        # A damaged row is a gap to readers; retention keeps its bytes when it writes the row anew.
        with contextlib.suppress(RowDamaged):
            found[start] = unpack(body, (*of, start), number)
    return found


def _reduced(starts: Times, n: Values, low: Values, high: Values, total: Values) -> Slots:
    slots, at = np.unique(starts, return_inverse=True)
    lows, highs = np.full(len(slots), np.inf), np.full(len(slots), -np.inf)
    np.minimum.at(lows, at, low)
    np.maximum.at(highs, at, high)
    counts, sums = np.zeros(len(slots)), np.zeros(len(slots))
    np.add.at(counts, at, n)
    np.add.at(sums, at, total)
    return Slots(slots, counts, lows, highs, sums)


def _tidy(sums: Values) -> Values:
    """Sums of decimals without the dust of adding them: three digits where nothing else is lost; they pack to half."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.round(sums, 3)
        return np.where(np.abs(rounded - sums) <= 1e-12 * np.abs(sums), rounded, sums)
