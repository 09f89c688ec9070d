"""Discovery over simulated agents and SSH nodes, shown as a difference against an inventory."""

from __future__ import annotations

import csv
import io
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device_drivers import ssh
from device_drivers.fingerprint import ssh_fingerprint
from device_drivers.simcity import world
from device_drivers.simcity.wired import CREDENTIALS, Wired, description, make_agent
from local_store.records import Node
from mesh_mgmt.discovery import Answer, SeedError, addresses, as_node, compare
from mesh_mgmt.inventory_formats import write_nodes
from playbooks.discovery import HowHard, ask, longest_s
from tests.contracts.shell_city import make, shell_city

CITY = world.build(5, nodes=6, bins=0, stations=0)
QUICK = HowHard(timeout_ms=200, ssh_port=1, per_s=500)


@pytest.fixture(scope="module")
def wired() -> Iterator[Wired]:
    rng = random.Random(5)
    agents = [make_agent(at, mast.node_id, description(mast), mast.ports, rng) for at, mast in enumerate(CITY.masts)]
    agents[5].down = True
    served = Wired(agents, rng)
    stop = threading.Event()
    thread = threading.Thread(target=served.run, args=(stop,))
    thread.start()
    yield served
    stop.set()
    thread.join(5)


def test_what_answers_is_new_changed_gone_or_as_known(wired: Wired) -> None:
    hosts = [host for host, _ in wired.addresses]
    steps: list[tuple[int, int]] = []
    answers = ask(hosts, CREDENTIALS, replace(QUICK, port=wired.addresses[0][1]), lambda *step: steps.append(step))
    assert steps[-1] == (18, 18)
    names = [mast.node_id for mast in CITY.masts]
    inventory = [
        Node(names[0], "as it is", hosts[0], "mesh"),
        Node(names[1], "moved", "10.9.9.9", "mesh"),
        Node("ge-old-0001", "renamed", hosts[2], "mesh"),
        Node(names[5], "silent", hosts[5], "mesh"),
    ]
    found = {one.host: one for one in compare(answers, inventory)}
    assert {host: one.what for host, one in found.items()} == dict(
        zip(hosts, ["same", "changed", "changed", "new", "new", "gone"], strict=True)
    )
    assert found[hosts[1]].fields["address"] == ("10.9.9.9", hosts[1])
    assert found[hosts[2]].fields["name"] == ("renamed", names[2])
    new = found[hosts[3]].answer
    assert new is not None
    assert new.profile in CREDENTIALS
    rows = list(csv.DictReader(io.StringIO(write_nodes([as_node(new)], "csv"))))
    assert [(row["node_id"], row["address"], row["profile"]) for row in rows] == [(names[3], hosts[3], new.profile)]


def test_seeds_are_addresses_and_networks_within_bounds() -> None:
    assert addresses(["10.0.0.1", "10.0.0.0/30", "10.0.0.1"]) == ["10.0.0.1", "10.0.0.2"]
    for wrong in ("10.0.0.0/8", "mast.example"):
        with pytest.raises(SeedError):
            addresses([wrong])


def test_the_estimate_grows_with_what_is_asked() -> None:
    assert longest_s(10, 1, QUICK) < longest_s(1000, 1, QUICK) < longest_s(1000, 3, QUICK)


def test_an_ssh_key_alone_is_somebody() -> None:
    (one,) = compare([Answer("10.0.0.1", 161, ssh_key="SHA256:x")], [])
    assert (one.what, one.host) == ("new", "10.0.0.1")


def test_the_key_a_node_shows_is_read_without_a_login(tmp_path: Path) -> None:
    with shell_city(tmp_path, [make()]) as city:
        (target,) = city.targets
        with ssh.connect(target) as shell:
            trusted = shell.identity()
        assert ssh_fingerprint(target.host, target.port) == trusted
    assert ssh_fingerprint("127.44.0.1", 1, timeout_s=0.2) == ""
