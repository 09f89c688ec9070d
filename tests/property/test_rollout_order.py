"""The order's promises on random multi-band meshes, checked against the graph and not against the planner."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_mgmt.rollout_order import Candidate, OrderLimits, order
from mesh_mgmt.spanning import Forest
from mesh_mgmt.topology import Link, Topology, build, reachable
from tests.property.test_topology import meshes

LIMITS = OrderLimits(max_batch=5, last_gateway_agreed=True)


def candidates(mesh: Topology) -> list[Candidate]:
    return [Candidate(node, "model") for node in mesh.links_of]


@given(meshes())
@settings(max_examples=300)
def test_no_batch_cuts_off_a_node_before_or_during_its_upgrade(mesh: Topology) -> None:
    plan = order(mesh, candidates(mesh), LIMITS)
    pending = {node for batch in plan.batches for node in batch}
    for batch in plan.batches:
        pending -= set(batch)
        alive = reachable(mesh, frozenset(batch))
        assert pending <= alive
        for node in batch:
            assert node in mesh.gateways or mesh.neighbours(node) & alive
    assert plan.cut_off == 0


@given(meshes())
def test_no_two_radio_neighbours_reboot_together(mesh: Topology) -> None:
    for batch in order(mesh, candidates(mesh), LIMITS).batches:
        for link in mesh.links():
            assert not (link.up and link.band != "wired" and {link.a, link.b} <= set(batch))


@given(meshes())
def test_every_candidate_is_planned_once_or_excluded_with_a_reason(mesh: Topology) -> None:
    plan = order(mesh, [*candidates(mesh), Candidate("ghost", "model")], LIMITS)
    named = [node for batch in plan.batches for node in batch] + [node for node, _ in plan.excluded]
    assert sorted(named) == sorted([*mesh.links_of, "ghost"])
    assert ("ghost", "unknown") in plan.excluded
    reasons = {reason for _, reason in plan.excluded}
    assert reasons <= {"unknown", "unreachable"}


@given(meshes(), st.data())
def test_the_forest_loses_exactly_what_the_graph_loses(mesh: Topology, data: st.DataObject) -> None:
    forest = Forest(mesh)
    gone: set[str] = set()
    for node in data.draw(st.permutations(sorted(reachable(mesh)))):
        if node in forest.lost:
            continue
        before = reachable(mesh, frozenset(gone))
        gone.add(node)
        change = forest.without(node)
        assert change.lost == before - reachable(mesh, frozenset(gone)) - {node}
        forest.commit(change)


def test_gateways_go_last_and_alone_and_the_only_one_needs_a_person() -> None:
    links = [Link("g1", "a", "5"), Link("g2", "a", "60")]
    mesh = build(["g1", "g2", "a"], ["g1", "g2"], links)
    assert order(mesh, candidates(mesh), OrderLimits()).batches == (("a",), ("g1",), ("g2",))
    alone = build(["g1", "a"], ["g1"], [Link("g1", "a", "5")])
    plan = order(alone, candidates(alone), OrderLimits())
    assert plan.batches == (("a",),)
    assert plan.excluded == (("g1", "only_gateway"),)


def test_an_uplink_carries_only_its_share_at_once() -> None:
    links = [Link("g", f"n{number}", "wired") for number in range(6)]
    mesh = build(["g", *(f"n{number}" for number in range(6))], ["g"], links)
    members = [Candidate(f"n{number}", "m", uplink="u1") for number in range(6)]
    plan = order(mesh, members, OrderLimits(max_per_uplink=2))
    assert [len(batch) for batch in plan.batches] == [2, 2, 2]
