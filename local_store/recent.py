"""Keys of the messages last stored that carry no counter (`telemetry.db`): a ring, written with what it guards."""

from __future__ import annotations

from collections.abc import Iterable

from local_store.sqlite import Connection

SLOTS = 4096
"""More than a broker keeps unacknowledged for us (Receive Maximum), so every redelivery meets its key."""


def load(cx: Connection) -> list[tuple[int, bytes]]:
    """(place, key) of the whole ring, oldest first."""
    return [
        (int(place), bytes(key)) for place, key in cx.execute("SELECT place, key FROM recent_message ORDER BY place")
    ]


def save(cx: Connection, keys: Iterable[tuple[int, bytes]]) -> None:
    """Write keys into their slots; places count up for ever and each overwrites the one 4096 before it."""
    cx.executemany(
        "INSERT INTO recent_message (slot, place, key) VALUES (?, ?, ?)"
        " ON CONFLICT (slot) DO UPDATE SET place = excluded.place, key = excluded.key",
        ((place % SLOTS, place, key) for place, key in keys),
    )
