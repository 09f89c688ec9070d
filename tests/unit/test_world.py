"""The made-up city: the same from the same seed, whole, and in its district."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from device_drivers.simcity import events, inventory
from device_drivers.simcity.faults import behind, schedule
from device_drivers.simcity.world import DISTRICTS, build
from mesh_mgmt.topology import Link, reachable
from mesh_mgmt.topology import build as graph


def test_a_seed_gives_one_city_and_another_seed_another() -> None:
    assert build(3) == build(3)
    assert build(3) != build(4)


@pytest.mark.parametrize("nodes", [1, 17, 550, 3000])
def test_every_node_reaches_a_gateway(nodes: int) -> None:
    world = build(1, nodes)
    assert len(world.masts) == len({mast.node_id for mast in world.masts}) == nodes
    links = [Link(link.a, link.b, link.band, link.quality_pct) for link in world.links]
    mesh = graph(
        [mast.node_id for mast in world.masts],
        [mast.node_id for mast in world.masts if mast.role == "gateway"],
        links,
    )
    assert len(reachable(mesh)) == nodes


def test_the_default_city_has_the_promised_size() -> None:
    world = build()
    kinds = [device.kind for device in world.devices]
    assert (len(world.masts), kinds.count("bin"), kinds.count("climate")) == (550, 800, 60)
    assert len(world.lora_gateways) == 12
    assert {mast.district for mast in world.masts} == {name for _, name, _, _ in DISTRICTS}
    assert all(51.40 < mast.lat < 51.70 and 6.90 < mast.lon < 7.25 for mast in world.masts)


def test_the_inventory_is_written_for_import(tmp_path: Path) -> None:
    world = build(1, 30, 5, 5)
    inventory.write(world, tmp_path, [("127.0.0.1", 1000 + at) for at in range(30)], 120)
    with (tmp_path / "nodes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["node_id"] for row in rows] == [mast.node_id for mast in world.masts]
    with (tmp_path / "sensors.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 10
    assert json.loads((tmp_path / "links.json").read_text())["type"] == "NetworkGraph"


def test_faults_name_nodes_and_sensors_that_exist() -> None:
    world = build(1, 100)
    known = {mast.node_id for mast in world.masts} | {device.dev_eui for device in world.devices}
    plan = schedule(world, random.Random(1))
    assert {fault.target for fault in plan} <= known
    gateway = next(mast.node_id for mast in world.masts if mast.role == "gateway")
    assert gateway in behind(world, gateway)


def test_events_leave_defaults_out_as_the_server_does() -> None:
    world = build(1, 1, 1, 0)
    rng = random.Random(1)
    heard = events.hearing(world, world.devices[0], rng)
    event = json.loads(
        events.uplink(world.devices[0], ("01020304", 0), heard, {"fill_level": 5}, 1_760_000_000_123, rng)
    )
    assert "fCnt" not in event
    assert "confirmed" not in event
    assert event["time"].startswith("2025-10-09T08:53:20.123")
    assert len(event["time"]) == len("2025-10-09T08:53:20.123456789+00:00")
