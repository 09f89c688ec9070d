"""NetJSON NetworkGraph: an import declares what an export says of a link, and misreads no foreign graph."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_store.mesh_records import DeclaredLink
from local_store.records import Node
from mesh_mgmt.netjson_graph import RejectedLink, export, parse
from mesh_mgmt.topology import Link, Topology

REQUIRED = {"type", "protocol", "version", "metric", "nodes", "links"}
"""Of schema/network-graph.json of NetJSON; a link needs source, target and a cost that is a number."""


def graph(*links: dict[str, Any], **more: Any) -> str:
    ends = {"source": "a", "target": "b"}
    return json.dumps({"type": "NetworkGraph", "links": [{**ends, **one} for one in links], **more})


def test_an_export_read_back_is_the_same_links() -> None:
    links = [Link("a", "b", "5", 80.0), Link("a", "c", "wired"), Link("b", "c", "60", 0.0, up=False)]
    around = {node: tuple(one for one in links if node in (one.a, one.b)) for node in "abc"}
    nodes = {node: Node(node, node, f"10.0.0.{at}", "mesh") for at, node in enumerate("abc", 1)}
    written = export(Topology(frozenset("a"), around), nodes, {})
    assert written.keys() >= REQUIRED
    assert all(isinstance(one["cost"], float) and isinstance(one["cost_text"], str) for one in written["links"])
    read, rejected = parse(json.dumps(written, allow_nan=False), nodes)
    assert not rejected
    assert {(one.a, one.b, one.band, one.quality_pct) for one in read} == {
        (one.a, one.b, one.band, one.quality_pct) for one in links
    }


@pytest.mark.parametrize(
    ("metric", "link", "quality"),
    [
        ({"metric": "etx"}, {"cost": 1.25}, 80.0),
        ({}, {"cost": 1.25}, 80.0),
        ({"metric": "hops"}, {"cost": 1}, None),
        ({"metric": "airtime"}, {"cost": 8193, "properties": {"quality_pct": 70}}, 70.0),
        ({}, {"cost": 10**400}, 0.0),
        ({}, {"cost": 1, "properties": {"band": None}}, 100.0),
    ],
)
def test_only_expected_transmissions_tell_a_quality(
    metric: dict[str, str], link: dict[str, Any], quality: float | None
) -> None:
    assert parse(graph(link, **metric), "ab") == ([DeclaredLink("a", "b", "", quality)], [])


@pytest.mark.parametrize("quality", [True, "80", -1, 10**400])
def test_a_quality_that_is_none_is_refused(quality: object) -> None:
    found, rejected = parse(graph({"cost": 1, "properties": {"quality_pct": quality}}), "ab")
    assert (found, rejected) == ([], [RejectedLink(1, "bad_cost", str(quality)[:40])])
