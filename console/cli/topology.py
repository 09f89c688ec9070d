"""The commands about the mesh: who hangs on whom, ways, cut nodes, unknown far ends, NetJSON out and in."""

from __future__ import annotations

import getpass
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import texts
from console.alert_texts import SYSTEMS
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened, writable
from console.cli.imports import read_text
from console.cli.link_history import topology_history
from console.cli.lists import complete_key
from console.cli.render import emit, put, say, table
from console.clock import now_ms
from console.texts import _, ngettext, visible
from local_store.views.nodes import NODES

if TYPE_CHECKING:
    from local_store.mesh_records import LinkState, Place
    from mesh_mgmt.known_graph import Known

REASONS: Mapping[str, Callable[[], str]] = {
    "not_a_graph": lambda: _("the file is no NetJSON {value}"),
    "no_end": lambda: _("a link needs {value}"),
    "unknown_node": lambda: _("{value} is not in the inventory: import the nodes first"),
    "itself": lambda: _("{value} is linked to itself"),
    "bad_band": lambda: _("band {value!r} is none of 2.4, 5, 6, 60, wired, lora"),
    "bad_cost": lambda: _("quality {value} is not between 0 and 100 %"),
}


@words.group()
@global_options
def topology() -> None:
    """The mesh: links, ways, cut nodes."""


topology.add_command(topology_history)


def _known() -> Known:
    from mesh_mgmt.known_graph import current

    with opened() as reader:
        found: Known = reader.read(current)
    return found


@topology.command("show")
@json_option
@global_options
def topology_show(as_json: bool) -> None:
    """The tree from the gateways. Example: leitstand topology show"""
    from mesh_mgmt.places import places

    known = _known()
    found = {one.node_id: one for one in places(known.redundant)}
    if as_json:
        emit({**asdict(one), "state": known.states.get(one.node_id, "unknown")} for one in found.values())
        return
    put(_tree(found, known))
    say(_summary(known, found))


def _tree(found: Mapping[str, Place], known: Known) -> Iterator[str]:
    """Gateways with everything behind them, then what has no way to any."""
    children: dict[str, list[str]] = {}
    for one in found.values():
        children.setdefault(one.parent if one.gateway else "?", []).append(one.node_id)
    stack = [(node, "") for node in reversed(children.get("", []))]
    while stack:
        node, indent = stack.pop()
        yield _tree_line(indent, found[node], known)
        stack += [(child, indent + "  ") for child in reversed(children.get(node, []))]
    if lone := children.get("?"):
        yield _("without a way to a gateway:")
        for node in lone:
            yield _tree_line("  ", found[node], known)


def _tree_line(indent: str, one: Place, known: Known) -> str:
    state = texts.state(known.states.get(one.node_id, "unknown"))
    behind = ngettext("{n} node hangs on it", "{n} nodes hang on it", one.behind).format(n=one.behind)
    ways = "" if one.ways > 1 else f"  {_('one way')}"
    return f"{indent}{one.node_id}  {state}{f'  {behind}' if one.behind else ''}{ways}"


def _summary(known: Known, found: Mapping[str, Place]) -> str:
    text = _("{nodes} nodes, {links} links, {cuts} cut nodes, {lone} without a way to a gateway")
    return text.format(
        nodes=len(found),
        links=len(known.topology.links()),
        cuts=sum(1 for one in found.values() if one.behind),
        lone=sum(1 for one in found.values() if not one.gateway),
    )


