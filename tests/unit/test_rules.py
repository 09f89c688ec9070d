"""Silence and the console's own troubles as alerts: after a sleep, without a broker, with a failing service."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from queue import SimpleQueue

import pytest

from local_store import alerts, audit, hearing, intents, liveness, nodes, oplog, rollouts, sensing
from local_store.db import Store
from local_store.records import AlertKey, Node, NodeState, Sensor, SensorState, ServiceRow
from mesh_mgmt.alerting import console_wrong, heard_from, sensor_wrong
from playbooks import ingest_windows as windows
from playbooks.rules import Rules
from tests.sim.rollout_fleet import Fleet, planned

HOUR = 3_600_000
START = 1_760_000_000_000


def ingest(*, connected: bool = True, since_ms: int = 0, session: bool = False, **more: object) -> ServiceRow:
    detail = {"connected": connected, "since_ms": since_ms, "session_present": session, **more}
    return ServiceRow("ingest city", "running", 0, 0, json.dumps(detail))


def silent(seen: float, now: float, *, open_now: bool = False, heard_from: float = 0) -> bool:
    """Whether a sensor with an interval of an hour is silent; times in hours."""
    times = {"now_ms": int(now * HOUR), "heard_from_ms": int(heard_from * HOUR)}
    return sensor_wrong("s", int(seen * HOUR), 3600, open_now=open_now, **times) is not None


def test_a_late_sensor_is_silent_once_and_comes_back_once() -> None:
    assert [silent(0, now) for now in (1.4, 1.6)] == [False, True]
    assert [silent(0, now, open_now=True) for now in (1.1, 1.3)] == [False, True]
    assert sensor_wrong("s", None, 3600, open_now=False, now_ms=HOUR) is None


def test_what_was_said_while_nobody_listened_is_not_held_against_a_sensor() -> None:
    assert [silent(0, now, heard_from=10) for now in (10.5, 11.6)] == [False, True]
    assert silent(0, 10.5, heard_from=10, open_now=True)


@pytest.mark.parametrize(
    ("row", "awake_ms", "expected"),
    [
        (ingest(since_ms=4 * HOUR), 0, {"city": 4 * HOUR}),
        (ingest(since_ms=4 * HOUR, session=True), 0, {"city": 0}),
        (ingest(connected=False, since_ms=4 * HOUR), 0, {}),
        (ingest(since_ms=5 * HOUR - 1000), 0, {}),
        (ingest(since_ms=0), 5 * HOUR - 1000, {}),
        (ServiceRow("poll", "running", 0, 0, "{}"), 0, {}),
        (ServiceRow("ingest city", "starting", 0, 0, "{}"), 0, {}),
    ],
)
def test_sensors_are_judged_by_brokers_that_had_time_to_deliver(
    row: ServiceRow, awake_ms: int, expected: dict[str, int]
) -> None:
    assert heard_from([row], awake_ms, 5 * HOUR) == expected


def kinds(row: ServiceRow, now_ms: int, *open_now: AlertKey) -> list[tuple[str, str, str]]:
    found = [one.key for one in console_wrong([row], set(open_now), now_ms)]
    return [(key.entity_kind, key.entity_id, key.kind) for key in found]


def test_a_broker_out_of_reach_is_an_alert_after_a_minute() -> None:
    row = ingest(connected=False, since_ms=0, broker_error="refused")
    assert kinds(row, 59_000) == []
    assert kinds(row, 61_000) == [("broker", "city", "down")]


def test_a_service_that_keeps_failing_is_an_alert_until_it_has_run_for_two_minutes() -> None:
    key = AlertKey("engine", "poll", "failing")
    retrying, running = (ServiceRow("poll", state, 0, 0, '{"error": "x"}') for state in ("retrying", "running"))
    assert [kinds(retrying, at) for at in (1000, 31_000)] == [[], [("engine", "poll", "failing")]]
    assert [len(kinds(retrying, 1000, key)), len(kinds(running, 60_000, key)), len(kinds(running, 130_000, key))] == [
        1,
        1,
        0,
    ]
    assert kinds(running, 1000) == []


def test_a_full_store_is_an_alert() -> None:
    assert kinds(ingest(blocked="no room"), 0) == [("store", "ingest city", "full")]
    assert kinds(ServiceRow("poll", "running", 0, 0, '{"store_full": "no room"}'), 0) == [("store", "poll", "full")]


def listening(store: Store, at_ms: int, *, connected: bool = True) -> None:
    detail = json.loads(ingest(connected=connected, since_ms=START - HOUR, session=True).detail)
    store.ops.write(lambda cx: liveness.beat(cx, "ingest city", "running", json.dumps(detail), at_ms))


def judge(store: Store, rules: Rules, at_ms: int) -> list[tuple[str, str]]:
    rules._judge(at_ms)
    return [(alert.entity_kind, alert.kind) for alert in store.read(alerts.open_alerts)]


def test_silence_opens_stays_while_the_broker_is_away_and_ends_with_the_sensor(store: Store) -> None:
    rules = Rules(store, lambda: START, SimpleQueue(), lambda number: "stored")
    sensor = Sensor("24e1240000100001", "Bin 1", "bin", "gesaeubert", interval_s=3600)
    store.ops.write(lambda cx: sensing.upsert_sensors(cx, [sensor], START))
    state = SensorState(sensor.sensor_id, "city", START)
    store.telemetry.write(lambda cx: sensing.save_sensor_states(cx, [state]))
    listening(store, START)
    assert judge(store, rules, START + HOUR) == []
    assert judge(store, rules, START + 2 * HOUR) == [("sensor", "silent")]
    listening(store, START + 2 * HOUR, connected=False)
    assert judge(store, rules, START + 2 * HOUR) == [("sensor", "silent"), ("broker", "down")]
    listening(store, START + 2 * HOUR)
    assert judge(store, rules, START + 2 * HOUR) == [("sensor", "silent")]
    store.ops.write(lambda cx: sensing.retire_sensors(cx, [sensor.sensor_id], START))
    assert judge(store, rules, START + 2 * HOUR) == []


def test_a_sensor_that_only_dead_gateways_hear_raises_no_alarm_of_its_own(store: Store) -> None:
    """The alarm of the dead mast counts it; with another gateway alive its silence is its own. Once the mast is back
    the sensor has as long to speak as ever: what it said before nobody could hear."""
    euis = {"tower": "a84041ffff000001", "other": "a84041ffff000002"}
    rows = [
        Node(name, name, "10.0.0.1", "lorawan_gateway", attributes=json.dumps({"gateway_eui": eui}))
        for name, eui in euis.items()
    ]
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, rows, START))
    declared = [Sensor(name, name, "bin", "gesaeubert", interval_s=3600) for name in ("alone", "both")]
    store.ops.write(lambda cx: sensing.upsert_sensors(cx, declared, START))
    heard = {"alone": (euis["tower"],), "both": (euis["tower"], euis["other"])}
    states = [
        SensorState(name, "city", START, dedup=windows.to_bytes(windows.EMPTY, hearing.remember(hearing.NOBODY, told)))
        for name, told in heard.items()
    ]
    store.telemetry.write(lambda cx: sensing.save_sensor_states(cx, states))
    down = NodeState("tower", "unreachable", START, "", START, START)
    store.telemetry.write(lambda cx: nodes.save_states(cx, [down]))
    listening(store, START)
    rules = Rules(store, lambda: START, SimpleQueue(), lambda number: "stored")
    rules._judge(START + 2 * HOUR)
    assert [one.entity_id for one in store.read(alerts.open_alerts)] == ["both"]
    store.telemetry.write(lambda cx: nodes.save_states(cx, [replace(down, state="ok")]))
    rules._judge(START + 2 * HOUR)
    assert [one.entity_id for one in store.read(alerts.open_alerts)] == ["both"]
    rules._judge(START + 4 * HOUR)
    assert {one.entity_id for one in store.read(alerts.open_alerts)} == {"both", "alone"}


def test_a_sensor_whose_gateway_a_rollout_restarts_is_not_missed(store: Store) -> None:
    """The restart may be over before a poll has seen it."""
    fleet = Fleet({"g0": "", "n00": "g0"})
    row = planned(store, fleet)
    told = json.dumps({"gateway_eui": "a84041ffff000001"})
    store.ops.write(lambda cx: cx.execute("UPDATE node SET attributes = ? WHERE node_id = 'n00'", (told,)))
    sensor = Sensor("alone", "alone", "bin", "gesaeubert", interval_s=3600)
    store.ops.write(lambda cx: sensing.upsert_sensors(cx, [sensor], START))
    memory = windows.to_bytes(windows.EMPTY, hearing.remember(hearing.NOBODY, ("a84041ffff000001",)))
    state = SensorState("alone", "city", START, dedup=memory)
    store.telemetry.write(lambda cx: sensing.save_sensor_states(cx, [state]))
    listening(store, START)
    rules = Rules(store, lambda: START, SimpleQueue(), lambda number: "stored")
    store.ops.write(lambda cx: rollouts.change(cx, row, state="running"))
    (tower,) = [one for one in store.read(lambda cx: rollouts.nodes(cx, row.rollout_id)) if one.node_id == "n00"]
    dark = store.ops.write(lambda cx: rollouts.change_node(cx, tower, state="dark"))
    rules._judge(START + 2 * HOUR)
    store.ops.write(lambda cx: rollouts.change_node(cx, dark, state="confirmed"))
    rules._judge(START + 2 * HOUR)
    assert store.read(alerts.open_alerts) == []
    rules._judge(START + 4 * HOUR)
    assert [one.entity_id for one in store.read(alerts.open_alerts)] == ["alone"]


def asked(store: Store, rules: Rules, kind: intents.IntentKind, body: dict[str, object]) -> str:
    """Queue an intent, let the rules look once, and say what became of it."""
    grant = intents.WriteGrant("mk", "network", START + HOUR)
    rng = random.Random(kind + json.dumps(body) + str(store.read(oplog.outbox_size)))
    number = store.ops.write(lambda cx: intents.queue(cx, grant, kind, json.dumps(body), now_ms=START, rng=rng))
    (intent,) = store.read(intents.queued)
    rules._execute(intent, START)
    found = store.read(lambda cx: intents.get_intent(cx, number))
    assert found is not None
    return found.state


def test_what_a_person_changes_is_an_operation_and_an_audit_entry(store: Store) -> None:
    rules = Rules(store, lambda: START, SimpleQueue(), lambda number: "stored")
    key = AlertKey("node", "ge-bue-0412", "down")
    opened = store.ops.write(lambda cx: alerts.open_alert(cx, key, "critical", "{}", START))
    acknowledge = {"alert_id": opened.alert_id, "reason": "on my way", "until_ms": START + HOUR}
    assert asked(store, rules, "alert.acknowledge", acknowledge) == "done"
    asking, op = store.read(lambda cx: oplog.outbox(cx, 9))
    assert (asking.actor, asking.entity, asking.kind) == ("mk", "intent", "queue")
    assert (op.actor, op.entity, op.entity_id, op.kind) == ("mk", "alert", "node/ge-bue-0412/down", "acknowledge")
    assert [entry.action for entry in store.read(lambda cx: audit.entries(cx, 0, 9))] == [
        "intent.queue",
        "alert.acknowledge",
    ]
    store.ops.write(lambda cx: alerts.close_alert(cx, key, START))
    assert asked(store, rules, "alert.acknowledge", acknowledge) == "refused"
    assert asked(store, rules, "node.retire", {"node_id": "unknown"}) == "done"
    assert [op.entity for op in store.read(lambda cx: oplog.outbox(cx, 9))] == ["intent", "alert", "intent", "intent"]
