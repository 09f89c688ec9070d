"""The plan of a rollout: who, which image, in which waves, who not and why. Pure, no I/O; frozen once it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import msgspec

from local_store.audit import canonical
from mesh_mgmt.catalogue import Image, Running, choose
from mesh_mgmt.gates import Window
from mesh_mgmt.rollout_order import Candidate, OrderLimits
from mesh_mgmt.topology import Topology, dominated, immediate_dominators, thinned
from mesh_mgmt.waves import Schedule, Shares, schedule

UPLOADS_AT_ONCE = 8
UPLOAD_S = 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Every number a rollout goes by. Seconds, percent, counts; `flash_s` is what 99 of 100 of a model need."""

    max_batch: int = 20
    max_dark: int | None = None
    max_dark_district: int | None = None
    max_per_uplink: int = 8
    backup_age_s: int = 7 * 86_400
    canaries: int = 2
    shares: tuple[float, ...] = (10.0, 40.0, 100.0)
    failure_pct: float = 2.0
    flash_s: int = 240
    margin_s: int = 120
    soak_s: int = 120
    prove_s: int = 180
    wave_soak_s: int = 300
    probe_s: int = 5
    retry_s: int = 60
    max_tries: int = 3
    second_person_over: int = 50
    last_gateway_agreed: bool = False
    windows: tuple[Window, ...] = ()

    @property
    def order(self) -> OrderLimits:
        """What the order needs of it."""
        return OrderLimits(self.max_batch, self.max_dark, self.max_per_uplink, self.last_gateway_agreed)

    @property
    def batch_ms(self) -> int:
        """How long one batch may take from the first flash to the last proof."""
        return 1000 * (self.flash_s + self.margin_s + self.soak_s + self.prove_s)


@dataclass(frozen=True, slots=True)
class Known:
    """What the inventory and the last poll say of one node."""

    node: str
    model: str
    uplink: str
    running: Running


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a plan is made from."""

    nodes: tuple[Known, ...]
    topology: Topology
    images: tuple[Image, ...]
    leased: frozenset[str] = frozenset()
    """Nodes a technician's laptop holds for another rollout."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One node of the plan with its image."""

    node: str
    board: str
    model: str
    uplink: str
    image: str
    runs: str


@dataclass(frozen=True, slots=True)
class PlannedWave:
    """One wave: its name, and its batches as planned; they are computed anew on the living graph."""

    name: str
    batches: tuple[tuple[str, ...], ...]
    dark: tuple[int, ...] = ()
    thinned: tuple[str, ...] = ()
    """Nodes outside a batch that hang on one way while it restarts and did not before: unavoidable, so it is told."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A node left out and the code of the reason."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Frozen when stored: its hash is what approvals and evidence hang on."""

    to: str
    created_ms: int
    nodes: tuple[Chosen, ...]
    waves: tuple[PlannedWave, ...]
    excluded: tuple[Excluded, ...]
    images: tuple[Image, ...]
    limits: Limits
    topology: str
    cut_off: int
    estimate_s: int
    needs: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()
    """Nodes of the plan that others hang on: somebody has to be on call when they restart."""
    rollback_of: str = ""
    reverts_to: Mapping[str, str] = field(default_factory=dict)
    lease_until_ms: int = 0
    """Set in the slice of a field lease: no flash begins after it, and every node is reached from beside it."""


def make(facts: Facts, version: str, limits: Limits, *, now_ms: int, only: AbstractSet[str] | None = None) -> Plan:
    """Plan the upgrade to `version` of all nodes, or of `only` some."""
    return _make(facts, dict.fromkeys((known.node for known in facts.nodes), version), version, limits, now_ms, only)


def make_back(facts: Facts, before: Mapping[str, str], rollback_of: str, limits: Limits, *, now_ms: int) -> Plan:
    """Plan the way back of some nodes to the versions they had, as a rollout linked to the one it undoes."""
    plan = _make(facts, before, "back", limits, now_ms, before.keys())
    return replace(plan, rollback_of=rollback_of, reverts_to=dict(before))


