"""Reads views for the screens, and the one place that writes: intents through the gate. Holds no rule of its own."""

from __future__ import annotations

import contextlib
import getpass
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from local_store import intents, view_settings
from local_store.db import OPS, Database, Reader
from local_store.sqlite import Connection
from local_store.telemetry import query, series
from local_store.views import alerts, console_health, nodes, overview

T = TypeVar("T")
HOUR_MS = 3_600_000
_IDS = random.SystemRandom()
Clock = Callable[[], int]


class Feed:
    """One reading connection for the screens of one process."""

    def __init__(self, directory: Path, key: bytes | None, now_ms: Clock) -> None:
        self.directory = directory
        self.now_ms = now_ms
        self._key = key
        self._reader = Reader(directory, key)
        self._bell = (-1, -1)

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()

    def rang(self) -> bool:
        """Whether anything was committed since the last look."""
        bell = self._reader.bell()
        before, self._bell = self._bell, bell
        return bell != before

    def read(self, fn: Callable[[Connection], T]) -> T:
        """One short read."""
        return self._reader.read(fn)

    def overview(self) -> tuple[overview.Overview, list[alerts.Needs], int]:
        """The first screen's facts."""
        found = self.read(lambda cx: (overview.overview(cx, self.now_ms()), alerts.needs_somebody(cx, 50)))
        return found[0], found[1], overview.store_bytes(self.directory)

    def node_counts(self) -> nodes.StateCounts:
        """Nodes by state."""
        return self.read(nodes.counts)

    def health(self) -> tuple[console_health.Health, int]:
        """The console's own facts."""
        return self.read(console_health.health), overview.store_bytes(self.directory)

    def history(self, entity_id: str, quantities: Sequence[str], count: int) -> dict[str, list[float | None]]:
        """The last hour of some series as equal stretches; those never stored are left out."""
        now = self.now_ms()
        found: dict[str, list[float | None]] = {}
        for quantity in quantities:
            number = self.read(lambda cx, what=quantity: series.find(cx, entity_id, what, "tm"))  # type: ignore[misc]
            if number is not None:
                rows = self.read(lambda cx, n=number: query.buckets(cx, n, now - HOUR_MS, now, count, "tm"))  # type: ignore[misc]
                found[quantity] = [None if np.isnan(row.v_mean) else row.v_mean for row in rows]
        return found

    def acknowledge(self, alert_ids: Sequence[int], reason: str, hours: float, grant: intents.WriteGrant) -> None:
        """Queue acknowledgements; raises WriteRefused when the grant does not cover them."""
        until_ms = self.now_ms() + int(hours * HOUR_MS)
        bodies = [{"alert_id": alert_id, "reason": reason, "until_ms": until_ms} for alert_id in alert_ids]
        self._queue(grant, "alert.acknowledge", bodies)

    def poll_now(self, node_ids: Sequence[str], grant: intents.WriteGrant) -> None:
        """Queue an immediate poll of some nodes; raises WriteRefused."""
        self._queue(grant, "node.poll", [{"node_id": node_id} for node_id in node_ids])

    def _queue(self, grant: intents.WriteGrant, kind: intents.IntentKind, bodies: list[dict[str, Any]]) -> None:
        """All of them in one transaction, through the gate of the store."""
        now = self.now_ms()

        def write(cx: Connection) -> None:
            for body in bodies:
                intents.queue(cx, grant, kind, json.dumps(body), now_ms=now, rng=_IDS)

        self._write(write)

    def withdraw(self, intent_ids: Sequence[str], grant: intents.WriteGrant) -> None:
        """Take back what the engine has not done yet, all or nothing; raises StoreRefused."""
        now = self.now_ms()

        def write(cx: Connection) -> None:
            for intent_id in intent_ids:
                intents.withdraw(cx, intent_id, grant, now_ms=now, rng=_IDS)

        self._write(write)

    def view(self, name: str) -> dict[str, Any]:
        """How a view was left, or every saved one."""
        return self.read(lambda cx: view_settings.read(cx, name))

    def keep_view(self, name: str, values: Mapping[str, Any]) -> None:
        """Remember how a view is left: a person's taste, so no gate."""
        if any(self.view(name).get(key) != value for key, value in values.items()):
            self._write(lambda cx: view_settings.keep(cx, name, values))

    def forget_view(self, name: str) -> bool:
        """Drop a saved view; False when there is none of that name."""
        return self._write(lambda cx: view_settings.forget(cx, view_settings.SAVED, name))

    def _write(self, fn: Callable[[Connection], T]) -> T:
        with contextlib.closing(Database(self.directory / OPS, self._key)) as database:
            return database.write(fn)


def actor() -> str:
    """Who sits here, for the log of what was done."""
    return getpass.getuser()
