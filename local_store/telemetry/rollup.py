"""Quarter hours and days: how many samples, their minimum, maximum and sum, kept when chunks are dropped.

A dropped sample is folded once, in the transaction that drops it, so that roll-ups and kept samples never overlap and
late samples add to what is there. A sample that arrives again after its first copy was dropped counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from local_store.errors import RowDamaged, StoreDamaged
from local_store.sqlite import Connection
from local_store.telemetry import damage, statements
from local_store.telemetry.codec import Times, Values, decode, encode

DAY_MS: Final = 86_400_000
QUARTER_MS: Final = 900_000
ROW_MS: Final[Mapping[int, int]] = {QUARTER_MS: 7 * DAY_MS, DAY_MS: 512 * DAY_MS}
"""How much time one row of the table holds, per length of its slots."""
LOOK_AT_ONCE: Final = 1000
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


NOTHING: Final = Slots(np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(4)))


def slots_of(times: Times, values: Values, span_ms: int) -> Slots:
    """The slots that some samples fall into."""
    return _reduced(times // span_ms * span_ms, np.ones(len(times)), values, values, values)


def join(parts: Iterable[Slots]) -> Slots:
    """One slot for all of equal start."""
    found = [NOTHING, *parts]
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
        starts, n, low, high, total = decode(body)
    except (StoreDamaged, ValueError) as error:
        series, span_ms, t0_ms = place
        text = f"series {series}, roll-up row of {span_ms} ms slots from {t0_ms}: {error}"
        raise RowDamaged(text, "rollup", number) from error
    return Slots(starts.view(np.int64), *(column.view(np.float64) for column in (n, low, high, total)))


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


def between(
    cx: Connection, series: int, t0_ms: int, t1_ms: int, schema: str = "main", told: damage.Told = damage.left_out
) -> list[Slots]:
    """Slots that begin in t0 <= t < t1: quarter hours of each day where they are kept, else the day.

    What does not unpack is missing from them, and `told` hears of it.
    """
    quarters = join(_rows(cx, (series, QUARTER_MS), t0_ms, t1_ms, schema, told))
    days = join(_rows(cx, (series, DAY_MS), t0_ms, t1_ms, schema, told))
    homes = quarters.t_ms // DAY_MS * DAY_MS
    # Both were folded from the same samples: whichever knows of fewer on a day has lost some.
    fuller = days[days.n > _summed(quarters.n, homes, days.t_ms)]
    found = [quarters[~np.isin(homes, fuller.t_ms)], fuller]
    return [slots[(slots.t_ms >= t0_ms) & (slots.t_ms < t1_ms)] for slots in found]


def _summed(n: Values, homes: Times, days: Times) -> Values:
    """How many samples each of these days has in its quarter hours."""
    inside = np.isin(homes, days)
    counts = np.zeros(len(days))
    np.add.at(counts, np.searchsorted(days, homes[inside]), n[inside])
    return counts


def look_at(cx: Connection, after: int, limit: int, schema: str = "main") -> tuple[int | None, list[RowDamaged]]:
    """Unpack the next rows by number: the last of them, None at the end, and those that are damaged."""
    rows = cx.execute(
        f"SELECT rollup, series, span_ms, t0_ms, body FROM {schema}.rollup WHERE rollup > ? ORDER BY rollup LIMIT ?",
        (after, limit),
    ).fetchall()
    found: list[RowDamaged] = []
    for number, *place, body in rows:
        _opened(body, (place[0], place[1], place[2]), number, found.append)
    return (rows[-1][0] if rows else None), found


def damaged(cx: Connection, schema: str = "main") -> Iterator[RowDamaged]:
    """Every row that does not unpack."""
    after: int | None = 0
    while after is not None:
        after, found = look_at(cx, after, LOOK_AT_ONCE, schema)
        yield from found


def set_aside(cx: Connection, found: Sequence[RowDamaged]) -> None:
    """Move damaged rows out of the way with their bytes."""
    for one in found:
        damage.keep(cx, one)
    statements.delete(cx, "rollup", [one.number for one in found])


def _rows(cx: Connection, of: tuple[int, int], t0_ms: int, t1_ms: int, schema: str, told: damage.Told) -> list[Slots]:
    rows = cx.execute(
        f"SELECT t0_ms, body, rollup FROM {schema}.rollup "
        "WHERE series = ? AND span_ms = ? AND t0_ms > ? AND t0_ms < ? ORDER BY t0_ms",
        (*of, t0_ms - ROW_MS[of[1]], t1_ms),
    )
    opened = [_opened(body, (*of, start), number, told) for start, body, number in rows.fetchall()]
    return [slots for slots in opened if slots is not None]


def _opened(body: bytes, place: Place, number: int, told: damage.Told) -> Slots | None:
    try:
        return unpack(body, place, number)
    except RowDamaged as error:
        told(error)
        return None


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
