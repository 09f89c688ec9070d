"""The watch against Debian's snmpd: nodes by host name, nodes that are not there, nodes that leave."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

import pytest

from device_drivers.api import SnmpCredentials
from local_store import alerts, nodes
from local_store.db import Store
from local_store.records import Node
from mesh_mgmt.health import HealthLimits
from playbooks.watch import Watch, WatchSettings
from tests.conftest import KEY
from tests.peers.snmpd import COMMUNITY, Snmpd, free_udp_port, snmpd

WAIT_S = 30
THIS_MACHINE = frozenset({"interface_down"})
"""Why the peer may warn: it tells of this machine's interfaces, and others come and go with what runs beside."""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as running:
        yield running


def now_ms() -> int:
    return int(time.time() * 1000)


class Running:
    """A watch in its thread, as the engine runs it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        # The peer tells of the machine the tests keep busy: its load and round trips are no business of these tests.
        unhurried = HealthLimits(thresholds={})
        settings = WatchSettings(interval_s=1, timeout_ms=1000, retries=1, limits=unhurried)
        rights = {"default": SnmpCredentials("2c", COMMUNITY)}
        self.watch = Watch(store, rights, settings, now_ms, random.Random(1), SimpleQueue())
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch.run, args=(self.stop, lambda detail: None))
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)

    def states(self) -> dict[str, str]:
        found = self.store.telemetry.write(nodes.load_states)
        return {node_id: "ok" if state.cause in THIS_MACHINE else state.state for node_id, state in found.items()}

    def down(self) -> set[str]:
        return {alert.entity_id for alert in self.store.read(alerts.open_alerts) if alert.kind == "down"}

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < deadline, (self.states(), self.down())
            self.stop.wait(0.05)


@contextlib.contextmanager
def watched(directory: Path, agent: Snmpd) -> Iterator[Running]:
    inventory = [
        Node("named", "named", "localhost", "mesh", port=agent.port),
        Node("dead", "dead", "127.0.0.1", "mesh", port=free_udp_port()),
        Node("nowhere", "nowhere", "no-such-host.invalid", "mesh"),
    ]
    with contextlib.closing(Store(directory, KEY)) as store:
        store.ops.write(lambda cx: nodes.upsert_nodes(cx, inventory, now_ms()))
        found = Running(store)
        try:
            yield found
        finally:
            found.end()


@pytest.fixture(scope="module")
def watches(tmp_path_factory: pytest.TempPathFactory, agent: Snmpd) -> Iterator[Sequence[Running]]:
    """One for each test, all under way: until a node counts as down takes many polls."""
    base = tmp_path_factory.mktemp("watches")
    with watched(base / "one", agent) as one, watched(base / "other", agent) as other:
        yield one, other


def test_a_node_is_polled_by_its_host_name_and_one_without_an_address_is_down(watches: Sequence[Running]) -> None:
    running = watches[0]
    expected = {"named": "ok", "dead": "down", "nowhere": "down"}
    running.until(lambda: running.states() == expected)
    running.until(lambda: running.down() == {"dead", "nowhere"})
    state = running.store.telemetry.write(nodes.load_states)["nowhere"]
    assert b"no-such-host.invalid has no address" in state.calls


def test_a_node_that_leaves_takes_its_alert_along(watches: Sequence[Running]) -> None:
    running = watches[1]
    running.until(lambda: running.down() == {"dead", "nowhere"})
    running.store.ops.write(lambda cx: nodes.retire_nodes(cx, ["dead"], now_ms()))
    running.until(lambda: running.down() == {"nowhere"})
