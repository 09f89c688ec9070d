"""ChirpStack v4 events as the server writes them (JSON, defaults left out), and one plain JSON sensor. Pure.

Source: integration.proto of chirpstack and its documentation of events; times carry nanoseconds, 64-bit numbers
are strings, enums are names, a value that is zero, false or empty does not appear.
"""

from __future__ import annotations

import base64
import json
import math
import random
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Final

from device_drivers.simcity.world import Device, World, distance_km

APPLICATIONS: Final = {
    "bin": ("8b6f1c2e-0000-4000-8000-000000000001", "GEsäubert"),
    "climate": ("8b6f1c2e-0000-4000-8000-000000000002", "GEgrünt"),
}
TENANT: Final = ("52f14cd4-0000-4000-8000-000000000000", "Vernetzte Stadt")
WEAKEST_DBM: Final = -120
REQUIRED_SNR_DB: Final = {7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def topic(device: Device, event: str) -> str:
    """Where ChirpStack publishes an event of this device."""
    return f"application/{APPLICATIONS[device.kind][0]}/device/{device.dev_eui}/event/{event}"


def rfc3339(now_ms: int, nanoseconds: int = 0) -> str:
    """A time as ChirpStack writes it, with nine digits behind the point."""
    whole = _EPOCH + timedelta(milliseconds=now_ms)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{now_ms % 1000:03}{nanoseconds % 1_000_000:06}+00:00"


def device_info(device: Device) -> dict[str, object]:
    """The part every event begins with."""
    application_id, application = APPLICATIONS[device.kind]
    return {
        "tenantId": TENANT[0],
        "tenantName": TENANT[1],
        "applicationId": application_id,
        "applicationName": application,
        "deviceProfileId": "5f1c2e8b-0000-4000-8000-00000000000" + ("1" if device.kind == "bin" else "2"),
        "deviceProfileName": device.model,
        "deviceName": device.name,
        "devEui": device.dev_eui,
        "deviceClassEnabled": "CLASS_A",
        "tags": {"district": device.district},
    }


def hearing(
    world: World, device: Device, rng: random.Random, gone: AbstractSet[str] = frozenset()
) -> list[dict[str, object]]:
    """Up to three gateways that heard an uplink, signal by distance (log-distance path loss, exponent 4: bins stand low
    between houses). The nearest always does; those that are gone do not."""
    heard: list[dict[str, object]] = []
    best: tuple[float, str] | None = None
    for gateway_id, lat, lon in world.lora_gateways:
        km = max(0.05, distance_km(device.lat, device.lon, lat, lon))
        best = min(best or (km, gateway_id), (km, gateway_id))
        rssi = round(-104 - 40 * _log10(km) + rng.gauss(0, 3))
        if rssi > WEAKEST_DBM:
            snr = round(max(-20.0, min(11.0, (rssi + 118) / 4 + rng.gauss(0, 1.5))), 1)
            heard.append({"gatewayId": gateway_id, "uplinkId": rng.randrange(1, 1 << 32), "rssi": rssi, "snr": snr})
    heard.sort(key=lambda one: -int(str(one["rssi"])))
    nearest = best[1] if best else "a84041ffff000000"
    fallback = {"gatewayId": nearest, "uplinkId": rng.randrange(1, 1 << 32), "rssi": -127, "snr": -14.5}
    received = [one for one in heard[:3] or [fallback] if one["gatewayId"] not in gone]
    return [_without_defaults(one) | {"crcStatus": "CRC_OK"} for one in received]


def uplink(
    device: Device,
    session: tuple[str, int],
    rx_info: list[dict[str, object]],
    decoded: Mapping[str, object],
    now_ms: int,
    rng: random.Random,
) -> bytes:
    """An `up` event; `session` is (device address, frame counter)."""
    best = max(float(str(one.get("snr", 0.0))) for one in rx_info)
    sf = next((sf for sf, needed in REQUIRED_SNR_DB.items() if best - needed >= 5), 12)
    raw = base64.b64encode(rng.randbytes(12)).decode()
    event = {
        "deduplicationId": _uuid(rng),
        "time": rfc3339(now_ms, rng.randrange(1_000_000)),
        "deviceInfo": device_info(device),
        "devAddr": session[0],
        "adr": True,
        "dr": 12 - sf,
        "fCnt": session[1],
        "fPort": 85,
        "confirmed": False,
        "data": raw,
        "object": decoded,
        "rxInfo": rx_info,
        "txInfo": {
            "frequency": rng.choice((868_100_000, 868_300_000, 868_500_000, 867_100_000)),
            "modulation": {"lora": {"bandwidth": 125_000, "spreadingFactor": sf, "codeRate": "CR_4_5"}},
        },
        "regionConfigId": "eu868",
    }
    return _json(_without_defaults(event))


def join(device: Device, dev_addr: str, now_ms: int, rng: random.Random) -> bytes:
    """A `join` event: a new session with a new address begins."""
    head = {"deduplicationId": _uuid(rng), "time": rfc3339(now_ms), "deviceInfo": device_info(device)}
    return _json({**head, "devAddr": dev_addr})


def status(device: Device, battery_pct: float, margin_db: int, now_ms: int, rng: random.Random) -> bytes:
    """A `status` event with battery and demodulation margin."""
    head = {"deduplicationId": _uuid(rng), "time": rfc3339(now_ms), "deviceInfo": device_info(device)}
    return _json(_without_defaults({**head, "margin": margin_db, "batteryLevel": round(battery_pct, 2)}))


def log(device: Device, level: str, code: str, description: str, now_ms: int) -> bytes:
    """A `log` event; it has no deduplication id."""
    head = {"time": rfc3339(now_ms), "deviceInfo": device_info(device)}
    return _json({**head, "level": level, "code": code, "description": description, "context": {}})


def plain(device: Device, counter: int, values: Mapping[str, object], now_ms: int) -> bytes:
    """A station that speaks plain JSON on a topic of its own."""
    return _json({"station": device.dev_eui, "ts": now_ms, "seq": counter, "werte": values})


def _log10(value: float) -> float:
    return math.log10(value)


def _without_defaults(event: Mapping[str, object]) -> dict[str, object]:
    """protobuf's JSON leaves out what equals its default."""
    return {name: value for name, value in event.items() if value not in (0, 0.0, False, "", None)}


def _uuid(rng: random.Random) -> str:
    raw = f"{rng.getrandbits(128):032x}"
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"


def _json(event: Mapping[str, object]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
