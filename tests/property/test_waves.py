"""Waves keep the order's promise across their borders, try every model before it is trusted, and lose nobody."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_mgmt.rollout_order import Candidate, OrderLimits
from mesh_mgmt.topology import Topology, reachable
from mesh_mgmt.waves import GATEWAYS, Shares, schedule
from tests.property.test_topology import meshes

LIMITS = OrderLimits(max_batch=5, last_gateway_agreed=True)
MODELS = ("a", "b", "c")


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Topology, list[Candidate]]:
    mesh = draw(meshes())
    chosen = [node for node in mesh.links_of if draw(st.booleans())]
    return mesh, [Candidate(node, draw(st.sampled_from(MODELS)), draw(st.sampled_from("xy"))) for node in chosen]


shares = st.builds(Shares, st.integers(1, 3), st.sampled_from([(100.0,), (10.0, 40.0, 100.0), (50.0, 100.0)]))


@given(fleets(), shares)
@settings(max_examples=200)
def test_no_batch_of_any_wave_cuts_off_a_node_that_is_still_to_come(
    fleet: tuple[Topology, list[Candidate]], wanted: Shares
) -> None:
    mesh, candidates = fleet
    plan = schedule(mesh, candidates, LIMITS, wanted)
    pending = {node for batch in plan.batches for node in batch}
    for batch in plan.batches:
        pending -= set(batch)
        assert pending <= reachable(mesh, frozenset(batch))
    assert plan.cut_off == 0


@given(fleets(), shares)
def test_everybody_is_in_one_wave_or_excluded(fleet: tuple[Topology, list[Candidate]], wanted: Shares) -> None:
    mesh, candidates = fleet
    plan = schedule(mesh, candidates, LIMITS, wanted)
    named = [node for wave in plan.waves for node in wave.nodes] + [node for node, _ in plan.excluded]
    assert sorted(named) == sorted(candidate.node for candidate in candidates)


@given(fleets(), shares)
def test_every_model_is_tried_by_few_before_it_goes_to_many(
    fleet: tuple[Topology, list[Candidate]], wanted: Shares
) -> None:
    mesh, candidates = fleet
    model = {candidate.node: candidate.model for candidate in candidates}
    seen: set[str] = set()
    for wave in schedule(mesh, candidates, LIMITS, wanted).waves:
        here = {model[node] for node in wave.nodes}
        for new in here - seen:
            assert sum(model[node] == new for node in wave.nodes) <= wanted.canaries
        seen |= here


@given(fleets(), shares)
def test_gateways_come_last(fleet: tuple[Topology, list[Candidate]], wanted: Shares) -> None:
    mesh, candidates = fleet
    flat = [node in mesh.gateways for batch in schedule(mesh, candidates, LIMITS, wanted).batches for node in batch]
    assert flat == sorted(flat)


def test_a_plan_of_gateways_alone_still_tries_one_first() -> None:
    mesh = Topology(frozenset({"g1", "g2", "g3"}), {"g1": (), "g2": (), "g3": ()})
    plan = schedule(mesh, [Candidate(name, "m") for name in ("g1", "g2", "g3")], OrderLimits())
    assert [(wave.name, wave.nodes) for wave in plan.waves] == [("canary m", ("g1",)), (GATEWAYS, ("g2", "g3"))]
