"""What a node prints becomes facts, and a city's own words are understood by its own driver."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

from device_drivers import openwrt_scripts as scripts
from device_drivers.capabilities import FlashOrder
from device_drivers.errors import Garbled
from device_drivers.openwrt_parse import board_facts, boot_facts, image_verdict, neighbours_seen, own_macs, sections
from device_drivers.simcity.fleet import openwrt_nodes
from device_drivers.simcity.openwrt import Times
from device_drivers.simcity.openwrt_verbs import execute
from device_drivers.simcity.world import build


def address(node_id: str, band: str) -> str:
    """One for each interface, out of its names."""
    return "02:" + hashlib.sha256(f"{node_id} {band}".encode()).digest()[:5].hex(":")


def test_the_city_hears_each_link_at_both_ends_once() -> None:
    world = build(3, 60)
    nodes = openwrt_nodes(world, lambda: 100.0, lambda *_: True, Times(), address)
    parts = {node_id: sections(execute(node, scripts.neighbours()).stdout.decode()) for node_id, node in nodes.items()}
    owner = {mac: node_id for node_id, one in parts.items() for mac in own_macs(one).values()}
    assert len(owner) == sum(len(own_macs(one)) for one in parts.values())
    for node_id, one in parts.items():
        links = [link for link in world.links if node_id in (link.a, link.b)]
        seen = neighbours_seen(node_id, one)
        assert sorted(found.band for found in seen) == sorted(link.band for link in links)
        for found in seen:
            assert found.local_mac in own_macs(one).values()
            assert found.quality_pct is not None
            assert (found.signal_dbm is None) == (found.band == "wired")
            other = owner.get(found.remote_mac)
            assert other is None or any({link.a, link.b} == {node_id, other} for link in links)


def test_who_is_down_is_not_heard() -> None:
    world = build(3, 60)
    nodes = openwrt_nodes(world, lambda: 100.0, lambda *_: False, Times(), address)
    for node_id, node in nodes.items():
        assert neighbours_seen(node_id, sections(execute(node, scripts.neighbours()).stdout.decode())) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"board_name": "x"}', '{"release": 3, "board_name": "x"}', "\x00"])
def test_half_an_answer_is_garbled(text: str) -> None:
    with pytest.raises(Garbled):
        board_facts("n", text)
    with pytest.raises(Garbled):
        boot_facts("n", text)


def test_a_verdict_that_does_not_say_yes_is_no() -> None:
    assert not image_verdict("n", '{"tests": {"fwtool_signature": 1}, "valid": "true"}').valid
    assert image_verdict("n", '{"tests": {"a": true}, "valid": true}').tests == {"a": True}


@pytest.mark.parametrize("op_id", ["", "..", "a/b", "a b", "$(reboot)", "-rf", "a" * 65, "a\n"])
def test_no_operation_id_reaches_a_shell_unchecked(op_id: str) -> None:
    for make in (scripts.prepare, scripts.staged, scripts.fence, lambda one: scripts.sweep([one])):
        with pytest.raises(ValueError, match="operation id"):
            make(op_id)


def test_scripts_are_sound_shell_and_quote_what_they_are_given() -> None:
    order = FlashOrder("op1", "/tmp/it's $(x).bin", "ab", "boot'id", "r1 '$(reboot)'", keep_config=False)
    shell = shutil.which("dash") or "/bin/sh"
    every = [
        scripts.board(), scripts.boot(), scripts.neighbours(), scripts.prepare("op1"), scripts.part("/a b"),
        scripts.receive("/tmp/a 'b'", "ab", 10, 3), scripts.staged("op1"), scripts.test_image("/tmp/it's"),
        scripts.flash(order), scripts.fence("op1"), scripts.sweep(["op1", "op2"]), scripts.sweep([]),
    ]  # fmt: skip
    for script in every:
        assert script.startswith(": leitstand ")
        assert "-F" not in script
        done = subprocess.run([shell, "-n", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    refused = subprocess.run([shell, "-c", scripts.flash(order)], capture_output=True, check=False)
    assert refused.returncode == scripts.OTHER_BOOT
