"""In which order a mesh may be upgraded so that no node is cut off before or during its own upgrade. Pure.

A node may go when everything behind it (its dominator-tree children) is done; a batch is accepted member by
member, and only if nothing is lost but what its members dominate anyway, every member keeps a live neighbour
that reaches a gateway, and no two members hear each other on one channel. Gateways go last, one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from mesh_mgmt.spanning import Forest, neighbour_table
from mesh_mgmt.topology import ROOT, Topology, dominated, immediate_dominators

WIRED = "wired"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One node to upgrade: what decides its place besides the graph."""

    node: str
    model: str
    uplink: str = ""


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """`max_dark` counts nodes without service at once, members included; None sets no such limit."""

    max_batch: int = 20
    max_dark: int | None = None
    max_per_uplink: int = 8
    last_gateway_agreed: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """The batches in order, and every candidate left out with the code of its reason.

    `dark` is, per batch, how many nodes lose service while it reboots; `cut_off` counts candidates that would be
    cut off before their own upgrade: zero by construction, recomputed here from the graph as a check.
    """

    batches: tuple[tuple[str, ...], ...]
    excluded: tuple[tuple[str, str], ...]
    dark: tuple[int, ...]
    cut_off: int


@dataclass(slots=True)
class _Work:
    topology: Topology
    limits: OrderLimits
    candidates: Mapping[str, Candidate]
    behind: Mapping[str, frozenset[str]]
    hears: Mapping[str, AbstractSet[str]]
    neighbours: Mapping[str, tuple[str, ...]]
    waiting_for: dict[str, int] = field(default_factory=dict)


def order(
    topology: Topology,
    candidates: Iterable[Candidate],
    limits: OrderLimits,
    also_hear: Iterable[tuple[str, str]] = (),
) -> Order:
    """Plan all batches on the graph as it is; recompute after each real batch on the graph as it became."""
    dominators = immediate_dominators(topology)
    wanted = {candidate.node: candidate for candidate in candidates}
    excluded = [(node, "unknown") for node in sorted(wanted.keys() - topology.links_of.keys())]
    excluded += [
        (node, "unreachable") for node in sorted((wanted.keys() & topology.links_of.keys()) - dominators.keys())
    ]
    members = {node: wanted[node] for node in wanted.keys() & dominators.keys()}
    if topology.gateways <= members.keys() and len(topology.gateways) == 1 and not limits.last_gateway_agreed:
        (gateway,) = topology.gateways
        excluded.append((gateway, "only_gateway"))
        del members[gateway]
    work = _Work(
        topology, limits, members, dominated(dominators), _hears(topology, also_hear), neighbour_table(topology)
    )
    batches, stuck = _all_batches(work, dominators)
    excluded += [(node, "no_safe_batch") for node in sorted(stuck)]
    return Order(
        tuple(batches),
        tuple(excluded),
        tuple(len(_dark(work, batch)) for batch in batches),
        cut_off(topology, batches, work.neighbours),
    )


def _hears(topology: Topology, also: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Nodes that share a channel: a radio link proves it, `also` adds pairs that only disturb each other."""
    hears: dict[str, set[str]] = {node: set() for node in topology.links_of}
    pairs = [(link.a, link.b) for link in topology.links() if link.up and link.band != WIRED]
    for one, two in [*pairs, *also]:
        if one in hears and two in hears:
            hears[one].add(two)
            hears[two].add(one)
    return hears


def _all_batches(work: _Work, dominators: Mapping[str, str]) -> tuple[list[tuple[str, ...]], set[str]]:
    left = set(work.candidates)
    for node in left:
        for above in _chain(dominators, node):
            work.waiting_for[above] = work.waiting_for.get(above, 0) + 1
    batches: list[tuple[str, ...]] = []
    while left:
        batch = _next_batch(work, left)
        if not batch:
            return batches, left
        batches.append(batch)
        left.difference_update(batch)
        for node in batch:
            for above in _chain(dominators, node):
                work.waiting_for[above] -= 1
    return batches, set()


def _chain(dominators: Mapping[str, str], node: str) -> Iterator[str]:
    above = dominators[node]
    while above != ROOT:
        yield above
        above = dominators[above]


def _next_batch(work: _Work, left: AbstractSet[str]) -> tuple[str, ...]:
    """Greedy: whoever has least behind it first; gateways alone and only when nothing else is left."""
    ready = [node for node in left if not work.waiting_for.get(node)]
    inner = [node for node in ready if node not in work.topology.gateways]
    if not inner:
        gateways = sorted(node for node in ready if node in work.topology.gateways)
        return tuple(gateways[:1])
    forest = Forest(work.topology, work.neighbours)
    batch: list[str] = []
    uplinks: dict[str, int] = {}
    for node in sorted(inner, key=lambda node: (len(work.behind.get(node, ())), node)):
        uplink = work.candidates[node].uplink
        if len(batch) >= work.limits.max_batch:
            break
        if uplinks.get(uplink, 0) < work.limits.max_per_uplink and _fits(work, forest, batch, node):
            batch.append(node)
            uplinks[uplink] = uplinks.get(uplink, 0) + (1 if uplink else 0)
    return tuple(batch)


def _fits(work: _Work, forest: Forest, batch: Sequence[str], node: str) -> bool:
    """Whether the batch may grow by `node`; the forest is without it afterwards exactly if the answer is yes."""
    if node in forest.lost or not work.hears[node].isdisjoint(batch):
        return False
    change = forest.without(node)
    allowed = work.behind.get(node, frozenset()).union(*(work.behind.get(other, frozenset()) for other in batch))
    gone = forest.lost | change.lost
    dark = len(gone) + len(batch) + 1
    within = work.limits.max_dark is None or dark <= work.limits.max_dark or not batch
    removed = gone.union(batch, (node,))
    if change.lost <= allowed and within and all(_holds_on(work, removed, other) for other in (*batch, node)):
        forest.commit(change)
        return True
    return False


def _holds_on(work: _Work, removed: AbstractSet[str], node: str) -> bool:
    """A rebooting member must find a living neighbour that still reaches a gateway."""
    return any(other not in removed for other in work.neighbours[node])


def _dark(work: _Work, batch: Sequence[str]) -> frozenset[str]:
    return frozenset(batch).union(*(work.behind.get(node, frozenset()) for node in batch))


def cut_off(
    topology: Topology, batches: Sequence[Sequence[str]], neighbours: Mapping[str, tuple[str, ...]] | None = None
) -> int:
    """Candidates without a path while an earlier batch reboots, counted on the graph and not on the rule."""
    known = neighbour_table(topology) if neighbours is None else neighbours
    pending = {node for batch in batches for node in batch}
    cut = 0
    for batch in batches:
        pending.difference_update(batch)
        forest = Forest(topology, known)
        for node in batch:
            if node not in forest.lost:
                forest.commit(forest.without(node))
        cut += len(pending & forest.lost)
    return cut
