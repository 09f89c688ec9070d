"""Which SNMP tables tell of mesh neighbours, by maker, and how their rows become NeighbourSeen. Pure, no I/O.

Linux nodes publish what `batctl` and `iw` print through NET-SNMP-EXTEND under the names of `EXTEND_NAMES`; every node
may speak LLDP-MIB; MikroTik, Ubiquiti and Cambium have tables of their own, chosen by sysObjectID.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from device_drivers import lldpcli_parse, mesh_parse
from device_drivers.api import Oid, Poll, PollPlan, SnmpValue
from device_drivers.capabilities import NeighbourSeen, NeighbourSource
from device_drivers.mesh_parse import NotUnderstood, Radio, band_of_mhz, band_of_name, mac_of
from device_drivers.snmp_oids import IF_NAME, SYS_DESCR, SYS_NAME, SYS_OBJECT_ID

IF_PHYS_ADDRESS: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 6)
ENTERPRISES: Oid = (1, 3, 6, 1, 4, 1)
EXTEND: Oid = (1, 3, 6, 1, 4, 1, 8072, 1, 3, 2, 3, 1)
LLDP: Oid = (1, 0, 8802, 1, 1, 2, 1)
MIKROTIK: Oid = (1, 3, 6, 1, 4, 1, 14988, 1, 1, 1)
AIRMAX: Oid = (1, 3, 6, 1, 4, 1, 41112, 1, 4)
AF60: Oid = (1, 3, 6, 1, 4, 1, 41112, 1, 11, 1)
CNWAVE: Oid = (1, 3, 6, 1, 4, 1, 17713, 60, 1, 1, 1)
STATIONS, PATHS = "iw-station-", "iw-mpath-"
EXTEND_NAMES: Final = ("batadv-neighbors", "batadv-originators", "batadv-hardifs", "iw-dev", STATIONS, PATHS, "lldp")
# LLDP-MIB, LldpChassisIdSubtype and LldpPortIdSubtype: macAddress, networkAddress, interfaceName
MAC_SUBTYPES: Final = {"chassis": 4, "port": 3}
ADDRESS_SUBTYPE: Final = 5
NAME_SUBTYPE: Final = 5
BINARY_PORTS: Final = (3, 4)


def _plan(*columns: Oid, rows: int = 64) -> PollPlan:
    return PollPlan((), columns, rows)


INTERFACES_PLAN: Final = PollPlan((SYS_OBJECT_ID, SYS_NAME, SYS_DESCR), (IF_NAME, IF_PHYS_ADDRESS), 64)
EXTEND_PLAN: Final = _plan((*EXTEND, 2), (*EXTEND, 4), rows=24)
LLDP_PLAN: Final = _plan(
    *((*LLDP, 4, 1, 1, column) for column in (4, 5, 6, 7, 8, 9)),
    *((*LLDP, 3, 7, 1, column) for column in (2, 3, 4)),
    rows=128,
)
MIKROTIK_PLAN: Final = _plan(
    *((*MIKROTIK, 2, 1, column) for column in (3, 9, 10)),
    *((*MIKROTIK, 3, 1, 7),),
    *((*MIKROTIK, 8, 1, column) for column in (5, 12, 13)),
    *((*MIKROTIK, 9, 1, column) for column in (3, 8, 9)),
    rows=256,
)
AIRMAX_PLAN: Final = _plan(*((*AIRMAX, 7, 1, column) for column in (2, 3, 6)), (*AIRMAX, 1, 1, 4), rows=256)
AF60_PLAN: Final = _plan(*((*AF60, 3, 1, column) for column in (2, 3, 7, 14)))
CNWAVE_PLAN: Final = _plan(*((*CNWAVE, column) for column in (2, 3, 4, 6, 7)))


@dataclass(frozen=True, slots=True)
class Identity:
    """What an agent says it is, and its interfaces. `names` by ifIndex, `macs` by interface name."""

    object_id: Oid
    sys_name: str
    description: str
    names: Mapping[int, str] = field(default_factory=dict)
    macs: Mapping[str, str] = field(default_factory=dict)


MAKERS_PLANS: Final = (MIKROTIK_PLAN, AIRMAX_PLAN, AF60_PLAN, CNWAVE_PLAN)


class Heard(NamedTuple):
    """Neighbours, further MACs of the node itself by interface name, and how many clients it has where the table tells.

    `tells_mesh`: the node publishes whom its radios mesh with, be it nobody at the moment. How many clients it serves,
    or what is plugged into it, says nothing of that.
    """

    seen: list[NeighbourSeen]
    macs: dict[str, str]
    clients: int | None
    tells_mesh: bool


def identity(poll: Poll) -> Identity:
    """Read a poll of INTERFACES_PLAN."""
    object_id, name, description = poll.scalars[:3]
    names = {index[0]: _text(row[0]) or f"if{index[0]}" for index, row in poll.rows.items() if len(index) == 1}
    macs = {names[index[0]]: _mac(row[1]) for index, row in poll.rows.items() if len(index) == 1 and _mac(row[1])}
    return Identity(object_id if isinstance(object_id, tuple) else (), _text(name), _text(description), names, macs)


def plans_for(object_id: Oid) -> tuple[PollPlan, ...]:
    """The tables worth asking an agent for, besides its interfaces."""
    maker = object_id[len(ENTERPRISES)] if object_id[: len(ENTERPRISES)] == ENTERPRISES and len(object_id) > 6 else 0
    own: dict[int, tuple[PollPlan, ...]] = {
        14988: (MIKROTIK_PLAN,),
        41112: (AIRMAX_PLAN, AF60_PLAN),
        10002: (AIRMAX_PLAN,),  # airOS before it had a number of its own
        17713: (CNWAVE_PLAN,),
    }
    return (*own.get(maker, (EXTEND_PLAN,)), LLDP_PLAN)


def heard(plan: PollPlan, poll: Poll, known: Identity) -> Heard:
    """Neighbours in a poll of one of the plans. Raises NotUnderstood for text that is not what its name says."""
    read: dict[int, Callable[[Poll, Identity], Heard]] = {
        id(EXTEND_PLAN): _extend,
        id(LLDP_PLAN): _lldp,
        id(MIKROTIK_PLAN): _mikrotik,
        id(AIRMAX_PLAN): _airmax,
        id(AF60_PLAN): _af60,
        id(CNWAVE_PLAN): _cnwave,
    }
    return read[id(plan)](poll, known)


def without_odd(plan: PollPlan, poll: Poll) -> tuple[Poll, int]:
    """A maker's table without rows that are none (a cut or impossible MAC index, a signal of the wrong type or
    without one), and how many those were; other tables as they are."""
    if not any(plan is one for one in MAKERS_PLANS):
        return poll, 0
    good = {index: row for index, row in poll.rows.items() if _is_sound(plan, index, row)}
    return replace(poll, rows=good), len(poll.rows) - len(good)


def _is_sound(plan: PollPlan, index: Oid, row: tuple[SnmpValue, ...]) -> bool:
    if plan is CNWAVE_PLAN:
        return isinstance(row[1], bytes) and isinstance(row[2], bytes | None) and isinstance(row[4], int | None)
    if plan is MIKROTIK_PLAN:
        if len(index) == 1:
            return True  # an interface of the access point or 60 GHz tables: which cells it has differs by model
        return len(index) == 7 and max(index[:6]) < 256 and isinstance(row[0], int)
    if plan is AIRMAX_PLAN:
        if len(index) == 1:
            return isinstance(row[3], int)
        return len(index) == 7 and max(index[1:]) < 256 and isinstance(row[1], int)
    return len(index) in (6, 7) and max(index[:6]) < 256 and isinstance(row[1], int)


def _extend(poll: Poll, known: Identity) -> Heard:
    texts = {
        bytes(index[1:]).decode("latin-1"): row for index, row in poll.rows.items() if max(index, default=256) < 256
    }
    said = {name: _good(name, row) for name, row in texts.items() if name.startswith(EXTEND_NAMES)}
    radios = mesh_parse.radios(said.get("iw-dev", ""))
    macs = {name: radio.mac for name, radio in radios.items() if radio.mac}
    if hardifs := said.get("batadv-hardifs"):
        macs |= mesh_parse.batadv_macs(hardifs)
    own = {**known.macs, **macs}
    found: list[NeighbourSeen] = []
    if neighbours := said.get("batadv-neighbors"):
        found += mesh_parse.batadv(neighbours, said.get("batadv-originators", ""), radios, own, hardifs or "")
    for name, text in said.items():
        if name.startswith(STATIONS):
            paths = said.get(f"{PATHS}{name.removeprefix(STATIONS)}", "")
            found += mesh_parse.stations(text, radios, paths)
    if wired := said.get("lldp"):
        found += lldpcli_parse.lldp(wired, own)
    points = [name for name, radio in radios.items() if mesh_parse.is_access_point(radio)]
    dumps = [dump for name in points if (dump := said.get(f"{STATIONS}{name}")) is not None]
    meshes = bool(neighbours) or any(
        name.startswith(STATIONS) and name.removeprefix(STATIONS) not in points for name in said
    )
    return Heard(found, macs, sum(map(mesh_parse.guests, dumps)) if dumps else None, meshes)


def _good(name: str, row: tuple[SnmpValue, ...]) -> str:
    text, status = row
    if status not in (0, None):
        raise NotUnderstood(f"extend {name} ended with {status!r}: {_text(text)[:60]!r}")
    return _text(text)


def _lldp(poll: Poll, known: Identity) -> Heard:
    ports = {index[0]: _own_port(index[0], row[6:9], known) for index, row in poll.rows.items() if len(index) == 1}
    found: list[NeighbourSeen] = []
    for index, row in poll.rows.items():
        if len(index) != 3:
            continue
        chassis_kind, chassis, port_kind, port, description, name = row[:6]
        local = ports.get(index[1]) or _own_port(index[1], (None, None, None), known)
        remote = (_mac(port) if port_kind == MAC_SUBTYPES["port"] else "") or (
            _mac(chassis) if chassis_kind == MAC_SUBTYPES["chassis"] else ""
        )
        called = _text(name) or (_network_address(chassis) if chassis_kind == ADDRESS_SUBTYPE else "")
        far = _text(port) if port_kind == NAME_SUBTYPE else _text(description)
        if remote or called:
            mac = known.macs.get(local, "")
            found.append(NeighbourSeen("lldp", local, mac, remote, "wired", called, remote_ifname=far))
    return Heard(found, {}, None, tells_mesh=False)


def _own_port(number: int, port: tuple[SnmpValue, ...], known: Identity) -> str:
    """The name under which the interface table has one of the agent's own ports.

    lldpd and most switches give a port's MAC as its id and the name as its description; bridges and VLANs share that
    MAC. The number is the ifIndex with most agents, but the standard does not promise it.
    """
    kind, value, description = port
    written = "" if kind in BINARY_PORTS else _text(value)
    names = set(known.names.values())
    for said in (written, _text(description)):
        if said in names:
            return said
    mac = _mac(value) if kind == MAC_SUBTYPES["port"] else ""
    same = [name for name in known.names.values() if mac and known.macs.get(name) == mac]
    numbered = known.names.get(number, "")
    if same:
        return numbered if numbered in same else same[0]
    return written or _text(description) or numbered or f"port{number}"


def _network_address(value: SnmpValue) -> str:
    """IANA's number of the address family (1 IPv4, 2 IPv6), then the address."""
    if not isinstance(value, bytes) or (value[:1], len(value)) not in ((b"\1", 5), (b"\2", 17)):
        return ""
    return str(ipaddress.ip_address(value[1:]))


