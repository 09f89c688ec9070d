"""What a plan and a running rollout look at, read from the store. The one place that makes their graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from local_store import field_leases, links, nodes
from local_store.mesh_records import DeclaredLink, LinkState
from local_store.records import Node, NodeState
from local_store.sqlite import Connection
from mesh_mgmt import graph
from mesh_mgmt.catalogue import Image, Running
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
        frozenset(field_leases.held(cx)),
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
