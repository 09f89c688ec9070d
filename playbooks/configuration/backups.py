"""Backups of every node: once a day, spread over the day, and soon after a notice. A standing playbook."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device_drivers.capabilities import OpenNode
from device_drivers.errors import DriverError, Garbled
from local_store import configs, nodes, sensing
from local_store.configs import Cause, Look
from local_store.db import Store
from local_store.errors import BodyDamaged
from local_store.records import Node
from local_store.sqlite import Connection
from mesh_mgmt.compliance import RuleError
from mesh_mgmt.config_text import NotStored, form_of, normalised, refuse_shrunk
from mesh_mgmt.desired import DesiredError, Resolve
from playbooks.configuration import policy as policies
from playbooks.configuration.policy import Policy

STEP_S: Final = 5.0
WORKERS: Final = 8
RETRY_MS: Final = 30 * 60_000
NOTICE_AGAIN_MS: Final = 10 * 60_000
DAY_MS: Final = 86_400_000
Report = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How often, and where templates and rules lie (None: nowhere)."""

    interval_ms: int = DAY_MS
    directory: Path | None = None


def read_node(open_node: OpenNode, node: Node) -> str:
    """The node's running configuration in its one spelling. Raises the five driver errors, or NotStored."""
    with open_node(node.node_id) as there:
        found = there.read_config()
    if not found.complete:
        raise Garbled(node.node_id, f"its configuration broke off after {len(found.text)} characters")
    return normalised(found.text, form_of(node.vendor))


def take(
    store: Store,
    open_node: OpenNode,
    node: Node,
    *,
    cause: Cause,
    actor: str,
    now_ms: int,
    accept_smaller: bool = False,
) -> configs.Backup | None:
    """Read a node and keep a new version, if there is one; a failure is noted and raised.

    Raises DriverError or NotStored.
    """
    try:
        text = read_node(open_node, node)
        if not accept_smaller:
            refuse_shrunk(store.read(lambda cx: _newest(cx, node.node_id)), text)
    except (DriverError, NotStored) as error:
        reason = str(error)
        store.ops.write(lambda cx: configs.look(cx, node.node_id, now_ms, reason))
        raise
    form = form_of(node.vendor)

    def write(cx: Connection) -> configs.Backup | None:
        return configs.add_backup(cx, node.node_id, text, form, cause=cause, actor=actor, now_ms=now_ms)

    return store.ops.write(write)


def _newest(cx: Connection, node_id: str) -> str | None:
    """The newest version to compare with; a damaged one says nothing against the next."""
    last = configs.last_backup(cx, node_id)
    try:
        return None if last is None else configs.body(cx, last.sha256)
    except BodyDamaged:
        return None


def due(
    inventory: Iterable[Node], looks: Mapping[str, Look], noticed: Mapping[str, int], interval_ms: int, now_ms: int
) -> list[tuple[Node, Cause]]:
    """Whose turn it is. Each node has its own moment in the interval; a failed one is tried again sooner."""
    found: list[tuple[Node, Cause]] = []
    for node in inventory:
        look = looks.get(node.node_id)
        if look is None:
            found.append((node, "daily"))
            continue
        notice_ms = noticed.get(node.node_id, 0)
        if look.tried_ms < notice_ms and now_ms - look.tried_ms >= NOTICE_AGAIN_MS:
            found.append((node, "notice"))
        elif look.failure:
            if now_ms - look.tried_ms >= min(RETRY_MS, interval_ms):
                found.append((node, "daily"))
        elif look.tried_ms < _slot(node.node_id, interval_ms, now_ms):
            found.append((node, "daily"))
    return found


def _slot(node_id: str, interval_ms: int, now_ms: int) -> int:
    """The last moment that is this node's own: the same in every interval, spread evenly over the nodes."""
    offset = zlib.crc32(node_id.encode()) % interval_ms
    return now_ms - (now_ms - offset) % interval_ms


class Backups:
    """One run of the service."""

    def __init__(
        self, store: Store, open_node: OpenNode, settings: Settings, resolve: Resolve, now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._open_node = open_node
        self._settings = settings
        self._resolve = resolve
        self._now_ms = now_ms
        self._policy = Policy()
        self._stamp: object = None
        self._told: dict[str, object] = {"taken": 0, "failed": 0, "trouble": ""}
        self._lock = threading.Lock()

    def run(self, stop: threading.Event, report: Report) -> None:
        """Read whoever is due, a few at a time, until told to stop."""
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="backup") as executor:
            while True:
                self._reload()
                report(dict(self._told))
                for asked in [executor.submit(self._one, stop, *one) for one in self._due()[: 4 * WORKERS]]:
                    asked.result()
                if stop.wait(STEP_S):
                    return

    def _due(self) -> list[tuple[Node, Cause]]:
        now_ms = self._now_ms()
        inventory = self._store.read(nodes.all_nodes)
        looks = self._store.read(configs.looks)
        noticed = self._store.read(lambda cx: sensing.node_notices(cx, now_ms - DAY_MS))
        return due(inventory, looks, noticed, self._settings.interval_ms, now_ms)

    def _one(self, stop: threading.Event, node: Node, cause: Cause) -> None:
        if stop.is_set():
            return
        try:
            take(self._store, self._open_node, node, cause=cause, actor="", now_ms=self._now_ms())
            outcome = "taken"
            self._judge(node)
        except (DriverError, NotStored):
            outcome = "failed"
        with self._lock:
            self._told[outcome] = int(str(self._told[outcome])) + 1

    def _reload(self) -> None:
        """Read templates and rules again when a file changed, and judge everything by them."""
        try:
            stamp = policies.stamp(self._settings.directory)
            if stamp == self._stamp:
                return
            self._policy = policies.load(self._settings.directory)
            self._stamp = stamp
            self._told["trouble"] = ""
            for node in self._store.read(nodes.all_nodes):
                self._judge(node)
        except (DesiredError, RuleError, OSError) as error:
            self._told["trouble"] = str(error)

    def _judge(self, node: Node) -> None:
        """What cannot be judged of one node is told, and the others are judged."""
        try:
            policies.judge_node(self._store, self._policy, node, self._resolve, self._now_ms())
        except (DesiredError, BodyDamaged) as error:
            self._told["trouble"] = str(error)
