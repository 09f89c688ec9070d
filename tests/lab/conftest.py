"""One large lab for all tests that leave its nodes as they found them, and single nodes of it for those that do not."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator

import pytest

from device_drivers import ssh
from device_drivers.capabilities import LinuxNode
from device_drivers.openwrt import OpenWrtNode
from device_drivers.openwrt_config import OpenWrtConfiguration
from tests.contracts.linux_peer import Image, LinuxPeer
from tests.lab import images
from tests.lab.lab import Lab, opened


@pytest.fixture(scope="session")
def city() -> Iterator[Lab]:
    """31 nodes over five hops."""
    with opened(31) as lab:
        yield lab


@pytest.fixture(scope="session")
def leaves(city: Lab) -> deque[str]:
    """Nodes with nothing behind them, the one longest unused first."""
    return deque(name for name in city.names() if not city.tree.children(name))


@pytest.fixture
def leaf(city: Lab, leaves: deque[str]) -> Iterator[str]:
    """One node for this test alone, to be changed as it likes."""
    name = leaves.popleft()
    city.wait_up(name)
    yield name
    city.renew(name)
    leaves.append(name)


@pytest.fixture
def linux_node(city: Lab, leaf: str) -> LinuxPeer:
    """A lab node as the contract's peer."""

    @contextlib.contextmanager
    def opened() -> Iterator[LinuxNode]:
        with ssh.connect(city.target(leaf)) as shell:
            yield OpenWrtNode(shell, OpenWrtConfiguration(shell, leaf))

    newer = images.make()
    return LinuxPeer(
        opened,
        Image(newer, images.NEWER_REVISION),
        Image(images.make(["other,board"]), images.NEWER_REVISION),
        Image(images.tampered(newer), images.NEWER_REVISION),
        lambda: [one.op_id for one in city.flash_log(leaf)],
    )
