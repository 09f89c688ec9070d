"""The commands about alerts."""

from __future__ import annotations

import json
from typing import Any

import click

from console import texts
from console.alert_texts import alert_words
from console.cli import words
from console.cli.context import (
    FINDINGS,
    ask_engine,
    global_options,
    json_option,
    say_without_engine,
    writable,
)
from console.cli.lists import listed, read_list
from console.cli.render import emit, say, table
from console.clock import now_ms
from console.names import outside
from console.texts import _, ngettext
from local_store.views.alerts import ALL_ALERTS, OPEN_ALERTS

LONGEST_H = 24 * 90
ROW_ID = click.IntRange(1, 2**63 - 1)
"""What SQLite can hold as a row's number."""


@words.group()
@global_options
def alerts() -> None:
    """What needs somebody."""


@alerts.command("list")
@words.option("--all", "everything", is_flag=True, help="closed ones too")
@listed(ALL_ALERTS)
def alerts_list(filter_text: str, sort: str, reverse: bool, as_json: bool, everything: bool) -> None:
    """List alerts, the newest first. Example: leitstand alerts list severity:critical"""
    chosen = ALL_ALERTS if everything else OPEN_ALERTS
    rows = read_list(chosen, filter_text, sort or "opened", reverse or not sort)
    if as_json:
        emit({**outside(row), "detail": json.loads(row["detail"])} for row in rows)
        return
    now = now_ms()
    head = [_("ALERT"), _("SEVERITY"), _("WHAT"), _("WHERE"), _("DISTRICT"), _("SINCE"), _("ACKNOWLEDGED")]
    cells = [_cells(row, now) for row in rows]
    if everything:
        head.insert(6, _("CLOSED"))
        for line, row in zip(cells, rows, strict=True):
            line.insert(6, texts.age(row["closed"], now))
    table(head, cells, right=(0, 5, 6) if everything else (0, 5))
    say(ngettext("{n} alert", "{n} alerts", len(rows)).format(n=texts.number(len(rows))))


def _cells(row: dict[str, Any], now: int) -> list[str]:
    return [
        str(row["alert"]),
        texts.state(row["severity"]),
        alert_words(row["kind"], json.loads(row["detail"])),
        row["entity"],
        row["district"],
        texts.age(row["opened"], now),
        _acked(row) if row["acked_by"] else "–",
    ]


def _acked(row: dict[str, Any]) -> str:
    until = _("until {time}").format(time=texts.moment(row["until"]))
    return f"{row['acked_by']}: {row['reason']}, {until}"


@alerts.command("ack")
@click.argument("alert_ids", metavar="ALERT...", type=ROW_ID, nargs=-1, required=True)
@words.option("--reason", required=True, help="who does what about it")
@words.option("--hours", type=words.Between(0.1, LONGEST_H), default=8.0, show_default=True, help="until when")
@words.option("--actor", default=None, help="your name; the login name otherwise")
@json_option
@global_options
def alerts_ack(alert_ids: tuple[int, ...], reason: str, hours: float, actor: str | None, as_json: bool) -> int:
    """Acknowledge alerts. Example: leitstand alerts ack 12 13 --reason 'on my way' --hours 4"""
    from local_store.alerts import open_alerts

    if not reason.strip():
        raise click.UsageError(_("the reason is empty: say who does what about it"))
    now = now_ms()
    until_ms = now + int(hours * 3_600_000)
    wanted = list(dict.fromkeys(alert_ids))
    with writable() as store:
        there = {alert.alert_id for alert in store.read(open_alerts)}
        absent = [number for number in wanted if number not in there]
        if absent:
            say(_("not open: {numbers}; nothing was acknowledged").format(numbers=", ".join(map(str, absent))))
            return FINDINGS
        bodies = [{"alert_id": number, "reason": reason, "until_ms": until_ms} for number in wanted]
        intents = store.ops.write(lambda cx: [ask_engine(cx, "alert.acknowledge", body, now, actor) for body in bodies])
        say_without_engine(store.directory)
    if as_json:
        emit({"alert": number, "intent": intent} for number, intent in zip(wanted, intents, strict=True))
    text = ngettext(
        "queued: the engine acknowledges {n} alert", "queued: the engine acknowledges {n} alerts", len(wanted)
    )
    say(text.format(n=len(wanted)))
    return 0
