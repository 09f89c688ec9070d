"""A dead mast's alarm says which sensors nobody hears any more, as their uplinks told: through ingest and watch."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from queue import SimpleQueue

from console.alert_texts import alert_words
from device_drivers.api import Message
from device_drivers.simcity import events
from device_drivers.simcity.wired import CREDENTIALS
from device_drivers.simcity.world import Device
from local_store import alerts, links, nodes, sensing
from local_store.mesh_records import DeclaredLink
from local_store.records import Node, Sensor
from playbooks.ingest import Intake, decoders
from playbooks.watch import Watch, WatchSettings
from tests.sim.mesh_city import MeshCity, mesh_city, serving, until

TREE = [("g", "p"), ("p", "tower"), ("g", "other")]
EUIS = {"tower": "a84041ffff000001", "other": "a84041ffff000002"}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def declare(city: MeshCity) -> None:
    """The two gateways in the inventory, their links, and sensors without a word about who hears them."""
    rows = city.store.read(nodes.all_nodes)
    told = [
        Node(row.node_id, row.name, row.address, "lorawan_gateway", port=row.port, profile=row.profile,
             attributes=json.dumps({"gateway_eui": EUIS[row.node_id]}))
        for row in rows
        if row.node_id in EUIS
    ]  # fmt: skip
    city.store.ops.write(lambda cx: nodes.upsert_nodes(cx, told, 2))
    found = [DeclaredLink(*sorted(pair), "5", 80.0) for pair in TREE]
    city.store.ops.write(lambda cx: links.declare(cx, found, 1))
    declared = [Sensor(f"24e124000010000{at}", f"B-{at}", "bin", "gesaeubert") for at in range(4)]
    city.store.ops.write(lambda cx: sensing.upsert_sensors(cx, declared, 1))


def receive(city: MeshCity, heard: dict[int, list[str]]) -> None:
    """One uplink of each sensor, received by these gateways."""
    intake = Intake(city.store, decoders({}, {}))
    messages = []
    for number, towers in heard.items():
        device = Device(f"24e124000010000{number}", f"B-{number}", "bin", "Buer", 51.5, 7.0, "x", 120, 2.0, plain=False)
        rx_info: list[dict[str, object]] = [{"gatewayId": EUIS[one], "rssi": -100, "snr": 3.0} for one in towers]
        body = events.uplink(device, ("01020304", 5), rx_info, {"fill_level": 5}, now_ms(), random.Random(number))
        messages.append(Message("main", events.topic(device, "up"), body, "chirpstack", 1, retained=False, mid=number,
                                generation=0))  # fmt: skip
    intake.keep(messages, now_ms())


def words(city: MeshCity, node: str) -> tuple[int, str]:
    """How many sensors the open alarm of a node names, and its sentence."""
    for one in city.store.ops.write(alerts.open_alerts):
        if (one.entity_kind, one.entity_id, one.kind) == ("node", node, "down"):
            facts = json.loads(one.detail)
            return int(facts.get("sensors", 0)), str(alert_words("down", facts))
    return -1, ""


def test_a_sensor_counts_once_every_gateway_that_heard_it_is_gone(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], TREE) as city:
        declare(city)
        receive(city, {0: ["tower"], 1: ["tower"], 2: ["tower", "other"], 3: ["other"]})
        settings = WatchSettings(interval_s=1, timeout_ms=200, retries=0)
        watch = Watch(city.store, CREDENTIALS, settings, now_ms, random.Random(1), SimpleQueue())
        with serving(watch.run):
            until(lambda: set(city.store.telemetry.write(nodes.state_names).values()) == {"ok"}, "all is well")
            for name in ("p", "tower"):
                city.agents[name].down = True
            until(lambda: words(city, "p")[0] == 2, "the two that only its tower hears")
            assert words(city, "p")[1] == "down: no answer; unreachable: 1 node, 2 sensors (GEsäubert)"
            facts = next(json.loads(one.detail) for one in city.store.ops.write(alerts.open_alerts))
            assert facts["lorawan_gateways"] == ["tower"]
