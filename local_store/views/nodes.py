"""The network's nodes as a list and one by one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from local_store import columns, ssh_calls
from local_store.filter import Field
from local_store.records import InterfaceState, Node, NodeState
from local_store.sqlite import Connection
from local_store.views.listing import Listing

RANK: Final = (
    "CASE ifnull(s.state, 'unknown') WHEN 'down' THEN 0 WHEN 'warning' THEN 1 WHEN 'unreachable' THEN 2 "
    "WHEN 'unknown' THEN 3 ELSE 4 END"
)

NODES: Final = Listing(
    "(SELECT * FROM main.node WHERE retired_ms IS NULL) n LEFT JOIN tm.node_state s ON s.node_id = n.node_id",
    "n.node_id",
    {
        "node": Field("n.node_id"),
        "name": Field("n.name"),
        "district": Field("n.district"),
        "role": Field("n.role"),
        "state": Field("ifnull(s.state, 'unknown')"),
        "rank": Field(RANK, number=True),
        "cause": Field("ifnull(s.cause, '')"),
        "rtt": Field("s.rtt_ms", number=True),
        "loss": Field("s.loss_pct", number=True),
        "load": Field("s.load_pct", number=True),
        "mem": Field("s.mem_pct", number=True),
        "in": Field("s.in_bps", number=True),
        "out": Field("s.out_bps", number=True),
        "fw": Field("ifnull(s.firmware, n.firmware)"),
        "seen": Field("s.seen_ms", number=True),
        "uptime": Field("s.uptime_s", number=True),
        "history": Field("ifnull(s.history, '')"),
        "model": Field("n.model"),
        "vendor": Field("n.vendor"),
        "address": Field("n.address"),
        "uplink": Field("n.uplink"),
    },
    {
        "bezirk": "district", "rolle": "role", "zustand": "state", "ursache": "cause", "verlust": "loss",
        "last": "load", "speicher": "mem", "firmware": "fw", "gesehen": "seen", "modell": "model", "knoten": "node",
        "hersteller": "vendor", "adresse": "address", "ip": "address",
    },
    "state",
)  # fmt: skip


SSH_SHOWN: Final = 8
"""More would push a node's alerts off its board; `leitstand calls node:NODE` has them all."""


@dataclass(frozen=True, slots=True)
class StateCounts:
    """How many nodes are in each state."""

    known: int
    ok: int
    warning: int
    down: int
    unknown: int
    unreachable: int = 0


@dataclass(frozen=True, slots=True)
class NodeDetail:
    """Everything about one node; `state` is None before its first poll; `calls`: (time in ms, text), oldest first."""

    node: Node
    state: NodeState | None
    interfaces: tuple[InterfaceState, ...]
    calls: tuple[tuple[int, str], ...]
    children: tuple[tuple[str, str], ...]
    events: tuple[tuple[int, str, str, str], ...]
    wrong: tuple[tuple[str, str, str], ...] = ()
    """Open alerts: kind, severity, the JSON of its facts."""


def counts(cx: Connection) -> StateCounts:
    """Nodes in service by state."""
    found = dict(
        cx.execute(
            "SELECT ifnull(s.state, 'unknown'), count(*) FROM main.node n "
            "LEFT JOIN tm.node_state s ON s.node_id = n.node_id WHERE n.retired_ms IS NULL GROUP BY 1"
        )
    )
    of = {name: int(found.get(name, 0)) for name in ("ok", "warning", "down", "unknown", "unreachable")}
    return StateCounts(sum(of.values()), of["ok"], of["warning"], of["down"], of["unknown"], of["unreachable"])


def detail(cx: Connection, node_id: str) -> NodeDetail | None:
    """One node, or None when nobody knows it."""
    row = cx.execute(f"{columns.select('main.node', Node)} WHERE node_id = ?", (node_id,)).fetchone()
    if row is None:
        return None
    found = cx.execute(f"{columns.select('tm.node_state', NodeState)} WHERE node_id = ?", (node_id,)).fetchone()
    state = None if found is None else NodeState(*found)
    interfaces = json.loads(state.interfaces) if state else []
    children = cx.execute(
        "SELECT n.node_id, ifnull(s.state, 'unknown') FROM main.node n LEFT JOIN tm.node_state s "
        "ON s.node_id = n.node_id WHERE n.uplink = ? AND n.retired_ms IS NULL ORDER BY 1",
        (node_id,),
    )
    events = cx.execute(
        "SELECT e.at_ms, a.kind, e.what, e.text FROM main.alert_event e JOIN main.alert a USING (alert_id) "
        "WHERE a.entity_kind = 'node' AND a.entity_id = ? ORDER BY e.at_ms DESC, e.rowid DESC LIMIT 20",
        (node_id,),
    )
    wrong = cx.execute(
        "SELECT kind, severity, detail FROM main.alert"
        " WHERE entity_kind = 'node' AND entity_id = ? AND closed_ms IS NULL",
        (node_id,),
    )
    return NodeDetail(
        Node(*row),
        state,
        tuple(InterfaceState(**one) for one in interfaces),
        _calls(cx, node_id, state),
        tuple((str(child), str(of)) for child, of in children),
        tuple((int(at), str(kind), str(what), str(text)) for at, kind, what, text in events),
        tuple((str(kind), str(severity), str(facts)) for kind, severity, facts in wrong),
    )


def _calls(cx: Connection, node_id: str, state: NodeState | None) -> tuple[tuple[int, str], ...]:
    """SNMP and SSH merged by time; calls of one millisecond stay in the order they were made in."""
    asked = [(int(at), str(text)) for at, text in (json.loads(state.calls) if state else [])]
    sent = ssh_calls.newest(cx, node_id, SSH_SHOWN)[::-1]
    return tuple(sorted([*asked, *sent], key=lambda one: one[0]))
