"""The graph's rules against their definitions, on random multi-band meshes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_mgmt.topology import (
    ROOT,
    Link,
    Topology,
    build,
    dominated,
    immediate_dominators,
    path_to_gateway,
    reachable,
)

BANDS = ("2.4", "5", "6", "60", "wired")


@st.composite
def meshes(draw: st.DrawFn) -> Topology:
    size = draw(st.integers(1, 24))
    rng = random.Random(draw(st.integers(0, 2**32)))
    nodes = [f"n{number}" for number in range(size)]
    links = [
        Link(a, b, rng.choice(BANDS), rng.uniform(1, 100), up=rng.random() > 0.1)
        for a, b in (rng.sample(nodes, 2) for _ in range(rng.randint(0, 2 * size)) if size > 1)
    ]
    return build(nodes, rng.sample(nodes, rng.randint(1, min(3, size))), links)


@given(meshes())
@settings(max_examples=300)
def test_a_node_dominates_exactly_what_its_loss_cuts_off(mesh: Topology) -> None:
    alive = reachable(mesh)
    behind = dominated(immediate_dominators(mesh))
    for node in alive:
        lost = alive - {node} - reachable(mesh, frozenset({node}))
        assert behind.get(node, frozenset()) == lost


@given(meshes())
def test_every_reachable_node_has_a_dominator_and_a_path(mesh: Topology) -> None:
    alive = reachable(mesh)
    dominators = immediate_dominators(mesh)
    assert set(dominators) == alive
    assert all(dominators[gateway] == ROOT for gateway in mesh.gateways)
    for node in alive - mesh.gateways:
        path = path_to_gateway(mesh, node)
        here = node
        for link in path:
            assert link.up
            here = link.other(here)
        assert here in mesh.gateways
    for node in set(mesh.links_of) - alive:
        assert path_to_gateway(mesh, node) == []


def test_the_better_way_round_beats_the_short_bad_hop() -> None:
    links = [Link("gw", "far", "60", 10), Link("gw", "mid", "5", 100), Link("mid", "far", "5", 100)]
    mesh = build(["gw", "mid", "far"], ["gw"], links)
    assert [link.band for link in path_to_gateway(mesh, "far")] == ["5", "5"]


def test_a_link_to_nowhere_is_named() -> None:
    with pytest.raises(ValueError, match="gw - ghost"):
        build(["gw"], ["gw"], [Link("gw", "ghost", "5")])
