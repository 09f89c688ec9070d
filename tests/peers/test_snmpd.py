"""The poller against Debian's snmpd: every algorithm, wrong passwords, a restarted agent."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device_drivers.api import Poll, PollPlan, SnmpCredentials, SnmpTarget
from device_drivers.errors import Refused, Unreachable
from device_drivers.snmp import Poller
from device_drivers.snmp_oids import NODE_PLAN
from tests.peers.snmpd import AUTH_PASSWORD, COMMUNITY, PRIV_PASSWORD, Snmpd, free_udp_port, snmpd

V2C = SnmpCredentials("2c", community=COMMUNITY)


def v3(user: str, auth: str, priv: str | None) -> SnmpCredentials:
    return SnmpCredentials("3", "", user, auth, AUTH_PASSWORD, priv, PRIV_PASSWORD if priv else "")  # type: ignore[arg-type]


SHA1 = v3("sha1aes", "sha1", "aes128")
ALL = [
    V2C,
    v3("md5des", "md5", "des"),
    SHA1,
    v3("sha256aes", "sha256", "aes128"),
    v3("sha512aes256", "sha512", "aes256"),
    v3("sha224aes192", "sha224", "aes192"),
    v3("sha384only", "sha384", None),
]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as running:
        yield running


def poll(
    target: SnmpTarget, poller: Poller | None = None, seen: list[Poll] | None = None, plan: PollPlan = NODE_PLAN
) -> Poll:
    """One poll to its end."""
    polls: list[Poll] = [] if seen is None else seen
    mine = poller or Poller(polls.append, random.Random(1))
    before = len(polls)
    mine.submit(target, plan, 0)
    deadline = time.monotonic() + 20
    while len(polls) == before and time.monotonic() < deadline:
        mine.step(0.2)
    if poller is None:
        mine.close()
    return polls[-1]


def target_of(agent: Snmpd, credentials: SnmpCredentials) -> SnmpTarget:
    return SnmpTarget("ge-bue-0001", "127.0.0.1", agent.port, credentials, timeout_ms=1000, retries=1)


@pytest.mark.parametrize("credentials", ALL, ids=lambda c: c.user or "v2c")
def test_a_node_is_polled_whole(agent: Snmpd, credentials: SnmpCredentials) -> None:
    got = poll(target_of(agent, credentials))
    assert got.error is None
    assert got.scalars[4] == b"peer"
    assert isinstance(got.scalars[0], int)
    names = {row[0] for row in got.rows.values()}
    assert b"lo" in names
    assert all(len(row) == len(NODE_PLAN.columns) for row in got.rows.values())
    assert (got.engine is not None) == (credentials.version == "3")


@pytest.mark.parametrize(
    ("wrong", "evidence"),
    [
        (replace(SHA1, auth_password="not-this-one"), "wrong authentication"),
        (replace(SHA1, user="nobody"), "unknown user"),
        (replace(SHA1, auth=None, priv=None), "security level|error-status"),
    ],
)
def test_wrong_rights_are_refused_at_once_and_say_why(agent: Snmpd, wrong: SnmpCredentials, evidence: str) -> None:
    got = poll(target_of(agent, wrong))
    assert isinstance(got.error, Refused)
    assert any(word in str(got.error) for word in evidence.split("|"))
    assert "not-this-one" not in str(got.error)


def test_a_wrong_privacy_password_does_not_look_like_a_dead_node(agent: Snmpd) -> None:
    got = poll(target_of(agent, replace(SHA1, priv_password="not-this-one")))
    assert isinstance(got.error, Refused | Unreachable)
    assert "privacy password" in str(got.error)


def test_a_wrong_community_and_a_dead_port_are_unreachable(agent: Snmpd) -> None:
    assert isinstance(poll(target_of(agent, replace(V2C, community="wrong"))).error, Unreachable)
    nobody = replace(target_of(agent, V2C), port=free_udp_port(), timeout_ms=200)
    assert isinstance(poll(nobody).error, Unreachable)


def test_a_restarted_agent_is_followed_without_a_failed_poll(tmp_path: Path) -> None:
    polls: list[Poll] = []
    poller = Poller(polls.append, random.Random(1))
    with snmpd(tmp_path / "agent") as first:
        target = target_of(first, SHA1)
        before = poll(target, poller, polls)
    with snmpd(tmp_path / "agent", port=first.port):
        after = poll(target, poller, polls)
    poller.close()
    assert before.error is None
    assert after.error is None
    assert before.engine is not None
    assert after.engine is not None
    assert after.engine.engine_id == before.engine.engine_id
    assert after.engine.boots > before.engine.boots


def test_a_remembered_engine_saves_the_discovery(agent: Snmpd) -> None:
    target = target_of(agent, SHA1)
    first = poll(target)
    assert first.engine is not None
    polls: list[Poll] = []
    poller = Poller(polls.append, random.Random(2), engines={target.node_id: first.engine})
    second = poll(target, poller, polls)
    poller.close()
    assert second.error is None
    assert second.exchanges == first.exchanges - 1


@pytest.mark.parametrize("credentials", [V2C, SHA1], ids=["v2c", "v3"])
def test_a_known_node_is_read_whole_by_one_exchange(agent: Snmpd, credentials: SnmpCredentials) -> None:
    """Without ssCpuIdle, which net-snmp does not have in its first minute; on machines with few interfaces."""
    target, polls = target_of(agent, credentials), list[Poll]()
    plan = replace(NODE_PLAN, scalars=NODE_PLAN.scalars[:-1])
    poller = Poller(polls.append, random.Random(3))
    for _ in range(6):
        poll(target, poller, polls, plan)
    poller.close()
    first, last = polls[0], polls[-1]
    assert [one.error for one in polls] == [None] * 6
    assert last.exchanges == 1 or len(last.rows) > 8
    assert last.scalars[4:7] == first.scalars[4:7]
    assert [row[0] for row in last.rows.values()] == [row[0] for row in first.rows.values()]


def test_an_object_the_agent_lacks_is_missing_in_every_poll(agent: Snmpd) -> None:
    target, polls = target_of(agent, V2C), list[Poll]()
    plan = replace(NODE_PLAN, scalars=(*NODE_PLAN.scalars[:5], (1, 3, 6, 1, 2, 1, 1, 99, 0)))
    poller = Poller(polls.append, random.Random(3))
    for _ in range(5):
        poll(target, poller, polls, plan)
    poller.close()
    assert [one.scalars[4:] for one in polls] == [(b"peer", None)] * 5
    # The agent tells of this machine's interfaces: more than eight need further exchanges.
    assert min(one.exchanges for one in polls) >= 2
    assert len(polls[0].rows) > 8 or {one.exchanges for one in polls} == {2}
