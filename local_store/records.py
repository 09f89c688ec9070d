"""What is stored, as frozen data. The wire is device_drivers.api; mesh_mgmt and playbooks map one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

NodeStateName = Literal["ok", "warning", "down", "unreachable", "unknown"]


class Sample(NamedTuple):
    """One measurement: series number, time in ms UTC, value."""

    series: int
    t_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class Node:
    """One inventory row of the network (table `node`)."""

    node_id: str
    name: str
    address: str
    role: str
    port: int = 161
    system: str = "gevernetzt"
    district: str = ""
    site: str = ""
    stage: str = "production"
    vendor: str = ""
    model: str = ""
    board_name: str = ""
    serial: str = ""
    firmware: str = ""
    profile: str = "default"
    uplink: str = ""
    lat: float | None = None
    lon: float | None = None
    attributes: str = "{}"


@dataclass(frozen=True, slots=True)
class Sensor:
    """One declared sensor (table `sensor`). `interval_s` is the expected uplink interval."""

    sensor_id: str
    name: str
    kind: str
    system: str
    district: str = ""
    site: str = ""
    model: str = ""
    interval_s: int = 3600
    lat: float | None = None
    lon: float | None = None
    attributes: str = "{}"


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """Latest of one interface; rates are None until two good counters were seen."""

    name: str
    oper_up: bool | None
    speed_mbps: int | None
    in_bps: float | None
    out_bps: float | None


@dataclass(frozen=True, slots=True)
class NodeState:
    """Latest of one node (table `node_state`). `interfaces`, `calls`, `memory` are encoded JSON."""

    node_id: str
    state: NodeStateName
    since_ms: int
    cause: str
    seen_ms: int | None
    polled_ms: int
    rtt_ms: float | None = None
    loss_pct: float | None = None
    uptime_s: int | None = None
    boots: int | None = None
    load_pct: float | None = None
    mem_pct: float | None = None
    clients: int | None = None
    in_bps: float | None = None
    out_bps: float | None = None
    firmware: str | None = None
    history: str = ""
    interfaces: bytes = b"[]"
    calls: bytes = b"[]"
    memory: bytes = b""


@dataclass(frozen=True, slots=True)
class EngineMemory:
    """What SNMPv3 has to remember of an agent between runs (table `snmp_engine`)."""

    node_id: str
    engine_id: bytes
    boots: int
    time_s: int
    learned_ms: int


@dataclass(frozen=True, slots=True)
class SensorState:
    """Latest of one sensor (table `sensor_state`). `reading` is encoded JSON, `dedup` the window of counters."""

    sensor_id: str
    source: str
    seen_ms: int
    name: str = ""
    profile: str = ""
    joined_ms: int | None = None
    session: str = ""
    fcnt: int | None = None
    received: int = 0
    duplicates: int = 0
    gaps: int = 0
    battery_pct: float | None = None
    margin_db: float | None = None
    rssi_dbm: float | None = None
    snr_db: float | None = None
    sf: int | None = None
    gateways: int | None = None
    last_log: str = ""
    reading: bytes = b"{}"
    dedup: bytes = b""


@dataclass(frozen=True, slots=True)
class DeviceEventRow:
    """Something a device or its server reported that is no measurement; `body` is encoded JSON."""

    at_ms: int
    sensor_id: str
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class AlertKey:
    """What an open alert is about; at most one is open per key."""

    entity_kind: str
    entity_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """Bytes that could not be understood, with the reason."""

    at_ms: int
    source: str
    topic: str
    kind: str
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A quarantine row as read back: `size` and `sha256` are of the whole body, `body` its first 64 KiB."""

    quarantine_id: int
    at_ms: int
    source: str
    topic: str
    kind: str
    reason: str
    size: int
    body: bytes
    sha256: bytes
    retried_ms: int | None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert with its acknowledgement, if any. `detail` is encoded JSON."""

    alert_id: int
    entity_kind: str
    entity_id: str
    kind: str
    severity: str
    opened_ms: int
    changed_ms: int
    closed_ms: int | None
    detail: str
    acked_by: str | None
    acked_ms: int | None
    ack_reason: str | None
    ack_until_ms: int | None


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One line of an alert's history."""

    alert_id: int
    at_ms: int
    what: str
    actor: str
    text: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What a person asked for and what became of it. `body` is encoded JSON."""

    intent_id: str
    kind: str
    body: str
    actor: str
    created_ms: int
    state: str
    decided_ms: int | None
    result: str


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """What one service of the engine looked like at its last beat. `detail` is encoded JSON."""

    name: str
    state: str
    since_ms: int
    beat_ms: int
    detail: str
