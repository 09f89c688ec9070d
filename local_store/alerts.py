"""Alerts (`ops.db`): open at most once per key, acknowledged for a time, closed by recovery, each with its history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from local_store import columns
from local_store.errors import StoreRefused
from local_store.records import Alert, AlertEvent, AlertKey
from local_store.sqlite import Connection

ENGINE = "engine"
_ALERT = columns.select("alert", Alert)
_EVENT = columns.select("alert_event", AlertEvent)
_OPEN = "entity_kind = ? AND entity_id = ? AND kind = ? AND closed_ms IS NULL"
_NO_ACK = "acked_by = NULL, acked_ms = NULL, ack_reason = NULL, ack_until_ms = NULL"


class Opened(NamedTuple):
    """The alert that stands for the key now, and whether this call opened it."""

    alert_id: int
    is_new: bool


def _note(cx: Connection, alert_id: int, at_ms: int, what: str, *, actor: str = ENGINE, text: str = "") -> None:
    cx.execute("INSERT INTO alert_event VALUES (?, ?, ?, ?, ?)", (alert_id, at_ms, what, actor, text))


def open_alert(cx: Connection, key: AlertKey, severity: str, detail: str, now_ms: int) -> Opened:
    """Open an alert unless one is open for the key already; then nothing changes."""
    place = (key.entity_kind, key.entity_id, key.kind)
    row = cx.execute(
        "INSERT INTO alert (entity_kind, entity_id, kind, severity, opened_ms, changed_ms, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (entity_kind, entity_id, kind) WHERE closed_ms IS NULL DO NOTHING RETURNING alert_id",
        (*place, severity, now_ms, now_ms, detail),
    ).fetchone()
    if row is None:
        there = cx.execute(f"SELECT alert_id FROM alert WHERE {_OPEN}", place).fetchone()
        return Opened(there[0], is_new=False)
    _note(cx, row[0], now_ms, "opened", text=severity)
    return Opened(row[0], is_new=True)


def change(cx: Connection, alert_id: int, severity: str, detail: str, now_ms: int) -> None:
    """Bring an open alert's severity and facts up to date.

    A new severity enters the history; one that got worse ends an acknowledgement, which was given for less.
    """
    alert = get_alert(cx, alert_id)
    if alert is None or alert.closed_ms is not None or (alert.severity, alert.detail) == (severity, detail):
        return
    cx.execute(
        "UPDATE alert SET severity = ?, detail = ?, changed_ms = ? WHERE alert_id = ?",
        (severity, detail, now_ms, alert_id),
    )
    if alert.severity != severity:
        _note(cx, alert_id, now_ms, "severity", text=severity)
        if severity == "critical" and alert.acked_by is not None:
            _end_ack(cx, alert_id, now_ms)


def close_alert(cx: Connection, key: AlertKey, now_ms: int, text: str = "") -> int | None:
    """Close the key's open alert because its cause is gone; returns its id, None when none was open."""
    row = cx.execute(
        f"UPDATE alert SET closed_ms = ?, changed_ms = ? WHERE {_OPEN} RETURNING alert_id",
        (now_ms, now_ms, key.entity_kind, key.entity_id, key.kind),
    ).fetchone()
    if row is None:
        return None
    _note(cx, row[0], now_ms, "closed", text=text)
    return int(row[0])


def acknowledge(cx: Connection, alert_id: int, actor: str, reason: str, *, until_ms: int, now_ms: int) -> Alert:
    """Say that a person looks after an open alert until `until_ms`; returns the alert as it was.

    Raises StoreRefused when there is no such open alert, no reason is given, or the time is over already.
    """
    alert = get_alert(cx, alert_id)
    if alert is None:
        raise StoreRefused(f"alert {alert_id} does not exist: list the open ones and take a number from there")
    if alert.closed_ms is not None:
        raise StoreRefused(f"alert {alert_id} is closed already: nothing is left to acknowledge")
    if not reason.strip():
        raise StoreRefused(f"alert {alert_id} needs a reason with its acknowledgement: say who does what about it")
    if until_ms <= now_ms:
        raise StoreRefused(f"the acknowledgement of alert {alert_id} would end before it starts: give a later end")
    cx.execute(
        "UPDATE alert SET acked_by = ?, acked_ms = ?, ack_reason = ?, ack_until_ms = ?, changed_ms = ?"
        " WHERE alert_id = ?",
        (actor, now_ms, reason, until_ms, now_ms, alert_id),
    )
    _note(cx, alert_id, now_ms, "acked", actor=actor, text=reason)
    return alert


def _end_ack(cx: Connection, alert_id: int, now_ms: int) -> None:
    cx.execute(f"UPDATE alert SET {_NO_ACK}, changed_ms = ? WHERE alert_id = ?", (now_ms, alert_id))
    _note(cx, alert_id, now_ms, "ack_expired")


def expire_acks(cx: Connection, now_ms: int) -> list[int]:
    """End acknowledgements whose time is over; the alerts ask for somebody again."""
    due = [
        row[0]
        for row in cx.execute(
            "SELECT alert_id FROM alert WHERE closed_ms IS NULL AND ack_until_ms <= ? ORDER BY alert_id", (now_ms,)
        )
    ]
    for alert_id in due:
        _end_ack(cx, alert_id, now_ms)
    return due


def get_alert(cx: Connection, alert_id: int) -> Alert | None:
    """One alert, open or closed."""
    row = cx.execute(f"{_ALERT} WHERE alert_id = ?", (alert_id,)).fetchone()
    return Alert(*row) if row else None


def open_alerts(cx: Connection) -> list[Alert]:
    """Every open alert, oldest first."""
    return [Alert(*row) for row in cx.execute(f"{_ALERT} WHERE closed_ms IS NULL ORDER BY opened_ms, alert_id")]


def open_among(cx: Connection, entities: Iterable[tuple[str, str]]) -> list[Alert]:
    """Open alerts of these (entity kind, entity id), looked up one by one: in trouble there are thousands more."""
    wanted = f"{_ALERT} WHERE entity_kind = ? AND entity_id = ? AND closed_ms IS NULL"
    return [Alert(*row) for entity in entities for row in cx.execute(wanted, entity)]


def alert_history(cx: Connection, alert_id: int) -> list[AlertEvent]:
    """What happened to one alert, oldest first."""
    return [AlertEvent(*row) for row in cx.execute(f"{_EVENT} WHERE alert_id = ? ORDER BY rowid", (alert_id,))]
