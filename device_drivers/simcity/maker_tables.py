"""Neighbour tables of makers with MIBs of their own, as a simulated agent serves them. No I/O."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from device_drivers.api import Oid
from device_drivers.mesh_tables import AF60, AIRMAX, CNWAVE, ENTERPRISES, MIKROTIK
from device_drivers.snmp_ber import INTEGER, OCTETS, oid_body, read_oid
from device_drivers.snmp_codec import value_tlv

OBJECT_IDS: Final[Mapping[str, Oid]] = {
    "routeros": (*ENTERPRISES, 14988, 1),
    "airos": (*ENTERPRISES, 41112, 1, 4),
    "af60": (*ENTERPRISES, 41112, 1, 11),
    "cnwave": (*ENTERPRISES, 17713, 60),
}
SIGNAL_DBM: Final = -61
RADIO_PORT: Final = 3
"""ifIndex of wlan0."""
Cells = dict[Oid, int | bytes]


def peer_cells(maker: str, own: bytes, far: bytes, name: str) -> Cells:
    """What an agent of this maker tells of one peer, in the columns of its MIB."""
    if maker == "routeros":
        row = (*far, RADIO_PORT)
        return {
            (*MIKROTIK, 2, 1, 3, *row): SIGNAL_DBM,
            (*MIKROTIK, 2, 1, 9, *row): 300_000_000,
            (*MIKROTIK, 2, 1, 10, *row): b"RouterOS 7.14.2",
            (*MIKROTIK, 3, 1, 7, RADIO_PORT): 5180,
        }
    if maker == "airos":
        cells: Cells = {
            (*AIRMAX, 7, 1, at, 1, *far): value for at, value in ((2, name.encode()), (3, SIGNAL_DBM), (6, 92))
        }
        return {(*AIRMAX, 1, 1, 4, 1): 5180, **cells}
    if maker == "af60":
        values = ((2, b"main"), (3, SIGNAL_DBM), (7, 1_800_000), (14, name.encode()))
        return {(*AF60, 3, 1, at, *far): value for at, value in values}
    sector = ((2, b"radio1"), (3, own), (4, far), (6, 14), (7, SIGNAL_DBM))
    return {(*CNWAVE, at, 1): value for at, value in sector}


class TableRows:
    """Implements wired.ExtraRows with cells that do not change; all lie in the gap of NET-SNMP-EXTEND."""

    def __init__(self, cells: Cells) -> None:
        self._rows = [(oid, oid_body(oid), _encoded(cells[oid])) for oid in sorted(cells)]

    def find(self, raw: bytes, _now_s: float) -> bytes | None:
        """The value of exactly this object."""
        return next((value for _, oid, value in self._rows if oid == raw), None)

    def behind(self, raw: bytes, place: int, _now_s: float) -> list[tuple[bytes, bytes]]:
        """All objects behind; before the shared ones there is none."""
        at = bisect_right(self._rows, read_oid(raw), key=lambda row: row[0])
        return [(oid, value) for _, oid, value in self._rows[at:]] if place > 0 else []


def _encoded(value: int | bytes) -> bytes:
    return value_tlv(INTEGER if isinstance(value, int) else OCTETS, value)
