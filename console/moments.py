"""Moments as people write them: `90min`, `6h`, `2d` ago, a time of day, or a date with a time. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

UNITS_S: Final[Mapping[str, int]] = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "t": 86_400}
LATEST_MS: Final = 253_402_300_799_000
"""The end of the year 9999, where calendars of this language end."""


def parse_moment(text: str, now_ms: int) -> int | None:
    """Milliseconds of a moment in this machine's zone; a time of day is the last one that has passed. None: no time."""
    text = text.strip()
    short = re.fullmatch(r"(\d{1,9})\s*([a-z]+)", text.lower())
    if short and short[2] in UNITS_S:
        return max(0, now_ms - int(short[1]) * UNITS_S[short[2]] * 1000)
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})", text)
    if clock and int(clock[1]) < 24 and int(clock[2]) < 60:
        here = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone()
        then = here.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        return int((then if then <= here else then - timedelta(days=1)).timestamp() * 1000)
    try:
        return max(0, int(datetime.fromisoformat(text).astimezone().timestamp() * 1000))
    except (ValueError, OverflowError):
        return None
