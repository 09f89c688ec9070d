"""How the console itself is doing: services, queues, quarantine, sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from local_store import lease, liveness
from local_store.sqlite import Connection


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service of the engine; `detail` holds its counters."""

    name: str
    state: str
    since_ms: int
    beat_ms: int
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Health:
    """Everything about the console; `engine` is None when none ever ran."""

    engine: lease.LeaseRow | None
    services: tuple[ServiceView, ...]
    counts: Mapping[str, int]


def health(cx: Connection) -> Health:
    """Read it in one transaction."""
    services = tuple(
        ServiceView(row.name, row.state, row.since_ms, row.beat_ms, json.loads(row.detail)) for row in liveness.read(cx)
    )
    return Health(lease.read(cx), services, stats(cx))


def stats(cx: Connection) -> dict[str, int]:
    """Rows and pages of both files."""
    found: dict[str, int] = {}
    for name, sql in {
        "nodes": "SELECT count(*) FROM main.node WHERE retired_ms IS NULL",
        "sensors": "SELECT count(*) FROM main.sensor WHERE retired_ms IS NULL",
        "series": "SELECT ifnull(max(series), 0) FROM tm.series",
        "tail_samples": "SELECT ifnull(sum(n), 0) FROM tm.tail",
        "bundle_samples": "SELECT ifnull(sum(n), 0) FROM tm.bundle",
        "chunk_samples": "SELECT samples FROM tm.held",
        "chunks": "SELECT chunks FROM tm.held",
        "rollups": "SELECT count(*) FROM tm.rollup",
        "quarantine": "SELECT count(*) FROM tm.quarantine",
        "damaged": "SELECT count(*) FROM tm.damaged",
        "alerts_open": "SELECT count(*) FROM main.alert WHERE closed_ms IS NULL",
        "intents_queued": "SELECT count(*) FROM main.intent WHERE state = 'queued'",
    }.items():
        found[name] = int(cx.execute(sql).fetchone()[0])
    for schema, name in (("main", "ops"), ("tm", "telemetry")):
        pages = cx.execute(f"PRAGMA {schema}.page_count").fetchone()[0]
        size = int(cx.execute(f"PRAGMA {schema}.page_size").fetchone()[0])
        found[f"{name}_bytes"] = int(pages) * size
        found[f"{name}_free_bytes"] = int(cx.execute(f"PRAGMA {schema}.freelist_count").fetchone()[0]) * size
    return found
