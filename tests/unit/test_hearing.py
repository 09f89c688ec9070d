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
MINUTE_MS = 60_000
DAY_MS = 86_400_000


def sensor(**attributes: object) -> Sensor:
    return Sensor("s", "s", "bin", "gesaeubert", attributes=json.dumps(attributes))


def test_gateways_of_the_last_day_are_remembered_the_latest_first() -> None:
    heard = hearing.remember((), (A, B), 10 * DAY_MS)
    heard = hearing.remember(heard, (B,), 10 * DAY_MS + 5 * MINUTE_MS)
    assert [eui for eui, _ in heard] == [B, A]
    assert hearing.remember(heard, (A,), 9 * DAY_MS) == heard, "a late uplink makes nothing older"
    later = hearing.remember(heard, (B,), 11 * DAY_MS + 6 * MINUTE_MS)
    assert [eui for eui, _ in later] == [B], "who missed it for a day does not hear it"


def test_a_sensor_remembers_few_of_many_gateways() -> None:
    many = tuple(f"{number:016x}" for number in range(20))
    assert len(hearing.remember((), many, DAY_MS)) == hearing.MOST


def test_what_is_remembered_lies_behind_the_counters_and_older_rows_have_none() -> None:
    memory = windows.judge(windows.EMPTY, "01", 7, 5).memory
    kept = windows.to_bytes(memory, ((A, 3),))
    assert windows.from_bytes(kept) == (memory, ((A, 3),))
    assert hearing.heard_by(kept) == (A,)
    assert hearing.heard_by(b"") == ()
    two_fields = b"\x92\xc0\xc0"
    assert windows.from_bytes(two_fields) == (windows.EMPTY, ())
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
    state = SensorState("s", "main", 5, dedup=windows.to_bytes(windows.EMPTY, ((A, 3), (FOREIGN, 2))))
    store.telemetry.write(lambda cx: sensing.save_sensor_states(cx, [state]))
    store.close()
    (found,) = objects("sensors", "show", "s", "--store", str(tmp_path))
    assert found["heard_by"] == [{"gateway": A, "node": "mast"}, {"gateway": FOREIGN, "node": ""}]
    assert f"heard by            {A} (mast), {FOREIGN}" in run("sensors", "show", "s", "--store", str(tmp_path)).stdout
