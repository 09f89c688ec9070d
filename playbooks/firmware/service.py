"""The engine's rollout service: does what people decided, then looks after every open rollout. A standing playbook."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Final

from local_store import intents
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.records import Intent
from local_store.sqlite import Connection
from playbooks.firmware.books import Ports, Stopped
from playbooks.firmware.decisions import PREFIX, decide
from playbooks.firmware.runner import Runner

STEP_S: Final = 0.5
WORKERS: Final = 32
END_WITHIN_S: Final = 5.0
"""Less than the engine waits for all its services."""
Report = Callable[[Mapping[str, object]], None]


class Rollouts:
    """One run of the service. Each run takes the rollouts over with a new epoch."""

    def __init__(
        self, store: Store, ports: Ports, now_ms: Callable[[], int], end_within_s: float = END_WITHIN_S
    ) -> None:
        self._store = store
        self._ports = ports
        self._now_ms = now_ms
        self._end_within_s = end_within_s

    def run(self, stop: threading.Event, report: Report) -> None:
        """Look twice a second until told to stop; what talks to nodes runs beside.

        At the end jobs stop at their next durable point. One that a node keeps waiting for longer than that is left to
        the end of its call: it can write nothing any more, and the next run finds out by probing.
        """
        over = threading.Event()
        ports = replace(self._ports, stopping=lambda: stop.is_set() or over.is_set())
        executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="rollout")
        runner = Runner(self._store, ports, self._now_ms, executor)
        report({"unfinished": 0})
        try:
            with suppress(Stopped):
                self._look(runner, stop, report)
        finally:
            over.set()
            report({"unfinished": runner.settle(self._end_within_s)})
            executor.shutdown(wait=False)

    def _look(self, runner: Runner, stop: threading.Event, report: Report) -> None:
        while True:
            done = execute(self._store, self._now_ms())
            report({"open": runner.tick(), "decided": done})
            if stop.wait(STEP_S):
                return


def execute(store: Store, now_ms: int) -> int:
    """Decide every queued intent about rollouts; returns how many there were."""
    waiting = [one for one in store.read(intents.queued) if one.kind.startswith(PREFIX)]
    for intent in waiting:
        _execute(store, intent, now_ms)
    return len(waiting)


def _execute(store: Store, intent: Intent, now_ms: int) -> None:
    def apply(cx: Connection) -> None:
        result = decide(cx, intent.kind, json.loads(intent.body), intent.actor, now_ms)
        intents.decide(cx, intent.intent_id, "done", result, now_ms)

    try:
        store.ops.write(apply)
    except (StoreRefused, AttributeError, KeyError, TypeError, ValueError) as error:
        text = str(error) if isinstance(error, StoreRefused) else f"the request is incomplete: {error!r}"
        store.ops.write(lambda cx: intents.refuse(cx, intent.intent_id, text, now_ms))
