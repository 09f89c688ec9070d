"""The engine's rollout service: does what people decided, then looks after every open rollout. A standing playbook."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from local_store import intents
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.records import Intent
from local_store.sqlite import Connection
from playbooks.firmware.books import Ports
from playbooks.firmware.decisions import PREFIX, decide
from playbooks.firmware.runner import Runner

STEP_S: Final = 0.5
WORKERS: Final = 32
Report = Callable[[Mapping[str, object]], None]


class Rollouts:
    """One run of the service. Each run takes the rollouts over with a new epoch."""

    def __init__(self, store: Store, ports: Ports, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._ports = ports
        self._now_ms = now_ms

    def run(self, stop: threading.Event, report: Report) -> None:
        """Look twice a second until told to stop; what talks to nodes runs beside."""
        executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="rollout")
        try:
            runner = Runner(self._store, self._ports, self._now_ms, executor)
            while True:
                done = execute(self._store, self._now_ms())
                report({"open": runner.tick(), "decided": done})
                if stop.wait(STEP_S):
                    return
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


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
    except (StoreRefused, KeyError, TypeError, ValueError) as error:
        text = str(error) if isinstance(error, StoreRefused) else f"the request is incomplete: {error!r}"
        store.ops.write(lambda cx: intents.decide(cx, intent.intent_id, "refused", text, now_ms))
