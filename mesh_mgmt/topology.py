"""The mesh as a graph with one edge per link and band: reach, dominators, cut nodes, paths. Pure, no I/O."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

ROOT = ""
"""The virtual root joined to every gateway; the empty string is no node id."""


@dataclass(frozen=True, slots=True)
class Link:
    """One radio or wire between two nodes on one band. `cost` is additive, 1.0 is a perfect hop."""

    a: str
    b: str
    band: str
    quality_pct: float | None = None
    up: bool = True
    source: str = ""
    seen_ms: int | None = None

    @property
    def cost(self) -> float:
        """Expected transmissions: 1 at full quality, more the worse the link (ETX, De Couto et al. 2003)."""
        if self.quality_pct is None:
            return 1.0
        return 100.0 / max(self.quality_pct, 1.0)

    def other(self, node: str) -> str:
        """The far end seen from `node`."""
        return self.b if node == self.a else self.a


@dataclass(frozen=True, slots=True)
class Topology:
    """Nodes, the gateways among them, and every link both ways. Several links may join the same pair."""

    gateways: frozenset[str]
    links_of: Mapping[str, tuple[Link, ...]]

    def neighbours(self, node: str) -> set[str]:
        """Nodes one live link away, on any band."""
        return {link.other(node) for link in self.links_of[node] if link.up}

    def links(self) -> list[Link]:
        """Every link once, in a stable order."""
        seen = {id(link): link for links in self.links_of.values() for link in links}
        return sorted(seen.values(), key=lambda link: (link.a, link.b, link.band))


def build(nodes: Iterable[str], gateways: Iterable[str], links: Iterable[Link]) -> Topology:
    """Join nodes and links; a link to a node that is not known, or to itself, raises ValueError naming it."""
    links_of: dict[str, list[Link]] = {node: [] for node in nodes}
    for link in links:
        if link.a == link.b or link.a not in links_of or link.b not in links_of:
            raise ValueError(f"link {link.a} - {link.b} ({link.band}) does not join two known nodes")
        links_of[link.a].append(link)
        links_of[link.b].append(link)
    return Topology(
        frozenset(gateway for gateway in gateways if gateway in links_of),
        {node: tuple(of) for node, of in links_of.items()},
    )


def reachable(topology: Topology, without: AbstractSet[str] = frozenset()) -> set[str]:
    """Nodes with a path of live links to some gateway once the nodes `without` are gone."""
    reached = set(topology.gateways - without)
    queue = deque(reached)
    while queue:
        for link in topology.links_of[queue.popleft()]:
            if link.up:
                for end in (link.a, link.b):
                    if end not in reached and end not in without:
                        reached.add(end)
                        queue.append(end)
    return reached


def immediate_dominators(topology: Topology) -> dict[str, str]:
    """For every reachable node the last node every path from the gateways must pass, ROOT if there is none.

    Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001), on the undirected graph.
    """
    order, neighbours = _postorder(topology)
    number = {node: at for at, node in enumerate(order)}
    top = number[ROOT]
    dominator = [-1] * len(order)
    dominator[top] = top
    changed = True
    while changed:
        changed = False
        for at in range(len(order) - 2, -1, -1):
            best = -1
            for before in neighbours[order[at]]:
                other = number[before]
                if dominator[other] >= 0:
                    best = other if best < 0 else _meet(dominator, best, other)
            if dominator[at] != best:
                dominator[at] = best
                changed = True
    return {node: order[dominator[at]] for node, at in number.items() if node != ROOT}


def _meet(dominator: list[int], one: int, two: int) -> int:
    while one != two:
        while one < two:
            one = dominator[one]
        while two < one:
            two = dominator[two]
    return one


def _postorder(topology: Topology) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Depth-first postorder from ROOT, and the neighbours of each node with ROOT among a gateway's."""
    neighbours: dict[str, tuple[str, ...]] = {ROOT: tuple(sorted(topology.gateways))}
    order: list[str] = []
    seen = {ROOT}
    stack = [(ROOT, iter(neighbours[ROOT]))]
    while stack:
        node, rest = stack[-1]
        for following in rest:
            if following not in seen:
                seen.add(following)
                found = tuple(sorted(topology.neighbours(following)))
                neighbours[following] = (ROOT, *found) if following in topology.gateways else found
                stack.append((following, iter(found)))
                break
        else:
            order.append(node)
            stack.pop()
    return order, neighbours


def dominated(dominators: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """For each node that others depend on, everything that loses its last path with it (without itself)."""
    behind: dict[str, set[str]] = {}
    for node in dominators:
        above = dominators[node]
        while above != ROOT:
            behind.setdefault(above, set()).add(node)
            above = dominators[above]
    return {node: frozenset(lost) for node, lost in behind.items()}


def thinned(topology: Topology, gone: AbstractSet[str]) -> frozenset[str]:
    """Nodes that keep a path without `gone` but hang on some single node then, which they do not now."""
    before = immediate_dominators(topology)
    links_of = {
        node: tuple(link for link in own if not {link.a, link.b} & gone) for node, own in topology.links_of.items()
    }
    after = immediate_dominators(Topology(topology.gateways - gone, links_of))
    return frozenset(node for node, above in after.items() if above != ROOT and before[node] == ROOT)


def path_to_gateway(topology: Topology, node: str) -> list[Link]:
    """The cheapest live links from `node` to a gateway, nearest first; empty when it is one or has none."""
    queue: list[tuple[float, str]] = [(0.0, node)]
    best = {node: 0.0}
    came: dict[str, Link] = {}
    while queue:
        cost, here = heapq.heappop(queue)
        if here in topology.gateways:
            return _walk_back(came, node, here)
        if cost > best[here]:
            continue
        for link in topology.links_of[here]:
            there = link.other(here)
            if link.up and cost + link.cost < best.get(there, float("inf")):
                best[there] = cost + link.cost
                came[there] = link
                heapq.heappush(queue, (best[there], there))
    return []


def _walk_back(came: Mapping[str, Link], start: str, end: str) -> list[Link]:
    links: list[Link] = []
    while end != start:
        links.append(came[end])
        end = came[end].other(end)
    return links[::-1]
