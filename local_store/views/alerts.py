"""Alerts as a list, and what needs somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from local_store.filter import Field
from local_store.sqlite import Connection
from local_store.views.listing import Listing

NAME: Final = "coalesce(n.name, d.name, a.entity_id)"
_COLUMNS: Final = {
    "alert": Field("a.alert_id", number=True),
    "severity": Field("a.severity"),
    "entity_kind": Field("a.entity_kind"),
    "entity": Field("a.entity_id"),
    "name": Field(NAME),
    "district": Field("coalesce(n.district, d.district, '')"),
    "kind": Field("a.kind"),
    "opened": Field("a.opened_ms", number=True),
    "closed": Field("a.closed_ms", number=True),
    "acked_by": Field("ifnull(a.acked_by, '')"),
    "reason": Field("ifnull(a.ack_reason, '')"),
    "until": Field("a.ack_until_ms", number=True),
    "detail": Field("a.detail"),
}
_ALIASES: Final = {"bezirk": "district", "art": "kind", "schwere": "severity", "quittiert": "acked_by"}
_JOINS: Final = (
    "a LEFT JOIN main.node n ON a.entity_kind = 'node' AND n.node_id = a.entity_id "
    "LEFT JOIN main.sensor d ON a.entity_kind = 'sensor' AND d.sensor_id = a.entity_id"
)
_SOURCE: Final = "main.alert " + _JOINS
OPEN: Final = "(SELECT * FROM main.alert WHERE closed_ms IS NULL)"
OPEN_ALERTS: Final = Listing(f"{OPEN} {_JOINS}", "a.alert_id", _COLUMNS, _ALIASES)
ALL_ALERTS: Final = Listing(_SOURCE, "a.alert_id", _COLUMNS, _ALIASES)


@dataclass(frozen=True, slots=True)
class Needs:
    """One open, unacknowledged alert; `detail` is the JSON of its facts."""

    alert_id: int
    severity: str
    entity_kind: str
    entity_id: str
    name: str
    kind: str
    opened_ms: int
    detail: str


def needs_somebody(cx: Connection, limit: int) -> list[Needs]:
    """Open and unacknowledged: critical first, newest first."""
    rows = cx.execute(
        f"SELECT a.alert_id, a.severity, a.entity_kind, a.entity_id, {NAME}, a.kind, a.opened_ms, a.detail "
        f"FROM {_SOURCE} WHERE a.closed_ms IS NULL AND a.acked_by IS NULL "
        "ORDER BY a.severity = 'critical' DESC, a.opened_ms DESC, a.alert_id DESC LIMIT ?",
        (limit,),
    )
    return [Needs(*row) for row in rows]
