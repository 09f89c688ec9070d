"""Which driver opens a node, by its vendor; each is loaded when it is first needed. Opens nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final, Protocol

from device_drivers.capabilities import LinuxNode
from device_drivers.errors import Unsupported
from device_drivers.ssh import Shell, SshTarget

GROUP: Final = "leitstand.drivers"
"""Entry points of other distributions: name = vendor in lower case, object = a Driver."""


class Shells(Protocol):
    """Where a driver gets open shells from."""

    def shell(self, target: SshTarget) -> AbstractContextManager[Shell]:
        """An open shell on this node, for the length of the block."""

    def place(self, target: SshTarget) -> AbstractContextManager[None]:
        """Only a place under the bound on connections, for a driver that connects by itself."""


Driver = Callable[[SshTarget, Shells, Callable[[str], None]], AbstractContextManager[LinuxNode]]
"""(who and where, shells, log of real calls) -> the open node."""

BUILT_IN: Final = {
    "": "device_drivers.openwrt:opened",
    "openwrt": "device_drivers.openwrt:opened",
    "mikrotik": "device_drivers.vendors.routeros:opened",
    "ubiquiti": "device_drivers.vendors.airos:opened",
    "edgeos": "device_drivers.vendors.edgeos:opened",
}
"""Vendor in lower case -> driver. A node without a vendor is taken for an OpenWrt-like one."""
EDGE_MODELS: Final = ("edge", "er-", "ep-")
"""Ubiquiti's wired routers run EdgeOS, its radios airOS."""


def driver_for(node_id: str, vendor: str, model: str = "") -> Driver:
    """The driver of this vendor's nodes. Unsupported when there is none."""
    key = vendor.strip().lower()
    if key == "ubiquiti" and model.strip().lower().startswith(EDGE_MODELS):
        key = "edgeos"
    place = BUILT_IN.get(key)
    if place is not None:
        return _loaded(place)
    for found in entry_points(group=GROUP, name=key):
        driver: Driver = found.load()
        return driver
    known = ", ".join(sorted(name for name in BUILT_IN if name))
    raise Unsupported(node_id, f"there is no SSH driver for {vendor!r}; there are: {known}")


@cache
def _loaded(place: str) -> Driver:
    module, _, name = place.partition(":")
    driver: Driver = getattr(import_module(module), name)
    return driver
