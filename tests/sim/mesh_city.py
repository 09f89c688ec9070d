"""A few simulated agents on loopback with links of one's own choosing, beside a real store."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device_drivers.simcity.mesh import Neighbourhood
from device_drivers.simcity.wired import Agent, Wired, make_agent
from device_drivers.simcity.world import Band, Mast, RadioLink, World
from local_store import nodes
from local_store.db import Store
from local_store.records import Node

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class MeshCity:
    """The store and the agents by node id."""

    store: Store
    agents: dict[str, Agent]
    around: Neighbourhood


@contextmanager
def mesh_city(
    directory: Path,
    gateways: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    uplinks: dict[str, str] | None = None,
    bands: Mapping[tuple[str, str], Band] | None = None,
    vendors: Mapping[str, str] | None = None,
) -> Iterator[MeshCity]:
    """Agents for every node named in `pairs`, serving until the end; the inventory is in the store."""
    names = sorted({name for pair in pairs for name in pair} | set(gateways))
    world = World(
        1,
        tuple(_mast(name, name in gateways, (vendors or {}).get(name, "OpenWrt")) for name in names),
        tuple(RadioLink(a, b, (bands or {}).get((a, b), "5"), 80) for a, b in pairs),
        (),
        (),
    )
    rng = random.Random(5)
    agents = [make_agent(at, name, "OpenWrt 23.05.3 test", 8, rng) for at, name in enumerate(names)]
    around = Neighbourhood(world, agents)
    wired = Wired(agents, rng)
    stop = threading.Event()
    thread = threading.Thread(target=wired.run, args=(stop,))
    thread.start()
    store = Store(directory, None)
    rows = [
        Node(name, name, host, "gateway" if name in gateways else "mesh", port=port, profile="demo-v2c",
             uplink=(uplinks or {}).get(name, ""))
        for name, (host, port) in zip(names, wired.addresses, strict=True)
    ]  # fmt: skip
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, rows, 1))
    try:
        yield MeshCity(store, dict(zip(names, agents, strict=True)), around)
    finally:
        stop.set()
        thread.join(5)
        store.close()


def _mast(name: str, is_gateway: bool, vendor: str) -> Mast:
    role = "gateway" if is_gateway else "mesh"
    return Mast(name, "Buer", role, vendor, "test", "23.05.3", 51.5, 7.0, "", 6, secure=False)  # type: ignore[arg-type]


@contextmanager
def serving(run: Callable[[threading.Event, Callable[[object], None]], None]) -> Iterator[None]:
    """A service in a thread of its own, stopped at the end; its failure fails the test."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def body() -> None:
        try:
            run(stop, lambda _: None)
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failed.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
    if failed:
        raise failed[0]


def until(
    condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S, seen: Callable[[], object] = lambda: ""
) -> None:
    """Wait for a condition with a deadline; `seen` is asked what there was instead."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {patience_s:g} s: {what}; {seen()}"
        threading.Event().wait(0.05)
