"""Rows of the sensors: declarations (`ops.db`), latest states and device events (`telemetry.db`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from local_store import columns
from local_store.records import DeviceEventRow, Sensor, SensorState
from local_store.sqlite import Connection

_SENSOR = columns.select("sensor", Sensor)
_SENSOR_UPSERT = columns.upsert_declared("sensor", Sensor, "sensor_id")
_SENSOR_VALUES = columns.values(Sensor)
_STATE = columns.select("sensor_state", SensorState)
_STATE_UPSERT = columns.upsert("sensor_state", SensorState, "sensor_id")
_STATE_VALUES = columns.values(SensorState)
_EVENT = columns.select("device_event", DeviceEventRow)
_EVENT_INSERT = columns.insert("device_event", DeviceEventRow)
_EVENT_VALUES = columns.values(DeviceEventRow)


def upsert_sensors(cx: Connection, sensors: Iterable[Sensor], now_ms: int) -> int:
    """Write declarations and return how many were new, different or retired; equal rows stay untouched."""
    before = cx.total_changes
    cx.executemany(_SENSOR_UPSERT, ((*_SENSOR_VALUES(sensor), now_ms) for sensor in sensors))
    return cx.total_changes - before


def all_sensors(cx: Connection) -> list[Sensor]:
    """Every sensor in service, by id."""
    return [Sensor(*row) for row in cx.execute(f"{_SENSOR} WHERE retired_ms IS NULL ORDER BY sensor_id")]


def get_sensor(cx: Connection, sensor_id: str) -> Sensor | None:
    """One sensor, retired or not."""
    row = cx.execute(f"{_SENSOR} WHERE sensor_id = ?", (sensor_id,)).fetchone()
    return Sensor(*row) if row else None


def retire_sensors(cx: Connection, sensor_ids: Sequence[str], now_ms: int) -> int:
    """Take sensors out of service, keeping their rows; returns how many were in service."""
    before = cx.total_changes
    cx.executemany(
        "UPDATE sensor SET retired_ms = ?, changed_ms = ? WHERE sensor_id = ? AND retired_ms IS NULL",
        ((now_ms, now_ms, sensor_id) for sensor_id in sensor_ids),
    )
    return cx.total_changes - before


def save_sensor_states(cx: Connection, states: Iterable[SensorState]) -> None:
    """Write the latest of many sensors in one statement."""
    cx.executemany(_STATE_UPSERT, map(_STATE_VALUES, states))


def load_sensor_states(cx: Connection) -> dict[str, SensorState]:
    """The latest of every sensor ever heard, by sensor id; what ingest goes on from after a restart."""
    return {row[0]: SensorState(*row) for row in cx.execute(_STATE)}


def add_device_events(cx: Connection, events: Iterable[DeviceEventRow]) -> None:
    """Append joins, statuses, logs and the like."""
    cx.executemany(_EVENT_INSERT, map(_EVENT_VALUES, events))


def device_events(cx: Connection, sensor_id: str, limit: int) -> list[DeviceEventRow]:
    """The newest events of one sensor, newest first."""
    rows = cx.execute(f"{_EVENT} WHERE sensor_id = ? ORDER BY at_ms DESC, rowid DESC LIMIT ?", (sensor_id, limit))
    return [DeviceEventRow(*row) for row in rows]


def node_notices(cx: Connection, after_ms: int) -> dict[str, int]:
    """When each node last sent a notification that was not about a link, by node id."""
    rows = cx.execute(
        "SELECT n.node_id, (SELECT max(e.at_ms) FROM tm.device_event e WHERE e.sensor_id = n.node_id AND e.at_ms > ?"
        " AND e.kind = 'trap' AND e.body NOT LIKE '%\"kind\": \"link%') AS last_ms"
        " FROM main.node n WHERE n.retired_ms IS NULL AND last_ms IS NOT NULL",
        (after_ms,),
    )
    return {str(node_id): int(at_ms) for node_id, at_ms in rows}


def drop_device_events(cx: Connection, before_ms: int, look_at: int) -> int:
    """Delete what is older than `before_ms` among the `look_at` oldest arrivals, a bounded cost; returns how many."""
    oldest = "SELECT rowid FROM device_event ORDER BY rowid LIMIT ?"
    deleted = cx.execute(
        f"DELETE FROM device_event WHERE rowid IN ({oldest}) AND at_ms < ?",
        (look_at, before_ms),
    )
    return int(deleted.rowcount)
