"""Rules beside polling: silent sensors, expired acknowledgements, what people asked for. A standing playbook."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Final

from local_store import alerts, intents, liveness, nodes, oplog, sensing
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.hearing import heard_by
from local_store.records import AlertKey, Intent
from local_store.sqlite import Connection
from mesh_mgmt.alerting import CONSOLE_KINDS, Wrong, console_wrong, heard_from, in_operation, reconcile, sensor_wrong
from mesh_mgmt.hearing import carriers, hearers

STEP_S: Final = 0.25
JUDGE_EVERY: Final = 40
_IDS: Final = random.SystemRandom()
ELSEWHERE: Final = ("config.", "provision.", "rollout.")
"""Kinds of intents that other services execute."""
ASLEEP_MS: Final = 30_000
"""A turn that took this long: the machine slept, or somebody set its clock."""
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
        self._awake_ms = 0
        self._unheard_ms: dict[str, int] = {}
        """Until when no gateway could hear a sensor: what it said before that is not missed."""

    def run(self, stop: threading.Event, report: Report) -> None:
        """Look every quarter of a second; silence and the console itself are judged every ten seconds."""
        turn = 0
        last_ms = self._awake_ms = self._now_ms()
        while True:
            now_ms = self._now_ms()
            if not 0 <= now_ms - last_ms < ASLEEP_MS:
                self._awake_ms = now_ms  # the machine slept, or its clock was set
            last_ms = now_ms
            for intent in self._store.read(intents.queued):
                if not intent.kind.startswith(ELSEWHERE):
                    self._execute(intent, now_ms)
            if turn % JUDGE_EVERY == 0:
                self._judge(now_ms)
                report(dict(self._done))
            turn += 1
            if stop.wait(STEP_S):
                return

    def _judge(self, now_ms: int) -> None:
        """Bring the alerts of sensors and of the console itself up to date, and end acknowledgements."""
        services = self._store.read(liveness.read)
        still = {
            AlertKey(alert.entity_kind, alert.entity_id, alert.kind) for alert in self._store.read(alerts.open_alerts)
        }
        console = console_wrong(services, still, now_ms)
        scope = {(key.entity_kind, key.entity_id) for key in still if key.entity_kind in CONSOLE_KINDS}
        scope |= {(one.key.entity_kind, one.key.entity_id) for one in console}
        judged, silent = self._silence(heard_from(services, self._awake_ms, now_ms), still, now_ms)
        if scope or silent or any(key.entity_kind == "sensor" for key in still):
            wrong = [*console, *silent]
            told = {(key.entity_kind, key.entity_id) for key in [*still, *(one.key for one in silent)]}
            scope |= told.intersection(judged)
            self._store.ops.write(lambda cx: reconcile(cx, scope, wrong, now_ms))
        self._store.ops.write(lambda cx: alerts.expire_acks(cx, now_ms))

    def _silence(
        self, heard: Mapping[str, int], still: set[AlertKey], now_ms: int
    ) -> tuple[list[tuple[str, str]], list[Wrong]]:
        """Sensors that could be judged or are there no more, and the silent ones among them."""
        sensors = self._store.read(sensing.all_sensors)
        states = self._store.telemetry.write(sensing.load_sensor_states)
        gone = {key.entity_id for key in still if key.entity_kind == "sensor"} - {one.sensor_id for one in sensors}
        judged = [("sensor", sensor_id) for sensor_id in gone]
        silent: list[Wrong] = []
        away = self._store.read(lambda cx: _away(cx, now_ms)) if sensors else frozenset[str]()
        by_eui = carriers(self._store.read(nodes.all_nodes)) if away else {}
        for sensor in sensors:
            state = states.get(sensor.sensor_id)
            if state is None or state.source not in heard:
                continue
            around = hearers(sensor, heard_by(state.dedup), by_eui) if away else ()
            if around and away.issuperset(around):
                judged.append(("sensor", sensor.sensor_id))  # the alarm of its gateways tells of it already
                self._unheard_ms[sensor.sensor_id] = now_ms
                continue
            one = sensor_wrong(
                sensor.sensor_id,
                state.seen_ms,
                sensor.interval_s,
                open_now=AlertKey("sensor", sensor.sensor_id, "silent") in still,
                now_ms=now_ms,
                heard_from_ms=max(heard[state.source], self._unheard_ms.get(sensor.sensor_id, 0)),
            )
            judged.append(("sensor", sensor.sensor_id))
            if one is not None:
                silent.append(one)
        return judged, silent

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
        except (StoreRefused, AttributeError, KeyError, TypeError, ValueError) as error:
            text = str(error) if isinstance(error, StoreRefused) else f"the request is incomplete: {error!r}"
            self._store.ops.write(lambda cx: intents.refuse(cx, intent.intent_id, text, now_ms))
            self._done["refused"] += 1

    def _apply(self, cx: Connection, intent: Intent, body: Mapping[str, object], now_ms: int) -> None:
        result = ""
        if intent.kind == "alert.acknowledge":
            alert_id, until_ms = int(str(body["alert_id"])), int(str(body["until_ms"]))
            reason = str(body["reason"])
            alert = alerts.acknowledge(cx, alert_id, intent.actor, reason, until_ms=until_ms, now_ms=now_ms)
            # Alert numbers are this store's own; on another laptop the same alert is known by its key.
            about = f"{alert.entity_kind}/{alert.entity_id}/{alert.kind}"
            values = {"acked_by": intent.actor, "ack_reason": reason, "ack_until_ms": until_ms}
            _record(cx, oplog.Change("alert", about, "acknowledge", values), intent, now_ms)
        elif intent.kind == "node.poll":
            self._poll_now.put(str(body["node_id"]))
        elif intent.kind == "node.retire":
            node_id = str(body["node_id"])
            retired = nodes.retire_nodes(cx, [node_id], now_ms)
            if retired:
                _record(cx, oplog.Change("node", node_id, "retire", {"retired_ms": now_ms}), intent, now_ms)
            result = str(retired)
        else:
            raise StoreRefused(f"nobody here knows how to do {intent.kind}")
        intents.decide(cx, intent.intent_id, "done", result, now_ms)


def _record(cx: Connection, change: oplog.Change, intent: Intent, now_ms: int) -> None:
    """The operation and its audit entry, in the transaction of the change itself."""
    oplog.record(cx, change, intent.actor, now_ms=now_ms, rng=_IDS)


def _away(cx: Connection, now_ms: int) -> frozenset[str]:
    """Nodes that may not hear anybody now: silent ones, and those in maintenance or in the hands of a rollout."""
    return in_operation(cx, now_ms) | nodes.silent_since(cx).keys()
