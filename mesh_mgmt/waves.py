"""Waves of a rollout: canaries of every model first, then growing shares, gateways last. Pure, no I/O.

A node is in no earlier wave than any candidate that depends on it, so the order's promise holds across waves too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mesh_mgmt.rollout_order import Candidate, OrderLimits, cut_off, order
from mesh_mgmt.topology import Topology, dominated, immediate_dominators

CANARY, GATEWAYS = "canary", "gateways"


@dataclass(frozen=True, slots=True)
class Shares:
    """`canaries` per model; `shares` are ends of the ordinary waves in percent of what follows the canaries."""

    canaries: int = 2
    shares: tuple[float, ...] = (10.0, 40.0, 100.0)


DEFAULT = Shares()


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave with its batches; `dark` is per batch how many nodes lose service while it restarts."""

    name: str
    batches: tuple[tuple[str, ...], ...]
    dark: tuple[int, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Everybody in it, in order."""
        return tuple(node for batch in self.batches for node in batch)


@dataclass(frozen=True, slots=True)
class Schedule:
    """All waves, every candidate left out with its reason, and the count that must be zero."""

    waves: tuple[Wave, ...]
    excluded: tuple[tuple[str, str], ...]
    cut_off: int

    @property
    def batches(self) -> tuple[tuple[str, ...], ...]:
        """Every batch in order."""
        return tuple(batch for wave in self.waves for batch in wave.batches)


def schedule(
    topology: Topology, candidates: Iterable[Candidate], limits: OrderLimits, shares: Shares = DEFAULT
) -> Schedule:
    """Plan all waves on the graph as it is."""
    wanted = {candidate.node: candidate for candidate in candidates}
    dominators = immediate_dominators(topology)
    behind = dominated(dominators)
    excluded = [
        (node, "unknown" if node not in topology.links_of else "unreachable")
        for node in sorted(wanted.keys() - dominators.keys())
    ]
    members = {node: wanted[node] for node in wanted.keys() & dominators.keys()}
    waiting = {node: behind.get(node, frozenset()) & members.keys() for node in members}
    groups = _groups(topology, members, waiting, shares)
    waves: list[Wave] = []
    for name, group in groups:
        planned = order(topology, [members[node] for node in group], limits)
        excluded += planned.excluded
        if planned.batches:
            waves.append(Wave(name, planned.batches, planned.dark))
    batches = [batch for wave in waves for batch in wave.batches]
    return Schedule(tuple(waves), tuple(excluded), cut_off(topology, batches))


def _groups(
    topology: Topology,
    members: Mapping[str, Candidate],
    behind: Mapping[str, frozenset[str]],
    shares: Shares,
) -> list[tuple[str, list[str]]]:
    """Split everybody into named groups; whoever depends on a node comes before it."""
    sequence = sorted(members, key=lambda node: (node in topology.gateways, len(behind[node]), node))
    canaries = _canaries(sequence, members, behind, topology.gateways, shares.canaries)
    rest = [node for node in sequence if node not in canaries]
    inner = [node for node in rest if node not in topology.gateways]
    tried = {members[node].model for node in canaries}
    groups: list[tuple[str, list[str]]] = [(CANARY, [node for node in sequence if node in canaries])]
    start = 0
    for number, share in enumerate(shares.shares, start=1):
        end = len(inner) if number == len(shares.shares) else max(start, round(len(inner) * share / 100))
        groups += _with_canaries(f"wave {number}", inner[start:end], members, tried)
        start = end
    groups += _with_canaries(GATEWAYS, [node for node in rest if node in topology.gateways], members, tried)
    return [(name, group) for name, group in groups if group]


def _canaries(
    sequence: Sequence[str],
    members: Mapping[str, Candidate],
    behind: Mapping[str, frozenset[str]],
    gateways: frozenset[str],
    per_model: int,
) -> set[str]:
    """Nodes nobody else waits for, some of each model, from different uplinks where possible."""
    chosen: dict[str, list[str]] = {}
    leaves = [node for node in sequence if not behind[node] and node not in gateways]
    for other_uplinks in (True, False):
        for node in leaves:
            there = chosen.setdefault(members[node].model, [])
            new = members[node].uplink not in {members[one].uplink for one in there}
            if len(there) < per_model and node not in there and (new or not other_uplinks):
                there.append(node)
    return {node for nodes in chosen.values() for node in nodes}


def _with_canaries(
    name: str, nodes: Sequence[str], members: Mapping[str, Candidate], tried: set[str]
) -> list[tuple[str, list[str]]]:
    """The wave, split where a model comes up that no canary has tried: its first node goes alone."""
    groups: list[tuple[str, list[str]]] = [(name, [])]
    for node in nodes:
        model = members[node].model
        if model in tried:
            groups[-1][1].append(node)
        else:
            tried.add(model)
            groups += [(f"{CANARY} {model}", [node]), (name, [])]
    return groups
