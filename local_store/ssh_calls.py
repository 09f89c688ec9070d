"""The last commands sent to each node over SSH (`telemetry.db`): bounded per node and by age, masked by the writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from local_store.sqlite import Connection

KEPT: Final = 40
"""Per node: more than one flash, or one push of a configuration, sends."""
KEPT_MS: Final = 30 * 86_400_000

SshCall = tuple[str, int, str]
"""(node, time in ms, what was sent)."""


def keep(cx: Connection, calls: Sequence[SshCall]) -> None:
    """Add a batch, in its order; every node in it keeps its newest 40, and nobody keeps what is older than 30 days."""
    cx.executemany("INSERT INTO ssh_call (node_id, at_ms, text) VALUES (?, ?, ?)", calls)
    for node_id in {node_id for node_id, _at_ms, _text in calls}:
        cx.execute(
            "DELETE FROM ssh_call WHERE node_id = ?1 AND call <= "
            "(SELECT call FROM ssh_call WHERE node_id = ?1 ORDER BY call DESC LIMIT 1 OFFSET ?2)",
            (node_id, KEPT),
        )
    if calls:
        cx.execute("DELETE FROM ssh_call WHERE at_ms < ?", (max(at_ms for _node, at_ms, _text in calls) - KEPT_MS,))


def newest(cx: Connection, node_id: str, limit: int = KEPT) -> list[tuple[int, str]]:
    """(time in ms, what was sent) of one node, newest first; `cx` is a reader's (`telemetry.db` as `tm`)."""
    found = cx.execute(
        "SELECT at_ms, text FROM tm.ssh_call WHERE node_id = ? ORDER BY call DESC LIMIT ?", (node_id, limit)
    )
    return [(int(at_ms), str(text)) for at_ms, text in found]
