"""One dead parent is one cause, whatever hangs behind it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mesh_mgmt.causes import explain, first_to_probe
from mesh_mgmt.topology import Link, Topology, build, dominated, immediate_dominators, reachable
from tests.property.test_topology import meshes

TREE = build(
    ["gw", "mid", "left", "right", "leaf"],
    ["gw"],
    [Link("gw", "mid", "5"), Link("mid", "left", "5"), Link("mid", "right", "5"), Link("left", "leaf", "60")],
)
DOMINATORS = immediate_dominators(TREE)


def test_a_dead_parent_is_one_cause_that_lists_its_children() -> None:
    found = explain(TREE, DOMINATORS, {"mid", "left", "right", "leaf"})
    assert [cause.node for cause in found.causes] == ["mid"]
    assert found.causes[0].takes_down == {"left", "right", "leaf"}
    assert found.shared == frozenset()


def test_children_not_asked_yet_are_already_known_to_be_unreachable() -> None:
    assert explain(TREE, DOMINATORS, {"mid"}).unreachable() == {"left", "right", "leaf"}


def test_two_dead_parents_of_one_child_share_it() -> None:
    links = [Link("gw", "a", "5"), Link("gw", "b", "5"), Link("a", "child", "5"), Link("b", "child", "60")]
    mesh = build(["gw", "a", "b", "child"], ["gw"], links)
    found = explain(mesh, immediate_dominators(mesh), {"a", "b", "child"})
    assert [cause.node for cause in found.causes] == ["a", "b"]
    assert found.shared == {"child"}


def test_what_stands_above_is_asked_first() -> None:
    assert first_to_probe(DOMINATORS, "leaf") == ("gw", "mid", "left")


@given(meshes(), st.data())
def test_every_silent_node_is_explained_exactly_once(mesh: Topology, data: st.DataObject) -> None:
    silent = frozenset(data.draw(st.sets(st.sampled_from(sorted(mesh.links_of)))))
    found = explain(mesh, immediate_dominators(mesh), silent)
    causes = [cause.node for cause in found.causes]
    groups = [set(cause.takes_down) for cause in found.causes] + [set(found.shared), set(causes)]
    everything = [node for group in groups for node in group]
    assert len(everything) == len(set(everything))
    assert silent <= set(everything)
    assert set(everything) - silent == reachable(mesh) - reachable(mesh, silent) - silent


@given(meshes(), st.data())
def test_one_dead_node_takes_down_what_it_dominates(mesh: Topology, data: st.DataObject) -> None:
    alive = sorted(reachable(mesh))
    node = data.draw(st.sampled_from(alive))
    dominators = immediate_dominators(mesh)
    behind = dominated(dominators).get(node, frozenset())
    found = explain(mesh, dominators, behind | {node})
    assert [(cause.node, cause.takes_down) for cause in found.causes] == [(node, behind)]