def _mikrotik(poll: Poll, known: Identity) -> Heard:
    """Registration table (MAC and ifIndex), 60 GHz link and its stations.

    A station without a RouterOS of its own is a guest's telephone unless its address turns out to be a node's.
    """
    frequency = {index[0]: row[3] for index, row in poll.rows.items() if len(index) == 1}
    found: list[NeighbourSeen] = []
    guests = 0
    for index, row in poll.rows.items():
        if len(index) == 7:
            strength, rate, system = row[:3]
            ifname = known.names.get(index[6], f"if{index[6]}")
            radio = _radio(known, ifname, frequency.get(index[6]))
            one = _seen("routeros", radio, ifname, _join(index[:6]), signal=strength, mbps=_rate(rate, 1e6))
            guests += not _text(system)
            found.append(one if _text(system) else replace(one, guest=True))
    has_radio = any(row[3] is not None for row in poll.rows.values())
    clients = guests if guests or has_radio else None
    return Heard(found + _mikrotik_60(poll, known), {}, clients, bool(poll.rows))


def _mikrotik_60(poll: Poll, known: Identity) -> list[NeighbourSeen]:
    """RouterOS 7.20 on a wAP 60G tells of one station twice: at `wlan60-1` and at `wlan60-station-1`, which has the
    same address. The radio's name stands for both, or one link would be two."""
    at = {index[0]: row for index, row in poll.rows.items() if len(index) == 1}
    names = {number: known.names.get(number, f"if{number}") for number in at}
    radios = [names[number] for number, row in at.items() if any(cell is not None for cell in row[4:7])]
    found: dict[tuple[str, str], NeighbourSeen] = {}
    for number, row in sorted(at.items()):
        ifname = names[number]
        mac = known.macs.get(ifname, "")
        same = [name for name in radios if mac and known.macs.get(name) == mac] or (radios if not mac else [])
        station_at = same[0] if len(same) == 1 else ifname
        for where, (remote, level, speed) in ((ifname, row[4:7]), (station_at, (row[7], row[9], row[8]))):
            if far := _mac(remote):
                radio = Radio(known.macs.get(where, ""), "60")
                one = _seen("routeros", radio, where, far, signal=level, mbps=_rate(speed, 1))
                found.setdefault((where, far), one)
    return list(found.values())


