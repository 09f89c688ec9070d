"""Rows of the network: the inventory (`ops.db`), latest states and SNMP engines (`telemetry.db`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sys import intern

from local_store import columns
from local_store.records import EngineMemory, Node, NodeState
from local_store.sqlite import Connection, Value

_NODE = columns.select("node", Node)
_NODE_UPSERT = columns.upsert_declared("node", Node, "node_id")
_NODE_VALUES = columns.values(Node)
_STATE = columns.select("node_state", NodeState)
_STATE_UPSERT = columns.upsert("node_state", NodeState, "node_id")
_STATE_VALUES = columns.values(NodeState)
_ENGINE = columns.select("snmp_engine", EngineMemory)
_ENGINE_UPSERT = columns.upsert("snmp_engine", EngineMemory, "node_id")
_ENGINE_VALUES = columns.values(EngineMemory)


def upsert_nodes(cx: Connection, nodes: Iterable[Node], now_ms: int) -> int:
    """Write inventory rows and return how many were new, different or retired; equal rows stay untouched."""
    before = cx.total_changes
    cx.executemany(_NODE_UPSERT, ((*_NODE_VALUES(node), now_ms) for node in nodes))
    return cx.total_changes - before


def all_nodes(cx: Connection) -> list[Node]:
    """Every node in service, by id. Services hold them all, and most words are the same: each is there once."""
    rows = cx.execute(f"{_NODE} WHERE retired_ms IS NULL ORDER BY node_id")
    return [Node(*map(_once, row)) for row in rows]


def _once(cell: Value) -> Value:
    return intern(cell) if isinstance(cell, str) else cell


def get_node(cx: Connection, node_id: str) -> Node | None:
    """One node, retired or not."""
    row = cx.execute(f"{_NODE} WHERE node_id = ?", (node_id,)).fetchone()
    return Node(*row) if row else None


def retire_nodes(cx: Connection, node_ids: Sequence[str], now_ms: int) -> int:
    """Take nodes out of service, keeping their rows; returns how many were in service."""
    before = cx.total_changes
    cx.executemany(
        "UPDATE node SET retired_ms = ?, changed_ms = ? WHERE node_id = ? AND retired_ms IS NULL",
        ((now_ms, now_ms, node_id) for node_id in node_ids),
    )
    return cx.total_changes - before


def save_states(cx: Connection, states: Iterable[NodeState]) -> None:
    """Write the latest of many nodes in one statement."""
    cx.executemany(_STATE_UPSERT, map(_STATE_VALUES, states))


def load_states(cx: Connection) -> dict[str, NodeState]:
    """The latest of every node ever polled, by node id; what polling goes on from after a restart."""
    return {row[0]: NodeState(*row) for row in cx.execute(_STATE)}


def state_names(cx: Connection) -> dict[str, str]:
    """The state of every node ever polled, by node id."""
    return {str(node_id): str(state) for node_id, state in cx.execute("SELECT node_id, state FROM node_state")}


def answered(cx: Connection, node_ids: Iterable[str]) -> dict[str, int]:
    """When these nodes answered last, by node id; without those that are away or keep changing themselves."""
    one = (
        "SELECT seen_ms FROM node_state WHERE node_id = ? AND seen_ms IS NOT NULL AND state IN ('ok', 'warning')"
        " AND cause <> 'flapping'"
    )
    found = ((node_id, cx.execute(one, (node_id,)).fetchone()) for node_id in node_ids)
    return {node_id: int(row[0]) for node_id, row in found if row is not None}


def get_state(cx: Connection, node_id: str) -> NodeState | None:
    """The latest of one node; needs a reader, which sees both files."""
    row = cx.execute(f"{_STATE} WHERE node_id = ?", (node_id,)).fetchone()
    return NodeState(*row) if row else None


def silent_since(cx: Connection) -> dict[str, int]:
    """Nodes that are down or unreachable, and since when."""
    rows = cx.execute("SELECT node_id, since_ms FROM node_state WHERE state IN ('down', 'unreachable')")
    return {str(node_id): int(since_ms) for node_id, since_ms in rows}


def save_engines(cx: Connection, engines: Iterable[EngineMemory]) -> None:
    """Remember SNMPv3 engine ids, boots and times."""
    cx.executemany(_ENGINE_UPSERT, map(_ENGINE_VALUES, engines))


def load_engines(cx: Connection) -> dict[str, EngineMemory]:
    """The remembered SNMPv3 engines, by node id."""
    return {row[0]: EngineMemory(*row) for row in cx.execute(_ENGINE)}


def inventory_version(cx: Connection) -> tuple[int, int, int]:
    """Changes whenever a node came, changed or left; comparing it is cheaper than reading them all."""
    row = cx.execute("SELECT count(*), ifnull(max(changed_ms), 0), count(retired_ms) FROM node").fetchone()
    return int(row[0]), int(row[1]), int(row[2])
