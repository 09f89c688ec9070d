"""Neighbour tables of makers with MIBs of their own, as their simulated agents serve them. No I/O.

Odd behaviour copied on purpose: RouterOS tells of a 60 GHz peer twice, at the radio and at a station interface that has
the radio's address; it names the system of RouterOS peers only; an AF60's index has the radio's number behind the MAC;
a cnWave has an interface for each peer, all with the address of one radio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from device_drivers.api import Oid
from device_drivers.mesh_tables import AF60, AIRMAX, CNWAVE, ENTERPRISES, MIKROTIK

MAKERS: Final[Mapping[str, str]] = {"MikroTik": "routeros", "Ubiquiti": "airos", "Cambium": "cnwave"}
"""Vendor -> whose tables its nodes serve; others publish what batctl and iw print."""
OBJECT_IDS: Final[Mapping[str, Oid]] = {
    "routeros": (*ENTERPRISES, 14988, 1),
    "airos": (*ENTERPRISES, 41112, 1, 4),
    "cnwave": (*ENTERPRISES, 17713, 60),
}
RADIO_PORTS: Final[Mapping[str, Mapping[str, int]]] = {
    "routeros": {"5": 2, "6": 3, "2.4": 4, "60": 6},
    "airos": {"60": 2, "5": 3, "6": 4, "2.4": 5},
    "cnwave": {"60": 2},
}
"""The port (as mib.PORT_NAMES counts them) that carries a band's links; its ifIndex is one more."""
STATION_PORT: Final = 7
AIRMAX_RADIOS: Final[Mapping[str, int]] = {"5": 1, "6": 2, "2.4": 3}
Cells = dict[Oid, int | bytes]


@dataclass(frozen=True, slots=True)
class Peer:
    """One far end as an agent hears it; `maker` is "" for those that are none of MAKERS.

    `number` is its place among the agent's links of its band, heard or not: ports keep their names while others go.
    """

    name: str
    mac: bytes
    maker: str
    band: str
    mhz: int
    signal_dbm: int
    quality_pct: int
    number: int


def cells(maker: str, own: bytes, peers: Iterable[Peer]) -> Cells:
    """What an agent of this maker tells of its peers, in the columns of its MIB; `own` is its 60 GHz radio."""
    if maker == "routeros":
        return _routeros(list(peers))
    if maker == "airos":
        return _airos(peers)
    return _cnwave(own, peers)


def _routeros(peers: list[Peer]) -> Cells:
    found: Cells = {}
    for peer in (one for one in peers if one.band != "60"):
        port = RADIO_PORTS["routeros"][peer.band] + 1
        row = (*peer.mac, port)
        found[*MIKROTIK, 2, 1, 3, *row] = peer.signal_dbm
        found[*MIKROTIK, 2, 1, 9, *row] = 8_000_000 * peer.quality_pct
        found[*MIKROTIK, 2, 1, 10, *row] = b"7.14.2" if peer.maker == "routeros" else b""
        found[*MIKROTIK, 3, 1, 7, port] = peer.mhz
    stations = [one for one in peers if one.band == "60"]
    for peer in stations:
        far, port = peer.mac, RADIO_PORTS["routeros"]["60"] + 1
        if peer is stations[0]:
            radio = ((5, far), (12, peer.signal_dbm), (13, 10 * peer.quality_pct))
            found |= {(*MIKROTIK, 8, 1, at, port): value for at, value in radio}
        station = ((3, far), (8, 10 * peer.quality_pct), (9, peer.signal_dbm))
        found |= {(*MIKROTIK, 9, 1, at, STATION_PORT + 1 + peer.number): value for at, value in station}
    return found


def _airos(peers: Iterable[Peer]) -> Cells:
    found: Cells = {}
    for peer in peers:
        if peer.band == "60":
            row = (*peer.mac, 1)
            station = ((2, b"main"), (3, peer.signal_dbm), (7, 18_000 * peer.quality_pct), (14, peer.name.encode()))
            found |= {(*AF60, 3, 1, at, *row): value for at, value in station}
        else:
            radio = AIRMAX_RADIOS[peer.band]
            row = (radio, *peer.mac)
            found[*AIRMAX, 1, 1, 4, radio] = peer.mhz
            bridge = ((2, peer.name.encode()), (3, peer.signal_dbm), (6, max(1, peer.quality_pct)))
            found |= {(*AIRMAX, 7, 1, at, *row): value for at, value in bridge}
    return found


def _cnwave(own: bytes, peers: Iterable[Peer]) -> Cells:
    """Addresses are text there (DisplayString)."""
    found: Cells = {}
    for peer in peers:
        link = ((2, f"terra{peer.number}".encode()), (3, own.hex(":").encode()), (4, peer.mac.hex(":").encode()),
                (6, peer.quality_pct // 5), (7, peer.signal_dbm))  # fmt: skip
        found |= {(*CNWAVE, at, 10 + peer.number): value for at, value in link}
    return found
