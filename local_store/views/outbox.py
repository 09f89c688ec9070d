"""The outbox as a list: what people here asked for or changed, and what became of it."""

from __future__ import annotations

from typing import Final

from local_store.filter import Field
from local_store.sqlite import Connection
from local_store.views.listing import Listing

_PUSHED: Final = (
    "json_extract(i.body, '$.plan.batches[0][0].node') || CASE WHEN json_array_length(i.body, '$.plan.batches') > 1"
    " OR json_array_length(i.body, '$.plan.batches[0]') > 1 THEN ' …' ELSE '' END"
)
_ABOUT: Final = (
    "coalesce(a.entity_id, json_extract(i.body, '$.node_id'), json_extract(i.body, '$.sensor_id'),"
    " json_extract(i.body, '$.quarantine_id'), json_extract(i.body, '$.rollout'),"
    f" json_extract(i.body, '$.job.node_id'), json_extract(i.body, '$.run'), {_PUSHED}, i.body)"
)
_ASKED: Final = (
    f"SELECT i.intent_id AS id, i.created_ms AS asked, i.state, i.kind, CAST({_ABOUT} AS TEXT) AS about, i.actor,"
    " i.decided_ms AS decided, CASE i.state WHEN 'withdrawn' THEN '' ELSE i.result END AS result"
    " FROM main.intent i LEFT JOIN main.alert a"
    " ON i.kind = 'alert.acknowledge' AND a.alert_id = json_extract(i.body, '$.alert_id')"
)
# The 48 bits of milliseconds at the head of a UUIDv7 (RFC 9562) are hexadecimal; SQLite reads them digit by digit.
_DIGIT: Final = "(instr('0123456789abcdef', substr(replace(o.op_id, '-', ''), {at}, 1)) - 1) * {weight}"
_OP_MS: Final = " + ".join(_DIGIT.format(at=at, weight=16 ** (12 - at)) for at in range(1, 13))
_CHANGED: Final = (
    f"SELECT o.op_id, {_OP_MS}, CASE WHEN o.sent_ms IS NULL THEN 'recorded' ELSE 'sent' END,"
    " o.entity || '.' || o.kind, o.entity_id, o.actor, o.sent_ms, '' FROM main.op o"
    " WHERE o.replica = (SELECT value FROM main.meta WHERE key = 'replica') AND o.entity <> 'intent'"
    # What an intent brought about stands in its own line already.
    " AND o.entity || '.' || o.kind NOT IN (SELECT kind FROM main.intent)"
)

OUTBOX: Final = Listing(
    f"({_ASKED} UNION ALL {_CHANGED}) x",
    "x.id",
    {
        "id": Field("x.id"),
        "asked": Field("x.asked", number=True),
        "state": Field("x.state"),
        "kind": Field("x.kind"),
        "about": Field("x.about"),
        "actor": Field("x.actor"),
        "decided": Field("x.decided", number=True),
        "result": Field("x.result"),
    },
    {"zustand": "state", "art": "kind", "worum": "about", "wer": "actor", "ergebnis": "result"},
)


def waiting(cx: Connection) -> int:
    """How many intents the engine has not decided yet."""
    return int(cx.execute("SELECT count(*) FROM main.intent WHERE state = 'queued'").fetchone()[0])


def refused(cx: Connection, prefix: str, rollout_id: str | None = None) -> str:
    """Why the newest request of these kinds (about this rollout) was refused; "" where it was not."""
    row = cx.execute(
        "SELECT state, result FROM main.intent WHERE substr(kind, 1, ?) = ?"
        " AND (?3 IS NULL OR json_extract(body, '$.rollout') = ?3) ORDER BY created_ms DESC, intent_id DESC LIMIT 1",
        (len(prefix), prefix, rollout_id),
    ).fetchone()
    return str(row[1]) if row and row[0] == "refused" else ""
