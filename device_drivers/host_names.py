"""Finds numeric addresses of host names beside the polling thread. Only this module asks the resolver.

A resolver may block for seconds, and a poller that waits for it asks nobody; so a name is looked up in a thread of
its own, again every ten minutes, and the last answer counts until there is a new one.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

AGAIN_S: Final = 600.0
RETRY_S: Final = 30.0


def first_address(name: str) -> str | None:
    """The resolver's first IPv4 address, else its first: many agents listen on IPv4 alone. None without any."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except (OSError, ValueError):  # ValueError: a name no resolver may be asked for
        return None
    return str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])


def is_numeric(host: str) -> bool:
    """Whether there is nothing to look up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class HostNames:
    """Looks names up, keeps the answers. `closed` ends its thread."""

    def __init__(
        self,
        look_up: Callable[[str], str | None] = first_address,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up = look_up
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[str, str | None] = {}
        self._due: dict[str, float] = {}
        self._wanted: SimpleQueue[str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def numeric(self, name: str) -> str | None:
        """The address of a name as far as it is known now; None while it is not, and when there is none."""
        now = self._clock()
        with self._lock:
            if now >= self._due.get(name, 0.0):
                self._due[name] = now + AGAIN_S
                self._wanted.put(name)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="host names", daemon=True)
                    self._thread.start()
            return self._found.get(name)

    def failed(self, name: str) -> bool:
        """Whether the resolver has no address for it; False as long as it was not asked."""
        with self._lock:
            return name in self._found and self._found[name] is None

    def close(self) -> None:
        """End the thread after the look-up it is at."""
        self._wanted.put(None)

    def _run(self) -> None:
        while (name := self._wanted.get()) is not None:
            address = self._look_up(name)
            with self._lock:
                if address is not None or name not in self._found:
                    self._found[name] = address
                if address is None:
                    self._due[name] = self._clock() + RETRY_S
