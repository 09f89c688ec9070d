"""What the next batch is chosen by beside rows and graph, read from the store: alarms, backups, silence, districts."""

from __future__ import annotations

from collections.abc import Iterable

from local_store import alerts, configs, nodes, rollouts
from local_store.sqlite import Connection
from mesh_mgmt.gates import backup
from mesh_mgmt.rollout_states import State
from playbooks.firmware.batches import CANARIES, WAITING, Around
from playbooks.firmware.planning import Plan


def around(cx: Connection, rollout_id: str, plan: Plan, now_ms: int) -> Around:
    """What the next batch is chosen by. A laptop beside the mast knows neither alarms nor backups nor silence."""
    listed = {node for wave in plan.waves for node in wave.thinned}
    if plan.lease_until_ms:
        return Around(listed=listed)
    flying = rollouts.dark_nodes(cx).keys()
    rows = rollouts.nodes(cx, rollout_id)
    waiting = [row for row in rows if row.state in WAITING]
    next_wave = min((row.wave for row in waiting), default=0)
    return Around(
        critical_nodes(cx) - flying,
        unsaved(cx, (row.node_id for row in waiting if row.wave == next_wave), plan.limits.backup_age_s, now_ms),
        silent_nodes(cx) - flying,
        districts(cx),
        listed,
        _agreed(cx, rollout_id) - {row.board_name for row in rows if row.state == State.CONFIRMED},
    )


def _agreed(cx: Connection, rollout_id: str) -> frozenset[str]:
    """Boards a person let go on although no canary had proved them."""
    told = [one.what.partition(" ") for one in rollouts.approvals(cx, rollout_id)]
    return frozenset(board for what, _, board in told if what == CANARIES)


def unsaved(cx: Connection, node_ids: Iterable[str], age_s: int, now_ms: int) -> frozenset[str]:
    """Nodes whose configuration was not read lately, or cannot be put back."""
    looks = configs.looks(cx)

    def holds(node_id: str) -> bool:
        look = looks.get(node_id)
        read_ms = None if look is None else look.read_ms
        return backup(read_ms, configs.restorable(cx, node_id), age_s, now_ms).ok

    return frozenset(node_id for node_id in node_ids if age_s and not holds(node_id))


def silent_nodes(cx: Connection) -> frozenset[str]:
    """Nodes that give no service now, whoever is to blame."""
    return frozenset(node_id for node_id, state in nodes.state_names(cx).items() if state in {"down", "unreachable"})


def districts(cx: Connection) -> dict[str, str]:
    """Where nodes stand."""
    return {node.node_id: node.district for node in nodes.all_nodes(cx)}


def critical_nodes(cx: Connection) -> frozenset[str]:
    """Nodes with an open critical alert nobody has acknowledged."""
    return frozenset(
        alert.entity_id
        for alert in alerts.open_alerts(cx)
        if alert.entity_kind == "node" and alert.severity == "critical" and alert.acked_by is None
    )
