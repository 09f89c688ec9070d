"""A console in front of a lab, in a folder of its own: configuration, store, inventory, signed catalogue, engine."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from console.compose import open_nodes
from console.config import load
from device_drivers import known_hosts
from local_store import nodes, rollouts
from local_store.db import Store
from local_store.keys import signing_key, store_key
from local_store.records import Node
from local_store.rollout_rows import NodeRow, RolloutRow
from local_store.sqlite import Connection
from playbooks.firmware import decisions, observe, shelf, signing, trust
from playbooks.firmware.books import Hook, Ports, no_hook
from playbooks.firmware.planning import Limits, make
from playbooks.firmware.service import Rollouts
from tests.lab import flash, images
from tests.lab.lab import Lab, until
from tests.lab.tree import DUAL, MODEL_NAMES, SINGLE

QUICK = Limits(backup_age_s=0, flash_s=8, margin_s=5, soak_s=1, prove_s=15, wave_soak_s=0, probe_s=0, retry_s=2,
               max_batch=6, canaries=1, shares=(100.0,), failure_pct=10.0, last_gateway_agreed=True)  # fmt: skip
CONFIG = """
[store]
directory = "store"
key = "file"

[engine]
poll_interval_s = 5

[snmp.default]
version = "3"
user = "{user}"
auth = "sha256"
auth_password = {{ file = "auth" }}
priv = "aes128"
priv_password = {{ file = "priv" }}

[ssh.default]
key_file = "{key_file}"
known_hosts = "known_hosts"
timeout_s = 2
"""
WIRE = """
[ssh.{name}]
port = {port}
key_file = "{key_file}"
known_hosts = "known_hosts"
timeout_s = 2
"""


def now_ms() -> int:
    """The wall clock, which both sides of every test share."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Console:
    """One console and what it knows."""

    lab: Lab
    base: Path
    store: Store
    service: Future[None] | None = None

    @property
    def trusted(self) -> Path:
        """Where the trust in the catalogue lies; the catalogue itself is a folder in it."""
        return self.store.directory / "firmware"

    @property
    def catalogue(self) -> Path:
        """The signed catalogue."""
        return self.trusted / "catalogue"

    def release(self, content: bytes, boards: Sequence[str] = (SINGLE, DUAL), name: str = "image.bin") -> str:
        """Put an image into the catalogue, signed now; returns its sha256."""
        path = self.base / name
        path.write_bytes(content)
        facts = signing.ImageFacts(images.NEWER, images.NEWER_REVISION, tuple(boards), "1.0", "")
        sha256 = signing.add(self.catalogue, path, facts, now_ms())
        self.sign(now_ms())
        return sha256

    def sign(self, at_ms: int) -> None:
        """Everybody signs what is staged, at this time."""
        for _ in range(2):
            for name in ("anna", "online"):
                signing.sign(self.catalogue, signing.load_key(self.base / name, None), at_ms)

    def plan(self, only: set[str] | None = None, limits: Limits = QUICK, version: str = images.NEWER) -> str:
        """Plan an upgrade, agree to it and start it; returns its id."""
        found = shelf.catalogue(self.trusted, self.catalogue)
        facts = self.store.read(lambda cx: observe.facts(cx, found))
        plan = make(facts, version, limits, now_ms=now_ms(), only=only)
        row = self.store.ops.write(lambda cx: decisions.store_plan(cx, plan, "anna", now_ms()))
        if plan.needs:
            self.decide("approve", row.rollout_id, "bert")
        self.decide("start", row.rollout_id, on_call="tina")
        return row.rollout_id

    def decide(self, what: str, rollout_id: str, actor: str = "anna", **body: object) -> str:
        """What a person decides."""
        asked = {"rollout": rollout_id, **body}
        return self.store.ops.write(lambda cx: decisions.decide(cx, f"rollout.{what}", asked, actor, now_ms()))

    def rollout(self, rollout_id: str) -> RolloutRow:
        """How it stands."""
        return self.store.read(lambda cx: rollouts.expect(cx, rollout_id))

    def rows(self, rollout_id: str) -> dict[str, NodeRow]:
        """How each of its nodes stands."""
        return {row.node_id: row for row in self.store.read(lambda cx: rollouts.nodes(cx, rollout_id))}

    def states(self, rollout_id: str) -> dict[str, str]:
        """Only the states."""
        return {name: row.state for name, row in self.rows(rollout_id).items()}

    def wait(self, rollout_id: str, *states: str, within_s: float = 240.0) -> RolloutRow:
        """Wait until the rollout stands so; a service that ended meanwhile is told at once."""
        until(lambda: self.rollout(rollout_id).state in states or self._ended(), within_s)
        row = self.rollout(rollout_id)
        assert row.state in states, (row.state, row.pause_reason, row.pause_detail, self.states(rollout_id))
        return row

    def _ended(self) -> bool:
        if self.service is None or not self.service.done():
            return False
        self.service.result()
        return True

    def flashed(self, names: Sequence[str]) -> dict[str, int]:
        """How often each node says it was flashed by one operation, at most."""
        logs = {name: [one.op_id for one in self.lab.flash_log(name)] for name in names}
        return {name: max((log.count(op_id) for op_id in log), default=0) for name, log in logs.items()}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The engine's rollout service in this process, for the length of the block."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            self.service = pool.submit(serve, self.base, self.store, stop)
            try:
                yield
            finally:
                stop.set()
            self.service.result(60)


