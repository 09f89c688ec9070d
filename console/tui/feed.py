"""Reads views for the screens, and the one place that writes: intents through the gate. Holds no rule of its own."""

from __future__ import annotations

import contextlib
import getpass
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from console.tui import present
from console.tui.line_table import Cells, Column
from local_store import intents
from local_store.db import OPS, Database, Reader
from local_store.sqlite import Connection
from local_store.telemetry import query, series
from local_store.views import alerts, console_health, listing, nodes, overview, sensors

T = TypeVar("T")
HOUR_MS = 3_600_000
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of list: what it reads and how it looks."""

    listing: listing.Listing
    columns: Callable[[], list[Column]]
    cells: Callable[[Mapping[str, Any], int, bool], Cells]
    sort: str
    descending: bool = False


KINDS: Mapping[str, Kind] = {
    "nodes": Kind(nodes.NODES, present.node_columns, present.node_cells, "rank"),
    "sensors": Kind(sensors.SENSORS, present.sensor_columns, present.sensor_cells, "fill", descending=True),
    "alerts": Kind(alerts.OPEN_ALERTS, present.alert_columns, present.alert_cells, "opened", descending=True),
}


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
        now, rng = self.now_ms(), random.Random()  # noqa: S311 - makes ids, no secrets

        def write(cx: Connection) -> None:
            for body in bodies:
                intents.queue(cx, grant, kind, json.dumps(body), now_ms=now, rng=rng)

        with contextlib.closing(Database(self.directory / OPS, self._key)) as database:
            database.write(write)


class ListSource:
    """A TableSource over one of the lists."""

    def __init__(self, feed: Feed, kind: str, ascii_only: bool) -> None:
        self._feed = feed
        self._kind = KINDS[kind]
        self._ascii = ascii_only
        self.columns: Sequence[Column] = self._kind.columns()
        self.matching = 0

    def order(self, filter_text: str, sort: str, descending: bool) -> list[str]:
        """Keys in order. Raises FilterError."""
        keys = self._feed.read(lambda cx: listing.ids(cx, self._kind.listing, filter_text, sort, descending))
        self.matching = len(keys)
        return keys

    def raw(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Rows by column name."""
        found = self._feed.read(lambda cx: listing.rows(cx, self._kind.listing, keys))
        return {key: dict(zip(self._kind.listing.columns, row, strict=True)) for key, row in found.items()}

    def cells(self, keys: Sequence[str]) -> dict[str, Cells]:
        """What to draw."""
        if not keys:
            return {}
        now = self._feed.now_ms()
        return {key: self._kind.cells(row, now, self._ascii) for key, row in self.raw(keys).items()}


def actor() -> str:
    """Who sits here, for the log of what was done."""
    return getpass.getuser()
