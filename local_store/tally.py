"""Named counters that survive a restart (`telemetry.db`), added up in the transaction of what they count."""

from __future__ import annotations

from collections.abc import Mapping

from local_store.sqlite import Connection


def add(cx: Connection, counts: Mapping[str, int]) -> None:
    """Add to each named counter; one that is not there yet starts at zero."""
    cx.executemany(
        "INSERT INTO tally (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        [(name, count) for name, count in counts.items() if count],
    )


def read(cx: Connection) -> dict[str, int]:
    """Every counter by name."""
    return dict(cx.execute("SELECT name, value FROM tally ORDER BY name"))


def links(cx: Connection) -> int:
    """How many changes of links there ever were: whether the graph may be another one."""
    return _one(cx, "link_changes")


def turns(cx: Connection) -> int:
    """How often a node's state became another: whether others are silent than before."""
    return _one(cx, "state_changes")


def _one(cx: Connection, name: str) -> int:
    row = cx.execute("SELECT value FROM tally WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0
