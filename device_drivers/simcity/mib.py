"""What a simulated agent holds: one shared layout of objects per number of interfaces, values made when asked. Pure.

Odd behaviour copied on purpose: ssCpuIdle does not exist in the first minute after a start (net-snmp), a counter
reset shows in ifCounterDiscontinuityTime, sysUpTime and hrSystemUptime restart with a reboot.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from device_drivers import snmp_oids as names
from device_drivers.api import Oid
from device_drivers.snmp_ber import (
    COUNTER32,
    COUNTER64,
    GAUGE32,
    INTEGER,
    OCTETS,
    OID,
    TIME_TICKS,
    oid_body,
    read_oid,
)
from device_drivers.snmp_codec import value_tlv

DAY_S: Final = 86_400.0
CPU_HIDDEN_S: Final = 60
IF_INDEX: Final = (1, 3, 6, 1, 2, 1, 2, 2, 1, 1)
IF_DESCR: Final = (1, 3, 6, 1, 2, 1, 2, 2, 1, 2)
IF_PHYS_ADDRESS: Final = (1, 3, 6, 1, 2, 1, 2, 2, 1, 6)
EXTEND_BASE: Final = (1, 3, 6, 1, 4, 1, 8072)
PORT_NAMES: Final = {
    "": ("lo", "eth0", "wlan0", "wlan1", "mesh0", "bat0", "wlan2", "sfp0"),
    "routeros": ("lo", "ether1", "wlan1", "wlan2", "wlan3", "bridge", "wlan60-1", "wlan60-station-1"),
    "airos": ("lo", "eth0", "wlan0", "ath0", "ath1", "ath2", "br0", "br1"),
    "cnwave": ("lo", "nic1", "radio1", "radio2", "nic2", "nic3", "br0", "sfp1"),
}
"""By maker ("" for Linux)."""
ADDRESS_OF: Final = {("routeros", 7): 6}
"""Ports with the address of another one."""
PORT_MBPS: Final = (10, 1000, 300, 1200, 866, 866, 2400, 10_000)


@dataclass(slots=True)
class Box:
    """One simulated node as its agent sees it. Times are seconds on the simulation's clock."""

    name: str
    description: str
    engine_id: bytes
    ports: int
    phase: float
    busy: float
    engine_boots: int = 1
    booted_s: float = 0.0
    host_booted_s: float = -400_000.0
    counted_from_s: float = -400_000.0
    discontinuity_ticks: int = 0
    overload: bool = False
    object_id: Oid = (1, 3, 6, 1, 4, 1, 8072, 3, 2, 10)


Value = Callable[[Box, float], bytes | None]
"""The encoded value of one object at a time, None where it does not exist just now."""


def rate_octets_s(box: Box, port: int) -> float:
    """Mean octets a second of one interface: a share of its speed."""
    return PORT_MBPS[port] * 125_000 * 0.06 * box.busy * (0.4 + 0.6 * ((port * 7 + int(box.phase * 10)) % 5) / 4)


def octets(box: Box, port: int, now_s: float) -> int:
    """The integral of a rate that swings by 60 % over the day: it never falls and has no jump."""
    mean = rate_octets_s(box, port)

    def total(at: float) -> float:
        return mean * (at - 0.6 * DAY_S / (2 * math.pi) * math.cos(2 * math.pi * (at / DAY_S + box.phase)))

    return int(total(now_s) - total(box.counted_from_s))


def cpu_pct(box: Box, now_s: float) -> int:
    """Busy share of the processor: a slow wave, or nearly everything while overloaded."""
    if box.overload:
        return 97
    return int(18 + 40 * box.busy * (1 + math.sin(2 * math.pi * (now_s / 900 + box.phase))) / 2)


def hardware_address(engine_id: bytes, port: int) -> bytes:
    """A locally administered MAC of one interface: the agent's number and the port."""
    return b"\x02" + engine_id[-4:] + bytes((port,))


def _ticks(seconds: float) -> int:
    return int(seconds * 100) & 0xFFFFFFFF


@lru_cache(maxsize=4096)
def _static(tag: int, value: int | bytes | Oid) -> bytes:
    return value_tlv(tag, value)


