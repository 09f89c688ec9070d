"""How things stood at a moment, as far as it was stored: measurements and alerts. What was not stored is unknown.

The inventory is today's. States follow from the alerts that were open and from whether anything was measured.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from local_store.records import InterfaceState, NodeState, NodeStateName, SensorState
from local_store.sqlite import Connection
from local_store.views import alerts, nodes, sensors
from local_store.views import overview as glance
from local_store.views.listing import Listing

if TYPE_CHECKING:
    from local_store.telemetry.moment import Measured

NODE_WINDOW_MS: Final = 15 * 60_000
"""A node that was measured within so long before the moment was being watched."""
SENSOR_WINDOW_MS: Final = 6 * 3_600_000
NODE_QUANTITIES: Final = ("rtt_ms", "load_pct", "mem_pct")

_NODE_THEN: Final = """(SELECT value ->> 0 AS node_id, value ->> 1 AS state, value ->> 2 AS cause,
 value ->> 3 AS rtt_ms, value ->> 4 AS load_pct, value ->> 5 AS mem_pct, value ->> 6 AS seen_ms,
 NULL AS loss_pct, NULL AS in_bps, NULL AS out_bps, NULL AS uptime_s, '' AS history
 FROM json_each(?))"""
_SENSOR_THEN: Final = """(SELECT value ->> 0 AS sensor_id, value ->> 1 AS seen_ms, value -> 2 AS reading,
 value ->> 3 AS silent, value ->> '$[2].battery_pct' AS battery_pct, '' AS name, '' AS profile,
 NULL AS rssi_dbm, NULL AS snr_db, NULL AS sf, NULL AS gateways, NULL AS received, NULL AS gaps, NULL AS duplicates
 FROM json_each(?))"""
_SILENT: Final = "CASE WHEN s.seen_ms IS NULL THEN 'unknown' WHEN s.silent THEN 'warning' ELSE 'ok' END"

NODES_THEN: Final = replace(
    nodes.NODES,
    source=nodes.NODES.source.replace("tm.node_state", _NODE_THEN),
    columns={**nodes.NODES.columns, "fw": replace(nodes.NODES.columns["fw"], sql="NULL")},
)
SENSORS_THEN: Final = replace(
    sensors.SENSORS,
    source="(SELECT sensor_id FROM main.sensor WHERE retired_ms IS NULL) k "
    f"LEFT JOIN main.sensor d ON d.sensor_id = k.sensor_id LEFT JOIN {_SENSOR_THEN} s ON s.sensor_id = k.sensor_id",
    columns={**sensors.SENSORS.columns, "state": replace(sensors.SENSORS.columns["state"], sql=_SILENT)},
)
_OPEN_THEN: Final = "main.alert WHERE opened_ms <= ?1 AND ifnull(closed_ms > ?1, 1)"
_ALERT_THEN: Final = f"""(SELECT alert_id, entity_kind, entity_id, kind, severity, opened_ms, NULL AS closed_ms, detail,
 CASE WHEN acked_ms <= ?1 THEN acked_by END AS acked_by, ack_reason, ack_until_ms FROM {_OPEN_THEN})"""
ALERTS_THEN: Final = replace(
    alerts.OPEN_ALERTS, source=alerts.OPEN_ALERTS.source.replace(alerts.OPEN, _ALERT_THEN.replace("?1", "?"))
)


@dataclass(frozen=True, slots=True)
class NodeThen:
    """One node at the moment; None is what was not stored."""

    state: NodeStateName
    cause: str
    values: Mapping[str, float]
    seen_ms: int | None


@dataclass(frozen=True, slots=True)
class SensorThen:
    """One sensor at the moment."""

    seen_ms: int | None
    reading: Mapping[str, float]
    silent: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that is known of one moment, read once."""

    at_ms: int
    nodes: Mapping[str, NodeThen]
    sensors: Mapping[str, SensorThen]
    node_rows: str
    sensor_rows: str

    def given(self, listing: Listing) -> tuple[object, ...]:
        """What the source of one of the lists above wants to be given."""
        return {
            NODES_THEN.source: (self.node_rows,),
            SENSORS_THEN.source: (self.sensor_rows,),
            ALERTS_THEN.source: (self.at_ms,) * 3,
        }[listing.source]


