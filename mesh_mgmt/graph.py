"""The one graph of the mesh: measured links first, declared ones where nothing was measured, else the uplink. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from local_store.mesh_records import DeclaredLink, LinkState
from local_store.records import Node
from mesh_mgmt.topology import Link, Topology, build

GATEWAY_ROLES = frozenset({"gateway", "uplink"})
REDUNDANT_PCT = 50.0
"""A link there for less of the last 24 hours is no redundancy."""
GRACE_MS = 900_000
"""A link that broke this shortly before its end fell silent broke because of it."""


def gateways(nodes: Iterable[Node]) -> frozenset[str]:
    """Nodes with a way out of the mesh: by role, else those that are nobody's child."""
    rows = list(nodes)
    by_role = frozenset(row.node_id for row in rows if row.role in GATEWAY_ROLES)
    return by_role or frozenset(row.node_id for row in rows if not row.uplink)


def live(
    nodes: Iterable[Node],
    measured: Iterable[LinkState],
    declared: Iterable[DeclaredLink] = (),
    silent_since: Mapping[str, int] | None = None,
    least_available_pct: float = 0.0,
) -> Topology:
    """Join what is known into one graph.

    A link that went down with its silent end counts as up: it says what hung on what when the end fell silent.
    """
    rows = list(nodes)
    known = {row.node_id for row in rows}
    since = silent_since or {}
    links = [_measured(one, since, least_available_pct) for one in measured if one.a in known and one.b in known]
    pairs = {(link.a, link.b) for link in links}
    links += [
        Link(one.a, one.b, one.band, one.quality_pct, source="declared")
        for one in declared
        if one.a in known and one.b in known and (one.a, one.b) not in pairs
    ]
    linked = {end for link in links for end in (link.a, link.b)}
    links += [
        Link(row.node_id, row.uplink, "", source="inventory")
        for row in rows
        if row.node_id not in linked and row.uplink in known and row.uplink != row.node_id
    ]
    return build(known, gateways(rows), links)


def _measured(one: LinkState, since: Mapping[str, int], least_available_pct: float) -> Link:
    fell_with = any(end in since and one.since_ms >= since[end] - GRACE_MS for end in (one.a, one.b))
    up = one.state != "down" or fell_with
    return Link(
        one.a,
        one.b,
        one.band,
        one.quality_pct,
        up=up and one.available_pct >= least_available_pct,
        source=one.source,
        seen_ms=one.seen_ms,
    )
