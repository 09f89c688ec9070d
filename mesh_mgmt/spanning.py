"""A spanning forest from the gateways that says cheaply what the loss of one more node would cut off. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from mesh_mgmt.topology import Topology


@dataclass(frozen=True, slots=True)
class Change:
    """What happens when `node` goes: who hangs on whom from then on, and who is lost."""

    node: str
    parents: dict[str, str]
    lost: frozenset[str]


def neighbour_table(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Every node's live neighbours in a stable order; made once and shared by many forests."""
    return {node: tuple(sorted(topology.neighbours(node))) for node in topology.links_of}


class Forest:
    """Every reachable node hangs on one parent. Removing a node costs work in its subtree only."""

    def __init__(self, topology: Topology, neighbours: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._neighbours = neighbour_table(topology) if neighbours is None else neighbours
        self._parent: dict[str, str] = {gateway: gateway for gateway in topology.gateways}
        self._children: dict[str, set[str]] = {gateway: set() for gateway in topology.gateways}
        self.lost: set[str] = set()
        queue = deque(sorted(topology.gateways))
        while queue:
            here = queue.popleft()
            for there in self._neighbours[here]:
                if there not in self._parent:
                    self._hang(there, here)
                    queue.append(there)

    def without(self, node: str) -> Change:
        """What the loss of `node` would do; nothing changes yet."""
        orphans = self._subtree(node) - {node}
        parents: dict[str, str] = {}
        queue: deque[str] = deque()
        for orphan in sorted(orphans):
            anchor = self._anchor(orphan, orphans, node)
            if anchor is not None:
                parents[orphan] = anchor
                queue.append(orphan)
        while queue:
            here = queue.popleft()
            for there in self._neighbours[here]:
                if there in orphans and there not in parents:
                    parents[there] = here
                    queue.append(there)
        return Change(node, parents, frozenset(orphans - parents.keys()))

    def commit(self, change: Change) -> None:
        """Make the change real."""
        for gone in (change.node, *change.lost, *change.parents):
            self._children[self._parent[gone]].discard(gone)
        for gone in (change.node, *change.lost):
            del self._parent[gone]
        for child, parent in change.parents.items():
            self._hang(child, parent)
        self.lost |= change.lost

    def _hang(self, child: str, parent: str) -> None:
        self._parent[child] = parent
        self._children.setdefault(parent, set()).add(child)
        self._children.setdefault(child, set())

    def _subtree(self, node: str) -> set[str]:
        found = {node}
        stack = [node]
        while stack:
            for child in self._children[stack.pop()]:
                if child not in found:
                    found.add(child)
                    stack.append(child)
        return found

    def _anchor(self, orphan: str, orphans: set[str], gone: str) -> str | None:
        """A neighbour outside the orphans that still stands."""
        for neighbour in self._neighbours[orphan]:
            if neighbour != gone and neighbour not in orphans and neighbour in self._parent:
                return neighbour
        return None
