"""A store in which every screen has something to show: the busy city, a halted rollout, a drifted node, a new one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from device_drivers.simcity import images
from local_store import configs, links, nodes, rollouts, sensing
from local_store.configs import FindingRow
from local_store.db import Store
from local_store.mesh_records import LinkState, Place
from local_store.records import DeviceEventRow, Sensor, SensorState
from mesh_mgmt.drift import judge
from mesh_mgmt.uci_change import Key
from playbooks.configuration.policy import masked_drift
from tests.conftest import KEY
from tests.sim.rollout_fleet import NEW, Fleet, decide, go, planned, runner, tree
from tests.sim.test_provisioning import Mast
from tests.tui.city import HOUR, MINUTE, NOW_MS, busy, node

CLIMATE = "24e12400001ffff1"
TARGETS = {
    "overview": "GEvernetzt",
    "nodes": "ge-tst-0007",
    "sensors": "B-bue-0019",
    "alerts": "ge-tst-0007",
    "health": "4711",
    "mesh": "ge-tst-0001",
    "map": "≥ 80 %",
    "rollouts": "R-0001",
    "configs": "ge-tst-0003",
    "provision": "SHA256:",
    "outbox": "ge-tst-0000",
    "calls": "snmp v3 get",
    "node": "ge-tst-0003",
    "sensor": "K-bue-0001",
    "config": "Kein Telnet",
    "service": "ge-tst-0004: row 3",
    "rollout": "R-0001",
    "rolloutnode": "acme,ap5",
}
"""Every way to a screen with something that is seen there in either language."""
ONE = {
    "node": "node:ge-tst-0003", "sensor": f"sensor:{CLIMATE}", "config": "config:ge-tst-0003",
    "service": "service:mesh",
    "rollout": "rollout:R-0001", "rolloutnode": "rolloutnode:R-0001/n00",
}  # fmt: skip
"""What the screens of one thing are opened with."""
SERVICES: dict[str, tuple[str, dict[str, Any]]] = {
    "mesh": ("running", {"nodes": 60, "links": 80, "reports": 900, "failed": 2, "garbled": 1, "by_ssh": 3,
                         "odd_rows": 0, "not_understood": ["ge-tst-0004: row 3"]}),
    "rules": ("running", {"intents": 4, "refused": 1}),
    "rollout": ("running", {"open": 1, "decided": 0}),
    "calls": ("running", {"kept": 120, "lost": 0}),
    "backup": ("running", {"taken": 60, "failed": 1, "trouble": ""}),
    "configuration": ("running", {"pushes": 1, "failed": 0, "running": ""}),
    "provisioning": ("running", {"open": 1}),
    "notify": ("stopped", {"port": 10162, "received": 9, "accepted": 7, "overrun": 0, "dropped": 0, "store_full": "",
                           "refused": {"too_old": 2}, "unknown_engines": ["80001f88 10.0.0.9 (2)"],
                           "without_keys": []}),
    "later": ("starting", {"age_ms": 90_000, "at_ms": NOW_MS - HOUR, "cache_bytes": 5_000_000, "hits": 7}),
}  # fmt: skip


def whole(directory: Path) -> Path:
    """Fill it; closed again."""
    busy(directory)
    store = Store(directory, KEY)
    _rollout(store)
    mast = Mast(store)
    mast.begin()
    mast.go_on()
    store.ops.write(_told)
    store.telemetry.write(_measured)
    _mesh(store)
    store.close()
    return directory


def _rollout(store: Store) -> None:
    fleet = Fleet(tree(6), images.make(["acme,ap5"], *NEW, size=500, brick_pct=100))
    row = planned(store, fleet)
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet)
    go(run, fleet, lambda: store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).state == "paused")


def _told(cx: Any) -> None:
    key = Key("wireless", "radio0", "channel")
    drift = judge({key: "100"}, {key: "100"}, {key: "36"})
    found = [FindingRow("ge-tst-0003", "telnet", "fail", "critical", "Kein Telnet", "telnet.t.Port", "23", NOW_MS)]
    configs.add_backup(cx, "ge-tst-0003", "config", "uci", cause="daily", actor="", now_ms=NOW_MS)
    configs.judge(cx, "ge-tst-0003", "drifted", masked_drift(drift), found, NOW_MS)
    sensing.upsert_sensors(cx, [Sensor(CLIMATE, "K-bue-0001", "climate", "gegruent", "Buer")], NOW_MS)
    for name, (state, detail) in SERVICES.items():
        row = (name, state, NOW_MS - HOUR, NOW_MS - 1000, json.dumps(detail))
        cx.execute("INSERT INTO service VALUES (?, ?, ?, ?, ?)", row)


def _measured(cx: Any) -> None:
    reading = json.dumps({"air_temp_c": 7.5, "temperature_c": 8.0, "no2_ug_m3": 21.0, "wind_m_s": 3.0}).encode()
    state = SensorState(CLIMATE, "simcity", name="K-bue-0001", profile="WTS506", seen_ms=NOW_MS, received=3,
                        reading=reading)  # fmt: skip
    sensing.save_sensor_states(cx, [state])
    kinds = {
        "join": {"dev_addr": "01ab"},
        "status": {"battery_pct": 90.0, "margin_db": 7},
        "log": {"level": "ERROR", "code": "OTAA"},
    }
    rows = [
        DeviceEventRow(NOW_MS - at * MINUTE, CLIMATE, kind, json.dumps(body))
        for at, (kind, body) in enumerate(kinds.items())
    ]
    sensing.add_device_events(cx, rows)


def _mesh(store: Store) -> None:
    rows = [
        replace(node(at), role="gateway" if not at else "mesh", lat=51.5 + at % 4 * 0.01, lon=7.0 + at // 4 * 0.02)
        for at in range(12)
    ]
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, rows, NOW_MS))
    found = [
        LinkState(str(at), one.uplink, "mesh0", one.node_id, "mesh0", "5", "batadv", "down" if at == 7 else "up", 1, 1,
                  NOW_MS, 30.0 + 6 * at)
        for at, one in enumerate(rows) if one.uplink
    ]  # fmt: skip
    places = [
        Place(one.node_id, one.uplink, "ge-tst-0000", at and 1 + at // 5, 1.0, one.uplink, 1, 6 if at == 1 else 0)
        for at, one in enumerate(rows)
    ]
    store.telemetry.write(lambda cx: links.save_links(cx, found))
    store.telemetry.write(lambda cx: links.replace_places(cx, places))
