"""One row per service of the engine (`ops.db`), renewed by its beat; its age says whether it lives."""

from __future__ import annotations

from local_store import columns
from local_store.records import ServiceRow
from local_store.sqlite import Connection

_SERVICE = columns.select("service", ServiceRow)


def beat(cx: Connection, name: str, state: str, detail: str, now_ms: int) -> None:
    """Renew a service's row; `since_ms` moves only when its state changes."""
    cx.execute(
        "INSERT INTO service (name, state, since_ms, beat_ms, detail) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET beat_ms = excluded.beat_ms, detail = excluded.detail,"
        " since_ms = iif(state = excluded.state, since_ms, excluded.since_ms), state = excluded.state",
        (name, state, now_ms, now_ms, detail),
    )


def read(cx: Connection) -> list[ServiceRow]:
    """Every service that ever reported, by name."""
    return [ServiceRow(*row) for row in cx.execute(f"{_SERVICE} ORDER BY name")]


def forget(cx: Connection) -> None:
    """Drop every row: a starting engine must not show services it no longer has."""
    cx.execute("DELETE FROM service")
