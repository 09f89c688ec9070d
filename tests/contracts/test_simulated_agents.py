"""Simulated agents as our poller and Debian's tools see them, well and in trouble."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import replace

import pytest

from device_drivers.api import Poll, SnmpTarget
from device_drivers.errors import Unreachable
from device_drivers.simcity.wired import AUTH_PASSWORD, COMMUNITY, PRIV_PASSWORD, USER
from device_drivers.snmp import Poller
from device_drivers.snmp_oids import NODE_PLAN
from tests.conftest import require_peer
from tests.contracts.city import target, wired_city


def poll_all(targets: list[SnmpTarget], poller: Poller | None = None, polls: list[Poll] | None = None) -> list[Poll]:
    """One poll of each, in the order they ended."""
    found: list[Poll] = [] if polls is None else polls
    mine = poller or Poller(found.append, random.Random(1))
    wanted = len(found) + len(targets)
    for one in targets:
        mine.submit(one, NODE_PLAN, 0)
    deadline = time.monotonic() + 20
    while len(found) < wanted and time.monotonic() < deadline:
        mine.step(0.1)
    if poller is None:
        mine.close()
    return found[wanted - len(targets) :]


@pytest.mark.parametrize("profile", ["demo-v2c", "demo-v3"])
def test_every_agent_answers_for_itself(profile: str) -> None:
    with wired_city(60) as (world, wired):
        polls = poll_all([target(world, wired, at, profile) for at in range(60)])
    assert {poll.error for poll in polls} == {None}
    assert {poll.node_id: poll.scalars[4] for poll in polls} == {m.node_id: m.node_id.encode() for m in world.masts}
    ports = {mast.node_id: mast.ports for mast in world.masts}
    assert all(len(poll.rows) == ports[poll.node_id] for poll in polls)
    assert all(None not in row for poll in polls for row in poll.rows.values())
    if profile == "demo-v3":
        assert len({poll.engine.engine_id for poll in polls if poll.engine}) == 60


def test_a_reboot_is_followed_within_one_poll() -> None:
    with wired_city(3) as (world, wired):
        polls: list[Poll] = []
        poller = Poller(polls.append, random.Random(1))
        poll_all([target(world, wired, 0)], poller, polls)
        wired.agents[0].reboot(wired.now_s())
        poll_all([target(world, wired, 0)], poller, polls)
        poller.close()
    before, after = polls
    assert after.error is None
    assert before.engine is not None
    assert after.engine is not None
    assert after.engine.boots == before.engine.boots + 1
    assert after.scalars[-1] is None, "ssCpuIdle does not exist right after a start"


def test_loss_is_bridged_by_retries_and_a_dead_node_is_unreachable() -> None:
    with wired_city(30) as (world, wired):
        for agent in wired.agents[:29]:
            agent.loss_pct = 25.0
        wired.agents[29].down = True
        polls = poll_all([target(world, wired, at, timeout_ms=150, retries=8) for at in range(30)])
    failed = [poll for poll in polls if poll.error is not None]
    assert [poll.node_id for poll in failed] == [world.masts[29].node_id]
    assert isinstance(failed[0].error, Unreachable)


def test_other_senders_are_not_believed() -> None:
    with wired_city(2) as (world, wired):
        one, other = target(world, wired, 0, "demo-v2c"), target(world, wired, 1, "demo-v2c")
        swapped = replace(one, host=other.host)
        polls = poll_all([swapped, other])
    assert {poll.scalars[4] for poll in polls} == {world.masts[1].node_id.encode()}


def test_net_snmp_reads_the_same_agents() -> None:
    get, walk = require_peer("snmpget"), require_peer("snmpbulkwalk")
    with wired_city(3) as (world, wired):
        host, port = wired.addresses[2]
        v2c = [get, "-v2c", "-c", COMMUNITY, "-Oqv", f"{host}:{port}", "1.3.6.1.2.1.1.5.0"]
        v3 = [walk, "-v3", "-l", "authPriv", "-u", USER, "-a", "SHA", "-A", AUTH_PASSWORD, "-x", "AES"]
        v3 += ["-X", PRIV_PASSWORD, "-Oqv", f"{host}:{port}", "1.3.6.1.2.1.31.1.1.1.1"]
        name = subprocess.run(v2c, capture_output=True, text=True, check=True).stdout
        ports = subprocess.run(v3, capture_output=True, text=True, check=True).stdout
        end = subprocess.run([*v2c[:-1], "1.3.6.1.2.1.1.99.0"], capture_output=True, text=True, check=True).stdout
    assert world.masts[2].node_id in name
    assert ports.split()[:3] == ["lo", "eth0", "wlan0"] or ports.split()[0] == '"lo"'
    assert "No Such Instance" in end
