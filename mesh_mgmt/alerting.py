"""From states to alerts, by level and not by event: what is wrong now is open, what is not is closed."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from local_store import alerts, maintenance
from local_store.mesh_records import LinkState
from local_store.records import AlertKey, NodeStateName, ServiceRow
from local_store.sqlite import Connection
from mesh_mgmt.windows import holds

SILENT_FACTOR = 1.5
"""A device is inactive after 1.5 times its uplink interval: ChirpStack's own rule."""
BACK_FACTOR = 1.2
INGEST = "ingest "
"""How the supervisor names the service of a broker, before the broker's own name."""
SETTLE_MS = 60_000
FAILING_MS = 30_000
FAILING_CLEARED_MS = 120_000
CONSOLE_KINDS = frozenset({"engine", "broker", "store"})


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


def link_wrong(link: LinkState, missed_ms: int, answered: Mapping[str, int]) -> Wrong | None:
    """The alert a link deserves: it flaps, or it broke, though both its ends are well.

    `missed_ms` is when an end first missed the other (0: none does now), `answered` when the ends answered us last: one
    that did not since then may have died, and nobody knows it yet. Behind a dead end lies silence, not a broken link.
    A link that flaps is told from its history: that an end misses the other again just now says nothing new.
    """
    since_ms = missed_ms if link.state == "down" else 0
    if link.state == "up" or not all(answered.get(end, 0) > since_ms for end in (link.a, link.b)):
        return None
    facts: dict[str, object] = {"a": link.a, "b": link.b, "band": link.band, "since_ms": link.since_ms}
    return Wrong(AlertKey("link", link.link_id, link.state), "warning", facts)


def in_operation(cx: Connection, now_ms: int) -> frozenset[str]:
    """Nodes in an open maintenance window or in the hands of a rollout."""
    found: set[str] = set(maintenance.in_operation(cx))
    for row in maintenance.current(cx):
        if holds(row, now_ms):
            found.update(maintenance.nodes_of(cx, row.expression))
    return frozenset(found)


def sensor_wrong(
    sensor_id: str, seen_ms: int | None, interval_s: int, *, open_now: bool, now_ms: int, heard_from_ms: int = 0
) -> Wrong | None:
    """Silent after 1.5 intervals, heard again only when it reports within 1.2: a late one does not flap.

    Silence counts from `heard_from_ms`, when somebody listened at last: what was said while nobody did is not held
    against the sensor. An alert that is open already stays until the sensor is heard.
    """
    if seen_ms is None:
        return None
    silent_from_ms = seen_ms if open_now else max(seen_ms, heard_from_ms)
    silence_s = (now_ms - silent_from_ms) / 1000
    if silence_s > interval_s * (BACK_FACTOR if open_now else SILENT_FACTOR):
        facts = {"seen_ms": seen_ms, "interval_s": interval_s}
        return Wrong(AlertKey("sensor", sensor_id, "silent"), "warning", facts)
    return None


def heard_from(services: Iterable[ServiceRow], awake_ms: int, now_ms: int) -> dict[str, int]:
    """Brokers whose sensors may be judged now, and from when on their silence counts.

    Not while a connection is down (that is the broker's alert) nor in its first minute or ours after a sleep, when a
    backlog may still be on its way. A session that went on held everything back for us: then all time counts.
    """
    found: dict[str, int] = {}
    for row in services:
        detail = json.loads(row.detail)
        if not row.name.startswith(INGEST) or not detail.get("connected"):
            continue
        since_ms = int(detail["since_ms"])
        if now_ms - max(since_ms, awake_ms) >= SETTLE_MS:
            found[row.name.removeprefix(INGEST)] = 0 if detail.get("session_present") else since_ms
    return found


def console_wrong(services: Iterable[ServiceRow], open_now: Container[AlertKey], now_ms: int) -> list[Wrong]:
    """Services that keep failing, brokers out of reach, a store without room for measurements."""
    wrong: list[Wrong] = []
    for row in services:
        detail = json.loads(row.detail)
        age_ms = now_ms - row.since_ms
        failing = AlertKey("engine", row.name, "failing")
        calm_ms = FAILING_CLEARED_MS if failing in open_now else 0
        if (row.state == "retrying" and (age_ms > FAILING_MS or calm_ms)) or (
            row.state == "running" and age_ms < calm_ms
        ):
            wrong.append(Wrong(failing, "critical", {"error": detail.get("error", "")}))
        if detail.get("connected") is False and now_ms - int(detail["since_ms"]) > SETTLE_MS:
            key = AlertKey("broker", row.name.removeprefix(INGEST), "down")
            facts = {"cause": "unreachable", "error": detail.get("broker_error", ""), "since_ms": detail["since_ms"]}
            wrong.append(Wrong(key, "critical", facts))
        if full := detail.get("store_full") or detail.get("blocked"):
            wrong.append(Wrong(AlertKey("store", row.name, "full"), "critical", {"error": full}))
        if rows := detail.get("damaged"):
            wrong.append(Wrong(AlertKey("store", row.name, "damaged"), "warning", {"rows": rows}))
    return wrong


def reconcile(cx: Connection, scope: Iterable[tuple[str, str]], wrong: Iterable[Wrong], now_ms: int) -> Applied:
    """Make the open alerts of `scope` (entity kind, entity id) equal to `wrong`.

    Opens what is missing, brings facts up to date and closes what no longer holds. Alerts outside the scope stay.
    """
    inside = set(scope)
    wanted = {one.key: one for one in wrong}
    opened = closed = 0
    there = {AlertKey(one.entity_kind, one.entity_id, one.kind): one for one in alerts.open_among(cx, sorted(inside))}
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
