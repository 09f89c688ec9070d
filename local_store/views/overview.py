"""The city at a glance: seven systems, what the console does, how old it all is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local_store import lease, liveness
from local_store.sqlite import Connection
from local_store.views.nodes import StateCounts, counts

DUE_PCT: Final = 80.0
FRESH_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Bins:
    """GEsäubert: containers, those due, those silent."""

    known: int
    due: int
    silent: int
    heard: int


@dataclass(frozen=True, slots=True)
class Stations:
    """GEgrünt: climate stations; `no2_ug_m3` is the mean of the last values of those heard."""

    known: int
    heard: int
    silent: int
    no2_ug_m3: float | None
    air_temp_c: float | None


@dataclass(frozen=True, slots=True)
class Engine:
    """What the console is doing. `alive` is whether the engine's heartbeat is fresh."""

    alive: bool
    beat_ms: int | None
    pid: int | None
    polls_per_s: float
    messages: int
    services: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MeshCounts:
    """What the mesh service found; `odd_rows` are rows of nodes' tables that make no sense, `odd` the first nodes that
    have some, `not_understood` the first nodes that could not be asked or understood, each with the reason."""

    links: int = 0
    unknown_ends: int = 0
    odd_rows: int = 0
    odd: tuple[tuple[str, int], ...] = ()
    not_understood: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the first screen shows."""

    nodes: StateCounts
    traffic_bps: float | None
    bins: Bins
    stations: Stations
    others: tuple[tuple[str, int], ...]
    open_alerts: int
    acked_alerts: int
    engine: Engine
    quarantine: int
    outbox: int
    totals: dict[str, int]
    mesh: MeshCounts = MeshCounts()


def overview(cx: Connection, now_ms: int) -> Overview:
    """Read it all in one transaction."""
    traffic = cx.execute("SELECT sum(in_bps) FROM tm.node_state").fetchone()[0]
    others = cx.execute(
        "SELECT system, count(*) FROM main.sensor WHERE retired_ms IS NULL "
        "AND system NOT IN ('gesaeubert', 'gegruent') GROUP BY 1"
    ).fetchall()
    alerts = cx.execute("SELECT count(*), count(acked_by) FROM main.alert WHERE closed_ms IS NULL").fetchone()
    totals = {str(name): int(value) for name, value in cx.execute("SELECT name, value FROM tm.tally")}
    return Overview(
        counts(cx),
        traffic,
        _bins(cx),
        _stations(cx),
        tuple((str(system), int(count)) for system, count in others),
        int(alerts[0]),
        int(alerts[1]),
        _engine(cx, now_ms, totals),
        int(cx.execute("SELECT count(*) FROM tm.quarantine").fetchone()[0]),
        int(cx.execute("SELECT count(*) FROM main.intent WHERE state = 'queued'").fetchone()[0]),
        totals,
        _mesh(cx),
    )


def _mesh(cx: Connection) -> MeshCounts:
    said: dict[str, Any] = next((json.loads(row.detail) for row in liveness.read(cx) if row.name == "mesh"), {})
    return MeshCounts(
        int(cx.execute("SELECT count(*) FROM tm.link").fetchone()[0]),
        int(cx.execute("SELECT count(*) FROM tm.unknown_end").fetchone()[0]),
        int(said.get("odd_rows", 0)),
        tuple((str(node), int(count)) for node, count in said.get("odd", {}).items()),
        tuple(map(str, said.get("not_understood", ()))),
    )


def _silent(cx: Connection, kind: str) -> int:
    return int(
        cx.execute(
            "SELECT count(*) FROM main.alert a JOIN main.sensor d ON d.sensor_id = a.entity_id "
            "WHERE a.entity_kind = 'sensor' AND a.kind = 'silent' AND a.closed_ms IS NULL AND d.kind = ?",
            (kind,),
        ).fetchone()[0]
    )


def _bins(cx: Connection) -> Bins:
    row = cx.execute(
        "SELECT count(*), sum(json_extract(s.reading, '$.fill_pct') >= ?), count(s.sensor_id) FROM main.sensor d "
        "LEFT JOIN tm.sensor_state s ON s.sensor_id = d.sensor_id WHERE d.kind = 'bin' AND d.retired_ms IS NULL",
        (DUE_PCT,),
    ).fetchone()
    return Bins(int(row[0]), int(row[1] or 0), _silent(cx, "bin"), int(row[2]))


def _stations(cx: Connection) -> Stations:
    row = cx.execute(
        "SELECT count(*), count(s.sensor_id), avg(json_extract(s.reading, '$.no2_ug_m3')), "
        "avg(json_extract(s.reading, '$.air_temp_c')) FROM main.sensor d "
        "LEFT JOIN tm.sensor_state s ON s.sensor_id = d.sensor_id WHERE d.kind = 'climate' AND d.retired_ms IS NULL"
    ).fetchone()
    return Stations(int(row[0]), int(row[1]), _silent(cx, "climate"), row[2], row[3])


def _engine(cx: Connection, now_ms: int, totals: dict[str, int]) -> Engine:
    held = lease.read(cx)
    rows = liveness.read(cx)
    poll: dict[str, float] = next((json.loads(row.detail) for row in rows if row.name == "poll"), {})
    return Engine(
        held is not None and held.beat_ms > 0 and now_ms - held.beat_ms < FRESH_MS,
        None if held is None else held.beat_ms,
        None if held is None else held.pid,
        float(poll.get("per_s", 0.0)),
        totals.get("messages_received", 0),
        tuple((row.name, row.state) for row in rows),
    )


def newest_ms(cx: Connection) -> int | None:
    """When anything was last asked or heard; None before that."""
    row = cx.execute(
        "SELECT max(t) FROM (SELECT max(polled_ms) AS t FROM tm.node_state UNION ALL "
        "SELECT max(seen_ms) FROM tm.sensor_state)"
    ).fetchone()
    return None if row[0] is None else int(row[0])


def store_bytes(directory: Path) -> int:
    """Size of the files of a store on disk, write-ahead logs included."""
    return sum(path.stat().st_size for path in directory.glob("*.db*") if path.is_file())
