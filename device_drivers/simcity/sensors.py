"""What bins and climate stations measure: filling by kind and hour, weather by time of day. Pure."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from device_drivers.simcity.world import Device

DAY_MS = 86_400_000
DEPTH_MM = 1200


@dataclass(slots=True)
class Life:
    """The changing side of one device."""

    device: Device
    dev_addr: str
    fcnt: int
    fill_pct: float
    battery_pct: float
    seen_ms: int = 0
    silent: bool = False
    skew_ms: int = 0
    pinned_pct: float | None = None


def begin(device: Device, rng: random.Random) -> Life:
    """A device somewhere in the middle of its life."""
    return Life(
        device, f"{rng.getrandbits(32):08x}", rng.randrange(5, 30_000), rng.uniform(0, 82), rng.uniform(55, 100)
    )


def grow(life: Life, now_ms: int, speed: float, rng: random.Random) -> None:
    """Fill the bin for the time since its last uplink, `speed` times faster than real; empty it when it ran over."""
    elapsed_days = (now_ms - life.seen_ms) / DAY_MS if life.seen_ms else 0.0
    if life.device.kind == "bin":
        daytime = 1 + 0.6 * math.sin(2 * math.pi * (now_ms / DAY_MS - 0.35))
        life.fill_pct += 100 * elapsed_days * speed * daytime / life.device.fill_days * rng.uniform(0.6, 1.4)
        if life.fill_pct > 97 and rng.random() < 0.3:
            life.fill_pct = rng.uniform(0, 5)
        life.fill_pct = min(life.fill_pct, 100.0)
    life.battery_pct = max(3.0, life.battery_pct - elapsed_days * speed * 0.02)
    life.seen_ms = now_ms


def bin_object(life: Life, rng: random.Random) -> dict[str, object]:
    """The decoded payload of a time-of-flight bin sensor, fields as the maker's codec names them."""
    fill = min(100.0, max(0.0, life.fill_pct + rng.gauss(0, 0.8)))
    return {
        "battery": round(life.battery_pct),
        "temperature": round(8 + rng.gauss(0, 1.5), 1),
        "distance": round(DEPTH_MM * (1 - fill / 100)),
        "fill_level": round(fill, 1),
        "position": "normal",
    }


def weather(device: Device, now_ms: int, rng: random.Random) -> dict[str, float]:
    """Plain readings of a climate station by the hour of the day; centres are warmer and dirtier."""
    hour = now_ms % DAY_MS / 3_600_000
    warm = math.sin(2 * math.pi * (hour - 8) / 24)
    rush = math.exp(-((hour - 7.5) ** 2) / 3) + math.exp(-((hour - 16.5) ** 2) / 4)
    urban = 0.4 if device.district in {"Altstadt", "Buer", "Schalke", "Horst"} else 0.0
    return {
        "air_temperature": round(9 + 4 * warm + 1.5 * urban + rng.gauss(0, 0.3), 2),
        "air_humidity": round(min(99.0, max(25.0, 74 - 14 * warm + rng.gauss(0, 2))), 1),
        "pressure": round(1013 + 6 * math.sin(now_ms / DAY_MS) + rng.gauss(0, 0.2), 1),
        "no2": round(max(1.0, 12 + 22 * rush + 10 * urban + rng.gauss(0, 2)), 1),
        "pm10": round(max(1.0, 11 + 9 * rush + 4 * urban + rng.gauss(0, 1.5)), 1),
        "pm2_5": round(max(0.5, 6 + 5 * rush + 2 * urban + rng.gauss(0, 1)), 1),
        "o3": round(max(2.0, 42 + 24 * warm - 10 * rush + rng.gauss(0, 3)), 1),
        "wind_speed": round(abs(rng.gauss(2.4, 1.1)), 1),
    }


def climate_object(device: Device, now_ms: int, rng: random.Random) -> dict[str, object]:
    """The same as Decentlab's codec nests it."""
    return {name: {"value": value, "displayName": name} for name, value in weather(device, now_ms, rng).items()}
