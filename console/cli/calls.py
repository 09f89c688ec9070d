"""The command that shows what was really sent to nodes."""

from __future__ import annotations

import click

from console import texts
from console.cli import words
from console.cli.context import global_options, json_option, opened
from console.cli.lists import filter_sentence
from console.cli.render import emit, say, table
from console.texts import _, ngettext
from local_store.filter import FilterError
from local_store.views import calls as view


@words.command()
@click.argument("filter_text", metavar="[FILTER]", default="", required=False)
@words.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="how many, newest first")
@json_option
@global_options
def calls(filter_text: str, limit: int, as_json: bool) -> None:
    """List the real calls to nodes, the newest first. Example: leitstand calls 'district:buer down' --limit 20"""
    with opened() as reader:
        try:
            found = reader.read(lambda cx: view.recent(cx, filter_text, limit))
        except FilterError as error:
            raise click.UsageError(filter_sentence(error, sorted(view.FIELDS))) from error
    if as_json:
        emit({"at_ms": one.at_ms, "node": one.node_id, "district": one.district, "call": one.text} for one in found)
        return
    head = [_("TIME"), _("NODE"), _("DISTRICT"), _("CALL")]
    table(head, [[texts.moment(one.at_ms), one.node_id, one.district, one.text] for one in found])
    say(ngettext("{n} call", "{n} calls", len(found)).format(n=texts.number(len(found))))
