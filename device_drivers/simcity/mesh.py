"""What simulated nodes say of their neighbours: batctl and iw text in NET-SNMP-EXTEND, tables of makers, wires in
LLDP-MIB. No I/O.

Both ends of a link tell the same with a little difference; a dead node is heard by nobody; qualities swing slowly.
"""

from __future__ import annotations

import json
import math
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from device_drivers.api import Oid
from device_drivers.mesh_tables import EXTEND, LLDP, MAC_SUBTYPES, NAME_SUBTYPE
from device_drivers.simcity import maker_tables
from device_drivers.simcity.maker_tables import MAKERS, OBJECT_IDS, RADIO_PORTS
from device_drivers.simcity.mib import PORT_NAMES, hardware_address, layout
from device_drivers.simcity.wired import Agent
from device_drivers.simcity.world import RadioLink, World
from device_drivers.snmp_ber import INTEGER, OCTETS, oid_body, read_oid
from device_drivers.snmp_codec import value_tlv

RADIO: Final[Mapping[str, tuple[str, int, int]]] = {
    "2.4": ("mesh24", 6, 2437),
    "5": ("mesh0", 36, 5180),
    "6": ("mesh6", 5, 5975),
    "60": ("mesh60", 2, 60480),
}
WIRE: Final = ("eth0", 1)
ACCESS_POINT: Final = "phy0-ap0"
MADE_FOR_S: Final = 1.0
"""How long one answer's rows hold, so that the pages of one walk fit together."""
MOST_MADE: Final = 1500
"""Nodes whose rows are kept: those of 10,000 would be 100 MB, and each is asked once in minutes."""
SWING_PCT: Final = 8.0
FADED_PCT: Final = 40.0

