"""Rows of rollouts (`ops.db`). What has to be durable before an effect is written here, by the newest engine only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from local_store import columns
from local_store.errors import StoreRefused
from local_store.rollout_rows import Approval, EventRow, GateRow, NodeRow, RolloutRow, WaveRow
from local_store.sqlite import Connection

R = TypeVar("R", RolloutRow, WaveRow, NodeRow)

OPEN = ("running", "paused")
"""States in which a rollout may act or be let act; there is at most one such rollout."""
ON_CALL = "on_call"
"""What a person named at the start stands for, among the approvals."""
ENDED = ("complete", "complete_with_exceptions", "aborted")
IN_FLIGHT = ("commit_intent", "dark", "booted", "proving")
"""States between the flash command and its outcome."""

_ROLLOUT = columns.select("rollout", RolloutRow)
_WAVE = columns.select("rollout_wave", WaveRow)
_NODE = columns.select("rollout_node", NodeRow)
_GATE = columns.select("rollout_gate", GateRow)
_EVENT = columns.select("rollout_event", EventRow)
_APPROVAL = columns.select("rollout_approval", Approval)


class StaleEpoch(StoreRefused):
    """A newer engine has taken the rollouts over: whoever gets this must stop at once."""


class Changed(StoreRefused):
    """The row is no longer in the state that was seen: look again and decide anew."""


def claim(cx: Connection) -> int:
    """Take all rollouts over for a new run of the engine; every earlier one's writes fail from here on."""
    cx.execute(
        "INSERT INTO meta VALUES ('rollout_epoch', '1')"
        " ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)"
    )
    return epoch(cx)


def epoch(cx: Connection) -> int:
    """The epoch in force, 0 before the first engine."""
    row = cx.execute("SELECT value FROM meta WHERE key = 'rollout_epoch'").fetchone()
    return int(row[0]) if row else 0


def guard(cx: Connection, mine: int) -> None:
    """Raise StaleEpoch unless `mine` is in force; call it first in every transaction of a runner."""
    found = epoch(cx)
    if found != mine:
        raise StaleEpoch(f"rollouts were taken over by another engine (epoch {found}, this one has {mine})")


def next_id(cx: Connection) -> str:
    """The next free number."""
    row = cx.execute("SELECT max(CAST(substr(rollout_id, 3) AS INTEGER)) FROM rollout").fetchone()
    return f"R-{(row[0] or 0) + 1:04}"


def create(cx: Connection, rollout: RolloutRow, waves: Iterable[WaveRow], nodes: Iterable[NodeRow]) -> None:
    """Write a planned rollout with its waves and nodes."""
    cx.execute(columns.insert("rollout", RolloutRow), columns.values(RolloutRow)(rollout))
    cx.executemany(columns.insert("rollout_wave", WaveRow), map(columns.values(WaveRow), waves))
    cx.executemany(columns.insert("rollout_node", NodeRow), map(columns.values(NodeRow), nodes))


def get(cx: Connection, rollout_id: str) -> RolloutRow | None:
    """One rollout."""
    row = cx.execute(f"{_ROLLOUT} WHERE rollout_id = ?", (rollout_id,)).fetchone()
    return RolloutRow(*row) if row else None


def expect(cx: Connection, rollout_id: str) -> RolloutRow:
    """One rollout; raises StoreRefused when there is none."""
    found = get(cx, rollout_id)
    if found is None:
        raise StoreRefused(f"there is no rollout {rollout_id}: `leitstand rollout status` lists them")
    return found


def everything(cx: Connection) -> list[RolloutRow]:
    """Every rollout, the newest last."""
    return [RolloutRow(*row) for row in cx.execute(f"{_ROLLOUT} ORDER BY rollout_id")]


def open_rollout(cx: Connection) -> RolloutRow | None:
    """The one that runs or is paused."""
    row = cx.execute(f"{_ROLLOUT} WHERE state IN (?, ?) ORDER BY rollout_id LIMIT 1", OPEN).fetchone()
    return RolloutRow(*row) if row else None


def to_look_after(cx: Connection) -> list[RolloutRow]:
    """Open rollouts, and ended ones with nodes whose outcome only a probe can tell."""
    return [
        RolloutRow(*row)
        for row in cx.execute(
            f"{_ROLLOUT} WHERE state IN ('running', 'paused') OR rollout_id IN (SELECT rollout_id FROM rollout_node"
            " WHERE state IN ('commit_intent', 'dark', 'booted', 'proving')) ORDER BY rollout_id"
        )
    ]


def change(cx: Connection, rollout: RolloutRow, **values: object) -> RolloutRow:
    """Write some columns of a rollout whose state is still the one seen. Raises Changed otherwise."""
    return _change(cx, "rollout", rollout, values, ("rollout_id",), rollout.rollout_id)


def waves(cx: Connection, rollout_id: str) -> list[WaveRow]:
    """The waves in order."""
    return [WaveRow(*row) for row in cx.execute(f"{_WAVE} WHERE rollout_id = ? ORDER BY wave", (rollout_id,))]


