"""How the columns of lists are called outside: in JSON a name carries its unit. These names are documented and stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

WITH_UNIT: Final[Mapping[str, str]] = {
    "rtt": "rtt_ms",
    "loss": "loss_pct",
    "load": "load_pct",
    "mem": "mem_pct",
    "in": "in_bps",
    "out": "out_bps",
    "fw": "firmware",
    "seen": "seen_ms",
    "uptime": "uptime_s",
    "fill": "fill_pct",
    "battery": "battery_pct",
    "rssi": "rssi_dbm",
    "snr": "snr_db",
    "opened": "opened_ms",
    "closed": "closed_ms",
    "until": "until_ms",
    "asked": "asked_ms",
    "decided": "decided_ms",
}
FOR_SCREENS: Final = frozenset({"rank", "history"})


def outside(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a list under its outside names, without what only screens draw."""
    return {WITH_UNIT.get(name, name): value for name, value in row.items() if name not in FOR_SCREENS}
