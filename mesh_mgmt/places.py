"""Where every node stands: its way to a gateway, what hangs on it, how many ways it has. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from local_store.mesh_records import Place
from mesh_mgmt.topology import ROOT, Topology, dominated, immediate_dominators


@dataclass(frozen=True, slots=True)
class Cut:
    """A node whose loss takes others down, with all of them, and how many other ways it leaves them: none."""

    node: str
    behind: frozenset[str]


def cuts(topology: Topology) -> list[Cut]:
    """Every cut node, the one that takes most down first."""
    behind = dominated(immediate_dominators(topology))
    return [Cut(node, behind[node]) for node in sorted(behind, key=lambda one: (-len(behind[one]), one))]


def places(topology: Topology) -> list[Place]:
    """The place of every node; one without a way to a gateway has neither parent nor gateway."""
    dominators = immediate_dominators(topology)
    behind = _behind(dominators)
    ways = _ways(topology, dominators)
    trunk = _trunk(topology)
    found: list[Place] = []
    for node in sorted(topology.links_of):
        parent, gateway, hops, cost = trunk.get(node, ("", "", 0, 0.0))
        above = dominators.get(node, ROOT)
        found.append(Place(node, parent, gateway, hops, round(cost, 3), above, ways.get(node, 0), behind.get(node, 0)))
    return found


def _behind(dominators: Mapping[str, str]) -> dict[str, int]:
    """How many nodes each takes with it: the sizes of `dominated`, without the sets, which take megabytes."""
    found: dict[str, int] = {}
    for node in dominators:
        above = dominators[node]
        while above != ROOT:
            found[above] = found.get(above, 0) + 1
            above = dominators[above]
    return found


def _trunk(topology: Topology) -> dict[str, tuple[str, str, int, float]]:
    """Dijkstra from all gateways at once: (next hop, gateway, hops, cost) of every node with a way."""
    best: dict[str, tuple[str, str, int, float]] = {one: ("", one, 0, 0.0) for one in topology.gateways}
    queue = [(0.0, node) for node in sorted(topology.gateways)]
    done: set[str] = set()
    while queue:
        cost, here = heapq.heappop(queue)
        if here in done:
            continue
        done.add(here)
        _, gateway, hops, _ = best[here]
        for link in topology.links_of[here]:
            there, total = link.other(here), cost + link.cost
            if link.up and there not in done and (there not in best or total < best[there][3]):
                best[there] = (here, gateway, hops + 1, total)
                heapq.heappush(queue, (total, there))
    return best


def _ways(topology: Topology, dominators: Mapping[str, str]) -> dict[str, int]:
    """How many neighbours could carry a node's traffic: those that reach a gateway without it. Gateways have one more.

    A neighbour does if the node does not dominate it; walking up from each neighbour is short, meshes are flat.
    """
    found: dict[str, int] = {}
    for node in dominators:
        count = 1 if node in topology.gateways else 0
        for other in topology.neighbours(node):
            here = other
            while here not in (ROOT, node):
                here = dominators.get(here, ROOT) if here in dominators else node
            count += here == ROOT
        found[node] = count
    return found
