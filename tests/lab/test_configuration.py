"""Configurations pushed to real nodes: what is confirmed stays; what cuts the management link goes back by itself."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from console.compose import open_nodes
from console.config import load
from device_drivers import ssh
from device_drivers.capabilities import OpenNode
from device_drivers.errors import DriverError
from device_drivers.openwrt import OpenWrtNode
from device_drivers.openwrt_config import OpenWrtConfiguration
from local_store import configs, journal, nodes
from mesh_mgmt import graph
from mesh_mgmt.uci_change import Key, flat
from mesh_mgmt.uci_text import parse
from playbooks.configuration import backups, planning, policy, push, service
from tests.lab.console import Console, console, now_ms
from tests.lab.lab import Lab, until

CUTS_OFF = ["set network.lan.gateway='198.18.0.9'"]
HOSTNAME = Key("system", "@system[0]", "hostname")


@pytest.fixture
def desk(city: Lab, tmp_path: Path) -> Iterator[Console]:
    with console(city, tmp_path) as made:
        yield made


@contextlib.contextmanager
def way_in(desk: Console) -> Iterator[OpenNode]:
    with contextlib.closing(open_nodes(load(desk.base / "leitstand.toml"), desk.base, desk.store)) as access:
        yield access


def pushed(desk: Console, name: str, template: str, open_node: OpenNode, revert_after_s: int) -> dict[str, str]:
    """Back the node up, propose what the template says, push it; returns why its steps ended, "" for well."""
    templates = desk.base / "templates"
    templates.mkdir()
    (templates / "global.toml").write_text(template)
    node = desk.store.read(lambda cx: nodes.get_node(cx, name))
    assert node is not None
    backups.take(desk.store, open_node, node, cause="asked", actor="anna", now_ms=now_ms())
    proposal = planning.propose(desk.store, policy.load(templates), node, lambda _: "")
    plan = desk.store.ops.write(
        lambda cx: planning.plan(
            cx, graph.live([node], []), [proposal], revert_after_s=revert_after_s, budget=1, why="a test"
        )
    )
    run_id = desk.store.ops.write(lambda cx: push.create(cx, plan, "anna", now_ms()))
    (run,) = service.open_runs(desk.store)
    ports = push.Ports(desk.store, open_node, now_ms, threading.Event(), pause_s=0.5, grace_s=20, settle_s=3)
    push.carry_out(ports, run)
    steps = desk.store.read(lambda cx: journal.steps_of(cx, run_id))
    return {step.name: json.loads(step.evidence or "{}").get("why", "") for step in steps}


def test_a_push_is_confirmed_over_a_new_connection_and_stays(desk: Console, leaf: str) -> None:
    with way_in(desk) as open_node:
        ends = pushed(desk, leaf, "[uci.wireless.radio0]\nchannel = 44\n", open_node, 60)
        assert ends == {f"apply {leaf}": "", f"confirm {leaf}": ""}
        before = desk.lab.boot_id(leaf)
        desk.lab.machines.reset(leaf)
        desk.lab.wait_reboot(leaf, before)
        with open_node(leaf) as node:
            assert flat(parse(node.read_config().text))[Key("wireless", "radio0", "channel")] == "44"
    history = desk.store.read(lambda cx: configs.history(cx, leaf))
    assert [one.cause for one in history] == ["after_push", "asked"]


def test_a_push_that_cuts_the_link_is_undone_by_a_reboot_inside_the_window(desk: Console, leaf: str) -> None:
    lab, before = desk.lab, desk.lab.boot_id(leaf)

    def reboots() -> None:
        assert until(lambda: "198.18.0.9" in lab.inside(leaf, "ip route"), 60)
        assert not answers(lab, leaf)
        lab.machines.reset(leaf)

    with way_in(desk) as open_node, ThreadPoolExecutor(1) as pool:
        watching = pool.submit(reboots)
        ends = pushed(desk, leaf, "[uci.network.lan]\ngateway = '198.18.0.9'\n", open_node, 300)
        watching.result(60)
    assert ends[f"apply {leaf}"] == ""
    assert "went back by itself" in ends[f"confirm {leaf}"]
    assert lab.boot_id(leaf) != before
    assert lab.inside(leaf, "uci get network.lan.gateway").strip() == lab.tree[leaf].uplink.peer_address


def test_a_change_that_cuts_the_link_goes_back_when_its_time_is_over(city: Lab, leaf: str) -> None:
    with ssh.connect(city.target(leaf)) as shell:
        node = OpenWrtNode(shell, OpenWrtConfiguration(shell, leaf))
        node.stage_config("op-1", CUTS_OFF)
        node.apply_config("op-1", 4)
    assert until(lambda: "198.18.0.9" in city.inside(leaf, "ip route"))
    assert not answers(city, leaf)
    assert until(lambda: answers(city, leaf), 40)
    with ssh.connect(city.target(leaf)) as shell:
        assert OpenWrtConfiguration(shell, leaf).pending_config() is None


def answers(lab: Lab, name: str) -> bool:
    try:
        with ssh.connect(lab.target(name, timeout_s=1)) as shell:
            return shell.run("true", timeout_s=2).exit_status == 0
    except DriverError:
        return False
