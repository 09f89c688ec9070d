"""Which of many silent nodes is the cause and which merely sit behind it. Pure; the live graph decides."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from mesh_mgmt.topology import ROOT, Topology, reachable


@dataclass(frozen=True, slots=True)
class Cause:
    """One node that is down, and the nodes nobody can reach because of it (silent or not yet asked)."""

    node: str
    takes_down: frozenset[str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`causes` raise one alarm each; `shared` are unreachable nodes that no single cause cuts off alone."""

    causes: tuple[Cause, ...]
    shared: frozenset[str]

    def unreachable(self) -> frozenset[str]:
        """Every node that is unreachable and not itself a cause."""
        return self.shared.union(*(cause.takes_down for cause in self.causes))


@dataclass(frozen=True, slots=True)
class Shared:
    """Nodes that hang together and lost every path because of several causes at once."""

    causes: tuple[str, ...]
    nodes: frozenset[str]


def together(topology: Topology, explanation: Explanation) -> list[Shared]:
    """The shared nodes by what hangs together, each with the causes around it."""
    fronts = {cause.node for cause in explanation.causes}
    lost = explanation.unreachable()
    left = set(explanation.shared)
    found: list[Shared] = []
    while left:
        group, edge, causes = set[str](), [min(left)], set[str]()
        while edge:
            node = edge.pop()
            group.add(node)
            for other in topology.neighbours(node):
                if other in fronts:
                    causes.add(other)
                elif other in lost and other not in group:
                    edge.append(other)
        members = frozenset(group & left)
        left -= members
        found.append(Shared(tuple(sorted(causes)), members))
    return found


def explain(topology: Topology, dominators: Mapping[str, str], silent: AbstractSet[str]) -> Explanation:
    """Split silent nodes into causes and consequences.

    A silent node is a cause when a gateway could still talk to it: it is a gateway, or it has a live link to a
    node that still reaches one. Everything else that lost its last path hangs on the cause that dominates it;
    where it takes several causes together, it is `shared`. Isolated nodes (no live link at all) are causes of
    their own: nothing else explains them. `dominators` are those of the whole topology, computed once per
    change of the graph and not per event.
    """
    alive = reachable(topology, silent)
    fronts = {node for node in silent if _is_front(topology, node, alive)}
    fronts |= {node for node in silent if node not in dominators}
    behind: dict[str, set[str]] = {node: set() for node in fronts}
    shared: set[str] = set()
    for node in dominators.keys() - alive - fronts:
        above = dominators[node]
        while above != ROOT and above not in fronts:
            above = dominators[above]
        if above == ROOT:
            shared.add(node)
        else:
            behind[above].add(node)
    causes = (Cause(node, frozenset(behind[node])) for node in sorted(fronts))
    return Explanation(tuple(causes), frozenset(shared))


def first_to_probe(dominators: Mapping[str, str], silent: str) -> tuple[str, ...]:
    """The nodes every path to `silent` passes, nearest to the gateways first: ask them before blaming it."""
    chain: list[str] = []
    above = dominators.get(silent, ROOT)
    while above != ROOT:
        chain.append(above)
        above = dominators[above]
    return tuple(reversed(chain))


def _is_front(topology: Topology, node: str, alive: AbstractSet[str]) -> bool:
    return node in topology.gateways or not alive.isdisjoint(topology.neighbours(node))
