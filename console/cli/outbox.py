"""The commands about what people here asked for: the outbox, and taking back."""

from __future__ import annotations

import getpass
import random
from typing import Any

import click

from console import texts
from console.cli import words
from console.cli.context import ARMED_MS, FINDINGS, global_options, json_option, writable
from console.cli.lists import complete_key, listed, read_list
from console.cli.render import emit, say, table
from console.clock import now_ms
from console.names import outside
from console.outcome_words import outcome
from console.texts import _, ngettext
from local_store import intents
from local_store.views.outbox import OUTBOX


@words.group()
@global_options
def outbox() -> None:
    """What people here asked for or changed, and what became of it."""


@outbox.command("list")
@listed(OUTBOX)
def outbox_list(filter_text: str, sort: str, reverse: bool, as_json: bool) -> None:
    """List the outbox, the newest first. Example: leitstand outbox list state:queued"""
    rows = read_list(OUTBOX, filter_text, sort or "asked", reverse or not sort)
    if as_json:
        emit(map(outside, rows))
        return
    now = now_ms()
    head = [_("ID"), _("AGE"), _("STATE"), _("WHAT"), _("ABOUT"), _("WHO"), _("RESULT")]
    table(head, [_cells(row, now) for row in rows], right=(1,))
    say(ngettext("{n} entry", "{n} entries", len(rows)).format(n=texts.number(len(rows))))


def _cells(row: dict[str, Any], now: int) -> list[str]:
    return [
        row["id"],
        texts.age(row["asked"], now),
        texts.outbox_state(row["state"]),
        texts.asked(row["kind"]),
        row["about"],
        row["actor"],
        outcome(row["result"]) or "–",
    ]


@outbox.command("withdraw")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=complete_key(OUTBOX))
@json_option
@global_options
def outbox_withdraw(ids: tuple[str, ...], as_json: bool) -> int:
    """Take back what the engine has not done yet. Example: leitstand outbox withdraw 01932f6e-12f0-7aa1"""
    now, wanted, rng = now_ms(), list(dict.fromkeys(ids)), random.SystemRandom()
    grant = intents.WriteGrant(getpass.getuser(), "network", now + ARMED_MS)
    with writable() as store:
        states = {one: _state(store, one) for one in wanted}
        settled = {one: state for one, state in states.items() if state != "queued"}
        if settled:
            told = ", ".join(f"{one}: {texts.outbox_state(state) if state else '–'}" for one, state in settled.items())
            say(_("not waiting: {entries}; nothing was taken back").format(entries=told))
            return FINDINGS

        def withdraw(cx: Any) -> None:
            for one in wanted:
                intents.withdraw(cx, one, grant, now_ms=now, rng=rng)

        store.ops.write(withdraw)
    if as_json:
        emit({"id": one, "state": "withdrawn"} for one in wanted)
    say(ngettext("taken back: {n} entry", "taken back: {n} entries", len(wanted)).format(n=len(wanted)))
    return 0


def _state(store: Any, intent_id: str) -> str:
    there = store.read(lambda cx: intents.get_intent(cx, intent_id))
    return str(there.state) if there is not None else ""
