"""A made-up Gelsenkirchen from a seed: districts, mesh, bins, stations. Pure; the same seed gives the same city.

The 18 district names are real and public; every position, street and device is invented.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Final, Literal

Role = Literal["gateway", "mesh", "hotspot", "lorawan_gateway"]
Band = Literal["2.4", "5", "6", "60", "wired"]

DISTRICTS: Final = (
    ("sco", "Scholven", 51.600, 7.008),
    ("has", "Hassel", 51.602, 7.050),
    ("bue", "Buer", 51.578, 7.055),
    ("res", "Resse", 51.573, 7.112),
    ("rma", "Resser Mark", 51.556, 7.128),
    ("erl", "Erle", 51.554, 7.082),
    ("bec", "Beckhausen", 51.565, 7.020),
    ("hor", "Horst", 51.540, 7.030),
    ("sno", "Schalke-Nord", 51.536, 7.072),
    ("hes", "Heßler", 51.528, 7.050),
    ("bis", "Bismarck", 51.528, 7.110),
    ("sch", "Schalke", 51.520, 7.090),
    ("fel", "Feldmark", 51.513, 7.066),
    ("bul", "Bulmke-Hüllen", 51.514, 7.120),
    ("alt", "Altstadt", 51.508, 7.096),
    ("neu", "Neustadt", 51.500, 7.103),
    ("rot", "Rotthausen", 51.490, 7.076),
    ("uec", "Ückendorf", 51.492, 7.122),
)
KM_PER_LAT: Final = 111.2
KM_PER_LON: Final = 69.2
SPREAD_KM: Final = 0.9
MODELS: Final = {
    "gateway": (("MikroTik", "CCR2004", "7.14.2"), ("Cambium", "cnWave V5000", "1.4.1")),
    "mesh": (
        ("OpenWrt", "GL-AX1800", "23.05.3"),
        ("OpenWrt", "WRT3200ACM", "23.05.2"),
        ("Ubiquiti", "LiteAP", "8.7.11"),
    ),
    "hotspot": (("OpenWrt", "Archer C7", "23.05.3"), ("OpenWrt", "EAP225", "23.05.3")),
}
TOWER: Final = ("RAK", "WisGate Edge Pro", "2.2.6")
MASTS_PER_TOWER: Final = 40


@dataclass(frozen=True, slots=True)
class Board:
    """What OpenWrt says of a model: the name its images are made for, and how many banks it boots from."""

    name: str
    target: str = "ath79/generic"
    banks: int = 1
    free_mib: int = 64


BOARDS: Final = {
    "GL-AX1800": Board("glinet,gl-ax1800", "qualcommax/ipq60xx", free_mib=256),
    "WRT3200ACM": Board("linksys,wrt3200acm", "mvebu/cortexa9", banks=2, free_mib=256),
    "Archer C7": Board("tplink,archer-c7-v5"),
    "EAP225": Board("tplink,eap225-v3"),
}
"""The OpenWrt models; the Linksys has two banks."""


@dataclass(frozen=True, slots=True)
class Mast:
    """One network node. `parent` is where its traffic goes; gateways have none."""

    node_id: str
    district: str
    role: Role
    vendor: str
    model: str
    firmware: str
    lat: float
    lon: float
    parent: str
    ports: int
    secure: bool


@dataclass(frozen=True, slots=True)
class RadioLink:
    """A link of the mesh on one band."""

    a: str
    b: str
    band: Band
    quality_pct: int


@dataclass(frozen=True, slots=True)
class Device:
    """A LoRaWAN sensor, or one of the few plain JSON stations (`plain`)."""

    dev_eui: str
    name: str
    kind: Literal["bin", "climate"]
    district: str
    lat: float
    lon: float
    model: str
    capacity_l: int
    fill_days: float
    plain: bool


@dataclass(frozen=True, slots=True)
class World:
    """The whole city."""

    seed: int
    masts: tuple[Mast, ...]
    links: tuple[RadioLink, ...]
    lora_gateways: tuple[tuple[str, float, float], ...]
    devices: tuple[Device, ...]
    carriers: tuple[str, ...] = ()
    """The mast that is or carries each of `lora_gateways`."""


def build(seed: int = 1, nodes: int = 550, bins: int = 800, stations: int = 60, lora_gateways: int = 12) -> World:
    """Make the city; sizes from a handful to 10,000 nodes."""
    rng = random.Random(seed)
    masts, links = _mesh(rng, nodes)
    towers = tuple(
        (f"a84041ffff{number:06x}", *_near(rng, *DISTRICTS[number * len(DISTRICTS) // max(1, lora_gateways)][2:]))
        for number in range(lora_gateways)
    )
    devices = _devices(rng, bins, stations)
    masts, carriers = _raised(masts, towers)
    places = {mast.node_id: mast for mast in masts}
    standing = tuple(
        (eui, places[carrier].lat, places[carrier].lon) for (eui, _, _), carrier in zip(towers, carriers, strict=True)
    )
    return World(seed, masts, links, standing, devices, carriers)


def _raised(
    masts: tuple[Mast, ...], towers: tuple[tuple[str, float, float], ...]
) -> tuple[tuple[Mast, ...], tuple[str, ...]]:
    """Put LoRaWAN gateways where hotspots were; in a small city masts carry them beside their radios."""
    chosen: dict[str, Mast] = {}
    carriers: list[str] = []
    for _, lat, lon in towers:
        free = [mast for mast in masts if mast.role == "hotspot" and mast.node_id not in chosen]
        room = free if len(chosen) < len(masts) // MASTS_PER_TOWER else [one for one in masts if one.role != "hotspot"]
        near = min(room or masts, key=lambda mast: distance_km(mast.lat, mast.lon, lat, lon))
        carriers.append(near.node_id)
        if near.role == "hotspot":
            vendor, model, firmware = TOWER
            chosen[near.node_id] = replace(near, role="lorawan_gateway", vendor=vendor, model=model, firmware=firmware)
    return tuple(chosen.get(mast.node_id, mast) for mast in masts), tuple(carriers)


def _near(rng: random.Random, lat: float, lon: float, spread_km: float = SPREAD_KM) -> tuple[float, float]:
    return (
        round(lat + rng.gauss(0, spread_km) / KM_PER_LAT, 6),
        round(lon + rng.gauss(0, spread_km) / KM_PER_LON, 6),
    )


def distance_km(lat: float, lon: float, lat2: float, lon2: float) -> float:
    """Flat-earth distance, good to a few metres across one city."""
    return math.hypot((lat - lat2) * KM_PER_LAT, (lon - lon2) * KM_PER_LON)


def _mesh(rng: random.Random, count: int) -> tuple[tuple[Mast, ...], tuple[RadioLink, ...]]:
    masts: list[Mast] = []
    links: list[RadioLink] = []
    share = [count // len(DISTRICTS) + (at < count % len(DISTRICTS)) for at in range(len(DISTRICTS))]
    for (code, name, lat, lon), here in zip(DISTRICTS, share, strict=True):
        local: list[Mast] = []
        children: dict[str, int] = {}
        for number in range(1, here + 1):
            mast, made = _mast(rng, (code, name, lat, lon), number, local, children)
            local.append(mast)
            links += made
        masts += local
    return tuple(masts), tuple(links)


def _mast(
    rng: random.Random,
    district: tuple[str, str, float, float],
    number: int,
    local: list[Mast],
    children: dict[str, int],
) -> tuple[Mast, list[RadioLink]]:
    """The next node of a district: every 24th is a gateway, the others hang on the nearest that has room."""
    code, name, lat, lon = district
    node_id = f"ge-{code}-{number:04}"
    role: Role = "gateway" if number % 24 == 1 else "hotspot" if rng.random() < 0.45 else "mesh"
    vendor, model, firmware = rng.choice(MODELS[role])
    where = _near(rng, lat, lon)
    near = sorted(
        (other for other in local[-160:] if other.role != "hotspot"),
        key=lambda other: distance_km(*where, other.lat, other.lon),
    )
    links: list[RadioLink] = []
    parent = ""
    if role != "gateway":
        chosen = next((other for other in near if children.get(other.node_id, 0) < 5), near[0])
        parent = chosen.node_id
        children[parent] = children.get(parent, 0) + 1
        band: Band = "60" if chosen.role == "gateway" and rng.random() < 0.4 else rng.choice(("5", "5", "6"))
        links.append(RadioLink(node_id, parent, _fitting(band, chosen), rng.randint(55, 99)))
        if role == "mesh" and len(near) > 1 and rng.random() < 0.45:
            other = next(one for one in near if one.node_id != parent)
            second = _fitting(rng.choice(("2.4", "5", "6")), other)
            links.append(RadioLink(node_id, other.node_id, second, rng.randint(25, 90)))
    elif near:
        links.append(RadioLink(node_id, near[0].node_id, "wired", 100))
    ports = {"gateway": 8, "mesh": 6, "hotspot": 4}[role]
    return Mast(node_id, name, role, vendor, model, firmware, *where, parent, ports, rng.random() < 0.8), links


def _fitting(band: Band, far: Mast) -> Band:
    """cnWave radios speak 60 GHz and nothing else."""
    return "60" if far.vendor == "Cambium" else band


def _devices(rng: random.Random, bins: int, stations: int) -> tuple[Device, ...]:
    found: list[Device] = []
    kinds = ((120, 2.0), (240, 3.5), (1100, 6.0), (3000, 9.0))
    for number in range(1, bins + 1):
        code, name, lat, lon = rng.choice(DISTRICTS)
        litres, days = rng.choice(kinds)
        label = f"B-{code}-{number:04}"
        eui = f"24e124{0x100000 + number:010x}"
        model = "Milesight EM400-TLD"
        where = _near(rng, lat, lon)
        found.append(Device(eui, label, "bin", name, *where, model, litres, days * rng.uniform(0.6, 1.6), plain=False))
    for number in range(1, stations + 1):
        code, name, lat, lon = DISTRICTS[number % len(DISTRICTS)]
        plain = number % 15 == 0
        eui = f"wetter-{number:03}" if plain else f"70b3d5{0x200000 + number:010x}"
        where = _near(rng, lat, lon)
        model = "MQTT JSON" if plain else "Decentlab DL-ATM41"
        found.append(Device(eui, f"K-{code}-{number:03}", "climate", name, *where, model, 0, 0.0, plain=plain))
    return tuple(found)