def _make(
    facts: Facts,
    versions: Mapping[str, str],
    to: str,
    limits: Limits,
    now_ms: int,
    only: AbstractSet[str] | None,
) -> Plan:
    chosen: dict[str, Chosen] = {}
    excluded: list[tuple[str, str]] = []
    used: dict[str, Image] = {}
    for known in facts.nodes:
        if only is not None and known.node not in only:
            continue
        found = (
            "leased"
            if known.node in facts.leased
            else choose(facts.images, versions[known.node], known.running, now_ms)
        )
        if isinstance(found, Image):
            runs = known.running.version
            chosen[known.node] = Chosen(
                known.node, known.running.board_name, known.model, known.uplink, found.sha256, runs
            )
            used[found.sha256] = found
        else:
            excluded.append((known.node, found))
    if only is not None:
        excluded += [(node, "unknown") for node in sorted(only - {known.node for known in facts.nodes})]
    candidates = [Candidate(one.node, one.board, one.uplink) for one in chosen.values()]
    planned = schedule(facts.topology, candidates, limits.order, Shares(limits.canaries, limits.shares))
    going = {node for batch in planned.batches for node in batch}
    return Plan(
        to,
        now_ms,
        tuple(one for one in chosen.values() if one.node in going),
        tuple(
            PlannedWave(wave.name, wave.batches, wave.dark, _thinned(facts.topology, wave.batches))
            for wave in planned.waves
        ),
        tuple(Excluded(*one) for one in sorted([*excluded, *planned.excluded])),
        tuple(used.values()),
        limits,
        topology_hash(facts.topology),
        planned.cut_off,
        estimate_s(planned, limits),
        _needs(going, facts.topology.gateways, limits),
        tuple(sorted(going & dominated(immediate_dominators(facts.topology)).keys())),
    )


def _thinned(topology: Topology, batches: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """What a batch or one of it alone leaves hanging on one way."""
    found: set[str] = set()
    for batch in batches:
        found |= thinned(topology, frozenset(batch))
        found = found.union(*(thinned(topology, frozenset({node})) for node in batch))
    return tuple(sorted(found))


def _needs(going: AbstractSet[str], gateways: AbstractSet[str], limits: Limits) -> tuple[str, ...]:
    """Why a second person has to agree."""
    reasons = [("gateways", bool(going & gateways)), ("size", len(going) > limits.second_person_over)]
    return tuple(reason for reason, holds in reasons if holds)


def estimate_s(planned: Schedule, limits: Limits) -> int:
    """A sober guess: images are staged side by side and ahead, restarts take a typical half of their limit."""
    nodes = sum(len(batch) for batch in planned.batches)
    restart_s = limits.flash_s // 2 + limits.soak_s
    staging_s = UPLOAD_S * -(-min(nodes, limits.max_batch) // UPLOADS_AT_ONCE)
    return staging_s + restart_s * len(planned.batches) + limits.wave_soak_s * len(planned.waves)


def topology_hash(topology: Topology) -> str:
    """Names the graph a plan was made on."""
    links = [[link.a, link.b, link.band, link.up] for link in topology.links()]
    told = [sorted(topology.links_of), sorted(topology.gateways), links]
    return hashlib.sha256(canonical(told).encode()).hexdigest()


def encode(plan: Plan) -> str:
    """Canonical JSON."""
    return canonical(msgspec.to_builtins(plan))


def decode(text: str) -> Plan:
    """The plan back from its JSON."""
    return msgspec.json.decode(text.encode(), type=Plan)


def plan_hash(text: str) -> str:
    """What approvals and evidence hang on."""
    return hashlib.sha256(text.encode()).hexdigest()


def batches(plan: Plan) -> Iterable[tuple[str, ...]]:
    """Every batch in order."""
    return [batch for wave in plan.waves for batch in wave.batches]
