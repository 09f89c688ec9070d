"""What rollouts made of simulated nodes, in a file: a city that is started again does not undo them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from device_drivers.simcity.openwrt import VirtualNode
from device_drivers.simcity.world import World

FILE: Final = "upgraded.json"


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The firmware a node has, or has once it is back; `boot_id` is empty where it was dark."""

    version: str
    revision: str
    compat_version: str
    bank: int
    boot_id: str


def load(directory: Path, whose: list[int]) -> dict[str, Upgraded]:
    """By node id; nothing of another city or from a torn file."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        kept, found = json.loads((directory / FILE).read_text(encoding="utf-8"))
        if kept == whose:
            return {node_id: Upgraded(**one) for node_id, one in found.items()}
    return {}


def follow(nodes: Mapping[str, VirtualNode], known: dict[str, Upgraded]) -> bool:
    """Bring `known` up to date; whether anything changed."""
    seen = {node_id: _of(node) for node_id, node in nodes.items() if node.flashes or node_id in known}
    if seen == known:
        return False
    known.update(seen)
    return True


def write(directory: Path, whose: list[int], known: Mapping[str, Upgraded]) -> None:
    """Keep it, whole or not at all."""
    draft = directory / f"{FILE}.new"
    draft.write_text(json.dumps([whose, {node_id: asdict(one) for node_id, one in known.items()}]), encoding="utf-8")
    draft.replace(directory / FILE)


def _of(node: VirtualNode) -> Upgraded:
    awake, make = node.installed()
    return Upgraded(make.version, make.revision, make.compat_version, node.bank, node.boot_id if awake else "")


def lay_over(world: World, known: Mapping[str, Upgraded]) -> World:
    """The world with the versions its masts have by now."""
    masts = (
        replace(mast, firmware=known[mast.node_id].version) if mast.node_id in known else mast for mast in world.masts
    )
    return replace(world, masts=tuple(masts))


def restore(nodes: Mapping[str, VirtualNode], known: Mapping[str, Upgraded]) -> None:
    """Give the nodes their firmware back, and the boot they were in."""
    for node_id, one in known.items():
        if node_id in nodes:
            nodes[node_id].resume(one.version, one.revision, one.compat_version, one.bank, one.boot_id)
