"""A fleet in virtual time for rollout tests: the real driver over virtual nodes, a tree whose paths carry or do not."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device_drivers.capabilities import LinuxNode, NeighbourSeen, Progress, Ran
from device_drivers.errors import Garbled, Refused, Unreachable
from device_drivers.known_hosts import HostKey, HostKeyChanged
from device_drivers.openwrt import OpenWrtNode
from device_drivers.openwrt_config import OpenWrtConfiguration
from device_drivers.simcity import images
from device_drivers.simcity.openwrt import Make, Times, VirtualNode
from device_drivers.simcity.openwrt_verbs import execute
from local_store import configs, nodes
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.records import Node
from local_store.rollout_rows import RolloutRow
from local_store.sqlite import Connection
from mesh_mgmt.catalogue import Image
from mesh_mgmt.topology import Topology
from playbooks.firmware import decisions, observe
from playbooks.firmware.books import Hook, Ports, no_hook
from playbooks.firmware.planning import Limits, make
from playbooks.firmware.runner import Runner
from playbooks.firmware.shelf import ImageRefused

OLD, NEW = ("23.05.3", "r23809"), ("23.05.5", "r24106")
START_MS = 1_800_000_000_000
QUICK = Limits(flash_s=60, margin_s=30, soak_s=20, prove_s=20, wave_soak_s=10, probe_s=5, retry_s=10, max_batch=6,
               canaries=1, second_person_over=1000, failure_pct=10.0)  # fmt: skip


class Crash(BaseException):
    """The process is gone at this point."""


class Inline(Executor):
    """Runs each job at once, in order: the same seed gives the same course of events."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except StoreRefused as error:
            done.set_exception(error)
        return done


class MemoryShell:
    """Commands into a virtual node without a wire."""

    def __init__(self, node: VirtualNode, key: str) -> None:
        self._node = node
        self._key = key
        self._generation = node.generation

    @property
    def node_id(self) -> str:
        return self._node.make.node_id

    def identity(self) -> str:
        return self._key

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float = 30.0) -> Ran:
        return execute(self._node, command, stdin, self._generation)

    def upload(self, source: BinaryIO, size: int, sha256: str, path: str, progress: Progress | None = None) -> None:
        ran = self.run(f": leitstand receive {path} {sha256} {size} 0\n", stdin=source.read())
        if ran.exit_status is None:
            raise Unreachable(self.node_id, "upload broke off")
        if ran.exit_status != 0:
            raise Garbled(self.node_id, "another hash") if ran.stdout else Refused(self.node_id, "no room")


class FleetNode(OpenWrtNode):
    """The driver, with neighbours from the fleet's links."""

    def __init__(self, shell: MemoryShell, seen: Callable[[], Sequence[NeighbourSeen]]) -> None:
        super().__init__(shell, OpenWrtConfiguration(shell, shell.node_id))
        self._seen = seen

    def neighbours(self) -> Sequence[NeighbourSeen]:
        self.boot()
        return self._seen()


