"""What a rollout made of simulated nodes outlives the simulation, also where it ends in the middle of a restart."""

from __future__ import annotations

from pathlib import Path

from device_drivers.simcity import images, upgraded
from device_drivers.simcity.fleet import openwrt_nodes
from device_drivers.simcity.openwrt import Times, VirtualNode
from device_drivers.simcity.world import World, build

WORLD = build(1, 40, 0, 0)
ME = [1, 40]


def fleet(world: World, clock: list[float]) -> dict[str, VirtualNode]:
    return openwrt_nodes(world, lambda: clock[0], lambda _a, _b: True, Times(1.0, 12.0), lambda _node, _band: "")


def flash(node: VirtualNode) -> None:
    node.files["/tmp/image"] = images.make([node.make.board_name], "23.05.5", "r24106-10cc5fcd00", size=5_000)
    node.begin_flash("op", "/tmp/image", keep_config=True)


def kept(directory: Path, nodes: dict[str, VirtualNode]) -> dict[str, upgraded.Upgraded]:
    known: dict[str, upgraded.Upgraded] = {}
    assert upgraded.follow(nodes, known)
    upgraded.write(directory, ME, known)
    return upgraded.load(directory, ME)


def test_a_city_that_is_started_again_has_the_versions_it_had(tmp_path: Path) -> None:
    clock = [100.0]
    before = fleet(WORLD, clock)
    done, dark, untouched = sorted(before)[:3]
    first_boot = {node_id: node.boot_id for node_id, node in before.items()}
    flash(before[done])
    clock[0] = 102.0
    assert not before[done].awake()
    clock[0] = 120.0
    assert before[done].awake()
    flash(before[dark])
    clock[0] = 122.0
    assert not before[dark].awake()
    known = kept(tmp_path, before)
    world = upgraded.lay_over(WORLD, known)
    after = fleet(world, clock)
    upgraded.restore(after, known)
    for node_id in (done, dark):
        make = after[node_id].make
        assert (make.version, make.revision) == ("23.05.5", "r24106-10cc5fcd00")
        assert after[node_id].boot_id != first_boot[node_id]
    assert after[done].boot_id == before[done].boot_id
    assert {mast.node_id for mast in world.masts if mast.firmware == "23.05.5"} == {done, dark}
    assert after[untouched].make == before[untouched].make
    assert after[untouched].boot_id == before[untouched].boot_id
    assert upgraded.follow(after, known), "the dark one has a boot of its own by now"
    assert not upgraded.follow(after, known)


def test_another_city_or_a_torn_file_knows_of_no_upgrade(tmp_path: Path) -> None:
    assert upgraded.load(tmp_path, ME) == {}
    upgraded.write(tmp_path, [2, 40], {"a": upgraded.Upgraded("1", "r1", "1.0", 1, "")})
    assert upgraded.load(tmp_path, ME) == {}
    (tmp_path / upgraded.FILE).write_text('[[1, 40], {"a": {"version"')
    assert upgraded.load(tmp_path, ME) == {}
