"""A small store as an engine would have filled it, at a fixed moment."""

from __future__ import annotations

import json
import random
from pathlib import Path

from local_store import alerts, intents, nodes, sensing, tally
from local_store.db import Store
from local_store.records import AlertKey, Node, NodeState, Sensor, SensorState
from local_store.sqlite import Connection
from local_store.telemetry import tail
from local_store.telemetry.series import SeriesIds
from tests.conftest import KEY

NOW_MS = 1_795_440_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DISTRICTS = ("Buer", "Horst", "Schalke", "Bulmke-Hüllen")


def node(number: int) -> Node:
    district = DISTRICTS[number % len(DISTRICTS)]
    uplink = f"ge-tst-{number // 5:04}" if number else ""
    return Node(
        f"ge-tst-{number:04}", f"Mast {number}", f"10.0.{number // 250}.{number % 250 + 1}", "mesh", district=district,
        vendor="OpenWrt", model="GL-AX1800", uplink=uplink,
    )  # fmt: skip


def state_of(number: int) -> NodeState:
    state, cause = ("down", "silent") if number == 7 else ("warning", "loss") if number % 20 == 3 else ("ok", "")
    ports = [{"name": "wlan0", "oper_up": True, "speed_mbps": 300, "in_bps": 1.5e6, "out_bps": 2.5e5}]
    calls = [[NOW_MS - 3000, "snmp v3 get 12 + bulk 1x6: 2.1 ms"]]
    return NodeState(
        f"ge-tst-{number:04}", state, NOW_MS - number * MINUTE, cause, NOW_MS - 5000, NOW_MS - 5000,  # type: ignore[arg-type]
        rtt_ms=1.0 + number % 50, loss_pct=20.0 if cause == "loss" else 0.0, uptime_s=86_400, load_pct=30.0,
        mem_pct=40.0, in_bps=1.5e6, out_bps=2.5e5, firmware="23.05.3", history="12345678"[: number % 8 + 1],
        interfaces=json.dumps(ports).encode(), calls=json.dumps(calls).encode(),
    )  # fmt: skip


def fill(directory: Path, count: int = 60) -> Store:
    """Nodes, bins, alerts, a little history; the store stays open."""
    store = Store(directory, KEY)
    everything = range(count)
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, [node(at) for at in everything], NOW_MS))
    store.telemetry.write(lambda cx: nodes.save_states(cx, [state_of(at) for at in everything]))
    bins = [Sensor(f"24e12400001{at:05x}", f"B-bue-{at:04}", "bin", "gesaeubert", "Buer") for at in range(20)]
    store.ops.write(lambda cx: sensing.upsert_sensors(cx, bins, NOW_MS))
    store.telemetry.write(lambda cx: sensing.save_sensor_states(cx, [heard(one, at) for at, one in enumerate(bins)]))
    store.ops.write(_alerts)
    ids = SeriesIds()

    def measure(cx: object) -> None:
        rtt = ids.number(cx, ("ge-tst-0003", "rtt_ms"))  # type: ignore[arg-type]
        tail.append(cx, [(rtt, NOW_MS - at * MINUTE, 5.0 + at % 7) for at in range(60)])  # type: ignore[arg-type]
        tally.add(cx, {"polls_ok": 100, "messages_received": 20})  # type: ignore[arg-type]

    store.telemetry.write(measure)
    return store


def heard(sensor: Sensor, at: int) -> SensorState:
    reading = json.dumps({"fill_pct": 5.0 * at, "battery_pct": 90.0}).encode()
    return SensorState(
        sensor.sensor_id, "simcity", name=sensor.name, profile="EM400", seen_ms=NOW_MS - at * MINUTE, received=10 + at,
        gaps=at % 3, battery_pct=90.0, rssi_dbm=-100.0, snr_db=4.0, sf=8, gateways=2, reading=reading,
    )  # fmt: skip


def _alerts(cx: object) -> None:
    for at, (kind, severity, cause) in {7: ("down", "critical", "silent"), 3: ("degraded", "warning", "loss")}.items():
        key = AlertKey("node", f"ge-tst-{at:04}", kind)
        alerts.open_alert(cx, key, severity, json.dumps({"cause": cause}), NOW_MS - at * MINUTE)  # type: ignore[arg-type]


def busy(directory: Path) -> Path:
    """The same with an engine at work, requests in every state and an acknowledged alert; closed again."""
    store = fill(directory)
    beat = NOW_MS - 1000
    store.ops.write(lambda cx: cx.execute("INSERT INTO lease VALUES (1, 1, 4711, 'desk', ?, ?)", (NOW_MS - HOUR, beat)))
    services = {
        "poll": (
            "running",
            {"nodes": 60, "ok": 412_000, "failed": 37, "per_s": 36.7, "samples_dropped": 0, "store_full": ""},
        ),
        "ingest city": (
            "running",
            {
                "connected": True,
                "since_ms": NOW_MS - HOUR,
                "protocol": "MQTT 5",
                "broker_error": "",
                "blocked": "",
                "messages_received": 18_211,
                "messages_stored": 18_200,
                "messages_quarantined": 11,
            },
        ),
        "upkeep": ("retrying", {"error": "disk is full"}),
    }
    for name, (state, detail) in services.items():
        row = (name, state, NOW_MS - HOUR, beat, json.dumps(detail))
        store.ops.write(lambda cx, row=row: cx.execute("INSERT INTO service VALUES (?, ?, ?, ?, ?)", row))
    store.ops.write(_requests)
    store.close()
    return directory


def _requests(cx: Connection) -> None:
    armed, rng = intents.WriteGrant("mk", "network", NOW_MS * 2), random.Random(7)
    made = []
    for at in range(4):
        body = json.dumps({"node_id": f"ge-tst-{at:04}"})
        made.append(intents.queue(cx, armed, "node.poll", body, now_ms=NOW_MS - at * MINUTE, rng=rng))
    intents.decide(cx, made[1], "done", "", NOW_MS)
    intents.decide(cx, made[2], "refused", "diesen Knoten gibt es nicht", NOW_MS)
    intents.withdraw(cx, made[3], armed, now_ms=NOW_MS, rng=rng)
    degraded = next(one for one in alerts.open_alerts(cx) if one.kind == "degraded")
    until_ms = NOW_MS + 2 * HOUR
    alerts.acknowledge(cx, degraded.alert_id, "mk", "fahre hin", until_ms=until_ms, now_ms=NOW_MS)