def _airmax(poll: Poll, known: Identity) -> Heard:
    """ubntStaTable, index wlIndex and MAC; airMAX peers are bridges, not guests. The n-th radio is the n-th `ath`."""
    frequencies = {index[0]: row[3] for index, row in poll.rows.items() if len(index) == 1 and row[3]}
    names = [name for _, name in sorted(known.names.items()) if name.startswith(("ath", "wifi"))]
    found: list[NeighbourSeen] = []
    for index, (name, signal, ccq, _) in poll.rows.items():
        if len(index) == 7:
            number = index[0]
            only = next(iter(frequencies.values())) if len(frequencies) == 1 else None
            ifname = names[number - 1] if 0 < number <= len(names) else next(iter(names), "ath0")
            radio = _radio(known, ifname, frequencies.get(number, only))
            quality = float(ccq) if isinstance(ccq, int) and 0 < ccq <= 100 else None
            one = _seen("airos", radio, ifname, _join(index[1:]), signal=signal, name=_text(name), quality=quality)
            found.append(one)
    return Heard(found, {}, len(found) if found or frequencies else None, bool(poll.rows))


def _af60(poll: Poll, known: Identity) -> Heard:
    """af60StationTable, index MAC and number of the radio. A link that runs on its 5 GHz backup is one of that band."""
    found: list[NeighbourSeen] = []
    for index, (active, rssi, capacity, name) in poll.rows.items():
        on_backup = _text(active).lower().startswith("backup")
        radio = Radio(known.macs.get("wlan0", ""), "5" if on_backup else "60")
        far = _join(index[:6])
        found.append(_seen("af60", radio, "wlan0", far, signal=rssi, mbps=_rate(capacity, 1e3), name=_text(name)))
    return Heard(found, {}, None, bool(poll.rows))


