"""What a measured value may be: numbers only, within what is physically possible. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping

ANYTHING = 1e12

LIMITS: Mapping[str, tuple[float, float]] = {
    "fill_pct": (0.0, 100.0),
    "battery_pct": (0.0, 100.0),
    "battery_v": (0.0, 60.0),
    "humidity_pct": (0.0, 100.0),
    "distance_mm": (0.0, 50_000.0),
    "temperature_c": (-60.0, 120.0),
    "air_temp_c": (-60.0, 60.0),
    "tilt_deg": (-180.0, 180.0),
    "pressure_hpa": (300.0, 1_100.0),
    "co2_ppm": (0.0, 50_000.0),
    "no2_ug_m3": (0.0, 10_000.0),
    "o3_ug_m3": (0.0, 10_000.0),
    "pm1_ug_m3": (0.0, 10_000.0),
    "pm2_5_ug_m3": (0.0, 10_000.0),
    "pm10_ug_m3": (0.0, 10_000.0),
    "wind_m_s": (0.0, 120.0),
    "rain_mm": (0.0, 10_000.0),
    "rssi_dbm": (-200.0, 30.0),
    "snr_db": (-60.0, 60.0),
    "margin_db": (-64.0, 64.0),
}
"""Wide enough for every working sensor, narrow enough that 0xFFFF and an unplugged probe fall outside."""


def number(value: object) -> float | None:
    """A JSON number or truth value as a finite float, else None; a string is no number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return float(value) if -(2**63) < value < 2**64 else None
    return None


def possible(quantity: str, value: float) -> bool:
    """Whether a value of this quantity can come from a working sensor."""
    low, high = LIMITS.get(quantity, (-ANYTHING, ANYTHING))
    return low <= value <= high


def within(quantity: str, value: object) -> float | None:
    """The value as a number when it is one and is possible, else None."""
    plain = number(value)
    return plain if plain is not None and possible(quantity, plain) else None


def clean(text: str, longest: int = 120) -> str:
    """Text from a device as one printable line: what a terminal would obey is replaced, the rest cut."""
    if len(text) <= longest and text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "·" for letter in text[:longest])
