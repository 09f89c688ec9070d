"""An upgrade inside the simulated city: the node's agent goes down with it and comes back with the new version."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_drivers import openwrt_scripts as scripts
from device_drivers.capabilities import FlashOrder
from device_drivers.simcity import broker, images
from device_drivers.simcity.faults import Trouble
from device_drivers.simcity.fleet import openwrt_nodes
from device_drivers.simcity.mesh import Neighbourhood
from device_drivers.simcity.openwrt import Make, Times, VirtualNode
from device_drivers.simcity.openwrt_verbs import DEAD, execute
from device_drivers.simcity.radio import Radio
from device_drivers.simcity.wired import Wired, description, make_agent
from device_drivers.simcity.world import build

REVISION = "r24106-10cc5fcd00"


@dataclass
class Hand:
    """A clock that is moved by hand."""

    at_s: float = 1_000.0

    def __call__(self) -> float:
        return self.at_s


def flash(node: VirtualNode, image: bytes, op_id: str = "op1") -> int | None:
    """Stage and flash as the driver does; the exit status."""
    path = scripts.image_path(op_id)
    node.files[path] = image
    order = FlashOrder(op_id, path, node.sha256(path), node.boot_id, node.make.revision)
    return execute(node, scripts.flash(order)).exit_status


@contextlib.contextmanager
def trouble_in(nodes: int, directory: Path) -> Iterator[tuple[Hand, dict[str, VirtualNode], Trouble, Wired]]:
    world, clock, rng = build(7, nodes, bins=1, stations=0), Hand(), random.Random(7)
    agents = [make_agent(at, m.node_id, description(m), m.ports, rng) for at, m in enumerate(world.masts)]
    ended = threading.Event()
    ended.set()
    with broker.running(directory, 0, embedded=True) as (_, port):
        wired = Wired(agents, rng)
        radio = Radio(world, "127.0.0.1", port, 60, lambda: 0, rng)
        around = Neighbourhood(world, agents)
        trouble = Trouble(world, wired, radio, around)
        try:
            yield clock, openwrt_nodes(world, clock, trouble.hears, Times(1.0, 10.0), around.address), trouble, wired
        finally:
            radio.run(ended)
            wired.run(ended)


def test_the_agent_follows_the_node_through_its_upgrade(tmp_path: Path) -> None:
    with trouble_in(30, tmp_path) as (clock, fleet, trouble, wired):
        node_id, node = next(iter(fleet.items()))
        agent = next(one for one in wired.agents if one.box.name == node_id)
        boots = agent.box.engine_boots
        assert flash(node, images.make([node.make.board_name], "23.05.5", REVISION)) == 0
        assert not trouble.follow(fleet), "the answer comes before the node goes"
        clock.at_s += 2
        assert trouble.follow(fleet)
        assert agent.down
        assert execute(node, "true") == DEAD
        clock.at_s += 11
        assert trouble.follow(fleet)
        assert not agent.down
        assert agent.box.engine_boots == boots + 1
        assert "23.05.5" in agent.box.description
        assert node.flashes == ["op1"]


def test_neither_end_of_a_broken_link_hears_the_other_until_it_is_mended(tmp_path: Path) -> None:
    with trouble_in(90, tmp_path) as (_, fleet, trouble, _wired):
        ours = [link for link in build(7, 90, bins=1, stations=0).links if link.a in fleet and link.b in fleet]
        a, b = ours[0].a, ours[0].b
        before = [len(fleet[one].mesh().parts["stations"]) for one in (a, b)]
        assert trouble.apply("break", f"{b}~{a}") is None
        assert not trouble.hears(a, b)
        assert all(len(fleet[one].mesh().parts["stations"]) < told for one, told in zip((a, b), before, strict=True))
        assert trouble.apply("mend", f"{a}~{b}") is None
        assert [len(fleet[one].mesh().parts["stations"]) for one in (a, b)] == before
        assert "no link" in str(trouble.apply("break", f"{a}~nobody"))
        assert trouble.is_well(a)


@pytest.mark.parametrize(
    ("fate", "banks", "back", "version", "fell_back"),
    [
        ({}, 1, True, "23.05.5", False),
        ({"brick_pct": 100}, 1, False, "", False),
        ({"fall_back_pct": 100}, 2, True, "23.05.3", True),
        ({"fall_back_pct": 100}, 1, True, "23.05.3", False),
        ({"unchanged_pct": 100}, 1, True, "23.05.3", False),
    ],
)
def test_every_fate_of_an_image(fate: dict[str, int], banks: int, back: bool, version: str, fell_back: bool) -> None:
    clock = Hand()
    node = VirtualNode(Make("n", "a,b", "B", "23.05.3", "r1", "S", banks=banks), clock, times=Times(1.0, 10.0))
    boot_id = node.boot_id
    assert flash(node, images.make(["a,b"], "23.05.5", REVISION, **fate)) == 0
    clock.at_s += 1.5
    assert not node.awake()
    clock.at_s += 3_600
    assert node.awake() == back
    if back:
        assert (node.make.version, node.fell_back) == (version, fell_back)
        assert node.boot_id != boot_id
        assert node.bank == (2 if banks == 2 and version == "23.05.5" else 1)


def test_a_hanging_upgrade_keeps_the_fence_and_the_boot() -> None:
    clock = Hand()
    node = VirtualNode(Make("n", "a,b", "B", "23.05.3", "r1", "S"), clock)
    image = images.make(["a,b"], "23.05.5", REVISION, hang_pct=100)
    assert flash(node, image) == 0
    clock.at_s += 3_600
    assert execute(node, scripts.fence("op1")).stdout.startswith(b"held")
    assert flash(node, image) == scripts.HELD
    assert node.flashes == ["op1"]


def test_a_share_of_the_city_bricks_and_always_the_same() -> None:
    image = images.read(images.make(["a,b"], "23.05.5", REVISION, brick_pct=10))
    assert image is not None
    makes = [Make(f"n{at}", "a,b", "B", "23.05.3", "r1", "S") for at in range(600)]
    fates = [[VirtualNode(one, Hand(), seed=3).fate(image) for one in makes] for _ in range(2)]
    assert fates[0] == fates[1]
    assert 35 < fates[0].count("bricked") < 90


def test_a_minor_step_of_compat_needs_the_configuration_dropped() -> None:
    node = VirtualNode(Make("n", "a,b", "B", "23.05.3", "r1", "S"), Hand())
    for compat, keep, good in (("1.1", True, False), ("1.1", False, True), ("2.0", False, False)):
        path = scripts.image_path("op1")
        node.files[path] = images.make(["a,b"], "23.05.5", REVISION, compat_version=compat)
        order = FlashOrder("op1", path, node.sha256(path), node.boot_id, "r1", keep_config=keep)
        assert (execute(node, scripts.flash(order)).exit_status == 0) == good
        node.files.pop(f"{scripts.place('op1')}/fence", None)
