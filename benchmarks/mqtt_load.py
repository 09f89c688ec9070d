"""Load for MQTT benchmarks and tests: prepared ChirpStack events, published at QoS 1 over one raw socket.

Run as a process of its own, so that the publisher's work is not counted against the subscriber.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import select
import socket
import struct
import time
from collections.abc import Iterator

WINDOW = 2000


def eui(device: int) -> str:
    """The EUI of the n-th device."""
    return f"24e1240000{device:06x}"


def _reception(gateway: str, rssi: int, snr: float) -> dict[str, object]:
    return {
        "gatewayId": gateway,
        "uplinkId": 4217106255,
        "gwTime": "2026-11-23T19:59:58.123456+00:00",
        "nsTime": "2026-11-23T19:59:58.143981243+00:00",
        "rssi": rssi,
        "snr": snr,
        "channel": 5,
        "rfChain": 1,
        "location": {"latitude": 51.5177, "longitude": 7.0857, "altitude": 60.0},
        "context": "EFwMtA==",
        "metadata": {"region_config_id": "eu868", "region_common_name": "EU868"},
        "crcStatus": "CRC_OK",
    }


def uplink(device: int, counter: int, at: dt.datetime) -> tuple[str, bytes]:
    """Topic and payload of an uplink as ChirpStack v4 sends it: two gateways, about 1.5 kB."""
    application = "ca739e26-7b67-4f14-b69e-d568c22a5a75"
    body = {
        "deduplicationId": f"3ac7e3c4-4401-4b8d-9386-{device * 100_000 + counter:012x}",
        "time": at.isoformat(timespec="microseconds"),
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "Gelsendienste",
            "applicationId": application,
            "applicationName": "waste bins",
            "deviceProfileId": "605d08d4-65f5-4d2c-8a5a-3d2457662f79",
            "deviceProfileName": "EM400-MUD",
            "deviceName": f"bin {device:04d}",
            "devEui": eui(device),
            "deviceClassEnabled": "CLASS_A",
            "tags": {"district": "Buer", "container": "1100 l"},
        },
        "devAddr": f"{device:08x}",
        "adr": True,
        "dr": 5,
        "fCnt": counter,
        "fPort": 85,
        "confirmed": False,
        "data": "AXVcA2cBAQSCBAkFAAE=",
        "object": {"battery": 92, "temperature": 21.5, "distance": 1000 + counter % 500, "position": "normal"},
        "rxInfo": [_reception("0016c001f153a14c", -57, 8.5), _reception("0016c001f153a14d", -94, 10.0)],
        "txInfo": {
            "frequency": 868500000,
            "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}},
        },
        "regionConfigId": "eu868",
    }
    return f"application/{application}/device/{eui(device)}/event/up", json.dumps(body, separators=(",", ":")).encode()


def uplinks(count: int, devices: int) -> Iterator[tuple[str, bytes]]:
    """`count` uplinks of `devices` devices in turn, each device counting from 1, the last one now."""
    start = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=count)
    for n in range(count):
        yield uplink(n % devices, 1 + n // devices, start + dt.timedelta(milliseconds=n))


def _publish(topic: str, payload: bytes, mid: int) -> bytes:
    raw = topic.encode()
    length = 4 + len(raw) + len(payload)
    head = bytearray([0x32])
    while True:
        head.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            break
    return bytes(head) + struct.pack(">H", len(raw)) + raw + struct.pack(">H", mid) + payload


def packets(count: int, devices: int) -> list[bytes]:
    """The uplinks as they go over the wire. Packet ids may come again as soon as WINDOW is confirmed."""
    return [_publish(*one, 1 + n % 60_000) for n, one in enumerate(uplinks(count, devices))]


def connect(port: int, client_id: bytes) -> socket.socket:
    """A clean MQTT 3.1.1 session for publishing."""
    sock = socket.create_connection(("127.0.0.1", port))
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(client_id)) + client_id
    sock.sendall(bytes([0x10, len(body)]) + body)
    assert sock.recv(4) == b"\x20\x02\x00\x00"
    sock.setblocking(False)
    return sock


def send(sock: socket.socket, packets: list[bytes], rate: float | None = None) -> None:
    """Send all with at most WINDOW unconfirmed, at `rate` a second if given; returns when all are confirmed."""
    sent = confirmed = 0
    out, rest = memoryview(b""), b""
    began = time.monotonic()
    while confirmed < len(packets):
        if not out:
            due = len(packets) if rate is None else int((time.monotonic() - began) * rate)
            until = min(len(packets), confirmed + WINDOW, sent + 200, due)
            if until > sent:
                out, sent = memoryview(b"".join(packets[sent:until])), until
        readable, writable, _ = select.select([sock], [sock] if out else [], [], 0.005)
        if writable:
            out = out[sock.send(out) :]
        if readable:
            rest += sock.recv(65536)
            confirmed += len(rest) // 4  # a PUBACK has four bytes
            rest = rest[len(rest) // 4 * 4 :]


def main() -> None:
    """Publish as asked on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--devices", type=int, default=800)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    prepared = packets(options.count, options.devices)
    print("ready", flush=True)
    with connect(options.port, b"load") as sock:
        send(sock, prepared, options.rate)
    print("sent", flush=True)


if __name__ == "__main__":
    main()
