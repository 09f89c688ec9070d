"""A small simulated city inside the test's own process."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator

from device_drivers.api import SnmpTarget
from device_drivers.simcity.wired import CREDENTIALS, Wired, description, make_agent
from device_drivers.simcity.world import World, build


@contextlib.contextmanager
def wired_city(nodes: int = 20) -> Iterator[tuple[World, Wired]]:
    """Agents that answer until the end of the block."""
    world = build(7, nodes, bins=5, stations=2)
    rng = random.Random(7)
    agents = [make_agent(at, m.node_id, description(m), m.ports, rng) for at, m in enumerate(world.masts)]
    wired = Wired(agents, rng)
    stop = threading.Event()
    thread = threading.Thread(target=wired.run, args=(stop,))
    thread.start()
    try:
        yield world, wired
    finally:
        stop.set()
        thread.join(10)


def target(world: World, wired: Wired, at: int, profile: str = "demo-v3", **other: int) -> SnmpTarget:
    """The poller's view of one node of the city."""
    host, port = wired.addresses[at]
    return SnmpTarget(world.masts[at].node_id, host, port, CREDENTIALS[profile], **other)