def _cnwave(poll: Poll, _known: Identity) -> Heard:
    """TERRAGRAPH-RADIO-MIB: the remote MAC of each sector is the edge of the graph."""
    found: list[NeighbourSeen] = []
    macs: dict[str, str] = {}
    for index, (ifname, mac, remote, _snr, rssi) in poll.rows.items():
        name = _text(ifname) or ".".join(map(str, index))
        own, far = _mac(mac), _mac(remote)
        if own:
            macs[name] = own
        if far and far != "00:00:00:00:00:00":
            found.append(_seen("cnwave", Radio(own, "60"), name, far, signal=rssi))
    return Heard(found, macs, None, bool(poll.rows))


def _radio(known: Identity, ifname: str, mhz: SnmpValue) -> Radio:
    band = band_of_mhz(mhz) if isinstance(mhz, int) and mhz > 0 else band_of_name("wlan")
    return Radio(known.macs.get(ifname, ""), band)


def _seen(
    source: NeighbourSource,
    radio: Radio,
    ifname: str,
    remote: str,
    *,
    signal: SnmpValue = None,
    mbps: float | None = None,
    name: str = "",
    quality: float | None = None,
) -> NeighbourSeen:
    signal_dbm = float(signal) if isinstance(signal, int) and -150 < signal < 0 else None
    return NeighbourSeen(source, ifname, radio.mac, remote, radio.band, name, quality, signal_dbm, mbps)


def _rate(value: SnmpValue, per_mbit: float) -> float | None:
    return round(value / per_mbit, 3) if isinstance(value, int) and value > 0 else None


def _join(numbers: Iterable[int]) -> str:
    return mac_of(":".join(f"{number & 255:02x}" for number in numbers))


def _mac(value: SnmpValue) -> str:
    """Six raw bytes, or the text of a MAC as some agents give it."""
    if not isinstance(value, bytes):
        return ""
    return _join(value) if len(value) == 6 and any(value) else mac_of(_text(value))


def _text(value: SnmpValue) -> str:
    return value.decode("utf-8", "replace").strip("\0 \n") if isinstance(value, bytes) else ""
