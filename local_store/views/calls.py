"""The real calls of every node, newest first: what was sent over SNMP and what came back, what was sent over SSH."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from local_store.filter import Field, compile_filter
from local_store.sqlite import Connection

MOST: Final = 1_000
_FIELDS: Final = {
    "node": Field("c.node_id"),
    "district": Field("n.district"),
    "role": Field("n.role"),
    "vendor": Field("n.vendor"),
    "state": Field("s.state"),
    "call": Field("c.text"),
}
_ALIASES: Final = {
    "knoten": "node",
    "bezirk": "district",
    "rolle": "role",
    "hersteller": "vendor",
    "zustand": "state",
    "aufruf": "call",
}
FIELDS: Final = {**_FIELDS, **{alias: _FIELDS[name] for alias, name in _ALIASES.items()}}
# Without a filter the nodes asked last have the newest calls; reading all calls of ten thousand nodes takes 0.1 s.
_NEWEST: Final = f"(SELECT * FROM tm.node_state ORDER BY polled_ms DESC LIMIT {MOST})"
_NEWEST_SSH: Final = f"(SELECT * FROM tm.ssh_call ORDER BY at_ms DESC, call DESC LIMIT {MOST})"
# SSH also reaches what is no node yet: a jump host, or one that is being set up.
_CALLS: Final = (
    "(SELECT t.node_id, json_extract(j.value, '$[0]') AS at_ms, j.key AS call, json_extract(j.value, '$[1]') AS text, "
    "0 AS ssh FROM {states} t, json_each(CAST(t.calls AS TEXT)) j "
    "UNION ALL SELECT t.node_id, t.at_ms, t.call, t.text, 1 FROM {ssh} t) c "
    "LEFT JOIN main.node n ON n.node_id = c.node_id LEFT JOIN tm.node_state s ON s.node_id = c.node_id"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `key` names it for as long as it is kept."""

    key: str
    at_ms: int
    node_id: str
    district: str
    text: str


def recent(cx: Connection, text: str = "", limit: int = MOST) -> list[Call]:
    """Calls that match a filter, newest first. Raises FilterError."""
    where = compile_filter(text, FIELDS, _FIELDS["state"])
    every = bool(text.strip())
    calls = _CALLS.format(states="tm.node_state" if every else _NEWEST, ssh="tm.ssh_call" if every else _NEWEST_SSH)
    rows = cx.execute(
        f"SELECT c.at_ms, c.node_id, ifnull(n.district, ''), c.text, c.call, c.ssh FROM {calls} "
        f"WHERE n.retired_ms IS NULL AND (n.node_id IS NOT NULL OR c.ssh) AND {where.sql} "
        "ORDER BY c.at_ms DESC, c.node_id, c.ssh, c.call DESC LIMIT ?",
        (*where.parameters, limit),
    )
    return [
        Call(f"{node_id} {at_ms} {call if ssh else ''} {text}", int(at_ms), str(node_id), str(district), str(text))
        for at_ms, node_id, district, text, call, ssh in rows
    ]
