"""Rows of the mesh: measured links with their history and unknown ends (`telemetry.db`), declared links (`ops.db`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from local_store import columns
from local_store.mesh_records import DeclaredLink, LinkEvent, LinkState, NodeMac, Place, UnknownEnd
from local_store.sqlite import Connection

_LINK = columns.select("link", LinkState)
_LINK_UPSERT = columns.upsert("link", LinkState, "link_id")
_LINK_VALUES = columns.values(LinkState)
_EVENT_INSERT = columns.insert("link_event", LinkEvent)
_EVENT_VALUES = columns.values(LinkEvent)
_UNKNOWN_INSERT = columns.insert("unknown_end", UnknownEnd)
_UNKNOWN_VALUES = columns.values(UnknownEnd)
_MAC = columns.select("node_mac", NodeMac)
_MAC_INSERT = columns.insert("node_mac", NodeMac)
_MAC_VALUES = columns.values(NodeMac)
_PLACE_INSERT = columns.insert("mesh_place", Place)
_PLACE_VALUES = columns.values(Place)
_DECLARED = columns.select("declared_link", DeclaredLink)


def load_links(cx: Connection) -> list[LinkState]:
    """Every link ever measured and not forgotten yet."""
    return list(each_link(cx))


def each_link(cx: Connection) -> Iterator[LinkState]:
    """The same one by one, for who does not keep them."""
    return (LinkState(*row) for row in cx.execute(f"{_LINK} ORDER BY link_id"))


def save_links(cx: Connection, links: Iterable[LinkState]) -> None:
    """Write the latest of many links."""
    cx.executemany(_LINK_UPSERT, map(_LINK_VALUES, links))


def forget_links(cx: Connection, link_ids: Iterable[str]) -> None:
    """Drop links that were not heard for long; their history stays."""
    cx.executemany("DELETE FROM link WHERE link_id = ?", ((link_id,) for link_id in link_ids))


def add_events(cx: Connection, events: Iterable[LinkEvent]) -> None:
    """Append to the history of links."""
    cx.executemany(_EVENT_INSERT, map(_EVENT_VALUES, events))


def prune_events(cx: Connection, before_ms: int) -> None:
    """Drop history older than `before_ms`."""
    cx.execute("DELETE FROM link_event WHERE at_ms < ?", (before_ms,))


def replace_unknown(cx: Connection, node_id: str, ends: Iterable[UnknownEnd], *, whole: bool = True) -> None:
    """What one node hears and nobody knows, as of its last report; the first time of each is kept.

    Unless the report was `whole`, what it does not name stays.
    """
    first = {
        tuple(row[:3]): int(row[3])
        for row in cx.execute("SELECT ifname, mac, name, first_ms FROM unknown_end WHERE seen_by = ?", (node_id,))
    }
    if whole and first:
        cx.execute("DELETE FROM unknown_end WHERE seen_by = ?", (node_id,))
    for end in ends:
        row = list(_UNKNOWN_VALUES(end))
        row[8] = first.get((end.ifname, end.mac, end.name), end.first_ms)
        cx.execute(_UNKNOWN_INSERT.replace("INSERT", "INSERT OR IGNORE", 1), row)


def load_macs(cx: Connection) -> list[NodeMac]:
    """Every address of every node's own interfaces."""
    return [NodeMac(*row) for row in cx.execute(f"{_MAC} ORDER BY node_id, mac")]


def replace_macs(cx: Connection, node_id: str, macs: Iterable[NodeMac]) -> None:
    """The addresses of one node, as of its last report."""
    cx.execute("DELETE FROM node_mac WHERE node_id = ?", (node_id,))
    cx.executemany(_MAC_INSERT, map(_MAC_VALUES, macs))


def replace_places(cx: Connection, places: Iterable[Place]) -> None:
    """Where every node stands, as of the graph now."""
    cx.execute("DELETE FROM mesh_place")
    cx.executemany(_PLACE_INSERT, map(_PLACE_VALUES, places))


def declared(cx: Connection) -> list[DeclaredLink]:
    """Links people imported."""
    return [DeclaredLink(*row) for row in cx.execute(f"{_DECLARED} ORDER BY a, b, band")]


def declare(cx: Connection, links: Iterable[DeclaredLink], now_ms: int) -> int:
    """Write declared links; returns how many were new or different."""
    before = cx.total_changes
    cx.executemany(
        "INSERT INTO declared_link (a, b, band, quality_pct, changed_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (a, b, band) DO UPDATE SET quality_pct = excluded.quality_pct, changed_ms = excluded.changed_ms"
        " WHERE declared_link.quality_pct IS NOT excluded.quality_pct",
        ((one.a, one.b, one.band, one.quality_pct, now_ms) for one in links),
    )
    return cx.total_changes - before


def undeclare(cx: Connection, links: Iterable[DeclaredLink]) -> int:
    """Take declared links back; returns how many were there."""
    before = cx.total_changes
    cx.executemany(
        "DELETE FROM declared_link WHERE a = ? AND b = ? AND band = ?", ((one.a, one.b, one.band) for one in links)
    )
    return cx.total_changes - before


def versions(cx: Connection) -> tuple[int, int]:
    """Changes whenever a declared link came, went or changed."""
    row = cx.execute("SELECT count(*), ifnull(max(changed_ms), 0) FROM declared_link").fetchone()
    return int(row[0]), int(row[1])
