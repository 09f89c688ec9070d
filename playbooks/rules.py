"""Rules beside polling: silent sensors, expired acknowledgements, what people asked for. A standing playbook."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Final

from local_store import alerts, intents, nodes, sensing
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.records import Intent
from local_store.sqlite import Connection
from mesh_mgmt.alerting import reconcile, sensor_wrong

STEP_S: Final = 0.25
SILENCE_EVERY: Final = 40
Report = Callable[[Mapping[str, object]], None]


class Rules:
    """One run of the rules service. `poll_now` is the watch's, `retry` tries a quarantined message once more."""

    def __init__(
        self, store: Store, now_ms: Callable[[], int], poll_now: SimpleQueue[str], retry: Callable[[int], str]
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._poll_now = poll_now
        self._retry = retry
        self._done = {"intents": 0, "refused": 0}

    def run(self, stop: threading.Event, report: Report) -> None:
        """Look every quarter of a second; silence is judged every ten seconds."""
        turn = 0
        while True:
            now_ms = self._now_ms()
            for intent in self._store.read(intents.queued):
                self._execute(intent, now_ms)
            if turn % SILENCE_EVERY == 0:
                self._judge_silence(now_ms)
                self._store.ops.write(lambda cx, at=now_ms: alerts.expire_acks(cx, at))  # type: ignore[misc]
                report(dict(self._done))
            turn += 1
            if stop.wait(STEP_S):
                return

    def _judge_silence(self, now_ms: int) -> None:
        sensors = self._store.read(sensing.all_sensors)
        states = self._store.telemetry.write(sensing.load_sensor_states)
        still = {alert.entity_id for alert in self._store.read(alerts.open_alerts) if alert.kind == "silent"}
        wrong = []
        for sensor in sensors:
            state = states.get(sensor.sensor_id)
            seen_ms = None if state is None else state.seen_ms
            one = sensor_wrong(sensor.sensor_id, seen_ms, sensor.interval_s, sensor.sensor_id in still, now_ms)
            if one is not None:
                wrong.append(one)
        if wrong or still:
            scope = [("sensor", sensor.sensor_id) for sensor in sensors]
            self._store.ops.write(lambda cx: reconcile(cx, scope, wrong, now_ms))

    def _execute(self, intent: Intent, now_ms: int) -> None:
        """Do what was asked and note the outcome in the same transaction where the store is all it touches."""
        try:
            body = json.loads(intent.body)
            if intent.kind == "quarantine.retry":
                result = self._retry(int(body["quarantine_id"]))
                self._store.ops.write(lambda cx: intents.decide(cx, intent.intent_id, "done", result, now_ms))
            else:
                self._store.ops.write(lambda cx: self._apply(cx, intent, body, now_ms))
            self._done["intents"] += 1
        except (StoreRefused, KeyError, TypeError, ValueError) as error:
            text = str(error) if isinstance(error, StoreRefused) else f"the request is incomplete: {error!r}"
            self._store.ops.write(lambda cx: intents.decide(cx, intent.intent_id, "refused", text, now_ms))
            self._done["refused"] += 1

    def _apply(self, cx: Connection, intent: Intent, body: Mapping[str, object], now_ms: int) -> None:
        result = ""
        if intent.kind == "alert.acknowledge":
            alert_id, until_ms = int(str(body["alert_id"])), int(str(body["until_ms"]))
            reason = str(body["reason"])
            alerts.acknowledge(cx, alert_id, intent.actor, reason, until_ms=until_ms, now_ms=now_ms)
        elif intent.kind == "node.poll":
            self._poll_now.put(str(body["node_id"]))
        elif intent.kind == "node.retire":
            result = str(nodes.retire_nodes(cx, [str(body["node_id"])], now_ms))
        else:
            raise StoreRefused(f"nobody here knows how to do {intent.kind}")
        intents.decide(cx, intent.intent_id, "done", result, now_ms)
