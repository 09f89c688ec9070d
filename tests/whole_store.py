"""A directory with a store that holds one of everything, under the names the examples of the command line use."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from console.clock import now_ms
from console.demo_firmware import prepare
from device_drivers.simcity import images
from local_store import alerts, configs, intents, links, maintenance, quarantine, rollouts, sensing
from local_store.db import Store
from local_store.keys import signing_key, store_key
from local_store.mesh_records import LinkEvent, LinkState, MaintenanceRow, UnknownEnd
from local_store.nodes import all_nodes, save_states, upsert_nodes
from local_store.records import AlertKey, NodeState, QuarantineRow, Sensor, SensorState
from local_store.sqlite import Connection
from local_store.telemetry import tail
from local_store.telemetry.series import SeriesIds
from playbooks.firmware import signing
from playbooks.firmware.runner import Runner
from playbooks.provisioning import runner
from tests.sim import rollout_fleet
from tests.sim.test_provisioning import JOB, Mast

DEVICE = "24e1240000100001"
CONFIGURATION = """
[store]
directory = "store"
key = "file"
[configuration]
directory = "templates"
"""
RULE = """
[[rule]]
id = "no-telnet"
path = "system.*.telnet"
absent = true
title = "No telnet"
"""
TEMPLATE = "[uci.system.main]\nhostname = '{{ node.id }}'\n"
PROVISIONED_MS = 1_758_000_000_000
"""A moment whose run ids begin with 0199."""


def fill(directory: Path) -> None:
    """Make everything."""
    (directory / "leitstand.toml").write_text(CONFIGURATION, encoding="utf-8")
    (directory / "templates" / "rules").mkdir(parents=True)
    (directory / "templates" / "global.toml").write_text(TEMPLATE, encoding="utf-8")
    (directory / "templates" / "rules" / "telnet.toml").write_text(RULE, encoding="utf-8")
    store = Store(directory / "store", store_key(directory / "store", "file").raw)
    signing_key(directory / "store", "file")
    now = now_ms()
    _rollouts(store, directory, now)
    store.ops.write(lambda cx: _ops(cx, now))
    store.telemetry.write(lambda cx: _telemetry(cx, now))
    _provisioned(store)
    store.close()
    (directory / "nodes.csv").write_text("node_id,name,address,role\nb,B,10.0.0.2,mesh\n")
    (directory / "sensors.csv").write_text("sensor_id,name,kind\n24e1240000100002,B,bin\n")
    graph = {"type": "NetworkGraph", "protocol": "static", "version": "1", "metric": "etx", "nodes": [],
             "links": [{"source": "a", "target": "ge-bue-0002", "cost": 1.0}]}  # fmt: skip
    (directory / "links.json").write_text(json.dumps(graph))


def _rollouts(store: Store, directory: Path, now: int) -> None:
    """Seven plans over the trusted catalogue; the last one was carried out."""
    uplinks = {"ge-bue-0001": "", "ge-bue-0002": "ge-bue-0001", "ge-bue-0003": "ge-bue-0002", "a": "ge-bue-0001"}
    fleet = rollout_fleet.Fleet(uplinks, now_ms=now)
    rows = [rollout_fleet.planned(store, fleet, only={"ge-bue-0002", "a"}) for _number in range(7)]
    last = rows[-1].rollout_id
    rollout_fleet.decide(store, fleet, "start", last)
    ports = replace(fleet.ports(), signer=signing_key(store.directory, "file"))
    run = Runner(store, ports, lambda: fleet.now_ms, rollout_fleet.Inline())
    rollout_fleet.go(run, fleet, lambda: _has_ended(store, last))
    _catalogue(store, directory, fleet, now)


def _catalogue(store: Store, directory: Path, fleet: rollout_fleet.Fleet, now: int) -> None:
    """The old and the new image, signed by two people whose keys lie in the directory."""
    made = directory / "releases"
    made.mkdir()
    listed = []
    for name, (version, revision), content in (
        ("old.bin", rollout_fleet.OLD, images.make(["acme,ap5"], *rollout_fleet.OLD, size=500)),
        ("mesh.bin", rollout_fleet.NEW, fleet.content),
    ):
        (made / name).write_bytes(content)
        listed.append({"version": version, "revision": revision, "board": "acme,ap5", "file": name})
    (made / "releases.json").write_text(json.dumps(listed))
    prepare(made, directory / "keys", store.directory, now)
    for key in (directory / "keys").iterdir():
        shutil.copy2(key, directory)
    signing.new_key(directory / "eva.key", "eva", None)
    shutil.copy(made / "mesh.bin", directory / "a.bin")
    shutil.copy(store.directory / "firmware" / "catalogue" / "metadata" / "1.root.json", directory)


def _provisioned(store: Store) -> None:
    """A new node that was accepted where there was no uplink: its registration is open."""
    mast = Mast(store, uplink=False)
    store.ops.write(lambda cx: runner.create(cx, JOB, "mk", PROVISIONED_MS))
    mast.go_on()
    mast.answer()
    mast.go_on()


def _has_ended(store: Store, rollout_id: str) -> bool:
    return store.read(lambda cx: rollouts.expect(cx, rollout_id)).state in rollouts.ENDED


def _ops(cx: Connection, now: int) -> None:
    upsert_nodes(cx, [replace(node, district="Buer") for node in all_nodes(cx)], now)
    sensing.upsert_sensors(cx, [Sensor(DEVICE, "Markt", "bin", "gesaeubert")], now)
    for number in range(13):
        alerts.open_alert(cx, AlertKey("node", f"n{number}", "down"), "critical", "{}", now)
    me = intents.WriteGrant("anna", "network", now + 60_000)
    asked = intents.queue(cx, me, "alert.acknowledge", "{}", now_ms=now, rng=random.Random(1))
    cx.execute("UPDATE intent SET intent_id = '01932f6e-12f0-7aa1' WHERE intent_id = ?", (asked,))
    for name, versions in {"ge-bue-0001": 1, "ge-bue-0002": 20, "ge-bue-0003": 1, "a": 1}.items():
        for number in range(versions):
            text = f"package system\n\nconfig system 'main'\n\toption hostname 'v{number}'\n\toption telnet '1'\n"
            configs.add_backup(cx, name, text, "uci", cause="daily", actor="", now_ms=now)
    for rule in ("no-telnet", "x", "y"):
        configs.add_exception(cx, "a", rule, "test", actor="anna", until_ms=now + 86_400_000, now_ms=now)
    maintenance.add(cx, MaintenanceRow("1f2e3d4c", "district:buer", "Europe/Berlin", "2026-01-01T01:00", 60, "daily",
                                       None, "new masts", "anna", now))  # fmt: skip


def _telemetry(cx: Connection, now: int) -> None:
    quarantine.add(cx, [QuarantineRow(now, "b", "t", "k", "garbled", bytes([number])) for number in range(4)])
    called = b'[[1790000000000, "snmp get: timeout"]]'
    for name, state in (("ge-bue-0001", "ok"), ("ge-bue-0003", "down")):
        save_states(cx, [NodeState(name, state, 1, "", now, now, calls=called)])  # type: ignore[arg-type]
    sensing.save_sensor_states(cx, [SensorState(DEVICE, "b", now, reading=b'{"fill_pct": 93.0}')])
    numbers = SeriesIds()
    tail.append(cx, [(numbers.number(cx, ("ge-bue-0001", "rtt_ms")), now - 60_000, 12.5)])
    for number in (1, 2):
        row = ("chunk", number, 1, 1, 0, 9, 3, "the checksum of packed samples does not fit", b"x")
        cx.execute("INSERT INTO damaged (place, number, s0, s1, t0_ms, t1_ms, n, reason, body) "
                   "VALUES (?,?,?,?,?,?,?,?,?)", row)  # fmt: skip
    near = ["ge-bue-0001", "ge-bue-0002", "ge-bue-0003"]
    for one, two in pairwise(near):
        link = f"{one}/mesh0~{two}/mesh0"
        links.save_links(cx, [LinkState(link, one, "mesh0", two, "mesh0", "5", "batctl", "up", now, now, now,
                                        conflict="one_sided")])  # fmt: skip
        links.add_events(cx, [LinkEvent(now, link, "appeared")])
    end = UnknownEnd("a", "mesh0", "02:00:00:00:00:09", "", "iwinfo", "5", None, "unknown", now, now)
    links.replace_unknown(cx, "a", [end])