@topology.command("path")
@click.argument("node_id", shell_complete=complete_key(NODES))
@json_option
@global_options
def topology_path(node_id: str, as_json: bool) -> int:
    """A node's cheapest way to a gateway. Example: leitstand topology path ge-bue-0002"""
    from mesh_mgmt.topology import path_to_gateway

    known = _known()
    if node_id not in known.nodes:
        say(_("there is no node {name}; `leitstand nodes list` shows them all").format(name=node_id))
        return FINDINGS
    way = path_to_gateway(known.topology, node_id)
    rows: list[dict[str, Any]] = []
    here = node_id
    for hop, link in enumerate(way, 1):
        there = link.other(here)
        rows.append({"hop": hop, "from": here, "to": there, "band": link.band, "quality_pct": link.quality_pct,
                     "cost": round(link.cost, 3), "source": link.source})  # fmt: skip
        here = there
    if as_json:
        emit(rows)
    else:
        cells = [[str(row["hop"]), row["from"], row["to"], row["band"] or "–", texts.percent(row["quality_pct"]),
                  row["source"]] for row in rows]  # fmt: skip
        table([_("HOP"), _("FROM"), _("TO"), _("BAND"), _("QUALITY"), _("SOURCE")], cells, right=(0, 4))
    if not way and node_id not in known.topology.gateways:
        say(_("{node} has no way to a gateway").format(node=node_id))
        return FINDINGS
    return 0


@topology.command("cuts")
@json_option
@global_options
def topology_cuts(as_json: bool) -> None:
    """Nodes whose loss takes others down. Example: leitstand topology cuts --json"""
    from mesh_mgmt import hearing
    from mesh_mgmt.impact import impact
    from mesh_mgmt.places import cuts, places

    known = _known()
    with opened() as reader:
        sensors = reader.read(lambda cx: hearing.current(cx, known.nodes.values()))
    ways = {one.node_id: one.ways for one in places(known.redundant)}
    usually = {one.node: one.behind for one in cuts(known.redundant)}
    now = {one.node: one.behind for one in cuts(known.topology)}
    rows: list[dict[str, Any]] = []
    for node, behind in usually.items():
        hit = impact(behind | {node}, known.nodes.values(), sensors)
        rows.append(
            {
                "node": node,
                "state": known.states.get(node, "unknown"),
                "nodes": len(behind),
                "behind": sorted(behind),
                "sensors": hit.sensors,
                "systems": list(hit.systems),
                "ways": ways.get(node, 0),
                "share_pct": round(100.0 * len(behind) / max(1, len(known.nodes)), 1),
                "unsteady": len(behind - now.get(node, frozenset())),
            }
        )
    if as_json:
        emit(rows)
        return
    cells = [[row["node"], texts.state(str(row["state"])), texts.number(row["nodes"]), texts.percent(row["share_pct"]),
              texts.number(row["sensors"]), ", ".join(SYSTEMS.get(one, one) for one in row["systems"]) or "–",
              texts.number(row["unsteady"])] for row in rows]  # fmt: skip
    head = [_("NODE"), _("STATE"), _("NODES"), _("SHARE"), _("SENSORS"), _("SYSTEMS"), _("UNSTEADY")]
    table(head, cells, right=(2, 3, 4, 6))
    say(ngettext("{n} cut node", "{n} cut nodes", len(rows)).format(n=len(rows)))


@topology.command("links")
@words.option("--conflicts", is_flag=True, help="only links whose ends contradict each other")
@json_option
@global_options
def topology_links(conflicts: bool, as_json: bool) -> None:
    """Every link with its quality. Example: leitstand topology links --conflicts"""
    found = [one for one in _known().links if one.conflict or not conflicts]
    if as_json:
        emit({name: value for name, value in asdict(one).items() if name != "memory"} for one in found)
        return
    now = now_ms()
    head = [_("LINK"), _("BAND"), _("STATE"), _("QUALITY"), _("SIGNAL"), _("24 H"), _("SOURCE"), _("SEEN"), ""]
    table(head, [_link_cells(one, now) for one in found], right=(3, 4, 5, 7))
    say(ngettext("{n} link", "{n} links", len(found)).format(n=len(found)))


