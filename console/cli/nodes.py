"""The commands about nodes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from console import texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened
from console.cli.imports import nodes_export, nodes_import
from console.cli.lists import at_option, complete_key, listed, read_list, read_moment
from console.cli.node_keys import nodes_ssh_check, nodes_trust
from console.cli.render import emit, facts, put, say, table
from console.clock import now_ms
from console.names import outside
from console.texts import _, ngettext, visible
from local_store.views import past
from local_store.views.nodes import NODES, NodeDetail, detail


@words.group()
@global_options
def nodes() -> None:
    """The network's nodes."""


nodes.add_command(nodes_import)
nodes.add_command(nodes_export)
nodes.add_command(nodes_trust)
nodes.add_command(nodes_ssh_check)


@nodes.command("list")
@at_option
@listed(NODES)
def nodes_list(filter_text: str, sort: str, reverse: bool, as_json: bool, at: str) -> None:
    """List nodes. Example: leitstand nodes list 'district:buer !ok' --sort rtt --reverse"""
    then = read_moment(at)
    rows = read_list(NODES if then is None else past.NODES_THEN, filter_text, sort, reverse, then)
    if as_json:
        emit(map(outside, rows))
        return
    now = now_ms() if then is None else then.at_ms
    head = [_("NODE"), _("DISTRICT"), _("ROLE"), _("STATE"), _("RTT ms"), _("LOSS"), _("LOAD"), _("IN"), _("FIRMWARE"),
            _("SEEN")]  # fmt: skip
    table(head, [_cells(row, now) for row in rows], right=(4, 5, 6, 7, 9))
    say(ngettext("{n} node", "{n} nodes", len(rows)).format(n=texts.number(len(rows))))


def _cells(row: dict[str, Any], now: int) -> list[str]:
    return [
        row["node"],
        row["district"],
        row["role"],
        state_words(row["state"], row["cause"]),
        texts.number(row["rtt"], 1),
        texts.percent(row["loss"]),
        texts.percent(row["load"]),
        texts.bits(row["in"]),
        row["fw"] or "–",
        texts.age(row["seen"], now),
    ]


def state_words(state: str, cause: str) -> str:
    """The state with its cause in words."""
    return texts.state(state) + (f" ({texts.cause(cause)})" if cause else "")


@nodes.command("show")
@click.argument("node_id", shell_complete=complete_key(NODES))
@at_option
@json_option
@global_options
def nodes_show(node_id: str, as_json: bool, at: str) -> int:
    """Show one node. Example: leitstand nodes show ge-bue-0001"""
    then = read_moment(at)
    with opened() as reader:
        found = reader.read(lambda cx: detail(cx, node_id) if then is None else past.node_detail(cx, then, node_id))
    if found is None:
        say(_("there is no node {name}; `leitstand nodes list` shows them all").format(name=node_id))
        return FINDINGS
    if as_json:
        emit([_object(found)])
    else:
        _print(found, now_ms() if then is None else then.at_ms)
    return 0


def _object(found: NodeDetail) -> dict[str, Any]:
    encoded = ("interfaces", "calls", "memory")
    state = None if found.state is None else asdict(found.state)
    return {
        "node": asdict(found.node),
        "state": None if state is None else {name: value for name, value in state.items() if name not in encoded},
        "interfaces": [asdict(one) for one in found.interfaces],
        "calls": [{"at_ms": at, "text": text} for at, text in found.calls],
        "behind": dict(found.children),
    }


def _print(found: NodeDetail, now: int) -> None:
    node, state = found.node, found.state
    facts(
        [
            (_("node"), f"{node.node_id}  {node.name}"),
            (_("state"), state_words(state.state, state.cause) if state else texts.state("unknown")),
            (_("since"), texts.moment(state.since_ms) if state else "–"),
            (_("answered"), texts.age(state.seen_ms, now) if state else "–"),
            (_("address"), f"{node.address}:{node.port}"),
            (_("model"), f"{node.vendor} {node.model}".strip() or "–"),
            (_("firmware"), (state.firmware if state else None) or node.firmware or "–"),
            (_("uplink"), node.uplink or "–"),
            (_("running for"), texts.duration(state.uptime_s) if state else "–"),
            (_("clients"), texts.number(state.clients) if state else "–"),
        ]
    )
    for port in found.interfaces:
        up = {True: _("up"), False: _("down"), None: "–"}[port.oper_up]
        rates = f"↓ {texts.bits(port.in_bps):>12}  ↑ {texts.bits(port.out_bps):>12}"
        put([f"  {visible(port.name):12} {up:6} {rates}"])
    put(f"  # {texts.clock(at)} {visible(text)}" for at, text in found.calls)
