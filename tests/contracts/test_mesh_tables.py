"""Simulated agents tell of their neighbours over SNMP, and both ends of every link agree with the city's map."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Container, Iterator

import pytest

from device_drivers import mesh_tables
from device_drivers.api import Poll, PollPlan, SnmpTarget
from device_drivers.simcity import world
from device_drivers.simcity.mesh import Neighbourhood
from device_drivers.simcity.wired import CREDENTIALS, Wired, description, make_agent
from device_drivers.snmp import Poller
from local_store.records import Node
from mesh_mgmt.health import HealthLimits
from mesh_mgmt.links import Links, Outcome, Report

CITY = world.build(3, nodes=90, bins=0, stations=0)


@pytest.fixture(scope="module")
def wired() -> Iterator[Wired]:
    rng = random.Random(3)
    agents = [make_agent(at, mast.node_id, description(mast), mast.ports, rng) for at, mast in enumerate(CITY.masts)]
    Neighbourhood(CITY, agents)
    served = Wired(agents, rng)
    stop = threading.Event()
    thread = threading.Thread(target=served.run, args=(stop,))
    thread.start()
    yield served
    stop.set()
    thread.join(5)


def ask(wired: Wired, plan: PollPlan, whom: Container[str]) -> dict[str, Poll]:
    polls: dict[str, Poll] = {}
    poller = Poller(lambda poll: polls.__setitem__(poll.node_id, poll), random.Random(1))
    asked = [one for one in zip(CITY.masts, wired.addresses, strict=True) if one[0].node_id in whom]
    for at, (mast, (host, port)) in enumerate(asked):
        profile = CREDENTIALS["demo-v3" if at % 2 else "demo-v2c"]
        poller.submit(SnmpTarget(mast.node_id, host, port, profile), plan, 0)
    deadline = time.monotonic() + 20
    while len(polls) < len(asked) and time.monotonic() < deadline:
        poller.step(0.05)
    poller.close()
    assert not [poll for poll in polls.values() if poll.error]
    return polls


def reports(wired: Wired) -> list[Report]:
    interfaces = ask(wired, mesh_tables.INTERFACES_PLAN, {mast.node_id for mast in CITY.masts})
    known = {node: mesh_tables.identity(poll) for node, poll in interfaces.items()}
    found = {node: (list[object](), dict(one.macs)) for node, one in known.items()}
    plans = {node: mesh_tables.plans_for(one.object_id) for node, one in known.items()}
    for plan in (*mesh_tables.MAKERS_PLANS, mesh_tables.EXTEND_PLAN, mesh_tables.LLDP_PLAN):
        for node, poll in ask(wired, plan, {node for node, own in plans.items() if plan in own}).items():
            sound, odd = mesh_tables.without_odd(plan, poll)
            seen, macs, _clients, _tells = mesh_tables.heard(plan, sound, known[node])
            assert not odd
            found[node][0].extend(seen)
            found[node][1].update(macs)
    return [Report(node, 1000, macs, seen) for node, (seen, macs) in found.items()]  # type: ignore[arg-type]


def digested(links: Links, told: list[Report]) -> list[Outcome]:
    return [links.take(one) for one in told]


def test_every_link_of_the_city_is_found_with_both_ends(wired: Wired) -> None:
    links = Links(HealthLimits())
    links.set_nodes(Node(mast.node_id, mast.node_id, "127.0.0.1", mast.role) for mast in CITY.masts)
    told = reports(wired)
    digested(links, told)
    outcomes = digested(links, told)
    found = links.links()
    assert {(one.a, one.b, one.band) for one in found} == {(*sorted((one.a, one.b)), one.band) for one in CITY.links}
    assert all(one.state == "up" and not one.conflict and one.quality_pct is not None for one in found)
    assert all(one.a_ifname and one.b_ifname for one in found)
    told = {source for one in found for source in one.source.split("+")}
    assert told == {"80211s", "batadv", "routeros", "airos", "af60", "cnwave"}
    assert not [end for one in outcomes for end in one.unknown]
    quality = {frozenset((one.a, one.b)): one.quality_pct for one in CITY.links}
    assert all(abs((one.quality_pct or 0) - quality[frozenset((one.a, one.b))]) < 15 for one in found)


def test_a_dead_node_is_heard_by_nobody() -> None:
    rng = random.Random(3)
    agents = [make_agent(at, mast.node_id, description(mast), mast.ports, rng) for at, mast in enumerate(CITY.masts)]
    around = Neighbourhood(CITY, agents)
    link = CITY.links[0]
    assert link.b in {one.other for one in around.heard_by(link.a)}
    around.agents[link.b].down = True
    assert link.b not in {one.other for one in around.heard_by(link.a)}


def test_a_faded_node_is_heard_worse() -> None:
    rng = random.Random(3)
    agents = [make_agent(at, mast.node_id, description(mast), mast.ports, rng) for at, mast in enumerate(CITY.masts)]
    around = Neighbourhood(CITY, agents)
    link = max(CITY.links, key=lambda one: one.quality_pct)
    before = around.quality_pct(link, link.a, 0.0)
    around.faded.add(link.b)
    assert around.quality_pct(link, link.a, 0.0) < before - 30
