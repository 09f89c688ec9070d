"""Reads views for the screens, and the one place that writes: intents through the gate. Holds no rule of its own."""

from __future__ import annotations

import contextlib
import getpass
import json
import math
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from local_store import intents, view_settings
from local_store.db import OPS, Database, Reader
from local_store.sqlite import Connection
from local_store.telemetry import series
from local_store.views import alerts, console_health, nodes, overview, past, sensors

T = TypeVar("T")
HOUR_MS = 3_600_000
_IDS = random.SystemRandom()
Clock = Callable[[], int]


class Feed:
    """One reading connection for the screens of one process."""

    def __init__(
        self,
        directory: Path,
        key: bytes | None,
        now_ms: Clock,
        read_moment: Callable[[Connection, int], past.Moment] = past.read,
    ) -> None:
        self.directory = directory
        self.clock_ms = now_ms
        self.then: past.Moment | None = None
        """What is shown instead of now."""
        self.read_moment = read_moment
        self._key = key
        self._reader = Reader(directory, key)
        self._bell = (-1, -1)
        self._closed = threading.Event()

    def now_ms(self) -> int:
        """The moment that is shown: now, or one in the past."""
        return self.clock_ms() if self.then is None else self.then.at_ms

    def moment(self, at_ms: int) -> past.Moment:
        """Read a moment over a connection of its own: this takes its time, and any thread may do it.

        It ends early, with an error, once the feed is closed: nobody waits for a moment in order to leave.
        """
        with contextlib.closing(Reader(self.directory, self._key, self._closed.is_set)) as reader:
            return reader.read(lambda cx: self.read_moment(cx, at_ms))

    def close(self) -> None:
        """Close the connection, and end what is still being read."""
        self._closed.set()
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
        then = self.then
        if then is not None:
            before = self.read(lambda cx: (past.overview(cx, then), past.needs_somebody(cx, then.at_ms, 50)))
            return before[0], before[1], 0
        found = self.read(lambda cx: (overview.overview(cx, self.now_ms()), alerts.needs_somebody(cx, 50)))
        return found[0], found[1], overview.store_bytes(self.directory)

    def node_counts(self) -> nodes.StateCounts:
        """Nodes by state."""
        then = self.then
        return self.read(nodes.counts if then is None else lambda cx: past.overview(cx, then).nodes)

    def node(self, node_id: str) -> nodes.NodeDetail | None:
        """One node."""
        then = self.then
        return self.read(lambda cx: nodes.detail(cx, node_id) if then is None else past.node_detail(cx, then, node_id))

    def sensor(self, sensor_id: str) -> sensors.SensorDetail | None:
        """One sensor."""
        then = self.then
        return self.read(
            lambda cx: sensors.detail(cx, sensor_id) if then is None else past.sensor_detail(cx, then, sensor_id)
        )

    def health(self) -> tuple[console_health.Health, int]:
        """The console's own facts."""
        return self.read(console_health.health), overview.store_bytes(self.directory)

    def history(self, entity_id: str, quantities: Sequence[str], count: int) -> dict[str, list[float | None]]:
        """The last hour of some series as equal stretches; those never stored are left out."""
        from local_store.telemetry import query  # with all of numpy, which no first screen needs

        now = self.now_ms()
        found: dict[str, list[float | None]] = {}
        for quantity in quantities:
            number = self.read(lambda cx, what=quantity: series.find(cx, entity_id, what, "tm"))  # type: ignore[misc]
            if number is not None:
                rows = self.read(lambda cx, n=number: query.buckets(cx, n, now - HOUR_MS, now, count, "tm"))  # type: ignore[misc]
                found[quantity] = [None if math.isnan(row.v_mean) else row.v_mean for row in rows]
        return found

    def acknowledge(self, alert_ids: Sequence[int], reason: str, hours: float, grant: intents.WriteGrant) -> None:
        """Queue acknowledgements; raises WriteRefused when the grant does not cover them."""
        until_ms = self.clock_ms() + int(hours * HOUR_MS)
        bodies = [{"alert_id": alert_id, "reason": reason, "until_ms": until_ms} for alert_id in alert_ids]
        self._queue(grant, "alert.acknowledge", bodies)

    def poll_now(self, node_ids: Sequence[str], grant: intents.WriteGrant) -> None:
        """Queue an immediate poll of some nodes; raises WriteRefused."""
        self._queue(grant, "node.poll", [{"node_id": node_id} for node_id in node_ids])

    def ask(self, kind: intents.IntentKind, body: Mapping[str, Any], grant: intents.WriteGrant) -> None:
        """Queue one request to the engine; raises WriteRefused."""
        self._queue(grant, kind, [dict(body)])

    def _queue(self, grant: intents.WriteGrant, kind: intents.IntentKind, bodies: list[dict[str, Any]]) -> None:
        """All of them in one transaction, through the gate of the store."""
        now = self.clock_ms()

        def write(cx: Connection) -> None:
            for body in bodies:
                intents.queue(cx, grant, kind, json.dumps(body), now_ms=now, rng=_IDS)

        self._write(write)

    def withdraw(self, intent_ids: Sequence[str], grant: intents.WriteGrant) -> None:
        """Take back what the engine has not done yet, all or nothing; raises StoreRefused."""
        now = self.clock_ms()

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
