"""Runs services in threads, restarts what failed, stops cleanly; holds the only broad `except` of the project."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

State = Literal["starting", "running", "retrying", "stopped"]
Detail = Mapping[str, object]
Report = Callable[[Detail], None]

BEAT_S = 1.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
STOP_WITHIN_S = 8.0


@dataclass(frozen=True, slots=True)
class Service:
    """One long-running duty. `run` returns when the event is set; when it raises it is started again later."""

    name: str
    run: Callable[[threading.Event, Report], None]


@dataclass(frozen=True, slots=True)
class Liveness:
    """What one service looks like right now; `detail` holds its counters and the last error."""

    name: str
    state: State
    since_ms: int
    detail: Detail


@dataclass(slots=True)
class _Running:
    service: Service
    state: State = "starting"
    since_ms: int = 0
    since_s: float = 0.0
    """The same on the monotonic clock: one that is set must hold no restart up."""
    failures: int = 0
    pause_s: float = 0.0
    detail: dict[str, object] = field(default_factory=dict)
    thread: threading.Thread | None = None


class Supervisor:
    """Keeps services alive and reports them once a second through `beat`."""

    def __init__(
        self,
        services: Iterable[Service],
        beat: Callable[[Sequence[Liveness], int], None],
        now_ms: Callable[[], int],
        rng: random.Random,
    ) -> None:
        self._running = [_Running(service) for service in services]
        self._beat = beat
        self._now_ms = now_ms
        self._rng = rng
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Ask every service to end; safe in a signal handler."""
        self._stop.set()

    def run(self) -> list[str]:
        """Run until stopped; returns the names of services that did not end in time.

        What the beat raises tells every service to end, and waits for none: the store may be another engine's already.
        """
        for running in self._running:
            self._start(running)
        try:
            while not self._stop.wait(BEAT_S):
                for running in self._running:
                    self._look_after(running)
                self._beat(self._snapshot(), self._now_ms())
        finally:
            self._stop.set()
        left = self._join()
        self._beat(self._snapshot(), self._now_ms())
        return left

    def _start(self, running: _Running) -> None:
        self._change(running, "running" if running.failures == 0 else "retrying")
        running.thread = threading.Thread(target=self._guard, args=(running,), name=running.service.name, daemon=True)
        running.thread.start()

    def _look_after(self, running: _Running) -> None:
        """Start a failed service again once its pause is over; forget failures after a long good run."""
        alive = running.thread is not None and running.thread.is_alive()
        age_s = time.monotonic() - running.since_s
        if alive and age_s > 2 * LONGEST_PAUSE_S:
            running.failures = 0
        if alive and running.state == "retrying" and age_s > BEAT_S:
            self._change(running, "running")
        if not alive and age_s >= running.pause_s:
            self._start(running)

    def _guard(self, running: _Running) -> None:
        def report(detail: Detail) -> None:
            with self._lock:
                running.detail.update(detail)

        try:
            running.service.run(self._stop, report)
        except Exception as error:  # noqa: BLE001 - one service must never take the others down
            running.failures += 1
            steps = min(running.failures - 1, 6)
            longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**steps)
            running.pause_s = longest * self._rng.uniform(0.5, 1.0)
            report({"error": f"{type(error).__name__}: {error}", "failures": running.failures})
            self._change(running, "retrying")
        else:
            running.pause_s = LONGEST_PAUSE_S
            self._change(running, "stopped")

    def _change(self, running: _Running, state: State) -> None:
        with self._lock:
            running.state = state
            running.since_ms, running.since_s = self._now_ms(), time.monotonic()

    def _snapshot(self) -> list[Liveness]:
        with self._lock:
            return [Liveness(r.service.name, r.state, r.since_ms, dict(r.detail)) for r in self._running]

    def _join(self) -> list[str]:
        deadline_ms = self._now_ms() + int(STOP_WITHIN_S * 1000)
        for running in self._running:
            if running.thread is not None:
                running.thread.join(max(0.0, (deadline_ms - self._now_ms()) / 1000))
        return [r.service.name for r in self._running if r.thread is not None and r.thread.is_alive()]
