"""What a push would do, before it does it: targets, masked differences, order. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from local_store import configs
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.records import Node
from local_store.sqlite import Connection
from mesh_mgmt.config_mask import difference
from mesh_mgmt.desired import Resolve
from mesh_mgmt.rollout_order import Candidate, OrderLimits, order
from mesh_mgmt.topology import Topology
from mesh_mgmt.uci_change import NotPossible, commands, overlay
from mesh_mgmt.uci_text import parse, show
from playbooks.configuration.policy import Policy

REVERT_AFTER_S = 180
BUDGET = 1


@dataclass(frozen=True, slots=True)
class NodeTarget:
    """One node of a push: from which configuration to which, by content."""

    node: str
    base: str
    target: str


@dataclass(frozen=True, slots=True)
class PushPlan:
    """A whole push: batches in order, how long a node waits for confirmation, how many failures end it."""

    batches: tuple[tuple[NodeTarget, ...], ...]
    revert_after_s: int = REVERT_AFTER_S
    budget: int = BUDGET
    why: str = ""

    def encoded(self) -> str:
        """As it is stored; `decode` reads it back."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would happen to one node: its target text with the masked difference, or why nothing can be done."""

    node_id: str
    base: str = ""
    target_text: str = ""
    lines: tuple[str, ...] = ()
    excluded: str = ""


def decode(text: str) -> PushPlan:
    """A stored plan. Raises ValueError or KeyError for what is none."""
    raw: Mapping[str, Any] = json.loads(text)
    batches = tuple(
        tuple(NodeTarget(str(one["node"]), str(one["base"]), str(one["target"])) for one in batch)
        for batch in raw["batches"]
    )
    if not batches or not all(batches):
        raise ValueError("a push needs at least one node")
    after_s, budget = int(raw["revert_after_s"]), int(raw["budget"])
    if not 30 <= after_s <= 3600 or budget < 1:
        raise ValueError("a node waits 30 to 3600 s for its confirmation, and a push ends after 1 failure or more")
    return PushPlan(batches, after_s, budget, str(raw.get("why", "")))


def propose(store: Store, policy: Policy, node: Node, resolve: Resolve) -> Proposal:
    """What the templates would change on a node, against its newest version. Raises DesiredError."""
    last, text = _newest(store, node)
    if last is None:
        return Proposal(node.node_id, excluded=text)
    wanted = policy.wanted(node, resolve)
    if not wanted.options:
        return Proposal(node.node_id, excluded="no template speaks of it")
    running = parse(text)
    try:
        target = overlay(running, wanted.options)
        commands(running, target)
    except NotPossible as error:
        return Proposal(node.node_id, excluded=str(error))
    return _proposal(node, last, text, show(target))


def propose_version(store: Store, node: Node, backup_id: int) -> Proposal:
    """What going back to a kept version would change. Raises StoreRefused for a version of another node."""
    last, text = _newest(store, node)
    if last is None:
        return Proposal(node.node_id, excluded=text)
    wanted = store.read(lambda cx: configs.get_backup(cx, backup_id))
    if wanted is None or wanted.node_id != node.node_id:
        raise StoreRefused(f"{node.node_id} has no version {backup_id}: `leitstand config history` lists them")
    target = store.read(lambda cx: configs.body(cx, wanted.sha256))
    try:
        commands(parse(text), parse(target))
    except NotPossible as error:
        return Proposal(node.node_id, excluded=str(error))
    return _proposal(node, last, text, target)


def _newest(store: Store, node: Node) -> tuple[configs.Backup | None, str]:
    """The newest version with its text, or None with the reason why there is nothing to change."""
    last = store.read(lambda cx: configs.last_backup(cx, node.node_id))
    if last is None:
        return None, "its configuration was never read: run `leitstand config backup` first"
    if last.form != "uci":
        return None, f"a push needs uci, it writes {last.form}"
    return last, store.read(lambda cx: configs.body(cx, last.sha256))


def _proposal(node: Node, last: configs.Backup, text: str, target: str) -> Proposal:
    if target == text:
        return Proposal(node.node_id, last.sha256, excluded="nothing to change")
    lines = difference(text, target, names=(f"{node.node_id} (running)", f"{node.node_id} (intended)"))
    return Proposal(node.node_id, last.sha256, target, tuple(lines))


def leaf_first(topology: Topology, chosen: Sequence[str]) -> list[list[str]]:
    """The chosen nodes in batches, those behind others first, gateways last: a wrong change then cuts off one node.

    A node without a known way to a gateway has nothing behind it that would wait: it comes by itself at the end.
    """
    candidates = [Candidate(one, "") for one in chosen]
    batches = [list(batch) for batch in order(topology, candidates, OrderLimits(last_gateway_agreed=True)).batches]
    placed = {one for batch in batches for one in batch}
    return batches + [[one] for one in chosen if one not in placed]


def plan(
    cx: Connection,
    topology: Topology,
    proposals: Iterable[Proposal],
    *,
    revert_after_s: int,
    budget: int,
    why: str,
) -> PushPlan:
    """Keep every target and put the nodes in order. Raises StoreRefused when there is nothing to push."""
    targets = {
        one.node_id: NodeTarget(one.node_id, one.base, configs.put_body(cx, one.target_text))
        for one in proposals
        if not one.excluded
    }
    if not targets:
        raise StoreRefused("there is nothing to push to any of these nodes")
    batches = leaf_first(topology, list(targets))
    return PushPlan(tuple(tuple(targets[one] for one in batch) for batch in batches), revert_after_s, budget, why)
