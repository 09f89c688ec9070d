"""When a maintenance window holds: local times of a zone, single or recurring, across changes of the clocks. Pure.

A window is meant by the clock on the wall: 01:00 to 05:00 lasts three hours in the night the clocks go forward and five
when they go back. Where a local time exists twice, or not at all, the longer window of those that could be meant holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local_store.mesh_records import MaintenanceRow

STEP_DAYS: Final = {"daily": 1, "weekly": 7}
LONGEST_MINUTES: Final = 31 * 24 * 60


@dataclass(frozen=True, slots=True)
class Span:
    """One occurrence in ms UTC; the end is outside."""

    start_ms: int
    end_ms: int


def wrong_with(row: MaintenanceRow) -> str:
    """The code of what is wrong with a window, "" when nothing is: zone, starts, length, repeats, overlap."""
    try:
        ZoneInfo(row.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "zone"
    try:
        datetime.fromisoformat(row.starts)
    except ValueError:
        return "starts"
    if not 0 < row.minutes <= LONGEST_MINUTES:
        return "length"
    if row.repeats and row.repeats not in STEP_DAYS:
        return "repeats"
    if row.repeats and row.minutes >= STEP_DAYS[row.repeats] * 24 * 60:
        return "overlap"
    return ""


def spans(row: MaintenanceRow, now_ms: int) -> list[Span]:
    """The occurrences around `now_ms`: the one that holds or the last before, and the next."""
    zone = ZoneInfo(row.zone)
    first = datetime.fromisoformat(row.starts).replace(tzinfo=None)
    step = STEP_DAYS.get(row.repeats)
    if step is None:
        return [_span(first, row.minutes, zone)]
    today = datetime.fromtimestamp(now_ms / 1000, zone).replace(tzinfo=None)
    around = max(0, (today - first).days // step)
    found = [
        _span(first + timedelta(days=step * at), row.minutes, zone) for at in range(max(0, around - 2), around + 3)
    ]
    return [span for span in found if row.until_ms is None or span.start_ms <= row.until_ms]


def holds(row: MaintenanceRow, now_ms: int) -> bool:
    """Whether the window is open now."""
    if row.ended_ms is not None and now_ms >= row.ended_ms:
        return False
    return any(span.start_ms <= now_ms < span.end_ms for span in spans(row, now_ms))


def is_over(row: MaintenanceRow, now_ms: int) -> bool:
    """Whether it holds neither now nor ever again."""
    if row.ended_ms is not None and now_ms >= row.ended_ms:
        return True
    return all(span.end_ms <= now_ms for span in spans(row, now_ms))


def next_span(row: MaintenanceRow, now_ms: int) -> Span | None:
    """The occurrence that holds now, else the next one."""
    return min(
        (span for span in spans(row, now_ms) if span.end_ms > now_ms), key=lambda one: one.start_ms, default=None
    )


def wall_minutes(start: datetime, minutes: int, zone: str) -> int:
    """How far the clock on the wall gets in so many minutes from a local time on; never less than they are."""
    here = ZoneInfo(zone)
    end = datetime.fromtimestamp(start.replace(tzinfo=here).timestamp() + minutes * 60, here)
    return max(minutes, round((end.replace(tzinfo=None) - start) / timedelta(minutes=1)))


def _span(start: datetime, minutes: int, zone: ZoneInfo) -> Span:
    end = start + timedelta(minutes=minutes)
    return Span(
        min(_utc_ms(start, zone, fold) for fold in (0, 1)),
        max(_utc_ms(end, zone, fold) for fold in (0, 1)),
    )


def _utc_ms(local: datetime, zone: ZoneInfo, fold: int) -> int:
    return round(local.replace(tzinfo=zone, fold=fold).timestamp() * 1000)
