"""The simulated node as the contract's peer."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_drivers import ssh
from device_drivers.capabilities import LinuxNode
from device_drivers.openwrt import OpenWrtNode, WithoutConfiguration
from device_drivers.simcity import images
from device_drivers.simcity.openwrt import Make, Times, VirtualNode
from device_drivers.simcity.shell import Place, ShellServer, host_key, write_client_key
from tests.contracts.linux_peer import Image, LinuxPeer

MAKE = Make("ge-bue-0001", "glinet,gl-ax1800", "GL.iNet GL-AX1800", "23.05.3", "r23809-234f1a2efa", "SIM000001")


@pytest.fixture
def linux_node(tmp_path: Path) -> Iterator[LinuxPeer]:
    """One simulated node behind its SSH server."""
    node = VirtualNode(MAKE, time.monotonic, times=Times(0.2, 0.4))
    server = ShellServer({"127.0.0.1": Place(node, host_key(1, MAKE.node_id))}, write_client_key(tmp_path, 1))
    server.write_known_hosts(tmp_path / "known_hosts")
    target = ssh.SshTarget(
        MAKE.node_id, "127.0.0.1", tmp_path / "known_hosts", server.port, key_file=tmp_path / "ssh-key"
    )

    @contextlib.contextmanager
    def opened() -> Iterator[LinuxNode]:
        with ssh.connect(target) as shell:
            yield OpenWrtNode(shell, WithoutConfiguration(MAKE.node_id))

    newer = images.make([MAKE.board_name], "23.05.5", "r24106-10cc5fcd00", size=900_000)
    foreign = images.make(["other,board"], "23.05.5", "r24106-10cc5fcd00")
    peer = LinuxPeer(
        opened,
        Image(newer, "r24106-10cc5fcd00"),
        Image(foreign, "r24106-10cc5fcd00"),
        Image(newer[:-1] + bytes([newer[-1] ^ 1]), "r24106-10cc5fcd00"),
        lambda: tuple(node.flashes),
    )
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        yield peer
    finally:
        stop.set()
        thread.join(10)
