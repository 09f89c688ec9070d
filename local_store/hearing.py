"""Which LoRaWAN gateways heard a sensor lately: kept behind the window of counters in `sensor_state.dedup`."""

from __future__ import annotations

import msgspec

from local_store.sqlite import Connection

Heard = tuple[tuple[str, int], ...]
"""(EUI of a gateway, minute since 1970 in which it heard the sensor last), the latest first."""
LASTS_MIN = 24 * 60
MOST = 8


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """As ingest writes it; the windows are its own."""

    now: object = None
    before: object = None
    heard: Heard = ()


_decode = msgspec.msgpack.Decoder(_Kept).decode


def remember(before: Heard, gateways: tuple[str, ...], at_ms: int) -> Heard:
    """What is known after one more uplink: gateways that missed the sensor for a day are forgotten."""
    minute = at_ms // 60_000
    latest = before[0][1] if before else minute
    if minute >= latest:  # nearly always: no uplink is late
        others = [one for one in before if one[0] not in gateways and one[1] >= minute - LASTS_MIN]
        return tuple([*((eui, minute) for eui in gateways), *others][:MOST])
    found = dict(before)
    for eui in gateways:
        found[eui] = max(minute, found.get(eui, minute))
    kept = sorted((one for one in found.items() if one[1] >= latest - LASTS_MIN), key=lambda one: -one[1])
    return tuple(kept[:MOST])


def heard_by(dedup: bytes) -> tuple[str, ...]:
    """EUIs of the gateways in one sensor's row."""
    return tuple(eui for eui, _ in _decode(dedup).heard) if dedup else ()


def of_sensors(cx: Connection) -> dict[str, tuple[str, ...]]:
    """EUIs of the gateways that hear each sensor, by sensor id."""
    rows = cx.execute("SELECT sensor_id, dedup FROM sensor_state WHERE length(dedup) > 0")
    return {str(sensor_id): found for sensor_id, dedup in rows if (found := heard_by(dedup))}
