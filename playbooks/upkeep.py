"""Keeps the store small, quick and signed: roll, retention, old events, logs, audit heads. A standing playbook."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_store import quarantine, sensing
from local_store import upkeep as store_upkeep
from local_store.db import Store
from local_store.telemetry import damage, retention, roll

LOOK_S: Final = 1.0
PAUSE_S: Final = 0.01
MOVE_EVERY: Final = 8
RETENTION_EVERY: Final = 300
TEND_EVERY: Final = 60
QUARANTINE_KEPT: Final = 10_000
QUARANTINE_AT_ONCE: Final = 200
EVENTS_KEPT_MS: Final = 30 * 86_400_000
EVENTS_AT_ONCE: Final = 1_000
Report = Callable[[Mapping[str, object]], None]


@dataclass(slots=True)
class _Done:
    rolled: int = 0
    expired: int = 0
    rolls: int = 0
    steps: int = 0
    wal_bytes: int = 0
    wal_alarm: bool = False
    reserve_held: bool = False
    damaged: int = 0
    looked_at: roll.Looked = field(default_factory=roll.Looked)


@dataclass(slots=True)
class Upkeep:
    """One run of the upkeep service."""

    store: Store
    keep: retention.Keep
    signer: Ed25519PrivateKey
    now_ms: Callable[[], int]
    _done: _Done = field(default_factory=_Done)

    def run(self, stop: threading.Event, report: Report) -> None:
        """Look every second, work in small steps with a pause between them, never longer than a stop allows."""
        turn = 0
        while True:
            waiting = self.store.read(lambda cx: roll.look(cx, "tm"))
            self._roll(stop)
            if turn % TEND_EVERY == 0:
                self._tend()
            if turn % RETENTION_EVERY == 0:
                self._expire(stop)
            # Last: on a full disk it fails, and what makes room has been done.
            self.store.telemetry.move_log()
            turn += 1
            done = self._done
            report(
                {
                    "tail_rows": waiting.rows,
                    "rolled": done.rolled,
                    "rolls": done.rolls,
                    "expired": done.expired,
                    "wal_bytes": done.wal_bytes,
                    "wal_alarm": done.wal_alarm,
                    "reserve_held": done.reserve_held,
                    "damaged": done.damaged,
                }
            )
            if stop.wait(LOOK_S):
                return

    def _tend(self) -> None:
        """Sign what the audit log gained, watch the logs, hold the disk's reserve, find and count what is damaged."""
        found = store_upkeep.tend(self.store, self.signer, self.now_ms())
        self._done.wal_bytes, self._done.wal_alarm = found.wal_bytes, found.wal_alarm
        self._done.reserve_held = found.reserve_held
        self._done.looked_at = roll.look_after(self.store, self._done.looked_at)
        self._done.damaged = self.store.telemetry.write(lambda cx: damage.tend(cx, self.now_ms()))

    def _roll(self, stop: threading.Event) -> None:
        moved = 0
        for moved in roll.work(self.store, self.now_ms()):
            self._done.rolled += moved
            self._stepped()
            if stop.wait(PAUSE_S):
                return
        if moved:
            self._done.rolls += 1

    def _stepped(self) -> None:
        """Move the log now and then: the commit that begins it anew costs a sync more."""
        self._done.steps += 1
        if self._done.steps % MOVE_EVERY == 0:
            self.store.telemetry.move_log()

    def _expire(self, stop: threading.Event) -> None:
        now_ms = self.now_ms()
        for dropped in retention.drop(self.store, self.keep, now_ms):
            self._done.expired += dropped
            self._stepped()
            if stop.wait(PAUSE_S):
                return
        for _ in retention.bites(self.store, partial(quarantine.prune, keep=QUARANTINE_KEPT), QUARANTINE_AT_ONCE):
            self._stepped()
            if stop.wait(PAUSE_S):
                return
        old = partial(sensing.drop_device_events, before_ms=now_ms - EVENTS_KEPT_MS, look_at=EVENTS_AT_ONCE)
        while self.store.telemetry.rearrange(old):
            if stop.wait(PAUSE_S):
                return