def read(cx: Connection, at_ms: int) -> Moment:
    """Read a moment. Takes some tenths of a second for a city: not for an event loop."""
    wrong = _open_then(cx, at_ms)
    node_ids = [str(row[0]) for row in cx.execute("SELECT node_id FROM main.node WHERE retired_ms IS NULL")]
    sensor_ids = [str(row[0]) for row in cx.execute("SELECT sensor_id FROM main.sensor WHERE retired_ms IS NULL")]
    measured = _measured(cx, "main.node", at_ms, NODE_WINDOW_MS, NODE_QUANTITIES)
    heard = _measured(cx, "main.sensor", at_ms, SENSOR_WINDOW_MS)
    found = {one: _node(measured.get(one, {}), wrong.get(("node", one), {})) for one in node_ids}
    told = {one: _sensor(heard.get(one, {}), bool(wrong.get(("sensor", one)))) for one in sensor_ids}
    node_rows = [
        [one, then.state, then.cause, *(then.values.get(what) for what in NODE_QUANTITIES), then.seen_ms]
        for one, then in found.items()
    ]
    sensor_rows = [[one, then.seen_ms, then.reading, then.silent] for one, then in told.items()]
    return Moment(at_ms, found, told, json.dumps(node_rows), json.dumps(sensor_rows))


def _open_then(cx: Connection, at_ms: int) -> dict[tuple[str, str], dict[str, str]]:
    """The causes of the alerts that were open, by kind, of each thing."""
    rows = cx.execute(
        f"SELECT entity_kind, entity_id, kind, ifnull(json_extract(detail, '$.cause'), '') FROM {_OPEN_THEN}", (at_ms,)
    )
    found: dict[tuple[str, str], dict[str, str]] = {}
    for entity_kind, entity_id, kind, cause in rows:
        found.setdefault((entity_kind, entity_id), {})[kind] = str(cause)
    return found


def _before(cx: Connection, series: list[int], t0_ms: int, at_ms: int) -> dict[int, Measured]:
    from local_store.telemetry import moment  # with all of numpy, which only the past needs

    return moment.before(cx, series, t0_ms, at_ms + 1, "tm")


def _measured(
    cx: Connection, table: str, at_ms: int, window_ms: int, quantities: tuple[str, ...] = ()
) -> dict[str, dict[str, Measured]]:
    """The last values of everything in a table of the inventory."""
    key = table.removeprefix("main.") + "_id"
    chosen = f" AND quantity IN ({', '.join('?' * len(quantities))})" if quantities else ""
    rows = cx.execute(
        f"SELECT series, entity_id, quantity FROM tm.series WHERE entity_id IN (SELECT {key} FROM {table}){chosen}",
        quantities,
    ).fetchall()
    last = _before(cx, [row[0] for row in rows], at_ms - window_ms, at_ms)
    found: dict[str, dict[str, Measured]] = {}
    for number, entity_id, quantity in rows:
        if number in last:
            found.setdefault(entity_id, {})[quantity] = last[number]
    return found


def _node(measured: Mapping[str, Measured], wrong: Mapping[str, str]) -> NodeThen:
    values = {what: one.value for what, one in measured.items()}
    seen_ms = max((one.t_ms for one in measured.values()), default=None)
    if "down" in wrong:
        return NodeThen("down", wrong["down"], values, seen_ms)
    if wrong:
        return NodeThen("warning", next((cause for cause in wrong.values() if cause), ""), values, seen_ms)
    return NodeThen("unknown" if seen_ms is None else "ok", "", values, seen_ms)


def _sensor(heard: Mapping[str, Measured], silent: bool) -> SensorThen:
    seen_ms = max((one.t_ms for one in heard.values()), default=None)
    return SensorThen(seen_ms, {what: one.value for what, one in heard.items()}, silent)


def overview(cx: Connection, then: Moment) -> glance.Overview:
    """The city at the moment; what the console did then is not stored."""
    now = glance.overview(cx, then.at_ms)
    of = Counter(one.state for one in then.nodes.values())
    counts = nodes.StateCounts(len(then.nodes), of["ok"], of["warning"], of["down"], of["unknown"])
    kinds = dict(cx.execute("SELECT sensor_id, kind FROM main.sensor WHERE retired_ms IS NULL"))
    bins = [then.sensors[one] for one, kind in kinds.items() if kind == "bin" and one in then.sensors]
    stations = [then.sensors[one] for one, kind in kinds.items() if kind == "climate" and one in then.sensors]
    due = sum(one.reading.get("fill_pct", 0.0) >= glance.DUE_PCT for one in bins)
    return replace(
        now,
        nodes=counts,
        traffic_bps=None,
        bins=glance.Bins(len(bins), due, sum(one.silent for one in bins), _heard(bins)),
        stations=glance.Stations(
            len(stations),
            _heard(stations),
            sum(one.silent for one in stations),
            _mean(stations, "no2_ug_m3"),
            _mean(stations, "air_temp_c"),
        ),
    )


