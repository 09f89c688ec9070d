"""What is stored of the mesh, as frozen data: links, their history, unknown far ends, declared links, maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LinkStateName = Literal["up", "down", "flapping"]


@dataclass(frozen=True, slots=True)
class LinkState:
    """Latest of one link (table `link`). `a` sorts before `b`; `memory` is encoded JSON."""

    link_id: str
    a: str
    a_ifname: str
    b: str
    b_ifname: str
    band: str
    source: str
    state: LinkStateName
    since_ms: int
    first_ms: int
    seen_ms: int
    quality_pct: float | None = None
    quality_a_pct: float | None = None
    quality_b_pct: float | None = None
    signal_dbm: float | None = None
    throughput_mbps: float | None = None
    channel: int | None = None
    available_pct: float = 100.0
    conflict: str = ""
    memory: bytes = b""


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """One line of a link's history."""

    at_ms: int
    link_id: str
    what: str


@dataclass(frozen=True, slots=True)
class UnknownEnd:
    """A far end that belongs to no node, or to several (`reason`)."""

    seen_by: str
    ifname: str
    mac: str
    name: str
    source: str
    band: str
    signal_dbm: float | None
    reason: str
    first_ms: int
    seen_ms: int


@dataclass(frozen=True, slots=True)
class NodeMac:
    """One address of a node's own interfaces."""

    node_id: str
    mac: str
    ifname: str
    seen_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands: its next hop towards a gateway, and what depends on it (table `mesh_place`)."""

    node_id: str
    parent: str
    gateway: str
    hops: int
    cost: float
    dominator: str
    ways: int
    behind: int


@dataclass(frozen=True, slots=True)
class DeclaredLink:
    """A link a person imported; `a` sorts before `b`."""

    a: str
    b: str
    band: str
    quality_pct: float | None = None


@dataclass(frozen=True, slots=True)
class MaintenanceRow:
    """A time in which alarms of some nodes are held back. `starts` is local time in `zone`."""

    window_id: str
    expression: str
    zone: str
    starts: str
    minutes: int
    repeats: str
    until_ms: int | None
    reason: str
    actor: str
    created_ms: int
    ended_ms: int | None = None