def _link_cells(one: LinkState, now: int) -> list[str]:
    signal = "–" if one.signal_dbm is None else f"{one.signal_dbm:g} dBm"
    return [
        f"{one.a}/{one.a_ifname} - {one.b}/{one.b_ifname}",
        one.band,
        texts.state(one.state),
        texts.percent(one.quality_pct),
        signal,
        texts.percent(one.available_pct),
        one.source,
        texts.age(one.seen_ms, now),
        conflict_words(one.conflict),
    ]


def conflict_words(conflict: str) -> str:
    """How the two ends of a link contradict each other."""
    return {
        "one_sided": _("only one end hears the other"),
        "quality": _("the ends judge it differently"),
        "band": _("the ends name different bands"),
    }.get(conflict, "")


@topology.command("unknown")
@json_option
@global_options
def topology_unknown(as_json: bool) -> None:
    """Far ends that belong to no node. Example: leitstand topology unknown"""
    from local_store.views.mesh import unknown_ends

    with opened() as reader:
        found = reader.read(unknown_ends)
    if as_json:
        emit(asdict(one) for one in found)
        return
    now = now_ms()
    reason = {"unknown": _("belongs to nobody"), "several": _("several nodes claim it")}
    cells = [[one.mac or "–", one.name or "–", f"{one.seen_by}/{one.ifname}", one.band, one.source,
              texts.age(one.seen_ms, now), reason.get(one.reason, one.reason)] for one in found]  # fmt: skip
    table([_("ADDRESS"), _("NAME"), _("HEARD BY"), _("BAND"), _("SOURCE"), _("SEEN"), ""], cells, right=(5,))
    say(ngettext("{n} unknown far end", "{n} unknown far ends", len(found)).format(n=len(found)))


@topology.command("export")
@words.option("--netjson", is_flag=True, required=True, help="as a NetJSON NetworkGraph")
@json_option
@global_options
def topology_export(netjson: bool, as_json: bool) -> None:
    """Write the graph to standard output. Example: leitstand topology export --netjson"""
    import json

    from mesh_mgmt.netjson_graph import export

    known = _known()
    graph = export(known.topology, known.nodes, known.states)
    if as_json:
        emit([graph])
    elif netjson:
        put([json.dumps(graph, ensure_ascii=False, indent=2)])


@topology.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@words.option("--dry-run", is_flag=True, help="only say what would happen")
@json_option
@global_options
def topology_import(file: Path, dry_run: bool, as_json: bool) -> int:
    """Declare links from NetJSON, all or none. Example: leitstand topology import links.json --dry-run"""
    from local_store import links, nodes
    from mesh_mgmt.netjson_graph import parse

    text = read_text(file)
    with opened() as reader:
        known = {node.node_id for node in reader.read(nodes.all_nodes)}
        before = set(reader.read(links.declared))
    found, rejected = parse(text, known)
    for one in rejected:
        why = REASONS[one.reason]().format(value=one.value)
        say(_("{file}, link {place}: {why}").format(file=file, place=one.place, why=why))
    fresh = [one for one in found if one not in before]
    applied = not dry_run and not rejected
    if applied and fresh:
        with writable() as store:
            store.ops.write(lambda cx: _declare(cx, fresh, now_ms()))
    if as_json:
        emit([{"new": len(fresh), "unchanged": len(found) - len(fresh), "rejected": len(rejected), "applied": applied}])
    text = _("{new} new or changed, {unchanged} unchanged, {rejected} rejected")
    say(text.format(new=len(fresh), unchanged=len(found) - len(fresh), rejected=len(rejected)))
    if not applied:
        say(_("nothing was imported: this was a dry run") if dry_run else _("nothing was imported: mend the file"))
    return FINDINGS if rejected else 0


def _declare(cx: Any, fresh: list[Any], now: int) -> None:
    """The links, and one operation for each in the same transaction."""
    from local_store import links, oplog

    links.declare(cx, fresh, now)
    for one in fresh:
        change = oplog.Change("link", f"{one.a}~{one.b}@{one.band}", "declared", asdict(one))
        oplog.record(cx, change, visible(getpass.getuser()), now_ms=now, rng=random.SystemRandom())