Rows = list[tuple[Oid, bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Hears:
    """One neighbour as a node hears it."""

    link: RadioLink
    other: str


class Neighbourhood:
    """The radio truth of the whole city: who hears whom how well at a time."""

    def __init__(self, world: World, agents: Sequence[Agent]) -> None:
        self.agents = {mast.node_id: agent for mast, agent in zip(world.masts, agents, strict=True)}
        self.faded: set[str] = set()
        self.broken: set[frozenset[str]] = set()
        """Pairs of nodes with something between them: neither hears the other."""
        self.most_guests = {mast.node_id: 9 for mast in world.masts if mast.role == "hotspot"}
        self.makers = {mast.node_id: MAKERS.get(mast.vendor, "") for mast in world.masts}
        self._made: dict[str, tuple[float, tuple[Rows, Rows]]] = {}
        self.links_of: dict[str, list[Hears]] = {mast.node_id: [] for mast in world.masts}
        for link in world.links:
            self.links_of[link.a].append(Hears(link, link.b))
            self.links_of[link.b].append(Hears(link, link.a))
        for node_id, agent in self.agents.items():
            agent.extra = Extra(self, node_id)
            if maker := self.makers[node_id]:
                agent.box.object_id = OBJECT_IDS[maker]
                agent.objects = layout(agent.box.ports, maker)

    def rows(self, node_id: str, now_s: float, make: Callable[[float], tuple[Rows, Rows]]) -> tuple[Rows, Rows]:
        """The rows of one node: those made a moment ago, else new ones."""
        kept = self._made.pop(node_id, None)
        if kept is None or now_s - kept[0] >= MADE_FOR_S:
            kept = (now_s, make(now_s))
        self._made[node_id] = kept
        if len(self._made) > MOST_MADE:
            del self._made[next(iter(self._made))]
        return kept[1]

    def heard_by(self, node_id: str) -> list[Hears]:
        """Neighbours that are alive, with nothing between."""
        return [
            one
            for one in self.links_of[node_id]
            if not self.agents[one.other].down and frozenset((node_id, one.other)) not in self.broken
        ]

    def quality_pct(self, link: RadioLink, listener: str, now_s: float) -> float:
        """A slow swing around the link's own quality; the two ends differ by up to a tenth."""
        phase = zlib.crc32(f"{link.a}{link.b}{link.band}".encode()) % 1000 / 1000
        value = link.quality_pct + SWING_PCT * math.sin(2 * math.pi * (now_s / 3600 + phase))
        value -= 3.0 if listener == link.a else 0.0
        value -= FADED_PCT if self.faded & {link.a, link.b} else 0.0
        return max(2.0, min(100.0, value))

    def address(self, node_id: str, band: str) -> str:
        """The address of the interface that carries a band's links; a maker's tables know no others than IF-MIB."""
        ports = RADIO_PORTS.get(self.makers[node_id], {})
        radio = ports.get(band) if ports else self._linux_radio(node_id, band)
        return self.mac(node_id, WIRE[1] if radio is None else radio)

    def _linux_radio(self, node_id: str, band: str) -> int | None:
        """`mesh0` is among the interfaces of IF-MIB where a node has that many; hardifs tell of the others."""
        if band not in RADIO:
            return None
        ports = PORT_NAMES[""][: self.agents[node_id].box.ports]
        return ports.index(RADIO[band][0]) if RADIO[band][0] in ports else 16 + RADIO[band][1]

    def wire(self, node_id: str) -> bytes:
        """How a node calls its wired interface."""
        return PORT_NAMES[self.makers[node_id]][WIRE[1]].encode()

    def guests(self, node_id: str, now_s: float) -> int | None:
        """How many telephones are at a hotspot, by the time of day; None where there is no access point."""
        most = self.most_guests.get(node_id)
        if most is None:
            return None
        phase = zlib.crc32(node_id.encode()) % 1000 / 1000
        return round(most * (1 + math.sin(2 * math.pi * (now_s / 86_400 + phase))) / 2)

    def mac(self, node_id: str, number: int) -> str:
        """The address of one interface, in lower case with colons."""
        return hardware_address(self.agents[node_id].box.engine_id, number).hex(":")


class Extra:
    """Implements wired.ExtraRows for one node; rows are made when somebody asks."""

    def __init__(self, around: Neighbourhood, node_id: str) -> None:
        self._around = around
        self._node_id = node_id

    def find(self, raw: bytes, now_s: float) -> bytes | None:
        """The value of exactly this object."""
        return next((value for rows in self._made(now_s) for _, oid, value in rows if oid == raw), None)

    def behind(self, raw: bytes, place: int, now_s: float) -> list[tuple[bytes, bytes]]:
        """LLDP rows come before all shared objects, extend rows and those of makers in their gap."""
        rows = self._made(now_s)[place > 0]
        at = bisect_right(rows, read_oid(raw), key=lambda row: row[0])
        return [(oid, value) for _, oid, value in rows[at:]]

    def _made(self, now_s: float) -> tuple[Rows, Rows]:
        own = self._of_maker if self._around.makers[self._node_id] else self._extend
        return self._around.rows(self._node_id, now_s, lambda at_s: (self._lldp(), own(at_s)))

    def _lldp(self) -> Rows:
        values: dict[Oid, bytes] = {}
        wired = [one for one in self._around.heard_by(self._node_id) if one.link.band == "wired"]
        for number, one in enumerate(wired, 1):
            row = (0, WIRE[1] + 1, number)
            chassis = hardware_address(self._around.agents[one.other].box.engine_id, WIRE[1])
            cells = (
                (4, value_tlv(INTEGER, MAC_SUBTYPES["chassis"])),
                (5, value_tlv(OCTETS, chassis)),
                (6, value_tlv(INTEGER, NAME_SUBTYPE)),
                (7, value_tlv(OCTETS, self._around.wire(one.other))),
                (8, value_tlv(OCTETS, b"")),
                (9, value_tlv(OCTETS, one.other.encode())),
            )
            values |= {(*LLDP, 4, 1, 1, column, *row): cell for column, cell in cells}
        if wired:
            values[*LLDP, 3, 7, 1, 2, WIRE[1] + 1] = value_tlv(INTEGER, NAME_SUBTYPE)
            values[*LLDP, 3, 7, 1, 3, WIRE[1] + 1] = value_tlv(OCTETS, self._around.wire(self._node_id))
            values[*LLDP, 3, 7, 1, 4, WIRE[1] + 1] = value_tlv(OCTETS, b"")
        return [(oid, oid_body(oid), values[oid]) for oid in sorted(values)]

    def _of_maker(self, now_s: float) -> Rows:
        around, mine = self._around, self._node_id
        peers = []
        heard, numbers = set(around.heard_by(mine)), Counter[str]()
        for one in around.links_of[mine]:
            number = numbers[one.link.band]
            numbers[one.link.band] += 1
            if one.link.band in RADIO and one in heard:
                quality = round(around.quality_pct(one.link, mine, now_s))
                far = bytes.fromhex(around.address(one.other, one.link.band).replace(":", ""))
                maker, mhz = around.makers[one.other], RADIO[one.link.band][2]
                signal = _signal_dbm(quality)
                peers.append(maker_tables.Peer(one.other, far, maker, one.link.band, mhz, signal, quality, number))
        own = bytes.fromhex(around.address(mine, "60").replace(":", ""))
        cells = maker_tables.cells(around.makers[mine], own, peers)
        return [(oid, oid_body(oid), _encoded(cells[oid])) for oid in sorted(cells)]

    def _extend(self, now_s: float) -> Rows:
        texts = self._texts(now_s)
        values: dict[Oid, bytes] = {}
        for name, text in texts.items():
            index = (len(name), *name.encode())
            values[*EXTEND, 2, *index] = value_tlv(OCTETS, text.encode())
            values[*EXTEND, 4, *index] = value_tlv(INTEGER, 0)
        return [(oid, oid_body(oid), values[oid]) for oid in sorted(values)]

    def _texts(self, now_s: float) -> dict[str, str]:
        """The output of each command on this node."""
        around, mine = self._around, self._node_id
        radio = [one for one in around.heard_by(mine) if one.link.band in RADIO]
        used = {one.link.band for one in around.links_of[mine] if one.link.band in RADIO}
        neighbours, originators = [], []
        dumps = {RADIO[band][0]: "" for band in sorted(used)}
        paths = dict.fromkeys(dumps, "")
        for one in radio:
            ifname = RADIO[one.link.band][0]
            far = around.address(one.other, one.link.band)
            quality = around.quality_pct(one.link, mine, now_s)
            neighbours.append({"hard_ifname": ifname, "neigh_address": far, "last_seen_msecs": 240})
            originators.append(
                {
                    "hard_ifname": ifname,
                    "orig_address": far,
                    "neigh_address": far,
                    "tq": round(quality * 2.55),
                    "last_seen_msecs": 240,
                    "best": True,
                }
            )
            dumps[ifname] += _station(far, ifname, quality)
            paths[ifname] += _path(far, ifname, quality)
        hard = [
            {"hard_ifname": RADIO[band][0], "hard_address": around.address(mine, band), "active": True}
            for band in sorted(used)
        ]
        guests = around.guests(mine, now_s)
        if guests is not None:
            dumps[ACCESS_POINT] = "".join(_guest(number) for number in range(guests))
        point = "" if guests is None else _device(ACCESS_POINT, 6, 2437, around.mac(mine, 40), "AP")
        devices = "".join(_device(*RADIO[band], around.address(mine, band)) for band in sorted(used))
        return {
            "batadv-neighbors": json.dumps(neighbours),
            "batadv-originators": json.dumps(originators),
            "batadv-hardifs": json.dumps(hard),
            "iw-dev": devices + point,
            **{f"iw-station-{ifname}": text for ifname, text in dumps.items()},
            **{f"iw-mpath-{ifname}": text for ifname, text in paths.items()},
        }


def _station(mac: str, ifname: str, quality_pct: float) -> str:
    signal = _signal_dbm(quality_pct)
    return (
        f"Station {mac} (on {ifname})\n\tinactive time:\t80 ms\n"
        f"\tsignal:  \t{signal} dBm\n\tsignal avg:\t{signal} dBm\n"
        f"\ttx bitrate:\t{quality_pct * 8.66:.1f} MBit/s\n\texpected throughput:\t{quality_pct * 4.2:.3f}Mbps\n"
        "\tmesh plink:\tESTAB\n"
    )


def _path(mac: str, ifname: str, quality_pct: float) -> str:
    airtime = 1 + round(8192 / max(0.1, quality_pct * 4.2))
    return f"{mac} {mac} {ifname}\t7\t{airtime}\t0\t4800\t0\t0\t0x15\t1\t1\n"


def _signal_dbm(quality_pct: float) -> int:
    return round(-90 + quality_pct * 0.4)


def _encoded(value: int | bytes) -> bytes:
    return value_tlv(INTEGER if isinstance(value, int) else OCTETS, value)


def _guest(number: int) -> str:
    return f"Station 02:00:5e:10:00:{number:02x} (on {ACCESS_POINT})\n\tinactive time:\t90 ms\n\tsignal:  \t-61 dBm\n"


def _device(ifname: str, channel: int, mhz: int, mac: str, kind: str = "mesh point") -> str:
    return f"\tInterface {ifname}\n\t\taddr {mac}\n\t\ttype {kind}\n\t\tchannel {channel} ({mhz} MHz), width: 80 MHz\n"
