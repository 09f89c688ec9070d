"""The graph of the mesh as the store knows it now: one read of both files. No network."""

from __future__ import annotations

from dataclasses import dataclass

from local_store import links, nodes
from local_store.mesh_records import LinkState
from local_store.records import Node
from local_store.sqlite import Connection
from mesh_mgmt.graph import REDUNDANT_PCT, live
from mesh_mgmt.topology import Topology


@dataclass(frozen=True, slots=True)
class Known:
    """`topology` holds what carries traffic; `redundant` only what was there most of the last 24 hours."""

    nodes: dict[str, Node]
    states: dict[str, str]
    links: list[LinkState]
    topology: Topology
    redundant: Topology


def current(cx: Connection) -> Known:
    """Read it; needs a reader of both files."""
    rows = nodes.all_nodes(cx)
    measured = links.load_links(cx)
    declared = links.declared(cx)
    silent = nodes.silent_since(cx)
    return Known(
        {row.node_id: row for row in rows},
        nodes.state_names(cx),
        measured,
        live(rows, measured, declared, silent),
        live(rows, measured, declared, silent, REDUNDANT_PCT),
    )
