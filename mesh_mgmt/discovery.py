"""What was found at some addresses, beside what the inventory says: new, changed, gone. Pure; adds nothing itself."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from local_store.records import Node

What = Literal["new", "changed", "gone", "same"]
MOST_ADDRESSES = 4096
MAKERS = {14988: "MikroTik", 41112: "Ubiquiti", 10002: "Ubiquiti", 17713: "Cambium", 8072: "", 9: "Cisco"}
_UNFIT = re.compile(r"[^A-Za-z0-9._:-]+")


class SeedError(ValueError):
    """A seed that is no address; the message is the seed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one address said. `sys_name` is "" when SNMP did not answer, `ssh_key` when SSH did not."""

    host: str
    port: int
    profile: str = ""
    sys_name: str = ""
    object_id: tuple[int, ...] = ()
    description: str = ""
    ssh_key: str = ""
    macs: tuple[str, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether anything answered."""
        return bool(self.profile or self.ssh_key)


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the difference. `fields` maps a column to (inventory, found)."""

    what: What
    host: str
    node_id: str
    answer: Answer | None
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)


def addresses(seeds: Iterable[str]) -> list[str]:
    """Every address of the seeds: single ones and networks such as 10.0.0.0/28. Raises SeedError."""
    found: dict[str, None] = {}
    for seed in seeds:
        try:
            network = ipaddress.ip_network(seed, strict=False)
        except ValueError as error:
            raise SeedError(seed) from error
        if network.num_addresses + len(found) > MOST_ADDRESSES:
            raise SeedError(f"{seed}: {MOST_ADDRESSES}")
        found |= dict.fromkeys(map(str, network.hosts() if network.num_addresses > 2 else network))
    return list(found)


def compare(answers: Iterable[Answer], inventory: Iterable[Node]) -> list[Difference]:
    """Match by address first, then by name: a node that moved is changed, not new."""
    rows = list(inventory)
    by_address = {row.address: row for row in rows}
    by_name = {name.lower(): row for row in rows for name in (row.name, row.node_id)}
    given = list(answers)
    there = [answer for answer in given if answer.is_there]
    found: list[Difference] = []
    matched: set[str] = set()
    for answer in there:
        node = by_name.get(answer.sys_name.lower()) if answer.sys_name else None
        node = node or by_address.get(answer.host)
        if node is None:
            found.append(Difference("new", answer.host, "", answer))
            continue
        matched.add(node.node_id)
        fields = _fields(answer, node)
        found.append(Difference("changed" if fields else "same", answer.host, node.node_id, answer, fields))
    silent = {answer.host for answer in given if not answer.is_there}
    gone = [row for row in rows if row.address in silent and row.node_id not in matched]
    return found + [Difference("gone", row.address, row.node_id, None) for row in gone]


def _fields(answer: Answer, node: Node) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    if answer.host != node.address:
        found["address"] = (node.address, answer.host)
    if answer.sys_name and answer.sys_name.lower() not in (node.node_id.lower(), node.name.lower()):
        found["name"] = (node.name, answer.sys_name)
    maker = vendor(answer)
    if maker and node.vendor and maker.lower() != node.vendor.lower():
        found["vendor"] = (node.vendor, maker)
    return found


def vendor(answer: Answer) -> str:
    """The maker by sysObjectID; "" where that names only the agent's software."""
    return MAKERS.get(answer.object_id[6], "") if len(answer.object_id) > 6 else ""


def as_node(answer: Answer) -> Node:
    """A row for an importable file, with what was seen and nothing invented."""
    node_id = _UNFIT.sub("-", answer.sys_name or answer.host).strip("-").lower() or answer.host
    return Node(
        node_id,
        answer.sys_name or answer.host,
        answer.host,
        "other",
        port=answer.port,
        vendor=vendor(answer),
        profile=answer.profile or "default",
    )
