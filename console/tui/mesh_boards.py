"""The mesh as lines: the tree from the gateways, the map's list, the neighbours of a node. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from console import texts
from console.alert_texts import link_turn
from console.texts import _, ngettext
from console.tui.lines import Board, Line, line, rule
from console.tui.mesh_map import Spot, View, distance
from console.tui.present import glyph, state_text
from local_store.views.mesh import LinkTurn, MeshNode, MeshPicture, Neighbour

WIDE = 76
"""From so many columns on a neighbour shows how long its link was there in a day."""
BARS = "▁▂▃▄▅▆▇█"
NEIGHBOURS_SHOWN = 8
TURNS_SHOWN = 8
HISTORY_MS = 86_400_000


def tree(picture: MeshPicture, ascii_only: bool) -> list[Line]:
    """Gateways and everything behind them; what has no way to any comes last."""
    nodes = {node.node_id: node for node in picture.nodes}
    children: dict[str, list[MeshNode]] = {}
    lone: list[MeshNode] = []
    for node in picture.nodes:
        if node.parent in nodes:
            children.setdefault(node.parent, []).append(node)
        elif node.role in ("gateway", "uplink") or node.gateway == node.node_id:
            children.setdefault("", []).append(node)
        else:
            lone.append(node)
    found: list[Line] = []
    seen: set[str] = set()
    stack = [(node, "", "") for node in reversed(children.get("", []))]
    stack = [(node, "", "") for node in reversed(lone)] + stack
    while stack:
        node, lead, branch = stack.pop()
        if node.node_id in seen:
            continue
        seen.add(node.node_id)
        found.append(_tree_line(node, lead + branch, ascii_only))
        below = sorted(children.get(node.node_id, []), key=lambda one: (-one.behind, one.node_id))
        inner = lead + {"": "", "├ ": "│ ", "└ ": "  "}[branch]
        marks = ["├ "] * (len(below) - 1) + ["└ "]
        stack += list(reversed([(child, inner, mark) for child, mark in zip(below, marks, strict=False)]))
    return found or [line(("   " + _("no nodes yet: 2 says how they get here"), "dim"))]


def _tree_line(node: MeshNode, lead: str, ascii_only: bool) -> Line:
    if ascii_only:
        lead = lead.translate({ord("├"): "|", ord("│"): "|", ord("└"): "`"})
    behind = ngettext("{n} node hangs on it", "{n} nodes hang on it", node.behind).format(n=node.behind)
    cut = f"  {'◆' if not ascii_only else '*'} {behind}" if node.behind else ""
    ways = "" if node.ways != 1 else f"  {_('one way')}"
    words = texts.cause(node.cause) if node.cause else "" if node.state == "ok" else texts.state(node.state)
    return line(
        " ",
        (lead, "dim"),
        (glyph(node.state, ascii_only), node.state),
        f" {node.node_id}",
        (f"  {words}" if words else "", node.state),
        (cut, "warning" if node.behind else ""),
        (ways, "dim"),
        opens=f"node:{node.node_id}",
    )


def tree_head(picture: MeshPicture) -> str:
    """What the tree holds, in one line."""
    text = _("nodes {nodes}   links {links}   cut nodes {cuts}   without a way to a gateway {lone}")
    return text.format(
        nodes=texts.number(len(picture.nodes)),
        links=texts.number(len(picture.links)),
        cuts=texts.number(sum(1 for node in picture.nodes if node.behind)),
        lone=texts.number(sum(1 for node in picture.nodes if not node.gateway)),
    )


def around(spots: Sequence[Spot], view: View, ascii_only: bool) -> list[Line]:
    """Nodes by their distance from the middle of the map."""
    board = Board()
    for spot in spots:
        node, metres = spot.node, 1000 * distance(spot, view)
        far = f"{texts.number(metres)} m" if metres < 1000 else f"{texts.number(metres / 1000, 1)} km"
        board.add(
            f"{far:>9}  ",
            (f"{state_text(node.state, node.cause, ascii_only):<22}", node.state),
            f" {node.node_id:<14} {node.name}",
            opens=f"node:{node.node_id}",
        )
    return board.lines


def neighbours(found: Sequence[Neighbour], width: int, ascii_only: bool) -> list[Line]:
    """Whom a node hears, how well, on which band."""
    board = Board([rule(_("Neighbours ({n})").format(n=len(found)), width)])
    shown = found[:NEIGHBOURS_SHOWN]
    longest = max([8, *(len(one.ifname) for one in shown)])
    for one in shown:
        link = one.link
        state = "down" if link.state == "down" else "warning" if link.state == "flapping" or link.conflict else "ok"
        signal = "" if link.signal_dbm is None else f"{link.signal_dbm:.0f} dBm"
        board.add(
            " ",
            (quality_sign(link.quality_pct, ascii_only), state),
            f" {one.other:<14} {one.ifname:<{longest}} {texts.band(link.band):>7} ",
            f"{texts.percent(link.quality_pct):>6} {signal:>8}  ",
            (f"24 h {texts.percent(link.available_pct)}" if width >= WIDE else "", "dim"),
            ("" if link.state == "up" else f"  {texts.state(link.state)}", state),
            opens=f"node:{one.other}",
        )
    return board.lines


def link_history(turns: Sequence[LinkTurn], node_id: str, width: int) -> list[Line]:
    """What happened to a node's links lately, newest first; nothing where nothing did."""
    if not turns:
        return []
    board = Board([rule(_("Its links, 24 h"), width)])
    for one in turns:
        mine, far = (one.a, one.b) if one.a.startswith(f"{node_id}/") else (one.b, one.a)
        other, _slash, ifname = far.partition("/")
        port = mine.partition("/")[2] or ifname
        when = f"{texts.weekday(one.at_ms)} {texts.clock(one.at_ms)}"
        after = "" if one.after_ms is None else _("after {time}").format(time=texts.duration(one.after_ms / 1000))
        style = {"down": "down", "gone": "dim", "flapping": "warning"}.get(one.what, "ok")
        board.add(
            f" {when}  {other:<14} {port:<8} {texts.band(one.band):>7}  ",
            (link_turn(one.what), style),
            (f"  {after}", "dim"),
            opens=f"node:{other}",
        )
    return board.lines


def quality_sign(quality_pct: float | None, ascii_only: bool) -> str:
    """How good a link is, in one sign."""
    if quality_pct is None:
        return "?"
    step = min(7, int(quality_pct / 12.5))
    return str(step) if ascii_only else BARS[step]
