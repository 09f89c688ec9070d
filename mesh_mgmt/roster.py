"""Whom a service asks over SNMP and when: the inventory with its rights, slots and numeric addresses. No SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from device_drivers.api import SnmpCredentials, SnmpTarget
from device_drivers.host_names import HostNames, is_numeric
from local_store import nodes
from local_store.db import Store
from local_store.records import Node
from mesh_mgmt.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Change:
    """Nodes that can be asked from now on, and those that cannot any more."""

    came: frozenset[str]
    gone: frozenset[str]


class Roster:
    """The inventory as one service sees it. `version` changes with it; `missing` are nodes whose rights are unknown."""

    def __init__(
        self, store: Store, profiles: Mapping[str, SnmpCredentials], schedule: Schedule, timeout_ms: int, retries: int
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._timeout_ms = timeout_ms
        self._retries = retries
        self._names = HostNames()
        self._named: frozenset[str] = frozenset()
        self.schedule = schedule
        self.version: object = None
        self.rows: list[Node] = []
        self.targets: dict[str, SnmpTarget] = {}
        self.missing: list[tuple[str, str]] = []

    def look(self, now_ms: int) -> Change | None:
        """Take over nodes that came, changed or left; None, and cheap, when none did."""
        version = self._store.ops.write(nodes.inventory_version)
        if version == self.version:
            return None
        self.version = version
        self.rows = self._store.ops.write(nodes.all_nodes)
        before = self.targets.keys()
        self.targets, self.missing = targets(self.rows, self._profiles, self._timeout_ms, self._retries)
        self.schedule.set_nodes([(row.node_id, row.uplink) for row in self.rows if row.node_id in self.targets], now_ms)
        self._named = frozenset(node_id for node_id, one in self.targets.items() if not is_numeric(one.host))
        for node_id in self._named:
            self._names.numeric(self.targets[node_id].host)  # so that it is known when the slot comes
        now = self.targets.keys()
        return Change(frozenset(now - before), frozenset(before - now))

    def numeric(self, node_id: str) -> SnmpTarget | None:
        """The node with a numeric address; None while its name is looked up, and when it has none (`nameless`)."""
        target = self.targets[node_id]
        if node_id not in self._named:
            return target
        address = self._names.numeric(target.host)
        return None if address is None else replace(target, host=address)

    def nameless(self, node_id: str) -> bool:
        """Whether the resolver knows no address."""
        return self._names.failed(self.targets[node_id].host)

    def close(self) -> None:
        """Look no more names up."""
        self._names.close()


def targets(
    nodes: Iterable[Node], profiles: Mapping[str, SnmpCredentials], timeout_ms: int, retries: int
) -> tuple[dict[str, SnmpTarget], list[tuple[str, str]]]:
    """Targets by node id, and (node id, profile) of nodes whose credentials profile does not exist."""
    found: dict[str, SnmpTarget] = {}
    missing: list[tuple[str, str]] = []
    for node in nodes:
        credentials = profiles.get(node.profile)
        if credentials is None:
            missing.append((node.node_id, node.profile))
        else:
            found[node.node_id] = SnmpTarget(node.node_id, node.address, node.port, credentials, timeout_ms, retries)
    return found, missing
