"""Nodes in virtual time for tests of configuration and provisioning: the real driver over virtual nodes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from device_drivers.capabilities import LinuxNode
from device_drivers.errors import Unreachable
from device_drivers.openwrt import OpenWrtNode
from device_drivers.openwrt_config import OpenWrtConfiguration
from device_drivers.simcity.openwrt import Make, Times, VirtualNode
from local_store import intents, nodes
from local_store.db import Store
from local_store.records import Node
from mesh_mgmt import graph
from mesh_mgmt.uci_change import Key, flat
from mesh_mgmt.uci_text import Value, parse
from playbooks.configuration import backups, planning, policy, push, service
from tests.sim.rollout_fleet import MemoryShell

START_MS = 1_800_000_000_000


class Crash(BaseException):
    """The process is gone at this point."""


@dataclass
class Fleet:
    """`uplinks` is the tree; gateways have ""."""

    uplinks: dict[str, str]
    now_ms: int = START_MS
    nodes: dict[str, VirtualNode] = field(default_factory=dict)
    commands: list[tuple[str, str]] = field(default_factory=list)
    garble: Callable[[str, bytes], bytes] = lambda _command, stdin: stdin
    after: Callable[[str, str], None] = lambda _node, _verb: None

    def __post_init__(self) -> None:
        for number, name in enumerate(self.uplinks):
            kind = Make(name, "acme,ap5", "Acme AP5", "23.05.3", "r23809", f"SN{number:04}")
            self.nodes[name] = VirtualNode(kind, lambda: self.now_ms / 1000, 1, Times(1.0, 20.0))

    def inventory(self) -> list[Node]:
        return [
            Node(name, name, f"10.0.0.{at}", "mesh" if up else "gateway", uplink=up, vendor="openwrt", model="Acme AP5")
            for at, (name, up) in enumerate(self.uplinks.items(), 1)
        ]

    @contextlib.contextmanager
    def open_node(self, name: str) -> Iterator[LinuxNode]:
        if not self.nodes[name].awake() or self.nodes[name].cut_off:
            raise Unreachable(name, "no answer")
        shell = Told(self, name)
        yield OpenWrtNode(shell, OpenWrtConfiguration(shell, name))

    def running(self, name: str) -> dict[Key, Value]:
        return flat(parse(service_read(self.nodes[name])))

    def applied(self, name: str) -> int:
        return sum(one == name and verb == "config-apply" for one, verb in self.commands)


def service_read(node: VirtualNode) -> str:
    """The node's files, whoever can reach it."""
    prefix = "/etc/config/"
    return "".join(
        f"package {path[len(prefix) :]}\n{bytes(body).decode()}\n"
        for path, body in sorted(node.files.items())
        if path.startswith(prefix)
    )


class Told(MemoryShell):
    """Remembers what it sent and lets a test spoil it."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        super().__init__(fleet.nodes[name], "SHA256:x")
        self._fleet = fleet

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float = 30.0) -> Any:
        verb = command.split()[2] if command.startswith(": leitstand") else command.split(maxsplit=1)[0]
        self._fleet.commands.append((self.node_id, verb))
        ran = super().run(command, stdin=self._fleet.garble(command, stdin), timeout_s=timeout_s)
        self._fleet.after(self.node_id, verb)
        return ran


class Passing(threading.Event):
    """Waiting lets the fleet's time pass."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        self._fleet = fleet

    def wait(self, timeout: float | None = None) -> bool:
        self._fleet.now_ms += int((timeout or 0) * 1000)
        return self.is_set()


class CrashingStore:
    """The store until its n-th write, which still happens."""

    def __init__(self, store: Store, writes: int) -> None:
        self._store = store
        self._left = writes
        self.ops = self
        self.read = store.read

    def write(self, fn: Callable[[Any], Any]) -> Any:
        result = self._store.ops.write(fn)
        self._left -= 1
        if self._left < 0:
            raise Crash
        return result


@dataclass
class Desk:
    """What a person and the engine do with the fleet."""

    store: Store
    fleet: Fleet
    directory: Any

    def __post_init__(self) -> None:
        self.store.ops.write(lambda cx: nodes.upsert_nodes(cx, self.fleet.inventory(), START_MS))
        for node in self.fleet.inventory():
            backups.take(self.store, self.fleet.open_node, node, cause="asked", actor="mk", now_ms=START_MS)

    def templates(self, text: str, name: str = "global.toml") -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def ask(self, *names: str, budget: int = 1) -> str:
        """Look at the difference, then ask for the push; returns its run."""
        book = policy.load(self.directory)
        found = [planning.propose(self.store, book, self.node(name), resolve) for name in names]

        def queue(cx: Any) -> str:
            plan = planning.plan(
                cx, graph.live(self.fleet.inventory(), []), found, revert_after_s=60, budget=budget, why="test"
            )
            grant = intents.WriteGrant("mk", "network", self.fleet.now_ms + 1000)
            return service.queue_push(cx, grant, "config.push", plan, now_ms=self.fleet.now_ms)

        intent_id = self.store.ops.write(queue)
        service.execute(self.store, self.fleet.now_ms)
        intent = self.store.read(lambda cx: intents.get_intent(cx, intent_id))
        assert intent is not None
        assert intent.state == "done", intent.result
        return intent.result

    def node(self, name: str) -> Node:
        return next(one for one in self.fleet.inventory() if one.node_id == name)

    def go_on(self, store: Any = None) -> str:
        """What the engine does with the open push."""
        (run,) = service.open_runs(self.store)
        ports = push.Ports(store or self.store, self.fleet.open_node, lambda: self.fleet.now_ms, Passing(self.fleet))
        return push.carry_out(ports, run)


def resolve(reference: Any, what: str) -> str:
    return f"secret of {reference}"