def _heard(found: list[SensorThen]) -> int:
    return sum(one.seen_ms is not None for one in found)


def _mean(found: list[SensorThen], quantity: str) -> float | None:
    values = [one.reading[quantity] for one in found if quantity in one.reading]
    return sum(values) / len(values) if values else None


def needs_somebody(cx: Connection, at_ms: int, limit: int) -> list[alerts.Needs]:
    """What was open at the moment and nobody had acknowledged: critical first, newest first."""
    rows = cx.execute(
        f"SELECT a.alert_id, a.severity, a.entity_kind, a.entity_id, {alerts.NAME}, a.kind, a.opened_ms, a.detail "
        f"FROM {ALERTS_THEN.source} WHERE a.acked_by IS NULL "
        "ORDER BY a.severity = 'critical' DESC, a.opened_ms DESC, a.alert_id DESC LIMIT ?",
        (*(at_ms,) * 3, limit),
    )
    return [alerts.Needs(*row) for row in rows]


def node_detail(cx: Connection, then: Moment, node_id: str) -> nodes.NodeDetail | None:
    """One node as its board shows it: no calls, no firmware, and ports only as far as they were measured."""
    now = nodes.detail(cx, node_id)
    if now is None:
        return None
    one = then.nodes.get(node_id) or NodeThen("unknown", "", {}, None)
    state = NodeState(
        node_id, one.state, _since(cx, "node", node_id, then.at_ms), one.cause, one.seen_ms, one.seen_ms or 0,
        rtt_ms=one.values.get("rtt_ms"), load_pct=one.values.get("load_pct"), mem_pct=one.values.get("mem_pct"),
    )  # fmt: skip
    children = tuple(
        (child, then.nodes[child].state if child in then.nodes else "unknown") for child, _now in now.children
    )
    events = tuple(event for event in now.events if event[0] <= then.at_ms)
    node = replace(now.node, firmware="")
    return nodes.NodeDetail(node, state, _ports(cx, node_id, then.at_ms), (), children, events)


def _since(cx: Connection, kind: str, entity_id: str, at_ms: int) -> int:
    """Since when a thing was as it was: the last time an alert of it opened or closed, 0 when none ever did."""
    row = cx.execute(
        "SELECT max(e.at_ms) FROM main.alert_event e JOIN main.alert a USING (alert_id)"
        " WHERE a.entity_kind = ? AND a.entity_id = ? AND e.what IN ('opened', 'closed') AND e.at_ms <= ?",
        (kind, entity_id, at_ms),
    ).fetchone()
    return int(row[0] or 0)


def _ports(cx: Connection, node_id: str, at_ms: int) -> tuple[InterfaceState, ...]:
    rows = cx.execute(
        "SELECT series, entity_id, quantity FROM tm.series WHERE entity_id > ? || '/' AND entity_id < ? || '0'",
        (node_id, node_id),
    ).fetchall()
    last = _before(cx, [row[0] for row in rows], at_ms - NODE_WINDOW_MS, at_ms)
    ports: dict[str, dict[str, float]] = {}
    for number, entity_id, quantity in rows:
        if number in last:
            ports.setdefault(entity_id.partition("/")[2], {})[quantity] = last[number].value
    return tuple(
        InterfaceState(
            name, bool(one["oper_up"]) if "oper_up" in one else None, None, one.get("in_bps"), one.get("out_bps")
        )
        for name, one in sorted(ports.items())
    )


def sensor_detail(cx: Connection, then: Moment, sensor_id: str) -> sensors.SensorDetail | None:
    """One sensor as its board shows it: its readings, without radio and counters."""
    now = sensors.detail(cx, sensor_id)
    if now is None:
        return None
    one = then.sensors.get(sensor_id)
    if one is None or one.seen_ms is None:
        return sensors.SensorDetail(sensor_id, now.declared, None, {}, ())
    name = now.state.name if now.state else ""
    battery = one.reading.get("battery_pct")
    state = SensorState(sensor_id, "", name=name, seen_ms=one.seen_ms, battery_pct=battery)
    events = tuple(event for event in now.events if event.at_ms <= then.at_ms)
    return sensors.SensorDetail(sensor_id, now.declared, state, one.reading, events)
