"""What people decide about a rollout, each in one transaction with its operation and audit entry. No network."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Final

from local_store import field_leases, firmware, oplog, rollouts
from local_store.audit import canonical
from local_store.errors import StoreRefused
from local_store.field_leases import LeaseRow
from local_store.rollout_rows import Approval, NodeRow, RolloutRow, WaveRow
from local_store.sqlite import Connection
from local_store.uuid7 import uuid7
from mesh_mgmt.gates import on_call
from mesh_mgmt.rollout_states import FAILURES, State
from playbooks.firmware.batches import CANARIES, WAITING
from playbooks.firmware.planning import Plan, decode, encode, plan_hash
from playbooks.firmware.shelf import row_of

PREFIX: Final = "rollout."
NEW_RUNS: Final = frozenset({State.CONFIRMED, State.DEGRADED})
_IDS: Final = random.SystemRandom()


def store_plan(cx: Connection, plan: Plan, actor: str, now_ms: int, rng: random.Random = _IDS) -> RolloutRow:
    """Freeze a plan as a rollout that waits for its start. Raises StoreRefused when there is nobody to upgrade."""
    if not plan.nodes:
        raise StoreRefused("the plan holds no node: its exclusions say why")
    text = encode(plan)
    rollout_id = rollouts.next_id(cx)
    row = RolloutRow(
        rollout_id, "planned", plan.to, text, plan_hash(text), plan.topology, actor, now_ms,
        rollback_of=plan.rollback_of,
    )  # fmt: skip
    wave_of = {node: number for number, wave in enumerate(plan.waves, 1) for batch in wave.batches for node in batch}
    waves = [WaveRow(rollout_id, number, wave.name) for number, wave in enumerate(plan.waves, start=1)]
    nodes = [
        NodeRow(
            rollout_id, one.node, uuid7(now_ms, rng), wave_of[one.node], "pending", now_ms, one.board, one.model,
            one.uplink, one.image,
        )
        for one in plan.nodes
    ]  # fmt: skip
    firmware.save(cx, (row_of(image, now_ms) for image in plan.images))
    rollouts.create(cx, row, waves, nodes)
    _tell(cx, rollout_id, "plan", {"to": plan.to, "plan_hash": row.plan_hash, "nodes": len(nodes)}, actor, now_ms)
    return row


def decide(cx: Connection, kind: str, body: Mapping[str, object], actor: str, now_ms: int) -> str:
    """Do what an intent asks; returns words for its result. Raises StoreRefused when it may not be done now."""
    rollout = rollouts.expect(cx, str(body["rollout"]))
    act = {"start": _start, "approve": _approve, "pause": _pause, "resume": _resume, "abort": _abort}
    what = kind.removeprefix(PREFIX)
    result = act[what](cx, rollout, body, actor, now_ms)
    _tell(cx, rollout.rollout_id, what, {key: value for key, value in body.items() if key != "rollout"}, actor, now_ms)
    return result


def _tell(cx: Connection, rollout_id: str, what: str, values: Mapping[str, object], actor: str, now_ms: int) -> None:
    oplog.record(
        cx, oplog.Change("rollout", rollout_id, what, {**values, "last": what}), actor, now_ms=now_ms, rng=_IDS
    )


def _approve(cx: Connection, rollout: RolloutRow, _body: Mapping[str, object], actor: str, now_ms: int) -> str:
    if rollout.state not in {"planned", "approved"}:
        raise StoreRefused(f"{rollout.rollout_id} is {rollout.state}: only a planned rollout can be approved")
    if actor == rollout.actor:
        raise StoreRefused(f"{rollout.rollout_id} was planned by {actor}: a second person has to approve it")
    rollouts.approve(cx, Approval(rollout.rollout_id, actor, "second_person", now_ms))
    if rollout.state == "planned":
        rollouts.change(cx, rollout, state="approved")
    return f"{rollout.rollout_id} approved"


def _start(cx: Connection, rollout: RolloutRow, body: Mapping[str, object], _actor: str, now_ms: int) -> str:
    if rollout.state not in {"planned", "approved"}:
        raise StoreRefused(f"{rollout.rollout_id} is {rollout.state}: only a planned rollout can be started")
    other = rollouts.open_rollout(cx)
    if other is not None:
        raise StoreRefused(f"{other.rollout_id} is {other.state}: let it end or abort it first, one runs at a time")
    flying = {name: of for name, of in rollouts.dark_nodes(cx).items() if of != rollout.rollout_id}
    if flying:
        name, of = min(flying.items())
        raise StoreRefused(f"{name} is still restarting for {of}: wait until its outcome is known")
    held = field_leases.held(cx)
    for name in sorted(held.keys() & {row.node_id for row in rollouts.nodes(cx, rollout.rollout_id)}):
        if held[name].rollout_id != rollout.rollout_id:
            raise StoreRefused(with_a_laptop(name, held[name]))
    plan = decode(rollout.plan)
    if plan.needs and rollout.state != "approved":
        raise StoreRefused(
            f"{rollout.rollout_id} needs a second person ({', '.join(plan.needs)}): "
            f"`leitstand rollout approve {rollout.rollout_id}` by somebody else than {rollout.actor}"
        )
    person = str(body.get("on_call") or "").strip()
    if not on_call(plan.cuts, person).ok:
        raise StoreRefused(
            f"{rollout.rollout_id} restarts {len(plan.cuts)} nodes that others hang on: name who can be sent out, "
            f"`leitstand rollout start {rollout.rollout_id} --on-call NAME`"
        )
    if person:
        rollouts.approve(cx, Approval(rollout.rollout_id, person, rollouts.ON_CALL, now_ms))
    rollouts.change(cx, rollout, state="running", started_ms=now_ms)
    return f"{rollout.rollout_id} runs"


def with_a_laptop(name: str, lease: LeaseRow) -> str:
    """Why a node may not be touched now, and what frees it."""
    return (
        f"{name} is in the field with {lease.holder} for {lease.rollout_id}: `leitstand lease merge` what comes back, "
        f"or `leitstand lease reclaim {lease.lease_id}` after its end"
    )


def _pause(cx: Connection, rollout: RolloutRow, _body: Mapping[str, object], actor: str, now_ms: int) -> str:
    if rollout.state == "paused":
        rollouts.change(cx, rollout, pause_reason="operator")
        return f"{rollout.rollout_id} was paused already"
    if rollout.state != "running":
        raise StoreRefused(f"{rollout.rollout_id} is {rollout.state}: only a running rollout can be paused")
    told = canonical({"by": actor})
    rollouts.change(cx, rollout, state="paused", pause_reason="operator", pause_detail=told, paused_ms=now_ms)
    return f"{rollout.rollout_id} paused: what restarts already is followed to its end"


def remaining(cx: Connection, rollout_id: str) -> int:
    """How many nodes going on would still touch: the number a person types to agree."""
    return sum(row.state in WAITING for row in rollouts.nodes(cx, rollout_id))


def _resume(cx: Connection, rollout: RolloutRow, body: Mapping[str, object], actor: str, now_ms: int) -> str:
    if rollout.state != "paused":
        raise StoreRefused(f"{rollout.rollout_id} is {rollout.state}: only a paused rollout can go on")
    halted = {"budget": "over its error budget", CANARIES: "since no canary was proven"}.get(rollout.pause_reason)
    if halted is not None:
        left = remaining(cx, rollout.rollout_id)
        if body.get("confirm") != left:
            raise StoreRefused(
                f"{rollout.rollout_id} halted {halted}, going on affects {left} nodes: "
                f"confirm with exactly that number (`--confirm {left}`)"
            )
        accept = _accept if rollout.pause_reason == "budget" else _go_unproven
        accept(cx, rollout, actor, now_ms)
    rollouts.change(cx, rollout, state="running", pause_reason="", pause_detail="{}", paused_ms=None)
    return f"{rollout.rollout_id} goes on"


def _accept(cx: Connection, rollout: RolloutRow, actor: str, now_ms: int) -> None:
    """A person has seen the failures so far and lives with them; every further one counts anew."""
    waves = rollouts.waves(cx, rollout.rollout_id)
    failed = sum(row.state in FAILURES for row in rollouts.nodes(cx, rollout.rollout_id))
    wave = next((one for one in waves if one.state != "passed"), waves[-1])
    others = sum(one.accepted for one in waves) - wave.accepted
    rollouts.change_wave(cx, wave, accepted=max(wave.accepted, failed - others))
    rollouts.approve(cx, Approval(rollout.rollout_id, actor, f"failures {failed}", now_ms))


def _go_unproven(cx: Connection, rollout: RolloutRow, actor: str, now_ms: int) -> None:
    """A person lets boards go on that no canary has proven: their nodes go one at a time until one is."""
    for what in json.loads(rollout.pause_detail):
        rollouts.approve(cx, Approval(rollout.rollout_id, actor, what, now_ms))


def _abort(cx: Connection, rollout: RolloutRow, _body: Mapping[str, object], _actor: str, now_ms: int) -> str:
    if rollout.state in rollouts.ENDED:
        raise StoreRefused(f"{rollout.rollout_id} is {rollout.state} already")
    rollouts.change(cx, rollout, state="aborted", finished_ms=now_ms)
    return f"{rollout.rollout_id} aborted: what restarts already is followed to its end"


def to_undo(cx: Connection, rollout_id: str) -> dict[str, str]:
    """The nodes that run a rollout's image now, with the version each had before. Raises StoreRefused."""
    rollout = rollouts.expect(cx, rollout_id)
    if rollout.state not in rollouts.ENDED:
        raise StoreRefused(f"{rollout_id} is {rollout.state}: abort it first, then plan its way back")
    found = {row.node_id: row.version_before for row in rollouts.nodes(cx, rollout_id) if row.state in NEW_RUNS}
    if not found:
        raise StoreRefused(f"no node runs the image of {rollout_id}: there is nothing to take back")
    return found


def running_after(cx: Connection, rollout_id: str) -> dict[str, str]:
    """What a rollout proved to run on its nodes, which is newer than what polling has seen."""
    return {
        row.node_id: image.version
        for row in rollouts.nodes(cx, rollout_id)
        if row.state in NEW_RUNS and (image := firmware.image(cx, row.image_sha256)) is not None
    }
