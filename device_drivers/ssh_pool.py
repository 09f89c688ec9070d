"""Open shells kept for reuse: one per node at a time, a bound on all, idle ones closed. Used from several threads."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from device_drivers.errors import Unreachable
from device_drivers.ssh import Shell, SshTarget, connect

ALIVE: Final = ": leitstand alive"
TRUST_S: Final = 2.0
"""A shell unused for longer is tried with a no-op first: its node may have rebooted, and what is sent into a dead
connection has an unknown outcome."""

Connect = Callable[[SshTarget, Callable[[str], None]], AbstractContextManager[Shell]]


@dataclass(slots=True)
class _Kept:
    """One open shell and what closes it."""

    target: SshTarget
    shell: Shell
    closing: contextlib.ExitStack
    used_s: float
    busy: bool = True


class ShellPool:
    """Hands out shells; whoever asks for a busy node or beyond the bound waits for its turn."""

    def __init__(
        self,
        log: Callable[[str, str], None] = lambda _node, _line: None,
        *,
        most: int = 64,
        idle_s: float = 60.0,
        wait_s: float = 300.0,
        connect: Connect = connect,
    ) -> None:
        self._log = log
        self._most = most
        self._idle_s = idle_s
        self._wait_s = wait_s
        self._connect = connect
        self._changed = threading.Condition()
        self._kept: dict[str, _Kept | None] = {}
        self._closed = False

    @contextlib.contextmanager
    def shell(self, target: SshTarget) -> Iterator[Shell]:
        """An open shell on this node, for the length of the block. Raises what `connect` raises."""
        kept = self._take(target)
        try:
            if kept is None:
                kept = self._open(target)
            yield kept.shell
        finally:
            self._give_back(target.node_id, kept)

    @contextlib.contextmanager
    def place(self, target: SshTarget) -> Iterator[None]:
        """Only a place under the bound, for a driver that connects by itself."""
        kept = self._take(target)
        try:
            yield
        finally:
            self._give_back(target.node_id, kept)

    def open_shells(self) -> int:
        """Connections open now or being opened."""
        with self._changed:
            return len(self._kept)

    def close_idle(self) -> None:
        """Close what nobody used for a while."""
        with self._changed:
            limit_s = time.monotonic() - self._idle_s
            self._drop([one for one in self._kept.values() if one and not one.busy and one.used_s <= limit_s])

    def close(self) -> None:
        """Close every shell that is not in use, and those in use when they are given back; nobody gets one any more."""
        with self._changed:
            self._closed = True
            self._drop([one for one in self._kept.values() if one and not one.busy])
            self._changed.notify_all()

    def _take(self, target: SshTarget) -> _Kept | None:
        """Reserve the node's place; its shell if a good one is open. Raises Unreachable when the wait is too long."""
        deadline = time.monotonic() + self._wait_s
        with self._changed:
            while not self._reserve(target.node_id):
                if self._closed:
                    raise Unreachable(target.node_id, "no connections are opened any more")
                if not self._changed.wait(deadline - time.monotonic()):
                    raise Unreachable(target.node_id, f"no connection was free within {self._wait_s:g} s")
            kept = self._kept.get(target.node_id)
            if kept is None:
                self._kept[target.node_id] = None
                return None
            kept.busy = True
        if self._is_good(kept, target):
            return kept
        kept.closing.close()
        with self._changed:
            self._kept[target.node_id] = None
        return None

    def _reserve(self, node_id: str) -> bool:
        """Whether this caller may have the node now, closing the longest unused shell of another where it must."""
        if self._closed:
            return False
        if node_id in self._kept:
            kept = self._kept[node_id]
            return kept is not None and not kept.busy
        if len(self._kept) < self._most:
            return True
        idle = [one for one in self._kept.values() if one is not None and not one.busy]
        if not idle:
            return False
        self._drop([min(idle, key=lambda one: one.used_s)])
        return True

    def _is_good(self, kept: _Kept, target: SshTarget) -> bool:
        if kept.target != target or not kept.shell.alive():
            return False
        if time.monotonic() - kept.used_s < TRUST_S:
            return True
        try:
            return kept.shell.run(ALIVE, timeout_s=target.timeout_s).exit_status == 0
        except Unreachable:
            return False

    def _open(self, target: SshTarget) -> _Kept:
        node_id = target.node_id
        with contextlib.ExitStack() as stack:
            shell = stack.enter_context(self._connect(target, lambda line: self._log(node_id, line)))
            kept = _Kept(target, shell, stack.pop_all(), time.monotonic())
        with self._changed:
            self._kept[node_id] = kept
        return kept

    def _give_back(self, node_id: str, kept: _Kept | None) -> None:
        with self._changed:
            if kept is None:
                del self._kept[node_id]
            elif self._closed or not kept.shell.alive():
                self._drop([kept])
            else:
                kept.busy, kept.used_s = False, time.monotonic()
            self._changed.notify_all()
        self.close_idle()

    def _drop(self, gone: list[_Kept]) -> None:
        for one in gone:
            del self._kept[one.target.node_id]
            one.closing.close()
