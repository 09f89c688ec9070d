"""Lets go of what was set aside because a person says so, each time as an operation with its reason.

Who let what go is on disk in `ops.db` before the row leaves `telemetry.db`: a kill between leaves the row to be let go
once more, never a row that is gone without a word.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from local_store import oplog, quarantine
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.sqlite import Connection
from local_store.telemetry import damage


@dataclass(frozen=True, slots=True)
class By:
    """Who lets go, why, when."""

    actor: str
    reason: str
    now_ms: int
    rng: random.Random


def damaged(store: Store, numbers: Sequence[int], by: By) -> list[damage.Aside]:
    """Let damaged rows go; returns what they were. Raises StoreRefused when one is not there: then all stay."""
    rows = store.read(lambda cx: [damage.get(cx, number) for number in numbers])
    told = {
        f"{row.damaged_id} {_sha256(row.body)[:12]}": {
            "place": row.place,
            "number": row.number,
            "t0_ms": row.t0_ms,
            "t1_ms": row.t1_ms,
            "measurements": row.n,
            "damage": row.reason,
            "size_bytes": len(row.body),
            "sha256": _sha256(row.body),
        }
        for row in rows
    }
    _let_go(store, "damaged", numbers, told, by, damage.dismiss)
    return rows


def quarantined(store: Store, numbers: Sequence[int], by: By) -> None:
    """Let messages go that nobody could understand. Raises StoreRefused when one is not there: then all stay."""
    rows = store.read(lambda cx: [quarantine.get(cx, number) for number in numbers])
    told = {
        f"{row.quarantine_id} {row.sha256.hex()[:12]}": {
            "source": row.source,
            "topic": row.topic,
            "received_ms": row.at_ms,
            "not_understood": row.reason,
            "size_bytes": row.size,
            "sha256": row.sha256.hex(),
        }
        for row in rows
    }
    _let_go(store, "quarantine", numbers, told, by, quarantine.remove)


def _let_go(
    store: Store,
    entity: str,
    numbers: Sequence[int],
    told: Mapping[str, Mapping[str, object]],
    by: By,
    remove: Callable[[Connection, int], None],
) -> None:
    if not by.reason.strip():
        raise StoreRefused("the reason is empty: say why this is no longer needed")

    def record(cx: Connection) -> None:
        for entity_id, values in told.items():
            change = oplog.Change(entity, entity_id, "dismiss", {**values, "reason": by.reason})
            oplog.record(cx, change, by.actor, now_ms=by.now_ms, rng=by.rng)

    def let_go(cx: Connection) -> None:
        for number in numbers:
            remove(cx, number)

    store.ops.write(record)
    store.telemetry.write(let_go)


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
