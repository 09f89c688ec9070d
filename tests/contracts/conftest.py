"""The simulated node as the contract's peer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_drivers import ssh
from device_drivers.capabilities import LinuxNode
from device_drivers.openwrt import OpenWrtNode
from device_drivers.openwrt_config import OpenWrtConfiguration
from device_drivers.simcity import images
from tests.contracts.linux_peer import Image, LinuxPeer
from tests.contracts.shell_city import make, shell_city

NEXT = "r24106-10cc5fcd00"


@pytest.fixture
def linux_node(tmp_path: Path) -> Iterator[LinuxPeer]:
    """One simulated node behind its SSH server."""
    with shell_city(tmp_path, [make()]) as city:
        (node,), (target,) = city.nodes, city.targets

        @contextlib.contextmanager
        def opened() -> Iterator[LinuxNode]:
            with ssh.connect(target) as shell:
                yield OpenWrtNode(shell, OpenWrtConfiguration(shell, target.node_id))

        newer = images.make([node.make.board_name], "23.05.5", NEXT, size=900_000)
        foreign = images.make(["other,board"], "23.05.5", NEXT)
        tampered = newer[:-1] + bytes([newer[-1] ^ 1])
        flashes = lambda: tuple(node.flashes)  # noqa: E731
        yield LinuxPeer(opened, Image(newer, NEXT), Image(foreign, NEXT), Image(tampered, NEXT), flashes)
