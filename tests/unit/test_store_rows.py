"""Inventory, sensors, quarantine, tally and liveness: what goes in comes out, and what changed is told."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from local_store import liveness, nodes, quarantine, sensing, tally
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.records import DeviceEventRow, EngineMemory, Node, NodeState, QuarantineRow, Sensor, SensorState

NODE = Node("ge-bue-0412", "Mast 412", "127.0.4.12", "mesh", lat=51.57, lon=7.05, attributes='{"rack":"2"}')
SENSOR = Sensor("24e124aa00000001", "Bin 1", "bin", "gesaeubert", interval_s=900)


def test_an_import_tells_what_it_changed(store: Store) -> None:
    other = replace(NODE, node_id="ge-bue-0413", lat=None)
    assert store.ops.write(lambda cx: nodes.upsert_nodes(cx, [NODE, other], 1)) == 2
    moved = replace(other, lat=51.5)
    assert store.ops.write(lambda cx: nodes.upsert_nodes(cx, [NODE, moved], 2)) == 1
    assert store.read(nodes.all_nodes) == [NODE, moved]
    assert store.read(lambda cx: cx.execute("SELECT changed_ms FROM node ORDER BY node_id").fetchall()) == [(1,), (2,)]


def test_a_retired_node_keeps_its_row_and_can_return(store: Store) -> None:
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, [NODE], 1))
    assert store.ops.write(lambda cx: nodes.retire_nodes(cx, [NODE.node_id, "unknown"], 2)) == 1
    assert store.read(nodes.all_nodes) == []
    assert store.read(lambda cx: nodes.get_node(cx, NODE.node_id)) == NODE
    assert store.ops.write(lambda cx: nodes.upsert_nodes(cx, [NODE], 3)) == 1
    assert store.read(nodes.all_nodes) == [NODE]
    assert store.read(lambda cx: nodes.get_node(cx, "unknown")) is None


def test_states_and_engines_are_there_after_a_restart(store: Store) -> None:
    first = NodeState("a", "ok", 1, "", 1, 1, rtt_ms=2.5, boots=3, interfaces=b'[{"name":"eth0"}]', memory=b"\x00m")
    second = NodeState("b", "unknown", 1, "never", None, 1)
    store.telemetry.write(lambda cx: nodes.save_states(cx, [first, second]))
    store.telemetry.write(lambda cx: nodes.save_states(cx, iter([replace(first, state="down", polled_ms=9)])))
    assert store.read(nodes.load_states) == {"a": replace(first, state="down", polled_ms=9), "b": second}
    engine = EngineMemory("a", b"\x80\x00", 2, 77, 5)
    store.telemetry.write(lambda cx: nodes.save_engines(cx, [engine]))
    assert store.read(nodes.load_engines) == {"a": engine}


def test_sensors_and_their_states(store: Store) -> None:
    assert store.ops.write(lambda cx: sensing.upsert_sensors(cx, [SENSOR], 1)) == 1
    assert store.ops.write(lambda cx: sensing.upsert_sensors(cx, [SENSOR], 2)) == 0
    assert store.read(sensing.all_sensors) == [SENSOR]
    state = SensorState(SENSOR.sensor_id, "main", 5, fcnt=7, received=1, reading=b'{"fill_pct":40}', dedup=b"\x01")
    store.telemetry.write(lambda cx: sensing.save_sensor_states(cx, [state]))
    store.telemetry.write(lambda cx: sensing.save_sensor_states(cx, [replace(state, fcnt=8)]))
    assert store.read(sensing.load_sensor_states) == {SENSOR.sensor_id: replace(state, fcnt=8)}
    assert store.ops.write(lambda cx: sensing.retire_sensors(cx, [SENSOR.sensor_id], 3)) == 1
    assert store.read(sensing.all_sensors) == []
    assert store.read(lambda cx: sensing.get_sensor(cx, SENSOR.sensor_id)) == SENSOR


def test_device_events_come_newest_first_and_leave_oldest_first(store: Store) -> None:
    events = [DeviceEventRow(at, "s", "log", f'{{"n":{at}}}') for at in range(10)]
    store.telemetry.write(lambda cx: sensing.add_device_events(cx, events))
    assert store.read(lambda cx: sensing.device_events(cx, "s", 2)) == [events[9], events[8]]
    assert store.telemetry.write(lambda cx: sensing.drop_device_events(cx, 5, 3)) == 3
    assert store.telemetry.write(lambda cx: sensing.drop_device_events(cx, 5, 100)) == 2
    assert store.read(lambda cx: sensing.device_events(cx, "s", 99)) == events[:4:-1]


def test_quarantine_keeps_the_start_and_the_hash_of_the_whole(store: Store) -> None:
    rows = [
        QuarantineRow(1, "main", "t", "chirpstack", "too_large", b"x" * 70_000),
        QuarantineRow(2, "m", "t", "k", "r", b""),
    ]
    store.telemetry.write(lambda cx: quarantine.add(cx, rows))
    small, big = store.read(lambda cx: quarantine.newest(cx, 5))
    assert (big.size, len(big.body), quarantine.is_whole(big)) == (70_000, quarantine.KEPT_BYTES, False)
    assert big.sha256 == hashlib.sha256(b"x" * 70_000).digest()
    assert quarantine.is_whole(small)
    store.telemetry.write(lambda cx: quarantine.mark_retried(cx, small.quarantine_id, 9))
    assert store.read(lambda cx: quarantine.get(cx, small.quarantine_id)).retried_ms == 9
    store.telemetry.write(lambda cx: quarantine.remove(cx, small.quarantine_id))
    with pytest.raises(StoreRefused, match="no item"):
        store.read(lambda cx: quarantine.get(cx, small.quarantine_id))


def test_quarantine_is_bounded(store: Store) -> None:
    store.telemetry.write(lambda cx: quarantine.add(cx, [QuarantineRow(n, "m", "t", "k", "r", b"") for n in range(10)]))
    assert store.telemetry.write(lambda cx: quarantine.prune(cx, 3, 5)) == 5
    assert store.telemetry.write(lambda cx: quarantine.prune(cx, 3, 5)) == 2
    assert [item.at_ms for item in store.read(lambda cx: quarantine.newest(cx, 99))] == [9, 8, 7]
    assert store.telemetry.write(lambda cx: quarantine.prune(cx, 3, 5)) == 0
    assert store.read(quarantine.waiting) == 3


def test_counters_add_up(store: Store) -> None:
    store.telemetry.write(lambda cx: tally.add(cx, {"polls_ok": 3, "polls_failed": 0}))
    store.telemetry.write(lambda cx: tally.add(cx, {"polls_ok": 4, "messages": 1}))
    assert store.read(tally.read) == {"messages": 1, "polls_ok": 7}


def test_a_service_keeps_its_since_while_its_state_lasts(store: Store) -> None:
    for state, now_ms in (("running", 1), ("running", 2), ("retrying", 3), ("retrying", 4)):
        store.ops.write(lambda cx, s=state, n=now_ms: liveness.beat(cx, "poll", s, "{}", n))
    (row,) = store.read(liveness.read)
    assert (row.state, row.since_ms, row.beat_ms) == ("retrying", 3, 4)
    store.ops.write(liveness.forget)
    assert store.read(liveness.read) == []
