"""Sensors as a list and one by one, declared ones and those that merely speak."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from local_store import columns
from local_store.filter import Field
from local_store.records import DeviceEventRow, Sensor, SensorState
from local_store.sensing import device_events
from local_store.sqlite import Connection
from local_store.views.listing import Listing

_BOTH: Final = (
    "(SELECT sensor_id FROM main.sensor WHERE retired_ms IS NULL UNION SELECT sensor_id FROM tm.sensor_state) k "
    "LEFT JOIN main.sensor d ON d.sensor_id = k.sensor_id LEFT JOIN tm.sensor_state s ON s.sensor_id = k.sensor_id"
)
_SILENT: Final = (
    "EXISTS (SELECT 1 FROM main.alert a WHERE a.entity_kind = 'sensor' AND a.entity_id = k.sensor_id "
    "AND a.closed_ms IS NULL)"
)
STATE: Final = f"CASE WHEN s.seen_ms IS NULL THEN 'unknown' WHEN {_SILENT} THEN 'warning' ELSE 'ok' END"

SENSORS: Final = Listing(
    _BOTH,
    "k.sensor_id",
    {
        "sensor": Field("k.sensor_id"),
        "name": Field("coalesce(d.name, nullif(s.name, ''), k.sensor_id)"),
        "kind": Field("ifnull(d.kind, 'other')"),
        "district": Field("ifnull(d.district, '')"),
        "state": Field(STATE),
        "fill": Field("json_extract(s.reading, '$.fill_pct')", number=True),
        "battery": Field("s.battery_pct", number=True),
        "rssi": Field("s.rssi_dbm", number=True),
        "snr": Field("s.snr_db", number=True),
        "sf": Field("s.sf", number=True),
        "gateways": Field("s.gateways", number=True),
        "received": Field("s.received", number=True),
        "gaps": Field("s.gaps", number=True),
        "duplicates": Field("s.duplicates", number=True),
        "seen": Field("s.seen_ms", number=True),
        "model": Field("coalesce(nullif(s.profile, ''), d.model, '')"),
        "system": Field("ifnull(d.system, '')"),
        "reading": Field("s.reading"),
    },
    {
        "bezirk": "district", "art": "kind", "füllung": "fill", "batterie": "battery", "lücken": "gaps",
        "gesehen": "seen", "zustand": "state", "modell": "model", "bin": "fill",
    },
    "state",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SensorDetail:
    """Everything about one sensor; either side may be missing, never both."""

    sensor_id: str
    declared: Sensor | None
    state: SensorState | None
    reading: Mapping[str, float]
    events: tuple[DeviceEventRow, ...]


def detail(cx: Connection, sensor_id: str) -> SensorDetail | None:
    """One sensor by its id, or None when nobody knows it."""
    row = cx.execute(f"{columns.select('main.sensor', Sensor)} WHERE sensor_id = ?", (sensor_id,)).fetchone()
    found = cx.execute(f"{columns.select('tm.sensor_state', SensorState)} WHERE sensor_id = ?", (sensor_id,)).fetchone()
    if row is None and found is None:
        return None
    state = None if found is None else SensorState(*found)
    reading = json.loads(state.reading) if state else {}
    events = device_events(cx, sensor_id, 20)
    return SensorDetail(sensor_id, Sensor(*row) if row else None, state, reading, tuple(events))
