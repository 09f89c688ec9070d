"""The commands about messages nobody could understand."""

from __future__ import annotations

import base64

import click

from console import texts
from console.cli import words
from console.cli.alerts import ROW_ID
from console.cli.context import (
    FINDINGS,
    ask_engine,
    global_options,
    json_option,
    opened,
    say_without_engine,
    writable,
)
from console.cli.damaged import dismissing
from console.cli.render import emit, facts, put, say, table
from console.clock import now_ms
from console.texts import _, ngettext, visible
from local_store import quarantine as kept
from local_store.errors import StoreRefused
from local_store.records import Quarantined


@words.group()
@global_options
def quarantine() -> None:
    """Messages nobody could understand."""


@quarantine.command("list")
@words.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="how many, newest first")
@json_option
@global_options
def quarantine_list(limit: int, as_json: bool) -> None:
    """List quarantined messages. Example: leitstand quarantine list --limit 20"""
    with opened() as reader:
        items, waiting = reader.read(lambda cx: (kept.newest(cx, limit), kept.waiting(cx)))
    if as_json:
        emit(map(_object, items))
        return
    now = now_ms()
    head = [_("ITEM"), _("AGE"), _("SOURCE"), _("REASON"), _("SIZE"), _("TOPIC")]
    rows = [
        [str(i.quarantine_id), texts.age(i.at_ms, now), i.source, i.reason, texts.size(i.size), i.topic] for i in items
    ]
    table(head, rows, right=(0, 1, 4))
    text = ngettext("{shown} of {n} message", "{shown} of {n} messages", waiting)
    say(text.format(shown=texts.number(len(items)), n=texts.number(waiting)))


def _object(item: Quarantined) -> dict[str, object]:
    return {
        "item": item.quarantine_id,
        "at_ms": item.at_ms,
        "source": item.source,
        "topic": item.topic,
        "kind": item.kind,
        "reason": item.reason,
        "size_bytes": item.size,
        "sha256": item.sha256.hex(),
        "retried_ms": item.retried_ms,
    }


def _found(cx: object, number: int) -> Quarantined | None:
    try:
        return kept.get(cx, number)  # type: ignore[arg-type]
    except StoreRefused:
        say(_("quarantine holds no message {n}; `leitstand quarantine list` shows them all").format(n=number))
        return None


@quarantine.command("show")
@click.argument("item", type=ROW_ID)
@json_option
@global_options
def quarantine_show(item: int, as_json: bool) -> int:
    """Show one with its raw bytes. Example: leitstand quarantine show 3"""
    with opened() as reader:
        found = reader.read(lambda cx: _found(cx, item))
    if found is None:
        return FINDINGS
    if as_json:
        emit([{**_object(found), "body_base64": base64.b64encode(found.body).decode()}])
        return 0
    facts(
        [
            (_("topic"), found.topic),
            (_("source"), found.source),
            (_("received at"), texts.moment(found.at_ms)),
            (_("reason"), found.reason),
            (_("size"), texts.size(found.size)),
        ]
    )
    put(visible(line) for line in found.body.decode("utf-8", "backslashreplace").split("\n"))
    return 0


@quarantine.command("retry")
@click.argument("items", metavar="ITEM...", type=ROW_ID, nargs=-1, required=True)
@json_option
@global_options
def quarantine_retry(items: tuple[int, ...], as_json: bool) -> int:
    """Try messages again, after mending the configuration. Example: leitstand quarantine retry 3 4"""
    now = now_ms()
    wanted = list(dict.fromkeys(items))
    with writable() as store:
        if store.read(lambda cx: None in [_found(cx, number) for number in wanted]):
            return FINDINGS
        bodies = [{"quarantine_id": number} for number in wanted]
        intents = store.ops.write(lambda cx: [ask_engine(cx, "quarantine.retry", body, now) for body in bodies])
        say_without_engine(store.directory)
    if as_json:
        emit({"item": number, "intent": intent} for number, intent in zip(wanted, intents, strict=True))
    text = ngettext(
        "queued: the engine tries {n} message again", "queued: the engine tries {n} messages again", len(wanted)
    )
    say(text.format(n=len(wanted)))
    return 0


@quarantine.command("dismiss")
@click.argument("items", metavar="ITEM...", type=ROW_ID, nargs=-1, required=True)
@words.option("--reason", required=True, help="why nobody needs them any more")
@json_option
@global_options
def quarantine_dismiss(items: tuple[int, ...], reason: str, as_json: bool) -> int:
    """Let messages go. Example: leitstand quarantine dismiss 3 4 --reason 'a test of the installer'"""
    from local_store import dismissal

    by = dismissing(reason)
    wanted = list(dict.fromkeys(items))
    with writable() as store:
        if store.read(lambda cx: None in [_found(cx, number) for number in wanted]):
            return FINDINGS
        dismissal.quarantined(store, wanted, by)
    if as_json:
        emit({"item": number, "dismissed_ms": by.now_ms} for number in wanted)
    say(ngettext("let go: {n} message", "let go: {n} messages", len(wanted)).format(n=texts.number(len(wanted))))
    return 0