def change_wave(cx: Connection, wave: WaveRow, **values: object) -> WaveRow:
    """Write some columns of a wave whose state is still the one seen. Raises Changed otherwise."""
    return _change(cx, "rollout_wave", wave, values, ("rollout_id", "wave"), f"{wave.rollout_id} wave {wave.wave}")


def nodes(cx: Connection, rollout_id: str) -> list[NodeRow]:
    """Every node of a rollout by wave and name."""
    rows = cx.execute(f"{_NODE} WHERE rollout_id = ? ORDER BY wave, node_id", (rollout_id,))
    return [NodeRow(*row) for row in rows]


def node(cx: Connection, rollout_id: str, node_id: str) -> NodeRow | None:
    """One node of a rollout."""
    row = cx.execute(f"{_NODE} WHERE rollout_id = ? AND node_id = ?", (rollout_id, node_id)).fetchone()
    return NodeRow(*row) if row else None


def change_node(cx: Connection, row: NodeRow, **values: object) -> NodeRow:
    """Write some columns of a node whose state is still the one seen. Raises Changed otherwise."""
    return _change(cx, "rollout_node", row, values, ("rollout_id", "node_id"), f"{row.rollout_id} {row.node_id}")


def operations_of(cx: Connection, node_id: str) -> list[str]:
    """Operations on a node whose files and fences must stay on it."""
    rows = cx.execute(
        "SELECT op_id FROM rollout_node WHERE node_id = ? AND state NOT IN"
        " ('confirmed', 'skipped', 'refused', 'unchanged', 'reverted', 'degraded', 'identity_mismatch')",
        (node_id,),
    )
    return [str(row[0]) for row in rows]


def dark_nodes(cx: Connection) -> dict[str, str]:
    """Nodes that may be silent now because a rollout restarts them, with the rollout's number."""
    rows = cx.execute(f"SELECT node_id, rollout_id FROM rollout_node WHERE state IN {IN_FLIGHT}")
    return {str(node_id): str(rollout_id) for node_id, rollout_id in rows}


def record_event(cx: Connection, event: EventRow) -> None:
    """Add one line to a node's history."""
    cx.execute(columns.insert("rollout_event", EventRow), columns.values(EventRow)(event))


def events(cx: Connection, rollout_id: str, node_id: str = "") -> list[EventRow]:
    """The history of one node, or of all."""
    rows = cx.execute(
        f"{_EVENT} WHERE rollout_id = ? AND (? = '' OR node_id = ?) ORDER BY rowid", (rollout_id, node_id, node_id)
    )
    return [EventRow(*row) for row in rows]


def newest_event_ms(cx: Connection, rollout_id: str) -> int:
    """When the newest line of a rollout's history was written, 0 before the first."""
    row = cx.execute("SELECT max(at_ms) FROM rollout_event WHERE rollout_id = ?", (rollout_id,)).fetchone()
    return int(row[0] or 0)


def record_gate(cx: Connection, gate: GateRow) -> None:
    """Write what a gate saw, before anything acts on it."""
    cx.execute(columns.insert("rollout_gate", GateRow), columns.values(GateRow)(gate))


def gates(cx: Connection, rollout_id: str) -> list[GateRow]:
    """Every gate's result in the order of time."""
    return [GateRow(*row) for row in cx.execute(f"{_GATE} WHERE rollout_id = ? ORDER BY rowid", (rollout_id,))]


def approve(cx: Connection, approval: Approval) -> None:
    """Note that a person agreed; a second time changes nothing."""
    sql = columns.insert("rollout_approval", Approval)
    cx.execute(f"{sql} ON CONFLICT DO NOTHING", columns.values(Approval)(approval))


def approvals(cx: Connection, rollout_id: str) -> list[Approval]:
    """Who agreed to what."""
    return [Approval(*row) for row in cx.execute(f"{_APPROVAL} WHERE rollout_id = ? ORDER BY at_ms", (rollout_id,))]


def agreed(approvals_: Iterable[Approval]) -> list[str]:
    """Who approved, each once."""
    return list(dict.fromkeys(one.actor for one in approvals_ if one.what != ON_CALL))


def on_call(approvals_: Iterable[Approval]) -> str:
    """Who can be sent out."""
    return ", ".join(one.actor for one in approvals_ if one.what == ON_CALL)


def _change(cx: Connection, table: str, row: R, values: Mapping[str, object], keys: tuple[str, ...], name: str) -> R:
    sets = ", ".join(f"{column} = ?" for column in values)
    where = " AND ".join(f"{key} = ?" for key in keys)
    bound = (*values.values(), *(getattr(row, key) for key in keys), row.state)
    changed = cx.execute(f"UPDATE {table} SET {sets} WHERE {where} AND state = ?", bound)
    if changed.rowcount == 0:
        raise Changed(f"{name} is no longer {row.state}: somebody else changed it first")
    return replace(row, **values)  # type: ignore[arg-type]
