"""Rollouts as a list, one rollout as a board of waves with what is conspicuous, one node as a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from local_store import evidence, field_leases, rollouts
from local_store.field_leases import LeaseRow
from local_store.filter import Field
from local_store.intents import IntentKind
from local_store.rollout_rows import Approval, EventRow, EvidenceRow, GateRow, NodeRow, RolloutRow
from local_store.sqlite import Connection
from local_store.views import outbox
from local_store.views.listing import Listing

_GROUPS: Final = {
    "waiting": ("pending", "deferred", "field"),
    "loading": ("precheck", "staging", "staged", "tested"),
    "checking": ("commit_intent", "dark", "booted", "proving"),
    "ok": ("confirmed", "skipped"),
    "failed": ("refused", "degraded", "lost", "identity_mismatch"),
    "back": ("unchanged", "reverted"),
}
"""How the states of one node are counted together."""
_COUNTS: Final = ", ".join(
    f"count(*) FILTER (WHERE state IN ({', '.join(repr(state) for state in states)})) AS {name}"
    for name, states in _GROUPS.items()
)
_ACTIVE: Final = (*_GROUPS["loading"], *_GROUPS["checking"])
_SUSPECT: Final = ("deferred", *_GROUPS["failed"], *_GROUPS["back"])

ROLLOUTS: Final = Listing(
    f"main.rollout r JOIN (SELECT rollout_id, count(*) AS nodes, {_COUNTS}"
    " FROM main.rollout_node GROUP BY rollout_id) c USING (rollout_id)",
    "r.rollout_id",
    {
        "rollout": Field("r.rollout_id"),
        "version": Field("r.version"),
        "state": Field("r.state"),
        "reason": Field("r.pause_reason"),
        "nodes": Field("c.nodes", number=True),
        "waiting": Field("c.waiting + c.loading", number=True),
        "checking": Field("c.checking", number=True),
        "ok": Field("c.ok", number=True),
        "failed": Field("c.failed + c.back", number=True),
        "actor": Field("r.actor"),
        "created": Field("r.created_ms", number=True),
        "started": Field("r.started_ms", number=True),
        "finished": Field("r.finished_ms", number=True),
        "rollback_of": Field("r.rollback_of"),
    },
    {"zustand": "state", "grund": "reason", "knoten": "nodes", "fehler": "failed", "wartet": "waiting"},
)


@dataclass(frozen=True, slots=True)
class WaveLine:
    """One wave with its nodes counted by what they do."""

    wave: int
    name: str
    state: str
    nodes: int
    waiting: int
    loading: int
    checking: int
    ok: int
    failed: int
    back: int


@dataclass(frozen=True, slots=True)
class Leased:
    """Nodes a technician has with them."""

    lease: LeaseRow
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One rollout as people look at it. `remaining` is what going on would still touch, `active` is under way now.

    `refused` is why the newest decision was not carried out.
    """

    rollout: RolloutRow
    waves: tuple[WaveLine, ...]
    suspects: tuple[NodeRow, ...]
    gates: tuple[GateRow, ...]
    approvals: tuple[Approval, ...]
    remaining: int
    leases: tuple[Leased, ...] = ()
    active: tuple[NodeRow, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class NodeRun:
    """One node's way through a rollout."""

    node: NodeRow
    events: tuple[EventRow, ...]
    lease: LeaseRow | None = None
    proofs: tuple[EvidenceRow, ...] = ()
    """Its links of the signed chain, in order."""


def board(cx: Connection, rollout_id: str) -> Board | None:
    """One rollout; None when there is none of this number."""
    rollout = rollouts.get(cx, rollout_id)
    if rollout is None:
        return None
    counts = {
        row[0]: row[1:]
        for row in cx.execute(
            f"SELECT wave, count(*), {_COUNTS} FROM rollout_node WHERE rollout_id = ? GROUP BY wave", (rollout_id,)
        )
    }
    waves = tuple(
        WaveLine(wave.wave, wave.name, wave.state, *counts.get(wave.wave, (0,) * 7))
        for wave in rollouts.waves(cx, rollout_id)
    )  # fmt: skip
    nodes = rollouts.nodes(cx, rollout_id)
    suspects = tuple(row for row in nodes if row.state in _SUSPECT or row.reason == "path_down")
    return Board(
        rollout,
        waves,
        suspects,
        tuple(rollouts.gates(cx, rollout_id)),
        tuple(rollouts.approvals(cx, rollout_id)),
        sum(wave.waiting + wave.loading for wave in waves),
        _leases(cx, rollout_id),
        tuple(row for row in nodes if row.state in _ACTIVE and row not in suspects),
        outbox.refused(cx, "rollout.", rollout_id),
    )


def possible(found: Board, actor: str) -> set[IntentKind]:
    """What `actor` can decide in this state; the engine judges again, on the state it finds."""
    row = found.rollout
    before = row.state in {"planned", "approved"}
    alone = bool(json.loads(row.plan).get("needs")) and row.state != "approved"
    others = actor != row.actor and actor not in rollouts.agreed(found.approvals)
    fits: dict[IntentKind, bool] = {
        "rollout.start": before and not alone,
        "rollout.approve": before and others,
        "rollout.pause": row.state == "running" or (row.state == "paused" and row.pause_reason != "operator"),
        "rollout.resume": row.state == "paused",
        "rollout.abort": row.state not in rollouts.ENDED,
    }
    return {kind for kind, fit in fits.items() if fit}


def _leases(cx: Connection, rollout_id: str) -> tuple[Leased, ...]:
    return tuple(Leased(*one) for one in field_leases.out_of(cx, rollout_id))


def node_run(cx: Connection, rollout_id: str, node_id: str) -> NodeRun | None:
    """One node's moves in order; None when the rollout does not hold it."""
    node = rollouts.node(cx, rollout_id, node_id)
    if node is None:
        return None
    lease = next((one.lease for one in _leases(cx, rollout_id) if node_id in one.nodes), None)
    proofs = tuple(evidence.of_node(cx, rollout_id, node_id))
    return NodeRun(node, tuple(rollouts.events(cx, rollout_id, node_id)), lease, proofs)
