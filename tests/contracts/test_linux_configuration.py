"""The contract of a node whose configuration is changed with confirm-or-revert. Knows no simulator."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from device_drivers.capabilities import LinuxNode
from device_drivers.errors import Refused, Stale
from mesh_mgmt.uci_change import Key, commands, flat, overlay, unmeant
from mesh_mgmt.uci_text import Tree, parse
from tests.contracts.linux_peer import LinuxPeer

HOSTNAME = Key("system", "@system[0]", "hostname")


def op() -> str:
    return uuid.uuid4().hex


def running(node: LinuxNode) -> Tree:
    found = node.read_config()
    assert found.complete
    return parse(found.text)


def named(name: str) -> Callable[[LinuxNode], bool]:
    return lambda node: flat(running(node))[HOSTNAME] == name and node.pending_config() is None


def renamed(node: LinuxNode, name: str, op_id: str, revert_after_s: int = 120) -> None:
    now = running(node)
    wanted = commands(now, overlay(now, {HOSTNAME: name}))
    assert unmeant(wanted, node.stage_config(op_id, wanted)) == []
    node.apply_config(op_id, revert_after_s)


def test_a_confirmed_change_stays(linux_node: LinuxPeer) -> None:
    op_id = op()
    with linux_node.open() as node:
        renamed(node, "kept", op_id)
        assert node.pending_config() == op_id
    linux_node.until_open(lambda node: node.pending_config() == op_id, "the changed node")
    with linux_node.open() as node:
        node.confirm_config(op_id)
        node.confirm_config(op_id)
        assert named("kept")(node)
        with pytest.raises(Stale):
            node.revert_config(op_id)


def test_an_unconfirmed_change_goes_back_by_itself(linux_node: LinuxPeer) -> None:
    op_id = op()
    with linux_node.open() as node:
        before = str(flat(running(node))[HOSTNAME])
        renamed(node, "forgotten", op_id, revert_after_s=1)
    linux_node.until_open(named(before), "the node as it was")
    with linux_node.open() as node, pytest.raises(Stale):
        node.confirm_config(op_id)


def test_a_person_can_go_back_at_once(linux_node: LinuxPeer) -> None:
    op_id = op()
    with linux_node.open() as node:
        before = str(flat(running(node))[HOSTNAME])
        renamed(node, "regretted", op_id)
        node.revert_config(op_id)
    linux_node.until_open(named(before), "the node as it was")


def test_a_second_change_is_refused_while_one_waits(linux_node: LinuxPeer) -> None:
    op_id = op()
    with linux_node.open() as node:
        renamed(node, "first", op_id)
        with pytest.raises(Refused):
            node.stage_config(op(), ["set system.@system[0].hostname='second'"])
        node.revert_config(op_id)


def test_nothing_staged_nothing_applied(linux_node: LinuxPeer) -> None:
    with linux_node.open() as node:
        with pytest.raises(Stale):
            node.apply_config(op(), 60)
        assert node.pending_config() is None


def test_bad_lines_show_in_what_the_node_says(linux_node: LinuxPeer) -> None:
    op_id = op()
    wanted = ["set system.@system[0].hostname='x'", "set nowhere_at_all.x.y='1'"]
    with linux_node.open() as node:
        told = node.stage_config(op_id, wanted)
        assert unmeant(wanted, told) == ["not taken: nowhere_at_all.x.y"]
        node.revert_config(op_id)
