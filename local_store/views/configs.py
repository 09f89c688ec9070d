"""The nodes' configurations as a list, and one node's as a page. Everything here is masked but the bodies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from local_store import configs
from local_store.configs import Backup, FindingRow, Look
from local_store.filter import Field
from local_store.sqlite import Connection
from local_store.views.listing import Listing

_RANK: Final = (
    "CASE WHEN c.failure <> '' THEN 5 ELSE CASE ifnull(c.verdict, '') WHEN 'conflict' THEN 4 WHEN 'drifted' THEN 3"
    " WHEN 'pending' THEN 2 WHEN 'in_sync' THEN 0 ELSE 1 END END"
)

CONFIGS: Final = Listing(
    "(SELECT * FROM main.node WHERE retired_ms IS NULL) n LEFT JOIN main.config_look c ON c.node_id = n.node_id",
    "n.node_id",
    {
        "node": Field("n.node_id"),
        "name": Field("n.name"),
        "district": Field("n.district"),
        "role": Field("n.role"),
        "model": Field("n.model"),
        "verdict": Field("ifnull(c.verdict, '')"),
        "failing": Field("ifnull(c.failing, 0)", number=True),
        "critical": Field("ifnull(c.critical, 0)", number=True),
        "excepted": Field("ifnull(c.excepted, 0)", number=True),
        "read": Field("c.read_ms", number=True),
        "tried": Field("c.tried_ms", number=True),
        "failure": Field("ifnull(c.failure, '')"),
        "versions": Field("(SELECT count(*) FROM main.config_backup b WHERE b.node_id = n.node_id)", number=True),
        "rank": Field(_RANK, number=True),
    },
    {"bezirk": "district", "rolle": "role", "modell": "model", "knoten": "node", "fehler": "failure"},
    "verdict",
)


@dataclass(frozen=True, slots=True)
class ConfigPage:
    """One node's configuration: the last look, what is not as intended, broken rules, versions, the last push."""

    node_id: str
    look: Look | None
    drift: tuple[dict[str, object], ...]
    findings: tuple[FindingRow, ...]
    history: tuple[Backup, ...]
    applied_ms: int | None
    applied_by: str


def page(cx: Connection, node_id: str) -> ConfigPage:
    """Everything the page of a node's configuration shows."""
    look = configs.get_look(cx, node_id)
    applied = configs.last_applied(cx, node_id)
    return ConfigPage(
        node_id,
        look,
        tuple(json.loads(look.drift)) if look else (),
        tuple(one for one in configs.findings(cx, node_id) if one.outcome != "pass"),
        tuple(configs.history(cx, node_id)),
        applied.at_ms if applied else None,
        applied.actor if applied else "",
    )