@dataclass
class Fleet:
    """`uplinks` is the tree; gateways have "". A node answers when it and all above it are awake and we are online."""

    uplinks: dict[str, str]
    content: bytes = b""
    boards: dict[str, str] = field(default_factory=dict)
    banks: int = 1
    seed: int = 1
    now_ms: int = START_MS
    online: bool = True
    cut: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)
    withheld: str = ""
    quiet: set[str] = field(default_factory=set)
    no_login: set[str] = field(default_factory=set)
    others: dict[str, bytes] = field(default_factory=dict)
    nodes: dict[str, VirtualNode] = field(default_factory=dict)

    def __post_init__(self) -> None:
        times = Times(until_dark_s=1.0, reboot_s=20.0)
        for number, name in enumerate(self.uplinks):
            board = self.boards.setdefault(name, "acme,ap5")
            kind = Make(name, board, board, *OLD, f"SN{number:04}", banks=self.banks)
            self.nodes[name] = VirtualNode(kind, lambda: self.now_ms / 1000, self.seed, times)
        self.content = self.content or images.make(sorted(set(self.boards.values())), *NEW, size=500)

    @property
    def image(self) -> Image:
        header = images.read(self.content)
        assert header is not None
        return Image(images.hashlib.sha256(self.content).hexdigest(), *NEW, tuple(header.boards), len(self.content),
                     expires_ms=START_MS + 90 * 86_400_000, name="image.bin")  # fmt: skip

    def answers(self, name: str) -> bool:
        """Awake, and so is everything on its way to us."""
        here = name
        while here:
            if here in self.cut or not self.nodes[here].awake():
                return False
            here = self.uplinks[here]
        return self.online

    @contextlib.contextmanager
    def open_node(self, name: str) -> Iterator[LinuxNode]:
        if not self.answers(name):
            raise Unreachable(name, "no answer")
        if name in self.no_login:
            raise Refused(name, "no login")
        key = self.keys.get(name, f"SHA256:{name}")
        if key != f"SHA256:{name}":
            raise HostKeyChanged(name, HostKey("ed25519", "AAAA"), HostKey("ed25519", "BBBB"))
        yield FleetNode(MemoryShell(self.nodes[name], key), lambda: self._heard(name))

    def _heard(self, name: str) -> list[NeighbourSeen]:
        pairs = [*self.uplinks.items(), *((up, node) for node, up in self.uplinks.items())]
        far = [two for one, two in pairs if one == name and two and name not in self.quiet]
        return [NeighbourSeen("iwinfo", "wlan0", "", "", "5", remote_name=one, signal_dbm=-60.0) for one in far]

    @contextlib.contextmanager
    def open_image(self, sha256: str, now_ms: int) -> Iterator[BinaryIO]:
        if self.withheld or now_ms >= self.image.expires_ms:
            raise ImageRefused(sha256, self.withheld or "expired", self.withheld)
        yield io.BytesIO(self.others.get(sha256, self.content))

    def topology(self, cx: Connection) -> Topology:
        return observe.mesh(nodes.all_nodes(cx), [], [], [])

    def ports(self, hook: Hook = no_hook) -> Ports:
        def ask(names: Sequence[str]) -> set[str]:
            return set(filter(self.answers, names))

        return Ports(self.open_node, self.open_image, self.topology, SIGNER, hook, ask)

    def flashes(self) -> dict[str, list[str]]:
        """The operations every node was flashed by, as the nodes themselves remember."""
        return {name: node.flashes for name, node in self.nodes.items() if node.flashes}

    def runs_new(self) -> set[str]:
        return {name for name, node in self.nodes.items() if node.awake() and node.make.version == NEW[0]}


SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def tree(count: int, gateways: int = 2, fan_out: int = 3) -> dict[str, str]:
    """A tree: gateways, then every node under one that came before it."""
    names = [f"g{number}" for number in range(gateways)]
    uplinks = dict.fromkeys(names, "")
    for number in range(count - gateways):
        name = f"n{number:02}"
        uplinks[name] = (names + [f"n{other:02}" for other in range(number)])[number // fan_out]
    return uplinks


def planned(store: Store, fleet: Fleet, limits: Limits = QUICK, only: set[str] | None = None) -> RolloutRow:
    """The inventory in the store, and a rollout of everything that waits for its start."""
    rows = [
        Node(name, name, "127.0.0.1", "gateway" if not up else "mesh", uplink=up, board_name=fleet.boards[name],
             model=fleet.boards[name], firmware=OLD[0])
        for name, up in fleet.uplinks.items()
    ]  # fmt: skip
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, rows, fleet.now_ms))
    store.ops.write(lambda cx: backed_up(cx, fleet, fleet.uplinks))
    facts = store.read(lambda cx: observe.facts(cx, [fleet.image]))
    plan = make(facts, NEW[0], limits, now_ms=fleet.now_ms, only=only)
    row = store.ops.write(lambda cx: decisions.store_plan(cx, plan, "anna", fleet.now_ms))
    if plan.needs:
        decide(store, fleet, "approve", row.rollout_id, "bert")
    return row


def backed_up(cx: Connection, fleet: Fleet, names: Iterable[str]) -> None:
    """What the configuration service leaves behind."""
    for name in names:
        configs.add_backup(cx, name, "config system", "uci", cause="daily", actor="", now_ms=fleet.now_ms)


def decide(store: Store, fleet: Fleet, what: str, rollout_id: str, actor: str = "anna", **body: object) -> str:
    """What a person asked for, done at once."""
    asked = {"rollout": rollout_id, **({"on_call": "tina"} if what == "start" else {}), **body}
    return store.ops.write(lambda cx: decisions.decide(cx, f"rollout.{what}", asked, actor, fleet.now_ms))


def runner(store: Store, fleet: Fleet, hook: Hook = no_hook) -> Runner:
    """A fresh engine over the same store."""
    return Runner(store, fleet.ports(hook), lambda: fleet.now_ms, Inline())


def go(run: Runner, fleet: Fleet, until: Callable[[], bool], step_ms: int = 2_000, limit_ms: int = 7_200_000) -> None:
    """Tick in virtual time until something is so; fails when it never is."""
    end_ms = fleet.now_ms + limit_ms
    while not until():
        assert fleet.now_ms < end_ms, "it never came to it"
        fleet.now_ms += step_ms
        run.tick()
