"""Which node an address belongs to, by what nodes say of their own interfaces and by the inventory. Pure.

A city has ten addresses a node and nearly every one has a single owner, so that is kept as one entry and not as a
table of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sys import intern

import msgspec

from local_store.mesh_records import NodeMac
from local_store.records import Node


class Owners:
    """All addresses. `restore` takes those of an earlier run, `learn` what one node says now."""

    def __init__(self) -> None:
        self._nodes: dict[str, str | tuple[str, ...]] = {}  # MAC -> its node, or nodes where several claim it
        self._own: dict[str, tuple[str, ...]] = {}  # node -> MAC, interface, MAC, interface, ...

    def restore(self, rows: Iterable[NodeMac]) -> None:
        """Go on from stored rows."""
        told: dict[str, dict[str, str]] = {}
        for row in rows:
            told.setdefault(row.node_id, {})[row.mac] = row.ifname
        for node_id, own in told.items():
            self._replace(node_id, own)

    def set_nodes(self, nodes: Iterable[Node]) -> None:
        """Take over the inventory: addresses it names itself, and who is gone."""
        declared = {node.node_id: declared_macs(node) for node in nodes}
        for gone in self._own.keys() - declared.keys():
            self._replace(gone, {})
            del self._own[gone]
        for node_id, macs in declared.items():
            for mac in macs:
                self._claim(mac, node_id)
        for mac in list(self._nodes):
            for node_id in self._claims(mac):
                if node_id not in declared:
                    self._release(mac, node_id)

    def learn(self, node_id: str, own: Mapping[str, str], *, whole: bool = True) -> bool:
        """The interface of each of the node's own MACs; whether that is news. Unless they are all, known ones stay."""
        return self._replace(node_id, own if whole else {**dict(self.own(node_id)), **own})

    def own(self, node_id: str) -> list[tuple[str, str]]:
        """(MAC, interface) of a node as it said last."""
        told = self._own.get(node_id, ())
        return list(zip(told[::2], told[1::2], strict=True))

    def of(self, mac: str) -> dict[str, str]:
        """Node -> the interface that has this address there, "" where only the inventory says so."""
        return {node_id: self._ifname(node_id, mac) for node_id in self._claims(mac)}

    def _ifname(self, node_id: str, mac: str) -> str:
        return next((ifname for one, ifname in self.own(node_id) if one == mac), "")

    def _replace(self, node_id: str, own: Mapping[str, str]) -> bool:
        fresh = tuple([text for mac, ifname in own.items() for text in (mac, intern(ifname))])
        before = self._own.get(node_id, ())
        if fresh == before:
            return False
        self._own[node_id] = fresh
        for mac in set(before[::2]) - own.keys():
            self._release(mac, node_id)
        for mac in own:
            self._claim(mac, node_id)
        return True

    def _claims(self, mac: str) -> tuple[str, ...]:
        nodes = self._nodes.get(mac, ())
        return (nodes,) if isinstance(nodes, str) else nodes

    def _claim(self, mac: str, node_id: str) -> None:
        nodes = self._claims(mac)
        if node_id not in nodes:
            self._nodes[mac] = (*nodes, node_id) if nodes else node_id

    def _release(self, mac: str, node_id: str) -> None:
        left = tuple(one for one in self._claims(mac) if one != node_id)
        if not left:
            self._nodes.pop(mac, None)
        else:
            self._nodes[mac] = left if len(left) > 1 else left[0]


def declared_macs(node: Node) -> list[str]:
    """Addresses the inventory itself gives a node: `mac` or `macs` among its further columns."""
    if node.attributes == "{}":
        return []
    found = msgspec.json.decode(node.attributes, strict=False)
    told = found.get("macs", found.get("mac", "")) if isinstance(found, dict) else ""
    words = told if isinstance(told, list) else str(told).replace(",", " ").split()
    return [str(word).lower().replace("-", ":") for word in words if len(str(word)) == 17]
