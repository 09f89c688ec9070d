"""What is stored, as frozen data. The wire is device_drivers.api; mesh_mgmt and playbooks map one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

NodeStateName = Literal["ok", "warning", "down", "unknown"]


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
