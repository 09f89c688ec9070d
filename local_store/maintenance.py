"""Maintenance windows (`ops.db`): added, listed, ended; never deleted, for they explain why nobody was told."""

from __future__ import annotations

from local_store import columns
from local_store.errors import StoreRefused
from local_store.filter import FilterError
from local_store.mesh_records import MaintenanceRow
from local_store.sqlite import Connection
from local_store.views import listing
from local_store.views.nodes import NODES

_ROW = columns.select("maintenance", MaintenanceRow)
_INSERT = columns.insert("maintenance", MaintenanceRow)
_VALUES = columns.values(MaintenanceRow)


def add(cx: Connection, row: MaintenanceRow) -> None:
    """Write one window."""
    cx.execute(_INSERT, _VALUES(row))


def windows(cx: Connection) -> list[MaintenanceRow]:
    """Every window, newest first."""
    return [MaintenanceRow(*row) for row in cx.execute(f"{_ROW} ORDER BY created_ms DESC, window_id DESC")]


def current(cx: Connection) -> list[MaintenanceRow]:
    """Windows nobody ended."""
    return [MaintenanceRow(*row) for row in cx.execute(f"{_ROW} WHERE ended_ms IS NULL ORDER BY created_ms")]


def end(cx: Connection, window_id: str, now_ms: int) -> MaintenanceRow:
    """End a window now; returns it as it was. `window_id` may be a unique beginning or end of the id.

    Raises StoreRefused when there is no such window or it has ended.
    """
    rows = [
        MaintenanceRow(*row)
        for row in cx.execute(f"{_ROW} WHERE window_id LIKE ? OR window_id LIKE ?", (f"{window_id}%", f"%{window_id}"))
    ]
    if len(rows) != 1:
        found = "there is no" if not rows else f"there are {len(rows)}"
        raise StoreRefused(f"{found} maintenance window {window_id}: list them and take one id from there")
    if rows[0].ended_ms is not None:
        raise StoreRefused(f"maintenance window {window_id} has ended already")
    cx.execute("UPDATE maintenance SET ended_ms = ? WHERE window_id = ?", (now_ms, rows[0].window_id))
    return rows[0]


def nodes_of(cx: Connection, expression: str) -> list[str]:
    """Node ids an expression names: one id, or a filter as the node list takes it. Needs a reader of both files.

    Raises FilterError.
    """
    known = cx.execute("SELECT node_id FROM main.node WHERE node_id = ?", (expression,)).fetchone()
    return [str(known[0])] if known else listing.ids(cx, NODES, expression)


def in_operation(cx: Connection) -> frozenset[str]:
    """Nodes a running rollout has taken in hand and not let go. Needs a reader of both files."""
    rows = cx.execute(
        "SELECT n.node_id FROM main.rollout_node n JOIN main.rollout r USING (rollout_id) WHERE n.state IN "
        "('commit_intent', 'dark', 'booted', 'proving') AND r.state IN ('running', 'paused')"
    )
    return frozenset(str(row[0]) for row in rows)


__all__ = ["FilterError", "add", "current", "end", "in_operation", "nodes_of", "windows"]
