"""What the loss of nodes means for the city: LoRaWAN gateways, sensors behind them, the systems they serve. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from local_store.records import Node, Sensor

NAMED = 200
"""So many node ids an alert carries; beyond, only their number."""


@dataclass(frozen=True, slots=True)
class Impact:
    """Gateways and sensors that are cut off, and the systems (IoT applications) those sensors belong to."""

    lorawan_gateways: tuple[str, ...]
    sensors: int
    systems: tuple[str, ...]


def impact(lost: AbstractSet[str], nodes: Iterable[Node], sensors: Iterable[tuple[Sensor, tuple[str, ...]]]) -> Impact:
    """What cannot be heard any more: a sensor counts when every gateway that hears it is among the lost."""
    towers = {node.node_id for node in nodes if node.role == "lorawan_gateway" and node.node_id in lost}
    mute = [(sensor, heard_by) for sensor, heard_by in sensors if heard_by and set(heard_by) <= lost]
    towers |= {gateway for _, heard_by in mute for gateway in heard_by}
    return Impact(tuple(sorted(towers)), len(mute), tuple(sorted({sensor.system for sensor, _ in mute})))
