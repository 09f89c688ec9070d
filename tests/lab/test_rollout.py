"""Firmware rollouts over real nodes that meet images and nodes which are not right: refused, and untouched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from device_drivers import ssh
from device_drivers.capabilities import FlashOrder
from device_drivers.openwrt import OpenWrtNode
from device_drivers.openwrt_config import OpenWrtConfiguration
from device_drivers.openwrt_scripts import image_path
from tests.lab import images
from tests.lab.console import QUICK, Console, console, now_ms
from tests.lab.lab import Lab, opened, until
from tests.lab.proxy import proxy
from tests.lab.tree import DUAL, SINGLE

SNAPSHOT_LASTS_MS = 30 * 86_400_000


@pytest.fixture(scope="module")
def field() -> Iterator[Lab]:
    """Ten nodes: five leaves (06 to 10) behind four others and a gateway."""
    with opened(10) as lab:
        yield lab


@pytest.fixture
def mesh(field: Lab) -> Iterator[Lab]:
    """All of them as they were built."""
    yield field
    for name in field.names():
        field.repair(name)
        field.renew(name)
    field.wait_up()


@pytest.fixture
def desk(mesh: Lab, tmp_path: Path) -> Iterator[Console]:
    with console(mesh, tmp_path) as made:
        yield made


def test_nodes_that_are_not_right_are_refused_with_the_reason_and_untouched(mesh: Lab, tmp_path: Path) -> None:
    """Too little memory, another host key, another board, an image for another board, an upload that breaks at 90 %."""
    content = images.make()
    mesh.inside("lab-09", "sed -i \"s/^BOARD=.*/BOARD='lab,swapped'/\" /mtd/hardware")
    before = mesh.boot_id("lab-09")
    mesh.machines.reset("lab-09")
    mesh.wait_reboot("lab-09", before)
    (mesh.folder("lab-06") / "meminfo").write_text(
        "MemTotal: 65536 kB\nMemFree: 4096 kB\nMemAvailable: 4096 kB\nCached: 9 kB\n"
    )
    mesh.inside("lab-08", "rm /etc/dropbear/*_host_key; /etc/init.d/dropbear restart")
    running = {name: mesh.boot_id(name) for name in mesh.names()}
    limits = replace(QUICK, failure_pct=100.0, canaries=5)  # all at once: nobody waits for a proven one
    with (
        proxy(mesh.tree["lab-10"].address, break_after=len(content) * 9 // 10) as wire,
        console(mesh, tmp_path, wires={"lab-10": wire.port}) as desk,
    ):
        desk.release(content, [DUAL], name="dual.bin")
        desk.release(images.make(["lab,other"], size=800_000), [SINGLE], name="single.bin")
        rollout = desk.plan(only={"lab-06", "lab-07", "lab-08", "lab-09", "lab-10"}, limits=limits)
        with desk.running():
            broke = until(lambda: desk.rows(rollout)["lab-10"].tries > 1, 60)
            assert broke, (desk.rollout(rollout).pause_detail, desk.states(rollout))
            assert {name: mesh.boot_id(name) for name in mesh.names()} == running
            assert sum(len(mesh.flash_log(name)) for name in mesh.names()) == 0
            wire.break_after = None
            desk.wait(rollout, "complete_with_exceptions")
        rows = desk.rows(rollout)
    assert {name: (row.state, row.reason) for name, row in rows.items()} == {
        "lab-06": ("refused", "too_little_memory"),
        "lab-07": ("refused", "image_test"),
        "lab-08": ("identity_mismatch", "identity_mismatch"),
        "lab-09": ("identity_mismatch", "identity_mismatch"),
        "lab-10": ("confirmed", ""),
    }
    assert "fwtool_device_match" in rows["lab-07"].detail
    assert "lab,swapped" in rows["lab-09"].detail
    assert {name for name in rows if mesh.flash_log(name)} == {"lab-10"}
    assert {name for name in rows if mesh.boot_id(name) != running[name]} == {"lab-10"}
    assert wire.sent < len(content) * 3 // 2, "the upload went on where it broke off"


def test_a_tampered_image_leaves_no_computer(desk: Console) -> None:
    sha256 = desk.release(images.make())
    rollout = desk.plan()
    for path in desk.trusted.rglob("*image.bin"):
        path.write_bytes(images.tampered(path.read_bytes()))
    assert_untouched(desk, rollout, "tampered")
    assert sha256 == hashlib.sha256(images.make()).hexdigest()


def test_a_catalogue_that_has_expired_stops_everything(desk: Console) -> None:
    desk.release(images.make())
    rollout = desk.plan()
    desk.sign(now_ms() - SNAPSHOT_LASTS_MS - 1000)
    assert_untouched(desk, rollout, "expired")


def assert_untouched(desk: Console, rollout: str, word: str) -> None:
    with desk.running():
        paused = desk.wait(rollout, "paused")
    assert paused.pause_reason == "image"
    assert word in paused.pause_detail
    assert set(desk.states(rollout).values()) == {"pending"}
    assert sum(len(desk.lab.flash_log(name)) for name in desk.lab.names()) == 0


def test_two_who_hold_one_operation_flash_once(mesh: Lab) -> None:
    """A technician's laptop and the console send the same operation in the same moment: the node decides."""
    content, op_id = images.make(), "01a2-lease"
    sha256 = hashlib.sha256(content).hexdigest()
    with ssh.connect(mesh.target("lab-10")) as shell:
        assert shell.run(f"mkdir -p /tmp/leitstand/{op_id}; cat > {image_path(op_id)}", stdin=content).exit_status == 0
        node = OpenWrtNode(shell, OpenWrtConfiguration(shell, "lab-10"))
        order = FlashOrder(op_id, image_path(op_id), sha256, node.boot().boot_id, node.board().revision)

    def send(_: int) -> str:
        with ssh.connect(mesh.target("lab-10")) as shell:
            return OpenWrtNode(shell, OpenWrtConfiguration(shell, "lab-10")).flash(order)

    before = mesh.boot_id("lab-10")
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(send, range(4)))
    mesh.wait_reboot("lab-10", before)
    assert sorted(outcomes) == ["fence_held", "fence_held", "fence_held", "sent"]
    assert [one.op_id for one in mesh.flash_log("lab-10")] == [op_id]
    assert send(0) == "other_boot"
