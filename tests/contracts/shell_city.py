"""Simulated nodes behind their SSH server inside the test's own process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from device_drivers import ssh
from device_drivers.simcity.openwrt import Make, Times, VirtualNode
from device_drivers.simcity.shell import CLIENT_KEY, KNOWN_HOSTS, Place, ShellServer, write_client_key

REVISION = "r23809-234f1a2efa"


def make(number: int = 1, **other: object) -> Make:
    """One of several nodes of a kind."""
    node_id, serial = f"ge-bue-{number:04}", f"SIM{number:06}"
    board = ("glinet,gl-ax1800", "GL.iNet GL-AX1800")
    return Make(node_id, *board, "23.05.3", REVISION, serial, **other)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ShellCity:
    """The nodes, and how a driver reaches each."""

    nodes: tuple[VirtualNode, ...]
    targets: tuple[ssh.SshTarget, ...]
    server: ShellServer


@contextlib.contextmanager
def shell_city(directory: Path, makes: list[Make], seed: int = 1) -> Iterator[ShellCity]:
    """Serve until the end of the block; the keys are confirmed in `directory`/known_hosts."""
    nodes = tuple(VirtualNode(one, time.monotonic, seed, Times(0.2, 0.4)) for one in makes)
    hosts = [f"127.44.0.{number + 1}" for number in range(len(nodes))]
    places = {host: Place(node, seed) for host, node in zip(hosts, nodes, strict=True)}
    server = ShellServer(places, write_client_key(directory, seed))
    server.write_known_hosts(directory / KNOWN_HOSTS)
    key = directory / CLIENT_KEY
    targets = tuple(
        ssh.SshTarget(one.make.node_id, host, directory / KNOWN_HOSTS, server.port, key_file=key)
        for host, one in zip(hosts, nodes, strict=True)
    )
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        yield ShellCity(nodes, targets, server)
    finally:
        stop.set()
        thread.join(10)
