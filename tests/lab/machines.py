"""Keeps the nodes of one lab running: each in namespaces of its own, again when it ends. Never outlives its owner."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import threading
import time
import uuid
from pathlib import Path

from tests.lab import base, wires
from tests.lab.tree import Tree

RESTART_S, SLOW_S = 0.2, 4.0
"""How long a node stays dark between two boots, and with an image of the mode `slow`."""
TMP_KIB = 64 * 1024
BOOT = Path(__file__).parent / "boot.sh"


class Machines(threading.Thread):
    """The power supply. One thread starts all processes: the kernel ends them with it, whatever ends us."""

    def __init__(self, tree: Tree, home: Path) -> None:
        super().__init__(name="lab-machines", daemon=True)
        self.tree = tree
        self.home = home
        self._changed = threading.Condition()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._due: dict[str, float] = {}
        self._off = {node.name for node in tree.nodes}
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._bell_out, self._bell = os.pipe()
        self._selector.register(self._bell_out, selectors.EVENT_READ, "")

    def node(self, name: str) -> Path:
        """Everything of one node that is no namespace."""
        return self.home / "nodes" / name

    def on(self, *names: str) -> None:
        """Give nodes power; returns before they are up. A bricked one has nothing to start."""
        with self._changed:
            for name in names:
                self._off.discard(name)
                if name not in self._running and not (self.node(name) / "mtd/bricked").exists():
                    self._due[name] = time.monotonic()
        self._ring()

    def off(self, name: str, silent: bool = False) -> None:
        """Take the power away; `silent` takes the links first, so that nobody is told."""
        with self._changed:
            self._off.add(name)
            self._due.pop(name, None)
        self._end(name, silent)
        with self._changed:
            assert self._changed.wait_for(lambda: name not in self._running, 10), f"{name} does not end"

    def reset(self, name: str) -> None:
        """Power off and on: what a watchdog does."""
        self._end(name, silent=False)

    def is_on(self, name: str) -> bool:
        """Whether its process 1 runs."""
        with self._changed:
            return name in self._running

    def init_pid(self, name: str) -> int:
        """Process 1 of the node as the host counts it."""
        with self._changed:
            parent = self._running[name].pid
        return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])

    def up(self, name: str) -> bool:
        """Whether this boot has started all services."""
        mark = self.node(name) / "mtd/up"
        with contextlib.suppress(FileNotFoundError):
            return self.is_on(name) and mark.read_text() == (self.node(name) / "boot_id").read_text()
        return False

    def close(self) -> None:
        """End all nodes and wait for them."""
        with self._changed:
            self._closing = True
            self._due.clear()
            running = list(self._running.values())
        for process in running:
            process.kill()
        self._ring()
        self.join(30)
        # Only now: a ring after the end would otherwise reach whoever has the number next.
        self._selector.close()
        os.close(self._bell_out)
        os.close(self._bell)

    def run(self) -> None:
        """Start what is due, notice what ended."""
        while not (self._closing and not self._running):
            with self._changed:
                waits = [at - time.monotonic() for at in self._due.values()]
            for key, _ in self._selector.select(max(0.0, min(waits)) if waits else None):
                if key.data:
                    self._ended(key.data, key.fd)
                else:
                    os.read(self._bell_out, 1024)
            with self._changed:
                due = [name for name, at in self._due.items() if at <= time.monotonic()]
            for name in due:
                self._start(name)

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._bell, b"!")

    def _end(self, name: str, silent: bool) -> None:
        with self._changed:
            process = self._running.get(name)
        if process is not None:
            if silent:
                wires.darken(self.tree, self.tree[name])
            process.kill()

    def _start(self, name: str) -> None:
        node = self.node(name)
        (node / "boot_id").write_text(f"{uuid.uuid4()}\n")
        uptime_s = int(float(Path("/proc/uptime").read_text().split()[0]))
        inside = ["nsenter", f"--net={wires.NAMED / wires.space(self.tree.number, self.tree[name])}"]
        fresh = ["unshare", "-m", "-p", "-u", "-i", "-f", "--kill-child", "-T", "--boottime", str(-uptime_s)]
        boot = ["sh", BOOT, node, self.home / "lower", str(TMP_KIB), base.python_prefix()]
        with self._changed:
            if self._due.pop(name, None) is None or name in self._off or self._closing:
                return
            with (node / "boot.log").open("wb") as log:
                command = ["setpriv", "--pdeathsig", "KILL", *inside, *fresh, *boot]
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self._running[name] = process
        self._selector.register(os.pidfd_open(process.pid), selectors.EVENT_READ, name)

    def _ended(self, name: str, watched: int) -> None:
        self._selector.unregister(watched)
        os.close(watched)
        if not self._closing:
            wires.darken(self.tree, self.tree[name])
        node = self.node(name)
        slow = node / "mtd/slow"
        with self._changed:
            self._running.pop(name).wait()
            if not (self._closing or name in self._off or (node / "mtd/bricked").exists()):
                self._due[name] = time.monotonic() + (SLOW_S if slow.exists() else RESTART_S)
            self._changed.notify_all()
        slow.unlink(missing_ok=True)
