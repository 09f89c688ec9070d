"""The mesh as screens draw it: nodes with their places, links, unknown far ends. One read each."""

from __future__ import annotations

from dataclasses import dataclass

from local_store import columns
from local_store.mesh_records import LinkState, UnknownEnd
from local_store.sqlite import Connection

_UNKNOWN = columns.select("tm.unknown_end", UnknownEnd)
_LINK = columns.select("tm.link", LinkState)


@dataclass(frozen=True, slots=True)
class MeshNode:
    """One node on the map and in the tree."""

    node_id: str
    name: str
    role: str
    state: str
    cause: str
    lat: float | None
    lon: float | None
    parent: str
    gateway: str
    hops: int
    ways: int
    behind: int


@dataclass(frozen=True, slots=True)
class MeshLink:
    """One link as far as it is drawn."""

    a: str
    b: str
    band: str
    state: str
    quality_pct: float | None
    conflict: str


@dataclass(frozen=True, slots=True)
class MeshPicture:
    """All nodes and links."""

    nodes: tuple[MeshNode, ...]
    links: tuple[MeshLink, ...]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One link from a node's point of view."""

    other: str
    ifname: str
    link: LinkState


def picture(cx: Connection) -> MeshPicture:
    """Everything a map or a tree needs; where nothing was measured yet the inventory's uplinks stand in."""
    nodes = tuple(
        MeshNode(*row)
        for row in cx.execute(
            "SELECT n.node_id, n.name, n.role, ifnull(s.state, 'unknown'), ifnull(s.cause, ''), n.lat, n.lon, "
            "CASE WHEN p.node_id IS NULL OR (p.gateway = '' AND n.uplink <> '') THEN n.uplink ELSE p.parent END, "
            "ifnull(p.gateway, ''), ifnull(p.hops, 0), ifnull(p.ways, 0), ifnull(p.behind, 0) FROM main.node n "
            "LEFT JOIN tm.node_state s ON s.node_id = n.node_id LEFT JOIN tm.mesh_place p ON p.node_id = n.node_id "
            "WHERE n.retired_ms IS NULL ORDER BY n.node_id"
        )
    )
    links = tuple(
        MeshLink(*row)
        for row in cx.execute("SELECT a, b, band, state, quality_pct, conflict FROM tm.link ORDER BY link_id")
    )
    known = {frozenset((link.a, link.b)) for link in links}
    declared = tuple(
        MeshLink(str(a), str(b), str(band), "up", quality, "")
        for a, b, band, quality in cx.execute("SELECT a, b, band, quality_pct FROM main.declared_link ORDER BY a, b")
        if frozenset((a, b)) not in known
    )
    return MeshPicture(nodes, links + declared)


def neighbours(cx: Connection, node_id: str) -> list[Neighbour]:
    """The links of one node, the best first."""
    rows = cx.execute(f"{_LINK} WHERE a = ? OR b = ? ORDER BY quality_pct DESC", (node_id, node_id))
    found = [LinkState(*row) for row in rows]
    return [
        Neighbour(one.b, one.a_ifname, one) if one.a == node_id else Neighbour(one.a, one.b_ifname, one)
        for one in found
    ]


def unknown_ends(cx: Connection) -> list[UnknownEnd]:
    """Far ends nobody knows, the last seen first."""
    return [UnknownEnd(*row) for row in cx.execute(f"{_UNKNOWN} ORDER BY seen_ms DESC, mac, seen_by")]


@dataclass(frozen=True, slots=True)
class LinkTurn:
    """One line of a link's history. `a` and `b` are 'node/interface'; `after_ms` is how long it had been as before,
    None for the first line that is kept; `band` is "" for a link that is forgotten."""

    at_ms: int
    link_id: str
    a: str
    b: str
    band: str
    what: str
    after_ms: int | None


_A = "substr(e.link_id, 1, instr(e.link_id, '~') - 1)"
_B = "substr(e.link_id, instr(e.link_id, '~') + 1)"
_TURN = (
    f"SELECT e.at_ms, e.link_id, {_A}, {_B}, ifnull(l.band, ''), e.what, e.at_ms - "
    "(SELECT max(p.at_ms) FROM tm.link_event p WHERE p.link_id = e.link_id AND p.rowid < e.rowid) "
    "FROM tm.link_event e LEFT JOIN tm.link l ON l.link_id = e.link_id WHERE e.at_ms >= :since_ms"
)


def history(cx: Connection, about: str, since_ms: int, limit: int) -> list[LinkTurn]:
    """What happened to links since then, newest first: of a node, of a pair 'A~B' or a link, of all for ""."""
    one, _, other = about.partition("~")
    where = ""
    if other:
        pair = f"{_is(_A, 'one')} AND {_is(_B, 'other')}"
        where = f" AND ({pair} OR {_is(_A, 'other')} AND {_is(_B, 'one')})"
    elif one:
        where = f" AND ({_is(_A, 'one')} OR {_is(_B, 'one')})"
    given = {"since_ms": since_ms, "limit": limit, "one": one, "other": other}
    rows = cx.execute(f"{_TURN}{where} ORDER BY e.at_ms DESC, e.rowid DESC LIMIT :limit", given)
    return [LinkTurn(*row) for row in rows]


def _is(end: str, name: str) -> str:
    """Whether an end is this interface, or one of this node."""
    return f"({end} = :{name} OR substr({end}, 1, length(:{name}) + 1) = :{name} || '/')"
