"""What a plan and a running rollout look at, read from the store. The one place that makes their graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from local_store import alerts, nodes
from local_store.records import Node, NodeState
from local_store.sqlite import Connection
from mesh_mgmt.catalogue import Image, Running
from mesh_mgmt.topology import Link, Topology, build
from playbooks.firmware.planning import Facts, Known, Plan

FRESH_MS = 180_000
GATEWAY_ROLES = frozenset({"gateway", "uplink"})


def facts(cx: Connection, images: Iterable[Image], running: Mapping[str, str] | None = None) -> Facts:
    """Everything a plan is made from, in one read, and the images of the signed catalogue.

    `running` are versions somebody knows better than the last poll.
    """
    better = running or {}
    inventory = nodes.all_nodes(cx)
    states = nodes.load_states(cx)
    return Facts(
        tuple(_known(node, states.get(node.node_id), better.get(node.node_id)) for node in inventory),
        graph(inventory, states),
        tuple(images),
    )


def _known(node: Node, state: NodeState | None, better: str | None) -> Known:
    version = better or (state.firmware if state else None) or node.firmware
    return Known(node.node_id, node.model, node.uplink, Running(node.board_name, version))


def current_graph(cx: Connection) -> Topology:
    """The graph as it is now."""
    return graph(nodes.all_nodes(cx), nodes.load_states(cx))


def graph(inventory: Iterable[Node], states: Mapping[str, NodeState]) -> Topology:
    """The mesh from the inventory's uplinks; a node that is down carries nothing.

    A node without a known uplink that is no gateway has no path: it is left out of plans as unreachable.
    """
    known = {node.node_id: node for node in inventory}
    down = {node_id for node_id, state in states.items() if state.state == "down"}
    links = [
        Link(node.node_id, node.uplink, "", up=not {node.node_id, node.uplink} & down, source="inventory")
        for node in known.values()
        if node.uplink in known and node.uplink != node.node_id
    ]
    gateways = [node.node_id for node in known.values() if node.role in GATEWAY_ROLES]
    return build(known, gateways, links)


def beside(plan: Plan) -> Topology:
    """The graph of a field lease: a laptop beside the mast reaches each node by itself."""
    names = [one.node for one in plan.nodes]
    return build(names, names, [])


def without(topology: Topology, gone: Iterable[str]) -> Topology:
    """The same graph with every link of these nodes down."""
    dead = set(gone)
    if not dead:
        return topology
    links_of = {
        node: tuple(replace(link, up=link.up and not {link.a, link.b} & dead) for link in links)
        for node, links in topology.links_of.items()
    }
    return Topology(topology.gateways - dead, links_of)


def as_if_up(topology: Topology) -> Topology:
    """The same graph with every link up: what hangs on what, whoever happens to be silent now."""
    links_of = {node: tuple(replace(link, up=True) for link in links) for node, links in topology.links_of.items()}
    return Topology(topology.gateways, links_of)


def polled_well(cx: Connection, node_id: str, now_ms: int) -> bool:
    """Whether the last poll of a node was answered, and not long ago: a witness where nobody can log in."""
    state = nodes.get_state(cx, node_id)
    return state is not None and state.seen_ms == state.polled_ms and now_ms - state.polled_ms < FRESH_MS


def critical_nodes(cx: Connection) -> frozenset[str]:
    """Nodes with an open critical alert nobody has acknowledged."""
    return frozenset(
        alert.entity_id
        for alert in alerts.open_alerts(cx)
        if alert.entity_kind == "node" and alert.severity == "critical" and alert.acked_by is None
    )
