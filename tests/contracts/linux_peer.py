"""What the contract of a Linux-like node needs to know of the peer under test: how to open it, its images, its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from device_drivers.capabilities import LinuxNode
from device_drivers.errors import DriverError


@dataclass(frozen=True, slots=True)
class Image:
    """One image file and the revision a node reports when it runs it."""

    body: bytes
    revision: str


@dataclass(frozen=True, slots=True)
class LinuxPeer:
    """One node under test. `flashes` reads the node's own record of upgrades let loose, one operation id each."""

    open: Callable[[], AbstractContextManager[LinuxNode]]
    newer: Image
    foreign: Image
    tampered: Image
    flashes: Callable[[], Sequence[str]]
    within_s: float = 60.0

    def until_open(self, good: Callable[[LinuxNode], bool], what: str) -> None:
        """Open the node again and again until it is reached and `good`."""
        deadline = time.monotonic() + self.within_s
        seen = "nothing"
        while time.monotonic() < deadline:
            try:
                with self.open() as node:
                    if good(node):
                        return
                    seen = "not yet so"
            except DriverError as error:
                seen = str(error)
            time.sleep(0.05)
        raise AssertionError(f"{what}: not within {self.within_s} s; last: {seen}")
