"""Rows of alerts, the outbox and the real calls as cells. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from console import texts
from console.alert_texts import alert_words, taken_down
from console.outcome_words import outcome
from console.texts import _
from console.tui.lines import Board, Line, rule, shortened, wrapped
from console.tui.present import glyph
from console.tui.table_columns import Cells, Column

LIMIT_MS: Final[Mapping[str, int]] = {"critical": 5 * 60_000, "warning": 60 * 60_000}
"""How long an alert may stay without anybody looking after it, by severity."""


ABOUT: Final[Mapping[str, str]] = {
    "engine": "service:{entity}", "store": "service:{entity}", "broker": "service:ingest {entity}", "mesh": "mesh",
    "link": "node:{end}",
}  # fmt: skip
"""Where alerts lead that are about neither a node nor a sensor; of a link to the node at its first end."""


def alert_opens(kind: str, entity: str) -> str:
    """The screen that tells more of what an alert is about."""
    return ABOUT.get(kind, f"{kind}:{{entity}}").format(entity=entity, end=entity.partition("/")[0])


def alert_name(kind: str, entity: str, name: str) -> str:
    """What an alert is about in the width of one name: its words name the other end of a link."""
    return name if kind == "sensor" else entity.partition("/")[0] if kind == "link" else entity


def alert_columns() -> list[Column]:
    """The list of alerts."""
    return [
        Column("severity", _("SEVERITY"), 12, 0),
        Column("opened", _("SINCE"), 7, 0, right=True),
        Column("limit", _("LIMIT"), 11, 1),
        Column("entity", _("WHERE"), 17, 0),
        Column("kind", _("WHAT"), 18, 0, most=90),
        Column("district", _("DISTRICT"), 13, 3),
        Column("acked_by", _("ACKNOWLEDGED"), 22, 2, most=40),
    ]


def alert_cells(row: Mapping[str, Any], now_ms: int, ascii_only: bool) -> Cells:
    """One alert."""
    severity = str(row["severity"])
    acked = f"{row['acked_by']}: {row['reason']}" if row["acked_by"] else ""
    style = "dim" if acked else severity
    name = alert_name(row["entity_kind"], row["entity"], row["name"])
    limit, late = alert_limit(row, now_ms)
    return (
        (f"{glyph(severity, ascii_only)} {texts.state(severity)}", style),
        (texts.age(row["opened"], now_ms), severity if late else ""),
        (limit, severity if late else "dim"),
        (name, ""),
        (alert_words(str(row["kind"]), json.loads(row["detail"])), ""),
        (str(row["district"]), ""),
        (acked, "dim"),
    )


def alert_limit(row: Mapping[str, Any], now_ms: int) -> tuple[str, bool]:
    """Until when somebody has to look after it, or until when somebody does; and whether that is over."""
    if row["acked_by"]:
        return _("until {time}").format(time=texts.clock_or_day(row["until"], now_ms)), False
    limit_ms = LIMIT_MS.get(str(row["severity"]), LIMIT_MS["warning"])
    span = texts.duration(limit_ms / 1000)
    late = now_ms - int(row["opened"]) > limit_ms
    return (_("over {span}").format(span=span) if late else f"≤ {span}"), late


def alert_pane(row: Mapping[str, Any], now_ms: int, width: int, room: int) -> list[Line]:
    """One alert in full, however long: where, what, since when, and who looks after it."""
    named = "" if row["name"] == row["entity"] else f"  {row['name']}"
    where = ", ".join(part for part in (f"{row['entity']}{named}", str(row["district"])) if part)
    board = Board([rule(shortened(where, width - 6), width)])
    detail = json.loads(row["detail"])
    board.tell(" ", alert_words(str(row["kind"]), detail), width)
    severity, late = str(row["severity"]), alert_limit(row, now_ms)[1]
    since = f" {_('since')} {texts.moment(row['opened'])} ({texts.age(row['opened'], now_ms)})"
    board.add(" ", (texts.state(severity), severity), f"  {since}")
    if row["acked_by"]:
        until = f"{_('acknowledged')} {_('until {time}').format(time=texts.moment(row['until']))}"
        board.tell(" ", f"{until}   {row['acked_by']}: {row['reason']}", width, "dim")
    else:
        board.add(" ", (_("nobody looks after it"), severity if late else ""))
    rows = wrapped(taken_down(detail), width - 2)
    left = max(0, room - len(board.lines))
    for at, text in enumerate(rows[:left], 1):
        board.add((f" {text}" + (" …" if at == left < len(rows) else ""), "dim"))
    return board.lines


def outbox_columns() -> list[Column]:
    """What people asked for."""
    return [
        Column("state", _("STATE"), 16, 0),
        Column("asked", _("AGE"), 7, 0, right=True),
        Column("kind", _("WHAT"), 16, 0, most=24),
        Column("about", _("ABOUT"), 14, 0, most=24),
        Column("actor", _("WHO"), 10, 3),
        Column("result", _("RESULT"), 14, 2, most=90),
    ]


def outbox_cells(row: Mapping[str, Any], now_ms: int, ascii_only: bool) -> Cells:
    """One thing somebody asked for or changed."""
    state = str(row["state"])
    sign = {"queued": "unknown", "refused": "down", "withdrawn": "unknown"}.get(state, "ok")
    return (
        (f"{glyph(sign, ascii_only)} {texts.outbox_state(state)}", "mark" if state == "queued" else sign),
        (texts.age(row["asked"], now_ms), ""),
        (texts.asked(str(row["kind"])), ""),
        (str(row["about"]), ""),
        (str(row["actor"]), "dim"),
        (outcome(str(row["result"])), "warning" if state == "refused" else "dim"),
    )


def outbox_pane(row: Mapping[str, Any], width: int) -> list[Line]:
    """One request in full: who, when, and what came of it."""
    state = str(row["state"])
    board = Board([rule(f"{texts.asked(str(row['kind']))}  {row['about']}", width)])
    decided = f"   {texts.outbox_state(state)} {texts.moment(row['decided'])}" if row["decided"] else ""
    board.add(f" {row['actor']} {texts.moment(row['asked'])}{decided}")
    board.tell(" ", outcome(str(row["result"])) or "–", width, "warning" if state == "refused" else "dim")
    return board.lines


def call_columns() -> list[Column]:
    """The real calls."""
    return [
        Column("at_ms", _("TIME"), 8, 0),
        Column("node_id", _("NODE"), 14, 0),
        Column("text", _("CALL"), 30, 0, most=100),
        Column("district", _("DISTRICT"), 13, 3),
    ]


def call_cells(row: Mapping[str, Any], _now_ms: int, _ascii_only: bool) -> Cells:
    """One call."""
    text = str(row["text"])
    style = "" if text.endswith(" ms") else "warning"
    return (
        (texts.clock(row["at_ms"]), "dim"),
        (str(row["node_id"]), ""),
        (text, style),
        (str(row["district"]), "dim"),
    )
