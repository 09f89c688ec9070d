"""Which nodes hear a sensor: the gateways of its received uplinks, else those the inventory names. Only reads rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from local_store import hearing, sensing
from local_store.records import Node, Sensor
from local_store.sqlite import Connection

_EUI = re.compile(r"[0-9a-f]{16}")
Hearing = list[tuple[Sensor, tuple[str, ...]]]
"""Sensors with the nodes that hear them; a gateway that is no node of ours stands by its EUI."""


def carriers(nodes: Iterable[Node]) -> dict[str, str]:
    """EUI of a LoRaWAN gateway -> the node that is it or carries it: its column `gateway_eui`, else its own id."""
    found: dict[str, str] = {}
    for node in nodes:
        told = _words(node.attributes, "gateway_eui") if "gateway_eui" in node.attributes else ()
        for eui in told or (node.node_id,):
            plain = eui.lower().replace(":", "").replace("-", "")
            if _EUI.fullmatch(plain):
                found[plain] = node.node_id
    return found


def gateways_of(sensor: Sensor) -> tuple[str, ...]:
    """The nodes that hear a sensor, as the inventory says in its column `gateway` or `gateways`."""
    if sensor.attributes == "{}":
        return ()
    return _words(sensor.attributes, "gateways") or _words(sensor.attributes, "gateway")


def hearers(sensor: Sensor, learned: Iterable[str], by_eui: Mapping[str, str]) -> tuple[str, ...]:
    """What was received decides, as soon as one of those gateways is a node of ours; before that the inventory."""
    found = tuple(dict.fromkeys(by_eui.get(eui, eui) for eui in learned))
    declared = gateways_of(sensor)
    return found if not declared or any(eui in by_eui for eui in learned) else declared


def current(cx: Connection, nodes: Iterable[Node]) -> Hearing:
    """Every sensor in service with the nodes that hear it; needs a reader, which sees both files."""
    by_eui, learned = carriers(nodes), hearing.of_sensors(cx)
    return [(one, hearers(one, learned.get(one.sensor_id, ()), by_eui)) for one in sensing.all_sensors(cx)]


def _words(attributes: str, column: str) -> tuple[str, ...]:
    told = json.loads(attributes).get(column) or ""
    return tuple(map(str, told)) if isinstance(told, list) else tuple(str(told).replace(",", " ").split())
