"""What a plan and a running rollout look at, read from the store. The one place that makes their graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from local_store import alerts, configs, links, nodes
from local_store.mesh_records import DeclaredLink, LinkState
from local_store.records import Node, NodeState
from local_store.sqlite import Connection
from mesh_mgmt import graph
from mesh_mgmt.catalogue import Image, Running
from mesh_mgmt.gates import backup
from mesh_mgmt.topology import Topology, build, reachable
from playbooks.firmware.planning import Facts, Known, Plan

FRESH_MS = 180_000


def facts(cx: Connection, images: Iterable[Image], running: Mapping[str, str] | None = None) -> Facts:
    """Everything a plan is made from, in one read, and the images of the signed catalogue.

    `running` are versions somebody knows better than the last poll.
    """
    better = running or {}
    inventory = nodes.all_nodes(cx)
    states = nodes.load_states(cx)
    return Facts(
        tuple(_known(node, states.get(node.node_id), better.get(node.node_id)) for node in inventory),
        current_graph(cx),
        tuple(images),
    )


def _known(node: Node, state: NodeState | None, better: str | None) -> Known:
    version = better or (state.firmware if state else None) or node.firmware
    return Known(node.node_id, node.model, node.uplink, Running(node.board_name, version))


def current_graph(cx: Connection) -> Topology:
    """The graph as it is: measured links, declared ones, else the inventory's uplinks; who is down carries nothing."""
    down = [node_id for node_id, state in nodes.state_names(cx).items() if state == "down"]
    return mesh(nodes.all_nodes(cx), links.load_links(cx), links.declared(cx), down)


def mesh(
    inventory: Iterable[Node], measured: Iterable[LinkState], declared: Iterable[DeclaredLink], down: Iterable[str]
) -> Topology:
    """One graph of it all. A link that is seldom there is no redundancy, but it is still some node's only way."""
    rows, seen, told = list(inventory), list(measured), list(declared)
    whole = graph.live(rows, seen, told)
    weak = {one.link_id for one in seen if one.available_pct < graph.REDUNDANT_PCT}
    if weak:
        strong = graph.live(rows, [_without_weak(one, weak, frozenset()) for one in seen], told)
        only = frozenset(reachable(whole) - reachable(strong))
        whole = graph.live(rows, [_without_weak(one, weak, only) for one in seen], told)
    return without(whole, down)


def _without_weak(one: LinkState, weak: AbstractSet[str], needed: AbstractSet[str]) -> LinkState:
    if one.link_id in weak and one.a not in needed and one.b not in needed:
        return replace(one, state="down")
    return one


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
        node: tuple(replace(link, up=link.up and not {link.a, link.b} & dead) for link in own)
        for node, own in topology.links_of.items()
    }
    return Topology(topology.gateways - dead, links_of)


def as_if_up(topology: Topology) -> Topology:
    """The same graph with every link up: what hangs on what, whoever happens to be silent now."""
    links_of = {node: tuple(replace(link, up=True) for link in own) for node, own in topology.links_of.items()}
    return Topology(topology.gateways, links_of)


def polled_well(cx: Connection, node_id: str, now_ms: int) -> bool:
    """Whether the last poll of a node was answered, and not long ago: a witness where nobody can log in."""
    state = nodes.get_state(cx, node_id)
    return state is not None and state.seen_ms == state.polled_ms and now_ms - state.polled_ms < FRESH_MS


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
