"""The commands about messages nobody could understand."""

from __future__ import annotations

import base64
import json

import click

from console import texts
from console.cli.context import emit, global_options, json_option, opened, say, writable
from console.cli.render import facts, table
from console.clock import now_ms
from console.texts import _


@click.group()
def quarantine() -> None:
    """Messages nobody could understand."""


@quarantine.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="newest first")
@json_option
@global_options
def quarantine_list(limit: int, as_json: bool) -> None:
    """List quarantined messages. Example: leitstand quarantine list"""
    from local_store import quarantine as rows_of

    with opened() as reader:
        items = reader.read(lambda cx: rows_of.newest(cx, limit))
    if as_json:
        emit(
            [
                {
                    "id": i.quarantine_id,
                    "at_ms": i.at_ms,
                    "source": i.source,
                    "topic": i.topic,
                    "reason": i.reason,
                    "size": i.size,
                }
                for i in items
            ]
        )
        return
    now = now_ms()
    table(
        [_("ITEM"), _("AGE"), _("SOURCE"), _("REASON"), _("SIZE"), _("TOPIC")],
        [
            [str(i.quarantine_id), texts.age(i.at_ms, now), i.source, i.reason, texts.size(i.size), i.topic]
            for i in items
        ],
        right=(0, 1, 4),
    )


@quarantine.command("show")
@click.argument("item", type=int)
@json_option
@global_options
def quarantine_show(item: int, as_json: bool) -> None:
    """Show one with its raw bytes. Example: leitstand quarantine show 3"""
    from local_store import quarantine as rows_of

    with opened() as reader:
        found = reader.read(lambda cx: rows_of.get(cx, item))
    if as_json:
        emit(
            [
                {
                    "id": item,
                    "topic": found.topic,
                    "reason": found.reason,
                    "body_base64": base64.b64encode(found.body).decode(),
                }
            ]
        )
        return
    facts([(_("topic"), found.topic), (_("reason"), found.reason), (_("size"), texts.size(found.size))])
    click.echo(found.body.decode("utf-8", "backslashreplace"))


@quarantine.command("retry")
@click.argument("item", type=int)
@global_options
def quarantine_retry(item: int) -> None:
    """Try one again, after mending the configuration. Example: leitstand quarantine retry 3"""
    import getpass
    import random

    from local_store import intents

    now = now_ms()
    grant = intents.WriteGrant(getpass.getuser(), "network", now + 60_000)
    with writable() as store:
        store.ops.write(
            lambda cx: intents.queue(
                cx,
                grant,
                "quarantine.retry",
                json.dumps({"quarantine_id": item}),
                now_ms=now,
                rng=random.Random(),  # noqa: S311
            )
        )
    say(_("queued; the engine tries item {n} again as soon as it runs").format(n=item))