def serve(base: Path, store: Store, stop: threading.Event, hook: Hook = no_hook) -> None:
    """Run the rollout service over the console in `base` until it is told to stop."""
    trusted = store.directory / "firmware"
    with contextlib.closing(open_nodes(load(base / "leitstand.toml"), base, store)) as access:
        signer = signing_key(store.directory, "file")
        ports = Ports(access, shelf.opener(trusted, trusted / "catalogue"), observe.current_graph, signer, hook)
        Rollouts(store, ports, now_ms).run(stop, lambda _: None)


def open_store(base: Path) -> Store:
    """The console's store; several processes may have it open."""
    return Store(base / "store", store_key(base / "store", "file").raw)


@contextlib.contextmanager
def console(lab: Lab, base: Path, wires: Mapping[str, int] | None = None) -> Iterator[Console]:
    """A console that knows every node of the lab and trusts a catalogue of its own, begun now.

    Nodes in `wires` are reached through that port of this machine.
    """
    ports = wires or {}
    base.mkdir(parents=True, exist_ok=True)
    for name, secret in (("auth", flash.SNMP_AUTH), ("priv", flash.SNMP_PRIV)):
        (base / name).write_text(secret)
        (base / name).chmod(0o600)
    shutil.copy(lab.known_hosts, base / "known_hosts")
    text = CONFIG.format(user=flash.SNMP_USER, key_file=lab.key_file)
    for name, port in ports.items():
        text += WIRE.format(name=name, port=port, key_file=lab.key_file)
        shown = known_hosts.confirmed(lab.known_hosts, lab.tree[name].address, 22)[0]
        known_hosts.confirm(base / "known_hosts", "127.0.0.1", port, shown)
    (base / "leitstand.toml").write_text(text)
    store = open_store(base)
    made = Console(lab, base, store)
    try:
        store.ops.write(lambda cx: _inventory(cx, lab, ports))
        _begin(made, now_ms())
        yield made
    finally:
        store.close()


def _inventory(cx: Connection, lab: Lab, ports: Mapping[str, int]) -> None:
    rows = [
        Node(node.name, node.name, "127.0.0.1" if node.name in ports else node.address,
             "mesh" if node.parent else "gateway", uplink=node.parent or "", board_name=node.board,
             model=MODEL_NAMES[node.board], firmware=flash.VERSION, vendor="OpenWrt",
             profile=node.name if node.name in ports else "default")
        for node in lab.tree.nodes
    ]  # fmt: skip
    nodes.upsert_nodes(cx, rows, now_ms())


def _begin(made: Console, at_ms: int) -> None:
    anna, online = (signing.new_key(made.base / name, name, None) for name in ("anna", "online"))
    keys = {"root": [anna], "targets": [anna], "snapshot": [online], "timestamp": [online]}
    signing.begin(made.catalogue, keys, dict.fromkeys(keys, 1), at_ms)
    made.sign(at_ms)
    trust.anchor(made.trusted, (made.catalogue / "metadata/1.root.json").read_bytes())
