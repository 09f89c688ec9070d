"""What the usual names in a decoded LoRaWAN payload mean, for device profiles nobody has declared. No I/O.

The names are those of the makers' own codecs; where makers disagree on a unit the name is left out and a
declared profile is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device_drivers.json_mapping import Values, keep
from device_drivers.quantities import LIMITS, number

_ALIASES: Mapping[str, str] = {
    "fill_level": "fill_pct",
    "filllevel": "fill_pct",
    "fill_percentage": "fill_pct",
    "levelpercentage": "fill_pct",  # Terabee LM-XL
    "distance": "distance_mm",  # Milesight EM400, WS201
    "temperature": "temperature_c",
    "temp": "temperature_c",
    "air_temperature": "air_temp_c",  # Decentlab
    "humidity": "humidity_pct",
    "relative_humidity": "humidity_pct",
    "air_humidity": "humidity_pct",
    "pressure": "pressure_hpa",
    "barometric_pressure": "pressure_hpa",
    "battery": "battery_pct",
    "battery_level": "battery_pct",
    "battery_voltage": "battery_v",
    "batteryvoltage": "battery_v",
    "batv": "battery_v",  # Dragino
    "tilt": "tilt_deg",
    "angle": "tilt_deg",  # Dingtek
    "co2": "co2_ppm",
    "no2": "no2_ug_m3",
    "o3": "o3_ug_m3",
    "pm1": "pm1_ug_m3",
    "pm1_0": "pm1_ug_m3",
    "pm2_5": "pm2_5_ug_m3",
    "pm2.5": "pm2_5_ug_m3",
    "pm25": "pm2_5_ug_m3",
    "pm10": "pm10_ug_m3",
    "wind_speed": "wind_m_s",
    "rain": "rain_mm",
    "rainfall": "rain_mm",
}
_NAMES = {
    name: (quantity, *LIMITS[quantity]) for name, quantity in [*_ALIASES.items(), *zip(LIMITS, LIMITS, strict=True)]
}
_CLIMATE = frozenset({"humidity_pct", "pressure_hpa"})


def by_name(decoded: Mapping[str, Any]) -> Values:
    """Quantities of a decoded payload by the names of its fields; `{"value": ...}` is looked into."""
    found: dict[str, float] = {}
    refused: list[str] = []
    for name, raw in decoded.items():
        known = _NAMES.get(name) or _NAMES.get(name.lower())
        if known is None:
            continue
        quantity, low, high = known
        if (type(raw) is float or type(raw) is int) and low <= raw <= high:
            found[quantity] = float(raw)  # nearly always
            continue
        value = raw.get("value") if isinstance(raw, dict) else raw
        # A yes or no called "tilt" is an alarm, not an angle.
        if value is not None and not isinstance(value, bool):
            keep(quantity, value, number(value), found, refused)
    if "temperature_c" in found and not _CLIMATE.isdisjoint(found):
        # A thermometer beside a hygrometer measures the air, one in a bin measures the bin.
        found.setdefault("air_temp_c", found.pop("temperature_c"))
    return found, tuple(refused)
