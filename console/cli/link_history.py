"""The command that tells what happened to links: when they were found, went, came back, began to change too often."""

from __future__ import annotations

from dataclasses import asdict

import click

from console import texts
from console.alert_texts import link_turn
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened
from console.cli.lists import complete_key
from console.cli.render import emit, say, table
from console.cli.series import since_ms
from console.clock import now_ms
from console.texts import _, ngettext
from local_store import nodes
from local_store.views.mesh import history
from local_store.views.nodes import NODES


@words.command("history")
@click.argument("about", metavar="[NODE|LINK]", default="", required=False, shell_complete=complete_key(NODES))
@words.option("--since", default="24h", show_default=True, help="90min, 6h, 2d or a time")
@words.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="how many, newest first")
@json_option
@global_options
def topology_history(about: str, since: str, limit: int, as_json: bool) -> int:
    """What happened to links. Example: leitstand topology history ge-bue-0002 --since 7d"""
    start = since_ms(since, now_ms())
    with opened() as reader:
        found = reader.read(lambda cx: history(cx, about, start, limit + 1))
        if not found and about and not reader.read(lambda cx: history(cx, about, 0, 1)):
            known = {node.node_id for node in reader.read(nodes.all_nodes)}
            if about not in known:
                say(_("no node or link {name}; `leitstand topology links` shows them all").format(name=about))
                return FINDINGS
    shown = found[:limit]
    if as_json:
        emit(asdict(one) for one in shown)
    else:
        cells = [[texts.moment(one.at_ms), f"{one.a} - {one.b}", one.band or "–", link_turn(one.what),
                  "–" if one.after_ms is None else texts.duration(one.after_ms / 1000)] for one in shown]  # fmt: skip
        table([_("TIME"), _("LINK"), _("BAND"), _("WHAT"), _("AFTER")], cells, right=(4,))
    if len(found) > limit:
        say(_("only the newest {n}: --limit shows more").format(n=texts.number(limit)))
    else:
        say(ngettext("{n} change of links", "{n} changes of links", len(shown)).format(n=texts.number(len(shown))))
    return 0
