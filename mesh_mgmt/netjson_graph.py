"""NetJSON NetworkGraph out of the mesh and into declared links. Pure text; refuses what it does not understand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from local_store.mesh_records import DeclaredLink
from local_store.records import Node
from mesh_mgmt.topology import Topology

BANDS = frozenset({"2.4", "5", "6", "60", "wired", "lora", ""})
Reason = Literal["not_a_graph", "no_end", "unknown_node", "itself", "bad_band", "bad_cost"]


@dataclass(frozen=True, slots=True)
class RejectedLink:
    """One link that cannot be taken: its place in the file from 1, why, and the value that is wrong."""

    place: int
    reason: Reason
    value: str


def export(topology: Topology, nodes: Mapping[str, Node], states: Mapping[str, str]) -> dict[str, Any]:
    """The graph with one link per band, costs as expected transmissions."""
    return {
        "type": "NetworkGraph",
        "protocol": "leitstand",
        "version": "1",
        "metric": "ETX",
        "nodes": [
            {
                "id": node_id,
                "label": node.name,
                "local_addresses": [node.address],
                "properties": {
                    "role": node.role,
                    "district": node.district,
                    "state": states.get(node_id, "unknown"),
                    "gateway": node_id in topology.gateways,
                },
            }
            for node_id, node in sorted(nodes.items())
        ],
        "links": [
            {
                "source": link.a,
                "target": link.b,
                "cost": round(link.cost, 3),
                "cost_text": "" if link.quality_pct is None else f"{link.quality_pct:g} %",
                "properties": {
                    "band": link.band,
                    "quality_pct": link.quality_pct,
                    "up": link.up,
                    "source": link.source,
                },
            }
            for link in topology.links()
        ],
    }


def parse(text: str, known: Iterable[str]) -> tuple[list[DeclaredLink], list[RejectedLink]]:
    """Links between known nodes; several of one pair and band become one, the last counts."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("type") != "NetworkGraph" or not isinstance(found.get("links"), list):
        return [], [RejectedLink(1, "not_a_graph", "NetworkGraph")]
    nodes, is_etx = set(known), str(found.get("metric", "ETX")).upper() == "ETX"
    good: dict[tuple[str, str, str], DeclaredLink] = {}
    bad: list[RejectedLink] = []
    for place, one in enumerate(found["links"], 1):
        taken = _link(place, one, nodes, is_etx=is_etx)
        if isinstance(taken, RejectedLink):
            bad.append(taken)
        else:
            good[taken.a, taken.b, taken.band] = taken
    return list(good.values()), bad


def _link(place: int, one: object, nodes: set[str], *, is_etx: bool) -> DeclaredLink | RejectedLink:
    if not isinstance(one, dict) or not isinstance(one.get("source"), str) or not isinstance(one.get("target"), str):
        return RejectedLink(place, "no_end", "source, target")
    a, b = sorted((one["source"], one["target"]))
    if a == b:
        return RejectedLink(place, "itself", a)
    for end in (a, b):
        if end not in nodes:
            return RejectedLink(place, "unknown_node", end)
    properties = one.get("properties")
    told = properties if isinstance(properties, dict) else {}
    band = str(told.get("band") or "")
    if band not in BANDS:
        return RejectedLink(place, "bad_band", band)
    # A quality of null is what an export says of a link nobody has measured.
    derived = is_etx and "quality_pct" not in told
    quality: object = _of_cost(one.get("cost")) if derived else told.get("quality_pct")
    if quality is not None and (not _is_number(quality) or not 0 <= quality <= 100):
        return RejectedLink(place, "bad_cost", str(quality)[:40])
    return DeclaredLink(a, b, band, None if quality is None else round(float(quality), 1))


def _of_cost(cost: object) -> float | None:
    """The quality that costs so many transmissions; other metrics (hops, airtime) say nothing of it."""
    return 100.0 / min(cost, 1e9) if _is_number(cost) and cost >= 1 else None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
