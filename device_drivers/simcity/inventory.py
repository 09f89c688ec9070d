"""Writes the city's inventory as files a console can import: nodes.csv, sensors.csv, links.json (NetJSON)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from device_drivers.simcity.world import BOARDS, World

NODE_COLUMNS = (
    "node_id", "name", "address", "port", "role", "district", "vendor", "model", "board_name", "serial",
    "firmware", "profile", "uplink", "lat", "lon", "gateway_eui",
)  # fmt: skip
SENSOR_COLUMNS = ("sensor_id", "name", "kind", "system", "district", "model", "interval_s", "lat", "lon")
KINDS = {"gateway": "Gateway", "mesh": "Mast", "hotspot": "Hotspot", "lorawan_gateway": "LoRaWAN"}
SYSTEMS = {"bin": "gesaeubert", "climate": "gegruent"}


def write(world: World, directory: Path, addresses: Sequence[tuple[str, int]], interval_s: int) -> None:
    """Write the three files; `addresses` gives host and port of each mast in order."""
    with (directory / "nodes.csv").open("w", newline="", encoding="utf-8") as file:
        _table(file, NODE_COLUMNS, _nodes(world, addresses))
    with (directory / "sensors.csv").open("w", newline="", encoding="utf-8") as file:
        _table(file, SENSOR_COLUMNS, _sensors(world, interval_s))
    (directory / "links.json").write_text(json.dumps(netjson(world), ensure_ascii=False), encoding="utf-8")


def netjson(world: World) -> dict[str, object]:
    """The mesh as a NetJSON NetworkGraph, one link per band."""
    return {
        "type": "NetworkGraph",
        "protocol": "static",
        "version": "1",
        "metric": "quality",
        "nodes": [
            {"id": mast.node_id, "label": mast.node_id, "properties": {"role": mast.role}} for mast in world.masts
        ],
        "links": [
            {
                "source": link.a,
                "target": link.b,
                "cost": round(100 / link.quality_pct, 3),
                "properties": {"band": link.band, "quality_pct": link.quality_pct},
            }
            for link in world.links
        ],
    }


def _table(file: object, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(file, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerow(columns)
    writer.writerows(rows)


def _nodes(world: World, addresses: Sequence[tuple[str, int]]) -> Iterable[Sequence[object]]:
    euis: dict[str, list[str]] = {}
    for (eui, _, _), carrier in zip(world.lora_gateways, world.carriers, strict=True):
        euis.setdefault(carrier, []).append(eui)
    for number, (mast, (host, port)) in enumerate(zip(world.masts, addresses, strict=True)):
        known = BOARDS.get(mast.model)
        board = known.name if known else f"{mast.vendor},{mast.model}".lower().replace(" ", "-")
        kind = KINDS[mast.role]
        yield (
            mast.node_id, f"{kind} {mast.district} {mast.node_id[-4:]}", host, port, mast.role, mast.district,
            mast.vendor, mast.model, board, f"SIM{number:06}", mast.firmware, "demo-v3" if mast.secure else "demo-v2c",
            mast.parent, mast.lat, mast.lon, " ".join(euis.get(mast.node_id, ())),
        )  # fmt: skip


def _sensors(world: World, interval_s: int) -> Iterable[Sequence[object]]:
    for device in world.devices:
        yield (
            device.dev_eui, device.name, device.kind, SYSTEMS[device.kind], device.district, device.model, interval_s,
            device.lat, device.lon,
        )  # fmt: skip
