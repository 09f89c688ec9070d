"""Rows of field leases (`ops.db`): which nodes of a rollout a technician's laptop does alone, and until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from local_store import columns
from local_store.errors import StoreRefused
from local_store.sqlite import Connection


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """One lease. `side` is `given` at the console and `taken` on the laptop; `peer_key` is the other side's key."""

    lease_id: str
    side: str
    rollout_id: str
    holder: str
    peer_key: str
    plan_hash: str
    given_ms: int
    until_ms: int
    state: str = "out"
    ssh_key: str = ""


@dataclass(frozen=True, slots=True)
class LeasedNode:
    """One node of a lease."""

    lease_id: str
    node_id: str
    op_id: str


_LEASE = columns.select("field_lease", LeaseRow)
_NODE = columns.select("field_lease_node", LeasedNode)


def next_id(cx: Connection) -> str:
    """The next free number."""
    row = cx.execute("SELECT max(CAST(substr(lease_id, 3) AS INTEGER)) FROM field_lease").fetchone()
    return f"L-{(row[0] or 0) + 1:04}"


def create(cx: Connection, lease: LeaseRow, leased: Iterable[LeasedNode]) -> None:
    """Write a lease with its nodes. Raises StoreRefused when its number is taken."""
    if get(cx, lease.lease_id) is not None:
        raise StoreRefused(f"lease {lease.lease_id} is here already")
    cx.execute(columns.insert("field_lease", LeaseRow), columns.values(LeaseRow)(lease))
    cx.executemany(columns.insert("field_lease_node", LeasedNode), map(columns.values(LeasedNode), leased))


def get(cx: Connection, lease_id: str) -> LeaseRow | None:
    """One lease."""
    row = cx.execute(f"{_LEASE} WHERE lease_id = ?", (lease_id,)).fetchone()
    return LeaseRow(*row) if row else None


def expect(cx: Connection, lease_id: str, side: str) -> LeaseRow:
    """One lease of this side; raises StoreRefused when there is none."""
    found = get(cx, lease_id)
    if found is None or found.side != side:
        raise StoreRefused(f"no lease {lease_id} was {side} here: `leitstand lease list` shows them")
    return found


def everything(cx: Connection) -> list[LeaseRow]:
    """Every lease, the newest last."""
    return [LeaseRow(*row) for row in cx.execute(f"{_LEASE} ORDER BY given_ms, lease_id")]


def nodes_of(cx: Connection, lease_id: str) -> list[LeasedNode]:
    """The nodes of a lease."""
    return [LeasedNode(*row) for row in cx.execute(f"{_NODE} WHERE lease_id = ? ORDER BY node_id", (lease_id,))]


def out_of(cx: Connection, rollout_id: str) -> list[tuple[LeaseRow, tuple[str, ...]]]:
    """The leases given of a rollout whose nodes are still in the field, each with those nodes."""
    found: dict[LeaseRow, list[str]] = {}
    for node_id, lease in sorted(held(cx).items()):
        if lease.rollout_id == rollout_id:
            found.setdefault(lease, []).append(node_id)
    return [(lease, tuple(found[lease])) for lease in sorted(found, key=lambda one: (one.given_ms, one.lease_id))]


def held(cx: Connection) -> dict[str, LeaseRow]:
    """Every node a laptop holds now, of whichever rollout, with the lease: of several the last that was given."""
    rows = cx.execute(
        "SELECT n.node_id, l.lease_id FROM field_lease l JOIN field_lease_node n USING (lease_id)"
        " JOIN rollout_node r ON r.rollout_id = l.rollout_id AND r.op_id = n.op_id"
        " WHERE l.side = 'given' AND r.state = 'field' ORDER BY l.given_ms, l.lease_id"
    ).fetchall()
    leases = {row.lease_id: row for row in everything(cx)} if rows else {}
    return {str(node_id): leases[str(lease_id)] for node_id, lease_id in rows}


def set_state(cx: Connection, lease_id: str, state: str) -> None:
    """Note that a lease came back or was taken back."""
    cx.execute("UPDATE field_lease SET state = ? WHERE lease_id = ?", (state, lease_id))
