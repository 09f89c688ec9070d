"""Which gateways hear a sensor: learned from uplinks, else what the inventory says."""

from __future__ import annotations

import json
from pathlib import Path

from local_store import hearing, nodes, sensing
from local_store.db import Store
from local_store.keys import store_key
from local_store.records import Node, Sensor, SensorState
from mesh_mgmt.hearing import carriers, hearers
from playbooks import ingest_windows as windows
from tests.journeys.processes import objects, run

A, B, FOREIGN = "a84041ffff000001", "a84041ffff000002", "ffffffffffffffff"


def sensor(**attributes: object) -> Sensor:
    return Sensor("s", "s", "bin", "gesaeubert", attributes=json.dumps(attributes))


def uplinks(*received: tuple[str, ...]) -> hearing.Heard:
    heard = hearing.NOBODY
    for gateways in received:
        heard = hearing.remember(heard, gateways)
    return heard


def usual(heard: hearing.Heard) -> tuple[str, ...]:
    return hearing.heard_by(windows.to_bytes(windows.EMPTY, heard))


def test_a_gateway_hears_a_sensor_when_it_receives_two_of_five_uplinks() -> None:
    assert usual(uplinks((A, B))) == (A, B), "one uplink is all there is at first"
    assert usual(uplinks(*[(A, B), (A,)] * 8)) == (A, B)
    now_and_then = uplinks(*[(A, B), (A,), (A,), (A,), (A,)] * 6)
    assert usual(now_and_then) == (A,), "what one catches now and then keeps no sensor connected"
    assert [eui for eui, _ in now_and_then.shares] == [A, B]
    assert 100 < dict(now_and_then.shares)[B] < 300


def test_the_best_counts_where_none_hears_half() -> None:
    assert usual(uplinks(*[(A,), (B,), (A,), (FOREIGN,)] * 8)) == (A,)
    assert usual(hearing.NOBODY) == ()


def test_a_gateway_that_is_gone_is_forgotten_and_another_learned() -> None:
    before = uplinks(*[(A,)] * 40)
    assert before.shares == ((A, 1000),)
    for _ in range(16):
        before = hearing.remember(before, (B,))
    assert usual(before) == (B,)
    for _ in range(80):
        before = hearing.remember(before, (B,))
    assert [eui for eui, _ in before.shares] == [B]
    assert before.shares[0][1] > 950


def test_a_sensor_remembers_few_of_many_gateways() -> None:
    many = tuple(f"{number:016x}" for number in range(20))
    assert len(uplinks(many).shares) == hearing.MOST


def test_what_is_remembered_lies_behind_the_counters_and_older_rows_have_none() -> None:
    memory = windows.judge(windows.EMPTY, "01", 7, 5).memory
    kept = windows.to_bytes(memory, uplinks((A,)))
    assert windows.from_bytes(kept) == (memory, uplinks((A,)))
    assert hearing.heard_by(kept) == (A,)
    assert hearing.heard_by(b"") == ()
    two_fields = b"\x92\xc0\xc0"
    assert windows.from_bytes(two_fields) == (windows.EMPTY, hearing.NOBODY)
    assert hearing.heard_by(two_fields) == ()


def test_a_node_is_known_by_the_gateway_it_carries() -> None:
    nodes = [
        Node("mast", "m", "h", "mesh", attributes=json.dumps({"gateway_eui": f"{A.upper()} {B}"})),
        Node(FOREIGN, "g", "h", "lorawan_gateway"),
        Node("other", "o", "h", "mesh", attributes=json.dumps({"gateway_eui": "no eui"})),
    ]
    assert carriers(nodes) == {A: "mast", B: "mast", FOREIGN: FOREIGN}
    dashed = Node("d", "d", "h", "mesh", attributes=json.dumps({"gateway_eui": "A8-40-41-FF-FF-00-00-01"}))
    assert carriers([dashed]) == {A: "d"}


def test_what_was_received_decides_once_one_of_the_gateways_is_ours() -> None:
    ours = {A: "mast", B: "tower"}
    assert hearers(sensor(gateway="declared"), (), ours) == ("declared",)
    assert hearers(sensor(gateway="declared"), (FOREIGN,), ours) == ("declared",)
    assert hearers(sensor(gateway="declared"), (A, B), ours) == ("mast", "tower")
    assert hearers(sensor(), (A, FOREIGN), ours) == ("mast", FOREIGN), "a stranger's gateway is never ours to lose"
    assert hearers(sensor(), (), ours) == ()


def test_a_sensor_shows_who_hears_it(tmp_path: Path) -> None:
    store = Store(tmp_path, store_key(tmp_path, "file").raw)
    mast = Node("mast", "m", "h", "mesh", attributes=json.dumps({"gateway_eui": A}))
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, [mast], 1))
    state = SensorState("s", "main", 5, dedup=windows.to_bytes(windows.EMPTY, uplinks((A, FOREIGN), (A,))))
    store.telemetry.write(lambda cx: sensing.save_sensor_states(cx, [state]))
    store.close()
    (found,) = objects("sensors", "show", "s", "--store", str(tmp_path))
    ours, theirs = (
        {"gateway": A, "node": "mast", "share_pct": 100.0},
        {"gateway": FOREIGN, "node": "", "share_pct": 50.0},
    )
    assert found["heard_by"] == [ours, theirs]
    shown = run("sensors", "show", "s", "--store", str(tmp_path)).stdout
    assert f"heard by            {A} (mast)  100%" in shown