def _scalars() -> dict[Oid, Value]:
    return {
        names.SYS_DESCR: lambda box, _: _static(OCTETS, box.description.encode()),
        names.SYS_OBJECT_ID: lambda box, _: _static(OID, box.object_id),
        names.SYS_UPTIME: lambda box, now: value_tlv(TIME_TICKS, _ticks(now - box.booted_s)),
        names.SYS_NAME: lambda box, _: _static(OCTETS, box.name.encode()),
        names.HR_SYSTEM_UPTIME: lambda box, now: value_tlv(TIME_TICKS, _ticks(now - box.host_booted_s)),
        names.SNMP_ENGINE_ID: lambda box, _: _static(OCTETS, box.engine_id),
        names.SNMP_ENGINE_BOOTS: lambda box, _: _static(INTEGER, box.engine_boots),
        names.SNMP_ENGINE_TIME: lambda box, now: value_tlv(INTEGER, int(now - box.booted_s)),
        names.MEM_TOTAL_REAL: lambda *_: _static(INTEGER, 512_000),
        names.MEM_AVAIL_REAL: lambda box, now: value_tlv(INTEGER, 300_000 - 1_000 * cpu_pct(box, now)),
        names.MEM_BUFFER: lambda *_: _static(INTEGER, 20_000),
        names.MEM_CACHED: lambda *_: _static(INTEGER, 60_000),
        names.LA_LOAD_INT_1: lambda box, now: value_tlv(INTEGER, cpu_pct(box, now)),
        names.SS_CPU_IDLE: _cpu_idle,
    }


def _cpu_idle(box: Box, now_s: float) -> bytes | None:
    return None if now_s - box.booted_s < CPU_HIDDEN_S else value_tlv(INTEGER, 100 - cpu_pct(box, now_s))


def _columns(port: int, maker: str) -> dict[Oid, Value]:
    name = PORT_NAMES[maker][port].encode()
    of = ADDRESS_OF.get((maker, port), port)
    return {
        IF_INDEX: lambda *_: _static(INTEGER, port + 1),
        IF_DESCR: lambda *_: _static(OCTETS, name),
        IF_PHYS_ADDRESS: lambda box, _: value_tlv(OCTETS, b"" if port == 0 else hardware_address(box.engine_id, of)),
        names.IF_OPER_STATUS: lambda *_: _static(INTEGER, 1),
        names.IF_IN_OCTETS: lambda box, now: value_tlv(COUNTER32, octets(box, port, now) & 0xFFFFFFFF),
        names.IF_OUT_OCTETS: lambda box, now: value_tlv(COUNTER32, octets(box, port, now) * 2 // 3 & 0xFFFFFFFF),
        names.IF_NAME: lambda *_: _static(OCTETS, name),
        names.IF_HC_IN_OCTETS: lambda box, now: value_tlv(COUNTER64, octets(box, port, now)),
        names.IF_HC_OUT_OCTETS: lambda box, now: value_tlv(COUNTER64, octets(box, port, now) * 2 // 3),
        names.IF_HIGH_SPEED: lambda *_: _static(GAUGE32, PORT_MBPS[port]),
        names.IF_COUNTER_DISCONTINUITY: lambda box, _: value_tlv(TIME_TICKS, box.discontinuity_ticks),
    }


class Layout:
    """All objects of agents with the same number of interfaces by the same maker, in lexicographic order."""

    def __init__(self, ports: int, maker: str = "") -> None:
        objects = _scalars()
        for port in range(ports):
            objects |= {(*column, port + 1): value for column, value in _columns(port, maker).items()}
        self._oids = sorted(objects)
        self.entries = [(oid_body(oid), objects[oid]) for oid in self._oids]
        self._at = {raw: number for number, (raw, _) in enumerate(self.entries)}
        self._after: dict[bytes, int] = {}
        self.gap = bisect_right(self._oids, EXTEND_BASE)
        """Where rows of NET-SNMP-EXTEND and of makers belong; LLDP belongs before everything."""

    def find(self, raw: bytes) -> int | None:
        """The place of exactly this object."""
        return self._at.get(raw)

    def after(self, raw: bytes) -> int:
        """The place of the first object behind; the number of objects where none is."""
        place = self._after.get(raw)
        if place is None:
            place = bisect_right(self._oids, read_oid(raw))
            if len(self._after) < 4096:
                self._after[raw] = place
        return place


@lru_cache(maxsize=16)
def layout(ports: int, maker: str = "") -> Layout:
    """The layout for this many interfaces of a maker, made once."""
    return Layout(ports, maker)
