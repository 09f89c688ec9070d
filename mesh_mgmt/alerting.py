"""From states to alerts, by level and not by event: what is wrong now is open, what is not is closed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local_store import alerts
from local_store.records import Alert, AlertKey, NodeStateName
from local_store.sqlite import Connection

NODE_KINDS = ("down", "degraded")
SILENT_FACTOR = 1.5
"""A device is inactive after 1.5 times its uplink interval: ChirpStack's own rule."""
BACK_FACTOR = 1.2


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong now: the alert it deserves and the facts its sentence is made of."""

    key: AlertKey
    severity: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a reconciliation did."""

    opened: int
    closed: int


def node_wrong(node_id: str, state: NodeStateName, cause: str, since_ms: int) -> Wrong | None:
    """The alert a node's state deserves; ok and unknown deserve none."""
    facts = {"cause": cause, "since_ms": since_ms}
    if state == "down":
        return Wrong(AlertKey("node", node_id, "down"), "critical", facts)
    if state == "warning":
        return Wrong(AlertKey("node", node_id, "degraded"), "warning", facts)
    return None


def sensor_wrong(sensor_id: str, seen_ms: int | None, interval_s: int, open_now: bool, now_ms: int) -> Wrong | None:
    """Silent after 1.5 intervals, heard again only when it reports within 1.2: a late one does not flap."""
    if seen_ms is None:
        return None
    silence_s = (now_ms - seen_ms) / 1000
    if silence_s > interval_s * (BACK_FACTOR if open_now else SILENT_FACTOR):
        facts = {"seen_ms": seen_ms, "interval_s": interval_s}
        return Wrong(AlertKey("sensor", sensor_id, "silent"), "warning", facts)
    return None


def reconcile(cx: Connection, scope: Iterable[tuple[str, str]], wrong: Iterable[Wrong], now_ms: int) -> Applied:
    """Make the open alerts of `scope` (entity kind, entity id) equal to `wrong`.

    Opens what is missing, brings facts up to date and closes what no longer holds. Alerts outside the scope stay.
    """
    inside = set(scope)
    wanted = {one.key: one for one in wrong}
    opened = closed = 0
    there: dict[AlertKey, Alert] = {}
    for alert in alerts.open_alerts(cx):
        if (alert.entity_kind, alert.entity_id) in inside:
            there[AlertKey(alert.entity_kind, alert.entity_id, alert.kind)] = alert
    for key in there.keys() - wanted.keys():
        alerts.close_alert(cx, key, now_ms)
        closed += 1
    for key, one in wanted.items():
        detail = json.dumps(one.facts, sort_keys=True, ensure_ascii=False)
        known = there.get(key)
        if known is None:
            alerts.open_alert(cx, key, one.severity, detail, now_ms)
            opened += 1
        elif (known.severity, known.detail) != (one.severity, detail):
            alerts.change(cx, known.alert_id, one.severity, detail, now_ms)
    return Applied(opened, closed)
