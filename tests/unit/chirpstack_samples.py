"""ChirpStack v4 events as its documentation shows them, for tests and benchmarks."""

from __future__ import annotations

import json
from typing import Any

NOW_MS = 1_795_464_000_000  # 2026-11-23T20:00:00Z
EUI = "24e124126a148401"


def device(eui: str = EUI, name: str = "bin 0001", profile: str = "EM400-MUD") -> dict[str, Any]:
    return {
        "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
        "tenantName": "Gelsendienste",
        "applicationId": "ca739e26-7b67-4f14-b69e-d568c22a5a75",
        "applicationName": "bins",
        "deviceProfileId": "605d08d4-65f5-4d2c-8a5a-3d2457662f79",
        "deviceProfileName": profile,
        "deviceName": name,
        "devEui": eui,
        "deviceClassEnabled": "CLASS_A",
        "tags": {"district": "Buer"},
    }


def reception(gateway: str, rssi: int, snr: float) -> dict[str, Any]:
    return {
        "gatewayId": gateway,
        "uplinkId": 4217106255,
        "gwTime": "2026-11-23T19:59:58.123456+00:00",
        "nsTime": "2026-11-23T19:59:58.143981243+00:00",
        "timeSinceGpsEpoch": "1479499216.123s",
        "rssi": rssi,
        "snr": snr,
        "channel": 5,
        "rfChain": 1,
        "board": 0,
        "antenna": 0,
        "location": {"latitude": 51.5177, "longitude": 7.0857, "altitude": 60.0},
        "context": "EFwMtA==",
        "metadata": {"region_config_id": "eu868", "region_common_name": "EU868"},
        "crcStatus": "CRC_OK",
    }


def up(counter: int = 12, **more: Any) -> dict[str, Any]:
    """An uplink of two gateways; `counter` 0 is left out as on the wire."""
    event = {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": "2026-11-23T19:59:58.143981243+00:00",
        "deviceInfo": device(),
        "devAddr": "00189440",
        "adr": True,
        "dr": 5,
        "fPort": 85,
        "data": "AXVcA2cBAQSCBAkFAAE=",
        "object": {"battery": 92, "temperature": 25.7, "distance": 1033, "position": "normal"},
        "rxInfo": [reception("0016c001f153a14c", -57, 8.5), reception("0016c001f153a14d", -94, 10.0)],
        "txInfo": {
            "frequency": 868500000,
            "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}},
        },
        "regionConfigId": "eu868",
        **({"fCnt": counter} if counter else {}),
    }
    return {**event, **more}


def event(**fields: Any) -> dict[str, Any]:
    """The part all events share, and the fields given."""
    return {"time": "2026-11-23T19:59:58.143981243+00:00", "deviceInfo": device(), **fields}


def topic(kind: str, eui: str = EUI) -> str:
    return f"application/ca739e26-7b67-4f14-b69e-d568c22a5a75/device/{eui}/event/{kind}"


def encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
